// Two inputs instead of thousands: the gradient as a list of what matters.

import { fill, make, paragraph, table } from "../dom.js";
import { numberLines } from "../charts/numberlines.js";
import { number } from "../numbers.js";
import { real } from "../state.js";
import { precise } from "../steps/significant.js";
import { formula, term } from "../words.js";

const STEEP = { x: 3, y: 1 }; // C = half of 3 x² + 1 y²
const REACH = 2;
const WIGGLE = 0.01;

export const aside = {
  id: "bowl",
  title: "Two inputs: which of them matters more",
  covers: ["G8"],
  fields: { bowlX: real(1, -REACH, REACH), bowlY: real(1, -REACH, REACH) },

  render(panel, ctx) {
    const move = (name) => ({
      min: -REACH,
      max: REACH,
      step: 0.05,
      oninput: (value) => ctx.set({ [name]: value }),
    });
    this.lines = numberLines("Drag x and y", [move("bowlX"), move("bowlY"), null]);
    this.words = make("div", {});
    this.wiggled = make("div", { class: "part" });
    fill(
      panel,
      paragraph(
        `Take the cost C = ${STEEP.x}/2 x² + ${STEEP.y}/2 y², of two numbers only. Its gradient ` +
          `is the list (${times(STEEP.x, "x")}, ${times(STEEP.y, "y")}).`,
      ),
      this.lines.element,
      this.words,
      this.wiggled,
      paragraph(
        "With two numbers the gradient is also a direction on a map, as step 13 shows. With " +
          "thousands nobody can see such a direction; but as a list of what matters more it " +
          "reads just the same.",
      ),
    );
  },

  update(ctx) {
    const [x, y] = [ctx.state.bowlX, ctx.state.bowlY];
    this.lines.show(linesOf(x, y));
    fill(this.words, said(ctx, x, y));
    fill(this.wiggled, wiggled(x, y));
  },
};

function height(x, y) {
  return (STEEP.x * x ** 2 + STEEP.y * y ** 2) / 2;
}

function times(factor, name) {
  return factor === 1 ? name : factor + name;
}

function linesOf(x, y) {
  const own = (name, value) => ({
    name,
    from: -REACH,
    to: REACH,
    start: 1,
    at: value,
    value,
  });
  const most = height(REACH, REACH);
  return [
    { ...own("x", x), kind: "first" },
    { ...own("y", y), kind: "second", shape: "square" },
    { name: "C", from: 0, to: most, start: height(1, 1), at: height(x, y), kind: "cost" },
  ];
}

function said(ctx, x, y) {
  const [byX, byY] = [STEEP.x * x, STEEP.y * y];
  if (byY === 0) return make("p", {}, `Here y does not matter at all: its slope is exactly 0.`);
  const [one, other] = [term("d", "∂C/∂x", byX), term("d", "∂C/∂y", byY)];
  const ratio = term("w", "how much more x matters", Math.abs(byX / byY));
  return formula(ctx, {
    words: [
      "The slopes here are ",
      one,
      " by x and ",
      other,
      " by y. So the same small wiggle of x moves the cost ",
      ratio,
      " times as far as one of y.",
    ],
    parts: ["| ", one, " / ", other, " |"],
    result: ratio,
  });
}

function wiggled(x, y) {
  const now = height(x, y);
  return table({
    caption: `A wiggle of ${WIGGLE}, truly`,
    heads: ["input", "at", "slope", "changes C by"],
    rows: [
      ["x", number(x, 2), number(STEEP.x * x, 2), precise(height(x + WIGGLE, y) - now, 4, true)],
      ["y", number(y, 2), number(STEEP.y * y, 2), precise(height(x, y + WIGGLE) - now, 4, true)],
    ],
  });
}
