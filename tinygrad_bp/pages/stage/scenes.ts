// The scenes in the story's order, and the frame of any of them at any time.

import file from "../../lesson/story.json";
import type { Frame } from "./frame";
import { Pen } from "./pen";
import { moved, type Before, type Scene, type Stage } from "./scene";

const found = import.meta.glob<{ scene: Scene }>("./scenes/*.ts", { eager: true });
const byId = new Map(Object.values(found).map(({ scene }) => [scene.id, scene]));

export const SCENES: readonly Scene[] = file.scenes.flatMap(({ id }) => byId.get(id) ?? []);

/** The frame of scene `i` after `t` seconds: a pure function of what it is given. */
export function frameOf(i: number, t: number, stage: Stage): Frame {
  const before = beforeOf(i, t, stage);
  const pen = new Pen(t, stage, before, moved(t, before.look, SCENES[i].look(stage)));
  pen.frame.facts = SCENES[i].draw(pen);
  return pen.frame;
}

/** When a scene has begun, nothing of the one before is left but where its network stood. */
function beforeOf(i: number, t: number, stage: Stage): Before {
  const last = SCENES[Math.max(0, i - 1)];
  const look = last.look(stage);
  if (i === 0 || t >= 1) return { look, marks: [] };
  const { marks, network } = frameOf(i - 1, last.seconds, stage);
  return { look, marks: [...marks.slice(0, network[0]), ...marks.slice(network[1])] };
}

/** All that scenes will need, a little at a time: once it is kept, each of them opens at once. */
export function* ahead(stage: Stage): Generator<void> {
  for (const [i, { trains, seconds }] of SCENES.entries()) {
    for (const run of trains?.(stage.session) ?? []) yield* run.whole();
    frameOf(i, seconds, stage);
    yield;
  }
}
