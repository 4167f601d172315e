"""What slides over images: the lengths and places that convolution and pooling share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_bp.errors import ShapeError

__all__ = ["Lengths", "batched", "lengths", "padded", "windows"]

Lengths = int | Sequence[int]


def lengths(given: Lengths, axes: int) -> tuple[int, ...]:
    """Return one number for each axis; a number alone is meant for all of them."""
    found = (given,) * axes if isinstance(given, int) else tuple(given)
    if len(found) != axes:
        raise ShapeError(f"{given} is to have one number for each of {axes} axes")
    return found


def batched(name: str, x: Any, axes: int) -> tuple[Any, bool]:
    """Return a batch of images, (N, C, ...), and whether an image alone was given."""
    if x.ndim not in (axes + 1, axes + 2):
        raise ShapeError(
            f"{name}: an input of shape {x.shape} is neither (N, C, ...) nor (C, ...) "
            f"with {axes} axes in the place of the dots"
        )
    alone = x.ndim == axes + 1
    return (x[np.newaxis] if alone else x), alone


def padded(x: Any, padding: Sequence[tuple[int, int]], value: float = 0.0) -> Any:
    """Return images with a value put around them, so much before and after along each axis."""
    if not any(map(any, padding)):
        return x
    still = [(0, 0)] * (x.ndim - len(padding))
    return np.pad(x, [*still, *padding], constant_values=value)


def windows(
    name: str, x: Any, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Any:
    """Return what a kernel sees from each of its places: (..., places, kernel)."""
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    axes = range(-len(reach), 0)
    if any(x.shape[axis] < r for axis, r in zip(axes, reach, strict=True)):
        raise ShapeError(f"{name}: a kernel of {tuple(kernel)} does not fit into {x.shape}")
    seen: Any = np.lib.stride_tricks.sliding_window_view(x, tuple(reach), tuple(axes))
    if math.prod(stride) * math.prod(dilation) == 1:
        return seen
    return seen[(..., *(slice(None, None, step) for step in (*stride, *dilation)))]
