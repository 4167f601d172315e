// 13. Two networks with one start look at digits at the same pace: one steps after every few, the
// other looks at all of them first.

import { eased, span } from "../clock";
import { add, empty, type Frame } from "../frame";
import type { Box } from "../layout";
import { percent, whole } from "../numbers";
import { flag, heights, hillIn, slope, staircase, walker, type Hill } from "../parts/hill";
import { bare, dimmed, dissolve, rectBetween, within } from "../parts/inset";
import { network, type Look } from "../parts/network";
import { band, gridIn, half, wall, type Grid, type Rect } from "../parts/wall";
import { FLAG, halfTrained, raceOf, readingAt, WORK, type Run, type Stop } from "../run";
import { reading, type Session } from "../session";
import { leave, type Before, type Scene, type Stage } from "../scene";
import { insetLook, insetRect } from "./mini-batches";

const RUNS = [1.6, 13] as const; // seconds in which both work
const SPLIT = [0.4, 1.4] as const;
const NAMES = ["stumbling", "careful"];

interface Racer {
  side: 0 | 1;
  run: Run;
  stop: Stop;
}

export function workAt(t: number): number {
  return Math.floor(WORK * span(t, ...RUNS));
}

/** Where a network stands after so much work. */
export function after(run: Run, work: number): Stop {
  return run.at(Math.floor(work / run.plan.legs[0].batch));
}

function racers(session: Session, work: number): Racer[] {
  return [raceOf(session, session.choices.batch), raceOf(session)].map((run, i) => ({
    side: i as 0 | 1,
    run,
    stop: after(run, work),
  }));
}

/** On a phone, fewer digits are as many as one can still see. */
function gridOf(box: Box, side: 0 | 1): Grid {
  return gridIn(half(box, "wall", side), box.up ? 120 : 200);
}

function networkRect(box: Box, side: 0 | 1): Rect {
  const [x, y, w, h] = half(box, "head", side);
  const width = box.up ? 0.44 * w : 0.4 * w;
  return [x + w - width, y, width, h];
}

/** The networks: one gives way to a fresh one, and that becomes two. */
function networks(made: Frame, t: number, { box, session }: Stage, two: readonly Racer[]): void {
  const from = insetRect(box);
  const small = panelLook(box);
  if (t < SPLIT[0]) {
    const half = readingAt(session, halfTrained(session));
    const fresh = reading(session.data.start, session.digit);
    within(made, box, from, (place) => dissolve(made, place, insetLook(box), [half, fresh], span(t, 0, SPLIT[0]))); // prettier-ignore
  } else {
    const s = span(t, ...SPLIT, eased.camera);
    for (const { side, stop } of [...two].reverse()) {
      const start = made.marks.length;
      const seen = side === 0 ? 1 : span(t, SPLIT[0], SPLIT[0] + 0.3);
      const rect = rectBetween(from, networkRect(box, side), s);
      within(made, box, rect, (place) => network(made, place, dimmed(small, seen), readingAt(session, stop))); // prettier-ignore
      if (side === 1) nameless(made, start);
    }
  }
  made.network = [0, 0];
}

/** Of a second network of the same weights, so that no name stands for two numbers. */
function nameless(frame: Frame, start: number): void {
  for (let i = start; i < frame.marks.length; i += 1) frame.marks[i] = { ...frame.marks[i], id: undefined }; // prettier-ignore
}

function panelLook(box: Box): Look {
  return { ...insetLook(box), layout: bare(box.up ? 2 : 3.2) };
}

function panel(made: Frame, box: Box, session: Session, { side, stop }: Racer, t: number): void {
  const alpha = span(t, 0.8, 1.3);
  const [x, y, , h] = half(box, "head", side);
  const [large, small] = box.up ? [30, 12] : [50, 15];
  const steps = stop.steps === 1 ? "1 step" : `${whole(stop.steps)} steps`;
  add(made,
    { kind: "text", at: [x, y + small * 0.6], text: NAMES[side], size: small, ink: "ink", alpha, weight: 600 },
    { kind: "text", id: `accuracy.${side}`, at: [x, y + h * 0.53], text: percent(stop.accuracy), size: large, ink: "ink", alpha, weight: 600, face: "serif" },
    { kind: "text", at: [x, y + h - small * 0.5], text: steps, size: small * 0.92, ink: "mute", alpha },
  ); // prettier-ignore
  wall(made, gridOf(box, side), session.data.unseen, stop.right, span(t, 0.9, 1.5));
}

function paths(made: Frame, box: Box, work: number, two: readonly Racer[], alpha: number): void {
  const hill = hillOf(box);
  heights(made, hill, WORK, alpha);
  const [stumbling, careful] = two.map(({ run, stop }) => run.until(stop.steps));
  const line = slope(hill, stumbling, work);
  const stairs = staircase(hill, careful, work);
  add(made,
    { kind: "path", id: "stumbling", points: line, width: 2.2, ink: "ink", alpha, floor: hill.floor, fill: "hair" },
    { kind: "path", id: "careful", points: stairs, width: 1.8, ink: "mute", alpha, dash: [5, 4] },
  ); // prettier-ignore
  walker(made, stairs[stairs.length - 1], false, "mute", alpha);
  walker(made, line[line.length - 1], true, "ink", alpha);
  const first = stumbling.find(({ accuracy }) => accuracy >= FLAG);
  if (first) flag(made, hill.at(first.work, first.cost), percent(FLAG), alpha);
  captions(made, box, hill, work, alpha);
}

function hillOf(box: Box): Hill {
  const [x, y, w, h] = band(box, "foot");
  return hillIn([x, y, w - 28, h - (box.up ? 22 : 28)], WORK);
}

function captions(made: Frame, box: Box, hill: Hill, work: number, alpha: number): void {
  const [x, y, w] = band(box, "foot");
  const size = box.up ? 11.5 : 13;
  const below = hill.floor + (box.up ? 12 : 16);
  const text = `${whole(work)} digits looked at, each`;
  add(made,
    { kind: "text", at: [x, y - 8], text: "cost", size, ink: "mute", alpha },
    { kind: "text", at: [x + w - 28, below], text, size, ink: "mute", alpha, align: "right" },
  ); // prettier-ignore
}

function frame(t: number, stage: Stage, before: Before): Frame {
  const { box, session } = stage;
  const made = empty();
  const work = workAt(t);
  const two = racers(session, work);
  leave(made, t, before);
  for (const racer of two) panel(made, box, session, racer, t);
  networks(made, t, stage, two);
  paths(made, box, work, two, span(t, 1, 1.6));
  const each = (of: (stop: Stop) => number) => two.map(({ stop }) => of(stop));
  made.facts = {
    work,
    steps: each((stop) => stop.steps),
    accuracy: each((stop) => stop.accuracy),
    cost: each((stop) => stop.cost),
  };
  return made;
}

/** The next scene begins without a network: the two stay with this one. */
function look({ box }: Stage): Look {
  return dimmed(panelLook(box), 0);
}

function describe(id: string, { data }: Session, { facts }: Frame): string | undefined {
  const [kind, at] = id.split(".");
  const side = NAMES.indexOf(kind);
  const of = (name: string, i: number) => (facts[name] as readonly number[])[i];
  if (kind === "digit") {
    const digit = data.unseen.find(({ index }) => index === Number(at));
    return digit && `A ${digit.label} that is never learnt from; where it is lit, it is read rightly.`;
  }
  if (kind === "accuracy") return `The ${NAMES[Number(at)]} network reads ${percent(of("accuracy", Number(at)))} of the unseen digits.`; // prettier-ignore
  if (side < 0) return undefined;
  return `The ${kind} network: after ${whole(of("steps", side))} steps, the cost of unseen digits is ${of("cost", side).toFixed(3)}.`;
}

export const scene: Scene = {
  id: "stochastic-gradient-descent",
  seconds: 14,
  look,
  frame,
  settled: 1.4,
  trains: (session) => [10, undefined, 100, 1].map((batch) => raceOf(session, batch)),
  describe,
  words: ({ choices }) => ({
    batch: choices.batch === 1 ? "digit" : String(choices.batch),
  }),
};
