// The same again, one layer further back, until the pixels are reached.

import { aside as chain } from "../asides/chain.js";
import { aside as equations } from "../asides/equations.js";
import { choice, fill, make, table } from "../dom.js";
import { arrowMark, signedPicture } from "../marks.js";
import { change, count, number, signed, subscript, superscript } from "../numbers.js";
import { oneOf } from "../state.js";
import { formula, term, wish } from "../words.js";
import { largestTerms } from "./terms.js";

const STAGES = [
  ["2", "Layer 2"],
  ["1", "Layer 1"],
  ["0", "Weights from the pixels"],
];
const SCALES = [
  ["one", "One scale"],
  ["each", "Each its own"],
];
const ORDER = ["W3", "W2", "W1"];

export const step = {
  id: "recursion",
  number: 9,
  title: "The same, one layer further back",
  covers: ["S29", "K13", "K14", "K17", "W4"],
  fields: { stage: oneOf("1", "2", "0"), scale: oneOf("one", "each") },
  asides: [chain, equations],

  render(panel, ctx) {
    this.stages = choice("Where", STAGES, (stage) => ctx.set({ stage, layer: null, neuron: null }));
    this.scales = choice("Scale", SCALES, (scale) => ctx.set({ scale }));
    this.content = make("div", { class: "stack" });
    fill(panel, make("div", { class: "row" }, this.stages, this.scales), this.content);
  },

  update(ctx) {
    this.stages.show(ctx.state.stage);
    this.scales.show(ctx.state.scale);
    this.scales.hidden = ctx.state.stage !== "0";
    fill(this.content, ctx.state.stage === "0" ? pixelsOf(ctx) : layerOf(ctx));
  },

  picture(ctx) {
    const l = layer(ctx);
    const k = chosen(ctx);
    return {
      arrows: { [l]: Array.from(ctx.pass.grad[l], (g) => -g) },
      edges: outgoing(ctx, l, k),
      locked: [l],
      faint: true,
      pale: [1, 2, 3].filter((m) => m !== l && m !== l + 1),
      target: ctx.label,
      ring: [[l, k]],
    };
  },

  sentence(ctx) {
    const l = layer(ctx);
    const k = chosen(ctx);
    const { grad, delta } = ctx.pass;
    if (ctx.state.stage === "0") {
      return (
        `Every weight from the pixels to neuron ${k} is nudged by ` +
        `${signed(-delta[1][k], 4)} times its pixel: sixteen copies of this ${ctx.label}, ` +
        "each brighter or darker."
      );
    }
    return (
      `All wishes of layer ${l + 1} together wish neuron ${k} of layer ${l} to change by ` +
      `${signed(-grad[l][k], 4)}; its weighted sum by ${signed(-delta[l][k], 4)}.`
    );
  },

  table(ctx) {
    const l = layer(ctx);
    const { a, grad, delta } = ctx.pass;
    return {
      caption:
        `Layer ${l}: wish (−∂C/∂a) times σ′(z) is the nudge on z (−∂C/∂z), which is ` +
        "also that on the bias",
      heads: ["neuron", "activation", "wish", "σ′(z)", "nudge on z and b"],
      rows: Array.from(a[l], (x, k) => [
        String(k),
        number(x),
        change(-grad[l][k], 4),
        number(x * (1 - x), 4),
        change(-delta[l][k], 4),
      ]),
    };
  },
};

// The layer that is wished something of; the weights from the pixels lead into the first.
function layer({ state }) {
  return Math.max(Number(state.stage), 1);
}

function chosen(ctx) {
  const l = layer(ctx);
  if (ctx.look?.[0] === l) return ctx.look[1];
  const sizes = Array.from(ctx.pass.delta[l], Math.abs);
  return sizes.indexOf(Math.max(...sizes));
}

function outgoing(ctx, l, k) {
  if (ctx.state.stage === "0")
    return [{ layer: 1, to: k, from: 0, value: 1, sign: -Math.sign(ctx.pass.delta[1][k]) }];
  return paths(ctx, l, k).map(({ j, product }) => ({
    layer: l + 1,
    to: j,
    from: k,
    value: product,
  }));
}

// Through each neuron j of the next layer: its nudge on z times the weight from k.
function paths({ network, pass }, l, k) {
  const n = network.sizes[l];
  return Array.from(pass.delta[l + 1], (d, j) => {
    const w = network.W[l + 1][j * n + k];
    return { j, push: -d, w, product: -d * w };
  });
}

function layerOf(ctx) {
  const l = layer(ctx);
  const k = chosen(ctx);
  const next = l + 1;
  return [
    sumOf(ctx, l, k),
    make(
      "div",
      { class: "part" },
      largestTerms({
        caption: `Who wishes what of neuron ${k}`,
        heads: [
          next === 3 ? "output" : "neuron of layer\u00a02",
          "nudge on its z",
          "weight",
          "product",
        ],
        terms: paths(ctx, l, k).map(({ j, push, w, product }) => ({
          name: String(j),
          cells: [change(push), change(w)],
          product,
        })),
      }),
    ),
    onward(ctx, l, k),
    make("div", { class: "part" }, layerTable(ctx, l)),
  ];
}

function sumOf(ctx, l, k) {
  const all = paths(ctx, l, k);
  const total = all.reduce((sum, { product }) => sum + product, 0);
  const mark = { neurons: [[l, k]], edges: all.map(({ j }) => [l + 1, j, k]) };
  const result = wish(`wish for a${superscript(l)}${subscript(k)}`, total, mark, 4);
  return formula(ctx, {
    words: [
      `Neuron ${k} of layer ${l} feeds all ${all.length} neurons of the next layer. Each ` +
        "passes its wish back through the weight between them; the sum is ",
      result,
      ".",
    ],
    parts: all.flatMap(({ j, product }, i) => {
      const symbol = `−δ${subscript(j)}w${subscript(j)},${subscript(k)}`;
      const one = wish(symbol, product, { edges: [[l + 1, j, k]] });
      return i ? [" + ", one] : [one];
    }),
    result,
  });
}

function onward(ctx, l, k) {
  const { a, grad, delta } = ctx.pass;
  const x = a[l][k];
  const mark = { neurons: [[l, k]] };
  const w = wish("wish", -grad[l][k], mark, 4);
  const slope = term("z", "σ′(z)", x * (1 - x), mark, 4);
  const result = wish(`nudge on z${superscript(l)}${subscript(k)}`, -delta[l][k], mark, 4);
  return formula(ctx, {
    words: [
      "Times the slope of σ there, ",
      slope,
      ", this is the nudge on its weighted sum: ",
      result,
      ". It is the nudge on its bias, and times the activations before, those on its weights. " +
        "With it the same begins again one layer further back.",
    ],
    parts: [w, " × ", slope],
    result,
  });
}

function layerTable(ctx, l) {
  const { grad, delta } = ctx.pass;
  const most = Math.max(...Array.from(grad[l], Math.abs));
  const rows = Array.from(grad[l], (g, k) => [
    String(k),
    change(-g),
    arrowMark(-g, most),
    change(-delta[l][k], 4),
  ]);
  return table({
    caption: `What is wished of layer ${l}`,
    heads: ["neuron", "wish", "", "nudge on z\u00a0and\u00a0b"],
    rows,
    classes: rows.map((_, k) => (k === chosen(ctx) ? "first" : "")),
  });
}

function pixelsOf(ctx) {
  const { delta } = ctx.pass;
  const most = Math.max(...Array.from(delta[1], Math.abs));
  const { image } = ctx.example;
  const figures = Array.from(delta[1], (d, j) => {
    const full = ctx.state.scale === "one" ? most : Math.abs(d);
    const picture = signedPicture(
      image.map((x) => -d * x),
      full,
      `Nudges on the weights from the pixels to neuron ${j}`,
      6,
    );
    return make(
      "figure",
      { class: j === chosen(ctx) ? "chosen" : null },
      picture,
      make("figcaption", {}, `Neuron ${j}`, make("span", { class: "line" }, signed(-d, 4))),
    );
  });
  const black = image.filter((x) => x === 0).length;
  return [
    nudgeOf(ctx, chosen(ctx)),
    make("div", { class: "sheet" }, figures),
    make(
      "p",
      {},
      "Sixteen times the same picture: the nudges on the weights into one neuron are this " +
        `${ctx.label}, times one number, ` +
        `written below each; blue with + adds it to the weights, orange with − takes it away. ` +
        "On one scale most of them are dark: a neuron that is nearly 0 or 1 hardly listens. " +
        `The ${black} black pixels of ${image.length} change nothing: their weights did not ` +
        "matter here.",
    ),
    make(
      "p",
      { class: "note" },
      `The order on the way back is ${ORDER.join(", ")}: now all ` +
        `${count(ctx.network.parameters.length)} nudges are known. From one of these weights ` +
        `${waysOn(ctx).join(" × ")} = ${count(waysOn(ctx).reduce((n, size) => n * size))} paths ` +
        "lead to the cost. Nobody had to walk them one by one: each delta has summed up all " +
        "that comes after it.",
    ),
  ];
}

// A weight from the pixels ends at one neuron; from there all of each later layer are fed.
function waysOn({ data }) {
  return data.sizes.slice(2);
}

function nudgeOf(ctx, j) {
  const { image } = ctx.example;
  const k = image.indexOf(Math.max(...image));
  const push = wish(`nudge on z¹${subscript(j)}`, -ctx.pass.delta[1][j], { neurons: [[1, j]] }, 5);
  const pixel = term("a", `a⁰${subscript(k)}`, image[k]);
  const result = wish(
    `nudge on w¹${subscript(j)},${subscript(k)}`,
    -ctx.pass.delta[1][j] * image[k],
    { edges: [[1, j, 0]] },
    5,
  );
  return formula(ctx, {
    words: [
      `Neuron ${j} wants its sum to change with `,
      push,
      "; the brightest pixel is ",
      pixel,
      ", so the weight between them is nudged by ",
      result,
      ". Times each pixel, that is a whole picture of nudges.",
    ],
    parts: [push, " × ", pixel],
    result,
  });
}
