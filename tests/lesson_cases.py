"""What tests of the lesson share: its chain of single neurons."""

from __future__ import annotations

import numpy as np

from tinygrad_bp import Tensor
from tinygrad_bp.functional import sigmoid


def chain() -> dict[str, Tensor]:
    """One neuron in each of three layers, by name; the numbers are pinned in the lesson."""
    r = np.random.RandomState(6)
    b1, b2, b3 = (Tensor(r.randn(), requires_grad=True) for _ in range(3))
    w1, w2, w3 = (Tensor(r.randn(), requires_grad=True) for _ in range(3))
    a0, y = Tensor(0.5), Tensor(1.0)
    z1 = w1 * a0 + b1
    a1 = sigmoid(z1)
    z2 = w2 * a1 + b2
    a2 = sigmoid(z2)
    z3 = w3 * a2 + b3
    a3 = sigmoid(z3)
    cost = (a3 - y) ** 2
    return {k: v for k, v in locals().items() if isinstance(v, Tensor)}
