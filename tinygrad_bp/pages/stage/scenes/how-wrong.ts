// 2. The gaps are squared, the squares stacked: one example's cost; then the average over all.

import { eased, mix, span } from "../clock";
import { empty, type Frame } from "../frame";
import { cost as costOf, forward } from "../engine";
import { layoutIn } from "../layout";
import { precise, whole } from "../numbers";
import { binEnds, binned, dropped, falling, headed, meanLine, piled, room, square } from "../parts/cost";
import { gap, gauges, targets } from "../parts/gauges";
import { network, type Look } from "../parts/network";
import type { Digit, Session } from "../session";
import { leave, moved, type Before, type Scene, type Stage } from "../scene";

const FLIGHT = 0.8;
const POUR = [5.7, 8] as const; // when the examples come
const FALL = 0.45; // seconds that each of them falls
const FIRST = 12; // so many come one by one, and larger

function look({ box }: Stage): Look {
  return {
    layout: layoutIn(box, "cost"),
    picture: 1,
    idle: [0.7, 0.7],
    trace: [0, 0, 0],
    beads: [0.9, 0.9, 1],
    names: 1,
  };
}

interface Costs {
  /** The shown digit first, then all others that the page learns from. */
  digits: Digit[];
  costs: number[];
  /** Of the first 1, 2, 3 ... of them. */
  means: number[];
}

/** The costs of all examples on the network that has not learned. */
export function allCosts(session: Session): number[] {
  const { net, digits } = session.data;
  return session.once("costs", () => digits.map(({ pixels, label }) => costOf(forward(net, pixels), label)));
}

export function ordered(session: Session): Costs {
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
  return 1 + Math.floor((n - 1) * span(t, POUR[0], POUR[1]) ** 3 + 1e-9);
}

/** Whether an example is drawn as it falls: all of the first, then fewer, so as to be seen. */
function isSeen(i: number): boolean {
  return i > 0 && (i < FIRST || i % (i < 100 ? 6 : 24) === 0);
}

function frame(t: number, stage: Stage, before: Before): Frame {
  const { box, session } = stage;
  const reading = session.now;
  const made = empty();
  const shown = moved(t, before, look(stage));
  const { layout } = shown;
  network(made, box, shown, reading);
  leave(made, t, before, (id) => id.startsWith("level"));
  const each = reading.gaps.map(() => mix(1, 0.45, span(t, 5.4, 6)));
  gauges(made, box, { layout, levels: reading.pass[3], alpha: 1, each, numbers: 1 - span(t, 0, 0.4) }); // prettier-ignore
  targets(made, box, layout, reading.label, span(t, 0.8, 1.1), each);
  stack(made, t, stage, shown, each);
  average(made, t, stage, shown);
  return made;
}

/** Gaps, squares, and the bar that they become. */
function stack(made: Frame, t: number, { box, session }: Stage, { layout }: Look, each: readonly number[]): void {
  const { gaps, pass, cost } = session.now;
  room(made, box, layout, span(t, 3.1, 3.6));
  let before = 0;
  gaps.forEach((by, j) => {
    const takes = 3.6 + 0.09 * j;
    const grown = span(t, 2.4 + 0.03 * j, 3 + 0.03 * j, eased.arrival);
    const flown = span(t, takes, takes + FLIGHT, eased.camera);
    square(made, box, layout, { j, level: pass[3][j], by, before }, grown, flown);
    before += by * by;
  });
  gaps.forEach((by, j) => {
    const grown = span(t, 0.95 + 0.06 * j, 1.55 + 0.06 * j, eased.arrival);
    gap(made, box, layout, j, pass[3][j], pass[3][j] + by, grown, each[j]);
  });
  headed(made, box, layout, "bar", cost.toFixed(2), ["of at most 10"], span(t, 5.2, 5.5));
  made.facts = { gaps, squares: gaps.map((by) => by * by), cost };
}

/** Examples fall on a pile, each at its cost, and the average of those that have come. */
function average(made: Frame, t: number, { box, session }: Stage, { layout }: Look): void {
  const alpha = span(t, POUR[0] - 0.3, POUR[0]);
  if (alpha === 0) return; // what follows takes a while to work out
  const { digits, costs, means } = ordered(session);
  const seen = landed(t, digits.length);
  dropped(made, box, layout, costs[0], alpha);
  const pile = { bins: binned(costs.slice(0, seen)), fullest: fullest(session) };
  piled(made, box, layout, pile, alpha);
  for (let i = seen; i < digits.length; i += 1) {
    const s = 1 - (landing(i, digits.length) - t) / FALL;
    if (s <= 0) break;
    if (!isSeen(i)) continue;
    const size = (box.up ? 15 : 24) * (i < FIRST ? 1.5 : 1);
    falling(made, box, layout, pile, digits[i], costs[i], size, s);
  }
  if (seen === 0) return;
  const mean = means[seen - 1];
  meanLine(made, box, layout, mean, 1);
  const words = ["the average of", seen === 1 ? "one digit" : `${whole(seen)} digits`];
  headed(made, box, layout, "pile", mean.toFixed(2), words, 1);
  Object.assign(made.facts, { count: seen, average: mean });
}

function fullest(session: Session): number {
  return session.once("fullest pile", () => Math.max(...binned(allCosts(session))));
}

/** What the squares and the numbers show. */
function describe(id: string, session: Session, { facts }: Frame): string | undefined {
  const [kind, j] = id.split(".");
  if (kind === "square") {
    const gap = session.now.gaps[Number(j)];
    return `Output ${j} is off by ${precise(Math.abs(gap), 2)}; its square is ${precise(gap * gap, 2)}.`;
  }
  if (kind === "bar") return `The ten squares add up to ${precise(session.now.cost)}.`;
  if (kind === "pile" && j !== "number") {
    const [from, to] = binEnds(Number(j)).map((cost) => cost.toFixed(1));
    return `Digits that cost from ${from} to ${to}.`;
  }
  if (kind !== "mean" && kind !== "pile") return undefined;
  return `The average cost of ${whole(facts.count as number)} digits is ${precise(facts.average as number)}.`;
}

export const scene: Scene = { id: "how-wrong", seconds: 9, look, frame, describe };
