// The numbers of the case on the stage, for the drawer's formulas: what stands in their braces.

import { checked, gradient, nameOf, placeOf, received, wish } from "./engine";
import { told } from "./describe";
import { percent, precise, whole } from "./numbers";
import { nearest } from "./scenes/what-it-wants";
import type { Reading, Session } from "./session";

type Words = Record<string, string>;
type Case = (session: Session, reading: Reading) => Words;

const WIGGLE = 0.001;
const WORK = 12_000; // digits that scene 13's networks look at
const RATE = 1.5; // of scene 11's first step
const SHOWN = 4; // terms of a long sum, the last among them

function biggest(values: ArrayLike<number>): number {
  const sizes = Array.from(values, Math.abs);
  return sizes.indexOf(Math.max(...sizes));
}

function sum(terms: readonly string[]): string {
  const kept = terms.length > 10 ? [...terms.slice(0, SHOWN - 1), "…", terms.at(-1)!] : terms;
  return kept.join(" + ").replaceAll("+ −", "− ");
}

/** Numbers to the same decimals, so many that the largest of them shows. */
function alike(values: readonly number[]): string[] {
  const most = Math.max(...values.map(Math.abs)) || 1;
  const decimals = Math.max(2, 1 - Math.floor(Math.log10(most)));
  return values.map((x) =>
    x
      .toFixed(decimals)
      .replace("-", "−")
      .replace(/^(−?)0\./, "$1."),
  );
}

/** The edge into the voter from the sender that `values` say most of. */
function edge({ net, pass }: Reading, j: number, k: number): { w: number; a: number } {
  return { w: net.w[2][j * net.sizes[2] + k], a: pass[2][k] };
}

/** The weight into the shown digit's output from its brightest sender. */
function telling({ net, pass, label }: Reading): number {
  return placeOf(net.sizes, 3, label, biggest(pass[2]));
}

/** The average of all digits' slopes on the network that has not learned, kept. */
function everybodys(session: Session): Float64Array {
  const { data } = session;
  return session.once("slopes of all digits", () => gradient(data.net, data.digits));
}

const CASES: Record<string, Case> = {
  "feed-forward": (_, { net, pass, answer }) => {
    const terms = Array.from(pass[2], (a, k) => `${told(net.w[2][answer * 16 + k])}·${told(a)}`);
    return {
      terms: sum([...terms, told(net.b[2][answer])]),
      answer: String(answer),
      level: precise(pass[3][answer]),
    };
  },
  "how-wrong": (_, { pass, label, cost }) => ({
    squares: sum(Array.from(pass[3], (a, j) => `(${told(a)} − ${j === label ? 1 : 0})^2`)),
    cost: precise(cost),
  }),
  "which-way-down": (_, { net, digit, label }) => {
    const index = biggest(gradient(net, [digit]));
    const { slope, costs } = checked(net, digit, index, WIGGLE);
    return {
      name: nameOf(net.sizes, index),
      slope: precise(slope),
      expected: precise(slope * WIGGLE),
      really: precise(costs[2] - costs[1]),
      label: String(label),
    };
  },
  "what-it-wants": (_, reading) => {
    const { pass, label, gaps } = reading;
    const near = nearest(reading);
    return {
      label: String(label),
      near: String(near),
      level: told(pass[3][label]),
      other: told(pass[3][near]),
      wish: `+${told(wish(gaps[label]))}`,
      less: told(wish(gaps[near])),
    };
  },
  "three-ways": ({ voter, now: reading }) => {
    const k = biggest(reading.pass[2]);
    const { w, a } = edge(reading, voter, k);
    const delta = -reading.deltas[2][voter];
    return {
      voter: String(voter),
      k: String(k),
      a: told(a),
      w: told(w),
      delta: told(delta),
      nudges: [1, a, w].map((by) => told(by * delta)).join(", "),
    };
  },
  "bang-for-the-buck": ({ voter }, reading) => {
    const k = biggest(reading.pass[2]);
    const { a } = edge(reading, voter, k);
    const delta = -reading.deltas[2][voter];
    return {
      voter: String(voter),
      k: String(k),
      a: told(a),
      delta: told(delta),
      nudge: told(delta * a),
    };
  },
  "asks-before": ({ voter }, reading) => {
    const k = biggest(reading.asked[voter]);
    const { w } = edge(reading, voter, k);
    return {
      voter: String(voter),
      k: String(k),
      w: told(w),
      delta: told(-reading.deltas[2][voter]),
      asked: told(reading.asked[voter][k]),
    };
  },
  "ten-voters": ({ choices }, { asked }) => {
    const wishes = (k: number) => asked.filter((_, j) => choices.voters[j]).map((of) => of[k]);
    const total = (k: number) => wishes(k).reduce((all, by) => all + by, 0);
    const k = biggest(asked[0].map((_, at) => total(at)));
    return { k: String(k), terms: sum(alike(wishes(k))) || "0", sum: told(total(k)) };
  },
  "and-again": (_, { net, pass, deltas }) => {
    const k = biggest(deltas[0]);
    return {
      k: String(k),
      received: precise(received(net, 1, deltas[1])[k]),
      a: told(pass[1][k]),
      delta: precise(deltas[0][k]),
    };
  },
  "every-example": ({ data, choices }, reading) => {
    const digits = data.shown.filter((_, i) => choices.columns[i]).map((at) => data.digits[at]);
    const index = telling(reading);
    const wishes = digits.map((digit) => -gradient(reading.net, [digit])[index]);
    const mean = digits.length ? -gradient(reading.net, digits)[index] : 0;
    return {
      name: nameOf(reading.net.sizes, index),
      terms: sum(alike(wishes)) || "0",
      n: String(Math.max(1, digits.length)),
      mean: told(mean),
    };
  },
  "a-step": (session) => {
    const { net } = session.data;
    const slopes = everybodys(session);
    const index = biggest(slopes);
    const [before, slope] = [net.vector[index], slopes[index]];
    return {
      name: nameOf(net.sizes, index),
      before: told(before),
      rate: String(RATE),
      slope: slope < 0 ? `(${told(slope)})` : told(slope),
      after: told(before - RATE * slope),
    };
  },
  "mini-batches": ({ data, choices }) => ({
    batch: String(choices.deal),
    n: whole(data.digits.length),
    share: `${precise((100 * choices.deal) / data.digits.length, 3)} %`,
    steps: whole(Math.ceil(data.digits.length / choices.deal)),
  }),
  "stochastic-gradient-descent": ({ data, choices }) => ({
    batch: String(choices.batch),
    n: whole(data.digits.length),
    steps: whole(WORK / choices.batch),
    careful: whole(WORK / data.digits.length),
  }),
  data: ({ data, choices }) => {
    const at = Math.min(choices.amount, data.amount.digits.length - 1);
    const accuracy = data.amount.accuracy[at];
    return {
      amount: whole(data.amount.digits[at]),
      hundred: String(Math.round(100 * accuracy)),
      accuracy: percent(accuracy),
    };
  },
  "in-one-breath": ({ choices }) => ({
    steps: whole(WORK / choices.batch),
    batch: String(choices.batch),
  }),
};

/** A text with the numbers of the case in its braces. */
export function filled(text: string, id: string, session: Session, reading: Reading): string {
  const words = CASES[id]?.(session, reading) ?? {};
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => words[name] ?? whole);
}
