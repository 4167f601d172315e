// What the experiments are about, in numbers: grounds to walk on, an output that is stuck, squeezers.

import { sigmoid, slope } from "../engine";

export const VIEW: [number, number] = [-2, 3.1];
export const VALLEYS = [-1, 2];

export const valley = {
  height: (x: number) => x ** 4 / 4 - x ** 3 / 3 - x ** 2 + 3,
  slope: (x: number) => x ** 3 - x ** 2 - 2 * x,
  bend: (x: number) => 3 * x ** 2 - 2 * x - 2,
};

/** Steps against the slope; it stops where it leaves the view. */
export function rolled(start: number, rate: number, steps: number): number[] {
  const way = [start];
  for (let x = start; way.length <= steps && VIEW[0] <= x && x <= VIEW[1]; way.push(x)) x -= rate * valley.slope(x);
  return way;
}

export const bowl = {
  height: (x: number, y: number) => (3 * x * x + y * y) / 2,
  slopes: (x: number, y: number): [number, number] => [3 * x, y],
};

/** How steep the bowl is in a direction, by its angle. */
export function steepness(x: number, y: number, angle: number): number {
  const [byX, byY] = bowl.slopes(x, y);
  return byX * Math.cos(angle) + byY * Math.sin(angle);
}

export const BUDGET = 0.01; // how far one may go

/** What a step of that length in a direction does to the cost. */
export function spent(x: number, y: number, angle: number): number {
  const [dx, dy] = [BUDGET * Math.cos(angle), BUDGET * Math.sin(angle)];
  return bowl.height(x + dx, y + dy) - bowl.height(x, y);
}

/** Wish on the activation, and nudges on the bias, of an output that should be 0 or 1. */
export function saturated(a: number, wanted: number) {
  const wish = 2 * (wanted - a);
  // The slope of the cross-entropy, (a - y) / (a (1 - a)), cancels the sigmoid's own.
  return { wish, squares: wish * slope(a), entropy: wanted - a };
}

export interface Squeezer {
  name: string;
  of: (z: number) => number;
  slope: (z: number) => number;
}

export const SQUEEZERS: Record<string, Squeezer> = {
  sigmoid: { name: "σ", of: sigmoid, slope: (z) => slope(sigmoid(z)) },
  relu: { name: "ReLU", of: (z) => Math.max(0, z), slope: (z) => (z > 0 ? 1 : 0) },
  step: { name: "a step", of: (z) => (z >= 0 ? 1 : 0), slope: () => 0 },
  none: { name: "nothing", of: (z) => z, slope: () => 1 },
};

// One input, three neurons, one output that adds them up.
const HIDDEN = { w: [4, 3, -4], b: [4, -1, 4], out: [1, -2, 1] };

/** What comes out if the weight into the middle neuron is `w`, and its slope in that weight. */
export function small({ of, slope: steep }: Squeezer, x: number, w: number) {
  const z = HIDDEN.w.map((weight, j) => (j === 1 ? w : weight) * x + HIDDEN.b[j]);
  const value = z.reduce((sum, each, j) => sum + HIDDEN.out[j] * of(each), 0);
  return { value, slope: HIDDEN.out[1] * steep(z[1]) * x };
}
