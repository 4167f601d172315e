// All weights and biases as knobs: which way and how much to turn each, and two of them tried.

import { copyOf, count, forward, gradient, nameOf, score, tail } from "../engine";
import type { Session } from "../session";

/** How far a wiggle turns a knob. */
export const WIGGLE = 0.01;
const WANTED = 32; // the lesson's 3.2 and 0.1
const LARGE = 12; // the large one is among so many

/** The negative gradient of the average cost: how to turn each knob. */
export function nudges(session: Session): Float64Array {
  const { net, digits } = session.data;
  return session.once("nudges", () => gradient(net, digits).map((slope) => -slope));
}

/** The average cost over all examples with some knobs turned; none of those into layer 1. */
export function costWith(session: Session, turned: readonly [number, number][]): number {
  const { net, digits } = session.data;
  // what layer 1 shows to the rest of the network stays: the same costs in a tenth of the time
  const examples = session.once("layer 1's examples", () =>
    digits.map(({ pixels, label }) => ({ pixels: forward(net, pixels)[1] as Float64Array, label })),
  );
  const changed = copyOf(net);
  for (const [knob, by] of turned) changed.vector[knob] += by;
  return score(tail(changed, 1), examples).cost;
}

export interface Pair {
  large: number;
  small: number;
  ratio: number;
}

/** Two weights that both want to be more, one of them as near as can be to 32 times as much. */
export function pair(session: Session): Pair {
  return session.once("pair", () => {
    const all = nudges(session);
    const weights = Array.from(all.keys())
      .slice(count(session.data.sizes.slice(0, 2)))
      .filter((i) => all[i] > 0 && nameOf(session.data.sizes, i).startsWith("W"))
      .sort((a, b) => all[b] - all[a]);
    const off = ({ ratio }: Pair) => Math.abs(ratio - WANTED);
    return weights
      .slice(0, LARGE)
      .flatMap((large) => weights.map((small) => ({ large, small, ratio: all[large] / all[small] })))
      .reduce((best, each) => (off(each) < off(best) ? each : best));
  });
}
