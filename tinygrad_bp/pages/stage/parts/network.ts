// The network: picture, beads, edges, and the light that runs along them.

import { mix, span } from "../clock";
import { add, type Frame } from "../frame";
import { blend, neuron, place, type Box, type Layout, type Point } from "../layout";
import { hash } from "../random";
import type { Reading } from "../session";

/** How the network is shown: scenes hand it on to each other. All but the layout are alphas. */
export interface Look {
  layout: Layout;
  picture: number;
  /** Of the edges into layers 2 and 3. */
  idle: readonly [number, number];
  /** Of the light's traces, into layers 1, 2 and 3. */
  trace: readonly [number, number, number];
  beads: readonly [number, number, number];
  /** Of each output, times that of its layer. */
  outputs?: readonly number[];
  /** At which place of its column each neuron of layer 2 stands. */
  places?: readonly number[];
  names: number;
}

/** How far light has come: rows of the picture, and the ways into layers 1, 2 and 3. */
export interface Light {
  rows: number;
  legs: readonly [number, number, number];
}

const ALL_LIT: Light = { rows: 28, legs: [1, 1, 1] };
const LAST = 0.78; // of a leg; neurons light up after it
const RAYS = 12; // pixels with a line to a neuron

export function blendLook(a: Look, b: Look, s: number): Look {
  const each = <T extends readonly number[]>(x: T, y: T) => x.map((p, i) => mix(p, y[i], s)) as unknown as T;
  const all = Array(10).fill(1);
  const own = Array.from({ length: (a.places ?? b.places ?? []).length }, (_, k) => k);
  return {
    layout: blend(a.layout, b.layout, s),
    picture: mix(a.picture, b.picture, s),
    idle: each(a.idle, b.idle),
    trace: each(a.trace, b.trace),
    beads: each(a.beads, b.beads),
    outputs: each(a.outputs ?? all, b.outputs ?? all),
    places: each(a.places ?? own, b.places ?? own),
    names: mix(a.names, b.names, s),
  };
}

/** Whose numbers a frame's network shows, for words about its marks. */
export const readingOn = new WeakMap<Frame, Reading>();

export function network(frame: Frame, box: Box, look: Look, reading: Reading, light: Light = ALL_LIT): void {
  const start = frame.marks.length;
  readingOn.set(frame, reading);
  rays(frame, box, look, reading, light);
  picture(frame, box, look, reading, light);
  for (const l of [1, 2] as const) edges(frame, box, look, reading, l, light.legs[l]);
  for (const l of [1, 2, 3] as const) beads(frame, box, look, reading, l, light.legs[l - 1]);
  frame.network = [start, frame.marks.length];
}

export function neuronAt(box: Box, look: Look, layer: number, j: number, reading: Reading): Point {
  const at = layer === 2 ? (look.places?.[j] ?? j) : j;
  return neuron(box, look.layout, layer, at, reading.net.sizes[layer]);
}

function picture(frame: Frame, box: Box, look: Look, { digit }: Reading, { rows }: Light): void {
  const { u, v, size } = look.layout.picture;
  const at = place(box, u, v);
  add(frame, { kind: "picture", id: "picture", at, size, pixels: digit.pixels, rows, alpha: look.picture }); // prettier-ignore
}

/** Lines from the pixels that count most for a neuron: the picture itself is the first layer. */
function rays(frame: Frame, box: Box, look: Look, reading: Reading, light: Light): void {
  const alpha = look.trace[0];
  if (alpha < 0.01 || light.legs[0] === 0) return;
  const { u, v, size } = look.layout.picture;
  const [x, y] = place(box, u, v);
  for (const { j, pixel, strength } of strongest(reading)) {
    const from: Point = [
      x + ((pixel % 28) + 0.5 - 14) * (size / 28),
      y + (Math.floor(pixel / 28) + 0.5 - 14) * (size / 28),
    ];
    const to = neuronAt(box, look, 1, j, reading);
    const start = 0.3 * hash(j, pixel);
    comet(frame, from, to, span(light.legs[0], start, start + 0.7), strength, alpha);
  }
}

interface Ray {
  j: number;
  pixel: number;
  strength: number;
}

const strongestOf = new WeakMap<Reading, Ray[]>();

function strongest(reading: Reading): Ray[] {
  let found = strongestOf.get(reading);
  if (!found) strongestOf.set(reading, (found = strongestIn(reading)));
  return found;
}

function strongestIn({ net, digit, pass }: Reading): Ray[] {
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

/** Weights by size: no sign and no light, so that learning shows as edges that grow. */
export function idleEdge(weight: number): { width: number; alpha: number } {
  const size = Math.abs(weight);
  const group = [0.4, 1, 2, 3.5].filter((limit) => size >= limit).length;
  return { width: [0.6, 0.9, 1.4, 2.6, 4.4][group], alpha: 0.2 * [0.3, 0.6, 1.1, 2, 2.9][group] };
}

function edges(frame: Frame, box: Box, look: Look, reading: Reading, l: 1 | 2, leg: number): void {
  const { net, pass } = reading;
  const n = net.sizes[l];
  const [idle, trace] = [look.idle[l - 1], look.trace[l]];
  for (let j = 0; j < net.sizes[l + 1]; j += 1) {
    const to = neuronAt(box, look, l + 1, j, reading);
    const seen = l === 2 ? (look.outputs?.[j] ?? 1) : 1;
    for (let k = 0; k < n; k += 1) {
      const weight = net.w[l][j * n + k];
      const from = neuronAt(box, look, l, k, reading);
      const { width, alpha } = idleEdge(weight);
      add(frame, { kind: "line", id: `w${l + 1}.${j}.${k}`, from, to, width, ink: "idle", alpha: Math.min(1, alpha * idle * seen) }); // prettier-ignore
      if (trace > 0.01 && leg > 0) {
        const start = 0.3 * hash(j + 16 * l, k);
        const strength = pass[l][k] * Math.min(1, Math.abs(weight) / 1.6);
        comet(frame, from, to, span(leg, start, start + 0.7), strength, trace);
      }
    }
  }
}

/** Light on its way along an edge, and the trace that it leaves. */
function comet(frame: Frame, from: Point, to: Point, s: number, strength: number, alpha: number): void {
  if (s === 0 || strength < 0.03) return;
  const at = (p: number): Point => [mix(from[0], to[0], p), mix(from[1], to[1], p)];
  const width = 0.8 + 1.6 * strength;
  add(frame, { kind: "line", from, to: at(s), width: width * 0.6, ink: "ray", alpha: 0.3 * strength * alpha }); // prettier-ignore
  if (s < 1) {
    const tail = Math.max(0, s - 0.3);
    add(frame, { kind: "line", from: at(tail), to: at(s), width, ink: "ray", alpha: strength * alpha, round: strength > 0.5 }); // prettier-ignore
  }
}

function beads(frame: Frame, box: Box, look: Look, reading: Reading, l: 1 | 2 | 3, leg: number): void {
  const radius = look.layout.radii[l - 1];
  for (let j = 0; j < reading.net.sizes[l]; j += 1) {
    const at = neuronAt(box, look, l, j, reading);
    const seen = l === 3 ? (look.outputs?.[j] ?? 1) : 1;
    const alpha = look.beads[l - 1] * seen;
    const lit = reading.pass[l][j] * span(leg, LAST, 1);
    add(frame, { kind: "bead", id: `a${l}.${j}`, at, radius, lit, alpha });
    if (l === 3) name(frame, box, at, radius, j, look.names * Math.max(Math.min(0.45, 4 * seen), seen));
  }
}

function name(frame: Frame, box: Box, [x, y]: Point, radius: number, j: number, alpha: number): void {
  const size = box.up ? 13 : 17;
  const at: Point = box.up ? [x, y - radius - 11] : [x + radius + 14, y + 1];
  add(frame, { kind: "text", at, text: String(j), size, ink: "ink", alpha, align: "center", weight: 600 }); // prettier-ignore
}
