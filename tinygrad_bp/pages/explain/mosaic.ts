// A whole array at a glance: a tile for each entry, its colour the sign and its depth the size.

import type { Entry } from "../shared/digits.svelte";
import { heat, isScalar, reach, type View } from "./arrays";
import type { Size } from "./place";

/** Tiles of one colour and depth are one path. */
export type Mosaic = Size & { tiles: { tone: string; d: string }[] };

/** The tiles of a matrix or vector in the room there is, null for anything else. */
export function mosaicOf(view: View, room: Size): Mosaic | null {
  if (isScalar(view) || view.shape.length > 2 || view.shape.includes(0)) return null;
  if (!view.data) return null; // a corner is not the whole
  const rows = (view.shape.length === 2 ? view.data : [view.data]) as Entry[][];
  const [high, wide] = [rows.length, rows[0].length];
  const side = Math.min(13, room.height / high, room.width / wide);
  if (side < 1.5) return null;
  const gap = side > 4 ? 1 : 0;
  const most = reach(view);
  const paths: Record<string, string> = {};
  rows.forEach((row, i) =>
    row.forEach((x, j) => {
      const tile = `M${j * side} ${i * side}h${side - gap}v${side - gap}h${gap - side}z`;
      paths[heat(x, most)] = (paths[heat(x, most)] ?? "") + tile;
    }),
  );
  const tiles = Object.entries(paths).map(([tone, d]) => ({ tone, d }));
  return { width: wide * side, height: high * side, tiles };
}
