// All nodes in backward order. Only the rows in sight are in the document, so that ten thousand
// nodes scroll and step as ten do; aria-rowcount says how many there are.

import { byId, fill, make } from "./dom.js";
import { isScalar } from "./arrays.js";
import { boxNumber } from "./shapes.js";
import { brief, count, number, placeText, shapeText } from "./format.js";
import { edgeAt, gradientAt, reportedAt, senderAt, stateAt } from "./record.js";

const ROW = 46; // pixels; the style sheet says the same
const BEYOND = 6; // rows kept above and below those in sight

const KINDS = { leaf: "leaf", constant: "const", result: "result" };
const HEADS = [
  ["#"],
  ["node", "operation"],
  ["value", "shape"],
  ["gradient", "so far"],
  ["state", "line"],
];

export function listView(record, store, show) {
  const pane = byId("list-rows");
  const filter = byId("filter");
  const body = make("tbody");
  const table = make("table", { class: "nodes", "aria-label": "Nodes" }, head(), body);
  const rows = new Map(); // those in the document, by node
  let listed = record.order;
  table.classList.toggle("many", record.nodes.length > 1000);
  fill(pane, table);

  function render() {
    const height = pane.clientHeight || innerHeight;
    const first = Math.max(0, Math.floor(pane.scrollTop / ROW) - BEYOND);
    const shown = listed.slice(first, first + Math.ceil(height / ROW) + 2 * BEYOND);
    const kept = new Set(shown);
    for (const [id, row] of rows) {
      if (!kept.has(id)) {
        row.remove();
        rows.delete(id);
      }
    }
    for (const [i, id] of shown.entries()) place(id, first + i, body.children[i]);
    table.style.marginTop = `${first * ROW}px`;
    table.style.marginBottom = `${(listed.length - first - shown.length) * ROW}px`;
  }

  // Rows are moved and refilled rather than made anew, so that the focus stays where it is.
  function place(id, index, before) {
    let row = rows.get(id);
    if (row === undefined) {
      row = make("tr", { "data-node": id });
      rows.set(id, row);
    }
    if (row !== before) body.insertBefore(row, before ?? null);
    row.setAttribute("aria-rowindex", index + 2);
    fillRow(record, store.state, row, id, show);
  }

  function search() {
    const text = filter.value.trim().toLowerCase();
    listed = text
      ? record.order.filter((id) => words(record.nodes[id]).includes(text))
      : record.order;
    table.setAttribute("aria-rowcount", listed.length + 1);
    byId("list-note").textContent = text
      ? `${listed.length} of ${count(record.order.length, "node")}`
      : count(listed.length, "node");
    pane.scrollTop = 0;
    render();
  }

  function reveal(index) {
    const top = index * ROW;
    const room = pane.clientHeight - 2 * ROW;
    if (index < 0 || (top >= pane.scrollTop && top <= pane.scrollTop + room)) return;
    pane.scrollTop = top - room / 3;
  }

  function focusRow(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const row = event.target.closest("tr");
    if (!by || !row) return;
    event.preventDefault();
    const index = listed.indexOf(Number(row.dataset.node)) + by;
    if (index < 0 || index >= listed.length) return;
    reveal(index);
    render();
    rows.get(listed[index]).querySelector("button").focus();
  }

  pane.addEventListener("scroll", render, { passive: true });
  pane.addEventListener("keydown", focusRow);
  addEventListener("resize", render);
  filter.addEventListener("input", search);
  filter.addEventListener("keydown", (event) => {
    if (event.key === "Escape") pane.focus();
  });
  const places = new Map(record.order.map((id, i) => [id, i]));
  store.subscribe((state, changed) => {
    const target = state.inspected ?? senderAt(record, state.position);
    const moved = changed.has("position") || changed.has("inspected");
    if (moved) reveal(listed === record.order ? places.get(target) : listed.indexOf(target));
    render();
  });
  search();
}

function head() {
  const cells = HEADS.map((lines) =>
    make(
      "th",
      { scope: "col" },
      lines[0],
      lines[1] ? make("span", { class: "second" }, lines[1]) : null,
    ),
  );
  return make("thead", {}, make("tr", { "aria-rowindex": 1 }, cells));
}

function fillRow(record, state, row, id, show) {
  const node = record.nodes[id];
  const edge = edgeAt(record, state.position);
  const role =
    id === senderAt(record, state.position) ? "sends" : id === edge?.parent ? "receives" : "";
  const condition = stateAt(record, id, state.position);
  const inspected = id === state.inspected ? "inspected" : "";
  row.className = `${role} ${condition.replace(" ", "-")} ${inspected}`;
  if (row.children.length === 0) row.append(...emptyCells(node, show));
  const [place, , value, gradient, line] = row.children;
  place.textContent = String(id);
  fill(
    value,
    ...twoLines(
      amount(node, record.array(node.value), "value"),
      node.shape.length ? node.dtype : "()",
    ),
  );
  const reported = `${reportedAt(record, id, state.position)} of ${record.into[id].length}`;
  fill(
    gradient,
    ...twoLines(
      amount(node, gradientAt(record, id, state.position), "gradient"),
      condition === "waiting" ? reported : "",
    ),
  );
  const said = role && condition !== "waiting" ? role : condition.replace("gradient", "grad");
  fill(line, ...twoLines(said, node.source ? `line ${node.source.line}` : ""));
  line.title = node.source ? placeText(node.source) : "";
}

// The cells that stay as they are, with the button; the others are refilled.
function emptyCells(node, show) {
  const kinds = node.notes.map(({ kind }) => kind).filter((kind) => kind !== node.kind);
  const notes = kinds.map((kind) => make("span", { class: "badge" }, kind));
  const button = make(
    "button",
    { type: "button", title: node.name, onclick: () => show(node.id) },
    node.name,
  );
  const under = make("span", { class: "second" }, node.op ?? KINDS[node.kind], " ", notes);
  return [
    make("td"),
    make("th", { scope: "row" }, button, under),
    make("td"),
    make("td"),
    make("td"),
  ];
}

function twoLines(first, second) {
  return [first, second ? make("span", { class: "second" }, second) : null];
}

// A scalar is a number; of an array, the value column gives the shape and the other the norm.
function amount(node, view, kind) {
  if (view === null) return make("span", { class: "none" }, "–");
  if (isScalar(view)) return number(view, kind, brief);
  return make(
    "span",
    { class: `number ${kind}` },
    kind === "value" ? shapeText(node.shape) : boxNumber(view),
  );
}

function words(node) {
  const notes = node.notes.map(({ kind }) => kind).join(" ");
  const place = node.source ? placeText(node.source) : "";
  return [node.name, node.op ?? "", node.kind, shapeText(node.shape), place, notes]
    .join(" ")
    .toLowerCase();
}
