"""Pooling: the mean or the largest of what a window sees, in each of its places."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_bp.functional.inputs import tensor_of
from tinygrad_bp.functional.windows import Lengths, batched, lengths, padded, windows
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor

__all__ = ["avg_pool1d", "avg_pool2d", "avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d"]


def avg_pool1d(
    x: Array,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    *,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the means of windows of sequences, (N, C, length); see `avg_pool2d`.

    >>> avg_pool1d(np.array([[1.0, 3.0, 5.0, 9.0]]), 2)
    Tensor([[2., 7.]])
    """
    return _average(1, x, kernel_size, stride, padding, count_padding=count_include_pad)


def avg_pool2d(
    x: Array,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    *,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the means of windows of images, (N, C, height, width); they abut, by default.

    The zeros that `padding` puts around an image count, unless `count_include_pad` is False.

    >>> avg_pool2d(np.arange(4.0).reshape(1, 2, 2), 2)
    Tensor([[[1.5]]])
    """
    return _average(2, x, kernel_size, stride, padding, count_padding=count_include_pad)


def avg_pool3d(
    x: Array,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    *,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the means of windows of volumes, (N, C, depth, height, width); see `avg_pool2d`.

    >>> avg_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 2)
    Tensor([[[[3.5]]]])
    """
    return _average(3, x, kernel_size, stride, padding, count_padding=count_include_pad)


def max_pool1d(
    x: Array,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    dilation: Lengths = 1,
) -> Tensor:
    """Return the largest in windows of sequences, (N, C, length); see `max_pool2d`.

    >>> max_pool1d(np.array([[1.0, 3.0, 5.0, 4.0]]), 2)
    Tensor([[3., 5.]])
    """
    return _largest(1, x, kernel_size, stride, padding, dilation=dilation)


def max_pool2d(
    x: Array,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    dilation: Lengths = 1,
) -> Tensor:
    """Return the largest in windows of images, (N, C, height, width); they abut, by default.

    Padding is never the largest. Where several are, they share the gradient, as in `np.max`; in
    PyTorch, the first takes it.

    >>> max_pool2d(np.arange(4.0).reshape(1, 2, 2), 2)
    Tensor([[[3.]]])
    """
    return _largest(2, x, kernel_size, stride, padding, dilation=dilation)


def max_pool3d(
    x: Array,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    dilation: Lengths = 1,
) -> Tensor:
    """Return the largest in windows of volumes, (N, C, depth, height, width); see `max_pool2d`.

    >>> max_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 2)
    Tensor([[[[7.]]]])
    """
    return _largest(3, x, kernel_size, stride, padding, dilation=dilation)


def _average(
    axes: int,
    x: Any,
    kernel_size: Lengths,
    stride: Lengths | None,
    padding: Lengths,
    *,
    count_padding: bool,
) -> Any:
    x, kernel = tensor_of(x), lengths(kernel_size, axes)
    name = f"avg_pool{axes}d"

    def sums(images: Any) -> Any:
        seen = _seen(name, images, kernel, stride, padding=padding)
        return np.sum(seen, axis=tuple(range(-axes, 0)))

    images, alone = batched(name, x, axes)
    y = sums(images)
    if count_padding:
        y = y / math.prod(kernel)
    else:
        y = y / sums(tensor_of(np.ones((1, 1, *images.shape[2:]), images.dtype)))
    return y[0] if alone else y


def _largest(
    axes: int,
    x: Any,
    kernel_size: Lengths,
    stride: Lengths | None,
    padding: Lengths,
    *,
    dilation: Lengths,
) -> Any:
    name = f"max_pool{axes}d"
    images, alone = batched(name, tensor_of(x), axes)
    kernel, wide = lengths(kernel_size, axes), lengths(dilation, axes)
    seen = _seen(name, images, kernel, stride, padding=padding, dilation=wide, outside=-math.inf)
    y = np.max(seen, axis=tuple(range(-axes, 0)))
    return y[0] if alone else y


def _seen(
    name: str,
    images: Any,
    kernel: tuple[int, ...],
    stride: Lengths | None,
    *,
    padding: Lengths,
    dilation: tuple[int, ...] | None = None,
    outside: float = 0.0,
) -> Any:
    """What each window sees."""
    axes = len(kernel)
    around = lengths(padding, axes)
    if any(2 * p > k for p, k in zip(around, kernel, strict=True)):
        raise ValueError(f"{name}: padding {around} is more than half the kernel {kernel}")
    steps = kernel if stride is None else lengths(stride, axes)
    wide = padded(images, [(p, p) for p in around], outside)
    return windows(name, wide, kernel, steps, dilation or (1,) * axes)
