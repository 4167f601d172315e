// Wishes: on edges as they run back, as arrows on the axis before a layer, and stacked.

import { inkOf, type Ink } from "../frame";
import { between, type Box } from "../layout";
import type { Pen } from "../pen";
import { largestOf } from "./nudges";

/** The axis on which wishes for a layer stand, in u. */
export function axis({ up }: Box): number {
  return up ? 0.35 : 0.345;
}

/** The length in u that the largest wish of one voter is drawn with. */
export function unit({ up }: Box): number {
  return up ? 0.115 : 0.098;
}

/** The scale that the stacks of all wishes fit into, wishes[j][k] being of neuron k: u for a wish of 1. */
export function scale(box: Box, wishes: readonly (readonly number[])[]): number {
  const side = (k: number, sign: number) => wishes.reduce((sum, row) => sum + Math.max(0, sign * row[k]), 0);
  return (1.55 * unit(box)) / largestOf(wishes[0].flatMap((_, k) => [side(k, 1), side(k, -1)]));
}

/** A hair line from each neuron of a layer to the axis, the axis, and which side is which. */
export function ruler(pen: Pen, layer: 1 | 2, alpha: number): void {
  const u = axis(pen.box);
  const low = Math.max(0.02, u - 2.2 * unit(pen.box));
  for (let k = 0; k < pen.reading.net.sizes[layer]; k += 1) {
    pen.line(pen.at(low, pen.vOf(layer, k)), pen.neuron(layer, k), { ink: "hair", alpha });
  }
  pen.line(pen.at(u, 0.02), pen.at(u, 0.98), { alpha });
  if (pen.up) return;
  const [x, y] = pen.at(u, 0.988);
  pen.text([x - 10, y], "dimmer", { size: 12, ink: "minus", alpha, align: "right", weight: 600 });
  pen.text([x + 10, y], "brighter", { size: 12, ink: "plus", alpha, weight: 600 });
}

/** A wish, as a share of the largest, on its edge from neuron j back to neuron k: `s` of the way. */
export function onEdge(pen: Pen, layer: 2 | 3, j: number, k: number, share: number, s: number, alpha: number): void {
  if (s === 0) return;
  const from = pen.neuron(layer, j);
  const size = Math.abs(share);
  pen.line(from, between(from, pen.neuron(layer - 1, k), s), {
    id: `wish${layer === 3 ? "" : layer}.${j}.${k}`,
    width: (0.8 + 8 * size) * (pen.up ? 0.7 : 1),
    ink: inkOf(share),
    alpha: (0.35 + 0.6 * size) * alpha,
    round: s < 1,
  });
}

/** A wish of neuron k as an arrow on the axis; `length` is in u, with its sign. */
export function onAxis(pen: Pen, layer: 1 | 2, k: number, length: number, alpha: number): void {
  const u = axis(pen.box);
  const v = pen.vOf(layer, k);
  const look = { id: `wish${layer}.${k}`, ink: inkOf(length), alpha };
  pen.arrow(pen.at(u, v), pen.at(u + length, v), pen.up ? 9 : 12, look);
}

/** The wish of an output as a small arrow behind it. */
export function atOutput(pen: Pen, j: number, alpha: number): void {
  const gap = pen.reading.gaps[j];
  const half = (Math.sign(gap) * Math.min(1, Math.abs(gap))) / 2;
  const [from, to] = [0.5 - half, 0.5 + half].map((level) => pen.at(pen.uOf(level), pen.vOf(3, j)));
  pen.arrow(from, to, pen.up ? 6 : 9, { id: `gap.${j}`, ink: inkOf(gap), alpha });
}

interface Segment {
  /** 0 for what is wished brighter, 1 for dimmer. */
  lane: number;
  from: number;
  to: number;
  ink: Ink;
  /** The correct digit's own. */
  own?: boolean;
  alpha: number;
}

/** A segment of neuron k's stack. */
export function segment(pen: Pen, layer: 1 | 2, k: number, { lane, from, to, ink, own, alpha }: Segment): void {
  const length = (to - from) * pen.along;
  if (Math.abs(length) < 0.2) return;
  const thick = pen.up ? 7 : 12;
  const v = pen.vOf(layer, k) + ((lane - 0.5) * thick) / pen.across;
  const start = from + (Math.abs(length) > 3 ? Math.sign(length) / pen.along : 0); // a pixel between two
  pen.strip(start, to, v, thick - 1, { ink, alpha });
  if (own) pen.strip(start, to, v, thick - 1, { alpha, outline: 1.5 });
}

/** What was wished, or what all wish: an outline round what there is. */
export function outlined(
  pen: Pen,
  id: string,
  u: number,
  length: number,
  v: number,
  thick: number,
  alpha: number,
): void {
  if (Math.abs(length) * pen.along > 1.5)
    pen.strip(u, u + length, v, thick, { id, alpha, outline: 1.2, dash: [3, 2.5] });
}
