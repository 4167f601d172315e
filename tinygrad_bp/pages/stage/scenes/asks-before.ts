// 7. One output's wishes run back along its edges, in proportion to the weights.

import { eased, mix } from "../clock";
import { layoutIn } from "../layout";
import { boxed } from "../parts/gauges";
import { lookOf, network, type Look } from "../parts/network";
import { largestOf } from "../parts/nudges";
import { atOutput, onAxis, onEdge, ruler, unit } from "../parts/wishes";
import type { Pen } from "../pen";
import { leave, type Scene, type Stage } from "../scene";

const START = 1.2;
const APART = 0.05; // seconds between two wishes
const TRAVEL = 1.5;
const DIM = 0.28;

export function lateLook({ box }: Stage, voter: number | null, dimmed = 1): Look {
  const outputs = Array.from({ length: 10 }, (_, j) => (voter === null || j === voter ? 1 : mix(1, DIM, dimmed)));
  return lookOf(layoutIn(box, "late"), { picture: 0.55, idle: [0.12, 0.6], beads: [0.5, 1, 1], outputs });
}

/** Wish k of an output, in u on the axis. */
export function lengthOf({ box, reading }: Pen, voter: number, k: number): number {
  const wishes = reading.asked[voter];
  return (wishes[k] / largestOf(wishes)) * unit(box);
}

export const scene: Scene = {
  id: "asks-before",
  seconds: 6.5,
  look: (stage) => lateLook(stage, stage.session.voter),
  draw(pen) {
    const { asked, gaps } = pen.reading;
    const { voter } = pen.session;
    const wishes = asked[voter];
    const opened = pen.span(0.6, 1.1);
    ruler(pen, 2, opened);
    const settled = mix(1, 0.55, pen.span(3.6, 4.4));
    wishes.forEach((wish, k) => {
      const starts = START + APART * k;
      const lands = starts + TRAVEL;
      onEdge(pen, 3, voter, k, wish / largestOf(wishes), pen.span(starts, lands, eased.travel), settled);
      const grown = pen.span(lands, lands + 0.8, eased.arrival);
      if (grown) onAxis(pen, 2, k, lengthOf(pen, voter, k) * grown, 1);
    });
    network(pen);
    leave(pen);
    boxed(pen, voter, opened);
    atOutput(pen, voter, pen.span(0.5, 1));
    return { voter, wishes, gap: gaps[voter] };
  },
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
