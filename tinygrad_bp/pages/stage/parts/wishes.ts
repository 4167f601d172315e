// Wishes: on edges as they run back, as arrows on the axis before layer 2, and stacked.

import { mix } from "../clock";
import { add, type Frame, type Ink } from "../frame";
import { across, along, place, strip, type Box, type Point } from "../layout";
import type { Reading } from "../session";
import { neuronAt, type Look } from "./network";

const AXIS = { right: 0.345, up: 0.35 };
const UNIT = { right: 0.098, up: 0.115 };

export function inkOf(wish: number): Ink {
  return wish >= 0 ? "plus" : "minus";
}

/** The axis on which wishes for layer 2 stand, in u. */
export function axis(box: Box): number {
  return box.up ? AXIS.up : AXIS.right;
}

/** The length in u that the largest wish of one voter is drawn with. */
export function unit(box: Box): number {
  return box.up ? UNIT.up : UNIT.right;
}

export function vOfNeuron(box: Box, look: Look, layer: number, k: number, reading: Reading): number {
  const [x, y] = neuronAt(box, look, layer, k, reading);
  return (box.up ? x : y) / across(box);
}

/** A hair line from each neuron of layer 2 to the axis, the axis, and which side is which. */
export function ruler(frame: Frame, box: Box, look: Look, reading: Reading, alpha: number, layer: 1 | 2 = 2): void {
  const u = axis(box);
  const low = Math.max(0.02, u - 2.2 * unit(box));
  for (let k = 0; k < reading.net.sizes[layer]; k += 1) {
    const v = vOfNeuron(box, look, layer, k, reading);
    const to = neuronAt(box, look, layer, k, reading);
    add(frame, { kind: "line", from: place(box, low, v), to, width: 1, ink: "hair", alpha });
  }
  const reach = [0.02, 0.98] as const;
  add(frame, { kind: "line", from: place(box, u, reach[0]), to: place(box, u, reach[1]), width: 1, ink: "mute", alpha }); // prettier-ignore
  if (box.up) return;
  const size = 12;
  const [x, y] = place(box, u, 0.988);
  add(frame,
    { kind: "text", at: [x - 10, y], text: "dimmer", size, ink: "minus", alpha, align: "right", weight: 600 },
    { kind: "text", at: [x + 10, y], text: "brighter", size, ink: "plus", alpha, weight: 600 },
  ); // prettier-ignore
}

/** One wish on its edge, from neuron j back to neuron k: `s` of the way, settled or not. */
export function onEdge(
  frame: Frame,
  box: Box,
  look: Look,
  reading: Reading,
  j: number,
  k: number,
  share: number,
  s: number,
  alpha: number,
  layer: 2 | 3 = 3,
): void {
  if (s === 0) return;
  const from = neuronAt(box, look, layer, j, reading);
  const to = neuronAt(box, look, layer - 1, k, reading);
  const size = Math.abs(share);
  const end: Point = [mix(from[0], to[0], s), mix(from[1], to[1], s)];
  add(frame, { kind: "line", id: layer === 3 ? `wish.${j}.${k}` : `wish${layer}.${j}.${k}`, from, to: end, width: (0.8 + 8 * size) * (box.up ? 0.7 : 1), ink: inkOf(share), alpha: (0.35 + 0.6 * size) * alpha, round: s < 1 }); // prettier-ignore
}

/** A wish of neuron k as an arrow on the axis; `length` is in u, with its sign. */
export function onAxis(
  frame: Frame,
  box: Box,
  look: Look,
  reading: Reading,
  k: number,
  length: number,
  alpha: number,
  layer: 1 | 2 = 2,
): void {
  const u = axis(box);
  const v = vOfNeuron(box, look, layer, k, reading);
  const width = box.up ? 9 : 12;
  add(frame, { kind: "arrow", id: `wish${layer}.${k}`, from: place(box, u, v), to: place(box, u + length, v), width, head: 2 * width, ink: inkOf(length), alpha }); // prettier-ignore
}

/** The wish of an output as a small arrow behind it. */
export function atOutput(frame: Frame, box: Box, look: Look, reading: Reading, j: number, alpha: number): void {
  const [from, to] = look.layout.gauge;
  const v = vOfNeuron(box, look, 3, j, reading);
  const middle = (from + to) / 2;
  const half = ((to - from) / 2) * Math.min(1, Math.abs(reading.gaps[j]));
  const way = Math.sign(reading.gaps[j]) * half;
  const width = box.up ? 6 : 9;
  add(frame, { kind: "arrow", id: `gap.${j}`, from: place(box, middle - way, v), to: place(box, middle + way, v), width, head: 2 * width, ink: inkOf(reading.gaps[j]), alpha }); // prettier-ignore
}

export interface Segment {
  from: number;
  to: number;
  ink: Ink;
  /** The correct digit's own. */
  own: boolean;
}

/** A segment in neuron k's lane: 0 for what is wished brighter, 1 for dimmer. */
export function segment(
  frame: Frame,
  box: Box,
  look: Look,
  reading: Reading,
  k: number,
  lane: number,
  { from, to, ink, own }: Segment,
  alpha: number,
  layer: 1 | 2 = 2,
): void {
  const length = (to - from) * along(box);
  if (Math.abs(length) < 0.2) return;
  const thick = box.up ? 7 : 12;
  const v = vOfNeuron(box, look, layer, k, reading) + ((lane - 0.5) * thick) / across(box);
  const gapped = Math.abs(length) > 3 ? (Math.sign(length) * 1) / along(box) : 0; // a pixel between two
  const rect = strip(box, from + gapped, to, v, thick - 1);
  add(frame, { kind: "bar", rect, ink, alpha });
  if (own) add(frame, { kind: "bar", rect, ink: "ink", alpha, outline: 1.5 });
}
