// The numbers of the case on the stage, for the drawer's formulas: what stands in their braces.

import { checked, gradient, nameOf, placeOf, received, wish } from "./engine";
import { told } from "./describe";
import { percent, precise, whole } from "./numbers";
import { WORK } from "./run";
import { nearest } from "./scenes/what-it-wants";
import type { Reading, Session } from "./session";

/** Numbers are written as `told` writes them; texts stay. */
type Words = Record<string, number | string>;
type Case = (session: Session, reading: Reading) => Words;

const WIGGLE = 0.001;
const RATE = 1.5; // of scene 11's first step
const SHOWN = 4; // terms of a long sum, the last among them

function biggest(values: ArrayLike<number>): number {
  const sizes = Array.from(values, Math.abs);
  return sizes.indexOf(Math.max(...sizes));
}

function sum(terms: readonly string[]): string {
  const kept = terms.length > 10 ? [...terms.slice(0, SHOWN - 1), "…", terms.at(-1)!] : terms;
  return kept.join(" + ").replaceAll("+ −", "− ") || "0";
}

/** Numbers to the same decimals, so many that the largest of them shows. */
function alike(values: readonly number[]): string[] {
  const most = Math.max(...values.map(Math.abs)) || 1;
  const decimals = Math.max(2, 1 - Math.floor(Math.log10(most)));
  return values.map((x) => x.toFixed(decimals).replace(/^(-?)(0(?=\.))?/, (_, minus) => (minus ? "−" : "")));
}

/** The edge into the voter from neuron k, and what the voter wishes of its weighted sum. */
function edge({ voter }: Session, { net, pass, deltas }: Reading, k: number) {
  return { voter, k, w: net.w[2][voter * net.sizes[2] + k], a: pass[2][k], delta: -deltas[2][voter] };
}

const CASES: Record<string, Case> = {
  "feed-forward": (_, { net, pass, answer }) => {
    const terms = Array.from(pass[2], (a, k) => `${told(net.w[2][answer * 16 + k])}·${told(a)}`);
    return { terms: sum([...terms, told(net.b[2][answer])]), answer, level: precise(pass[3][answer]) };
  },
  "how-wrong": (_, { pass, label, cost }) => ({
    squares: sum(Array.from(pass[3], (a, j) => `(${told(a)} − ${Number(j === label)})^2`)),
    cost: precise(cost),
  }),
  "which-way-down": (_, { net, digit, label }) => {
    const index = biggest(gradient(net, [digit]));
    const { slope, costs } = checked(net, digit, index, WIGGLE);
    const [expected, really] = [slope * WIGGLE, costs[2] - costs[1]].map((x) => precise(x));
    return { name: nameOf(net.sizes, index), slope: precise(slope), expected, really, label };
  },
  "what-it-wants": (_, reading) => {
    const { pass, label, gaps } = reading;
    const near = nearest(reading);
    const [level, other] = [pass[3][label], pass[3][near]];
    return { label, near, level, other, wish: `+${told(wish(gaps[label]))}`, less: wish(gaps[near]) };
  },
  "three-ways": (session) => {
    const found = edge(session, session.now, biggest(session.now.pass[2]));
    const nudges = [1, found.a, found.w].map((by) => told(by * found.delta));
    return { ...found, nudges: nudges.join(", ") };
  },
  "bang-for-the-buck": (session, reading) => {
    const found = edge(session, reading, biggest(reading.pass[2]));
    return { ...found, nudge: found.delta * found.a };
  },
  "asks-before": (session, reading) => {
    const asked = reading.asked[session.voter];
    const k = biggest(asked);
    return { ...edge(session, reading, k), asked: asked[k] };
  },
  "ten-voters": ({ choices }, { asked }) => {
    const wishes = (k: number) => asked.filter((_, j) => choices.voters[j]).map((of) => of[k]);
    const total = (k: number) => wishes(k).reduce((all, by) => all + by, 0);
    const k = biggest(asked[0].map((_, at) => total(at)));
    return { k, terms: sum(alike(wishes(k))), sum: total(k) };
  },
  "and-again": (_, { net, pass, deltas }) => {
    const k = biggest(deltas[0]);
    const back = received(net, 1, deltas[1])[k];
    return { k, received: precise(back), a: pass[1][k], delta: precise(deltas[0][k]) };
  },
  "every-example": ({ data, choices }, { net, pass, label }) => {
    const digits = data.shown.filter((_, i) => choices.columns[i]).map((at) => data.digits[at]);
    const index = placeOf(net.sizes, 3, label, biggest(pass[2]));
    const wishes = digits.map((digit) => -gradient(net, [digit])[index]);
    const mean = digits.length ? -gradient(net, digits)[index] : 0;
    return { name: nameOf(net.sizes, index), terms: sum(alike(wishes)), n: Math.max(1, digits.length), mean };
  },
  "a-step": (session) => {
    const { net, digits } = session.data;
    const slopes = session.once("slopes of all digits", () => gradient(net, digits));
    const index = biggest(slopes);
    const [before, slope] = [net.vector[index], slopes[index]];
    const written = slope < 0 ? `(${told(slope)})` : slope;
    return { name: nameOf(net.sizes, index), before, rate: String(RATE), slope: written, after: before - RATE * slope };
  },
  "mini-batches": ({ data: { digits }, choices: { deal } }) => ({
    batch: String(deal),
    n: whole(digits.length),
    share: `${precise((100 * deal) / digits.length, 3)} %`,
    steps: whole(Math.ceil(digits.length / deal)),
  }),
  "stochastic-gradient-descent": ({ data: { digits }, choices: { batch } }) => ({
    batch,
    n: whole(digits.length),
    steps: whole(WORK / batch),
    careful: whole(WORK / digits.length),
  }),
  data: ({ data: { amount }, choices }) => {
    const at = Math.min(choices.amount, amount.digits.length - 1);
    const accuracy = amount.accuracy[at];
    return { amount: whole(amount.digits[at]), hundred: Math.round(100 * accuracy), accuracy: percent(accuracy) };
  },
  "in-one-breath": ({ choices: { batch } }) => ({ steps: whole(WORK / batch), batch }),
};

/** A text with the numbers of the case in its braces. */
export function filled(text: string, id: string, session: Session, reading: Reading): string {
  const words = CASES[id]?.(session, reading) ?? {};
  return text.replace(/\{(\w+)\}/g, (braced, name: string) => {
    const word = words[name] ?? braced;
    return typeof word === "string" ? word : Number.isInteger(word) ? String(word) : told(word);
  });
}
