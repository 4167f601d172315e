// Networks that learn in the page, and how well a few examples speak for all.

import { answer, dot, forward, gram, type Example, type Net } from "../engine";
import { shuffled } from "../random";
import { Run, steady, type Stop } from "../run";
import type { Data, Session } from "../session";

export const STOP = 50; // steps between two networks of the practice
const PRACTICE = 2000;

/** A training with ten digits a step, scored after every so many. */
export function training(data: Data, steps: number, apart: number, rate = 1.5): Run {
  return new Run(steady({ steps, batch: 10, rate }, apart), data);
}

/** The training that experiments share. */
export function practice(session: Session): Run {
  return session.once("practice", () => training(session.data, PRACTICE, STOP));
}

/** Goes on with a training, a stop a frame, and says each time how far it is; gives a way to stop it. */
export function watched(run: Run, heard: (stops: Stop[]) => void): () => void {
  let wanted = requestAnimationFrame(function tick() {
    if (run.on()) wanted = requestAnimationFrame(tick);
    heard([...run.stops]);
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

/** How many examples are taken for each digit, and how many of them rightly. */
export function looked(net: Net, examples: readonly Example[]) {
  const [said, right] = [Array<number>(10).fill(0), Array<number>(10).fill(0)];
  for (const { pixels, label } of examples) {
    const digit = answer(forward(net, pixels));
    said[digit] += 1;
    if (digit === label) right[digit] += 1;
  }
  return { said, right };
}
