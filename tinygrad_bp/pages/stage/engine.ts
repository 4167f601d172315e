// The mathematics of the lesson: the one place with it in JavaScript.
//
// A network is one vector of weights and biases, W1 b1 W2 b2 ..., and views of its parts. A weight
// from neuron k to neuron j stands in row j. Activations are sigmoids, and the cost of an example is
// the sum of its squared gaps. "Wish" and "nudge" are minus a slope: positive means more.

export interface Net {
  sizes: readonly number[];
  vector: Float64Array;
  /** By layer, from 0: w[l][j * sizes[l] + k] and b[l][j]. */
  w: Float64Array[];
  b: Float64Array[];
}

/** Activations by layer; a[0] are the pixels. */
export type Pass = ArrayLike<number>[];

export function count(sizes: readonly number[]): number {
  return sizes.slice(1).reduce((sum, n, l) => sum + n * (sizes[l] + 1), 0);
}

/** A network on a vector, which it shares. */
export function netOn(vector: Float64Array, sizes: readonly number[]): Net {
  const net: Net = { sizes, vector, w: [], b: [] };
  let at = 0;
  const next = (n: number) => vector.subarray(at, (at += n));
  for (let l = 1; l < sizes.length; l += 1) {
    net.w.push(next(sizes[l] * sizes[l - 1]));
    net.b.push(next(sizes[l]));
  }
  return net;
}

export function copyOf(net: Net): Net {
  return netOn(net.vector.slice(), net.sizes);
}

/** The name of the parameter at a place of the vector, such as W3[2,5] or b1[7]. */
export function nameOf(sizes: readonly number[], index: number): string {
  let at = index;
  for (let l = 1; l < sizes.length; l += 1) {
    const weights = sizes[l] * sizes[l - 1];
    if (at < weights) return `W${l}[${Math.floor(at / sizes[l - 1])},${at % sizes[l - 1]}]`;
    if (at < weights + sizes[l]) return `b${l}[${at - weights}]`;
    at -= weights + sizes[l];
  }
  throw new RangeError(`there is no parameter ${index}`);
}

/** The place of weight W[j,k] into a layer from 1, or of its bias b[j], in the vector. */
export function placeOf(sizes: readonly number[], layer: number, j: number, k?: number): number {
  const before = count(sizes.slice(0, layer));
  const fed = sizes[layer - 1];
  return before + (k === undefined ? fed * sizes[layer] + j : j * fed + k);
}

export function sigmoid(z: number): number {
  return 1 / (1 + Math.exp(-z));
}

export function forward(net: Net, pixels: ArrayLike<number>): Pass {
  const pass: Pass = [pixels];
  net.w.forEach((w, l) => pass.push(layer(w, net.b[l], pass[l])));
  return pass;
}

function layer(w: Float64Array, b: Float64Array, a: ArrayLike<number>): Float64Array {
  const z = sums(w, b, a);
  for (let j = 0; j < z.length; j += 1) z[j] = sigmoid(z[j]);
  return z;
}

/** The weighted sums of a layer. */
export function sums(w: Float64Array, b: Float64Array, a: ArrayLike<number>): Float64Array {
  const lit = litOf(a);
  const z = b.slice();
  for (let i = 0; i < lit.length; i += 1) {
    const p = a[lit[i]];
    for (let j = 0, at = lit[i]; j < z.length; j += 1, at += a.length) z[j] += w[at] * p;
  }
  return z;
}

const litIn = new WeakMap<object, Uint16Array>();
const ALL = Array.from({ length: 100 }, (_, n) => Uint16Array.from({ length: n }, (_, k) => k));

/** Which pixels are lit, found once for each picture: a few in 784. Of a small layer, all neurons. */
function litOf(a: ArrayLike<number>): Uint16Array {
  if (a.length < ALL.length) return ALL[a.length];
  let lit = litIn.get(a);
  if (!lit) litIn.set(a, (lit = Uint16Array.from(Array.from(a).flatMap((p, k) => (p ? k : [])))));
  return lit;
}

export function target(label: number, n = 10): number[] {
  return Array.from({ length: n }, (_, j) => (j === label ? 1 : 0));
}

export function output(pass: Pass): ArrayLike<number> {
  return pass[pass.length - 1];
}

/** The digit that is read: the first of the brightest outputs. */
export function answer(pass: Pass): number {
  const out = output(pass);
  let best = 0;
  for (let j = 1; j < out.length; j += 1) if (out[j] > out[best]) best = j;
  return best;
}

/** How far each output is from its target. */
export function gaps(pass: Pass, label: number): number[] {
  return Array.from(output(pass), (a, j) => gap(a, j, label));
}

function gap(a: number, j: number, label: number): number {
  return (j === label ? 1 : 0) - a;
}

/** What an example wishes of an output: minus the slope of its squared gap. */
export function wish(gap: number): number {
  return 2 * gap;
}

export function cost(pass: Pass, label: number): number {
  const out = output(pass);
  let sum = 0;
  for (let j = 0; j < out.length; j += 1) sum += gap(out[j], j, label) ** 2;
  return sum;
}

/** The slopes of the cost in the weighted sums, by layer from 0. */
export function deltas(net: Net, pass: Pass, label: number): Float64Array[] {
  const last = net.w.length - 1;
  const found: Float64Array[] = [];
  const out = output(pass);
  found[last] = new Float64Array(out.length);
  for (let j = 0; j < out.length; j += 1) found[last][j] = -2 * gap(out[j], j, label) * slope(out[j]); // prettier-ignore
  for (let l = last; l > 0; l -= 1) {
    const sum = received(net, l, found[l]);
    for (let k = 0; k < sum.length; k += 1) sum[k] *= slope(pass[l][k]);
    found[l - 1] = sum;
  }
  return found;
}

/** The sigmoid's slope where its value is `a`. */
export function slope(a: number): number {
  return a * (1 - a);
}

/** What slopes of layer l's sums are as slopes of the activations before it: Wᵀδ. */
export function received(net: Net, l: number, delta: Float64Array): Float64Array {
  const n = net.sizes[l];
  const sum = new Float64Array(n);
  const w = net.w[l];
  for (let j = 0; j < delta.length; j += 1) {
    for (let k = 0; k < n; k += 1) sum[k] += delta[j] * w[j * n + k];
  }
  return sum;
}

/** What each neuron of a layer asks of each in the layer before: wishes[j][k] = -δ_j w_jk. */
export function asked(net: Net, l: number, delta: Float64Array): number[][] {
  const n = net.sizes[l];
  return Array.from(delta, (d, j) => Array.from({ length: n }, (_, k) => -d * net.w[l][j * n + k]));
}

/** Add `scale` times an example's gradient to a vector of parameters; gives its cost. */
export function addGradient(into: Net, net: Net, pass: Pass, label: number, scale = 1): number {
  deltas(net, pass, label).forEach((delta, l) => {
    const a = pass[l];
    const lit = litOf(a);
    const w = into.w[l];
    for (let j = 0; j < delta.length; j += 1) {
      const step = scale * delta[j];
      into.b[l][j] += step;
      const row = j * a.length;
      for (let i = 0; i < lit.length; i += 1) w[row + lit[i]] += step * a[lit[i]];
    }
  });
  return cost(pass, label);
}

export interface Example {
  pixels: Float64Array;
  label: number;
}

/** The average of the gradients of some examples. */
export function gradient(net: Net, examples: readonly Example[]): Float64Array {
  const sum = netOn(new Float64Array(net.vector.length), net.sizes);
  for (const { pixels, label } of examples) {
    addGradient(sum, net, forward(net, pixels), label, 1 / examples.length);
  }
  return sum.vector;
}

export interface Check {
  /** By backpropagation, and by turning the parameter down and up by h. */
  slope: number;
  difference: number;
  /** The costs with the parameter at p - h, p and p + h. */
  costs: readonly [number, number, number];
}

/** Backprop's slope of one parameter beside a central difference. */
export function checked(net: Net, { pixels, label }: Example, index: number, h = 1e-5): Check {
  const here = net.vector[index];
  const at = (by: number) => {
    net.vector[index] = here + by;
    return cost(forward(net, pixels), label);
  };
  const costs = [at(-h), at(h), at(0)]; // back where it was, last
  const slope = gradient(net, [{ pixels, label }])[index];
  const [down, up, still] = costs;
  return { slope, difference: (up - down) / (2 * h), costs: [down, still, up] };
}

/** The network after a step against a gradient. */
export function stepped(net: Net, slopes: Float64Array, rate: number): Net {
  const vector = net.vector.slice();
  for (let i = 0; i < vector.length; i += 1) vector[i] -= rate * slopes[i];
  return netOn(vector, net.sizes);
}

export interface Score {
  accuracy: number;
  cost: number;
  right: boolean[];
}

export function score(net: Net, examples: readonly Example[]): Score {
  let total = 0;
  const right = examples.map(({ pixels, label }) => {
    const pass = forward(net, pixels);
    total += cost(pass, label);
    return answer(pass) === label;
  });
  const hits = right.filter(Boolean).length;
  return { accuracy: hits / examples.length, cost: total / examples.length, right };
}

/** The cosine of the angle between two vectors; 0 if one of them is zero. */
export function cosine(u: Float64Array, v: Float64Array): number {
  let [uv, uu, vv] = [0, 0, 0];
  for (let i = 0; i < u.length; i += 1) {
    uv += u[i] * v[i];
    uu += u[i] * u[i];
    vv += v[i] * v[i];
  }
  return uu && vv ? uv / Math.sqrt(uu * vv) : 0;
}

/** The network from layer l on, fed with that layer's activations; it shares its parameters. */
export function tail(net: Net, l: number): Net {
  return netOn(net.vector.subarray(count(net.sizes.slice(0, l + 1))), net.sizes.slice(l));
}

/** A way from one neuron to the cost: the neurons on it, and the product of the slopes along it. */
export interface Way {
  through: number[];
  product: number;
}

/** Every way from neuron k of the first layer to the cost. */
export function ways(net: Net, pass: Pass, label: number, k: number, l = 0): Way[] {
  if (l === net.w.length) return [{ through: [k], product: -2 * gaps(pass, label)[k] }];
  return Array.from(pass[l + 1], (a, j) => {
    const factor = net.w[l][j * net.sizes[l] + k] * slope(a);
    return ways(net, pass, label, j, l + 1).map(({ through, product }) => ({
      through: [k, ...through],
      product: factor * product,
    }));
  }).flat();
}

/**
 * The dot products of every two examples' gradients, row by row: a layer's part of a gradient is
 * its slopes times what it was fed, so two of them meet in the product of two small dot products.
 */
export function gram(net: Net, examples: readonly Example[]): Float64Array {
  const n = examples.length;
  const passes = examples.map(({ pixels }) => forward(net, pixels));
  const slopes = examples.map(({ label }, i) => deltas(net, passes[i], label));
  const table = new Float64Array(n * n);
  for (let i = 0; i < n; i += 1) {
    for (let j = i; j < n; j += 1) {
      let sum = 0;
      slopes[i].forEach((delta, l) => {
        sum += dot(delta, slopes[j][l]) * (1 + dot(passes[i][l], passes[j][l]));
      });
      table[i * n + j] = table[j * n + i] = sum;
    }
  }
  return table;
}

export function dot(u: ArrayLike<number>, v: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < u.length; i += 1) sum += u[i] * v[i];
  return sum;
}
