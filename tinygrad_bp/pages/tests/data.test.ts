// Scenes 14 and 15, on seeds and digits that they were not built for.

import { describe, expect, test } from "vitest";
import { blank, centre, inked, noisy, normalised, shifted, type Stroke } from "../stage/drawing";
import { answer, forward, score } from "../stage/engine";
import type { Picture } from "../stage/frame";
import { seeded } from "../stage/random";
import { frameOf, SCENES } from "../stage/scenes";
import { learned } from "../stage/run";
import { read } from "../stage/scenes/in-one-breath";
import { Session, type Choices } from "../stage/session";
import { BOXES, data } from "./given";

const DATA = SCENES.findIndex(({ id }) => id === "data");
const BREATH = SCENES.findIndex(({ id }) => id === "in-one-breath");

const given = new Session(data());

/** One and the same data: it is learned from once. */
function session(choices: Partial<Choices> = {}): Session {
  return given.choosing(choices);
}

function frame(i: number, t: number, given = session(), box = BOXES.laptop) {
  return frameOf(i, t, { box, session: given });
}

function pictures(t: number, given = session(), box = BOXES.laptop): Picture[] {
  const { marks } = frame(DATA, t, given, box);
  return marks.filter((mark): mark is Picture => mark.kind === "picture" && mark.look === "plain");
}

describe("data", () => {
  const { amount, wrong } = data();

  test.each(amount.digits.map((n, i) => [n, i]))("%i digits are so many pictures", (n, i) => {
    const given = session({ amount: i });
    expect(pictures(4.5, given)).toHaveLength(n / 100);
    expect(frame(DATA, 4.5, given).facts["labelled digits"]).toBe(n);
    expect(pictures(6, given)).toHaveLength(600);
    expect(frame(DATA, 8.5, given).facts["labelled digits"]).toBe(60_000);
  });

  test("an amount that is none is the last one", () => {
    expect(frame(DATA, 8.5, session({ amount: 50 })).facts["chosen number"]).toBe(60_000);
  });

  test("they never become fewer, and the first ones stay where they are", () => {
    let before: Picture[] = [];
    for (let t = 0.6; t <= 5.9; t += 0.1) {
      // before that, the scene before is leaving
      const now = pictures(t);
      expect(now.length).toBeGreaterThanOrEqual(before.length);
      before = now;
    }
    const end = pictures(8.5);
    before.forEach(({ at, pixels }, i) => {
      expect(end[i].at).toEqual(at);
      expect(end[i].pixels).toBe(pixels);
    });
  });

  test("so large a share of labels turns into guesses", () => {
    const clear = Math.max(...pictures(8.5).map(({ alpha }) => alpha));
    const faded = pictures(8.5).filter(({ alpha }) => alpha < 0.5 * clear);
    expect(faded.length / 600).toBeCloseTo(wrong.share, 1);
    expect(pictures(5.9).every(({ alpha }) => alpha > 0.9 * clear)).toBe(true);
  });

  test.each(Object.keys(BOXES))("the curve goes through what was measured, on the %s", (name) => {
    const { marks } = frame(DATA, 8.5, session(), BOXES[name]);
    const curve = marks.find(({ id }) => id === "curve");
    const fallen = marks.find(({ id }) => id === "fallen");
    if (curve?.kind !== "path" || fallen?.kind !== "path") throw new Error("there is no curve");
    const floor = curve.floor!;
    const [x, y] = [0, 1].map((d) => curve.points.map((p) => p[d]));
    const unit = (floor - y[0]) / amount.accuracy[0];
    y.forEach((at, i) => expect(floor - at).toBeCloseTo(unit * amount.accuracy[i], 6));
    fallen.points.forEach((p, i) => expect(floor - p[1]).toBeCloseTo(unit * wrong.accuracy[i], 6));
    const decade = (x[1] - x[0]) / Math.log10(amount.digits[1] / amount.digits[0]);
    x.forEach((at, i) => expect(at - x[0]).toBeCloseTo(decade * Math.log10(amount.digits[i] / amount.digits[0]), 6)); // prettier-ignore
  });

  test("one amount alone, and few digits, are no trouble", () => {
    const few = { ...data(5, 5), amount: { digits: [100], accuracy: [0.5] }, wrong: { share: 0.3, accuracy: [0.4] } }; // prettier-ignore
    const alone = new Session({ ...few, shown: [0, 1, 2] });
    for (const t of [0, 1, 3, 5, 8.5]) {
      const { marks } = frame(DATA, t, alone);
      const numbers = JSON.stringify(marks.map((mark) => ({ ...mark, pixels: undefined })));
      expect(numbers).not.toContain("null"); // which is how JSON writes what is no number
    }
  });

  test("marks say what they show", () => {
    const scene = SCENES[DATA];
    const end = frame(DATA, 8.5);
    expect(scene.describe!("accuracy.1", session(), end)).toBe("1,000 labelled digits: 87 % are read correctly."); // prettier-ignore
    expect(scene.describe!("lost.0", session(), end)).toContain("45 % are read correctly");
  });
});

function strokes(seed: number): Stroke[] {
  const random = seeded(seed);
  const [x, y, size] = [3 + 12 * random(), 3 + 12 * random(), 2 + 9 * random()];
  return Array.from({ length: 1 + Math.floor(2 * random()) }, () =>
    Array.from({ length: 12 }, (): [number, number] => [x + size * random(), y + size * random()]),
  );
}

describe("a drawing", () => {
  test.each([1, 2, 3, 4, 5, 6])("has MNIST's size and place, wherever it was drawn (%i)", (seed) => {
    const pixels = inked(normalised(strokes(seed)));
    const lit = Array.from(pixels.keys()).filter((i) => pixels[i] > 0.5);
    const [x, y] = [lit.map((i) => i % 28), lit.map((i) => Math.floor(i / 28))];
    const size = Math.max(Math.max(...x) - Math.min(...x), Math.max(...y) - Math.min(...y)) + 1;
    expect(Math.abs(size - 20)).toBeLessThanOrEqual(1);
    centre(pixels).forEach((middle) => expect(middle).toBeCloseTo(14, 0));
    expect(pixels.every((p) => p >= 0 && p <= 1)).toBe(true);
  });

  test("stays as it is when it has that already", () => {
    const once = normalised(strokes(7));
    normalised(once).flat().forEach((p, i) => p.forEach((c, d) => expect(c).toBeCloseTo(once.flat()[i][d], 0))); // prettier-ignore
  });

  test("may be a dot, or nothing", () => {
    expect(inked(normalised([[[3, 4]]]))[14 * 28 + 14]).toBeGreaterThan(0.3);
    expect(normalised([])).toEqual([]);
    expect(inked([])).toEqual(blank());
  });

  test("is shifted by whole pixels, and what leaves is lost", () => {
    const pixels = blank();
    pixels[5 * 28 + 27] = 0.7;
    expect(shifted(pixels, -2, 3)[8 * 28 + 25]).toBe(0.7);
    expect(shifted(pixels, 1, 0).every((p) => p === 0)).toBe(true);
    expect(pixels[5 * 28 + 27]).toBe(0.7);
  });

  test("gets the same noise from the same seed, and is never too bright", () => {
    const pixels = inked(strokes(8));
    expect(noisy(pixels, 3)).toEqual(noisy(pixels, 3));
    expect(noisy(pixels, 3)).not.toEqual(noisy(pixels, 4));
    noisy(pixels, 3).forEach((p, i) => expect(p >= pixels[i] && p <= 1).toBe(true));
  });
});

describe("in one breath", () => {
  test("the network that reads has learned", () => {
    const given = session();
    const net = learned(given);
    expect(learned(given)).toBe(net);
    const [before, after] = [given.data.start, net].map((of) => score(of, given.data.digits));
    expect(after.cost).toBeLessThan(0.6 * before.cost);
    expect(after.accuracy).toBeGreaterThan(before.accuracy);
  });

  test.each([11, 12, 13])("what is drawn is what is read (%i)", (seed) => {
    const drawing = inked(normalised(strokes(seed)));
    const given = session({ drawing });
    const pass = forward(learned(given), drawing);
    const { facts, marks } = frame(BREATH, 6, given);
    expect(facts.outputs).toEqual(Array.from(pass[3]));
    expect(facts.answer).toBe(answer(pass));
    expect(read(given)).toBe(read(given));
    const picture = marks.find(({ id }) => id === "picture") as Picture;
    expect(picture.pixels).toBe(drawing);
  });

  test("nobody says what a drawing should be", () => {
    const given = session({ drawing: inked(strokes(10)) });
    const end = frame(BREATH, 6, given);
    const { describe: words } = SCENES[BREATH];
    expect(words!("a3.4", given, end)).toMatch(/^Output 4 is \.?\d+(\.\d)?\.$/);
    expect(words!("picture", given, end)).toBe(`The network reads this as a ${end.facts.answer}.`);
    expect(words!("a3.4", session(), end)).toBe(undefined);
  });

  test("while the pen moves, no light runs", () => {
    const given = session({ drawing: inked(strokes(9)) });
    const { marks } = frame(BREATH, SCENES[BREATH].settled!, given);
    const beads = marks.filter((mark) => mark.kind === "bead");
    expect(beads.length).toBe(42);
    expect(beads.every((bead) => bead.kind === "bead" && bead.lit === 0)).toBe(true);
  });
});
