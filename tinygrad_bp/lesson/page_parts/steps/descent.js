// The cost of all examples along a straight line downhill, for any length of the step at once.

import { network, sigmoid } from "../net.js";
import { litPlaces } from "./averages.js";

const sums = new WeakMap(); // by network: the first layer's weighted sums of all digits

// Returns lr => {cost, correct} at parameters - lr × gradient. The first layer, which is most of
// the work, is linear in lr: its weighted sums and their slopes are computed once.
export function alongGradient(net, digits, gradient) {
  if (!sums.has(net)) sums.set(net, firstSums(net, digits));
  const z = sums.get(net);
  const slopes = firstSums(network(net.sizes, gradient), digits);
  const later = net.sizes[1] * net.sizes[0]; // the first layer's weights are not needed again
  const moved = new Float64Array(net.parameters.length);
  const there = network(net.sizes, moved);
  const a = net.sizes.map((size) => new Float64Array(size)); // used for every digit in turn
  return (lr) => {
    for (let i = later; i < moved.length; i += 1) moved[i] = net.parameters[i] - lr * gradient[i];
    let [cost, correct] = [0, 0];
    digits.forEach(({ label }, i) => {
      for (let j = 0, at = i * a[1].length; j < a[1].length; j += 1, at += 1) {
        a[1][j] = sigmoid(z[at] - lr * slopes[at]);
      }
      const outputs = upwards(there, a);
      let best = 0;
      for (let j = 0; j < outputs.length; j += 1) {
        cost += (outputs[j] - (j === label ? 1 : 0)) ** 2;
        if (outputs[j] > outputs[best]) best = j;
      }
      correct += best === label ? 1 : 0;
    });
    return { cost: cost / digits.length, correct: correct / digits.length };
  };
}

export function stepped(parameters, gradient, lr) {
  return parameters.map((p, i) => p - lr * gradient[i]);
}

// From the activations of the first hidden layer to the outputs.
function upwards({ W, b }, a) {
  for (let l = 2; l < a.length; l += 1) {
    const [before, weights, n] = [a[l - 1], W[l], a[l - 1].length];
    for (let j = 0; j < a[l].length; j += 1) {
      let z = b[l][j];
      for (let k = 0; k < n; k += 1) z += weights[j * n + k] * before[k];
      a[l][j] = sigmoid(z);
    }
  }
  return a.at(-1);
}

// Of all digits, one after the other. Rows without a weight, as in a change of one parameter, are
// passed over.
function firstSums({ sizes: [pixels, size], W, b }, digits) {
  const z = new Float64Array(digits.length * size);
  for (let j = 0; j < size; j += 1) {
    const row = W[1].subarray(j * pixels, (j + 1) * pixels);
    const dark = row.every((weight) => weight === 0);
    digits.forEach(({ image }, i) => {
      z[i * size + j] = b[1][j] + (dark ? 0 : weighted(row, litPlaces(image)));
    });
  }
  return z;
}

function weighted(row, { places, values }) {
  let sum = 0;
  for (let i = 0; i < places.length; i += 1) sum += row[places[i]] * values[i];
  return sum;
}
