// How well the gradient of a few examples agrees with that of all of them.
//
// Everything here follows from the inner products of the examples' gradients. No gradient is ever
// made: a layer's part of one is delta times (1, activations), so the product of two such parts is
// (delta · delta') (1 + activations · activations').

import { dot } from "../net.js";
import { drawn } from "./random.js";

// The table of a0 · a0' over all pairs; it does not depend on the network.
export function inputProducts(inputs) {
  const n = inputs.length;
  const table = new Float64Array(n * n);
  for (let k = 0; k < n; k += 1) {
    const lit = [];
    inputs[k].forEach((value, i) => value !== 0 && lit.push(i));
    for (let m = 0; m <= k; m += 1) {
      let sum = 0;
      for (const i of lit) sum += inputs[k][i] * inputs[m][i];
      table[k * n + m] = table[m * n + k] = sum;
    }
  }
  return table;
}

// passes: what net.js gives for each digit, activations a[l] and deltas delta[l] by layer.
export function gradientProducts(passes, inputs) {
  const n = passes.length;
  const table = new Float64Array(n * n);
  for (let k = 0; k < n; k += 1) {
    for (let m = 0; m <= k; m += 1) {
      const [one, other] = [passes[k], passes[m]];
      let sum = dot(one.delta[1], other.delta[1]) * (1 + inputs[k * n + m]);
      for (let l = 2; l < one.delta.length; l += 1) {
        sum += dot(one.delta[l], other.delta[l]) * (1 + dot(one.a[l - 1], other.a[l - 1]));
      }
      table[k * n + m] = table[m * n + k] = sum;
    }
  }
  return table;
}

// What the products say of the full gradient: its squared length, how it meets each example's
// gradient, and how widely those scatter, as a multiple of the squared length.
export function summary(products, n) {
  const meets = new Float64Array(n);
  let own = 0;
  for (let k = 0; k < n; k += 1) {
    for (let m = 0; m < n; m += 1) meets[k] += products[k * n + m];
    meets[k] /= n;
    own += products[k * n + k];
  }
  const squared = meets.reduce((sum, x) => sum + x, 0) / n;
  return { n, products, meets, squared, scatter: (own / n - squared) / squared };
}

// The cosine to expect of `size` examples drawn without putting any back.
export function predicted({ n, scatter }, size) {
  return 1 / Math.sqrt(1 + (scatter / size) * ((n - size) / (n - 1)));
}

// Cosines of `count` random batches of `size` to the full gradient.
export function cosines(full, size, count, random) {
  const order = Uint16Array.from({ length: full.n }, (_, i) => i);
  const few = Math.min(size, full.n - size); // the examples left out say as much as those drawn
  return Array.from({ length: count }, () => {
    const some = drawn(order, few, random);
    return few === size ? ofBatch(full, some) : ofComplement(full, some);
  });
}

function ofBatch({ products, meets, squared, n }, batch) {
  const [along, length] = sums(products, meets, batch, n);
  return along / Math.sqrt(length * squared);
}

// The sum over the batch is n times the full gradient less the sum over those left out.
function ofComplement({ products, meets, squared, n }, left) {
  const [along, length] = sums(products, meets, left, n);
  const rest = n * n * squared - 2 * n * along + length;
  return Math.min((n * squared - along) / Math.sqrt(rest * squared), 1);
}

function sums(products, meets, batch, n) {
  let along = 0;
  let length = 0;
  for (let i = 0; i < batch.length; i += 1) {
    const row = batch[i] * n;
    along += meets[batch[i]];
    length += products[row + batch[i]];
    for (let j = 0; j < i; j += 1) length += 2 * products[row + batch[j]];
  }
  return [along, length];
}
