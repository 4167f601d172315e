// Below a step, folded: what it rests on or leads to, for those who want to know. An aside is
// written like a step (see steps/steps.js), with id, title, covers, fields, render, update and
// leave; it is built when it is first opened. One at a time is open, and the address says which.

import { make } from "./dom.js";
import { oneOf } from "./state.js";

export function asideFields(steps) {
  const asides = steps.flatMap((step) => step.asides ?? []);
  return Object.assign(
    { aside: oneOf("", ...asides.map(({ id }) => id)) },
    ...asides.map(({ fields }) => fields ?? {}),
  );
}

// Returns the elements of a step's asides, with `update(ctx)` and `leave()`.
export function asidesView(asides, set) {
  const views = asides.map((aside) => oneView(aside, set));
  return {
    elements: views.map(({ element }) => element),
    update: (ctx) => views.forEach((view) => view.update(ctx)),
    leave: () => views.forEach((view) => view.leave()),
  };
}

function oneView(aside, set) {
  const content = make("div", { class: "aside-content" });
  const element = make(
    "details",
    { class: "aside", id: `aside-${aside.id}` },
    make("summary", {}, aside.title),
    content,
  );
  let open = false;
  element.addEventListener("toggle", () => {
    // Following the state makes this event, too; only a reader's press is news.
    if (element.open !== open) set({ aside: element.open ? aside.id : "" });
  });

  function update(ctx) {
    const wanted = ctx.state.aside === aside.id;
    if (open && !wanted) aside.leave?.();
    open = wanted;
    element.open = open;
    if (!open) return;
    if (!content.hasChildNodes()) aside.render(content, ctx);
    aside.update?.(ctx);
  }

  return { element, update, leave: () => open && aside.leave?.() };
}
