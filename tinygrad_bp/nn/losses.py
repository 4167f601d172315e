"""Losses as modules, for people who like to pass them around; the work is in `functional`."""

from __future__ import annotations

from typing import Any

from tinygrad_bp import functional
from tinygrad_bp.nn.module import Module
from tinygrad_bp.tensor import Tensor

__all__ = ["CrossEntropyLoss", "HalfSumSquares", "MSELoss", "SumSquares"]


class SumSquares(Module):
    """The lesson's cost, Σ (a - y)² averaged over examples: `functional.sum_squares`."""

    def forward(self, output: Any, target: Any) -> Tensor:
        """Return the cost of outputs (examples, n) against targets of the same shape."""
        return functional.sum_squares(output, target)


class HalfSumSquares(Module):
    """Half of the lesson's cost: `functional.half_sum_squares`."""

    def forward(self, output: Any, target: Any) -> Tensor:
        """Return the cost of outputs (examples, n) against targets of the same shape."""
        return functional.half_sum_squares(output, target)


class MSELoss(Module):
    """The mean squared difference over all elements: `functional.mse_loss`."""

    def forward(self, output: Any, target: Any) -> Tensor:
        """Return the loss of outputs against targets of the same shape."""
        return functional.mse_loss(output, target)


class CrossEntropyLoss(Module):
    """The mean of -log softmax(logits) at integer labels: `functional.cross_entropy`."""

    def forward(self, logits: Any, labels: Any) -> Tensor:
        """Return the loss of logits (examples, classes) at labels (examples,)."""
        return functional.cross_entropy(logits, labels)
