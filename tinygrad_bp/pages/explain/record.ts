// The recorded pass, indexed so that any moment of it is found without replaying it. Position p is
// the moment after p steps: 0 is the start, and at position k + 1 step k has just happened.

import type { View } from "./arrays";
import type { Entry } from "../shared/digits.svelte";

export type Formula = { text: string; numbers: string | null; shapes: string };

export type Check = { index: number[]; difference: Entry; relative: Entry };

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

export type Edge = { id: number; child: number; parent: number; slot: number; step: number | null };

/** One element of a contribution as a sum: where in the child, what arrives there, the slope. */
export type Written = { index: number[]; terms: [number[], Entry, Entry][]; more: number; rest: Entry };

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
  checks: { text: string };
  sources: Record<string, { first: number; lines: string[] }>;
}

export type State = "waiting" | "ready" | "done" | "no-gradient";

export class Pass {
  readonly last: number;
  /** Of each node, the steps that bring it a contribution, in order. */
  readonly into: number[][];
  /** The steps in which it passes its gradient on. */
  readonly outOf: number[][];
  /** All nodes: each when its gradient is complete and used; what gets none comes last. */
  readonly order: number[];
  /** Steps in a row that go back from one node. */
  readonly runs: { child: number; start: number; steps: number }[] = [];

  /** Of each place in the source, the operations that were recorded there. */
  private readonly ops = new Map<string, Set<string>>();

  constructor(readonly data: Data) {
    const { nodes, edges, steps } = data;
    this.last = steps.length;
    this.into = nodes.map(() => []);
    this.outOf = nodes.map(() => []);
    // A step goes back from all outputs of an operation at once, along an edge from each.
    for (const { child, step } of edges) if (step !== null) this.outOf[child].push(step);
    steps.forEach(({ edge }, start) => {
      const { child, parent } = edges[edge];
      this.into[parent].push(start);
      if (this.runs.at(-1)?.child === child) this.runs.at(-1)!.steps += 1;
      else this.runs.push({ child, start, steps: 1 });
    });
    for (const { op, source } of nodes) if (op && source) this.opsOf(source).add(op);
    const moment = (id: number) => (id === data.loss ? 0 : (this.positionOf(id) ?? Infinity));
    this.order = nodes.map(({ id }) => id).sort((a, b) => moment(a) - moment(b) || b - a);
  }

  get loss(): Node {
    return this.node(this.data.loss);
  }

  node(id: number): Node {
    return this.data.nodes[id];
  }

  array(index: number | null): View {
    return index === null ? null : this.data.arrays[index];
  }

  /** The step that has just happened. */
  stepAt(position: number): Step | null {
    return this.data.steps[position - 1] ?? null;
  }

  edgeAt(position: number): Edge | null {
    const step = this.stepAt(position);
    return step && this.data.edges[step.edge];
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
    const { grad, held } = this.node(node);
    return this.array(node === this.data.loss ? grad : held);
  }

  stateAt(node: number, position: number): State {
    const [into, outOf] = [this.into[node], this.outOf[node]];
    if (into.length === 0 && node !== this.data.loss) return "no-gradient";
    if (countBelow(into, position) < into.length) return "waiting";
    return countBelow(outOf, position) < outOf.length ? "ready" : "done";
  }

  /** Where to go to see a node: where it starts to pass its gradient on, or got the last of it. */
  positionOf(node: number): number | null {
    const step = this.outOf[node][0] ?? this.into[node].at(-1);
    if (step !== undefined) return step + 1;
    return node === this.data.loss ? 0 : null;
  }

  nextNode(position: number): number {
    const next = this.runs.find(({ start }) => start >= position);
    return next ? next.start + 1 : this.last;
  }

  previousNode(position: number): number {
    const before = this.runs.findLast(({ start }) => start + 1 < position);
    return before ? before.start + 1 : 0;
  }

  nextLeaf(position: number): number {
    const { steps, edges } = this.data;
    const completes = ({ edge, reported, of }: Step) => reported === of && this.outOf[edges[edge].parent].length === 0;
    const step = steps.findIndex((each, k) => k >= position && completes(each));
    return step < 0 ? this.last : step + 1;
  }

  /** One expression of the user's may be many operations: those of a layer or of a function. */
  opsOf({ file, line, column, segment }: Source): Set<string> {
    const place = `${file}:${line}:${column}:${segment}`;
    if (!this.ops.has(place)) this.ops.set(place, new Set());
    return this.ops.get(place)!;
  }
}

/** How many entries of a rising list are below a bound. */
function countBelow(rising: number[], bound: number): number {
  const first = rising.findIndex((entry) => entry >= bound);
  return first < 0 ? rising.length : first;
}
