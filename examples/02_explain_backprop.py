"""Backpropagation through a small network, 3-3-2: sums over paths, and one image's wishes.

Run it: python examples/02_explain_backprop.py

Here a neuron reaches the cost along several paths. What arrives at it is the sum over all of them,
which the page shows one contribution after the other.
"""

import sys

import numpy as np

import tinygrad_bp as bp
from tinygrad_bp.functional import sigmoid

rng = np.random.RandomState(9)
b1, b2 = (bp.Tensor(rng.randn(n), requires_grad=True, name=f"b{i}") for i, n in ((1, 3), (2, 2)))
W1 = bp.Tensor(rng.randn(3, 3), requires_grad=True, name="W1")
W2 = bp.Tensor(rng.randn(2, 3), requires_grad=True, name="W2")

x = np.array([0.2, 0.9, 0.5])
y = np.array([1.0, 0.0])

z1 = W1 @ x + b1  # (3,)
a1 = sigmoid(z1)
z2 = W2 @ a1 + b2  # (2,)
a2 = sigmoid(z2)
cost = np.sum((a2 - y) ** 2)

page = sys.argv[1] if len(sys.argv) > 1 else "explain_backprop.html"
bp.explain(cost)
bp.explain(cost, page)
print(f"\nTo go through it step by step, open {page} in a browser.")

# The same by hand, with what the lesson calls delta.
delta2 = 2 * (a2.data - y) * a2.data * (1 - a2.data)
delta1 = (W2.data.T @ delta2) * a1.data * (1 - a1.data)
by_hand = {W1: np.outer(delta1, x), b1: delta1, W2: np.outer(delta2, a1.data), b2: delta2}
print()
print(bp.explain.grade(by_hand, cost))
