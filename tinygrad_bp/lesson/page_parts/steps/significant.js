// Numbers to a given count of digits: where two ways to the same number are compared, decimals
// would hide how well small ones agree.

import { make } from "../dom.js";
import { superscript } from "../numbers.js";

export function significant(x, digits = 3) {
  if (x === 0) return "0";
  const [mantissa, exponent] = x
    .toExponential(digits - 1)
    .split("e")
    .map(Number);
  const plain = exponent >= -3 && exponent < 6;
  const shown = plain
    ? x.toFixed(Math.max(digits - 1 - exponent, 0))
    : `${mantissa.toFixed(digits - 1)}·10${superscript(exponent)}`;
  return shown.replace("-", "−");
}

// With its sign also where it is positive, and the whole value inside.
export function precise(x, digits = 3, signed = false) {
  const sign = signed && x > 0 ? "+" : "";
  return make(
    "data",
    { class: "number", value: String(x), title: String(x) },
    sign + significant(x, digits),
  );
}

export function powerOfTen(exponent) {
  return `10${superscript(exponent)}`;
}
