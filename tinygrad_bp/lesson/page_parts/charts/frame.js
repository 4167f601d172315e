// The paper of a chart: a figure that draws itself again when its width changes, and its axes.

import { draw, fill, make } from "../dom.js";
import { linear, logarithmic } from "./scale.js";

const MARGIN = { left: 52, right: 14, top: 26, bottom: 40 };
const TICK_GAP = { x: 70, y: 38 };
const LETTER = 7.2; // pixels, about

// `picture(width)` gives an svg of that width in pixels, so letters keep their size on any screen.
export function figure(title, picture, ...below) {
  const paper = make("div", { class: "paper" });
  const caption = make("figcaption", {}, title);
  let width = 0;
  function redraw() {
    if (width > 0) fill(paper, picture(width));
  }
  watchWidth(paper, (now) => {
    width = now;
    redraw();
  });
  return { element: make("figure", { class: "chart" }, caption, paper, below), caption, redraw };
}

// Calls `changed(width)` whenever an element has become wider or narrower, in whole pixels.
export function watchWidth(element, changed) {
  let width = 0;
  new ResizeObserver(([entry]) => {
    const now = Math.floor(entry.contentRect.width);
    if (now === width) return;
    width = now;
    changed(width);
  }).observe(element);
}

export function paper(width, height, label, ...children) {
  const size = { width, height, viewBox: `0 0 ${width} ${height}` };
  return draw("svg", { ...size, role: "img", "aria-label": label }, children);
}

// Axes: {label, domain, log, format, ticks}. Returns the two scales and what is drawn below the
// marks.
export function axes(width, height, x, y, { left: least } = MARGIN) {
  const [top, bottom] = [MARGIN.top, height - MARGIN.bottom];
  const up = scaleOf(y, [bottom, top]);
  const yTicks = y.ticks ?? up.ticks(Math.max(2, Math.floor((bottom - top) / TICK_GAP.y)));
  const longest = Math.max(0, ...yTicks.map((t) => y.format(t).length));
  const [left, right] = [Math.max(least, 10 + LETTER * longest), width - MARGIN.right];
  const across = scaleOf(x, [left, right]);
  const xTicks = x.ticks ?? across.ticks(Math.max(2, Math.floor((right - left) / TICK_GAP.x)));
  const ground = draw(
    "g",
    { class: "axes", "aria-hidden": "true" },
    yTicks.map((t) => draw("line", { class: "grid", x1: left, x2: right, y1: up(t), y2: up(t) })),
    xTicks.map((t) =>
      draw("line", { class: "tick", x1: across(t), x2: across(t), y1: bottom, y2: bottom + 5 }),
    ),
    draw("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }),
    yTicks.map((t) => words(left - 7, up(t) + 4, y.format(t), "end")),
    xTicks.map((t) => tickWords(across(t), bottom + 18, x.format(t), width)),
    words((left + right) / 2, height - 4, x.label, "middle", "axis-label"),
    words(4, 13, y.label, "start", "axis-label"),
  );
  return { x: across, y: up, ground, left, right, top, bottom };
}

// Centred under its tick, unless that would leave the paper.
function tickWords(x, y, text, width) {
  const half = (LETTER / 2) * text.length;
  if (x + half > width) return words(width - 1, y, text, "end");
  return words(x, y, text, "middle");
}

export function words(x, y, text, anchor = "start", kind = "") {
  return draw("text", { x, y, "text-anchor": anchor, class: kind }, text);
}

function scaleOf({ domain, log }, range) {
  return log ? logarithmic(domain, range) : linear(domain, range);
}
