// Networks that learn in the page, and how well a few examples speak for all.

import { answer, dot, forward, gradient, gram, score, stepped, type Example, type Net, type Score } from "../engine";
import { seeded, shuffled } from "../random";
import type { Data, Session } from "../session";

const BATCH = 10;
export const RATE = 1.5;
export const STOP = 50; // steps between two networks that are kept
export const PRACTICE = 2000;

/** Stochastic gradient descent with ten digits a step. */
export class Learner {
  steps = 0;
  private order: number[] = [];
  private digits: readonly Example[] = [];
  private readonly random: () => number;

  constructor(
    public net: Net,
    seed = 1,
  ) {
    this.random = seeded(seed);
  }

  learn(digits: readonly Example[], steps: number, rate = RATE): void {
    if (digits !== this.digits) [this.digits, this.order] = [digits, []];
    for (let i = 0; i < steps; i += 1, this.steps += 1) {
      const batch = Array.from({ length: BATCH }, () => this.next());
      this.net = stepped(this.net, gradient(this.net, batch), rate);
    }
  }

  /** Every digit once before any comes again. */
  private next(): Example {
    if (!this.order.length) this.order = shuffled(this.digits.length, this.random);
    return this.digits[this.order.pop()!];
  }
}

/** The practice that experiments share: networks after 0, 50, 100 ... steps on all digits. */
export function practice(session: Session): Net[] {
  return session.once("practice", () => [session.data.start]);
}

/** Goes on practising between frames, and says each time how far it is; gives a way to stop it. */
export function practising(session: Session, heard: (stops: number) => void): () => void {
  const nets = practice(session);
  const learner = session.once("practising", () => new Learner(session.data.start));
  return ticking(() => {
    if (learner.steps < PRACTICE) {
      learner.learn(session.data.digits, STOP);
      nets.push(learner.net);
    }
    heard(nets.length);
    return learner.steps < PRACTICE;
  });
}

/** Does something once a frame for as long as it says so. */
export function ticking(work: () => boolean): () => void {
  let wanted = requestAnimationFrame(function tick() {
    if (work()) wanted = requestAnimationFrame(tick);
  });
  return () => cancelAnimationFrame(wanted);
}

/** Many examples on one network: how each gradient meets every other one, and the mean. */
export class Crowd {
  private readonly n: number;
  private readonly table: Float64Array;
  private readonly met: number[]; // each example's gradient times the mean
  private readonly square: number; // of the mean
  private readonly spread: number; // of the gradients around it

  constructor(net: Net, examples: readonly Example[]) {
    const n = (this.n = examples.length);
    this.table = gram(net, examples);
    const row = (i: number) => this.table.subarray(i * n, (i + 1) * n);
    this.met = examples.map((_, i) => row(i).reduce((sum, g) => sum + g, 0) / n);
    this.square = mean(this.met);
    this.spread = mean(examples.map((_, i) => this.table[i * n + i])) - this.square;
  }

  /** Cosines of the angle between all examples' gradient and those of batches drawn at random. */
  drawn(batch: number, draws: number, random: () => number): number[] {
    return Array.from({ length: draws }, () => {
      const chosen = shuffled(this.n, random).slice(0, batch);
      const meets = chosen.reduce((sum, i) => sum + this.met[i], 0);
      return meets / Math.sqrt(this.square * this.squareOf(chosen));
    });
  }

  private squareOf(chosen: readonly number[]): number {
    return chosen.reduce((sum, i) => {
      const row = this.table.subarray(i * this.n, (i + 1) * this.n);
      return chosen.reduce((inner, j) => inner + row[j], sum);
    }, 0);
  }

  /** What the cosine should be: the spread of single gradients, divided by how many are averaged. */
  predicted(batch: number): number {
    const left = (this.n - batch) / (this.n - 1);
    return 1 / Math.sqrt(1 + ((this.spread / this.square) * left) / batch);
  }
}

export function mean(values: ArrayLike<number>): number {
  return dot(values, Array(values.length).fill(1)) / values.length;
}

/** Shares of cosines in so many equal parts from -1 to 1. */
export function histogram(cosines: readonly number[], parts: number) {
  const edge = (i: number) => (2 * i) / parts - 1;
  return Array.from({ length: parts }, (_, i) => {
    const inside = cosines.filter((c) => c >= edge(i) && (c < edge(i + 1) || i === parts - 1));
    return [edge(i), edge(i + 1), inside.length / cosines.length] as const;
  });
}

/** How many examples are taken for each digit, how many of them rightly, and the share read. */
export function looked(net: Net, examples: readonly Example[]) {
  const [said, right] = [Array<number>(10).fill(0), Array<number>(10).fill(0)];
  for (const { pixels, label } of examples) {
    const digit = answer(forward(net, pixels));
    said[digit] += 1;
    if (digit === label) right[digit] += 1;
  }
  return { said, right, read: right.reduce((sum, n) => sum + n, 0) / examples.length };
}

/** A network that learns at a rate from the scaled start, looked at now and then on unseen digits. */
export class Trial {
  static readonly STEPS = 300;
  static readonly EACH = 15; // steps between two looks
  readonly scores: Score[];
  private readonly some: Example[];
  private readonly learner: Learner;

  constructor(
    private readonly data: Data,
    private readonly rate: number,
  ) {
    this.some = data.unseen.slice(0, 200);
    this.learner = new Learner(data.start);
    this.scores = [score(data.start, this.some)];
  }

  /** Goes on to the next look; says whether there is more to do. */
  advance(): boolean {
    if (this.learner.steps >= Trial.STEPS) return false;
    this.learner.learn(this.data.digits, Trial.EACH, this.rate);
    this.scores.push(score(this.learner.net, this.some));
    return true;
  }
}
