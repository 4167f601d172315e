// The experiments of the workbench: what they show, and what must hold whatever is dragged.

import { render } from "svelte/server";
import type { Component } from "svelte";
import { describe, expect, test } from "vitest";
import file from "../../lesson/workbench.json";
import * as engine from "../stage/engine";
import { shifted } from "../stage/drawing";
import { precise } from "../stage/numbers";
import { seeded } from "../stage/random";
import { STORY } from "../stage/story";
import { CHAIN, FED, lessons, links, SMALL, VARIABLES } from "../stage/workbench/chain";
import { EXPERIMENTS, forScene, type ExperimentProps } from "../stage/workbench/experiments";
import * as learning from "../stage/workbench/learning";
import * as models from "../stage/workbench/models";
import * as pixels from "../stage/workbench/pixels";
import { session } from "./given";

const given = session();
const parts = import.meta.glob<Component<ExperimentProps>>("../stage/workbench/experiments/*.svelte", { eager: true, import: "default" }); // prettier-ignore
const product = (values: number[]) => values.reduce((all, one) => all * one, 1);

describe("the list", () => {
  test("every experiment has a file, and every file is listed", () => {
    const files = Object.keys(parts).map((path) => path.replace(/.*\/|\.svelte/g, ""));
    expect(files.sort()).toEqual(EXPERIMENTS.map(({ id }) => id).sort());
  });

  test("each belongs to a scene, in the story's order", () => {
    const order = STORY.flatMap(({ id }) => forScene(id));
    expect(order).toEqual(EXPERIMENTS);
  });

  test("each says in one sentence what to try, and what it covers", () => {
    for (const { try: words, covers } of file.experiments) {
      expect(words).toMatch(/^[A-Z][^.!?]*( \.01[^.!?]*)?[.?]$/);
      expect(words.split(" ").length).toBeLessThanOrEqual(30);
      expect(covers.every((id) => /^[SWKGNA]\d+$/.test(id))).toBe(true);
    }
  });

  test.each(EXPERIMENTS.map(({ id }) => id))("%s can be shown, with two to four numbers", (id) => {
    const { body } = render(parts[`../stage/workbench/experiments/${id}.svelte`], { props: { session: given } }); // prettier-ignore
    const numbers = [...body.matchAll(/<data value="([^"]*)"/g)].map(([, value]) => Number(value));
    expect(numbers.length).toBeGreaterThanOrEqual(1);
    expect(numbers.length).toBeLessThanOrEqual(3);
    expect(numbers.every(Number.isFinite)).toBe(true);
    expect(body).toMatch(/type="range"|aria-pressed/);
  });
});

describe("the chain", () => {
  const nudged = (variable: (typeof VARIABLES)[number], by: number, value: number, sender: number) => {
    const [here, there] = [0, by].map((more) => links(variable, value + more, sender));
    const moved = here.map((link, i) => there[i].value - link.value);
    const slopes = here.map(({ slope }) => slope);
    return { moved, ratios: moved.slice(1).map((m, i) => m / moved[i]), slope: product(slopes), slopes }; // prettier-ignore
  }; // prettier-ignore

  test("is the lesson's", () => {
    const { value, sender } = lessons("w3");
    const values = links("w3", value, sender).map((link) => link.value);
    [0.913252, 0.66014, 0.659292, 0.116082].forEach((x, i) => expect(values[i]).toBeCloseTo(x, 6));
    const { slopes, slope } = nudged("w3", 0.01, value, sender);
    [1, 0.484335, 0.224626, -0.681416].forEach((x, i) => expect(slopes[i]).toBeCloseTo(x, 6));
    expect(slope).toBeCloseTo(-0.0741341, 7);
    expect(nudged("w3", 0.01, value, sender).moved[3] / 0.01).toBeCloseTo(-0.0739587, 7);
  });

  test("has the pinned gradient, and each variable's slopes multiply to its own", () => {
    const pinned = [0.00942011, 0.0188402, -0.0111146, -0.0349121, -0.0741341, -0.1530639];
    const slopes = engine.gradient(CHAIN, [{ pixels: Float64Array.of(FED), label: 0 }]);
    pinned.forEach((g, i) => expect(slopes[i]).toBeCloseTo(g, 7));
    const by = Object.fromEntries(VARIABLES.map((variable) => {
      const { value, sender } = lessons(variable);
      return [variable, nudged(variable, 1e-6, value, sender).slope];
    })); // prettier-ignore
    [by.w1, by.w2, by.w3, by.b3].forEach((g, i) => expect(g).toBeCloseTo(slopes[[0, 2, 4, 5][i]], 15));
    expect(by.a2).toBeCloseTo(-0.1397858, 7);
    expect(by.a2).toBeCloseTo(CHAIN.w[2][0] * by.b3, 15);
    expect(by.w3).toBeCloseTo(lessons("w3").sender * by.b3, 15);
  });

  test.each(VARIABLES)("the ratios of a nudge of %s telescope, and tend to the slopes", (variable) => {
    const random = seeded(VARIABLES.indexOf(variable));
    for (let i = 0; i < 20; i += 1) {
      const [value, sender] = [4 * random() - 2, random()];
      const errors = [1e-3, 5e-4].map((by) => {
        const { moved, ratios, slope } = nudged(variable, by, value, sender);
        const whole = moved[moved.length - 1] / by;
        expect(product(ratios) / whole).toBeCloseTo(1, 8);
        return whole - slope;
      });
      // Linearly: half the nudge, half the error, but for its square.
      expect(Math.abs(errors[0] - 2 * errors[1])).toBeLessThan(1e-6);
    }
  });

  test("a dark sender or a perfect output makes the slope 0", () => {
    expect(Math.abs(nudged("w3", 0.01, 1, 0).slope)).toBe(0);
    expect(Math.abs(nudged("w3", 0.01, 10, 1).slope)).toBeLessThan(1e-8);
  });
});

test("all ways from a neuron add up to what backpropagation finds", () => {
  const random = seeded(5);
  for (const [net, n] of [[SMALL, 6], [engine.tail(SMALL, 1), 2]] as const) {
    for (let i = 0; i < 20; i += 1) {
      const pass = engine.forward(net, [random(), random(), random()]);
      const sums = engine.received(net, 0, engine.deltas(net, pass, i % 2)[0]);
      sums.forEach((sum, k) => {
        const found = engine.ways(net, pass, i % 2, k);
        expect(found.length).toBe(n);
        expect(found.reduce((all, way) => all + way.product, 0)).toBeCloseTo(sum, 14);
      });
    }
  }
}); // prettier-ignore

describe("grounds", () => {
  test("the bowl at (1, 1) is the lesson's, and nowhere steeper than against its gradient", () => {
    expect(models.bowl.slopes(1, 1)).toEqual([3, 1]);
    const best = models.spent(1, 1, Math.atan2(-1, -3));
    expect(models.steepness(1, 1, Math.atan2(1, 3))).toBeCloseTo(Math.sqrt(10), 12);
    for (let d = 0; d < 360; d += 1) {
      expect(models.spent(1, 1, (d * Math.PI) / 180)).toBeGreaterThan(best - models.BUDGET ** 2);
    }
  });

  test("slopes and bends are those of the heights", () => {
    const { height, slope, bend } = models.valley;
    for (const x of [-1.7, -0.2, 0.4, 2.6]) {
      expect((height(x + 1e-5) - height(x - 1e-5)) / 2e-5).toBeCloseTo(slope(x), 7);
      expect((slope(x + 1e-5) - slope(x - 1e-5)) / 2e-5).toBeCloseTo(bend(x), 7);
    }
  });

  test.each(models.VALLEYS)("in the valley at %d a ball settles below 2 over the curvature", (bottom) => {
    const limit = 2 / models.valley.bend(bottom);
    for (const share of [0.1, 0.5, 0.9]) {
      expect(models.rolled(bottom + 0.1, share * limit, 200).at(-1)).toBeCloseTo(bottom, 6);
    }
    for (const share of [1.1, 2]) {
      const way = models.rolled(bottom + 1e-3, share * limit, 200);
      expect(Math.abs(way.at(-1)! - bottom)).toBeGreaterThan(0.01);
    }
  });
});

test("neurons answer most to what is like their weights, and only above the threshold", () => {
  const weights = pixels.detector();
  const sums = [pixels.bar(), pixels.bar(12, 7), pixels.bar(12, 0), pixels.surround()].map((picture) => engine.dot(picture, weights)); // prettier-ignore
  expect(sums).toEqual([56, 28, 0, -56]);
  expect(engine.sigmoid(10 - 10)).toBe(0.5);
  expect(precise(engine.sigmoid(-20))).toBe("2.1·10⁻⁹");
});

test.each(Object.entries(models.SQUEEZERS))("the slope of %s is that of what it squeezes", (key, squeezer) => {
  for (const z of [-3.3, -0.4, 0.7, 2.1]) {
    expect((squeezer.of(z + 1e-6) - squeezer.of(z - 1e-6)) / 2e-6).toBeCloseTo(squeezer.slope(z), 6);
    const [more, less] = [1e-6, -1e-6].map((h) => models.small(squeezer, z, 2.5 + h).value);
    expect((more - less) / 2e-6).toBeCloseTo(models.small(squeezer, z, 2.5).slope, 5);
  }
  const [a, b, c] = [-2, 0, 2].map((x) => models.small(squeezer, x, 3).value);
  if (key === "none") expect(a + c - 2 * b).toBeCloseTo(0, 12);
  else expect(Math.abs(a + c - 2 * b)).toBeGreaterThan(0.01);
  expect(models.SQUEEZERS.sigmoid.of(-1000)).toBe(0);
}); // prettier-ignore

test("a saturated output is nudged little by squares, and by its gap with cross-entropy", () => {
  const { wish, squares, entropy } = models.saturated(0.9957, 0);
  expect(wish).toBeCloseTo(-1.9914, 10);
  expect(squares).toBeCloseTo(-0.00853, 4);
  expect(entropy).toBe(-0.9957);
  for (const [a, y] of [[0.3, 1], [0.8, 0], [0.999, 0]]) {
    const cost = (z: number) => -(y * Math.log(engine.sigmoid(z)) + (1 - y) * Math.log(1 - engine.sigmoid(z)));
    const z = Math.log(a / (1 - a));
    expect((cost(z - 1e-5) - cost(z + 1e-5)) / 2e-5).toBeCloseTo(models.saturated(a, y).entropy, 6);
  }
}); // prettier-ignore

describe("learning", () => {
  const { start, digits, unseen } = given.data;

  test("from one digit it learns to call everything that digit", () => {
    for (const digit of [2, 7]) {
      const some = digits.filter(({ label }) => label === digit);
      const { net, accuracy } = learning.training({ ...given.data, digits: some }, 300, 300).end;
      const { said, right } = learning.looked(net, unseen);
      expect(said[digit]).toBe(unseen.length);
      expect(right[digit] / unseen.length).toBe(accuracy);
    }
  });

  test("from all it learns to read, and from one digit afterwards to forget", () => {
    const { net, accuracy } = learning.training(given.data, 300, 300).end;
    expect(accuracy).toBeGreaterThan(0.5);
    const twos = { ...given.data, start: net, digits: digits.filter(({ label }) => label === 2) };
    expect(learning.training(twos, 300, 300).end.accuracy).toBeLessThan(accuracy / 1.5);
  });

  test("a step too small or too large learns less than one that is right", () => {
    const ends = [0.01, 1.5, 100].map((rate) => learning.training(given.data, 300, 15, rate).end);
    for (const other of [ends[0], ends[2]]) {
      expect(ends[1].cost).toBeLessThan(0.7 * other.cost);
      expect(ends[1].accuracy).toBeGreaterThan(2 * other.accuracy);
    }
  });

  test("examples meet as their gradients do, and batches agree as predicted", () => {
    const some = digits.slice(0, 40);
    const table = engine.gram(start, some);
    const gradients = some.map((digit) => engine.gradient(start, [digit]));
    for (const [i, j] of [[0, 0], [0, 1], [7, 31]]) {
      expect(table[i * 40 + j] / engine.dot(gradients[i], gradients[j])).toBeCloseTo(1, 10);
    }
    const crowd = new learning.Crowd(start, some);
    const everybody = engine.gradient(start, some);
    const cosines = gradients.map((g) => engine.cosine(g, everybody));
    expect(learning.mean(crowd.drawn(1, 4000, seeded(1)))).toBeCloseTo(learning.mean(cosines), 1);
    expect(crowd.drawn(40, 3, seeded(2)).every((c) => Math.abs(c - 1) < 1e-12)).toBe(true);
    for (const batch of [10, 20, 40]) {
      const drawn = crowd.drawn(batch, 200, seeded(batch));
      expect(Math.abs(learning.mean(drawn) - crowd.predicted(batch))).toBeLessThan(0.08);
      expect(learning.histogram(drawn, 50).reduce((sum, [, , share]) => sum + share, 0)).toBeCloseTo(1, 12);
    }
  }); // prettier-ignore
});

test("a digit that is shifted comes back, and noise can drown it", () => {
  const { pixels: digit } = given.digit;
  expect(shifted(shifted(digit, 3, -2), -3, 2)).toEqual(digit);
  expect(pixels.noisy(digit, 0, 1)).toEqual(digit);
  const noise = pixels.noisy(digit, 1, 1);
  expect(noise).toEqual(pixels.noisy(pixels.bar(), 1, 1));
  expect(noise.every((p) => p >= 0 && p < 1)).toBe(true);
});
