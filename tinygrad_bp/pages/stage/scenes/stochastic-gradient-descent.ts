// 13. Two networks with one start look at digits at the same pace: one steps after every few, the
// other looks at all of them first.

import { blend, eased, span } from "../clock";
import type { Facts } from "../frame";
import type { Box } from "../layout";
import { percent, whole } from "../numbers";
import { flag, heights, hillIn, slope, staircase, walker } from "../parts/hill";
import { dimmed, dissolve } from "../parts/inset";
import { network, type Look } from "../parts/network";
import { band, half, wall } from "../parts/wall";
import type { Pen, Rect } from "../pen";
import { FLAG, halfTrained, raceOf, readingAt, WORK, type Stop } from "../run";
import { leave, teller, type Scene } from "../scene";
import { reading, type Session } from "../session";
import { insetLook, insetRect } from "./mini-batches";

const RUNS = [1.6, 13] as const; // seconds in which both work
const SPLIT = [0.4, 1.4] as const;
const NAMES = ["stumbling", "careful"];

type Racer = ReturnType<typeof racers>[number];

function racers(session: Session, work: number) {
  return [raceOf(session, session.choices.batch), raceOf(session)].map((run, i) => ({
    side: i as 0 | 1,
    run,
    stop: run.at(Math.floor(work / run.plan.legs[0].batch)),
  }));
}

function networkRect(box: Box, side: 0 | 1): Rect {
  const [x, y, w, h] = half(box, "head", side);
  const width = box.up ? 0.44 * w : 0.4 * w;
  return [x + w - width, y, width, h];
}

/** The networks: one gives way to a fresh one, and that becomes two. */
function networks(given: Pen, two: readonly Racer[]): void {
  const { box, session, frame } = given;
  const from = insetRect(box);
  if (given.t < SPLIT[0]) {
    const old = readingAt(session, halfTrained(session));
    const fresh = reading(session.data.start, session.digit);
    dissolve(given.within(from).with({ look: insetLook(box) }), old, fresh, given.span(0, SPLIT[0]));
  } else {
    const s = given.span(...SPLIT, eased.camera);
    for (const { side, stop } of [...two].reverse()) {
      const start = frame.marks.length;
      const seen = side === 0 ? 1 : given.span(SPLIT[0], SPLIT[0] + 0.3);
      const inset = given.within(blend(from, networkRect(box, side), s));
      network(inset.with({ look: dimmed(panelLook(box), seen), reading: readingAt(session, stop) }));
      // the second network has the same weights: no name may stand for two numbers
      if (side === 1) frame.marks.push(...frame.marks.splice(start).map((mark) => ({ ...mark, id: undefined })));
    }
  }
  frame.network = [0, 0];
}

function panelLook(box: Box): Look {
  return insetLook(box, box.up ? 2 : 3.2);
}

function panel(pen: Pen, { side, stop }: Racer): void {
  const alpha = pen.span(0.8, 1.3);
  const [x, y, , h] = half(pen.box, "head", side);
  const [large, size] = pen.up ? [30, 12] : [50, 15];
  const steps = stop.steps === 1 ? "1 step" : `${whole(stop.steps)} steps`;
  pen.text([x, y + size * 0.6], NAMES[side], { size, ink: "ink", alpha, weight: 600 });
  pen.figure([x, y + h * 0.53], percent(stop.accuracy), large, { id: `accuracy.${side}`, alpha });
  pen.text([x, y + h - size * 0.5], steps, { size: size * 0.92, alpha });
  wall(pen, side, stop.right, pen.span(0.9, 1.5));
}

function paths(pen: Pen, work: number, two: readonly Racer[]): void {
  const alpha = pen.span(1, 1.6);
  const [x, y, w, h] = band(pen.box, "foot");
  const right = x + w - 28;
  const hill = hillIn([x, y, w - 28, h - (pen.up ? 22 : 28)], WORK);
  heights(pen, hill, WORK, alpha);
  const [stumbling, careful] = two.map(({ run, stop }) => run.until(stop.steps));
  const line = slope(hill, stumbling, work);
  const stairs = staircase(hill, careful, work);
  pen.path(line, { id: "stumbling", width: 2.2, alpha, floor: hill.floor, fill: "hair" });
  pen.path(stairs, { id: "careful", width: 1.8, ink: "mute", alpha, dash: [5, 4] });
  const size = pen.up ? 11.5 : 13;
  const later = pen.span(2.4, 2.8);
  for (const [side, points] of [line, stairs].entries()) {
    const [end, top] = points[points.length - 1];
    pen.text([end - 10, top - (side ? 12 : 26)], NAMES[side], {
      size,
      ink: side ? "mute" : "ink",
      alpha: later,
      align: "right",
    });
  }
  walker(pen, stairs[stairs.length - 1], false, "mute", alpha);
  walker(pen, line[line.length - 1], true, "ink", alpha);
  const first = stumbling.find(({ accuracy }) => accuracy >= FLAG);
  if (first) flag(pen, hill.at(first.work, first.cost), percent(FLAG), alpha);
  pen.text([x, y - 8], "cost", { size, alpha });
  const below = hill.floor + (pen.up ? 12 : 16);
  pen.text([right, below], `${whole(work)} digits looked at by each`, { size, alpha, align: "right" });
}

function draw(pen: Pen): Facts {
  const work = Math.floor(WORK * span(pen.t, ...RUNS));
  const two = racers(pen.session, work);
  leave(pen);
  for (const racer of two) panel(pen, racer);
  networks(pen, two);
  paths(pen, work, two);
  const each = (of: (stop: Stop) => number) => two.map(({ stop }) => of(stop));
  return {
    work,
    steps: each((stop) => stop.steps),
    accuracy: each((stop) => stop.accuracy),
    cost: each((stop) => stop.cost),
  };
}

function of(facts: Facts, name: string, side: number): number {
  return (facts[name] as readonly number[])[side];
}

function pathSaid(side: number, facts: Facts): string {
  const after = `after ${whole(of(facts, "steps", side))} steps`;
  return `The ${NAMES[side]} network: ${after}, the cost of unseen digits is ${of(facts, "cost", side).toFixed(3)}.`;
}

export const scene: Scene = {
  id: "stochastic-gradient-descent",
  seconds: 14,
  /** The next scene begins without a network: the two stay with this one. */
  look: ({ box }) => dimmed(panelLook(box), 0),
  draw,
  settled: 1.4,
  trains: (session) => [10, undefined, 100, 1].map((batch) => raceOf(session, batch)),
  describe: teller({
    digit({ data }, [i]) {
      const digit = data.unseen.find(({ index }) => index === i);
      return digit && `A ${digit.label} that is never learnt from; where it is lit, it is read correctly.`;
    },
    accuracy: (_, [side], facts) =>
      `The ${NAMES[side]} network reads ${percent(of(facts, "accuracy", side))} of the unseen digits.`,
    stumbling: (_, __, facts) => pathSaid(0, facts),
    careful: (_, __, facts) => pathSaid(1, facts),
  }),
  words: ({ choices }) => ({
    batch: choices.batch === 1 ? "digit" : String(choices.batch),
  }),
};
