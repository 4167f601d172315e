// The average of all nudges against what the mean cost really does when a parameter is wiggled.

import { fill, make, paragraph, table } from "../dom.js";
import { nameOf } from "../net.js";
import { count } from "../numbers.js";
import { meanNudges } from "../steps/averages.js";
import { alongGradient } from "../steps/descent.js";
import { rowsOf } from "../steps/rows.js";
import { precise, significant } from "../steps/significant.js";
import { formula, wish } from "../words.js";

const WIGGLE = 0.001;

export const aside = {
  id: "exactly",
  title: "Is the average the slope of the mean cost?",
  covers: ["S32", "K10"],

  render(content, ctx) {
    this.words = make("div", { class: "statements" });
    this.rows = make("div", { class: "part" });
    const n = count(ctx.data.digits.length);
    fill(
      content,
      paragraph(
        `The mean cost is the sum of ${n} costs, divided by ${n}. So its slope is the sum of ` +
          `${n} slopes, divided by ${n}. No need to believe it: change a parameter by ${WIGGLE} ` +
          "both ways, and compute the mean cost anew.",
      ),
      this.words,
      this.rows,
    );
  },

  update(ctx) {
    const rows = rowsOf(ctx).map((index) => compared(ctx, index));
    fill(this.words, statement(ctx, rows[0]));
    fill(this.rows, table(listing(ctx, rows)));
  },
};

const found = new WeakMap(); // by network: what wiggles gave, by parameter

function compared(ctx, index) {
  const { network, data } = ctx;
  if (!found.has(network)) found.set(network, new Map());
  const known = found.get(network);
  if (!known.has(index)) known.set(index, wiggled(network, data.digits, index));
  const [average, truly] = [meanNudges(ctx)[index], known.get(index)];
  return { name: nameOf(data.sizes, index), average, truly, apart: average - truly };
}

// Minus the slope of the mean cost, without any derivative.
function wiggled(network, digits, index) {
  const one = new Float64Array(network.parameters.length);
  one[index] = 1;
  const lowered = alongGradient(network, digits, one); // by as much as it is asked to
  return (lowered(WIGGLE).cost - lowered(-WIGGLE).cost) / (2 * WIGGLE);
}

function statement(ctx, { name, average, truly, apart }) {
  const [wanted, slope] = [wish("average nudge", average, null, 6), wish("−slope", truly, null, 6)];
  const difference = wish("difference", apart);
  return formula(ctx, {
    words: [
      `All ${count(ctx.data.digits.length)} digits want, on average, `,
      wanted,
      ` of ${name}. Minus the slope of the mean cost, by the wiggle, is `,
      slope,
      ". The difference is ",
      difference,
      ", which the wiggle's own length explains.",
    ],
    parts: [wanted, " − ( ", slope, " )"],
    result: difference,
  });
}

function listing(ctx, rows) {
  return {
    caption: `Averages of ${count(ctx.data.digits.length)} nudges against wiggles`,
    heads: ["parameter", "average nudge", "by wiggle", "difference"],
    rows: rows.map(({ name, average, truly, apart }) => [
      name,
      precise(average, 7, true),
      precise(truly, 7, true),
      apart === 0 ? "0" : significant(apart, 1),
    ]),
  };
}
