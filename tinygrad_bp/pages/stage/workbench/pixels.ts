// Pictures made by hand: a bar and the weights that look for it, digits drowned in noise.

import { SIDE } from "../drawing";
import { seeded } from "../random";

function drawn(value: (row: number, column: number) => boolean): Float64Array {
  return Float64Array.from({ length: SIDE ** 2 }, (_, i) => Number(value(Math.floor(i / SIDE), i % SIDE)));
}

/** A bar 14 pixels long and 4 high; `row` is its upper edge, and a part of it can be left out. */
export function bar(row = 12, length = 14): Float64Array {
  return drawn((r, c) => r >= row && r < row + 4 && c >= 7 && c < 7 + length);
}

/** Weights of 1 on the bar, and what is set on the two rows above and below it. */
export function detector(around = -1): Float64Array {
  const [on, near] = [bar(), surround()];
  return on.map((x, i) => x + around * near[i]);
}

export function surround(): Float64Array {
  return drawn((r, c) => [10, 11, 16, 17].includes(r) && c >= 7 && c < 21);
}

/** A picture that gives way to noise: at 1 nothing is left of it. */
export function noisy(pixels: Float64Array, share: number, seed: number): Float64Array {
  const random = seeded(seed);
  return pixels.map((p) => (1 - share) * p + share * random());
}
