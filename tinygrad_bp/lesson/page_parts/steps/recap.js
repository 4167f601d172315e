// The first three steps repeat what the lesson builds on; who knows it may go on to the fourth.

import { make } from "../dom.js";
import { superscript } from "../numbers.js";

const AFTER_RECAP = 4;

export function recap(ctx) {
  return make(
    "p",
    { class: "recap" },
    make(
      "button",
      { type: "button", onclick: () => ctx.set({ step: AFTER_RECAP }) },
      `Skip the recap: to step ${AFTER_RECAP}`,
    ),
  );
}

export function aboutSuperscripts() {
  const [l, squared] = [3, 2];
  return make(
    "p",
    { class: "note" },
    `A small raised number is the layer, not a power: a${superscript(l)} is the activations of ` +
      `layer ${l}. Only behind a bracket it is a power, as in (a − y)${superscript(squared)}.`,
  );
}
