// The outputs' gauges: levels from 0 to 1, targets, and the gaps between them as arrows.

import { mix } from "../clock";
import { add, type Frame, type Ink } from "../frame";
import { across, along, neuron, place, strip, type Box, type Layout, type Point } from "../layout";
import { short, signed } from "../numbers";

export interface Gauges {
  layout: Layout;
  /** What the bars show, from 0 to 1; a number or for each output. */
  levels: ArrayLike<number>;
  alpha: number;
  /** Of the levels as numbers. */
  numbers?: number;
  /** How far each bar has grown. */
  grown?: number;
  /** Of each gauge, times alpha. */
  each?: readonly number[];
}

const N = 10;

function vOf(box: Box, layout: Layout, j: number): number {
  const [x, y] = neuron(box, layout, 3, j, N);
  return (box.up ? x : y) / across(box);
}

function uOf(layout: Layout, level: number): number {
  return mix(layout.gauge[0], layout.gauge[1], level);
}

/** How thick a gauge may be, in pixels, on this stage. */
function thickness(box: Box): number {
  return box.up ? 8 : 10;
}

export function gauges(frame: Frame, box: Box, given: Gauges): void {
  const { layout, levels, alpha, numbers = 0, grown = 1, each } = given;
  const thick = thickness(box);
  for (let j = 0; j < N; j += 1) {
    const v = vOf(box, layout, j);
    const seen = alpha * (each?.[j] ?? 1);
    const [from, to] = layout.gauge;
    add(frame,
      { kind: "bar", rect: strip(box, from, to, v, thick), ink: "empty", alpha: seen, radius: 1 },
      { kind: "bar", rect: strip(box, from, to, v, thick), ink: "ring", alpha: seen * 0.6, outline: 1, radius: 1 },
      { kind: "bar", id: `level.${j}`, rect: strip(box, from, uOf(layout, levels[j] * grown), v, thick), ink: "gauge", alpha: seen, radius: 1 },
    ); // prettier-ignore
    numberAt(frame, box, layout, j, short(levels[j]), "mute", numbers * (each?.[j] ?? 1));
  }
}

function numberAt(frame: Frame, box: Box, layout: Layout, j: number, text: string, ink: Ink, alpha: number): void {
  const [x, y] = place(box, layout.gauge[1], vOf(box, layout, j));
  const at: Point = box.up ? [x, y - 12] : [x + 40, y + 1];
  const size = box.up ? 10.5 : 13;
  add(frame, { kind: "text", at, text, size, ink, alpha, align: box.up ? "center" : "right" });
}

/** Posts where the levels should be: 1 for the label, 0 for all others. */
export function targets(
  frame: Frame,
  box: Box,
  layout: Layout,
  label: number,
  alpha: number,
  each?: readonly number[],
): void {
  for (let j = 0; j < N; j += 1) {
    const u = uOf(layout, j === label ? 1 : 0);
    const half = 1.25 / along(box);
    add(frame, { kind: "bar", rect: strip(box, u - half, u + half, vOf(box, layout, j), 24),
      ink: j === label ? "plus" : "minus", alpha: alpha * (each?.[j] ?? 1) }); // prettier-ignore
  }
}

/** The gap of one output: an arrow from its level to its target, as long as the gap. */
export function gap(
  frame: Frame,
  box: Box,
  layout: Layout,
  j: number,
  level: number,
  wanted: number,
  grown: number,
  alpha: number,
): void {
  if (grown === 0) return;
  const v = vOf(box, layout, j);
  const ink: Ink = wanted > level ? "plus" : "minus";
  const from = place(box, uOf(layout, level), v);
  const to = place(box, uOf(layout, mix(level, wanted, grown)), v);
  const half = 1 / along(box);
  const thick = box.up ? 9 : 14;
  add(frame,
    { kind: "arrow", id: `gap.${j}`, from, to, width: thick, head: thick * 2, ink, alpha },
    { kind: "bar", rect: strip(box, uOf(layout, level) - half, uOf(layout, level) + half, v, 20), ink: "ink", alpha },
  ); // prettier-ignore
  if (grown === 1) numberAt(frame, box, layout, j, signed(wanted - level), ink, alpha);
}

/** 0 and 1 at the ends of the gauges. */
export function ends(frame: Frame, box: Box, layout: Layout, alpha: number): void {
  for (const level of [0, 1]) {
    const u = uOf(layout, level);
    const at = place(box, u, box.up ? 0.012 : 0.985);
    add(frame, {
      kind: "text",
      at,
      text: String(level),
      size: 13,
      ink: "mute",
      alpha,
      align: "center",
    });
  }
}

/** A box round an output, with its name. */
export function boxed(frame: Frame, box: Box, layout: Layout, j: number, alpha: number): void {
  const [x, y] = neuron(box, layout, 3, j, N);
  const r = layout.radii[2] + 6;
  const rect = box.up ? [x - r, y - r - 18, 2 * r, 2 * r + 18] : [x - r, y - r, 2 * r + 26, 2 * r];
  add(frame, { kind: "bar", id: "box", rect, ink: "ink", alpha, outline: 2, radius: 6 });
}
