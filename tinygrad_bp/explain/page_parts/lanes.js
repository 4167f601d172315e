// Edges over several layers run in a lane between the boxes, not behind them. In the coordinates
// here, `along` runs through the layers and `across` along them, whichever is drawn as x.

import { BOX } from "./place.js";

const BESIDE = 14; // between a lane and the nearest box
const APART = 4; // between edges in one lane

// The boxes that an edge must not hide behind, and where they stand.
export function obstacles({ points, horizontal }) {
  const half = horizontal
    ? { along: BOX.width / 2, across: BOX.height / 2 }
    : { along: BOX.height / 2, across: BOX.width / 2 };
  const boxes = [...points.values()].map(({ x, y }) =>
    horizontal ? { along: x, across: y } : { along: y, across: x },
  );
  return { boxes, half };
}

// Where an edge from start to end should run meanwhile: {across, from, to}, or null if unhindered.
export function laneOf(start, end, { boxes, half }, id) {
  const [low, high] = [Math.min(start.along, end.along), Math.max(start.along, end.along)];
  const between = boxes.filter(
    ({ along }) => along - half.along > low + 1 && along + half.along < high - 1,
  );
  if (between.length === 0) return null;
  const clear = (across) =>
    between.every((box) => Math.abs(box.across - across) > half.across + BESIDE / 2);
  const detour = (across) => Math.abs(across - start.across) + Math.abs(across - end.across);
  const candidates = [start.across, end.across];
  for (const { across } of between) {
    candidates.push(across - half.across - BESIDE, across + half.across + BESIDE);
  }
  const free = candidates.filter(clear);
  const best = free.reduce((a, b) => (detour(b) < detour(a) ? b : a));
  const alongs = between.map(({ along }) => along);
  const [first, last] = [Math.min(...alongs) - half.along, Math.max(...alongs) + half.along];
  const across = best + ((id % 3) - 1) * APART;
  return start.along < end.along
    ? { across, from: first, to: last }
    : { across, from: last, to: first };
}
