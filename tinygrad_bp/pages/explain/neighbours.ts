// Large graphs are drawn around the node that passes its gradient on.

import type { Node, Pass } from "./record";

const MOST_DRAWN = 24;
const MOST_OF_ONE = 4; // neighbours of one node in one direction
const REACH = 2; // edges away

export class Neighbours {
  private readonly reads: Set<number>[];
  private readonly readBy: number[][];

  constructor(private readonly pass: Pass) {
    const { nodes, edges } = pass.data;
    this.reads = nodes.map(() => new Set());
    this.readBy = nodes.map(() => []);
    for (const { child, parent } of edges) {
      if (!this.reads[child].has(parent)) this.readBy[parent].push(child);
      this.reads[child].add(parent);
    }
  }

  around(centre: number, also: number[]): Set<number> {
    const found = new Set([centre, ...also]);
    let border = [...found];
    for (let far = 0; far < REACH; far += 1) {
      const next = border.flatMap((id) => [
        ...nearest([...this.reads[id]], centre),
        ...nearest(this.readBy[id], centre),
      ]);
      border = next.filter((id) => !found.has(id) && found.size < MOST_DRAWN && Boolean(found.add(id)));
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
    const layers = [...ids].filter((id) => this.reads[id].size).map((id) => nodes[id].layer);
    return [...ids].map((id) => {
      const readers = this.readBy[id].filter((reader) => ids.has(reader));
      if (this.reads[id].size || readers.length === 0) return nodes[id];
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
