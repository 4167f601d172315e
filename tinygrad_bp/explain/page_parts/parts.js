// The six parts of a step, each a line of a derivation: what is done, and at the right its result.

import { make } from "./dom.js";
import { entry, isScalar, shapeOf } from "./arrays.js";
import { count, indexText, number, placeText, shapeText, short, typeset } from "./format.js";
import { grid } from "./grid.js";

// A moment: {record, child, parent, step, element, select, checks}; element is null for scalars.
export function sixParts(moment) {
  return make(
    "ol",
    { class: "parts" },
    forward(moment),
    arriving(moment),
    local(moment),
    contribution(moment),
    accumulation(moment),
    check(moment),
  );
}

// A line of the derivation: its title and a remark, then what is done and what comes of it.
export function part(title, remark, work, result, ...more) {
  return make(
    "li",
    { class: "part" },
    make("div", { class: "title" }, make("h3", {}, title), note(remark)),
    make("div", { class: "work" }, work),
    make("div", { class: "result" }, result),
    more.some(Boolean) ? make("div", { class: "more" }, more) : null,
  );
}

export function formula(...pieces) {
  return make("code", { class: "formula" }, pieces.filter(Boolean).map(typeset).join(" = "));
}

export function note(text) {
  return text ? make("p", { class: "note" }, text) : null;
}

// A scalar, the chosen element of an array, or its shape where that element is not known.
export function quantity(view, kind, element = null) {
  if (view === null) return make("span", { class: "none" }, "none");
  if (isScalar(view)) return number(view, kind);
  const x = element && element.length === view.shape.length ? entry(view, element) : null;
  if (x === null) return make("span", { class: `number ${kind}` }, shapeText(view.shape));
  return [make("span", { class: "at" }, indexText(element)), " ", number(x, kind)];
}

export function forwardText(node) {
  return formula(node.name, node.forward?.text, node.forward?.numbers);
}

function forward({ record, child }) {
  const place = child.source ? `${child.source.code}   # ${placeText(child.source)}` : null;
  return part(
    "Forward",
    null,
    forwardText(child),
    quantity(record.array(child.value), "value"),
    place && make("code", { class: "place" }, place),
  );
}

function arriving({ record, child, parent, step, element }) {
  const of = record.into[child.id].length;
  const whence =
    child.id === record.loss
      ? "the pass begins here: its own slope in itself"
      : `${of} of ${count(of, "consumer")} of ${child.name} ${of === 1 ? "has" : "have"} reported`;
  const [first, ...others] = step.arrivals.map(({ symbol, node, array }) => [
    formula(symbol, `d${record.nodes[record.loss].name}/d${record.nodes[node].name}`),
    likeParent(record.array(array), "gradient", parent, element),
  ]);
  const more = others.map(([work, result]) =>
    make("div", { class: "another" }, work, make("span", { class: "result" }, result)),
  );
  return part("Arriving gradient", whence, ...first, ...more);
}

function local({ record, child, parent, step, element }) {
  if (step.local === null) {
    return part(
      "Local derivative",
      child.why,
      "not one number for each element: whole arrays at once",
      null,
    );
  }
  const { symbol, text, numbers, value } = step.local;
  const result = likeParent(record.array(value), "local", parent, element);
  return part("Local derivative", child.why, formula(symbol, text, numbers), result);
}

function contribution({ record, step, element }) {
  const { text, numbers, shapes } = step.formula;
  const view = record.array(step.contribution);
  const remark = isScalar(view) ? "what arrives times the slope" : shapes;
  return part("Contribution", remark, formula(text, numbers), quantity(view, "gradient", element));
}

// The chosen element, where the array has the shape of the parent and so the same elements.
function likeParent(view, kind, parent, element) {
  return quantity(view, kind, String(shapeOf(view)) === String(parent.shape) ? element : null);
}

// Under the derivation of a step between arrays: the arrays, and one element as a sum.
export function arraysOf({ record, parent, step, element, terms, select }) {
  const sent = record.array(step.contribution);
  const arrived = record.array(step.arriving);
  if (isScalar(sent)) return null;
  const table = (name, view, options) =>
    make(
      "figure",
      {},
      make("figcaption", {}, `${name}, ${shapeText(shapeOf(view))}`),
      grid(view, { caption: name, ...options }),
    );
  return make(
    "div",
    { class: "arrays" },
    table("Contribution", sent, { selected: element, select }),
    writtenOut(step, sent, element),
    isScalar(arrived) ? null : table("Arriving gradient", arrived, { marked: within(step, terms) }),
  );
}

// Where the terms stand in the arriving gradient. Of several outputs the first is shown, and a term
// starts with the number of its output.
function within(step, terms) {
  if (step.arrivals.length === 1) return terms;
  return terms?.filter(([output]) => output === 0).map((at) => at.slice(1));
}

// contribution[i] as the sum over the elements o of the child, the largest terms first.
function writtenOut(step, view, element) {
  const written = step.elements.find(({ index }) => String(index) === String(element));
  if (!written) {
    return step.elements.length ? note(`The sum for ${indexText(element)} was not kept.`) : null;
  }
  const total = entry(view, element);
  const rows = written.terms.map(([o, g, d]) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, indexText(o)),
      [number(g, "gradient"), "×", number(d, "local"), "=", product(g, d)].map((x) =>
        make("td", {}, x),
      ),
    ),
  );
  const rest = make(
    "tr",
    {},
    make("th", { scope: "row", colspan: 5 }, `${count(written.more, "smaller term")}`),
    make("td", {}, number(written.rest, "gradient")),
  );
  const sum = make(
    "tr",
    { class: "total" },
    make("th", { scope: "row", colspan: 5 }, `contribution${indexText(element)}`),
    make("td", {}, number(total, "gradient")),
  );
  const heads = ["o", "g[o]", "", "slope", "", "product"];
  return make(
    "table",
    { class: "sum" },
    make("caption", {}, `Element ${indexText(element)}, written out`),
    make(
      "thead",
      {},
      make(
        "tr",
        {},
        heads.map((h) => (h ? make("th", { scope: "col" }, h) : make("td"))),
      ),
    ),
    make("tbody", {}, rows, written.more ? rest : null, sum),
  );
}

function product(a, b) {
  return Number.isFinite(a) && Number.isFinite(b) ? number(a * b, "gradient") : "…";
}

function accumulation({ record, parent, step, element }) {
  const before = record.array(step.before);
  const held = step.reported === 1 && before !== null;
  const at = (view) => quantity(view, "gradient", element);
  const atElement = (view) => (isScalar(view) ? view : (entry(view, element) ?? "…"));
  const term = (view) => number(atElement(view), "gradient");
  const first = before === null ? make("span", { class: "none" }, "nothing yet") : term(before);
  return part(
    `Into ${parent.name}`,
    arrivals(parent, step),
    make("span", { class: "sum-line" }, first, " + ", term(record.array(step.contribution))),
    at(record.array(step.after)),
    note(step.unbroadcast && `Broadcasting undone: ${step.unbroadcast}.`),
    note(held ? `${parent.name}.grad held the first before this pass.` : null),
    step.of > 1 && step.reported === step.of ? confirmed(parent, element) : null,
  );
}

// The whole gradient of a leaf with several consumers, against a central difference of its own.
function confirmed(leaf, element) {
  const check = leaf.checks?.find(({ index }) => String(index) === String(element ?? []));
  if (!check) return null;
  const moved = `${leaf.name}${element ? indexText(element) : ""}`;
  const [difference, relative] = [short(check.difference), short(check.relative, 2)];
  return note(`Moving ${moved} itself gives ${difference}, relative difference ${relative}.`);
}

function arrivals(parent, { reported, of }) {
  const consumers = `${reported} of ${count(of, "consumer")} reported`;
  return reported < of
    ? `${consumers}: ${parent.name} waits for more`
    : `${consumers}: ${parent.name} is complete`;
}

function check({ step, record }) {
  if (step.check === null) {
    return part("Check", null, record.checks.text, null);
  }
  const { index, difference, relative } = step.check;
  const at = index.length ? ` at ${indexText(index)}` : "";
  const remark = `relative difference ${short(relative, 2)}`;
  return part("Check", remark, `central difference${at}`, number(difference, "gradient"));
}
