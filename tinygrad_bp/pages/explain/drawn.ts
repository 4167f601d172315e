// Which nodes are drawn: all of a small graph, of a large one those around the current step.

import { Neighbours } from "./neighbours";
import type { Node, Pass } from "./record";
import type { Session } from "./session.svelte";

const MOST_DRAWN_WHOLE = 150;

export interface Drawn {
  whole: boolean;
  near: Neighbours | null;
}

export function drawing(pass: Pass): Drawn {
  const whole = pass.data.nodes.length <= MOST_DRAWN_WHOLE;
  return { whole, near: whole ? null : new Neighbours(pass) };
}

export function drawnAt({ pass, centre, edge }: Session, { near }: Drawn): Node[] {
  if (near === null) return pass.data.nodes;
  const next = pass.outOf[centre].slice(0, 8).map((k) => parentOf(pass, k));
  const ids = near.around(centre, edge ? [edge.parent, ...next] : []);
  return near.together(ids, centre);
}

function parentOf(pass: Pass, k: number): number {
  return pass.data.edges[pass.data.steps[k].edge].parent;
}
