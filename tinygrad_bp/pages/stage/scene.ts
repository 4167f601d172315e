// What a scene is: a pure function of time, of the room on the stage, and of what was chosen.

import { blend, eased, span } from "./clock";
import type { Facts, Frame, Mark } from "./frame";
import type { Box } from "./layout";
import type { Look } from "./parts/network";
import type { Pen } from "./pen";
import type { Run } from "./run";
import type { Session } from "./session";

export interface Stage {
  box: Box;
  session: Session;
}

/** What the scene before leaves on the stage: its network, and all else. */
export interface Before {
  look: Look;
  marks: readonly Mark[];
}

export interface Scene {
  id: string;
  seconds: number;
  /** How the network stands at the end. */
  look(stage: Stage): Look;
  /** Draw a moment, with a pen on whose network the camera is on its way; gives the frame's facts. */
  draw(pen: Pen): Facts;
  /** The trainings that it shows. */
  trains?(session: Session): Run[];
  /** What stands in braces in its sentence; "+up" and "-down" wear the colours of their signs. */
  words?(session: Session): Record<string, string>;
  /** A sentence about a mark of its own, if the usual one will not do. */
  describe?(id: string, session: Session, frame: Frame): string | undefined;
  /** The moment that shows what its control has changed; none: from the start. */
  settled?: number;
}

const CAMERA = 0.9; // seconds that a change of layout takes
const LEAVING = 0.5; // seconds in which what is not needed any more fades

/** The network on its way from one look to another. */
export function moved(t: number, from: Look, to: Look, seconds = CAMERA): Look {
  return blend(from, to, span(t, 0, seconds, eased.camera));
}

/** Let go of what the scene before has left, but for marks that this scene draws itself. */
export function leave(pen: Pen, taken: (id: string) => boolean = () => false): void {
  const left = 1 - pen.span(0, LEAVING);
  for (const mark of pen.before.marks) if (!(mark.id && taken(mark.id))) pen.add({ ...mark, alpha: mark.alpha * left });
}

/** `describe` of a scene: by kind of mark, a sentence about the one with these numbers in its id. */
export function teller(
  sentences: Record<string, (session: Session, at: number[], facts: Facts) => string | undefined>,
): Scene["describe"] {
  return (id, session, { facts }) => {
    const [kind, ...at] = id.split(".");
    return sentences[kind]?.(session, at.map(Number), facts);
  };
}
