// All digits shuffled and cut into mini-batches, and the steps of one epoch, one after the other.

import { choice, fill, make, paragraph, styled, table } from "../dom.js";
import { watchWidth } from "../charts/frame.js";
import { network, passes } from "../net.js";
import { count, number } from "../numbers.js";
import { whole } from "../state.js";
import { mean, meanGradient, meanNudges } from "../steps/averages.js";
import { alongGradient, stepped } from "../steps/descent.js";
import { drawn, seeded } from "../steps/random.js";
import { significant } from "../steps/significant.js";

const SIZES = [10, 50, 100, 120];
const MOST_ROWS = 40; // beyond, mini-batches stand side by side
const GAP = 6;
const PIXELS = 28;
const ACROSS = 25; // digits in a row of the sheet they are copied from
const LISTED = 5;

export const aside = {
  id: "deal",
  title: "One epoch: shuffle, cut, and use every row once",
  covers: ["S33", "S34"],
  fields: { deal: whole(1, 1, 999), used: whole(0, 0, 60_000) },

  render(content, ctx) {
    const n = ctx.data.digits.length;
    const sizes = [...SIZES.filter((size) => size < n), n];
    this.size = choice(
      "Examples in a row",
      sizes.map((size) => [size, size === n ? `all ${count(n)}` : count(size)]),
      (batch) => ctx.set({ batch, used: 0 }),
    );
    const button = (name, kind, onclick) =>
      make("button", { type: "button", class: kind, onclick }, name);
    this.next = button("Step with the next row", "primary", () => use(ctx, ctx.state.used + 1));
    this.rest = button("Use the rest", "", () => use(ctx, Infinity));
    this.again = button("Shuffle again", "", () =>
      ctx.set({ deal: (ctx.state.deal % 999) + 1, used: 0 }),
    );
    this.wall = make("div", { class: "deal" });
    watchWidth(this.wall, (width) => {
      this.width = width;
      this.draw(ctx);
    });
    this.cut = make("div", { class: "part" });
    this.rows = make("div", { class: "part" });
    this.work = make("div", { class: "part" });
    this.said = make("p", {});
    fill(
      content,
      paragraph(
        "Shuffle all digits and cut them into rows: each row is a mini-batch. When every row has " +
          "made its step, every digit has been used once. That is an epoch; the next one begins " +
          "with another shuffle.",
      ),
      make("div", { class: "controls-row" }, this.size, this.next, this.rest, this.again),
      this.said,
      this.wall,
      make("div", { class: "side-by-side" }, this.cut, this.work),
      this.rows,
    );
  },

  update(ctx) {
    const epoch = epochOf(ctx);
    this.size.show(epoch.size);
    const done = epoch.used === epoch.batches.length;
    for (const one of [this.next, this.rest]) one.setAttribute("aria-disabled", done);
    this.said.textContent = said(ctx, epoch);
    fill(this.cut, table(cutTable(epoch)));
    fill(this.work, table(workTable(ctx, epoch)));
    fill(this.rows, table(rowsTable(ctx, epoch)));
    this.draw(ctx);
  },

  draw(ctx) {
    if (this.width > 0) fill(this.wall, wallOf(ctx, epochOf(ctx), this.width));
  },
};

function use(ctx, used) {
  ctx.set({ used: Math.min(used, epochOf(ctx).batches.length) });
}

// --- the epoch -----------------------------------------------------------------------------------

const shuffled = { key: "", batches: [] };

function epochOf({ data, state }) {
  const n = data.digits.length;
  const size = Math.min(state.batch, n);
  const key = `${n} ${size} ${state.deal}`;
  if (shuffled.key !== key) {
    const order = drawn(
      Uint16Array.from({ length: n }, (_, i) => i),
      n,
      seeded(state.deal),
    );
    const batches = Array.from({ length: Math.ceil(n / size) }, (_, i) =>
      order.slice(i * size, (i + 1) * size),
    );
    Object.assign(shuffled, { key, batches });
  }
  const { batches } = shuffled;
  return { n, size, batches, used: Math.min(state.used, batches.length) };
}

const walk = { key: "", places: [], costs: [] }; // the epoch's steps, as far as was asked for

function costAfter(ctx, { batches, used }) {
  const { network: net, state, data } = ctx;
  const key = `${net.id} ${shuffled.key} ${state.lr}`;
  if (walk.key !== key) Object.assign(walk, { key, places: [net], costs: [] });
  while (walk.places.length <= used) {
    const place = walk.places.at(-1);
    const batch = [...batches[walk.places.length - 1]].map((i) => data.digits[i]);
    const slopes = meanGradient(place, passes(place, batch));
    walk.places.push(network(net.sizes, stepped(place.parameters, slopes, state.lr)));
  }
  const all = () => passes(walk.places[used], data.digits);
  walk.costs[used] ??= mean(all().map(({ cost }) => cost));
  return walk.costs[used];
}

function costAfterAll({ network: net, data, state, all }) {
  const ctx = { network: net, all };
  const slopes = meanNudges(ctx).map((nudge) => 0 - nudge);
  return alongGradient(net, data.digits, slopes)(state.lr).cost;
}

// --- what is said --------------------------------------------------------------------------------

function said(ctx, epoch) {
  const { used, batches } = epoch;
  const work = workOf(epoch);
  const left = batches.length - used;
  return (
    `Steps taken: ${count(used)}, with lr ${significant(ctx.state.lr, 2)}. Gradients of examples ` +
    `computed: ${count(work)}. ` +
    (left ? `Rows left in this epoch: ${count(left)}.` : "The epoch is over.")
  );
}

function workOf({ batches, used }) {
  return batches.slice(0, used).reduce((sum, batch) => sum + batch.length, 0);
}

function cutTable({ n, size, batches }) {
  const times = new Uint16Array(n);
  for (const i of batches.flatMap((batch) => [...batch])) times[i] += 1;
  const once = times.filter((many) => many === 1).length;
  return {
    caption: "How they are cut",
    heads: ["quantity", "value"],
    rows: [
      ["digits, n", count(n)],
      ["examples in a mini-batch, B", count(size)],
      ["mini-batches", count(batches.length)],
      ["examples in the last one", count(batches.at(-1).length)],
      ["digits that are used exactly once", count(once)],
      ["digits that are used more often, or never", count(n - once)],
    ],
  };
}

function workTable(ctx, epoch) {
  const { n, used } = epoch;
  return {
    caption: "The same network, the same learning rate, two ways to spend the work",
    heads: ["way", "steps", "gradients computed", "mean cost"],
    rows: [
      ["no step yet", "0", "0", number(costAfter(ctx, { ...epoch, used: 0 }), 4)],
      ["rows used so far", count(used), count(workOf(epoch)), number(costAfter(ctx, epoch), 4)],
      [`one step with all ${count(n)}`, "1", count(n), number(costAfterAll(ctx), 4)],
    ],
  };
}

function rowsTable({ data }, { batches }) {
  const shown = [...batches.keys()].filter((i) => i < LISTED || i === batches.length - 1);
  return {
    caption: "What the first rows and the last begin with",
    heads: ["row", "examples", "digits"],
    rows: shown.map((i) => [
      count(i + 1),
      count(batches[i].length),
      [...batches[i].slice(0, 10)].map((at) => data.digits[at].label).join(" "),
    ]),
  };
}

// --- the wall ------------------------------------------------------------------------------------

const sheets = new WeakMap(); // by digits: all of them on one canvas, which is quick to copy from

function sheetOf(digits) {
  if (!sheets.has(digits)) sheets.set(digits, makeSheet(digits));
  return sheets.get(digits);
}

function makeSheet(digits) {
  const [width, height] = [ACROSS * PIXELS, Math.ceil(digits.length / ACROSS) * PIXELS];
  const sheet = make("canvas", { width, height });
  const context = sheet.getContext("2d");
  const image = context.createImageData(width, height);
  const shades = new Uint32Array(image.data.buffer);
  digits.forEach(({ pixels }, i) => {
    const corner = Math.floor(i / ACROSS) * PIXELS * width + (i % ACROSS) * PIXELS;
    for (let k = 0; k < pixels.length; k += 1) {
      const grey = pixels[k];
      shades[corner + Math.floor(k / PIXELS) * width + (k % PIXELS)] =
        0xff000000 | (grey << 16) | (grey << 8) | grey;
    }
  });
  context.putImageData(image, 0, 0);
  return sheet;
}

// Where things are: rows below each other, or, where they would be too many, side by side.
function layoutOf({ size, batches }, width) {
  const side = width < 600 ? 14 : 21;
  const lines = Math.ceil(size / Math.floor((width - 4) / side));
  const columns = Math.ceil(size / lines); // so that the lines of a row are equally long
  const beside = Math.max(Math.floor((width - 4 + GAP) / (columns * side + GAP)), 1);
  const across = batches.length * lines <= MOST_ROWS ? 1 : beside;
  const [wide, high] = [columns * side, lines * side];
  const corner = (i) => [
    2 + (i % across) * (wide + GAP),
    2 + Math.floor(i / across) * (high + GAP),
  ];
  return { side, columns, wide, corner };
}

function linesOf(batch, columns) {
  return Math.ceil(batch.length / columns);
}

function wallOf({ data }, epoch, width) {
  const { batches, used } = epoch;
  const { side, columns, wide, corner } = layoutOf(epoch, width);
  const height = corner(batches.length - 1)[1] + linesOf(batches.at(-1), columns) * side + 2;
  const sharp = globalThis.devicePixelRatio;
  const canvas = make("canvas", {
    width: Math.round(width * sharp),
    height: Math.round(height * sharp),
    role: "img",
    "aria-label":
      `${count(epoch.n)} digits in a new order, in ${count(batches.length)} rows of ` +
      `${count(epoch.size)}; used: ${count(used)}`,
  });
  const context = canvas.getContext("2d");
  const sheet = sheetOf(data.digits);
  context.scale(sharp, sharp);
  batches.forEach((batch, i) => {
    const [left, top] = corner(i);
    context.globalAlpha = used === 0 || i < used ? 1 : 0.4;
    batch.forEach((digit, k) => {
      const [x, y] = [left + (k % columns) * side, top + Math.floor(k / columns) * side];
      const [fromX, fromY] = [(digit % ACROSS) * PIXELS, Math.floor(digit / ACROSS) * PIXELS];
      context.drawImage(sheet, fromX, fromY, PIXELS, PIXELS, x, y, side - 1, side - 1);
    });
  });
  if (used > 0) {
    const [left, top] = corner(used - 1);
    context.globalAlpha = 1;
    context.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--down");
    context.lineWidth = 3;
    const high = linesOf(batches[used - 1], columns) * side;
    context.strokeRect(left - 0.5, top - 0.5, wide, high);
  }
  return styled(canvas, { width: `${width}px`, height: `${height}px` });
}
