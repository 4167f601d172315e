// Training in the page: that it is what it says, and that what its scenes claim is so.
//
// With STAGE_DATA=FILE, written by tests/dump_stage.py, on digits as a page carries them, too.

import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { readData, type Carried } from "../stage/data";
import { cosine, gradient, netOn, score, stepped } from "../stage/engine";
import { seeded } from "../stage/random";
import { FLAG, halfTrained, lapse, lapseOf, race, raceOf, readingAt, Run, STEPS, type Stop } from "../stage/run"; // prettier-ignore
import { ahead, frameOf, SCENES } from "../stage/scenes";
import { average, pairs, wishes } from "../stage/scenes/every-example";
import { dealt } from "../stage/scenes/mini-batches";
import { Session, type Data } from "../stage/session";
import { BOXES, data, session } from "./given";

const SLOW = 600_000; // milliseconds
const few = data(40, 20);
const short = { ...lapse(few), legs: lapse(few).legs.map((leg) => ({ ...leg, steps: Math.min(leg.steps, 30) })) }; // prettier-ignore
const plan = { ...short, stops: [0, 0.25, 0.5, 1, 2, 7, 31] };

function facts(id: string, t: number, given: Session) {
  const i = SCENES.findIndex((scene) => scene.id === id);
  return frameOf(i, t, { box: BOXES.laptop, session: given }).facts;
}

/** A network from other draws. */
function another(seed: number, sizes: readonly number[], length: number) {
  const random = seeded(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return netOn(Float64Array.from({ length }, normal), sizes);
}

describe("a training", () => {
  test("is the same however it is cut into slices", () => {
    const [whole, cut] = [new Run(plan, few), new Run(plan, few)];
    const end = whole.end;
    cut.at(0.3);
    expect([...cut.whole()].length).toBeGreaterThan(1);
    expect(cut.stops).toEqual(whole.stops);
    expect(end.steps).toBe(31);
    expect(end.work).toBe(40 + 30 * 20);
  });

  test("gives the last stop at or before a moment, and those until then", () => {
    const run = new Run(plan, few);
    expect([0, 0.3, 0.99, 1.5, 30, 1e9].map((steps) => run.at(steps).steps)).toEqual([0, 0.25, 0.5, 1, 7, 31]); // prettier-ignore
    expect(run.until(2).map(({ steps }) => steps)).toEqual([0, 0.25, 0.5, 1, 2]);
  });

  test("on the way of a step is p + s * step", () => {
    const run = new Run(plan, few);
    const slopes = gradient(few.net, few.digits);
    for (const steps of [0.25, 0.5, 1]) {
      expect(run.at(steps).net.vector).toEqual(stepped(few.net, slopes, 1.5 * steps).vector);
    }
    expect(run.at(0).net.vector).toEqual(few.net.vector);
  });

  test("scores unseen digits alone", () => {
    const stop = new Run(plan, few).at(7);
    const { accuracy, cost, right } = score(stop.net, few.unseen);
    expect([stop.accuracy, stop.cost, stop.right]).toEqual([accuracy, cost, right]);
  });

  test("all of it is computed ahead, a little at a time", () => {
    const given = new Session(few);
    expect([...ahead({ box: BOXES.laptop, session: given })].length).toBeGreaterThan(2000);
    const runs = [lapseOf(given), ...[1, 10, 100, undefined].map((batch) => raceOf(given, batch))];
    expect(runs.every(({ done }) => done)).toBe(true);
  }, 60_000);

  test("the race's networks have one start, and the same work", () => {
    const given = new Session(few);
    for (const batch of [1, 10, 100]) {
      expect(raceOf(given, batch).at(0).net.vector).toEqual(few.start.vector);
      expect(raceOf(given, batch).end.work).toBe(12_000);
    }
    expect(raceOf(given).end.work).toBe(12_000);
  }, 60_000);
});

describe("what the scenes say of made-up digits", () => {
  test("the average is that of the digits which are on", () => {
    const given = session();
    const found = wishes(given);
    const on = [true, false, true, false, false, true, false, false];
    const digits = given.data.shown.filter((_, d) => on[d]).map((k) => given.data.digits[k]);
    const slopes = gradient(halfTrained(given).net, digits);
    const mean = facts("every-example", 9, given.choosing({ columns: on })).average as number[];
    found.rows.forEach((row, i) => expect(mean[i]).toBeCloseTo(-slopes[row], 12));
    expect(average(found, Array(8).fill(false)).every((p) => p === 0)).toBe(true);
    expect(new Set(found.rows).size).toBe(12);
  });

  test("a batch's cosine is that of its gradient, and that of all is 1", () => {
    const given = session();
    const { net } = halfTrained(given);
    const { order, arrows } = dealt(given, 10);
    const batch = order.slice(10, 20).map((k) => given.data.digits[k]);
    expect(arrows[1].cosine).toBeCloseTo(cosine(gradient(net, batch), gradient(net, given.data.digits)), 12); // prettier-ignore
    expect([...order].sort((a, b) => a - b)).toEqual(given.data.digits.map((_, k) => k));
    expect(dealt(given, 1000).arrows).toHaveLength(1);
    expect(dealt(given, 1000).arrows[0].cosine).toBeCloseTo(1, 12);
  });

  test.each([0, 1, 2, 3, 4])("a step on the average lowers the cost, from any start (%i)", (seed) => {
    const net = another(seed + 50, few.sizes, few.net.vector.length);
    const run = new Run(plan, { ...few, net });
    const costs = [0, 0.25, 0.5, 1].map((steps) => score(run.at(steps).net, few.digits).cost);
    expect(costs[3]).toBeLessThan(costs[0]);
  });
});

describe("marks", () => {
  const own = /^(column|average|all|row|step|before|batch|everybody|digit|accuracy|stumbling|careful)\b/;

  test.each(["every-example", "a-step", "mini-batches", "stochastic-gradient-descent"])(
    "%s: each of its own is told in words",
    (id) => {
      const given = session();
      const i = SCENES.findIndex((scene) => scene.id === id);
      for (const t of [1.5, 5.5, SCENES[i].seconds]) {
        const frame = frameOf(i, t, { box: BOXES.laptop, session: given });
        const ids = frame.marks.flatMap((mark) => (mark.id && own.test(mark.id) ? mark.id : []));
        for (const mark of new Set(ids.filter((each) => id !== "a-step" || each !== "accuracy"))) {
          expect(SCENES[i].describe?.(mark, given, frame), mark).toMatch(/^[A-Z].*\.$/);
        }
      }
    },
  );
});

const path = process.env.STAGE_DATA;
interface Dump {
  data: Carried;
  expected: Record<string, number[][]>;
}

describe.skipIf(!path)("on digits as a page carries them", async () => {
  const dump = path ? (JSON.parse(readFileSync(path, "utf8")) as Dump) : null;
  const carried = dump ? await readData(dump.data) : few;
  const given = new Session(carried);
  const seeds = Array.from({ length: 20 }, (_, i) => i + 1);

  function started(seed: number): Data {
    const start = another(seed, carried.sizes, carried.net.vector.length);
    start.w.forEach((w, l) => w.forEach((p, i) => (w[i] = p / Math.sqrt(carried.sizes[l]))));
    start.b.forEach((b) => b.fill(0));
    return { ...carried, start };
  }

  test("every stop is NumPy's", () => {
    for (const [name, stops] of Object.entries(dump!.expected)) {
      const run = name === "lapse" ? lapseOf(given) : raceOf(given, Number(name.slice(5)));
      const numbers = (stop: Stop) => [stop.steps, stop.work, stop.accuracy, stop.cost];
      const found = run.until(Infinity).map(numbers);
      expect(found.length).toBe(stops.length);
      const off = found.flatMap((row, i) => row.map((p, k) => Math.abs(p - stops[i][k])));
      expect(Math.max(...off)).toBeLessThan(1e-6);
    }
  }, SLOW); // prettier-ignore

  test("scene 11: one step lowers the cost, and in the end all shown digits are read", () => {
    const run = lapseOf(given);
    const costs = [run.at(0), run.at(1), run.end].map(({ net }) => score(net, carried.digits).cost);
    expect(costs[1]).toBeLessThan(costs[0]);
    expect(run.at(1).cost).toBeLessThan(run.at(0).cost);
    for (const digit of carried.shown.keys()) {
      const { answer, label } = readingAt(given.choosing({ digit }), run.end);
      expect(answer).toBe(label);
    }
    expect(run.end.steps).toBe(STEPS + 1);
    expect(run.end.accuracy).toBeGreaterThan(0.72);
  }, SLOW); // prettier-ignore

  test("scene 10: hardly two agree", () => {
    const agree = pairs(wishes(given)).filter((found) => found > 0.5);
    expect(agree.length).toBeLessThanOrEqual(3);
  }, SLOW); // prettier-ignore

  test("scene 12: batches of 100 point roughly everybody's way, single digits hardly", () => {
    const mean = (size: number) => {
      const found = dealt(given, size).arrows.map((arrow) => arrow.cosine);
      return found.reduce((sum, p) => sum + p, 0) / found.length;
    };
    expect(mean(100)).toBeGreaterThan(0.6);
    expect(mean(100)).toBeGreaterThan(mean(10));
    expect(mean(10)).toBeGreaterThan(mean(1));
  }, SLOW); // prettier-ignore

  test("scene 13: who stumbles reads 80 % before the careful one has taken nine steps", () => {
    const good = seeds.filter((seed) => {
      const from = started(seed);
      const stumbling = new Run({ ...race(from, 10), seed }, from).first(FLAG);
      return stumbling.accuracy >= FLAG && Math.floor(stumbling.work / carried.digits.length) <= 8;
    });
    expect(good.length).toBeGreaterThanOrEqual(19);
  }, SLOW); // prettier-ignore
});
