"""The lesson's network by hand, in NumPy alone; each part names its scene of `tinygrad-bp lesson`.

In a folder with MNIST's unpacked training files: python backprop_by_hand.py
"""

from itertools import pairwise

import numpy as np


class Network:
    """Sigmoid neurons in layers, and what an example wants of them."""

    def __init__(self, sizes, rng):
        self.biases = [rng.standard_normal(n) for n in sizes[1:]]
        self.weights = [rng.standard_normal((n_out, n_in)) for n_in, n_out in pairwise(sizes)]

    def forward(self, x):
        """Scene 1, feed forward: a = σ(W a + b), layer by layer."""
        a = [x]
        for W, b in zip(self.weights, self.biases, strict=True):
            a.append(1 / (1 + np.exp(-(a[-1] @ W.T + b))))
        return a

    def backward(self, x, y):
        """Return the gradients: scenes 4 to 9 for each example, scene 10 for all."""
        a = self.forward(x)
        by_weight, by_bias = [], []
        upstream = 2 * (a[-1] - y)  # scene 4: of the outputs we wish the opposite
        for layer in reversed(range(len(self.weights))):  # scene 9: and again
            delta = upstream * a[layer + 1] * (1 - a[layer + 1])  # scene 5: a neuron close up
            by_bias.insert(0, delta.mean(axis=0))  # scene 5: a bias acts one for one
            by_weight.insert(0, delta.T @ a[layer] / len(x))  # scene 6: by brightness
            upstream = delta @ self.weights[layer]  # scenes 7 and 8: all voters added
        return by_weight, by_bias

    def step(self, x, y, lr):
        """Scene 11: move every parameter against its gradient."""
        by_weight, by_bias = self.backward(x, y)
        for p, g in zip(self.weights + self.biases, by_weight + by_bias, strict=True):
            p[:] -= lr * g

    def train(self, x, y, rng, *, epochs=10, batch_size=100, lr=1.5):
        """Scenes 12 and 13: shuffle, cut into mini-batches, stumble downhill."""
        for epoch in range(epochs):
            for rows in np.array_split(rng.permutation(len(x)), len(x) // batch_size):
                self.step(x[rows], y[rows], lr)
            cost = ((self.forward(x)[-1] - y) ** 2).sum(axis=1).mean()  # scene 2
            print(f"epoch {epoch + 1}: cost {cost:.4f}")


if __name__ == "__main__":
    pixels = np.fromfile("train-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 784) / 255
    labels = np.fromfile("train-labels-idx1-ubyte", np.uint8)[8:]
    generator = np.random.default_rng(0)
    Network([784, 16, 16, 10], generator).train(pixels, np.eye(10)[labels], generator)
