// 12. The digits are shuffled and dealt; each mini-batch has an arrow of its own beside everybody's.

import { blend, eased, mix } from "../clock";
import { cosine, dot, gradient, nameOf } from "../engine";
import { inkOf, type Facts, type Ink } from "../frame";
import type { Box, Point } from "../layout";
import { short, signed, whole } from "../numbers";
import { bare, dissolve } from "../parts/inset";
import { edgesInto, lookOf, network, type Look } from "../parts/network";
import { largestOf } from "../parts/nudges";
import { band, gridIn, rectIn, tile, tileAt, type Tile } from "../parts/wall";
import type { Pen, Rect } from "../pen";
import { hash, seeded, shuffled } from "../random";
import { everybody, halfTrained, lapseOf, readingAt } from "../run";
import { leave, teller, type Scene } from "../scene";
import type { Session } from "../session";

const SWEEP = [0.9, 2.4] as const; // seconds in which all digits are looked at
const SHUFFLE = [2.5, 4] as const;
const DEAL = [4.2, 5.2] as const;
const MORE = [5.9, 7.9] as const; // other batches' arrows come
const ARROWS = 24; // batches with an arrow, at most
const [COLUMNS, ROWS] = [40, 25];

/** The place of the network in this scene, from where the next one takes it. */
export function insetRect(box: Box): Rect {
  return rectIn(box, box.up ? [0.03, 0.6, 0.36, 0.36] : [0.03, 0.79, 0.34, 0.18]);
}

export function insetLook({ up }: Box, radius = up ? 3.5 : 3): Look {
  return lookOf(bare(radius), { picture: 0, idle: [0.7, 0.7], names: 0 });
}

function fan(box: Box): Rect {
  return rectIn(box, box.up ? [0.45, 0.58, 0.52, 0.3] : [0.645, 0.1, 0.325, 0.62]);
}

interface Dealt {
  /** Which digit is at which place. */
  order: number[];
  arrows: Direction[];
  /** The gradient of the first batch. */
  first: Float64Array;
}

/** The average gradient of a batch beside that of all digits, which is 1 long. */
interface Direction {
  cosine: number;
  ratio: number;
  /** How far it goes that way, and aside: to the side of the first one, or to the other. */
  ahead: number;
  aside: number;
}

const EVERYBODY = { ahead: 1, aside: 0 };

export function dealt(session: Session, size: number): Dealt {
  return session.once(`dealt ${size}`, () => {
    const { digits } = session.data;
    const all = everybody(session);
    const order = shuffled(digits.length, seeded(lapseOf(session).plan.seed));
    const count = Math.min(ARROWS, Math.ceil(order.length / size));
    const batches = Array.from({ length: count }, (_, b) => order.slice(b * size, (b + 1) * size));
    const { net } = halfTrained(session);
    const digitAt = (k: number) => digits[k];
    const found = batches.map((batch) => gradient(net, batch.map(digitAt)));
    const rests = found.map((slopes) => rest(slopes, all));
    const arrows = found.map((slopes, b): Direction => {
      const [near, ratio] = [cosine(slopes, all), Math.sqrt(dot(slopes, slopes) / dot(all, all))];
      const side = cosine(rests[b], rests[0]) < 0 ? 1 : -1;
      return { cosine: near, ratio, ahead: ratio * near, aside: side * ratio * Math.sqrt(Math.max(0, 1 - near ** 2)) };
    });
    return { order, arrows, first: found[0] };
  });
}

/** What is left of a vector across another. */
function rest(u: Float64Array, along: Float64Array): Float64Array {
  const share = dot(u, along) / dot(along, along);
  return u.map((p, i) => p - share * along[i]);
}

/** The place of a tile: hundreds in blocks, tens in rows; `open` sets batches apart. */
function placeOf(box: Box, place: number, deal: number, open: number): Tile {
  const [x, y, w, h] = wallRect(box);
  const side = Math.min(w / (COLUMNS + 2), h / (ROWS + 5.5));
  const [block, within] = [Math.floor(place / 100), place % 100];
  const column = (block % 2) * 20 + (within % 20);
  const row = Math.floor(block / 2) * 5 + Math.floor(within / 20);
  const [aside, below] = apart(deal, column, row);
  const left = box.up ? (w - side * (COLUMNS + 1.6 * open)) / 2 : 0;
  return { at: [x + left + side * (column + 0.5 + open * aside), y + side * (row + 0.5 + open * below)], side };
}

/** How many tiles' sides batches of tens or hundreds have moved a tile from where it was. */
function apart(deal: number, column: number, row: number): [number, number] {
  if (deal === 10) return [0.6 * Math.floor(column / 10), 0.22 * row];
  return deal === 100 ? [1.6 * Math.floor(column / 20), 1.3 * Math.floor(row / 5)] : [0, 0];
}

function wallRect(box: Box): Rect {
  const [x, y, w, h] = band(box, "wall");
  return box.up ? [x, y, w, h + 0.02 * box.height] : [x, y, 0.62 * w, 0.565 * box.height];
}

/** Where a dealt digit goes, large. */
function tray(box: Box, i: number, n: number): Tile {
  const [x, y, w, h] = band(box, "head");
  const grid = gridIn([x, y, box.up ? w : 0.62 * w, h], n);
  const [left, top] = tileAt(grid, i);
  return { at: [box.up ? left + (w - grid.side * grid.columns) / 2 : left, top], side: grid.side };
}

function digitsOnWall(pen: Pen, { order }: Dealt): void {
  const { box, session } = pen;
  const { deal } = session.choices;
  const open = pen.span(SHUFFLE[1] - 0.2, SHUFFLE[1] + 0.4, eased.camera);
  const seen = pen.span(0.2, 0.8);
  const n = order.length;
  order.forEach((k, place) => {
    const late = 0.5 * hash(k, 1);
    const s = pen.span(SHUFFLE[0] + late, SHUFFLE[1] - 0.5 + late, eased.camera);
    const stands = blend(placeOf(box, k, deal, 0), placeOf(box, place, deal, open), s);
    const goes = (0.3 * place) / deal;
    const out = deal < n && place < deal ? pen.span(DEAL[0] + goes, DEAL[1] - 0.3 + goes, eased.camera) : 0;
    const stand = out ? blend(stands, tray(box, place, deal), out) : stands;
    const lit = Math.max(swept(pen, k / n), out, calledUp(pen, place, deal, n));
    tile(pen, session.data.digits[k], stand, lit, (0.75 + 0.25 * lit) * seen);
  });
}

/** Whether all are being looked at, this one now. */
function swept(pen: Pen, at: number): number {
  const done = pen.span(...SWEEP);
  if (done === 0 || done === 1) return done * (1 - pen.span(SWEEP[1], SWEEP[1] + 0.3));
  return at <= done ? 1 : 0;
}

/** Batches after the first are lit where they are, one after the other. */
function calledUp(pen: Pen, place: number, deal: number, n: number): number {
  if (deal >= n) return pen.span(...DEAL);
  const batch = Math.floor(place / deal);
  if (batch === 0 || batch >= ARROWS) return 0;
  const start = comes(batch);
  return pen.span(start, start + 0.1) * (1 - pen.span(start + 0.15, start + 0.5));
}

function comes(batch: number): number {
  return mix(...MORE, (batch - 1) / ARROWS);
}

/** Where the tips of arrows are that have grown so far: all of them fit into the fan. */
function fitted(box: Box, arrows: readonly Direction[]) {
  const [x, y, w, h] = fan(box);
  const [long, wide] = box.up ? [h, w] : [w, h];
  const ahead = Math.max(1, ...arrows.map((arrow) => arrow.ahead));
  const behind = Math.max(0, ...arrows.map((arrow) => -arrow.ahead));
  const aside = Math.max(0.01, ...arrows.map((arrow) => Math.abs(arrow.aside)));
  const unit = Math.min(long / (ahead + behind), wide / 2 / aside, 0.85 * long);
  const start: Point = box.up ? [x + w / 2, y + h - unit * behind] : [x + unit * behind, y + h / 2];
  return (arrow: Pick<Direction, "ahead" | "aside">, grown = 1): Point => {
    const [u, v] = [unit * grown * arrow.ahead, unit * grown * arrow.aside];
    return box.up ? [start[0] + v, start[1] - u] : [start[0] + u, start[1] + v];
  };
}

function arrows(pen: Pen, { arrows: all }: Dealt): void {
  const tipOf = fitted(pen.box, all);
  const thick = pen.up ? 9 : 13;
  const arrow = (id: string, one: typeof EVERYBODY, s: number, width: number, ink: Ink, alpha = 1) => {
    if (s > 0) pen.arrow(tipOf(one, 0), tipOf(one, s), width, { id, head: width * 2.4, ink, alpha });
  };
  all.slice(1).forEach((one, i) => {
    const start = comes(i + 1);
    arrow(`batch.${i + 1}`, one, pen.span(start, start + 0.3, eased.arrival), 2, "idle", 0.5);
  });
  arrow("everybody", EVERYBODY, pen.span(SWEEP[1], SWEEP[1] + 0.6, eased.arrival), thick, "mute");
  arrow("batch.0", all[0], pen.span(DEAL[1], DEAL[1] + 0.6, eased.arrival), thick * 0.45, "ink");
}

/** The first batch's step on the edges of the network: more and less. */
function landing(pen: Pen, first: Float64Array): void {
  const seen = pen.span(DEAL[1] + 0.2, DEAL[1] + 0.6) * (1 - pen.span(MORE[0] + 0.6, MORE[0] + 1.2));
  if (seen === 0) return;
  for (const layer of [2, 3]) {
    const edges = edgesInto(pen, layer);
    const largest = largestOf(edges.map(({ index }) => first[index]));
    for (const { index, from, to } of edges) {
      const size = Math.abs(first[index]) / largest;
      const look = { id: `step.${index}`, ink: inkOf(-first[index]), alpha: seen * (0.3 + 0.7 * size) };
      if (size > 0.06) pen.line(from, to, { ...look, width: 0.5 + 3 * size });
    }
  }
}

function captions(pen: Pen, { arrows: all }: Dealt): void {
  const { box, session, up } = pen;
  const { deal } = session.choices;
  const n = session.data.digits.length;
  const size = up ? 11.5 : 14;
  const [x, y, , h] = fan(box);
  const top = y + h + (up ? 34 : 40);
  const angle = Math.round((Math.acos(Math.min(1, all[0].cosine)) * 180) / Math.PI);
  const alpha = pen.span(DEAL[1] + 0.3, DEAL[1] + 0.7);
  const tipOf = fitted(box, all);
  namedAll(pen, tipOf(EVERYBODY, 0), tipOf(EVERYBODY), `all ${whole(n)}`, size, pen.span(SWEEP[1], SWEEP[1] + 0.4));
  const batch = deal >= n ? "the same" : deal === 1 ? "this digit" : `these ${whole(deal)}`;
  named(pen, tipOf(all[0]), batch, -1, size, "ink", alpha);
  pen.figure([x, top], short(all[0].cosine), up ? 24 : 44, { id: "cosine", alpha });
  pen.text([x + (up ? 44 : 84), top + (up ? 2 : 5)], `cosine: ${angle}° apart`, { size, alpha });
}

/** The name of an arrow, below its tip or above. */
function named(pen: Pen, [x, y]: Point, text: string, below: 1 | -1, size: number, ink: Ink, alpha: number): void {
  const at: Point = [Math.min(x, 0.965 * pen.box.width), y + below * 1.6 * size];
  pen.text(at, text, { size, ink, alpha, align: pen.up ? "center" : "right", weight: 600 });
}

/** What everybody's arrow is called: before its tip where there is room, on a phone at its foot. */
function namedAll(pen: Pen, foot: Point, [x, y]: Point, text: string, size: number, alpha: number): void {
  const room = !pen.up && x + 80 <= 0.965 * pen.box.width;
  if (room) pen.text([x + 10, y], text, { size, alpha, weight: 600 });
  else named(pen, pen.up ? foot : [x, y], text, 1, size, "mute", alpha);
}

function draw(pen: Pen): Facts {
  const { box, session, t } = pen;
  const found = dealt(session, session.choices.deal);
  digitsOnWall(pen, found);
  const stop = halfTrained(session);
  const half = readingAt(session, stop);
  const rect = blend([0, 0, box.width, box.height] as Rect, insetRect(box), pen.span(0, 0.9, eased.camera));
  const inset = pen.within(rect);
  landing(inset, found.first);
  if (t >= 0.6) network(inset.with({ reading: half }));
  else dissolve(inset, readingAt(session, lapseOf(session).end), half, pen.span(0, 0.6));
  leave(pen);
  arrows(pen, found);
  captions(pen, found);
  const { steps, accuracy } = stop;
  const [{ cosine, ratio }] = found.arrows;
  return { steps, accuracy, cosine, ratio, cosines: found.arrows.map((one) => one.cosine) };
}

export const scene: Scene = {
  id: "mini-batches",
  seconds: 9,
  look: ({ box }) => insetLook(box),
  draw,
  settled: 3.9,
  describe: teller({
    everybody: () => "What all digits want on average: minus the gradient of the cost.",
    digit: ({ data }, [i]) => `A ${data.digits[i].label} to learn from.`,
    step(session, [i]) {
      const { first } = dealt(session, session.choices.deal);
      return `The first batch wishes ${signed(-first[i])} of ${nameOf(session.data.sizes, i)}.`;
    },
    batch(session, [b]) {
      const { cosine, ratio } = dealt(session, session.choices.deal).arrows[b];
      const long = `it is ${ratio.toFixed(1)} times as long`;
      return `Batch ${b + 1}: its cosine with everybody’s is ${short(cosine)}, and ${long}.`;
    },
  }),
};
