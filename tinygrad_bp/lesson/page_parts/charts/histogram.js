// How often values fall between two bounds.

import { draw } from "../dom.js";
import { axes, paper, words } from "./frame.js";

const HEADROOM = 1.12; // for the words of a rule

// Counts in `bins` equal parts of [low, high]; both ends belong to the chart.
export function counted(values, [low, high], bins) {
  const counts = new Array(bins).fill(0);
  for (const value of values) {
    const bin = Math.floor(((value - low) / (high - low)) * bins);
    counts[Math.min(Math.max(bin, 0), bins - 1)] += 1;
  }
  return counts;
}

// Bars below `divide` are hatched as well as coloured. rules: {x, label}.
export function histogram({
  width,
  height = 220,
  label,
  x,
  y,
  counts,
  divide = -Infinity,
  rules = [],
}) {
  const most = Math.max(1, ...counts);
  const frame = axes(width, height, x, { ...y, domain: [0, most * HEADROOM] });
  const [low, high] = x.domain;
  const edge = (i) => frame.x(low + ((high - low) * i) / counts.length);
  const bars = counts.map((count, i) => {
    if (count === 0) return null;
    const middle = low + ((high - low) * (i + 0.5)) / counts.length;
    const [left, top] = [edge(i) + 0.5, frame.y(count)];
    const size = {
      x: left,
      y: top,
      width: Math.max(edge(i + 1) - left - 0.5, 1),
      height: frame.bottom - top,
    };
    return draw("rect", { class: middle < divide ? "block against" : "block", ...size });
  });
  const lines = rules.map(({ x: at, label: text, row = 0 }) => {
    const leftward = frame.x(at) > (frame.left + frame.right) / 2;
    return draw(
      "g",
      { class: "rule" },
      draw("line", { x1: frame.x(at), x2: frame.x(at), y1: frame.top, y2: frame.bottom }),
      words(
        frame.x(at) + (leftward ? -5 : 5),
        frame.top + 10 + 15 * row,
        text,
        leftward ? "end" : "start",
      ),
    );
  });
  return paper(width, height, label, frame.ground, bars, lines);
}
