// 11. One step on the average of all digits, slowly; then again and again, and the network reads.

import { span } from "../clock";
import { nameOf } from "../engine";
import { add, empty, type Frame } from "../frame";
import { across, layoutIn, neuron, place, strip, type Box, type Point } from "../layout";
import { percent, short, signed, whole } from "../numbers";
import { boxed, gauges } from "../parts/gauges";
import { dissolve } from "../parts/inset";
import { network, type Look } from "../parts/network";
import { inkOf } from "../parts/wishes";
import { halfTrained, lapsed, lapseOf, readingAt, STEPS, type Stop } from "../run";
import type { Reading, Session } from "../session";
import { leave, moved, type Before, type Scene, type Stage } from "../scene";

const LANDS = [2, 4] as const; // seconds in which the step is taken
const AGAIN = [5, 10] as const;
const PIXELS = 12; // of the weights from the picture, so many into each neuron are shown

function look({ box }: Stage): Look {
  return {
    layout: layoutIn(box, "wide"),
    picture: 1,
    idle: [1, 1],
    trace: [0, 0, 0],
    beads: [1, 1, 1],
    names: 1,
  };
}

/** How many steps have been taken: parts of the first one count, too. */
export function stepsAt(t: number): number {
  return t < AGAIN[0] ? span(t, ...LANDS) : lapsed(span(t, ...AGAIN));
}

interface Change {
  index: number;
  from: (box: Box) => Point;
  to: (box: Box) => Point;
  change: number;
  layer: number;
}

/** What the first step changes in every weight. */
function change(session: Session): Float64Array {
  return session.once("first step", () => {
    const [before, after] = [0, 1].map((steps) => lapseOf(session).at(steps).net.vector);
    return after.map((p, i) => p - before[i]);
  });
}

/** Weights of the first layer that change most, so many for each neuron. */
function most(session: Session): number[] {
  return session.once("first step's pixels", () => {
    const step = change(session);
    const [n, neurons] = session.data.sizes;
    return Array.from({ length: neurons }, (_, j) => j).flatMap((j) =>
      Array.from({ length: n }, (_, k) => j * n + k)
        .sort((a, b) => Math.abs(step[b]) - Math.abs(step[a]))
        .slice(0, PIXELS),
    );
  });
}

function changes(session: Session, shown: Look): Change[] {
  const { sizes } = session.data;
  const step = change(session);
  const at = (l: number, j: number) => (box: Box) => neuron(box, shown.layout, l, j, sizes[l]);
  const found: Change[] = most(session).map((index) => ({
    index,
    from: (box) => pixelAt(box, shown, index % sizes[0]),
    to: at(1, Math.floor(index / sizes[0])),
    change: step[index],
    layer: 1,
  }));
  let start = sizes[1] * (sizes[0] + 1);
  for (const l of [2, 3]) {
    const n = sizes[l - 1];
    for (let i = 0; i < n * sizes[l]; i += 1) {
      const [from, to] = [at(l - 1, i % n), at(l, Math.floor(i / n))];
      found.push({ index: start + i, from, to, change: step[start + i], layer: l });
    }
    start += sizes[l] * (n + 1);
  }
  return found;
}

function pixelAt(box: Box, { layout }: Look, pixel: number): Point {
  const { u, v, size } = layout.picture;
  const [x, y] = place(box, u, v);
  return [x + ((pixel % 28) + 0.5 - 14) * (size / 28), y + (Math.floor(pixel / 28) + 0.5 - 14) * (size / 28)];
}

/** What is still to be taken of the step, on its edges. */
function landing(made: Frame, t: number, { box, session }: Stage, shown: Look): void {
  const left = 1 - stepsAt(t);
  if (left <= 0 || t < 0.6) return;
  const wanted = changes(session, shown);
  const largest = wanted.reduce((max, { change }) => Math.max(max, Math.abs(change)), 0);
  for (const { index, from, to, change, layer } of wanted) {
    const opens = 0.7 + 0.35 * (3 - layer);
    const s = span(t, opens, opens + 0.5);
    const size = (Math.abs(change) / largest) * left;
    if (s === 0 || size < 0.02) continue;
    const [a, b] = [to(box), from(box)]; // it comes from behind
    const end: Point = [a[0] + (b[0] - a[0]) * s, a[1] + (b[1] - a[1]) * s];
    add(made, { kind: "line", id: `step.${index}`, from: a, to: end, width: 0.5 + 6 * size, ink: inkOf(change), alpha: Math.min(0.95, 0.25 + size) * Math.min(1, 5 * left) }); // prettier-ignore
  }
}

/** Ticks where the outputs were before. */
function ticks(made: Frame, box: Box, shown: Look, before: Reading, alpha: number): void {
  const [zero, one] = shown.layout.gauge;
  const half = 1 / (box.up ? box.height : box.width);
  for (let j = 0; j < before.pass[3].length; j += 1) {
    const [x, y] = neuron(box, shown.layout, 3, j, before.pass[3].length);
    const v = (box.up ? x : y) / across(box);
    const u = zero + (one - zero) * before.pass[3][j];
    const rect = strip(box, u - half, u + half, v, box.up ? 16 : 20);
    add(made, { kind: "bar", id: `before.${j}`, rect, ink: "mute", alpha });
  }
}

/** Accuracy in large letters, and how the cost went. */
function figures(made: Frame, { box, session }: Stage, stop: Stop, alpha: number): void {
  const steps = stop.steps;
  const done = steps === 0 ? "before the step" : steps < 1 ? "on the way" : steps === 1 ? "after 1 step" : `after ${whole(steps)} steps`; // prettier-ignore
  const [x, y] = box.up ? [0.97 * box.width, 0.885 * box.height] : [29, 0.845 * box.height];
  const align = box.up ? "right" : "left";
  const [large, small] = box.up ? [34, 11.5] : [54, 14];
  add(made,
    { kind: "text", at: [x, y - large * 0.8], text: done, size: small, ink: "mute", alpha, align },
    { kind: "text", id: "accuracy", at: [x, y], text: percent(stop.accuracy), size: large, ink: "ink", alpha, align, weight: 600, face: "serif" },
    { kind: "text", at: [x, y + large * 0.78], text: box.up ? "of unseen digits" : "of unseen digits read rightly", size: small, ink: "mute", alpha, align },
  ); // prettier-ignore
  const [left, top, w, h] = box.up
    ? [0.03 * box.width, 0.84 * box.height, 0.27 * box.width, 0.075 * box.height]
    : [29, 52, 196, 84];
  const stops = lapseOf(session).until(steps);
  const highest = stops[0].cost;
  const at = (one: Stop): Point => [
    left + w * (one.steps <= 1 ? 0.06 * one.steps : 0.06 + 0.94 * Math.sqrt((one.steps - 1) / STEPS)),
    top + h * (1 - one.cost / highest),
  ];
  const now = at(stop);
  add(made,
    { kind: "line", from: [left, top + h], to: [left + w, top + h], width: 1, ink: "hair", alpha },
    { kind: "path", id: "cost", points: stops.map(at), width: 1.8, ink: "ink", alpha, floor: top + h, fill: "hair" },
    { kind: "bar", rect: [now[0] - 3.5, now[1] - 3.5, 7, 7], radius: 3.5, ink: "ink", alpha },
    { kind: "text", at: [left, box.up ? top + h + 16 : top - 22], text: `cost ${stop.cost.toFixed(2)}`, size: box.up ? 12.5 : 15, ink: "ink", alpha, weight: 600 },
  ); // prettier-ignore
}

function frame(t: number, stage: Stage, before: Before): Frame {
  const { box, session } = stage;
  const made = empty();
  const stop = lapseOf(session).at(stepsAt(t));
  const reading = t < LANDS[0] ? session.now : readingAt(session, stop);
  const shown = moved(t, before, look(stage));
  landing(made, t, stage, shown);
  if (t < 0.8) {
    const half = readingAt(session, halfTrained(session));
    dissolve(made, box, shown, [half, reading], span(t, 0, 0.6));
  } else network(made, box, shown, reading);
  leave(made, t, before);
  const alpha = span(t, 0.4, 0.8);
  gauges(made, box, { layout: shown.layout, levels: reading.pass[3], alpha, numbers: alpha });
  ticks(made, box, shown, session.now, span(t, LANDS[0], LANDS[0] + 0.3) * (1 - span(t, 9.6, 10)));
  boxed(made, box, shown.layout, reading.answer, span(t, 0.7, 1));
  figures(made, stage, stop, alpha);
  const { steps, work, accuracy, cost } = stop;
  made.facts = { steps, work, accuracy, cost, outputs: Array.from(reading.pass[3]), answer: reading.answer }; // prettier-ignore
  return made;
}

function describe(id: string, session: Session): string | undefined {
  const [kind, at] = id.split(".");
  if (kind === "step")
    return `The first step changes ${nameOf(session.data.sizes, Number(at))} by ${signed(change(session)[Number(at)])}.`;
  if (kind === "before") return `Before, output ${at} was ${short(session.now.pass[3][Number(at)])}.`;
  return undefined;
}

export const scene: Scene = { id: "a-step", seconds: 11, look, frame, settled: 0.9, describe };
