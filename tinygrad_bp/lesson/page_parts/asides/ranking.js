// Four answers for one label, to be put in order before their costs are shown.

import { fill, make, table } from "../dom.js";
import { bar, lamp } from "../marks.js";
import { costOf, wanted } from "../net.js";
import { number, text } from "../numbers.js";
import { answered, LETTERS, orderField, orderQuiz } from "./order.js";

const HALF_SURE = 0.6;
const AWAY = 4; // from the label to the digit that the wrong answer names

export const aside = {
  id: "ranking",
  title: "Which answer costs most?",
  covers: ["G5"],
  fields: { costliest: orderField() },

  render(content, ctx) {
    this.answers = make("div", { class: "part" });
    this.quiz = orderQuiz("Press the four in order, the costliest first.", (costliest) =>
      ctx.set({ costliest }),
    );
    this.costs = make("div", { class: "part" });
    fill(content, this.answers, this.quiz, this.costs);
  },

  update(ctx) {
    const four = answers(ctx.label);
    const { costliest } = ctx.state;
    const costs = four.map((a) => costOf({ a: [a], z: [] }, ctx.label));
    fill(this.answers, answersTable(ctx.label, four));
    this.quiz.show(costliest, costs);
    fill(this.costs, answered(costliest) ? costsTable(ctx.label, four, costs) : null);
  },
};

// Half sure, right, dark, and sure of another digit.
function answers(label) {
  const right = wanted(label);
  const other = (label + AWAY) % right.length;
  return [right.map((y) => HALF_SURE * y), right, right.map(() => 0), wanted(other)];
}

function answersTable(label, four) {
  const y = wanted(label);
  return table({
    caption: `Four answers to a picture of a ${label}`,
    heads: ["output", "wanted", ...LETTERS],
    rows: Array.from(y, (target, j) => [
      String(j),
      String(target),
      ...four.map((a) => [lamp(a[j]), ` ${a[j].toFixed(1)}`]),
    ]),
    classes: Array.from(y, (target) => (target ? "first" : "")),
  });
}

function costsTable(label, four, costs) {
  const y = wanted(label);
  const most = Math.max(...costs);
  const squares = (a) =>
    Array.from(a, (x, j) => (x === y[j] ? "" : `(${text(x, 1)} − ${y[j]})²`)).filter(Boolean);
  return table({
    caption: "What they cost: the squared gaps, added up",
    heads: ["answer", "gaps", "cost", ""],
    rows: LETTERS.map((letter, i) => [
      letter,
      squares(four[i]).join(" + ") || "none",
      number(costs[i], 2),
      bar(costs[i], most),
    ]),
  });
}
