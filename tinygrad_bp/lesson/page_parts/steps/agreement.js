// How well the gradient of a few examples agrees with that of all of them.
//
// Everything here follows from the inner products of the examples' gradients. No gradient is ever
// made: a layer's part of one is delta times (1, activations), so the product of two such parts is
// (delta · delta') (1 + activations · activations').

import { litPlaces } from "./averages.js";
import { drawn } from "./random.js";

// The products of all pairs of images: table[k * n + m]. Most pixels are black: what is not is read
// once for four images at a time.
export function inputProducts(inputs) {
  const n = inputs.length;
  const table = new Float64Array(n * n);
  const others = inputs.map(litPlaces);
  const four = new Float64Array(4 * inputs[0].length);
  for (let k = 0; k < n; k += 4) {
    for (let i = 0; i < 4; i += 1) {
      const image = inputs[Math.min(k + i, n - 1)];
      for (let at = 0; at < image.length; at += 1) four[4 * at + i] = image[at];
    }
    for (let m = 0; m < Math.min(k + 4, n); m += 1) timesFour(four, others[m], table, n, k, m);
  }
  return mirrored(table, n);
}

// What would be written beyond the end of the table is lost, as it should be.
function timesFour(four, { places, values }, table, n, k, m) {
  let [a, b, c, d] = [0, 0, 0, 0];
  for (let i = 0; i < places.length; i += 1) {
    const at = 4 * places[i];
    const value = values[i];
    a += value * four[at];
    b += value * four[at + 1];
    c += value * four[at + 2];
    d += value * four[at + 3];
  }
  table[k * n + m] = a;
  table[(k + 1) * n + m] = b;
  table[(k + 2) * n + m] = c;
  table[(k + 3) * n + m] = d;
}

function mirrored(table, n) {
  for (let k = 0; k < n; k += 1) {
    for (let m = 0; m < k; m += 1) table[m * n + k] = table[k * n + m];
  }
  return table;
}

// passes: what net.js gives for each digit, activations a[l] and deltas delta[l] by layer.
export function gradientProducts(passes, inputs) {
  const n = passes.length;
  const table = new Float64Array(n * n);
  for (let l = 1; l < passes[0].delta.length; l += 1) {
    const deltas = stacked(passes.map(({ delta }) => delta[l]));
    const before = l === 1 ? null : stacked(passes.map(({ a }) => a[l - 1]));
    for (let k = 0; k < n; k += 1) addRow(table, n, k, deltas, before, inputs);
  }
  return mirrored(table, n);
}

// Rows one after the other in one array: products of all pairs are quick to form from it.
function stacked(rows) {
  const width = rows[0].length;
  const all = new Float64Array(rows.length * width);
  rows.forEach((row, i) => all.set(row, i * width));
  return { all, width };
}

function addRow(table, n, k, deltas, before, inputs) {
  for (let m = 0; m <= k; m += 1) {
    const input = before ? product(before.all, before.width, k, m) : inputs[k * n + m];
    table[k * n + m] += product(deltas.all, deltas.width, k, m) * (1 + input);
  }
}

function product(all, width, k, m) {
  const [one, other] = [k * width, m * width];
  let sum = 0;
  for (let i = 0; i < width; i += 1) sum += all[one + i] * all[other + i];
  return sum;
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
