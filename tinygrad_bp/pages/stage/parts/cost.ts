// The cost: gaps as squares, the squares as one bar, and the costs of many examples as a pile.

import { mix } from "../clock";
import type { Example } from "../engine";
import { between, type Point } from "../layout";
import type { Pen } from "../pen";

/** The cost of an example is at most as many squares of side 1 as there are outputs. */
const MOST = 10;
const BIN = 0.2; // of a pile of costs

/** Where the bar begins (u), and the v of its middle, of the pile's floor and of its top. */
const PLACES = {
  right: { start: 0.575, bar: 0.255, floor: 0.915, top: 0.65 },
  up: { start: 0.585, bar: 0.13, floor: 0.955, top: 0.62 },
};

/** The side of a square whose gap is 1, in pixels: as long as a gauge. */
function side(pen: Pen): number {
  return (pen.uOf(1) - pen.uOf(0)) * pen.along;
}

/** The bar is two sides thick, so that its length and the squares' area agree. */
function thickness(pen: Pen): number {
  return 2 * side(pen);
}

/** u of a cost, on the bar and on the axis of the pile. */
function uOfCost(pen: Pen, cost: number): number {
  return pen.pick(PLACES).start + (cost * (pen.uOf(1) - pen.uOf(0))) / 2;
}

/** A gap's square: it grows out of the gap, then flies to its place in the bar; its area stays. */
export function square(pen: Pen, j: number, before: number, grown: number, flown: number): void {
  if (grown === 0) return;
  const { gaps, pass } = pen.reading;
  const by = gaps[j];
  const size = Math.abs(by) * side(pen);
  const from: Point = [pen.uOf(pass[3][j] + by / 2), pen.vOf(3, j)];
  const to: Point = [uOfCost(pen, before + (by * by) / 2), pen.pick(PLACES).bar];
  const thick = size ** (1 - flown) * thickness(pen) ** flown; // size > 0 if it is seen
  const half = (size * size) / (thick || 1) / pen.along / 2;
  const [u, v] = between(from, to, flown);
  pen.strip(u - half, u + half, v, thick * grown, { id: `square.${j}`, ink: "mute", alpha: 0.72 });
  pen.strip(u - half, u + half, v, thick * grown, { ink: "ground", outline: 1 });
}

/** Room for ten whole squares. */
export function room(pen: Pen, alpha: number): void {
  const place = [uOfCost(pen, 0), uOfCost(pen, MOST), pen.pick(PLACES).bar, thickness(pen)] as const;
  pen.strip(...place, { ink: "empty", alpha });
  pen.strip(...place, { ink: "ring", alpha: 0.6 * alpha, outline: 1 });
}

/** A number with what it is the number of: over the bar, or beside the pile. */
export function headed(pen: Pen, of: "bar" | "pile", number: string, words: readonly string[], alpha: number): void {
  const { up } = pen;
  const [x, y] = headAt(pen, of);
  const align = up && of === "pile" ? "right" : "left";
  const [big, size, apart] = up ? [26, 11.5, 15] : [44, 15, 20];
  const beside = of === "bar" && !up; // on a laptop there is room on the right of it
  pen.figure([x, y], number, big, { id: `${of}.number`, alpha, align });
  const lines = up ? [words.join(" ")] : words;
  lines.forEach((text, i) => {
    const at: Point = beside ? [x + 96, y + 8] : [x, y + 0.72 * big + apart * (i + 0.2)];
    pen.text(at, text, { size, alpha, align });
  });
}

function headAt(pen: Pen, of: "bar" | "pile"): Point {
  if (pen.up) return [of === "bar" ? 14 : pen.box.width - 14, 24];
  if (of === "pile") return pen.at(uOfCost(pen, 6.4), 0.63);
  const { start, bar } = pen.pick(PLACES);
  const [x, y] = pen.at(start, bar);
  return [x, y - thickness(pen) / 2 - 30];
}

interface Pile {
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

function binOf(cost: number): number {
  return Math.min(MOST / BIN - 1, Math.floor(cost / BIN));
}

export function binEnds(i: number): [number, number] {
  return [i * BIN, (i + 1) * BIN];
}

/** v of the top of a bin with so many in it. */
function topOf(pen: Pen, { fullest }: Pile, n: number): number {
  const { floor, top } = pen.pick(PLACES);
  return mix(floor, top, n / fullest);
}

/** The costs of many examples, each laid on its place on the axis. */
export function piled(pen: Pen, pile: Pile, alpha: number): void {
  const { floor } = pen.pick(PLACES);
  const half = 0.5 / pen.along; // a pixel between two bins
  pile.bins.forEach((n, i) => {
    if (n === 0) return;
    const top = topOf(pen, pile, n);
    const [from, to] = binEnds(i).map((cost) => uOfCost(pen, cost));
    const high = (floor - top) * pen.across;
    pen.strip(from + half, to - half, (floor + top) / 2, high, { id: `pile.${i}`, ink: "mute", alpha: 0.72 * alpha });
  });
  const ends = [0, MOST].map((cost) => pen.at(uOfCost(pen, cost), floor));
  pen.line(ends[0], ends[1], { alpha });
  ends.forEach(([x, y], i) => {
    const at: Point = pen.up ? [x + 9, y] : [x, y + 16];
    pen.text(at, String(i * MOST), { size: pen.up ? 10.5 : 13, alpha, align: "center" });
  });
}

/** An example on its way from the bar to its place on the pile: `s` of the way. */
export function falling(pen: Pen, pile: Pile, { pixels }: Example, cost: number, size: number, s: number): void {
  const start = pen.pick(PLACES).bar + (thickness(pen) / 2 + size) / pen.across;
  const land = topOf(pen, pile, pile.bins[binOf(cost)]) - size / 2 / pen.across;
  const alpha = Math.min(1, 4 * (1 - s), 6 * s + 0.2);
  pen.picture(pen.at(uOfCost(pen, cost), mix(start, land, s)), size, pixels, { look: "plain", alpha });
}

/** The mean of what lies on the pile. */
export function meanLine(pen: Pen, cost: number): void {
  const { floor, top } = pen.pick(PLACES);
  const u = uOfCost(pen, cost);
  pen.line(pen.at(u, floor), pen.at(u, top - (pen.up ? 0.04 : 0.06)), { id: "mean", width: 2.5, ink: "ink" });
}

/** A hair line from the end of the bar down to the axis: both have one scale. */
export function dropped(pen: Pen, cost: number, s: number): void {
  if (s === 0) return;
  const u = uOfCost(pen, cost);
  const { bar, floor } = pen.pick(PLACES);
  const from = bar + thickness(pen) / 2 / pen.across;
  pen.line(pen.at(u, from), pen.at(u, mix(from, floor, s)), { alpha: 0.8, dash: [3, 4] });
}
