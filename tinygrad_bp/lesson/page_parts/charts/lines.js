// Line charts, and the marks and legends that they share with other charts.

import { draw, make } from "../dom.js";
import { axes, paper, words } from "./frame.js";

// Series differ in shape and dash as well as in colour.
const SHAPES = {
  circle: (x, y, r) => draw("circle", { cx: x, cy: y, r }),
  square: (x, y, r) => draw("rect", { x: x - r, y: y - r, width: 2 * r, height: 2 * r }),
  triangle: (x, y, r) => draw("path", { d: `M${x - r} ${y + r}h${2 * r}L${x} ${y - r}z` }),
  diamond: (x, y, r) => draw("path", { d: `M${x} ${y - r}l${r} ${r}l${-r} ${r}l${-r} ${-r}z` }),
};

// series: {name, kind, points: [[x, y], ...], mark, radius, line, dash};
// rules: {x, label} or {y, label}.
export function lineChart({ width, height = 260, label, x, y, series, rules = [] }) {
  const frame = axes(width, height, x, y);
  return paper(
    width,
    height,
    label,
    frame.ground,
    rules.map((rule) => ruled(rule, frame)),
    series.map((one) => drawn(one, frame)),
  );
}

export function mark(shape, x, y, radius = 4) {
  return SHAPES[shape](x, y, radius);
}

export function polyline(points, attributes = {}) {
  const d = points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
  return draw("path", { d, fill: "none", ...attributes });
}

export function legend(series) {
  return make(
    "ul",
    { class: "chart-legend" },
    series.map((one) => make("li", {}, sample(one), ` ${one.name}`)),
  );
}

function sample({ kind, mark: shape, line = true, dash }) {
  return draw(
    "svg",
    { width: 30, height: 12, viewBox: "0 0 30 12", class: `series ${kind}`, "aria-hidden": "true" },
    line ? draw("line", { x1: 1, x2: 29, y1: 6, y2: 6, "stroke-dasharray": dash ?? null }) : null,
    shape ? mark(shape, 15, 6) : null,
  );
}

function drawn({ kind, points, mark: shape, radius, line = true, dash }, frame) {
  const places = points.map(([a, b]) => [frame.x(a), frame.y(b)]);
  return draw(
    "g",
    { class: `series ${kind}` },
    line ? polyline(places, { "stroke-dasharray": dash ?? null }) : null,
    shape ? places.map(([a, b]) => mark(shape, a, b, radius)) : null,
  );
}

function ruled({ x, y, label, kind = "" }, frame) {
  if (x === undefined) {
    const at = frame.y(y);
    return draw(
      "g",
      { class: `rule ${kind}` },
      draw("line", { x1: frame.left, x2: frame.right, y1: at, y2: at }),
      words(frame.right, at - 5, label, "end"),
    );
  }
  const at = frame.x(x);
  const leftward = at > (frame.left + frame.right) / 2;
  return draw(
    "g",
    { class: `rule ${kind}` },
    draw("line", { x1: at, x2: at, y1: frame.top, y2: frame.bottom }),
    words(at + (leftward ? -5 : 5), frame.top + 10, label, leftward ? "end" : "start"),
  );
}
