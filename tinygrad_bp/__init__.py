"""Reverse-mode automatic differentiation on NumPy that shows every step it takes."""

from tinygrad_bp import functional
from tinygrad_bp.tensor import Tensor, no_grad

__all__ = ["Tensor", "functional", "no_grad"]
