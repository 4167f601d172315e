// Which nodes are drawn: all of a small graph, of a large one those around the node at work.

import type { Node, Pass } from "./record";
import type { Session } from "./session.svelte";

const MOST_DRAWN_WHOLE = 150;
const MOST_DRAWN = 24; // of a large graph
const MOST_OF_ONE = 4; // neighbours of one node in one direction
const MOST_NEXT = 8; // of the nodes that get something next
const REACH = 2; // edges away

export class Drawn {
  readonly whole: boolean;
  private readonly reads: number[][];
  private readonly readBy: number[][];

  constructor(private readonly pass: Pass) {
    const { nodes, edges } = pass.data;
    this.whole = nodes.length <= MOST_DRAWN_WHOLE;
    this.reads = nodes.map(() => []);
    this.readBy = nodes.map(() => []);
    for (const { child, parent } of edges) {
      if (this.reads[child].includes(parent)) continue;
      this.reads[child].push(parent);
      this.readBy[parent].push(child);
    }
  }

  at({ pass, centre, edge }: Session): Node[] {
    if (this.whole) return pass.data.nodes;
    const next = pass.outOf[centre].slice(0, MOST_NEXT).map((step) => pass.edgeAt(step + 1)!.parent);
    return this.together(this.around(centre, edge ? [edge.parent, ...next] : []), centre);
  }

  around(centre: number, also: number[]): Set<number> {
    const found = new Set([centre, ...also]);
    let border = [...found];
    for (let far = 0; far < REACH; far += 1) {
      const next = border.flatMap((id) => [...nearest(this.reads[id], centre), ...nearest(this.readBy[id], centre)]);
      border = next.filter((id) => !found.has(id) && found.size < MOST_DRAWN && found.add(id));
    }
    return found;
  }

  /** How many neighbours of a node are not among those drawn. */
  leftOut(id: number, drawn: Set<number>): number {
    return [...this.reads[id], ...this.readBy[id]].filter((other) => !drawn.has(other)).length;
  }

  /** Those drawn; each leaf and constant stands at the centre or at the first that reads it. */
  together(ids: Set<number>, centre: number): Node[] {
    const { nodes } = this.pass.data;
    const layers = [...ids].filter((id) => this.reads[id].length).map((id) => nodes[id].layer);
    return [...ids].map((id) => {
      const readers = this.readBy[id].filter((reader) => ids.has(reader));
      if (this.reads[id].length || readers.length === 0) return nodes[id];
      const beside = readers.includes(centre) ? [centre] : readers;
      const first = Math.min(...beside.map((reader) => nodes[reader].layer));
      const before = layers.filter((layer) => layer < first);
      return { ...nodes[id], layer: before.length ? Math.max(...before) : first - 1 };
    });
  }
}

/** Of a node that thousands read, such as a shared weight, those recorded nearest. */
function nearest(ids: number[], centre: number): number[] {
  if (ids.length <= MOST_OF_ONE) return ids;
  const after = ids.findIndex((id) => id >= centre);
  const from = (after < 0 ? ids.length : after) - MOST_OF_ONE / 2;
  return ids.slice(Math.max(0, from)).slice(0, MOST_OF_ONE);
}
