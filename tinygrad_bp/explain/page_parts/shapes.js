// The marks of the drawing: boxes for nodes, curves for edges. Gradients run from child to parent.

import { draw } from "./dom.js";
import { BOX } from "./place.js";
import { laneOf } from "./lanes.js";
import { isScalar } from "./arrays.js";
import { brief, shapeText } from "./format.js";

const ROUND = { leaf: 26, constant: 2, result: 9 }; // kinds differ in shape, not in colour alone
const LETTERS = 17; // that fit across a box
const ARROW = 8;

export function box(node, { x, y }, { classes, gradient, tag, more, onclick }) {
  const [left, top] = [x - BOX.width / 2, y - BOX.height / 2];
  const inset = node.kind === "leaf" ? 16 : 11;
  const op = node.op ? cut(node.op, 10) : node.kind === "constant" ? "const" : "";
  return draw(
    "g",
    { class: `node ${node.kind} ${classes}`, onclick },
    draw("title", {}, `${node.name}${node.op ? `, ${node.op}` : ""}`),
    draw("rect", { x: left, y: top, width: BOX.width, height: BOX.height, rx: ROUND[node.kind] }),
    text(left + inset, y - 6, "name", cut(node.name, LETTERS - op.length)),
    text(left + BOX.width - inset, y - 6, "op", op),
    text(left + inset, y + 15, "number value", amount(node.shape, node.shown)),
    text(
      left + BOX.width - inset,
      y + 15,
      "number gradient",
      gradient === null ? "" : amount([], gradient),
    ),
    tag ? text(left + 4, top - 6, "tag", tag) : null,
    more ? text(left + 6, top + BOX.height + 14, "left-out", `+ ${more} more`) : null,
  );
}

// What a box says of an array: a scalar's value; otherwise the shape, or of a gradient its norm.
export function boxNumber(view) {
  if (view === null || isScalar(view)) return view;
  if (view.norm !== undefined) return `‖g‖ ${brief(view.norm, 3)}`;
  const squares = view.data.flat(Infinity).map((x) => Number(x) ** 2);
  return `‖g‖ ${brief(Math.sqrt(squares.reduce((a, b) => a + b, 0)), 3)}`;
}

function amount(shape, shown) {
  if (shape.length) return shapeText(shape);
  return typeof shown === "string" && shown.startsWith("‖") ? shown : brief(shown);
}

// The way of an edge from its child to its parent, leaving and arriving along the layers. Until it
// is drawn it is kept in {along, across}, so that both directions of the layers are one case.
export function route(from, to, horizontal, shift, blocks, id) {
  const turn = ({ x, y }) => (horizontal ? { along: x, across: y } : { along: y, across: x });
  const [a, b] = [turn(from), turn(to)];
  const half = (horizontal ? BOX.width : BOX.height) / 2;
  const back = Math.sign(b.along - a.along) || -1;
  const spread = horizontal ? 1 : 2; // boxes are wider than high
  const start = { along: a.along + back * half, across: a.across + spread * shift.child };
  const end = { along: b.along - back * half, across: b.across + spread * shift.parent };
  return { start, end, back, horizontal, lane: laneOf(start, end, blocks, id) };
}

export function curve({ start, end, back, horizontal, lane }, className) {
  const neck = { along: end.along - back * ARROW, across: end.across };
  const at = (along, across) => (horizontal ? `${along} ${across}` : `${across} ${along}`);
  const bend = (p, q) => {
    const middle = (p.along + q.along) / 2;
    return `C${at(middle, p.across)} ${at(middle, q.across)} ${at(q.along, q.across)}`;
  };
  let d = `M${at(start.along, start.across)}`;
  if (lane === null) {
    d += bend(start, neck);
  } else {
    const [enter, leave] = [lane.from, lane.to].map((along) => ({ along, across: lane.across }));
    d += `${bend(start, enter)}L${at(leave.along, leave.across)}${bend(leave, neck)}`;
  }
  return draw("path", { class: className, d, pathLength: 1 });
}

export function arrowhead({ end, back, horizontal }, className) {
  const [l, w] = [-back * ARROW, ARROW * 0.6];
  const d = horizontal
    ? `M${end.along} ${end.across}l${l} ${-w}v${2 * w}z`
    : `M${end.across} ${end.along}l${-w} ${l}h${2 * w}z`;
  return draw("path", { class: className, d });
}

// What runs along the current edge, beside the arrowhead, clear of the boxes and their tags.
export function edgeLabel({ end, back, horizontal }, words) {
  const width = 14 + 7.6 * words.length;
  const x = horizontal ? end.along - back * (width / 2 + 6) : end.across + width / 2 + 10;
  const y = horizontal ? end.across - 18 : end.along - back * 20;
  return draw(
    "g",
    { class: "edge-label" },
    draw("rect", { x: x - width / 2, y: y - 11, width, height: 22, rx: 11 }),
    text(x, y + 4, "number gradient", words),
  );
}

function text(x, y, className, words) {
  return draw("text", { x, y, class: className }, words);
}

function cut(words, most) {
  return words.length > most ? `${words.slice(0, Math.max(3, most - 1))}…` : words;
}
