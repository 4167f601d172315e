// Where it fails: the network has only ever seen upright digits in the middle of the picture.

import { aside as better } from "../asides/better.js";
import { aside as changes, changesPicture } from "../asides/changes.js";
import { aside as code } from "../asides/code.js";
import { aside as looks } from "../asides/looks.js";
import { choice, fill, make, paragraph, press, toggle } from "../dom.js";
import { namedBars } from "../charts/bars.js";
import { figure } from "../charts/frame.js";
import { lineChart } from "../charts/lines.js";
import { backward, costOf, forward, predict, ranking } from "../net.js";
import { count, number, percent, text } from "../numbers.js";
import { oneOf, passing, real, switches } from "../state.js";
import { formula, term } from "../words.js";
import { board, MOVES } from "./board.js";
import { blank, centring, dabbed, inverted, noise, shifted } from "./pictures.js";
import { seeded } from "./random.js";

const FARTHEST = 14; // pixels; beyond that nothing of a digit is left in the picture
const NOISES = 100; // pictures of noise that are tried at once
const SURE = 0.5;

export const step = {
  id: "limits",
  number: 17,
  title: "Where it fails",
  covers: ["S42", "A1", "A5", "A6", "A7", "A8"],
  asides: [changes, looks, better, code],
  fields: {
    source: oneOf("example", "noise", "drawing"),
    right: real(0, -FARTHEST, FARTHEST),
    down: real(0, -FARTHEST, FARTHEST),
    inverted: switches("0"),
    seed: passing(4),
    drawing: passing(blank()),
  },
  keys: Object.fromEntries(
    Object.entries(MOVES).map(([key, [right, down]]) => [key, (ctx) => move(ctx, right, down)]),
  ),

  render(panel, ctx) {
    this.source = choice(
      "Picture",
      [
        ["example", "The example"],
        ["noise", "Noise"],
        ["drawing", "My drawing"],
      ],
      (source) => ctx.set({ source }),
    );
    this.board = board((x, y, ink) => paint(ctx, x, y, ink));
    this.inverted = toggle("Invert", () =>
      ctx.set({ inverted: ctx.state.inverted === "1" ? "0" : "1" }),
    );
    this.words = make("div", { class: "statements" });
    this.outputs = figure("What the network says", (width) => outputsOf(ctx, width));
    this.shifts = figure("Right answers when every digit is shifted", (width) =>
      shiftsOf(ctx, width),
    );
    this.remarks = make("div", { class: "prose" });
    fill(
      panel,
      make("div", { class: "controls-row" }, this.source),
      make(
        "div",
        { class: "bench" },
        this.board.element,
        make("div", { class: "bench-tools" }, shiftButtons(ctx), tools(ctx, this)),
      ),
      this.outputs.element,
      this.words,
      this.shifts.element,
      this.remarks,
    );
  },

  // The network drawing, and whatever else is shown now, is about this picture.
  shows(ctx) {
    const image = imageOf(ctx);
    const pass = forward(ctx.network, image);
    const { label } = ctx;
    return {
      example: { ...ctx.example, image },
      pass: { ...pass, ...backward(ctx.network, pass, label), cost: costOf(pass, label) },
    };
  },

  update(ctx) {
    this.source.show(ctx.state.source);
    this.board.show(ctx.example.image);
    press(this.inverted, ctx.state.inverted === "1");
    fill(this.words, statement(ctx));
    fill(this.remarks, remarks(ctx));
    this.outputs.redraw();
    this.shifts.redraw();
  },

  picture: (ctx) => ({
    box: predict(ctx.pass.a.at(-1)),
    ...(ctx.state.aside === changes.id ? changesPicture(ctx) : {}),
  }),

  sentence(ctx) {
    const outputs = ctx.pass.a.at(-1);
    const [first, second] = ranking(outputs);
    return (
      `${whatIsShown(ctx)}: the network says ${first} with ${text(outputs[first])}; next ` +
      `is ${second} with ${text(outputs[second])}.`
    );
  },

  table(ctx) {
    const { shift } = ctx.data.limits;
    return [
      {
        caption: `What the network says: ${whatIsShown(ctx)}`,
        heads: ["digit", "activation"],
        rows: ranking(ctx.pass.a.at(-1)).map((j) => [String(j), number(ctx.pass.a.at(-1)[j], 4)]),
      },
      {
        caption: "Right answers on new images when every digit is shifted",
        heads: ["pixels", "accuracy"],
        rows: shift.pixels.map((by, i) => [count(by), percent(shift.accuracy[i])]),
      },
    ];
  },
};

// --- the picture ---------------------------------------------------------------------------------

function imageOf(ctx) {
  const { source, right, down, seed, drawing } = ctx.state;
  const stored = ctx.data.digits[ctx.state.example].image;
  const picture = {
    example: () => stored,
    noise: () => noise(seeded(seed)),
    drawing: () => drawing,
  }[source]();
  const moved = shifted(picture, right, down);
  return ctx.state.inverted === "1" ? inverted(moved) : moved;
}

function whatIsShown({ state, label }) {
  const what = {
    example: `Example ${state.example}, a ${label}`,
    noise: "Noise",
    drawing: "Your drawing",
  }[state.source];
  const parts = [
    state.right && `${Math.abs(state.right)} to the ${state.right > 0 ? "right" : "left"}`,
    state.down && `${Math.abs(state.down)} ${state.down > 0 ? "down" : "up"}`,
  ].filter(Boolean);
  const moved = parts.length ? `, shifted ${parts.join(" and ")}` : "";
  return `${what}${moved}${state.inverted === "1" ? ", inverted" : ""}`;
}

function move(ctx, right, down) {
  const within = (x) => Math.min(Math.max(x, -FARTHEST), FARTHEST);
  ctx.set({ right: within(ctx.state.right + right), down: within(ctx.state.down + down) });
}

// Draws on what is shown now: a digit can be made into another.
function paint(ctx, x, y, ink) {
  const drawing = dabbed(imageOf(ctx), x, y, ink);
  ctx.set({ source: "drawing", right: 0, down: 0, inverted: "0", drawing });
}

function shiftButtons(ctx) {
  const arrow = (sign, name, right, down) =>
    make(
      "button",
      {
        type: "button",
        class: `to-${name}`,
        "aria-label": `Shift ${name} by one pixel`,
        onclick: () => move(ctx, right, down),
      },
      sign,
    );
  return make(
    "div",
    { class: "compass", role: "group", "aria-label": "Shift the picture" },
    arrow("↑", "up", 0, -1),
    arrow("←", "left", -1, 0),
    make(
      "button",
      {
        type: "button",
        class: "home",
        "aria-label": "Shift back to where it was",
        onclick: () => ctx.set({ right: 0, down: 0 }),
      },
      "·",
    ),
    arrow("→", "right", 1, 0),
    arrow("↓", "down", 0, 1),
  );
}

function tools(ctx, view) {
  const button = (name, onclick) => make("button", { type: "button", onclick }, name);
  const centre = () => {
    const [right, down] = centring(imageOf(ctx));
    move(ctx, right, down);
  };
  const clear = () =>
    ctx.set({ source: "drawing", drawing: blank(), right: 0, down: 0, inverted: "0" });
  const another = () => ctx.set({ source: "noise", seed: ctx.state.seed + 1 });
  return make(
    "div",
    { class: "row" },
    view.inverted,
    button("Centre", centre),
    button("New noise", another),
    button("Empty page", clear),
  );
}

// --- what is said --------------------------------------------------------------------------------

function statement(ctx) {
  const outputs = ctx.pass.a.at(-1);
  const [first, second] = ranking(outputs);
  const mark = (j) => ({ neurons: [[3, j]] });
  const [most, next] = [
    term("a", `a${first}`, outputs[first], mark(first)),
    term("a", `a${second}`, outputs[second], mark(second)),
  ];
  const lead = term("d", "lead", outputs[first] - outputs[second]);
  return formula(ctx, {
    words: [
      `It says ${first} with `,
      most,
      `, before ${second} with `,
      next,
      ": a lead of ",
      lead,
      ". None of its ten outputs can say “this is no digit”.",
    ],
    parts: [most, " − ", next],
    result: lead,
  });
}

const noises = new WeakMap(); // by network
const pictures = []; // of noise, the same for every network

function noisePicture(seed) {
  pictures[seed] ??= noise(seeded(seed));
  return pictures[seed];
}

// What the network says to pictures of noise: {sure, often, share}.
function toNoise({ network }) {
  if (noises.has(network)) return noises.get(network);
  const called = new Array(network.sizes.at(-1)).fill(0);
  let sure = 0;
  for (let seed = 1; seed <= NOISES; seed += 1) {
    const outputs = forward(network, noisePicture(seed)).a.at(-1);
    called[predict(outputs)] += 1;
    if (Math.max(...outputs) > SURE) sure += 1;
  }
  const often = called.indexOf(Math.max(...called));
  noises.set(network, { sure: sure / NOISES, often, share: called[often] / NOISES });
  return noises.get(network);
}

function remarks(ctx) {
  const { sure, often, share } = toNoise(ctx);
  const { scrambled, permuted } = ctx.data.limits;
  return [
    paragraph(
      `Of ${count(NOISES)} pictures of noise, this network gives ${percent(sure, 0)} a largest ` +
        `output above ${SURE}, and calls ` +
        `${percent(share, 0)} of them a ${often}. It was never asked what is not a digit.`,
    ),
    paragraph(
      "Nothing in it knows which pixels are neighbours. A digit moved by a few pixels lights " +
        "other inputs, with weights that learnt something else. With the pixels of all pictures " +
        "in another order, the same for all, it learns as well: after " +
        `${count(permuted.epochs)} epochs it reads ${percent(permuted.accuracy)} of the test ` +
        `digits, and ${percent(permuted.true_accuracy)} with the pixels in their places.`,
    ),
    paragraph(
      `It can only learn what is in the labels. Trained for ${count(scrambled.epochs)} epochs ` +
        "on labels in random order, the " +
        `cost stays at ${text(scrambled.cost)}; with the true labels it falls to ` +
        `${text(scrambled.true_cost)}.`,
    ),
  ];
}

// --- drawings ------------------------------------------------------------------------------------

function outputsOf(ctx, width) {
  const outputs = ctx.pass.a.at(-1);
  const said = predict(outputs);
  const rows = Array.from(outputs, (a, j) => ({
    name: String(j),
    value: a,
    text: text(a),
    kind: j === said ? "said" : "quiet",
    marked: j === said,
  }));
  return namedBars({
    width,
    label: step.sentence(ctx),
    rows,
    domain: [0, 1],
    nameWidth: 26,
    textWidth: 56,
  });
}

function shiftsOf(ctx, width) {
  const { shift } = ctx.data.limits;
  const here = Math.max(Math.abs(ctx.state.right), Math.abs(ctx.state.down));
  const last = shift.pixels.at(-1);
  return lineChart({
    width,
    height: 220,
    label: "Accuracy on new images by shift, see the table",
    x: {
      label: `shift in pixels (${ctx.data.networks.at(-1).name}, new images)`,
      domain: [0, last],
      ticks: shift.pixels,
      format: count,
    },
    y: { label: "right answers", domain: [0, 1], format: (t) => percent(t, 0) },
    series: [
      {
        kind: "first",
        mark: "circle",
        points: shift.pixels.map((by, i) => [by, shift.accuracy[i]]),
      },
    ],
    rules: here > 0 && here <= last ? [{ x: here, label: "your shift" }] : [],
  });
}
