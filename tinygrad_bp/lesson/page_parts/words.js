// Formulas that are written three ways from the same numbers: in words, with the numbers of this
// case, and in symbols. A term is a letter with its value; its colour and underline say what kind
// of thing it is, and pointing at it (or focusing it) marks the neuron or edge that it comes from.

import { make } from "./dom.js";
import { signed, text } from "./numbers.js";

// term("w", "w₂", 0.71, {edges: [[3, 2, 5]]}): kinds are C (cost), w, b, z, a, y, d (slopes).
export function term(kind, symbol, value, mark = null, decimals = 3) {
  return { kind, symbol, value, mark, decimals };
}

// As term, but with its sign also where it is positive: for wishes, nudges and changes.
export function wish(symbol, value, mark = null, decimals = 3) {
  return { ...term("d", symbol, value, mark, decimals), signed: true };
}

// formula(ctx, {name, words, parts, result}): `parts` is what the result is made of, terms and
// strings such as " × "; `result` is a term. `words` is a sentence of the same terms and strings.
// In words: the sentence. In numbers: parts = result. In formulas: symbols = numbers = result.
export function formula(ctx, { words, parts, result }) {
  const { mode } = ctx.state;
  if (mode === "words") return make("p", { class: "statement" }, sentence(ctx, words));
  const rows = [
    line(ctx, parts, "value"),
    make("span", { class: "line" }, "= ", piece(ctx, result, "value")),
  ];
  if (mode === "formulas") rows.unshift(line(ctx, parts, "symbol"));
  const name = make("span", { class: "line" }, piece(ctx, result, "symbol"));
  return make(
    "div",
    { class: "statement formula", role: "group", "aria-label": "Formula" },
    name,
    rows,
  );
}

// A comma or full stop stays with the number before it.
function sentence(ctx, words) {
  const pieces = [];
  for (const part of words) {
    const [, marks, rest] = typeof part === "string" ? part.match(/^([.,;:)]*)([^]*)$/) : [];
    if (marks) pieces.push(make("span", { class: "together" }, pieces.pop(), marks), rest);
    else pieces.push(piece(ctx, part, "value"));
  }
  return pieces;
}

function line(ctx, parts, as) {
  const shown = parts.map((part, i) => {
    const [before, next] = [parts[i - 1], parts[i + 1]];
    if (part === " + " && next.signed && startsWithSign(next, as)) return " "; // its plus
    return piece(ctx, as === "value" ? inside(part, before) : part, as);
  });
  return make("span", { class: "line" }, "= ", shown);
}

function startsWithSign(part, as) {
  return as === "value" || part.symbol.startsWith("−");
}

// In a formula a plus needs no sign after × and at the start, and a minus there needs brackets.
function inside(part, before) {
  if (typeof part === "string") return part;
  const first = before === undefined || before.endsWith("( ");
  const factor = before?.endsWith("× ");
  if (part.signed && !factor && !first) return part;
  return { ...part, signed: false, bracketed: !first && part.value < 0 };
}

function piece(ctx, part, as) {
  if (typeof part === "string") return part;
  const write = part.signed ? signed : text;
  const written = write(part.value, part.decimals);
  const shown = as === "symbol" ? part.symbol : part.bracketed ? `(${written})` : written;
  const attributes = {
    class: `term kind-${part.kind}`,
    title: as === "symbol" ? String(part.value) : part.symbol,
  };
  const content = as === "symbol" ? shown : make("data", { value: String(part.value) }, shown);
  if (part.mark === null) return make("span", attributes, content);
  const on = () => ctx.highlight(part.mark);
  const off = () => ctx.highlight(null);
  return make(
    "button",
    {
      ...attributes,
      type: "button",
      onpointerenter: on,
      onpointerleave: off,
      onfocus: on,
      onblur: off,
      onclick: on,
    },
    content,
  );
}
