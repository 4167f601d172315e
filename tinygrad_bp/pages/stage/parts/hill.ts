// The hill: cost against work, on a scale on which every halving is as high as the one before.

import { scaleLinear, scaleLog } from "d3-scale";
import { add, type Frame, type Ink } from "../frame";
import type { Point } from "../layout";
import { short } from "../numbers";
import type { Stop } from "../run";
import type { Rect } from "./wall";

const COSTS: [number, number] = [3.2, 0.12];
const MARKED = [2, 1, 0.5, 0.25];

export interface Hill {
  floor: number;
  at(work: number, cost: number): Point;
}

export function hillIn([x, y, w, h]: Rect, work: number): Hill {
  const across = scaleLinear()
    .domain([0, work])
    .range([x, x + w]);
  const down = scaleLog()
    .domain(COSTS)
    .range([y, y + h])
    .clamp(true);
  return { floor: y + h, at: (done, cost) => [across(done), down(cost)] };
}

/** Lines at some costs, and the ground. */
export function heights(frame: Frame, hill: Hill, work: number, alpha: number): void {
  for (const cost of MARKED) {
    const [to, from] = [hill.at(work, cost), hill.at(0, cost)];
    add(frame,
      { kind: "line", from, to, width: 1, ink: "hair", alpha: 0.7 * alpha },
      { kind: "text", at: [to[0] + 8, to[1]], text: short(cost), size: 12, ink: "mute", alpha },
    ); // prettier-ignore
  }
  const [from, to] = [hill.at(0, COSTS[1]), hill.at(work, COSTS[1])];
  add(frame, { kind: "line", from, to, width: 1, ink: "mute", alpha });
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
export function walker(frame: Frame, at: Point, round: boolean, ink: Ink, alpha: number): void {
  const r = round ? 5 : 4;
  const rect = [at[0] - r, at[1] - r, 2 * r, 2 * r];
  add(frame, { kind: "bar", rect, ink, alpha, radius: round ? r : 1 });
}

export function flag(frame: Frame, [x, y]: Point, text: string, alpha: number): void {
  add(frame,
    { kind: "line", from: [x, y - 3], to: [x, y - 26], width: 1.5, ink: "ink", alpha },
    { kind: "text", at: [x, y - 35], text, size: 13, ink: "ink", alpha, align: "center", weight: 600 },
  ); // prettier-ignore
}
