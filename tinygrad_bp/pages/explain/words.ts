// What the page says in words that are not in the data.

import { count, full, indexText } from "../shared/digits.svelte";
import { entry, isScalar } from "./arrays";
import type { Node, Pass, Source, Step } from "./record";

const NUDGE = 0.01;

/** The last part of the path is enough to know the file by. */
export function placeText(source: Source): string {
  return `${source.file.split(/[\\/]/).at(-1)}:${source.line}`;
}

/** What a node is called in a drawing: what nobody named, by what it was computed as. */
export function caption(pass: Pass, { name, source }: Node): string {
  if (!/^v\d+$/.test(name) || !source?.segment || pass.opsOf(source).size > 1) return name;
  return source.segment.replace(/\s+/g, " ");
}

/** What a finished gradient means: what happens to the loss if its node is moved a little. */
export function meaning(pass: Pass, step: Step, element: number[] | null): string | null {
  const parent = pass.node(pass.data.edges[step.edge].parent);
  const loss = pass.loss;
  if (step.reported < step.of) {
    const left = count(step.of - step.reported, "contribution");
    return `${parent.name} waits for ${left} more.`;
  }
  const [seed, value] = [pass.array(loss.grad), pass.array(loss.value)];
  if (parent.held !== null || seed !== 1 || typeof value !== "number") return null;
  const g = entry(pass.array(step.after), element);
  if (typeof g !== "number") return null;
  const which = `${parent.name}${indexText(element ?? [])}`;
  if (g === 0) return `Moving ${which} a little leaves ${loss.name} where it is.`;
  const [way, by] = [g > 0 ? "up" : "down", full(Number(Math.abs(g * NUDGE).toPrecision(2)))];
  return `If ${which} were ${NUDGE} larger, ${loss.name} would go ${way} by about ${by}.`;
}

/** The chosen element of a contribution as one product of two numbers, where it is one. */
export function productOf(pass: Pass, step: Step, element: number[] | null) {
  const { name } = pass.node(pass.data.edges[step.edge].child);
  const sent = entry(pass.array(step.contribution), element);
  const written = writtenAs(step, element);
  if (sent === null || step.arrivals.length > 1) return null;
  if (written) {
    const [[o, g, slope]] = written.terms;
    return written.terms.length === 1 && !written.more ? { g, slope, sent, from: name + indexText(o) } : null;
  }
  const [g, slope] = [pass.array(step.arriving), pass.array(step.local && step.local.value)];
  if (element !== null || !isScalar(g) || !isScalar(slope) || g === null || slope === null) return null;
  return { g, slope, sent, from: name };
}

export function writtenAs(step: Step, element: number[] | null) {
  return step.elements.find(({ index }) => String(index) === String(element ?? []));
}

/** The element the reader chose where it fits, else the one that was checked or written out. */
export function chosenElement(step: Step, parent: Node, wanted: number[] | null): number[] | null {
  const { shape } = parent;
  if (shape.length === 0) return null;
  if (wanted?.length === shape.length && wanted.every((i, k) => i < shape[k])) return wanted;
  return step.check?.index ?? step.elements[0]?.index ?? shape.map(() => 0);
}

/** How a node was computed, with its letters and with its numbers. */
export function forward({ name, forward }: Node) {
  return [name, forward?.text, forward?.numbers];
}
