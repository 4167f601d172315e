// The user's file, with the line that made the node and the part of the line that is the node.

import { byId, fill, make } from "./dom.js";
import { senderAt } from "./record.js";
import { placeText } from "./format.js";

const LINES_AROUND = 30; // a long file is not laid out whole at each step

export function sourceView(record, store) {
  const pane = byId("source-lines");
  const toggle = byId("source-toggle");
  toggle.addEventListener("click", flip);
  let shown = ""; // what is in the pane: its lines are many, and most steps leave them as they are

  function flip() {
    const open = pane.hidden;
    pane.hidden = !open;
    toggle.setAttribute("aria-expanded", open);
    toggle.firstElementChild.textContent = open ? "Hide" : "Show";
    byId("source").classList.toggle("folded", !open);
    document.body.classList.toggle("source-folded", !open);
    if (open) show(store.state);
  }

  function show({ position, inspected }) {
    const node = record.nodes[inspected ?? senderAt(record, position)];
    const { source } = node;
    const file = source && record.sources[source.file];
    byId("source-place").textContent = `${node.name}${whence(source)}`;
    byId("source-place").title = source ? source.file : "";
    const key = file ? JSON.stringify(source) : node.name;
    if (pane.hidden || key === shown) return;
    shown = key;
    if (!file) {
      fill(pane, make("p", { class: "empty" }, missing(node, source)));
      return;
    }
    fill(pane, make("pre", { class: "code" }, linesAround(file, source)));
    const line = pane.querySelector(".made");
    if (line) pane.scrollTop = line.offsetTop - pane.clientHeight / 2 + line.offsetHeight;
  }

  store.subscribe(show);
  show(store.state);
  return { flip };
}

function whence(source) {
  if (!source) return ": no line is known";
  const inside = source.function ? `, in ${source.function}` : "";
  return ` was made at ${placeText(source)}${inside}`;
}

function missing(node, source) {
  if (source) return `The text of ${source.file} is not available: ${source.code}`;
  return node.kind === "result"
    ? "The source is not available."
    : `${node.name} is a ${node.kind}.`;
}

function linesAround(file, source) {
  const end = source.end_line ?? source.line;
  const from = Math.max(file.first, source.line - LINES_AROUND);
  const to = Math.min(file.first + file.lines.length - 1, end + LINES_AROUND);
  const rows = [];
  for (let n = from; n <= to; n += 1) {
    const text = file.lines[n - file.first];
    const made = n >= source.line && n <= end;
    rows.push(
      make(
        "span",
        { class: made ? "line made" : "line", "aria-current": made && "true" },
        make("span", { class: "line-number" }, String(n)),
        made ? segment(text, source, n, end) : text,
        "\n",
      ),
    );
  }
  return rows;
}

// The part of line n that made the node; a segment over several lines starts and ends inside them.
function segment(text, source, n, end) {
  if (source.column === null || source.column === undefined) return [text];
  const start = n === source.line ? source.column : text.length - text.trimStart().length;
  const stop = n === end ? source.end_column : text.length;
  return [text.slice(0, start), make("mark", {}, text.slice(start, stop)), text.slice(stop)];
}
