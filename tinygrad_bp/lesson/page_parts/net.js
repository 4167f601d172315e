// The network and its calculus, in float64: all that the page says about it is computed here.
// Layers are numbered as in the lesson: lists have an entry for each of 0, 1, 2, 3, which is null
// where there is nothing (no weights lead to the pixels). W[l][j * n + k] leads from neuron k of
// layer l - 1 to neuron j of layer l. Shapes for 784-16-16-10.

// parameters: Float64Array(13002) in the order W1 b1 W2 b2 W3 b3.
export function network(sizes, parameters) {
  const W = [null];
  const b = [null];
  let at = 0;
  const next = (n) => parameters.subarray(at, (at += n));
  for (let l = 1; l < sizes.length; l++) {
    W.push(next(sizes[l] * sizes[l - 1]));
    b.push(next(sizes[l]));
  }
  return { sizes, parameters, W, b };
}

export function sigmoid(x) {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x); // the other way round it would overflow
  return e / (1 + e);
}

// image: 784 numbers from 0 to 1. Gives {z, a}: weighted sums and activations of every layer.
export function forward({ sizes, W, b }, image) {
  const z = [null];
  const a = [image];
  for (let l = 1; l < sizes.length; l++) {
    z.push(weightedSums(W[l], b[l], a[l - 1]));
    a.push(z[l].map(sigmoid));
  }
  return { z, a };
}

function weightedSums(W, b, a) {
  const n = a.length;
  const z = Float64Array.from(b);
  for (let k = 0; k < n; k++) {
    const x = a[k];
    if (x === 0) continue; // most pixels are black
    for (let j = 0, i = k; j < z.length; j++, i += n) z[j] += W[i] * x;
  }
  return z;
}

export function wanted(label, size = 10) {
  return Float64Array.from({ length: size }, (_, j) => (j === label ? 1 : 0));
}

// "squares": the sum of (a - y)², without a half. "cross-entropy": -Σ y ln a + (1 - y) ln(1 - a).
export function costOf(pass, label, cost = "squares") {
  const [z, a] = [pass.z.at(-1), pass.a.at(-1)];
  let sum = 0;
  for (let j = 0; j < a.length; j++) {
    const y = j === label ? 1 : 0;
    sum += cost === "squares" ? (a[j] - y) ** 2 : softplus(z[j]) - y * z[j];
  }
  return sum;
}

function softplus(z) {
  return Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
}

// The digit whose output is largest; of equal ones the lowest.
export function predict(outputs) {
  return outputs.indexOf(Math.max(...outputs));
}

// Digits from the most to the least active.
export function ranking(outputs) {
  return [...outputs.keys()].sort((i, j) => outputs[j] - outputs[i] || i - j);
}

// {delta, grad}: ∂C/∂z and ∂C/∂a of layers 1 to 3. Wishes and nudges are these times -1.
export function backward(net, pass, label, cost = "squares") {
  const last = net.sizes.length - 1;
  const delta = Array(last + 1).fill(null);
  const grad = Array(last + 1).fill(null);
  const a = pass.a[last];
  grad[last] = a.map((x, j) => slopeOfCost(x, j === label ? 1 : 0, cost));
  delta[last] =
    cost === "squares"
      ? grad[last].map((g, j) => g * a[j] * (1 - a[j]))
      : a.map((x, j) => x - (j === label ? 1 : 0)); // the slope of the sigmoid cancels
  for (let l = last - 1; l >= 1; l--) {
    grad[l] = backThrough(net.W[l + 1], delta[l + 1], net.sizes[l]);
    delta[l] = grad[l].map((g, k) => g * pass.a[l][k] * (1 - pass.a[l][k]));
  }
  return { delta, grad };
}

function slopeOfCost(a, y, cost) {
  return cost === "squares" ? 2 * (a - y) : (a - y) / (a * (1 - a));
}

// Wᵀ δ: what all neurons of a layer together ask of each neuron before it.
function backThrough(W, delta, size) {
  const g = new Float64Array(size);
  for (let j = 0; j < delta.length; j++) {
    for (let k = 0; k < size; k++) g[k] += W[j * size + k] * delta[j];
  }
  return g;
}

export function deltas(net, pass, label, cost = "squares") {
  return backward(net, pass, label, cost).delta;
}

// ∂C/∂p of all 13,002 parameters, in their order: δ times the activations before, and δ.
export function gradient(net, pass, delta) {
  const all = new Float64Array(net.parameters.length);
  addGradient(net, pass.a, delta, 1, all);
  return all;
}

// Adds scale × gradient to `all`; a and delta are lists by layer.
export function addGradient(net, a, delta, scale, all) {
  let at = 0;
  for (let l = 1; l < net.sizes.length; l++) {
    for (const d of delta[l]) {
      const s = d * scale;
      for (const x of a[l - 1]) all[at++] += s * x;
    }
    for (const d of delta[l]) all[at++] += d * scale;
  }
}

// Where a parameter stands in that order. {kind: "W", layer: 3, to: 2, from: 5} is "W3[2,5]",
// {kind: "b", layer: 3, to: 2} is "b3[2]".
export function indexOf(sizes, { kind, layer, to, from }) {
  let at = 0;
  for (let l = 1; l < layer; l++) at += sizes[l] * (sizes[l - 1] + 1);
  return kind === "W"
    ? at + to * sizes[layer - 1] + from
    : at + sizes[layer] * sizes[layer - 1] + to;
}

export function placeOf(sizes, index) {
  let at = index;
  for (let layer = 1; layer < sizes.length; layer++) {
    const [n, m] = [sizes[layer], sizes[layer - 1]];
    if (at < n * m) return { kind: "W", layer, to: Math.floor(at / m), from: at % m };
    at -= n * m;
    if (at < n) return { kind: "b", layer, to: at };
    at -= n;
  }
  throw new RangeError(`the network has no parameter ${index}`);
}

export function nameOf(sizes, index) {
  const { kind, layer, to, from } = placeOf(sizes, index);
  return kind === "W" ? `W${layer}[${to},${from}]` : `b${layer}[${to}]`;
}

// Forward and backward for many digits: [{a, delta, cost, predicted}, ...]. From these any batch's
// gradient follows without another pass.
export function passes(net, digits) {
  return digits.map(({ image, label }) => {
    const pass = forward(net, image);
    const outputs = pass.a.at(-1);
    return {
      a: pass.a,
      delta: deltas(net, pass, label),
      cost: costOf(pass, label),
      predicted: predict(outputs),
      label,
    };
  });
}

// The mean gradient of some of these passes.
export function batchGradient(net, chosen) {
  const all = new Float64Array(net.parameters.length);
  for (const { a, delta } of chosen) addGradient(net, a, delta, 1 / chosen.length, all);
  return all;
}

export function dot(u, v) {
  let sum = 0;
  for (let i = 0; i < u.length; i++) sum += u[i] * v[i];
  return sum;
}

export function norm(u) {
  return Math.sqrt(dot(u, u));
}
