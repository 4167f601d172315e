// The wall of digits to choose an example from: ten rows of ten, moved over with the arrow keys.

import { byId, fill, make } from "./dom.js";
import { digitCanvas } from "./marks.js";

const SIDE = 10;
const PAGE = SIDE * SIDE;

export function wallView(data, store) {
  const last = Math.ceil(data.digits.length / PAGE) - 1;
  let page = 0;
  byId("example").addEventListener("click", open);
  byId("wall-back").addEventListener("click", () => turn(page - 1));
  byId("wall-on").addEventListener("click", () => turn(page + 1));

  function open() {
    turn(Math.floor(store.state.example / PAGE));
    byId("wall").showModal();
    bricks()[store.state.example % PAGE].focus();
  }

  function turn(to) {
    page = Math.min(Math.max(to, 0), last);
    const digits = data.digits.slice(page * PAGE, (page + 1) * PAGE);
    fill(byId("wall-digits"), digits.map(brick));
    byId("wall-range").textContent =
      `${digits[0].index} to ${digits.at(-1).index} of ${data.digits.length}`;
    byId("wall-back").setAttribute("aria-disabled", page === 0);
    byId("wall-on").setAttribute("aria-disabled", page === last);
  }

  function brick(digit) {
    const chosen = digit.index === store.state.example;
    const first =
      chosen || (digit.index % PAGE === 0 && Math.floor(store.state.example / PAGE) !== page);
    return make(
      "button",
      {
        type: "button",
        tabindex: first ? 0 : -1,
        "aria-label": `Example ${digit.index}: a ${digit.label}`,
        "aria-current": chosen && "true",
        onclick: () => choose(digit.index),
        onkeydown: (event) => walk(event, digit.index % PAGE),
      },
      digitCanvas(digit, { "aria-hidden": true }),
    );
  }

  function choose(example) {
    byId("wall").close();
    store.set({ example });
  }

  function walk(event, at) {
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -SIDE, ArrowDown: SIDE }[event.key];
    const target = by && bricks()[at + by];
    if (!target) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    target.tabIndex = 0;
    target.focus();
  }

  const bricks = () => byId("wall-digits").children;
  return { open };
}
