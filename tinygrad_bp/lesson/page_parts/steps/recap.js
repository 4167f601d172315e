// The first three steps repeat what the lesson builds on; who knows it may go on to the fourth.

import { make } from "../dom.js";

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
