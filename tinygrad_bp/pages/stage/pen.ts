// The pen that a scene draws with: the moment, the stage, the network on it, and the marks, each with
// what most of its kind look like.

import { mix, span, type Ease } from "./clock";
import { empty, type Arrow, type Bar, type Line, type Mark, type Path, type Picture, type Text } from "./frame";
import { across, along, around, neuron, place, strip, type Box, type Layout, type Point } from "./layout";
import type { Look } from "./parts/network";
import type { Before, Stage } from "./scene";
import type { Reading, Session } from "./session";

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

  constructor(
    readonly t: number,
    { box, session }: Stage,
    readonly before: Before,
    readonly look: Look,
  ) {
    [this.box, this.session, this.reading] = [box, session, session.now];
  }

  /** A pen on the same frame, for another network or another place. */
  with(changes: Partial<Pick<Pen, "box" | "look" | "reading">>): Pen {
    return Object.assign(Object.create(Pen.prototype) as Pen, this, changes);
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
    return along(this.box);
  }

  get across(): number {
    return across(this.box);
  }

  /** From 0 at one second to 1 at another. */
  span(from: number, to: number, ease?: Ease): number {
    return span(this.t, from, to, ease);
  }

  at(u: number, v: number): Point {
    return place(this.box, u, v);
  }

  /** A move along the flow, by so many pixels. */
  ahead([x, y]: Point, by: number): Point {
    return this.up ? [x, y - by] : [x + by, y];
  }

  neuron(layer: number, j: number): Point {
    const stands = layer === 2 ? this.look.places[j] : j;
    return neuron(this.box, this.layout, layer, stands, this.reading.net.sizes[layer]);
  }

  /** v of a neuron. */
  vOf(layer: number, j: number): number {
    const [x, y] = this.neuron(layer, j);
    return (this.up ? x : y) / this.across;
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
    this.bar(strip(this.box, u0, u1, v, thick), more);
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
