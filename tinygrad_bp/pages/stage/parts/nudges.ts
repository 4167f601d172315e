// What one example wants of every parameter: minus its gradient.

import { mix, span } from "../clock";
import { gradient, nameOf, netOn, type Net } from "../engine";
import { add, type Frame, type Ink } from "../frame";
import { across, place, type Box, type Point } from "../layout";
import type { Session } from "../session";
import { neuronAt, type Look } from "./network";
import { inkOf } from "./wishes";

/** The nudges of the shown digit, as parts of a network. */
export function nudgesOf(session: Session): Net {
  const { digit, now } = session;
  return session.once(`nudges ${digit.index}`, () => {
    const wanted = gradient(now.net, [digit]).map((slope) => -slope || 0);
    return netOn(wanted, now.net.sizes);
  });
}

export function largestOf(numbers: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < numbers.length; i += 1) most = Math.max(most, Math.abs(numbers[i]));
  return most || 1;
}

/**
 * The nudges of the weights of the pixels, a picture for each neuron of layer 1: the roots of their
 * shares of the largest, since neurons that are all on or off want so little that it would not show.
 */
export function pixelNudges(session: Session): Float64Array[] {
  return session.once(`pictures ${session.digit.index}`, () => {
    const [w] = nudgesOf(session).w;
    const { sizes } = session.now.net;
    const most = largestOf(w);
    const row = (j: number) => w.subarray(j * sizes[0], (j + 1) * sizes[0]);
    return Array.from({ length: sizes[1] }, (_, j) =>
      row(j).map((nudge) => Math.sign(nudge) * Math.sqrt(Math.abs(nudge) / most)),
    );
  });
}

const COLUMNS = { right: [0.062, 0.186, 0.31], up: [0.075, 0.192, 0.309] }; // u, by turns

/** Where the picture of a neuron of layer 1 stands in the end, and how big it is. */
function pictureAt(box: Box, j: number): { at: Point; size: number } {
  const columns = box.up ? COLUMNS.up : COLUMNS.right;
  const v = (box.up ? 0.09 : 0.092) + ((box.up ? 0.82 : 0.816) * j) / 15;
  return { at: place(box, columns[j % columns.length], v), size: 0.142 * across(box) };
}

/** Sixteen copies of the example's own picture, each of which takes the sign of its neuron's wish. */
export function pictures(frame: Frame, box: Box, look: Look, session: Session, out: (j: number) => number): void {
  const start = look.layout.picture;
  const from = place(box, start.u, start.v);
  pixelNudges(session).forEach((pixels, j) => {
    const s = out(j);
    const end = pictureAt(box, j);
    const at: Point = [mix(from[0], end.at[0], s), mix(from[1], end.at[1], s)];
    const size = mix(start.size, end.size, s);
    if (s === 0) return;
    const alpha = span(s, 0.65, 1); // of its sign
    const edge = size / 2 + 1;
    const back: Point = box.up ? [at[0], at[1] - edge] : [at[0] + edge, at[1]];
    const to = neuronAt(box, look, 1, j, session.now);
    const rect = [at[0] - edge, at[1] - edge, 2 * edge, 2 * edge];
    add(frame,
      { kind: "line", from: back, to, width: 1, ink: "hair", alpha: span(s, 0.6, 1) },
      { kind: "bar", rect, ink: "ground", alpha: 1 },
      { kind: "picture", at, size: size - 12, pixels: session.digit.pixels, rows: 28, alpha: 0.55 * (1 - alpha) },
      { kind: "picture", id: `W1.${j}`, at, size, pixels, rows: 28, look: "signed", alpha },
      { kind: "bar", rect, ink: "hair", alpha, outline: 1 },
    ); // prettier-ignore
  });
}

/** The nudges of the weights of layers 2 and 3, on their edges. */
export function edges(frame: Frame, box: Box, look: Look, session: Session, grown: number): void {
  if (grown === 0) return;
  const { net } = session.now;
  const wanted = nudgesOf(session);
  for (const l of [1, 2]) {
    const most = largestOf(wanted.w[l]);
    wanted.w[l].forEach((nudge, i) => {
      const [j, k] = [Math.floor(i / net.sizes[l]), i % net.sizes[l]];
      const size = Math.abs(nudge) / most;
      if (size < 0.02) return;
      const [from, to] = [neuronAt(box, look, l, k, session.now), neuronAt(box, look, l + 1, j, session.now)]; // prettier-ignore
      const width = (0.5 + 6 * size) * (box.up ? 0.6 : 1) * grown;
      add(frame, { kind: "line", id: `nudge${l + 1}.${j}.${k}`, from, to, width, ink: inkOf(nudge), alpha: (0.3 + 0.6 * size) * span(grown, 0, 0.2) }); // prettier-ignore
    });
  }
}

/** The nudges of the biases, as rings round their neurons. */
export function biases(frame: Frame, box: Box, look: Look, session: Session, s: number): void {
  const wanted = nudgesOf(session);
  wanted.b.forEach((layer, l) => {
    const most = largestOf(layer);
    layer.forEach((nudge, j) => {
      const outline = (box.up ? 3.5 : 6) * (Math.abs(nudge) / most) * s;
      if (outline > 0.2) circle(frame, neuronAt(box, look, l + 1, j, session.now), look.layout.radii[l] + outline / 2, outline, inkOf(nudge), span(s, 0, 0.2), `nudge.b${l + 1}.${j}`); // prettier-ignore
    });
  });
}

function circle(frame: Frame, [x, y]: Point, r: number, outline: number, ink: Ink, alpha: number, id?: string): void {
  const rect = [x - r, y - r, 2 * r, 2 * r];
  add(frame, { kind: "bar", id, rect, ink, alpha, outline, radius: r });
}

/** Where a parameter stands: its pixel, its edge, or its neuron. */
export function highlight(frame: Frame, box: Box, look: Look, session: Session, index: number, alpha: number): void {
  const { net } = session.now;
  const [, kind, layer, row, column] = /(.)(\d+)\[(\d+),?(\d*)\]/.exec(nameOf(net.sizes, index))!;
  const [l, j, k] = [layer, row, column].map(Number);
  const to = neuronAt(box, look, l, j, session.now);
  circle(frame, to, look.layout.radii[l - 1] + (kind === "b" ? 11 : 6), 2.5, "ink", alpha, "checked");
  if (kind === "b") return;
  if (l > 1) {
    const from = neuronAt(box, look, l - 1, k, session.now);
    circle(frame, from, look.layout.radii[l - 2] + 5, 2, "ink", alpha);
    add(frame, { kind: "line", from, to, width: 2, ink: "ink", alpha });
    return;
  }
  const { at: [x, y], size } = pictureAt(box, j); // prettier-ignore
  const cell = size / 28;
  const [left, top] = [x - size / 2 + (k % 28) * cell, y - size / 2 + Math.floor(k / 28) * cell];
  const rect = [left - 2, top - 2, cell + 4, cell + 4];
  const frameOf = [x - size / 2 - 2, y - size / 2 - 2, size + 4, size + 4];
  add(frame,
    { kind: "bar", rect, ink: "ink", alpha, outline: 2 },
    { kind: "bar", rect: frameOf, ink: "ink", alpha, outline: 1.5 },
  ); // prettier-ignore
}
