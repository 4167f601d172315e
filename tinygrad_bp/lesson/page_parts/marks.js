// Small drawings: bars and arrows as long as the value beside them, digits, and pictures of
// 28 × 28 signed numbers.

import { draw, make, styled } from "./dom.js";
import { arrow } from "./arrows.js";

const SIDE = 28;

// From the middle to the right for plus, to the left for minus; `most` fills one half.
export function signedBar(value, most) {
  const share = most ? Math.min(Math.abs(value) / most, 1) : 0;
  const kind = value > 0 ? "up" : "down";
  return make(
    "span",
    { class: "bar signed", "aria-hidden": true },
    styled(make("i", { class: kind }), { "--share": share }),
  );
}

// From left to right, for what has no sign.
export function bar(value, most, kind = "") {
  const share = most ? Math.min(value / most, 1) : 0;
  return make(
    "span",
    { class: "bar", "aria-hidden": true },
    styled(make("i", { class: kind }), { "--share": share }),
  );
}

// How bright a neuron is, as a disc.
export function lamp(a) {
  return styled(make("span", { class: "lamp", "aria-hidden": true }), {
    "--lit": `${(100 * a).toFixed(1)}%`,
  });
}

export function arrowMark(value, most, height = 26) {
  const length = most ? (value / most) * (height - 2) : 0;
  const size = { width: 14, height, viewBox: `0 0 14 ${height}` };
  return draw(
    "svg",
    { class: "arrow", "aria-hidden": true, ...size },
    arrow(7, height / 2, length),
  );
}

// A picture of signed numbers, one for each pixel: blue with a + for plus, orange with a - for
// minus, as strong as the number is large beside `most`. `alt` says what is to be seen.
export function signedPicture(values, most, alt, size = 8) {
  const canvas = make("canvas", {
    class: "signed-picture",
    width: SIDE * size,
    height: SIDE * size,
    role: "img",
    "aria-label": alt,
  });
  const colours = getComputedStyle(document.documentElement);
  const [plus, minus, ground] = ["--up", "--down", "--ground"].map((name) =>
    colours.getPropertyValue(name),
  );
  const context = canvas.getContext("2d");
  context.fillStyle = ground;
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < values.length; i++) {
    const strength = Math.min(Math.abs(values[i]) / most, 1);
    if (!(strength > 0.01)) continue;
    const [x, y] = [(i % SIDE) * size, Math.floor(i / SIDE) * size];
    context.globalAlpha = strength;
    context.fillStyle = values[i] > 0 ? plus : minus;
    context.fillRect(x, y, size, size);
    if (strength > 0.3 && size >= 6) sign(context, x, y, size, values[i] > 0, ground);
  }
  return canvas;
}

function sign(context, x, y, size, positive, ground) {
  context.fillStyle = ground;
  context.globalAlpha = 1;
  const [middle, long] = [size / 2, size - 4];
  context.fillRect(x + 2, y + middle - 0.5, long, 1);
  if (positive) context.fillRect(x + middle - 0.5, y + 2, 1, long);
}

// A digit, always bright on dark, as the network sees it.
export function digitCanvas({ pixels }, attributes = {}) {
  const canvas = make("canvas", { class: "digit", width: SIDE, height: SIDE, ...attributes });
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  pixels.forEach((p, i) => image.data.fill(p, 4 * i, 4 * i + 3).fill(255, 4 * i + 3, 4 * i + 4));
  context.putImageData(image, 0, 0);
  return canvas;
}
