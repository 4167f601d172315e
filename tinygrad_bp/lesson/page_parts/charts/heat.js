// Cells of signed numbers: the sign is written, the shade says how large.

import { make } from "../dom.js";

const SHADES = 5;

// A class such as "plus-3" for a value against the largest of its table; zero has none.
export function shade(value, largest) {
  if (value === 0 || largest === 0) return "zero";
  const strength = Math.min(Math.max(Math.ceil((Math.abs(value) / largest) * SHADES), 1), SHADES);
  return `${value > 0 ? "plus" : "minus"}-${strength}`;
}

// heads: header cells; rows: {head, cells: [{text, value, class}]}.
export function heatTable({ caption, heads, rows, largest, kind = "" }) {
  return make(
    "table",
    { class: `heat ${kind}` },
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, heads)),
    make(
      "tbody",
      {},
      rows.map((row) =>
        make(
          "tr",
          {},
          row.head,
          row.cells.map((cell) => heatCell(cell, largest)),
        ),
      ),
    ),
  );
}

function heatCell({ text, value, kind = "" }, largest) {
  return make(
    "td",
    { class: `number ${shade(value, largest)} ${kind}` },
    make("data", { value: String(value) }, text),
  );
}
