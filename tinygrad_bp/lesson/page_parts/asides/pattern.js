// The weights into a neuron of the first layer, as a picture of what it answers to.

import { fill, make, table } from "../dom.js";
import { digitCanvas, signedPicture } from "../marks.js";
import { dot } from "../net.js";
import { change, number } from "../numbers.js";
import { whole } from "../state.js";
import { SIDE } from "../steps/pictures.js";
import { answered, LETTERS, orderField, orderQuiz } from "./order.js";

const WHITE = 255;
const LAST = 15; // neurons of the first layer begin at 0
const HALF = SIDE / 2;

// A bar, and the rows around it.
const inside = (row, column, reach) => Math.abs(row - HALF + 0.5) < reach && within(column);
const within = (column) => Math.abs(column - HALF + 0.5) < HALF / 2;
const bar = lit((row, column) => inside(row, column, 2));
const around = lit((row, column) => inside(row, column, 4) && !inside(row, column, 2));
const halfBar = lit((row, column) => inside(row, column, 2) && column < HALF);

const WEIGHTS = bar.map((x, i) => x - around[i]);
const PICTURES = [lit(() => false), bar, around, halfBar];
const NAMES = ["nothing", "the bar", "what is around it", "half of the bar"];

export const aside = {
  id: "pattern",
  title: "What a neuron of layer 1 answers to",
  covers: ["N1", "N2"],
  fields: { seer: whole(0, 0, LAST), likeness: orderField() },

  render(content, ctx) {
    this.quiz = orderQuiz("Press the four in order, the largest sum first.", (likeness) =>
      ctx.set({ likeness }),
    );
    this.sums = make("div", { class: "part" });
    this.pick = make(
      "select",
      { onchange: () => ctx.set({ seer: Number(this.pick.value) }) },
      Array.from({ length: LAST + 1 }, (_, j) => make("option", { value: j }, `neuron ${j}`)),
    );
    this.real = make("div", { class: "pictures three" });
    fill(
      content,
      make(
        "p",
        {},
        "A weight for each pixel makes a picture, too. Here is one made up for a neuron that " +
          "looks for a bar: + on the bar, − around it, 0 elsewhere. A picture is multiplied by " +
          "it, pixel by pixel, and added up. Which of the four brings the largest sum?",
      ),
      madeUp(),
      this.quiz,
      this.sums,
      make("h3", {}, "The weights of this network"),
      make("label", { class: "labelled" }, make("span", {}, "Into"), this.pick),
      this.real,
    );
  },

  update(ctx) {
    const { seer, likeness } = ctx.state;
    const sums = PICTURES.map((picture) => dot(picture, WEIGHTS));
    this.quiz.show(likeness, sums);
    fill(this.sums, answered(likeness) ? sumsTable(sums) : null);
    this.pick.value = seer;
    fill(this.real, weightPicture(ctx, seer), extremes(ctx, seer));
  },
};

function lit(on) {
  return Float64Array.from({ length: SIDE * SIDE }, (_, i) =>
    on(Math.floor(i / SIDE), i % SIDE) ? 1 : 0,
  );
}

function captioned(picture, ...caption) {
  return make("figure", {}, picture, make("figcaption", {}, caption));
}

function madeUp() {
  const alt = "Weights: plus on a bar, minus on the rows above and below it, elsewhere nothing";
  const pictures = PICTURES.map((picture, i) => {
    const name = `Picture ${LETTERS[i]}: white is ${NAMES[i]}`;
    const pixels = picture.map((x) => WHITE * x);
    const canvas = digitCanvas({ pixels }, { role: "img", "aria-label": name });
    return captioned(canvas, make("b", {}, LETTERS[i]));
  });
  const weights = captioned(signedPicture(WEIGHTS, 1, alt), "the weights");
  return make("div", { class: "pictures small" }, weights, pictures);
}

function sumsTable(sums) {
  return table({
    caption: "Weights times pixels, added up",
    heads: ["picture", "white is", "sum"],
    rows: LETTERS.map((letter, i) => [letter, NAMES[i], change(sums[i], 0)]),
  });
}

function weightPicture({ network }, j) {
  const n = SIDE * SIDE;
  const weights = network.W[1].subarray(j * n, (j + 1) * n);
  const alt = `The weights from the pixels to neuron ${j}: plus or minus in each pixel`;
  return captioned(
    signedPicture(weights, Math.max(...weights.map(Math.abs)), alt),
    `The weights into neuron ${j}`,
  );
}

// Of all digits those that the neuron answers most and least to.
function extremes(ctx, j) {
  const activations = ctx.all().map(({ a }) => a[1][j]);
  const digit = (words, a) => {
    const { index, label } = ctx.data.digits[activations.indexOf(a)];
    const shown = digitCanvas(ctx.data.digits[index], { role: "img", "aria-label": `a ${label}` });
    return captioned(shown, `${words}: example ${index}, a ${label}, `, number(a));
  };
  return [
    digit("It answers most to this", Math.max(...activations)),
    digit("and least to this", Math.min(...activations)),
  ];
}
