// A wall of small digits, and where it stands in the scenes about learning.

import { add, type Frame } from "../frame";
import type { Box, Point } from "../layout";
import type { Digit } from "../session";

/** x, y, width, height in pixels. */
export type Rect = readonly [number, number, number, number];

/** Numbers above, the wall, and what follows from it below: the same in all scenes with a wall. */
const BANDS = {
  right: { head: [0.03, 0.03, 0.94, 0.135], wall: [0.03, 0.19, 0.94, 0.33], foot: [0.03, 0.575, 0.94, 0.39] },
  up: { head: [0.03, 0.02, 0.94, 0.13], wall: [0.03, 0.165, 0.94, 0.365], foot: [0.03, 0.575, 0.94, 0.4] },
}; // prettier-ignore
const GAP = { right: 0.05, up: 0.03 }; // between the two halves, of the stage's width

export type Band = "head" | "wall" | "foot";

export function band(box: Box, name: Band): Rect {
  const [x, y, w, h] = BANDS[box.up ? "up" : "right"][name];
  return [x * box.width, y * box.height, w * box.width, h * box.height];
}

/** The left or the right half of a band. */
export function half(box: Box, name: Band, side: 0 | 1): Rect {
  const [x, y, w, h] = band(box, name);
  const gap = GAP[box.up ? "up" : "right"] * box.width;
  const width = (w - gap) / 2;
  return [x + side * (width + gap), y, width, h];
}

export interface Grid {
  rect: Rect;
  columns: number;
  rows: number;
}

/** The grid for n tiles that are as large as the place allows. */
export function gridIn(rect: Rect, n: number): Grid {
  const ratio = Array.from({ length: n }, (_, i) => i + 1).map((columns) => {
    const rows = Math.ceil(n / columns);
    return { columns, rows, side: Math.min(rect[2] / columns, rect[3] / rows) };
  });
  const { columns, rows } = ratio.reduce((a, b) => (b.side > a.side ? b : a));
  return { rect, columns, rows };
}

export function sideOf({ rect, columns, rows }: Grid): number {
  return Math.min(rect[2] / columns, rect[3] / rows);
}

/** The middle of tile i. */
export function tileAt(grid: Grid, i: number): Point {
  const side = sideOf(grid);
  const [x, y] = grid.rect;
  return [x + ((i % grid.columns) + 0.5) * side, y + (Math.floor(i / grid.columns) + 0.5) * side];
}

/** One small digit; a lit one is read rightly, or in use. */
export function tile(
  frame: Frame,
  { pixels, index }: Digit,
  at: Point,
  side: number,
  lit: number,
  alpha: number,
): void {
  const size = Math.max(4, side - 2);
  add(frame, { kind: "picture", id: `digit.${index}`, at, size, pixels, rows: 28, look: "plain", lit, alpha }); // prettier-ignore
}

/** The first digits of a list, lit where they are read rightly. */
export function wall(frame: Frame, grid: Grid, digits: readonly Digit[], lit: readonly boolean[], alpha: number): void {
  const count = Math.min(digits.length, grid.columns * grid.rows);
  const side = sideOf(grid);
  for (let i = 0; i < count; i += 1) {
    tile(frame, digits[i], tileAt(grid, i), side, lit[i] ? 1 : 0, (lit[i] ? 1 : 0.5) * alpha);
  }
}
