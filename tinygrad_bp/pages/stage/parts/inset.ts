// The network in a part of the stage, and one network on its way to being another.

import { layoutOf, type Layout } from "../layout";
import type { Pen } from "../pen";
import type { Reading } from "../session";
import { network, type Look } from "./network";

/** A network that fills its place, without picture or gauges. */
export function bare(radius: number): Layout {
  return layoutOf([0, 0.5, 0], [0.05, 0.5, 0.95], 0.03, [radius, radius, radius * 1.3], [1, 1]);
}

export function dimmed(look: Look, alpha: number): Look {
  const all = (x: readonly number[]) => x.map((p) => p * alpha);
  const { picture, idle, trace, beads, names } = look;
  return {
    ...look,
    picture: picture * alpha,
    idle: all(idle),
    trace: all(trace),
    beads: all(beads),
    names: names * alpha,
  };
}

/** One network gives way to another: no weight and no activation is ever between the two. */
export function dissolve(pen: Pen, from: Reading, to: Reading, s: number): void {
  if (s === 0 || s === 1) return network(pen.with({ reading: s ? to : from }));
  const start = pen.frame.marks.length;
  network(pen.with({ look: dimmed(pen.look, 1 - s), reading: from }));
  network(pen.with({ look: dimmed(pen.look, s), reading: to }));
  pen.frame.network = [start, pen.frame.marks.length];
}
