// 15. The lesson in six lines; then the network that just learned reads what the reader draws.

import { span } from "../clock";
import { add, empty, type Frame } from "../frame";
import { layoutIn, place, type Box, type Layout } from "../layout";
import { short } from "../numbers";
import { boxed, gauges } from "../parts/gauges";
import { network, type Look } from "../parts/network";
import { learned } from "../run";
import { reading, type Reading, type Session } from "../session";
import { leave, moved, type Before, type Scene, type Stage } from "../scene";

const LEG = 0.9; // seconds from layer to layer
const START = 1.2;

const UP: Layout = {
  picture: { u: 0.135, v: 0.5, size: 140 },
  columns: [0.325, 0.425, 0.53],
  margins: [0.04, 0.04, 0.05],
  radii: [6, 7, 11],
  gauge: [0.59, 0.68],
};

/** The picture is large enough to draw on; on a phone, the lines stand at the top of the stage. */
export function padLayout(box: Box): Layout {
  if (box.up) return UP;
  const wide = layoutIn(box, "wide");
  const size = (wide.picture.size / 196) * 252;
  return { ...wide, picture: { u: 0.165, v: 0.5, size }, columns: [0.425, 0.585, 0.745] };
}

function look({ box }: Stage): Look {
  return {
    layout: padLayout(box),
    picture: 1,
    idle: [1, 1],
    trace: [0.5, 1, 1],
    beads: [1, 1, 1],
    names: 1,
  };
}

const readings = new WeakMap<Float64Array, Reading>();

/** What the network makes of the drawing, or of the shown digit. */
export function read(session: Session): Reading {
  const net = learned(session);
  const { drawing } = session.choices;
  if (!drawing) return session.once(`learned ${session.digit.index}`, () => reading(net, session.digit)); // prettier-ignore
  let found = readings.get(drawing);
  if (!found || found.net !== net) {
    const { answer } = reading(net, { index: -1, label: 0, pixels: drawing });
    found = reading(net, { index: -1, label: answer, pixels: drawing });
    readings.set(drawing, found);
  }
  return found;
}

function frame(t: number, stage: Stage, before: Before): Frame {
  const { box, session } = stage;
  const made = empty();
  const shown = moved(t, before, look(stage));
  const now = read(session);
  const leg = (l: number) => span(t, START + l * LEG, START + (l + 1) * LEG);
  leave(made, t, before);
  network(made, box, shown, now, { rows: 28, legs: [leg(0), leg(1), leg(2)] });
  const end = START + 3 * LEG;
  gauges(made, box, { layout: shown.layout, levels: now.pass[3], alpha: span(t, 0.6, 1), grown: span(t, end - 0.4, end + 0.2), numbers: span(t, end + 0.2, end + 0.5) }); // prettier-ignore
  boxed(made, box, shown.layout, now.answer, span(t, end + 0.3, end + 0.6));
  if (!session.choices.drawing) hint(made, box, shown.layout, span(t, 0.7, 1.1));
  made.facts = { outputs: Array.from(now.pass[3]), answer: now.answer };
  return made;
}

function hint(made: Frame, box: Box, { picture }: Layout, alpha: number): void {
  const [x, y] = place(box, picture.u, picture.v);
  const at = box.up ? ([x + picture.size / 2 + 16, y] as const) : ([x, y - picture.size / 2 - 22] as const); // prettier-ignore
  const size = box.up ? 13 : 15;
  add(made, { kind: "text", at, text: "draw here", size, ink: "mute", alpha, align: box.up ? "left" : "center" }); // prettier-ignore
}

/** Nobody has said what a drawing should be. */
function describe(id: string, session: Session): string | undefined {
  if (!session.choices.drawing) return undefined;
  const [kind, j] = id.split(".");
  const { pass, answer } = read(session);
  if (kind === "a3" || kind === "level") return `Output ${j} is ${short(pass[3][Number(j)])}.`;
  return kind === "picture" ? `The network reads this as a ${answer}.` : undefined;
}

export const scene: Scene = {
  id: "in-one-breath",
  seconds: 6,
  look,
  frame,
  describe,
  settled: 1.1,
};
