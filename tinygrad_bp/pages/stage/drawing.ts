// Digits that the reader draws: strokes as pixels, brought into MNIST's shape; shifted, and noisy.

import { bounds, fromSegment } from "./hit";
import type { Point } from "./layout";
import { seeded } from "./random";

export const SIDE = 28;
const SPAN = 20; // pixels that a digit of MNIST spans
const PEN = 1.05; // the pen's radius, in pixels
const SOFT = 0.55; // half the width of its soft rim

/** Points in pixels, from 0 to 28. */
export type Stroke = Point[];

export function blank(): Float64Array {
  return new Float64Array(SIDE * SIDE);
}

/** Strokes on top of pixels. */
export function inked(strokes: readonly Stroke[], under: Float64Array | null = null): Float64Array {
  const pixels = under ? under.slice() : blank();
  for (const stroke of strokes) stroke.forEach((to, i) => draw(pixels, stroke[Math.max(0, i - 1)], to));
  return pixels;
}

function draw(pixels: Float64Array, a: Point, b: Point): void {
  const reach = PEN + SOFT;
  const [from, to] = bounds([a, b]);
  const low = from.map((p) => Math.max(0, Math.floor(p - reach)));
  const high = to.map((p) => Math.min(SIDE - 1, Math.ceil(p + reach)));
  for (let y = low[1]; y <= high[1]; y += 1) {
    for (let x = low[0]; x <= high[0]; x += 1) {
      const far = fromSegment([x + 0.5, y + 0.5], a, b);
      const ink = Math.min(1, Math.max(0, (reach - far) / (2 * SOFT)));
      pixels[y * SIDE + x] = Math.max(pixels[y * SIDE + x], ink);
    }
  }
}

/** The same strokes as MNIST has its digits: 20 pixels long, the centre of mass in the middle. */
export function normalised(strokes: readonly Stroke[]): Stroke[] {
  const points = strokes.flat();
  if (!points.length) return [];
  const [low, high] = bounds(points);
  const size = Math.max(high[0] - low[0], high[1] - low[1]);
  const scale = size > 0 ? (SPAN - 2 * PEN) / size : 1;
  const middle = [0, 1].map((d) => (low[d] + high[d]) / 2);
  const sized = moved(strokes, ([x, y]) => [SIDE / 2 + (x - middle[0]) * scale, SIDE / 2 + (y - middle[1]) * scale]);
  const [cx, cy] = centre(inked(sized));
  return moved(sized, ([x, y]) => [x + SIDE / 2 - cx, y + SIDE / 2 - cy]);
}

function moved(strokes: readonly Stroke[], move: (point: Point) => Point): Stroke[] {
  return strokes.map((stroke) => stroke.map(move));
}

/** The centre of mass of what is lit. */
export function centre(pixels: Float64Array): Point {
  let [mass, x, y] = [0, 0, 0];
  pixels.forEach((p, i) => {
    mass += p;
    x += p * ((i % SIDE) + 0.5);
    y += p * (Math.floor(i / SIDE) + 0.5);
  });
  return mass ? [x / mass, y / mass] : [SIDE / 2, SIDE / 2];
}

/** Moved by whole pixels; what leaves the frame is lost. */
export function shifted(pixels: Float64Array, right: number, down: number): Float64Array {
  return pixels.map((_, i) => {
    const [x, y] = [(i % SIDE) - right, Math.floor(i / SIDE) - down];
    return x < 0 || x >= SIDE || y < 0 || y >= SIDE ? 0 : pixels[y * SIDE + x];
  });
}

/** With more noise: every pixel brighter by up to so much, the same for the same seed. */
export function noisy(pixels: Float64Array, seed: number, most = 0.35): Float64Array {
  const random = seeded(seed);
  return pixels.map((p) => Math.min(1, p + most * random()));
}
