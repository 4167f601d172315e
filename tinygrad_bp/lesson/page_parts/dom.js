// What steps build their elements with: the shared makers and a few of our own. Text only ever
// enters as text nodes; no string is parsed as markup.

import { byId, draw, fill, make } from "./elements.js";

export { byId, draw, fill, make };

// Values that change are set as properties: the page's policy refuses `style` attributes.
export function styled(element, properties) {
  for (const [name, value] of Object.entries(properties)) element.style.setProperty(name, value);
  return element;
}

export function paragraph(...children) {
  return make("p", {}, children);
}

// table({caption, heads: ["neuron", ...], rows: [["2", node or text, ...], ...]}): the first cell
// of a row is its heading. `classes` names each row's class, or none.
export function table({ caption, heads, rows, classes = [] }) {
  const head = make(
    "tr",
    {},
    heads.map((text) => (text === "" ? make("td") : make("th", { scope: "col" }, text))),
  );
  const body = rows.map(([first, ...rest], i) =>
    make(
      "tr",
      { class: classes[i] || null },
      make("th", { scope: "row" }, first),
      rest.map((cell) => make("td", {}, cell)),
    ),
  );
  return make(
    "table",
    { class: "numbers" },
    make("caption", {}, caption),
    make("thead", {}, head),
    make("tbody", {}, body),
  );
}

// A button that is on or off; `on` is set by `press` whenever the state changes.
export function toggle(text, onclick, attributes = {}) {
  return make("button", { type: "button", "aria-pressed": false, onclick, ...attributes }, text);
}

export function press(button, on) {
  button.setAttribute("aria-pressed", Boolean(on));
}

// choice("Cost", [["squares", "Squares"], ...], chosen => ...): radio buttons in one bar. Returns
// the fieldset, with `show(value)` to check the one that the state says.
export function choice(legend, options, onchange) {
  const name = `choice-${legend.toLowerCase().replaceAll(" ", "-")}`;
  const inputs = options.map(([value]) =>
    make("input", { type: "radio", name, value, onchange: () => onchange(value) }),
  );
  const labels = options.map(([, text], i) => make("label", {}, inputs[i], make("span", {}, text)));
  const bar = make("fieldset", { class: "choice" }, make("legend", {}, legend), labels);
  const show = (value) => {
    for (const input of inputs) input.checked = input.value === String(value);
  };
  return Object.assign(bar, { show });
}

// A slider with its label and its value as text beside it; `show(value, text)` follows the state.
export function slider(label, { min, max, step }, oninput) {
  const input = make("input", { type: "range", min, max, step });
  const output = make("output", { class: "number" });
  input.addEventListener("input", () => oninput(Number(input.value)));
  const line = make("label", { class: "slider" }, make("span", {}, label), input, output);
  const show = (value, text) => {
    input.value = value;
    input.setAttribute("aria-valuetext", text);
    output.textContent = text;
  };
  return Object.assign(line, { show, input });
}
