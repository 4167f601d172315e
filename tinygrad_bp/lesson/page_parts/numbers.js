// How numbers are written: a true minus sign, a plus where the sign is the message, and every
// digit kept in the element for scripts and for who points at it.

import { make } from "./dom.js";

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

// 0.199; 4.2·10⁻⁸ where the decimals would show nothing but zeros.
export function text(x, decimals = 3) {
  if (x === 0) return "0";
  const plain = x.toFixed(decimals);
  if (Number(plain) !== 0) return plain.replace("-", "−");
  const [mantissa, exponent] = x.toExponential(1).split("e");
  return `${mantissa}·10${superscript(Number(exponent))}`.replace("-", "−");
}

export function signed(x, decimals = 3) {
  return x > 0 ? `+${text(x, decimals)}` : text(x, decimals);
}

// With two decimals whatever they show: for notes in the drawing, where there is no room for more.
export function brief(x) {
  return `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(2)}`;
}

export function superscript(n) {
  return String(n)
    .replace("-", "⁻")
    .replace(/\d/g, (digit) => SUPERSCRIPTS[digit]);
}

export function subscript(n) {
  return String(n).replace(/\d/g, (digit) => String.fromCodePoint(0x2080 + Number(digit)));
}

// The number and its sign stay on one line.
export function percent(x, decimals = 1) {
  return `${(100 * x).toFixed(decimals).replace("-", "−")}\u00a0%`;
}

// By hand: the first use of a browser's own way costs more than a whole step of the lesson.
export function count(n) {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ",");
}

// number(0.199): an element with the whole value in it.
export function number(x, decimals = 3, kind = "") {
  return element(x, text(x, decimals), kind);
}

// For wishes, nudges and weights: the sign as a sign, an arrow's word and a colour.
export function change(x, decimals = 3) {
  return element(x, signed(x, decimals), x > 0 ? "up" : x < 0 ? "down" : "");
}

function element(x, shown, kind) {
  return make("data", { class: `number ${kind}`, value: String(x), title: String(x) }, shown);
}
