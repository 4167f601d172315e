// The negative gradient as a skyline: one section for each layer's weights and biases, in the order
// of the network. There are more knobs than pixels, so a column shows the largest wish up and the
// largest wish down of the few knobs that share it.

import { eased, mix } from "../clock";
import { count as parameters } from "../engine";
import { inkOf } from "../frame";
import type { Box } from "../layout";
import { whole } from "../numbers";
import type { Pen } from "../pen";

/**
 * Where all of it stands, in shares of the stage: the edges of sections, the number lines under them,
 * and on whose left lifted bars come to stand; base and reach without number lines, and with them.
 */
const PLANS = {
  right: {
    edges: [0.13, 0.4, 0.43, 0.68, 0.71, 0.925],
    base: [0.58, 0.425],
    reach: [0.34, 0.15],
    rows: [0.69, 0.785, 0.915],
    line: [0.33, 0.925],
    left: 0.13,
  },
  up: {
    edges: [0.03, 0.46, 0.49, 0.73, 0.76, 0.97],
    base: [0.34, 0.155],
    reach: [0.3, 0.14],
    rows: [0.41, 0.525, 0.68],
    line: [0.06, 0.94],
    left: 0.035,
  },
};

/** The skyline has all the room first, and makes some for the number lines: `s` of the way. */
export function planIn({ width, height, up }: Box, s: number) {
  const { edges, base, reach, rows, line, left } = up ? PLANS.up : PLANS.right;
  const section = (l: number) => [edges[2 * l] * width, edges[2 * l + 1] * width] as const;
  return {
    sections: [section(0), section(1), section(2)],
    base: mix(base[0], base[1], s) * height,
    reach: mix(reach[0], reach[1], s) * height,
    rows: rows.map((row) => row * height),
    line: [line[0] * width, line[1] * width] as const,
    left: left * width,
  };
}

export type Plan = ReturnType<typeof planIn>;

interface Section {
  name: string;
  /** The first knob's place in the vector, and how many there are. */
  start: number;
  count: number;
}

export function sectionsOf(sizes: readonly number[]): Section[] {
  return sizes.slice(1).map((n, l) => ({
    name: l === sizes.length - 2 ? "outputs" : `layer ${l + 1}`,
    start: parameters(sizes.slice(0, l + 1)),
    count: n * (sizes[l] + 1),
  }));
}

interface Columns {
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

/** The rectangle of a nudge as an upright bar, up from its base or down. */
export function upright(x: number, base: number, height: number, width: number, nudge: number): number[] {
  return [x, nudge >= 0 ? base - height : base, width, height];
}

/** One section; its columns rise from left to right within 0.8 seconds. */
export function section(pen: Pen, plan: Plan, l: number, { ups, downs }: Columns, most: number, alpha: number): void {
  const [x0, x1] = plan.sections[l];
  const width = (x1 - x0) / ups.length;
  for (let i = 0; i < ups.length; i += 1) {
    const starts = 0.7 + 0.6 * l + (0.8 * i) / ups.length;
    const grown = pen.span(starts, starts + 0.4, eased.arrival);
    if (grown === 0) return;
    for (const nudge of [ups[i], downs[i]]) {
      const height = (Math.abs(nudge) / most) * plan.reach * grown;
      if (height < 0.15) continue;
      pen.bar(upright(x0 + i * width, plan.base, height, width, nudge), { ink: inkOf(nudge), alpha });
    }
  }
}

/** The ground of the skyline, which way is which, and how many knobs stand where. */
export function ground(pen: Pen, plan: Plan, sections: readonly Section[], alpha: number, counts: number): void {
  const { base, reach } = plan;
  sections.forEach(({ name, count }, l) => {
    const [from, to] = plan.sections[l];
    pen.line([from, base], [to, base], { alpha });
    const look = { size: pen.up ? 10.5 : 13, alpha: counts, align: "center" } as const;
    pen.text([(from + to) / 2, base + reach + 16], `${name}: ${whole(count)}`, look);
  });
  const [x] = plan.sections[0];
  pen.text([x, base - 0.55 * reach], "turn it up", { ink: "plus", alpha, weight: 600 });
  pen.text([x, base + 0.55 * reach], "turn it down", { ink: "minus", alpha, weight: 600 });
}
