// Why a sum is squeezed at all, and by what: σ, a kink, a step, or nothing.

import { figure } from "../charts/frame.js";
import { legend, lineChart } from "../charts/lines.js";
import { choice, fill, make, paragraph, slider, table } from "../dom.js";
import { sigmoid } from "../net.js";
import { count, number, signed, text } from "../numbers.js";
import { oneOf, real } from "../state.js";
import { collapsed, SQUEEZERS, through } from "./squeezers.js";

const WIDEST = 20;
const FAR = [-1000, -20, 0, 20, 1000];
const POINTS = 400;
const ACTIVATION = { name: "activation a", kind: "first" };
const SLOPE = { name: "slope of a against z", kind: "second", dash: "6 4" };
const [SIGMOID, , , NONE] = SQUEEZERS;

export const aside = {
  id: "squeeze",
  title: "What squeezes the sum",
  covers: ["N3", "N4", "N7", "G9"],
  fields: {
    squeezer: oneOf(...SQUEEZERS.map(({ key }) => key)),
    arrives: real(8, -WIDEST, WIDEST),
    offset: real(-10, -WIDEST, WIDEST),
  },

  render(content, ctx) {
    const options = SQUEEZERS.map(({ key, name }) => [key, name]);
    const range = { min: -WIDEST, max: WIDEST, step: 0.5 };
    this.choice = choice("Squeezed by", options, (squeezer) => ctx.set({ squeezer }));
    this.arrives = slider("What arrives", range, (arrives) => ctx.set({ arrives }));
    this.offset = slider("Bias", range, (offset) => ctx.set({ offset }));
    const intro = paragraph(
      "σ is one way to squeeze a sum before it is passed on. Put something else in its place, " +
        "and let more or less arrive.",
    );
    this.here = make("p", {});
    this.chart = figure(
      "The activation, as more arrives",
      (width) => chartOf(ctx, width),
      legend([ACTIVATION, SLOPE]),
    );
    this.compared = make("div", { class: "part" });
    this.one = make("div", { class: "part" });
    fill(
      content,
      intro,
      make("div", { class: "row" }, this.choice),
      this.arrives,
      this.offset,
      this.here,
      this.chart.element,
      this.compared,
      farOut(),
      this.one,
    );
  },

  update(ctx) {
    const { squeezer, arrives, offset } = ctx.state;
    this.choice.show(squeezer);
    this.arrives.show(arrives, signed(arrives, 1));
    this.offset.show(offset, signed(offset, 1));
    fill(this.here, here(ctx));
    this.chart.redraw();
    fill(this.compared, make("h3", {}, "In the place of σ"), comparison(ctx));
    fill(this.one, make("h3", {}, "Without squeezing, one layer does"), oneLayer(ctx));
  },
};

function chosen({ state }) {
  return SQUEEZERS.find(({ key }) => key === state.squeezer);
}

function here(ctx) {
  const { arrives, offset } = ctx.state;
  const [z, { activation, slope, key }] = [arrives + offset, chosen(ctx)];
  const meaning = {
    sigmoid:
      `The bias is a threshold: the activation passes ${text(sigmoid(0), 1)} where what arrives ` +
      `is ${text(-offset, 1)}.`,
    relu:
      "ReLU passes on a positive sum as it is, and 0 for any other: above 0 it never flattens, " +
      "below 0 it is flat and nothing is learnt.",
    step: "It jumps at the threshold and is flat on both sides.",
    none: "The sum is passed on as it is.",
  };
  return [
    `z = ${text(arrives, 1)} ${offset < 0 ? "−" : "+"} ${text(Math.abs(offset), 1)} = `,
    number(z, 1),
    "; the activation is ",
    number(activation(z), 4),
    ", its slope ",
    number(slope(z), 4),
    `. ${meaning[key]}`,
  ];
}

function chartOf(ctx, width) {
  const { arrives, offset } = ctx.state;
  const { activation, slope, name } = chosen(ctx);
  const xs = Array.from({ length: POINTS + 1 }, (_, i) => WIDEST * ((2 * i) / POINTS - 1));
  const along = (f) => xs.map((x) => [x, f(x + offset)]);
  const points = along(activation);
  const heights = [0, 1, ...points.map(([, y]) => y)];
  const inside = Math.abs(offset) <= WIDEST;
  return lineChart({
    width,
    height: 240,
    label:
      `Squeezed by ${name}, with a bias of ${text(offset, 1)}: what arrives against the ` +
      `activation; at ${text(arrives, 1)} it is ${text(activation(arrives + offset))}`,
    x: { label: "what arrives: Σ w a", domain: [-WIDEST, WIDEST], format: (t) => text(t, 0) },
    y: {
      label: "activation",
      domain: [Math.min(...heights), Math.max(...heights)],
      format: (t) => text(t, 1),
    },
    series: [
      { ...ACTIVATION, points },
      { ...SLOPE, points: along(slope) },
      {
        kind: "first",
        points: [[arrives, activation(arrives + offset)]],
        mark: "circle",
        line: false,
        radius: 6,
      },
    ],
    rules: inside ? [{ x: -offset, label: "z = 0" }] : [],
  });
}

// All four at this sum, and in the network with this picture.
function comparison({ state, network, example, label }) {
  const z = state.arrives + state.offset;
  const neurons = network.sizes.slice(1).reduce((sum, n) => sum + n, 0);
  const rows = SQUEEZERS.map((squeezer) => {
    const { flat, nudges } = through(network, example.image, label, squeezer);
    return [
      squeezer.name,
      number(squeezer.activation(z)),
      number(squeezer.slope(z)),
      number(flat, 0),
      make("data", { class: "number", value: String(nudges) }, count(nudges)),
    ];
  });
  return [
    table({
      caption: "Here, and at every neuron of this network with this picture",
      heads: [
        "by",
        "activation here",
        "slope here",
        `neurons with slope 0, of ${count(neurons)}`,
        `nudges not 0, of ${count(network.parameters.length)}`,
      ],
      rows,
      classes: SQUEEZERS.map(({ key }) => (key === state.squeezer ? "first" : "")),
    }),
    paragraph(
      "Every nudge has been multiplied by slopes on its way back. A step has slope 0 everywhere, " +
        "so no nudge arrives at all: for learning, a small change of a weight must make a small " +
        "change of the cost.",
    ),
  ];
}

function farOut() {
  return make(
    "div",
    { class: "part" },
    make("h3", {}, "σ far out"),
    table({
      caption: `Its slope is at most ${text(SIGMOID.slope(0), 2)}`,
      heads: ["z", "σ(z)", "slope"],
      rows: FAR.map((z) => [text(z, 0), number(sigmoid(z)), number(SIGMOID.slope(z))]),
    }),
    paragraph(
      `At ${text(FAR[0], 0)} a computer's numbers end: eᶻ is then exactly ` +
        `${text(Math.exp(FAR[0]), 0)}, and so is σ. Below 0 this page computes eᶻ / (1 + eᶻ), so ` +
        "that nothing on the way grows without bound.",
    ),
  );
}

// The layers passed through one by one, and their product passed through once.
function oneLayer({ network, example, label }) {
  const one = collapsed(network);
  const [many, once] = [network, one].map((net) => through(net, example.image, label, NONE));
  const gaps = many.outputs.map((x, j) => Math.abs(x - once.outputs[j]));
  const layers = network.sizes.length - 1;
  return [
    table({
      caption: `${layers} layers, or their product W³ W² W¹ as one`,
      heads: ["output", `${layers} layers`, "one layer", "difference"],
      rows: Array.from(gaps, (gap, j) => [
        String(j),
        number(many.outputs[j]),
        number(once.outputs[j]),
        number(gap, 9),
      ]),
    }),
    paragraph(
      `Sums of sums are sums. The ${count(network.parameters.length)} numbers of the layers do ` +
        `no more than ${count(one.W[1].length + one.b[1].length)} would in one; what differs is ` +
        "rounding. The squeezing between the layers is what makes them worth having.",
    ),
  ];
}
