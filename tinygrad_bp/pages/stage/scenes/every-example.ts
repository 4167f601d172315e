// 10. What eight digits want of the same weights, column by column, and what they want on average.

import { eased, mix } from "../clock";
import { cosine, gradient, nameOf } from "../engine";
import { inkOf, type Facts } from "../frame";
import { around, between, layoutOf, type Point } from "../layout";
import { short, signed, whole } from "../numbers";
import { dissolve } from "../parts/inset";
import { knobAt, lookOf } from "../parts/network";
import { largestOf } from "../parts/nudges";
import { outlined } from "../parts/wishes";
import type { Pen } from "../pen";
import { everybody, halfTrained, lapseOf, readingAt } from "../run";
import { leave, teller, type Scene } from "../scene";
import type { Session } from "../session";

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

/** Of each kind, how many rows that all digits want, and how many on which the eight cancel. */
const KINDS = { W3: [3, 3], W2: [1, 2], b3: [1, 1], W1: [0, 1] };

/**
 * Rows by rule: of each kind, among the third that matters most to the eight, those which most of
 * them have a say in and all digits want, and those on which the eight cancel; at first one, then
 * two, and so on, into the same neuron.
 */
function chosen({ data: { sizes } }: Session, each: Float64Array[], all: Float64Array): number[] {
  const heard = all.map((_, i) => each.reduce((sum, wish) => sum + Math.abs(wish[i]), 0));
  const voices = (i: number) => heard[i] / largestOf(each.map((wish) => wish[i]));
  const agree = (i: number) => Math.abs(each.reduce((sum, wish) => sum + wish[i], 0)) / (heard[i] || 1);
  const want = (i: number) => Math.abs(all[i]) * voices(i);
  const cancel = (i: number) => voices(i) * (1 - agree(i));
  const names = Array.from(all, (_, i) => nameOf(sizes, i));
  const into = (i: number) => names[i].replace(/,.*|b|W/g, "").replace("]", "");
  const rows: number[] = [];
  for (const [kind, counts] of Object.entries(KINDS)) {
    const found = names.flatMap((name, i) => (name.startsWith(kind) ? i : []));
    const third = found.sort((a, b) => heard[b] - heard[a]).slice(0, Math.ceil(found.length / 3));
    [want, cancel].forEach((by, rule) => {
      const best = [...third].sort((a, b) => by(b) - by(a));
      for (let n = 0; n < counts[rule]; n += 1) {
        const left = best.filter((i) => !rows.includes(i)).slice(0, 200);
        const taken = (i: number) => rows.filter((row) => into(row) === into(i)).length;
        const fewest = Math.min(...left.map(taken));
        rows.push(left.find((i) => taken(i) === fewest)!);
      }
    });
  }
  return rows.sort((a, b) => heightOf(sizes, a) - heightOf(sizes, b));
}

/** Where it stands across the flow: rows are in this order, so that their leads do not cross. */
function heightOf(sizes: readonly number[], index: number): number {
  const { layer, j, k } = knobAt(sizes, index);
  const to = (j + 0.5) / sizes[layer];
  return k === null || layer === 1 ? to : (to + (k + 0.5) / sizes[layer - 1]) / 2;
}

const LAYOUTS = {
  right: layoutOf([0, 0.5, 0], [0.035, 0.115, 0.195], 0.17, [4, 4, 5], [1, 1]),
  up: layoutOf([0, 0.5, 0], [0.035, 0.105, 0.175], 0.06, [3, 3, 4], [1, 1]),
};

/** The table of columns, in u, and of rows, in v; the size of the digits, in pixels. */
const TABLES = {
  right: { first: 0.335, apart: 0.0685, average: 0.93, head: 0.07, top: 0.17, bottom: 0.93, size: 44 },
  up: { first: 0.285, apart: 0.0695, average: 0.905, head: 0.055, top: 0.145, bottom: 0.955, size: 25 },
};
const REACH = 0.031; // of a row's largest wish, in u: to the next column

/** The rows from the top, with their v. */
function rowsAt(pen: Pen, { rows }: Wishes): { row: number; v: number }[] {
  const { top, bottom } = pen.pick(TABLES);
  return rows.map((row, i) => ({ row, v: mix(top, bottom, i / (rows.length - 1)) }));
}

function columnAt(pen: Pen, d: number): number {
  const { first, apart } = pen.pick(TABLES);
  return first + apart * d;
}

/** The length in u of a row's wish. */
function lengthOf({ each, all }: Wishes, row: number, wish: number): number {
  return (wish / largestOf([...each, all].map((of) => of[row]))) * REACH;
}

/** The average of those that are heard. */
export function average(found: Wishes, heard: readonly boolean[]): Float64Array {
  const on = found.each.filter((_, d) => heard[d]);
  return found.all.map((_, i) => on.reduce((sum, wish) => sum + wish[i], 0) / (on.length || 1));
}

/** A hair line from a weight in the network to its row, and the edge itself. */
function leads(pen: Pen, found: Wishes): void {
  const alpha = pen.span(0.6, 1);
  rowsAt(pen, found).forEach(({ row, v }) => {
    const { layer, j, k } = knobAt(pen.session.data.sizes, row);
    const to = pen.neuron(layer, j);
    const edge = k === null || layer === 1 ? null : pen.neuron(layer - 1, k);
    const start = pen.at(columnAt(pen, 0) - REACH * 1.15, v);
    const end = pen.at(pen.pick(TABLES).average + REACH * 1.3, v);
    pen.line(edge ? between(edge, to, 0.6) : to, start, { alpha: alpha * 0.5 });
    pen.line(start, end, { ink: "hair", alpha: alpha * 0.6 });
    const id = `row.${row}`;
    const rim = around(to, pen.layout.radii[layer - 1] + 3);
    if (edge) pen.line(edge, to, { id, width: 1.8, ink: "ink", alpha: alpha * 0.85 });
    else pen.bar(rim, { id, radius: 9, outline: 1.6, alpha });
  });
}

function axisLine(pen: Pen, u: number, alpha: number): void {
  const { top, bottom } = pen.pick(TABLES);
  pen.line(pen.at(u, top - 0.03), pen.at(u, bottom + 0.03), { alpha: 0.4 * alpha });
}

/** When the n-th column does what all do, one after the other, between two times. */
function turnOf(d: number, { each }: Wishes, [from, to]: readonly [number, number]): number {
  return mix(from, to - AT_ONCE, d / each.length);
}

/** One digit's wishes: its picture, and a bar for each row. */
function column(pen: Pen, found: Wishes, d: number): void {
  const { data, choices } = pen.session;
  const comes = turnOf(d, found, COMES);
  const heard = choices.columns[d] ? 1 : 0.25;
  const u = columnAt(pen, d);
  const { index, pixels } = data.digits[data.shown[d]];
  const alpha = pen.span(comes, comes + 0.3) * heard;
  const { head, size } = pen.pick(TABLES);
  const scale = pen.up ? 1 : Math.min(1.2, pen.box.height / 704);
  pen.picture(pen.at(u, head), size * scale, pixels, { id: `digit.${index}`, alpha });
  axisLine(pen, u, alpha);
  rowsAt(pen, found).forEach(({ row, v }, i) => {
    const start = comes + (0.35 * i) / found.rows.length;
    const grown = pen.span(start, start + 0.4, eased.arrival);
    bar(pen, `column.${d}.${row}`, u, lengthOf(found, row, found.each[d][row]) * grown, v, heard);
  });
}

function bar(pen: Pen, id: string, from: number, length: number, v: number, alpha: number): void {
  if (Math.abs(length) * pen.along < 0.3) return;
  pen.strip(from, from + length, v, pen.up ? 11 : 20, { id, ink: inkOf(length), alpha, radius: 1 });
}

/** Each digit's bars go to the average, where an eighth of them is added to what is there. */
function joining(pen: Pen, found: Wishes): void {
  const u = pen.pick(TABLES).average;
  const heard = [...found.each.keys()].filter((d) => pen.session.choices.columns[d]);
  const share = enlarged(found) / heard.length;
  rowsAt(pen, found).forEach(({ row, v }) => {
    let sum = 0;
    for (const d of heard) {
      const joins = turnOf(d, found, JOINS);
      const length = lengthOf(found, row, found.each[d][row]);
      const s = pen.span(joins, joins + AT_ONCE, eased.travel);
      if (s === 1) sum += share * length;
      else if (s > 0) bar(pen, "", mix(columnAt(pen, d), u + sum, s), length * mix(1, share, s), v, 0.8);
    }
    bar(pen, `average.${row}`, u, sum, v, 1);
  });
}

/** How many times as large averages are drawn: much of what the digits want cancels. */
function enlarged(found: Wishes): number {
  const lengths = found.rows.flatMap((row) => {
    const mean = found.each.reduce((sum, wish) => sum + wish[row], 0) / found.each.length;
    return [mean, found.all[row]].map((wish) => lengthOf(found, row, wish));
  });
  return Math.max(1, Math.min(4, Math.floor((1.6 * REACH) / largestOf(lengths))));
}

/** What all digits want, as outlines round what the eight want on average. */
function ofAll(pen: Pen, found: Wishes, near: number): void {
  const u = pen.pick(TABLES).average;
  const alpha = pen.span(6.4, 6.9);
  const shown = pen.span(JOINS[0] - 0.3, JOINS[0]);
  const large = enlarged(found);
  rowsAt(pen, found).forEach(({ row, v }) => {
    const length = large * lengthOf(found, row, found.all[row]);
    outlined(pen, `all.${row}`, u, length, v, pen.up ? 15 : 26, alpha);
  });
  axisLine(pen, u, shown);
  captions(pen, large > 1 ? `average × ${large}` : "average", short(near), shown, alpha);
}

/** What the last column is, and how near it comes. */
function captions(pen: Pen, title: string, near: string, shown: number, alpha: number): void {
  const { average, head } = pen.pick(TABLES);
  const [x, y] = pen.at(average, head);
  const align = pen.up ? "left" : "center";
  const ys = pen.up ? [-30, -4, 11] : [-21, 2, 22];
  const sizes = pen.up ? [11, 17, 10] : [13, 24, 12];
  const at = (line: number): Point => [pen.up ? 6 : x, y + ys[line]];
  pen.text(at(0), title, { size: sizes[0], ink: "ink", alpha: shown, align, weight: 600 });
  pen.figure(at(1), near, sizes[1], { id: "cosine", alpha, align });
  const note = pen.up ? "cosine" : `cosine to all ${whole(pen.session.data.digits.length)}`;
  pen.text(at(2), note, { size: sizes[2], alpha, align });
}

function draw(pen: Pen): Facts {
  const { session } = pen;
  const found = wishes(session);
  const half = halfTrained(session);
  leads(pen, found);
  dissolve(pen, session.now, readingAt(session, half), pen.span(0.1, 0.8));
  leave(pen);
  found.each.forEach((_, d) => column(pen, found, d));
  const { columns } = session.choices;
  const { mean, near } = session.once(`columns ${columns.join()}`, () => {
    const mean = average(found, columns);
    return { mean, near: cosine(mean, found.all) };
  });
  joining(pen, found);
  ofAll(pen, found, near);
  return {
    steps: half.steps,
    accuracy: half.accuracy,
    average: found.rows.map((row) => mean[row]),
    all: found.rows.map((row) => found.all[row]),
    cosine: near,
    "cosines of pairs": session.once("pairs", () => pairs(found)),
  };
}

/** How far any two of the shown digits agree. */
export function pairs({ each }: Wishes): number[] {
  return each.flatMap((wish, d) => each.slice(0, d).map((other) => cosine(wish, other)));
}

export const scene: Scene = {
  id: "every-example",
  seconds: 9,
  look({ box }) {
    const beads = [0.85, 0.85, 0.85];
    return lookOf(box.up ? LAYOUTS.up : LAYOUTS.right, { picture: 0, idle: [0.6, 0.6], beads, names: 0 });
  },
  draw,
  settled: 4.4,
  trains: (session) => [lapseOf(session)],
  describe: teller({
    column(session, [d, row]) {
      const { digits, shown, sizes } = session.data;
      const wish = wishes(session).each[d][row];
      return `The ${digits[shown[d]].label} wishes ${signed(wish)} of ${nameOf(sizes, row)}.`;
    },
    digit: ({ data }, [index]) => `A ${data.digits[index].label}, and what it alone would change.`,
    average(session, [row]) {
      const mean = average(wishes(session), session.choices.columns)[row];
      return `On average, the digits that are on wish ${signed(mean)} of ${nameOf(session.data.sizes, row)}.`;
    },
    all(session, [row]) {
      const { digits, sizes } = session.data;
      return `On average, all ${whole(digits.length)} wish ${signed(wishes(session).all[row])} of ${nameOf(sizes, row)}.`;
    },
    row(session, [row]) {
      const now = halfTrained(session).net.vector[row];
      return `This is ${nameOf(session.data.sizes, row)}: ${short(now)} now.`;
    },
  }),
  words: ({ data }) => ({ digits: whole(data.digits.length) }),
};
