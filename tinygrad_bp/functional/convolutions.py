"""Convolutions and their transposes, along one, two or three axes.

All are one product of matrices: the windows of the input, an axis of places and an axis of what is
in the window, times the kernels. PyTorch's convolution does not flip the kernel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_bp import rules
from tinygrad_bp.errors import ShapeError
from tinygrad_bp.functional.inputs import batched, both_ends, for_each_axis, tensor_of, widened
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor

__all__ = [
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "fold",
    "unfold",
]

Sizes = int | Sequence[int]


def conv1d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Return the sums of products of the kernels with the windows of the input.

    x is (examples, channels, length), or one example; the weight (outputs, channels / groups,
    length of the kernel); the bias (outputs,). The input is extended by `padding` zeros at both
    ends, by two widths an axis as in `pad`, or as far as padding="same" needs; the windows are
    `stride` apart, and their elements `dilation`. Each group of channels has kernels of its own.

    >>> conv1d(np.array([[[1.0, 2.0, 4.0]]]), np.array([[[1.0, -1.0]]]))
    Tensor([[[-1., -2.]]])
    """
    return _conv(1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Return a convolution along two axes; arguments as in `conv1d`, one number or two.

    >>> conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)))
    Tensor([[[[4., 4.],
              [4., 4.]]]])
    """
    return _conv(2, x, weight, bias, stride, padding, dilation, groups)


def conv3d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes | str = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    """Return a convolution along three axes; arguments as in `conv1d`, one number or three.

    >>> conv3d(np.ones((1, 1, 2, 2, 2)), np.ones((1, 1, 2, 2, 2)))
    Tensor([[[[[8.]]]]])
    """
    return _conv(3, x, weight, bias, stride, padding, dilation, groups)


def _conv(
    axes: int, x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    name = f"conv{axes}d"
    x, weight = tensor_of(x), tensor_of(weight)
    whole, alone = batched(name, x, axes)
    strides, dilations = for_each_axis(stride, axes), for_each_axis(dilation, axes)
    kernel = weight.shape[2:]
    _check_channels(name, whole.shape[1], weight, axes, groups)
    if isinstance(padding, str):
        pads = _same(padding, kernel, strides, dilations)
    else:
        pads = both_ends(padding, axes)
    if any(n < 0 for pair in pads for n in pair):
        raise ValueError(f"{name}: padding={padding} is below 0; slices cut an input")
    lengths = [n + sum(pair) for n, pair in zip(whole.shape[2:], pads, strict=True)]
    _check_reach(name, lengths, kernel, dilations)
    y = rules.convolve_windows(whole, weight, strides, pads, dilations, groups)
    return _finished(y, bias, axes, alone)


def _check_channels(
    name: str, channels: int, weight: Any, axes: int, groups: int, *, transposed: bool = False
) -> None:
    """Raise `ShapeError` unless a weight fits so many channels."""
    if weight.ndim != axes + 2:
        raise ShapeError(f"{name}: a weight has {axes + 2} axes, and this has shape {weight.shape}")
    first, second = weight.shape[:2]
    wanted = first if transposed else second * groups
    if wanted != channels or first % groups:
        raise ShapeError(
            f"{name}: a weight of shape {weight.shape} in {groups} groups does not fit "
            f"{channels} channels"
        )


def _same(
    padding: str, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[tuple[int, int]]:
    """How much is added before and after, so that there are as many places as elements."""
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if padding != "same" or set(strides) != {1}:
        raise ValueError(f"padding={padding!r} is not 'valid', or 'same' with stride 1")
    more = [d * (k - 1) for k, d in zip(kernel, dilations, strict=True)]
    return [(n // 2, n - n // 2) for n in more]


def _finished(y: Any, bias: Any, axes: int, alone: bool) -> Any:
    if bias is not None:
        y = y + tensor_of(bias).reshape(1, -1, *(1,) * axes)
    return y[0] if alone else y


def _check_reach(
    name: str, lengths: Sequence[int], kernel: Sequence[int], dilations: Sequence[int]
) -> list[int]:
    """Return what windows cover from end to end; `ShapeError` if that is more than there is."""
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    if any(n < r for n, r in zip(lengths, reach, strict=True)):
        raise ShapeError(f"{name}: windows of {tuple(reach)} do not fit into {tuple(lengths)}")
    return reach


def _windows(
    name: str, x: Any, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> Any:
    """Return the windows of the last axes: first the axes of the places, then those of a window."""
    axes = len(kernel)
    reach = _check_reach(name, x.shape[-axes:], kernel, dilations)
    cut: Any = np.lib.stride_tricks.sliding_window_view(
        x, tuple(reach), axis=tuple(range(-axes, 0))
    )
    steps = [*strides, *dilations]
    return cut if set(steps) == {1} else cut[(..., *[slice(None, None, step) for step in steps])]


def _placed(
    cut: Any, length: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> Any:
    """Return what `_windows` cuts up, put together again: where windows overlap, a sum.

    `length` is what the windows cover, from the first element to the last.
    """
    axes = len(length)
    kernel = cut.shape[-axes:]
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    starts = [n - r + 1 for n, r in zip(length, reach, strict=True)]
    front = cut.shape[: -2 * axes]
    steps = [*strides, *dilations]
    if set(steps) != {1}:
        index = (slice(None),) * len(front) + tuple(slice(None, None, step) for step in steps)
        cut = rules.scatter_add(cut, index, (*front, *starts, *reach))
    over = tuple(range(-axes, 0))
    return rules.overlap_add(cut, (*front, *length), tuple(reach), over)


# --- transposes -----------------------------------------------------------------------------


def conv_transpose1d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Return the sum of the kernels, each put where a convolution's window is, times the input.

    As a linear function this is the transpose of `conv1d`, with its `stride`, `padding`, `dilation`
    and `groups`. The weight is (channels, outputs / groups, length of the kernel); the output is
    longer by `output_padding`, at the end.

    >>> conv_transpose1d(np.array([[[1.0, 2.0]]]), np.array([[[1.0, -1.0]]]))
    Tensor([[[ 1.,  1., -2.]]])
    """
    return _transposed(1, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Return the transpose of a convolution along two axes; arguments as in `conv_transpose1d`.

    >>> conv_transpose2d(np.ones((1, 1, 1, 2)), np.ones((1, 1, 2, 2)))
    Tensor([[[[1., 2., 1.],
              [1., 2., 1.]]]])
    """
    return _transposed(2, x, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """Return the transpose of a convolution along three axes; arguments as in `conv_transpose1d`.

    >>> conv_transpose3d(np.ones((1, 1, 1, 1, 1)), np.ones((1, 1, 1, 1, 2)))
    Tensor([[[[[1., 1.]]]]])
    """
    return _transposed(3, x, weight, bias, stride, padding, output_padding, groups, dilation)


def _transposed(
    axes: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: int,
    dilation: Any,
) -> Any:
    name = f"conv_transpose{axes}d"
    x, weight = tensor_of(x), tensor_of(weight)
    whole, alone = batched(name, x, axes)
    strides, dilations = for_each_axis(stride, axes), for_each_axis(dilation, axes)
    _check_channels(name, whole.shape[1], weight, axes, groups, transposed=True)
    pads, extra = for_each_axis(padding, axes), for_each_axis(output_padding, axes)
    sizes = zip(whole.shape[2:], weight.shape[2:], strides, dilations, pads, extra, strict=True)
    lengths = [(n - 1) * s + d * (k - 1) + 1 - 2 * p + more for n, k, s, d, p, more in sizes]
    if min(lengths) < 0 or min(pads) < 0:
        raise ShapeError(f"{name}: padding={padding} cuts off more than there is")
    both = [(p, p) for p in pads]
    y = rules.convolve_transposed(whole, weight, lengths, strides, both, dilations, groups)
    return _finished(y, bias, axes, alone)


# --- windows as columns ---------------------------------------------------------------------


def unfold(
    x: Array, kernel_size: Sizes, dilation: Sizes = 1, padding: Sizes = 0, stride: Sizes = 1
) -> Tensor:
    """Return the windows of images as columns: (examples, channels * window, places).

    >>> unfold(np.array([[[[1.0, 2.0, 3.0]]]]), (1, 2))
    Tensor([[[1., 2.],
             [2., 3.]]])
    """
    whole, alone = batched("unfold", tensor_of(x), 2)
    kernel, pads = for_each_axis(kernel_size, 2), for_each_axis(padding, 2)
    strides, dilations = for_each_axis(stride, 2), for_each_axis(dilation, 2)
    cut = _windows("unfold", widened(whole, [(p, p) for p in pads]), kernel, strides, dilations)
    columns: Any = np.transpose(cut, (0, 1, 4, 5, 2, 3))
    batch, channels, places = whole.shape[0], whole.shape[1], math.prod(cut.shape[2:4])
    y = columns.reshape(batch, channels * math.prod(kernel), places)
    return y[0] if alone else y


def fold(
    x: Array,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """Return the images whose windows are the columns, `unfold`'s; where they overlap, a sum.

    >>> fold(np.array([[[1.0, 2.0], [2.0, 3.0]]]), (1, 3), (1, 2))
    Tensor([[[[1., 4., 3.]]]])
    """
    columns = tensor_of(x)
    alone = columns.ndim == 2
    whole = columns[None] if alone else columns
    size, kernel = for_each_axis(output_size, 2), for_each_axis(kernel_size, 2)
    strides, dilations = for_each_axis(stride, 2), for_each_axis(dilation, 2)
    pads = for_each_axis(padding, 2)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilations, strict=True)]
    room = [n + 2 * p - r for n, p, r in zip(size, pads, reach, strict=True)]
    places = [n // s + 1 for n, s in zip(room, strides, strict=True)]
    batch, rows, count = whole.shape
    if min(room) < 0 or count != math.prod(places) or rows % math.prod(kernel):
        raise ShapeError(
            f"fold: columns of shape {columns.shape} are not windows {tuple(kernel)} of {size}"
        )
    cut = whole.reshape(batch, rows // math.prod(kernel), *kernel, *places)
    cut = np.transpose(cut, (0, 1, 4, 5, 2, 3))
    covered = [(n - 1) * s + r for n, s, r in zip(places, strides, reach, strict=True)]
    y = _placed(cut, covered, strides, dilations)
    ends = [n + p - c for n, p, c in zip(size, pads, covered, strict=True)]
    y = widened(y, [(-p, end) for p, end in zip(pads, ends, strict=True)])
    return y[0] if alone else y
