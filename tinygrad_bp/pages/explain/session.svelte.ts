// The few things that change, and the only ways to change them.

import { digits } from "../shared/digits.svelte";
import type { View } from "./arrays";
import type { Edge, Pass, Step } from "./record";
import { chosenElement } from "./words";

export type Moment = { position?: number; element?: number[]; inspected?: number };

export class Session {
  /** How many steps have happened. */
  position = $state(0);
  /** The index the reader chose in an array, kept from step to step. */
  wanted = $state.raw<number[] | null>(null);
  /** A node to show instead of the step, for nodes that no step touches. */
  inspected = $state<number | null>(null);
  /** Whether keys of a single letter are on. */
  letters = $state(true);
  source = $state(true);
  table = $state(false);
  playing = $state(false);
  open = $state<"" | "help" | "go" | "array">("");
  theme = $state<"dark" | "light">("dark");

  constructor(readonly pass: Pass) {}

  set(moment: Moment) {
    if (moment.position !== undefined) {
      const position = Math.round(Number(moment.position) || 0);
      this.position = Math.min(Math.max(position, 0), this.pass.last);
      this.inspected = null;
    }
    if (moment.element) this.wanted = moment.element;
    if (moment.inspected !== undefined) this.inspected = moment.inspected;
  }

  go(position: number) {
    this.playing = false;
    this.set({ position });
  }

  show(node: number) {
    const position = this.pass.positionOf(node);
    this.playing = false;
    this.set(position === null ? { inspected: node } : { position });
  }

  play() {
    if (!this.playing && this.position === this.pass.last) this.set({ position: 0 });
    this.playing = !this.playing;
  }

  turnDigits() {
    digits.all = !digits.all;
  }

  turnTheme = () => (this.theme = this.theme === "dark" ? "light" : "dark");

  /** The step to look at; none while a node is inspected. */
  get step(): Step | null {
    return this.inspected === null ? this.pass.stepAt(this.position) : null;
  }

  get edge(): Edge | null {
    return this.inspected === null ? this.pass.edgeAt(this.position) : null;
  }

  /** Of what is sent, the element to look at: the chosen one where it fits. */
  get element(): number[] | null {
    const { pass, step, edge } = this;
    return step && chosenElement(step, pass.node(edge!.parent), this.wanted);
  }

  /** The node that everything is drawn around. */
  get centre(): number {
    return this.inspected ?? this.pass.senderAt(this.position);
  }

  /** What is sent, or else the value of the node that is inspected. */
  get array(): View {
    const { pass, step, inspected } = this;
    return pass.array(step ? step.contribution : inspected === null ? null : pass.node(inspected).value);
  }

  /** What the buttons do; the keys do the same. */
  readonly moves = {
    "over-back": () => this.go(this.pass.previousNode(this.position)),
    "into-back": () => this.go(this.position - 1),
    into: () => this.go(this.position + 1),
    over: () => this.go(this.pass.nextNode(this.position)),
    "to-leaf": () => this.go(this.pass.nextLeaf(this.position)),
    start: () => this.go(0),
    end: () => this.go(this.pass.last),
  };
}
