// What a scene is: a pure function of time, of the room on the stage, and of what was chosen.

import { eased, span } from "./clock";
import { add, faded, type Frame, type Mark } from "./frame";
import type { Box } from "./layout";
import { blendLook, type Look } from "./parts/network";
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
  frame(t: number, stage: Stage, before: Before): Frame;
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

/** The network on its way from where the scene before left it. */
export function moved(t: number, before: Before, look: Look, seconds = CAMERA): Look {
  return blendLook(before.look, look, span(t, 0, seconds, eased.camera));
}

/** Let go of what the scene before has left, but for marks that this scene draws itself. */
export function leave(frame: Frame, t: number, before: Before, taken: (id: string) => boolean = () => false): void {
  const alpha = 1 - span(t, 0, LEAVING);
  if (alpha === 0) return;
  add(frame, ...faded(before.marks.filter(({ id }) => !(id && taken(id))), alpha)); // prettier-ignore
}
