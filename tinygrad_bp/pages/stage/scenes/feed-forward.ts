// 1. Light runs through the network; the brightest output is the answer.

import { layoutIn } from "../layout";
import { boxed, gauges } from "../parts/gauges";
import { lookOf, network } from "../parts/network";
import type { Scene } from "../scene";

const LEG = 1.43; // seconds from layer to layer
const START = 0.7;

export const scene: Scene = {
  id: "feed-forward",
  seconds: 7,
  look: ({ box }) => lookOf(layoutIn(box, "wide"), { trace: [0.5, 1, 1] }),
  draw(pen) {
    const { pass, answer } = pen.reading;
    const legs = [0, 1, 2].map((l) => pen.span(START + l * LEG, START + (l + 1) * LEG));
    network(pen, { rows: 28 * pen.span(0, 1), legs });
    gauges(pen, pass[3], pen.span(0.2, 0.6), pen.span(4.9, 5.3), pen.span(4.2, 4.9));
    boxed(pen, answer, pen.span(5.5, 5.9));
    const [, first, second, outputs] = pass.map((level) => Array.from(level));
    return { outputs, "layer 2": second, "layer 1": first, answer };
  },
  words: ({ now }) => ({ answer: now.answer === 8 ? "an 8" : `a ${now.answer}` }),
};
