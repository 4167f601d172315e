// An array as a table: sign in words of ink (+ and −) and in colour, size as depth of the colour.
// A grid with a selected element has one tab stop; the arrow keys move the selection.

import { make } from "./dom.js";
import { cornerNote, isScalar, reach, slices, summary } from "./arrays.js";
import { full, indexText, signed } from "./format.js";

const HEAT_LEVELS = 4;
const COLUMNS_OF_A_VECTOR = 8; // a long vector is wrapped, its rows named by their first index
const CELL_DIGITS = 3;

// options: caption; selected (an index); select(index) makes it a grid; marked (indices to outline)
export function grid(view, options) {
  if (isScalar(view)) return make("p", { class: "number" }, full(view));
  const rows = []; // of all the tables together, for the arrow keys
  const most = reach(view);
  const tables = slices(view).map((slice) => table(slice, { ...options, rows, most }));
  ensureTabStop(rows, options);
  return [
    make(
      "div",
      {
        class: "grid",
        // Without cells to stop at, the box itself must be reachable to be scrolled.
        ...(options.select ? {} : { role: "group", "aria-label": options.caption, tabindex: 0 }),
        onkeydown: (event) => move(event, rows, options),
      },
      tables,
    ),
    view.data ? null : make("p", { class: "note" }, `${summary(view)}. ${cornerNote(view)}`),
  ];
}

function table({ prefix, rows, vector }, options) {
  const body = vector ? wrapped(rows[0]) : rows.map((entries, i) => ({ first: [i], entries }));
  const columns = Math.max(0, ...body.map(({ entries }) => entries.length));
  const caption = prefix.length
    ? `${options.caption}${indexText([...prefix, ":", ":"])}`
    : options.caption;
  const offset = vector && body.length > 1 ? "+" : "";
  return make(
    "table",
    { role: options.select ? "grid" : null, "aria-label": caption },
    prefix.length ? make("caption", {}, caption) : null,
    make(
      "thead",
      {},
      make(
        "tr",
        {},
        make("td", {}),
        Array.from({ length: columns }, (_, j) => make("th", { scope: "col" }, `${offset}${j}`)),
      ),
    ),
    make(
      "tbody",
      {},
      body.map(({ first, entries }) => row(first, entries, prefix, { ...options, vector })),
    ),
  );
}

function wrapped(entries) {
  const rows = [];
  for (let i = 0; i < entries.length; i += COLUMNS_OF_A_VECTOR) {
    rows.push({ first: [i], entries: entries.slice(i, i + COLUMNS_OF_A_VECTOR) });
  }
  return rows;
}

function row(first, entries, prefix, options) {
  const cells = entries.map((x, j) => {
    const index = options.vector ? [...prefix, first[0] + j] : [...prefix, first[0], j];
    return cell(x, index, options);
  });
  options.rows.push(cells);
  return make("tr", {}, make("th", { scope: "row" }, String(first[0])), cells);
}

function cell(x, index, { select, selected, marked, most }) {
  const here = same(index, selected);
  const outlined = marked?.some((other) => same(index, other));
  const interactive = select && {
    role: "gridcell",
    tabindex: here ? 0 : -1,
    "aria-selected": String(here),
    onclick: () => select(index),
  };
  return make(
    "td",
    {
      class: `${heat(x, most)}${here ? " selected" : ""}${outlined ? " marked" : ""}`,
      title: `${indexText(index)} ${full(x)}`,
      "data-index": index.join(","),
      ...interactive,
    },
    signed(x, CELL_DIGITS),
  );
}

function heat(x, most) {
  if (!Number.isFinite(x)) return typeof x === "string" ? "odd" : "";
  if (x === 0 || most === 0) return "";
  const level = Math.max(1, Math.ceil((Math.abs(x) / most) * HEAT_LEVELS));
  return `${x > 0 ? "plus" : "minus"}-${level}`;
}

// One cell must be reachable by Tab also where the selected element lies outside the corner.
function ensureTabStop(rows, { select, selected }) {
  const cells = rows.flat();
  if (!select || cells.length === 0) return;
  if (!cells.some((c) => c.dataset.index === selected?.join(","))) {
    cells[0].setAttribute("tabindex", 0);
  }
}

const MOVES = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };

function move(event, rows, { select }) {
  const by = MOVES[event.key];
  if (!select || !by || event.shiftKey) return;
  const r = rows.findIndex((cells) => cells.includes(event.target));
  if (r < 0) return;
  event.preventDefault(); // also tells the page's own keys that this one is taken
  const c = rows[r].indexOf(event.target);
  const target = rows[r + by[0]]?.[c + by[1]];
  if (target) select(target.dataset.index.split(",").map(Number));
}

function same(a, b) {
  return Boolean(b) && a.length === b.length && a.every((i, k) => i === b[k]);
}
