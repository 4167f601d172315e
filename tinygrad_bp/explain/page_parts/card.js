// The card: what happens at this moment, and why.

import { byId, fill, make } from "./dom.js";
import { isScalar, shapeOf } from "./arrays.js";
import { count, shapeText, typeset } from "./format.js";
import { grid } from "./grid.js";
import { arraysOf, formula, forwardText, part, quantity, sixParts } from "./parts.js";
import { edgeAt } from "./record.js";

const MOST_LEAVES = 24; // in the summary at the end; the list has them all

export function cardView(record, store) {
  const parts = byId("parts");
  const select = (element) => store.set({ element });

  function show(state) {
    const inGrid =
      parts.contains(document.activeElement) && document.activeElement.closest("[role=grid]");
    const { heading, place, sentence, body } = content(record, state, select);
    fill(byId("card-title"), heading);
    byId("card-place").textContent = place;
    announce(typeset(sentence));
    fill(parts, body);
    if (inGrid) parts.querySelector("[role=grid] [tabindex='0']")?.focus();
  }

  store.subscribe(show);
  show(store.state);
  return { arrayShown: () => arrayShown(record, store.state) };
}

// Only a new sentence is put in, so that choosing another element does not read it again.
function announce(sentence) {
  const live = byId("sentence");
  if (live.textContent !== sentence) live.textContent = sentence;
}

function content(record, state, select) {
  if (state.inspected !== null) return inspection(record, record.nodes[state.inspected]);
  if (state.position === 0) return start(record);
  const step = record.steps[state.position - 1];
  const edge = edgeAt(record, state.position);
  const [child, parent] = [record.nodes[edge.child], record.nodes[edge.parent]];
  const element = chosenElement(step, parent, state.element);
  const terms = step.elements
    .find(({ index }) => String(index) === String(element))
    ?.terms.map(([o]) => o);
  const moment = { record, child, parent, step, element, terms, select };
  return {
    heading: [name(child), arrow(), name(parent)],
    place: `step ${state.position} of ${record.last}, ${child.op}, argument ${edge.slot + 1}`,
    sentence: step.sentence,
    body: [
      badges([child, parent]),
      sixParts(moment),
      arraysOf(moment),
      state.position === record.last ? finished(record) : null,
    ],
  };
}

// The element the reader chose where it fits, else the one that was checked or written out.
function chosenElement(step, parent, wanted) {
  if (parent.shape.length === 0) return null;
  const fits =
    wanted?.length === parent.shape.length && wanted.every((i, k) => i < parent.shape[k]);
  return fits
    ? wanted
    : (step.check?.index ?? step.elements[0]?.index ?? parent.shape.map(() => 0));
}

function start(record) {
  const loss = record.nodes[record.loss];
  return {
    heading: "Start",
    place: `${count(record.nodes.length, "node")}, ${count(record.last, "step")}`,
    sentence: `The pass begins at ${loss.name}. It goes back along every edge, once.`,
    body: [
      badges([loss]),
      make(
        "ol",
        { class: "parts" },
        part("Forward", loss.why, forwardText(loss), quantity(record.array(loss.value), "value")),
        part(
          "Gradient",
          null,
          formula("g", `d${loss.name}/d${loss.name}`),
          quantity(record.array(loss.grad), "gradient"),
        ),
        part("Check", null, record.checks.text, null),
      ),
    ],
  };
}

// A node that no step touches, such as a constant: the badges say why.
function inspection(record, node) {
  const value = record.array(node.value);
  const held = record.array(node.held);
  return {
    heading: name(node),
    place: `${node.op ?? node.kind}, ${node.dtype}`,
    sentence: `No gradient arrives at ${node.name}.`,
    body: [
      badges([node]),
      make(
        "ol",
        { class: "parts" },
        part(
          "Value",
          node.why,
          forwardText(node),
          quantity(value, "value"),
          isScalar(value)
            ? null
            : grid(value, { caption: `${node.name}, ${shapeText(value.shape)}` }),
        ),
        held === null
          ? null
          : part("Held", null, make("code", {}, `${node.name}.grad`), quantity(held, "gradient")),
      ),
    ],
  };
}

function finished(record) {
  const leaves = record.order
    .map((id) => record.nodes[id])
    .filter((node) => node.kind === "leaf" && record.into[node.id].length);
  const rows = leaves.slice(0, MOST_LEAVES).map((leaf) => {
    const after = record.array(record.steps[record.into[leaf.id].at(-1)].after);
    return make(
      "tr",
      {},
      make("th", { scope: "row" }, leaf.name),
      make("td", {}, quantity(after, "gradient")),
    );
  });
  return make(
    "table",
    { class: "leaves" },
    make("caption", {}, "The pass is complete. What the leaves hold now:"),
    make("tbody", {}, rows),
    leaves.length > MOST_LEAVES
      ? make("tfoot", {}, make("tr", {}, make("td", { colspan: 2 }, "… and more in the list")))
      : null,
  );
}

function badges(nodes) {
  const all = nodes.flatMap((node) => node.notes);
  if (all.length === 0) return null;
  return make(
    "ul",
    { class: "badges" },
    all.map(({ kind, text }) =>
      make("li", {}, make("strong", { class: "badge" }, kind), " ", text),
    ),
  );
}

function name(node) {
  return make("span", { class: "node-name" }, node.name);
}

function arrow() {
  return [
    make("span", { class: "arrow", "aria-hidden": "true" }, " → "),
    make("span", { class: "unseen" }, " to "),
  ];
}

// The array that the key t opens: that of the current contribution, or of the inspected node.
function arrayShown(record, state) {
  const edge = edgeAt(record, state.position);
  const inspected = state.inspected === null ? null : record.nodes[state.inspected];
  if (inspected === null && edge === null) return null;
  const view = record.array(
    inspected ? inspected.value : record.steps[state.position - 1].contribution,
  );
  if (shapeOf(view).length === 0) return null;
  const title = inspected ? inspected.name : `Contribution to ${record.nodes[edge.parent].name}`;
  return [`${title}, ${shapeText(view.shape)}`, view];
}
