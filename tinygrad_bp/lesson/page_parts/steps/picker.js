// Choosing one of the parameters: by its part of the network and its places there.

import { make } from "../dom.js";
import { indexOf, nameOf, placeOf } from "../net.js";

const OF_PARAMETER = /^\d+$/;

// A field of the state for a parameter, null until one is chosen.
export function parameterField() {
  const read = (text) => (OF_PARAMETER.test(text) ? Number(text) : undefined);
  return { value: null, read };
}

// Part, to and from as controls; `show(index)` follows the state. Numbers beyond the part are
// brought back into it.
export function parameterPicker(sizes, onchange) {
  const parts = sizes.slice(1).flatMap((_, i) => [`W${i + 1}`, `b${i + 1}`]);
  const part = make(
    "select",
    { onchange: () => choose({ from: 0 }) },
    parts.map((name) => make("option", { value: name }, name)),
  );
  const to = make("input", { type: "number", min: 0, step: 1, onchange: () => choose({}) });
  const from = make("input", { type: "number", min: 0, step: 1, onchange: () => choose({}) });
  const fromLabel = labelled("from neuron", from);
  const row = make(
    "div",
    { class: "row" },
    labelled("parameter", part),
    labelled("to neuron", to),
    fromLabel,
  );

  function choose(changes) {
    const [kind, layer] = [part.value[0], Number(part.value[1])];
    const place = {
      kind,
      layer,
      to: within(to.value, sizes[layer]),
      from: within(from.value, sizes[layer - 1]),
      ...changes,
    };
    onchange(indexOf(sizes, place));
  }

  function show(index) {
    const place = placeOf(sizes, index);
    part.value = place.kind + place.layer;
    to.max = sizes[place.layer] - 1;
    to.value = place.to;
    from.max = sizes[place.layer - 1] - 1;
    from.value = place.from ?? "";
    fromLabel.hidden = place.kind === "b";
    fromLabel.firstChild.textContent = place.layer === 1 ? "from pixel" : "from neuron";
  }
  return Object.assign(row, { show });
}

// What a parameter is, in words.
export function described(sizes, index) {
  const { kind, layer, to, from } = placeOf(sizes, index);
  const last = sizes.length - 1;
  const neuron = (l, j) =>
    l === last ? `output ${j}` : l === 0 ? `pixel ${j}` : `neuron ${j} of layer ${l}`;
  const what =
    kind === "W"
      ? `the weight from ${neuron(layer - 1, from)} to ${neuron(layer, to)}`
      : `the bias of ${neuron(layer, to)}`;
  return `${nameOf(sizes, index)}, ${what}`;
}

// What the drawing of the network shows of it.
export function pictured(sizes, index, value) {
  const { kind, layer, to, from } = placeOf(sizes, index);
  const edges = kind === "W" ? [{ layer, to, from: layer === 1 ? 0 : from, value }] : [];
  return { edges, ring: [[layer, to], ...(kind === "W" && layer > 1 ? [[layer - 1, from]] : [])] };
}

function labelled(text, control) {
  return make("label", { class: "labelled" }, make("span", {}, text), control);
}

function within(text, size) {
  return Math.min(Math.max(Math.round(Number(text)) || 0, 0), size - 1);
}
