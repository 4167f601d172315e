// The chain of single neurons as a tree of what depends on what: along the paper, or down it where
// there is no room. w and b feed each z from both sides, y feeds the cost.

import { draw } from "../dom.js";
import { paper, words } from "../charts/frame.js";
import { pointer } from "../charts/pointer.js";
import { text } from "../numbers.js";
import { symbol, wayFrom } from "./factors.js";

const CHAIN = ["a0", "z1", "a1", "z2", "a2", "z3", "a3", "C"];
const HIGH = 42; // a box
const ACROSS = { room: 500, wide: 640, lane: 68 }; // on less room than that the chain goes down
const DOWN = { step: 60, lane: 92 };
const END = 5; // from the paper's edge

export function treeDrawing(here, variable, width) {
  const { place, boxWidth, height } = layout(width);
  const boxes = [...CHAIN.map((name, i) => [name, i, 0]), ...sides()];
  const at = Object.fromEntries(boxes.map(([name, i, lane]) => [name, place(i, lane)]));
  const way = wayFrom(variable);
  const lines = edges(here).map(([from, to]) =>
    feeds(at[from], at[to], boxWidth, way.includes(from) && way.includes(to)),
  );
  const drawn = boxes.map(([name]) =>
    box(name, here[name], at[name], boxWidth, way.includes(name)),
  );
  return paper(width, height, told(here, boxes), draw("g", { class: "tree" }, lines, drawn));
}

// `place` gives the middle of a box by its place along the chain and its lane: -1, 0 or 1.
function layout(width) {
  const half = HIGH / 2;
  const along = CHAIN.length - 1;
  if (width < ACROSS.room) {
    const place = (i, lane) => [width / 2 + lane * DOWN.lane, END + half + i * DOWN.step];
    return { place, boxWidth: 60, height: along * DOWN.step + HIGH + 2 * END };
  }
  const boxWidth = width < ACROSS.wide ? 52 : 64;
  const first = END + boxWidth / 2;
  const step = (width - 2 * first) / along;
  const place = (i, lane) => [first + i * step, END + half + (lane + 1) * ACROSS.lane];
  return { place, boxWidth, height: 2 * ACROSS.lane + HIGH + 2 * END };
}

function sides() {
  const neurons = [1, 2, 3].flatMap((l) => [
    [`w${l}`, 2 * l - 1, -1],
    [`b${l}`, 2 * l - 1, 1],
  ]);
  return [...neurons, ["y", CHAIN.length - 1, 1]];
}

// What is held by hand depends on nothing.
function edges(here) {
  const along = CHAIN.slice(1).map((name, i) => [CHAIN[i], name]);
  const into = [1, 2, 3].flatMap((l) => [
    [`w${l}`, `z${l}`],
    [`b${l}`, `z${l}`],
  ]);
  return [...along, ...into, ["y", "C"]].filter(([, to]) => !(here.held && to === "a2"));
}

function box(name, value, [x, y], wide, on) {
  const kind = name === "C" ? "C" : name[0];
  return draw(
    "g",
    { class: `box kind-${kind} ${on ? "on" : ""}` },
    draw("rect", {
      x: x - wide / 2,
      y: y - HIGH / 2,
      width: wide,
      height: HIGH,
      rx: kind === "a" || kind === "C" ? HIGH / 2 : 5,
    }),
    words(x, y - 3, symbol(name), "middle", "symbol"),
    words(x, y + 14, text(value, 3), "middle"),
  );
}

// From the edge of one box to the edge of the next; they stand in a row or one above the other.
function feeds([x0, y0], [x1, y1], wide, on) {
  const level = y0 === y1;
  const side = Math.sign(level ? x1 - x0 : y1 - y0);
  const [dx, dy] = level ? [(side * wide) / 2, 0] : [0, (side * HIGH) / 2];
  return pointer([x0 + dx, y0 + dy], [x1 - dx, y1 - dy], on ? "on" : "", 4);
}

function told(here, boxes) {
  const values = boxes.map(([name]) => `${symbol(name)} ${text(here[name], 3)}`).join(", ");
  return (
    "Each z depends on its w, its b and the a before it, each a on its z, C on the last a and " +
    `on y: ${values}`
  );
}
