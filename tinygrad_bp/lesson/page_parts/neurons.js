// The neurons of the drawing with what stands beside them, and the keys that move among them.

import { draw, styled } from "./dom.js";
import { signed, text } from "./numbers.js";

const SIDE = 28; // pixels of a digit
const LEGIBLE = 12; // the least radius of a neuron with a number in it
const BRIGHT = 0.36; // from here on black letters have more contrast than white ones

// The neurons are one stop of the tab key; arrows move among them.
export function columns(svg, { onlook, onpick }) {
  let groups = [];
  let legible = true; // whether a number fits into a neuron
  let current = [3, 0];

  function build(place) {
    const had = svg.contains(document.activeElement);
    legible = place.radius >= LEGIBLE;
    groups = place.centres.map(
      (centres, l) => centres && centres.map((_, j) => neuron(place, l, j)),
    );
    if (had) queueMicrotask(() => focus(...current));
    const names = place.centres.map((centres, l) => layerName(place, l));
    return [names, groups.flat().filter(Boolean)];
  }

  function neuron(place, l, j) {
    const { x, y, step } = place.centres[l][j];
    const r = place.radius;
    const size = Math.max(24, Math.min(step, 2 * r + 6));
    const group = draw("g", {
      class: "neuron",
      role: "button",
      tabindex: -1,
      "data-at": `${l}.${j}`,
    });
    const half = size / 2;
    group.append(
      draw("rect", { class: "hit", x: x - half, y: y - half, width: size, height: size }),
      draw("circle", { cx: x, cy: y, r }),
      styled(draw("text", { class: "inside", x, y: y + r * 0.29 }), {
        "font-size": `${r * 0.8}px`,
      }),
    );
    if (l === place.centres.length - 1) group.append(...besideOutput(place, x, y, j));
    group.addEventListener("pointerenter", () => onlook([l, j]));
    group.addEventListener("pointerleave", () => onlook(null));
    group.addEventListener("focus", () => onlook([l, j]));
    group.addEventListener("blur", () => onlook(null));
    group.addEventListener("click", () => onpick([l, j]));
    group.addEventListener("keydown", (event) => keys(event, l, j));
    return group;
  }

  function keys(event, l, j) {
    const sizes = groups.map((group) => group?.length ?? 0);
    const across = (to) => Math.round((j * (sizes[to] - 1)) / (sizes[l] - 1));
    const moves = {
      ArrowUp: () => focus(l, Math.max(j - 1, 0)),
      ArrowDown: () => focus(l, Math.min(j + 1, sizes[l] - 1)),
      ArrowLeft: () => l > 1 && focus(l - 1, across(l - 1)),
      ArrowRight: () => l < sizes.length - 1 && focus(l + 1, across(l + 1)),
      Enter: () => onpick([l, j]),
      Escape: () => onpick(null),
    };
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    move();
  }

  function focus(l, j) {
    groups[current[0]]?.[current[1]]?.setAttribute("tabindex", -1);
    current = [l, j];
    groups[l][j].setAttribute("tabindex", 0);
    groups[l][j].focus();
  }

  function show(l, j, ctx, picture) {
    const group = groups[l][j];
    const a = ctx.pass.a[l][j];
    const [circle, inside] = [group.children[1], group.children[2]];
    circle.style.setProperty("--lit", `${(100 * a).toFixed(1)}%`);
    inside.textContent = ctx.state.mode === "words" || !legible ? "" : withoutZero(a);
    inside.classList.toggle("on-bright", a > BRIGHT);
    const pinned = ctx.state.layer === l && ctx.state.neuron === j;
    const ringed = picture.ring?.some(([m, i]) => m === l && i === j);
    const output = l === groups.length - 1;
    const winner = output && picture.box === j;
    group.setAttribute(
      "class",
      [
        "neuron",
        pinned && "pinned",
        ringed && "ringed",
        winner && "winner",
        picture.pale?.includes(l) && "pale",
      ]
        .filter(Boolean)
        .join(" "),
    );
    group.setAttribute("aria-pressed", pinned);
    group.setAttribute("tabindex", l === current[0] && j === current[1] ? 0 : -1);
    group.setAttribute("aria-label", label(ctx, picture, l, j));
    if (output) showBeside(group, ctx, picture, j, a);
  }

  return { build, show, focus };
}

// .46 in a circle too small for 0.46
function withoutZero(a) {
  const shown = a.toFixed(2);
  return shown.startsWith("0") ? shown.slice(1) : "1.0";
}

function label(ctx, picture, l, j) {
  const output = l === ctx.data.sizes.length - 1;
  const parts = [
    `${output ? "output" : `layer ${l} neuron`} ${j}: activation ${text(ctx.pass.a[l][j])}`,
  ];
  if (output && picture.target === j) parts.push("wanted 1");
  if (output && picture.box === j) parts.push("largest");
  if (picture.arrows?.[l]) parts.push(`wish ${signed(picture.arrows[l][j])}`);
  if (picture.locked?.includes(l)) parts.push("may only be wished for");
  return parts.join(", ");
}

function besideOutput({ radius, narrow }, x, y, j) {
  const at = x + radius + (narrow ? 16 : 30);
  return [
    draw("rect", { class: "frame", x: at - 4, y: y - 13, width: 20, height: 26, rx: 4 }),
    draw("text", { class: "digit", x: at + 6, y: y + 6 }, String(j)),
    draw("text", { class: "beside", x: at + (narrow ? 20 : 24), y: y + 4.5 }),
  ];
}

function showBeside(group, ctx, picture, j, a) {
  const beside = group.querySelector(".beside");
  beside.textContent = picture.notes?.[3]?.[j] ?? a.toFixed(2);
  group.classList.toggle("target", picture.target === j);
}

function layerName(place, l) {
  const x = l ? place.centres[l][0].x : place.side / 2;
  const y = l ? place.height - 4 : place.top + place.side + 18;
  const size = l ? place.centres[l].length : SIDE * SIDE;
  const last = l === place.centres.length - 1;
  const outputs = place.narrow ? "outputs" : `${size} outputs`;
  const name = l ? (last ? outputs : `layer ${l}`) : `${size} pixels`;
  return draw("text", { class: "layer-name", x, y }, name);
}
