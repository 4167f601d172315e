// The scenes of the cost and of its slopes: what they claim, on networks they were not made for.

import { describe, expect, test } from "vitest";
import * as engine from "../stage/engine";
import type { Bar, Frame, Text } from "../stage/frame";
import { seeded } from "../stage/random";
import { frameOf, SCENES } from "../stage/scenes";
import { Session } from "../stage/session";
import { costWith, nudges, pair, WIGGLE } from "../stage/parts/knobs";
import { columns, sectionsOf } from "../stage/parts/skyline";
import { landed, ordered } from "../stage/scenes/how-wrong";
import { tried } from "../stage/scenes/which-way-down";
import { BOXES, data } from "./given";

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** The made-up digits on another network. */
function seededSession(seed: number, digit = 0): Session {
  const given = data();
  const random = seeded(seed);
  const vector = given.net.vector.map(() => normal(random));
  return new Session({ ...given, net: engine.netOn(vector, given.sizes) }).choosing({ digit });
}

function frame(id: string, t: number, session: Session, box = BOXES.laptop): Frame {
  return frameOf(SCENES.findIndex((scene) => scene.id === id), t, { box, session }); // prettier-ignore
}

function squares({ marks }: Frame): Bar[] {
  return marks.filter((mark): mark is Bar => mark.kind === "bar" && !!mark.id?.startsWith("square"));
}

function text({ marks }: Frame, id: string): string | undefined {
  return marks.find((mark): mark is Text => mark.kind === "text" && mark.id === id)?.text;
}

const SEEDS = [2, 3, 5, 8, 13, 21];

describe("how wrong", () => {
  test.each(Object.entries(BOXES))("a square's area is its gap's square, all the way, on the %s", (_, box) => {
    const session = seededSession(3, 4);
    const { gaps, cost } = session.now;
    const unit = Math.max(...squares(frame("how-wrong", 3.5, session, box)).map(({ rect }) => rect[2])) /
      Math.max(...gaps.map(Math.abs)); // prettier-ignore
    for (let t = 3.5; t <= 9; t += 0.25) {
      const areas = squares(frame("how-wrong", t, session, box)).map(({ rect }) => rect[2] * rect[3]);
      areas.forEach((area, j) => expect(area / unit ** 2).toBeCloseTo(gaps[j] ** 2, 9));
      expect(areas.reduce((a, b) => a + b) / unit ** 2).toBeCloseTo(cost, 9);
    }
  });

  test("the bar's segments touch and do not overlap", () => {
    for (const seed of SEEDS) {
      const bars = squares(frame("how-wrong", 9, seededSession(seed, seed % 8)));
      bars.slice(1).forEach(({ rect }, j) => expect(rect[0]).toBeCloseTo(bars[j].rect[0] + bars[j].rect[2], 9)); // prettier-ignore
    }
  });

  test("the average at every moment is that of the digits that have come", () => {
    const session = seededSession(5, 2);
    const { digits } = ordered(session);
    expect(digits[0]).toBe(session.digit);
    expect(new Set(digits).size).toBe(session.data.digits.length);
    for (let t = 5.75; t <= 9; t += 0.05) {
      const made = frame("how-wrong", t, session);
      const count = made.facts.count as number;
      const { cost } = engine.score(session.data.net, digits.slice(0, count));
      expect(made.facts.average).toBeCloseTo(cost, 12);
      expect(text(made, "pile.number")).toBe(cost.toFixed(2));
      expect(text(made, "bar.number")).toBe(session.now.cost.toFixed(2));
    }
  });

  test("they come one by one, and all of them", () => {
    expect([landed(5.69, 1000), landed(5.7, 1000), landed(8, 1000), landed(9, 1000)]).toEqual([0, 1, 1000, 1000]); // prettier-ignore
    const counts = Array.from({ length: 200 }, (_, i) => landed(5.6 + i / 80, 1000));
    counts.slice(1).forEach((n, i) => expect(n).toBeGreaterThanOrEqual(counts[i]));
  });
});

describe("which way is down", () => {
  test("the skyline's columns hide no knob that is larger", () => {
    const session = seededSession(2);
    const all = nudges(session);
    for (const part of sectionsOf(session.data.sizes)) {
      for (const n of [40, 97, 200]) {
        const { ups, downs } = columns(all, part, n);
        const own = all.slice(part.start, part.start + part.count);
        expect(Math.max(...ups)).toBe(Math.max(0, ...own));
        expect(Math.min(...downs)).toBe(Math.min(0, ...own));
      }
    }
    const { up, down, unmoved } = frame("which-way-down", 9, session).facts as Record<string, number>; // prettier-ignore
    expect(up + down + unmoved).toBe(13002);
    expect(sectionsOf(session.data.sizes).map(({ count }) => count)).toEqual([12560, 272, 170]);
  });

  test.each(SEEDS)("network %i: two weights, 32 to 1, and the cost moves as they say", (seed) => {
    const session = seededSession(seed);
    const { large, small, ratio } = pair(session);
    const all = nudges(session);
    expect(Math.abs(ratio - 32)).toBeLessThan(0.5);
    expect(ratio).toBeCloseTo(all[large] / all[small], 12);
    const before = engine.score(session.data.net, session.data.digits).cost;
    expect(costWith(session, [])).toBeCloseTo(before, 12);
    for (const knob of [large, small]) {
      for (const by of [-WIGGLE, WIGGLE]) {
        const vector = session.data.net.vector.slice();
        vector[knob] += by;
        const whole = engine.score(engine.netOn(vector, session.data.sizes), session.data.digits);
        expect(costWith(session, [[knob, by]])).toBeCloseTo(whole.cost, 12);
        expect((before - whole.cost) / (all[knob] * by)).toBeCloseTo(1, 1.7); // to a hundredth
      }
    }
  });

  test("what was chosen is what is tried", () => {
    const session = seededSession(8);
    const { large, small } = pair(session);
    for (const knobs of [
      [0.3, -0.8],
      [-1, 1],
      [0, 0],
    ] as [number, number][]) {
      // prettier-ignore
      const chosen = session.choosing({ knobs });
      const { facts } = frame("which-way-down", 9, chosen);
      const turns = [large, small].map((knob, i): [number, number] => [knob, knobs[i] * WIGGLE]);
      expect(facts["cost after"]).toBe(costWith(session, turns));
      expect(facts["cost with each alone"]).toEqual(turns.map((turn) => costWith(session, [turn])));
      expect(text(frame("which-way-down", 9, chosen), "cost.number")).toBe(tried(chosen).after.toFixed(4)); // prettier-ignore
    }
  });
});
