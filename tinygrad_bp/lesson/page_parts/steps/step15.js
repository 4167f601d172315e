// The stumbling man and the careful man: two walks down the same cost, on one map.

import { aside as minimum } from "../asides/minimum.js";
import { aside as rates } from "../asides/rates.js";
import { aside as without } from "../asides/without.js";
import { choice, draw, fill, make, paragraph, slider, table } from "../dom.js";
import { contours } from "../charts/contour.js";
import { axes, figure, paper, words } from "../charts/frame.js";
import { legend, lineChart, mark, polyline } from "../charts/lines.js";
import { extent } from "../charts/scale.js";
import { count, percent, text } from "../numbers.js";
import { oneOf, passing, real, whole } from "../state.js";
import { formula, term } from "../words.js";
import { player, STILL } from "./player.js";
import { CAREFUL, pointsOf, STUMBLING, stumblings, walkOf, WALKERS } from "./walks.js";

const PLAY_MS = 9000; // from the start to the end
const LEVELS = 9;
const ROOM = 1.1; // around a walk, times its distance from the start
const MOST_PRESETS = 99;
const MARGINS = 66; // around the map, both ways: see frame.js
const LABEL = { wide: 34, high: 14 };
const HEIGHT = { least: 250, most: 440 };

const walking = player(PLAY_MS);

export const step = {
  id: "stumbling",
  number: 15,
  title: "The stumbling man and the careful man",
  covers: ["S36", "S39", "W16", "W17"],
  asides: [rates, minimum, without],
  // walked: how far both have come, as a share of the longer axis; preset: whose walk is shown.
  fields: {
    against: oneOf("work", "steps"),
    walked: real(1, 0, 1),
    preset: whole(0, 0, MOST_PRESETS),
    playing: passing(false),
  },
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
    this.presets = presetChoices(ctx);
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
      "Seen from above: the stronger the colour, the costlier",
      (width) => mapOf(ctx, width),
      legend(WALKERS),
    );
    this.cost = figure("The cost on the way", (width) => costOf(ctx, width), legend(WALKERS));
    this.summary = make("div", { class: "part" });
    this.remarks = make("div", { class: "prose" });
    fill(
      panel,
      make("div", { class: "controls-row" }, ...this.presets.map(({ element }) => element)),
      make("div", { class: "controls-row" }, this.against, this.play, this.scrub),
      this.words,
      make("div", { class: "side-by-side" }, this.map.element, this.cost.element),
      make("div", { class: "side-by-side" }, this.summary, this.remarks),
    );
  },

  update(ctx) {
    const unit = ctx.state.against === "work" ? "examples each" : "steps each";
    if (ctx.state.playing) this.start(ctx);
    else this.leave();
    this.against.show(ctx.state.against);
    for (const preset of this.presets) preset.follow(ctx);
    this.scrub.show(ctx.state.walked, `up to ${count(Math.round(reached(ctx)))} ${unit}`);
    this.play.textContent = ctx.state.playing ? "Pause" : "Play";
    this.play.hidden = STILL.matches; // the slider shows every moment without motion
    fill(this.words, statement(ctx));
    fill(this.summary, table(summaryTable(ctx)));
    fill(this.remarks, remarks(ctx));
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

  // From where it is or, at the end, from the start.
  start(ctx) {
    const from = ctx.state.walked >= 1 ? 0 : ctx.state.walked;
    walking.start(from, (walked) => ctx.set({ walked, playing: walked < 1 }));
  },

  leave() {
    walking.stop();
  },
};

// Where no motion is wanted there is the slider.
function flip(ctx) {
  if (!STILL.matches) ctx.set({ playing: !ctx.state.playing });
}

// --- presets -------------------------------------------------------------------------------------

// One thing is changed at a time: who chooses another batch goes back to the first learning rate.
function presetChoices(ctx) {
  return [
    presetChoice(ctx, "Mini-batches of", "batch", "lr", count),
    presetChoice(ctx, "Learning rate η", "lr", "batch", String),
  ];
}

function presetChoice(ctx, legend, key, other, write) {
  const all = stumblings(ctx.data);
  const place = (value) => all.findIndex((w) => w[other] === all[0][other] && w[key] === value);
  const values = new Set(all.map((walk) => walk[key]).filter((value) => place(value) >= 0));
  const options = [...values].sort((a, b) => a - b).map((value) => [place(value), write(value)]);
  const bar = choice(legend, options, (preset) => ctx.set({ preset: Number(preset) }));
  const seen = make("span", { "aria-hidden": true }, legend); // a choice says it to the ear only
  const element = make("div", { class: "labelled" }, seen, bar);
  return { element, follow: (now) => bar.show(place(walkOf(now, STUMBLING)[key])) };
}

// --- the walks -----------------------------------------------------------------------------------

// How far both have come, in the unit of the comparison. Work is compared in ratios: the careful
// man's first step costs as much as many of the other's.
function reached(ctx) {
  const { against, walked } = ctx.state;
  const most = Math.max(...WALKERS.map((walker) => pointsOf(ctx, walker).at(-1)[against]));
  if (walked === 0 || against === "steps") return most * walked;
  const { batch } = walkOf(ctx, STUMBLING);
  return batch * (most / batch) ** walked;
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
  return WALKERS.map((walker) => {
    const { length, displacement } = walkOf(ctx, walker);
    const way = term("d", "length of the way", length, null, 2);
    const off = term("z", "distance from the start", displacement, null, 2);
    const detour = term("w", "detour", length / displacement, null, 2);
    return formula(ctx, {
      words: [
        `The ${walker.key} man walks `,
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
  const { n } = ctx.data.walks;
  const both = WALKERS.map((walker) => ({
    ...walkOf(ctx, walker),
    end: pointsOf(ctx, walker).at(-1),
  }));
  const row = (name, write) => [name, ...both.map(write)];
  return {
    caption: `Both walks, on ${count(n)} examples`,
    heads: ["quantity", "stumbling", "careful"],
    rows: [
      row("examples for each step", ({ batch }) => count(batch)),
      row("learning rate η", ({ lr }) => String(lr)),
      row("steps", ({ end }) => count(end.steps)),
      row("examples looked at", ({ end }) => count(end.work)),
      row("steps that went uphill", ({ uphill }) => percent(uphill)),
      row("length of the way", ({ length }) => text(length, 2)),
      row("distance from the start", ({ displacement }) => text(displacement, 2)),
      row("farthest from the map's plane", ({ out_of_plane: off }) => text(off, 2)),
      row("cost at the end", ({ end }) => text(end.cost)),
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
  const [stumbling, careful] = WALKERS.map((walker) => walkOf(ctx, walker));
  const end = pointsOf(ctx, STUMBLING).at(-1);
  const meanwhile = pointsOf(ctx, CAREFUL).findLast(({ work }) => work <= end.work);
  const farthest = Math.max(stumbling.out_of_plane, careful.out_of_plane);
  return [
    paragraph(
      `Of the stumbling man's steps ${percent(stumbling.uphill)} went uphill, of the careful ` +
        `man's ${percent(careful.uphill)}. But each careful step costs as much as ` +
        `${count(careful.batch / stumbling.batch)} stumbling ones. For the work of the whole ` +
        `stumbling walk, which ends at cost ${text(end.cost)}, the careful man is still at ` +
        `${text(meanwhile.cost)}.`,
    ),
    paragraph(
      `The map is a flat cut through ${hidden} more directions, which it hides: ${walks.axes}, ` +
        `with batches of ${count(walks.batch)} at learning rate ${walks.lr}. On the way these ` +
        `two are up to ${text(farthest, 2)} away from it, so a man can be on other ground than ` +
        "he is drawn on.",
    ),
  ];
}

// --- the map -------------------------------------------------------------------------------------

function mapOf(ctx, width) {
  const { x, y, cost } = ctx.data.walks.contour;
  const walk = walkOf(ctx, STUMBLING); // it may leave the ground that was measured
  const [left, right] = extent([...x, ...walk.x.map((at) => ROOM * at)]);
  const [low, top] = extent([...y, ...walk.y.map((at) => ROOM * at)]);
  const [wide, high] = [right - left, top - low];
  const scale = (width - MARGINS) / wide;
  const height = Math.min(Math.max(high * scale + MARGINS, HEIGHT.least), HEIGHT.most);
  const stretch = (height - MARGINS) / (high * scale);
  const note = Math.abs(stretch - 1) > 0.02 ? `, drawn ${text(stretch, 1)} times as large` : "";
  const format = (t) => text(t, 1).replace(/\.0$/, "");
  const frame = axes(
    width,
    height,
    { label: "distance along", domain: [left, right], format },
    { label: `distance across${note}`, domain: [low, top], format },
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
  const { batch } = walkOf(ctx, STUMBLING);
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
      domain: [byWork ? batch : 0, most],
      format: count,
    },
    y: { label: "cost", domain: [0, Math.max(...costs)], format: (t) => text(t, 1) },
    series: WALKERS.map((walker, i) => ({ ...walker, mark: null, points: at(all[i]) })),
    rules: [
      {
        x: Math.max(reached(ctx), byWork ? batch : 0),
        label: count(Math.round(reached(ctx))),
      },
    ],
  });
}
