"""Gradient checks of all kinds, of right and of wrong gradients: python check_gradients.py."""

import numpy as np

from tinygrad_bp import functional, nn
from tinygrad_bp.gradcheck import check
from tinygrad_bp.gradcheck.frameworks import check_torch, check_vjp

rng = np.random.default_rng(0)

print("All parameters of a network, on three examples:\n")
network = nn.MLP(4, 5, 3, rng=rng)
x, labels = rng.standard_normal((3, 4)), np.array([0, 1, 2])  # (3, 4), (3,)
print(check(network, functional.cross_entropy, (x, labels)))


def softmax(z):
    """Return exp(z) over its sum, (n,)."""
    e = np.exp(z - np.max(z))
    return e / np.sum(e)


def softmax_vjp(g, z):
    """Forget what every output has of the sum: the usual mistake."""
    y = softmax(z)
    return g * y * (1 - y)


print("\nA gradient written by hand, and wrong:\n")
print(check_vjp(softmax, softmax_vjp, np.array([1.0, 2.0, 4.0])))

try:
    import torch
except ImportError:
    print("\nWith PyTorch, its gradients could be checked as well.")
else:
    print("\nPyTorch's gradient of a determinant, at a matrix that is singular:\n")
    print(check_torch(torch.linalg.det, np.array([[1.0, 2.0], [2.0, 4.0]])))
