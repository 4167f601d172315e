// A walk downhill from a network, step by step, by the gradient of all digits: kept while the page
// is open, for the step that takes it and for its asides.

import { dot, network, passes } from "../net.js";
import { mean, meanGradient, meanNudges } from "./averages.js";
import { alongGradient, stepped } from "./descent.js";

const walks = new WeakMap(); // by network: the places of the walk so far, the first is the network

export function walkOf(ctx) {
  if (!walks.has(ctx.network)) {
    walks.set(ctx.network, [placeAt(ctx.network, ctx.all(), meanNudges(ctx))]);
  }
  return walks.get(ctx.network);
}

export function now(ctx) {
  return walkOf(ctx).at(-1);
}

// Everything that is said of a place: its gradient, in which order its parts come, and its cost.
function placeAt(net, all, nudges) {
  const gradient = nudges.map((nudge) => 0 - nudge);
  const order = sorted(nudges, (i) => nudges[i]);
  const rank = new Uint32Array(order.length);
  order.forEach((index, r) => (rank[index] = r));
  return {
    net,
    gradient,
    nudges,
    order,
    rank,
    squared: dot(gradient, gradient),
    cost: mean(all.map(({ cost }) => cost)),
    correct: mean(all.map(({ predicted, label }) => (predicted === label ? 1 : 0))),
  };
}

// Places of a list, from the largest value to the smallest.
function sorted(list, value) {
  return Uint32Array.from(list.keys()).sort((i, j) => value(j) - value(i) || i - j);
}

// Parameters from the largest nudge to the smallest, up or down.
export function bySize(ctx) {
  const place = now(ctx);
  place.bySize ??= sorted(place.nudges, (i) => Math.abs(place.nudges[i]));
  return place.bySize;
}

export function take(ctx) {
  const { net, gradient } = now(ctx);
  const next = network(net.sizes, stepped(net.parameters, gradient, ctx.state.lr));
  const all = passes(next, ctx.data.digits);
  const nudges = meanGradient(next, all).map((g) => 0 - g);
  walkOf(ctx).push(placeAt(next, all, nudges));
}

// {cost, correct} after a step with this learning rate, which is not taken.
export function costAfter(ctx, lr) {
  const place = now(ctx);
  place.along ??= alongGradient(place.net, ctx.data.digits, place.gradient);
  return place.along(lr);
}
