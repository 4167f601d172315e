// One neuron in each layer: the chain rule as a product of a few numbers.

import { choice, fill, make, paragraph, table } from "../dom.js";
import { figure } from "../charts/frame.js";
import { numberLines } from "../charts/numberlines.js";
import { sigmoid } from "../net.js";
import { change, number, percent, signed, text } from "../numbers.js";
import { oneOf, real } from "../state.js";
import { precise } from "../steps/significant.js";
import { formula, term } from "../words.js";
import { factorsOf, rippled, situation, slopeOf, symbol, wayFrom } from "./factors.js";
import { treeDrawing } from "./tree.js";

const REACH = 10; // how far the last weight can be moved, either way
const STEP = 0.05;
const FLAT = 0.02; // a slope of σ below this lets hardly anything through
const VARIABLES = ["w3", "b3", "a2", "w2", "b2", "w1", "b1"];
const NUDGES = ["1", "0.1", "0.01", "0.001"];
const LESSONS = { chainBy: 0, sent: null, aim: null };

export const aside = {
  id: "chain",
  title: "One neuron in each layer: the chain rule in three factors",
  covers: ["K2", "K3", "K4", "K5", "K6", "K7", "K8", "K9", "K11", "K12", "K13", "K18"],
  fields: {
    chainTo: oneOf(...VARIABLES),
    chainBy: real(0, -REACH, REACH),
    sent: real(null, 0, 1), // null: what the neuron before sends
    aim: real(null, 0, 1), // null: the lesson's
    tiny: oneOf("0.01", ...NUDGES),
  },

  render(panel, ctx) {
    this.variables = choice(
      "Slope of C by",
      VARIABLES.map((name) => [name, symbol(name)]),
      (chainTo) => ctx.set({ chainTo }),
    );
    this.tree = figure("What depends on what", (width) => {
      return treeDrawing(situation(ctx), ctx.state.chainTo, width);
    });
    this.factors = make("ol", { class: "factors" });
    this.product = make("div", {});
    this.lines = numberLines("Drag what is marked, and see the others move", moves(ctx));
    this.verdict = make("p", { "aria-live": "polite" });
    this.nudges = choice(
      "Nudge of the last weight",
      NUDGES.map((nudge) => [nudge, nudge]),
      (tiny) => ctx.set({ tiny }),
    );
    this.ripple = make("div", { class: "part" });
    this.all = make("div", { class: "part" });
    fill(
      panel,
      paragraph(intro(ctx)),
      this.tree.element,
      row("Slope of C by", this.variables),
      this.factors,
      this.product,
      this.lines.element,
      buttons(ctx),
      this.verdict,
      make("h3", {}, "A nudge, followed to the cost"),
      row("Nudge of the last weight", this.nudges),
      this.ripple,
      make("h3", {}, "All slopes of the chain"),
      this.all,
      make("h3", {}, "Not only for networks"),
      beyond(),
    );
  },

  update(ctx) {
    const here = situation(ctx);
    const factors = factorsOf(here, ctx.state.chainTo);
    this.variables.show(ctx.state.chainTo);
    this.nudges.show(ctx.state.tiny);
    this.tree.redraw();
    fill(this.factors, factors.map(chip));
    fill(this.product, productOf(ctx, factors));
    this.lines.show(linesOf(ctx, here));
    this.verdict.textContent = verdict(here);
    fill(this.ripple, rippleOf(here, Number(ctx.state.tiny)));
    fill(this.all, slopesOf(here));
  },
};

// --- words and numbers ---------------------------------------------------------------------------

function intro({ data }) {
  const n = data.chain.w.length;
  return (
    `With only one neuron in each layer no sums are left: ${n} weights, ${n} biases, one input ` +
    "and one output. Each z is w times the activation before, plus b; each a is σ of its z; the " +
    "cost C is the squared gap between the last a and y. The small raised numbers count layers, " +
    "they are not powers."
  );
}

function chip({ name, symbol: of, value, says }) {
  return make(
    "li",
    {},
    make("span", { class: "of" }, `${name} = ${of}`),
    precise(value, 4),
    make("span", { class: "says" }, says),
  );
}

function productOf(ctx, factors) {
  const variable = ctx.state.chainTo;
  const name = symbol(variable);
  const value = factors.reduce((product, factor) => product * factor.value, 1);
  const result = term("d", `∂C/∂${name}`, value, null, 5);
  const terms = factors.map(slopeTerm);
  const way = wayFrom(variable);
  const words = terms.flatMap((one, i) => [
    `${i ? "; then " : ""}${symbol(way[i + 1])} moves `,
    one,
    ` times as far as ${symbol(way[i])}`,
  ]);
  return formula(ctx, {
    words: [`Nudge ${name}: `, ...words, ". So C moves ", result, ` times as far as ${name}.`],
    parts: terms.flatMap((one, i) => (i ? [" × ", one] : [one])),
    result,
  });
}

const KINDS = { w: "w", a: "a", σ: "z", 2: "C", 1: "b", 0: "d" };

function slopeTerm({ symbol: of, value }) {
  return term(KINDS[of[0]], of, value, null, 4);
}

function verdict(here) {
  const steepest = text(sigmoid(0) * (1 - sigmoid(0)), 2);
  const slope = here.a3 * (1 - here.a3);
  if (here.a2 === 0)
    return (
      `The sender is dark: whatever ${symbol("w3")} is, ${symbol("z3")} stays the same. The ` +
      `slope by ${symbol("w3")} is exactly 0.`
    );
  if (here.a3 === here.y)
    return "The output is what is wanted. There is nothing to gain: every slope is exactly 0.";
  if (slope < FLAT)
    return (
      `${symbol("z3")} is so far out that σ is nearly flat there: a slope of ${text(slope, 4)}, ` +
      `where ${steepest} would be the steepest. All slopes of the chain are small for that.`
    );
  return (
    `A weight matters more the brighter its sender is, and the farther the output is from what ` +
    `is wanted. The middle factor is never more than ${steepest}.` +
    (here.held ? ` ${symbol("a2")} is held by hand now, so nothing before it matters.` : "")
  );
}

// --- number lines --------------------------------------------------------------------------------

function moves(ctx) {
  const move = (name, min, max, step) => ({
    min,
    max,
    step,
    oninput: (value) => ctx.set({ [name]: value }),
  });
  return [
    move("chainBy", -REACH, REACH, STEP),
    move("sent", 0, 1, 0.01),
    null,
    null,
    move("aim", 0, 1, 0.01),
    null,
  ];
}

// Where a dot was is where the lesson's numbers put it.
function linesOf(ctx, here) {
  const before = situation({ data: ctx.data, state: LESSONS });
  const sums = [-1, 1].map((side) => before.w3 + side * REACH + before.b3);
  const line = (name, from, to, more = {}) => ({
    name: symbol(name),
    from,
    to,
    start: before[name],
    at: here[name],
    ...more,
  });
  const weight = { kind: "second", value: here.w3 - before.w3, name: `${symbol("w3")}, drag it` };
  const sender = { value: here.a2, name: `${symbol("a2")}, the sender; drag it to hold it` };
  return [
    line("w3", before.w3 - REACH, before.w3 + REACH, weight),
    line("a2", 0, 1, sender),
    line("z3", ...sums, { kind: "third", shape: "square" }),
    line("a3", 0, 1, { shape: "square" }),
    line("y", 0, 1, { shape: "diamond", value: here.y, name: "y, what is wanted; drag it" }),
    line("C", 0, 1, { kind: "cost", shape: "square" }),
  ];
}

function buttons(ctx) {
  const button = (name, changes) =>
    make("button", { type: "button", onclick: () => ctx.set(changes()) }, name);
  return make(
    "div",
    { class: "row" },
    button("Dark sender", () => ({ sent: 0 })),
    button("Perfect output", () => ({ aim: situation(ctx).a3 })),
    button("σ far out", () => ({ chainBy: REACH })),
    button("The lesson's numbers", () => LESSONS),
  );
}

function row(text_, control) {
  return make("div", { class: "controls-row" }, make("span", {}, text_), control);
}

// --- a nudge -------------------------------------------------------------------------------------

function rippleOf(here, nudge) {
  const way = wayFrom("w3");
  const factors = factorsOf(here, "w3");
  const moved = rippled(here, nudge);
  const rows = way.map((name, i) => {
    const changed = [`Δ${symbol(name)}`, precise(moved[i], 3, true)];
    if (i === 0) return [...changed, "", "", ""];
    const ratio = quotientName(name, way[i - 1]);
    const slope = precise(factors[i - 1].value, 4);
    return [...changed, ratio, quotient(moved[i], moved[i - 1]), slope];
  });
  const [whole, limit] = [moved[3] / nudge, slopeOf(here, "w3")];
  rows.push(["product", "", quotientName("C", "w3"), precise(whole, 4), precise(limit, 4)]);
  return [
    table({
      caption: `What a nudge of ${symbol("w3")} by ${nudge} does`,
      heads: ["", "moved by", "", "ratio", "slope there"],
      rows,
      classes: ["", "", "", "", "first"],
    }),
    paragraph(telescope(here, nudge, limit)),
  ];
}

function quotientName(above, below) {
  return make("span", { class: "together" }, `Δ${symbol(above)}/Δ${symbol(below)}`);
}

function quotient(above, below) {
  return below === 0 ? make("span", { class: "none" }, "0 / 0") : precise(above / below, 4);
}

function telescope(here, nudge, limit) {
  const exact =
    "The three ratios multiply to the last one exactly, however large the nudge: what stands " +
    "above the line in one stands below it in the next, and cancels. ";
  if (limit === 0) return `${exact}Here the slope is exactly 0.`;
  const off = (by) => Math.abs(rippled(here, by)[3] / by / limit - 1);
  return (
    `${exact}They are not quite the slopes: their product is off by ${percent(off(nudge), 3)}, ` +
    `and with a nudge ten times smaller by ${percent(off(nudge / 10), 3)}. The slope is what is ` +
    "left when the nudge goes to 0."
  );
}

function slopesOf(here) {
  return [
    table({
      caption: "One list, the gradient of this chain",
      heads: ["neuron", "a before", "∂C/∂w", "∂C/∂b", "∂C/∂a"],
      rows: [1, 2, 3].map((l) => [
        String(l),
        number(here[`a${l - 1}`], 4),
        ...["w", "b", "a"].map((kind) => change(slopeOf(here, `${kind}${l}`), 5)),
      ]),
    }),
    paragraph(
      "In each row ∂C/∂w is ∂C/∂b times the activation before: for a bias the first factor is " +
        "1. Further back the products only get longer: " +
        `${factorsOf(here, "w2").length} factors for ${symbol("w2")}, ` +
        `${factorsOf(here, "w1").length} for ${symbol("w1")}: ` +
        `${productText(factorsOf(here, "w1"))} = ${signed(slopeOf(here, "w1"), 5)}.`,
    ),
  ];
}

function productText(factors) {
  return factors
    .map(({ value }) => (value < 0 ? `(${text(value)})` : text(value)))
    .join(" × ");
}

function beyond() {
  const code = (name) => make("code", {}, name);
  return [
    paragraph(
      "Whatever is computed step by step can be taken apart like this: the slope of the end by " +
        "any beginning is a product of slopes along the way, and where ways part and meet again " +
        "their products are added. In Python ",
      code("bp.explain(loss)"),
      " walks backward through the graph of any computation of yours, edge by edge; ",
      code("tinygrad-bp explain"),
      " does so for a script.",
    ),
    paragraph(
      "To read on: Nielsen, Neural Networks and Deep Learning, chapter 2. Olah, Calculus on " +
        "Computational Graphs: Backpropagation, and Neural Networks, Manifolds, and Topology. " +
        "Goodfellow, Bengio and Courville, Deep Learning. Welch Labs, Neural Networks Demystified.",
    ),
  ];
}
