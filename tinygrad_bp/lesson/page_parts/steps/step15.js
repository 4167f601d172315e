// The stumbling man and the careful man: two walks down the same cost, on one map.

import { choice, draw, fill, make, paragraph, slider, table } from "../dom.js";
import { contours } from "../charts/contour.js";
import { axes, figure, paper, words } from "../charts/frame.js";
import { legend, lineChart, mark, polyline } from "../charts/lines.js";
import { count, percent, text } from "../numbers.js";
import { oneOf, passing, real } from "../state.js";
import { formula, term } from "../words.js";

const PLAY_MS = 9000; // from the start to the end
const LEVELS = 9;
const MARGINS = 66; // around the map, both ways: see frame.js
const LABEL = { wide: 34, high: 14 };
const HEIGHT = { least: 250, most: 440 };

const STILL = matchMedia("(prefers-reduced-motion: reduce)");

const STUMBLING = {
  key: "stumbling",
  name: "stumbling: a mini-batch for each step",
  kind: "first",
  mark: "circle",
};
const CAREFUL = {
  key: "careful",
  name: "careful: all examples for each step",
  kind: "second",
  mark: "square",
  dash: "7 3",
};
const WALKERS = [STUMBLING, CAREFUL];

export const step = {
  id: "stumbling",
  number: 15,
  title: "The stumbling man and the careful man",
  covers: ["S36", "S39", "W16", "W17"],
  // walked: how far both have come, as a share of the longer axis.
  fields: { against: oneOf("work", "steps"), walked: real(1, 0, 1), playing: passing(false) },
  keys: { " ": (ctx) => flip(ctx) },

  render(panel, ctx) {
    this.against = choice(
      "Compare them by",
      [
        ["work", "work done"],
        ["steps", "steps taken"],
      ],
      (against) => ctx.set({ against }),
    );
    this.scrub = slider("How far", { min: 0, max: 1, step: 0.002 }, (walked) =>
      ctx.set({ walked, playing: false }),
    );
    this.play = make(
      "button",
      { type: "button", class: "primary", onclick: () => flip(ctx) },
      "Play",
    );
    this.words = make("div", { class: "statements" });
    this.map = figure(
      "Seen from above: darker is costlier",
      (width) => mapOf(ctx, width),
      legend(WALKERS),
    );
    this.cost = figure("The cost on the way", (width) => costOf(ctx, width), legend(WALKERS));
    fill(
      panel,
      make("div", { class: "controls-row" }, this.against, this.play, this.scrub),
      this.words,
      make("div", { class: "side-by-side" }, this.map.element, this.cost.element),
      make(
        "div",
        { class: "side-by-side" },
        make("div", { class: "part" }, table(summaryTable(ctx))),
        make("div", { class: "prose" }, remarks(ctx)),
      ),
    );
  },

  update(ctx) {
    const unit = ctx.state.against === "work" ? "examples each" : "steps each";
    if (!ctx.state.playing) this.leave();
    else if (!this.frame) this.start(ctx);
    this.against.show(ctx.state.against);
    this.scrub.show(ctx.state.walked, `up to ${count(Math.round(reached(ctx)))} ${unit}`);
    this.play.textContent = ctx.state.playing ? "Pause" : "Play";
    this.play.hidden = STILL.matches; // the slider shows every moment without motion
    fill(this.words, statement(ctx));
    this.map.redraw();
    this.cost.redraw();
  },

  picture: () => null,

  sentence(ctx) {
    if (ctx.state.playing) return "Both are walking. Press Pause, or the space key, to stop them.";
    const [stumbling, careful] = WALKERS.map((walker) => here(ctx, walker));
    return (
      `Stumbling man: ${count(stumbling.steps)} steps, cost ${text(stumbling.cost)}. ` +
      `Careful man: ${count(careful.steps)} steps, cost ${text(careful.cost)}. ` +
      `Work so far: ${count(stumbling.work)} and ${count(careful.work)} examples.`
    );
  },

  table(ctx) {
    return [summaryTable(ctx), ...WALKERS.map((walker) => walkTable(ctx, walker))];
  },

  // One moment after the other, from where it is or, at the end, from the start.
  start(ctx) {
    const from = ctx.state.walked >= 1 ? 0 : ctx.state.walked;
    let began = null;
    const tick = (now) => {
      began ??= now;
      const walked = Math.min(from + (now - began) / PLAY_MS, 1);
      this.frame = walked < 1 ? requestAnimationFrame(tick) : 0;
      ctx.set({ walked, playing: walked < 1 });
    };
    this.frame = requestAnimationFrame(tick);
  },

  leave() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
  },
};

// Where no motion is wanted there is the slider.
function flip(ctx) {
  if (!STILL.matches) ctx.set({ playing: !ctx.state.playing });
}

// --- the walks -----------------------------------------------------------------------------------

// What a step of a walker costs, in examples looked at.
function price({ data: { walks } }, { key }) {
  return key === "careful" ? walks.n : walks.batch;
}

function pointsOf(ctx, walker) {
  const { x, y, cost, work } = ctx.data.walks[walker.key];
  const each = price(ctx, walker);
  return x.map((_, i) => ({
    x: x[i],
    y: y[i],
    cost: cost[i],
    work: work[i],
    steps: work[i] / each,
  }));
}

// How far both have come, in the unit of the comparison. Work is compared in ratios: the careful
// man's first step costs as much as many of the other's.
function reached(ctx) {
  const { against, walked } = ctx.state;
  const most = Math.max(...WALKERS.map((walker) => pointsOf(ctx, walker).at(-1)[against]));
  if (walked === 0 || against === "steps") return most * walked;
  return ctx.data.walks.batch * (most / ctx.data.walks.batch) ** walked;
}

function soFar(ctx, walker) {
  const limit = reached(ctx) * (1 + 1e-9);
  return pointsOf(ctx, walker).filter((point) => point[ctx.state.against] <= limit);
}

function here(ctx, walker) {
  return soFar(ctx, walker).at(-1);
}

// --- what is said --------------------------------------------------------------------------------

function statement(ctx) {
  return WALKERS.map(({ key }) => {
    const { length, displacement } = ctx.data.walks[key];
    const way = term("d", "length of the way", length, null, 2);
    const off = term("z", "distance from the start", displacement, null, 2);
    const detour = term("w", "detour", length / displacement, null, 2);
    return formula(ctx, {
      words: [
        `The ${key} man walks `,
        way,
        " and ends ",
        off,
        " from where he began: the way is ",
        detour,
        " times as long.",
      ],
      parts: [way, " / ", off],
      result: detour,
    });
  });
}

function summaryTable(ctx) {
  const { walks } = ctx.data;
  const ends = WALKERS.map((walker) => pointsOf(ctx, walker).at(-1));
  const row = (name, write) => [name, ...WALKERS.map(({ key }, i) => write(walks[key], ends[i]))];
  return {
    caption: `Both walks, on ${count(walks.n)} examples with lr ${walks.lr}`,
    heads: ["quantity", "stumbling", "careful"],
    rows: [
      ["examples for each step", ...WALKERS.map((walker) => count(price(ctx, walker)))],
      row("steps", (_, end) => count(end.steps)),
      row("examples looked at", (_, end) => count(end.work)),
      row("steps that went uphill", ({ uphill }) => percent(uphill)),
      row("length of the way", ({ length }) => text(length, 2)),
      row("distance from the start", ({ displacement }) => text(displacement, 2)),
      row("cost at the end", (_, end) => text(end.cost)),
    ],
  };
}

function walkTable(ctx, walker) {
  const points = pointsOf(ctx, walker);
  const every = Math.ceil(points.length / 12);
  const shown = points.filter((_, i) => i % every === 0 || i === points.length - 1);
  return {
    caption: `The ${walker.key} man's way`,
    heads: ["step", "examples looked at", "along", "across", "cost"],
    rows: shown.map((at) => [
      count(at.steps),
      count(at.work),
      text(at.x, 2),
      text(at.y, 2),
      text(at.cost),
    ]),
  };
}

function remarks(ctx) {
  const { walks, networks } = ctx.data;
  const hidden = count(networks[0].parameters.length - 2);
  const end = pointsOf(ctx, STUMBLING).at(-1);
  const meanwhile = pointsOf(ctx, CAREFUL).findLast(({ work }) => work <= end.work);
  return [
    paragraph(
      `The map is a flat cut through ${hidden} more directions, which it hides: ${walks.axes}. ` +
        `On the way the walks are up to ${text(walks.out_of_plane, 2)} away from it, so a man ` +
        "can be " +
        "lower than the ground he is drawn on.",
    ),
    paragraph(
      `Of the stumbling man's steps ${percent(walks.stumbling.uphill)} went uphill, of the ` +
        "careful man's " +
        `${percent(walks.careful.uphill)}. But each careful step costs as much as ` +
        `${count(walks.n / walks.batch)} stumbling ones. For the work of the whole stumbling ` +
        "walk, which ends at " +
        `cost ${text(end.cost)}, the careful man is still at ${text(meanwhile.cost)}.`,
    ),
  ];
}

// --- the map -------------------------------------------------------------------------------------

function mapOf(ctx, width) {
  const { x, y, cost } = ctx.data.walks.contour;
  const [wide, high] = [x.at(-1) - x[0], y.at(-1) - y[0]];
  const scale = (width - MARGINS) / wide;
  const height = Math.min(Math.max(high * scale + MARGINS, HEIGHT.least), HEIGHT.most);
  const stretch = (height - MARGINS) / (high * scale);
  const note = Math.abs(stretch - 1) > 0.02 ? `, drawn ${text(stretch, 1)} times as large` : "";
  const format = (t) => text(t, 1).replace(/\.0$/, "");
  const frame = axes(
    width,
    height,
    { label: "distance along the stumbling man's way", domain: [x[0], x.at(-1)], format },
    { label: `distance across${note}`, domain: [y[0], y.at(-1)], format },
  );
  return paper(
    width,
    height,
    step.sentence(ctx),
    frame.ground,
    landscape(frame, x, y, cost),
    WALKERS.map((walker) => trail(ctx, walker, frame)),
  );
}

// Levels a constant ratio apart, so that the valley is drawn as carefully as the slopes.
function levelsOf(cost) {
  const all = cost.flat();
  const [low, high] = [Math.min(...all), Math.max(...all)];
  return Array.from({ length: LEVELS }, (_, i) => low * (high / low) ** ((i + 0.5) / LEVELS));
}

function landscape(frame, x, y, cost) {
  const bands = contours(x, y, cost, levelsOf(cost), frame.x, frame.y);
  const shelf = frame.top + 0.14 * (frame.bottom - frame.top); // where lines carry their numbers
  const nearest = (spots) =>
    spots.reduce((a, b) => (Math.abs(b[1] - shelf) < Math.abs(a[1] - shelf) ? b : a));
  const clear = ([spot]) => spot > frame.left + 16 && spot < frame.right - 16;
  const labels = bands
    .filter(({ spots }) => spots.length > 0)
    .map(({ level, spots }) => ({ at: nearest(spots), level }))
    .filter(({ at }) => clear(at));
  return draw(
    "g",
    { class: "landscape" },
    bands.map(({ area }) => draw("path", { class: "band", d: area })),
    bands.map(({ line }) => draw("path", { class: "isoline", d: line })),
    spaced(labels).map(({ at: [left, top], level }) =>
      words(left, top + 4, text(level, 2), "middle"),
    ),
  );
}

// Those that do not overlap one that comes before them.
function spaced(labels) {
  const kept = [];
  for (const label of labels) {
    const overlaps = ({ at: [x, y] }) =>
      Math.abs(x - label.at[0]) < LABEL.wide && Math.abs(y - label.at[1]) < LABEL.high;
    if (!kept.some(overlaps)) kept.push(label);
  }
  return kept;
}

function trail(ctx, walker, frame) {
  const place = ({ x, y }) => [frame.x(x), frame.y(y)];
  const all = pointsOf(ctx, walker).map(place);
  const walked = soFar(ctx, walker).map(place);
  const [x, y] = walked.at(-1);
  return draw(
    "g",
    { class: `series trail ${walker.kind}` },
    polyline(all, { class: "ahead" }),
    polyline(walked, { "stroke-dasharray": walker.dash ?? null }),
    mark(walker.mark, x, y, 7),
  );
}

function costOf(ctx, width) {
  const byWork = ctx.state.against === "work";
  const all = WALKERS.map((walker) => pointsOf(ctx, walker));
  const most = Math.max(...all.map((points) => points.at(-1)[ctx.state.against]));
  const costs = all.flat().map(({ cost }) => cost);
  // There is no logarithm of no work.
  const at = (points) =>
    points.slice(byWork ? 1 : 0).map((point) => [point[ctx.state.against], point.cost]);
  return lineChart({
    width,
    height: 300,
    label: step.sentence(ctx),
    x: {
      label: byWork ? "examples looked at (ticks: times ten)" : "steps taken",
      log: byWork,
      domain: [byWork ? ctx.data.walks.batch : 0, most],
      format: count,
    },
    y: { label: "cost", domain: [0, Math.max(...costs)], format: (t) => text(t, 1) },
    series: WALKERS.map((walker, i) => ({ ...walker, mark: null, points: at(all[i]) })),
    rules: [
      {
        x: Math.max(reached(ctx), byWork ? ctx.data.walks.batch : 0),
        label: count(Math.round(reached(ctx))),
      },
    ],
  });
}
