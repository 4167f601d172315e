"""Sizes of kernels and windows as layers are given them: one number, or one an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.errors import ModuleError, ShapeError
from tinygrad_bp.functional.inputs import for_each_axis

__all__ = ["Sizes", "check_shape", "options_in", "repeated"]

Sizes: TypeAlias = int | Sequence[int]
"""One whole number for all axes, or one for each."""


def repeated(
    layer: str, name: str, value: Any, times: int, *, at_least: float = 0
) -> tuple[int, ...]:
    """Return so many whole numbers: the one that is given, or all of them.

    Raises `ModuleError`, naming the layer and its option, for anything else.

    >>> repeated("Conv2d", "stride", 2, 2, at_least=1)
    (2, 2)
    """
    try:
        numbers = tuple(for_each_axis(value, times))
    except (TypeError, ValueError):
        numbers = ()
    if not numbers or min(numbers) < at_least:
        wanted = f"a whole number, or {times}" if times > 1 else "a whole number"
        limit = "" if at_least == -math.inf else f" of at least {at_least}"
        raise ModuleError(f"{layer}: {name} must be {wanted}{limit}, not {value!r}")
    return numbers


def check_shape(x: Any, channels: int | str, axes: int) -> tuple[int, ...]:
    """Return the shape of examples with channels and so many axes, or of one such example.

    Raises `ShapeError` for another number of axes, or of channels where there is one.

    >>> check_shape([[[1.0, 2.0]]], "C", 1)
    (1, 1, 2)
    """
    shape: tuple[int, ...] = np.shape(x)
    fits = axes < len(shape) < axes + 3 and channels in {"C", shape[-axes - 1]}
    if not fits:
        one = f"{channels}, {', '.join('DHW'[3 - axes :] if axes > 1 else 'L')}"
        raise ShapeError(f"expects (N, {one}) or ({one}), got {shape}")
    return shape


def options_in(layer: Any, *names: str) -> str:
    """Return options of a layer as its repr shows them: PyTorch's way, without quotes."""
    return ", ".join([f"{name}={getattr(layer, name)}" for name in names])
