// The walks of step 15 as they were measured: one on all examples, and stumbling ones, of which a
// preset chooses one.

export const STUMBLING = {
  key: "stumbling",
  name: "stumbling: a mini-batch for each step",
  kind: "first",
  mark: "circle",
};
export const CAREFUL = {
  key: "careful",
  name: "careful: all examples for each step",
  kind: "second",
  mark: "square",
  dash: "7 3",
};
export const WALKERS = [STUMBLING, CAREFUL];

// The first is the one that the map was made for.
export function stumblings({ walks }) {
  const { batch, lr, stumbling } = walks;
  return [
    { ...stumbling, batch, lr, out_of_plane: Math.max(...stumbling.off) },
    ...walks.presets,
  ];
}

export function carefulWalk({ walks }) {
  const { n, lr, careful } = walks;
  return { ...careful, batch: n, lr, out_of_plane: Math.max(...careful.off) };
}

export function presetOf({ data, state }) {
  return Math.min(state.preset, data.walks.presets.length);
}

// {batch, lr, uphill, length, displacement, out_of_plane ...}
export function walkOf(ctx, { key }) {
  return key === "careful" ? carefulWalk(ctx.data) : stumblings(ctx.data)[presetOf(ctx)];
}

// A walk with many points may be told with fewer; then it says at which steps.
export function pointsOf(ctx, walker) {
  const { x, y, cost, work, steps } = walkOf(ctx, walker);
  return x.map((_, i) => ({
    x: x[i],
    y: y[i],
    cost: cost[i],
    work: work[i],
    steps: steps ? steps[i] : i,
  }));
}
