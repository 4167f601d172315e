// The outputs' gauges: levels from 0 to 1, targets, and the gaps between them as arrows. Each gauge is
// as faded as its output.

import { mix } from "../clock";
import { inkOf, type Bar, type Ink } from "../frame";
import type { Point } from "../layout";
import { short, signed } from "../numbers";
import type { More, Pen } from "../pen";

/** Bars as long as the levels, of which so much has grown; and the levels as numbers. */
export function gauges(pen: Pen, levels: ArrayLike<number>, alpha: number, numbers = 0, grown = 1): void {
  const thick = pen.up ? 8 : 10;
  const [from, to] = pen.layout.gauge;
  pen.look.outputs.forEach((output, j) => {
    const v = pen.vOf(3, j);
    const seen = alpha * output;
    pen.strip(from, to, v, thick, { ink: "empty", alpha: seen, radius: 1 });
    pen.strip(from, to, v, thick, { ink: "ring", alpha: seen * 0.6, outline: 1, radius: 1 });
    const level = pen.uOf(levels[j] * grown);
    pen.strip(from, level, v, thick, { id: `level.${j}`, ink: "gauge", alpha: seen, radius: 1 });
    numberAt(pen, j, short(levels[j]), "mute", numbers * output);
  });
}

function numberAt(pen: Pen, j: number, text: string, ink: Ink, alpha: number): void {
  const [x, y] = pen.at(pen.layout.gauge[1], pen.vOf(3, j));
  const at: Point = pen.up ? [x, y - 12] : [x + 40, y + 1];
  pen.text(at, text, { size: pen.up ? 10.5 : 13, ink, alpha, align: pen.up ? "center" : "right" });
}

/** A line across a gauge, twice as thick as so many pixels. */
export function post(pen: Pen, j: number, level: number, half: number, long: number, look: More<Bar>): void {
  const u = pen.uOf(level);
  pen.strip(u - half / pen.along, u + half / pen.along, pen.vOf(3, j), long, look);
}

/** Posts where the levels should be: 1 for the label, 0 for all others. */
export function targets(pen: Pen, label: number, alpha: number): void {
  pen.look.outputs.forEach((seen, j) => {
    const own = j === label;
    post(pen, j, own ? 1 : 0, 1.25, 24, { ink: own ? "plus" : "minus", alpha: alpha * seen });
  });
}

/** The gap of one output: an arrow from its level to its target, as long as the gap. */
export function gap(pen: Pen, j: number, level: number, wanted: number, grown: number): void {
  if (grown === 0) return;
  const v = pen.vOf(3, j);
  const alpha = pen.look.outputs[j];
  const ink = inkOf(wanted - level);
  const to = pen.at(pen.uOf(mix(level, wanted, grown)), v);
  pen.arrow(pen.at(pen.uOf(level), v), to, pen.up ? 9 : 14, { id: `gap.${j}`, ink, alpha });
  post(pen, j, level, 1, 20, { alpha });
  if (grown === 1) numberAt(pen, j, signed(wanted - level), ink, alpha);
}

/** 0 and 1 at the ends of the gauges. */
export function ends(pen: Pen, alpha: number): void {
  for (const level of [0, 1]) {
    const at = pen.at(pen.uOf(level), pen.up ? 0.012 : 0.985);
    pen.text(at, String(level), { size: 13, alpha, align: "center" });
  }
}

/** A box round an output, with its name. */
export function boxed(pen: Pen, j: number, alpha: number): void {
  const [x, y] = pen.neuron(3, j);
  const r = pen.layout.radii[2] + 6;
  const rect = pen.up ? [x - r, y - r - 18, 2 * r, 2 * r + 18] : [x - r, y - r, 2 * r + 26, 2 * r];
  pen.bar(rect, { id: "box", alpha, outline: 2, radius: 6 });
}
