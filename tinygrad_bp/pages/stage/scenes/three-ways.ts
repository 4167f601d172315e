// 5. One output close up: its bias, its weights and its senders' activations all change it.

import { eased, mix, span } from "../clock";
import { empty, type Frame } from "../frame";
import { layoutIn } from "../layout";
import { changes, locks, names, reachOf, squash, stack, staggered, sumLine, sumMoved, ways, written, type Close } from "../parts/close"; // prettier-ignore
import { ends, gap, gauges, targets } from "../parts/gauges";
import { network, type Look } from "../parts/network";
import { effects, movedBy, neuronOf, products, weightedSum, withNeuron, type Amounts } from "../neuron"; // prettier-ignore
import { moved, type Before, type Scene, type Stage } from "../scene";
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
  const [bias, weights, senders] = avenues(session).map(
    (amount, i) => amount * span(t, MOMENTS[i], MOMENTS[i] + RISE, eased.travel),
  );
  return [bias, weights, senders];
}

function look({ box, session }: Stage): Look {
  const { voter } = session;
  const layout = layoutIn(box, "close");
  const edge = layout.margins[2];
  const v = edge + ((1 - 2 * edge) * voter) / 9;
  return {
    layout: { ...layout, shift: [0, 0, 0.5 - v] },
    picture: 0.55,
    idle: [0.12, 1.5],
    trace: [0, 0, 0],
    beads: [0.5, 1, 1],
    outputs: Array.from({ length: 10 }, (_, j) => (j === voter ? 1 : 0)),
    names: 1,
  };
}

/** The others are gone before the camera takes them off the stage. */
function lookAt(t: number, stage: Stage, before: Before): Look {
  const { voter } = stage.session;
  const shown = moved(t, before, look(stage));
  const left = before.look.outputs ?? Array(10).fill(1);
  const outputs = left.map((seen, j) => mix(seen, j === voter ? 1 : 0, span(t, 0, 0.25)));
  const depend = span(t, LOCKS, SETTLED) * (1 - span(t, 8.2, 8.8));
  const idle = [shown.idle[0] + 0.9 * depend, shown.idle[1]] as const;
  return { ...shown, outputs, idle };
}

function frame(t: number, stage: Stage, before: Before): Frame {
  const { box, session } = stage;
  const { now: reading, voter } = session;
  const made = empty();
  const from = neuronOf(reading, voter);
  const to = movedBy(from, amounts(t, session));
  const now = withNeuron(reading, voter, to);
  const shown = lookAt(t, stage, before);
  const close = { box, look: shown, reach: reachOf([from, movedBy(from, [1, 1, 1]), movedBy(from, [-1, -1, -1])]) }; // prettier-ignore
  const alpha = span(t, 1.6, 2);
  names(made, close, alpha);
  sumLine(made, close, to, alpha);
  squash(made, close, weightedSum(to), span(t, 2, 2.5, eased.travel), 1);
  sumMoved(made, close, weightedSum(from), weightedSum(to));
  changes(made, close, reading, voter, from, to);
  network(made, box, shown, now);
  written(made, close, now, voter, span(t, 0.5, 0.9));
  level(made, t, stage, close, now.pass[3]);
  stack(made, close, now, to, staggered(t, 0.8, 0.03, 0.4), staggered(t, 1.2, 0.03, 0.6));
  locks(made, close, reading, span(t, LOCKS, SETTLED));
  const each = effects(from, to, reading.pass[3][voter]);
  const sum = each.reduce((total, effect) => total + effect, reading.pass[3][voter]);
  const seen = MOMENTS.map((at) => span(t, at, at + 0.3));
  ways(made, close, reading.pass[3][voter], each, seen);
  made.facts = {
    voter,
    activations: Array.from(to.senders),
    weights: Array.from(to.weights),
    bias: to.bias,
    products: products(to),
    "weighted sum": weightedSum(to),
    "effects of bias, weights, activations": each,
    "level before": reading.pass[3][voter],
    recomputed: now.pass[3][voter],
    predicted: sum,
  };
  return made;
}

/** The gauges of the scene before: the voter's stays, with its target and its gap. */
function level(made: Frame, t: number, { box, session }: Stage, close: Close, levels: ArrayLike<number>): void {
  const { label } = session.now;
  const { layout, outputs } = close.look;
  gauges(made, box, { layout, levels, alpha: 1, each: outputs });
  targets(made, box, layout, label, 1, outputs);
  ends(made, box, layout, 1 - span(t, 0, 0.4));
  outputs!.forEach((seen, j) => {
    if (seen > 0.01) gap(made, box, layout, j, levels[j], j === label ? 1 : 0, 1, seen);
  });
}

export const scene: Scene = {
  id: "three-ways",
  seconds: 9,
  look,
  frame,
  words({ now, voter }) {
    const rises = now.gaps[voter] > 0;
    return { voter: String(voter), raise: rises ? "+raise" : "-lower" };
  },
  settled: SETTLED,
};
