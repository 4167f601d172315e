// The few things that change, in one place. Views read them and draw; only `set` changes them.

export function makeStore(record) {
  const state = {
    position: 0, // how many steps have happened
    element: null, // index the reader chose in an array, kept from step to step where it fits
    inspected: null, // node to show instead of the step, for nodes that no step touches
    letters: true, // keys of a single letter are on
    digits: false, // all digits of every number
  };
  const listeners = [];

  function set(changes) {
    const stepping = "position" in changes;
    if (stepping) {
      const position = Math.round(Number(changes.position) || 0);
      changes = { inspected: null, ...changes, position: clamp(position, 0, record.last) };
    }
    const changed = Object.keys(changes).filter((key) => state[key] !== changes[key]);
    if (changed.length === 0) return;
    Object.assign(state, changes);
    for (const listener of listeners) listener(state, new Set(changed));
  }

  return { state, set, subscribe: (listener) => listeners.push(listener) };
}

function clamp(x, low, high) {
  return Math.min(Math.max(x, low), high);
}
