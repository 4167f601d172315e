// Number lines: a dot on each, and how far it has come from the middle as an arrow.

import { scaleLinear } from "d3-scale";
import { inkOf } from "../frame";
import type { Pen } from "../pen";
import type { Plan } from "./skyline";

/** A number line reaches from -REACH to REACH wiggles. */
export const REACH = 1.3;

/** x of so many wiggles from the middle. */
function xOf({ line }: Plan, wiggles: number): number {
  return scaleLinear([-REACH, REACH], line)(wiggles);
}

export function line(pen: Pen, plan: Plan, y: number, ticks: readonly [number, string][], alpha: number): void {
  const [from, to] = plan.line;
  pen.line([from, y], [to, y], { width: 1.5, alpha });
  for (const [at, text] of ticks) {
    const x = xOf(plan, at);
    pen.line([x, y - 5], [x, y + 5], { width: 1.5, alpha });
    pen.text([x, y + 19], text, { size: pen.up ? 10.5 : 13, alpha, align: "center" });
  }
}

/** How far something has moved, and which way. */
export function shift(pen: Pen, plan: Plan, y: number, wiggles: number, id: string): void {
  pen.arrow([xOf(plan, 0), y], [xOf(plan, wiggles), y], pen.up ? 6 : 9, { id, ink: inkOf(wiggles) });
}

/** A number beside the middle, on the side to which nothing has moved. */
export function beside(pen: Pen, plan: Plan, y: number, by: number, text: string, alpha: number): void {
  const side = by > 0 ? -1 : 1;
  const align = side > 0 ? "left" : "right";
  const at = [xOf(plan, 0) + 14 * side, y] as const;
  pen.text(at, text, { size: pen.up ? 10.5 : 13, ink: inkOf(by), alpha, align, weight: 600 });
}

export function dot(pen: Pen, plan: Plan, y: number, wiggles: number, id: string, alpha: number): void {
  const at = [xOf(plan, wiggles), y] as const;
  const radius = pen.up ? 6 : 8;
  pen.disc(at, radius, { id, alpha });
  pen.disc(at, radius, { ink: "ground", alpha, outline: 1.5 });
}
