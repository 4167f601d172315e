"""A mistake that raises no error, found by looking: (5, 1) minus (5,) is (5, 5).

Run it: python examples/04_broadcast_mistake.py

The line below should fit a straight line through five points. It does not, and nothing complains:
the predictions have shape (5, 1), the answers (5,), and NumPy broadcasts them against each other,
so that every prediction is compared with every answer. The trace says where.
"""

import sys

import numpy as np

import tinygrad_bp as bp

x = np.linspace(0, 1, 5)[:, None]  # (5, 1)
y = 3 * x[:, 0] - 1  # (5,)
w = bp.Tensor([[2.0]], requires_grad=True, name="w")
b = bp.Tensor([0.0], requires_grad=True, name="b")

prediction = x @ w + b  # (5, 1)
wrong = np.mean((prediction - y) ** 2)
right = np.mean((prediction[:, 0] - y) ** 2)

for name, loss in {"wrong": wrong, "right": right}.items():
    print(f"{name}: cost {loss.item():.3f}")
    for step in bp.trace(loss).to_dict()["steps"]:
        if step["unbroadcast"]:
            print(f"    {step['sentence']}\n      {step['unbroadcast']}")

page = sys.argv[1] if len(sys.argv) > 1 else "broadcast_mistake.html"
bp.explain(wrong, page)
print(f"\nThe step in which 25 gaps are summed to 5 predictions is in {page}.")
