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
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the means of windows of sequences, (N, C, length); see `avg_pool2d`.

    >>> avg_pool1d(np.array([[1.0, 3.0, 5.0, 9.0]]), 2)
    Tensor([[2., 7.]])
    """
    options: dict[str, Any] = {"ceil": ceil_mode, "count_padding": count_include_pad}
    return _average(1, x, kernel_size, stride, padding, **options)


def avg_pool2d(
    x: Array,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    *,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the means of windows of images, (N, C, height, width); they abut, by default.

    The zeros that `padding` puts around an image count, unless `count_include_pad` is False. With
    `ceil_mode`, a last window may reach beyond them, where nothing counts.

    >>> avg_pool2d(np.arange(4.0).reshape(1, 2, 2), 2)
    Tensor([[[1.5]]])
    """
    options: dict[str, Any] = {"ceil": ceil_mode, "count_padding": count_include_pad}
    return _average(2, x, kernel_size, stride, padding, **options)


def avg_pool3d(
    x: Array,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    *,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the means of windows of volumes, (N, C, depth, height, width); see `avg_pool2d`.

    >>> avg_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 2)
    Tensor([[[[3.5]]]])
    """
    options: dict[str, Any] = {"ceil": ceil_mode, "count_padding": count_include_pad}
    return _average(3, x, kernel_size, stride, padding, **options)


def max_pool1d(
    x: Array,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    dilation: Lengths = 1,
    *,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the largest in windows of sequences, (N, C, length); see `max_pool2d`.

    >>> max_pool1d(np.array([[1.0, 3.0, 5.0, 4.0]]), 2)
    Tensor([[3., 5.]])
    """
    options: dict[str, Any] = {"dilation": dilation, "ceil": ceil_mode}
    return _largest(1, x, kernel_size, stride, padding, **options)


def max_pool2d(
    x: Array,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    dilation: Lengths = 1,
    *,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the largest in windows of images, (N, C, height, width); they abut, by default.

    Padding is never the largest. With `ceil_mode`, a last window may reach beyond the image. Where
    several are the largest, they share the gradient, as in `np.max`; in PyTorch, the first takes
    it.

    >>> max_pool2d(np.arange(4.0).reshape(1, 2, 2), 2)
    Tensor([[[3.]]])
    """
    options: dict[str, Any] = {"dilation": dilation, "ceil": ceil_mode}
    return _largest(2, x, kernel_size, stride, padding, **options)


def max_pool3d(
    x: Array,
    kernel_size: Lengths,
    stride: Lengths | None = None,
    padding: Lengths = 0,
    dilation: Lengths = 1,
    *,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the largest in windows of volumes, (N, C, depth, height, width); see `max_pool2d`.

    >>> max_pool3d(np.arange(8.0).reshape(1, 2, 2, 2), 2)
    Tensor([[[[7.]]]])
    """
    options: dict[str, Any] = {"dilation": dilation, "ceil": ceil_mode}
    return _largest(3, x, kernel_size, stride, padding, **options)


def _average(
    axes: int,
    x: Any,
    kernel_size: Lengths,
    stride: Lengths | None,
    padding: Lengths,
    *,
    ceil: bool,
    count_padding: bool,
) -> Any:
    name, kernel = f"avg_pool{axes}d", lengths(kernel_size, axes)
    images, alone = batched(name, tensor_of(x), axes)
    inner = tuple(range(-axes, 0))
    options: dict[str, Any] = {"padding": padding, "ceil": ceil}
    y = np.sum(_seen(name, images, kernel, stride, **options), axis=inner)
    if count_padding and not ceil:
        y = y / math.prod(kernel)
    else:
        ones = tensor_of(np.ones((1, 1, *images.shape[2:]), images.dtype))
        counted = _seen(name, ones, kernel, stride, **options, around=float(count_padding))
        y = y / np.sum(counted, axis=inner)
    return y[0] if alone else y


def _largest(
    axes: int,
    x: Any,
    kernel_size: Lengths,
    stride: Lengths | None,
    padding: Lengths,
    *,
    dilation: Lengths,
    ceil: bool,
) -> Any:
    name, kernel = f"max_pool{axes}d", lengths(kernel_size, axes)
    images, alone = batched(name, tensor_of(x), axes)
    options: dict[str, Any] = {
        "padding": padding,
        "ceil": ceil,
        "dilation": lengths(dilation, axes),
    }
    seen = _seen(name, images, kernel, stride, **options, around=-math.inf, outside=-math.inf)
    y = np.max(seen, axis=tuple(range(-axes, 0)))
    return y[0] if alone else y


def _seen(
    name: str,
    images: Any,
    kernel: tuple[int, ...],
    stride: Lengths | None,
    *,
    padding: Lengths,
    ceil: bool,
    dilation: tuple[int, ...] | None = None,
    around: float = 0.0,
    outside: float = 0.0,
) -> Any:
    """What each window sees: the image, what is around it, and, beyond that, what is outside."""
    axes = len(kernel)
    margins = lengths(padding, axes)
    if any(2 * p > k for p, k in zip(margins, kernel, strict=True)):
        raise ValueError(f"{name}: padding {margins} is more than half the kernel {kernel}")
    steps = kernel if stride is None else lengths(stride, axes)
    spread = dilation or (1,) * axes
    wide = padded(images, [(p, p) for p in margins], around)
    if ceil:
        along = zip(wide.shape[-axes:], margins, kernel, steps, spread, strict=True)
        wide = padded(wide, [(0, _beyond(*sizes)) for sizes in along], outside)
    return windows(name, wide, kernel, steps, spread)


def _beyond(n: int, margin: int, kernel: int, step: int, spread: int) -> int:
    """How far the last window reaches beyond n; it must start in the image or in front of it."""
    reach = spread * (kernel - 1) + 1
    last = -(-(n - reach) // step) * step
    if last >= n - margin:
        last -= step
    return max(last + reach - n, 0)
