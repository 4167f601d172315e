"""Convolution, as networks have it: a weighted sum of what a kernel sees, in each of its places.

The kernel is not turned around. A transposed convolution sends back what a convolution gathers: it
is the gradient of one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_bp.errors import ShapeError
from tinygrad_bp.functional.inputs import tensor_of
from tinygrad_bp.functional.windows import Lengths, batched, lengths, padded, windows
from tinygrad_bp.registry import Array
from tinygrad_bp.rules.indexing import scatter_add
from tinygrad_bp.tensor import Tensor

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
]


def conv1d(  # noqa: PLR0917  (PyTorch has this order)
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Lengths = 1,
    padding: Lengths | str = 0,
    dilation: Lengths = 1,
    groups: int = 1,
) -> Tensor:
    """Return the convolution of sequences, (N, C, length); see `conv2d`.

    >>> conv1d(np.array([[1.0, 2.0, 4.0]]), np.array([[[-1.0, 1.0]]]))
    Tensor([[1., 2.]])
    """
    sizes: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    return _convolution(1, x, weight, bias, **sizes, groups=groups)


def conv2d(  # noqa: PLR0917  (PyTorch has this order)
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Lengths = 1,
    padding: Lengths | str = 0,
    dilation: Lengths = 1,
    groups: int = 1,
) -> Tensor:
    """Return the convolution of images, (N, C, height, width) to (N, out, ...), plus the bias.

    The weight is (out, C / groups, rows, columns). `padding` is how many zeros go around the image,
    or "valid" for none, or "same" for as many as keep its size. An image alone may come without
    its N. Each group of outputs sees its own group of channels.

    >>> conv2d(np.arange(9.0).reshape(1, 3, 3), np.ones((1, 1, 2, 2)))
    Tensor([[[ 8., 12.],
             [20., 24.]]])
    """
    sizes: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    return _convolution(2, x, weight, bias, **sizes, groups=groups)


def conv3d(  # noqa: PLR0917  (PyTorch has this order)
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Lengths = 1,
    padding: Lengths | str = 0,
    dilation: Lengths = 1,
    groups: int = 1,
) -> Tensor:
    """Return the convolution of volumes, (N, C, depth, height, width); see `conv2d`.

    >>> conv3d(np.ones((1, 2, 2, 2)), np.ones((1, 1, 2, 2, 2)))
    Tensor([[[[8.]]]])
    """
    sizes: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    return _convolution(3, x, weight, bias, **sizes, groups=groups)


def conv_transpose1d(  # noqa: PLR0917  (PyTorch has this order)
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Lengths = 1,
    padding: Lengths = 0,
    output_padding: Lengths = 0,
    groups: int = 1,
    dilation: Lengths = 1,
) -> Tensor:
    """Return the transposed convolution of sequences, (N, C, length); see `conv_transpose2d`.

    >>> conv_transpose1d(np.array([[1.0, 2.0]]), np.array([[[1.0, 10.0]]]))
    Tensor([[ 1., 12., 20.]])
    """
    sizes: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    more: dict[str, Any] = {"output_padding": output_padding, "groups": groups}
    return _transposed(1, x, weight, bias, **sizes, **more)


def conv_transpose2d(  # noqa: PLR0917  (PyTorch has this order)
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Lengths = 1,
    padding: Lengths = 0,
    output_padding: Lengths = 0,
    groups: int = 1,
    dilation: Lengths = 1,
) -> Tensor:
    """Return the sum of kernels put where each pixel says, times the pixel, plus the bias.

    The weight is (C, out / groups, rows, columns). `padding` is what is cut off on all sides,
    `output_padding` what is left on at the end of each axis.

    >>> conv_transpose2d(np.array([[[2.0]]]), np.array([[[[1.0, 2.0], [3.0, 4.0]]]]))
    Tensor([[[2., 4.],
             [6., 8.]]])
    """
    sizes: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    more: dict[str, Any] = {"output_padding": output_padding, "groups": groups}
    return _transposed(2, x, weight, bias, **sizes, **more)


def conv_transpose3d(  # noqa: PLR0917  (PyTorch has this order)
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Lengths = 1,
    padding: Lengths = 0,
    output_padding: Lengths = 0,
    groups: int = 1,
    dilation: Lengths = 1,
) -> Tensor:
    """Return the transposed convolution of volumes; see `conv_transpose2d`.

    >>> conv_transpose3d(np.full((1, 1, 1, 1), 3.0), np.ones((1, 1, 1, 1, 2)))
    Tensor([[[[3., 3.]]]])
    """
    sizes: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    more: dict[str, Any] = {"output_padding": output_padding, "groups": groups}
    return _transposed(3, x, weight, bias, **sizes, **more)


def _convolution(
    axes: int,
    x: Any,
    weight: Any,
    bias: Any,
    *,
    stride: Lengths,
    padding: Lengths | str,
    dilation: Lengths,
    groups: int,
) -> Any:
    name, weight = f"conv{axes}d", tensor_of(weight)
    x, alone = batched(name, tensor_of(x), axes)
    _check(name, x, weight, axes, outputs=weight.shape[0], inputs=weight.shape[1], groups=groups)
    steps, wide = lengths(stride, axes), lengths(dilation, axes)
    around = _around(name, padding, weight.shape[2:], steps, wide)
    y = _weighted(name, padded(x, around), weight, stride=steps, dilation=wide, groups=groups)
    return _biased(y, bias, alone=alone)


def _transposed(
    axes: int,
    x: Any,
    weight: Any,
    bias: Any,
    *,
    stride: Lengths,
    padding: Lengths,
    output_padding: Lengths,
    groups: int,
    dilation: Lengths,
) -> Any:
    """A convolution of pixels that stand `stride` apart, with the kernel turned around."""
    name, weight = f"conv_transpose{axes}d", tensor_of(weight)
    inputs, outputs, *kernel = weight.shape
    x, alone = batched(name, tensor_of(x), axes)
    _check(name, x, weight, axes, outputs=inputs, inputs=inputs // groups, groups=groups)
    wide = lengths(dilation, axes)
    reach = [d * (k - 1) for d, k in zip(wide, kernel, strict=True)]
    steps, cut, more = (lengths(given, axes) for given in (stride, padding, output_padding))
    spans = [(n - 1) * step + 1 for n, step in zip(x.shape[2:], steps, strict=True)]
    places = zip(reach, spans, steps, strict=True)
    index = (..., *(slice(r, r + span, step) for r, span, step in places))
    room = [span + 2 * r + m for span, r, m in zip(spans, reach, more, strict=True)]
    apart = scatter_add(x, index, (*x.shape[:2], *room))
    swapped = np.swapaxes(weight.reshape(groups, inputs // groups, outputs, *kernel), 1, 2)
    turned = np.flip(swapped, tuple(range(-axes, 0)))
    turned = turned.reshape(groups * outputs, inputs // groups, *kernel)
    y = _weighted(name, apart, turned, stride=(1,) * axes, dilation=wide, groups=groups)
    kept = zip(cut, y.shape[2:], strict=True)
    return _biased(y[(..., *(slice(c, n - c) for c, n in kept))], bias, alone=alone)


def _weighted(
    name: str,
    x: Any,
    weight: Any,
    *,
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Any:
    """What the kernels see, as one matrix a group of channels, times the weights.

    Source: Chellapilla, Puri and Simard, High Performance Convolutional Neural Networks for
    Document Processing, 2006.
    """
    outputs, inputs, *kernel = weight.shape
    axes = len(kernel)
    seen = windows(name, x, kernel, stride, dilation)
    places = seen.shape[2 : 2 + axes]
    last = tuple(range(-axes, 0))
    columns = np.moveaxis(seen, last, tuple(range(2, 2 + axes)))
    size = inputs * math.prod(kernel)
    columns = columns.reshape(x.shape[0], groups, size, math.prod(places))
    y = weight.reshape(groups, outputs // groups, size) @ columns
    return y.reshape(x.shape[0], outputs, *places)


def _biased(y: Any, bias: Any, *, alone: bool) -> Any:
    if bias is not None:
        y = y + tensor_of(bias).reshape(-1, *(1,) * (y.ndim - 2))
    return y[0] if alone else y


def _around(
    name: str,
    padding: Lengths | str,
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> list[tuple[int, int]]:
    """How many zeros go before and after, along each axis."""
    if padding == "valid":
        padding = 0
    if padding == "same":
        if any(step != 1 for step in stride):
            raise ValueError(f"{name}: padding='same' is for stride 1, not {stride}")
        missing = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return [(m // 2, m - m // 2) for m in missing]
    if isinstance(padding, str):
        raise ValueError(f"{name}: padding is 'same', 'valid' or numbers, not {padding!r}")
    return [(p, p) for p in lengths(padding, len(kernel))]


def _check(
    name: str, x: Any, weight: Any, axes: int, *, outputs: int, inputs: int, groups: int
) -> None:
    if weight.ndim != axes + 2 or x.shape[1] != inputs * groups or outputs % groups:
        raise ShapeError(
            f"{name}: a weight of shape {weight.shape} in {groups} groups does not fit an input of "
            f"shape {x.shape}"
        )
