// 12. The digits are shuffled and dealt; each mini-batch has an arrow of its own beside everybody's.

import { eased, mix, span } from "../clock";
import { cosine, gradient, nameOf } from "../engine";
import { add, empty, type Frame, type Ink } from "../frame";
import { neuron, type Box, type Point } from "../layout";
import { short, signed, whole } from "../numbers";
import { bare, dissolve, rectBetween, whole as everywhere, within } from "../parts/inset";
import { network, type Look } from "../parts/network";
import { band, gridIn, sideOf, tile, tileAt, type Rect } from "../parts/wall";
import { inkOf } from "../parts/wishes";
import { hash, seeded, shuffled } from "../random";
import { everybody, halfTrained, lapseOf, readingAt } from "../run";
import type { Session } from "../session";
import { leave, moved, type Before, type Scene, type Stage } from "../scene";

const SWEEP = [0.9, 2.4] as const; // seconds in which all digits are looked at
const SHUFFLE = [2.5, 4] as const;
const DEAL = [4.2, 5.2] as const;
const MORE = [5.9, 7.9] as const; // other batches' arrows come
const ARROWS = 24; // batches with an arrow, at most
const [COLUMNS, ROWS] = [40, 25];

/** The place of the network in this scene, from where the next one takes it. */
export function insetRect({ up, width, height }: Box): Rect {
  return up
    ? [0.03 * width, 0.6 * height, 0.36 * width, 0.36 * height]
    : [0.03 * width, 0.79 * height, 0.34 * width, 0.18 * height];
}

export function insetLook(box: Box): Look {
  return {
    layout: bare(box.up ? 3.5 : 3),
    picture: 0,
    idle: [0.7, 0.7],
    trace: [0, 0, 0],
    beads: [1, 1, 1],
    names: 0,
  };
}

function fan({ up, width, height }: Box): Rect {
  return up
    ? [0.45 * width, 0.58 * height, 0.52 * width, 0.3 * height]
    : [0.645 * width, 0.1 * height, 0.325 * width, 0.62 * height];
}

interface Dealt {
  /** Which digit is at which place. */
  order: number[];
  arrows: Direction[];
  /** The gradient of the first batch. */
  first: Float64Array;
}

/** The average gradient of a batch beside that of all digits. */
interface Direction {
  cosine: number;
  /** Of its length, to that of everybody's. */
  ratio: number;
  /** On which side it is of everybody's, seen from where the first one is. */
  side: number;
}

export function dealt(session: Session, size: number): Dealt {
  return session.once(`dealt ${size}`, () => {
    const { digits } = session.data;
    const all = everybody(session);
    const order = shuffled(digits.length, seeded(lapseOf(session).plan.seed));
    const count = Math.min(ARROWS, Math.ceil(order.length / size));
    const batches = Array.from({ length: count }, (_, b) => order.slice(b * size, (b + 1) * size));
    const { net } = halfTrained(session);
    const found = batches.map((batch) => gradient(net, batch.map((k) => digits[k]))); // prettier-ignore
    const rests = found.map((slopes) => rest(slopes, all));
    const arrows = found.map((slopes, b) => ({
      cosine: cosine(slopes, all),
      ratio: norm(slopes) / norm(all),
      side: cosine(rests[b], rests[0]) < 0 ? 1 : -1,
    }));
    return { order, arrows, first: found[0] };
  });
}

function norm(u: Float64Array): number {
  return Math.sqrt(u.reduce((sum, p) => sum + p * p, 0));
}

/** What is left of a vector across another. */
function rest(u: Float64Array, along: Float64Array): Float64Array {
  const share = (cosine(u, along) * norm(u)) / norm(along);
  return u.map((p, i) => p - share * along[i]);
}

/** The place of a tile: hundreds in blocks, tens in rows; `open` sets batches apart. */
function placeOf(box: Box, place: number, deal: number, open: number): { at: Point; side: number } {
  const [x, y, w, h] = wallRect(box);
  const side = Math.min(w / (COLUMNS + 2), h / (ROWS + 5.5));
  const [block, within] = [Math.floor(place / 100), place % 100];
  const column = (block % 2) * 20 + (within % 20);
  const row = Math.floor(block / 2) * 5 + Math.floor(within / 20);
  const apart =
    deal === 10
      ? [0.6 * Math.floor(column / 10), 0.22 * row]
      : deal === 100
        ? [1.6 * Math.floor(column / 20), 1.3 * Math.floor(row / 5)]
        : [0, 0];
  const left = box.up ? (w - side * (COLUMNS + 1.6 * open)) / 2 : 0;
  const at: Point = [x + left + side * (column + 0.5 + open * apart[0]), y + side * (row + 0.5 + open * apart[1])];
  return { at, side };
}

function wallRect(box: Box): Rect {
  const [x, y, w, h] = band(box, "wall");
  return box.up ? [x, y, w, h + 0.02 * box.height] : [x, y, 0.62 * w, 0.565 * box.height];
}

/** Where a dealt digit goes, large. */
function tray(box: Box, i: number, n: number): { at: Point; side: number } {
  const [x, y, w, h] = band(box, "head");
  const grid = gridIn([x, y, box.up ? w : 0.62 * w, h], n);
  const [side, [left, top]] = [sideOf(grid), tileAt(grid, i)];
  return { at: [box.up ? left + (w - side * grid.columns) / 2 : left, top], side };
}

function between(a: { at: Point; side: number }, b: { at: Point; side: number }, s: number) {
  const at: Point = [mix(a.at[0], b.at[0], s), mix(a.at[1], b.at[1], s)];
  return { at, side: mix(a.side, b.side, s) };
}

function digitsOnWall(made: Frame, t: number, { box, session }: Stage, { order }: Dealt): void {
  const { deal } = session.choices;
  const open = span(t, SHUFFLE[1] - 0.2, SHUFFLE[1] + 0.4, eased.camera);
  const seen = span(t, 0.2, 0.8);
  const n = order.length;
  order.forEach((k, place) => {
    const late = 0.5 * hash(k, 1);
    const s = span(t, SHUFFLE[0] + late, SHUFFLE[1] - 0.5 + late, eased.camera);
    const stands = between(placeOf(box, k, deal, 0), placeOf(box, place, deal, open), s);
    const out = deal < n && place < deal ? span(t, DEAL[0] + (0.3 * place) / deal, DEAL[1] - 0.3 + (0.3 * place) / deal, eased.camera) : 0; // prettier-ignore
    const { at, side } = out ? between(stands, tray(box, place, deal), out) : stands;
    const lit = Math.max(swept(t, k / n), out, calledUp(t, place, deal, n));
    tile(made, session.data.digits[k], at, side, lit, (0.75 + 0.25 * lit) * seen);
  });
}

/** Whether all are being looked at, this one now. */
function swept(t: number, at: number): number {
  const done = span(t, ...SWEEP);
  if (done === 0 || done === 1) return done * (1 - span(t, SWEEP[1], SWEEP[1] + 0.3));
  return at <= done ? 1 : 0;
}

/** Batches after the first are lit where they are, one after the other. */
function calledUp(t: number, place: number, deal: number, n: number): number {
  if (deal >= n) return span(t, DEAL[0], DEAL[1]);
  const batch = Math.floor(place / deal);
  if (batch === 0 || batch >= ARROWS) return 0;
  return span(t, comes(batch), comes(batch) + 0.1) * (1 - span(t, comes(batch) + 0.15, comes(batch) + 0.5)); // prettier-ignore
}

function comes(batch: number): number {
  return mix(MORE[0], MORE[1], (batch - 1) / ARROWS);
}

/** Unit length and starting point for which all arrows fit into the fan. */
function fitted(box: Box, arrows: readonly Direction[]): Fit {
  const [x, y, w, h] = fan(box);
  const [long, wide] = box.up ? [h, w] : [w, h];
  const ahead = Math.max(1, ...arrows.map((a) => a.ratio * a.cosine));
  const behind = Math.max(0, ...arrows.map((a) => -a.ratio * a.cosine));
  const aside = Math.max(0.01, ...arrows.map((a) => a.ratio * Math.sqrt(1 - Math.min(1, a.cosine ** 2)))); // prettier-ignore
  const unit = Math.min(long / (ahead + behind), wide / 2 / aside, 0.85 * long);
  const start: Point = box.up ? [x + w / 2, y + h - unit * behind] : [x + unit * behind, y + h / 2];
  return { start, unit };
}

const EVERYBODY: Direction = { cosine: 1, ratio: 1, side: 1 };

interface Fit {
  start: Point;
  unit: number;
}

function tipOf(box: Box, { cosine: ahead, ratio, side }: Direction, { start, unit }: Fit): Point {
  const [u, v] = [unit * ratio * ahead, unit * ratio * side * Math.sqrt(Math.max(0, 1 - ahead ** 2))]; // prettier-ignore
  return box.up ? [start[0] + v, start[1] - u] : [start[0] + u, start[1] + v];
}

function arrows(made: Frame, t: number, { box }: Stage, { arrows: all }: Dealt): void {
  const fit = fitted(box, all);
  const thick = box.up ? 9 : 13;
  const arrow = (id: string, one: Direction, s: number, width: number, ink: Ink, alpha = 1) => {
    const grown = { ...one, ratio: one.ratio * s };
    if (s > 0) add(made, { kind: "arrow", id, from: fit.start, to: tipOf(box, grown, fit), width, head: width * 2.4, ink, alpha }); // prettier-ignore
  };
  all.slice(1).forEach((one, i) => {
    const s = span(t, comes(i + 1), comes(i + 1) + 0.3, eased.arrival);
    arrow(`batch.${i + 1}`, one, s, 2, "idle", 0.5);
  });
  arrow("everybody", EVERYBODY, span(t, SWEEP[1], SWEEP[1] + 0.6, eased.arrival), thick, "mute");
  arrow("batch.0", all[0], span(t, DEAL[1], DEAL[1] + 0.6, eased.arrival), thick * 0.45, "ink");
}

/** The first batch's step on the edges of the network: more and less. */
function landing(made: Frame, t: number, { box, session }: Stage, shown: Look, first: Float64Array): void {
  const alpha = span(t, DEAL[1] + 0.2, DEAL[1] + 0.6) * (1 - span(t, MORE[0] + 0.6, MORE[0] + 1.2));
  if (alpha === 0) return;
  const { sizes } = session.data;
  const at = (l: number, j: number) => neuron(box, shown.layout, l, j, sizes[l]);
  let start = sizes[1] * (sizes[0] + 1);
  for (const l of [2, 3]) {
    const [n, edges] = [sizes[l - 1], sizes[l - 1] * sizes[l]];
    const part = first.subarray(start, start + edges);
    const largest = part.reduce((max, p) => Math.max(max, Math.abs(p)), 0) || 1;
    part.forEach((slope, i) => {
      const size = Math.abs(slope) / largest;
      const [from, to] = [at(l - 1, i % n), at(l, Math.floor(i / n))];
      if (size > 0.06) add(made, { kind: "line", id: `step.${start + i}`, from, to, width: 0.5 + 3 * size, ink: inkOf(-slope), alpha: alpha * (0.3 + 0.7 * size) }); // prettier-ignore
    });
    start += edges + sizes[l];
  }
}

function captions(made: Frame, t: number, { box, session }: Stage, { arrows: all }: Dealt): void {
  const { deal } = session.choices;
  const n = session.data.digits.length;
  const [large, size] = box.up ? [24, 11.5] : [44, 14];
  const [x, y, , h] = fan(box);
  const top = y + h + (box.up ? 34 : 40);
  const angle = Math.round((Math.acos(Math.min(1, all[0].cosine)) * 180) / Math.PI);
  const alpha = span(t, DEAL[1] + 0.3, DEAL[1] + 0.7);
  const fit = fitted(box, all);
  const batch = deal >= n ? "the same" : deal === 1 ? "this digit" : `these ${whole(deal)}`;
  const everyone = span(t, SWEEP[1], SWEEP[1] + 0.4);
  namedAll(made, box, fit, `all ${whole(n)}`, size, everyone);
  named(made, box, tipOf(box, all[0], fit), batch, -1, size, "ink", alpha);
  add(made,
    { kind: "text", id: "cosine", at: [x, top], text: short(all[0].cosine), size: large, ink: "ink", alpha, weight: 600, face: "serif" },
    { kind: "text", at: [x + (box.up ? 44 : 84), top + (box.up ? 2 : 5)], text: `cosine: ${angle}° apart`, size, ink: "mute", alpha },
  ); // prettier-ignore
}

/** The name of an arrow, at its tip. */
function named(
  made: Frame,
  box: Box,
  [x, y]: Point,
  text: string,
  below: number,
  size: number,
  ink: Ink,
  alpha: number,
): void {
  const at: Point = [Math.min(x, 0.965 * box.width), y + below * 1.6 * size];
  add(made, { kind: "text", at, text, size, ink, alpha, align: box.up ? "center" : "right", weight: 600 }); // prettier-ignore
}

/** What everybody's arrow is called: before its tip where there is room, on a phone at its foot. */
function namedAll(made: Frame, box: Box, fit: Fit, text: string, size: number, alpha: number): void {
  const [x, y] = tipOf(box, EVERYBODY, fit);
  if (box.up || x + 80 > 0.965 * box.width) {
    return named(made, box, box.up ? fit.start : [x, y], text, 1, size, "mute", alpha);
  }
  add(made, { kind: "text", at: [x + 10, y], text, size, ink: "mute", alpha, weight: 600 });
}

function frame(t: number, stage: Stage, before: Before): Frame {
  const { box, session } = stage;
  const made = empty();
  const found = dealt(session, session.choices.deal);
  digitsOnWall(made, t, stage, found);
  const rect = rectBetween(everywhere(box), insetRect(box), span(t, 0, 0.9, eased.camera));
  const half = readingAt(session, halfTrained(session));
  const shown = moved(t, before, look(stage));
  within(made, box, rect, (place) => {
    landing(made, t, { ...stage, box: place }, shown, found.first);
    if (t >= 0.6) return network(made, place, shown, half);
    const learned = readingAt(session, lapseOf(session).end);
    dissolve(made, place, shown, [learned, half], span(t, 0, 0.6));
  });
  leave(made, t, before);
  arrows(made, t, stage, found);
  captions(made, t, stage, found);
  const { steps, accuracy } = halfTrained(session);
  made.facts = {
    steps,
    accuracy,
    cosine: found.arrows[0].cosine,
    ratio: found.arrows[0].ratio,
    cosines: found.arrows.map((one) => one.cosine),
  };
  return made;
}

function look({ box }: Stage): Look {
  return insetLook(box);
}

function describe(id: string, session: Session): string | undefined {
  const [kind, at] = id.split(".");
  const { arrows: all, first } = dealt(session, session.choices.deal);
  if (kind === "everybody") return "What all digits want on average: minus the gradient of the cost.";
  if (kind === "digit") return `A ${session.data.digits[Number(at)].label} to learn from.`;
  if (kind === "step") return `The first batch wishes ${signed(-first[Number(at)])} of ${nameOf(session.data.sizes, Number(at))}.`; // prettier-ignore
  if (kind !== "batch") return undefined;
  const { cosine: ahead, ratio } = all[Number(at)];
  return `Batch ${Number(at) + 1}: its cosine with everybody’s is ${short(ahead)}, and it is ${ratio.toFixed(1)} times as long.`;
}

export const scene: Scene = {
  id: "mini-batches",
  seconds: 9,
  look,
  frame,
  settled: 3.9,
  describe,
};
