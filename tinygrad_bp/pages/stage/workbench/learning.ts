// Networks that learn in the page, and how well a few examples speak for all.

import { answer, forward, gram, type Example, type Net } from "../engine";
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
  private readonly rows: Float64Array[];
  private readonly met: number[]; // each example's gradient times the mean
  private readonly square: number; // of the mean
  private readonly spread: number; // of the gradients around it

  constructor(net: Net, examples: readonly Example[]) {
    const table = gram(net, examples);
    const n = examples.length;
    this.rows = examples.map((_, i) => table.subarray(i * n, (i + 1) * n));
    this.met = this.rows.map(mean);
    this.square = mean(this.met);
    this.spread = mean(this.rows.map((row, i) => row[i])) - this.square;
  }

  /** Cosines of the angle between all examples' gradient and those of batches drawn at random. */
  drawn(batch: number, draws: number, random: () => number): number[] {
    return Array.from({ length: draws }, () => {
      const chosen = shuffled(this.rows.length, random).slice(0, batch);
      const meets = total(chosen, (i) => this.met[i]);
      return meets / Math.sqrt(this.square * total(chosen, (i) => total(chosen, (j) => this.rows[i][j])));
    });
  }

  /** What the cosine should be: the spread of single gradients, divided by how many are averaged. */
  predicted(batch: number): number {
    const n = this.rows.length;
    return 1 / Math.sqrt(1 + ((this.spread / this.square) * (n - batch)) / (n - 1) / batch);
  }
}

function total(chosen: readonly number[], of: (i: number) => number): number {
  return chosen.reduce((sum, i) => sum + of(i), 0);
}

export function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}

/** Shares of cosines in so many equal parts from -1 to 1. */
export function histogram(cosines: readonly number[], parts: number) {
  const edge = (i: number) => (2 * i) / parts - 1;
  return Array.from({ length: parts }, (_, i) => {
    const inside = cosines.filter((c) => c >= edge(i) && (c < edge(i + 1) || i === parts - 1));
    return [edge(i), edge(i + 1), inside.length / cosines.length] as const;
  });
}

/** How many examples are taken for each digit, and how many of them correctly. */
export function looked(net: Net, examples: readonly Example[]) {
  const [said, right] = [Array<number>(10).fill(0), Array<number>(10).fill(0)];
  for (const { pixels, label } of examples) {
    const digit = answer(forward(net, pixels));
    said[digit] += 1;
    if (digit === label) right[digit] += 1;
  }
  return { said, right };
}
