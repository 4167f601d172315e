// A number line for each variable: where it was, where it is now and, if it can be moved, a dot to
// drag. Such a dot is the thumb of a slider, so that keys move it, too.

import { draw, fill, make } from "../dom.js";
import { signed, text } from "../numbers.js";
import { paper, watchWidth, words } from "./frame.js";
import { mark } from "./lines.js";
import { linear } from "./scale.js";

const ROW = 60; // pixels from one line to the next
const LINE = 34; // of the line itself below the top of its row
const END = 14; // from the paper's edge: half a thumb and a little

// `moves` has an entry for each line: {min, max, step, oninput}, or null where nothing is to be
// dragged. `show(lines)`: {name, from, to, start, at, shape, kind} each, and for a line that can
// be moved `value`, what its slider says when `at` is where it is: min means from, max means to.
export function numberLines(title, moves) {
  const rows = moves.map(lineView);
  const sheet = make(
    "div",
    {},
    rows.map(({ element }) => element),
  );
  let [width, lines] = [0, []];
  function redraw() {
    if (width > 0) lines.forEach((line, i) => rows[i].show(line, width));
  }
  watchWidth(sheet, (now) => {
    width = now;
    redraw();
  });
  return {
    element: make("figure", { class: "chart" }, make("figcaption", {}, title), sheet),
    show(now) {
      lines = now;
      redraw();
    },
  };
}

function lineView(move) {
  const picture = make("div", {});
  const input = move && make("input", { type: "range", ...limits(move) });
  input?.addEventListener("input", () => move.oninput(Number(input.value)));
  const element = make("div", { class: "number-line-row" }, picture, input);

  function show(line, width) {
    fill(picture, numberLine(line, width));
    if (input === null) return;
    input.value = line.value;
    input.setAttribute("aria-label", line.name);
    input.setAttribute("aria-valuetext", said(line));
  }
  return { element, show };
}

function limits({ min, max, step }) {
  return { min, max, step };
}

function said({ start, at }) {
  return at === start ? text(at, 4) : `${text(at, 4)} (${signed(at - start, 4)})`;
}

function numberLine(line, width) {
  const { name, from, to, start, at, shape = "circle", kind = "" } = line;
  const scale = linear([from, to], [END, width - END]);
  const [x0, x] = [scale(start), scale(at)];
  const ticks = scale.ticks(Math.max(3, Math.floor(width / 90)));
  const digits = Math.max(0, Math.ceil(-Math.log10((to - from) / 6)));
  const drawn = draw(
    "g",
    { class: `number-line series ${kind}` },
    words(4, 14, name, "start", "axis-label"),
    words(width - 4, 14, said(line), "end", "number"),
    draw("path", { class: "axis", d: `M${scale(from)} ${LINE}H${scale(to)}` }),
    ticks.map((t) => draw("path", { class: "axis", d: `M${scale(t)} ${LINE - 4}v8` })),
    ticks.map((t) => words(scale(t), LINE + 18, text(t, digits), "middle", "soft")),
    draw("path", { class: "start", d: `M${x0} ${LINE - 9}v18` }),
    draw("path", { class: "moved", d: `M${x0} ${LINE}H${x}` }),
    mark(shape, x, LINE, 6),
  );
  return paper(width, ROW, `${name}: ${said(line)}`, drawn);
}
