// What may be done with a weighted sum before it is passed on, and a small network with each.

import { sigmoid, slope } from "../engine";

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
const HIDDEN = { w: [2, 3, -1], b: [2, -1, 1], out: [1, -2, -1] };

/** What comes out if the weight into the middle neuron is `w`, and its slope in that weight. */
export function small({ of, slope: steep }: Squeezer, x: number, w: number) {
  const z = HIDDEN.w.map((weight, j) => (j === 1 ? w : weight) * x + HIDDEN.b[j]);
  const value = z.reduce((sum, each, j) => sum + HIDDEN.out[j] * of(each), 0);
  return { value, slope: HIDDEN.out[1] * steep(z[1]) * x };
}
