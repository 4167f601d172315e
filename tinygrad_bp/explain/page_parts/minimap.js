// The whole graph as dots, with the current edge: where in a large graph the step is.

import { byId, draw, fill } from "./dom.js";
import { edgeAt, positionOf, senderAt } from "./record.js";

const [LONG, WIDE] = [600, 60]; // stretched by the style sheet to the room there is
const EDGE = 8;
const MOST_EDGES = 2000; // more would be a blot

export function minimap(record, key, show) {
  const frame = byId("map");
  const svg = draw("svg", { role: "img", preserveAspectRatio: "none" });
  frame.append(svg);
  let points = [];
  let drawn = null; // the direction of what the map shows
  const here = draw("g");
  svg.addEventListener("click", (event) => show(nearest(record, points, svg, event)));

  function redraw(horizontal) {
    drawn = horizontal;
    points = scaled(record.nodes, key, horizontal);
    const size = horizontal ? `${LONG} ${WIDE}` : `${WIDE} ${LONG}`;
    svg.setAttribute("viewBox", `0 0 ${size}`);
    const dots = points.map(({ x, y }) => `M${x} ${y}h0`).join("");
    const few = record.edges.length <= MOST_EDGES ? record.edges : [];
    const lines = few.map(({ child, parent }) => line(points[child], points[parent])).join("");
    fill(
      svg,
      draw("path", { class: "lines", d: lines }),
      draw("path", { class: "dots", d: dots }),
      here,
    );
  }

  function mark(state, wanted, horizontal) {
    frame.hidden = !wanted;
    if (!wanted) return;
    if (drawn !== horizontal) redraw(horizontal);
    const edge = state.inspected === null ? edgeAt(record, state.position) : null;
    const sender = points[state.inspected ?? senderAt(record, state.position)];
    const end = edge ? points[edge.parent] : sender;
    const side = horizontal ? "right" : "bottom";
    svg.setAttribute(
      "aria-label",
      `Map of all ${record.nodes.length} nodes, the loss at the ${side}`,
    );
    fill(
      here,
      draw("path", { class: "now", d: line(sender, end) }),
      draw("path", { class: "now sender-dot", d: `M${sender.x} ${sender.y}h0` }),
    );
  }

  return { show: mark };
}

function line(from, to) {
  return `M${from.x} ${from.y}L${to.x} ${to.y}`;
}

// Layers along the length of the map, each spread over its width.
function scaled(nodes, key, horizontal) {
  const layers = range(nodes.map((node) => node.layer));
  const seats = range(nodes.map((node) => node[key]));
  const fit = (x, { low, high }, size) => {
    const part = low === high ? 0.5 : (x - low) / (high - low);
    return Math.round(10 * (EDGE + part * (size - 2 * EDGE))) / 10;
  };
  return nodes.map((node) => {
    const [along, across] = [fit(node.layer, layers, LONG), fit(node[key], seats, WIDE)];
    return horizontal ? { x: along, y: across } : { x: across, y: along };
  });
}

function range(numbers) {
  return numbers.reduce(
    ({ low, high }, x) => ({ low: Math.min(low, x), high: Math.max(high, x) }),
    { low: Infinity, high: -Infinity },
  );
}

function nearest(record, points, svg, event) {
  const { left, top, width, height } = svg.getBoundingClientRect();
  const box = svg.viewBox.baseVal;
  const x = ((event.clientX - left) / width) * box.width;
  const y = ((event.clientY - top) / height) * box.height;
  const distance = (id) => Math.hypot(points[id].x - x, points[id].y - y);
  const reachable = record.order.filter((id) => positionOf(record, id) !== null);
  return reachable.reduce((best, id) => (distance(id) < distance(best) ? id : best));
}
