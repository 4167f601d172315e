// 9. The same to layer 1, and to the weights of the pixels: one example's whole gradient.

import { eased, mix, span } from "../clock";
import * as engine from "../engine";
import { inkOf, type Arrow, type Facts } from "../frame";
import { between, layoutIn } from "../layout";
import { lookOf, network, type Look } from "../parts/network";
import { biases, edges, highlight, largestOf, nudgesOf, pictures } from "../parts/nudges";
import { axis, onAxis, onEdge, ruler, scale, segment } from "../parts/wishes";
import type { Pen } from "../pen";
import { hash } from "../random";
import { leave, moved, type Scene, type Stage } from "../scene";
import type { Session } from "../session";

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
function checkedIndex(session: Session): number {
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

function early({ box }: Stage): Look {
  return lookOf(layoutIn(box, "early"), { picture: 0.55, idle: [0.5, 0.1], beads: [1, 1, 0.3], names: 0.3 });
}

function look({ box }: Stage): Look {
  return lookOf(layoutIn(box, "whole"), { picture: 0, idle: [0.15, 0.15] });
}

function lookAt(pen: Pen): Look {
  if (pen.t < DOWN) return moved(pen.t, pen.before.look, early(pen));
  return moved(pen.t - DOWN, early(pen), look(pen), 1.1);
}

function draw(given: Pen): Facts {
  const pen = given.with({ look: lookAt(given) });
  const { deltas, net } = pen.reading;
  const { session } = pen;
  const going = 1 - pen.span(DOWN, DOWN + 0.5);
  ruler(pen, 1, pen.span(0, 0.5) * going);
  wishes(pen, going);
  edges(pen, pen.span(4.8, 6, eased.arrival));
  pictures(pen, (j) => pen.span(DOWN + 0.05 * j, DOWN + 0.05 * j + 1, eased.camera));
  network(pen);
  leave(pen, (id) => id.startsWith("wish2"));
  sums(pen);
  stacks(pen);
  biases(pen, pen.span(DOWN + 0.6, DOWN + 1.4));
  const { index, backprop, wiggle } = checked(session);
  highlight(pen, index, pen.span(CHECK, CHECK + 0.4));
  const [first, second, third] = deltas.map((delta) => Array.from(delta));
  return {
    "delta 1": first,
    "delta 2": second,
    "delta 3": third,
    "asked of layer 1": totals(session),
    nonzero: nonzero(session),
    parameters: net.vector.length,
    "parameter checked": index,
    "slope by backpropagation": backprop,
    "slope by a wiggle": wiggle,
  };
}

function landing(j: number, k: number): number {
  return SENT + APART * hash(j + 31, k) + TRAVEL;
}

/** From all of layer 2 at once, along all 256 edges. */
function wishes(pen: Pen, going: number): void {
  const all = askedOfFirst(pen.session);
  const most = largestOf(all.flat());
  const settled = mix(1, 0.45, pen.span(CANCEL, CANCEL + 0.8)) * going;
  all.forEach((row, j) =>
    row.forEach((wish, k) => {
      const lands = landing(j, k);
      onEdge(pen, 2, j, k, wish / most, pen.span(lands - TRAVEL, lands, eased.travel), settled);
    }),
  );
}

/** The sums that the scene before has left become deltas, and stand behind their neurons. */
function sums(pen: Pen): void {
  const [, delta] = pen.reading.deltas;
  const most = largestOf(delta);
  const s = pen.span(0, 0.9, eased.camera);
  const sunk = 1 - pen.span(DOWN, DOWN + 0.7, eased.camera);
  const away = pen.layout.radii[1] + (pen.up ? 16 : 34);
  delta.forEach((slope, k) => {
    const id = `wish2.${k}`;
    const half = (pen.up ? 13 : 28) * (-slope / most) * sunk;
    const [tail, tip] = [away - half, away + half].map((by) => pen.ahead(pen.neuron(2, k), by));
    const left = pen.before.marks.find((mark) => mark.id === id) as Arrow | undefined;
    const ink = left && s < 0.5 ? left.ink : inkOf(-slope);
    const [from, to] = left ? [between(left.from, tail, s), between(left.to, tip, s)] : [tail, tip];
    pen.arrow(from, to, (pen.up ? 9 : 12) * (1 - 0.25 * s), { id, ink, alpha: span(sunk, 0, 0.2) });
  });
}

/** What is asked of each neuron of layer 1, all together. */
function totals(session: Session): number[] {
  const all = askedOfFirst(session);
  return all[0].map((_, k) => all.reduce((sum, row) => sum + row[k], 0));
}

/** More and less grow at each neuron of layer 1 as wishes land, then cancel. */
function stacks(pen: Pen): void {
  const all = askedOfFirst(pen.session);
  const per = scale(pen.box, all);
  const slid = pen.span(CANCEL, CANCEL + 0.6, eased.camera);
  const net = pen.span(CANCEL + 0.5, CANCEL + 0.9);
  const gone = 1 - pen.span(DOWN, DOWN + 0.6);
  const u = axis(pen.box);
  totals(pen.session).forEach((total, k) => {
    let [more, less] = [0, 0];
    all.forEach((row, j) => {
      const lands = landing(j, k);
      const grown = row[k] * per * pen.span(lands - 0.1, lands + 0.3);
      if (grown > 0) more += grown;
      else less += grown;
    });
    const start = u + slid * more;
    segment(pen, 1, k, { lane: 0, from: u, to: u + more, ink: "plus", alpha: 1 - net });
    segment(pen, 1, k, { lane: 1, from: start, to: start + less, ink: "minus", alpha: 1 - net });
    onAxis(pen, 1, k, total * per, net * gone);
  });
}

export const scene: Scene = {
  id: "and-again",
  seconds: 9,
  look,
  draw,
  words: (session) => ({
    zeros: (session.now.net.vector.length - nonzero(session)).toLocaleString("en-US"),
  }),
  settled: CHECK - 0.1,
};
