"""Padding: more elements around those that are there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinygrad_bp.functional.inputs import tensor_of
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor

__all__ = ["pad"]


def pad(x: Array, pad: Sequence[Any], mode: str = "constant", value: float = 0.0) -> Tensor:
    """Return x with a value, or elements of its own, around it.

    `pad` is how many go before and after the last axis, then the one before it, and so on; numbers
    below 0 cut off. Modes are "constant", "reflect", "replicate" and "circular".

    >>> pad([[1.0, 2.0]], (0, 1))
    Tensor([[1., 2., 0.]])
    """
    padded: Tensor = tensor_of(x).pad(pad, mode, value)
    return padded
