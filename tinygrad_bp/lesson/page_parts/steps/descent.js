// The cost of all examples along a straight line downhill, for any length of the step at once.

import { network, sigmoid } from "../net.js";
import { litPixels } from "./averages.js";

// Returns lr => {cost, correct} at parameters - lr × gradient. The first layer, which is most of
// the work, is linear in lr: its weighted sums and their slopes are computed once.
export function alongGradient(net, digits, gradient) {
  const slopes = network(net.sizes, gradient);
  const starts = digits.map(({ image, label }) => ({
    label,
    z: weightedSums(net.W[1], net.b[1], image),
    slope: weightedSums(slopes.W[1], slopes.b[1], image),
  }));
  const later = net.sizes[1] * net.sizes[0]; // the first layer's weights are not needed again
  return (lr) => {
    const moved = new Float64Array(net.parameters.length);
    for (let i = later; i < moved.length; i += 1) moved[i] = net.parameters[i] - lr * gradient[i];
    const there = network(net.sizes, moved);
    let [cost, correct] = [0, 0];
    for (const { z, slope, label } of starts) {
      const outputs = upwards(
        there,
        z.map((value, j) => sigmoid(value - lr * slope[j])),
      );
      let best = 0;
      for (let j = 0; j < outputs.length; j += 1) {
        cost += (outputs[j] - (j === label ? 1 : 0)) ** 2;
        if (outputs[j] > outputs[best]) best = j;
      }
      correct += best === label ? 1 : 0;
    }
    return { cost: cost / digits.length, correct: correct / digits.length };
  };
}

export function stepped(parameters, gradient, lr) {
  return parameters.map((p, i) => p - lr * gradient[i]);
}

// From the activations of the first hidden layer to the outputs.
function upwards({ sizes, W, b }, first) {
  let a = first;
  for (let l = 2; l < sizes.length; l += 1) {
    const [before, weights] = [a, W[l]];
    const n = before.length;
    a = new Float64Array(sizes[l]);
    for (let j = 0; j < a.length; j += 1) {
      let z = b[l][j];
      for (let k = 0; k < n; k += 1) z += weights[j * n + k] * before[k];
      a[j] = sigmoid(z);
    }
  }
  return a;
}

function weightedSums(W, b, image) {
  const lights = litPixels(image);
  return b.map((bias, j) => {
    let z = bias;
    for (const k of lights) z += W[j * image.length + k] * image[k];
    return z;
  });
}
