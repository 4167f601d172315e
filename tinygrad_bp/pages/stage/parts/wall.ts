// A wall of small digits, and where it stands in the scenes about learning.

import type { Box, Point } from "../layout";
import type { Pen, Rect } from "../pen";
import type { Digit } from "../session";

/** A part of the stage that is given in shares of it. */
export function rectIn({ width, height }: Box, [x, y, w, h]: Rect): Rect {
  return [x * width, y * height, w * width, h * height];
}

/** Numbers above, the wall, and what follows from it below: the same in all scenes with a wall. */
const BANDS: Record<"right" | "up", Record<Band, Rect>> = {
  right: { head: [0.03, 0.03, 0.94, 0.135], wall: [0.03, 0.19, 0.94, 0.33], foot: [0.03, 0.575, 0.94, 0.39] },
  up: { head: [0.03, 0.02, 0.94, 0.13], wall: [0.03, 0.165, 0.94, 0.365], foot: [0.03, 0.575, 0.94, 0.4] },
};

type Band = "head" | "wall" | "foot";

export function band(box: Box, name: Band): Rect {
  return rectIn(box, BANDS[box.up ? "up" : "right"][name]);
}

/** The left or the right half of a band. */
export function half(box: Box, name: Band, side: 0 | 1): Rect {
  const [x, y, w, h] = band(box, name);
  const gap = (box.up ? 0.03 : 0.05) * box.width;
  const width = (w - gap) / 2;
  return [x + side * (width + gap), y, width, h];
}

/** Square tiles in rows. */
export interface Grid {
  corner: Point;
  columns: number;
  side: number;
}

/** The grid for n tiles that are as large as the place allows. */
export function gridIn([x, y, w, h]: Rect, n: number): Grid {
  const grids = Array.from({ length: n }, (_, i): Grid => {
    const columns = i + 1;
    return { corner: [x, y], columns, side: Math.min(w / columns, h / Math.ceil(n / columns)) };
  });
  return grids.reduce((a, b) => (b.side > a.side ? b : a));
}

/** The middle of tile i. */
export function tileAt({ corner, columns, side }: Grid, i: number): Point {
  return [corner[0] + ((i % columns) + 0.5) * side, corner[1] + (Math.floor(i / columns) + 0.5) * side];
}

export interface Tile {
  at: Point;
  side: number;
}

/** One small digit; a lit one is read correctly, or in use. */
export function tile(pen: Pen, { pixels, index }: Digit, { at, side }: Tile, lit: number, alpha: number): void {
  pen.picture(at, Math.max(4, side - 2), pixels, { id: `digit.${index}`, look: "plain", lit, alpha });
}

const SEEN = { right: 200, up: 120 }; // digits on half of a wall, at least: as many as one can still see

/** The unseen digits on one half of the wall, in full rows, lit where they are read correctly. */
export function wall(pen: Pen, side: 0 | 1, right: readonly boolean[], alpha: number): void {
  const grid = gridIn(half(pen.box, "wall", side), pen.pick(SEEN));
  const full = grid.columns * Math.ceil(pen.pick(SEEN) / grid.columns);
  pen.session.data.unseen.slice(0, full).forEach((digit, i) => {
    const lit = right[i] ? 1 : 0;
    tile(pen, digit, { at: tileAt(grid, i), side: grid.side }, lit, (0.5 + 0.5 * lit) * alpha);
  });
}
