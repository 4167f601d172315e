// 1. Light runs through the network; the brightest output is the answer.

import { span } from "../clock";
import { empty, type Frame } from "../frame";
import { layoutIn } from "../layout";
import { boxed, gauges } from "../parts/gauges";
import { network, type Look } from "../parts/network";
import type { Scene, Stage } from "../scene";

const LEG = 1.43; // seconds from layer to layer
const START = 0.7;

function look({ box }: Stage): Look {
  return {
    layout: layoutIn(box, "wide"),
    picture: 1,
    idle: [1, 1],
    trace: [0.5, 1, 1],
    beads: [1, 1, 1],
    names: 1,
  };
}

function frame(t: number, stage: Stage): Frame {
  const { box, session } = stage;
  const reading = session.now;
  const made = empty();
  const leg = (l: number) => span(t, START + l * LEG, START + (l + 1) * LEG);
  const shown = look(stage);
  const rows = 28 * span(t, 0, 1);
  network(made, box, shown, reading, { rows, legs: [leg(0), leg(1), leg(2)] });
  const grown = span(t, 4.2, 4.9);
  const alpha = span(t, 0.2, 0.6);
  gauges(made, box, { layout: shown.layout, levels: reading.pass[3], alpha, grown, numbers: span(t, 4.9, 5.3) }); // prettier-ignore
  boxed(made, box, shown.layout, reading.answer, span(t, 5.5, 5.9));
  made.facts = {
    outputs: Array.from(reading.pass[3]),
    "layer 2": Array.from(reading.pass[2]),
    "layer 1": Array.from(reading.pass[1]),
    answer: reading.answer,
  };
  return made;
}

export const scene: Scene = {
  id: "feed-forward",
  seconds: 7,
  look,
  frame,
  words: ({ now }) => ({ answer: now.answer === 8 ? "an 8" : `a ${now.answer}` }),
};
