// Where things stand. u runs along the flow, v across it, both from 0 to 1; on a laptop the flow goes
// right, on a phone up, and scenes need not know which.

import { mix } from "./clock";

export interface Box {
  width: number;
  height: number;
  /** Whether the flow goes up. */
  up: boolean;
}

export interface Layout {
  picture: { u: number; v: number; size: number };
  /** u of the three layers, what each keeps free at both of its ends, and its neurons' radii. */
  columns: readonly number[];
  margins: readonly number[];
  radii: readonly number[];
  /** u of a gauge's 0 and 1. */
  gauge: readonly [number, number];
  /** How far each layer is moved across, in v. */
  shift: readonly number[];
}

export type Point = readonly [number, number];

export function between(a: Point, b: Point, s: number): Point {
  return [mix(a[0], b[0], s), mix(a[1], b[1], s)];
}

export function place(box: Box, u: number, v: number): Point {
  return box.up ? [v * box.width, (1 - u) * box.height] : [u * box.width, v * box.height];
}

/** The square round a point, as x, y, width, height. */
export function around([x, y]: Point, half: number): number[] {
  return [x - half, y - half, 2 * half, 2 * half];
}

/** A layout; without margins for the layers one by one, all of them keep the same free. */
export function layoutOf(
  [u, v, size]: readonly number[],
  columns: readonly number[],
  margins: readonly number[] | number,
  radii: readonly number[],
  gauge: readonly [number, number],
  shift = 0,
): Layout {
  const all = (x: readonly number[] | number) => (typeof x === "number" ? [x, x, x] : x);
  return { picture: { u, v, size }, columns, margins: all(margins), radii, gauge, shift: all(shift) };
}

interface Pair {
  right: Layout;
  up: Layout;
}

const LAYOUTS = {
  /** The whole network, with gauges behind it. */
  wide: {
    right: layoutOf([0.125, 0.5, 196], [0.39, 0.565, 0.735], 0.045, [11, 13, 18], [0.795, 0.925]),
    up: layoutOf([0.115, 0.5, 104], [0.33, 0.54, 0.74], [0.04, 0.04, 0.05], [7, 8, 12], [0.815, 0.95]),
  },
  /** The outputs, with long gauges. */
  outs: {
    right: layoutOf([0.085, 0.5, 130], [0.215, 0.305, 0.41], [0.1, 0.1, 0.045], [6, 8, 18], [0.475, 0.905]),
    up: layoutOf([0.085, 0.5, 76], [0.23, 0.34, 0.47], [0.06, 0.06, 0.05], [5, 6, 11], [0.565, 0.935]),
  },
  /** The last two layers, with room for wishes before them. */
  late: {
    right: layoutOf([0.055, 0.5, 76], [0.135, 0.545, 0.885], [0.14, 0.045, 0.045], [6, 13, 18], [0.935, 0.985]),
    up: layoutOf([0.06, 0.5, 54], [0.15, 0.56, 0.86], [0.08, 0.04, 0.05], [4, 8, 12], [0.92, 0.97]),
  },
  /** Gauges as long as their rows are apart, so that squares on their gaps do not touch. */
  cost: {
    right: layoutOf([0.075, 0.5, 110], [0.19, 0.275, 0.37], [0.1, 0.1, 0.045], [6, 8, 16], [0.435, 0.5]),
    up: layoutOf([0.07, 0.5, 64], [0.18, 0.27, 0.37], [0.06, 0.06, 0.05], [5, 6, 11], [0.455, 0.516]),
  },
  /** The network as a band, over what is said of its weights. */
  knobs: {
    right: layoutOf([0.07, 0.15, 96], [0.415, 0.695, 0.94], 0.39, [4.5, 4.5, 7], [0.96, 0.99], -0.35),
    up: layoutOf([0.042, 0.5, 34], [0.11, 0.165, 0.22], 0.06, [3.5, 4, 6], [0.24, 0.26]),
  },
  /** One output, to be moved to the middle, with its senders and a long gauge. */
  close: {
    right: layoutOf([0.052, 0.5, 76], [0.135, 0.335, 0.565], [0.14, 0.045, 0.045], [6, 14, 40], [0.665, 0.945]),
    up: layoutOf([0.06, 0.5, 54], [0.15, 0.315, 0.49], [0.08, 0.04, 0.05], [4, 8, 22], [0.585, 0.93]),
  },
  /** The first two layers, with room for wishes before them. */
  early: {
    right: layoutOf([0.055, 0.5, 76], [0.545, 0.86, 0.965], 0.045, [13, 13, 9], [0.985, 0.99]),
    up: layoutOf([0.06, 0.5, 54], [0.56, 0.84, 0.965], [0.04, 0.04, 0.05], [8, 8, 6], [0.985, 0.99]),
  },
  /** All layers, with room for a picture for each neuron of the first. */
  whole: {
    right: layoutOf([0.06, 0.5, 76], [0.475, 0.69, 0.905], 0.045, [10, 10, 14], [0.96, 0.99]),
    up: layoutOf([0.06, 0.5, 54], [0.5, 0.68, 0.86], [0.04, 0.04, 0.05], [7, 7, 10], [0.95, 0.98]),
  },
  /** A picture to draw on; on a phone, the lines stand at the top of the stage. */
  pad: {
    right: layoutOf([0.165, 0.5, 252], [0.425, 0.585, 0.745], 0.045, [11, 13, 18], [0.795, 0.925]),
    up: layoutOf([0.135, 0.5, 140], [0.325, 0.425, 0.53], [0.04, 0.04, 0.05], [6, 7, 11], [0.59, 0.68]),
  },
} satisfies Record<string, Pair>;

type Place = keyof typeof LAYOUTS;

export function layoutIn(box: Box, name: Place): Layout {
  const pair: Pair = LAYOUTS[name];
  return box.up ? pair.up : scaled(pair.right, box);
}

/** Sizes in pixels are meant for a stage of 704 pixels, and never grow by more than a fifth. */
function scaled(layout: Layout, box: Box): Layout {
  const size = Math.min(1.2, box.height / 704);
  return {
    ...layout,
    picture: { ...layout.picture, size: layout.picture.size * size },
    radii: layout.radii.map((r) => r * size),
  };
}
