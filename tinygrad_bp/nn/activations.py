"""Activations as layers; the work is in `functional`."""

from __future__ import annotations

from tinygrad_bp import functional as F
from tinygrad_bp.nn.module import Module

__all__ = ["ReLU", "Sigmoid", "Tanh"]


class Sigmoid(Module):
    """The lesson's σ: 1 / (1 + exp(-x)) for each element."""

    forward = staticmethod(F.sigmoid)


class Tanh(Module):
    """The hyperbolic tangent of each element."""

    forward = staticmethod(F.tanh)


class ReLU(Module):
    """max(x, 0) for each element, with slope 0 at 0."""

    forward = staticmethod(F.relu)
