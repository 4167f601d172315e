// One neuron close up, and the three ways to change what it puts out: bias, weights, activations.

import { copyOf, dot, forward, slope, tail } from "./engine";
import type { Reading } from "./session";

export interface Neuron {
  weights: ArrayLike<number>;
  bias: number;
  /** The activations that it listens to. */
  senders: ArrayLike<number>;
}

/** How far bias, weights and activations are moved, each from -1 to 1. */
export type Amounts = readonly [number, number, number];

/** The length of a full move, in each of the three spaces: the same, so that effects compare. */
const LENGTH = 0.5;

export function neuronOf({ net, pass }: Reading, j: number): Neuron {
  const last = net.w.length - 1;
  const n = net.sizes[last];
  return {
    weights: net.w[last].subarray(j * n, (j + 1) * n),
    bias: net.b[last][j],
    senders: pass[last],
  };
}

export function products({ weights, senders }: Neuron): number[] {
  return Array.from(weights, (w, k) => w * senders[k]);
}

export function weightedSum(neuron: Neuron): number {
  return products(neuron).reduce((sum, product) => sum + product, neuron.bias);
}

function along(direction: ArrayLike<number>, length: number): number[] {
  const norm = Math.hypot(...Array.from(direction)) || 1;
  return Array.from(direction, (p) => (length * p) / norm);
}

/** The neuron moved where its sum changes most: weights along activations, and the reverse. */
export function movedBy(neuron: Neuron, [bias, weights, senders]: Amounts): Neuron {
  const way = along(neuron.senders, LENGTH * weights);
  const back = along(neuron.weights, LENGTH * senders);
  return {
    bias: neuron.bias + LENGTH * bias,
    weights: Array.from(neuron.weights, (w, k) => w + way[k]),
    // there is no activation below 0 or above 1
    senders: Array.from(neuron.senders, (a, k) => Math.min(1, Math.max(0, a + back[k]))),
  };
}

/** What the changes of bias, weights and activations do to the activation, to first order. */
export function effects(from: Neuron, to: Neuron, activation: number): Amounts {
  const per = slope(activation);
  const changes = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a, (p, k) => b[k] - p);
  return [
    per * (to.bias - from.bias),
    per * dot(from.senders, changes(from.weights, to.weights)),
    per * dot(from.weights, changes(from.senders, to.senders)),
  ];
}

/** The same reading with one output's neuron replaced, and all outputs worked out again. */
export function withNeuron(reading: Reading, j: number, { weights, bias, senders }: Neuron): Reading {
  const net = copyOf(reading.net);
  const last = net.w.length - 1;
  net.w[last].set(Array.from(weights), j * net.sizes[last]);
  net.b[last][j] = bias;
  const end = forward(tail(net, last), senders);
  return { ...reading, net, pass: [...reading.pass.slice(0, last), ...end] };
}
