// The gradient gets shorter on the way, but a run does not end at the lowest point there is, and
// from another start it ends somewhere else.

import { choice, fill, make, paragraph, table } from "../dom.js";
import { figure } from "../charts/frame.js";
import { legend, lineChart } from "../charts/lines.js";
import { extent } from "../charts/scale.js";
import { count, number, text } from "../numbers.js";
import { oneOf } from "../state.js";
import { CAREFUL, STUMBLING } from "../steps/walks.js";

const SERIES = [STUMBLING, CAREFUL];

export const aside = {
  id: "minimum",
  title: "Towards a minimum, not to the lowest",
  covers: ["S39"],
  fields: { axis: oneOf("powers", "even") },

  render(content, ctx) {
    this.axis = choice(
      "Axis of the lengths",
      [
        ["powers", "Axis in powers of ten"],
        ["even", "Even axis"],
      ],
      (axis) => ctx.set({ axis }),
    );
    this.chart = figure(
      "How long the gradient of all examples is",
      (width) => normsOf(ctx, width),
      legend(SERIES),
    );
    fill(
      content,
      paragraph(...shorter(ctx)),
      make("div", { class: "row" }, this.axis),
      this.chart.element,
      make("div", { class: "part" }, table(networksTable(ctx))),
      paragraph(...elsewhere(ctx)),
      make("div", { class: "part" }, table(startsTable(ctx))),
    );
  },

  update(ctx) {
    this.axis.show(ctx.state.axis);
    this.chart.redraw();
  },
};

function shorter({ data: { walks } }) {
  const { stumbling, careful } = walks.norms;
  return [
    "Where the cost is lowest, or at the bottom of any dip, the ground is flat: the gradient is " +
      "all zeros. On these two walks its length falls from ",
    number(careful[0]),
    " to ",
    number(careful.at(-1)),
    " for the careful man and to ",
    number(stumbling.at(-1)),
    " for the stumbling one: towards a minimum, without arriving. Neither of them knows whether " +
      "a lower one lies elsewhere.",
  ];
}

function normsOf(ctx, width) {
  const { norms } = ctx.data.walks;
  const powers = ctx.state.axis === "powers";
  const [low, high] = extent(SERIES.flatMap(({ key }) => norms[key]));
  const told = SERIES.map(({ key }) => {
    const [first, last] = [norms[key][0], norms[key].at(-1)].map((length) => text(length));
    return `${key} from ${first} to ${last}`;
  });
  return lineChart({
    width,
    height: 260,
    label: `Length of the gradient: ${told.join("; ")}`,
    x: { label: "steps taken", domain: [0, norms.steps.at(-1)], format: count },
    y: {
      label: `length of the gradient${powers ? " (ticks: times ten)" : ""}`,
      log: powers,
      domain: powers ? [low * 0.8, high * 1.25] : [0, high],
      format: (t) => text(t, powers ? 2 : 1),
    },
    series: SERIES.map(({ key, kind, mark, dash }) => ({
      kind,
      mark,
      dash,
      radius: 3,
      points: norms.steps.map((step, i) => [step, norms[key][i]]),
    })),
  });
}

function networksTable({ data: { networks, cosine } }) {
  return {
    caption: `The networks of this page, on all ${count(cosine.n)} training digits`,
    heads: ["network", "cost", "length of the gradient"],
    rows: cosine.networks.map(({ network, norm }) => [
      networks[network].name,
      number(networks[network].cost),
      number(norm),
    ]),
  };
}

function elsewhere({ data: { amount } }) {
  const { cost, cosine } = amount.ends;
  const costs = cost.map((c) => text(c)).join(", ");
  return [
    `Trained from ${count(cost.length)} different starts, ${count(amount.steps)} steps each, ` +
      `networks end at nearly the same cost (${costs}), but at quite different places: the ` +
      "cosines between the lists of all their weights and biases are ",
    ...cosine.flatMap((c, i) => [i ? ", " : "", number(c)]),
    ". A cosine of 1 would be the same direction; two random directions have one near 0.",
  ];
}

function startsTable({ data: { amount } }) {
  const { cost, cosine, to_start: toStart } = amount.ends;
  const starts = cost.map((_, i) => i);
  const between = pairs(cost.length);
  const shared = (i, j) =>
    cosine[between.findIndex(([a, b]) => a === Math.min(i, j) && b === Math.max(i, j))];
  return {
    caption: "Cosines between the ends",
    heads: ["end of", ...starts.map((i) => `start ${i + 1}`), "its own start", "cost"],
    rows: starts.map((i) => [
      `start ${i + 1}`,
      ...starts.map((j) => number(i === j ? 1 : shared(i, j))),
      number(toStart[i]),
      number(cost[i]),
    ]),
  };
}

// In the order in which they were measured.
function pairs(n) {
  const all = [];
  for (let i = 0; i < n; i += 1) for (let j = i + 1; j < n; j += 1) all.push([i, j]);
  return all;
}
