// The network in a part of the stage, and one network on its way to being another.

import { mix } from "../clock";
import type { Frame, Mark } from "../frame";
import type { Box, Layout, Point } from "../layout";
import type { Reading } from "../session";
import { network, type Look } from "./network";
import type { Rect } from "./wall";

export function whole({ width, height }: Box): Rect {
  return [0, 0, width, height];
}

export function rectBetween(a: Rect, b: Rect, s: number): Rect {
  return a.map((p, i) => mix(p, b[i], s)) as unknown as Rect;
}

/** A network that fills its place, without picture or gauges. */
export function bare(radius: number): Layout {
  return {
    picture: { u: 0, v: 0.5, size: 0 },
    columns: [0.05, 0.5, 0.95],
    margins: [0.03, 0.03, 0.03],
    radii: [radius, radius, radius * 1.3],
    gauge: [1, 1],
  };
}

/** Draw with a place of the stage as if it were all of it. */
export function within(frame: Frame, box: Box, [x, y, width, height]: Rect, draw: (box: Box) => void): void {
  // prettier-ignore
  const start = frame.marks.length;
  draw({ width, height, up: box.up });
  if (x === 0 && y === 0) return;
  for (let i = start; i < frame.marks.length; i += 1) frame.marks[i] = shifted(frame.marks[i], x, y);
}

function shifted(mark: Mark, x: number, y: number): Mark {
  const to = ([a, b]: Point): Point => [a + x, b + y];
  switch (mark.kind) {
    case "line":
    case "arrow":
      return { ...mark, from: to(mark.from), to: to(mark.to) };
    case "bar": {
      const [a, b, w, h] = mark.rect;
      return { ...mark, rect: [a + x, b + y, w, h] };
    }
    case "path":
      return { ...mark, points: mark.points.map(to) };
    default:
      return { ...mark, at: to(mark.at) };
  }
}

export function dimmed(look: Look, alpha: number): Look {
  const all = <T extends readonly number[]>(x: T) => x.map((p) => p * alpha) as unknown as T;
  return {
    ...look,
    picture: look.picture * alpha,
    idle: all(look.idle),
    trace: all(look.trace),
    beads: all(look.beads),
    names: look.names * alpha,
  };
}

/** One network gives way to another: no weight and no activation is ever between the two. */
export function dissolve(frame: Frame, box: Box, look: Look, [from, to]: readonly [Reading, Reading], s: number): void {
  if (s === 0 || s === 1) return network(frame, box, look, s ? to : from);
  const start = frame.marks.length;
  network(frame, box, dimmed(look, 1 - s), from);
  network(frame, box, dimmed(look, s), to);
  frame.network = [start, frame.marks.length];
}
