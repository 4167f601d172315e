// Where nodes stand. The layers and the order within them come with the data; here they get room.

import type { Node } from "./record";

export type Size = { width: number; height: number };
export type Point = { x: number; y: number };
/** Of seats x counts layers, y the places across them. */
export type Plan = { seats: Map<number, Point>; reach: Point };
export type Placed = Size & { points: Map<number, Point>; horizontal: boolean; box: Size };

const MARGIN = 28;
const GAP = { right: 84, down: 48, across: 26 }; // the first two between layers

/** What neighbourhoods look like on average: their direction is chosen once, not at each step. */
export const TYPICAL: Plan = { seats: new Map(), reach: { x: 4, y: 3 } };

/** What a node needs: a line for its name, and its numbers beside or below each other. */
export function boxSize(nodes: Node[]): Size {
  const scalars = nodes.every(({ shape }) => shape.length === 0);
  return scalars ? { width: 140, height: 56 } : { width: 172, height: 72 };
}

/**
 * Of a whole graph the distances are those of the data, widened until no two boxes of a layer touch.
 * A few neighbours stand close together: their order is that of the data.
 */
export function planOf(nodes: Node[], whole: boolean): Plan {
  const layers = layersOf(nodes);
  const gaps = layers.flatMap((layer) => layer.slice(1).map(({ y }, i) => y - layer[i].y));
  const unit = Math.min(...gaps.filter((gap) => gap > 0));
  const lowest = Math.min(...nodes.map(({ y }) => y));
  const most = Math.max(...layers.map(({ length }) => length));
  const seats = layers.flatMap((layer, x) =>
    layer.map(({ id, y }, i) => {
      const seat = { x, y: whole ? (y - lowest) / unit : (most - layer.length) / 2 + i };
      return [id, seat] as const;
    }),
  );
  const reach = { x: layers.length - 1, y: Math.max(...seats.map(([, { y }]) => y)) };
  return { seats: new Map(seats), reach };
}

/** Centres in pixels, with the layers from left to right or from top to bottom. */
export function placed({ seats, reach }: Plan, horizontal: boolean, box: Size): Placed {
  const pitch = horizontal
    ? { x: box.width + GAP.right, y: box.height + GAP.across }
    : { x: box.width + GAP.across, y: box.height + GAP.down };
  const at = (seat: Point): Point => {
    const { x, y } = turned(seat, horizontal);
    return { x: MARGIN + box.width / 2 + x * pitch.x, y: MARGIN + box.height / 2 + y * pitch.y };
  };
  const points = new Map([...seats].map(([id, seat]) => [id, at(seat)]));
  const end = at(reach);
  return { points, horizontal, box, width: end.x + box.width / 2 + MARGIN, height: end.y + box.height / 2 + MARGIN };
}

/** How much of its size a drawing can have if all of it is to be seen. */
export function fitting(drawing: Size, room: Size): number {
  return Math.min(room.width / drawing.width, room.height / drawing.height);
}

/** As if layers ran from left to right: that is the one case which is written out. */
export function turned({ x, y }: Point, horizontal: boolean): Point {
  return horizontal ? { x, y } : { x: y, y: x };
}

function layersOf(nodes: Node[]): Node[][] {
  const sorted = [...nodes].sort((a, b) => a.layer - b.layer || a.y - b.y || a.id - b.id);
  const layers = [...new Set(sorted.map(({ layer }) => layer))];
  return layers.map((each) => sorted.filter(({ layer }) => layer === each));
}
