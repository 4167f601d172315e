// One output and the three ways to move it: its bias, its weights, the activations it is sent.

import { namedBars } from "../charts/bars.js";
import { figure } from "../charts/frame.js";
import { fill, make, slider, table } from "../dom.js";
import { sigmoid } from "../net.js";
import { brief, change, number, signed, subscript, text } from "../numbers.js";
import { real } from "../state.js";
import { formula, term, wish } from "../words.js";

const AVENUES = [
  { name: "db", symbol: "Δb", text: "Change the bias", kind: "b" },
  { name: "dw", symbol: "Δw", text: "Change the weight", kind: "w" },
  { name: "da", symbol: "Δa", text: "Another activation", kind: "a" },
];
const FIRST = 0.2;

export const step = {
  id: "avenues",
  number: 4,
  title: "Three ways to move one output",
  covers: ["S23", "W6", "W11", "K4"],
  fields: { db: real(FIRST, -1, 1), dw: real(FIRST, -1, 1), da: real(FIRST, -1, 1) },

  render(panel, ctx) {
    this.sum = make("div", {});
    this.sliders = AVENUES.map(({ name, text: label }) =>
      slider(label, { min: -1, max: 1, step: 0.01 }, (value) => ctx.set({ [name]: value })),
    );
    this.note = make("p", { class: "note" });
    this.effect = make("div", { class: "part" });
    this.bars = figure("What each does to the output", (width) => barsOf(ctx, width));
    this.comparison = make("div", { class: "part" });
    const none = make(
      "button",
      { type: "button", onclick: () => ctx.set({ db: 0, dw: 0, da: 0 }) },
      "Set all to 0",
    );
    const halve = make(
      "button",
      { type: "button", onclick: () => ctx.set(halved(ctx.state)) },
      "Halve all three",
    );
    fill(
      panel,
      this.sum,
      make(
        "div",
        { class: "part" },
        make("h3", {}, "Turn three knobs"),
        this.sliders,
        this.note,
        make("div", { class: "row" }, halve, none),
      ),
      this.bars.element,
      this.effect,
      this.comparison,
    );
  },

  update(ctx) {
    const here = situation(ctx);
    fill(this.sum, sumOf(ctx, here));
    for (const [i, { name, symbol }] of AVENUES.entries()) {
      this.sliders[i].show(ctx.state[name], `${symbol} ${brief(here[name])}`);
    }
    this.note.textContent =
      `Weight and activation: those of neuron ${here.k} in layer 2 (point at another to take ` +
      "it, Enter keeps it). " +
      "An activation cannot be set, only wished for; here is what would happen if it changed.";
    this.bars.redraw();
    fill(this.effect, effect(ctx, here));
    fill(this.comparison, comparison(here));
  },

  picture(ctx) {
    const { j, k } = situation(ctx);
    const n = ctx.data.sizes[2];
    const edges = Array.from({ length: n }, (_, i) => ({
      layer: 3,
      to: j,
      from: i,
      value: ctx.network.W[3][j * n + i],
    }));
    return {
      edges,
      faint: true,
      pale: [1],
      locked: [2],
      ring: [
        [3, j],
        [2, k],
      ],
      target: ctx.label,
    };
  },

  sentence(ctx) {
    const { j, first, real: truth } = situation(ctx);
    return (
      `Output ${j}: the three effects add up to ${signed(sumUp(first), 4)}; computed anew ` +
      `it changes by ${signed(truth, 4)}.`
    );
  },

  table(ctx) {
    const { j, a2, w } = situation(ctx);
    return {
      caption: `What output ${j} is made of: weights and activations of layer 2`,
      heads: ["neuron", "weight w", "activation a", "w · a"],
      rows: Array.from(a2, (a, k) => [String(k), change(w[k]), number(a), change(w[k] * a)]),
    };
  },
};

// Δb, Δw, Δa as far as an activation can change, their effects to first order, and the true change.
function situation(ctx, scale = 1) {
  const { network, pass, voter: j, state, look } = ctx;
  const a2 = pass.a[2];
  const w = network.W[3].subarray(j * a2.length, (j + 1) * a2.length);
  const k = look?.[0] === 2 ? look[1] : mostMovable(a2, w);
  const [z, a] = [pass.z[3][j], pass.a[3][j]];
  const slope = a * (1 - a);
  const [db, dw] = [scale * state.db, scale * state.dw];
  const da = scale * Math.min(Math.max(state.da, -a2[k]), 1 - a2[k]);
  const first = [slope * db, slope * a2[k] * dw, slope * w[k] * da];
  const truth = sigmoid(z + db + (w[k] + dw) * (a2[k] + da) - w[k] * a2[k]) - a;
  return {
    j,
    k,
    a2,
    w,
    z,
    a,
    slope,
    db,
    dw,
    da,
    first,
    real: truth,
    half: scale === 1 && situation(ctx, 0.5),
  };
}

// The neuron with a strong weight whose own activation is near neither end.
function mostMovable(a2, w) {
  const room = a2.map((a, k) => a * (1 - a) * Math.abs(w[k]));
  return room.indexOf(Math.max(...room));
}

function sumUp(values) {
  return values.reduce((sum, x) => sum + x, 0);
}

function halved({ db, dw, da }) {
  return { db: db / 2, dw: dw / 2, da: da / 2 };
}

function sumOf(ctx, { j, z, a }) {
  const bias = ctx.network.b[3][j];
  const mark = { neurons: [[3, j]] };
  const all = Array.from({ length: ctx.data.sizes[2] }, (_, k) => [3, j, k]);
  const sum = term("w", "w₀a₀ + w₁a₁ + … ", z - bias, { edges: all });
  const b = term("b", "b", bias, mark);
  const result = term("a", `a${subscript(j)}`, a, mark);
  return formula(ctx, {
    words: [
      `Output ${j} is `,
      result,
      ". It is made of what arrives, ",
      sum,
      ", and its bias, ",
      b,
      ". So there are three ways to move it: turn the bias, turn the weights, or have other " +
        "activations arrive.",
    ],
    parts: ["σ( ", sum, " + ", b, " )"],
    result,
  });
}

function effect(ctx, { j, k, a2, w, slope, db, dw, da, first }) {
  const s = term("d", "σ′", slope, { neurons: [[3, j]] });
  const of = (i, symbol, value) =>
    term(
      AVENUES[i].kind,
      symbol,
      value,
      i === 0 ? null : { edges: [[3, j, k]], neurons: [[2, k]] },
    );
  const d = { db: wish("Δb", db), dw: wish("Δw", dw), da: wish("Δa", da) };
  const result = wish(`Δa${subscript(j)}`, sumUp(first), { neurons: [[3, j]] }, 4);
  const parts = [
    s,
    " × ( ",
    d.db,
    " + ",
    of(2, `a${subscript(k)}`, a2[k]),
    " × ",
    d.dw,
    " + ",
    of(1, `w${subscript(k)}`, w[k]),
    " × ",
    d.da,
    " )",
  ];
  return formula(ctx, {
    words: [
      "The bias moves it by ",
      wish("σ′ Δb", first[0], null, 4),
      ", the weight by ",
      wish("σ′ a Δw", first[1], null, 4),
      ", the activation by ",
      wish("σ′ w Δa", first[2], null, 4),
      "; together ",
      result,
      ", as long as the changes are small.",
    ],
    parts,
    result,
  });
}

function barsOf(ctx, width) {
  const { first, real: truth } = situation(ctx);
  const rows = [
    ["by the bias", first[0]],
    ["by the weight", first[1]],
    ["by the activation", first[2]],
    ["added up", sumUp(first)],
    ["computed anew", truth],
  ];
  const values = rows.map(([, value]) => value);
  return namedBars({
    width,
    label: rows.map(([name, value]) => `${name} ${signed(value, 4)}`).join(", "),
    rows: rows.map(([name, value], i) => ({
      name,
      value,
      text: signed(value, 4),
      marked: i === rows.length - 1,
    })),
    domain: [Math.min(0, ...values), Math.max(0, ...values)],
    nameWidth: 116,
    textWidth: 60,
  });
}

function comparison(here) {
  const error = (s) => s.real - sumUp(s.first);
  const row = (name, s) => [
    name,
    change(sumUp(s.first), 5),
    change(s.real, 5),
    change(error(s), 5),
  ];
  const ratio = error(here) / error(here.half);
  return [
    table({
      caption: "Effects added up, and the network computed anew",
      heads: ["", "added up", "truly", "difference"],
      rows: [row("these changes", here), row("half of each", here.half)],
    }),
    Number.isFinite(ratio) &&
      make(
        "p",
        { class: "note" },
        `With half the changes the difference is ${text(ratio, 1)} times smaller. The smaller ` +
          `the changes, the nearer that is to 2 × 2 = ${2 * 2}: the difference shrinks with the ` +
          "square, so for small nudges adding up is as good as exact.",
      ),
  ].filter(Boolean);
}
