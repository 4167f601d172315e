// Which parameters the table of wishes shows: those with something to be seen, and the pinned ones.

import { meanNudges } from "./averages.js";

const STRONGEST = 3; // rows that are shown because their average is largest

// Three of the largest averages, the one that swings most, one from the middle, one that is exactly
// zero, the last bias, and those that were pinned.
const usual = new WeakMap(); // by the averages of all digits, then by label: rows but those pinned

export function rowsOf(ctx) {
  const averages = meanNudges(ctx);
  if (!usual.has(averages)) usual.set(averages, new Map());
  const found = usual.get(averages);
  if (!found.has(ctx.label)) found.set(ctx.label, usualRows(ctx, averages));
  return [...new Set([...found.get(ctx.label), ...pinned(ctx)])];
}

function usualRows(ctx, averages) {
  const bySize = [...averages.keys()]
    .filter((i) => averages[i] !== 0)
    .sort((i, j) => Math.abs(averages[j]) - Math.abs(averages[i]));
  const chosen = [
    ...bySize.slice(0, STRONGEST),
    swungMost(ctx),
    bySize[Math.floor(bySize.length / 2)],
    averages.indexOf(0),
    averages.length - 1,
  ];
  return chosen.filter((index) => index >= 0);
}

// Where listening only to one digit changes the average most.
function swungMost(ctx) {
  const [all, alone] = [meanNudges(ctx), meanNudges(ctx, ctx.label)];
  const swing = (i) => Math.abs(all[i] - alone[i]);
  return all.reduce((best, _, i) => (swing(i) > swing(best) ? i : best), 0);
}

export function pinned({ state, network }) {
  return state.pins
    .split(",")
    .filter(Boolean)
    .map(Number)
    .filter((index) => index < network.parameters.length);
}
