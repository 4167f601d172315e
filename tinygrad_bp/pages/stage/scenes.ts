// The scenes in the story's order, and the frame of any of them at any time.

import file from "../../lesson/story.json";
import type { Frame } from "./frame";
import type { Before, Scene, Stage } from "./scene";

const found = import.meta.glob<{ scene: Scene }>("./scenes/*.ts", { eager: true });
const byId = new Map(Object.values(found).map(({ scene }) => [scene.id, scene]));

export const SCENES: readonly Scene[] = file.scenes.flatMap(({ id }) => byId.get(id) ?? []);

/** The frame of scene `i` after `t` seconds: a pure function of what it is given. */
export function frameOf(i: number, t: number, stage: Stage): Frame {
  return SCENES[i].frame(t, stage, t < 1 ? before(i, stage) : nothing(i, stage));
}

function before(i: number, stage: Stage): Before {
  if (i === 0) return nothing(0, stage);
  const { marks, network } = frameOf(i - 1, SCENES[i - 1].seconds, stage);
  const others = [...marks.slice(0, network[0]), ...marks.slice(network[1])];
  return { look: SCENES[i - 1].look(stage), marks: others };
}

/** Nothing of the scene before is left but where its network stood. */
function nothing(i: number, stage: Stage): Before {
  return { look: SCENES[Math.max(0, i - 1)].look(stage), marks: [] };
}

/** All that scenes will need, a little at a time: once it is kept, each of them opens at once. */
export function* ahead(stage: Stage): Generator<void> {
  for (const [i, { trains, seconds }] of SCENES.entries()) {
    for (const run of trains?.(stage.session) ?? []) yield* run.whole();
    frameOf(i, seconds, stage);
    yield;
  }
}
