// All weights and biases as knobs: which way and how much to turn each, and two of them tried.

import { count, gradient, nameOf, netOn, score, forward, type Example, type Net } from "../engine";
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

/** The network from layer 1 on, and what layer 1 shows it: the same costs in a tenth of the time. */
interface Tail {
  net: Net;
  examples: Example[];
  /** Where it begins in the whole network's vector. */
  start: number;
}

function startOf(sizes: readonly number[]): number {
  return count(sizes.slice(0, 2));
}

function tail(session: Session): Tail {
  return session.once("tail", () => {
    const { net, digits } = session.data;
    const start = startOf(net.sizes);
    const examples = digits.map(({ pixels, label }) => ({
      pixels: forward(net, pixels)[1] as Float64Array,
      label,
    }));
    return { net: netOn(net.vector.slice(start), net.sizes.slice(1)), examples, start };
  });
}

/** The average cost over all examples with some knobs turned; none of those into layer 1. */
export function costWith(session: Session, turned: readonly [number, number][]): number {
  const { net, examples, start } = tail(session);
  const vector = net.vector.slice();
  for (const [knob, by] of turned) vector[knob - start] += by;
  return score(netOn(vector, net.sizes), examples).cost;
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
      .slice(startOf(session.data.sizes))
      .filter((i) => all[i] > 0 && nameOf(session.data.sizes, i).startsWith("W"))
      .sort((a, b) => all[b] - all[a]);
    const off = ({ ratio }: Pair) => Math.abs(ratio - WANTED);
    return weights
      .slice(0, LARGE)
      .flatMap((large) => weights.map((small) => ({ large, small, ratio: all[large] / all[small] })))
      .reduce((best, each) => (off(each) < off(best) ? each : best));
  });
}
