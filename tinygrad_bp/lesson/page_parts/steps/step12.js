// Every example has wishes of its own: a table of parameters by examples, and their average.

import { aside as exactly } from "../asides/exactly.js";
import { choice, draw, fill, make, paragraph } from "../dom.js";
import { digitCanvas } from "../marks.js";
import { axes, figure, paper, words } from "../charts/frame.js";
import { heatTable } from "../charts/heat.js";
import { legend, mark } from "../charts/lines.js";
import { dot, nameOf, norm } from "../net.js";
import { count, percent, signed, text } from "../numbers.js";
import { oneOf, switches } from "../state.js";
import { formula, term, wish } from "../words.js";
import { gradientProducts, inputProducts } from "./agreement.js";
import { mean, meanNudges, nudgeOf } from "./averages.js";
import { parameterPicker } from "./picker.js";
import { pinned, rowsOf } from "./rows.js";
import { precise, significant } from "./significant.js";

const COLUMNS = 8;
const LIST = /^(\d+(,\d+)*)?$/;

export const step = {
  id: "every-example",
  number: 12,
  title: "Every example has wishes of its own",
  covers: ["S15", "S17", "S30", "S31", "S32", "S37", "W14", "K10"],
  fields: {
    whose: oneOf("mix", "same"),
    columns: switches("1".repeat(COLUMNS)),
    pins: { value: "", read: (given) => (LIST.test(given) ? given : undefined) },
  },
  asides: [exactly],

  render(panel, ctx) {
    this.whose = choice(
      "Whose wishes",
      [
        ["mix", "A mix of digits"],
        ["same", "Only one digit"],
      ],
      (whose) => ctx.set({ whose }),
    );
    this.listing = make("div", {
      class: "scroller",
      role: "region",
      tabindex: 0,
      "aria-label": "Parameters by examples",
    });
    this.words = make("div", { class: "statements" });
    this.swing = figure("", (width) => swingOf(ctx, width));
    this.swingLegend = make("div", {});
    this.pairs = make("div", {
      class: "scroller",
      role: "region",
      tabindex: 0,
      "aria-label": "Agreement of examples",
    });
    this.only = make("div", { class: "prose" });
    fill(
      panel,
      paragraph(
        "So far one example spoke: that is a way to look closely, and not what the network " +
          "learns from. Every example has a column of nudges like that, and all are listened to.",
      ),
      make(
        "div",
        { class: "controls-row" },
        this.whose,
        make(
          "p",
          { class: "note" },
          "Press a digit to leave it out of the average, or to let it in again.",
        ),
      ),
      this.listing,
      pinning(ctx, this),
      this.words,
      make(
        "div",
        { class: "side-by-side" },
        make("div", {}, this.swing.element, this.swingLegend),
        make("div", { class: "part" }, this.pairs, this.only),
      ),
    );
  },

  update(ctx) {
    keepFocus(this.listing, () => fill(this.listing, wishTable(ctx)));
    this.whose.show(ctx.state.whose);
    this.whose.querySelectorAll("span")[1].textContent = `Only ${ctx.label}s`;
    fill(this.words, statements(ctx));
    this.swing.caption.textContent =
      "What a few parameters should do: the average of all " +
      `digits, and of the ${ctx.label}s alone`;
    fill(this.swingLegend, legend(averages(ctx)));
    this.swing.redraw();
    fill(this.pairs, agreementTable(ctx));
    fill(this.only, remarks(ctx));
  },

  ahead: (ctx) => meanNudges(ctx),
  picture: () => null,

  sentence(ctx) {
    const [first] = rowsOf(ctx);
    const alone = significant(meanNudges(ctx, ctx.label)[first], 3);
    const on = columnsOf(ctx).filter((column) => column.on).length;
    return (
      `${nameOf(ctx.data.sizes, first)} should change by ${plus(shownMean(ctx, first))} on ` +
      `average over the ${on} examples switched on; ` +
      `all ${count(ctx.data.digits.length)} digits want ${plus(meanNudges(ctx)[first])}, the ` +
      `${ctx.label}s alone ${alone.startsWith("−") ? "" : "+"}${alone}.`
    );
  },

  table(ctx) {
    const columns = columnsOf(ctx);
    return {
      caption: "Nudge that each example wants of each parameter, and the averages",
      heads: [
        "parameter",
        ...columns.map(headText),
        "average of those on",
        `all ${ctx.data.digits.length}`,
        `all ${ctx.label}s`,
      ],
      rows: rowsOf(ctx).map((index) => [
        nameOf(ctx.data.sizes, index),
        ...columns.map(({ pass }) => precise(nudgeOf(ctx.data.sizes, pass, index), 3, true)),
        precise(shownMean(ctx, index), 3, true),
        precise(meanNudges(ctx)[index], 3, true),
        precise(meanNudges(ctx, ctx.label)[index], 3, true),
      ]),
    };
  },
};

// --- what is shown -------------------------------------------------------------------------------

// The chosen example and the first others, of any label or of its own.
function columnsOf(ctx) {
  const { digits } = ctx.data;
  const others = digits.filter(
    ({ index, label }) =>
      index !== ctx.example.index && (ctx.state.whose === "mix" || label === ctx.label),
  );
  const all = ctx.all();
  return [ctx.example, ...others]
    .slice(0, COLUMNS)
    .map((digit, i) => ({ digit, pass: all[digit.index], on: ctx.state.columns[i] === "1" }));
}

function shownMean(ctx, index) {
  const on = columnsOf(ctx).filter((column) => column.on);
  return on.length ? mean(on.map(({ pass }) => nudgeOf(ctx.data.sizes, pass, index))) : 0;
}

function plus(x) {
  return `${x > 0 ? "+" : ""}${significant(x, 3)}`;
}

// Why a row is there, where that is not plain.
function reasonFor(ctx, index) {
  const averages = meanNudges(ctx);
  if (averages[index] !== 0) return pinned(ctx).includes(index) ? "pinned" : "";
  const lit = ctx.data.digits.filter(({ image }) => image[index % ctx.data.sizes[0]] !== 0).length;
  return `exactly 0: its pixel is lit in ${lit} of the ${count(ctx.data.digits.length)} digits`;
}

function wishTable(ctx) {
  const columns = columnsOf(ctx);
  const rows = rowsOf(ctx);
  const cells = rows.map((index) =>
    columns.map(({ pass }) => nudgeOf(ctx.data.sizes, pass, index)),
  );
  const largest = Math.max(...cells.flat().map(Math.abs));
  return heatTable({
    caption: "What each example wants of each parameter: the nudge, minus its gradient",
    heads: [
      make("th", { scope: "col" }, "parameter"),
      columns.map((column, i) => columnHead(ctx, column, i)),
      make("th", { scope: "col", class: "average" }, "average of those on"),
      make(
        "th",
        { scope: "col", class: "whole" },
        `average of all ${count(ctx.data.digits.length)}`,
      ),
    ],
    rows: rows.map((index, r) => ({
      head: rowHead(ctx, index),
      cells: [
        ...cells[r].map((value, c) => ({
          value,
          text: plus(value),
          kind: columns[c].on ? "" : "off",
        })),
        { value: shownMean(ctx, index), text: plus(shownMean(ctx, index)), kind: "average" },
        { value: meanNudges(ctx)[index], text: plus(meanNudges(ctx)[index]), kind: "whole" },
      ],
    })),
    largest,
  });
}

function columnHead(ctx, { digit, on }, i) {
  const flip = () => {
    const now = [...ctx.state.columns];
    now[i] = on ? "0" : "1";
    ctx.set({ columns: now.join("") });
  };
  const attributes = {
    type: "button",
    "aria-pressed": String(on),
    "aria-label": `Example ${digit.index}, a ${digit.label}, in the average`,
    onclick: flip,
  };
  return make(
    "th",
    { scope: "col" },
    make("button", attributes, digitCanvas(digit, { "aria-hidden": true }), String(digit.label)),
  );
}

function headText({ digit, on }) {
  return `example ${digit.index}, a ${digit.label}${on ? "" : " (off)"}`;
}

function rowHead(ctx, index) {
  const reason = reasonFor(ctx, index);
  const unpin = () =>
    ctx.set({
      pins: pinned(ctx)
        .filter((other) => other !== index)
        .join(","),
    });
  const name = nameOf(ctx.data.sizes, index);
  const remove = make(
    "button",
    { type: "button", class: "unpin", "aria-label": `Remove the row of ${name}`, onclick: unpin },
    "×",
  );
  return make(
    "th",
    { scope: "row" },
    name,
    reason ? make("div", { class: "reason" }, reason) : null,
    pinned(ctx).includes(index) ? remove : null,
  );
}

function pinning(ctx, view) {
  let index = 0;
  const picker = parameterPicker(ctx.data.sizes, (chosen) => {
    index = chosen;
    picker.show(index);
  });
  picker.show(index);
  const pin = make(
    "button",
    {
      type: "button",
      onclick: () => ctx.set({ pins: [...new Set([...pinned(ctx), index])].join(",") }),
    },
    "Add this row",
  );
  view.picker = picker;
  return make("div", { class: "row" }, picker, pin);
}

// The table is built anew; the button that was pressed keeps the focus.
function keepFocus(element, rebuild) {
  const buttons = () => [...element.querySelectorAll("button")];
  const at = buttons().indexOf(document.activeElement);
  rebuild();
  if (at >= 0) (buttons()[at] ?? element).focus();
}

// --- what is said --------------------------------------------------------------------------------

function statements(ctx) {
  const [first] = rowsOf(ctx);
  const name = nameOf(ctx.data.sizes, first);
  const on = columnsOf(ctx).filter((column) => column.on);
  if (on.length === 0)
    return make("p", { class: "note" }, "Nobody is listened to: switch an example on.");
  const wishes = on.map(({ digit, pass }) =>
    wish(`−∂C of ${digit.index}`, nudgeOf(ctx.data.sizes, pass, first), null, 4),
  );
  const average = wish(`average nudge on ${name}`, shownMean(ctx, first), null, 4);
  const parts = wishes.flatMap((one, i) => (i ? [" + ", one] : [one]));
  const [all, alone] = [meanNudges(ctx), meanNudges(ctx, ctx.label)];
  const meets = term("z", "wishes multiplied", dot(all, alone), null, 4);
  const [long, short] = [norm(all), norm(alone)].map((x, i) =>
    term("w", i ? `length for ${ctx.label}s` : "length for all", x, null, 4),
  );
  const cosine = term("d", "cosine", dot(all, alone) / (norm(all) * norm(alone)), null, 3);
  return [
    formula(ctx, {
      words: [
        `The ${on.length} examples that are on want, of ${name}: `,
        ...wishes.flatMap((one, i) => (i ? [", ", one] : [one])),
        ". On average that is ",
        average,
        ".",
      ],
      parts: ["( ", ...parts, ` ) / ${on.length}`],
      result: average,
    }),
    formula(ctx, {
      words: [
        `Listening only to the ${ctx.label}s swings the average: its direction agrees with ` +
          "that of all digits with a cosine of ",
        cosine,
        " (1 would be the same direction, 0 nothing in common).",
      ],
      parts: [meets, " / ( ", long, " × ", short, " )"],
      result: cosine,
    }),
  ];
}

function remarks(ctx) {
  const { only } = ctx.data.limits;
  const said = paragraph(
    "Averaged over all examples, the nudges are minus the gradient of the mean cost: not " +
      "nearly, but exactly. ",
    "Over some of the examples the average is an estimate of it.",
  );
  if (!only) return said;
  return [
    said,
    paragraph(
      `A network that listened to nothing but ${only.digit}s for ${count(only.steps)} steps ` +
        `calls ${percent(only.called)} ` +
        `of all new images a ${only.digit}, and is right on ${percent(only.accuracy)}.`,
    ),
  ];
}

// Cosines between the gradients of the examples that are shown.
function agreementTable(ctx) {
  const columns = columnsOf(ctx);
  const products = gradientProducts(
    columns.map(({ pass }) => pass),
    inputProducts(columns.map(({ digit }) => digit.image)),
  );
  const n = columns.length;
  const cosine = (i, j) =>
    products[i * n + j] / Math.sqrt(products[i * n + i] * products[j * n + j]);
  const head = (scope) =>
    columns.map(({ digit }) =>
      make(
        "th",
        { scope },
        digitCanvas(digit, { "aria-hidden": true }),
        make("span", { class: "unseen" }, `example ${digit.index}, a ${digit.label}`),
      ),
    );
  const [heads, sides] = [head("col"), head("row")];
  return heatTable({
    caption: "Do they want the same? Cosines between their gradients",
    kind: "square",
    heads: [make("td", {}), heads],
    rows: columns.map((_, i) => ({
      head: sides[i],
      cells: columns.map((__, j) => ({ value: cosine(i, j), text: signed(cosine(i, j), 2) })),
    })),
    largest: 1,
  });
}

// --- the swing -----------------------------------------------------------------------------------

function averages(ctx) {
  return [
    {
      name: `all ${count(ctx.data.digits.length)} digits`,
      kind: "first hollow",
      mark: "circle",
      line: false,
    },
    {
      name:
        `the ${ctx.data.digits.filter(({ label }) => label === ctx.label).length} ` +
        `${ctx.label}s alone`,
      kind: "second",
      mark: "square",
      line: false,
    },
  ];
}

const ROW = 30;
const NAME = 74;

function swingOf(ctx, width) {
  const rows = rowsOf(ctx);
  const series = [meanNudges(ctx), meanNudges(ctx, ctx.label)];
  const most =
    Math.max(...rows.flatMap((index) => series.map((all) => Math.abs(all[index])))) * 1.15;
  const height = rows.length * ROW + 64;
  const x = {
    label: "average nudge: − for down, + for up",
    domain: [-most, most],
    format: (t) => plus(t),
  };
  const y = { label: "", domain: [0, rows.length], ticks: [], format: String };
  const frame = axes(width, height, x, y, { left: NAME });
  const zero = frame.x(0);
  const marks = averages(ctx);
  return paper(
    width,
    height,
    "Averages of all digits and of one label, parameter by parameter; see the table",
    frame.ground,
    draw("line", { class: "axis", x1: zero, x2: zero, y1: frame.top, y2: frame.bottom }),
    rows.map((index, i) => {
      const middle = frame.top + (i + 0.5) * ((frame.bottom - frame.top) / rows.length);
      const [from, to] = series.map((all) => frame.x(all[index]));
      return draw(
        "g",
        {},
        words(4, middle + 4, nameOf(ctx.data.sizes, index)),
        draw("line", { class: "swing", x1: from, x2: to, y1: middle, y2: middle }),
        [from, to].map((at, k) =>
          draw("g", { class: `series ${marks[k].kind}` }, mark(marks[k].mark, at, middle, 6)),
        ),
      );
    }),
  );
}
