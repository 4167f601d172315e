// Where nodes stand. The layers and the order within them come with the data; here they get room.

import type { Node } from "./record";

export interface Size {
  width: number;
  height: number;
}
export type Point = { x: number; y: number };
export interface Plan {
  seats: Map<number, { along: number; across: number }>;
  layers: number;
  seatsAcross: number;
}
export interface Placed extends Size {
  points: Map<number, Point>;
  horizontal: boolean;
  box: Size;
}
export type Axis = "x" | "y";

const MARGIN = 28;
const GAP = { right: 84, down: 48, across: 26 }; // the first two between layers

/** What a node needs: a line for its name, and its numbers beside or below each other. */
export function boxSize(nodes: Node[]): Size {
  const scalars = nodes.every(({ shape }) => shape.length === 0);
  return scalars ? { width: 140, height: 56 } : { width: 172, height: 72 };
}

/** Which of x and y runs along the layers: that in which the nodes of a layer agree. */
export function acrossKey(nodes: Node[]): Axis {
  const first = new Map<number, Node>();
  for (const node of nodes) {
    const other = first.get(node.layer);
    if (other === undefined) first.set(node.layer, node);
    else if (other.x !== node.x) return "x";
    else if (other.y !== node.y) return "y";
  }
  return "y";
}

/** All nodes, at the distances of the data, widened until no two boxes of a layer touch. */
export function wholePlan(nodes: Node[], key: Axis): Plan {
  const layers = grouped(nodes, key);
  const unit = smallestGap(layers, key);
  const lowest = Math.min(...nodes.map((node) => node[key]));
  return planOf(layers, (node) => (node[key] - lowest) / unit);
}

/** A few nodes, close together: their order is that of the data, the distances are not. */
export function neighbourPlan(nodes: Node[], key: Axis): Plan {
  const layers = grouped(nodes, key);
  const most = Math.max(...layers.map((layer) => layer.length));
  return planOf(layers, (_, i, layer) => (most - layer.length) / 2 + i);
}

/** Centres in pixels, with the layers from left to right or from top to bottom. */
export function centres(plan: Plan, horizontal: boolean, box: Size): Placed {
  const along = horizontal ? box.width + GAP.right : box.height + GAP.down;
  const across = (horizontal ? box.height : box.width) + GAP.across;
  const points = new Map<number, Point>();
  for (const [id, seat] of plan.seats) {
    const [a, c] = [seat.along * along, seat.across * across];
    points.set(id, {
      x: MARGIN + box.width / 2 + (horizontal ? a : c),
      y: MARGIN + box.height / 2 + (horizontal ? c : a),
    });
  }
  const [long, wide] = [(plan.layers - 1) * along, plan.seatsAcross * across];
  return {
    points,
    horizontal,
    box,
    width: (horizontal ? long : wide) + box.width + 2 * MARGIN,
    height: (horizontal ? wide : long) + box.height + 2 * MARGIN,
  };
}

/** How much of its size a drawing can have if all of it is to be seen. */
export function fitting(placed: Size, room: Size): number {
  return Math.min(room.width / placed.width, room.height / placed.height);
}

/** Whether more of the drawing fits with the layers from left to right than from top to bottom. */
export function fitsBetterAcross(plan: Plan, room: Size, box: Size): boolean {
  return fitting(centres(plan, true, box), room) >= fitting(centres(plan, false, box), room);
}

/** What neighbourhoods look like on average: their direction is chosen once, not at each step. */
export const TYPICAL: Plan = { seats: new Map(), layers: 5, seatsAcross: 3 };

function planOf(layers: Node[][], across: (node: Node, i: number, layer: Node[]) => number): Plan {
  const seats: Plan["seats"] = new Map();
  layers.forEach((layer, along) =>
    layer.forEach((node, i) => seats.set(node.id, { along, across: across(node, i, layer) })),
  );
  const seatsAcross = Math.max(...[...seats.values()].map((seat) => seat.across));
  return { seats, layers: layers.length, seatsAcross };
}

function grouped(nodes: Node[], key: Axis): Node[][] {
  const layers = new Map<number, Node[]>();
  for (const node of nodes) {
    if (!layers.has(node.layer)) layers.set(node.layer, []);
    layers.get(node.layer)!.push(node);
  }
  const sorted = [...layers].sort(([a], [b]) => a - b).map(([, layer]) => layer);
  for (const layer of sorted) layer.sort((a, b) => a[key] - b[key] || a.id - b.id);
  return sorted;
}

function smallestGap(layers: Node[][], key: Axis): number {
  let least = Infinity;
  for (const layer of layers) {
    for (let i = 1; i < layer.length; i += 1) {
      const gap = layer[i][key] - layer[i - 1][key];
      if (gap > 0) least = Math.min(least, gap);
    }
  }
  return Number.isFinite(least) ? least : 1;
}
