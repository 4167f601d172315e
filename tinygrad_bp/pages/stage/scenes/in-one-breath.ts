// 15. The lesson in six lines; then the network that just learned reads what the reader draws.

import type { Facts } from "../frame";
import { layoutIn, type Box, type Layout } from "../layout";
import { short } from "../numbers";
import { boxed, gauges } from "../parts/gauges";
import { lookOf, network } from "../parts/network";
import type { Pen } from "../pen";
import { learned } from "../run";
import { leave, teller, type Scene } from "../scene";
import { reading, type Reading, type Session } from "../session";

const LEG = 0.9; // seconds from layer to layer
const START = 1.2;
const END = START + 3 * LEG;

export function padLayout(box: Box): Layout {
  return layoutIn(box, "pad");
}

const readings = new WeakMap<Float64Array, Reading>();

/** What the network makes of the drawing, or of the shown digit. */
export function read(session: Session): Reading {
  const net = learned(session);
  const { digit } = session;
  const { drawing } = session.choices;
  if (!drawing) return session.once(`learned ${digit.index}`, () => reading(net, digit));
  let found = readings.get(drawing);
  if (!found || found.net !== net) {
    const { answer } = reading(net, { index: -1, label: 0, pixels: drawing });
    found = reading(net, { index: -1, label: answer, pixels: drawing });
    readings.set(drawing, found);
  }
  return found;
}

function draw(given: Pen): Facts {
  const pen = given.with({ reading: read(given.session) });
  const { pass, answer } = pen.reading;
  leave(pen);
  const legs = [0, 1, 2].map((l) => pen.span(START + l * LEG, START + (l + 1) * LEG));
  network(pen, { rows: 28, legs });
  gauges(pen, pass[3], pen.span(0.6, 1), pen.span(END + 0.2, END + 0.5), pen.span(END - 0.4, END + 0.2));
  boxed(pen, answer, pen.span(END + 0.3, END + 0.6));
  if (!pen.session.choices.drawing) hint(pen, pen.span(0.7, 1.1));
  return { outputs: Array.from(pass[3]), answer };
}

function hint(pen: Pen, alpha: number): void {
  const { u, v, size } = pen.layout.picture;
  const [x, y] = pen.at(u, v);
  if (pen.up) pen.text([x + size / 2 + 16, y], "draw here", { size: 13, alpha });
  else pen.text([x, y - size / 2 - 22], "draw here", { size: 15, alpha, align: "center" });
}

/** Nobody has said what a drawing should be. */
function outputSaid(session: Session, [j]: number[]): string | undefined {
  return session.choices.drawing ? `Output ${j} is ${short(read(session).pass[3][j])}.` : undefined;
}

export const scene: Scene = {
  id: "in-one-breath",
  seconds: 6,
  look: ({ box }) => lookOf(padLayout(box), { trace: [0.5, 1, 1] }),
  draw,
  describe: teller({
    a3: outputSaid,
    level: outputSaid,
    picture: (session) =>
      session.choices.drawing ? `The network reads this as a ${read(session).answer}.` : undefined,
  }),
  settled: 1.1,
};
