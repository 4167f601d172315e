// Downhill with one input: which way the slope sends it, and what too long a step does.

import { draw, fill, make, paragraph, slider, table } from "../dom.js";
import { axes, figure, paper, words } from "../charts/frame.js";
import { mark, polyline } from "../charts/lines.js";
import { real } from "../state.js";
import { precise, significant } from "../steps/significant.js";
import { formula, term, wish } from "../words.js";

const STEPS = 20;
const VIEW = { x: [-2, 3.1], C: [0, 6.6] };
const RESTS = 0.01; // a slope no steeper than this counts as level
const SHOWN = [0, 1, 2, 5, 10, 15, STEPS];

// The slope is 0 at −1, 0 and 2: a shallow valley, a hill top and a deep valley.
const HEIGHT = "x⁴/4 − x³/3 − x² + 3";
const SLOPE = "x³ − x² − 2x";
const VALLEYS = [
  { name: "left", x: -1 },
  { name: "right", x: 2 },
];

function heightAt(x) {
  return x ** 4 / 4 - x ** 3 / 3 - x ** 2 + 3;
}

function slopeAt(x) {
  return x ** 3 - x ** 2 - 2 * x;
}

function curvatureAt(x) {
  return 3 * x ** 2 - 2 * x - 2;
}

export const aside = {
  id: "valley",
  title: "Downhill in one dimension",
  covers: ["G4", "G7"],
  fields: { begin: real(0.4, ...VIEW.x), rate: real(0.1, 0.01, 1) },

  render(content, ctx) {
    const [min, max] = VIEW.x;
    this.begin = slider("Start at x", { min, max, step: 0.05 }, (begin) => ctx.set({ begin }));
    this.rate = slider("Learning rate lr", { min: 0.01, max: 1, step: 0.01 }, (rate) =>
      ctx.set({ rate }),
    );
    this.words = make("div", { class: "statements" });
    this.curve = figure(`C = ${HEIGHT}, and ${STEPS} steps from the start`, (width) =>
      curveOf(ctx.state, width),
    );
    this.steps = make("div", { class: "part" });
    this.bends = make("div", { class: "prose" });
    fill(
      content,
      paragraph(
        `One input instead of thousands: the cost C = ${HEIGHT} has the slope ${SLOPE}. Each ` +
          "step is minus lr times the slope where it begins.",
      ),
      this.begin,
      this.rate,
      this.words,
      make(
        "div",
        { class: "side-by-side wide-left" },
        this.curve.element,
        make("div", { class: "stack" }, this.steps, this.bends),
      ),
    );
  },

  update(ctx) {
    const { begin, rate } = ctx.state;
    this.begin.show(begin, begin.toFixed(2).replace("-", "−"));
    this.rate.show(rate, rate.toFixed(2));
    fill(this.words, statement(ctx), make("p", {}, outcome(ctx.state)));
    fill(this.steps, table(stepsOf(ctx.state)));
    fill(this.bends, bends(rate));
    this.curve.redraw();
  },
};

// Places from the start on, no further than the first that is out of view.
function wayOf({ begin, rate }) {
  const way = [begin];
  for (let i = 0; i < STEPS && seen(way.at(-1)); i += 1) {
    way.push(way.at(-1) - rate * slopeAt(way.at(-1)));
  }
  return way;
}

function seen(x) {
  return VIEW.x[0] <= x && x <= VIEW.x[1];
}

function statement(ctx) {
  const { begin, rate } = ctx.state;
  const slope = wish("slope", slopeAt(begin));
  const lr = term("w", "lr", rate, null, 2);
  const move = wish("first step", 0 - rate * slope.value);
  if (slope.value === 0)
    return make("p", { class: "statement" }, "The slope is exactly 0 here: nothing moves.");
  const [uphill, way] = slope.value > 0 ? ["right", "left"] : ["left", "right"];
  return formula(ctx, {
    words: [
      "At the start the slope is ",
      slope,
      `: uphill is to the ${uphill}, so the step goes to the ${way}. With lr `,
      lr,
      " it is ",
      move,
      ".",
    ],
    parts: ["− ", lr, " × ", slope],
    result: move,
  });
}

function outcome(state) {
  const way = wayOf(state);
  const [x, done] = [way.at(-1), way.length - 1];
  if (!seen(x)) return `It overshoots: step ${done} is so long that it leaves the picture.`;
  const slope = slopeAt(x);
  const rests = VALLEYS.find((valley) => Math.abs(valley.x - x) < 0.1);
  const where = `After ${done} steps it is at x = ${significant(x, 4)}`;
  if (Math.abs(slope) <= RESTS && rests)
    return (
      `${where}, the bottom of the ${rests.name} valley. Near it the steps became shorter, ` +
      "because the slope did."
    );
  if (slope === 0) return `${where}, level ground on top of the hill: it cannot choose a side.`;
  const jumps = slope * slopeAt(way.at(-2)) < 0;
  return jumps
    ? `${where}, still jumping from one side to the other: the steps are too long.`
    : `${where}, still on its way: the slope there is ${significant(slope, 2)}.`;
}

function stepsOf(state) {
  const way = wayOf(state);
  return {
    caption: "Where it is, how steep it is there, and the step from there",
    heads: ["after steps", "x", "slope", "step"],
    rows: SHOWN.filter((i) => i < way.length).map((i) => [
      String(i),
      precise(way[i], 4),
      precise(slopeAt(way[i]), 3, true),
      precise(0 - state.rate * slopeAt(way[i]), 3, true),
    ]),
  };
}

// Near a bottom the slope is the curvature times the distance, so a step multiplies the distance
// by 1 − lr × curvature.
function bends(rate) {
  return [
    paragraph(
      "Near a bottom the slope is the curvature times the distance. So a step with lr " +
        "2/curvature lands just as far away on the other side, and a longer one farther.",
    ),
    table({
      caption: `Each valley has its own limit; lr is ${rate.toFixed(2)}`,
      heads: ["valley", "curvature", "limit of lr", "this lr"],
      rows: VALLEYS.map(({ name, x }) => [
        `${name}, x = ${significant(x, 1)}`,
        significant(curvatureAt(x), 2),
        significant(2 / curvatureAt(x), 3),
        rate < 2 / curvatureAt(x) ? "settles" : "overshoots",
      ]),
    }),
  ];
}

function curveOf(state, width) {
  const way = wayOf(state);
  const frame = axes(
    width,
    300,
    { label: "x", domain: VIEW.x, format: (t) => significant(t, 1) },
    { label: "C", domain: VIEW.C, format: (t) => significant(t, 1) },
  );
  const at = (x) => [frame.x(x), frame.y(heightAt(x))];
  const [low, high] = VIEW.x;
  const curve = Array.from({ length: 121 }, (_, i) => at(low + ((high - low) * i) / 120));
  const stops = way.filter(seen).map(at);
  const [first] = stops;
  return paper(
    width,
    300,
    outcome(state),
    frame.ground,
    draw("g", { class: "series" }, polyline(curve)),
    draw(
      "g",
      { class: "series first trail" },
      polyline(stops, { class: "ahead" }),
      stops.map(([x, y], i) => mark(i ? "circle" : "square", x, y, i ? 4 : 6)),
    ),
    words(first[0], first[1] - 12, "start", first[0] > width / 2 ? "end" : "start"),
  );
}
