// The recorded pass, indexed so that any moment of it is found without replaying it. Position p is
// the moment after p steps: 0 is the start, and at position k + 1 step k has just happened.

export function readRecord(data) {
  const { nodes, edges, steps, arrays } = data;
  const into = nodes.map(() => []); // the steps that bring a node a contribution, in order
  const outOf = nodes.map(() => []); // the steps in which it passes its gradient on
  for (const [k, step] of steps.entries()) into[edges[step.edge].parent].push(k);
  const reads = nodes.map(() => []); // the edges to what it was made from
  for (const edge of edges) {
    reads[edge.child].push(edge);
    // A step goes back from all outputs of an operation at once, along an edge from each.
    if (edge.step !== null) outOf[edge.child].push(edge.step);
  }
  const array = (index) => (index === null || index === undefined ? null : arrays[index]);
  const order = backwardOrder(data, into, outOf);
  return { ...data, into, outOf, reads, order, array, last: steps.length };
}

export function edgeAt(record, position) {
  return position > 0 ? record.edges[record.steps[position - 1].edge] : null;
}

export function edgesAmong(record, ids) {
  return [...ids].flatMap((id) => record.reads[id].filter(({ parent }) => ids.has(parent)));
}

// The node that passes its gradient on at this moment: the loss is about to at the start.
export function senderAt(record, position) {
  return position > 0 ? edgeAt(record, position).child : record.loss;
}

export function reportedAt(record, node, position) {
  return countBelow(record.into[node], position);
}

export function gradientAt(record, node, position) {
  const reported = reportedAt(record, node, position);
  if (reported > 0) return record.array(record.steps[record.into[node][reported - 1]].after);
  const { grad, held } = record.nodes[node];
  return record.array(node === record.loss ? grad : held);
}

export function stateAt(record, node, position) {
  const steps = record.into[node];
  if (steps.length === 0 && node !== record.loss) return "no gradient";
  if (countBelow(steps, position) < steps.length) return "waiting";
  return countBelow(record.outOf[node], position) < record.outOf[node].length ? "ready" : "done";
}

// Where to go to see a node: where it starts to pass its gradient on, or got the last of it.
export function positionOf(record, node) {
  if (record.outOf[node].length) return record.outOf[node][0] + 1;
  if (record.into[node].length) return record.into[node].at(-1) + 1;
  return node === record.loss ? 0 : null;
}

export function nextNode(record, position) {
  const sender = senderAt(record, position);
  if (position === 0) return Math.min(1, record.last);
  return Math.min(record.outOf[sender].at(-1) + 2, record.last);
}

export function previousNode(record, position) {
  if (position <= 1) return 0;
  const first = record.outOf[senderAt(record, position)][0] + 1;
  return position > first ? first : record.outOf[senderAt(record, position - 1)][0] + 1;
}

export function nextLeaf(record, position) {
  for (let k = position; k < record.last; k += 1) {
    const step = record.steps[k];
    const parent = record.edges[step.edge].parent;
    if (record.outOf[parent].length === 0 && step.reported === step.of) return k + 1;
  }
  return record.last;
}

// Backward order: each node when its gradient is complete and used; what gets none comes last.
function backwardOrder({ nodes, loss }, into, outOf) {
  const moment = (id) => outOf[id][0] ?? (into[id].length ? into[id].at(-1) + 0.5 : Infinity);
  const moments = nodes.map((node) => (node.id === loss ? -1 : moment(node.id)));
  return nodes
    .map((node) => node.id)
    .sort((a, b) => (moments[a] === moments[b] ? b - a : moments[a] - moments[b]));
}

// How many entries of a rising list are below a bound.
function countBelow(rising, bound) {
  let low = 0;
  let high = rising.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rising[middle] < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
