// 9. The same to layer 1, and to the weights of the pixels: one example's whole gradient.

import { eased, mix, span } from "../clock";
import * as engine from "../engine";
import { add, empty, type Arrow, type Frame } from "../frame";
import { layoutIn, type Box, type Point } from "../layout";
import { network, neuronAt, type Look } from "../parts/network";
import { biases, edges, highlight, largestOf, nudgesOf, pictures } from "../parts/nudges"; // prettier-ignore
import { axis, inkOf, onAxis, onEdge, ruler, segment, unit } from "../parts/wishes";
import { hash } from "../random";
import { leave, moved, type Before, type Scene, type Stage } from "../scene";
import type { Reading, Session } from "../session";

const SENT = 1.1; // when wishes leave layer 2
const APART = 0.8; // seconds in which they leave, one by one
const TRAVEL = 1.1;
const CANCEL = 3.2;
const DOWN = 4.2; // to the pixels
const CHECK = 7.4;

/** What the neurons of layer 2 ask of those of layer 1: asked[j][k]. */
export function askedOfFirst(session: Session): number[][] {
  const { now } = session;
  return session.once(`asked of layer 1 ${now.digit.index}`, () => engine.asked(now.net, 1, now.deltas[1]));
}

/** The parameter to check: the steepest, unless the reader has chosen one. */
export function checkedIndex(session: Session): number {
  if (session.choices.wiggle >= 0) return session.choices.wiggle;
  const { vector } = nudgesOf(session);
  const most = largestOf(vector);
  return vector.findIndex((nudge) => Math.abs(nudge) === most);
}

/** The slope of one parameter by backpropagation, and by a wiggle of it. */
export function checked(session: Session): { index: number; backprop: number; wiggle: number } {
  const index = checkedIndex(session);
  const { digit, now } = session;
  const wiggle = session.once(
    `wiggle ${digit.index} ${index}`,
    () => engine.checked(now.net, digit, index, 1e-4).difference,
  );
  return { index, backprop: -nudgesOf(session).vector[index] || 0, wiggle };
}

export function nonzero(session: Session): number {
  const key = `nonzero ${session.digit.index}`;
  return session.once(key, () => nudgesOf(session).vector.filter((nudge) => nudge !== 0).length);
}

function look({ box }: Stage, name: "early" | "whole" = "whole"): Look {
  const whole = name === "whole";
  return {
    layout: layoutIn(box, name),
    picture: whole ? 0 : 0.55,
    idle: whole ? [0.15, 0.15] : [0.5, 0.1],
    trace: [0, 0, 0],
    beads: whole ? [1, 1, 1] : [1, 1, 0.3],
    names: whole ? 1 : 0.3,
  };
}

function lookAt(t: number, stage: Stage, before: Before): Look {
  if (t < DOWN) return moved(t, before, look(stage, "early"));
  return moved(t - DOWN, { ...before, look: look(stage, "early") }, look(stage), 1.1);
}

function frame(t: number, stage: Stage, before: Before): Frame {
  const { box, session } = stage;
  const reading = session.now;
  const made = empty();
  const shown = lookAt(t, stage, before);
  const going = 1 - span(t, DOWN, DOWN + 0.5);
  ruler(made, box, shown, reading, span(t, 0, 0.5) * going, 1);
  wishes(made, t, stage, shown, going);
  const grown = span(t, 4.8, 6, eased.arrival);
  edges(made, box, shown, session, grown);
  pictures(made, box, shown, session, (j) => span(t, DOWN + 0.05 * j, DOWN + 0.05 * j + 1, eased.camera)); // prettier-ignore
  network(made, box, shown, reading);
  leave(made, t, before, (id) => id.startsWith("wish2"));
  sums(made, t, stage, shown, before);
  stacks(made, t, stage, shown);
  biases(made, box, shown, session, span(t, DOWN + 0.6, DOWN + 1.4));
  const check = checked(session);
  highlight(made, box, shown, session, check.index, span(t, CHECK, CHECK + 0.4));
  made.facts = {
    "delta 1": Array.from(reading.deltas[0]),
    "delta 2": Array.from(reading.deltas[1]),
    "delta 3": Array.from(reading.deltas[2]),
    "asked of layer 1": totals(session),
    nonzero: nonzero(session),
    parameters: reading.net.vector.length,
    "parameter checked": check.index,
    "slope by backpropagation": check.backprop,
    "slope by a wiggle": check.wiggle,
  };
  return made;
}

function landing(j: number, k: number): number {
  return SENT + APART * hash(j + 31, k) + TRAVEL;
}

/** From all of layer 2 at once, along all 256 edges. */
function wishes(made: Frame, t: number, { box, session }: Stage, look: Look, going: number): void {
  const all = askedOfFirst(session);
  const most = largestOf(all.flat());
  const settled = mix(1, 0.45, span(t, CANCEL, CANCEL + 0.8)) * going;
  all.forEach((row, j) =>
    row.forEach((wish, k) => {
      const lands = landing(j, k);
      const s = span(t, lands - TRAVEL, lands, eased.travel);
      onEdge(made, box, look, session.now, j, k, wish / most, s, settled, 2);
    }),
  );
}

/** The sums that the scene before has left become deltas, and stand behind their neurons. */
function sums(made: Frame, t: number, { box, session }: Stage, look: Look, before: Before): void {
  const { deltas } = session.now;
  const most = largestOf(deltas[1]);
  const s = span(t, 0, 0.9, eased.camera);
  const sunk = 1 - span(t, DOWN, DOWN + 0.7, eased.camera);
  deltas[1].forEach((delta, k) => {
    const id = `wish2.${k}`;
    const arrow = behind(box, look, session.now, k, (-delta / most) * sunk);
    const left = before.marks.find((mark) => mark.id === id) as Arrow | undefined;
    const from = left ? between(left.from, arrow.from, s) : arrow.from;
    const to = left ? between(left.to, arrow.to, s) : arrow.to;
    const width = (box.up ? 9 : 12) * (1 - 0.25 * s);
    const ink = left && s < 0.5 ? left.ink : inkOf(-delta);
    add(made, { kind: "arrow", id, from, to, width, head: 2 * width, ink, alpha: span(sunk, 0, 0.2) }); // prettier-ignore
  });
}

function between(a: Point, b: Point, s: number): Point {
  return [mix(a[0], b[0], s), mix(a[1], b[1], s)];
}

/** Where the arrow behind a neuron of layer 2 begins and ends. */
function behind(box: Box, look: Look, reading: Reading, k: number, share: number) {
  const [x, y] = neuronAt(box, look, 2, k, reading);
  const away = look.layout.radii[1] + (box.up ? 16 : 34);
  const half = (box.up ? 13 : 28) * share;
  const along = (d: number): Point => (box.up ? [x, y - away - d] : [x + away + d, y]);
  return { from: along(-half), to: along(half) };
}

/** What is asked of each neuron of layer 1, all together. */
function totals(session: Session): number[] {
  const all = askedOfFirst(session);
  return all[0].map((_, k) => all.reduce((sum, row) => sum + row[k], 0));
}

/** More and less grow at each neuron of layer 1 as wishes land, then cancel. */
function stacks(made: Frame, t: number, { box, session }: Stage, look: Look): void {
  const all = askedOfFirst(session);
  const side = (k: number, sign: number) => all.reduce((sum, row) => sum + Math.max(0, sign * row[k]), 0); // prettier-ignore
  const per = (1.55 * unit(box)) / largestOf(all[0].flatMap((_, k) => [side(k, 1), side(k, -1)]));
  const slid = span(t, CANCEL, CANCEL + 0.6, eased.camera);
  const net = span(t, CANCEL + 0.5, CANCEL + 0.9);
  const gone = 1 - span(t, DOWN, DOWN + 0.6);
  const u = axis(box);
  all[0].forEach((_, k) => {
    let [more, less] = [0, 0];
    all.forEach((row, j) => {
      const grown = row[k] * per * span(t, landing(j, k) - 0.1, landing(j, k) + 0.3);
      if (grown > 0) more += grown;
      else less += grown;
    });
    const start = u + slid * more;
    segment(made, box, look, session.now, k, 0, { from: u, to: u + more, ink: "plus", own: false }, 1 - net, 1); // prettier-ignore
    segment(made, box, look, session.now, k, 1, { from: start, to: start + less, ink: "minus", own: false }, 1 - net, 1); // prettier-ignore
    onAxis(made, box, look, session.now, k, totals(session)[k] * per, net * gone, 1);
  });
}

export const scene: Scene = {
  id: "and-again",
  seconds: 9,
  look: (stage) => look(stage),
  frame,
  words: (session) => ({
    zeros: (session.now.net.vector.length - nonzero(session)).toLocaleString("en-US"),
  }),
  settled: CHECK - 0.1,
};
