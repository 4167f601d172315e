// Keys of the whole page. Text fields, sliders and the neurons keep those that they use.

import { byId } from "./dom.js";

const MODES = ["words", "numbers", "formulas"];

export function keysView(steps, store, ctx, actions) {
  const { state, set } = store;
  const go = (number) => set({ step: Math.min(Math.max(number, 1), steps.length) });
  const always = {
    PageDown: () => go(state.step + 1),
    PageUp: () => go(state.step - 1),
    Home: () => go(1),
    End: () => go(steps.length),
  };
  const other = (by) => (state.example + by + ctx.data.digits.length) % ctx.data.digits.length;
  const letters = {
    ...actions,
    n: always.PageDown,
    p: always.PageUp,
    e: () => set({ example: other(1) }),
    E: () => set({ example: other(-1) }),
    m: () => set({ mode: MODES[(MODES.indexOf(state.mode) + 1) % MODES.length] }),
    t: () => set({ twin: state.twin === "on" ? "off" : "on" }),
    "?": () => byId("help").showModal(),
  };
  for (let digit = 0; digit < 10; digit++) letters[digit] = () => set({ voter: digit });

  // The step's own keys come first; a named key such as ArrowLeft is not a letter.
  function actionFor(key) {
    const own = steps[state.step - 1].keys?.[key];
    if (own && (state.letters || key.length > 1 || key === " ")) return () => own(ctx);
    return always[key] ?? (state.letters ? letters[key] : undefined);
  }

  document.addEventListener("keydown", (event) => {
    const modified = event.ctrlKey || event.altKey || event.metaKey;
    if (event.defaultPrevented || modified || document.querySelector("dialog[open]")) return;
    if (keeps(event.target, event.key)) return;
    const action = actionFor(event.key);
    if (action === undefined) return;
    event.preventDefault();
    action();
  });
}

// Whether the element with the focus has a use for the key itself.
function keeps(target, key) {
  if (target.matches("select, textarea, input:not([type=range], [type=radio], [type=checkbox])"))
    return true;
  if (target.matches("input[type=range]")) return /^(Arrow|Page|Home|End)/.test(key);
  if (target.matches("input[type=radio]")) return /^(Arrow| )/.test(key);
  return target.matches("button, a, input, summary, [role=button]") && key === " ";
}
