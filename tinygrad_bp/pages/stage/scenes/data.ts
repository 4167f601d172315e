// 14. Labelled digits pour in, and the more there are, the more is read correctly; guessed labels cost.

import { scaleLinear, scaleLog } from "d3-scale";
import { eased, mix, span } from "../clock";
import type { Facts, Ink } from "../frame";
import { between, layoutOf, type Box, type Point } from "../layout";
import { percent, whole } from "../numbers";
import { lookOf, network, type Light } from "../parts/network";
import { rectIn, tileAt, type Grid } from "../parts/wall";
import type { Pen, Rect } from "../pen";
import { hash } from "../random";
import { learned } from "../run";
import { leave, teller, type Scene } from "../scene";
import { reading, type Session } from "../session";

const EACH = 100; // digits that a small picture stands for
const FIRST = [0.9, 2.6] as const; // the chosen number pours in,
const REST = [4.6, 5.5] as const; // and then all the others
const GUESSED = [6, 6.8] as const; // labels turn into guesses,
const FALL = [6.6, 7.4] as const; // and the curve answers
const PULSE = 0.55; // seconds in which a digit runs through the network
const SAMPLES = 3;

/** The small network between the digits and the curve. */
const LAYOUTS = {
  right: layoutOf([0.4, 0.5, 28], [0.43, 0.495, 0.56], [0.29, 0.29, 0.34], [5, 5, 7], [0.58, 0.6]),
  up: layoutOf([0.4, 0.5, 20], [0.435, 0.495, 0.555], [0.12, 0.12, 0.2], [3.5, 3.5, 5], [0.58, 0.6]),
};

/** Where samples, small pictures and the curve stand. */
function samplesIn(box: Box): Rect {
  const [x, y, w, h] = rectIn(box, box.up ? [0.04, 0.615, 0.92, 0] : [0.035, 0.075, 0.34, 0.105]);
  return [x, y, w, box.up ? 40 : h];
}

function wallIn({ up, width: w, height: h }: Box): Grid {
  if (up) return { corner: [0.04 * w, 0.745 * h], columns: 40, side: (0.92 * w) / 40 };
  return { corner: [0.035 * w, 0.225 * h], columns: 20, side: Math.min((0.34 * w) / 20, (0.7 * h) / 30) };
}

function chartIn(box: Box): Rect {
  return rectIn(box, box.up ? [0.05, 0.055, 0.87, 0.29] : [0.63, 0.13, 0.32, 0.66]);
}

// --- how many there are -----------------------------------------------------------------------

function chosen({ data, choices }: Session): number {
  return Math.min(choices.amount, data.amount.digits.length - 1);
}

/** The chosen number of digits, and all of them. */
function amounts(session: Session): [number, number] {
  const { digits } = session.data.amount;
  return [digits[chosen(session)], digits[digits.length - 1]];
}

/** How many digits have poured in: from one picture to the chosen number, then to all. */
function poured(pen: Pen): number {
  const [some, all] = amounts(pen.session);
  if (pen.t < FIRST[0]) return 0;
  const [from, to, s] = pen.t < REST[0] ? [EACH, some, pen.span(...FIRST)] : [some, all, pen.span(...REST)];
  return Math.round(from * Math.pow(to / from, s));
}

/** When picture i arrives: `poured` the other way round. */
function arrival(i: number, session: Session): number {
  const [some, all] = amounts(session);
  const wanted = (i + 1) * EACH;
  const way = (from: number, to: number) => (to > from ? Math.log(wanted / from) / Math.log(to / from) : 0);
  return wanted <= some ? mix(...FIRST, way(EACH, some)) : mix(...REST, way(some, all));
}

/** How far the label of picture i has turned into a guess, if it is one. */
function turned(pen: Pen, i: number): number {
  if (hash(i, 43) >= pen.session.data.wrong.share) return 0;
  const start = mix(GUESSED[0], GUESSED[1] - 0.3, hash(i, 44));
  return pen.span(start, start + 0.3);
}

// --- the wall ---------------------------------------------------------------------------------

function wall(pen: Pen): void {
  const grid = wallIn(pen.box);
  const [left, top] = grid.corner;
  const { digits } = pen.session.data;
  const [, all] = amounts(pen.session);
  for (let i = 0; i < Math.floor(all / EACH); i += 1) {
    const start = arrival(i, pen.session);
    if (pen.t < start) break;
    const s = pen.span(start, start + 0.35, eased.arrival);
    const [x, y] = tileAt(grid, i);
    const look = { look: "plain", lit: 0.1, alpha: s * (1 - 0.8 * turned(pen, i)) } as const;
    pen.picture([x, y - (1 - s) * 2.5 * grid.side], grid.side - 1.5, digits[i % digits.length].pixels, look);
  }
  const note = { size: pen.up ? 11.5 : 13, alpha: pen.span(1.1, 1.5) };
  pen.text([left, top - (pen.up ? 10 : 12)], "each stands for a hundred", note);
}

/** A few digits with their labels; one label turns out to be a guess. */
function samples(pen: Pen): void {
  const [left, y, width, height] = samplesIn(pen.box);
  const size = Math.min(height, 60);
  const middle = y + size / 2;
  const large = pen.up ? 22 : 30;
  pen.session.data.digits.slice(0, SAMPLES).forEach(({ pixels, label }, i) => {
    const alpha = pen.span(0.5 + 0.15 * i, 0.9 + 0.15 * i);
    const x = left + (i * width) / SAMPLES;
    const guess = i === 1 ? pen.span(...GUESSED) : 0;
    const name = x + size + (pen.up ? 16 : 18);
    const digit = (at: number, text: number, alpha: number) =>
      pen.figure([at, middle + 1], String(text), large, { alpha, align: "center" });
    pen.picture([x + size / 2 + 4, middle], size - 12, pixels, { id: `sample.${i}`, alpha });
    digit(name, label, alpha * (1 - 0.65 * guess));
    const strike = { width: 2, ink: "ink", alpha: guess } as const;
    pen.line([name - large * 0.4, middle], [name + large * 0.4, middle], strike);
    digit(name + large * 0.8, (label + 5) % 10, guess);
  });
}

// --- the curve --------------------------------------------------------------------------------

type At = (n: number, accuracy: number) => Point;

function scales(box: Box, digits: readonly number[]): At {
  const [x, y, width, height] = chartIn(box);
  const along = scaleLog([digits[0], digits[digits.length - 1]], [x, x + width]);
  const up = scaleLinear([0, 1], [y + height, y]);
  return (n, accuracy) => [along(n), up(accuracy)];
}

/** The points of a curve up to n, the last one on the line between two that were measured. */
function until(digits: readonly number[], values: readonly number[], n: number, at: At): Point[] {
  const value = scaleLog(digits, values);
  const measured = digits.filter((each) => each <= n);
  const between = measured.length && measured.length < digits.length ? [at(n, value(n))] : [];
  return [...measured.map((each, i) => at(each, values[i])), ...between];
}

function axes(pen: Pen, at: At): void {
  const { digits } = pen.session.data.amount;
  const [first, last] = [digits[0], digits[digits.length - 1]];
  const alpha = pen.span(0.4, 0.9);
  const size = pen.up ? 11 : 13;
  for (const share of [0, 0.5, 1]) pen.line(at(first, share), at(last, share), { ink: share ? "hair" : "mute", alpha });
  const [x, y] = at(first, 1);
  pen.text([x, y - 13], pen.up ? "100 % read correctly" : "100 %", { alpha });
  if (!pen.up) pen.text([x, y - 36], "unseen digits read correctly", { alpha });
  const [right, floor] = at(last, 0);
  for (const n of digits.filter((n) => Number.isInteger(Math.log10(n)) || n === last)) {
    const align = n === last ? "right" : n === first ? "left" : "center";
    pen.text([at(n, 0)[0], floor + size + 3], whole(n), { alpha, align });
  }
  pen.text([right, floor + 2.4 * size + 4], "labelled digits", { alpha, align: "right" });
}

function curves(pen: Pen, at: At): void {
  const { amount, wrong } = pen.session.data;
  const points = until(amount.digits, amount.accuracy, poured(pen), at);
  const [, floor] = at(amount.digits[0], 0);
  const width = pen.up ? 2 : 2.6;
  pen.path(points, { id: "curve", width, alpha: pen.span(FIRST[0], FIRST[0] + 0.2), floor, fill: "hair" });
  const fall = pen.span(...FALL, eased.camera);
  const fallen = amount.digits.map((n, i) => between(at(n, amount.accuracy[i]), at(n, wrong.accuracy[i]), fall));
  const alpha = pen.span(FALL[0], FALL[0] + 0.2);
  pen.path(fallen, { id: "fallen", width: width * 0.8, ink: "mute", alpha, dash: [6, 4] });
}

/** What the chosen number buys, what all of them buy, and what guessed labels take away. */
function values(pen: Pen, at: At): void {
  const { amount, wrong } = pen.session.data;
  const i = chosen(pen.session);
  const last = amount.digits.length - 1;
  const large = pen.up ? 19 : 28;
  const right = i === last; // of the chart: then the numbers stand on the left
  const value = (share: number, at: Point, alpha: number, size: number, ink: Ink) =>
    pen.figure(at, percent(share), size, { ink, alpha, align: right ? "right" : "center" });
  const high = at(amount.digits[i], amount.accuracy[i]);
  const low = at(amount.digits[i], wrong.accuracy[i]);
  const [x, y] = high;
  const landed = pen.span(FIRST[1], FIRST[1] + 0.3);
  pen.bead(high, pen.up ? 4.5 : 6, 1, landed, `accuracy.${i}`);
  value(amount.accuracy[i], [x, y - large * 0.95], landed, large, "ink");
  if (!right) {
    const end = at(amount.digits[last], amount.accuracy[last]);
    pen.bead(end, pen.up ? 3.5 : 4.5, 1, pen.span(REST[1], REST[1] + 0.3), `accuracy.${last}`);
  }
  const fall = pen.span(...FALL, eased.camera);
  const width = pen.up ? 7 : 10;
  const tip: Point = [x, mix(y, low[1], fall)];
  if (fall) pen.arrow([x, y + (pen.up ? 5 : 7)], tip, width, { id: `lost.${i}`, ink: "minus" });
  const aside: Point = [x + (right ? -width : width + large * 0.7), low[1] + large * 0.6];
  value(wrong.accuracy[i], aside, pen.span(FALL[1], FALL[1] + 0.3), large * 0.8, "mute");
}

// --- the scene --------------------------------------------------------------------------------

/** One digit after the other runs through while they pour in; then it is dark. */
function light({ t }: Pen): Light {
  const s = ((t - FIRST[0]) % PULSE) / PULSE;
  const shining = (t > FIRST[0] && t < FIRST[1]) || (t > REST[0] && t < REST[1]);
  return { rows: 0, legs: [0, 1, 2].map((l) => (shining ? span(s, 0.3 * l, 0.3 * l + 0.3) : 0)) };
}

function running({ t, session }: Pen) {
  const { digits } = session.data;
  const i = Math.max(0, Math.floor((t - FIRST[0]) / PULSE)) % digits.length;
  const digit = t < REST[1] ? digits[i] : session.digit;
  return session.once(`running ${digit.index}`, () => reading(learned(session), digit));
}

function draw(pen: Pen): Facts {
  const { amount, wrong } = pen.session.data;
  const at = scales(pen.box, amount.digits);
  leave(pen);
  wall(pen);
  samples(pen);
  axes(pen, at);
  curves(pen, at);
  network(pen.with({ reading: running(pen) }), light(pen));
  values(pen, at);
  return {
    "labelled digits": poured(pen),
    digits: amount.digits,
    accuracy: amount.accuracy,
    "share of guessed labels": wrong.share,
    "accuracy with guesses": wrong.accuracy,
    lost: amount.accuracy.map((p, k) => p - wrong.accuracy[k]),
    "chosen number": amounts(pen.session)[0],
  };
}

function unbroken(text: string): string {
  return text.replace(" ", "\u00a0");
}

export const scene: Scene = {
  id: "data",
  seconds: 8.5,
  look: ({ box }) =>
    lookOf(box.up ? LAYOUTS.up : LAYOUTS.right, { picture: 0, idle: [0.5, 0.5], trace: [0, 0.9, 0.9], names: 0 }),
  draw,
  describe: teller({
    accuracy({ data: { amount } }, [i]) {
      return `${whole(amount.digits[i])} labelled digits: ${percent(amount.accuracy[i])} are read correctly.`;
    },
    lost({ data: { amount, wrong } }, [i]) {
      const [share, left] = [percent(wrong.share), percent(wrong.accuracy[i])];
      return `${whole(amount.digits[i])} labelled digits, ${share} of the labels guessed: ${left} are read correctly.`;
    },
  }),
  settled: FIRST[0],
  words(session) {
    const { amount, wrong } = session.data;
    const i = chosen(session);
    return {
      amount: whole(amount.digits[i]),
      buys: unbroken(percent(amount.accuracy[i])),
      guessed: unbroken(percent(wrong.accuracy[i])),
    };
  },
};
