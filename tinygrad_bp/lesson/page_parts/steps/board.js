// A picture to draw on, with the pointer or with the keys.

import { make } from "../dom.js";
import { blank, SIDE } from "./pictures.js";

const CELL = 12; // pixels of the screen for one of the picture, before scaling
const RIGHT_BUTTON = 2;

export const MOVES = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

// paint(x, y, ink) hears of every dab, in pixels of the picture; show(image) shows what came of it.
export function board(paint) {
  const size = SIDE * CELL;
  const canvas = make("canvas", {
    class: "board",
    width: size,
    height: size,
    tabindex: 0,
    role: "application",
    "aria-label":
      "Picture to draw on: the arrow keys move the pen, Space paints, Backspace rubs out",
  });
  const pen = { x: SIDE / 2, y: SIDE / 2, last: null };
  let shown = blank();

  function show(image = shown) {
    shown = image;
    const context = canvas.getContext("2d");
    for (let i = 0; i < image.length; i += 1) {
      const grey = Math.round(255 * image[i]);
      context.fillStyle = `rgb(${grey} ${grey} ${grey})`;
      context.fillRect((i % SIDE) * CELL, Math.floor(i / SIDE) * CELL, CELL, CELL);
    }
    if (document.activeElement === canvas) cursor(context);
  }

  function cursor(context) {
    const [x, y] = [(pen.x + 0.5) * CELL, (pen.y + 0.5) * CELL];
    for (const [colour, width] of [
      ["#000", 5],
      ["#ffd75e", 2.5],
    ]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.strokeRect(x - CELL, y - CELL, 2 * CELL, 2 * CELL);
    }
  }

  // Along the way from the last place, so that a fast pointer leaves no gaps.
  function stroke(event) {
    const box = canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * SIDE - 0.5;
    const y = ((event.clientY - box.top) / box.height) * SIDE - 0.5;
    const from = pen.last ?? { x, y };
    const parts = Math.max(1, Math.ceil(Math.hypot(x - from.x, y - from.y)));
    for (let i = 1; i <= parts; i += 1) {
      paint(
        from.x + ((x - from.x) * i) / parts,
        from.y + ((y - from.y) * i) / parts,
        event.buttons === RIGHT_BUTTON ? 0 : 1,
      );
    }
    Object.assign(pen, { x: Math.round(x), y: Math.round(y), last: { x, y } });
  }

  function keydown(event) {
    const ink = { " ": 1, Enter: 1, Backspace: 0, Delete: 0 }[event.key];
    const way = MOVES[event.key];
    if ((ink === undefined && !way) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    if (ink !== undefined) return paint(pen.x, pen.y, ink);
    pen.x = Math.min(Math.max(pen.x + way[0], 0), SIDE - 1);
    pen.y = Math.min(Math.max(pen.y + way[1], 0), SIDE - 1);
    if (event.shiftKey) paint(pen.x, pen.y, 1);
    else show();
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pen.last = null;
    stroke(event);
  });
  canvas.addEventListener("pointermove", (event) => event.buttons && stroke(event));
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("keydown", keydown);
  canvas.addEventListener("focus", () => show());
  canvas.addEventListener("blur", () => show());
  const hint = make(
    "p",
    { class: "note" },
    "Draw on it with mouse or finger. Keys: arrows move the pen, with Shift it paints; Space " +
      "paints, Backspace rubs out.",
  );
  return { element: make("div", {}, canvas, hint), show };
}
