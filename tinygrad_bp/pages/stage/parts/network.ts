// The network: picture, beads, edges, and the light that runs along them.

import { scaleThreshold } from "d3-scale";
import { span } from "../clock";
import { nameOf, placeOf } from "../engine";
import type { Frame } from "../frame";
import { between, type Layout, type Point } from "../layout";
import type { Pen } from "../pen";
import { hash } from "../random";
import type { Reading } from "../session";

/** How the network is shown: scenes hand it on to each other. All but layout and places are alphas. */
export interface Look {
  layout: Layout;
  picture: number;
  /** Of the edges into layers 2 and 3. */
  idle: readonly number[];
  /** Of the light's traces, into layers 1, 2 and 3. */
  trace: readonly number[];
  beads: readonly number[];
  /** Of each output, times that of its layer. */
  outputs: readonly number[];
  /** At which place of its column each neuron of layer 2 stands. */
  places: readonly number[];
  names: number;
}

const PLAIN = {
  picture: 1,
  idle: [1, 1],
  trace: [0, 0, 0],
  beads: [1, 1, 1],
  outputs: Array<number>(10).fill(1),
  places: [...Array(16).keys()],
  names: 1,
};

/** All of a network, without light, but for what is given. */
export function lookOf(layout: Layout, given: Partial<Look> = {}): Look {
  return { ...PLAIN, layout, ...given };
}

/** How far light has come: rows of the picture, and the ways into layers 1, 2 and 3. */
export interface Light {
  rows: number;
  legs: readonly number[];
}

const ALL_LIT: Light = { rows: 28, legs: [1, 1, 1] };
const LAST = 0.78; // of a leg; neurons light up after it
const RAYS = 12; // pixels with a line to a neuron

/** Whose numbers a frame's network shows, for words about its marks. */
export const readingOn = new WeakMap<Frame, Reading>();

export function network(pen: Pen, light = ALL_LIT): void {
  const { frame, look, reading } = pen;
  const start = frame.marks.length;
  readingOn.set(frame, reading);
  rays(pen, light);
  const { u, v, size } = look.layout.picture;
  const { rows } = light;
  pen.picture(pen.at(u, v), size, reading.digit.pixels, { id: "picture", rows, alpha: look.picture });
  for (const l of [2, 3]) edges(pen, l, light.legs[l - 1]);
  for (const l of [1, 2, 3]) beads(pen, l, light.legs[l - 1]);
  frame.network = [start, frame.marks.length];
}

/** The middle of a pixel, in a picture of this size. */
export function pixelIn([x, y]: Point, size: number, pixel: number): Point {
  return [x + ((pixel % 28) + 0.5 - 14) * (size / 28), y + (Math.floor(pixel / 28) + 0.5 - 14) * (size / 28)];
}

/** The middle of a pixel of the network's picture. */
export function pixelAt(pen: Pen, pixel: number): Point {
  const { u, v, size } = pen.layout.picture;
  return pixelIn(pen.at(u, v), size, pixel);
}

/** Whose weight or bias a place of the vector is: into neuron j of a layer; a weight is from k. */
export function knobAt(sizes: readonly number[], index: number): { layer: number; j: number; k: number | null } {
  const [layer, j, k = null] = nameOf(sizes, index).match(/\d+/g)!.map(Number);
  return { layer, j, k };
}

/** Lines from the pixels that count most for a neuron: the picture itself is the first layer. */
function rays(pen: Pen, { legs }: Light): void {
  const alpha = pen.look.trace[0];
  if (alpha < 0.01 || legs[0] === 0) return;
  for (const { j, pixel, strength } of strongest(pen.reading)) {
    const start = 0.3 * hash(j, pixel);
    comet(pen, pixelAt(pen, pixel), pen.neuron(1, j), span(legs[0], start, start + 0.7), strength, alpha);
  }
}

const strongestOf = new WeakMap<Reading, ReturnType<typeof strongestIn>>();

function strongest(reading: Reading) {
  let found = strongestOf.get(reading);
  if (!found) strongestOf.set(reading, (found = strongestIn(reading)));
  return found;
}

function strongestIn({ net, digit, pass }: Reading) {
  const n = net.sizes[0];
  return Array.from(pass[1], (_, j) => j).flatMap((j) => {
    const effect = Array.from(digit.pixels, (p, i) => Math.abs(p * net.w[0][j * n + i]));
    const most = effect.map((_, i) => i).sort((a, b) => effect[b] - effect[a]);
    return most
      .slice(0, RAYS)
      .filter((pixel) => effect[pixel] > 0)
      .map((pixel) => ({ j, pixel, strength: digit.pixels[pixel] * 0.5 }));
  });
}

/** A weight from neuron k of a layer to neuron j of the next: its place in the vector, and its ends. */
interface Edge {
  index: number;
  j: number;
  k: number;
  from: Point;
  to: Point;
}

/** All edges into a layer. */
export function edgesInto(pen: Pen, layer: number): Edge[] {
  const { sizes } = pen.reading.net;
  const [n, start] = [sizes[layer - 1], placeOf(sizes, layer, 0, 0)];
  const senders = Array.from({ length: n }, (_, k) => pen.neuron(layer - 1, k));
  return Array.from({ length: sizes[layer] }, (_, j) => {
    const to = pen.neuron(layer, j);
    return senders.map((from, k) => ({ index: start + j * n + k, j, k, from, to }));
  }).flat();
}

/** Weights by size: no sign and no light, so that learning shows as edges that grow. */
const SIZES = [0.4, 1, 2, 3.5];
const widthOf = scaleThreshold(SIZES, [0.6, 0.9, 1.4, 2.6, 4.4]);
const alphaOf = scaleThreshold(SIZES, [0.06, 0.12, 0.22, 0.4, 0.58]);

function edges(pen: Pen, layer: number, leg: number): void {
  const { look, reading } = pen;
  const [idle, trace] = [look.idle[layer - 2], look.trace[layer - 1]];
  for (const { index, j, k, from, to } of edgesInto(pen, layer)) {
    const size = Math.abs(reading.net.vector[index]);
    const seen = layer === 3 ? look.outputs[j] : 1;
    const alpha = Math.min(1, alphaOf(size) * idle * seen);
    pen.line(from, to, { id: `w${layer}.${j}.${k}`, width: widthOf(size), ink: "idle", alpha });
    if (trace < 0.01 || leg === 0) continue;
    const start = 0.3 * hash(j + 16 * (layer - 1), k);
    const strength = reading.pass[layer - 1][k] * Math.min(1, size / 1.6);
    comet(pen, from, to, span(leg, start, start + 0.7), strength, trace);
  }
}

/** Light on its way along an edge, and the trace that it leaves. */
function comet(pen: Pen, from: Point, to: Point, s: number, strength: number, alpha: number): void {
  if (s === 0 || strength < 0.03) return;
  const width = 0.8 + 1.6 * strength;
  const head = between(from, to, s);
  pen.line(from, head, { width: width * 0.6, ink: "ray", alpha: 0.3 * strength * alpha });
  if (s === 1) return;
  const tail = between(from, to, Math.max(0, s - 0.3));
  pen.line(tail, head, { width, ink: "ray", alpha: strength * alpha, round: strength > 0.5 });
}

function beads(pen: Pen, layer: number, leg: number): void {
  const { look, reading } = pen;
  const radius = look.layout.radii[layer - 1];
  Array.from(reading.pass[layer], (level, j) => {
    const at = pen.neuron(layer, j);
    const seen = layer === 3 ? look.outputs[j] : 1;
    pen.bead(at, radius, level * span(leg, LAST, 1), look.beads[layer - 1] * seen, `a${layer}.${j}`);
    if (layer === 3) name(pen, at, j, look.names * Math.max(Math.min(0.45, 4 * seen), seen));
  });
}

function name(pen: Pen, [x, y]: Point, j: number, alpha: number): void {
  const radius = pen.layout.radii[2];
  const at: Point = pen.up ? [x, y - radius - 11] : [x + radius + 14, y + 1];
  pen.text(at, String(j), { size: pen.up ? 13 : 17, ink: "ink", alpha, align: "center", weight: 600 });
}
