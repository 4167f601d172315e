// Puts the page together: the data, the store, and the views that draw what is in it.

import { byId } from "./dom.js";
import { addressView } from "./address.js";
import { cardView } from "./card.js";
import { dialogsView } from "./dialogs.js";
import { showEveryDigit } from "./format.js";
import { graphView } from "./graph.js";
import { keysView } from "./keys.js";
import { listView } from "./list.js";
import { positionOf, readRecord } from "./record.js";
import { sourceView } from "./source.js";
import { makeStore } from "./store.js";
import { moves, timelineView } from "./timeline.js";
import { twinView } from "./twin.js";

const record = readRecord(JSON.parse(byId("data").textContent));
const store = makeStore(record);
const move = moves(record, store);

function show(node) {
  const position = positionOf(record, node);
  store.set(position === null ? { inspected: node } : { position });
}

function toggleDigits() {
  store.set({ digits: !store.state.digits });
}

store.subscribe((state, changed) => {
  if (!changed.has("digits")) return;
  showEveryDigit(state.digits); // before the views, which are asked next, write their numbers
  document.body.classList.toggle("all-digits", state.digits);
  byId("digits").setAttribute("aria-pressed", state.digits);
});
byId("digits").addEventListener("click", toggleDigits);

const card = cardView(record, store);
const source = sourceView(record, store);
const graph = graphView(record, store, show);
const twin = twinView(record, store, graph);
const dialogs = dialogsView(record, show, store);
listView(record, store, show);
timelineView(record, store, move);
addressView(record, store);

function asTable(event) {
  const array = event.target.closest("#parts") && card.arrayShown();
  if (array) dialogs.array(...array);
  else twin.flip();
}

keysView(store, move, {
  "?": dialogs.help,
  g: dialogs.go,
  "/": () => byId("filter").focus(),
  s: source.flip,
  t: asTable,
  d: toggleDigits,
});
