// 10. What eight digits want of the same weights, column by column, and what they want on average.

import { eased, mix, span } from "../clock";
import { cosine, gradient, nameOf } from "../engine";
import { add, empty, type Frame } from "../frame";
import { along, neuron, place, strip, type Box, type Layout, type Point } from "../layout";
import { short, signed, whole } from "../numbers";
import { dissolve } from "../parts/inset";
import { network, type Look } from "../parts/network";
import { inkOf } from "../parts/wishes";
import { everybody, halfTrained, lapseOf, readingAt } from "../run";
import type { Session } from "../session";
import { leave, moved, type Before, type Scene, type Stage } from "../scene";

const COMES = [0.8, 3] as const; // seconds in which the columns come
const JOINS = [4.4, 6.1] as const; // seconds in which they are averaged
const AT_ONCE = 0.5;

interface Wishes {
  /** Minus the gradient of each shown digit, and of all that the network learns from. */
  each: Float64Array[];
  all: Float64Array;
  /** Places of the vector that have a row. */
  rows: number[];
}

export function wishes(session: Session): Wishes {
  return session.once("columns", () => {
    const { digits, shown } = session.data;
    const { net } = halfTrained(session);
    const wish = (slopes: Float64Array) => slopes.map((slope) => -slope);
    const each = shown.map((index) => wish(gradient(net, [digits[index]])));
    const all = wish(everybody(session));
    return { each, all, rows: chosen(session, each, all) };
  });
}

const KINDS = [
  ["W3", 3, "want"],
  ["W3", 3, "cancel"],
  ["W2", 1, "want"],
  ["W2", 2, "cancel"],
  ["b3", 1, "want"],
  ["b3", 1, "cancel"],
  ["W1", 1, "cancel"],
] as const;

/**
 * Rows by rule: of each kind, among the third that matters most to the eight, those which most of
 * them have a say in and all digits want, and those on which the eight cancel; at first one, then
 * two, and so on, into the same neuron.
 */
function chosen({ data }: Session, each: Float64Array[], all: Float64Array): number[] {
  const sizes = all.map((_, i) => each.reduce((sum, wish) => sum + Math.abs(wish[i]), 0));
  const voices = (i: number) => sizes[i] / (Math.max(...each.map((wish) => Math.abs(wish[i]))) || 1); // prettier-ignore
  const agree = (i: number) => Math.abs(each.reduce((sum, wish) => sum + wish[i], 0)) / (sizes[i] || 1); // prettier-ignore
  const by = {
    want: (i: number) => Math.abs(all[i]) * voices(i),
    cancel: (i: number) => voices(i) * (1 - agree(i)),
  };
  const names = Array.from(all, (_, i) => nameOf(data.sizes, i));
  const into = (i: number) => names[i].replace(/,.*|b|W/g, "").replace("]", "");
  const rows: number[] = [];
  for (const [kind, count, rule] of KINDS) {
    const found = names.flatMap((name, i) => (name.startsWith(kind) ? i : []));
    const third = found.sort((a, b) => sizes[b] - sizes[a]).slice(0, Math.ceil(found.length / 3));
    const best = third.sort((a, b) => by[rule](b) - by[rule](a));
    for (let n = 0; n < count; n += 1) {
      const left = best.filter((i) => !rows.includes(i)).slice(0, 200);
      const taken = (i: number) => rows.filter((row) => into(row) === into(i)).length;
      const fewest = Math.min(...left.map(taken));
      rows.push(left.find((i) => taken(i) === fewest)!);
    }
  }
  return rows.sort((a, b) => heightOf(data.sizes, a) - heightOf(data.sizes, b));
}

interface Source {
  layer: number;
  j: number;
  k: number | null;
}

/** Whose weight or bias it is. */
function source(sizes: readonly number[], index: number): Source {
  const [, kind, layer, j, k] = /(.)(\d+)\[(\d+),?(\d+)?\]/.exec(nameOf(sizes, index))!;
  return { layer: Number(layer), j: Number(j), k: kind === "W" ? Number(k) : null };
}

/** Where it stands across the flow: rows are in this order, so that their leads do not cross. */
function heightOf(sizes: readonly number[], index: number): number {
  const { layer, j, k } = source(sizes, index);
  const to = (j + 0.5) / sizes[layer];
  return k === null || layer === 1 ? to : (to + (k + 0.5) / sizes[layer - 1]) / 2;
}

function layout(box: Box): Layout {
  return box.up
    ? { picture: { u: 0, v: 0.5, size: 0 }, columns: [0.035, 0.105, 0.175], margins: [0.06, 0.06, 0.06], radii: [3, 3, 4], gauge: [1, 1] }
    : { picture: { u: 0, v: 0.5, size: 0 }, columns: [0.035, 0.115, 0.195], margins: [0.17, 0.17, 0.17], radii: [4, 4, 5], gauge: [1, 1] }; // prettier-ignore
}

function look({ box }: Stage): Look {
  return {
    layout: layout(box),
    picture: 0,
    idle: [0.6, 0.6],
    trace: [0, 0, 0],
    beads: [0.85, 0.85, 0.85],
    names: 0,
  };
}

/** The table of columns, in u, and of rows, in v. */
function cells({ up }: Box) {
  return up
    ? { first: 0.285, apart: 0.0695, average: 0.905, reach: 0.031, head: 0.055, top: 0.145, bottom: 0.955, size: 25 }
    : { first: 0.335, apart: 0.0685, average: 0.93, reach: 0.031, head: 0.07, top: 0.17, bottom: 0.93, size: 44 }; // prettier-ignore
}

function rowAt(box: Box, i: number, n: number): number {
  const { top, bottom } = cells(box);
  return mix(top, bottom, i / (n - 1));
}

function columnAt(box: Box, d: number): number {
  const { first, apart } = cells(box);
  return first + apart * d;
}

/** The length in u of a row's wish: the row's largest reaches to the next column. */
function lengthIn(box: Box, { each, all }: Wishes, row: number, wish: number): number {
  const largest = Math.max(...[...each, all].map((of) => Math.abs(of[row]))) || 1;
  return (wish / largest) * cells(box).reach;
}

/** When digit d's column comes, and when it joins the average. */
function times(d: number, count: number): { comes: number; joins: number } {
  return {
    comes: mix(COMES[0], COMES[1] - AT_ONCE, d / count),
    joins: mix(JOINS[0], JOINS[1] - AT_ONCE, d / count),
  };
}

/** The average of those that are heard. */
export function average(found: Wishes, heard: readonly boolean[]): Float64Array {
  const on = found.each.filter((_, d) => heard[d]);
  return found.all.map((_, i) => on.reduce((sum, wish) => sum + wish[i], 0) / (on.length || 1));
}

/** A hair line from a weight in the network to its row, and the edge itself. */
function leads(made: Frame, t: number, { box, session }: Stage, shown: Look, found: Wishes): void {
  const { sizes } = session.data;
  const alpha = span(t, 0.6, 1);
  const at = (l: number, j: number) => neuron(box, shown.layout, l, j, sizes[l]);
  found.rows.forEach((row, i) => {
    const { layer, j, k } = source(sizes, row);
    const to = at(layer, j);
    const edge = k === null || layer === 1 ? null : at(layer - 1, k);
    const from: Point = edge ? [mix(edge[0], to[0], 0.6), mix(edge[1], to[1], 0.6)] : to;
    const v = rowAt(box, i, found.rows.length);
    const start = place(box, columnAt(box, 0) - cells(box).reach * 1.15, v);
    const end = place(box, cells(box).average + cells(box).reach * 1.3, v);
    add(made,
      { kind: "line", from, to: start, width: 1, ink: "mute", alpha: alpha * 0.5 },
      { kind: "line", from: start, to: end, width: 1, ink: "hair", alpha: alpha * 0.6 },
    ); // prettier-ignore
    if (edge) add(made, { kind: "line", id: `row.${row}`, from: edge, to, width: 1.8, ink: "ink", alpha: alpha * 0.85 }); // prettier-ignore
    else add(made, { kind: "bar", id: `row.${row}`, rect: around(to, shown.layout.radii[layer - 1] + 3), radius: 9, ink: "ink", outline: 1.6, alpha }); // prettier-ignore
  });
}

function around([x, y]: Point, r: number): number[] {
  return [x - r, y - r, 2 * r, 2 * r];
}

function axisLine(made: Frame, box: Box, u: number, alpha: number): void {
  const { top, bottom } = cells(box);
  const [from, to] = [place(box, u, top - 0.03), place(box, u, bottom + 0.03)];
  add(made, { kind: "line", from, to, width: 1, ink: "mute", alpha: 0.4 * alpha });
}

/** One digit's wishes: its picture, and a bar for each row. */
function column(made: Frame, t: number, { box, session }: Stage, found: Wishes, d: number): void {
  const { digits, shown } = session.data;
  const { comes } = times(d, shown.length);
  const heard = session.choices.columns[d] ? 1 : 0.25;
  const u = columnAt(box, d);
  const digit = digits[shown[d]];
  const alpha = span(t, comes, comes + 0.3) * heard;
  const at = place(box, u, cells(box).head);
  const size = cells(box).size * (box.up ? 1 : Math.min(1.2, box.height / 704));
  add(made, { kind: "picture", id: `digit.${digit.index}`, at, size, pixels: digit.pixels, rows: 28, alpha }); // prettier-ignore
  axisLine(made, box, u, alpha);
  found.rows.forEach((row, i) => {
    const start = comes + (0.35 * i) / found.rows.length;
    const grown = span(t, start, start + 0.4, eased.arrival);
    const length = lengthIn(box, found, row, found.each[d][row]);
    bar(made, box, `column.${d}.${row}`, u, u + length * grown, rowAt(box, i, found.rows.length), heard); // prettier-ignore
  });
}

function bar(
  made: Frame,
  box: Box,
  id: string,
  from: number,
  to: number,
  v: number,
  alpha: number,
  thick = box.up ? 11 : 20,
): void {
  // prettier-ignore
  if (Math.abs(to - from) * along(box) < 0.3) return;
  add(made, { kind: "bar", id, rect: strip(box, from, to, v, thick), ink: inkOf(to - from), alpha, radius: 1 }); // prettier-ignore
}

/** Each digit's bars go to the average, where an eighth of them is added to what is there. */
function joining(made: Frame, t: number, { box, session }: Stage, found: Wishes): void {
  const { average: u } = cells(box);
  const heard = found.each.map((_, d) => d).filter((d) => session.choices.columns[d]);
  const large = enlarged(box, found);
  found.rows.forEach((row, i) => {
    const v = rowAt(box, i, found.rows.length);
    let sum = 0;
    for (const d of heard) {
      const { joins } = times(d, found.each.length);
      const length = lengthIn(box, found, row, found.each[d][row]);
      const s = span(t, joins, joins + AT_ONCE, eased.travel);
      if (s === 1) sum += (large * length) / heard.length;
      else if (s > 0) {
        const from = mix(columnAt(box, d), u + sum, s);
        bar(made, box, "", from, from + length * mix(1, large / heard.length, s), v, 0.8);
      }
    }
    bar(made, box, `average.${row}`, u, u + sum, v, 1);
  });
}

/** How many times as large averages are drawn: much of what the digits want cancels. */
function enlarged(box: Box, found: Wishes): number {
  const longest = found.rows.flatMap((row) => {
    const mean = found.each.reduce((sum, wish) => sum + wish[row], 0) / found.each.length;
    return [mean, found.all[row]].map((wish) => Math.abs(lengthIn(box, found, row, wish)));
  });
  return Math.max(1, Math.min(4, Math.floor((1.6 * cells(box).reach) / Math.max(...longest))));
}

/** What all digits want, as outlines round what the eight want on average. */
function ofAll(made: Frame, t: number, { box, session }: Stage, found: Wishes, near: number): void {
  const { average: u, head } = cells(box);
  const alpha = span(t, 6.4, 6.9);
  const shown = span(t, JOINS[0] - 0.3, JOINS[0]);
  const large = enlarged(box, found);
  found.rows.forEach((row, i) => {
    const length = large * lengthIn(box, found, row, found.all[row]);
    const rect = strip(box, u, u + length, rowAt(box, i, found.rows.length), box.up ? 15 : 26);
    if (Math.abs(length) * along(box) > 1.5) add(made, { kind: "bar", id: `all.${row}`, rect, ink: "ink", alpha, outline: 1.2, dash: [3, 2.5] }); // prettier-ignore
  });
  axisLine(made, box, u, shown);
  const title = large > 1 ? `average × ${large}` : "average";
  captions(made, box, place(box, u, head), [title, short(near), `cosine to all ${whole(session.data.digits.length)}`], [shown, alpha]); // prettier-ignore
}

/** What the last column is, and how near it comes. */
function captions(
  made: Frame,
  box: Box,
  [x, y]: Point,
  [title, near, note]: readonly string[],
  [shown, alpha]: readonly number[],
): void {
  const lines = box.up
    ? { x: 6, ys: [y - 30, y - 4, y + 11], sizes: [11, 17, 10] }
    : { x, ys: [y - 21, y + 2, y + 22], sizes: [13, 24, 12] };
  const [first, second, third] = lines.ys.map((at): Point => [lines.x, at]);
  const align = box.up ? "left" : "center";
  add(made,
    { kind: "text", at: first, text: title, size: lines.sizes[0], ink: "ink", alpha: shown, align, weight: 600 },
    { kind: "text", id: "cosine", at: second, text: near, size: lines.sizes[1], ink: "ink", alpha, align, weight: 600, face: "serif" },
    { kind: "text", at: third, text: box.up ? "cosine" : note, size: lines.sizes[2], ink: "mute", alpha, align },
  ); // prettier-ignore
}

function frame(t: number, stage: Stage, before: Before): Frame {
  const { box, session } = stage;
  const made = empty();
  const found = wishes(session);
  const half = readingAt(session, halfTrained(session));
  const shown = moved(t, before, look(stage));
  leads(made, t, stage, shown, found);
  if (t < 0.8) dissolve(made, box, shown, [session.now, half], span(t, 0.1, 0.8));
  else network(made, box, shown, half);
  leave(made, t, before);
  session.data.shown.forEach((_, d) => column(made, t, stage, found, d));
  const { columns } = session.choices;
  const { mean, near } = session.once(`columns ${columns.join()}`, () => {
    const mean = average(found, columns);
    return { mean, near: cosine(mean, found.all) };
  });
  joining(made, t, stage, found);
  ofAll(made, t, stage, found, near);
  made.facts = {
    steps: halfTrained(session).steps,
    accuracy: halfTrained(session).accuracy,
    average: found.rows.map((row) => mean[row]),
    all: found.rows.map((row) => found.all[row]),
    cosine: near,
    "cosines of pairs": session.once("pairs", () => pairs(found)),
  };
  return made;
}

/** How far any two of the shown digits agree. */
export function pairs({ each }: Wishes): number[] {
  return each.flatMap((wish, d) => each.slice(0, d).map((other) => cosine(wish, other)));
}

function describe(id: string, session: Session): string | undefined {
  const { data, choices } = session;
  const [kind, a, b] = id.split(".");
  const found = wishes(session);
  const name = (index: string) => nameOf(data.sizes, Number(index));
  switch (kind) {
    case "column":
      return `The ${data.digits[data.shown[Number(a)]].label} wishes ${signed(found.each[Number(a)][Number(b)])} of ${name(b)}.`;
    case "digit":
      return `A ${data.digits[Number(a)].label}, and what it alone would change.`;
    case "average":
      return `On average, the digits that are on wish ${signed(average(found, choices.columns)[Number(a)])} of ${name(a)}.`;
    case "all":
      return `On average, all ${whole(data.digits.length)} wish ${signed(found.all[Number(a)])} of ${name(a)}.`;
    case "row":
      return `This is ${name(a)}: ${short(halfTrained(session).net.vector[Number(a)])} now.`;
    default:
      return undefined;
  }
}

export const scene: Scene = {
  id: "every-example",
  seconds: 9,
  look,
  frame,
  settled: 4.4,
  trains: (session) => [lapseOf(session)],
  describe,
  words: ({ data }) => ({ digits: whole(data.digits.length) }),
};
