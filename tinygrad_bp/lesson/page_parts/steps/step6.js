// The second way: the weights. Those from bright neurons count, those from dark ones hardly.

import { aside as knobs } from "../asides/knobs.js";
import { choice, fill, make, press, table, toggle } from "../dom.js";
import { bar, lamp, signedBar } from "../marks.js";
import { change, number, percent, signed, subscript, text } from "../numbers.js";
import { oneOf } from "../state.js";
import { formula, term, wish } from "../words.js";

const SORTS = [
  ["neuron", "By number"],
  ["brightness", "By brightness"],
  ["nudge", "By nudge"],
];
const BRIGHTEST = 4;
const DIMMEST = 5;

export const step = {
  id: "weights",
  number: 6,
  title: "The weights: follow the light",
  covers: ["S23", "S24", "S25", "S26", "W8", "W9", "K15"],
  fields: { sort: oneOf("brightness", "neuron", "nudge"), hebb: oneOf("off", "on") },
  asides: [knobs],

  render(panel, ctx) {
    this.product = make("div", {});
    this.sorts = choice("Sort", SORTS, (sort) => ctx.set({ sort }));
    this.listing = make("div", { class: "part" });
    this.hebb = toggle("Fire together, wire together", () => ctx.set(overlay(ctx)));
    this.together = make("p", {});
    fill(
      panel,
      this.product,
      make("div", { class: "row" }, this.sorts, this.hebb),
      this.together,
      this.listing,
    );
  },

  update(ctx) {
    fill(this.product, productOf(ctx));
    this.sorts.show(ctx.state.sort);
    press(this.hebb, ctx.state.hebb === "on");
    this.together.textContent = ctx.state.hebb === "on" ? together(ctx) : proportion(ctx);
    fill(this.listing, tableOf(ctx));
  },

  picture(ctx) {
    const hebb = ctx.state.hebb === "on";
    const all = nudges(ctx);
    const bright = brightest(ctx);
    const shown = hebb ? bright.filter(({ nudge }) => nudge > 0) : all;
    const dim = new Set(dimmest(ctx).map(({ k }) => k));
    return {
      edges: shown.map(({ k, nudge }) => ({
        layer: 3,
        to: ctx.voter,
        from: k,
        value: nudge,
        sign: dim.has(k) ? 0 : Math.sign(nudge), // dotted
      })),
      faint: true,
      pale: [1],
      target: ctx.label,
      ring: [[3, ctx.voter], ...bright.map(({ k }) => [2, k])],
    };
  },

  sentence(ctx) {
    const [first] = brightest(ctx);
    const last = nudges(ctx).reduce((least, row) => (row.a < least.a ? row : least));
    return (
      `Output ${ctx.voter}: the weight from the brightest neuron, ${first.k} at ` +
      `${text(first.a, 2)}, is nudged by ${signed(first.nudge)}; ` +
      `that from the dimmest, ${last.k}, by ${signed(last.nudge)}.`
    );
  },

  table(ctx) {
    return {
      caption: `Weights into output ${ctx.voter}: nudge = −∂C/∂w = nudge on z × activation`,
      heads: ["from neuron", "activation", "weight", "nudge", "nudge / activation"],
      rows: sorted(ctx).map(({ k, a, w, nudge }) => [
        String(k),
        number(a),
        change(w),
        change(nudge, 4),
        change(nudge / a, 4),
      ]),
    };
  },
};

function nudges({ network, pass, voter: j }) {
  const n = pass.a[2].length;
  return Array.from(pass.a[2], (a, k) => ({
    k,
    a,
    w: network.W[3][j * n + k],
    nudge: -pass.delta[3][j] * a,
  }));
}

function sorted(ctx) {
  const by = {
    neuron: (row) => row.k,
    brightness: (row) => -row.a,
    nudge: (row) => -Math.abs(row.nudge),
  }[ctx.state.sort];
  return nudges(ctx).sort((s, t) => by(s) - by(t));
}

function byBrightness(ctx) {
  return nudges(ctx).sort((s, t) => t.a - s.a);
}

function brightest(ctx) {
  return byBrightness(ctx).slice(0, BRIGHTEST);
}

function dimmest(ctx) {
  return byBrightness(ctx).slice(-DIMMEST);
}

// The overlay is about the neuron of the digit that is seen.
function overlay({ state, label }) {
  return state.hebb === "on" ? { hebb: "off" } : { hebb: "on", voter: label };
}

function productOf(ctx) {
  const j = ctx.voter;
  const k = ctx.look?.[0] === 2 ? ctx.look[1] : brightest(ctx)[0].k;
  const mark = { neurons: [[3, j]] };
  const push = wish(`nudge on z${subscript(j)}`, -ctx.pass.delta[3][j], mark, 4);
  const gap = wish(`2(y${subscript(j)} − a${subscript(j)})`, -ctx.pass.grad[3][j], mark, 4);
  const output = ctx.pass.a[3][j];
  const slope = term("z", `σ′(z${subscript(j)})`, output * (1 - output), mark, 4);
  const a = term("a", `a${subscript(k)}`, ctx.pass.a[2][k], { neurons: [[2, k]] }, 4);
  const result = wish(
    `nudge on w${subscript(j)},${subscript(k)}`,
    -ctx.pass.delta[3][j] * ctx.pass.a[2][k],
    { edges: [[3, j, k]] },
    4,
  );
  return formula(ctx, {
    words: [
      `A weight is multiplied by the activation it carries, so neuron ${k} at `,
      a,
      " makes its weight count that much. Output ",
      `${j}`,
      " wants its sum z to change with ",
      push,
      "; the nudge on the weight between them is ",
      result,
      ".",
    ],
    parts: [gap, " × ", slope, " × ", a],
    result,
  });
}

function proportion(ctx) {
  const sum = (rows) => rows.reduce((total, { a }) => total + a, 0);
  const share = (rows) => percent(sum(rows) / sum(nudges(ctx)), 0);
  return (
    "Sort by brightness, then by nudge: the order stays the same. For one output all its " +
    "nudges are its activations times one number, " +
    `here ${signed(-ctx.pass.delta[3][ctx.voter], 4)}. So the ${BRIGHTEST} brightest neurons, ` +
    `ringed, get ${share(brightest(ctx))} of all the nudging, and the ${DIMMEST} dimmest, ` +
    `dotted, ${share(dimmest(ctx))}: a dark neuron's weight hardly matters, for this picture.`
  );
}

function together(ctx) {
  const all = brightest(ctx);
  const names = all.map(({ k }) => k).join(", ");
  const grow = all.every(({ nudge }) => nudge > 0);
  return (
    `Neurons ${names} are the most active while the network looks at this ${ctx.label}; output ` +
    `${ctx.voter} is the one that should be. ` +
    (grow
      ? "Their connections are those that grow most. "
      : "That output is not wanted here, so these connections shrink. ") +
    "It recalls an old idea about brains, but it is only an analogy: here the label says who " +
    "ought to be active, and weights also shrink."
  );
}

function tableOf(ctx) {
  const most = Math.max(...nudges(ctx).map(({ nudge }) => Math.abs(nudge)));
  const bright = new Set(brightest(ctx).map(({ k }) => k));
  return table({
    caption: `The ${ctx.pass.a[2].length} weights into output ${ctx.voter}`,
    heads: ["from neuron", "activation", "", "nudge on its weight", ""],
    rows: sorted(ctx).map(({ k, a, nudge }) => [
      [lamp(a), ` ${k}`],
      number(a),
      bar(a, 1),
      change(nudge, 4),
      signedBar(nudge, most),
    ]),
    classes: sorted(ctx).map(({ k }) => (bright.has(k) ? "first" : "")),
  });
}
