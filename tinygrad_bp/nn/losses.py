"""Losses as modules, for people who like to pass them around; the work is in `functional`."""

from __future__ import annotations

from tinygrad_bp import functional
from tinygrad_bp.nn.module import Module

__all__ = ["CrossEntropyLoss", "HalfSumSquares", "MSELoss", "SumSquares"]


class SumSquares(Module):
    """The lesson's cost, Σ (a - y)² averaged over examples: `functional.sum_squares`."""

    forward = staticmethod(functional.sum_squares)


class HalfSumSquares(Module):
    """Half of the lesson's cost: `functional.half_sum_squares`."""

    forward = staticmethod(functional.half_sum_squares)


class MSELoss(Module):
    """The mean squared difference over all elements: `functional.mse_loss`."""

    forward = staticmethod(functional.mse_loss)


class CrossEntropyLoss(Module):
    """The mean of -log softmax(logits) at integer labels: `functional.cross_entropy`."""

    forward = staticmethod(functional.cross_entropy)
