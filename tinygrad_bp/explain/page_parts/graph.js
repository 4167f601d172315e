// The drawing. Small graphs are drawn whole, large ones around the node that is at work.

import { byId, draw, fill } from "./dom.js";
import { acrossKey, BOX, centres, fitsBetterAcross, fitting } from "./place.js";
import { neighbourPlan, TYPICAL, wholePlan } from "./place.js";
import { arrowhead, box, boxNumber, curve, edgeLabel, route } from "./shapes.js";
import { edgeAt, edgesAmong, gradientAt, senderAt, stateAt } from "./record.js";
import { obstacles } from "./lanes.js";
import { minimap } from "./minimap.js";
import { neighbourhoods } from "./neighbours.js";
import { brief } from "./format.js";

const MOST_DRAWN_WHOLE = 150;
const SMALLEST = 0.86; // below this the writing would be too small: scroll instead
const LARGEST = 1.15;
const SMALLEST_FOR_A_LAYER = 0.72;
const SMALLEST_FOR_BOTH_ENDS = 0.6; // of a long edge: seeing where it goes matters more then
const FEW = 12; // nodes that need no map
const MAP_ROOM = 90;
const PORTS = 9; // pixels between two edges at one side of a box

export function graphView(record, store, show) {
  const canvas = byId("canvas");
  const views = canvas.parentElement;
  const whole = record.nodes.length <= MOST_DRAWN_WHOLE;
  const key = acrossKey(record.nodes);
  const near = whole ? null : neighbourhoods(record);
  const wholeOnce = whole ? wholePlan(record.nodes, key) : null;
  const svg = draw("svg", { role: "img" });
  const map = minimap(record, key, show);
  canvas.append(svg);

  function drawn(state) {
    const centre = centreOf(record, state);
    const also =
      state.inspected === null
        ? record.outOf[centre].slice(0, 8).map((k) => parentOf(record, k))
        : [];
    const edge = state.inspected === null ? edgeAt(record, state.position) : null;
    return whole
      ? new Set(record.nodes.keys())
      : near.around(centre, edge ? [edge.parent, ...also] : also);
  }

  function render(state) {
    if (byId("drawing").classList.contains("as-table")) return;
    const ids = drawn(state);
    const nodes = whole ? record.nodes : near.drawnTogether(ids, centreOf(record, state));
    // The room with the map: the map comes and goes with the drawing, which must not depend on it.
    const room = { width: views.clientWidth, height: views.clientHeight };
    const plan = wholeOnce ?? neighbourPlan(nodes, key);
    const placed = centres(plan, fitsBetterAcross(wholeOnce ?? TYPICAL, room));
    placed.blocks = obstacles(placed);
    const overflowing = fitting(placed, room) < SMALLEST;
    const mapped = !whole || (overflowing && ids.size > FEW);
    if (mapped) room[placed.horizontal ? "height" : "width"] -= MAP_ROOM;
    const scale = scaleFor(record, state, placed, room);
    svg.setAttribute("viewBox", `0 0 ${placed.width} ${placed.height}`);
    svg.setAttribute("width", Math.floor(placed.width * scale));
    svg.setAttribute("height", Math.floor(placed.height * scale));
    svg.setAttribute("aria-label", description(record, state, ids.size));
    const edges = edgesAmong(record, ids);
    fill(
      svg,
      edgeMarks(record, state, edges, placed),
      nodes.map((node) =>
        nodeMark(record, state, node, placed, near && near.leftOut(node.id, ids), show),
      ),
      currentLabel(record, state, edges, placed),
    );
    byId("drawing-note").textContent = caption(placed.horizontal, whole, ids.size);
    byId("drawing").classList.toggle("down", !placed.horizontal);
    map.show(state, mapped, placed.horizontal);
    follow(canvas, record, state, placed.points, scale);
  }

  store.subscribe((state, changed) => {
    if (!(changed.size === 1 && changed.has("element"))) render(state);
  });
  new ResizeObserver(() => render(store.state)).observe(views);
  return { drawn: () => drawn(store.state), render: () => render(store.state) };
}

// As large as fits, within reason; smaller where both ends of the current edge would not be seen.
function scaleFor(record, state, placed, room) {
  const side = placed.horizontal ? "height" : "width"; // a layer should be seen whole
  const layer = Math.max(SMALLEST_FOR_A_LAYER, room[side] / placed[side]);
  const usual = Math.min(layer, LARGEST, Math.max(SMALLEST, fitting(placed, room)));
  const edge = state.inspected === null ? edgeAt(record, state.position) : null;
  if (edge === null) return usual;
  const [a, b] = [placed.points.get(edge.child), placed.points.get(edge.parent)];
  const span = {
    width: Math.abs(a.x - b.x) + BOX.width + 4 * PORTS,
    height: Math.abs(a.y - b.y) + BOX.height + 4 * PORTS,
  };
  return Math.min(usual, Math.max(SMALLEST_FOR_BOTH_ENDS, fitting(span, room)));
}

function caption(horizontal, whole, n) {
  const [there, back] = horizontal ? ["→", "←"] : ["↓", "↑"];
  return `values run ${there}, gradients ${back}${whole ? "" : `; ${n} nodes around this step`}`;
}

function description(record, state, n) {
  const edge = edgeAt(record, state.position);
  const sender = record.nodes[senderAt(record, state.position)].name;
  const flow = edge
    ? `A gradient runs from ${sender} to ${record.nodes[edge.parent].name}.`
    : `It starts at ${sender}.`;
  return `Drawing of ${n} nodes. ${flow} The key t shows it as a table.`;
}

// The current edge comes last, over the others.
function edgeMarks(record, state, edges, placed) {
  const now = state.inspected === null ? edgeAt(record, state.position) : null;
  const ports = portShifts(edges, placed);
  const marks = edges
    .filter((edge) => edge !== now)
    .map((edge) => {
      const way = wayOf(edge, placed, ports);
      const sent = edge.step !== null && edge.step < state.position;
      const className = edge.step === null ? "edge none" : sent ? "edge sent" : "edge";
      return [curve(way, className), sent ? arrowhead(way, "tip sent") : null];
    });
  if (now === null) return marks;
  const way = wayOf(now, placed, ports);
  return [marks, curve(way, "edge now"), arrowhead(way, "tip now"), curve(way, "pulse")];
}

function wayOf(edge, { points, horizontal, blocks }, ports) {
  return route(
    points.get(edge.child),
    points.get(edge.parent),
    horizontal,
    ports.get(edge.id),
    blocks,
    edge.id,
  );
}

// Edges that meet at a box are set apart: at the child in the order of its parents, so that they do
// not cross, and at the parent if it is read twice.
function portShifts(edges, { points, horizontal }) {
  const across = (edge) => points.get(edge.parent)[horizontal ? "y" : "x"];
  const byChild = Map.groupBy(edges, (edge) => edge.child);
  const shifts = new Map();
  for (const siblings of byChild.values()) {
    siblings.sort((a, b) => across(a) - across(b) || a.slot - b.slot);
    const middle = (siblings.length - 1) / 2;
    const pitch = Math.min(PORTS, BOX.height / (siblings.length + 1));
    for (const [i, edge] of siblings.entries()) {
      const twins = siblings.filter((other) => other.parent === edge.parent);
      const twin = twins.indexOf(edge) - (twins.length - 1) / 2;
      shifts.set(edge.id, { child: (i - middle) * pitch, parent: twin * PORTS });
    }
  }
  return shifts;
}

function nodeMark(record, state, node, placed, more, show) {
  const now = state.inspected === null ? edgeAt(record, state.position) : null;
  const condition = stateAt(record, node.id, state.position);
  const sender = state.inspected === null && node.id === senderAt(record, state.position);
  const receiver = node.id === now?.parent;
  const role = sender ? "sender" : receiver ? "receiver" : "";
  const chosen = node.id === state.inspected ? "inspected" : "";
  const shown = { ...node, shown: node.shape.length ? null : record.array(node.value) };
  return box(shown, placed.points.get(node.id), {
    classes: `${condition.replace(" ", "-")} ${role} ${chosen}`,
    gradient: boxNumber(gradientAt(record, node.id, state.position)),
    tag: sender ? (now ? "sends" : "starts") : receiver ? "receives" : "",
    more,
    onclick: () => show(node.id),
  });
}

function currentLabel(record, state, edges, placed) {
  const now = state.inspected === null ? edgeAt(record, state.position) : null;
  if (now === null) return null;
  const sent = boxNumber(record.array(record.steps[state.position - 1].contribution));
  return edgeLabel(wayOf(now, placed, portShifts(edges, placed)), brief(sent));
}

function centreOf(record, { inspected, position }) {
  return inspected ?? senderAt(record, position);
}

function parentOf(record, k) {
  return record.edges[record.steps[k].edge].parent;
}

// Keep both ends of the current edge in sight, in the middle where there is room.
function follow(canvas, record, state, points, scale) {
  const edge = state.inspected === null ? edgeAt(record, state.position) : null;
  const ends = edge ? [edge.child, edge.parent] : [state.inspected ?? record.loss];
  const at = ends.map((id) => points.get(id));
  const middle = (axis) => (scale * at.reduce((sum, point) => sum + point[axis], 0)) / at.length;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  canvas.scrollTo({
    left: middle("x") - canvas.clientWidth / 2,
    top: middle("y") - canvas.clientHeight / 2,
    behavior: still ? "instant" : "smooth",
  });
}
