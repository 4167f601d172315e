// An ArrayView of the data: a bare number for a scalar; else all entries, or a summary and corner.

import { shapeText, short } from "./format.js";

export function shapeOf(view) {
  return isScalar(view) ? [] : view.shape;
}

export function isScalar(view) {
  return view === null || typeof view !== "object";
}

export function entriesOf(view) {
  return view.data ?? view.corner;
}

// The entry at an index, or null where the page was not given it.
export function entry(view, index) {
  if (view === null || isScalar(view)) return view;
  let at = entriesOf(view);
  const leading = view.data ? 0 : view.shape.length - depth(at);
  if (index.slice(0, leading).some((i) => i !== 0)) return null;
  for (const i of index.slice(leading)) at = at?.[i];
  return at ?? null;
}

// Matrices that together show the array: [{prefix, rows, first}] with prefix the leading indices.
export function slices(view) {
  const entries = entriesOf(view);
  const leading = view.data ? [] : Array(view.shape.length - depth(entries)).fill(0);
  return [...matrices(entries, leading)];
}

export function summary(view) {
  return (
    `${shapeText(view.shape)}, min ${short(view.min)}, max ${short(view.max)}, ` +
    `mean ${short(view.mean)}, norm ${short(view.norm)}`
  );
}

export function cornerNote(view) {
  const shown = entriesOf(view);
  const sides = depth(shown) > 1 ? `${shown.length} by ${shown[0].length}` : `${shown.length}`;
  const at = view.shape.length > 2 ? " of the first matrix" : "";
  return `Only the corner${at} is shown: ${sides} entries.`;
}

// The largest size among the entries, which the heat is relative to.
export function reach(view) {
  const numbers = entriesOf(view).flat(Infinity).filter(Number.isFinite);
  return numbers.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
}

function* matrices(entries, prefix) {
  if (depth(entries) <= 2) {
    yield {
      prefix,
      rows: depth(entries) === 2 ? entries : [entries],
      vector: depth(entries) === 1,
    };
    return;
  }
  for (const [i, part] of entries.entries()) yield* matrices(part, [...prefix, i]);
}

function depth(entries) {
  return Array.isArray(entries) ? 1 + (entries.length ? depth(entries[0]) : 0) : 0;
}
