"""Means and maxima of windows, along one, two or three axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_bp import rules
from tinygrad_bp.errors import ShapeError
from tinygrad_bp.functional.convolutions import Sizes
from tinygrad_bp.functional.inputs import batched, both_ends, for_each_axis, tensor_of
from tinygrad_bp.operands import ones, placed
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor, array_of

__all__ = [
    "Pooling",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "first_largest",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "named",
    "one_or_both",
    "ways",
]

Pooling = Callable[..., Any]


# --- means ----------------------------------------------------------------------------------


def _avg_pool(axes: int, example: str) -> Pooling:
    """Make the function for so many axes."""

    def pool(
        x: Array,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Tensor:
        name = f"avg_pool{axes}d"
        whole, alone = batched(name, tensor_of(x), axes)
        windows = _windows(name, whole, axes, kernel_size, stride, padding, ceil_mode)
        channels = whole.shape[1]
        equal = ones((channels, min(channels, 1), *windows.kernel), whole.dtype, whole)
        total = rules.convolve_windows(whole, equal, *windows[1:], max(channels, 1))
        if divisor_override is not None:
            mean = total / divisor_override
        else:
            pads = both_ends(padding, axes)
            counts = _counts(windows, whole.shape[2:], total.shape[2:], pads, count_include_pad)
            mean = total / placed(counts.astype(total.dtype), total)
        return mean[0] if alone else mean

    return named(
        pool,
        f"avg_pool{axes}d",
        f"""Return the mean of each window along {ways(axes)}.

    Windows are `stride` apart, their own length by default. The input is extended by `padding`
    zeros at both ends, or by two widths an axis as in `pad`; they count in the mean unless
    count_include_pad=False. With `ceil_mode`, the last window may reach beyond. `divisor_override`
    stands in for the number of elements.

    {example}
    """,
    )


def _counts(
    windows: _Windows,
    lengths: Sequence[int],
    places: Sequence[int],
    padding: Sequence[tuple[int, int]],
    count_include_pad: bool,
) -> Any:
    """How many elements there are in each window: none of what is beyond the padding."""
    counts = np.ones(())
    sizes = zip(lengths, places, windows.kernel, windows.stride, padding, strict=True)
    for n, many, kernel, step, (before, after) in sizes:
        starts = np.arange(many) * step - before
        ends = np.minimum(starts + kernel, n + after)
        if not count_include_pad:
            starts, ends = np.maximum(starts, 0), np.minimum(ends, n)
        counts = np.multiply.outer(counts, ends - starts)
    return counts


def ways(axes: int) -> str:
    """Return which axes are pooled, in words."""
    return "the last axis" if axes == 1 else f"the last {axes} axes"


def named(function: Pooling, name: str, text: str) -> Pooling:
    """Return a function that was made by another, under a name and with a docstring."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = text
    return function


class _Windows(NamedTuple):
    """Windows that slide over examples: for each axis a number, of the padding two."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]


def _windows(
    name: str,
    x: Any,
    axes: int,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    dilation: Any = 1,
) -> _Windows:
    """What is asked for, with as much padding at the end as the last windows need."""
    kernel, pads = for_each_axis(kernel_size, axes), both_ends(padding, axes)
    strides = kernel if stride is None or stride == () else for_each_axis(stride, axes)
    dilations = for_each_axis(dilation, axes)
    if any(2 * max(p) > k for p, k in zip(pads, kernel, strict=True)):
        raise ValueError(f"{name}: padding {padding} is more than half of the windows {kernel}")
    widths = []
    for n, k, s, d, (before, after) in zip(
        x.shape[-axes:], kernel, strides, dilations, pads, strict=True
    ):
        room = before + n + after - d * (k - 1) - 1
        if room < 0:
            raise ShapeError(f"{name}: windows of {kernel} do not fit into {x.shape}")
        places = -(-room // s) if ceil_mode else room // s
        if ceil_mode and places * s >= before + n:  # the last would start beyond the input
            places -= 1
        widths.append((before, max(after + places * s - room, 0)))
    return _Windows(tuple(kernel), tuple(strides), tuple(widths), tuple(dilations))


avg_pool1d = _avg_pool(
    1,
    """>>> avg_pool1d(np.array([[[1.0, 3.0, 5.0, 7.0]]]), 2)
    Tensor([[[2., 6.]]])""",
)
avg_pool2d = _avg_pool(
    2,
    """>>> avg_pool2d(np.array([[[1.0, 3.0], [5.0, 7.0]]]), 2)
    Tensor([[[4.]]])""",
)
avg_pool3d = _avg_pool(
    3,
    """>>> avg_pool3d(np.ones((1, 1, 2, 2, 2)), 2)
    Tensor([[[[[1.]]]]])""",
)


def lp_pool1d(
    x: Array,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the p-th root of the sum of p-th powers in each window along the last axis.

    With p = inf it is the largest absolute value, with -inf the smallest.

    >>> lp_pool1d(np.array([[[3.0, 4.0]]]), 2, 2)
    Tensor([[[5.]]])
    """
    return _lp_pool(1, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    x: Array,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the p-th root of the sum of p-th powers in each window along the last two axes.

    >>> lp_pool2d(np.array([[[[3.0], [4.0]]]]), 2, (2, 1))
    Tensor([[[[5.]]]])
    """
    return _lp_pool(2, x, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    x: Array,
    norm_type: float,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    ceil_mode: bool = False,
) -> Tensor:
    """Return the p-th root of the sum of p-th powers in each window along the last three axes.

    >>> lp_pool3d(np.ones((1, 1, 2, 2, 2)), 1, 2)
    Tensor([[[[[8.]]]]])
    """
    return _lp_pool(3, x, norm_type, kernel_size, stride, ceil_mode)


def _lp_pool(axes: int, x: Any, p: float, kernel_size: Any, stride: Any, ceil_mode: bool) -> Any:
    """By the mean, so that a window that reaches beyond is scaled up, as in PyTorch.

    Where the sum is 0, so is the slope.
    """
    x = tensor_of(x)
    if math.isinf(p):
        largest = _MAXIMA[axes](
            math.copysign(1, p) * np.abs(x), kernel_size, stride, 0, 1, ceil_mode
        )
        return math.copysign(1, p) * largest
    means: Any = _MEANS[axes](np.power(x, p), kernel_size, stride, 0, ceil_mode)
    elements = math.prod(for_each_axis(kernel_size, axes))
    nothing = means == 0
    roots = np.power(np.where(nothing, 1, means * elements), 1 / p)
    return np.where(nothing, 0 if p > 0 else math.inf, roots)


# --- maxima ---------------------------------------------------------------------------------


def _max_pool(axes: int, example: str) -> Pooling:
    """Make the function for so many axes."""

    def pool(
        x: Array,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> Any:
        name = f"max_pool{axes}d"
        whole, alone = batched(name, tensor_of(x), axes)
        windows = _windows(name, whole, axes, kernel_size, stride, padding, ceil_mode, dilation)
        y = rules.max_of_windows(whole, *windows)
        largest = y[0] if alone else y
        if not return_indices:
            return largest
        places = _places(windows, rules.first_of_largest(whole, y, *windows), whole.shape[2:])
        return largest, places[0] if alone else places

    return named(
        pool,
        f"max_pool{axes}d",
        f"""Return the largest element of each window along {ways(axes)}.

    Windows are `stride` apart, their own length by default, and their elements `dilation`. What
    `padding` adds at both ends is never the largest. With `ceil_mode`, the last window may reach
    beyond. The first of equal elements receives the gradient, as in PyTorch. `return_indices` gives
    the places of the largest as well, in the input as one row.

    {example}
    """,
    )


def _places(windows: _Windows, chosen: Any, lengths: Sequence[int]) -> Any:
    """Where the chosen elements of windows are in an input laid flat."""
    starts = np.indices(chosen.shape[2:], sparse=True)
    elements = np.unravel_index(chosen, windows.kernel)
    steps = zip(starts, elements, windows.stride, windows.padding, windows.dilation, strict=True)
    where = [p * s - before + i * d for p, i, s, (before, _), d in steps]
    # Windows whose elements are far apart can be beside the input, and have no place in it.
    return np.ravel_multi_index(where, tuple(lengths), mode="clip")


def first_largest(x: Any, places: Any = None) -> tuple[Any, Any]:
    """Return the largest element of the last axis, and its place: of several, the first."""
    where = np.expand_dims(np.argmax(x, axis=-1), -1)
    y = np.squeeze(np.take_along_axis(x, where, axis=-1), axis=-1)
    if places is None:
        return y, None
    spread = np.broadcast_to(placed(array_of(places), x), x.shape)
    return y, np.squeeze(np.take_along_axis(spread, where, axis=-1), axis=-1)


def one_or_both(found: tuple[Any, Any], return_indices: bool) -> Any:
    """Return what was found: the elements, and their places if they are asked for."""
    return found if return_indices else found[0]


max_pool1d = _max_pool(
    1,
    """>>> max_pool1d(np.array([[[1.0, 3.0, 5.0, 4.0]]]), 2)
    Tensor([[[3., 5.]]])""",
)
max_pool2d = _max_pool(
    2,
    """>>> max_pool2d(np.array([[[1.0, 3.0], [5.0, 4.0]]]), 2)
    Tensor([[[5.]]])""",
)
max_pool3d = _max_pool(
    3,
    """>>> max_pool3d(np.ones((1, 1, 2, 2, 2)), 2)
    Tensor([[[[[1.]]]]])""",
)


_MEANS = {1: avg_pool1d, 2: avg_pool2d, 3: avg_pool3d}
_MAXIMA = {1: max_pool1d, 2: max_pool2d, 3: max_pool3d}


def _max_unpool(axes: int, example: str) -> Pooling:
    """Make the function for so many axes."""

    def unpool(
        x: Array,
        indices: Any,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        output_size: Sequence[int] | None = None,
    ) -> Tensor:
        y, places = tensor_of(x), np.asarray(indices)
        batched(f"max_unpool{axes}d", y, axes)
        kernel, pads = for_each_axis(kernel_size, axes), for_each_axis(padding, axes)
        strides = kernel if stride is None or stride == () else for_each_axis(stride, axes)
        steps = zip(y.shape[-axes:], kernel, strides, pads, strict=True)
        size = [(n - 1) * s - 2 * p + k for n, k, s, p in steps]
        if output_size is not None:
            size = list(output_size)[-axes:]
        front = y.shape[:-axes]
        if places.shape != y.shape or places.max(initial=0) >= math.prod(size):
            raise ShapeError(f"max_unpool{axes}d: the indices do not fit into {tuple(size)}")
        blank = tensor_of(np.zeros((*front, math.prod(size)), y.dtype))
        rows = (*front, math.prod(y.shape[-axes:]))
        put = blank.scatter(-1, places.reshape(rows), y.reshape(rows))
        return put.reshape(*front, *size)

    return named(
        unpool,
        f"max_unpool{axes}d",
        f"""Return zeros with the elements at the places that `max_pool{axes}d` took them from.

    `indices` are what it returns with return_indices=True. The other arguments are its own; where
    they leave the size open, `output_size` tells it. Of two elements with one place the later one
    holds, and receives the gradient.

    {example}
    """,
    )


max_unpool1d = _max_unpool(
    1,
    """>>> max_unpool1d(np.array([[[3.0]]]), np.array([[[1]]]), 2)
    Tensor([[[0., 3.]]])""",
)
max_unpool2d = _max_unpool(
    2,
    """>>> max_unpool2d(np.array([[[5.0]]]), np.array([[[2]]]), 2)
    Tensor([[[0., 0.],
             [5., 0.]]])""",
)
max_unpool3d = _max_unpool(
    3,
    """>>> max_unpool3d(np.ones((1, 1, 1, 1)), np.zeros((1, 1, 1, 1), int), 1)
    Tensor([[[[1.]]]])""",
)
