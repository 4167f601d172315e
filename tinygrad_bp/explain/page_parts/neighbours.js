// Large graphs are drawn around the node that passes its gradient on.

const MOST_DRAWN = 24;
const MOST_OF_ONE = 4; // neighbours of one node in one direction
const REACH = 2; // edges away

export function neighbourhoods(record) {
  const reads = record.nodes.map(() => new Set()); // what a node was made from
  const readBy = record.nodes.map(() => []);
  for (const { child, parent } of record.edges) {
    if (!reads[child].has(parent)) readBy[parent].push(child);
    reads[child].add(parent);
  }

  // Of a node that thousands read, such as a shared weight, those recorded nearest are of interest.
  function nearest(ids, centre) {
    if (ids.length <= MOST_OF_ONE) return ids;
    const after = ids.findIndex((id) => id >= centre);
    const from = (after < 0 ? ids.length : after) - MOST_OF_ONE / 2;
    return ids.slice(Math.max(0, from)).slice(0, MOST_OF_ONE);
  }

  function around(centre, also) {
    const found = new Set([centre, ...also]);
    let border = [...found];
    for (let far = 0; far < REACH; far += 1) {
      const next = border.flatMap((id) => [
        ...nearest([...reads[id]], centre),
        ...nearest(readBy[id], centre),
      ]);
      border = next.filter((id) => !found.has(id) && found.size < MOST_DRAWN && found.add(id));
    }
    return found;
  }

  // How many neighbours of a node are not among those drawn.
  function leftOut(id, drawn) {
    return [...reads[id], ...readBy[id]].filter((other) => !drawn.has(other)).length;
  }

  // The nodes drawn; each leaf and constant stands at the centre or at the first that reads it.
  function drawnTogether(ids, centre) {
    const layers = [...ids].filter((id) => reads[id].size).map((id) => record.nodes[id].layer);
    return [...ids].map((id) => {
      const readers = readBy[id].filter((reader) => ids.has(reader));
      if (reads[id].size || readers.length === 0) return record.nodes[id];
      const beside = readers.includes(centre) ? [centre] : readers;
      const first = Math.min(...beside.map((reader) => record.nodes[reader].layer));
      const before = layers.filter((layer) => layer < first);
      return { ...record.nodes[id], layer: before.length ? Math.max(...before) : first - 1 };
    });
  }

  return { around, leftOut, drawnTogether };
}
