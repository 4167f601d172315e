// How much data: accuracy on new images against the number of images that the network learnt from.

import { aside as labels } from "../asides/labels.js";
import { aside as source } from "../asides/source.js";
import { fill, make, paragraph, slider } from "../dom.js";
import { figure } from "../charts/frame.js";
import { legend, lineChart } from "../charts/lines.js";
import { count, percent, signed } from "../numbers.js";
import { whole } from "../state.js";
import { formula, term } from "../words.js";

const TEST = { name: "new images, mean", kind: "first", mark: "circle" };
const SEEDS = {
  name: "new images, one start each",
  kind: "first hollow",
  mark: "circle",
  line: false,
  radius: 3.5,
};
const TRAIN = {
  name: "the images it learnt from, mean",
  kind: "second",
  mark: "square",
  dash: "6 4",
};

export const step = {
  id: "amount",
  number: 16,
  title: "How much data?",
  covers: ["S40", "S41", "S42", "G1"],
  asides: [labels, source],
  fields: { amount: whole(null, 0, 99) }, // place in the list of amounts; null: the last

  render(panel, ctx) {
    this.words = make("div", {});
    this.pick = slider(
      "Images to learn from",
      { min: 0, max: ctx.data.amount.n.length - 1, step: 1 },
      (amount) => ctx.set({ amount }),
    );
    const title = "Accuracy against the number of images";
    this.chart = figure(title, (width) => chartOf(ctx, width), legend([TEST, SEEDS, TRAIN]));
    panel.append(
      paragraph(apart(ctx)),
      make("div", { class: "part" }, this.pick, this.words, this.chart.element),
      make("div", { class: "part" }, remarks(ctx)),
    );
  },

  update(ctx) {
    const { n, test, train } = chosen(ctx);
    this.pick.show(place(ctx), count(n));
    fill(this.words, statement(ctx, mean(test), mean(train)));
    this.chart.redraw();
  },

  picture: () => null,

  sentence(ctx) {
    const { n, test, train } = chosen(ctx);
    return (
      `Having learnt from ${count(n)} images, the network reads ${percent(mean(test))} of new ` +
      "images correctly, " +
      `and ${percent(mean(train))} of those it learnt from.`
    );
  },

  table(ctx) {
    const seeds = ctx.data.amount.test[0].map((_, i) => `new, start ${i + 1}`);
    return {
      caption: "Accuracy against the number of images learnt from",
      heads: ["images", ...seeds, "new, mean", "learnt from, mean", "gap"],
      rows: amounts(ctx).map(({ n, test, train }) => [
        count(n),
        ...test.map((x) => percent(x)),
        percent(mean(test)),
        percent(mean(train)),
        percent(mean(train) - mean(test)),
      ]),
    };
  },
};

function amounts({ data: { amount } }) {
  return amount.n.map((n, i) => ({ n, test: amount.test[i], train: amount.train[i] }));
}

function place(ctx) {
  const last = ctx.data.amount.n.length - 1;
  return Math.min(ctx.state.amount ?? last, last);
}

function chosen(ctx) {
  return amounts(ctx)[place(ctx)];
}

function statement(ctx, test, train) {
  const right = term("y", "A(new)", test);
  const learnt = term("y", "A(learnt from)", train);
  const gap = term("d", "gap", train - test);
  return formula(ctx, {
    words: [
      "Read correctly: a share of ",
      right,
      " of new images, but ",
      learnt,
      " of those it learnt from. The gap, ",
      gap,
      ", is what it learnt by heart: over-fitting.",
    ],
    parts: [learnt, " − ", right],
    result: gap,
  });
}

// A network is examined on digits that it has never seen.
function apart({ data: { split } }) {
  const common = split.common === 0 ? "None" : count(split.common);
  return (
    `The digits are divided once: ${count(split.train)} to learn from, the training digits, and ` +
    `${count(split.test)} to be examined on, the test digits. ${common} of the test digits ` +
    `${split.common === 1 ? "is" : "are"} among the training digits. “New images” here are ` +
    "always test digits."
  );
}

function chartOf(ctx, width) {
  const rows = amounts(ctx);
  const all = rows.flatMap(({ test, train }) => [...test, ...train]);
  const least = Math.floor(10 * Math.min(...all)) / 10;
  const { n } = chosen(ctx);
  return lineChart({
    width,
    height: 300,
    label: step.sentence(ctx),
    x: {
      label: "images learnt from (ticks: times ten)",
      log: true,
      domain: [rows[0].n * 0.8, rows.at(-1).n * 1.25],
      format: count,
    },
    y: { label: "share read correctly", domain: [least, 1], format: (t) => percent(t, 0) },
    series: [
      { ...TRAIN, points: rows.map((row) => [row.n, mean(row.train)]) },
      { ...SEEDS, points: rows.flatMap((row) => row.test.map((x) => [row.n, x])) },
      { ...TEST, points: rows.map((row) => [row.n, mean(row.test)]) },
    ],
    rules: [{ x: n, label: count(n) }],
  });
}

function remarks(ctx) {
  const all = amounts(ctx);
  const gain = (from, to) =>
    `from ${count(from.n)} to ${count(to.n)} images accuracy changes by ` +
    `${signed(100 * (mean(to.test) - mean(from.test)), 1)} points`;
  return [
    paragraph(
      `At the lower end, ${gain(all[0], all[1])}; at the upper end, ` +
        `${gain(all.at(-2), all.at(-1))}. `,
      "Every image needs somebody to say which digit it is: getting enough good, labelled data " +
        "is often the hard part.",
    ),
    make(
      "p",
      { class: "note" },
      `${all[0].test.length} dots for each amount: as many random starts. Networks trained for ` +
        `this: ${ctx.data.texts.amount}. The digits of this page: ${ctx.data.source.text}.`,
    ),
  ];
}

function mean(values) {
  return values.reduce((sum, x) => sum + x, 0) / values.length;
}
