// Random numbers that are the same on every visit: what a teacher saw, the class sees.

// A 32-bit generator (Mulberry32); each call gives a number in [0, 1).
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

// The first `size` places of a shuffled 0 ... n - 1; `order` is reused from draw to draw.
export function drawn(order, size, random) {
  for (let i = 0; i < size; i += 1) {
    const j = i + Math.floor(random() * (order.length - i));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order.subarray(0, size);
}

// n numbers from N(0, 1), two from each pair of uniform ones (Box and Muller, 1958).
export function normals(n, random) {
  const values = new Float64Array(n);
  for (let i = 0; i < n; i += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - random())); // 1 - random() is never 0
    const angle = 2 * Math.PI * random();
    values[i] = radius * Math.cos(angle);
    if (i + 1 < n) values[i + 1] = radius * Math.sin(angle);
  }
  return values;
}
