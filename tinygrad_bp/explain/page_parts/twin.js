// The drawing as a table, for readers who do not see it and for those who want the numbers.

import { byId, fill, make } from "./dom.js";
import { isScalar } from "./arrays.js";
import { edgesAmong } from "./record.js";
import { number, shapeText } from "./format.js";

const HEADS = ["from", "operation", "to", "argument", "step", "contribution", "sent"];

export function twinView(record, store, graph) {
  const pane = byId("twin-table");
  const button = byId("twin");
  button.addEventListener("click", flip);

  function flip() {
    const on = byId("drawing").classList.toggle("as-table");
    button.setAttribute("aria-pressed", on);
    pane.hidden = !on;
    byId("canvas").hidden = on;
    if (on) show(store.state);
    else graph.render();
  }

  function show(state) {
    if (pane.hidden) return;
    const ids = graph.drawn();
    const edges = edgesAmong(record, ids).sort(
      (a, b) => (a.step ?? Infinity) - (b.step ?? Infinity) || a.id - b.id,
    );
    const rows = edges.map((edge) => row(record, edge, state.position));
    const heads = HEADS.map((head) => make("th", { scope: "col" }, head));
    fill(
      pane,
      make(
        "table",
        { class: "twin" },
        make("thead", {}, make("tr", {}, heads)),
        make("tbody", {}, rows),
      ),
    );
    pane.querySelector(".now")?.scrollIntoView({ block: "nearest" });
  }

  store.subscribe(show);
  return { flip };
}

function row(record, { child, parent, slot, step }, position) {
  const [from, to] = [record.nodes[child], record.nodes[parent]];
  const sent = step === null ? "no gradient" : step < position ? "yes" : "not yet";
  const cells = [
    from.op,
    to.name,
    String(slot + 1),
    step === null ? "–" : String(step + 1),
    step === null ? "–" : amount(record.array(record.steps[step].contribution)),
    step === position - 1 ? "now" : sent,
  ];
  const now = step !== null && step === position - 1;
  return make(
    "tr",
    { class: now ? "now" : "", "aria-current": now && "step" },
    make("th", { scope: "row" }, from.name),
    cells.map((cell) => make("td", {}, cell)),
  );
}

function amount(view) {
  return isScalar(view) ? number(view, "gradient") : shapeText(view.shape);
}
