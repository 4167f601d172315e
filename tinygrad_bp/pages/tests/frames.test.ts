// What holds for the frames of all scenes.

import { describe, expect, test } from "vitest";
import type { Frame, Mark } from "../stage/frame";
import { frameOf, SCENES } from "../stage/scenes";
import { STORY, sentence } from "../stage/story";
import { BOXES, session } from "./given";

const given = session();

function at(i: number, t: number, box = BOXES.laptop): Frame {
  return frameOf(i, t, { box, session: given });
}

function numbersIn(value: unknown): number[] {
  if (typeof value === "number") return [value];
  if (value instanceof Float64Array) return [];
  if (value && typeof value === "object") return Object.values(value).flatMap(numbersIn);
  return [];
}

/** What can be seen of a mark, so that two can be compared. */
function seen(mark: Mark): string {
  return JSON.stringify(mark, (key, value: unknown) =>
    typeof value === "number" ? Math.round(value * 100) / 100 : key === "id" ? undefined : value,
  );
}

describe.each(SCENES.map(({ id, seconds }, i) => ({ id, seconds, i })))("$id", ({ seconds, i }) => {
  const times = Array.from({ length: 41 }, (_, n) => (seconds * n) / 40);

  test.each(Object.keys(BOXES))("all numbers are finite, and stay on the %s", (name) => {
    const box = BOXES[name];
    for (const t of times) {
      const { marks, facts } = at(i, t, box);
      expect([...marks.flatMap(numbersIn), ...numbersIn(facts)].every(Number.isFinite)).toBe(true);
      for (const mark of marks.filter((each) => each.kind === "bead" || each.kind === "text")) {
        expect(mark.at[0]).toBeGreaterThanOrEqual(0);
        expect(mark.at[0]).toBeLessThanOrEqual(box.width);
        expect(mark.at[1]).toBeGreaterThanOrEqual(0);
        expect(mark.at[1]).toBeLessThanOrEqual(box.height);
      }
    }
  });

  test("a moment is the same however it is reached", () => {
    const there = times.map((t) => JSON.stringify(at(i, t)));
    const back = [...times].reverse().map((t) => JSON.stringify(at(i, t)));
    expect(back.reverse()).toEqual(there);
  });

  test("it opens as the scene before ends", () => {
    if (i === 0) return;
    const end = at(i - 1, SCENES[i - 1].seconds).marks.map(seen);
    const start = new Set(at(i, 0).marks.map(seen));
    const lost = end.filter((mark) => !start.has(mark));
    expect(lost).toEqual([]);
  });

  test("at most 40 words, and a dozen numbers beside those at the outputs", () => {
    const story = STORY.find(({ id }) => id === SCENES[i].id)!;
    expect(sentence(story, given).split(/\s+/).length).toBeLessThanOrEqual(40);
    for (const t of times) {
      const texts = at(i, t).marks.filter((mark) => mark.kind === "text" && mark.alpha > 0.5);
      expect(texts.filter((mark) => mark.kind === "text" && /\d/.test(mark.text)).length).toBeLessThanOrEqual(32); // prettier-ignore
    }
  });
});
