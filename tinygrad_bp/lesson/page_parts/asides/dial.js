// Thirteen thousand dials: any of them turned by hand, and what the network says then.

import { fill, make, paragraph, table } from "../dom.js";
import { numberLines } from "../charts/numberlines.js";
import { bar } from "../marks.js";
import { costOf, forward, nameOf, network, norm, placeOf, predict } from "../net.js";
import { change, count, number, text } from "../numbers.js";
import { real } from "../state.js";
import { described, parameterPicker } from "../steps/picker.js";
import { chosenParameter, fullGradient } from "../steps/slopes.js";
import { formula, term, wish } from "../words.js";

const REACH = 10; // how far a dial is turned, either way
const STEP = 0.05;

export const aside = {
  id: "dial",
  title: "Turn a dial by hand",
  covers: ["N5"],
  fields: { turned: real(0, -REACH, REACH) },

  render(panel, ctx) {
    this.pick = parameterPicker(ctx.data.sizes, (parameter) => ctx.set({ parameter, turned: 0 }));
    this.which = make("p", { class: "note" });
    this.line = numberLines("Drag the dot to turn it", [
      { min: -REACH, max: REACH, step: STEP, oninput: (turned) => ctx.set({ turned }) },
    ]);
    this.cost = make("div", {});
    this.all = make("p", {});
    this.outputs = make("div", { class: "part" });
    const back = make("button", { type: "button", onclick: () => ctx.set({ turned: 0 }) });
    this.back = back;
    fill(
      panel,
      paragraph(
        `The network is ${count(ctx.network.parameters.length)} numbers, and each could be set ` +
          "by hand. Choose one and turn it; everything else stays as it is.",
      ),
      this.pick,
      this.which,
      this.line.element,
      make("div", { class: "row" }, back),
      this.cost,
      this.outputs,
      this.all,
    );
  },

  update(ctx) {
    const turn = turning(ctx);
    const { index, now, then } = turn;
    const name = nameOf(ctx.data.sizes, index);
    this.pick.show(index);
    this.which.textContent = `This is ${described(ctx.data.sizes, index)}.`;
    this.back.textContent = `Set it back to ${text(now, 4)}`;
    this.line.show([
      { name, from: now - REACH, to: now + REACH, start: now, at: then, value: ctx.state.turned },
    ]);
    fill(this.cost, costFormula(ctx, name, turn));
    fill(this.outputs, outputsOf(ctx, turn));
    this.all.textContent = said(ctx, turn);
  },
};

// The cost and the outputs with one parameter elsewhere.
function turning(ctx) {
  const index = chosenParameter(ctx);
  const now = ctx.network.parameters[index];
  const then = now + ctx.state.turned;
  const turned = Float64Array.from(ctx.network.parameters);
  turned[index] = then;
  return { index, now, then, by: then - now, ...reading(ctx, turned) };
}

function reading({ data, example, label }, parameters) {
  const pass = forward(network(data.sizes, parameters), example.image);
  return { outputs: pass.a.at(-1), cost: costOf(pass, label) };
}

function costFormula(ctx, name, { then, cost }) {
  const dial = term(name[0] === "b" ? "b" : "w", name, then, null, 4);
  const [after, before] = [
    term("C", "C then", cost, null, 5),
    term("C", "C", ctx.pass.cost, null, 5),
  ];
  const result = wish("ΔC", cost - ctx.pass.cost, null, 5);
  return formula(ctx, {
    words: [
      `With ${name} at `,
      dial,
      " the cost of this picture is ",
      after,
      "; with the dial as it was, ",
      before,
      ". The dial changes it by ",
      result,
      ".",
    ],
    parts: [after, " − ", before],
    result,
  });
}

function outputsOf({ pass, label }, { outputs }) {
  const before = pass.a.at(-1);
  return table({
    caption: "The ten outputs, before and with the dial turned",
    heads: ["output", "before", "", "then", "", "change"],
    rows: Array.from(outputs, (a, j) => [
      `${j}${j === label ? ", wanted" : ""}`,
      number(before[j]),
      bar(before[j], 1),
      number(a),
      bar(a, 1),
      change(a - before[j]),
    ]),
    classes: Array.from(outputs, (_, j) => (j === label ? "first" : "")),
  });
}

function said(ctx, { index, by, outputs, cost }) {
  const slopes = fullGradient(ctx);
  const many = count(slopes.length);
  const [was, is] = [predict(ctx.pass.a.at(-1)), predict(outputs)];
  const read = was === is ? `still says ${is}` : `says ${is} now, no longer ${was}`;
  const nobody = "Nobody finds good values this way, one dial after another. Gradient descent";
  const length = norm(slopes);
  if (by === 0 || length === 0)
    return `${nobody} turns all ${many} at once, each by −lr times its own slope.`;
  const share = Math.abs(by) / length;
  const together = reading(
    ctx,
    ctx.network.parameters.map((p, i) => p - share * slopes[i]),
  );
  const alike = carriesNothing(ctx, index) ? "Nothing changes: it carries a black pixel. " : "";
  return (
    `${alike}The network ${read}. ${nobody} turns all ${many} at once, each by −lr times its ` +
    `own slope. Turned together as far as this one dial, ${text(Math.abs(by), 2)} in all, they ` +
    `take the cost to ${text(together.cost, 4)}; the one dial takes it to ${text(cost, 4)}.`
  );
}

function carriesNothing({ data, example }, index) {
  const { kind, layer, from } = placeOf(data.sizes, index);
  return kind === "W" && layer === 1 && example.image[from] === 0;
}
