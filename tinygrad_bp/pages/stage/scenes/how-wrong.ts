// 2. The gaps are squared, the squares stacked: one example's cost; then the average over all.

import { eased, mix, span } from "../clock";
import { cost as costOf, forward } from "../engine";
import type { Facts } from "../frame";
import { layoutIn } from "../layout";
import { precise, whole } from "../numbers";
import { binEnds, binned, dropped, falling, headed, meanLine, piled, room, square } from "../parts/cost";
import { gap, gauges, targets } from "../parts/gauges";
import { lookOf, network } from "../parts/network";
import type { Pen } from "../pen";
import { leave, teller, type Scene } from "../scene";
import type { Session } from "../session";

const FLIGHT = 0.8;
const POUR = [5.7, 8] as const; // when the examples come
const FALL = 0.45; // seconds that each of them falls
const FIRST = 12; // so many come one by one, and larger

/** The costs of all examples on the network that has not learned. */
function allCosts(session: Session): number[] {
  const { net, digits } = session.data;
  return session.once("costs", () => digits.map(({ pixels, label }) => costOf(forward(net, pixels), label)));
}

/** The shown digit first, then all others that the page learns from; means of the first 1, 2, 3 ... */
export function ordered(session: Session) {
  const first = session.digit;
  return session.once(`costs from ${first.index}`, () => {
    const digits = [first, ...session.data.digits.filter((digit) => digit !== first)];
    const each = digits.map(({ index }) => allCosts(session)[index]);
    let sum = 0;
    return { digits, costs: each, means: each.map((cost, i) => (sum += cost) / (i + 1)) };
  });
}

/** When the i-th of n examples lands: the first few one by one, then faster and faster. */
function landing(i: number, n: number): number {
  return mix(POUR[0], POUR[1], Math.cbrt(i / Math.max(1, n - 1)));
}

/** How many of n examples have landed. */
export function landed(t: number, n: number): number {
  if (t < POUR[0]) return 0;
  return 1 + Math.floor((n - 1) * span(t, ...POUR) ** 3 + 1e-9);
}

/** Whether an example is drawn as it falls: all of the first, then fewer, so as to be seen. */
function isSeen(i: number): boolean {
  return i > 0 && (i < FIRST || i % (i < 100 ? 6 : 24) === 0);
}

function draw(pen: Pen): Facts {
  const { pass, label } = pen.reading;
  network(pen);
  leave(pen, (id) => id.startsWith("level"));
  const outputs = Array<number>(10).fill(mix(1, 0.45, pen.span(5.4, 6)));
  const faded = pen.with({ look: { ...pen.look, outputs } });
  gauges(faded, pass[3], 1, 1 - pen.span(0, 0.4));
  targets(faded, label, pen.span(0.8, 1.1));
  return { ...stack(faded), ...average(pen) };
}

/** Gaps, squares, and the bar that they become. */
function stack(pen: Pen): Facts {
  const { gaps, pass, cost } = pen.reading;
  room(pen, pen.span(3.1, 3.6));
  let before = 0;
  gaps.forEach((by, j) => {
    const takes = 3.6 + 0.09 * j;
    const grown = pen.span(2.4 + 0.03 * j, 3 + 0.03 * j, eased.arrival);
    square(pen, j, before, grown, pen.span(takes, takes + FLIGHT, eased.camera));
    before += by * by;
  });
  gaps.forEach((by, j) => {
    gap(pen, j, pass[3][j], pass[3][j] + by, pen.span(0.95 + 0.06 * j, 1.55 + 0.06 * j, eased.arrival));
  });
  headed(pen, "bar", cost.toFixed(2), ["of at most 10"], pen.span(5.2, 5.5));
  return { gaps, squares: gaps.map((by) => by * by), cost };
}

/** Examples fall on a pile, each at its cost, and the average of those that have come. */
function average(pen: Pen): Facts {
  const alpha = pen.span(POUR[0] - 0.3, POUR[0]);
  if (alpha === 0) return {}; // what follows takes a while to work out
  const { digits, costs, means } = ordered(pen.session);
  const seen = landed(pen.t, digits.length);
  dropped(pen, costs[0], alpha);
  const pile = { bins: binned(costs.slice(0, seen)), fullest: fullest(pen.session) };
  piled(pen, pile, alpha);
  for (let i = seen; i < digits.length; i += 1) {
    const s = 1 - (landing(i, digits.length) - pen.t) / FALL;
    if (s <= 0) break;
    const size = (pen.up ? 15 : 24) * (i < FIRST ? 1.5 : 1);
    if (isSeen(i)) falling(pen, pile, digits[i], costs[i], size, s);
  }
  if (seen === 0) return {};
  const mean = means[seen - 1];
  meanLine(pen, mean);
  headed(pen, "pile", mean.toFixed(2), ["the average of", seen === 1 ? "one digit" : `${whole(seen)} digits`], 1);
  return { count: seen, average: mean };
}

function fullest(session: Session): number {
  return session.once("fullest pile", () => Math.max(...binned(allCosts(session))));
}

function averageSaid({ count, average }: Facts): string {
  return `The average cost of ${whole(count as number)} digits is ${precise(average as number)}.`;
}

export const scene: Scene = {
  id: "how-wrong",
  seconds: 9,
  look: ({ box }) => lookOf(layoutIn(box, "cost"), { idle: [0.7, 0.7], beads: [0.9, 0.9, 1] }),
  draw,
  describe: teller({
    square({ now }, [j]) {
      const by = now.gaps[j];
      return `Output ${j} is off by ${precise(Math.abs(by), 2)}; its square is ${precise(by * by, 2)}.`;
    },
    bar: ({ now }) => `The ten squares add up to ${precise(now.cost)}.`,
    pile(_, [i], facts) {
      if (Number.isNaN(i)) return averageSaid(facts); // the number beside it
      const [from, to] = binEnds(i).map((cost) => cost.toFixed(1));
      return `Digits that cost from ${from} to ${to}.`;
    },
    mean: (_, __, facts) => averageSaid(facts),
  }),
};
