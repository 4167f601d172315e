// The pen that a scene draws with: the moment, the stage, the network on it, and the marks, each with
// what most of its kind look like.

import { mix, span, type Ease } from "./clock";
import { empty, type Arrow, type Bar, type Line, type Mark, type Path, type Picture, type Text } from "./frame";
import { around, place, type Box, type Layout, type Point } from "./layout";
import type { Look } from "./parts/network";
import type { Before, Stage } from "./scene";
import type { Reading, Session } from "./session";

/** x, y, width, height in pixels. */
export type Rect = readonly [number, number, number, number];

/** What a call may add to, or change of, a mark of its kind. */
export type More<M extends Mark> = Partial<
  Omit<M, "kind" | "from" | "to" | "at" | "rect" | "points" | "pixels" | "text">
>;

export class Pen implements Stage {
  readonly frame = empty();
  readonly box: Box;
  readonly session: Session;
  /** Whose numbers are shown. */
  readonly reading: Reading;
  private readonly corner: Point = [0, 0];

  constructor(
    readonly t: number,
    { box, session }: Stage,
    readonly before: Before,
    readonly look: Look,
  ) {
    [this.box, this.session, this.reading] = [box, session, session.now];
  }

  /** A pen on the same frame, for another network or another place. */
  with(changes: Partial<Pick<Pen, "look" | "reading">>): Pen {
    return Object.assign(Object.create(Pen.prototype) as Pen, this, changes);
  }

  /** A pen for which a part of the stage is all of it. */
  within([x, y, width, height]: Rect): Pen {
    return Object.assign(this.with({}), { corner: [x, y], box: { width, height, up: this.up } });
  }

  /** That of two which is meant for this stage. */
  pick<T>({ right, up }: { right: T; up: T }): T {
    return this.up ? up : right;
  }

  /** Whether the stage is a phone's, on which the flow goes up. */
  get up(): boolean {
    return this.box.up;
  }

  get layout(): Layout {
    return this.look.layout;
  }

  /** Pixels along the flow, and across it. */
  get along(): number {
    return this.up ? this.box.height : this.box.width;
  }

  get across(): number {
    return this.up ? this.box.width : this.box.height;
  }

  /** From 0 at one second to 1 at another. */
  span(from: number, to: number, ease?: Ease): number {
    return span(this.t, from, to, ease);
  }

  at(u: number, v: number): Point {
    const [x, y] = place(this.box, u, v);
    return [x + this.corner[0], y + this.corner[1]];
  }

  /** A move along the flow, by so many pixels. */
  ahead([x, y]: Point, by: number): Point {
    return this.up ? [x, y - by] : [x + by, y];
  }

  /** v of a neuron. */
  vOf(layer: number, j: number): number {
    const stands = layer === 2 ? this.look.places[j] : j;
    const last = this.reading.net.sizes[layer] - 1;
    const edge = this.layout.margins[layer - 1];
    return edge + (1 - 2 * edge) * (last ? stands / last : 0.5) + this.layout.shift[layer - 1];
  }

  neuron(layer: number, j: number): Point {
    return this.at(this.layout.columns[layer - 1], this.vOf(layer, j));
  }

  /** u of a level on the outputs' gauges. */
  uOf(level: number): number {
    const [from, to] = this.layout.gauge;
    return mix(from, to, level);
  }

  line(from: Point, to: Point, more: More<Line> = {}): void {
    this.add({ kind: "line", from, to, width: 1, ink: "mute", alpha: 1, ...more });
  }

  arrow(from: Point, to: Point, width: number, more: More<Arrow>): void {
    this.add({ kind: "arrow", from, to, width, head: 2 * width, ink: "ink", alpha: 1, ...more });
  }

  bar(rect: readonly number[], more: More<Bar> = {}): void {
    this.add({ kind: "bar", rect, ink: "ink", alpha: 1, ...more });
  }

  /** A bar from u0 to u1 that is `thick` pixels across. */
  strip(u0: number, u1: number, v: number, thick: number, more: More<Bar> = {}): void {
    const [[x0, y0], [x1, y1]] = [this.at(Math.min(u0, u1), v), this.at(Math.max(u0, u1), v)];
    this.bar(this.up ? [x0 - thick / 2, y1, thick, y0 - y1] : [x0, y0 - thick / 2, x1 - x0, thick], more);
  }

  disc(at: Point, radius: number, more: More<Bar> = {}): void {
    this.bar(around(at, radius), { radius, ...more });
  }

  bead(at: Point, radius: number, lit: number, alpha: number, id: string): void {
    this.add({ kind: "bead", id, at, radius, lit, alpha });
  }

  picture(at: Point, size: number, pixels: ArrayLike<number>, more: More<Picture> = {}): void {
    this.add({ kind: "picture", at, size, pixels, rows: 28, alpha: 1, ...more });
  }

  path(points: readonly Point[], more: More<Path>): void {
    this.add({ kind: "path", points, width: 1.5, ink: "ink", alpha: 1, ...more });
  }

  text(at: Point, text: string, more: More<Text> = {}): void {
    this.add({ kind: "text", at, text, size: this.up ? 11 : 13, ink: "mute", alpha: 1, ...more });
  }

  /** A number that matters. */
  figure(at: Point, text: string, size: number, more: More<Text> = {}): void {
    this.text(at, text, { size, ink: "ink", weight: 600, face: "serif", ...more });
  }

  /** Add a mark, unless nothing of it is there. */
  add(mark: Mark): void {
    if (mark.alpha > 0.004) this.frame.marks.push(mark);
  }
}
