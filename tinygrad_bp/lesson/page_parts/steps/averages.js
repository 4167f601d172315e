// What examples want: of one parameter each, and of all parameters on average.

import { placeOf } from "../net.js";

const kept = new WeakMap(); // by network: means over digits, which take a while, are made once
const lit = new WeakMap(); // by row: what is not zero in it

// Minus the gradient of the mean cost: of all digits, or of those with one label.
export function meanNudges(ctx, label = null) {
  if (!kept.has(ctx.network)) kept.set(ctx.network, allMeans(ctx.network, ctx.all()));
  return kept.get(ctx.network).get(label);
}

// Every digit is looked at once, for the mean of its label; the mean of all is made of those.
function allMeans(net, passes) {
  const means = new Map();
  const all = new Float64Array(net.parameters.length);
  for (const label of new Set(passes.map((pass) => pass.label))) {
    const chosen = passes.filter((pass) => pass.label === label);
    const mean = meanGradient(net, chosen);
    for (let i = 0; i < all.length; i += 1) all[i] += mean[i] * (chosen.length / passes.length);
    means.set(label, mean);
  }
  means.set(null, all);
  for (const mean of means.values()) {
    for (let i = 0; i < mean.length; i += 1) mean[i] = 0 - mean[i]; // which is never −0
  }
  return means;
}

// The gradient of the mean cost. Most pixels are black and ask for nothing: they are left out,
// which is what makes a step on all digits quick. Counting loops are quicker than iterators here.
export function meanGradient(net, passes) {
  const all = new Float64Array(net.parameters.length);
  const scale = 1 / passes.length;
  for (const { a, delta } of passes) {
    addFirst(all, litPlaces(a[0]), delta[1], net.sizes[0], scale);
    addLater(all, net.sizes, a, delta, scale);
  }
  return all;
}

function addFirst(all, { places, values }, delta, pixels, scale) {
  for (let j = 0; j < delta.length; j += 1) {
    const [slope, row] = [delta[j] * scale, j * pixels];
    for (let i = 0; i < places.length; i += 1) all[row + places[i]] += slope * values[i];
    all[delta.length * pixels + j] += slope;
  }
}

function addLater(all, sizes, a, delta, scale) {
  let at = sizes[1] * (sizes[0] + 1);
  for (let l = 2; l < sizes.length; l += 1) {
    const [d, before] = [delta[l], a[l - 1]];
    for (let j = 0; j < d.length; j += 1) {
      const slope = d[j] * scale;
      for (let k = 0; k < before.length; k += 1, at += 1) all[at] += slope * before[k];
    }
    for (let j = 0; j < d.length; j += 1, at += 1) all[at] += d[j] * scale;
  }
}

// {places, values} of what is not zero: of a picture, its lit pixels.
export function litPlaces(row) {
  if (!lit.has(row)) lit.set(row, findLit(row));
  return lit.get(row);
}

function findLit(row) {
  let size = 0;
  for (let k = 0; k < row.length; k += 1) size += row[k] === 0 ? 0 : 1;
  const places = new Uint16Array(size);
  const values = new Float64Array(size);
  for (let k = 0, i = 0; i < size; k += 1) {
    if (row[k] === 0) continue;
    places[i] = k;
    values[i] = row[k];
    i += 1;
  }
  return { places, values };
}

// What one example wants of one parameter.
export function nudgeOf(sizes, { a, delta }, index) {
  const { kind, layer, to, from } = placeOf(sizes, index);
  return 0 - delta[layer][to] * (kind === "W" ? a[layer - 1][from] : 1);
}

export function mean(values) {
  return values.reduce((sum, x) => sum + x, 0) / values.length;
}
