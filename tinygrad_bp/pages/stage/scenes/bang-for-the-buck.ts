// 6. The weights of bright senders count most: nudges in proportion to brightness, and sorted by it.

import { eased, mix, span } from "../clock";
import { inkOf, type Facts, type Ink } from "../frame";
import { movedBy, neuronOf, withNeuron } from "../neuron";
import { percent } from "../numbers";
import { changes, written } from "../parts/close";
import { network, type Look } from "../parts/network";
import { largestOf, nudgesOf } from "../parts/nudges";
import type { Pen } from "../pen";
import { leave, type Scene, type Stage } from "../scene";
import type { Session } from "../session";
import { lateLook } from "./asks-before";
import { avenues } from "./three-ways";

const NUDGED = 0.9;
const SORTED = 2.8;
const FIRED = [5, 5.8, 6.6];
const BRIGHT = 4; // senders that are marked

/** u of the bars of brightness and of nudges: from, to. */
const BARS = {
  right: { bright: [0.185, 0.315], nudge: [0.36, 0.485] },
  up: { bright: [0.215, 0.325], nudge: [0.385, 0.495] },
};

/** What the voter's example wants of each of its weights. */
export function nudgesInto(session: Session): number[] {
  const { sizes } = session.now.net;
  const n = sizes[sizes.length - 2];
  const all = nudgesOf(session).w[sizes.length - 2];
  return Array.from(all.subarray(session.voter * n, (session.voter + 1) * n));
}

/** The senders, the brightest first. */
export function byBrightness({ now }: Session): number[] {
  const senders = Array.from(now.pass[2]);
  return senders.map((_, k) => k).sort((a, b) => senders[b] - senders[a]);
}

/** How much of what small nudges of all the voter's weights gain, the brightest senders' gain. */
export function shareOfBrightest(session: Session): number {
  const squares = nudgesInto(session).map((nudge) => nudge * nudge);
  const sum = (all: number[]) => all.reduce((total, square) => total + square, 0);
  const first = byBrightness(session).slice(0, BRIGHT);
  return sum(first.map((k) => squares[k])) / (sum(squares) || 1);
}

/** The voter, with the others seen so far, and its senders so far sorted. */
function lookWith(look: Look, session: Session, others: number, sorted: number): Look {
  const order = byBrightness(session);
  const places = order.map((_, k) => mix(k, order.indexOf(k), session.choices.sorted ? sorted : 0));
  return { ...look, places, outputs: look.outputs.map((_, j) => (j === session.voter ? 1 : others)) };
}

function look(stage: Stage): Look {
  return lookWith(lateLook(stage, stage.session.voter), stage.session, 0.12, 1);
}

function draw(given: Pen): Facts {
  const { session } = given;
  const { now, voter } = session;
  // the other outputs come back when the camera has left the voter
  const others = 0.12 * given.span(0.9, 1.4);
  const look = lookWith(given.look, session, others, given.span(SORTED, SORTED + 1.3, eased.camera));
  const from = neuronOf(now, voter);
  const left = 1 - given.span(0, 0.8, eased.camera); // of what the scene before had moved
  const [bias, weights, senders] = avenues(session).map((amount) => amount * left);
  const to = movedBy(from, [bias, weights, senders]);
  const pen = given.with({ look, reading: left ? withNeuron(now, voter, to) : now });
  changes(pen, from, to);
  bars(pen);
  edges(pen);
  network(pen);
  written(pen, 1 - pen.span(0, 0.5));
  leave(pen, (id) => id.startsWith("change") || id === "written");
  const order = byBrightness(session);
  for (const k of order.slice(0, BRIGHT)) ring(pen, 2, k, 5, "ink", pen.span(SORTED, SORTED + 0.4));
  for (const at of FIRED) pulse(pen, pen.span(at, at + 0.8));
  const activations = Array.from(now.pass[2]);
  return { voter, activations, nudges: nudgesInto(session), order, share: shareOfBrightest(session) };
}

/** The voter's edges, each as thick as the nudge of its weight; those of bright senders swell with it. */
function edges(pen: Pen): void {
  const { now, voter } = pen.session;
  const wanted = nudgesInto(pen.session);
  const grown = pen.span(NUDGED, NUDGED + 1.4, eased.arrival);
  if (grown === 0) return;
  const fired = Math.max(...FIRED.map((at) => Math.sin(Math.PI * pen.span(at, at + 0.8))));
  wanted.forEach((nudge, k) => {
    const size = Math.abs(nudge) / largestOf(wanted);
    const together = now.pass[2][k] > 0.5 ? fired : 0;
    const width = (0.6 + (9 + 3 * together) * size * grown) * (pen.up ? 0.7 : 1);
    const alpha = Math.min(1, 0.3 + 0.5 * size + 0.2 * together) * span(grown, 0, 0.2);
    pen.line(pen.neuron(2, k), pen.neuron(3, voter), { id: `nudge.${k}`, width, ink: inkOf(nudge), alpha });
  });
}

/** Beside each sender how bright it is, and how far its weight is nudged. */
function bars(pen: Pen): void {
  const wanted = nudgesInto(pen.session);
  const { bright, nudge } = pen.pick(BARS);
  const thick = pen.up ? 9 : 12;
  const alpha = pen.span(NUDGED, NUDGED + 0.5);
  const grown = pen.span(NUDGED, NUDGED + 1.4, eased.arrival);
  wanted.forEach((wish, k) => {
    const v = pen.vOf(2, k);
    const lit = mix(bright[0], bright[1], pen.session.now.pass[2][k]);
    const [start, end] = wish >= 0 ? nudge : [nudge[1], nudge[0]];
    const tip = mix(start, end, (grown * Math.abs(wish)) / largestOf(wanted));
    pen.line(pen.at(bright[1], v), pen.neuron(2, k), { ink: "hair", alpha: alpha * 0.7 });
    pen.strip(bright[0], bright[1], v, thick, { ink: "empty", alpha, radius: 1 });
    pen.strip(bright[0], lit, v, thick, { id: `bright.${k}`, ink: "gauge", alpha, radius: 1 });
    pen.arrow(pen.at(start, v), pen.at(tip, v), thick, { id: `nudged.${k}`, ink: inkOf(wish), alpha });
  });
  const name = (text: string, u: number) => {
    const at = pen.up ? pen.at(u - 0.022, 0.03) : pen.at(u, 0.988);
    pen.text(at, text, { size: pen.up ? 11 : 12.5, alpha });
  };
  name("brightness", bright[0]);
  name("nudge of its weight", nudge[0]);
}

/** A ring round a neuron, so many pixels away from it. */
function ring(pen: Pen, layer: 2 | 3, j: number, away: number, ink: Ink, alpha: number): void {
  pen.disc(pen.neuron(layer, j), pen.layout.radii[layer - 1] + away, { ink, alpha, outline: 2 });
}

/** Bright senders and the voter fire together; a voter that is to fall stays silent. */
function pulse(pen: Pen, s: number): void {
  if (s === 0 || s === 1) return;
  const { now, voter } = pen.session;
  const away = (pen.up ? 9 : 16) * eased.arrival(s);
  for (const k of byBrightness(pen.session)) if (now.pass[2][k] > 0.5) ring(pen, 2, k, away, "ray", 1 - s);
  if (now.gaps[voter] > 0) ring(pen, 3, voter, 1.4 * away, "ray", 1 - s);
}

export const scene: Scene = {
  id: "bang-for-the-buck",
  seconds: 8,
  look,
  draw,
  words(session) {
    const rises = session.now.gaps[session.voter] > 0;
    return {
      share: percent(shareOfBrightest(session)),
      hebb: rises
        ? "Neurons that fire together wire together."
        : "This one is not to fire with them: their wires weaken.",
    };
  },
  settled: SORTED - 0.1,
};
