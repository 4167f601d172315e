// Time is a number. All that moves is `span(t, from, to)`, so that scrubbing is exact.

import { easeCubicInOut, easeCubicOut, easeLinear, easeSinInOut } from "d3-ease";

export type Ease = (s: number) => number;

export const eased = {
  linear: easeLinear,
  camera: easeCubicInOut,
  arrival: easeCubicOut,
  travel: easeSinInOut,
};

/** From 0 at `from` to 1 at `to`, and flat outside. */
export function span(t: number, from: number, to: number, ease: Ease = eased.linear): number {
  return ease(Math.min(1, Math.max(0, (t - from) / (to - from))));
}

export function mix(a: number, b: number, s: number): number {
  return s === 1 ? b : a + (b - a) * s;
}

/** Numbers, and lists and records of them, on their way from a to b. */
export function blend<T>(a: T, b: T, s: number): T {
  if (s === 0 || s === 1) return s ? b : a;
  if (typeof a === "number") return mix(a, b as number, s) as T;
  if (Array.isArray(a)) return a.map((p, i) => blend(p, (b as unknown[])[i], s)) as T;
  return Object.fromEntries(Object.entries(a as object).map(([k, p]) => [k, blend(p, (b as never)[k], s)])) as T;
}
