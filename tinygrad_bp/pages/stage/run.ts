// Training, for real: computed ahead in idle slices, and recorded, so that any moment of it can be
// shown again. `lesson/runs.py` is the same training in NumPy.

import { gradient, score, stepped, type Net, type Score } from "./engine";
import { seeded, shuffled } from "./random";
import { reading, type Data, type Digit, type Reading, type Session } from "./session";

export interface Leg {
  steps: number;
  /** Digits a step. */
  batch: number;
  rate: number;
}

/** A training: legs one after the other, and after which steps it is scored. */
export interface Plan {
  start: "net" | "start";
  legs: readonly Leg[];
  /** A stop between two whole numbers is on the way of a step: p + s * step. */
  stops: readonly number[];
  seed: number;
}

/** Where a training stands after some steps, and its score on unseen digits. */
export interface Stop extends Score {
  steps: number;
  /** How many digits' gradients were computed until then. */
  work: number;
  net: Net;
}

interface Step {
  digits: readonly Digit[];
  rate: number;
}

export class Run {
  readonly stops: Stop[] = [];
  private readonly course: Iterator<Stop | undefined, void>;

  constructor(
    readonly plan: Plan,
    data: Data,
  ) {
    this.course = taken(plan, data);
  }

  get done(): boolean {
    return this.stops.length === this.plan.stops.length;
  }

  get end(): Stop {
    return this.at(Infinity);
  }

  /** The last stop at or before so many steps; what is missing is computed now. */
  at(steps: number): Stop {
    return this.until(steps).at(-1)!;
  }

  /** All of it, a few milliseconds at a time, but for large batches. */
  *whole(): Generator<void> {
    for (; !this.done; yield) this.advance();
  }

  /** On to the next stop; says whether there are more. */
  on(): boolean {
    if (!this.done) this.at(this.plan.stops[this.stops.length]);
    return !this.done;
  }

  /** All stops until then. */
  until(steps: number): readonly Stop[] {
    const count = 1 + this.plan.stops.findLastIndex((stop) => stop <= steps);
    while (this.stops.length < count) this.advance();
    return this.stops.slice(0, count);
  }

  /** The first stop at which so large a share is read correctly, or else the last one. */
  first(accuracy: number): Stop {
    const good = (stop: Stop) => stop.accuracy >= accuracy;
    while (!this.done && !this.stops.some(good)) this.advance();
    return this.stops.find(good) ?? this.end;
  }

  /** A step, or a stop. */
  private advance(): void {
    const stop = this.course.next().value;
    if (stop) this.stops.push(stop);
  }
}

/** Step by step; what is due on the way of a step is given before it ends. */
function* taken(plan: Plan, data: Data): Generator<Stop | undefined, void> {
  const due = [...plan.stops];
  let [net, steps, work] = [data[plan.start], 0, 0];
  const stop = (at: Net): Stop => ({ steps: due.shift()!, work, net: at, ...score(at, data.unseen) });
  for (const { digits, rate } of queued(plan, data.digits)) {
    if (due[0] === steps) yield stop(net);
    const slopes = gradient(net, digits);
    while (due[0] < steps + 1) yield stop(stepped(net, slopes, (due[0] - steps) * rate));
    net = stepped(net, slopes, rate);
    [steps, work] = [steps + 1, work + digits.length];
    yield;
  }
  yield stop(net);
}

/** The digits of each step. Those of an epoch are shuffled, unless a step takes them all. */
function* queued({ legs, seed }: Plan, digits: readonly Digit[]): Generator<Step> {
  const random = seeded(seed);
  let order: number[] = [];
  for (const { steps, batch, rate } of legs) {
    for (let i = 0; i < steps; i += 1) {
      const all = batch >= digits.length;
      if (!all && !order.length) order = shuffled(digits.length, random);
      yield { digits: all ? digits : order.splice(0, batch).map((k) => digits[k]), rate };
    }
  }
}

export const STEPS = 2000; // of the time lapse, after its first step
const FRAMES = 120; // stops that it has at most
const LANDING = 32; // parts of its first step
const HALF = 0.4; // the share that a half-trained network reads correctly: half of what it will

export const WORK = 12000; // digits that each network of the race looks at
const EVERY = 100; // digits between two of its stops
export const FLAG = 0.8;

/** Scene 11: one step on all digits, in parts, then many on a few, at first one by one. */
export function lapse(data: Data): Plan {
  const parts = Array.from({ length: LANDING }, (_, i) => i / LANDING);
  const later = Array.from({ length: FRAMES + 1 }, (_, i) => lapsed(i / FRAMES));
  return {
    start: "net",
    legs: [
      { steps: 1, batch: data.digits.length, rate: 1.5 },
      { steps: STEPS, batch: 20, rate: 3 },
    ],
    stops: [...parts, ...new Set(later)],
    seed: 5,
  };
}

/** How many steps have been taken at a moment of the time lapse: single ones can be seen at first. */
export function lapsed(s: number): number {
  return 1 + Math.floor(STEPS * s * s + 1e-9);
}

/** From a start that learns, all steps alike, and scored after every so many. */
export function steady(leg: Leg, apart: number): Plan {
  const stops = Array.from({ length: Math.floor(leg.steps / apart) + 1 }, (_, i) => i * apart);
  return { start: "start", legs: [leg], stops, seed: 1 };
}

/** Scene 13: with so many digits a step. */
export function race(data: Data, wanted: number): Plan {
  const batch = Math.min(wanted, data.digits.length);
  return steady({ steps: Math.floor(WORK / batch), batch, rate: 2 }, Math.max(1, Math.floor(EVERY / batch)));
}

export function lapseOf(session: Session): Run {
  return session.once("lapse", () => new Run(lapse(session.data), session.data));
}

/** The race of one network; without a number, the one that looks at all digits before each step. */
export function raceOf(session: Session, batch = session.data.digits.length): Run {
  return session.once(`race ${batch}`, () => new Run(race(session.data, batch), session.data));
}

/** The network at the end of the race: the one that stepped after every ten digits. */
export function learned(session: Session): Net {
  return raceOf(session, 10).end.net;
}

/** A stop of scene 11's own run at which it has come half of the way. */
export function halfTrained(session: Session): Stop {
  return session.once("half", () => lapseOf(session).first(HALF));
}

/** The average gradient of all digits on the half-trained network. */
export function everybody(session: Session): Float64Array {
  return session.once("everybody", () => gradient(halfTrained(session).net, session.data.digits));
}

export function readingAt(session: Session, stop: Stop): Reading {
  return reading(stop.net, session.digit);
}
