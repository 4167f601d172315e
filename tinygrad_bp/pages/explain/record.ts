// The recorded pass, indexed so that any moment of it is found without replaying it. Position p is
// the moment after p steps: 0 is the start, and at position k + 1 step k has just happened.

import type { View } from "./arrays";
import type { Entry } from "../shared/digits.svelte";

export interface Formula {
  text: string;
  numbers: string | null;
  shapes: string;
}

export interface Check {
  index: number[];
  analytic: number;
  difference: Entry;
  relative: Entry;
}

export interface Source {
  file: string;
  line: number;
  end_line: number | null;
  column: number | null;
  end_column: number | null;
  function: string | null;
  code: string;
  segment: string | null;
}

export interface Node {
  id: number;
  name: string;
  kind: "leaf" | "constant" | "result";
  op: string | null;
  shape: number[];
  dtype: string;
  value: number;
  grad: number | null;
  held: number | null;
  forward: Formula | null;
  why: string | null;
  source: Source | null;
  notes: { kind: string; text: string }[];
  checks?: Check[];
  layer: number;
  x: number;
  y: number;
}

export interface Edge {
  id: number;
  child: number;
  parent: number;
  slot: number;
  step: number | null;
}

/** One element of a contribution as a sum: where in the child, what arrives there, the slope. */
export interface Written {
  index: number[];
  terms: [number[], Entry, Entry][];
  more: number;
  rest: Entry;
}

export interface Step {
  edge: number;
  reported: number;
  of: number;
  arriving: number;
  arrivals: { symbol: string; node: number; array: number }[];
  formula: Formula;
  local: { symbol: string; text: string; numbers: string | null; value: number } | null;
  contribution: number;
  before: number | null;
  after: number;
  unbroadcast: string | null;
  elements: Written[];
  check: Check | null;
  sentence: string;
}

export interface Data {
  title: string;
  loss: number;
  nodes: Node[];
  edges: Edge[];
  steps: Step[];
  arrays: View[];
  checks: { done: boolean; text: string };
  sources: Record<string, { path: string; first: number; lines: string[] }>;
}

export type State = "waiting" | "ready" | "done" | "no gradient";

export class Pass {
  readonly last: number;
  /** Of each node, the steps that bring it a contribution, in order. */
  readonly into: number[][];
  /** The steps in which it passes its gradient on. */
  readonly outOf: number[][];
  /** The edges to what it was made from. */
  readonly reads: Edge[][];
  /** All nodes: each when its gradient is complete and used; what gets none comes last. */
  readonly order: number[];

  /** Of each place in the source, the operations that were recorded there. */
  private readonly ops = new Map<string, Set<string>>();

  constructor(readonly data: Data) {
    const { nodes, edges, steps } = data;
    [this.into, this.outOf, this.reads] = [nodes.map(() => []), nodes.map(() => []), nodes.map(() => [])]; // prettier-ignore
    this.last = steps.length;
    steps.forEach((step, k) => this.into[edges[step.edge].parent].push(k));
    for (const edge of edges) {
      this.reads[edge.child].push(edge);
      // A step goes back from all outputs of an operation at once, along an edge from each.
      if (edge.step !== null) this.outOf[edge.child].push(edge.step);
    }
    for (const { op, source } of nodes) if (op && source) this.opsOf(source).add(op);
    const moments = nodes.map(({ id }) => (id === data.loss ? -1 : this.momentOf(id)));
    this.order = nodes
      .map(({ id }) => id)
      .sort((a, b) => (moments[a] === moments[b] ? b - a : moments[a] - moments[b]));
  }

  get loss(): Node {
    return this.data.nodes[this.data.loss];
  }

  node(id: number): Node {
    return this.data.nodes[id];
  }

  array(index: number | null | undefined): View {
    return index === null || index === undefined ? null : this.data.arrays[index];
  }

  /** The step that has just happened. */
  stepAt(position: number): Step | null {
    return position > 0 ? this.data.steps[position - 1] : null;
  }

  edgeAt(position: number): Edge | null {
    const step = this.stepAt(position);
    return step && this.data.edges[step.edge];
  }

  edgesAmong(ids: Set<number>): Edge[] {
    return [...ids].flatMap((id) => this.reads[id].filter(({ parent }) => ids.has(parent)));
  }

  /** The node that passes its gradient on at this moment: the loss is about to at the start. */
  senderAt(position: number): number {
    return this.edgeAt(position)?.child ?? this.data.loss;
  }

  reportedAt(node: number, position: number): number {
    return countBelow(this.into[node], position);
  }

  gradientAt(node: number, position: number): View {
    const reported = this.reportedAt(node, position);
    if (reported > 0) return this.array(this.data.steps[this.into[node][reported - 1]].after);
    const { grad, held } = this.data.nodes[node];
    return this.array(node === this.data.loss ? grad : held);
  }

  stateAt(node: number, position: number): State {
    const steps = this.into[node];
    if (steps.length === 0 && node !== this.data.loss) return "no gradient";
    if (countBelow(steps, position) < steps.length) return "waiting";
    const sent = countBelow(this.outOf[node], position);
    return sent < this.outOf[node].length ? "ready" : "done";
  }

  /** Where to go to see a node: where it starts to pass its gradient on, or got the last of it. */
  positionOf(node: number): number | null {
    if (this.outOf[node].length) return this.outOf[node][0] + 1;
    if (this.into[node].length) return this.into[node].at(-1)! + 1;
    return node === this.data.loss ? 0 : null;
  }

  nextNode(position: number): number {
    if (position === 0) return Math.min(1, this.last);
    return Math.min(this.outOf[this.senderAt(position)].at(-1)! + 2, this.last);
  }

  previousNode(position: number): number {
    if (position <= 1) return 0;
    const first = this.outOf[this.senderAt(position)][0] + 1;
    return position > first ? first : this.outOf[this.senderAt(position - 1)][0] + 1;
  }

  nextLeaf(position: number): number {
    for (let k = position; k < this.last; k += 1) {
      const { edge, reported, of } = this.data.steps[k];
      const { parent } = this.data.edges[edge];
      if (this.outOf[parent].length === 0 && reported === of) return k + 1;
    }
    return this.last;
  }

  /** Runs of steps that go back from one node, for the bar: how many steps each has. */
  runs(): { child: number; start: number; steps: number }[] {
    const found: { child: number; start: number; steps: number }[] = [];
    this.data.steps.forEach((step, k) => {
      const { child } = this.data.edges[step.edge];
      if (found.at(-1)?.child === child) found.at(-1)!.steps += 1;
      else found.push({ child, start: k, steps: 1 });
    });
    return found;
  }

  /** One expression of the user's may be many operations: those of a layer or of a function. */
  opsOf({ file, line, column, segment }: Source): Set<string> {
    const place = `${file}:${line}:${column}:${segment}`;
    if (!this.ops.has(place)) this.ops.set(place, new Set());
    return this.ops.get(place)!;
  }

  private momentOf(id: number): number {
    return this.outOf[id][0] ?? (this.into[id].length ? this.into[id].at(-1)! + 0.5 : Infinity);
  }
}

/** How many entries of a rising list are below a bound. */
function countBelow(rising: number[], bound: number): number {
  let low = 0;
  let high = rising.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rising[middle] < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}
