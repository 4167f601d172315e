// Which mark is under the pointer, and what a mark looks like when it is pointed at.

import type { Frame, Mark } from "./frame";
import type { Point } from "./layout";

export interface Hit {
  mark: Mark;
  /** Its id, or with a picture that of the pixel: "pixel.137". */
  id: string;
}

const SEEN = 0.02; // what is fainter cannot be pointed at

/** The nearest mark with an id within reach; what was painted later lies on top. */
export function nearest({ marks }: Frame, at: Point, reach: number): Hit | null {
  let found: Mark | null = null;
  let least = reach;
  for (const mark of marks) {
    if (!mark.id || mark.alpha < SEEN) continue;
    const far = distance(mark, at) + handicap(mark);
    if (far <= least) [found, least] = [mark, far];
  }
  return found && { mark: found, id: idAt(found, at) };
}

/** Thin lines are everywhere: they give way to what has a shape, and to thicker lines. */
function handicap(mark: Mark): number {
  if (mark.kind === "line") return 3 - Math.min(2, mark.width / 3);
  return mark.kind === "picture" || mark.kind === "path" ? 1 : 0;
}

function distance(mark: Mark, at: Point): number {
  switch (mark.kind) {
    case "line":
    case "arrow":
      return Math.max(0, fromPath([mark.from, mark.to], at) - mark.width / 2);
    case "path":
      return fromPath(mark.points, at);
    case "bar":
    case "picture":
      return fromRect(rectOf(mark), mark.kind === "bar" && Boolean(mark.outline), at);
    default:
      return Math.max(0, Math.hypot(at[0] - mark.at[0], at[1] - mark.at[1]) - radiusOf(mark));
  }
}

/** How far what is not made of lines reaches from its middle. */
function radiusOf(mark: Extract<Mark, { at: Point }>): number {
  return mark.kind === "bead" ? mark.radius : mark.size / 2;
}

function rectOf(mark: Exclude<Mark, { kind: "path" }>): readonly number[] {
  if (mark.kind === "bar") return mark.rect;
  if ("at" in mark) {
    const r = radiusOf(mark);
    return [mark.at[0] - r, mark.at[1] - r, 2 * r, 2 * r];
  }
  const [low, high] = bounds([mark.from, mark.to]);
  return [...low, high[0] - low[0], high[1] - low[1]];
}

/** An outline is its rim alone, so that what is inside can be reached. */
function fromRect([left, top, width, height]: readonly number[], rim: boolean, [x, y]: Point): number {
  const out = [Math.max(left - x, x - left - width), Math.max(top - y, y - top - height)];
  const inside = Math.max(...out);
  if (inside <= 0) return rim ? -inside : 0;
  return Math.hypot(Math.max(0, out[0]), Math.max(0, out[1]));
}

function fromPath(points: readonly Point[], at: Point): number {
  const far = points.slice(1).map((to, i) => fromSegment(at, points[i], to));
  return Math.min(...far);
}

/** The least of their coordinates, and the most. */
export function bounds(points: readonly Point[]): number[][] {
  return [Math.min, Math.max].map((most) => [0, 1].map((d) => most(...points.map((p) => p[d]))));
}

export function fromSegment([x, y]: Point, from: Point, to: Point): number {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const along = ((x - from[0]) * dx + (y - from[1]) * dy) / (dx * dx + dy * dy || 1);
  const s = Math.min(1, Math.max(0, along));
  return Math.hypot(x - from[0] - s * dx, y - from[1] - s * dy);
}

function idAt(mark: Mark, [x, y]: Point): string {
  if (mark.kind !== "picture" || mark.id !== "picture") return mark.id!;
  const side = Math.sqrt(mark.pixels.length);
  const [column, row] = [x - mark.at[0], y - mark.at[1]].map((off) =>
    Math.min(side - 1, Math.max(0, Math.floor((off / mark.size + 0.5) * side))),
  );
  return `pixel.${row * side + column}`;
}

/** The middle of a mark: where its label belongs when it is reached by keyboard. */
export function middle(mark: Mark): Point {
  if (mark.kind === "path") return mark.points[mark.points.length >> 1] ?? [0, 0];
  const [x, y, width, height] = rectOf(mark);
  return [x + width / 2, y + height / 2];
}

/** A ring, a rim or a bold line that shows which mark is meant. */
export function highlight(mark: Mark): Mark {
  const look = { ink: "ink", alpha: 1 } as const;
  if (mark.kind === "line") return { ...mark, width: Math.max(2, mark.width), dash: undefined, ...look };
  if (mark.kind === "path") return { ...mark, width: mark.width + 1.5, floor: undefined, dash: undefined, ...look };
  const [x, y, width, height] = rectOf(mark);
  const [right, down] = roomAround(mark, width, height);
  const rect = [x - right, y - down, width + 2 * right, height + 2 * down];
  const round = mark.kind === "bead" || mark.kind === "text";
  return { kind: "bar", rect, outline: 2, radius: round ? rect[2] / 2 : 4, ...look };
}

/** An arrow that points along an axis has no width of its own: its head has. */
function roomAround(mark: Mark, width: number, height: number): [number, number] {
  if (mark.kind === "arrow") {
    const reach = mark.head / 2 + 3;
    return [width ? 3 : reach, height ? 3 : reach];
  }
  const room = mark.kind === "picture" ? 7 : mark.kind === "text" ? mark.size / 2 : 3;
  return [room, room];
}
