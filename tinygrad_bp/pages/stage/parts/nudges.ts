// What one example wants of every parameter: minus its gradient.

import { blend, span } from "../clock";
import { gradient, netOn, type Net } from "../engine";
import { inkOf } from "../frame";
import { around, type Point } from "../layout";
import type { Pen } from "../pen";
import type { Session } from "../session";
import { edgesInto, knobAt, pixelIn } from "./network";

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
function pictureAt(pen: Pen, j: number): { at: Point; size: number } {
  const columns = pen.pick(COLUMNS);
  const v = (pen.up ? 0.09 : 0.092) + ((pen.up ? 0.82 : 0.816) * j) / 15;
  return { at: pen.at(columns[j % columns.length], v), size: 0.142 * pen.across };
}

/** Sixteen copies of the example's own picture, each of which takes the sign of its neuron's wish. */
export function pictures(pen: Pen, out: (j: number) => number): void {
  const { u, v, size } = pen.layout.picture;
  const start = { at: pen.at(u, v), size };
  pixelNudges(pen.session).forEach((pixels, j) => {
    const s = out(j);
    if (s === 0) return;
    const { at, size } = blend(start, pictureAt(pen, j), s);
    const alpha = span(s, 0.65, 1); // of its sign
    const edge = size / 2 + 1;
    pen.line(pen.ahead(at, edge), pen.neuron(1, j), { ink: "hair", alpha: span(s, 0.6, 1) });
    pen.bar(around(at, edge), { ink: "ground" });
    pen.picture(at, size - 12, pen.session.digit.pixels, { alpha: 0.55 * (1 - alpha) });
    pen.picture(at, size, pixels, { id: `W1.${j}`, look: "signed", alpha });
    pen.bar(around(at, edge), { ink: "hair", alpha, outline: 1 });
  });
}

/** The nudges of the weights of layers 2 and 3, on their edges. */
export function edges(pen: Pen, grown: number): void {
  if (grown === 0) return;
  const wanted = nudgesOf(pen.session);
  for (const layer of [2, 3]) {
    const most = largestOf(wanted.w[layer - 1]);
    for (const { index, j, k, from, to } of edgesInto(pen, layer)) {
      const nudge = wanted.vector[index];
      const size = Math.abs(nudge) / most;
      if (size < 0.02) continue;
      const width = (0.5 + 6 * size) * (pen.up ? 0.6 : 1) * grown;
      const alpha = (0.3 + 0.6 * size) * span(grown, 0, 0.2);
      pen.line(from, to, { id: `nudge${layer}.${j}.${k}`, width, ink: inkOf(nudge), alpha });
    }
  }
}

/** The nudges of the biases, as rings round their neurons. */
export function biases(pen: Pen, s: number): void {
  nudgesOf(pen.session).b.forEach((layer, l) => {
    const most = largestOf(layer);
    layer.forEach((nudge, j) => {
      const outline = (pen.up ? 3.5 : 6) * (Math.abs(nudge) / most) * s;
      if (outline <= 0.2) return;
      const look = { id: `nudge.b${l + 1}.${j}`, ink: inkOf(nudge), alpha: span(s, 0, 0.2), outline };
      pen.disc(pen.neuron(l + 1, j), pen.layout.radii[l] + outline / 2, look);
    });
  });
}

/** Where a parameter stands: its pixel, its edge, or its neuron. */
export function highlight(pen: Pen, index: number, alpha: number): void {
  const { radii } = pen.layout;
  const { layer, j, k } = knobAt(pen.reading.net.sizes, index);
  const to = pen.neuron(layer, j);
  pen.disc(to, radii[layer - 1] + (k === null ? 11 : 6), { id: "checked", alpha, outline: 2.5 });
  if (k === null) return;
  if (layer > 1) {
    const from = pen.neuron(layer - 1, k);
    pen.disc(from, radii[layer - 2] + 5, { alpha, outline: 2 });
    pen.line(from, to, { width: 2, ink: "ink", alpha });
    return;
  }
  const { at, size } = pictureAt(pen, j);
  pen.bar(around(pixelIn(at, size, k), size / 56 + 2), { alpha, outline: 2 });
  pen.bar(around(at, size / 2 + 2), { alpha, outline: 1.5 });
}
