// What backpropagation is for: a whole training loop, and what becomes of it without gradients.

import { fill, make, paragraph, table } from "../dom.js";
import { bar } from "../marks.js";
import { count, percent } from "../numbers.js";

const LOOP = [
  "import numpy as np",
  "from tinygrad_bp import data, functional, nn, optim",
  "",
  "rng = np.random.default_rng(0)",
  "images, labels = data.drawn_digits(6_000, rng)",
  "net = nn.MLP(784, 16, 16, 10, activation=nn.Sigmoid(), output_activation=nn.Sigmoid(), rng=rng)",
  "optimizer = optim.SGD(net.parameters(), lr=1.5)",
  "for epoch in range(10):",
  "    for x, y in data.minibatches(images, np.eye(10)[labels], 100, rng):",
  "        optimizer.zero_grad()",
  "        functional.sum_squares(net(x), y).backward()",
  "        optimizer.step()",
];

export const aside = {
  id: "without",
  title: "Without gradients nothing is learned",
  covers: ["S2"],

  render(content, ctx) {
    fill(
      content,
      paragraph(...verdict(ctx)),
      make("div", { class: "part" }, table(accuracies(ctx))),
      paragraph(
        "All of it in Python, with this library. The line with backward() is this lesson; take " +
          "it out, and optimizer.step() refuses, since there is no gradient to follow.",
      ),
      make(
        "div",
        { class: "part" },
        make("pre", { class: "listing" }, make("code", {}, LOOP.join("\n"))),
      ),
    );
  },
};

function verdict({ data: { networks, split } }) {
  const [first, last] = [networks[0], networks.at(-1)];
  return [
    "A step is −η times the gradient. If the gradient is not computed, and zeros stand in its " +
      "place, every step is −η · 0: the network stays what it was, however many examples it " +
      "sees. The untrained one reads ",
    `${percent(first.test_accuracy)} of the ${count(split.test)} test digits correctly; with ` +
      `gradients, ${last.name} later, ${percent(last.test_accuracy)}. `,
    "Backpropagation is how these gradients are found: the core of how networks learn.",
  ];
}

function accuracies({ data: { networks, split } }) {
  return {
    caption: `Of ${count(split.test)} test digits read correctly`,
    heads: ["network", "steps", "with gradients", "", "with zeros"],
    rows: networks.map(({ name, steps, test_accuracy: right }) => [
      name,
      count(steps),
      percent(right),
      bar(right, 1),
      percent(networks[0].test_accuracy),
    ]),
  };
}
