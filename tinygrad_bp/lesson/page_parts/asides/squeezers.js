// What may be done with a weighted sum before it is passed on, with its slope; and the network with
// each of these in the place of σ.

import { sigmoid, wanted } from "../net.js";

export const SQUEEZERS = [
  {
    key: "sigmoid",
    name: "σ",
    activation: sigmoid,
    slope: (z) => sigmoid(z) * sigmoid(-z), // 1 - σ(z) would lose its last digits
  },
  {
    key: "relu",
    name: "ReLU",
    activation: (z) => Math.max(z, 0),
    slope: (z) => (z > 0 ? 1 : 0),
  },
  { key: "step", name: "a step", activation: (z) => (z >= 0 ? 1 : 0), slope: () => 0 },
  { key: "none", name: "nothing", activation: (z) => z, slope: () => 1 },
];

// Forward and back with one of them at every neuron: the outputs, how many neurons have slope 0,
// and how many of the nudges are not 0.
export function through(net, image, label, { activation, slope }) {
  const [a, slopes] = [[image], [null]];
  for (let l = 1; l < net.sizes.length; l += 1) {
    const z = sums(net, l, a[l - 1]);
    a.push(z.map((x) => activation(x)));
    slopes.push(z.map((x) => slope(x)));
  }
  const outputs = a.at(-1);
  const y = wanted(label, outputs.length);
  return {
    outputs,
    flat: slopes.slice(1).reduce((many, s) => many + s.length - nonZero(s), 0),
    nudges: nudgesOf(
      net,
      a,
      slopes,
      outputs.map((x, j) => 2 * (y[j] - x)),
    ),
  };
}

// How many of the nudges on weights and biases are not 0, from the wishes for the outputs back.
function nudgesOf(net, a, slopes, wishes) {
  let [wish, many] = [wishes, 0];
  for (let l = net.sizes.length - 1; l >= 1; l -= 1) {
    const nudge = wish.map((x, j) => x * slopes[l][j]); // on z, and so on the bias
    many += nonZero(nudge) * (1 + nonZero(a[l - 1]));
    wish = a[l - 1].map((_, k) => dotColumn(net.W[l], a[l - 1].length, k, nudge));
  }
  return many;
}

// Without squeezing all layers together are one matrix and one column of biases.
export function collapsed({ sizes, W, b }) {
  let [matrix, bias] = [W[1], b[1]];
  for (let l = 2; l < sizes.length; l += 1) {
    matrix = product(W[l], matrix, sizes[l], sizes[l - 1], sizes[0]);
    bias = product(W[l], bias, sizes[l], sizes[l - 1], 1).map((x, j) => x + b[l][j]);
  }
  return { sizes: [sizes[0], sizes.at(-1)], W: [null, matrix], b: [null, bias] };
}

function sums({ W, b }, l, a) {
  const n = a.length;
  return Float64Array.from(b[l], (start, j) => {
    let sum = start;
    for (let k = 0; k < n; k += 1) sum += W[l][j * n + k] * a[k];
    return sum;
  });
}

// A (rows × inner) times B (inner × columns).
function product(A, B, rows, inner, columns) {
  const C = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i += 1) {
    for (let k = 0; k < inner; k += 1) {
      const x = A[i * inner + k];
      for (let j = 0; j < columns; j += 1) C[i * columns + j] += x * B[k * columns + j];
    }
  }
  return C;
}

function dotColumn(W, columns, k, values) {
  return values.reduce((sum, x, j) => sum + W[j * columns + k] * x, 0);
}

function nonZero(values) {
  return values.reduce((many, x) => many + (x !== 0), 0);
}
