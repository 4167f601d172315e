// Two sensitivities: the same wiggle of two weights moves the cost by very different amounts.

import { aside as bowl } from "../asides/bowl.js";
import { choice, fill, make, paragraph, table } from "../dom.js";
import { numberLines } from "../charts/numberlines.js";
import { extent } from "../charts/scale.js";
import { gradient, nameOf, placeOf } from "../net.js";
import { signed } from "../numbers.js";
import { oneOf, real } from "../state.js";
import { formula, term, wish } from "../words.js";
import { pictured } from "./picker.js";
import { precise, significant } from "./significant.js";
import { wiggler } from "./wiggle.js";

const REACH = 1; // a weight is moved by no more than this, either way
const STEP = 0.01;
const SHAPES = ["circle", "square"];
const NAMES = ["first", "second"];

export const step = {
  id: "two-sensitivities",
  number: 11,
  title: "Two weights, one wiggle",
  covers: ["S12", "S13", "S14", "W3", "K6", "K7", "G8"],
  fields: {
    ratio: oneOf("32", "10", "2"),
    moved1: real(0.5, -REACH, REACH),
    moved2: real(0.5, -REACH, REACH),
  },
  asides: [bowl],

  render(panel, ctx) {
    const move = (name) => ({
      min: -REACH,
      max: REACH,
      step: STEP,
      oninput: (by) => ctx.set({ [name]: by }),
    });
    this.ratio = choice(
      "Sensitivities in the ratio of about",
      [
        ["32", "32 to 1"],
        ["10", "10 to 1"],
        ["2", "2 to 1"],
      ],
      (ratio) => ctx.set({ ratio }),
    );
    this.lines = numberLines("Drag the dots of the two weights, and see the cost move", [
      move("moved1"),
      null,
      move("moved2"),
      null,
      null,
    ]);
    this.words = make("div", { class: "statements" });
    this.numbers = make("div", { class: "part" });
    fill(
      panel,
      make(
        "div",
        { class: "controls-row" },
        make("span", {}, "Sensitivities in the ratio of about"),
        this.ratio,
      ),
      this.lines.element,
      buttons(ctx),
      this.words,
      this.numbers,
      paragraph(
        "A gradient is a list of such sensitivities, one for each weight and bias. Read this " +
          "way it needs no " +
          "picture of a direction in a space of thousands of dimensions: it says which changes " +
          "matter most.",
      ),
    );
  },

  update(ctx) {
    const both = pair(ctx);
    this.ratio.show(ctx.state.ratio);
    fill(this.words, statements(ctx, both));
    fill(this.numbers, table(numbersOf(both)));
    this.lines.show(linesOf(ctx, both));
  },

  picture(ctx) {
    const shown = pair(ctx).map(({ index, slope }) => pictured(ctx.data.sizes, index, slope));
    return {
      faint: true,
      edges: shown.flatMap(({ edges }) => edges),
      ring: shown.flatMap(({ ring }) => ring),
    };
  },

  sentence(ctx) {
    const [one, other] = pair(ctx);
    return (
      `Moving ${one.name} by ${signed(one.by, 2)} changes the cost by ${change(one)}; ` +
      `moving ${other.name} by ${signed(other.by, 2)} changes it by ${change(other)}.`
    );
  },

  table: (ctx) => numbersOf(pair(ctx)),
};

const kept = { pass: null, ratio: null, found: null };

// The weight with the largest slope, and the one whose slope is nearest to the wanted part of it.
function pairOfPlaces({ network, pass, state, data }) {
  if (kept.pass === pass && kept.ratio === state.ratio) return kept.found;
  const slopes = gradient(network, pass, pass.delta);
  const weights = [...slopes.keys()].filter(
    (i) => placeOf(data.sizes, i).kind === "W" && slopes[i] !== 0,
  );
  const size = (i) => Math.abs(slopes[i]);
  const strong = weights.reduce((best, i) => (size(i) > size(best) ? i : best));
  const off = (i) => Math.abs(Math.log(size(strong) / size(i) / Number(state.ratio)));
  const weak = weights.reduce((best, i) => (off(i) < off(best) ? i : best));
  Object.assign(kept, {
    pass,
    ratio: state.ratio,
    found: [strong, weak].map((index) => ({ index, slope: slopes[index] })),
  });
  return kept.found;
}

// Both weights, each moved alone: {index, name, slope, weight, by, cost, change}.
function pair(ctx) {
  const cost = wiggler(ctx.network, ctx.example.image, ctx.label, "squares");
  return pairOfPlaces(ctx).map(({ index, slope }, i) => {
    const by = ctx.state[`moved${i + 1}`];
    const after = cost(index, by);
    return {
      index,
      slope,
      by,
      cost: after,
      change: after - ctx.pass.cost,
      name: nameOf(ctx.data.sizes, index),
      weight: ctx.network.parameters[index],
    };
  });
}

function change({ change: by }) {
  return signed(by, 5);
}

function buttons(ctx) {
  const both = (by) => ctx.set({ moved1: by, moved2: by });
  const button = (name, onclick) => make("button", { type: "button", onclick }, name);
  return make(
    "div",
    { class: "row" },
    button("Give both the first one's wiggle", () => both(ctx.state.moved1)),
    button("Both back to 0", () => both(0)),
  );
}

function statements(ctx, [one, other]) {
  const marks = [one, other].map(({ index }) => {
    const { edges } = pictured(ctx.data.sizes, index, 1);
    return { edges: edges.map(({ layer, to, from }) => [layer, to, from]) };
  });
  const slopes = [one, other].map(({ name, slope }, i) => wish(`∂C/∂${name}`, slope, marks[i], 5));
  const ratio = term("w", "ratio of the slopes", Math.abs(one.slope / other.slope), null, 4);
  const said = formula(ctx, {
    words: [
      `The slopes are `,
      slopes[0],
      ` for ${one.name} and `,
      slopes[1],
      ` for ${other.name}: the first matters `,
      ratio,
      " times as much.",
    ],
    parts: ["| ", slopes[0], " / ", slopes[1], " |"],
    result: ratio,
  });
  if (one.by === 0 || one.by !== other.by) return [said, unequal(one, other)];
  const changes = [one, other].map(({ name, change: by }, i) =>
    wish(`ΔC of ${name}`, by, marks[i], 5),
  );
  const measured = term("C", "ratio of the changes", Math.abs(one.change / other.change), null, 4);
  const happened = formula(ctx, {
    words: [
      `Moved by the same ${signed(one.by, 2)}, they change the cost by `,
      changes[0],
      " and ",
      changes[1],
      ": ",
      measured,
      " times as much. The nearer to 0 the wiggle, the nearer to the ratio of the slopes.",
    ],
    parts: ["| ", changes[0], " / ", changes[1], " |"],
    result: measured,
  });
  return [said, happened];
}

function unequal(one, other) {
  const why =
    one.by === other.by
      ? "Neither weight has been moved"
      : "The two weights are moved by different amounts";
  return make("p", { class: "note" }, `${why}: give both the same wiggle to compare what it does.`);
}

function numbersOf(both) {
  return {
    caption: "Each weight moved alone",
    heads: ["quantity", ...both.map(({ name }) => name)],
    rows: [
      ["weight now", ...both.map(({ weight }) => precise(weight, 5, true))],
      ["gradient (slope of the cost)", ...both.map(({ slope }) => precise(slope, 5, true))],
      ["moved by", ...both.map(({ by }) => precise(by, 3, true))],
      ["cost then", ...both.map(({ cost }) => precise(cost, 7))],
      ["change of the cost", ...both.map(({ change: by }) => precise(by, 5, true))],
      ["gradient × wiggle", ...both.map(({ slope, by }) => precise(slope * by, 5, true))],
    ],
  };
}

// --- number lines --------------------------------------------------------------------------------

// Each weight and the cost it moves, then the second cost once more, magnified.
function linesOf(ctx, both) {
  const now = ctx.pass.cost;
  const cost = wiggler(ctx.network, ctx.example.image, ctx.label, "squares");
  const ends = extent([-REACH, REACH].map((by) => cost(both[0].index, by) - now));
  const reach = Math.max(...ends.map(Math.abs)) * 1.1;
  const zoom = Number(ctx.state.ratio);
  const costLine = (i, name, room) => ({
    name,
    from: now - room,
    to: now + room,
    start: now,
    at: both[i].cost,
    shape: SHAPES[i],
    kind: NAMES[i],
  });
  const lines = both.flatMap(({ name, by, weight }, i) => [
    {
      name,
      from: weight - REACH,
      to: weight + REACH,
      start: weight,
      at: weight + by,
      value: by,
      shape: SHAPES[i],
      kind: NAMES[i],
    },
    costLine(i, `cost, when ${name} moves`, reach),
  ]);
  return [...lines, costLine(1, `the same, ${zoom} times as large`, reach / zoom)];
}
