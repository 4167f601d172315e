"""The chain rule on three neurons in a row: every factor, every product, and a page of it all.

Run it: python examples/01_chain_rule.py

One neuron a layer is the smallest network that has everything: three weights, three biases, and
the cost of one example. The numbers are those of the calculus chapter's chain.
"""

import sys

import numpy as np

import tinygrad_bp as bp
from tinygrad_bp.functional import sigmoid

rng = np.random.RandomState(6)
biases = [bp.Tensor(b, requires_grad=True, name=f"b{i}") for i, b in enumerate(rng.randn(3), 1)]
weights = [bp.Tensor(w, requires_grad=True, name=f"w{i}") for i, w in enumerate(rng.randn(3), 1)]
b1, b2, b3 = biases
w1, w2, w3 = weights

z1 = w1 * 0.5 + b1  # the input is 0.5
a1 = sigmoid(z1)
z2 = w2 * a1 + b2
a2 = sigmoid(z2)
z3 = w3 * a2 + b3
a3 = sigmoid(z3)
cost = (a3 - 1.0) ** 2  # wanted: 1

bp.explain(cost)
print(bp.paths(cost, w3))
print()
print(bp.paths(cost, w1))

page = sys.argv[1] if len(sys.argv) > 1 else "chain_rule.html"
bp.explain(cost, page)
print(f"\nTo go through it step by step, open {page} in a browser.")

cost.backward()
print("\nWhat backward() leaves in .grad, for a cost of", round(cost.item(), 6))
for w, b in zip(weights, biases, strict=True):
    print(f"  {w.name} {w.grad.item():+.7f}   {b.name} {b.grad.item():+.7f}")
