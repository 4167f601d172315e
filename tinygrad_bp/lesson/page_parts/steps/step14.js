// The gradient of a mini-batch against that of all examples: nearly the same, or hardly at all.

import { aside as deal } from "../asides/deal.js";
import { fill, make, paragraph, slider, table } from "../dom.js";
import { figure } from "../charts/frame.js";
import { counted, histogram } from "../charts/histogram.js";
import { legend, lineChart } from "../charts/lines.js";
import { count, percent, signed, text } from "../numbers.js";
import { passing, whole } from "../state.js";
import { formula, term } from "../words.js";
import { cosines, gradientProducts, inputProducts, predicted, summary } from "./agreement.js";
import { mean } from "./averages.js";
import { seeded } from "./random.js";
import { significant } from "./significant.js";

const DRAWS = 200;
const BINS = 40;
const STOPS = 60; // of the slider, fewer where whole numbers are too close
const MEASURED_AT = [1, 2, 5, 10, 20, 50, 100, 200, 350];

const LIVE = { kind: "first", mark: "circle", line: false };
const FORMULA = { kind: "first" };
const BEFORE = { kind: "second", mark: "square", dash: "6 4" };

export const step = {
  id: "mini-batch",
  number: 14,
  title: "A mini-batch guesses the gradient",
  covers: ["S17", "S33", "S35", "W16"],
  fields: { batch: whole(100, 1, 60_000), shuffle: passing(1) },
  asides: [deal],

  render(panel, ctx) {
    const stops = stopsOf(ctx);
    this.size = slider(
      "Examples in a mini-batch",
      { min: 0, max: stops.length - 1, step: 1 },
      (i) => ctx.set({ batch: stops[i] }),
    );
    const again = () => ctx.set({ shuffle: ctx.state.shuffle + 1 });
    this.words = make("div", { class: "statements" });
    this.histogram = figure("", (width) => histogramOf(ctx, width));
    this.curve = figure("The cosine to expect, by size of the mini-batch", (width) =>
      curveOf(ctx, width),
    );
    this.curveLegend = make("div", {});
    this.numbers = make("div", { class: "part" });
    this.remarks = make("div", { class: "prose" });
    fill(
      panel,
      make(
        "div",
        { class: "controls-row" },
        this.size,
        make("button", { type: "button", onclick: again }, "Draw again"),
      ),
      this.words,
      make(
        "div",
        { class: "side-by-side" },
        this.histogram.element,
        make("div", {}, this.curve.element, this.curveLegend),
      ),
      make("div", { class: "side-by-side" }, this.numbers, this.remarks),
    );
  },

  update(ctx) {
    const stops = stopsOf(ctx);
    this.size.show(
      stops.findLastIndex((stop) => stop <= sizeOf(ctx)),
      count(sizeOf(ctx)),
    );
    this.histogram.caption.textContent =
      `Cosines of ${DRAWS} random mini-batches of ${count(sizeOf(ctx))} to the gradient of all ` +
      `${count(ctx.data.digits.length)}`;
    fill(this.words, statements(ctx));
    fill(this.curveLegend, legend(seriesOf(ctx)));
    fill(this.numbers, table(numbersOf(ctx)));
    fill(this.remarks, remarks(ctx));
    this.histogram.redraw();
    this.curve.redraw();
  },

  ahead: (ctx) => fullOf(ctx),
  picture: () => null,

  sentence(ctx) {
    const found = drawsOf(ctx);
    return (
      `${DRAWS} mini-batches of ${count(sizeOf(ctx))} agree with all ` +
      `${count(ctx.data.digits.length)} digits with a cosine of ` +
      `${text(mean(found), 3)} on average; ${percent(uphill(found))} of them point uphill.`
    );
  },

  table(ctx) {
    const { data } = ctx;
    const before = beforehand(ctx);
    return [
      numbersOf(ctx),
      {
        caption:
          `Mini-batches against the gradient of the ${count(data.digits.length)} digits ` +
          "of this page, computed now",
        heads: ["size", `mean cosine of ${DRAWS}`, "predicted"],
        rows: measuredCurve(ctx).map(([size, cosine]) => [
          count(size),
          text(cosine, 3),
          text(predicted(fullOf(ctx), size), 3),
        ]),
      },
      {
        caption:
          `Mini-batches against the gradient of all ${count(data.cosine.n)} training ` +
          "digits, measured beforehand",
        heads: ["size", "mean cosine", "predicted", "uphill"],
        rows: before.batch.map((size, i) => [
          count(size),
          text(before.mean[i], 3),
          text(before.predicted[i], 3),
          percent(before.uphill[i]),
        ]),
      },
    ];
  },
};

// --- numbers -------------------------------------------------------------------------------------

const full = new WeakMap(); // by network
const pixels = new WeakMap(); // by list of digits: the same for every network
const drawn = { key: "", cosines: [] };

function fullOf({ network, data, all }) {
  if (!pixels.has(data.digits))
    pixels.set(data.digits, inputProducts(data.digits.map(({ image }) => image)));
  if (!full.has(network)) {
    full.set(
      network,
      summary(gradientProducts(all(), pixels.get(data.digits)), data.digits.length),
    );
  }
  return full.get(network);
}

function sizeOf({ state, data }) {
  return Math.min(state.batch, data.digits.length);
}

// Sizes from 1 to all, each larger than the one before by about the same factor.
function stopsOf({ data }) {
  const n = data.digits.length;
  return [
    ...new Set(
      Array.from({ length: STOPS + 1 }, (_, i) => Math.round(n ** (i / STOPS))).concat(
        Math.min(100, n),
      ),
    ),
  ].sort((a, b) => a - b);
}

function drawsOf(ctx) {
  const key = `${ctx.network.id} ${sizeOf(ctx)} ${ctx.state.shuffle}`;
  if (drawn.key !== key) {
    const random = seeded(1000 * ctx.state.shuffle + sizeOf(ctx));
    Object.assign(drawn, { key, cosines: cosines(fullOf(ctx), sizeOf(ctx), DRAWS, random) });
  }
  return drawn.cosines;
}

const curves = new WeakMap(); // by network

function measuredCurve(ctx) {
  const n = ctx.data.digits.length;
  if (!curves.has(ctx.network)) {
    const sizes = [...MEASURED_AT.filter((size) => size < n), n];
    curves.set(
      ctx.network,
      sizes.map((size) => [size, mean(cosines(fullOf(ctx), size, DRAWS, seeded(size)))]),
    );
  }
  return curves.get(ctx.network);
}

function afterPaint(task) {
  requestAnimationFrame(() => setTimeout(task));
}

function beforehand({ data, network }) {
  return data.cosine.networks.find((one) => one.network === network.id);
}

function uphill(found) {
  return found.filter((cosine) => cosine < 0).length / found.length;
}

// --- what is said --------------------------------------------------------------------------------

function statements(ctx) {
  const all = fullOf(ctx);
  const size = sizeOf(ctx);
  const n = ctx.data.digits.length;
  const scatter = term("w", "scatter", all.scatter, null, 2);
  const batch = term("z", "B", size, null, 0);
  const left = term("b", "(n − B)/(n − 1)", (n - size) / (n - 1), null, 3);
  const expected = term("d", "cosine to expect", predicted(all, size), null, 3);
  const found = term("a", `mean of ${DRAWS} draws`, mean(drawsOf(ctx)), null, 3);
  const whole = term("b", "n", n, null, 0);
  const steps = term("z", "steps for the work of one", n / size, null, 2);
  return [
    formula(ctx, {
      words: [
        "The examples disagree: the squared distance of their gradients from the mean is ",
        scatter,
        " times the mean's own squared length. For mini-batches of ",
        batch,
        " this predicts a cosine of ",
        expected,
        "; those drawn have ",
        found,
        " on average.",
      ],
      parts: ["1 / √( 1 + ", scatter, " / ", batch, " × ", left, " )"],
      result: expected,
    }),
    formula(ctx, {
      words: [
        "A step with all ",
        whole,
        " examples costs as much as ",
        steps,
        " steps with ",
        batch,
        ".",
      ],
      parts: [whole, " / ", batch],
      result: steps,
    }),
  ];
}

function numbersOf(ctx) {
  const found = drawsOf(ctx);
  const n = ctx.data.digits.length;
  const size = sizeOf(ctx);
  const parameters = ctx.network.parameters.length;
  const more = ctx.data.cosine.n;
  return {
    caption: `The network “${ctx.network.name}”, mini-batches of ${count(size)}`,
    heads: ["quantity", "value"],
    rows: [
      ["mean cosine", text(mean(found), 3)],
      ["predicted", text(predicted(fullOf(ctx), size), 3)],
      [
        "smallest and largest",
        `${signed(Math.min(...found), 3)} to ${signed(Math.max(...found), 3)}`,
      ],
      ["point uphill", percent(uphill(found))],
      ["work of one step, in example-gradients", count(size)],
      [`share of the work with all ${count(n)}`, percent(size / n)],
      [`share of the work with all ${count(more)}`, percent(size / more, 2)],
      [`work of these ${DRAWS} draws`, count(DRAWS * size)],
      ["a random direction would have, typically", significant(1 / Math.sqrt(parameters), 2)],
    ],
  };
}

function remarks(ctx) {
  const before = beforehand(ctx);
  const at = Math.max(before.batch.indexOf(100), 0);
  return [
    paragraph(
      "“All” means two things here. The histogram and the dots are computed now, against the " +
        "gradient of the " +
        `${count(ctx.data.digits.length)} digits in this page. The squares were measured ` +
        "beforehand, against all " +
        `${count(ctx.data.cosine.n)} training digits: there, mini-batches of ` +
        `${count(before.batch[at])} have a cosine of ` +
        `${text(before.mean[at], 3)} for this network.`,
    ),
    paragraph(
      "This is what makes learning fast: not to listen to a single example, but to few enough " +
        "that their average is cheap, and to enough that it points roughly the right way.",
    ),
    paragraph(
      "Choose another network above. Before training nearly every example wants the same, and " +
        "a few speak for all. Later that common " +
        "wish is satisfied, only disagreements remain, and one mini-batch knows little of the " +
        "whole. Its step is still worth its price.",
    ),
  ];
}

// --- drawings ------------------------------------------------------------------------------------

function histogramOf(ctx, width) {
  const found = drawsOf(ctx);
  const low = Math.min(...found) < 0 ? -1 : 0;
  const average = mean(found);
  return histogram({
    width,
    height: 270,
    label: step.sentence(ctx),
    x: {
      label: low < 0 ? "cosine; below 0 (hatched) the step goes uphill" : "cosine",
      domain: [low, 1],
      format: (t) => text(t, 1),
    },
    y: { label: "mini-batches", format: (t) => (Number.isInteger(t) ? count(t) : "") },
    counts: counted(found, [low, 1], low < 0 ? 2 * BINS : BINS),
    divide: 0,
    rules: [{ x: average, label: `mean ${text(average, 3)}` }],
  });
}

function seriesOf(ctx) {
  const { network } = ctx;
  const n = ctx.data.digits.length;
  const before = beforehand(ctx);
  const sizes = stopsOf(ctx);
  return [
    {
      ...FORMULA,
      name: `predicted for the ${count(n)} of this page`,
      points: sizes.map((size) => [size, predicted(fullOf(ctx), size)]),
    },
    { ...LIVE, name: `mean of ${DRAWS} draws, computed now`, points: curves.get(network) ?? [] },
    {
      ...BEFORE,
      name: `all ${count(ctx.data.cosine.n)}, measured beforehand`,
      points: before.batch.map((size, i) => [size, before.mean[i]]),
    },
  ];
}

// The dots take longer than all else: they are computed when the click has been answered.
function curveOf(ctx, width) {
  if (!curves.has(ctx.network)) afterPaint(() => measuredCurve(ctx) && step.curve.redraw());
  return lineChart({
    width,
    height: 270,
    label: "Mean cosine by size of the mini-batch, see the table",
    x: {
      label: "examples in a mini-batch",
      log: true,
      domain: [1, ctx.data.cosine.n],
      format: count,
    },
    y: { label: "cosine to the full gradient", domain: [0, 1], format: (t) => text(t, 1) },
    series: seriesOf(ctx),
    rules: [{ x: sizeOf(ctx), label: count(sizeOf(ctx)) }],
  });
}
