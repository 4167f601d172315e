// The bar at the bottom: buttons, the scrubber and where we are.

import { byId } from "./dom.js";
import { edgeAt, nextLeaf, nextNode, previousNode } from "./record.js";

// What each button does, by its id; the keys do the same.
export function moves(record, store) {
  const at = () => store.state.position;
  const go = (position) => store.set({ position });
  return {
    into: () => go(at() + 1),
    "into-back": () => go(at() - 1),
    over: () => go(nextNode(record, at())),
    "over-back": () => go(previousNode(record, at())),
    "to-leaf": () => go(nextLeaf(record, at())),
    start: () => go(0),
    end: () => go(record.last),
  };
}

export function timelineView(record, store, move) {
  const scrubber = byId("scrubber");
  scrubber.max = record.last;
  scrubber.disabled = record.last === 0;
  scrubber.addEventListener("input", () => store.set({ position: scrubber.value }));
  const buttons = ["over-back", "into-back", "into", "over", "to-leaf"].map(byId);
  for (const button of buttons) button.addEventListener("click", move[button.id]);

  function show({ position }) {
    scrubber.value = position;
    scrubber.setAttribute("aria-valuetext", words(record, position));
    byId("position").textContent = `${position} / ${record.last}`;
    for (const button of buttons) {
      const atEnd = button.id.endsWith("back") ? position === 0 : position === record.last;
      button.setAttribute("aria-disabled", atEnd); // not `disabled`: that would lose the focus
    }
  }
  store.subscribe(show);
  show(store.state);
}

function words(record, position) {
  const edge = edgeAt(record, position);
  if (edge === null) return "start";
  const [from, to] = [edge.child, edge.parent].map((id) => record.nodes[id].name);
  return `step ${position} of ${record.last}: ${from} to ${to}`;
}
