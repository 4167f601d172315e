// All slopes of the cost of one example, and the parameter that is spoken of.

import { gradient } from "../net.js";

const kept = { pass: null, all: null, order: null };

export function fullGradient({ network, pass }) {
  if (kept.pass !== pass)
    Object.assign(kept, { pass, all: gradient(network, pass, pass.delta), order: null });
  return kept.all;
}

// The parameter that was chosen, else the one with the largest slope.
export function chosenParameter(ctx) {
  const { parameter } = ctx.state;
  return parameter !== null && parameter < ctx.network.parameters.length
    ? parameter
    : largestOf(fullGradient(ctx));
}

export function largestOf(slopes) {
  return slopes.reduce((best, g, i) => (Math.abs(g) > Math.abs(slopes[best]) ? i : best), 0);
}

// Its place by size: 1 for the largest. Equal ones share a place.
export function rankOf(slopes, index) {
  return 1 + slopes.filter((g) => Math.abs(g) > Math.abs(slopes[index])).length;
}

// Places in the list, the largest slope first; of equal ones the first.
export function bySize(ctx) {
  const slopes = fullGradient(ctx);
  const size = (i) => Math.abs(slopes[i]);
  kept.order ??= [...slopes.keys()].sort((i, j) => size(j) - size(i) || i - j);
  return kept.order;
}
