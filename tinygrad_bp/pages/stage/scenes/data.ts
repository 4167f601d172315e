// 14. Labelled digits pour in, and the more there are, the more is read rightly; guessed labels cost.

import { scaleLinear, scaleLog } from "d3-scale";
import { eased, mix, span } from "../clock";
import { add, empty, type Frame } from "../frame";
import type { Box, Layout, Point } from "../layout";
import { percent, whole } from "../numbers";
import { network, type Light, type Look } from "../parts/network";
import { hash } from "../random";
import { learned } from "../run";
import { reading, type Session } from "../session";
import { leave, moved, type Before, type Scene, type Stage } from "../scene";

const EACH = 100; // digits that a small picture stands for
const FIRST = [0.9, 2.6] as const; // the chosen number pours in,
const REST = [4.6, 5.5] as const; // and then all the others
const GUESSED = [6, 6.8] as const; // labels turn into guesses,
const FALL = [6.6, 7.4] as const; // and the curve answers
const PULSE = 0.55; // seconds in which a digit runs through the network
const SAMPLES = 3;

type Rect = readonly [number, number, number, number];

/** Where the parts stand, in pixels. The flow: digits, the network, what it has learned. */
interface Rooms {
  samples: Rect;
  wall: { corner: Point; columns: number; tile: number };
  chart: Rect;
}

function rooms({ width: w, height: h, up }: Box): Rooms {
  if (up) {
    const [columns, wide] = [40, 0.92 * w];
    return {
      samples: [0.04 * w, 0.615 * h, wide, 40],
      wall: { corner: [0.04 * w, 0.745 * h], columns, tile: wide / columns },
      chart: [0.05 * w, 0.055 * h, 0.87 * w, 0.29 * h],
    };
  }
  const tile = Math.min((0.34 * w) / 20, (0.7 * h) / 30);
  return {
    samples: [0.035 * w, 0.075 * h, 0.34 * w, 0.105 * h],
    wall: { corner: [0.035 * w, 0.225 * h], columns: 20, tile },
    chart: [0.63 * w, 0.13 * h, 0.32 * w, 0.66 * h],
  };
}

const SMALL: Record<"right" | "up", Layout> = {
  right: {
    picture: { u: 0.4, v: 0.5, size: 28 },
    columns: [0.43, 0.495, 0.56],
    margins: [0.29, 0.29, 0.34],
    radii: [5, 5, 7],
    gauge: [0.58, 0.6],
  },
  up: {
    picture: { u: 0.4, v: 0.5, size: 20 },
    columns: [0.435, 0.495, 0.555],
    margins: [0.12, 0.12, 0.2],
    radii: [3.5, 3.5, 5],
    gauge: [0.58, 0.6],
  },
};

function look({ box }: Stage): Look {
  return {
    layout: box.up ? SMALL.up : SMALL.right,
    picture: 0,
    idle: [0.5, 0.5],
    trace: [0, 0.9, 0.9],
    beads: [1, 1, 1],
    names: 0,
  };
}

// --- how many there are -----------------------------------------------------------------------

function chosen({ data, choices }: Session): number {
  return Math.min(choices.amount, data.amount.digits.length - 1);
}

/** How many digits have poured in: from one picture to the chosen number, then to all. */
function poured(t: number, session: Session): number {
  const { digits } = session.data.amount;
  const some = digits[chosen(session)];
  const all = digits[digits.length - 1];
  if (t < FIRST[0]) return 0;
  const [from, to, s] = t < REST[0] ? [EACH, some, span(t, ...FIRST)] : [some, all, span(t, ...REST)];
  return Math.round(from * Math.pow(to / from, s));
}

/** When picture i arrives: `poured` the other way round. */
function arrival(i: number, session: Session): number {
  const { digits } = session.data.amount;
  const some = digits[chosen(session)];
  const wanted = (i + 1) * EACH;
  const way = (from: number, to: number) => (to > from ? Math.log(wanted / from) / Math.log(to / from) : 0); // prettier-ignore
  if (wanted <= some) return mix(...FIRST, way(EACH, some));
  return mix(...REST, way(some, digits[digits.length - 1]));
}

function isGuessed(i: number, session: Session): boolean {
  return hash(i, 43) < session.data.wrong.share;
}

/** How far the label of picture i has turned into a guess. */
function turned(t: number, i: number, session: Session): number {
  if (!isGuessed(i, session)) return 0;
  const start = mix(GUESSED[0], GUESSED[1] - 0.3, hash(i, 44));
  return span(t, start, start + 0.3);
}

// --- the wall ---------------------------------------------------------------------------------

function wall(made: Frame, t: number, { box, session }: Stage): void {
  const { corner, columns, tile } = rooms(box).wall;
  const { digits, amount } = session.data;
  const count = Math.floor(amount.digits[amount.digits.length - 1] / EACH);
  for (let i = 0; i < count; i += 1) {
    const start = arrival(i, session);
    if (t < start) break;
    const s = span(t, start, start + 0.35, eased.arrival);
    const [column, row] = [i % columns, Math.floor(i / columns)];
    const at: Point = [corner[0] + (column + 0.5) * tile, corner[1] + (row + 0.5) * tile - (1 - s) * 2.5 * tile];
    const alpha = s * (1 - 0.8 * turned(t, i, session));
    const { pixels } = digits[i % digits.length];
    add(made, { kind: "picture", at, size: tile - 1.5, pixels, rows: 28, alpha, look: "plain", lit: 0.1 }); // prettier-ignore
  }
  const above = corner[1] - (box.up ? 10 : 12);
  const size = box.up ? 11.5 : 13;
  add(made, { kind: "text", at: [corner[0], above], text: "each stands for a hundred", size, ink: "mute", alpha: span(t, 1.1, 1.5) }); // prettier-ignore
}

/** A few digits with their labels; one label turns out to be a guess. */
function samples(made: Frame, t: number, { box, session }: Stage): void {
  const [x, y, width, height] = rooms(box).samples;
  const size = Math.min(height, 60);
  const pitch = width / SAMPLES;
  for (let i = 0; i < SAMPLES; i += 1) {
    const { pixels, label } = session.data.digits[i];
    const alpha = span(t, 0.5 + 0.15 * i, 0.9 + 0.15 * i);
    const left = x + i * pitch;
    const middle = y + size / 2;
    const guess = i === 1 ? span(t, ...GUESSED) : 0;
    const large = box.up ? 22 : 30;
    const name = left + size + (box.up ? 16 : 18);
    add(made,
      { kind: "picture", id: `sample.${i}`, at: [left + size / 2 + 4, middle], size: size - 12, pixels, rows: 28, alpha },
      { kind: "text", at: [name, middle + 1], text: String(label), size: large, ink: "ink", alpha: alpha * (1 - 0.65 * guess), align: "center", weight: 600, face: "serif" },
      { kind: "line", from: [name - large * 0.4, middle], to: [name + large * 0.4, middle], width: 2, ink: "ink", alpha: guess },
      { kind: "text", at: [name + large * 0.8, middle + 1], text: String((label + 5) % 10), size: large, ink: "ink", alpha: guess, align: "center", weight: 600, face: "serif" },
    ); // prettier-ignore
  }
}

// --- the curve --------------------------------------------------------------------------------

type At = (n: number, accuracy: number) => Point;

function scales(box: Box, digits: readonly number[]): At {
  const [x, y, width, height] = rooms(box).chart;
  const along = scaleLog([digits[0], digits[digits.length - 1]], [x, x + width]);
  const up = scaleLinear([0, 1], [y + height, y]);
  return (n, accuracy) => [along(n), up(accuracy)];
}

/** The points of a curve up to n, the last one on the line between two that were measured. */
function until(digits: readonly number[], values: readonly number[], n: number, at: At): Point[] {
  const points = digits.map((each, i) => at(each, values[i]));
  const next = digits.findIndex((each) => each > n);
  if (next < 0) return points;
  if (next === 0) return [];
  const [a, b] = [points[next - 1], points[next]];
  const s = (at(n, 0)[0] - a[0]) / (b[0] - a[0]);
  return [...points.slice(0, next), [mix(a[0], b[0], s), mix(a[1], b[1], s)]];
}

function axes(made: Frame, t: number, { box, session }: Stage, at: At): void {
  const { digits } = session.data.amount;
  const last = digits[digits.length - 1];
  const alpha = span(t, 0.4, 0.9);
  const size = box.up ? 11 : 13;
  for (const share of [0, 0.5, 1]) {
    const ink = share ? "hair" : "mute";
    add(made, { kind: "line", from: at(digits[0], share), to: at(last, share), width: 1, ink, alpha }); // prettier-ignore
  }
  const [x, y] = at(digits[0], 1);
  add(made, { kind: "text", at: [x, y - (box.up ? 13 : 32)], text: box.up ? "100 % read rightly" : "100 % of unseen digits read rightly", size, ink: "mute", alpha }); // prettier-ignore
  const ticks = digits.filter((n) => Number.isInteger(Math.log10(n)) || n === last);
  for (const n of ticks) {
    const [left, floor] = at(n, 0);
    const align = n === last ? "right" : n === digits[0] ? "left" : "center";
    add(made, { kind: "text", at: [left, floor + size + 3], text: whole(n), size, ink: "mute", alpha, align }); // prettier-ignore
  }
  const [right, floor] = at(last, 0);
  add(made, { kind: "text", at: [right, floor + 2.4 * size + 4], text: "labelled digits", size, ink: "mute", alpha, align: "right" }); // prettier-ignore
}

function curves(made: Frame, t: number, { box, session }: Stage, at: At): void {
  const { amount, wrong } = session.data;
  const points = until(amount.digits, amount.accuracy, poured(t, session), at);
  const [, floor] = at(amount.digits[0], 0);
  const width = box.up ? 2 : 2.6;
  add(made, { kind: "path", id: "curve", points, width, ink: "ink", alpha: span(t, FIRST[0], FIRST[0] + 0.2), floor, fill: "hair" }); // prettier-ignore
  const fall = span(t, ...FALL, eased.camera);
  const fallen = amount.digits.map((n, i): Point => {
    const [x, y] = at(n, amount.accuracy[i]);
    return [x, mix(y, at(n, wrong.accuracy[i])[1], fall)];
  });
  add(made, { kind: "path", id: "fallen", points: fallen, width: width * 0.8, ink: "mute", alpha: span(t, FALL[0], FALL[0] + 0.2), dash: [6, 4] }); // prettier-ignore
}

/** What the chosen number buys, what all of them buy, and what guessed labels take away. */
function values(made: Frame, t: number, stage: Stage, at: At): void {
  const { box, session } = stage;
  const { amount, wrong } = session.data;
  const i = chosen(session);
  const last = amount.digits.length - 1;
  const large = box.up ? 19 : 28;
  const right = i === last; // of the chart: then the numbers stand on the left
  const value = (share: number, at: Point, alpha: number, size: number, ink: "ink" | "mute") =>
    add(made, { kind: "text", at, text: percent(share), size, ink, alpha, align: right ? "right" : "center", weight: 600, face: "serif" }); // prettier-ignore
  const [x, y] = at(amount.digits[i], amount.accuracy[i]);
  const landed = span(t, FIRST[1], FIRST[1] + 0.3);
  add(made, { kind: "bead", id: `accuracy.${i}`, at: [x, y], radius: box.up ? 4.5 : 6, lit: 1, alpha: landed }); // prettier-ignore
  value(amount.accuracy[i], [x, y - large * 0.95], landed, large, "ink");
  if (!right) {
    const end = at(amount.digits[last], amount.accuracy[last]);
    const there = span(t, REST[1], REST[1] + 0.3);
    add(made, { kind: "bead", id: `accuracy.${last}`, at: end, radius: box.up ? 3.5 : 4.5, lit: 1, alpha: there }); // prettier-ignore
  }
  const fall = span(t, ...FALL, eased.camera);
  const low = at(amount.digits[i], wrong.accuracy[i]);
  const width = box.up ? 7 : 10;
  add(made, { kind: "arrow", id: `lost.${i}`, from: [x, y + (box.up ? 5 : 7)], to: [x, mix(y, low[1], fall)], width, head: 2 * width, ink: "minus", alpha: fall ? 1 : 0 }); // prettier-ignore
  const aside: Point = [low[0] + (right ? -width : width + large * 0.7), low[1] + large * 0.6];
  value(wrong.accuracy[i], aside, span(t, FALL[1], FALL[1] + 0.3), large * 0.8, "mute"); // prettier-ignore
}

// --- the scene --------------------------------------------------------------------------------

/** One digit after the other runs through while they pour in; then it is dark. */
function light(t: number): Light {
  const s = ((t - FIRST[0]) % PULSE) / PULSE;
  const shining = (t > FIRST[0] && t < FIRST[1]) || (t > REST[0] && t < REST[1]);
  const leg = (l: number) => (shining ? span(s, 0.3 * l, 0.3 * l + 0.3) : 0);
  return { rows: 0, legs: [leg(0), leg(1), leg(2)] };
}

function running(t: number, session: Session) {
  const { digits } = session.data;
  const i = Math.max(0, Math.floor((t - FIRST[0]) / PULSE)) % digits.length;
  const net = learned(session);
  const digit = t < REST[1] ? digits[i] : session.digit;
  return session.once(`running ${digit.index}`, () => reading(net, digit));
}

function frame(t: number, stage: Stage, before: Before): Frame {
  const { box, session } = stage;
  const { amount, wrong } = session.data;
  const made = empty();
  const at = scales(box, amount.digits);
  leave(made, t, before);
  wall(made, t, stage);
  samples(made, t, stage);
  axes(made, t, stage, at);
  curves(made, t, stage, at);
  network(made, box, moved(t, before, look(stage)), running(t, session), light(t));
  values(made, t, stage, at);
  const i = chosen(session);
  made.facts = {
    "labelled digits": poured(t, session),
    digits: amount.digits,
    accuracy: amount.accuracy,
    "share of guessed labels": wrong.share,
    "accuracy with guesses": wrong.accuracy,
    lost: amount.accuracy.map((p, k) => p - wrong.accuracy[k]),
    "chosen number": amount.digits[i],
  };
  return made;
}

function describe(id: string, { data: { amount, wrong } }: Session): string | undefined {
  const [kind, place] = id.split(".");
  const i = Number(place);
  const many = `${whole(amount.digits[i])} labelled digits`;
  if (kind === "accuracy") return `${many}: ${percent(amount.accuracy[i])} are read rightly.`;
  if (kind !== "lost") return undefined;
  const [share, left] = [percent(wrong.share), percent(wrong.accuracy[i])];
  return `${many}, ${share} of the labels guessed: ${left} are read rightly.`;
}

function unbroken(text: string): string {
  return text.replace(" ", "\u00a0");
}

export const scene: Scene = {
  id: "data",
  seconds: 8.5,
  look,
  frame,
  describe,
  settled: FIRST[0],
  words: (session) => {
    const { amount, wrong } = session.data;
    const i = chosen(session);
    return {
      amount: whole(amount.digits[i]),
      buys: unbroken(percent(amount.accuracy[i])),
      guessed: unbroken(percent(wrong.accuracy[i])),
    };
  },
};
