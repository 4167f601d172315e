// What the ten outputs should do: up for the digit that is there, down for the others.

import { figure } from "../charts/frame.js";
import { legend, lineChart } from "../charts/lines.js";
import { choice, fill, make, table } from "../dom.js";
import { signedBar } from "../marks.js";
import { backward, costOf, predict, wanted } from "../net.js";
import { brief, change, number, signed, subscript, text } from "../numbers.js";
import { oneOf, whole } from "../state.js";
import { formula, term, wish } from "../words.js";
import { recap } from "./recap.js";

const COSTS = [
  ["squares", "Sum of squares"],
  ["cross-entropy", "Cross-entropy"],
];
const LONGEST = 2; // no output is further than 1 from its target, and the wish is twice the gap
const WISHES = { name: "wish for the output", kind: "first", mark: "circle" };
const NUDGES = { name: "nudge on its bias", kind: "second", mark: "square", dash: "6 4" };
const RIVAL = 8; // the lesson compares the 2 with the 8

export const step = {
  id: "wishes",
  number: 3,
  title: "What do we want of the outputs?",
  covers: ["S19", "S20", "S21", "S22", "W5"],
  fields: { cost: oneOf("squares", "cross-entropy"), rival: whole(null, 0, 9) },

  render(panel, ctx) {
    this.costs = choice("Cost", COSTS, (cost) => ctx.set({ cost }));
    this.statement = make("div", {});
    this.listing = make("div", { class: "part short-bars" });
    this.pair = make("div", {});
    this.rivals = rivalPicker(ctx);
    this.bias = make("p", {});
    const below = legend([WISHES, NUDGES]);
    this.chart = figure("In proportion to the gap?", (width) => chartOf(ctx, width), below);
    fill(
      panel,
      this.statement,
      make("div", { class: "row" }, this.costs),
      this.listing,
      this.bias,
      this.chart.element,
      make(
        "div",
        { class: "part" },
        make("h3", {}, "Two wishes compared"),
        this.rivals.label,
        this.pair,
      ),
      recap(ctx),
    );
  },

  update(ctx) {
    this.costs.show(ctx.state.cost);
    fill(this.statement, statement(ctx));
    fill(this.listing, tableOf(ctx));
    this.bias.textContent = saturation(ctx);
    this.chart.redraw();
    this.rivals.select.value = rival(ctx);
    fill(this.pair, pair(ctx));
  },

  picture(ctx) {
    const wishes = rows(ctx).map((row) => row.wish);
    const longest = ctx.state.cost === "squares" ? LONGEST : undefined;
    return {
      arrows: { 3: wishes },
      longest: { 3: longest },
      notes: { 3: wishes.map(brief) },
      target: ctx.label,
      ring: [[3, ctx.voter]],
      box: predict(ctx.pass.a[3]),
      pale: [1, 2],
      faint: true,
      locked: [3],
    };
  },

  sentence(ctx) {
    const { a, y, wish: w } = rows(ctx)[ctx.voter];
    const largest = largestWish(ctx);
    return (
      `Output ${ctx.voter} is ${text(a, 2)}, wanted ${y}; its wish is ${signed(w, 2)}. ` +
      `The largest wish is that of output ${largest.j}, ${signed(largest.wish, 2)}.`
    );
  },

  table(ctx) {
    return {
      caption: "Wishes (−∂C/∂a) and nudges on the biases (−∂C/∂b)",
      heads: ["output", "activation", "wanted", "wish", "nudge on the bias"],
      rows: rows(ctx).map(({ j, a, y, wish: w, nudge }) => [
        String(j),
        number(a),
        String(y),
        change(w, 4),
        change(nudge, 4),
      ]),
    };
  },
};

function rows({ network, pass, label, state }) {
  const y = wanted(label);
  const { delta, grad } = backward(network, pass, label, state.cost);
  return Array.from(pass.a[3], (a, j) => ({
    j,
    a,
    y: y[j],
    wish: -grad[3][j],
    nudge: -delta[3][j],
  }));
}

function largestWish(ctx) {
  return rows(ctx).reduce((most, row) => (Math.abs(row.wish) > Math.abs(most.wish) ? row : most));
}

function statement(ctx) {
  const j = ctx.voter;
  const { a, y, wish: w } = rows(ctx)[j];
  const mark = { neurons: [[3, j]] };
  const [activation, target] = [
    term("a", `a${subscript(j)}`, a, mark),
    term("y", `y${subscript(j)}`, y, null, 0),
  ];
  const result = wish(`wish${subscript(j)}`, w, mark);
  if (ctx.state.cost === "squares") {
    return formula(ctx, {
      words: [
        "Output ",
        `${j}`,
        " is ",
        activation,
        " and should be ",
        target,
        `. It wishes to go ${w > 0 ? "up" : "down"}, by twice that gap: `,
        result,
        ". The 2 comes from the square, whose slope is 2 × gap.",
      ],
      parts: ["2 × ( ", target, " − ", activation, " )"],
      result,
    });
  }
  return formula(ctx, {
    words: [
      "Output ",
      `${j}`,
      " is ",
      activation,
      " and should be ",
      target,
      ". Cross-entropy makes the wish larger the surer the network is of something wrong: ",
      result,
      ".",
    ],
    parts: ["( ", target, " − ", activation, " ) / ( ", activation, " × (1 − ", activation, ") )"],
    result,
  });
}

function tableOf(ctx) {
  const all = rows(ctx);
  const [wishes, nudges] = ["wish", "nudge"].map((name) =>
    Math.max(...all.map((row) => Math.abs(row[name]))),
  );
  return table({
    caption: `Cost of this picture: ${text(costOf(ctx.pass, ctx.label, ctx.state.cost), 4)}`,
    heads: ["output", "is", "wanted", "wish", "", "nudge on bias", ""],
    rows: all.map(({ j, a, y, wish: w, nudge }) => [
      String(j),
      number(a),
      String(y),
      change(w),
      signedBar(w, wishes),
      change(nudge),
      signedBar(nudge, nudges),
    ]),
    classes: all.map(({ j }) => (j === ctx.voter ? "first" : "")),
  });
}

function saturation(ctx) {
  if (ctx.state.cost === "cross-entropy") {
    return (
      "With cross-entropy the nudge on a bias is exactly the gap: however sure a neuron is, it " +
      "listens. The wishes for the outputs themselves have no bound, so the chart leaves them out."
    );
  }
  const { j, a, wish: w, nudge } = largestWish(ctx);
  return (
    "An output cannot be set; only weights and biases can. On its way to the bias a wish is " +
    "multiplied by " +
    "σ′(z) = a (1 − a), which is small where a neuron is nearly 0 or 1. " +
    `Output ${j}, at ${text(a, 4)}, has the largest wish, ${signed(w)}, but its bias is nudged ` +
    `by only ${signed(nudge, 4)}. ` +
    "Now try cross-entropy."
  );
}

// With squares the wishes lie on a line, with cross-entropy the nudges on the biases do.
function chartOf(ctx, width) {
  const all = rows(ctx).sort((s, t) => s.y - s.a - (t.y - t.a));
  const squares = ctx.state.cost === "squares";
  const most = squares ? LONGEST : 1; // wishes by cross-entropy have no bound
  const series = [
    { ...WISHES, points: squares ? all.map((row) => [row.y - row.a, row.wish]) : [] },
    { ...NUDGES, points: all.map((row) => [row.y - row.a, row.nudge]) },
  ];
  return lineChart({
    width,
    height: 230,
    label: squares
      ? "Wishes lie on a line of slope 2"
      : "Nudges on biases lie on a line of slope 1",
    x: { label: "gap: wanted − is", domain: [-1, 1], format: (t) => text(t, 1) },
    y: { label: "−∂C/∂a, −∂C/∂b", domain: [-most, most], format: (t) => text(t, 1) },
    series: series.filter(({ points }) => points.length > 0),
  });
}

function rival(ctx) {
  return ctx.state.rival ?? (ctx.voter === RIVAL ? RIVAL - 1 : RIVAL);
}

function rivalPicker(ctx) {
  const options = Array.from({ length: 10 }, (_, j) => make("option", { value: j }, `output ${j}`));
  const select = make(
    "select",
    { onchange: () => ctx.set({ rival: Number(select.value) }) },
    options,
  );
  return { select, label: make("label", { class: "row" }, "Compare with ", select) };
}

function pair(ctx) {
  const [mine, other] = [rows(ctx)[ctx.voter], rows(ctx)[rival(ctx)]];
  const wishOf = ({ j, wish: w }) => wish(`wish${subscript(j)}`, w, { neurons: [[3, j]] });
  const ratio = term("d", "ratio", Math.abs(mine.wish / other.wish), null, 2);
  return formula(ctx, {
    words: [
      `Output ${mine.j} wishes for `,
      wishOf(mine),
      `, output ${other.j} for `,
      wishOf(other),
      ": the one matters ",
      ratio,
      " times as much as the other. What is nearly right already need hardly move.",
    ],
    parts: ["| ", wishOf(mine), " / ", wishOf(other), " |"],
    result: ratio,
  });
}
