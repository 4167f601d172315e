// One output neuron close up: what its senders send, added up with its bias, and squashed.

import { eased, mix, span } from "../clock";
import { sigmoid } from "../engine";
import { add, type Frame, type Ink, type Mark } from "../frame";
import { across, along, place, strip, type Box, type Point } from "../layout";
import { products, weightedSum, type Amounts, type Neuron } from "../neuron";
import { short, signed } from "../numbers";
import type { Reading } from "../session";
import { neuronAt, type Look } from "./network";
import { inkOf, vOfNeuron } from "./wishes";

/**
 * v of the lanes: what adds, what takes away, the bias; of the line of sums, and the gauge; of the
 * effects of bias, weights and activations, and what they add up to.
 */
const LANES = {
  right: { more: 0.1, less: 0.14, bias: 0.18, sum: 0.232, gauge: 0.5, ways: [0.635, 0.685, 0.735], total: 0.79 },
  up: { more: 0.105, less: 0.145, bias: 0.185, sum: 0.23, gauge: 0.5, ways: [0.66, 0.75, 0.84], total: 0.9 },
}; // prettier-ignore
const WAYS = ["bias", "weights", "activations"];
const LAST = 6; // sums that the line shows at least, either way

export interface Close {
  box: Box;
  look: Look;
  /** The sum at either end of the line. */
  reach: number;
}

/** The sums that all states within reach of the sliders fit into. */
export function reachOf(states: readonly Neuron[]): number {
  const ends = states.flatMap((state) => {
    const more = products(state).reduce((sum, p) => sum + Math.max(0, p), 0);
    const less = products(state).reduce((sum, p) => sum + Math.min(0, p), more);
    return [more, less, weightedSum(state)];
  });
  return Math.ceil(Math.max(LAST, ...ends.map(Math.abs)));
}

function lanes(box: Box): (typeof LANES)["right"] {
  return box.up ? LANES.up : LANES.right;
}

function uOf({ look, reach }: Close, sum: number): number {
  const [from, to] = look.layout.gauge;
  return mix(from, to, (sum / reach + 1) / 2);
}

/** Where a sender's product stands before it goes to the stack: just behind the sender. */
function behind({ box, look }: Close): number {
  return look.layout.columns[1] + (box.up ? 0.07 : 0.075);
}

/** The products grow behind their senders (from `grow`), and go to their places (from `go`). */
export function stack(
  frame: Frame,
  close: Close,
  reading: Reading,
  neuron: Neuron,
  grow: (k: number) => number,
  go: (k: number) => number,
): void {
  const { box, look } = close;
  const per = uOf(close, 1) - uOf(close, 0);
  const thick = box.up ? 10 : 18;
  const at = lanes(box);
  const parts = products(neuron);
  let [more, less] = [0, parts.reduce((sum, p) => sum + Math.max(0, p), 0)];
  parts.forEach((product, k) => {
    const start = product >= 0 ? more : less;
    if (product >= 0) more += product;
    else less += product;
    const length = product * per;
    const s = go(k);
    const u = mix(behind(close), uOf(close, start), s);
    const v = mix(vOfNeuron(box, look, 2, k, reading), product >= 0 ? at.more : at.less, s);
    const full = Math.abs(length) * along(box) > 3 ? Math.sign(length) / along(box) : 0; // a pixel apart
    const rect = strip(box, u + full, u + length * grow(k), v, thick);
    add(frame, { kind: "bar", id: `product.${k}`, rect, ink: product >= 0 ? "gauge" : "mute", alpha: span(grow(k), 0, 0.1) }); // prettier-ignore
  });
}

/** The bias, the sum that it ends at, and the line of sums. */
export function sumLine(frame: Frame, close: Close, neuron: Neuron, alpha: number): void {
  const { box } = close;
  const at = lanes(box);
  const z = weightedSum(neuron);
  const thick = box.up ? 10 : 18;
  const ends = [-close.reach, close.reach].map((sum) => place(box, uOf(close, sum), at.sum));
  const bias = strip(box, uOf(close, z - neuron.bias), uOf(close, z), at.bias, thick);
  const tip = (v: number): Point => place(box, uOf(close, z), v);
  add(frame,
    { kind: "line", from: ends[0], to: ends[1], width: 1, ink: "mute", alpha },
    { kind: "bar", id: "bias", rect: bias, ink: "ink", alpha, outline: 1.5 },
    { kind: "line", from: tip(at.bias), to: tip(at.sum), width: 1.5, ink: "ink", alpha },
  ); // prettier-ignore
  ticks(frame, close, alpha);
  label(frame, close, `${short(z)}`, uOf(close, z), at.more - (box.up ? 0.057 : 0.03), "ink", alpha);
}

function ticks(frame: Frame, close: Close, alpha: number): void {
  const { box } = close;
  const { sum } = lanes(box);
  const half = 4 / across(box);
  for (let z = -close.reach; z <= close.reach; z += 1) {
    const u = uOf(close, z);
    const size = z === 0 ? 2 : 1;
    add(frame, { kind: "line", from: place(box, u, sum - half * size), to: place(box, u, sum + half * size), width: 1, ink: "mute", alpha }); // prettier-ignore
  }
}

function label(
  frame: Frame,
  { box }: Close,
  text: string,
  u: number,
  v: number,
  ink: Ink,
  alpha: number,
  align: "left" | "center" | "right" = "center",
): void {
  const at = place(box, u, v);
  add(frame, { kind: "text", at, text, size: box.up ? 11 : 13, ink, alpha, align });
}

/** What the lanes are. */
export function names(frame: Frame, close: Close, alpha: number): void {
  const { box } = close;
  const at = lanes(box);
  const rows = [
    ["what adds", at.more],
    ["what takes away", at.less],
    ["bias", at.bias],
    ["weighted sum", at.sum],
    ["sigmoid", (at.sum + at.gauge) / 2],
  ] as const;
  if (!box.up) for (const [text, v] of rows) nameOfLane(frame, close, text, v, alpha);
  else nameOfLane(frame, close, "weighted sum", at.less + 0.02, alpha);
}

function nameOfLane(frame: Frame, close: Close, text: string, v: number, alpha: number): void {
  const { box, look } = close;
  const u = look.layout.gauge[0] - (box.up ? 0.024 : 0.014);
  label(frame, close, text, u, v, "mute", alpha, box.up ? "center" : "right");
}

/** How sums become activations: from each sum a hair line to the level that it is squashed to. */
export function squash(frame: Frame, close: Close, z: number, s: number, alpha: number): void {
  const { box, look } = close;
  const [from, to] = look.layout.gauge;
  const at = lanes(box);
  const gap = (box.up ? 12 : 16) / across(box);
  const way = (sum: number): [Point, Point] => {
    const start = place(box, uOf(close, sum), at.sum + gap / 2);
    const end = place(box, mix(from, to, sigmoid(sum)), at.gauge - gap);
    return [start, [mix(start[0], end[0], s), mix(start[1], end[1], s)]];
  };
  for (let sum = -close.reach; sum <= close.reach; sum += 0.5) {
    const [a, b] = way(sum);
    add(frame, { kind: "line", from: a, to: b, width: 1, ink: "hair", alpha: alpha * (s ? 1 : 0) });
  }
  const [a, b] = way(z);
  const head = box.up ? 10 : 14;
  if (s) add(frame, { kind: "arrow", id: "squash", from: a, to: b, width: 2.5, head, ink: "ray", alpha }); // prettier-ignore
}

/** From one sum to another: what the moves have done to it. */
export function sumMoved(frame: Frame, close: Close, from: number, to: number): void {
  const { box } = close;
  const v = lanes(box).sum;
  if (from === to) return;
  const [a, b] = [from, to].map((sum) => place(box, uOf(close, sum), v));
  add(frame, { kind: "arrow", id: "moved", from: a, to: b, width: 6, head: 16, ink: inkOf(to - from), alpha: 1 }); // prettier-ignore
}

/** How far bias, weights and senders are from where they were, on the edges and beads themselves. */
export function changes(
  frame: Frame,
  { box, look }: Pick<Close, "box" | "look">,
  reading: Reading,
  j: number,
  from: Neuron,
  to: Neuron,
): void {
  const target = neuronAt(box, look, 3, j, reading);
  const long = box.up ? 20 : 30; // pixels for a quarter of an activation
  const [dx, dy] = box.up ? [0, -1] : [1, 0];
  for (let k = 0; k < from.weights.length; k += 1) {
    const [x, y] = neuronAt(box, look, 2, k, reading);
    const weight = to.weights[k] - from.weights[k];
    if (weight) add(frame, { kind: "line", id: `change.${k}`, from: [x, y], to: target, width: 0.5 + 42 * Math.abs(weight), ink: inkOf(weight), alpha: 0.85 }); // prettier-ignore
    const back = look.layout.radii[1] + long + (box.up ? 22 : 30);
    const size = 4 * long * (to.senders[k] - from.senders[k]);
    change(frame, box, `change.a${k}`, [x - dx * back, y - dy * back], size, 6);
  }
  const beside = look.layout.radii[2] + (box.up ? 12 : 18);
  const [x, y] = [target[0] + dy * -beside, target[1] + dx * beside];
  change(frame, box, "change.bias", [x, y], 2.4 * long * (to.bias - from.bias), box.up ? 9 : 12);
}

/** An arrow along the flow, of so many pixels. */
function change(frame: Frame, box: Box, id: string, from: Point, size: number, width: number): void {
  const to: Point = box.up ? [from[0], from[1] - size] : [from[0] + size, from[1]];
  if (Math.abs(size) > 0.5) add(frame, { kind: "arrow", id, from, to, width, head: 2 * width, ink: inkOf(size), alpha: 1 }); // prettier-ignore
}

/** A padlock before each sender: nobody can set it. */
export function locks(frame: Frame, close: Close, reading: Reading, s: number): void {
  const { box, look } = close;
  const r = look.layout.radii[1];
  for (let k = 0; k < 16; k += 1) {
    const [x, y] = neuronAt(box, look, 2, k, reading);
    const middle: Point = box.up ? [x, y + r + 12] : [x - r - 16, y];
    add(frame, ...lock(middle, box.up ? 8 : 11, span(s, k / 24, k / 24 + 0.35)));
  }
}

function lock([x, y]: Point, size: number, alpha: number): Mark[] {
  const arc = Array.from({ length: 9 }, (_, i): Point => {
    const angle = Math.PI * (1 + i / 8);
    return [x + 0.33 * size * Math.cos(angle), y - 0.18 * size + 0.42 * size * Math.sin(angle)];
  });
  const legs: Point[] = [[arc[0][0], y], ...arc, [arc[8][0], y]];
  const rect = [x - size / 2, y - 0.08 * size, size, 0.72 * size];
  return [
    { kind: "path", points: legs, width: 1.5, ink: "ink", alpha },
    { kind: "bar", rect, ink: "ink", alpha, radius: 1.5 },
  ];
}

/** The effects on the level, head to tail from where it was, and where they add up to. */
export function ways(frame: Frame, close: Close, before: number, each: Amounts, seen: readonly number[]): void {
  const { box, look } = close;
  const at = lanes(box);
  const [from, to] = look.layout.gauge;
  const width = box.up ? 9 : 14;
  let level = before;
  each.forEach((effect, i) => {
    const [a, b] = [level, level + effect].map((x) => place(box, mix(from, to, x), at.ways[i]));
    add(frame, { kind: "arrow", id: `way.${i}`, from: a, to: b, width, head: 2 * width, ink: inkOf(effect), alpha: seen[i] }); // prettier-ignore
    nameOfWay(frame, close, i, effect, seen[i]);
    level += effect;
  });
  const u = mix(from, to, level);
  const start = at.gauge + (box.up ? 8 : 14) / across(box);
  const ends = [start, at.total - 0.025].map((v) => place(box, u, v));
  add(frame, { kind: "line", id: "predicted", from: ends[0], to: ends[1], width: 1.5, ink: "ink", alpha: seen[0], dash: [4, 3] }); // prettier-ignore
  const text = box.up ? short(level) : `the effects add up to ${short(level)}`;
  label(frame, close, text, u, at.total, "ink", seen[0], box.up || level < 0.5 ? "left" : "right");
}

/** Which way an effect comes from, and how large it is: far enough off for levels below 0. */
function nameOfWay(frame: Frame, close: Close, i: number, effect: number, alpha: number): void {
  const { box, look } = close;
  const v = lanes(box).ways[i];
  const u = look.layout.gauge[0] - (box.up ? 0.03 : 0.033);
  const number = Math.abs(effect) < 0.005 ? "0" : signed(effect);
  label(frame, close, number, u, v, inkOf(effect), alpha, box.up ? "center" : "right");
  const [before, align] = box.up ? ([0.026, "center"] as const) : ([0.042, "right"] as const);
  label(frame, close, (box.up ? ["b", "w", "a"] : WAYS)[i], u - before, v, "mute", alpha, align);
}

/** The activation, written on its bead. */
export function written(
  frame: Frame,
  { box, look }: Pick<Close, "box" | "look">,
  reading: Reading,
  j: number,
  alpha: number,
): void {
  const at = neuronAt(box, look, 3, j, reading);
  const lit = reading.pass[3][j];
  const size = look.layout.radii[2] * 0.45;
  add(frame, { kind: "text", id: "written", at, text: short(lit), size, ink: lit > 0.4 ? "glass" : "light", alpha, align: "center", weight: 600 }); // prettier-ignore
}

/** Eases of the products' way, in order of their senders. */
export function staggered(t: number, from: number, apart: number, lasts: number) {
  return (k: number) => span(t, from + apart * k, from + apart * k + lasts, eased.camera);
}
