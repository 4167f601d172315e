// All that changes, in one place and in the address: #step=8&ex=5&net=0&voter=2 is a moment that
// can be linked to. A field has a first value and knows how to read itself from an address, where
// anybody may write anything: `read` gives undefined for what means nothing.

const WRITE_AFTER_MS = 150; // browsers refuse hundreds of changes in a row while a key is held
const SHORT = { example: "ex", network: "net" };

// A whole number from low to high. `value` may also be null: not chosen, then not in the address.
export function whole(value, low, high) {
  return real(value, low, high, /^\d+$/);
}

export function real(value, low, high, form = /^-?\d+(\.\d+)?$/) {
  const read = (text) =>
    form.test(text) && low <= Number(text) && Number(text) <= high ? Number(text) : undefined;
  return { value, read };
}

export function oneOf(value, ...others) {
  return { value, read: (text) => [value, ...others].find((allowed) => allowed === text) };
}

// A string of n zeros and ones, one for each switch.
export function switches(value) {
  return {
    value,
    read: (text) => (/^[01]+$/.test(text) && text.length === value.length ? text : undefined),
  };
}

// Kept while the page is open, but not in the address.
export function passing(value) {
  return { value, read: null };
}

// makeStore({step: whole(1, 1, 17), ...}) gives {state, set, subscribe}; listeners are called with
// the state and the set of names that changed.
export function makeStore(fields) {
  const first = Object.fromEntries(
    Object.entries(fields).map(([name, { value }]) => [name, value]),
  );
  const state = { ...first, ...fromHash(fields, location.hash) };
  const listeners = [];

  function set(changes) {
    const changed = Object.keys(changes).filter((name) => state[name] !== changes[name]);
    if (changed.length === 0) return;
    Object.assign(state, changes);
    for (const listener of listeners) listener(state, new Set(changed));
  }

  let pending = 0;
  function write() {
    clearTimeout(pending);
    pending = setTimeout(
      () => history.replaceState(null, "", toHash(fields, state)),
      WRITE_AFTER_MS,
    );
  }
  listeners.push(write);
  addEventListener("hashchange", () => set({ ...first, ...fromHash(fields, location.hash) }));

  return { state, set, subscribe: (listener) => listeners.push(listener) };
}

// What differs from the first values; the step always.
export function toHash(fields, state) {
  const written = Object.keys(fields).filter(
    (name) => fields[name].read && (name === "step" || state[name] !== fields[name].value),
  );
  const pairs = written.map((name) => `${SHORT[name] ?? name}=${encodeURIComponent(state[name])}`);
  return `#${pairs.join("&")}`;
}

export function fromHash(fields, hash) {
  const given = new URLSearchParams(hash.slice(1));
  const found = {};
  for (const [name, { read }] of Object.entries(fields)) {
    const text = given.get(SHORT[name] ?? name);
    const value = read && text !== null ? read(text) : undefined;
    if (value !== undefined) found[name] = value;
  }
  return found;
}
