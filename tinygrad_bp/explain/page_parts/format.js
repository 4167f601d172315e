// How numbers, shapes and places are written. Four digits by default, all of them on request.

import { make } from "./dom.js";

const SHOWN_DIGITS = 4;
const [TINY, LONG] = [1e-4, 1e6]; // numbers beyond get an exponent
let everyDigit = false;

export function showEveryDigit(on) {
  everyDigit = on;
}

// As Python writes it: True for true, exponents of two digits; U+2212 is as wide as the digits are.
export function full(x) {
  if (typeof x === "boolean") return x ? "True" : "False";
  return String(x)
    .replace(/e([+-])(\d)$/, "e$10$2")
    .replaceAll("-", "−");
}

export function short(x, digits = SHOWN_DIGITS) {
  return everyDigit ? full(x) : brief(x, digits);
}

// For where there is no room for more, whatever the reader asked for.
export function brief(x, digits = SHOWN_DIGITS) {
  if (typeof x !== "number" || x === 0) return full(x);
  const [size, rounded] = [Math.abs(x), Number(x.toPrecision(digits))];
  if (size >= LONG || size < TINY) return full(String(rounded.toExponential()));
  return full(Number.isInteger(x) ? x : rounded);
}

// A number that says of which kind it is, and keeps all its digits for the pointer and for scripts.
export function number(x, kind = "", write = short) {
  return make("data", { class: `number ${kind}`, value: String(x), title: full(x) }, write(x));
}

export function signed(x, digits) {
  return x > 0 ? `+${short(x, digits)}` : short(x, digits);
}

export function shapeText(shape) {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
}

export function indexText(index) {
  return `[${index.join(", ")}]`;
}

// The last part of the path is enough to know the file by; the source pane has all of it.
export function placeText(source) {
  return `${source.file.split(/[\\/]/).at(-1)}:${source.line}`;
}

// Formulas are typed as Python; a minus between numbers reads better as one.
export function typeset(text) {
  return text.replace(/(^|[\s(*/+,=])-(?=[\d.])/g, "$1−");
}

export function count(n, noun) {
  return `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;
}
