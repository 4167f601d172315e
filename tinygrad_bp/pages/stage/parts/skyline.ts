// The negative gradient as a skyline: one section for each layer's weights and biases, in the order
// of the network. There are more knobs than pixels, so a column shows the largest wish up and the
// largest wish down of the few knobs that share it.

import { eased, mix, span } from "../clock";
import { add, type Bar, type Frame, type Ink } from "../frame";
import { whole } from "../numbers";
import type { Box, Point } from "../layout";

/** Where all of it stands, in pixels: `sections` from and to, and the number lines under them. */
export interface Plan {
  sections: readonly (readonly [number, number])[];
  base: number;
  reach: number;
  rows: readonly number[];
  line: readonly [number, number];
  /** Where the bars that were lifted out come to stand. */
  left: number;
}

/** The skyline has all the room first, and makes some for the number lines: `s` of the way. */
export function planIn({ width: w, height: h, up }: Box, s: number): Plan {
  const ends = ([from, to]: number[]) => [from * w, to * w] as const;
  const down = (shares: readonly number[]) => shares.map((share) => share * h);
  if (up) {
    return {
      sections: [
        [0.03, 0.46],
        [0.49, 0.73],
        [0.76, 0.97],
      ].map(ends),
      base: mix(0.34, 0.155, s) * h,
      reach: mix(0.3, 0.14, s) * h,
      rows: down([0.41, 0.525, 0.68]),
      line: [0.06 * w, 0.94 * w],
      left: 0.035 * w,
    };
  }
  return {
    sections: [
      [0.13, 0.4],
      [0.43, 0.68],
      [0.71, 0.925],
    ].map(ends),
    base: mix(0.58, 0.425, s) * h,
    reach: mix(0.34, 0.15, s) * h,
    rows: down([0.69, 0.785, 0.915]),
    line: [0.33 * w, 0.925 * w],
    left: 0.13 * w,
  };
}

export interface Section {
  name: string;
  /** The first knob's place in the vector, and how many there are. */
  start: number;
  count: number;
}

export function sectionsOf(sizes: readonly number[]): Section[] {
  let start = 0;
  return sizes.slice(1).map((n, l) => {
    const count = n * (sizes[l] + 1);
    const name = l === sizes.length - 2 ? "outputs" : `layer ${l + 1}`;
    start += count;
    return { name, start: start - count, count };
  });
}

export interface Columns {
  ups: Float64Array;
  downs: Float64Array;
}

/** The largest above and the largest below zero of the knobs that share each of n columns. */
export function columns(nudges: Float64Array, { start, count }: Section, n: number): Columns {
  const [ups, downs] = [new Float64Array(n), new Float64Array(n)];
  for (let i = 0; i < count; i += 1) {
    const column = Math.floor((i * n) / count);
    const nudge = nudges[start + i];
    if (nudge > ups[column]) ups[column] = nudge;
    if (nudge < downs[column]) downs[column] = nudge;
  }
  return { ups, downs };
}

/** Columns of two pixels, in a section of so many. */
export function columnsIn([from, to]: readonly [number, number]): number {
  return Math.floor((to - from) / 2);
}

export function inkOf(nudge: number): Ink {
  return nudge >= 0 ? "plus" : "minus";
}

export function upright(x: number, base: number, height: number, width: number, nudge: number) {
  const y = nudge >= 0 ? base - height : base;
  return { kind: "bar", rect: [x, y, width, height], ink: inkOf(nudge) } satisfies Partial<Bar>;
}

/** One section; its columns rise from left to right between two times. */
export function section(
  frame: Frame,
  plan: Plan,
  l: number,
  { ups, downs }: Columns,
  most: number,
  t: number,
  from: number,
  to: number,
  alpha: number,
): void {
  const [x0, x1] = plan.sections[l];
  const width = (x1 - x0) / ups.length;
  for (let i = 0; i < ups.length; i += 1) {
    const starts = from + ((to - from) * i) / ups.length;
    const grown = span(t, starts, starts + 0.4, eased.arrival);
    if (grown === 0) return;
    for (const nudge of [ups[i], downs[i]]) {
      const height = (Math.abs(nudge) / most) * plan.reach * grown;
      if (height < 0.15) continue;
      add(frame, { ...upright(x0 + i * width, plan.base, height, width, nudge), alpha });
    }
  }
}

/** The ground of the skyline, which way is which, and how many knobs stand where. */
export function ground(
  frame: Frame,
  box: Box,
  plan: Plan,
  sections: readonly Section[],
  alpha: number,
  counts: number,
): void {
  const { base, reach } = plan;
  sections.forEach(({ name, count }, l) => {
    const [x0, x1] = plan.sections[l];
    add(frame, { kind: "line", from: [x0, base], to: [x1, base], width: 1, ink: "mute", alpha });
    const at: Point = [(x0 + x1) / 2, base + reach + 16];
    const text = `${name}: ${whole(count)}`;
    add(frame, { kind: "text", at, text, size: box.up ? 10.5 : 13, ink: "mute", alpha: counts, align: "center" }); // prettier-ignore
  });
  const [x] = plan.sections[0];
  const size = box.up ? 11 : 13;
  add(frame,
    { kind: "text", at: [x, base - 0.55 * reach], text: "turn it up", size, ink: "plus", alpha, weight: 600 },
    { kind: "text", at: [x, base + 0.55 * reach], text: "turn it down", size, ink: "minus", alpha, weight: 600 },
  ); // prettier-ignore
}
