// What the page was given, what its reader has chosen, and what follows from both, kept.

import * as engine from "./engine";
import type { Example, Net, Pass } from "./engine";

export interface Digit extends Example {
  index: number;
}

export interface Data {
  /** "mnist" or "drawn", and a sentence about it. */
  source: { kind: string; text: string };
  sizes: readonly number[];
  /** Examples to learn from, the shown ones among them, and examples that are never learnt from. */
  digits: Digit[];
  unseen: Digit[];
  /** The digits that the reader can choose, by index; the first is the lesson's 2. */
  shown: number[];
  /** The network of scenes 1 to 9, untrained, and one with a scaled start. */
  net: Net;
  start: Net;
  /** How much accuracy so many digits buy, and with a share of guessed labels: measured beforehand. */
  amount: { digits: number[]; accuracy: number[] };
  wrong: { share: number; accuracy: number[] };
}

/** All that a reader can set: it goes into the address, so that a moment can be sent to somebody. */
export interface Choices {
  digit: number;
  voter: number;
  /** Which voters of scene 8 are heard, and which digits of scene 10. */
  voters: boolean[];
  columns: boolean[];
  sorted: boolean;
  /** How far bias, weights and activations are moved in scene 5; none: as its output wishes. */
  avenues: [number, number, number] | null;
  /** How far the knobs of scene 3 are moved. */
  knobs: [number, number];
  /** The parameter whose slope scene 9 checks; -1 is the steepest. */
  wiggle: number;
  /** Digits a step: of scene 13, and of scene 12. */
  batch: number;
  deal: number;
  /** Which amount of data scene 14 shows. */
  amount: number;
  /** Pixels that the reader drew in scene 15, if any. */
  drawing: Float64Array | null;
}

export function initial(): Choices {
  return {
    digit: 0,
    voter: -1, // the shown digit's own
    voters: Array(10).fill(true),
    columns: Array(8).fill(true),
    sorted: true,
    avenues: null,
    knobs: [1, 1],
    wiggle: -1,
    batch: 10,
    deal: 100,
    amount: 3,
    drawing: null,
  };
}

/** Numbers of one example on one network. */
export interface Reading {
  digit: Digit;
  net: Net;
  pass: Pass;
  label: number;
  answer: number;
  cost: number;
  gaps: number[];
  deltas: Float64Array[];
  /** asked[j][k]: what output j wishes of neuron k of the layer before. */
  asked: number[][];
}

export function reading(net: Net, digit: Digit): Reading {
  const pass = engine.forward(net, digit.pixels);
  const deltas = engine.deltas(net, pass, digit.label);
  const last = net.w.length - 1;
  return {
    digit,
    net,
    pass,
    label: digit.label,
    answer: engine.answer(pass),
    cost: engine.cost(pass, digit.label),
    gaps: engine.gaps(pass, digit.label),
    deltas,
    asked: engine.asked(net, last, deltas[last]),
  };
}

export class Session {
  constructor(
    readonly data: Data,
    readonly choices: Choices = initial(),
    private readonly kept = new Map<string, unknown>(),
  ) {}

  /** The same data with other choices; what was worked out stays. */
  choosing(choices: Partial<Choices>): Session {
    return new Session(this.data, { ...this.choices, ...choices }, this.kept);
  }

  get digit(): Digit {
    return this.data.digits[this.data.shown[this.choices.digit]];
  }

  /** The shown digit on the network of scenes 1 to 9. */
  get now(): Reading {
    const { digit } = this;
    return this.once(`reading ${digit.index}`, () => reading(this.data.net, digit));
  }

  /** The output whose wishes scenes 5 to 7 show. */
  get voter(): number {
    return this.choices.voter < 0 ? this.digit.label : this.choices.voter;
  }

  /** What `make` gives, made once for each key. */
  once<T>(key: string, make: () => T): T {
    if (!this.kept.has(key)) this.kept.set(key, make());
    return this.kept.get(key) as T;
  }
}
