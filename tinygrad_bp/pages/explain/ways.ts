// The ways of edges. Gradients run from child to parent; those over several layers run in a lane
// between the boxes, not behind them. In {along, across} the direction of the layers is one case.

import type { Edge } from "./record";
import type { Placed, Point } from "./place";

interface Spot {
  along: number;
  across: number;
}
interface Lane {
  across: number;
  from: number;
  to: number;
}
export interface Way {
  start: Spot;
  end: Spot;
  back: number;
  horizontal: boolean;
  lane: Lane | null;
}

const ARROW = 8;
const PORTS = 9; // pixels between two edges at one side of a box
const BESIDE = 14; // between a lane and the nearest box
const APART = 4; // between edges in one lane

export function waysOf(edges: Edge[], placed: Placed): Map<number, Way> {
  const ports = portShifts(edges, placed);
  const boxes = [...placed.points.values()].map((point) => turned(point, placed.horizontal));
  return new Map(edges.map((edge) => [edge.id, wayOf(edge, placed, ports.get(edge.id)!, boxes)]));
}

export function curve({ start, end, back, horizontal, lane }: Way): string {
  const neck = { along: end.along - back * ARROW, across: end.across };
  const at = (along: number, across: number) => (horizontal ? `${along} ${across}` : `${across} ${along}`);
  const bend = (p: Spot, q: Spot) => {
    const middle = (p.along + q.along) / 2;
    return `C${at(middle, p.across)} ${at(middle, q.across)} ${at(q.along, q.across)}`;
  };
  const from = `M${at(start.along, start.across)}`;
  if (lane === null) return from + bend(start, neck);
  const [enter, leave] = [lane.from, lane.to].map((along) => ({ along, across: lane.across }));
  return `${from}${bend(start, enter)}L${at(leave.along, leave.across)}${bend(leave, neck)}`;
}

export function arrowhead({ end, back, horizontal }: Way): string {
  const [l, w] = [-back * ARROW, ARROW * 0.6];
  return horizontal
    ? `M${end.along} ${end.across}l${l} ${-w}v${2 * w}z`
    : `M${end.across} ${end.along}l${-w} ${l}h${2 * w}z`;
}

/** Where to write what runs along an edge: beside the arrowhead, clear of the boxes. */
export function labelPlace({ end, back, horizontal }: Way, width: number): Point {
  return horizontal
    ? { x: end.along - back * (width / 2 + 6), y: end.across - 18 }
    : { x: end.across + width / 2 + 10, y: end.along - back * 19 };
}

function wayOf(edge: Edge, placed: Placed, shift: Shift, boxes: Spot[]): Way {
  const { horizontal, box } = placed;
  const [a, b] = [edge.child, edge.parent].map((id) => turned(placed.points.get(id)!, horizontal));
  const half = turned({ x: box.width / 2, y: box.height / 2 }, horizontal);
  const back = Math.sign(b.along - a.along) || -1;
  const spread = horizontal ? 1 : 2; // boxes are wider than high
  const start = { along: a.along + back * half.along, across: a.across + spread * shift.child };
  const end = { along: b.along - back * half.along, across: b.across + spread * shift.parent };
  return { start, end, back, horizontal, lane: laneOf(start, end, boxes, half, edge.id) };
}

interface Shift {
  child: number;
  parent: number;
}

/**
 * Edges that meet at a box are set apart: at the child in the order of its parents, so that they do
 * not cross, and at the parent if it is read twice.
 */
function portShifts(edges: Edge[], { points, horizontal, box }: Placed): Map<number, Shift> {
  const across = (edge: Edge) => points.get(edge.parent)![horizontal ? "y" : "x"];
  const byChild = new Map<number, Edge[]>();
  for (const edge of edges) byChild.set(edge.child, [...(byChild.get(edge.child) ?? []), edge]);
  const shifts = new Map<number, Shift>();
  for (const siblings of byChild.values()) {
    siblings.sort((a, b) => across(a) - across(b) || a.slot - b.slot);
    const middle = (siblings.length - 1) / 2;
    const pitch = Math.min(PORTS, box.height / (siblings.length + 1));
    siblings.forEach((edge, i) => {
      const twins = siblings.filter((other) => other.parent === edge.parent);
      const twin = twins.indexOf(edge) - (twins.length - 1) / 2;
      shifts.set(edge.id, { child: (i - middle) * pitch, parent: twin * PORTS });
    });
  }
  return shifts;
}

/** Where an edge should run between its ends, null if nothing is in its way. */
function laneOf(start: Spot, end: Spot, boxes: Spot[], half: Spot, id: number): Lane | null {
  const [low, high] = [Math.min(start.along, end.along), Math.max(start.along, end.along)];
  const between = boxes.filter(({ along }) => along - half.along > low + 1 && along + half.along < high - 1);
  if (between.length === 0) return null;
  const clear = (across: number) => between.every((box) => Math.abs(box.across - across) > half.across + BESIDE / 2);
  const detour = (across: number) => Math.abs(across - start.across) + Math.abs(across - end.across);
  const beside = between.flatMap(({ across }) => [across - half.across - BESIDE, across + half.across + BESIDE]);
  const free = [start.across, end.across, ...beside].filter(clear);
  const best = free.reduce((a, b) => (detour(b) < detour(a) ? b : a));
  const alongs = between.map(({ along }) => along);
  const [first, last] = [Math.min(...alongs) - half.along, Math.max(...alongs) + half.along];
  const across = best + ((id % 3) - 1) * APART;
  return start.along < end.along ? { across, from: first, to: last } : { across, from: last, to: first };
}

function turned({ x, y }: Point, horizontal: boolean): Spot {
  return horizontal ? { along: x, across: y } : { along: y, across: x };
}
