// What surrounds the stage: addresses, words about marks, the drawer's numbers.

import { describe as group, expect, test } from "vitest";
import { read, written } from "../stage/address";
import { filled } from "../stage/cases";
import { allTold, describe, parameterOf, readingOf } from "../stage/describe";
import { checked, count, gradient, nameOf, placeOf } from "../stage/engine";
import { empty, type Frame, type Mark } from "../stage/frame";
import { highlight, middle, nearest } from "../stage/hit";
import { Player } from "../stage/player.svelte";
import { Pace } from "../stage/painter";
import { seeded } from "../stage/random";
import { frameOf, SCENES } from "../stage/scenes";
import { initial, type Choices } from "../stage/session";
import { STORY } from "../stage/story";
import { BOXES, session } from "./given";

const given = session();
const SIZES = given.data.sizes;

function ends(box = BOXES.laptop): Frame[] {
  return SCENES.map(({ seconds }, i) => frameOf(i, seconds, { box, session: given }));
}

group("an address", () => {
  const chosen: Partial<Choices>[] = [
    {},
    { digit: 3, voter: 8 },
    { voters: Array.from({ length: 10 }, (_, j) => j % 3 === 0), columns: Array(8).fill(false) },
    { avenues: [-0.25, 0, 1], knobs: [0.5, -0.5], batch: 100, deal: 1, amount: 2 },
    { drawing: Float64Array.from({ length: 784 }, (_, i) => (i % 16) / 15) },
  ];

  test.each(chosen)("gives back what was written, %#", (choices) => {
    const moment = { scene: "ten-voters", t: 4.25, choices: { ...initial(), ...choices } };
    const back = read(written({ ...moment, present: false }));
    expect(back).toEqual({ scene: "ten-voters", t: 4.25, choices, present: false });
    expect(read(written({ ...moment, present: true })).present).toBe(true);
  });

  test.each([
    "",
    "#",
    "#scene=<b>&t=NaN&digit=x&voters=12&columns=1&avenues=1,2&drawing=zz&batch=",
    "#t=-1e999&voter=1e&knobs=,",
    "#%E0%A4%A",
  ])("that says nothing sensible is not believed: %s", (hash) => {
    const { t = 0, choices } = read(hash);
    expect(t).toBe(0);
    expect(choices).toEqual({});
  });

  test("what is out of range is brought back", () => {
    const { choices } = read("#digit=99&voter=-7&batch=0&deal=1e9&amount=2.4");
    expect(choices).toEqual({ digit: 7, voter: -1, batch: 1, deal: 1000, amount: 2 });
  });

  test("of an unknown scene leaves the player where it is", () => {
    const player = new Player();
    expect(player.take(read("#scene=nowhere&t=3"))).toBe(false);
    expect(player.take(read(`#scene=${SCENES[1].id}&t=1e9&digit=2`))).toBe(true);
    expect([player.index, player.t]).toEqual([1, SCENES[1].seconds]);
    player.begin(given);
    expect(player.session!.choices.digit).toBe(2);
  });
});

group("parameters", () => {
  test("are found where their names say", () => {
    const total = count(SIZES);
    for (let i = 0; i < total; i += 1) {
      const [, kind, layer, j, k] = /([Wb])(\d)\[(\d+),?(\d*)\]/.exec(nameOf(SIZES, i))!;
      const place = placeOf(SIZES, Number(layer), Number(j), kind === "W" ? Number(k) : undefined);
      expect(place).toBe(i);
    }
    expect(nameOf(SIZES, parameterOf("w3.2.5", SIZES)!)).toBe("W3[2,5]");
    expect(nameOf(SIZES, parameterOf("wish.2.5", SIZES)!)).toBe("W3[2,5]");
    expect(nameOf(SIZES, parameterOf("a1.7", SIZES)!)).toBe("b1[7]");
    expect(parameterOf("gap.3", SIZES)).toBeUndefined();
  });

  test("change the cost as backpropagation says", () => {
    const random = seeded(77);
    for (const digit of given.data.digits.slice(20, 26)) {
      const slopes = gradient(given.data.net, [digit]);
      for (let n = 0; n < 40; n += 1) {
        const index = Math.floor(random() * slopes.length);
        const { slope, difference, costs } = checked(given.data.net, digit, index, 1e-5);
        expect(slope).toBe(slopes[index]);
        expect(Math.abs(difference - slope)).toBeLessThan(1e-8);
        expect(costs[1]).toBeGreaterThan(0);
      }
    }
  });
});

group("words about marks", () => {
  test.each(SCENES.map(({ id }, i) => [id, i] as const))("are sound at the end of %s", (_, i) => {
    for (const box of Object.values(BOXES)) {
      const frame = ends(box)[i];
      const told = allTold(SCENES[i], given, frame);
      expect(told.length).toBeGreaterThan(0);
      expect(new Set(told.map(({ text }) => text)).size).toBe(told.length);
      for (const { text } of told) {
        expect(text).toMatch(/^[A-Z0-9].*\.$/);
        expect(text).not.toMatch(/NaN|undefined|Infinity|null/);
        expect(text.split(/\s+/).length).toBeLessThanOrEqual(24);
      }
    }
  });

  test("have the numbers of the case", () => {
    const frame = ends()[0];
    const { pass, label, gaps } = given.now;
    const said = describe(`a3.${label}`, SCENES[0], given, frame)!;
    expect(said).toContain(`Output ${label} is `);
    expect(said).toContain("should be 1");
    const [level, wish] = [/is ([\d.]+) and/, /wish is \+([\d.]+)\./].map((re) => Number(re.exec(said)![1])); // prettier-ignore
    expect(Math.abs(level - pass[3][label])).toBeLessThan(0.005);
    expect(Math.abs(wish - 2 * gaps[label])).toBeLessThan(0.005);
    const weight = describe("w3.2.5", SCENES[0], given, frame)!;
    expect(weight).toMatch(/^Weight W3\[2,5\] = −?[\d.]+, from neuron 5 of layer 2 to output 2\.$/);
    expect(describe("nothing.3", SCENES[0], given, frame)).toBeUndefined();
  });
});

test("a wish that is told is that of the output as it has been moved", () => {
  const i = SCENES.findIndex(({ id }) => id === "three-ways");
  const frame = frameOf(i, SCENES[i].seconds, { box: BOXES.laptop, session: given });
  const { pass, label } = readingOf(frame, given);
  const said = describe(`gap.${label}`, SCENES[i], given, frame)!;
  const wish = Number(/wish is \+([\d.]+)\./.exec(said)![1]);
  expect(Math.abs(wish - 2 * (1 - pass[3][label]))).toBeLessThan(0.005);
  expect(pass[3][label]).not.toBeCloseTo(given.now.pass[3][label], 2);
});

group("pointing", () => {
  test("at the middle of any bead with a name finds it or what lies on it", () => {
    for (const frame of ends()) {
      for (const mark of frame.marks) {
        if (mark.kind !== "bead" || !mark.id || mark.alpha < 0.02) continue;
        const hit = nearest(frame, middle(mark), 10);
        expect(hit).not.toBeNull();
        expect(hit!.mark.kind).not.toBe("line");
      }
    }
  });

  test("finds the nearest, within reach, and pixels by their place", () => {
    const frame = empty();
    const look = { ink: "ink", alpha: 1 } as const;
    const marks: Mark[] = [
      { kind: "line", id: "w3.0.0", from: [0, 0], to: [100, 0], width: 1, ...look },
      { kind: "bead", id: "a3.0", at: [100, 0], radius: 10, lit: 1, alpha: 1 },
      { kind: "bar", id: "box", rect: [200, 0, 100, 100], outline: 2, ...look },
      { kind: "picture", id: "picture", at: [400, 400], size: 280, pixels: new Float64Array(784), rows: 28, alpha: 1 },
    ]; // prettier-ignore
    frame.marks.push(...marks);
    expect(nearest(frame, [50, 4], 10)?.id).toBe("w3.0.0");
    expect(nearest(frame, [50, 40], 10)).toBeNull();
    expect(nearest(frame, [95, 0], 10)?.id).toBe("a3.0");
    expect(nearest(frame, [250, 50], 10)).toBeNull();
    expect(nearest(frame, [201, 50], 10)?.id).toBe("box");
    expect(nearest(frame, [265, 275], 10)?.id).toBe("pixel.28");
    expect(marks.map(highlight).every(({ alpha }) => alpha === 1)).toBe(true);
  });
});

group("the drawer", () => {
  test.each(STORY.map((story) => [story.id, story] as const))("of %s", (id, { drawer }) => {
    const { symbols, numbers, result } = drawer.formula;
    expect(drawer.words.join(" ").split(/\s+/).length).toBeLessThanOrEqual(110);
    expect(symbols).not.toBe("");
    const i = SCENES.findIndex((scene) => scene.id === id);
    const digits = given.data.shown.map((_, digit) => given.choosing({ digit, voter: (3 * digit) % 10 })); // prettier-ignore
    for (const of of [...digits, given.choosing({ voters: Array(10).fill(false), columns: Array(8).fill(false) })]) {
      const seconds = SCENES[Math.max(0, i)].seconds;
      const frame = frameOf(Math.max(0, i), seconds, { box: BOXES.laptop, session: of });
      const text = [numbers, result].map((each) => filled(each, id, of, readingOf(frame, of)));
      expect(text.join(" ")).not.toMatch(/\{[a-z]+\}|NaN|undefined|Infinity|− −|\+ \+/);
    }
  });
});

group("the classroom", () => {
  test("a clicker plays each scene, cuts it short, and goes back to ends", () => {
    const player = new Player();
    player.present = true;
    player.begin(given);
    player.next();
    expect([player.index, player.playing]).toEqual([0, true]);
    player.advance(1);
    player.next();
    expect([player.index, player.playing, player.atEnd]).toEqual([0, false, true]);
    player.next();
    expect([player.index, player.playing, player.t]).toEqual([1, true, 0]);
    player.advance(1e3);
    expect([player.index, player.playing, player.atEnd]).toEqual([1, false, true]);
    player.back();
    expect([player.index, player.playing, player.atEnd]).toEqual([0, false, true]);
  });

  test("playing goes on from scene to scene, and stops at the last", () => {
    const player = new Player();
    player.begin(given);
    player.play();
    for (let n = 0; n < 10_000 && player.playing; n += 1) player.advance(0.05);
    expect([player.index, player.atEnd]).toEqual([SCENES.length - 1, true]);
    player.play();
    expect([player.index, player.t, player.playing]).toEqual([0, 0, true]);
  });

  test("where motion is unwelcome, scenes are shown as they end", () => {
    const player = new Player();
    player.still = true;
    player.begin(given);
    player.seek(0, 0);
    for (let i = 0; i < SCENES.length; i += 1) {
      expect([player.index, player.atEnd, player.playing]).toEqual([i, true, false]);
      player.play();
    }
    player.choose({ digit: 1 });
    expect(player.playing).toBe(false);
  });
});

test("fewer pixels are painted where the first frames are slow, and only there", () => {
  const [fast, slow] = [new Pace(), new Pace()];
  const first = Array.from({ length: 19 }, () => 33);
  expect(first.some((interval) => slow.slow(interval))).toBe(false);
  expect(slow.slow(33)).toBe(true);
  for (let n = 0; n < 100; n += 1) expect(fast.slow(n % 5 === 0 ? 50 : 16.7)).toBe(false);
  expect(fast.slow(50)).toBe(false);
});
