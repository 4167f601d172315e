// One output neuron close up: what its senders send, added up with its bias, and squashed.

import { eased, span } from "../clock";
import { sigmoid } from "../engine";
import { inkOf } from "../frame";
import { between, type Point } from "../layout";
import { products, weightedSum, type Amounts, type Neuron } from "../neuron";
import { short, signed } from "../numbers";
import type { Pen } from "../pen";

/**
 * v of the lanes: what adds, what takes away, the bias; of the line of sums, and the gauge; of the
 * effects of bias, weights and activations, and what they add up to.
 */
const LANES = {
  right: { more: 0.1, less: 0.14, bias: 0.18, sum: 0.232, gauge: 0.5, ways: [0.635, 0.685, 0.735], total: 0.79 },
  up: { more: 0.105, less: 0.145, bias: 0.185, sum: 0.23, gauge: 0.5, ways: [0.66, 0.75, 0.84], total: 0.9 },
};
const WAYS = ["bias", "weights", "activations"];
const LAST = 6; // sums that the line shows at least, either way

/** The neuron as it was and as it is now, and the sum at either end of the line. */
export interface Close {
  from: Neuron;
  to: Neuron;
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

function uOfSum(pen: Pen, { reach }: Close, sum: number): number {
  return pen.uOf((sum / reach + 1) / 2);
}

/** The products grow behind their senders, and go to their places, one after the other. */
export function stack(pen: Pen, close: Close): void {
  const behind = pen.layout.columns[1] + (pen.up ? 0.07 : 0.075);
  const per = uOfSum(pen, close, 1) - uOfSum(pen, close, 0);
  const at = pen.pick(LANES);
  const parts = products(close.to);
  let [more, less] = [0, parts.reduce((sum, p) => sum + Math.max(0, p), 0)];
  parts.forEach((product, k) => {
    const adds = product >= 0;
    const home: Point = [uOfSum(pen, close, adds ? more : less), adds ? at.more : at.less];
    if (adds) more += product;
    else less += product;
    const length = product * per;
    const late = 0.03 * k;
    const grown = pen.span(0.8 + late, 1.2 + late, eased.camera);
    const [u, v] = between([behind, pen.vOf(2, k)], home, pen.span(1.2 + late, 1.8 + late, eased.camera));
    const full = Math.abs(length) * pen.along > 3 ? Math.sign(length) / pen.along : 0; // a pixel apart
    const look = { id: `product.${k}`, ink: adds ? "gauge" : "mute", alpha: span(grown, 0, 0.1) } as const;
    pen.strip(u + full, u + length * grown, v, pen.up ? 10 : 18, look);
  });
}

/** The bias, the sum that it ends at, and the line of sums. */
export function sumLine(pen: Pen, close: Close, alpha: number): void {
  const at = pen.pick(LANES);
  const z = weightedSum(close.to);
  const u = uOfSum(pen, close, z);
  pen.line(pen.at(pen.uOf(0), at.sum), pen.at(pen.uOf(1), at.sum), { alpha });
  const start = uOfSum(pen, close, z - close.to.bias);
  pen.strip(start, u, at.bias, pen.up ? 10 : 18, { id: "bias", alpha, outline: 1.5 });
  pen.line(pen.at(u, at.bias), pen.at(u, at.sum), { width: 1.5, ink: "ink", alpha });
  for (let sum = -close.reach; sum <= close.reach; sum += 1) {
    const tick = uOfSum(pen, close, sum);
    const half = (sum === 0 ? 8 : 4) / pen.across;
    pen.line(pen.at(tick, at.sum - half), pen.at(tick, at.sum + half), { alpha });
  }
  pen.text(pen.at(u, at.more - (pen.up ? 0.057 : 0.03)), short(z), { ink: "ink", alpha, align: "center" });
}

/** What the lanes are. */
export function names(pen: Pen, alpha: number): void {
  const { more, less, bias, sum, gauge } = pen.pick(LANES);
  const rows = pen.up
    ? { "weighted sum": less + 0.02 }
    : { "what adds": more, "what takes away": less, bias, "weighted sum": sum, sigmoid: (sum + gauge) / 2 };
  const u = pen.uOf(0) - (pen.up ? 0.024 : 0.014);
  for (const [text, v] of Object.entries(rows))
    pen.text(pen.at(u, v), text, { alpha, align: pen.up ? "center" : "right" });
}

/** How sums become activations: from each sum a hair line to the level that it is squashed to. */
export function squash(pen: Pen, close: Close, s: number): void {
  if (s === 0) return;
  const at = pen.pick(LANES);
  const gap = (pen.up ? 12 : 16) / pen.across;
  const way = (sum: number): [Point, Point] => {
    const start = pen.at(uOfSum(pen, close, sum), at.sum + gap / 2);
    return [start, between(start, pen.at(pen.uOf(sigmoid(sum)), at.gauge - gap), s)];
  };
  for (let sum = -close.reach; sum <= close.reach; sum += 0.5) pen.line(...way(sum), { ink: "hair" });
  pen.arrow(...way(weightedSum(close.to)), 2.5, { id: "squash", head: pen.up ? 10 : 14, ink: "ray" });
}

/** From one sum to another: what the moves have done to it. */
export function sumMoved(pen: Pen, close: Close): void {
  const [from, to] = [weightedSum(close.from), weightedSum(close.to)];
  if (from === to) return;
  const [a, b] = [from, to].map((sum) => pen.at(uOfSum(pen, close, sum), pen.pick(LANES).sum));
  pen.arrow(a, b, 6, { id: "moved", head: 16, ink: inkOf(to - from) });
}

/** How far bias, weights and senders are from where they were, on the edges and beads themselves. */
export function changes(pen: Pen, from: Neuron, to: Neuron): void {
  const { layout, up } = pen;
  const target = pen.neuron(3, pen.session.voter);
  const long = up ? 20 : 30; // pixels for a quarter of an activation
  for (let k = 0; k < from.weights.length; k += 1) {
    const at = pen.neuron(2, k);
    const by = to.weights[k] - from.weights[k];
    const look = { id: `change.${k}`, width: 0.5 + 42 * Math.abs(by), ink: inkOf(by), alpha: 0.85 };
    if (by) pen.line(at, target, look);
    const back = layout.radii[1] + long + (up ? 22 : 30);
    change(pen, `change.a${k}`, pen.ahead(at, -back), 4 * long * (to.senders[k] - from.senders[k]), 6);
  }
  const beside = layout.radii[2] + (up ? 12 : 18);
  const at: Point = up ? [target[0] + beside, target[1]] : [target[0], target[1] + beside];
  change(pen, "change.bias", at, 2.4 * long * (to.bias - from.bias), up ? 9 : 12);
}

/** An arrow along the flow, of so many pixels. */
function change(pen: Pen, id: string, from: Point, size: number, width: number): void {
  if (Math.abs(size) > 0.5) pen.arrow(from, pen.ahead(from, size), width, { id, ink: inkOf(size) });
}

/** A padlock before each sender: nobody can set it. */
export function locks(pen: Pen, s: number): void {
  const away = pen.layout.radii[1] + (pen.up ? 12 : 16);
  pen.look.places.forEach((_, k) => {
    lock(pen, pen.ahead(pen.neuron(2, k), -away), pen.up ? 8 : 11, span(s, k / 24, k / 24 + 0.35));
  });
}

function lock(pen: Pen, [x, y]: Point, size: number, alpha: number): void {
  const arc = Array.from({ length: 9 }, (_, i): Point => {
    const angle = Math.PI * (1 + i / 8);
    return [x + 0.33 * size * Math.cos(angle), y - 0.18 * size + 0.42 * size * Math.sin(angle)];
  });
  pen.path([[arc[0][0], y], ...arc, [arc[8][0], y]], { alpha });
  pen.bar([x - size / 2, y - 0.08 * size, size, 0.72 * size], { alpha, radius: 1.5 });
}

/** The effects on the level, head to tail from where it was, and where they add up to. */
export function ways(pen: Pen, before: number, each: Amounts, seen: readonly number[]): void {
  const at = pen.pick(LANES);
  let level = before;
  each.forEach((effect, i) => {
    const [a, b] = [level, level + effect].map((x) => pen.at(pen.uOf(x), at.ways[i]));
    pen.arrow(a, b, pen.up ? 9 : 14, { id: `way.${i}`, ink: inkOf(effect), alpha: seen[i] });
    nameOfWay(pen, i, effect, seen[i]);
    level += effect;
  });
  const u = pen.uOf(level);
  const look = { ink: "ink", alpha: seen[0] } as const;
  const start = pen.at(u, at.gauge + (pen.up ? 8 : 14) / pen.across);
  pen.line(start, pen.at(u, at.total - 0.025), { ...look, id: "predicted", width: 1.5, dash: [4, 3] });
  const text = pen.up ? short(level) : `added up, from ${short(before)} to ${short(level)}`;
  pen.text(pen.at(u, at.total), text, { ...look, align: pen.up || level < 0.5 ? "left" : "right" });
}

/** Which way an effect comes from, and how large it is: far enough off for levels below 0. */
function nameOfWay(pen: Pen, i: number, effect: number, alpha: number): void {
  const v = pen.pick(LANES).ways[i];
  const u = pen.uOf(0) - (pen.up ? 0.03 : 0.033);
  const align = pen.up ? "center" : "right";
  pen.text(pen.at(u, v), Math.abs(effect) < 0.005 ? "0" : signed(effect), { ink: inkOf(effect), alpha, align });
  pen.text(pen.at(u - (pen.up ? 0.026 : 0.042), v), pen.up ? WAYS[i][0] : WAYS[i], { alpha, align });
}

/** The activation, written on its bead. */
export function written(pen: Pen, alpha: number): void {
  const { voter } = pen.session;
  const lit = pen.reading.pass[3][voter];
  const size = pen.layout.radii[2] * 0.45;
  const ink = lit > 0.4 ? "glass" : "light";
  pen.text(pen.neuron(3, voter), short(lit), { id: "written", size, ink, alpha, align: "center", weight: 600 });
}
