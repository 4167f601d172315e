// A whole layer at once: its sums are a matrix times a column.

import { choice, fill, make, table } from "../dom.js";
import { bar } from "../marks.js";
import { count, number, superscript } from "../numbers.js";
import { oneOf } from "../state.js";
import { aboutSuperscripts } from "../steps/recap.js";

export const aside = {
  id: "layers",
  title: "Layer by layer, as matrices",
  covers: ["S5", "S6", "N6"],
  fields: { fed: oneOf("1", "2", "3") },

  render(content, ctx) {
    const options = ctx.data.sizes.slice(1).map((_, i) => [String(i + 1), nameOf(ctx, i + 1)]);
    this.choice = choice("Feed", options, (fed) => ctx.set({ fed }));
    this.equation = make("div", { class: "part" });
    this.sums = make("div", { class: "part" });
    fill(
      content,
      make("div", { class: "row" }, this.choice),
      this.equation,
      this.sums,
      make("div", { class: "part" }, parametersTable(ctx.data.sizes)),
    );
  },

  update(ctx) {
    const l = Number(ctx.state.fed);
    this.choice.show(ctx.state.fed);
    fill(this.equation, equation(ctx, l));
    fill(this.sums, sumsTable(ctx, l));
  },
};

function nameOf({ data }, l) {
  return l === data.sizes.length - 1 ? "outputs" : `layer ${l}`;
}

function equation(ctx, l) {
  const [rows, columns] = [ctx.data.sizes[l], ctx.data.sizes[l - 1]];
  const [before, now] = [l - 1, l].map(superscript);
  const sender = l === 1 ? "pixel" : "neuron of the layer before";
  const piece = (symbol, shape) =>
    make("span", { class: "shaped" }, make("b", {}, symbol), make("span", {}, shape));
  return [
    make(
      "p",
      { class: "with-shapes" },
      piece(`a${now}`, count(rows)),
      " = σ( ",
      piece(`W${now}`, `${count(rows)} × ${count(columns)}`),
      piece(`a${before}`, count(columns)),
      " + ",
      piece(`b${now}`, count(rows)),
      " )",
    ),
    make(
      "p",
      {},
      `The matrix W${now} has a row for each of the ${count(rows)} neurons that are fed and a ` +
        `column for each ${sender}. A row times the column a${before} is one neuron's weighted ` +
        "sum; σ is applied to each.",
    ),
    ctx.state.mode === "words" ? aboutSuperscripts() : null, // else it stands above
  ];
}

function sumsTable({ network, pass }, l) {
  const [z, a, b] = [pass.z[l], pass.a[l], network.b[l]];
  return table({
    caption: `All ${count(z.length)} at once`,
    heads: ["neuron", "row times column", "bias", "sum z", "activation", ""],
    rows: Array.from(z, (x, j) => [
      String(j),
      number(x - b[j]),
      number(b[j]),
      number(x),
      number(a[j]),
      bar(a[j], 1),
    ]),
  });
}

function parametersTable(sizes) {
  const layers = sizes.slice(1).map((n, i) => ({ n, weights: n * sizes[i], from: sizes[i] }));
  const sum = (values) => values.reduce((total, x) => total + x, 0);
  const weights = sum(layers.map((layer) => layer.weights));
  const biases = sum(layers.map(({ n }) => n));
  return table({
    caption: "What there is to turn",
    heads: ["layer", "weights", "biases", "together"],
    rows: [
      ...layers.map(({ n, weights: many, from }, i) => [
        String(i + 1),
        `${count(n)} × ${count(from)} = ${count(many)}`,
        count(n),
        count(many + n),
      ]),
      ["all", count(weights), count(biases), count(weights + biases)],
    ],
    classes: [...layers.map(() => ""), "first"],
  });
}
