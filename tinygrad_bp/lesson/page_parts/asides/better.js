// How many test digits are read by this network, and by networks that are trained or built better.

import { fill, make, paragraph, table } from "../dom.js";
import { bar } from "../marks.js";
import { count, percent } from "../numbers.js";

const ACTIVATIONS = { sigmoid: "sigmoid", relu: "ReLU" };
const COSTS = { sum_squares: "squares", cross_entropy: "cross-entropy" };
const NAMES = {
  page: "of this page",
  lesson: "scaled at the start",
  modern: "a few tricks",
  wider: "the tricks, and wider",
};
const RATES = { constant: "fixed", cosine: "falling" };

export const aside = {
  id: "better",
  title: "How good is it, and what would be better?",
  covers: ["A1", "A2", "A3"],

  render(content, ctx) {
    fill(
      content,
      paragraph(...measured(ctx)),
      make("div", { class: "part short-bars" }, table(resultsTable(ctx))),
      make("div", { class: "part" }, table(recipesTable(ctx))),
      paragraph(...reading(ctx)),
      paragraph(
        "Networks of other kinds, which know what neighbouring pixels are, do better still: the " +
          "lesson's own account of the best is 99.7 to 99.8\u00a0% of MNIST's test digits.",
      ),
    );
  },
};

function measured({ data: { networks, split } }) {
  const last = networks.at(-1);
  return [
    `After ${last.name} the network of this page reads ${percent(last.test_accuracy)} of the ` +
      `${count(split.test)} test digits correctly. The others here were trained on the same ` +
      `${count(split.train)} digits, each by one recipe, from one start.`,
  ];
}

// The network of this page, in the words of a recipe, and then the recipes.
function compared({ data: { networks, recipes, sizes } }) {
  const last = networks.at(-1);
  const here = {
    name: "page",
    hidden: sizes.slice(1, -1),
    parameters: last.parameters.length,
    activation: "sigmoid",
    cost: "sum_squares",
    schedule: "constant",
    epochs: last.epochs,
    test_accuracy: last.test_accuracy,
  };
  return [here, ...recipes].map((one) => ({ ...one, name: NAMES[one.name] ?? one.name }));
}

function resultsTable(ctx) {
  return {
    caption: "Test digits read correctly",
    heads: ["network", "hidden neurons", "parameters", "read correctly", ""],
    rows: compared(ctx).map(({ name, hidden, parameters, test_accuracy: right }) => [
      name,
      hidden.map(count).join("\u00a0and\u00a0"),
      count(parameters),
      percent(right),
      bar(right, 1),
    ]),
    classes: ["first"],
  };
}

function recipesTable(ctx) {
  return {
    caption: "How they were trained",
    heads: ["network", "hidden", "cost", "rate η", "epochs"],
    rows: compared(ctx).map(({ name, activation, cost, schedule, epochs }) => [
      name,
      ACTIVATIONS[activation],
      COSTS[cost],
      RATES[schedule],
      count(epochs),
    ]),
    classes: ["first"],
  };
}

function reading({ data: { networks, recipes } }) {
  const wrong = (test) => 1 - test;
  const [here, best] = [networks.at(-1).test_accuracy, recipes.at(-1).test_accuracy];
  return [
    "Scaled weights at the start keep the sums of a neuron near 0, where the sigmoid is steep. " +
      "The tricks: ReLU neurons, cross-entropy for a cost, a rate that falls to zero, weights " +
      "kept short. With more neurons as well, the share that is read wrongly goes from ",
    percent(wrong(here), 2),
    " to ",
    percent(wrong(best), 2),
    ".",
  ];
}
