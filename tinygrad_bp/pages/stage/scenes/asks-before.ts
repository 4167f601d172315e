// 7. One output's wishes run back along its edges, in proportion to the weights.

import { eased, mix, span } from "../clock";
import { empty, type Frame } from "../frame";
import { layoutIn, type Box } from "../layout";
import { boxed } from "../parts/gauges";
import { network, type Look } from "../parts/network";
import { atOutput, onAxis, onEdge, ruler, unit } from "../parts/wishes";
import type { Reading } from "../session";
import { leave, moved, type Before, type Scene, type Stage } from "../scene";

const START = 1.2;
const APART = 0.05; // seconds between two wishes
const TRAVEL = 1.5;
const DIM = 0.28;

export function lateLook({ box }: Stage, voter: number | null, dimmed = 1): Look {
  const outputs = Array.from({ length: 10 }, (_, j) => (voter === null || j === voter ? 1 : mix(1, DIM, dimmed)));
  return {
    layout: layoutIn(box, "late"),
    picture: 0.55,
    idle: [0.12, 0.6],
    trace: [0, 0, 0],
    beads: [0.5, 1, 1],
    outputs,
    names: 1,
  };
}

/** The largest of one output's wishes, or of all: what a full-length arrow stands for. */
export function largest(wishes: readonly number[]): number {
  return Math.max(...wishes.map(Math.abs)) || 1;
}

/** Wish k of an output, in u on the axis. */
export function lengthOf(box: Box, reading: Reading, voter: number, k: number): number {
  const wishes = reading.asked[voter];
  return (wishes[k] / largest(wishes)) * unit(box);
}

function frame(t: number, stage: Stage, before: Before): Frame {
  const { box, session } = stage;
  const reading = session.now;
  const voter = session.voter;
  const made = empty();
  const dimmed = span(t, 0.6, 1.1);
  const shown = moved(t, before, lateLook(stage, voter));
  ruler(made, box, shown, reading, span(t, 0.6, 1.1));
  const settled = mix(1, 0.55, span(t, 3.6, 4.4));
  const wishes = reading.asked[voter];
  wishes.forEach((wish, k) => {
    const landed = START + APART * k + TRAVEL;
    const s = span(t, landed - TRAVEL, landed, eased.travel);
    onEdge(made, box, shown, reading, voter, k, wish / largest(wishes), s, settled);
    const grown = span(t, landed, landed + 0.8, eased.arrival);
    if (grown) onAxis(made, box, shown, reading, k, lengthOf(box, reading, voter, k) * grown, 1);
  });
  network(made, box, shown, reading);
  leave(made, t, before);
  boxed(made, box, shown.layout, voter, dimmed);
  atOutput(made, box, shown, reading, voter, span(t, 0.5, 1));
  made.facts = { voter, wishes, gap: reading.gaps[voter] };
  return made;
}

export const scene: Scene = {
  id: "asks-before",
  seconds: 6.5,
  look: (stage) => lateLook(stage, stage.session.voter),
  frame,
  words({ now, voter }) {
    const rises = now.gaps[voter] > 0;
    return {
      voter: String(voter),
      rise: rises ? "+rise" : "-fall",
      with: rises ? "+brighter" : "-dimmer",
      against: rises ? "-dimmer" : "+brighter",
    };
  },
  settled: 1.1,
};
