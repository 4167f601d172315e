// Where the digits of this page come from, and what they are.

import { fill, make, paragraph, table } from "../dom.js";
import { bar, digitCanvas } from "../marks.js";
import { count, number } from "../numbers.js";
import { SIDE } from "../steps/pictures.js";

export const aside = {
  id: "source",
  title: "Where labelled digits come from",
  covers: ["S41"],

  render(content, ctx) {
    const code = (text) => make("code", {}, text);
    fill(
      content,
      paragraph(
        "The usual source is MNIST: digits written by hand, scanned, set in the middle of a " +
          "picture, and each given its label by people. It comes as four files, pictures and " +
          "labels, to learn from and to test. ",
        code("tinygrad-bp explore --data FOLDER"),
        " makes this page of a folder with these files; without them the library draws digits " +
          "of its own.",
      ),
      paragraph(...here(ctx)),
      make("div", { class: "part" }, table(digitsTable(ctx))),
    );
  },
};

function here({ data: { digits, source, split } }) {
  const dark = digits[0].pixels.reduce(
    (sum, _, i) => sum + (digits.every(({ pixels }) => pixels[i] === 0) ? 1 : 0),
    0,
  );
  return [
    `The digits of this page: ${source.text}. They are the first of ${count(split.train)} to ` +
      `learn from; ${count(split.test)} others are for the test. Each is ${count(SIDE)} × ` +
      `${count(SIDE)} pixels, a number from 0 to 255 for every pixel, and a label. In all that ` +
      "are here ",
    number(dark, 0),
    " pixels are black: the weights from them have a gradient of exactly 0.",
  ];
}

function digitsTable({ data: { digits, sizes } }) {
  const kinds = [...Array(sizes.at(-1)).keys()];
  const of = kinds.map((label) => digits.filter((digit) => digit.label === label));
  const most = Math.max(...of.map((some) => some.length));
  return {
    caption: `The ${count(digits.length)} digits of this page by label`,
    heads: ["label", "the first", "how many", ""],
    rows: of.map((some, label) => [
      String(label),
      some.length ? digitCanvas(some[0], { "aria-hidden": true }) : "",
      number(some.length, 0),
      bar(some.length, most),
    ]),
  };
}
