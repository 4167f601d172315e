// One output: what it wishes, and what comes through its sigmoid, with two costs.

import { slope } from "../engine";

/** Wish on the activation, and nudges on the bias, of an output that should be 0 or 1. */
export function saturated(a: number, wanted: number) {
  const wish = 2 * (wanted - a);
  // The slope of the cross-entropy, (a - y) / (a (1 - a)), cancels the sigmoid's own.
  return { wish, squares: wish * slope(a), entropy: wanted - a };
}
