// 3. The negative gradient as a skyline of all knobs; two of them are tried with the same wiggle.

import { scaleLinear } from "d3-scale";
import { eased, mix, span } from "../clock";
import { nameOf } from "../engine";
import { add, empty, type Frame } from "../frame";
import { layoutIn, type Box } from "../layout";
import { precise, short, whole } from "../numbers";
import { costWith, nudges, pair, WIGGLE, type Pair } from "../parts/knobs";
import { beside, dot, line, REACH, shift } from "../parts/lines";
import { network, neuronAt, type Look } from "../parts/network";
import { columns, columnsIn, ground, inkOf, planIn, section, sectionsOf, upright, type Plan } from "../parts/skyline"; // prettier-ignore
import type { Session } from "../session";
import { leave, moved, type Before, type Scene, type Stage } from "../scene";

const LIFT = [3.2, 3.6]; // when the two are lifted out
const TURN = [5, 6.4]; // when they are turned
const TURNING = 0.8;

function look({ box }: Stage): Look {
  return {
    layout: layoutIn(box, "knobs"),
    picture: 0.8,
    idle: [0.8, 0.8],
    trace: [0.35, 0, 0],
    beads: [0.8, 0.8, 0.8],
    names: 0.8,
  };
}

export interface Tried extends Pair {
  before: number;
  /** With one knob turned alone, with the other, and with both. */
  alone: readonly [number, number];
  after: number;
}

/** What the cost does when the two knobs are turned by so many wiggles: worked out, not foretold. */
export function tried(session: Session): Tried {
  const [a, b] = session.choices.knobs;
  return session.once(`tried ${a} ${b}`, () => {
    const two = pair(session);
    const turnA: [number, number] = [two.large, a * WIGGLE];
    const turnB: [number, number] = [two.small, b * WIGGLE];
    const alone = [costWith(session, [turnA]), costWith(session, [turnB])] as const;
    return { ...two, before: session.once("cost", () => costWith(session, [])), alone, after: costWith(session, [turnA, turnB]) }; // prettier-ignore
  });
}

/** How many times longer a move of the cost is drawn than one of a knob: it fits the line. */
function magnified(session: Session): number {
  return Math.max(1, Math.floor(1 / nudges(session)[pair(session).large]));
}

function frame(t: number, stage: Stage, before: Before): Frame {
  const { box, session } = stage;
  const made = empty();
  const shown = moved(t, before, look(stage));
  wished(made, t, stage, shown);
  network(made, box, shown, session.now);
  leave(made, t, before);
  const plan = planIn(box, span(t, LIFT[0], LIFT[0] + 0.9, eased.camera));
  skyline(made, t, stage, plan);
  [pair(session).large, pair(session).small].forEach((knob, i) => {
    edge(made, t, stage, shown, knob, LIFT[i]);
    lifted(made, t, stage, plan, knob, i);
  });
  knobLines(made, t, stage, plan);
  costLine(made, t, stage, plan);
  return made;
}

function skyline(made: Frame, t: number, { box, session }: Stage, plan: Plan): void {
  const all = nudges(session);
  const sections = sectionsOf(session.data.sizes);
  const alpha = mix(1, 0.5, span(t, LIFT[0], LIFT[0] + 0.6));
  ground(made, box, plan, sections, span(t, 0.5, 0.9), span(t, 0.7, 1.1) * (1 - span(t, 3.2, 3.5)));
  sections.forEach((part, l) => {
    const n = columnsIn(plan.sections[l]);
    const shape = session.once(`columns ${l} ${n}`, () => columns(all, part, n));
    section(made, plan, l, shape, most(session), t, 0.7 + 0.6 * l, 1.5 + 0.6 * l, alpha);
  });
  made.facts = {
    up: all.filter((nudge) => nudge > 0).length,
    down: all.filter((nudge) => nudge < 0).length,
    unmoved: all.filter((nudge) => nudge === 0).length,
    largest: most(session),
  };
}

function most(session: Session): number {
  return session.once("largest nudge", () => Math.max(...nudges(session).map(Math.abs)));
}

/** The edges in the colours of what their weights are to do, while the skyline rises. */
function wished(made: Frame, t: number, { box, session }: Stage, shown: Look): void {
  const left = 1 - span(t, LIFT[0], LIFT[0] + 0.4);
  const { net } = session.data;
  const all = nudges(session);
  for (const l of [2, 3]) {
    const seen = span(t, 0.1 + 0.6 * l, 0.6 + 0.6 * l) * left;
    if (seen === 0) continue;
    const { start } = sectionsOf(net.sizes)[l - 1];
    net.w[l - 1].forEach((_, i) => {
      const nudge = all[start + i];
      const share = Math.abs(nudge) / most(session);
      const [j, k] = [Math.floor(i / net.sizes[l - 1]), i % net.sizes[l - 1]];
      const [from, to] = [neuronAt(box, shown, l - 1, k, session.now), neuronAt(box, shown, l, j, session.now)]; // prettier-ignore
      add(made, { kind: "line", from, to, width: 0.5 + 3.5 * share, ink: inkOf(nudge), alpha: Math.min(1, 1.6 * share) * seen }); // prettier-ignore
    });
  }
}

/** The weight itself, in the network. */
function edge(made: Frame, t: number, { box, session }: Stage, shown: Look, knob: number, from: number): void {
  // prettier-ignore
  const [l, j, k] = nameOf(session.data.sizes, knob).match(/\d+/g)!.map(Number);
  const [a, b] = [neuronAt(box, shown, l - 1, k, session.now), neuronAt(box, shown, l, j, session.now)]; // prettier-ignore
  add(made, { kind: "line", id: `w${l}.${j}.${k}`, from: a, to: b, width: box.up ? 2 : 3, ink: inkOf(nudges(session)[knob]), alpha: span(t, from, from + 0.4) }); // prettier-ignore
}

/** One knob's bar out of the skyline, as high as ever, on its way to its number line. */
function lifted(made: Frame, t: number, { box, session }: Stage, plan: Plan, knob: number, i: number): void {
  // prettier-ignore
  const seen = span(t, LIFT[i], LIFT[i] + 0.3);
  if (seen === 0) return;
  const flown = span(t, LIFT[i] + 0.3, LIFT[i] + 1.2, eased.camera);
  const nudge = nudges(session)[knob];
  const l = sectionsOf(session.data.sizes).findLastIndex(({ start }) => knob >= start);
  const { start, count } = sectionsOf(session.data.sizes)[l];
  const [x0, x1] = plan.sections[l];
  const home = mix(x0, x1, (knob - start) / count);
  const height = (Math.abs(nudge) / most(session)) * plan.reach;
  const size = box.up ? 14 : 22;
  const [x, y] = [plan.left, plan.rows[i] - (box.up ? 15 : -size / 2)];
  const bar = upright(mix(home, x, flown), mix(plan.base, y, flown), height, mix(3, box.up ? 6 : 9, seen), nudge); // prettier-ignore
  add(made, { ...bar, id: `nudge.${i}`, alpha: seen });
  const alpha = span(t, LIFT[i] + 1.2, LIFT[i] + 1.5);
  const name = nameOf(session.data.sizes, knob);
  const right = x + (box.up ? 14 : 24);
  const ink = inkOf(nudge);
  add(made, { kind: "text", at: [right, y - size / 2 + 1], text: `+${precise(nudge, 2)}`, size, ink, alpha, weight: 600 }); // prettier-ignore
  const at: [number, number] = box.up ? [right + 58, y - size / 2 + 2] : [right + 90, y - size / 2 + 3]; // prettier-ignore
  add(made, { kind: "text", at, text: name, size: box.up ? 11 : 13, ink: "mute", alpha });
}

function turned(t: number, session: Session, i: number): number {
  return session.choices.knobs[i] * span(t, TURN[i], TURN[i] + TURNING, eased.camera);
}

function knobLines(made: Frame, t: number, { box, session }: Stage, plan: Plan): void {
  [0, 1].forEach((i) => {
    const alpha = span(t, LIFT[i] + 0.9, LIFT[i] + 1.3);
    const y = plan.rows[i];
    const ticks: [number, string][] = [[-1, ""], [0, ""], [1, i ? "" : `a wiggle: ${short(WIGGLE)}`]]; // prettier-ignore
    line(made, plan, y, ticks, box.up ? 10.5 : 13, alpha);
    const by = turned(t, session, i);
    shift(made, plan, y, by, box.up ? 6 : 9, `turned.${i}`);
    dot(made, box, plan, y, by, `knob.${i}`, alpha);
  });
}

/** The cost, on an axis of its own: how far each knob moves it alone, and where it stands. */
function costLine(made: Frame, t: number, { box, session }: Stage, plan: Plan): void {
  const alpha = span(t, 4.4, 4.8);
  if (alpha === 0) return; // what follows takes a while to work out
  const found = tried(session);
  const { before, alone, after } = found;
  const y = plan.rows[2];
  const times = magnified(session);
  const size = box.up ? 10.5 : 13;
  line(made, plan, y, costTicks(before, times), size, alpha);
  const wiggles = (cost: number) => ((cost - before) * times) / WIGGLE;
  const s = TURN.map((from) => span(t, from, from + TURNING, eased.camera));
  const lanes = box.up ? [26, 13] : [36, 18];
  alone.forEach((cost, i) => {
    const ends = TURN[i] + TURNING;
    shift(made, plan, y - lanes[i], wiggles(cost) * s[i], box.up ? 6 : 9, `moved.${i}`);
    if (cost === before) return;
    beside(made, plan, y - lanes[i], cost - before, changed(cost - before), size, span(t, ends, ends + 0.3)); // prettier-ignore
  });
  const at = mix(wiggles(alone[0]) * s[0], wiggles(after), s[1]);
  dot(made, box, plan, y, at, "cost", alpha);
  const now = s[1] === 1 ? after : s[0] === 1 ? alone[0] : before;
  costSaid(made, box, plan, now, times, alpha);
  Object.assign(made.facts, factsOf(session, found));
}

function changed(by: number): string {
  return `${by > 0 ? "+" : ""}${precise(by, 2)}`;
}

function costTicks(before: number, times: number): [number, string][] {
  const half = (REACH * WIGGLE) / times;
  const scale = scaleLinear([before - half, before + half], [-REACH, REACH]);
  const label = scale.tickFormat(3);
  return [[0, ""], ...scale.ticks(3).map((cost): [number, string] => [scale(cost), label(cost)])];
}

function costSaid(made: Frame, box: Box, plan: Plan, cost: number, times: number, alpha: number): void {
  const [x, y] = [plan.left, plan.rows[2]];
  const words = ["cost,", `magnified ${whole(times)} times`];
  const right = plan.line[1];
  add(made,
    { kind: "text", id: "cost.number", at: box.up ? [right, y - 44] : [x, y - 14], text: cost.toFixed(4), size: box.up ? 15 : 22, ink: "ink", alpha, weight: 600, face: "serif", align: box.up ? "right" : "left" },
    { kind: "text", at: box.up ? [x, y - 44] : [x, y + 8], text: words.join(" "), size: box.up ? 11 : 13, ink: "mute", alpha },
  ); // prettier-ignore
}

function factsOf(session: Session, { large, small, ratio, before, alone, after }: Tried) {
  const all = nudges(session);
  return {
    [`nudge of ${nameOf(session.data.sizes, large)}`]: all[large],
    [`nudge of ${nameOf(session.data.sizes, small)}`]: all[small],
    ratio,
    turned: session.choices.knobs.map((by) => by * WIGGLE),
    "cost before": before,
    "cost with each alone": alone,
    "cost after": after,
  };
}

/** What the marks of a knob, and of the cost, show. */
function describe(id: string, session: Session, { facts }: Frame): string | undefined {
  const [kind, i] = id.split(".");
  const { large, small } = pair(session);
  const knob = i === "1" ? small : large;
  const name = nameOf(session.data.sizes, knob);
  if (kind === "nudge") {
    return `The negative gradient says +${precise(nudges(session)[knob], 3)} of ${name}.`;
  }
  if (kind === "knob" || kind === "turned") {
    return `${name} is turned by ${precise(session.choices.knobs[Number(i)] * WIGGLE, 2)}.`;
  }
  if (kind !== "moved" && kind !== "cost") return undefined;
  const before = facts["cost before"] as number;
  if (kind === "cost") {
    return `The average cost was ${before.toFixed(5)} and is ${(facts["cost after"] as number).toFixed(5)} with both turned.`;
  }
  const alone = (facts["cost with each alone"] as readonly number[])[Number(i)];
  return `Turning ${name} alone changes the average cost by ${precise(alone - before, 3)}.`;
}

export const scene: Scene = {
  id: "which-way-down",
  seconds: 9,
  look,
  frame,
  words(session) {
    const { large, small, ratio } = pair(session);
    const [more, less] = [large, small].map((knob) => precise(nudges(session)[knob], 2));
    return { large: more, small: less, ratio: String(Math.round(ratio)) };
  },
  describe,
  settled: 8,
};
