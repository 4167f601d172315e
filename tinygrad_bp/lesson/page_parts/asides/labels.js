// What is learned when a share of the labels is wrong.

import { choice, fill, make, paragraph, table } from "../dom.js";
import { namedBars } from "../charts/bars.js";
import { figure } from "../charts/frame.js";
import { count, number, percent, text } from "../numbers.js";
import { whole } from "../state.js";

const MOST_SHARES = 99;

export const aside = {
  id: "labels",
  title: "When labels are wrong",
  covers: ["S42"],
  fields: { wrong: whole(0, 0, MOST_SHARES) }, // place in the list of shares

  render(content, ctx) {
    const { labels } = ctx.data.limits;
    this.pick = choice(
      "Labels drawn at random",
      labels.share.map((share, i) => [i, share === 0 ? "none" : percent(share, 0)]),
      (wrong) => ctx.set({ wrong: Number(wrong) }),
    );
    this.told = make("p", {});
    this.cost = figure("Cost of the training digits, with the labels it was given", (width) =>
      bars(ctx, width, "cost"),
    );
    this.right = figure("Test digits read correctly, by their true labels", (width) =>
      bars(ctx, width, "accuracy"),
    );
    fill(
      content,
      make("div", { class: "row" }, this.pick),
      this.told,
      make("div", { class: "side-by-side" }, this.cost.element, this.right.element),
      make("div", { class: "part" }, table(labelsTable(ctx))),
      paragraph(...best(ctx)),
    );
  },

  update(ctx) {
    this.pick.show(place(ctx));
    fill(this.told, told(ctx));
    this.cost.redraw();
    this.right.redraw();
  },
};

function place({ data, state }) {
  return Math.min(state.wrong, data.limits.labels.share.length - 1);
}

function told(ctx) {
  const { labels, scrambled } = ctx.data.limits;
  const i = place(ctx);
  const what = {
    0: "With the labels as they are",
    1: "With all labels shuffled, so that they say nothing about the picture",
  }[labels.share[i]] ?? `With ${percent(labels.share[i], 0)} of the labels replaced by any digit`;
  return [
    `${what}, the cost after ${count(scrambled.epochs)} epochs is `,
    number(labels.cost[i]),
    `, and the network reads ${percent(labels.accuracy[i])} of the test digits correctly.`,
  ];
}

function bars(ctx, width, key) {
  const { labels } = ctx.data.limits;
  const write = (x) => (key === "cost" ? text(x) : percent(x));
  const rows = labels.share.map((share, i) => ({
    name: percent(share, 0),
    value: labels[key][i],
    text: write(labels[key][i]),
    kind: i === place(ctx) ? "said" : "quiet",
    marked: i === place(ctx),
  }));
  const told = rows.map(({ name, text: written }) => `${name}: ${written}`).join("; ");
  return namedBars({ width, label: told, rows, domain: [0, 1], nameWidth: 56, textWidth: 64 });
}

function labelsTable({ data: { limits } }) {
  const { share, cost, accuracy } = limits.labels;
  return {
    caption: `After ${count(limits.scrambled.epochs)} epochs`,
    heads: ["labels drawn at random", "cost, with these labels", "test digits read correctly"],
    rows: share.map((part, i) => [percent(part, 0), number(cost[i]), percent(accuracy[i])]),
  };
}

// Where labels say nothing, every output does best to answer the share of its digit.
function best({ data: { sizes } }) {
  const outputs = sizes.at(-1);
  const share = 1 / outputs;
  return [
    "Where labels say nothing, the best that ten outputs can do is always to answer ",
    number(share, 1),
    `, the share of each digit. That costs ${outputs} × ${share} × ${1 - share} = `,
    number(outputs * share * (1 - share), 1),
    ". A few wrong labels do less harm than one might fear: what one example asks wrongly, many " +
      "others outvote.",
  ];
}
