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
    if (far > least) continue;
    [found, least] = [mark, far];
  }
  return found && { mark: found, id: idAt(found, at) };
}

/** Thin lines are everywhere: they give way to what has a shape, and to thicker lines. */
function handicap(mark: Mark): number {
  if (mark.kind === "line") return 3 - Math.min(2, mark.width / 3);
  return mark.kind === "picture" || mark.kind === "path" ? 1 : 0;
}

function distance(mark: Mark, [x, y]: Point): number {
  switch (mark.kind) {
    case "line":
    case "arrow":
      return Math.max(0, fromSegment([x, y], mark.from, mark.to) - mark.width / 2);
    case "bead":
      return Math.max(0, Math.hypot(x - mark.at[0], y - mark.at[1]) - mark.radius);
    case "picture": {
      const outside = ([at, p]: number[]) => Math.max(0, Math.abs(p - at) - mark.size / 2);
      return Math.hypot(outside([mark.at[0], x]), outside([mark.at[1], y]));
    }
    case "bar":
      return fromBar(mark.rect, Boolean(mark.outline), [x, y]);
    case "text":
      return Math.max(0, Math.hypot(x - mark.at[0], y - mark.at[1]) - mark.size / 2);
    case "path":
      return fromPath(mark.points, [x, y]);
  }
}

/** An outline is its rim alone, so that what is inside can be reached. */
function fromBar([left, top, width, height]: readonly number[], rim: boolean, p: Point): number {
  const out = [Math.max(left - p[0], p[0] - left - width), Math.max(top - p[1], p[1] - top - height)];
  const inside = Math.max(...out);
  if (inside <= 0) return rim ? -inside : 0;
  return Math.hypot(Math.max(0, out[0]), Math.max(0, out[1]));
}

function fromSegment([x, y]: Point, from: Point, to: Point): number {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const along = ((x - from[0]) * dx + (y - from[1]) * dy) / (dx * dx + dy * dy || 1);
  const s = Math.min(1, Math.max(0, along));
  return Math.hypot(x - from[0] - s * dx, y - from[1] - s * dy);
}

function fromPath(points: readonly Point[], p: Point): number {
  let least = Infinity;
  for (let i = 1; i < points.length; i += 1) {
    least = Math.min(least, fromSegment(p, points[i - 1], points[i]));
  }
  return least;
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
  switch (mark.kind) {
    case "line":
    case "arrow":
      return [(mark.from[0] + mark.to[0]) / 2, (mark.from[1] + mark.to[1]) / 2];
    case "bar": {
      const [x, y, width, height] = mark.rect;
      return [x + width / 2, y + height / 2];
    }
    case "path":
      return mark.points[mark.points.length >> 1] ?? [0, 0];
    default:
      return mark.at;
  }
}

/** A ring, a rim or a bold line that shows which mark is meant. */
export function highlight(mark: Mark): Mark {
  const look = { ink: "ink", alpha: 1 } as const;
  const rim = (rect: number[], radius: number): Mark => ({ kind: "bar", rect, outline: 2, radius, ...look }); // prettier-ignore
  const round = ([x, y]: Point, r: number) => rim([x - r, y - r, 2 * r, 2 * r], r);
  switch (mark.kind) {
    case "line":
      return { ...mark, width: Math.max(2, mark.width), dash: undefined, ...look };
    case "arrow": {
      const [x, y] = middle(mark);
      const reach = mark.head / 2 + 3;
      const [w, h] = [mark.to[0] - mark.from[0], mark.to[1] - mark.from[1]].map(Math.abs);
      const [wide, high] = [w / 2 + (w ? 3 : reach), h / 2 + (h ? 3 : reach)];
      return rim([x - wide, y - high, 2 * wide, 2 * high], 4);
    }
    case "bead":
      return round(mark.at, mark.radius + 3);
    case "picture": {
      const r = mark.size / 2 + 7;
      return rim([mark.at[0] - r, mark.at[1] - r, 2 * r, 2 * r], 4);
    }
    case "bar": {
      const [x, y, width, height] = mark.rect;
      return rim([x - 3, y - 3, width + 6, height + 6], 4);
    }
    case "text":
      return round(mark.at, mark.size);
    case "path":
      return { ...mark, width: mark.width + 1.5, floor: undefined, dash: undefined, ...look };
  }
}
