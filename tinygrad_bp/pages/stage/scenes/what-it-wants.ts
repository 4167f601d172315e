// 4. What the example wants of each output: an arrow from the level to the target.

import { eased, mix, span } from "../clock";
import { empty, type Frame } from "../frame";
import { layoutIn } from "../layout";
import { ends, gap, gauges, targets } from "../parts/gauges";
import { network, type Look } from "../parts/network";
import type { Reading } from "../session";
import { leave, moved, type Scene, type Stage } from "../scene";

/** The output beside the right one that the sentence speaks of: the 8, or the one least far off. */
export function nearest(reading: Reading): number {
  if (reading.label === 2 && Math.abs(reading.gaps[8]) < 0.3) return 8;
  const far = reading.gaps.map((gap, j) => (j === reading.label ? Infinity : Math.abs(gap)));
  const near = far.map((_, j) => j).filter((j) => far[j] > 0.05);
  return near.sort((a, b) => far[a] - far[b])[0];
}

function kept(reading: Reading, s: number): number[] {
  const pair = [reading.label, nearest(reading)];
  return reading.gaps.map((_, j) => (pair.includes(j) ? 1 : mix(1, 0.3, s)));
}

function look({ box, session }: Stage): Look {
  return {
    layout: layoutIn(box, "outs"),
    picture: 1,
    idle: [0.7, 0.7],
    trace: [0, 0, 0],
    beads: [0.9, 0.9, 1],
    outputs: kept(session.now, 1),
    names: 1,
  };
}

function frame(t: number, stage: Stage, before: Parameters<Scene["frame"]>[2]): Frame {
  const { box, session } = stage;
  const reading = session.now;
  const made = empty();
  const each = kept(reading, span(t, 4.9, 5.4));
  const shown = { ...moved(t, before, { ...look(stage), outputs: undefined }), outputs: each };
  network(made, box, shown, reading);
  leave(made, t, before);
  const { layout } = shown;
  gauges(made, box, { layout, levels: reading.pass[3], alpha: span(t, 0.3, 0.8), each }); // prettier-ignore
  targets(made, box, layout, reading.label, span(t, 0.9, 1.4), each);
  ends(made, box, layout, span(t, 0.9, 1.4));
  const others = reading.gaps.map((_, j) => j).filter((j) => j !== reading.label);
  const arrive = (j: number) => 2.6 + 0.14 * others.indexOf(j);
  reading.gaps.forEach((_, j) => {
    const own = j === reading.label;
    const grown = own ? span(t, 1.5, 2.4, eased.arrival) : span(t, arrive(j), arrive(j) + 0.6, eased.arrival);
    gap(made, box, layout, j, reading.pass[3][j], own ? 1 : 0, grown, each[j]);
  });
  made.facts = { outputs: Array.from(reading.pass[3]), gaps: reading.gaps };
  return made;
}

export const scene: Scene = {
  id: "what-it-wants",
  seconds: 6.5,
  look,
  frame,
  words: ({ now }) => ({ near: String(nearest(now)) }),
};
