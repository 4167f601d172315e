// Number lines: a dot on each, and how far it has come from the middle as an arrow.

import { scaleLinear } from "d3-scale";
import { add, type Frame } from "../frame";
import type { Box, Point } from "../layout";
import { inkOf, type Plan } from "./skyline";

/** A number line reaches from -REACH to REACH wiggles. */
export const REACH = 1.3;

/** x of so many wiggles from the middle. */
export function xOf({ line }: Plan, wiggles: number): number {
  return scaleLinear([-REACH, REACH], line)(wiggles);
}

export function line(
  frame: Frame,
  plan: Plan,
  y: number,
  ticks: readonly [number, string][],
  size: number,
  alpha: number,
): void {
  const [from, to] = plan.line;
  add(frame, { kind: "line", from: [from, y], to: [to, y], width: 1.5, ink: "mute", alpha });
  for (const [at, text] of ticks) {
    const x = xOf(plan, at);
    add(frame,
      { kind: "line", from: [x, y - 5], to: [x, y + 5], width: 1.5, ink: "mute", alpha },
      { kind: "text", at: [x, y + 19], text, size, ink: "mute", alpha, align: "center" },
    ); // prettier-ignore
  }
}

/** How far something has moved, and which way. */
export function shift(frame: Frame, plan: Plan, y: number, wiggles: number, width: number, id: string): void {
  const [from, to] = [0, wiggles].map((at): Point => [xOf(plan, at), y]);
  add(frame, {
    kind: "arrow",
    id,
    from,
    to,
    width,
    head: 2 * width,
    ink: inkOf(wiggles),
    alpha: 1,
  });
}

/** A number beside the middle, on the side to which nothing has moved. */
export function beside(
  frame: Frame,
  plan: Plan,
  y: number,
  wiggles: number,
  text: string,
  size: number,
  alpha: number,
): void {
  const side = wiggles > 0 ? -1 : 1;
  const at: Point = [xOf(plan, 0) + 14 * side, y];
  add(frame, { kind: "text", at, text, size, ink: inkOf(wiggles), alpha, align: side > 0 ? "left" : "right", weight: 600 }); // prettier-ignore
}

export function dot(frame: Frame, box: Box, plan: Plan, y: number, wiggles: number, id: string, alpha: number): void {
  const r = box.up ? 6 : 8;
  const rect = [xOf(plan, wiggles) - r, y - r, 2 * r, 2 * r];
  add(frame,
    { kind: "bar", id, rect, ink: "ink", alpha, radius: r },
    { kind: "bar", rect, ink: "ground", alpha, outline: 1.5, radius: r },
  ); // prettier-ignore
}
