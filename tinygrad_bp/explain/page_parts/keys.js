// Keys of the whole page. Text fields keep theirs; arrays and the list handle arrows before us.

import { byId } from "./dom.js";

export function keysView(store, move, actions) {
  const always = {
    ArrowRight: (event) => (event.shiftKey ? move.over() : move.into()),
    ArrowLeft: (event) => (event.shiftKey ? move["over-back"]() : move["into-back"]()),
    Home: move.start,
    End: move.end,
  };
  const letters = { ...actions, l: move["to-leaf"] };

  document.addEventListener("keydown", (event) => {
    const modified = event.ctrlKey || event.altKey || event.metaKey;
    const elsewhere = isTyping(event.target) || document.querySelector("dialog[open]");
    if (event.defaultPrevented || modified || elsewhere) return;
    const action = always[event.key] ?? (store.state.letters ? letters[event.key] : undefined);
    if (action === undefined) return;
    event.preventDefault();
    action(event);
  });
  byId("letters").addEventListener("change", (event) => {
    store.set({ letters: event.target.checked });
  });
}

function isTyping(target) {
  return target.matches("input:not([type=range], [type=checkbox]), textarea, select");
}
