// 3. The negative gradient as a skyline of all knobs; two of them are tried with the same wiggle.

import { scaleLinear } from "d3-scale";
import { eased, mix } from "../clock";
import { nameOf } from "../engine";
import { inkOf, type Facts } from "../frame";
import { layoutIn } from "../layout";
import { precise, short, whole } from "../numbers";
import { costWith, nudges, pair, WIGGLE } from "../parts/knobs";
import { beside, dot, line, REACH, shift } from "../parts/lines";
import { edgesInto, knobAt, lookOf, network } from "../parts/network";
import { columns, columnsIn, ground, planIn, section, sectionsOf, upright, type Plan } from "../parts/skyline";
import type { Pen } from "../pen";
import { leave, teller, type Scene } from "../scene";
import type { Session } from "../session";

const LIFT = [3.2, 3.6]; // when the two are lifted out
const TURN = [5, 6.4]; // when they are turned
const TURNING = 0.8;

/** What the cost does when one knob is turned alone, the other, and both: worked out, not foretold. */
export function tried(session: Session) {
  const { knobs } = session.choices;
  return session.once(`tried ${knobs.join(" ")}`, () => {
    const two = pair(session);
    const turns = [two.large, two.small].map((knob, i): [number, number] => [knob, knobs[i] * WIGGLE]);
    const before = session.once("cost", () => costWith(session, []));
    return { ...two, before, alone: turns.map((turn) => costWith(session, [turn])), after: costWith(session, turns) };
  });
}

/** How many times longer a move of the cost is drawn than one of a knob: it fits the line. */
function magnified(session: Session): number {
  return Math.max(1, Math.floor(1 / nudges(session)[pair(session).large]));
}

function draw(pen: Pen): Facts {
  wished(pen);
  network(pen);
  leave(pen);
  const plan = planIn(pen.box, pen.span(LIFT[0], LIFT[0] + 0.9, eased.camera));
  const facts = skyline(pen, plan);
  const { large, small } = pair(pen.session);
  [large, small].forEach((knob, i) => {
    edge(pen, knob, LIFT[i]);
    lifted(pen, plan, knob, i);
  });
  knobLines(pen, plan);
  return { ...facts, ...costLine(pen, plan) };
}

function skyline(pen: Pen, plan: Plan): Facts {
  const { session } = pen;
  const all = nudges(session);
  const largest = most(session);
  const sections = sectionsOf(session.data.sizes);
  const alpha = mix(1, 0.5, pen.span(LIFT[0], LIFT[0] + 0.6));
  ground(pen, plan, sections, pen.span(0.5, 0.9), pen.span(0.7, 1.1) * (1 - pen.span(3.2, 3.5)));
  sections.forEach((part, l) => {
    const n = columnsIn(plan.sections[l]);
    const shape = session.once(`columns ${l} ${n}`, () => columns(all, part, n));
    section(pen, plan, l, shape, largest, alpha);
  });
  const count = (sign: number) => all.filter((nudge) => Math.sign(nudge) === sign).length;
  return { up: count(1), down: count(-1), unmoved: count(0), largest };
}

function most(session: Session): number {
  return session.once("largest nudge", () => Math.max(...nudges(session).map(Math.abs)));
}

/** The edges in the colours of what their weights are to do, while the skyline rises. */
function wished(pen: Pen): void {
  const left = 1 - pen.span(LIFT[0], LIFT[0] + 0.4);
  for (const layer of [2, 3]) {
    const seen = pen.span(0.1 + 0.6 * layer, 0.6 + 0.6 * layer) * left;
    if (seen === 0) continue;
    for (const { index, from, to } of edgesInto(pen, layer)) {
      const nudge = nudges(pen.session)[index];
      const share = Math.abs(nudge) / most(pen.session);
      pen.line(from, to, { width: 0.5 + 3.5 * share, ink: inkOf(nudge), alpha: Math.min(1, 1.6 * share) * seen });
    }
  }
}

/** The weight itself, in the network. */
function edge(pen: Pen, knob: number, from: number): void {
  const { layer, j, k } = knobAt(pen.session.data.sizes, knob);
  const ink = inkOf(nudges(pen.session)[knob]);
  const look = { id: `w${layer}.${j}.${k}`, width: pen.up ? 2 : 3, ink, alpha: pen.span(from, from + 0.4) };
  pen.line(pen.neuron(layer - 1, k!), pen.neuron(layer, j), look);
}

/** One knob's bar out of the skyline, as high as ever, on its way to its number line. */
function lifted(pen: Pen, plan: Plan, knob: number, i: number): void {
  const { session, up } = pen;
  const seen = pen.span(LIFT[i], LIFT[i] + 0.3);
  if (seen === 0) return;
  const flown = pen.span(LIFT[i] + 0.3, LIFT[i] + 1.2, eased.camera);
  const nudge = nudges(session)[knob];
  const { sizes } = session.data;
  const l = knobAt(sizes, knob).layer - 1;
  const { start, count } = sectionsOf(sizes)[l];
  const home = mix(...plan.sections[l], (knob - start) / count);
  const height = (Math.abs(nudge) / most(session)) * plan.reach;
  const size = up ? 14 : 22;
  const [x, y] = [plan.left, plan.rows[i] - (up ? 15 : -size / 2)];
  const width = mix(3, up ? 6 : 9, seen);
  const ink = inkOf(nudge);
  const rect = upright(mix(home, x, flown), mix(plan.base, y, flown), height, width, nudge);
  pen.bar(rect, { id: `nudge.${i}`, ink, alpha: seen });
  const alpha = pen.span(LIFT[i] + 1.2, LIFT[i] + 1.5);
  const [right, middle] = [x + (up ? 14 : 24), y - size / 2 + 1];
  pen.text([right, middle], `+${precise(nudge, 2)}`, { size, ink, alpha, weight: 600 });
  pen.text(up ? [right + 66, middle + 1] : [right + 104, middle + 2], nameOf(sizes, knob), { alpha });
}

function knobLines(pen: Pen, plan: Plan): void {
  plan.rows.slice(0, 2).forEach((y, i) => {
    const alpha = pen.span(LIFT[i] + 0.9, LIFT[i] + 1.3);
    const named = (at: number) => (at === 1 && i === 0 ? `a wiggle: ${short(WIGGLE)}` : "");
    const ticks = [-1, 0, 1].map((at): [number, string] => [at, named(at)]);
    line(pen, plan, y, ticks, alpha);
    const by = pen.session.choices.knobs[i] * turned(pen, i);
    shift(pen, plan, y, by, `turned.${i}`);
    dot(pen, plan, y, by, `knob.${i}`, alpha);
  });
}

/** How far a knob has been turned. */
function turned(pen: Pen, i: number): number {
  return pen.span(TURN[i], TURN[i] + TURNING, eased.camera);
}

/** The cost, on an axis of its own: how far each knob moves it alone, and where it stands. */
function costLine(pen: Pen, plan: Plan): Facts {
  const alpha = pen.span(4.4, 4.8);
  if (alpha === 0) return {}; // what follows takes a while to work out
  const { session } = pen;
  const { before, alone, after } = tried(session);
  const y = plan.rows[2];
  const times = magnified(session);
  line(pen, plan, y, costTicks(before, times), alpha);
  const wiggles = (cost: number) => ((cost - before) * times) / WIGGLE;
  const s = [turned(pen, 0), turned(pen, 1)];
  const lanes = pen.up ? [26, 13] : [36, 18];
  alone.forEach((cost, i) => {
    const [by, ends] = [cost - before, TURN[i] + TURNING];
    shift(pen, plan, y - lanes[i], wiggles(cost) * s[i], `moved.${i}`);
    const text = `${by > 0 ? "+" : ""}${precise(by, 2)}`;
    if (by) beside(pen, plan, y - lanes[i], by, text, pen.span(ends, ends + 0.3));
  });
  dot(pen, plan, y, mix(wiggles(alone[0]) * s[0], wiggles(after), s[1]), "cost", alpha);
  costSaid(pen, plan, s[1] === 1 ? after : s[0] === 1 ? alone[0] : before, alpha);
  return factsOf(session);
}

function costTicks(before: number, times: number): [number, string][] {
  const half = (REACH * WIGGLE) / times;
  const scale = scaleLinear([before - half, before + half], [-REACH, REACH]);
  const label = scale.tickFormat(3);
  return [[0, ""], ...scale.ticks(3).map((cost): [number, string] => [scale(cost), label(cost)])];
}

function costSaid(pen: Pen, { left, line: [, right], rows }: Plan, cost: number, alpha: number): void {
  const y = rows[2];
  const words = `cost, magnified ${whole(magnified(pen.session))} times`;
  const look = { id: "cost.number", alpha, align: pen.up ? "right" : "left" } as const;
  pen.figure(pen.up ? [right, y - 44] : [left, y - 14], cost.toFixed(4), pen.up ? 15 : 22, look);
  pen.text([left, pen.up ? y - 44 : y + 8], words, { alpha });
}

function factsOf(session: Session): Facts {
  const { large, small, ratio, before, alone, after } = tried(session);
  const nudge = (knob: number) => ({ [`nudge of ${nameOf(session.data.sizes, knob)}`]: nudges(session)[knob] });
  return {
    ...nudge(large),
    ...nudge(small),
    ratio,
    turned: session.choices.knobs.map((by) => by * WIGGLE),
    "cost before": before,
    "cost with each alone": alone,
    "cost after": after,
  };
}

/** The first or the second knob, and its name. */
function named(session: Session, i: number): [number, string] {
  const { large, small } = pair(session);
  const knob = i === 1 ? small : large;
  return [knob, nameOf(session.data.sizes, knob)];
}

function turnedSaid(session: Session, [i]: number[]): string {
  return `${named(session, i)[1]} is turned by ${precise(session.choices.knobs[i] * WIGGLE, 2)}.`;
}

export const scene: Scene = {
  id: "which-way-down",
  seconds: 9,
  look({ box }) {
    const all = [0.8, 0.8, 0.8];
    return lookOf(layoutIn(box, "knobs"), { picture: 0.8, idle: all, trace: [0.35, 0, 0], beads: all, names: 0.8 });
  },
  draw,
  words(session) {
    const { large, small, ratio } = pair(session);
    const [more, less] = [large, small].map((knob) => precise(nudges(session)[knob], 2));
    return { large: more, small: less, ratio: String(Math.round(ratio)) };
  },
  describe: teller({
    nudge(session, [i]) {
      const [knob, name] = named(session, i);
      return `The negative gradient says +${precise(nudges(session)[knob], 3)} of ${name}.`;
    },
    knob: turnedSaid,
    turned: turnedSaid,
    moved(session, [i]) {
      const { alone, before } = tried(session);
      return `Turning ${named(session, i)[1]} alone changes the average cost by ${precise(alone[i] - before, 3)}.`;
    },
    cost(session) {
      const { before, after } = tried(session);
      return `The average cost was ${before.toFixed(5)} and is ${after.toFixed(5)} with both turned.`;
    },
  }),
  settled: 8,
};
