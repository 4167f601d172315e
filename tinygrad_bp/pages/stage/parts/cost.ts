// The cost: gaps as squares, the squares as one bar, and the costs of many examples as a pile.

import { mix } from "../clock";
import type { Example } from "../engine";
import { add, type Frame } from "../frame";
import { across, along, neuron, place, strip, type Box, type Layout, type Point } from "../layout";

/** The cost of an example is at most as many squares of side 1 as there are outputs. */
export const MOST = 10;
const BIN = 0.2; // of a pile of costs

/** Where the bar begins (u), and the v of its middle, of the pile's floor and of its top. */
interface Place {
  start: number;
  bar: number;
  floor: number;
  top: number;
}

function placeIn(box: Box): Place {
  return box.up
    ? { start: 0.585, bar: 0.13, floor: 0.955, top: 0.62 }
    : { start: 0.575, bar: 0.255, floor: 0.915, top: 0.65 };
}

/** The side of a square whose gap is 1, in pixels: as long as a gauge. */
function side(box: Box, layout: Layout): number {
  return (layout.gauge[1] - layout.gauge[0]) * along(box);
}

/** The bar is two sides thick, so that its length and the squares' area agree. */
function thickness(box: Box, layout: Layout): number {
  return 2 * side(box, layout);
}

/** u of a cost, on the bar and on the axis of the pile. */
export function uOfCost(box: Box, layout: Layout, cost: number): number {
  const length = side(box, layout) ** 2 / thickness(box, layout) / along(box);
  return placeIn(box).start + cost * length;
}

export interface Square {
  j: number;
  /** What the gauge shows, by how much it should be more, and what the squares before add up to. */
  level: number;
  by: number;
  before: number;
}

/** A gap's square: it grows out of the gap, then flies to its place in the bar; its area stays. */
export function square(
  frame: Frame,
  box: Box,
  layout: Layout,
  { j, level, by, before }: Square,
  grown: number,
  flown: number,
): void {
  if (grown === 0) return;
  const size = Math.abs(by) * side(box, layout);
  const middle = mix(layout.gauge[0], layout.gauge[1], level + by / 2);
  const [x, y] = neuron(box, layout, 3, j, 10);
  const from: Point = [middle, (box.up ? x : y) / across(box)];
  const to: Point = [uOfCost(box, layout, before + (by * by) / 2), placeIn(box).bar];
  const thick = size ** (1 - flown) * thickness(box, layout) ** flown; // size > 0 if it is seen
  const long = (size * size) / (thick || 1) / along(box);
  const u = mix(from[0], to[0], flown);
  const rect = strip(box, u - long / 2, u + long / 2, mix(from[1], to[1], flown), thick * grown);
  add(frame,
    { kind: "bar", id: `square.${j}`, rect, ink: "mute", alpha: 0.72 },
    { kind: "bar", rect, ink: "ground", alpha: 1, outline: 1 },
  ); // prettier-ignore
}

/** Room for ten whole squares. */
export function room(frame: Frame, box: Box, layout: Layout, alpha: number): void {
  const [from, to] = [0, MOST].map((cost) => uOfCost(box, layout, cost));
  const rect = strip(box, from, to, placeIn(box).bar, thickness(box, layout));
  add(frame,
    { kind: "bar", rect, ink: "empty", alpha },
    { kind: "bar", rect, ink: "ring", alpha: 0.6 * alpha, outline: 1 },
  ); // prettier-ignore
}

/** A number with what it is the number of: over the bar, or beside the pile. */
export function headed(
  frame: Frame,
  box: Box,
  layout: Layout,
  of: "bar" | "pile",
  number: string,
  words: readonly string[],
  alpha: number,
): void {
  const [x, y, align] = headAt(box, layout, of);
  const [big, small, apart] = box.up ? [26, 11.5, 15] : [44, 15, 20];
  const beside = of === "bar" && !box.up; // on a laptop there is room on the right of it
  add(frame, { kind: "text", id: `${of}.number`, at: [x, y], text: number, size: big, ink: "ink", alpha, align, weight: 600, face: "serif" }); // prettier-ignore
  const lines = box.up ? [words.join(" ")] : words;
  lines.forEach((text, i) => {
    const at: Point = beside ? [x + 96, y + 8] : [x, y + 0.72 * big + apart * (i + 0.2)];
    add(frame, { kind: "text", at, text, size: small, ink: "mute", alpha, align });
  });
}

function headAt(box: Box, layout: Layout, of: "bar" | "pile"): [number, number, "left" | "right"] {
  if (box.up) return of === "bar" ? [14, 24, "left"] : [box.width - 14, 24, "right"];
  if (of === "pile") {
    const [x, y] = place(box, uOfCost(box, layout, 6.4), 0.63);
    return [x, y, "left"];
  }
  return [place(box, placeIn(box).start, 0)[0], barTop(box, layout) - 30, "left"];
}

function barTop(box: Box, layout: Layout): number {
  return place(box, 0, placeIn(box).bar)[1] - thickness(box, layout) / 2;
}

export interface Pile {
  bins: readonly number[];
  /** How many are in the fullest bin when all have come. */
  fullest: number;
}

/** How many of some costs lie in each bin. */
export function binned(costs: readonly number[]): number[] {
  const bins: number[] = Array(MOST / BIN).fill(0);
  for (const cost of costs) bins[binOf(cost)] += 1;
  return bins;
}

export function binOf(cost: number): number {
  return Math.min(MOST / BIN - 1, Math.floor(cost / BIN));
}

export function binEnds(i: number): [number, number] {
  return [i * BIN, (i + 1) * BIN];
}

/** v of the top of a bin with so many in it. */
function topOf(box: Box, pile: Pile, n: number): number {
  const { floor, top } = placeIn(box);
  return mix(floor, top, n / pile.fullest);
}

/** The costs of many examples, each laid on its place on the axis. */
export function piled(frame: Frame, box: Box, layout: Layout, pile: Pile, alpha: number): void {
  const { floor } = placeIn(box);
  const [from, to] = [0, MOST].map((cost) => place(box, uOfCost(box, layout, cost), floor));
  pile.bins.forEach((n, i) => {
    if (n === 0) return;
    const top = topOf(box, pile, n);
    const [u0, u1] = binEnds(i).map((cost) => uOfCost(box, layout, cost));
    const gap = 1 / along(box);
    const rect = strip(box, u0 + gap / 2, u1 - gap / 2, (floor + top) / 2, (floor - top) * across(box)); // prettier-ignore
    add(frame, { kind: "bar", id: `pile.${i}`, rect, ink: "mute", alpha: 0.72 * alpha });
  });
  add(frame, { kind: "line", from, to, width: 1, ink: "mute", alpha });
  for (const cost of [0, MOST]) {
    const [x, y] = place(box, uOfCost(box, layout, cost), floor);
    const at: Point = box.up ? [x + 9, y] : [x, y + 16];
    add(frame, { kind: "text", at, text: String(cost), size: box.up ? 10.5 : 13, ink: "mute", alpha, align: "center" }); // prettier-ignore
  }
}

/** An example on its way from the bar to its place on the pile: `s` of the way. */
export function falling(
  frame: Frame,
  box: Box,
  layout: Layout,
  pile: Pile,
  { pixels }: Example,
  cost: number,
  size: number,
  s: number,
): void {
  const { bar } = placeIn(box);
  const start = bar + (thickness(box, layout) / 2 + size) / across(box);
  const land = topOf(box, pile, pile.bins[binOf(cost)]) - size / 2 / across(box);
  const at = place(box, uOfCost(box, layout, cost), mix(start, land, s));
  add(frame, { kind: "picture", at, size, pixels, rows: 28, look: "plain", alpha: Math.min(1, 4 * (1 - s), 6 * s + 0.2) }); // prettier-ignore
}

/** The mean of what lies on the pile. */
export function meanLine(frame: Frame, box: Box, layout: Layout, cost: number, alpha: number): void {
  const { floor, top } = placeIn(box);
  const u = uOfCost(box, layout, cost);
  const reach = top - (box.up ? 0.04 : 0.06);
  add(frame, { kind: "line", id: "mean", from: place(box, u, floor), to: place(box, u, reach), width: 2.5, ink: "ink", alpha }); // prettier-ignore
}

/** A hair line from the end of the bar down to the axis: both have one scale. */
export function dropped(frame: Frame, box: Box, layout: Layout, cost: number, s: number): void {
  if (s === 0) return;
  const u = uOfCost(box, layout, cost);
  const { bar, floor } = placeIn(box);
  const from = bar + thickness(box, layout) / 2 / across(box);
  add(frame, { kind: "line", from: place(box, u, from), to: place(box, u, mix(from, floor, s)), width: 1, ink: "mute", alpha: 0.8, dash: [3, 4] }); // prettier-ignore
}
