// A cost of two inputs, seen from above: of all directions the gradient's is the steepest.

import { draw, fill, make, paragraph, slider, table } from "../dom.js";
import { contours } from "../charts/contour.js";
import { axes, figure, paper, words } from "../charts/frame.js";
import { lineChart, mark } from "../charts/lines.js";
import { pointer } from "../charts/pointer.js";
import { real, whole } from "../state.js";
import { precise, significant } from "../steps/significant.js";
import { formula, term } from "../words.js";

const STEEP = { x: 3, y: 1 }; // C = half of 3 x² + 1 y²
const REACH = 2; // of the point
const EDGE = 3; // of the map
const GRID = Array.from({ length: 49 }, (_, i) => EDGE * (i / 24 - 1));
const LEVELS = [0.5, 1, 2, 4, 6, 9, 12, 15];
const RIGHT_ANGLES = [0, 90, 180, 270, 360];
const SHORTER = 0.3; // arrows on the map, so that they stay on it
const SIDE = 340; // of the map, which is square: right angles look right on it only then

export const aside = {
  id: "steepest",
  title: "Two inputs: the steepest way",
  covers: ["S11", "G6", "G8"],
  fields: {
    eastward: real(1, -REACH, REACH),
    northward: real(1, -REACH, REACH),
    heading: whole(90, 0, 360),
  },

  render(content, ctx) {
    const limits = { min: -REACH, max: REACH, step: 0.1 };
    this.x = slider("x", limits, (eastward) => ctx.set({ eastward }));
    this.y = slider("y", limits, (northward) => ctx.set({ northward }));
    this.way = slider("Your direction", { min: 0, max: 360, step: 1 }, (heading) =>
      ctx.set({ heading }),
    );
    this.words = make("div", { class: "statements" });
    this.map = figure("Seen from above: lines of equal cost, lowest in the middle", (width) =>
      mapOf(ctx.state, width),
    );
    this.slopes = figure("How steep it is in each direction", (width) =>
      slopesOf(ctx.state, width),
    );
    this.numbers = make("div", { class: "part" });
    fill(
      content,
      paragraph(
        `The cost C = ${STEEP.x}/2 x² + ${STEEP.y}/2 y² has the gradient (${STEEP.x}x, y). Move ` +
          "the point, and turn the dashed arrow to look for a direction that is steeper than " +
          "the gradient's own.",
      ),
      this.x,
      this.y,
      this.way,
      this.words,
      make("div", { class: "side-by-side" }, this.map.element, this.slopes.element),
      this.numbers,
    );
  },

  update(ctx) {
    const { eastward, northward, heading } = ctx.state;
    this.x.show(eastward, significant(eastward, 2));
    this.y.show(northward, significant(northward, 2));
    this.way.show(heading, `${heading}°`);
    fill(this.words, statements(ctx));
    fill(this.numbers, table(directions(ctx.state)));
    this.map.redraw();
    this.slopes.redraw();
  },
};

function costAt(x, y) {
  return (STEEP.x * x ** 2 + STEEP.y * y ** 2) / 2;
}

function gradientAt(x, y) {
  return [STEEP.x * x, STEEP.y * y];
}

function hereOf({ eastward, northward, heading }) {
  const [gx, gy] = gradientAt(eastward, northward);
  return { gx, gy, steepness: Math.hypot(gx, gy), angle: degrees(gx, gy), heading };
}

function degrees(x, y) {
  return ((Math.atan2(y, x) * 180) / Math.PI + 360) % 360;
}

function unit(heading) {
  const angle = (heading * Math.PI) / 180;
  return [Math.cos(angle), Math.sin(angle)];
}

function slopeTowards({ gx, gy }, heading) {
  const [ux, uy] = unit(heading);
  return gx * ux + gy * uy;
}

function statements(ctx) {
  const here = hereOf(ctx.state);
  if (here.steepness === 0)
    return make("p", { class: "statement" }, "At the bottom the gradient is (0, 0): it is level.");
  const [byX, byY] = [term("d", "∂C/∂x", here.gx, null, 2), term("d", "∂C/∂y", here.gy, null, 2)];
  const length = term("w", "‖∇C‖", here.steepness, null, 3);
  const ratio = Math.abs(here.gx / here.gy);
  const matters = Number.isFinite(ratio)
    ? `Read as a list: here x matters ${significant(ratio, 2)} times as much as y.`
    : "Read as a list: here only x matters.";
  return [
    formula(ctx, {
      words: [
        "The gradient is ",
        byX,
        " in x and ",
        byY,
        " in y. Its length ",
        length,
        " is how steep it is in its own direction, and no direction is steeper.",
      ],
      parts: ["√( ", byX, "² + ", byY, "² )"],
      result: length,
    }),
    make(
      "p",
      {},
      `Your direction: ${verdict(here)} The gradient stands at right angles to the line of equal ` +
        `cost through the point. ${matters}`,
    ),
  ];
}

function verdict(here) {
  const slope = slopeTowards(here, here.heading);
  const share = slope / here.steepness;
  const size = significant(Math.abs(slope), 3);
  if (Math.abs(share) < 0.01) return "nearly level, along the line of equal cost.";
  return `${slope > 0 ? "up" : "down"}hill by ${size} for each unit of way.`;
}

function directions(state) {
  const here = hereOf(state);
  const named = [
    ["along x", 0],
    ["along y", 90],
    ["your direction", state.heading],
    ["the gradient's", here.angle],
    ["minus the gradient's", (here.angle + 180) % 360],
    ["along the line of equal cost", (here.angle + 90) % 360],
  ];
  return {
    caption: "How fast the cost rises (+) or falls (−) for each unit of way",
    heads: ["direction", "angle", "slope"],
    rows: named.map(([name, angle]) => [
      name,
      `${angle.toFixed(1)}°`,
      level(here, angle) ? "0" : precise(slopeTowards(here, angle), 3, true),
    ]),
  };
}

// At right angles sines and cosines leave rounding errors in place of nothing.
function level(here, angle) {
  return Math.abs(slopeTowards(here, angle)) < 1e-12;
}

function mapOf(state, width) {
  const here = hereOf(state);
  const format = (t) => significant(t, 1);
  const side = Math.min(width, SIDE);
  const frame = axes(
    side,
    side,
    { label: "x", domain: [-EDGE, EDGE], format },
    { label: "y", domain: [-EDGE, EDGE], format },
  );
  const heights = GRID.map((y) => GRID.map((x) => costAt(x, y)));
  const bands = contours(GRID, GRID, heights, LEVELS, frame.x, frame.y);
  const { eastward: x, northward: y } = state;
  const at = [frame.x(x), frame.y(y)];
  const towards = ([dx, dy], length) => [frame.x(x + length * dx), frame.y(y + length * dy)];
  const uphill = towards([here.gx, here.gy], SHORTER);
  return paper(
    side,
    side,
    `At x ${significant(x, 2)}, y ${significant(y, 2)} the gradient is ` +
      `(${significant(here.gx, 2)}, ${significant(here.gy, 2)}). Yours: ${verdict(here)}`,
    frame.ground,
    draw(
      "g",
      { class: "landscape" },
      bands.map(({ area }) => draw("path", { class: "band", d: area })),
      bands.map(({ line }) => draw("path", { class: "isoline", d: line })),
    ),
    pointer(at, towards(unit(state.heading), 1), "yours"),
    here.steepness ? pointer(at, uphill, "on") : null,
    here.steepness ? words(uphill[0] + 8, uphill[1] + 4, "∇C") : null,
    draw("g", { class: "series" }, mark("circle", ...at, 5)),
  );
}

function slopesOf(state, width) {
  const here = hereOf(state);
  const points = Array.from({ length: 73 }, (_, i) => [5 * i, slopeTowards(here, 5 * i)]);
  const most = Math.max(here.steepness, 1) * 1.2;
  return lineChart({
    width,
    height: SIDE,
    label: `The slope is at most ${significant(here.steepness, 3)}, at ${Math.round(here.angle)}°`,
    x: { label: "direction", domain: [0, 360], ticks: RIGHT_ANGLES, format: (t) => `${t}°` },
    y: {
      label: "slope: + uphill, − downhill",
      domain: [-most, most],
      format: (t) => significant(t, 2),
    },
    series: [
      { kind: "first", points },
      {
        kind: "first",
        mark: "circle",
        radius: 6,
        line: false,
        points: [[state.heading, slopeTowards(here, state.heading)]],
      },
    ],
    rules: here.steepness ? [{ x: here.angle, label: "∇C" }, { y: 0, label: "level" }] : [],
  });
}
