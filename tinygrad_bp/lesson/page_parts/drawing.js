// The network: the picture at left, then the three layers. Steps say what it shows with a
// `picture`; what is drawn for every step (activations, faint edges) needs nothing from them.
//
//   arrows: {2: wishes of layer 2, 3: ...}   up for "brighter", down for "dimmer", length = value
//   longest: {2: 1.5}                        what the longest arrow stands for; else the largest
//   edges: [{layer, to, from, value}]        drawn in full: blue or, where negative, orange dashes
//   faint: true                              edges that are not listed all but vanish
//   pale: [2]                                layers that are not the subject now
//   locked: [2]                              layers whose activations we may only wish for
//   notes: {3: ["...", ...]}                 a text beside each neuron of a layer
//   box: 3                                   the output that wins; null for none
//   target: 2                                the output that should be 1; null for none
//   ring: [[3, 2]]                           neurons that the step speaks of

import { arrows, padlock } from "./arrows.js";
import { draw, fill } from "./dom.js";
import { columns } from "./neurons.js";
import { text } from "./numbers.js";
import { placing, wayOf } from "./place.js";

const SIDE = 28; // pixels of a digit

export function networkDrawing(pane, { onlook, onpick }) {
  const svg = draw("svg", { class: "network", role: "group", "aria-label": "The network" });
  const layers = {
    soft: draw("g", { class: "soft" }),
    strong: draw("g", { class: "strong" }),
    pixels: draw("g", { class: "pixels" }),
    neurons: draw("g", {}),
    arrows: draw("g", { class: "arrows" }),
    marks: draw("g", { class: "marks" }),
  };
  svg.append(...Object.values(layers));
  pane.append(svg);
  const drawn = { place: null, ctx: null, picture: {}, key: "" };
  const column = columns(svg, { onlook, onpick });
  layers.pixels.addEventListener("pointermove", (event) => tell(pixelAt(event)));
  layers.pixels.addEventListener("pointerleave", () => tell(null));

  // Which pixel the pointer is at, and how bright it is, in the place of the picture's name.
  function tell(pixel) {
    const name = svg.querySelector(".layer-name");
    const a = pixel && drawn.ctx.example.image[pixel.row * SIDE + pixel.column];
    name.textContent = pixel
      ? `row ${pixel.row}, column ${pixel.column}: ${text(a, 2)}`
      : `${SIDE * SIDE} pixels`;
  }

  function update(ctx, picture) {
    Object.assign(drawn, { ctx, picture });
    if (!pane.clientWidth) return;
    const place = placing(ctx.data.sizes, pane);
    const key = `${place.width} ${place.height}`;
    if (key !== drawn.key) build(ctx, place, key);
    showPicture(layers.pixels, ctx.example.image);
    showNeurons(ctx, place, picture);
    if (drawn.network !== ctx.network) softEdges(layers.soft, ctx.network, place);
    drawn.network = ctx.network;
    svg.classList.toggle("faint", Boolean(picture.faint));
    fill(
      layers.strong,
      (picture.edges ?? []).map((edge) => strongEdge(edge, place, picture.edges)),
    );
    fill(
      layers.arrows,
      arrows(place, picture),
      (picture.locked ?? []).map((l) => padlock(place, l)),
    );
    highlight(null);
  }

  function build(ctx, place, key) {
    Object.assign(drawn, { place, key, network: null });
    svg.setAttribute("viewBox", `0 0 ${place.width} ${place.height}`);
    svg.setAttribute("width", place.width);
    svg.setAttribute("height", place.height);
    fill(layers.pixels, pixelGrid(place));
    fill(layers.neurons, column.build(place));
  }

  function showNeurons(ctx, place, picture) {
    for (let l = 1; l < place.centres.length; l++) {
      for (const j of place.centres[l].keys()) column.show(l, j, ctx, picture);
    }
  }

  // {neurons: [[layer, j], ...], edges: [[layer, to, from], ...]}, or null for nothing.
  function highlight(marks) {
    const { neurons = [], edges = [] } = marks ?? {};
    const { place } = drawn;
    if (place === null) return; // the table is shown in its place
    fill(
      layers.marks,
      edges.map(([l, to, from]) => draw("path", { class: "halo", d: wayOf(place, l, to, from) })),
      neurons.map(([l, j]) => halo(place, l, j)),
    );
  }

  new ResizeObserver(() => drawn.ctx && update(drawn.ctx, drawn.picture)).observe(pane);
  return { update, highlight, focus: column.focus, element: svg };
}

// The pixels, once; then only their brightness changes.
function pixelGrid({ side, top }) {
  const size = side / SIDE;
  const ground = draw("rect", { class: "ground", x: 0, y: top, width: side, height: side, rx: 3 });
  const pixels = Array.from({ length: SIDE * SIDE }, (_, i) =>
    draw("rect", {
      x: (i % SIDE) * size,
      y: top + Math.floor(i / SIDE) * size,
      width: size + 0.3, // no seams between neighbours
      height: size + 0.3,
    }),
  );
  return [ground, pixels];
}

function pixelAt({ target }) {
  const index = [...target.parentNode.children].indexOf(target) - 1;
  return index < 0 ? null : { row: Math.floor(index / SIDE), column: index % SIDE };
}

function showPicture(group, image) {
  const pixels = group.children; // the first is the ground
  for (let i = 0; i < image.length; i++) {
    pixels[i + 1].setAttribute("fill-opacity", image[i]);
  }
}

function softEdges(group, network, place) {
  const lines = [];
  for (let l = 1; l < network.W.length; l++) {
    const { W, sizes } = { W: network.W[l], sizes: network.sizes };
    const many = l === 1 ? 1 : sizes[l - 1];
    const largest = l === 1 ? 1 : Math.max(...W.map(Math.abs));
    for (let to = 0; to < sizes[l]; to++) {
      for (let from = 0; from < many; from++) {
        const strength = l === 1 ? 0.35 : Math.abs(W[to * sizes[l - 1] + from]) / largest;
        const opacity = (0.06 + 0.44 * strength ** 1.5).toFixed(3);
        lines.push(draw("path", { d: wayOf(place, l, to, from), "stroke-opacity": opacity }));
      }
    }
  }
  fill(group, lines);
}

function strongEdge({ layer, to, from, value, sign = Math.sign(value) }, place, all) {
  const largest = Math.max(...all.map((edge) => Math.abs(edge.value)), Number.MIN_VALUE);
  const width = layer === 1 ? 2.5 : (0.6 + 4.4 * (Math.abs(value) / largest)).toFixed(2);
  return draw("path", {
    class: sign > 0 ? "plus" : sign < 0 ? "minus" : "none",
    d: wayOf(place, layer, to, from),
    "stroke-width": width,
  });
}

function halo(place, l, j) {
  const { x, y } = place.centres[l][j];
  return draw("circle", { class: "halo", cx: x, cy: y, r: place.radius + 4 });
}
