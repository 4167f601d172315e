// From a 3 to an 8 with a few strokes: which neurons notice.

import { fill, make, paragraph, table } from "../dom.js";
import { digitCanvas, signedBar } from "../marks.js";
import { forward } from "../net.js";
import { change, number } from "../numbers.js";
import { passing } from "../state.js";

const FROM = 3;
const TO = 8;
const HIDDEN = [1, 2];
const LISTED = 4;
const WHITE = 255;

export const aside = {
  id: "changes",
  title: `Make a ${FROM} an ${TO}: which neurons change?`,
  covers: ["A7"],
  fields: { before: passing(null) }, // what is compared with; null: the example as it is

  render(content, ctx) {
    const button = (text, onclick) => make("button", { type: "button", onclick }, text);
    this.pictures = make("div", { class: "pictures small" });
    this.told = make("p", {});
    this.layers = make("div", { class: "side-by-side" });
    fill(
      content,
      paragraph(
        `With a trained network, take a ${FROM}, close its two loops on the drawing board ` +
          `above until it says ${TO}, and see who changed its mind. The arrows in ` +
          "the drawing of the network show it for every neuron: up where it is brighter now.",
      ),
      make(
        "div",
        { class: "row" },
        button(`Take a ${FROM}`, () => takeOne(ctx)),
        button("Compare with this from now on", () => ctx.set({ before: ctx.example.image })),
        button("Compare with the example", () => ctx.set({ before: null })),
      ),
      this.pictures,
      this.told,
      this.layers,
    );
  },

  update(ctx) {
    const { was, now } = compared(ctx);
    fill(this.pictures, captioned(was.a[0], "before"), captioned(now.a[0], "now"));
    const same = now.a[0].every((x, i) => x === was.a[0][i]);
    fill(this.told, same ? ["The two are the same picture: nothing changes."] : told(was, now));
    fill(
      this.layers,
      (same ? [] : HIDDEN).map((l) =>
        make("div", { class: "part short-bars" }, layerTable(l, was.a[l], now.a[l])),
      ),
    );
  },
};

// What the network drawing shows while this is open.
export function changesPicture(ctx) {
  const { was, now } = compared(ctx);
  const differences = (l) => Array.from(now.a[l], (a, j) => a - was.a[l][j]);
  const most = (l) => order(was.a[l], now.a[l])[0];
  return {
    arrows: { 1: differences(1), 2: differences(2), 3: differences(3) },
    longest: { 1: 1, 2: 1, 3: 1 },
    ring: HIDDEN.map((l) => [l, most(l)]).filter(([l, j]) => now.a[l][j] !== was.a[l][j]),
  };
}

function compared(ctx) {
  const image = ctx.state.before ?? ctx.data.digits[ctx.state.example].image;
  return { was: forward(ctx.network, image), now: ctx.pass };
}

// The first 3 of the page, upright, to be drawn on.
function takeOne(ctx) {
  const example = ctx.data.digits.findIndex(({ label }) => label === FROM);
  const { image } = ctx.data.digits[example];
  ctx.set({
    example,
    before: null,
    source: "drawing",
    drawing: image,
    right: 0,
    down: 0,
    inverted: "0",
  });
}

function captioned(image, text) {
  const pixels = Uint8ClampedArray.from(image, (a) => WHITE * a);
  return make(
    "figure",
    {},
    digitCanvas({ pixels }, { role: "img", "aria-label": `The picture ${text}` }),
    make("figcaption", {}, text),
  );
}

function told(was, now) {
  const [before, after] = [was, now].map(({ a }) => a.at(-1));
  return [
    `Output ${FROM} goes from `,
    number(before[FROM]),
    " to ",
    number(after[FROM]),
    `, output ${TO} from `,
    number(before[TO]),
    " to ",
    number(after[TO]),
    ".",
  ];
}

// Neurons from the one that has changed most to the one that has changed least.
function order(was, now) {
  const size = (k) => Math.abs(now[k] - was[k]);
  return [...now.keys()].sort((i, j) => size(j) - size(i) || i - j);
}

function layerTable(l, was, now) {
  return table({
    caption: `The largest changes in hidden layer ${l}`,
    heads: ["neuron", "before", "now", "change", ""],
    rows: order(was, now)
      .slice(0, LISTED)
      .map((k) => [
        String(k),
        number(was[k]),
        number(now[k]),
        change(now[k] - was[k]),
        signedBar(now[k] - was[k], 1),
      ]),
  });
}
