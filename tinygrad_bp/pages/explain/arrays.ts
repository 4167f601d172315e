// A view of an array: a bare number for a scalar; else all entries, or a summary and a corner.

import { brief, shapeText, short, sign, type Entry } from "../shared/digits.svelte";

/** Elements of a vector that is written out wherever it is shown. */
export const FEW = 3;

export type Nested = Entry | Nested[];
export interface ArrayView {
  shape: number[];
  dtype: string;
  data?: Nested[];
  corner?: Nested[];
  min?: Entry;
  max?: Entry;
  mean?: Entry;
  norm?: Entry;
}
export type View = Entry | ArrayView | null;

export function isScalar(view: View): view is Entry | null {
  return view === null || typeof view !== "object";
}

export function shapeOf(view: View): number[] {
  return isScalar(view) ? [] : view.shape;
}

/** The entries of a vector that is short enough to be written out in a line. */
export function elementsOf(view: View, most: number): Entry[] | null {
  if (isScalar(view) || view.shape.length !== 1 || !view.data) return null;
  return view.shape[0] > 0 && view.shape[0] <= most ? (view.data as Entry[]) : null;
}

/** The entry at an index, or null where the page was not given it. */
export function entry(view: View, index: number[]): Entry | null {
  if (isScalar(view)) return view;
  let at: Nested | undefined = entriesOf(view);
  const leading = view.data ? 0 : view.shape.length - depth(at);
  if (index.slice(0, leading).some((i) => i !== 0)) return null;
  for (const i of index.slice(leading)) at = (at as Nested[] | undefined)?.[i];
  return Array.isArray(at) ? null : (at ?? null);
}

/** Matrices that together show the array, each with the indices before its own. */
export interface Slice {
  prefix: number[];
  rows: Entry[][];
  vector: boolean;
}

export function slices(view: ArrayView): Slice[] {
  const entries = entriesOf(view);
  const leading = view.data ? [] : Array(view.shape.length - depth(entries)).fill(0);
  return [...matrices(entries, leading)];
}

export function summary({ shape, min, max, mean, norm }: ArrayView): string {
  const [low, high, middle, size] = [min, max, mean, norm].map((x) => short(x!));
  return `${shapeText(shape)}, min ${low}, max ${high}, mean ${middle}, norm ${size}`;
}

export function cornerNote(view: ArrayView): string {
  const shown = entriesOf(view);
  const sides = depth(shown) > 1 ? `${shown.length} by ${(shown[0] as Nested[]).length}` : `${shown.length}`;
  const at = view.shape.length > 2 ? " of the first matrix" : "";
  return `Only the corner${at} is shown: ${sides} entries.`;
}

/** The largest size among the entries, which depths of colour are relative to. */
export function reach(view: ArrayView): number {
  return numbers(view).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
}

/** The sign that all entries have in common. */
export function common(view: View): "plus" | "minus" | "" {
  const all = isScalar(view) ? [view] : flat(view);
  const isNumber = (x: Entry | null): x is number => typeof x === "number";
  const [up, down] = [all.some((x) => isNumber(x) && x > 0), all.some((x) => isNumber(x) && x < 0)];
  return up === down ? "" : up ? "plus" : "minus";
}

export interface Word {
  text: string;
  sign: "plus" | "minus" | "";
}

/** A number, or the elements of a short vector, in a few letters; the size of what is larger. */
export function writtenOut(view: View, gradient = true): Word[] | null {
  if (view === null) return null;
  const elements = isScalar(view) ? [view] : elementsOf(view, FEW);
  const digits = isScalar(view) ? 4 : 3;
  if (elements) return elements.map((x) => ({ text: brief(x, digits), sign: sign(x) }));
  const text = gradient ? normText(view as ArrayView) : shapeText((view as ArrayView).shape);
  return [{ text, sign: "" }];
}

/** In a few letters how large an array is. */
export function normText(view: ArrayView): string {
  const norm = view.norm ?? Math.sqrt(numbers(view).reduce((sum, x) => sum + x * x, 0));
  return `‖g‖ ${brief(norm, 3)}`;
}

/** The classes of an entry: its sign and, from 1 to 4, how large it is beside the largest. */
export function heat(x: Entry, most: number): string {
  if (typeof x !== "number" || x === 0 || most === 0) return "";
  return `tone-${sign(x)} heat-${Math.max(1, Math.ceil((Math.abs(x) / most) * 4))}`;
}

function flat(view: ArrayView): Entry[] {
  const entries: unknown[] = entriesOf(view);
  return entries.flat(Infinity as 1) as Entry[];
}

function numbers(view: ArrayView): number[] {
  return flat(view).filter((x) => Number.isFinite(x)) as number[];
}

export function entriesOf(view: ArrayView): Nested[] {
  return (view.data ?? view.corner)!;
}

function* matrices(entries: Nested[], prefix: number[]): Generator<Slice> {
  const deep = depth(entries);
  if (deep > 2) {
    for (const [i, part] of entries.entries()) yield* matrices(part as Nested[], [...prefix, i]);
    return;
  }
  yield { prefix, rows: (deep === 2 ? entries : [entries]) as Entry[][], vector: deep === 1 };
}

function depth(entries: Nested): number {
  return Array.isArray(entries) ? 1 + (entries.length ? depth(entries[0]) : 0) : 0;
}
