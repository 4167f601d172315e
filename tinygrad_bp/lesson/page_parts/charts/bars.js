// Bars: a few with their names, or thousands of signed values side by side in order.

import { draw } from "../dom.js";
import { axes, paper, words } from "./frame.js";
import { linear } from "./scale.js";

const ROW = 26;

// rows: {name, value, text, kind, marked}. Bars start at zero, to the right for plus.
export function namedBars({ width, label, rows, domain, nameWidth = 70, textWidth = 64 }) {
  const across = linear(domain, [
    nameWidth + (domain[0] < 0 ? textWidth : 6),
    width - (domain[1] > 0 ? textWidth : 6),
  ]);
  const zero = across(0);
  const height = rows.length * ROW + 4;
  const drawn = rows.map(({ name, value, text, kind = "", marked = false }, i) => {
    const [y, end] = [i * ROW + 4, across(value)];
    const box = {
      x: Math.min(zero, end),
      y,
      width: Math.max(Math.abs(end - zero), 0.75),
      height: ROW - 8,
    };
    const plus = value >= 0;
    return draw(
      "g",
      { class: `row ${kind} ${plus ? "plus" : "minus"}` },
      marked
        ? draw("rect", { class: "boxed", x: 1, y: y - 3, width: width - 2, height: ROW - 2, rx: 4 })
        : null,
      words(6, y + 13, name),
      draw("rect", { class: "block", ...box }),
      words(end + (plus ? 6 : -6), y + 13, text, plus ? "start" : "end", "number"),
    );
  });
  const axis = draw("line", { class: "axis", x1: zero, x2: zero, y1: 0, y2: height });
  return paper(width, height, label, drawn, axis);
}

// One column of pixels for each group of neighbours in the order: from its least to its greatest.
export function sortedBars({ width, height = 230, label, x, y, values, here = null }) {
  const frame = axes(width, height, x, y);
  const columns = Math.min(values.length, Math.floor(frame.right - frame.left));
  const zero = frame.y(0);
  let up = "";
  let down = "";
  for (let i = 0; i < columns; i += 1) {
    const from = Math.floor((i * values.length) / columns);
    const to = Math.max(Math.floor(((i + 1) * values.length) / columns), from + 1);
    const [most, least] = [values[from], values[to - 1]]; // in descending order
    const at = frame.left + ((i + 0.5) * (frame.right - frame.left)) / columns;
    if (most > 0) up += `M${at} ${zero}V${frame.y(most)}`;
    if (least < 0) down += `M${at} ${zero}V${frame.y(least)}`;
  }
  const wide = { "stroke-width": Math.max((frame.right - frame.left) / columns, 1) };
  return paper(
    width,
    height,
    label,
    frame.ground,
    draw("path", { class: "plus thin", d: up, ...wide }),
    draw("path", { class: "minus thin", d: down, ...wide }),
    draw("line", { class: "axis", x1: frame.left, x2: frame.right, y1: zero, y2: zero }),
    here ? pin(here, frame, zero) : null,
  );
}

// A pointer at a place in the order, with its words on the side that has room.
function pin({ index, value, text }, frame, zero) {
  const at = frame.x(index + 0.5);
  const plus = value >= 0;
  const tip = plus ? Math.min(frame.y(value), zero) : Math.max(frame.y(value), zero);
  const end = plus ? frame.top + 8 : frame.bottom - 8;
  const leftward = at > (frame.left + frame.right) / 2;
  const away = plus ? -1 : 1;
  return draw(
    "g",
    { class: "here" },
    draw("path", { d: `M${at} ${tip + away * 2}l-5 ${away * 8}h10z` }),
    draw("line", { x1: at, x2: at, y1: tip + away * 9, y2: end }),
    words(at + (leftward ? -6 : 6), end + (plus ? 4 : 4), text, leftward ? "end" : "start"),
  );
}
