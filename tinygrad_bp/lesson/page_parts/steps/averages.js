// What examples want: of one parameter each, and of all parameters on average.

import { addGradient, placeOf } from "../net.js";

const kept = new WeakMap(); // by network: means over digits, which take a while, are made once
const lit = new WeakMap(); // by image: which of its pixels are not black

// Minus the gradient of the mean cost: of all digits, or of those with one label.
export function meanNudges(ctx, label = null) {
  if (!kept.has(ctx.network)) kept.set(ctx.network, new Map());
  const found = kept.get(ctx.network);
  if (!found.has(label)) {
    const chosen = ctx.all().filter((pass) => label === null || pass.label === label);
    found.set(
      label,
      meanGradient(ctx.network, chosen).map((g) => 0 - g),
    );
  }
  return found.get(label);
}

// The gradient of the mean cost. Most pixels are black and ask for nothing: they are left out,
// which is what makes a step on all digits quick.
export function meanGradient(net, passes) {
  const all = new Float64Array(net.parameters.length);
  const pixels = net.sizes[0];
  const scale = 1 / passes.length;
  const later = all.subarray(net.sizes[1] * pixels); // all but the weights of the pixels
  const inner = { sizes: [0, ...net.sizes.slice(1)] };
  for (const { a, delta } of passes) {
    const lights = litPixels(a[0]);
    for (let j = 0; j < delta[1].length; j += 1) {
      const slope = delta[1][j] * scale;
      for (const k of lights) all[j * pixels + k] += slope * a[0][k];
    }
    addGradient(inner, [[], ...a.slice(1)], delta, scale, later);
  }
  return all;
}

export function litPixels(image) {
  if (!lit.has(image))
    lit.set(image, Uint16Array.from([...image.keys()].filter((k) => image[k] !== 0)));
  return lit.get(image);
}

// What one example wants of one parameter.
export function nudgeOf(sizes, { a, delta }, index) {
  const { kind, layer, to, from } = placeOf(sizes, index);
  return 0 - delta[layer][to] * (kind === "W" ? a[layer - 1][from] : 1);
}

export function mean(values) {
  return values.reduce((sum, x) => sum + x, 0) / values.length;
}
