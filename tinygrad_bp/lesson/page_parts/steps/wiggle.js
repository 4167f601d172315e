// The slow way to a gradient, as a check on the fast one: change one parameter, measure the cost.

import { costOf, forward, network } from "../net.js";

const CHUNK_MS = 12; // of work at a time, so that the page can draw and answer in between

// cost(index, by): the cost of one example with parameter `index` changed by `by`, everything else
// as it is. The network that was given is left alone.
export function wiggler(net, image, label, cost) {
  const copy = network(net.sizes, Float64Array.from(net.parameters));
  return (index, by) => {
    const kept = copy.parameters[index];
    copy.parameters[index] = kept + by;
    const found = costOf(forward(copy, image), label, cost);
    copy.parameters[index] = kept;
    return found;
  };
}

// The central difference: what the cost does on both sides, over the distance between them.
export function wiggled(cost, index, h) {
  const [plus, minus] = [cost(index, h), cost(index, -h)];
  return { plus, minus, slope: (plus - minus) / (2 * h) };
}

// |x - y| against the larger of the two; two zeros agree.
export function relativeError(x, y) {
  const size = Math.max(Math.abs(x), Math.abs(y));
  return size === 0 ? 0 : Math.abs(x - y) / size;
}

// Wiggles every parameter, a stretch at a time. `told({done, worst, differences})` hears after
// each; worst is {index, slope, difference}. Returns a function that stops it.
export function checkAll(cost, gradient, h, told) {
  const differences = new Float64Array(gradient.length);
  let [done, worst, stopped] = [0, { index: 0, slope: 0, difference: -1 }, false];
  const { port1, port2 } = new MessageChannel(); // timers would wait 4 ms between stretches
  function stretch() {
    if (stopped) return;
    const until = performance.now() + CHUNK_MS;
    while (done < gradient.length && performance.now() < until) {
      const { slope } = wiggled(cost, done, h);
      const difference = Math.abs(slope - gradient[done]);
      differences[done] = difference;
      if (difference > worst.difference) worst = { index: done, slope, difference };
      done += 1;
    }
    told({ done, worst, differences });
    if (done < gradient.length) port2.postMessage(null);
  }
  port1.onmessage = stretch;
  port2.postMessage(null);
  return () => {
    stopped = true;
  };
}
