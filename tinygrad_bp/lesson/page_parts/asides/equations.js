// All of backpropagation in four equations, with the numbers of one neuron.

import { choice, fill, make, paragraph } from "../dom.js";
import { subscript, superscript } from "../numbers.js";
import { oneOf } from "../state.js";
import { formula, term } from "../words.js";

const LAYERS = [
  ["3", "The outputs"],
  ["2", "Layer 2"],
  ["1", "Layer 1"],
];
const MET = { last: 3, back: 8, bias: 5, weight: 6 }; // steps

export const aside = {
  id: "equations",
  title: "All of it in four equations",
  covers: ["W4", "K14", "K17"],
  fields: { equationsOf: oneOf("2", "3", "1") },

  render(panel, ctx) {
    this.layers = choice("Layer", LAYERS, (equationsOf) => ctx.set({ equationsOf }));
    this.list = make("ol", { class: "equations" });
    this.indices = make("p", {});
    fill(
      panel,
      paragraph(
        "In books the steps so far look like this. δ (delta) is ∂C/∂z, the slope of the cost by " +
          "a weighted sum; ⊙ multiplies two lists entry by entry; a raised T turns a table of " +
          "weights on its side. Nothing in it is new.",
      ),
      make("div", { class: "controls-row" }, make("span", {}, "With the numbers of"), this.layers),
      this.list,
      this.indices,
    );
  },

  update(ctx) {
    this.layers.show(ctx.state.equationsOf);
    fill(this.list, equations(ctx));
    this.indices.textContent = indices(ctx);
  },
};

function equations(ctx) {
  const l = Number(ctx.state.equationsOf);
  const last = ctx.data.sizes.length - 1;
  const j = chosen(ctx, l);
  return [
    one(
      ctx,
      "δᴸ = ∂C/∂aᴸ ⊙ σ′(zᴸ)",
      MET.last,
      l === last ? ofOutput(ctx, j) : "For the outputs only.",
    ),
    one(
      ctx,
      "δˡ = (Wˡ⁺¹)ᵀ δˡ⁺¹ ⊙ σ′(zˡ)",
      MET.back,
      l < last ? ofHidden(ctx, l, j) : "For the layers before the outputs.",
    ),
    one(ctx, "∂C/∂bˡ = δˡ", MET.bias, ofBias(ctx, l, j)),
    one(ctx, "∂C/∂Wˡ = δˡ (aˡ⁻¹)ᵀ", MET.weight, ofWeight(ctx, l, j)),
  ];
}

function one(ctx, equation, step, numbers) {
  const met = make(
    "button",
    { type: "button", onclick: () => ctx.set({ step, aside: "" }) },
    make("span", { class: "equation" }, equation),
    ` met in step ${step}`,
  );
  const shown = typeof numbers === "string" ? make("p", { class: "note" }, numbers) : numbers;
  return make("li", {}, met, shown);
}

// The neuron pointed at, else that with the largest delta.
function chosen({ look, pass }, l) {
  if (look?.[0] === l) return look[1];
  const sizes = Array.from(pass.delta[l], Math.abs);
  return sizes.indexOf(Math.max(...sizes));
}

function delta({ pass }, l, j) {
  return term("d", `δ${superscript(l)}${subscript(j)}`, pass.delta[l][j], at(l, j), 5);
}

function slope({ pass }, l, j) {
  const a = pass.a[l][j];
  return term("z", `σ′(z${superscript(l)}${subscript(j)})`, a * (1 - a), at(l, j), 4);
}

function at(l, j) {
  return { neurons: [[l, j]] };
}

function ofOutput(ctx, j) {
  const gap = term("C", `2(a${subscript(j)} − y${subscript(j)})`, ctx.pass.grad[3][j], at(3, j), 4);
  const [steep, result] = [slope(ctx, 3, j), delta(ctx, 3, j)];
  return formula(ctx, {
    words: [
      `Output ${j}: twice its gap, `,
      gap,
      ", times the slope of σ, ",
      steep,
      ": ",
      result,
      ".",
    ],
    parts: [gap, " × ", steep],
    result,
  });
}

function ofHidden(ctx, l, k) {
  const symbol = `Σⱼ w${superscript(l + 1)}ⱼ,${subscript(k)} δ${superscript(l + 1)}ⱼ`;
  const sum = term("d", symbol, ctx.pass.grad[l][k], at(l, k), 5);
  const [steep, result] = [slope(ctx, l, k), delta(ctx, l, k)];
  return formula(ctx, {
    words: [
      `Neuron ${k} of layer ${l}: the deltas after it, each times the weight that leads there, ` +
        "add up to ",
      sum,
      "; times the slope of σ, ",
      steep,
      ", that is ",
      result,
      ".",
    ],
    parts: [sum, " × ", steep],
    result,
  });
}

function ofBias(ctx, l, j) {
  const sent = term("b", "1", 1, null, 0);
  const result = term(
    "d",
    `∂C/∂b${superscript(l)}${subscript(j)}`,
    ctx.pass.delta[l][j],
    at(l, j),
    5,
  );
  const of = delta(ctx, l, j);
  return formula(ctx, {
    words: ["A bias is added as it is, so its slope is ", result, "."],
    parts: [of, " × ", sent],
    result,
  });
}

function ofWeight(ctx, l, j) {
  const senders = Array.from(ctx.pass.a[l - 1]);
  const k = senders.indexOf(Math.max(...senders));
  const edge = { edges: [[l, j, l === 1 ? 0 : k]] };
  const a = term("a", `a${superscript(l - 1)}${subscript(k)}`, senders[k], edge, 4);
  const name = `∂C/∂w${superscript(l)}${subscript(j)},${subscript(k)}`;
  const result = term("d", name, ctx.pass.delta[l][j] * senders[k], edge, 5);
  const of = delta(ctx, l, j);
  return formula(ctx, {
    words: [
      "A weight carries an activation; the brightest is ",
      a,
      ", so its slope is ",
      result,
      ".",
    ],
    parts: [of, " × ", a],
    result,
  });
}

function indices({ data: { sizes }, state }) {
  const l = Number(state.equationsOf);
  return (
    "More neurons only mean more indices. The first says where a weight leads to, the second " +
    `where it comes from: so the weights W${superscript(l)} are a table of ${sizes[l]} rows, one ` +
    `for each neuron of layer ${l}, and ${sizes[l - 1]} columns, one for each ` +
    `${l === 1 ? "pixel" : `neuron of layer ${l - 1}`}.`
  );
}
