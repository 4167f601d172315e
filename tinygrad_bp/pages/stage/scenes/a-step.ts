// 11. One step on the average of all digits, slowly; then again and again, and the network reads.

import { span } from "../clock";
import { nameOf } from "../engine";
import { inkOf, type Facts } from "../frame";
import { between, layoutIn, type Point } from "../layout";
import { percent, short, signed, whole } from "../numbers";
import { boxed, gauges, post } from "../parts/gauges";
import { dissolve } from "../parts/inset";
import { edgesInto, lookOf, pixelAt } from "../parts/network";
import { largestOf } from "../parts/nudges";
import type { Pen } from "../pen";
import { halfTrained, lapsed, lapseOf, readingAt, STEPS, type Stop } from "../run";
import { leave, teller, type Scene } from "../scene";
import type { Session } from "../session";

const LANDS = [2, 4] as const; // seconds in which the step is taken
const AGAIN = [5, 10] as const;
const PIXELS = 12; // of the weights from the picture, so many into each neuron are shown

/** How many steps have been taken: parts of the first one count, too. */
function stepsAt(t: number): number {
  return t < AGAIN[0] ? span(t, ...LANDS) : lapsed(span(t, ...AGAIN));
}

/** What the first step changes in every weight. */
function change(session: Session): Float64Array {
  return session.once("first step", () => {
    const [before, after] = [0, 1].map((steps) => lapseOf(session).at(steps).net.vector);
    return after.map((p, i) => p - before[i]);
  });
}

/** Weights of the first layer that change most, so many for each neuron. */
function most(session: Session): number[] {
  return session.once("first step's pixels", () => {
    const step = change(session);
    const [n, neurons] = session.data.sizes;
    return Array.from({ length: neurons }, (_, j) => j).flatMap((j) =>
      Array.from({ length: n }, (_, k) => j * n + k)
        .sort((a, b) => Math.abs(step[b]) - Math.abs(step[a]))
        .slice(0, PIXELS),
    );
  });
}

/** What is still to be taken of the step, on its edges: it comes from behind. */
function landing(pen: Pen): void {
  const left = 1 - stepsAt(pen.t);
  if (left <= 0 || pen.t < 0.6) return;
  const step = change(pen.session);
  const [n] = pen.session.data.sizes;
  const edge = (index: number) => ({
    index,
    from: pixelAt(pen, index % n),
    to: pen.neuron(1, Math.floor(index / n)),
  });
  const layers = [most(pen.session).map(edge), edgesInto(pen, 2), edgesInto(pen, 3)];
  const largest = largestOf(layers.flat().map(({ index }) => step[index]));
  layers.forEach((edges, l) => {
    const opens = 0.7 + 0.35 * (2 - l);
    const s = pen.span(opens, opens + 0.5);
    for (const { index, from, to } of s === 0 ? [] : edges) {
      const size = (Math.abs(step[index]) / largest) * left;
      if (size < 0.02) continue;
      const alpha = Math.min(0.95, 0.25 + size) * Math.min(1, 5 * left);
      const look = { id: `step.${index}`, width: 0.5 + 6 * size, ink: inkOf(step[index]), alpha };
      pen.line(to, between(to, from, s), look);
    }
  });
}

/** Accuracy in large letters, and how the cost went. */
function figures(pen: Pen, stop: Stop, alpha: number): void {
  accuracy(pen, stop, alpha);
  const { width, height } = pen.box;
  const [left, top, w, h] = pen.up ? [0.03 * width, 0.84 * height, 0.27 * width, 0.075 * height] : [29, 52, 196, 84];
  const floor = top + h;
  const stops = lapseOf(pen.session).until(stop.steps);
  const at = ({ steps, cost }: Stop): Point => [
    left + w * (steps <= 1 ? 0.06 * steps : 0.06 + 0.94 * Math.sqrt((steps - 1) / STEPS)),
    top + h * (1 - cost / stops[0].cost),
  ];
  pen.line([left, floor], [left + w, floor], { ink: "hair", alpha });
  pen.path(stops.map(at), { id: "cost", width: 1.8, alpha, floor, fill: "hair" });
  pen.disc(at(stop), 3.5, { alpha });
  const title = { size: pen.up ? 12.5 : 15, ink: "ink", alpha, weight: 600 } as const;
  const of = pen.up ? "cost" : "cost on unseen digits";
  pen.text([left, pen.up ? floor + 16 : top - 22], `${of} ${stop.cost.toFixed(2)}`, title);
}

function accuracy(pen: Pen, { steps, accuracy }: Stop, alpha: number): void {
  const { width, height } = pen.box;
  const [x, y] = pen.up ? [0.97 * width, 0.885 * height] : [29, 0.845 * height];
  const [large, size] = pen.up ? [34, 11.5] : [54, 14];
  const align = pen.up ? "right" : "left";
  const after = steps === 1 ? "after a step" : `${whole(steps - 1)} steps later`;
  const done = steps === 0 ? "before the step" : steps < 1 ? "on the way" : after;
  pen.text([x, y - large * 0.8], done, { size, alpha, align });
  pen.figure([x, y], percent(accuracy), large, { id: "accuracy", alpha, align });
  const of = pen.up ? "of unseen digits" : "of unseen digits read correctly";
  pen.text([x, y + large * 0.78], of, { size, alpha, align });
}

function draw(pen: Pen): Facts {
  const { session, t } = pen;
  const stop = lapseOf(session).at(stepsAt(t));
  const reading = t < LANDS[0] ? session.now : readingAt(session, stop);
  const outputs = Array.from(reading.pass[3]);
  landing(pen);
  dissolve(pen, readingAt(session, halfTrained(session)), reading, pen.span(0, 0.6));
  leave(pen);
  const alpha = pen.span(0.4, 0.8);
  gauges(pen, outputs, alpha, alpha);
  const ticked = pen.span(LANDS[0], LANDS[0] + 0.3) * (1 - pen.span(9.6, 10));
  const long = pen.up ? 16 : 20;
  outputs.forEach((_, j) => {
    post(pen, j, session.now.pass[3][j], 1, long, { id: `before.${j}`, ink: "mute", alpha: ticked });
  });
  boxed(pen, reading.answer, pen.span(0.7, 1));
  figures(pen, stop, alpha);
  const { steps, work, accuracy, cost } = stop;
  return { steps, work, accuracy, cost, outputs, answer: reading.answer };
}

export const scene: Scene = {
  id: "a-step",
  seconds: 11,
  look: ({ box }) => lookOf(layoutIn(box, "wide")),
  draw,
  settled: 0.9,
  describe: teller({
    step(session, [i]) {
      return `The first step changes ${nameOf(session.data.sizes, i)} by ${signed(change(session)[i])}.`;
    },
    before: ({ now }, [j]) => `Before, output ${j} was ${short(now.pass[3][j])}.`,
  }),
};
