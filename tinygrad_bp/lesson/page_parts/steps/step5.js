// The first way: the bias. Its effect on the weighted sum is the same for every picture.

import { aside as squeeze } from "../asides/squeeze.js";
import { figure } from "../charts/frame.js";
import { lineChart } from "../charts/lines.js";
import { fill, make, press, toggle } from "../dom.js";
import { brief, change, number, signed, subscript, text } from "../numbers.js";
import { whole } from "../state.js";
import { formula, term, wish } from "../words.js";

const RIGHT = 2;
const NUDGE = 0.1;
const ANSWERS = [
  "that depends on how bright the neurons before it are",
  `it rises by ${NUDGE}, whatever the picture`,
  `it rises by ${NUDGE} times the slope of σ`,
];

export const step = {
  id: "bias",
  number: 5,
  title: "The bias: a plain, steady effect",
  covers: ["S20", "W7", "K11"],
  fields: { answer: whole(null, 1, ANSWERS.length) },
  asides: [squeeze],

  render(panel, ctx) {
    this.product = make("div", { class: "statements" });
    this.chart = figure("The weighted sum z against the bias b", (width) => chartOf(ctx, width));
    this.question = make("p", {});
    this.answers = ANSWERS.map((words, i) => toggle(words, () => ctx.set({ answer: i + 1 })));
    this.verdict = make("p", { role: "status" });
    fill(
      panel,
      this.product,
      this.chart.element,
      make(
        "div",
        { class: "part quiz" },
        make("h3", {}, "Question"),
        this.question,
        make("div", { class: "answers" }, this.answers),
        this.verdict,
      ),
    );
  },

  update(ctx) {
    fill(this.product, productOf(ctx), unlikeAWeight(ctx));
    this.chart.redraw();
    this.question.textContent =
      `The bias of output ${ctx.voter} is raised by ${NUDGE}. What ` +
      "happens to its weighted sum z?";
    for (const [i, button] of this.answers.entries()) press(button, ctx.state.answer === i + 1);
    this.verdict.textContent = ctx.state.answer === null ? "" : verdict(ctx);
  },

  picture(ctx) {
    const nudges = Array.from(ctx.pass.delta[3], (d) => -d);
    return {
      arrows: { 3: nudges },
      notes: { 3: nudges.map(brief) },
      target: ctx.label,
      ring: [[3, ctx.voter]],
      pale: [1, 2],
      faint: true,
    };
  },

  sentence(ctx) {
    const { delta, grad } = ctx.pass;
    const j = ctx.voter;
    return (
      `The bias of output ${j} should change by ${signed(-delta[3][j], 4)}: the wish ` +
      `${signed(-grad[3][j])}, times the slope of σ, times 1.`
    );
  },

  table({ network, pass }) {
    return {
      caption: "Nudges on the ten biases: −∂C/∂b = 1 × σ′(z) × wish",
      heads: ["output", "bias", "z", "σ′(z)", "wish", "nudge"],
      rows: Array.from(pass.a[3], (a, j) => [
        String(j),
        number(network.b[3][j]),
        number(pass.z[3][j]),
        number(a * (1 - a), 4),
        change(-pass.grad[3][j]),
        change(-pass.delta[3][j], 4),
      ]),
    };
  },
};

function productOf(ctx) {
  const j = ctx.voter;
  const a = ctx.pass.a[3][j];
  const mark = { neurons: [[3, j]] };
  const one = term("b", "∂z/∂b", 1, mark, 0);
  const slope = term("z", "σ′(z)", a * (1 - a), mark, 4);
  const w = wish(`wish${subscript(j)}`, -ctx.pass.grad[3][j], mark);
  const result = wish(`nudge on b${subscript(j)}`, -ctx.pass.delta[3][j], mark, 4);
  return formula(ctx, {
    words: [
      "Whatever the picture, z follows the bias one to one: slope ",
      one,
      ". The activation follows z with the slope of σ, here ",
      slope,
      "; and the wish for the activation is ",
      w,
      ". The product is the nudge on the bias: ",
      result,
      ".",
    ],
    parts: [one, " × ", slope, " × ", w],
    result,
  });
}

// What a weight has in the place of the 1: the activation that it multiplies.
function unlikeAWeight({ pass, voter }) {
  const a2 = pass.a[2];
  const k = a2.indexOf(Math.max(...a2));
  return make(
    "p",
    { class: "note" },
    `A weight has the activation that it multiplies in the place of the 1: from neuron ${k} of ` +
      "layer 2, ",
    number(a2[k]),
    ". So the nudge on that weight is ",
    change(-a2[k] * pass.delta[3][voter], 4),
    ".",
  );
}

function verdict(ctx) {
  const j = ctx.voter;
  const [z, a] = [ctx.pass.z[3][j], ctx.pass.a[3][j]];
  const numbers = `z goes from ${text(z)} to ${text(z + NUDGE)}`;
  if (ctx.state.answer === RIGHT) return `Right: ${numbers}, and no activation comes into it.`;
  if (ctx.state.answer === 1)
    return `No: that is so for a weight. Activations multiply weights, not the bias: ${numbers}.`;
  return (
    `No: the slope of σ, here ${text(a * (1 - a))}, comes in only on the way from z to ` +
    `the activation: ${numbers}.`
  );
}

function chartOf(ctx, width) {
  const j = ctx.voter;
  const [b, z] = [ctx.network.b[3][j], ctx.pass.z[3][j]];
  const ends = [-1, 1].map((d) => [b + d, z + d]);
  return lineChart({
    width,
    height: 230,
    label:
      `z of output ${j} against its bias: a line of slope 1 through b = ${text(b)}, z = ` +
      `${text(z)}`,
    x: { label: "bias b", domain: [b - 1, b + 1], format: (t) => text(t, 1) },
    y: { label: "weighted sum z", domain: [z - 1, z + 1], format: (t) => text(t, 1) },
    series: [
      { name: "z", kind: "first", points: ends },
      { name: "now", kind: "first", points: [[b, z]], mark: "circle", line: false, radius: 6 },
    ],
    rules: [
      { x: b, label: `b = ${text(b)}` },
      { y: z, label: `z = ${text(z)}` },
    ],
  });
}
