// Every line of the program has had its step.

import { fill, make, paragraph } from "../dom.js";

// What stands in examples/backprop_by_hand.py, and the steps that it was met in.
const LINES = [
  ["a.append(1 / (1 + np.exp(-(a[-1] @ W.T + b))))", [1], "Feed forward, layer by layer."],
  ["upstream = 2 * (a[-1] - y)", [3], "The gradient of the outputs; a wish is its opposite."],
  ["for layer in reversed(range(len(self.weights))):", [9], "From the last layer to the first:"],
  [
    "    delta = upstream * a[layer + 1] * (1 - a[layer + 1])",
    [4],
    "times the slope of the sigmoid.",
  ],
  ["    by_bias.insert(0, delta.mean(axis=0))", [5, 12], "A bias: one for one; then the average."],
  [
    "    by_weight.insert(0, delta.T @ a[layer] / len(x))",
    [6, 12],
    "A weight: times the brightness of its sender; then the average.",
  ],
  [
    "    upstream = delta @ self.weights[layer]",
    [7, 8],
    "What all voters together ask of the layer before, each in proportion to its weights.",
  ],
  ["    p[:] -= lr * g", [13], "A step against the gradient."],
  [
    "    for rows in np.array_split(rng.permutation(len(x)), len(x) // batch_size):",
    [14],
    "Shuffle, and cut into mini-batches.",
  ],
  ["        self.step(x[rows], y[rows], lr)", [15], "Stumble downhill."],
  [
    "    cost = ((self.forward(x)[-1] - y) ** 2).sum(axis=1).mean()",
    [2],
    "The cost: squared gaps, averaged.",
  ],
];

export const aside = {
  id: "code",
  title: "All of it in code",
  covers: ["W18"],

  render(content, ctx) {
    fill(
      content,
      paragraph(
        "The lines that matter of ",
        make("code", {}, "examples/backprop_by_hand.py"),
        ", which comes with the library: each has had its step. x holds pictures, a row each, " +
          "y what is wanted, a the activations of every layer; delta is ∂C/∂z.",
      ),
      make(
        "ol",
        { class: "annotated" },
        LINES.map((line) => annotated(ctx, ...line)),
      ),
    );
  },
};

function annotated(ctx, code, numbers, about) {
  const buttons = numbers.map((step) =>
    make("button", { type: "button", onclick: () => ctx.set({ step, aside: "" }) }, `Step ${step}`),
  );
  return make(
    "li",
    {},
    make("div", { class: "part" }, make("pre", {}, make("code", {}, code))),
    make("div", { class: "row" }, buttons, make("span", { class: "note" }, about)),
  );
}
