// The ways of edges. Gradients run from child to parent; those over several layers run in a lane
// between the boxes, not behind them. Ways are found as if layers ran from left to right.

import { turned, type Placed, type Point } from "./place";
import type { Edge } from "./record";

/** Paths of an edge and of the head of its arrow; `back` is 1 to the right, -1 to the left. */
export type Way = { curve: string; tip: string; end: Point; back: number };

const ARROW = 8;
const PORTS = 9; // pixels between two edges at one side of a box
const BESIDE = 14; // between a lane and the nearest box
const APART = 4; // between edges in one lane

export function waysOf(edges: Edge[], { points, horizontal, box }: Placed): Map<number, Way> {
  const centres = new Map([...points].map(([id, point]) => [id, turned(point, horizontal)]));
  const boxes = [...centres.values()];
  const half = turned({ x: box.width / 2, y: box.height / 2 }, horizontal);
  const spread = horizontal ? 1 : 2; // boxes are wider than high

  function wayOf(edge: Edge): Way {
    const [a, b] = [centres.get(edge.child)!, centres.get(edge.parent)!];
    const back = Math.sign(b.x - a.x) || -1;
    const ports = portsOf(edge, edges, centres, box.height);
    const start = { x: a.x + back * half.x, y: a.y + spread * ports.child };
    const end = { x: b.x - back * half.x, y: b.y + spread * ports.parent };
    const neck = { x: end.x - back * ARROW, y: end.y };
    const curve = bent([start, ...laneOf(start, end, boxes, half, edge.id), neck]);
    const tip = `M${end.x} ${end.y}l${-back * ARROW} ${-0.6 * ARROW}v${1.2 * ARROW}z`;
    return { curve, tip, end, back };
  }
  return new Map(edges.map((edge) => [edge.id, wayOf(edge)]));
}

function bent([start, ...rest]: Point[]): string {
  let last = start;
  const bends = rest.map((next) => {
    const middle = (last.x + next.x) / 2;
    const bend = `C${middle} ${last.y} ${middle} ${next.y} ${next.x} ${next.y}`;
    last = next;
    return bend;
  });
  return `M${start.x} ${start.y}${bends.join("")}`;
}

/** Where to write what runs along an edge: beside the arrowhead, clear of the boxes. */
export function labelPlace({ end, back }: Way, horizontal: boolean, width: number): Point {
  return horizontal
    ? { x: end.x - back * (width / 2 + 6), y: end.y - 18 }
    : { x: end.y + width / 2 + 10, y: end.x - back * 19 };
}

/**
 * Edges that meet at a box are set apart: at the child in the order of its parents, so that they do
 * not cross, and at the parent if it is read twice.
 */
function portsOf(edge: Edge, edges: Edge[], centres: Map<number, Point>, height: number) {
  const siblings = edges
    .filter(({ child }) => child === edge.child)
    .sort((a, b) => centres.get(a.parent)!.y - centres.get(b.parent)!.y || a.slot - b.slot);
  const twins = siblings.filter(({ parent }) => parent === edge.parent);
  const fromMiddle = (all: Edge[]) => all.indexOf(edge) - (all.length - 1) / 2;
  const pitch = Math.min(PORTS, height / (siblings.length + 1));
  return { child: fromMiddle(siblings) * pitch, parent: fromMiddle(twins) * PORTS };
}

/** Where an edge enters and leaves the lane it should run in: nowhere if nothing is in its way. */
function laneOf(start: Point, end: Point, boxes: Point[], half: Point, id: number): Point[] {
  const [low, high] = [Math.min(start.x, end.x), Math.max(start.x, end.x)];
  const between = boxes.filter(({ x }) => x - half.x > low + 1 && x + half.x < high - 1);
  if (between.length === 0) return [];
  const clear = (y: number) => between.every((box) => Math.abs(box.y - y) > half.y + BESIDE / 2);
  const detour = (y: number) => Math.abs(y - start.y) + Math.abs(y - end.y);
  const beside = between.flatMap(({ y }) => [y - half.y - BESIDE, y + half.y + BESIDE]);
  const [best] = [start.y, end.y, ...beside].filter(clear).sort((a, b) => detour(a) - detour(b));
  const y = best + ((id % 3) - 1) * APART;
  const xs = between.map(({ x }) => x);
  const ends = [Math.min(...xs) - half.x, Math.max(...xs) + half.x];
  return (start.x < end.x ? ends : ends.reverse()).map((x) => ({ x, y }));
}
