// A game: a small length of change to spend on some parameters, against minus the gradient.

import { fill, make, paragraph, slider, table } from "../dom.js";
import { bar } from "../marks.js";
import { dot, nameOf, norm } from "../net.js";
import { count, percent, signed } from "../numbers.js";
import { alongGradient } from "../steps/descent.js";
import { seeded } from "../steps/random.js";
import { precise, significant } from "../steps/significant.js";
import { bySize, now } from "../steps/downhill.js";
import { formula, term, wish } from "../words.js";

const LENGTH = 0.01;
const PLACES = [1, 3, 10, 100, 1000]; // of the knobs to turn, by the size of their nudge
const BEST = 10;
const TRIES = 100;
const TURNS = /^-?\d(,-?\d){4}$/;

export const aside = {
  id: "budget",
  title: `A game: spend a change of length ${LENGTH}`,
  covers: ["S12", "S11", "S25"],
  fields: { turns: { value: "0,0,0,0,0", read: (text) => (TURNS.test(text) ? text : undefined) } },

  render(content, ctx) {
    this.knobs = PLACES.map((_, i) =>
      slider("", { min: -9, max: 9, step: 1 }, (turn) =>
        ctx.set({ turns: turnsOf(ctx).with(i, turn).join(",") }),
      ),
    );
    this.words = make("div", { class: "statements" });
    this.results = make("div", { class: "part" });
    fill(
      content,
      paragraph(
        "Turn these knobs up or down. Only proportions count: the whole change is made " +
          `${LENGTH} long, as long as that of the others below, of which the last two turn each ` +
          "knob in proportion to its nudge. Whose change lowers the mean cost most?",
      ),
      this.knobs,
      this.words,
      this.results,
    );
  },

  update(ctx) {
    const turns = turnsOf(ctx);
    const names = PLACES.map((_, i) => nameOf(ctx.data.sizes, knobOf(ctx, i)));
    this.knobs.forEach((knob, i) => {
      knob.firstChild.textContent = names[i];
      knob.show(turns[i], signed(turns[i], 0));
    });
    fill(this.words, statement(ctx));
    fill(this.results, table(resultsOf(ctx)));
  },
};

function turnsOf({ state }) {
  return state.turns.split(",").map(Number);
}

function knobOf(ctx, i) {
  return bySize(ctx)[PLACES[i] - 1];
}

// --- ways to spend it ----------------------------------------------------------------------------

function yours(ctx) {
  const way = new Float64Array(now(ctx).nudges.length);
  turnsOf(ctx).forEach((turn, i) => (way[knobOf(ctx, i)] = turn));
  return way;
}

function bestKnobs(ctx) {
  const { nudges } = now(ctx);
  const way = new Float64Array(nudges.length);
  for (const i of bySize(ctx).subarray(0, BEST)) way[i] = nudges[i];
  return way;
}

// The way that goes down most steeply among some in which every knob is turned at random.
function luckiest(ctx) {
  const { nudges } = now(ctx);
  const random = seeded(TRIES);
  const tries = Array.from({ length: TRIES }, () => nudges.map(() => random() - 0.5));
  const fall = (way) => dot(way, nudges) / norm(way);
  return tries.reduce((best, way) => (fall(way) > fall(best) ? way : best));
}

// {slope, changes}: what the cost changes by, by its slope alone and in truth.
function spent(ctx, way) {
  const place = now(ctx);
  const size = norm(way);
  if (size === 0) return { slope: 0, change: 0 };
  const { cost } = alongGradient(place.net, ctx.data.digits, way)(-LENGTH / size);
  return { slope: (-LENGTH * dot(way, place.nudges)) / size, change: cost - place.cost };
}

// All but yours are the same until a step is taken.
function others(ctx) {
  const place = now(ctx);
  place.spent ??= [
    [`best of ${TRIES} random ways`, spent(ctx, luckiest(ctx))],
    [`the ${BEST} best knobs`, spent(ctx, bestKnobs(ctx))],
    [`all ${count(place.nudges.length)}`, spent(ctx, place.nudges)],
  ];
  return place.spent;
}

// --- what is said --------------------------------------------------------------------------------

function statement(ctx) {
  const [, best] = others(ctx).at(-1);
  const length = term("w", "length", LENGTH, null, 2);
  const steepness = term("d", "‖∇C‖", norm(now(ctx).nudges), null, 3);
  const fall = wish("change of C", best.slope, null, 5);
  return formula(ctx, {
    words: [
      "Along minus the gradient the cost falls by ",
      steepness,
      " for each unit of way. A way of ",
      length,
      " is foretold to change it by ",
      fall,
      ", and no other way of that length by more.",
    ],
    parts: ["− ", length, " × ", steepness],
    result: fall,
  });
}

function resultsOf(ctx) {
  const rows = [["your knobs", spent(ctx, yours(ctx))], ...others(ctx)];
  const most = Math.abs(rows.at(-1)[1].change);
  return {
    caption: `What a change of length ${significant(LENGTH, 1)} does to the mean cost`,
    heads: ["turned", "true change", "of the best", "foretold by slopes", ""],
    rows: rows.map(([name, { slope, change }]) => [
      name,
      precise(change, 3, true),
      percent(-change / most),
      precise(slope, 3, true),
      bar(Math.max(-change, 0), most),
    ]),
    classes: ["first"],
  };
}
