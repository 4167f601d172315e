// 6. The weights of bright senders count most: nudges in proportion to brightness, and sorted by it.

import { eased, mix, span } from "../clock";
import { add, empty, type Frame, type Ink } from "../frame";
import { place, strip } from "../layout";
import { changes, written } from "../parts/close";
import { network, neuronAt, type Look } from "../parts/network";
import { largestOf, nudgesOf } from "../parts/nudges";
import { inkOf, vOfNeuron } from "../parts/wishes";
import { movedBy, neuronOf, withNeuron } from "../neuron";
import { percent } from "../numbers";
import { leave, moved, type Before, type Scene, type Stage } from "../scene";
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

function look(stage: Stage, sorted = 1): Look {
  const { session } = stage;
  const order = byBrightness(session);
  const places = order.map((_, k) => mix(k, order.indexOf(k), session.choices.sorted ? sorted : 0));
  const outputs = Array.from({ length: 10 }, (_, j) => (j === session.voter ? 1 : 0.12));
  return { ...lateLook(stage, session.voter), outputs, places };
}

/** The other outputs come back when the camera has left the voter. */
function lookAt(t: number, stage: Stage, before: Before): Look {
  const { voter } = stage.session;
  const places = look(stage, span(t, SORTED, SORTED + 1.3, eased.camera)).places;
  const shown = moved(t, before, { ...look(stage), places: undefined });
  const back = 0.12 * span(t, 0.9, 1.4);
  return { ...shown, places, outputs: shown.outputs!.map((_, j) => (j === voter ? 1 : back)) };
}

function frame(t: number, stage: Stage, before: Before): Frame {
  const { box, session } = stage;
  const { now: reading, voter } = session;
  const made = empty();
  const shown = lookAt(t, stage, before);
  const from = neuronOf(reading, voter);
  const left = 1 - span(t, 0, 0.8, eased.camera); // of what the scene before had moved
  const [bias, weights, senders] = avenues(session).map((amount) => amount * left);
  const to = movedBy(from, [bias, weights, senders]);
  changes(made, { box, look: shown }, reading, voter, from, to);
  const fired = FIRED.map((at) => span(t, at, at + 0.8)).map((s) => Math.sin(Math.PI * s));
  bars(made, t, stage, shown);
  edges(made, t, stage, shown, Math.max(...fired));
  const now = left ? withNeuron(reading, voter, to) : reading;
  network(made, box, shown, now);
  written(made, { box, look: shown }, now, voter, 1 - span(t, 0, 0.5));
  leave(made, t, before, (id) => id.startsWith("change") || id === "written");
  byBrightness(session)
    .slice(0, BRIGHT)
    .forEach((k) => ring(made, stage, shown, 2, k, 5, "ink", span(t, SORTED, SORTED + 0.4)));
  for (const at of FIRED) pulse(made, stage, shown, span(t, at, at + 0.8));
  made.facts = {
    voter,
    activations: Array.from(reading.pass[2]),
    nudges: nudgesInto(session),
    order: byBrightness(session),
    share: shareOfBrightest(session),
  };
  return made;
}

/** The voter's edges, each as thick as the nudge of its weight. */
function edges(made: Frame, t: number, { box, session }: Stage, look: Look, fired: number): void {
  const { now: reading, voter } = session;
  const wanted = nudgesInto(session);
  const grown = span(t, NUDGED, NUDGED + 1.4, eased.arrival);
  if (grown === 0) return;
  const to = neuronAt(box, look, 3, voter, reading);
  wanted.forEach((nudge, k) => {
    const size = Math.abs(nudge) / largestOf(wanted);
    const together = fired * (reading.pass[2][k] > 0.5 ? 1 : 0);
    const width = (0.6 + (9 + 3 * together) * size * grown) * (box.up ? 0.7 : 1);
    const alpha = Math.min(1, 0.3 + 0.5 * size + 0.2 * together) * span(grown, 0, 0.2);
    add(made, { kind: "line", id: `nudge.${k}`, from: neuronAt(box, look, 2, k, reading), to, width, ink: inkOf(nudge), alpha }); // prettier-ignore
  });
}

/** Beside each sender how bright it is, and how far its weight is nudged. */
function bars(made: Frame, t: number, { box, session }: Stage, look: Look): void {
  const { now: reading } = session;
  const wanted = nudgesInto(session);
  const { bright, nudge } = box.up ? BARS.up : BARS.right;
  const thick = box.up ? 9 : 12;
  const alpha = span(t, NUDGED, NUDGED + 0.5);
  const grown = span(t, NUDGED, NUDGED + 1.4, eased.arrival);
  wanted.forEach((wish, k) => {
    const v = vOfNeuron(box, look, 2, k, reading);
    const lit = mix(bright[0], bright[1], reading.pass[2][k]);
    const [start, end] = wish >= 0 ? nudge : [nudge[1], nudge[0]];
    const tip = mix(start, end, (grown * Math.abs(wish)) / largestOf(wanted));
    const near = neuronAt(box, look, 2, k, reading);
    add(made,
      { kind: "line", from: place(box, bright[1], v), to: near, width: 1, ink: "hair", alpha: alpha * 0.7 },
      { kind: "bar", rect: strip(box, bright[0], bright[1], v, thick), ink: "empty", alpha, radius: 1 },
      { kind: "bar", id: `bright.${k}`, rect: strip(box, bright[0], lit, v, thick), ink: "gauge", alpha, radius: 1 },
      { kind: "arrow", id: `nudged.${k}`, from: place(box, start, v), to: place(box, tip, v), width: thick, head: 2 * thick, ink: inkOf(wish), alpha },
    ); // prettier-ignore
  });
  for (const [text, u] of [["brightness", bright[0]], ["nudge of its weight", nudge[0]]] as const) {
    const at = box.up ? place(box, u - 0.022, 0.03) : place(box, u, 0.988);
    add(made, { kind: "text", at, text, size: box.up ? 11 : 12.5, ink: "mute", alpha });
  } // prettier-ignore
}

/** A ring round a neuron, so many pixels away from it. */
function ring(
  made: Frame,
  { box, session }: Stage,
  look: Look,
  layer: 2 | 3,
  j: number,
  away: number,
  ink: Ink,
  alpha: number,
): void {
  const [x, y] = neuronAt(box, look, layer, j, session.now);
  const r = look.layout.radii[layer - 1] + away;
  const rect = [x - r, y - r, 2 * r, 2 * r];
  add(made, { kind: "bar", rect, ink, alpha, outline: 2, radius: r });
}

/** Bright senders and the voter fire together; a voter that is to fall stays silent. */
function pulse(made: Frame, stage: Stage, look: Look, s: number): void {
  if (s === 0 || s === 1) return;
  const { now, voter } = stage.session;
  const away = (stage.box.up ? 9 : 16) * eased.arrival(s);
  for (const k of byBrightness(stage.session)) {
    if (now.pass[2][k] > 0.5) ring(made, stage, look, 2, k, away, "ray", 1 - s);
  }
  if (now.gaps[voter] > 0) ring(made, stage, look, 3, voter, 1.4 * away, "ray", 1 - s);
}

export const scene: Scene = {
  id: "bang-for-the-buck",
  seconds: 8,
  look: (stage) => look(stage),
  frame,
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
