// 5. One output close up: its bias, its weights and its senders' activations all change it.

import { eased, mix, span } from "../clock";
import type { Facts } from "../frame";
import { layoutIn } from "../layout";
import { effects, movedBy, neuronOf, products, weightedSum, withNeuron, type Amounts } from "../neuron";
import * as close from "../parts/close";
import { ends, gap, gauges, targets } from "../parts/gauges";
import { lookOf, network, type Look } from "../parts/network";
import type { Pen } from "../pen";
import type { Scene, Stage } from "../scene";
import type { Session } from "../session";

/** When bias, weights and activations move. */
const MOMENTS = [2.7, 4, 5.4];
const RISE = 0.9; // seconds
const FULL = 0.6; // of what a slider allows
const LOCKS = 7;
const SETTLED = 7.7;

/** How far the three are moved in the end: as the reader has set them, or as the output wishes. */
export function avenues({ choices, now, voter }: Session): Amounts {
  const full = now.gaps[voter] < 0 ? -FULL : FULL;
  return choices.avenues ?? [full, full, full];
}

export function amounts(t: number, session: Session): Amounts {
  const moved = (i: number) => avenues(session)[i] * span(t, MOMENTS[i], MOMENTS[i] + RISE, eased.travel);
  return [moved(0), moved(1), moved(2)];
}

function look({ box, session: { voter } }: Stage): Look {
  const layout = layoutIn(box, "close");
  const edge = layout.margins[2];
  const shift = [0, 0, 0.5 - edge - ((1 - 2 * edge) * voter) / 9];
  const outputs = Array.from({ length: 10 }, (_, j) => (j === voter ? 1 : 0));
  return lookOf({ ...layout, shift }, { picture: 0.55, idle: [0.12, 1.5], beads: [0.5, 1, 1], outputs });
}

/** The others are gone before the camera takes them off the stage. */
function lookAt(pen: Pen): Look {
  const { before, look, session } = pen;
  const outputs = before.look.outputs.map((seen, j) => mix(seen, j === session.voter ? 1 : 0, pen.span(0, 0.25)));
  const depend = pen.span(LOCKS, SETTLED) * (1 - pen.span(8.2, 8.8));
  return { ...look, outputs, idle: [look.idle[0] + 0.9 * depend, look.idle[1]] };
}

function draw(given: Pen): Facts {
  const { session, t } = given;
  const { now, voter } = session;
  const from = neuronOf(now, voter);
  const to = movedBy(from, amounts(t, session));
  const pen = given.with({ look: lookAt(given), reading: withNeuron(now, voter, to) });
  const reach = close.reachOf([from, movedBy(from, [1, 1, 1]), movedBy(from, [-1, -1, -1])]);
  const states = { from, to, reach };
  const alpha = pen.span(1.6, 2);
  close.names(pen, alpha);
  close.sumLine(pen, states, alpha);
  close.squash(pen, states, pen.span(2, 2.5, eased.travel));
  close.sumMoved(pen, states);
  close.changes(pen, from, to);
  network(pen);
  close.written(pen, pen.span(0.5, 0.9));
  level(pen);
  close.stack(pen, states);
  close.locks(pen, pen.span(LOCKS, SETTLED));
  const before = now.pass[3][voter];
  const each = effects(from, to, before);
  const seen = MOMENTS.map((at) => pen.span(at, at + 0.3));
  close.ways(pen, before, each, seen);
  return {
    voter,
    activations: Array.from(to.senders),
    weights: Array.from(to.weights),
    bias: to.bias,
    products: products(to),
    "weighted sum": weightedSum(to),
    "effects of bias, weights, activations": each,
    "level before": before,
    recomputed: pen.reading.pass[3][voter],
    predicted: each.reduce((total, effect) => total + effect, before),
  };
}

/** The gauges of the scene before: the voter's stays, with its target and its gap. */
function level(pen: Pen): void {
  const { pass, label } = pen.reading;
  gauges(pen, pass[3], 1);
  targets(pen, label, 1);
  ends(pen, 1 - pen.span(0, 0.4));
  pen.look.outputs.forEach((seen, j) => {
    if (seen > 0.01) gap(pen, j, pass[3][j], j === label ? 1 : 0, 1);
  });
}

export const scene: Scene = {
  id: "three-ways",
  seconds: 9,
  look,
  draw,
  words({ now, voter }) {
    const rises = now.gaps[voter] > 0;
    return { voter: String(voter), raise: rises ? "+raise" : "-lower" };
  },
  settled: SETTLED,
};
