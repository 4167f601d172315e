// Where nodes stand. The layers and the order within them come with the data; here they get room.

export const BOX = { width: 150, height: 56 };
const MARGIN = 28;
const GAP = { right: 96, down: 58, across: 28 }; // the first two between layers

// Which of x and y runs along the layers: that in which the nodes of a layer agree.
export function acrossKey(nodes) {
  const first = new Map();
  for (const node of nodes) {
    const other = first.get(node.layer);
    if (other === undefined) first.set(node.layer, node);
    else if (other.x !== node.x) return "x";
    else if (other.y !== node.y) return "y";
  }
  return "y";
}

// All nodes, at the distances of the data, widened until no two boxes of a layer touch.
export function wholePlan(nodes, key) {
  const layers = groupByLayer(nodes, key);
  const unit = smallestGap(layers, key);
  const lowest = Math.min(...nodes.map((node) => node[key]));
  const seats = new Map();
  for (const [along, layer] of layers.entries()) {
    for (const node of layer) seats.set(node.id, { along, across: (node[key] - lowest) / unit });
  }
  return planOf(seats);
}

// A few nodes, close together: their order is that of the data, the distances are not.
export function neighbourPlan(nodes, key) {
  const layers = groupByLayer(nodes, key);
  const most = Math.max(...layers.map((layer) => layer.length));
  const seats = new Map();
  for (const [along, layer] of layers.entries()) {
    for (const [i, node] of layer.entries()) {
      seats.set(node.id, { along, across: (most - layer.length) / 2 + i });
    }
  }
  return planOf(seats);
}

// Centres in pixels, with the layers from left to right or from top to bottom.
export function centres(plan, horizontal) {
  const along = horizontal ? BOX.width + GAP.right : BOX.height + GAP.down;
  const across = (horizontal ? BOX.height : BOX.width) + GAP.across;
  const points = new Map();
  for (const [id, seat] of plan.seats) {
    const a = seat.along * along;
    const c = seat.across * across;
    points.set(id, {
      x: MARGIN + BOX.width / 2 + (horizontal ? a : c),
      y: MARGIN + BOX.height / 2 + (horizontal ? c : a),
    });
  }
  const long = (plan.layers - 1) * along;
  const wide = plan.seatsAcross * across;
  return {
    points,
    horizontal,
    width: (horizontal ? long : wide) + BOX.width + 2 * MARGIN,
    height: (horizontal ? wide : long) + BOX.height + 2 * MARGIN,
  };
}

// How much of its size a drawing can have if all of it is to be seen.
export function fitting(placed, room) {
  return Math.min(room.width / placed.width, room.height / placed.height);
}

// Whether more of the drawing fits with the layers from left to right than from top to bottom.
export function fitsBetterAcross(plan, room) {
  return fitting(centres(plan, true), room) >= fitting(centres(plan, false), room);
}

// What neighbourhoods look like on average: their direction is chosen once, not at each step.
export const TYPICAL = { seats: new Map(), layers: 5, seatsAcross: 3 };

function planOf(seats) {
  const all = [...seats.values()];
  return {
    seats,
    layers: 1 + Math.max(...all.map(({ along }) => along)),
    seatsAcross: Math.max(...all.map(({ across }) => across)),
  };
}

function groupByLayer(nodes, key) {
  const layers = new Map();
  for (const node of nodes) layers.set(node.layer, [...(layers.get(node.layer) ?? []), node]);
  const sorted = [...layers].sort(([a], [b]) => a - b).map(([, layer]) => layer);
  for (const layer of sorted) layer.sort((a, b) => a[key] - b[key] || a.id - b.id);
  return sorted;
}

function smallestGap(layers, key) {
  let least = Infinity;
  for (const layer of layers) {
    for (let i = 1; i < layer.length; i += 1) {
      const gap = layer[i][key] - layer[i - 1][key];
      if (gap > 0) least = Math.min(least, gap);
    }
  }
  return Number.isFinite(least) ? least : 1;
}
