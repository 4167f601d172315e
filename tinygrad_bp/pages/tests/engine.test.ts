// The mathematics, against finite differences and against what must hold whatever the numbers.

import { describe, expect, test } from "vitest";
import * as engine from "../stage/engine";
import { hash, seeded, shuffled } from "../stage/random";
import { data } from "./given";

const given = data();
const H = 1e-5;

describe.each([0, 1, 2, 3])("example %i", (index) => {
  const digit = given.digits[index];
  const slopes = engine.gradient(given.net, [digit]);

  test("its gradient is what a wiggle of each parameter does", () => {
    const random = seeded(index);
    const nonzero = slopes.findIndex((g) => g !== 0);
    const places = Array.from({ length: 200 }, () => Math.floor(random() * slopes.length));
    for (const i of [nonzero, ...places, slopes.length - 1]) {
      const costs = [H, -H].map((h) => {
        const net = engine.copyOf(given.net);
        net.vector[i] += h;
        return engine.cost(engine.forward(net, digit.pixels), digit.label);
      });
      expect(slopes[i]).toBeCloseTo((costs[0] - costs[1]) / (2 * H), 7);
    }
  });

  test("weights of black pixels have no slope, and the others rank one", () => {
    const delta = engine.deltas(given.net, engine.forward(given.net, digit.pixels), digit.label);
    digit.pixels.forEach((p, k) => {
      for (let j = 0; j < 16; j += 1) expect(slopes[j * 784 + k]).toBeCloseTo(delta[0][j] * p, 15);
    });
  });

  test("what all outputs ask of the layer before is minus its slope in the activations", () => {
    const pass = engine.forward(given.net, digit.pixels);
    const delta = engine.deltas(given.net, pass, digit.label)[2];
    const sums = engine.received(given.net, 2, delta);
    engine.asked(given.net, 2, delta)[0].forEach((_, k) => {
      const all = engine.asked(given.net, 2, delta).reduce((sum, wishes) => sum + wishes[k], 0);
      expect(all).toBeCloseTo(-sums[k], 12);
    });
  });
});

test("the gradient of many is the mean of theirs", () => {
  const some = given.digits.slice(0, 7);
  const all = some.map((digit) => engine.gradient(given.net, [digit]));
  engine.gradient(given.net, some).forEach((g, i) => {
    expect(g).toBeCloseTo(all.reduce((sum, one) => sum + one[i], 0) / 7, 13);
  });
});

test("a small step lowers the cost by its square", () => {
  const { net, digits } = given;
  const slopes = engine.gradient(net, digits);
  const square = slopes.reduce((sum, g) => sum + g * g, 0);
  const lost = engine.score(net, digits).cost - engine.score(engine.stepped(net, slopes, 1e-5), digits).cost; // prettier-ignore
  expect(lost / 1e-5 / square).toBeCloseTo(1, 3);
});

test("every parameter has a name of its own, and there are 13,002", () => {
  const sizes = given.sizes;
  const names = new Set(Array.from({ length: engine.count(sizes) }, (_, i) => engine.nameOf(sizes, i)));
  expect(names.size).toBe(13002);
  expect(engine.nameOf(sizes, 12560 + 16 * 5 + 2 - 16)).toBe("W2[4,2]");
  expect(engine.nameOf(sizes, 13001)).toBe("b3[9]");
  expect(() => engine.nameOf(sizes, 13002)).toThrow(RangeError);
});

test("far from 0 the sigmoid is 0 and 1, and nothing else", () => {
  expect([-1000, 0, 1000].map(engine.sigmoid)).toEqual([0, 0.5, 1]);
});

test("random numbers are those that Python draws", () => {
  const random = seeded(42);
  expect([random(), random(), random()].map((r) => Math.round(r * 2 ** 32))).toEqual([
    2581720956, 1925393290, 3661312704,
  ]);
  expect([...shuffled(10, seeded(3))].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(hash(3, 4)).toBe(hash(3, 4));
});
