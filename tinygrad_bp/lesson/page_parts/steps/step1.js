// What the network computes: each neuron a weighted sum, squeezed between 0 and 1.

import { aside as layers } from "../asides/layers.js";
import { aside as pattern } from "../asides/pattern.js";
import { aside as starts } from "../asides/starts.js";
import { fill, make, table } from "../dom.js";
import { bar, lamp, signedPicture } from "../marks.js";
import { predict, ranking } from "../net.js";
import { change, count, number, subscript, superscript, text } from "../numbers.js";
import { formula, term } from "../words.js";
import { aboutSuperscripts, recap } from "./recap.js";
import { largestTerms } from "./terms.js";

const SIDE = 28;

export const step = {
  id: "feed-forward",
  number: 1,
  title: "A picture goes in, ten numbers come out",
  covers: ["S1", "S3", "S4", "S5", "S6", "S7", "S18", "S19", "W1", "K3", "N1", "N8"],
  asides: [layers, pattern, starts],

  render(panel, ctx) {
    const [pixels, ...sizes] = ctx.data.sizes;
    const outputs = sizes.pop();
    const about = make(
      "p",
      { class: "note" },
      "This page follows one picture through a network and back, step by step, to see how each " +
        "weight and bias should change. Words, Numbers and Formulas, at the top, show the same " +
        "step three ways.",
    );
    const intro = make(
      "p",
      {},
      `${count(pixels)} pixels, ${sizes.join(" and ")} neurons between, ${outputs} outputs, and ` +
        `${count(ctx.network.parameters.length)} weights and biases. ` +
        "Every circle is a neuron: the brighter, the nearer its activation is to 1. It adds up " +
        "what the layer before sends, each activation times a weight, adds its bias, and " +
        "squeezes the sum with σ. Point at a neuron, or walk to it with the arrow keys, to see " +
        "its sum.",
    );
    this.sum = make("div", { class: "part" });
    this.outputs = make("div", { class: "part" });
    const unsure = make(
      "button",
      { type: "button", onclick: () => ctx.set({ example: leastSure(ctx) }) },
      "The digit it is least sure of",
    );
    const source = make("p", { class: "note" }, `The digits here: ${ctx.data.source.text}.`);
    const skip = recap(ctx);
    fill(panel, about, intro, this.sum, this.outputs, unsure, source, skip);
  },

  update(ctx) {
    const [l, j] = chosen(ctx);
    fill(
      this.sum,
      make("h3", {}, nameOf(ctx, l, j)),
      sumOf(ctx, l, j),
      ctx.state.mode === "words" ? null : aboutSuperscripts(),
      terms(ctx, l, j),
      l === 1 ? pictures(ctx, j) : null,
    );
    fill(this.outputs, make("h3", {}, "What the network says"), verdict(ctx));
  },

  picture(ctx) {
    if (ctx.state.aside === layers.id) return fedLayer(ctx, Number(ctx.state.fed));
    const at = ctx.look;
    const edges = at ? incoming(ctx, ...at) : [];
    return { edges, faint: edges.length > 0, box: predict(ctx.pass.a[3]), ring: at ? [at] : [] };
  },

  sentence(ctx) {
    const outputs = ctx.pass.a[3];
    const [first, second] = ranking(outputs);
    const verdict = first === ctx.label ? "which is right" : `but it is a ${ctx.label}`;
    return (
      `The network says ${first}, ${verdict}: output ${first} is ${text(outputs[first])}, ` +
      `next is ${second} with ${text(outputs[second])}.`
    );
  },

  table(ctx) {
    const layers = [1, 2, 3].map((l) => ({
      caption: l === 3 ? "The ten outputs" : `Hidden layer ${l}`,
      heads: ["neuron", "weighted sum z", "activation a"],
      rows: Array.from(ctx.pass.a[l], (a, j) => [String(j), number(ctx.pass.z[l][j]), number(a)]),
    }));
    return [...layers, pixelTable(ctx)];
  },
};

// The layer that the aside speaks of, lit by what feeds it; the others stand back.
function fedLayer(ctx, fed) {
  const last = ctx.data.sizes.length - 1;
  const neurons = [...Array(ctx.data.sizes[fed]).keys()];
  return {
    edges: neurons.flatMap((j) => incoming(ctx, fed, j)),
    pale: [...Array(last).keys()].map((i) => i + 1).filter((l) => l !== fed && l !== fed - 1),
    faint: true,
    box: fed === last ? predict(ctx.pass.a[last]) : null,
  };
}

function pixelTable({ example }) {
  const side = [...Array(SIDE).keys()];
  return {
    caption: "The picture: how bright its pixels are, from 0 to 255",
    heads: ["row", ...side.map(String)],
    rows: side.map((row) => [
      String(row),
      ...side.map((column) => String(example.pixels[row * SIDE + column])),
    ]),
  };
}

function chosen(ctx) {
  return ctx.look ?? [3, predict(ctx.pass.a[3])];
}

function nameOf(ctx, l, j) {
  return l === 3 ? `The sum of output ${j}` : `The sum of neuron ${j} in hidden layer ${l}`;
}

// The edges into a neuron; from the pixels there is one for all.
export function incoming({ network, pass }, l, j) {
  if (l === 1) return [{ layer: 1, to: j, from: 0, value: 1, sign: Math.sign(pass.z[1][j]) }];
  const n = network.sizes[l - 1];
  return Array.from({ length: n }, (_, k) => ({
    layer: l,
    to: j,
    from: k,
    value: network.W[l][j * n + k],
  }));
}

function sumOf(ctx, l, j) {
  const z = ctx.pass.z[l][j];
  const a = ctx.pass.a[l][j];
  const b = ctx.network.b[l][j];
  const mark = { neurons: [[l, j]] };
  const sum = term("w", `Σ w a${superscript(l - 1)}`, z - b, {
    neurons: [[l, j]],
    edges: marksOf(ctx, l, j),
  });
  const bias = term("b", `b${subscript(j)}`, b, mark);
  const result = term("a", `a${superscript(l)}${subscript(j)}`, a, mark);
  return formula(ctx, {
    words: [
      "What arrives adds up to ",
      sum,
      "; with the bias, ",
      bias,
      ", that is ",
      term("z", "z", z, mark),
      ", and squeezed between 0 and 1 it is ",
      result,
      ".",
    ],
    parts: ["σ( ", sum, " + ", bias, " )"],
    result,
  });
}

function marksOf({ network }, l, j) {
  return Array.from({ length: l === 1 ? 1 : network.sizes[l - 1] }, (_, k) => [l, j, k]);
}

function terms({ network, pass }, l, j) {
  const a = pass.a[l - 1];
  const name = (k) => (l === 1 ? `row ${Math.floor(k / SIDE)}, column ${k % SIDE}` : `neuron ${k}`);
  return largestTerms({
    caption: l === 1 ? "The pixels that count most here" : "The neurons that count most here",
    heads: ["from", "weight w", "activation a", "w · a"],
    terms: Array.from(a, (x, k) => {
      const w = network.W[l][j * a.length + k];
      return { name: name(k), cells: [change(w), [lamp(x), " ", number(x)]], product: w * x };
    }),
  });
}

function pictures({ network, example }, j) {
  const n = SIDE * SIDE;
  const weights = network.W[1].subarray(j * n, (j + 1) * n);
  const used = weights.map((w, k) => w * example.image[k]);
  const most = Math.max(...weights.map(Math.abs));
  const figure = (values, text) =>
    make("figure", {}, signedPicture(values, most, text), make("figcaption", {}, text));
  return make(
    "div",
    { class: "pictures" },
    figure(weights, `The weights from the pixels to neuron ${j}`),
    figure(used, "The same, times this picture"),
  );
}

// Of all digits the one whose two most active outputs are closest.
function leastSure(ctx) {
  const margins = ctx.all().map(({ a }) => {
    const [first, second] = ranking(a.at(-1));
    return a.at(-1)[first] - a.at(-1)[second];
  });
  return margins.indexOf(Math.min(...margins));
}

function verdict({ pass }) {
  const outputs = pass.a[3];
  const order = ranking(outputs);
  return table({
    caption: "Most active outputs first",
    heads: ["digit", "activation", "", "ahead of the next by"],
    rows: order
      .slice(0, 3)
      .map((j, i) => [
        String(j),
        number(outputs[j]),
        bar(outputs[j], 1),
        number(outputs[j] - outputs[order[i + 1]]),
      ]),
    classes: ["first"],
  });
}
