// 4. What the example wants of each output: an arrow from the level to the target.

import { eased, mix } from "../clock";
import { layoutIn } from "../layout";
import { ends, gap, gauges, targets } from "../parts/gauges";
import { lookOf, network } from "../parts/network";
import { leave, type Scene } from "../scene";
import type { Reading } from "../session";

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

export const scene: Scene = {
  id: "what-it-wants",
  seconds: 6.5,
  look: ({ box, session }) =>
    lookOf(layoutIn(box, "outs"), { idle: [0.7, 0.7], beads: [0.9, 0.9, 1], outputs: kept(session.now, 1) }),
  draw(given) {
    const outputs = kept(given.reading, given.span(4.9, 5.4));
    const pen = given.with({ look: { ...given.look, outputs } });
    const { pass, label, gaps } = pen.reading;
    network(pen);
    leave(pen);
    gauges(pen, pass[3], pen.span(0.3, 0.8));
    targets(pen, label, pen.span(0.9, 1.4));
    ends(pen, pen.span(0.9, 1.4));
    gaps.forEach((_, j) => {
      const starts = j === label ? 1.5 : 2.6 + 0.14 * (j > label ? j - 1 : j);
      const grown = pen.span(starts, starts + (j === label ? 0.9 : 0.6), eased.arrival);
      gap(pen, j, pass[3][j], j === label ? 1 : 0, grown);
    });
    return { outputs: Array.from(pass[3]), gaps };
  },
  words: ({ now }) => ({ near: String(nearest(now)) }),
};
