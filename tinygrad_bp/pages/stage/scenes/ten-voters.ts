// 8. All ten outputs' wishes are stacked at every neuron; more and less cancel.

import { eased, mix, span } from "../clock";
import { add, empty, type Frame } from "../frame";
import { along, strip, type Box } from "../layout";
import { network, type Look } from "../parts/network";
import { atOutput, axis, inkOf, onAxis, onEdge, ruler, segment, unit, vOfNeuron } from "../parts/wishes"; // prettier-ignore
import type { Reading } from "../session";
import { lateLook, largest, lengthOf } from "./asks-before";
import { leave, type Before, type Scene, type Stage } from "../scene";

const APART = 0.44; // seconds between two voters
const TRAVEL = 0.75;

interface Voter {
  j: number;
  /** When its wishes land. */
  lands: number;
}

/** The voters in the order in which they speak: the right digit's own first. */
function order(reading: Reading, heard: readonly boolean[]): Voter[] {
  const others = reading.gaps.map((_, j) => j).filter((j) => j !== reading.label);
  return [reading.label, ...others]
    .map((j, i) => ({ j, lands: i ? 0.5 + APART * (i - 1) + TRAVEL : 0 }))
    .filter(({ j }) => heard[j]);
}

export function sums(reading: Reading, heard: readonly boolean[]): number[] {
  return reading.asked[0].map((_, k) => reading.asked.reduce((sum, wishes, j) => sum + (heard[j] ? wishes[k] : 0), 0));
}

/** The scale that all stacks fit into: u for a wish of 1. */
function scale(box: Box, reading: Reading): number {
  const reach = reading.asked[0].map((_, k) => {
    const wishes = reading.asked.map((of) => of[k]);
    const side = (sign: number) => wishes.reduce((sum, w) => sum + Math.max(0, sign * w), 0);
    return Math.max(side(1), side(-1));
  });
  return (1.55 * unit(box)) / largest(reach);
}

function frame(t: number, stage: Stage, before: Before): Frame {
  const { box, session } = stage;
  const reading = session.now;
  const heard = session.choices.voters;
  const made = empty();
  const opening = 1 - span(t, 0, 0.5);
  const shown = lateLook(stage, session.voter, opening);
  ruler(made, box, shown, reading, 1);
  const voters = order(reading, heard);
  for (const voter of voters) travel(made, t, stage, shown, reading, voter);
  network(made, box, shown, reading);
  leave(made, t, before, (id) => id.startsWith("gap"));
  reading.gaps.forEach((_, j) => {
    const seen = j === session.voter ? 1 : span(t, 0.2, 0.7);
    atOutput(made, box, shown, reading, j, seen * (heard[j] ? 1 : 0.25));
  });
  reading.asked[0].forEach((_, k) => stacked(made, t, stage, shown, reading, voters, k));
  made.facts = { sums: sums(reading, heard), own: reading.asked[reading.label] };
  return made;
}

function travel(made: Frame, t: number, { box }: Stage, look: Look, reading: Reading, { j, lands }: Voter): void {
  if (lands === 0 || t < lands - TRAVEL || t > lands + 0.5) return;
  const s = span(t, lands - TRAVEL, lands, eased.travel);
  const alpha = 1 - span(t, lands, lands + 0.5);
  const wishes = reading.asked[j];
  const most = largest(reading.asked.flat());
  wishes.forEach((wish, k) => onEdge(made, box, look, reading, j, k, wish / most, s, alpha));
}

/** Neuron k's stack: growing, sliding over each other, and in the end what is left. */
function stacked(
  made: Frame,
  t: number,
  stage: Stage,
  look: Look,
  reading: Reading,
  voters: readonly Voter[],
  k: number,
): void {
  const { box } = stage;
  const per = scale(box, reading);
  const ends = [0, 0]; // of the two lanes, in u from the axis
  const totals = [0, 0];
  for (const { j } of voters) totals[reading.asked[j][k] >= 0 ? 0 : 1] += reading.asked[j][k] * per;
  const slide = span(t, 5.3, 6.4, eased.camera) * totals[0];
  const left = 1 - span(t, 7.4, 8.1); // of the segments
  const opening = span(t, 0, 0.7, eased.camera);
  for (const { j, lands } of voters) {
    const wish = reading.asked[j][k];
    const lane = wish >= 0 ? 0 : 1;
    const own = j === reading.label;
    const first = own && stage.session.voter === j;
    const full = first ? mix(lengthOf(box, reading, j, k), wish * per, opening) : wish * per;
    const grown = lands === 0 ? (first ? 1 : opening) : span(t, lands, lands + 0.4, eased.arrival);
    const from = axis(box) + ends[lane] + (lane === 1 ? slide : 0);
    const to = from + full * grown;
    ends[lane] += full * grown;
    const alpha = left * (first ? span(t, 0, 0.4) : 1);
    segment(made, box, look, reading, k, lane, { from, to, ink: inkOf(wish), own }, alpha);
  }
  overlap(made, t, stage, look, reading, k, totals);
  rest(made, t, stage, look, reading, k, totals, per);
}

/** What more and less have in common turns grey, and fades. */
function overlap(
  made: Frame,
  t: number,
  { box }: Stage,
  look: Look,
  reading: Reading,
  k: number,
  [more, less]: readonly number[],
): void {
  const grey = span(t, 6.5, 6.8) * (1 - span(t, 7.4, 8.1));
  const common = Math.min(more, -less);
  if (grey === 0 || common <= 0) return;
  const v = vOfNeuron(box, look, 2, k, reading);
  const thick = box.up ? 14 : 25;
  const rect = strip(box, axis(box) + more - common, axis(box) + more, v, thick);
  add(made,
    { kind: "bar", rect, ink: "ground", alpha: 1 },
    { kind: "bar", rect, ink: "spent", alpha: grey * (1 - span(t, 6.9, 7.4)) },
  ); // prettier-ignore
}

/** The sum as one arrow, and as an outline what the right digit alone had wished. */
function rest(
  made: Frame,
  t: number,
  { box, session }: Stage,
  look: Look,
  reading: Reading,
  k: number,
  [more, less]: readonly number[],
  per: number,
): void {
  const alpha = span(t, 7.4, 8.1);
  if (alpha === 0) return;
  onAxis(made, box, look, reading, k, more + less, alpha);
  if (!session.choices.voters[reading.label]) return;
  const own = reading.asked[reading.label][k] * per;
  if (Math.abs(own) * along(box) < 2) return;
  const v = vOfNeuron(box, look, 2, k, reading);
  const rect = strip(box, axis(box), axis(box) + own, v, box.up ? 13 : 18);
  add(made, { kind: "bar", id: `own.${k}`, rect, ink: "ink", alpha, outline: 1.2, dash: [3, 2.5] });
}

export const scene: Scene = {
  id: "ten-voters",
  seconds: 10,
  look: (stage) => lateLook(stage, null),
  frame,
  settled: 8.4,
};
