// Real dialogs: the browser traps the focus, closes on Escape and gives the focus back.

import { byId, fill } from "./dom.js";
import { grid } from "./grid.js";
import { showEveryDigit } from "./format.js";

export function dialogsView(record, show, store) {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.querySelector(".close").addEventListener("click", () => dialog.close());
  }
  byId("help-open").addEventListener("click", openHelp);
  byId("go-name").addEventListener("input", () => describe(record));
  byId("go-name").addEventListener("keydown", (event) => {
    if (event.key === "Enter") go();
  });
  byId("go-there").addEventListener("click", go);

  function go() {
    const [first] = matching(record, byId("go-name").value);
    if (first === undefined) return;
    byId("go").close();
    show(first.id);
  }

  return {
    help: openHelp,
    go: () => openGo(record),
    array: (name, view) => openArray(name, view, store),
  };
}

function openHelp() {
  byId("help").showModal();
}

function openGo(record) {
  byId("go-name").value = "";
  describe(record);
  byId("go").showModal();
}

function openArray(name, view, store) {
  byId("array-title").textContent = name;
  showEveryDigit(true); // this is the place for all digits
  fill(byId("array-table"), grid(view, { caption: name }));
  showEveryDigit(store.state.digits);
  byId("array").showModal();
}

// An exact name comes first, then beginnings, then any part of a name.
function matching(record, typed) {
  const text = typed.trim().toLowerCase();
  if (text === "") return [];
  const rank = ({ name }) => {
    const at = name.toLowerCase().indexOf(text);
    return at === 0 && name.length === text.length ? 0 : at === 0 ? 1 : at > 0 ? 2 : 3;
  };
  const found = record.nodes.map((node) => [rank(node), node]).filter(([r]) => r < 3);
  return found.sort(([a], [b]) => a - b).map(([, node]) => node);
}

function describe(record) {
  const typed = byId("go-name").value;
  const names = matching(record, typed).map((node) => node.name);
  const others = names.slice(1, 5).join(", ") + (names.length > 5 ? " …" : "");
  let text = typed.trim() === "" ? "" : "No node has this name.";
  if (names.length) text = `Enter goes to ${names[0]}.`;
  if (names.length > 1) text += ` Also: ${others}`;
  byId("go-found").textContent = text;
}
