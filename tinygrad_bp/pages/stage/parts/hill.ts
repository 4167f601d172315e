// The hill: cost against work, on a scale on which every halving is as high as the one before.

import { scaleLinear, scaleLog } from "d3-scale";
import type { Ink } from "../frame";
import type { Point } from "../layout";
import { short } from "../numbers";
import type { Pen, Rect } from "../pen";
import type { Stop } from "../run";

const COSTS = [3.2, 0.12];
const MARKED = [2, 1, 0.5, 0.25];

interface Hill {
  floor: number;
  at(work: number, cost: number): Point;
}

export function hillIn([x, y, w, h]: Rect, work: number): Hill {
  const across = scaleLinear([0, work], [x, x + w]);
  const down = scaleLog(COSTS, [y, y + h]).clamp(true);
  return { floor: y + h, at: (done, cost) => [across(done), down(cost)] };
}

/** Lines at some costs, and the ground. */
export function heights(pen: Pen, hill: Hill, work: number, alpha: number): void {
  for (const cost of MARKED) {
    const to = hill.at(work, cost);
    pen.line(hill.at(0, cost), to, { ink: "hair", alpha: 0.7 * alpha });
    pen.text([to[0] + 8, to[1]], short(cost), { size: 12, alpha });
  }
  pen.line(hill.at(0, COSTS[1]), hill.at(work, COSTS[1]), { alpha });
}

/** Down the hill, stop by stop, and on to where the work has come since. */
export function slope(hill: Hill, stops: readonly Stop[], work: number): Point[] {
  const points = stops.map((stop) => hill.at(stop.work, stop.cost));
  const last = stops[stops.length - 1];
  return work > last.work ? [...points, hill.at(work, last.cost)] : points;
}

/** A staircase: whoever thinks stands still. */
export function staircase(hill: Hill, stops: readonly Stop[], work: number): Point[] {
  return stops.flatMap((stop, i) => {
    const until = i + 1 < stops.length ? stops[i + 1].work : work;
    return [hill.at(stop.work, stop.cost), hill.at(until, stop.cost)];
  });
}

/** Who is on its way: a ball, or a stone. */
export function walker(pen: Pen, at: Point, round: boolean, ink: Ink, alpha: number): void {
  if (round) pen.disc(at, 5, { ink, alpha });
  else pen.disc(at, 4, { ink, alpha, radius: 1 });
}

export function flag(pen: Pen, [x, y]: Point, text: string, alpha: number): void {
  pen.line([x, y - 3], [x, y - 26], { width: 1.5, ink: "ink", alpha });
  pen.text([x, y - 35], text, { size: 13, ink: "ink", alpha, align: "center", weight: 600 });
}
