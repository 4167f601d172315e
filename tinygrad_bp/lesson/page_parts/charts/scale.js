// From a quantity to its place on the paper. A scale is a function; it knows its domain and ticks.

export function linear([low, high], [from, to]) {
  const span = high - low || 1;
  const scale = (value) => from + ((value - low) / span) * (to - from);
  scale.domain = [low, high];
  scale.invert = (place) => low + ((place - from) / (to - from)) * span;
  scale.ticks = (most) => roundSteps(low, high, most);
  return scale;
}

// What is not positive has no logarithm; it is drawn at the lower end.
export function logarithmic([low, high], [from, to]) {
  const inner = linear([Math.log10(low), Math.log10(high)], [from, to]);
  const scale = (value) => inner(Math.log10(Math.max(value, low)));
  scale.domain = [low, high];
  scale.invert = (place) => 10 ** inner.invert(place);
  scale.ticks = (most) => powersOfTen(low, high, most);
  return scale;
}

export function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

// Multiples of 1, 2 or 5 times a power of ten, `most` of them or fewer.
function roundSteps(low, high, most) {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((m) => m * power >= rough * (1 - 1e-9)) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  // Dividing by the inverse keeps 0.3 from becoming 0.30000000000000004.
  return Array.from({ length: Math.max(count, 0) }, (_, i) => (first + i) / (1 / step));
}

function powersOfTen(low, high, most) {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const stride = Math.max(1, Math.ceil((last - first + 1) / most));
  const powers = [];
  for (let power = first; power <= last; power += stride) powers.push(Number(`1e${power}`));
  return powers;
}
