// Wishes as upright arrows whose length is the value.

import { draw } from "./dom.js";

export function arrows(place, { arrows: wishes = {}, longest = {} }) {
  return Object.entries(wishes).map(([l, values]) => {
    const most = longest[l] ?? Math.max(...values.map(Math.abs));
    return Array.from(values, (value, j) => {
      const { x, y, step } = place.centres[l][j];
      const length = most ? (Math.abs(value) / most) * Math.min(step * 0.94, 80) : 0;
      // Beside the outputs at right, beside others at left, where no edges start.
      const gap = place.radius + (place.narrow ? 8 : 14);
      const side = Number(l) === place.centres.length - 1 ? 1 : -1;
      return arrow(x + side * gap, y, Math.sign(value) * length);
    });
  });
}

// An upright arrow, its middle at (x, y): up where `length` is positive. What is too short for a
// head is a dot. Also for the cells of tables.
export function arrow(x, y, length) {
  const size = Math.abs(length);
  if (size < 2.5) return draw("circle", { class: "no-arrow", cx: x, cy: y, r: 1.5 });
  const up = length > 0 ? 1 : -1;
  const [tip, tail] = [y - (up * size) / 2, y + (up * size) / 2];
  const head = Math.min(8, size * 0.6);
  const neck = tip + up * head;
  const [wing, half] = [head * 0.62, Math.min(1.7, head * 0.4)];
  const d = `M${x} ${tip}L${x + wing} ${neck}H${x + half}V${tail}H${x - half}V${neck}H${x - wing}Z`;
  return draw("path", { class: length > 0 ? "up" : "down", d });
}

// Beside the name of a layer, or in its place where there is no room for both: what is above may
// not be set.
export function padlock(place, l) {
  const beside = l === place.centres.length - 1 ? 40 : 30; // "10 outputs" is longer than "layer 2"
  const [x, y] = [place.centres[l][0].x + (place.narrow ? -6 : beside), place.height - 15];
  return draw(
    "g",
    { class: "padlock", transform: `translate(${x} ${y})` },
    place.narrow ? draw("rect", { class: "cover", x: -20, width: 50, height: 16 }) : null,
    draw("title", {}, "These activations cannot be set, only wished for"),
    draw("path", { class: "shackle", d: "M2.5 5V3.5a3 3 0 0 1 6 0V5" }),
    draw("rect", { x: 0, y: 5, width: 11, height: 8, rx: 1.5 }),
  );
}
