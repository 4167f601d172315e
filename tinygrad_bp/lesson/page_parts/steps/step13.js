// The averages of all parameters together are minus the gradient. Times lr they are a step.

import { aside as budget } from "../asides/budget.js";
import { aside as proportions } from "../asides/proportions.js";
import { aside as single } from "../asides/single.js";
import { aside as steepest } from "../asides/steepest.js";
import { aside as valley } from "../asides/valley.js";
import { fill, make, paragraph, slider, table } from "../dom.js";
import { namedBars, sortedBars } from "../charts/bars.js";
import { figure } from "../charts/frame.js";
import { lineChart } from "../charts/lines.js";
import { nameOf } from "../net.js";
import { count, percent, text } from "../numbers.js";
import { passing, real } from "../state.js";
import { formula, term, wish } from "../words.js";
import { parameterPicker } from "./picker.js";
import { powerOfTen, precise, significant } from "./significant.js";
import { bySize, costAfter, now, take, walkOf } from "./downhill.js";

const RATES = { low: -2, high: 2, step: 0.05 }; // powers of ten of lr
const CURVE_POINTS = 33;
const CURVE_PIECE = 6;
const KNOBS = 10; // parameters that are named
const SMALLEST = -8; // power of ten below which nudges are counted together

export const step = {
  id: "collapse",
  number: 13,
  title: "All averages together: a step downhill",
  covers: ["S8", "S10", "S11", "S12", "S25", "S38", "W2", "W15", "K1"],
  // taken: says that the walk has changed; the walks themselves are kept by network.
  fields: { lr: real(1.5, 10 ** RATES.low, 10 ** RATES.high), taken: passing(null) },
  asides: [valley, steepest, budget, single, proportions],

  render(panel, ctx) {
    this.rate = slider(
      "Learning rate lr",
      { min: RATES.low, max: RATES.high, step: RATES.step },
      (power) => ctx.set({ lr: Number((10 ** power).toPrecision(2)) }),
    );
    this.words = make("div", { class: "statements" });
    this.vector = make("div", { class: "part" });
    this.line = figure("The mean cost after this step, for every lr", (width) =>
      lineOf(ctx, width),
    );
    this.history = figure("The mean cost, step by step", (width) => historyOf(ctx, width));
    this.pick = parameterPicker(ctx.data.sizes, (parameter) => ctx.set({ parameter }));
    this.rank = slider(
      "You are here",
      { min: 1, max: ctx.network.parameters.length, step: 1 },
      (rank) => ctx.set({ parameter: now(ctx).order[rank - 1] }),
    );
    this.sorted = figure("", (width) => sortedOf(ctx, width));
    this.knobs = figure("", (width) => knobsOf(ctx, width));
    this.counts = make("div", { class: "part" });
    this.buttons = buttonsOf(this, ctx);
    fill(
      panel,
      make("div", { class: "controls-row" }, this.rate, this.buttons.element),
      this.words,
      make("div", { class: "side-by-side" }, this.line.element, this.history.element),
      make(
        "div",
        { class: "side-by-side" },
        this.vector,
        make(
          "div",
          { class: "part" },
          this.pick,
          this.rank,
          paragraph(
            "A direction among so many dimensions cannot be pictured. Read it as a list " +
              "instead: the signs say which " +
              "way each weight and bias should go, the sizes say which of them matter most.",
          ),
        ),
      ),
      this.sorted.element,
      make("div", { class: "side-by-side" }, this.knobs.element, this.counts),
    );
  },

  update(ctx) {
    const { lr } = ctx.state;
    this.rate.show(Math.log10(lr), significant(lr, 2));
    this.pick.show(here(ctx));
    const rank = now(ctx).rank[here(ctx)] + 1;
    this.rank.show(rank, count(rank));
    this.buttons.show(walkOf(ctx).length - 1);
    const { nudges, squared } = now(ctx);
    this.sorted.caption.textContent =
      `Minus the gradient: all ${count(nudges.length)} nudges, from the most upward to the most ` +
      `downward; ${count(zerosOf(nudges))} are exactly 0`;
    const share = bestOf(ctx).reduce((sum, i) => sum + nudges[i] ** 2, 0) / squared;
    this.knobs.caption.textContent =
      `The ${KNOBS} best knobs, and their share of the gradient's squared length: together ` +
      percent(share);
    fill(this.words, statements(ctx));
    fill(this.vector, vectorTable(ctx));
    fill(this.counts, table(countsOf(ctx)));
    for (const drawing of [this.line, this.history, this.sorted, this.knobs]) drawing.redraw();
  },

  ahead: (ctx) => walkOf(ctx),
  picture: () => null,

  sentence(ctx) {
    const { cost } = now(ctx);
    const after = costAfter(ctx, ctx.state.lr).cost;
    const done = walkOf(ctx).length - 1;
    const taken = done ? ` ${done} ${done === 1 ? "step has" : "steps have"} been taken.` : "";
    return (
      `A step with lr ${significant(ctx.state.lr, 2)} takes the mean cost of the ` +
      `${count(ctx.data.digits.length)} digits from ${text(cost, 4)} to ` +
      `${text(after, 4)}.${taken}`
    );
  },

  table(ctx) {
    return [vectorNumbers(ctx), countsOf(ctx), curveTable(ctx), historyTable(ctx)];
  },
};

// The parameter that is spoken of: the chosen one, else the largest nudge.
function here(ctx) {
  const { order, nudges } = now(ctx);
  const { parameter } = ctx.state;
  if (parameter !== null && parameter < nudges.length) return parameter;
  const [up, down] = [order[0], order.at(-1)];
  return Math.abs(nudges[up]) >= Math.abs(nudges[down]) ? up : down;
}

function buttonsOf(view, ctx) {
  const button = (name, kind, onclick) =>
    make("button", { type: "button", class: kind, onclick }, name);
  const changed = () => ctx.set({ taken: {} }); // whatever it was, it is another now
  const back = (places) => {
    const walk = walkOf(ctx);
    if (walk.length === 1) return;
    walk.length = Math.max(walk.length - places, 1);
    changed();
  };
  const apply = button("Take the step", "primary", () => {
    take(ctx);
    changed();
  });
  const undo = button("Undo", "", () => back(1));
  const restart = button("Back to the start", "", () => back(Infinity));
  const show = (done) =>
    [undo, restart].forEach((one) => one.setAttribute("aria-disabled", done === 0));
  return { element: make("div", { class: "row" }, apply, undo, restart), show };
}

// --- what is said --------------------------------------------------------------------------------

function statements(ctx) {
  const { nudges, cost, squared, correct } = now(ctx);
  const index = here(ctx);
  const name = nameOf(ctx.data.sizes, index);
  const lr = term("w", "lr", ctx.state.lr, null, 2);
  const nudge = wish(`−∂C/∂${name}`, nudges[index], null, 5);
  const move = wish(`step of ${name}`, ctx.state.lr * nudges[index], null, 5);
  const before = term("C", "C", cost, null, 4);
  const length = term("d", "‖∇C‖²", squared, null, 5);
  const straight = term("C", "C − lr‖∇C‖²", cost - ctx.state.lr * squared, null, 4);
  const { cost: after, correct: right } = costAfter(ctx, ctx.state.lr);
  return [
    formula(ctx, {
      words: [
        `The average nudge on ${name} is `,
        nudge,
        "; times the learning rate ",
        lr,
        " it is a step of ",
        move,
        ". Every other parameter moves by its own nudge times the same rate.",
      ],
      parts: [lr, " × ", nudge],
      result: move,
    }),
    formula(ctx, {
      words: [
        "The mean cost is ",
        before,
        ". If the slope stayed as it is here, ",
        length,
        " for each unit of lr, the step would take it to ",
        straight,
        ". It takes it to ",
        term("C", "C after the step", after, null, 4),
        `: ${verdict(cost, after)}.`,
      ],
      parts: [before, " − ", lr, " × ", length],
      result: straight,
    }),
    make(
      "p",
      { class: "note" },
      `After the step the cost is ${text(after, 4)}. Of the ${count(ctx.data.digits.length)} ` +
        `digits ${percent(correct)} are read correctly before it, ${percent(right)} after it.`,
    ),
  ];
}

function verdict(before, after) {
  return after < before ? "downhill" : "uphill, the step is too long";
}

function listed(ctx) {
  const { nudges } = now(ctx);
  const index = here(ctx);
  return [...new Set([0, 1, 2, index, nudges.length - 1])].sort((i, j) => i - j);
}

function vectorNumbers(ctx) {
  const { nudges } = now(ctx);
  return {
    caption: `The whole list, times lr = ${significant(ctx.state.lr, 2)}`,
    heads: ["parameter", "average nudge, −∇C", "step, −lr ∇C"],
    rows: listed(ctx).map((i) => [
      nameOf(ctx.data.sizes, i),
      precise(nudges[i], 4, true),
      precise(ctx.state.lr * nudges[i], 4, true),
    ]),
  };
}

// As on a blackboard: a column in brackets, times lr, is another column.
function vectorTable(ctx) {
  const { nudges } = now(ctx);
  const rows = [];
  let last = -1;
  for (const index of listed(ctx)) {
    if (index > last + 1) rows.push(["⋮", "⋮", "⋮"]);
    rows.push([
      nameOf(ctx.data.sizes, index),
      precise(nudges[index], 4, true),
      precise(ctx.state.lr * nudges[index], 4, true),
    ]);
    last = index;
  }
  const column = (k, head) =>
    make(
      "div",
      { class: "vector" },
      make("div", { class: "note" }, head),
      make(
        "ol",
        { class: k ? "bracketed" : "" },
        rows.map((row) => make("li", {}, row[k])),
      ),
    );
  return make(
    "div",
    { class: "vectors" },
    column(0, "parameter"),
    column(1, "average nudge"),
    make("div", { class: "times" }, `× ${significant(ctx.state.lr, 2)} =`),
    column(2, "step"),
  );
}

function zerosOf(nudges) {
  return nudges.filter((nudge) => nudge === 0).length;
}

// How many nudges lie in each power of ten; together they are all of them.
function countsOf(ctx) {
  const { nudges } = now(ctx);
  const groups = new Map();
  for (const nudge of nudges) {
    if (nudge === 0) continue;
    const power = Math.max(Math.floor(Math.log10(Math.abs(nudge))), SMALLEST - 1);
    const [up, down] = groups.get(power) ?? [0, 0];
    groups.set(power, nudge > 0 ? [up + 1, down] : [up, down + 1]);
  }
  const name = (power) =>
    power < SMALLEST
      ? `below ${powerOfTen(SMALLEST)}`
      : `${powerOfTen(power)} to ${powerOfTen(power + 1)}`;
  const rows = [...groups].sort(([a], [b]) => b - a);
  return {
    caption: "How large the nudges are",
    heads: ["size", "should go up (+)", "should go down (−)"],
    rows: [
      ...rows.map(([power, [up, down]]) => [name(power), count(up), count(down)]),
      ["exactly 0", count(zerosOf(nudges)), ""],
      ["together", count(nudges.length), ""],
    ],
  };
}

// --- drawings ------------------------------------------------------------------------------------

function rates() {
  const powers = Array.from(
    { length: CURVE_POINTS },
    (_, i) => RATES.low + ((RATES.high - RATES.low) * i) / (CURVE_POINTS - 1),
  );
  return powers.map((power) => 10 ** power);
}

function curveOf(ctx) {
  return curveUpTo(ctx, CURVE_POINTS);
}

function curveUpTo(ctx, many) {
  const place = now(ctx);
  place.curve ??= [];
  for (const lr of rates().slice(place.curve.length, many)) {
    place.curve.push([lr, costAfter(ctx, lr).cost]);
  }
  return place.curve;
}

// The curve takes longer than all else: it is computed when the click has been answered, a piece
// at a time, and drawn when it is whole.
function curveSoon(ctx, place) {
  setTimeout(() => {
    if (place !== now(ctx)) return;
    const { length } = curveUpTo(ctx, (place.curve?.length ?? 0) + CURVE_PIECE);
    if (length < CURVE_POINTS) curveSoon(ctx, place);
    else step.line.redraw();
  });
}

function lineOf(ctx, width) {
  const place = now(ctx);
  if (!place.curve) requestAnimationFrame(() => curveSoon(ctx, place));
  const points = place.curve?.length === CURVE_POINTS ? place.curve : [];
  const { cost } = now(ctx);
  const after = costAfter(ctx, ctx.state.lr).cost;
  const most = Math.max(cost, ...points.map(([, y]) => y));
  return lineChart({
    width,
    height: 250,
    label: step.sentence(ctx),
    x: {
      label: "lr",
      log: true,
      domain: [10 ** RATES.low, 10 ** RATES.high],
      format: (t) => significant(t, 1),
    },
    y: {
      label: "mean cost after the step",
      domain: [0, most * 1.05],
      format: (t) => significant(t, 2),
    },
    series: [
      { kind: "first", points },
      { kind: "first", mark: "circle", radius: 6, line: false, points: [[ctx.state.lr, after]] },
    ],
    rules: [{ y: cost, label: `cost now: ${text(cost, 4)}` }],
  });
}

function curveTable(ctx) {
  return {
    caption: "Mean cost after one step, for some learning rates",
    heads: ["lr", "cost after"],
    rows: curveOf(ctx)
      .filter((_, i) => i % 4 === 0)
      .map(([lr, cost]) => [significant(lr, 2), precise(cost, 5)]),
  };
}

function historyOf(ctx, width) {
  const points = walkOf(ctx).map(({ cost }, i) => [i, cost]);
  return lineChart({
    width,
    height: 250,
    label: `The mean cost after each of ${points.length - 1} steps`,
    x: {
      label: "steps taken with “Take the step”",
      domain: [0, Math.max(points.length - 1, 5)],
      format: (t) => (Number.isInteger(t) ? count(t) : ""),
    },
    y: {
      label: "mean cost",
      domain: [0, Math.max(...points.map(([, y]) => y)) * 1.05],
      format: (t) => significant(t, 2),
    },
    series: [{ kind: "second", mark: "square", points }],
  });
}

function historyTable(ctx) {
  return {
    caption: "The walk so far",
    heads: ["steps", "mean cost", "read correctly", "length of the gradient"],
    rows: walkOf(ctx).map(({ cost, correct, squared }, i) => [
      count(i),
      precise(cost, 6),
      percent(correct),
      precise(Math.sqrt(squared), 4),
    ]),
  };
}

function sortedOf(ctx, width) {
  const { nudges, order, rank } = now(ctx);
  const values = Float64Array.from(order, (index) => nudges[index]);
  const index = here(ctx);
  const most = Math.max(values[0], -values.at(-1)) * 1.4; // with room for the pointer
  const name = nameOf(ctx.data.sizes, index);
  const rankText = `you are here: ${name}, ${count(rank[index] + 1)} of ${count(nudges.length)}`;
  return sortedBars({
    width,
    label: "All nudges in order, see the table of sizes",
    x: { label: "place in the order", domain: [0, nudges.length], format: count },
    y: { label: "nudge", domain: [-most, most], format: (t) => significant(t, 2) },
    values,
    here: { index: rank[index], value: nudges[index], text: width < 480 ? name : rankText },
  });
}

function bestOf(ctx) {
  return [...bySize(ctx).subarray(0, KNOBS)];
}

function knobsOf(ctx, width) {
  const { nudges, squared } = now(ctx);
  const best = bestOf(ctx);
  const values = best.map((i) => nudges[i]);
  const domain = [Math.min(...values, 0), Math.max(...values, 0)];
  const rows = best.map((i) => ({
    name: nameOf(ctx.data.sizes, i),
    value: nudges[i],
    text:
      `${nudges[i] > 0 ? "+" : ""}${significant(nudges[i], 3)} · ` +
      `${percent(nudges[i] ** 2 / squared)}`,
  }));
  return namedBars({
    width,
    label: "The largest nudges",
    rows,
    domain,
    nameWidth: 84,
    textWidth: 110,
  });
}
