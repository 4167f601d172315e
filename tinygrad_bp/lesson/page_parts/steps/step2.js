// How wrong the ten outputs are: squared gaps, their sum, and the average over all digits.

import { aside as boxes } from "../asides/boxes.js";
import { aside as ranking } from "../asides/ranking.js";
import { namedBars } from "../charts/bars.js";
import { figure } from "../charts/frame.js";
import { lineChart } from "../charts/lines.js";
import { fill, make, slider, table } from "../dom.js";
import { bar, digitCanvas } from "../marks.js";
import { predict, wanted } from "../net.js";
import { count, number, percent, subscript, text } from "../numbers.js";
import { passing, whole } from "../state.js";
import { formula, term } from "../words.js";
import { player, STILL } from "./player.js";
import { recap } from "./recap.js";

const MOST = 1_000_000; // no page carries so many digits
const PLAY_MS = 12_000;
const play = player(PLAY_MS);

export const step = {
  id: "cost",
  number: 2,
  title: "The cost: how far off the outputs are",
  covers: ["S8", "S9", "S10", "W1", "W5"],
  fields: { averaged: whole(null, 1, MOST), adding: passing(false) }, // averaged: null for all
  keys: { " ": (ctx) => flip(ctx) },
  asides: [ranking, boxes],

  render(panel, ctx) {
    this.sum = make("div", { class: "part" });
    this.average = make("div", { class: "statements" });
    this.slider = slider(
      "Digits averaged",
      { min: 1, max: ctx.data.digits.length, step: 1 },
      (averaged) => ctx.set({ averaged, adding: false }),
    );
    this.play = make("button", { type: "button", onclick: () => flip(ctx) });
    this.newest = make("div", { class: "row newest" });
    this.chart = figure("The average as digits are added", (width) => chartOf(ctx, width));
    this.learning = figure("The average over all training digits, as a network learns", (width) =>
      learningOf(ctx, width),
    );
    fill(
      panel,
      this.sum,
      make(
        "div",
        { class: "part" },
        make("h3", {}, "The cost of the network"),
        this.average,
        make("div", { class: "controls-row" }, this.play, this.slider),
        this.newest,
        this.chart.element,
        this.learning.element,
      ),
      recap(ctx),
    );
  },

  update(ctx) {
    const { adding } = ctx.state;
    const n = averaged(ctx);
    fill(this.sum, sumOf(ctx), tableOf(ctx));
    fill(this.average, averageOf(ctx));
    fill(this.newest, newest(ctx, n));
    this.slider.show(n, count(n));
    this.chart.redraw();
    this.learning.redraw();
    this.play.textContent = adding ? "Pause" : "Play";
    this.play.hidden = STILL.matches; // the slider shows every moment without motion
    if (adding) play.start(n === ctx.data.digits.length ? 0 : n / ctx.data.digits.length, moved);
    else play.stop();

    function moved(share) {
      const reached = Math.max(1, Math.round(share * ctx.data.digits.length));
      ctx.set({ averaged: reached, adding: share < 1 });
    }
  },

  leave: () => play.stop(),

  picture(ctx) {
    const y = wanted(ctx.label);
    const notes = { 3: Array.from(ctx.pass.a[3], (a, j) => `${a.toFixed(2)} → ${y[j]}`) };
    return { notes, box: predict(ctx.pass.a[3]), target: ctx.label, pale: [1, 2], faint: true };
  },

  sentence(ctx) {
    return (
      `This ${ctx.label} costs ${text(ctx.pass.cost, 2)}: output ${ctx.label} should be 1, the ` +
      "others 0. " +
      `Averaged over all ${count(ctx.data.digits.length)} digits the network costs ` +
      `${text(mean(ctx), 2)}.`
    );
  },

  table: (ctx) => rowsOf(ctx),
};

function gaps({ pass, label }) {
  const y = wanted(label);
  return Array.from(pass.a[3], (a, j) => ({
    j,
    a,
    y: y[j],
    gap: a - y[j],
    square: (a - y[j]) ** 2,
  }));
}

function sumOf(ctx) {
  const squares = gaps(ctx).map(({ j, y, square }) =>
    term("y", `(a${subscript(j)} − ${y})²`, square, { neurons: [[3, j]] }),
  );
  const cost = term("C", "C₀", ctx.pass.cost, null, 5);
  return formula(ctx, {
    words: [
      "Take each gap between what came out and what was wanted, square it, and add the ten up: ",
      cost,
      " is the cost of this picture. A perfect answer would cost 0.",
    ],
    parts: squares.flatMap((square, j) => (j ? [" + ", square] : [square])),
    result: cost,
  });
}

function tableOf(ctx) {
  const { rows, ...rest } = rowsOf(ctx);
  const most = Math.max(...gaps(ctx).map(({ square }) => square));
  return table({
    ...rest,
    heads: [...rest.heads, ""],
    rows: [
      ...rows.map((row, j) => [...row, bar(gaps(ctx)[j].square, most)]),
      ["sum", "", "", "", number(ctx.pass.cost), ""],
    ],
    classes: [...rows.map(() => ""), "first"],
  });
}

function rowsOf(ctx) {
  return {
    caption: "Ten gaps",
    heads: ["output", "is", "wanted", "gap", "squared"],
    rows: gaps(ctx).map(({ j, a, y, gap, square }) => [
      String(j),
      number(a),
      String(y),
      number(gap),
      number(square),
    ]),
  };
}

// Where no motion is wanted there is the slider.
function flip(ctx) {
  if (!STILL.matches) ctx.set({ adding: !ctx.state.adding });
}

// The digit that was added last, and what it costs.
function newest(ctx, n) {
  const digit = ctx.data.digits[n - 1];
  const { cost } = ctx.all()[n - 1];
  return [
    digitCanvas(digit, { "aria-hidden": true }),
    make("span", {}, `Example ${digit.index}, a ${digit.label}, costs `, number(cost)),
  ];
}

function averaged({ state, data }) {
  return Math.min(state.averaged ?? data.digits.length, data.digits.length);
}

function mean(ctx, n = ctx.data.digits.length) {
  return (
    ctx
      .all()
      .slice(0, n)
      .reduce((sum, { cost }) => sum + cost, 0) / n
  );
}

function averageOf(ctx) {
  const n = averaged(ctx);
  const right = ctx.all().filter(({ predicted, label }) => predicted === label).length;
  const average = term("C", "C", mean(ctx, n), null, 4);
  const total = term("C", "Σ Cₖ", n * mean(ctx, n), null, 2);
  return [
    formula(ctx, {
      words: [
        `The average over the first ${count(n)} digits is `,
        average,
        ". This is what learning brings down, by turning weights and biases; the pictures stay " +
          "as they are.",
      ],
      parts: [total, ` / ${count(n)}`],
      result: average,
    }),
    make(
      "p",
      { class: "note" },
      `Of the ${count(ctx.data.digits.length)} digits on this page the network reads ` +
        `${percent(right / ctx.data.digits.length)} correctly.`,
    ),
  ];
}

function chartOf(ctx, width) {
  let sum = 0;
  const points = ctx.all().map(({ cost }, i) => [i + 1, (sum += cost) / (i + 1)]);
  const most = Math.max(...points.map(([, y]) => y));
  return lineChart({
    width,
    height: 190,
    label: step.sentence(ctx),
    x: { label: "digits averaged", domain: [0, points.length], format: count },
    y: { label: "average cost", domain: [0, most * 1.3], format: (t) => text(t, 1) },
    series: [{ name: "average cost", kind: "first", points }],
    rules: [{ x: averaged(ctx), label: text(mean(ctx, averaged(ctx)), 3) }],
  });
}

function learningOf({ data, network }, width) {
  const costs = data.networks.map(({ cost }) => cost);
  return namedBars({
    width,
    label:
      "The average cost over all training digits: " +
      data.networks.map(({ name, cost }) => `${name} ${text(cost, 3)}`).join(", "),
    rows: data.networks.map(({ id, name, cost }) => ({
      name,
      value: cost,
      text: text(cost, 3),
      kind: "quiet",
      marked: id === network.id,
    })),
    domain: [0, Math.max(...costs)],
    nameWidth: 92,
  });
}
