// Do you believe it? Any parameter's slope, by backpropagation and by wiggling it.

import { aside as dial } from "../asides/dial.js";
import { fill, make, paragraph, slider, table } from "../dom.js";
import { namedBars } from "../charts/bars.js";
import { figure } from "../charts/frame.js";
import { legend, lineChart } from "../charts/lines.js";
import { nameOf } from "../net.js";
import { count, text } from "../numbers.js";
import { whole } from "../state.js";
import { formula, term } from "../words.js";
import { described, parameterField, parameterPicker, pictured } from "./picker.js";
import { precise, powerOfTen, significant } from "./significant.js";
import { chosenParameter, fullGradient, largestOf, rankOf } from "./slopes.js";
import { checkAll, relativeError, wiggled, wiggler } from "./wiggle.js";

const WIGGLES = { largest: 0, smallest: 12 }; // h is ten to minus this
const CHECK = 6; // the h at which all are checked
const CURVE_POINTS = 41;
const CURVE = { name: "the cost", kind: "first" };
const TANGENT = { name: "the slope that backprop gives", kind: "second", dash: "6 4" };
const MEASURED = {
  name: "measured at −h and +h",
  kind: "third",
  mark: "diamond",
  line: false,
  radius: 6,
};

export const step = {
  id: "believe",
  number: 10,
  title: "Do you believe it?",
  covers: ["S13", "S29", "K7", "K17"],
  fields: { parameter: parameterField(), wiggle: whole(1, WIGGLES.largest, WIGGLES.smallest) },
  asides: [dial],

  render(panel, ctx) {
    this.pick = parameterPicker(ctx.data.sizes, (parameter) => ctx.set({ parameter }));
    this.wiggle = slider(
      "Wiggle h",
      { min: WIGGLES.largest, max: WIGGLES.smallest, step: 1 },
      (wiggle) => ctx.set({ wiggle }),
    );
    this.words = make("div", { class: "statements" });
    this.numbers = make("div", { class: "part" });
    this.curve = figure(
      "The cost as this one parameter moves",
      (width) => curveOf(ctx, width),
      legend([CURVE, TANGENT, MEASURED]),
    );
    this.errors = figure("How wrong the wiggle is, for each h", (width) => errorsOf(ctx, width));
    this.all = allView(() => this.start(ctx));
    fill(
      panel,
      make("div", { class: "part" }, this.pick, shortcuts(ctx), this.wiggle),
      this.words,
      this.curve.element,
      this.numbers,
      make(
        "div",
        { class: "part" },
        make("h3", {}, `All ${count(ctx.network.parameters.length)} of them`),
        this.all.element,
      ),
      this.errors.element,
      paragraph(
        "Too large a wiggle leaves the straight part of the curve; too small a one drowns in " +
          "rounding, " +
          "since the two costs then differ only in their last digits. In between the two ways " +
          "agree.",
      ),
    );
  },

  update(ctx) {
    const key = `${ctx.network.id} ${ctx.example.index}`;
    if (this.key !== key) this.stop(key);
    this.pick.show(chosenParameter(ctx));
    this.wiggle.show(ctx.state.wiggle, powerOfTen(-ctx.state.wiggle));
    fill(this.words, statements(ctx));
    fill(this.numbers, table(numbersOf(ctx)));
    this.curve.redraw();
    this.errors.redraw();
  },

  picture(ctx) {
    const index = chosenParameter(ctx);
    return { faint: true, ...pictured(ctx.data.sizes, index, slopeOf(ctx, index)) };
  },

  sentence(ctx) {
    const { backprop, slope, error } = comparison(ctx);
    const name = nameOf(ctx.data.sizes, chosenParameter(ctx));
    return (
      `${name}: backpropagation says ${significant(backprop)}, ` +
      `a wiggle of ${powerOfTen(-ctx.state.wiggle)} says ${significant(slope)}; they differ by ` +
      `${significant(100 * error, 2)} %.`
    );
  },

  table(ctx) {
    const sweep = {
      caption: "Relative error of the wiggle for each h",
      heads: ["h", "by wiggle", "relative error"],
      rows: sweepOf(ctx).map(({ exponent, slope, error }) => [
        powerOfTen(-exponent),
        precise(slope, 8, true),
        precise(error, 2),
      ]),
    };
    return [numbersOf(ctx), sweep, ...(this.found ? [differencesTable(this.found)] : [])];
  },

  // Wiggles all parameters while the page stays usable.
  start(ctx) {
    const whole = fullGradient(ctx);
    const largest = whole.reduce((most, g) => Math.max(most, Math.abs(g)), 0);
    const [sizes, began] = [ctx.data.sizes, performance.now()];
    this.stop(this.key);
    this.halt = checkAll(costBy(ctx), whole, 10 ** -CHECK, ({ done, worst, differences }) => {
      this.found = {
        done,
        total: whole.length,
        worst,
        largest,
        sizes,
        differences,
        took: performance.now() - began,
      };
      this.all.show(this.found);
    });
  },

  stop(key = null) {
    this.halt?.();
    Object.assign(this, { key, halt: null, found: null });
    this.all?.clear();
  },

  leave() {
    this.stop();
  },
};

// --- numbers -------------------------------------------------------------------------------------

function slopeOf(ctx, index) {
  return fullGradient(ctx)[index];
}

function costBy({ network, example, label }) {
  return wiggler(network, example.image, label, "squares");
}

function comparison(ctx, h = 10 ** -ctx.state.wiggle) {
  const index = chosenParameter(ctx);
  const backprop = slopeOf(ctx, index);
  const found = wiggled(costBy(ctx), index, h);
  return { ...found, h, backprop, now: ctx.pass.cost, error: relativeError(backprop, found.slope) };
}

function sweepOf(ctx) {
  const exponents = Array.from(
    { length: WIGGLES.smallest - WIGGLES.largest + 1 },
    (_, i) => WIGGLES.largest + i,
  );
  return exponents.map((exponent) => ({ exponent, ...comparison(ctx, 10 ** -exponent) }));
}

function statements(ctx) {
  const { plus, minus, h, slope, backprop } = comparison(ctx);
  const name = nameOf(ctx.data.sizes, chosenParameter(ctx));
  const [up, down] = [exact("C", "C(p + h)", plus), exact("C", "C(p − h)", minus)];
  const width = exact("w", "2h", 2 * h);
  const measured = exact("d", "ΔC / 2h", slope);
  return [
    make("p", { class: "note" }, introduced(ctx)),
    formula(ctx, {
      words: [
        "Moved up by h the cost is ",
        up,
        ", moved down ",
        down,
        ". Over the ",
        width,
        ` between them that is a slope of `,
        measured,
        ".",
      ],
      parts: ["( ", up, " − ", down, " ) / ", width],
      result: measured,
    }),
    formula(ctx, backpropWords(ctx, name, backprop)),
  ];
}

// What p is, and its place among all.
function introduced(ctx) {
  const index = chosenParameter(ctx);
  const slopes = fullGradient(ctx);
  const all = count(slopes.length);
  const place =
    slopes[index] === 0
      ? `Its slope is exactly 0, one of ${count(slopes.filter((g) => g === 0).length)} of ${all}.`
      : `By size its slope is number ${count(rankOf(slopes, index))} of ${all}.`;
  return `p is ${described(ctx.data.sizes, index)}. ${place}`;
}

// A term with more digits than usual, but not with zeros for most of them.
function exact(kind, symbol, value, mark = null) {
  return term(kind, symbol, value, mark, Math.abs(value) < 1e-4 ? 3 : 6);
}

function backpropWords(ctx, name, backprop) {
  const { pass, data } = ctx;
  const { edges, ring } = pictured(data.sizes, chosenParameter(ctx), backprop);
  const [[layer, to]] = ring;
  const delta = exact("d", `δ of neuron ${to}, layer ${layer}`, pass.delta[layer][to], {
    neurons: [[layer, to]],
  });
  const sender = name.startsWith("W") ? pass.a[layer - 1][Number(name.match(/,(\d+)/)[1])] : 1;
  const a = exact("a", name.startsWith("W") ? "a of the sender" : "1", sender, {
    edges: edges.map((e) => [e.layer, e.to, e.from]),
  });
  const result = exact("d", `∂C/∂${name}`, backprop);
  return {
    words: [
      "Backpropagation multiplies the delta of the receiver, ",
      delta,
      ", by what is sent, ",
      a,
      ", and says ",
      result,
      ".",
    ],
    parts: [delta, " × ", a],
    result,
  };
}

function numbersOf(ctx) {
  const { plus, minus, now, slope, backprop, error, h } = comparison(ctx);
  return {
    caption:
      `${nameOf(ctx.data.sizes, chosenParameter(ctx))}, wiggled by h = ` +
      `${powerOfTen(-ctx.state.wiggle)}`,
    heads: ["quantity", "value"],
    rows: [
      ["slope, by backpropagation", precise(backprop, 10, true)],
      ["slope, by wiggle", precise(slope, 10, true)],
      ["relative error", precise(error, 2)],
      ["cost change at +h", precise(plus - now, 6, true)],
      ["cost change at −h", precise(minus - now, 6, true)],
      ["gradient × h, for comparison", precise(backprop * h, 6, true)],
    ],
  };
}

function shortcuts(ctx) {
  const go = (name, find) =>
    make(
      "button",
      { type: "button", onclick: () => ctx.set({ parameter: find(fullGradient(ctx)) }) },
      name,
    );
  return make(
    "div",
    { class: "row" },
    go("Largest slope", largestOf),
    go("Any one", (all) => Math.floor(Math.random() * all.length)),
    go("A slope of exactly 0", (all) => Math.max(all.indexOf(0), 0)),
  );
}

// --- drawings ------------------------------------------------------------------------------------

// The window follows h, so that a small wiggle shows a straight line.
function curveOf(ctx, width) {
  const { plus, minus, now, backprop, h } = comparison(ctx);
  const [cost, index, reach] = [costBy(ctx), chosenParameter(ctx), 2.5 * h];
  const moves = Array.from(
    { length: CURVE_POINTS },
    (_, i) => reach * ((2 * i) / (CURVE_POINTS - 1) - 1),
  );
  const points = moves.map((by) => [by, cost(index, by) - now]);
  const tangent = [-reach, reach].map((by) => [by, backprop * by]);
  const most = Math.max(...[...points, ...tangent].map(([, y]) => Math.abs(y))) || Number.EPSILON;
  const ticks = [-2 * h, -h, 0, h, 2 * h];
  const names = ["p − 2h", "p − h", "p", "p + h", "p + 2h"];
  return lineChart({
    width,
    height: 260,
    label: `The cost around ${nameOf(ctx.data.sizes, index)}, with the slope of backpropagation`,
    x: {
      label: `h = ${powerOfTen(-ctx.state.wiggle)}`,
      domain: [-reach, reach],
      ticks,
      format: (t) => names[ticks.indexOf(t)],
    },
    y: {
      label: "change of the cost",
      domain: [-most * 1.08, most * 1.08],
      format: (t) => significant(t, 2),
    },
    series: [
      { ...CURVE, points },
      { ...TANGENT, points: tangent },
      {
        ...MEASURED,
        points: [
          [-h, minus - now],
          [h, plus - now],
        ],
      },
    ],
  });
}

function errorsOf(ctx, width) {
  const sweep = sweepOf(ctx);
  const errors = sweep.map(({ error }) => Math.min(error, 2)).filter((error) => error > 0);
  if (errors.length === 0) return lineOfZeros(ctx, width);
  const power = Math.floor(Math.log10(Math.min(...errors)));
  const series = {
    kind: "first",
    mark: "circle",
    points: sweep.map(({ h, error }) => [h, Math.min(error, 2)]),
  };
  return lineChart({
    width,
    height: 230,
    label: "The relative error for each h, see the table",
    x: {
      label: "h",
      log: true,
      domain: [10 ** -WIGGLES.smallest, 1],
      format: (t) => powerOfTen(Math.round(Math.log10(t))),
    },
    y: {
      label: "relative error",
      log: true,
      domain: [10 ** power, 10],
      format: (t) => powerOfTen(Math.round(Math.log10(t))),
    },
    series: [series],
    rules: [{ x: 10 ** -ctx.state.wiggle, label: "h now" }],
  });
}

function lineOfZeros(ctx, width) {
  return namedBars({
    width,
    label: "No error at all",
    rows: [{ name: "every h", value: 0, text: "exactly equal: both are 0" }],
    domain: [0, 1],
    textWidth: 180,
  });
}

// --- all of them ---------------------------------------------------------------------------------

function allView(onstart) {
  const button = make(
    "button",
    { type: "button", class: "primary", onclick: onstart },
    "Check every one",
  );
  const bar = make("progress", { max: 1, value: 0, "aria-label": "Parameters checked" });
  const verdict = make("p", { role: "status" });
  const picture = figure("How far the two ways are apart", (width) =>
    found ? differencesChart(found, width) : "",
  );
  const element = make(
    "div",
    { class: "part" },
    make("div", { class: "row" }, button, bar),
    verdict,
    picture.element,
  );
  let found = null;

  function clear() {
    found = null;
    bar.value = 0;
    bar.hidden = picture.element.hidden = true;
    verdict.textContent = "";
  }

  function show(news) {
    found = news;
    bar.hidden = false;
    bar.value = news.done / news.total;
    if (news.done < news.total) return;
    picture.element.hidden = false;
    fill(verdict, verdictOf(news));
    picture.redraw();
  }
  clear();
  return { element, clear, show };
}

function verdictOf({ total, worst, largest, sizes, took }) {
  return [
    `All ${count(total)} checked with ${count(2 * total)} runs of the network in ` +
      `${text(took / 1000, 1)} seconds, h = ${powerOfTen(-CHECK)}. `,
    `The worst is ${nameOf(sizes, worst.index)}: `,
    precise(worst.difference, 2),
    " apart, which is ",
    precise(worst.difference / largest, 2),
    ` of the largest slope, ${significant(largest)}.`,
  ];
}

// How many differences lie in each power of ten, the smallest first.
function decadesOf({ differences }) {
  const groups = new Map();
  for (const difference of differences) {
    const power = difference === 0 ? -Infinity : Math.max(Math.floor(Math.log10(difference)), -15);
    groups.set(power, (groups.get(power) ?? 0) + 1);
  }
  const name = (power) =>
    power === -Infinity ? "exactly equal" : `below ${powerOfTen(power + 1)}`;
  return [...groups]
    .sort(([a], [b]) => a - b)
    .map(([power, many]) => ({ name: name(power), many }));
}

function differencesChart(found, width) {
  const rows = decadesOf(found).map(({ name, many }) => ({
    name,
    value: many,
    text: count(many),
    kind: "neutral",
  }));
  const most = Math.max(...rows.map(({ value }) => value));
  return namedBars({
    width,
    label: "How many parameters differ by how much, see the table",
    rows,
    domain: [0, most],
    nameWidth: 100,
  });
}

function differencesTable(found) {
  return {
    caption: "Backpropagation against wiggle, all parameters: how far apart",
    heads: ["difference", "parameters"],
    rows: decadesOf(found).map(({ name, many }) => [name, count(many)]),
  };
}
