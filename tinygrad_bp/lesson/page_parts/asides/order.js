// A question whose answer is an order: four things, pressed one after the other.

import { fill, make, press, toggle } from "../dom.js";

export const LETTERS = [..."ABCD"];
const ORDER = /^(?!.*(.).*\1)[A-D]{1,4}$/; // no letter twice

// A field of the state for the letters pressed so far.
export function orderField() {
  return { value: "", read: (text) => (ORDER.test(text) ? text : undefined) };
}

// `onorder` hears the new order; `show(order, values)` follows the state: values are what the four
// are ordered by, the largest first.
export function orderQuiz(question, onorder) {
  let order = "";
  const buttons = LETTERS.map((letter) =>
    toggle(letter, () => onorder(order.includes(letter) ? without(letter) : order + letter)),
  );
  const again = make("button", { type: "button", onclick: () => onorder("") }, "Again");
  const verdict = make("p", { role: "status" });
  const row = make("div", { class: "row letters" }, buttons, again);
  const element = make("div", { class: "quiz" }, make("p", {}, question), row, verdict);
  const without = (letter) => order.replace(letter, "");

  function show(now, values) {
    order = now;
    for (const [i, button] of buttons.entries()) press(button, order.includes(LETTERS[i]));
    again.hidden = order === "";
    fill(verdict, order === "" ? "" : said(order, values));
  }
  return Object.assign(element, { show });
}

export function answered(order) {
  return order.length === LETTERS.length;
}

function said(order, values) {
  const written = [...order].join(" > ");
  if (!answered(order)) return `Your order so far: ${written}.`;
  const right = LETTERS.toSorted((a, b) => values[LETTERS.indexOf(b)] - values[LETTERS.indexOf(a)]);
  if (right.join("") === order) return `Right: ${written}.`;
  return `You said ${written}; it is ${right.join(" > ")}.`;
}
