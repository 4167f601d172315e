// The bar of steps and the list of their titles.

import { byId, fill, make } from "./dom.js";

export function contentsView(steps, store) {
  const go = (number) => store.set({ step: number });
  const stops = steps.map(({ number, title }) =>
    make(
      "button",
      { type: "button", title, "aria-label": `${number}. ${title}`, onclick: () => go(number) },
      String(number),
    ),
  );
  const entries = steps.map(({ number, title }) =>
    make("button", { type: "button", onclick: () => choose(number) }, title),
  );
  fill(
    byId("stops"),
    stops.map((stop) => make("li", {}, stop)),
  );
  fill(
    byId("contents-list"),
    entries.map((entry) => make("li", {}, entry)),
  );
  byId("previous").addEventListener("click", () => move(-1));
  byId("next").addEventListener("click", () => move(1));
  byId("contents-open").addEventListener("click", open);
  store.subscribe((state) => show(state.step));
  show(store.state.step);

  function move(by) {
    go(Math.min(Math.max(store.state.step + by, 1), steps.length));
  }

  function choose(number) {
    byId("contents").close();
    go(number);
    byId("step-title").focus();
  }

  function show(current) {
    for (const [i, button] of stops.entries()) {
      const now = i + 1 === current ? "step" : null;
      for (const marked of [button, entries[i]]) {
        if (now) marked.setAttribute("aria-current", now);
        else marked.removeAttribute("aria-current");
      }
    }
    // Not `disabled`: the focus would be lost at either end.
    byId("previous").setAttribute("aria-disabled", current === 1);
    byId("next").setAttribute("aria-disabled", current === steps.length);
    byId("contents-place").textContent = `${current} / ${steps.length}`;
    byId("contents-open").setAttribute(
      "aria-label",
      `List of the steps, now ${current} of ${steps.length}`,
    );
  }

  function open() {
    byId("contents").showModal();
    entries[store.state.step - 1].focus();
  }

  return { open };
}
