// Random numbers that are the same on every visit, and in Python: what a teacher saw, the class sees.

/** A 32-bit generator (Mulberry32); each call gives a number in [0, 1). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** 0 ... n - 1 in a random order (Fisher and Yates). */
export function shuffled(n: number, random: () => number): number[] {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i -= 1) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** A number in [0, 1) that belongs to two others, always the same. */
export function hash(a: number, b: number): number {
  return seeded(a * 7919 + b * 104729 + 1)();
}
