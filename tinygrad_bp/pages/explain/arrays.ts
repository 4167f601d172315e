// A view of an array: a bare number for a scalar; else all entries, or a summary and a corner.

import { brief, shapeText, short, sign, type Entry, type Sign } from "../shared/digits.svelte";

/** Elements of a vector that is written out wherever it is shown. */
export const FEW = 3;
const COLUMNS = 8; // of a table; a longer vector is wrapped

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

/** A scalar's number; of an array the entry at an index, null where the page was not given it. */
export function entry(view: View, index: number[] | null): Entry | null {
  if (isScalar(view)) return view;
  if (index?.length !== view.shape.length) return null;
  let at: Nested | undefined = entriesOf(view);
  const outer = leading(view);
  if (index.slice(0, outer.length).some((i) => i !== 0)) return null;
  for (const i of index.slice(outer.length)) at = (at as Nested[] | undefined)?.[i];
  return (at as Entry | undefined) ?? null;
}

/** A row is named by its index in a matrix, or by that of its first entry in a wrapped vector. */
export type Row = { first: number; cells: { x: Entry; index: number[] }[] };
/** A matrix or vector with the indices before its own. */
export type Table = { prefix: number[]; rows: Row[]; vector: boolean };

/** The tables that together show an array. */
export function tables(view: ArrayView): Table[] {
  return tablesOf(entriesOf(view), leading(view));
}

function tablesOf(entries: Nested[], prefix: number[]): Table[] {
  const deep = depth(entries);
  if (deep > 2) return entries.flatMap((part, i) => tablesOf(part as Nested[], [...prefix, i]));
  const cells = (row: Nested[], at: number[]) => row.map((x, j) => ({ x: x as Entry, index: [...at, j] }));
  if (deep === 2) {
    const rows = entries.map((row, first) => ({ first, cells: cells(row as Nested[], [...prefix, first]) }));
    return [{ prefix, rows, vector: false }];
  }
  const all = cells(entries, prefix);
  const starts = [...all.keys()].filter((j) => j % COLUMNS === 0);
  return [{ prefix, rows: starts.map((first) => ({ first, cells: all.slice(first, first + COLUMNS) })), vector: true }];
}

/** What is known of an array that is too large to be shown, and which part of it is. */
export function summary(view: ArrayView): string {
  const { shape, min, max, mean, norm } = view;
  const [low, high, middle, size] = [min, max, mean, norm].map((x) => short(x!));
  const shown = entriesOf(view);
  const sides = depth(shown) > 1 ? `${shown.length} by ${(shown[0] as Nested[]).length}` : `${shown.length}`;
  const at = shape.length > 2 ? " of the first matrix" : "";
  const known = `${shapeText(shape)}, min ${low}, max ${high}, mean ${middle}, norm ${size}`;
  return `${known}. Only the corner${at} is shown: ${sides} entries.`;
}

/** The largest size among the entries, which depths of colour are relative to. */
export function reach(view: ArrayView): number {
  return Math.max(0, ...numbers(view).map(Math.abs));
}

/** The sign that all entries have in common. */
export function common(view: View): Sign {
  const signs = new Set((isScalar(view) ? [view] : flat(view)).map(sign));
  signs.delete("");
  return signs.size === 1 ? [...signs][0] : "";
}

export type Word = { text: string; sign: Sign };

export function textOf(words: Word[]): string {
  return words.map(({ text }) => text).join("  ");
}

/** A number, or the elements of a short vector, in a few letters; the size of what is larger. */
export function writtenOut(view: View, gradient = true): Word[] {
  if (view === null) return [];
  if (isScalar(view)) return [{ text: brief(view), sign: sign(view) }];
  const elements = elementsOf(view, FEW);
  if (elements) return elements.map((x) => ({ text: brief(x, 3), sign: sign(x) }));
  return [{ text: gradient ? normText(view) : shapeText(view.shape), sign: "" }];
}

/** In a few letters how large an array is. */
export function normText(view: ArrayView): string {
  return `‖g‖ ${brief(view.norm ?? Math.hypot(...numbers(view)), 3)}`;
}

/** The classes of an entry: its sign and, from 1 to 4, how large it is beside the largest. */
export function heat(x: Entry, most: number): string {
  if (typeof x !== "number" || x === 0 || most === 0) return "";
  return `tone-${sign(x)} heat-${Math.max(1, Math.ceil((Math.abs(x) / most) * 4))}`;
}

export function entriesOf(view: ArrayView): Nested[] {
  return (view.data ?? view.corner)!;
}

function flat(view: ArrayView): Entry[] {
  const entries: unknown[] = entriesOf(view);
  return entries.flat(Infinity as 1) as Entry[];
}

function numbers(view: ArrayView): number[] {
  return flat(view).filter((x) => typeof x === "number");
}

/** A corner is that of the first matrix: the indices before its own. */
function leading(view: ArrayView): number[] {
  return view.data ? [] : Array(view.shape.length - depth(view.corner!)).fill(0);
}

function depth(entries: Nested): number {
  return Array.isArray(entries) ? 1 + (entries.length ? depth(entries[0]) : 0) : 0;
}
