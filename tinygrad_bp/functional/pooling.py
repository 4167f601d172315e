"""Means and maxima of windows, along one, two or three axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_bp.errors import ShapeError
from tinygrad_bp.functional.convolutions import Sizes, windows
from tinygrad_bp.functional.inputs import batched, for_each_axis, tensor_of, widened
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "lp_pool1d",
    "lp_pool2d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
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
        cut, steps = _windows(name, x, axes, kernel_size, stride, padding, ceil_mode, 0.0)
        total = np.sum(cut, axis=tuple(range(-axes, 0)))
        if divisor_override is not None:
            return total / divisor_override
        counts = np.ones(())
        for places, (n, kernel, step, pad) in zip(total.shape[-axes:], steps, strict=True):
            starts = np.arange(places) * step - pad
            ends = np.minimum(starts + kernel, n + pad)
            if not count_include_pad:
                starts, ends = np.maximum(starts, 0), np.minimum(ends, n)
            counts = np.multiply.outer(counts, ends - starts)
        return total / counts.astype(total.dtype)

    return _named(
        pool,
        f"avg_pool{axes}d",
        f"""Return the mean of each window along {_ways(axes)}.

    Windows are `stride` apart, their own length by default. The input is extended by `padding`
    zeros at both ends, which count in the mean unless count_include_pad=False; with `ceil_mode`,
    the last window may reach beyond. `divisor_override` stands in for the number of elements.

    {example}
    """,
    )


def _ways(axes: int) -> str:
    return "the last axis" if axes == 1 else f"the last {axes} axes"


def _named(function: Pooling, name: str, text: str) -> Pooling:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = text
    return function


def _windows(
    name: str,
    x: Any,
    axes: int,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    outside: float,
    dilation: Any = 1,
) -> tuple[Any, list[tuple[int, int, int, int]]]:
    """The windows; and for each axis its length, the window's, the step and the padding."""
    x = tensor_of(x)
    batched(name, x, axes)
    kernel, pads = for_each_axis(kernel_size, axes), for_each_axis(padding, axes)
    strides = kernel if stride is None or stride == () else for_each_axis(stride, axes)
    dilations = for_each_axis(dilation, axes)
    if any(2 * p > k for p, k in zip(pads, kernel, strict=True)):
        raise ValueError(f"{name}: padding {pads} is more than half of the windows {kernel}")
    steps = list(zip(x.shape[-axes:], kernel, strides, pads, strict=True))
    widths = []
    for (n, k, s, p), d in zip(steps, dilations, strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        if room < 0:
            raise ShapeError(f"{name}: windows of {kernel} do not fit into {x.shape}")
        places = -(-room // s) if ceil_mode else room // s
        if ceil_mode and places * s >= n + p:  # the last would start beyond the input
            places -= 1
        widths.append((p, max(p + places * s - room, 0)))
    options = {"constant_values": outside} if outside else {}
    return windows(name, widened(x, widths, **options), kernel, strides, dilations), steps


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

    >>> lp_pool1d(np.array([[[3.0, 4.0]]]), 2, 2)
    Tensor([[[5.]]])
    """
    return _lp_pool("lp_pool1d", 1, x, norm_type, kernel_size, stride, ceil_mode)


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
    return _lp_pool("lp_pool2d", 2, x, norm_type, kernel_size, stride, ceil_mode)


def _lp_pool(
    name: str, axes: int, x: Any, p: float, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Any:
    cut, _ = _windows(name, x, axes, kernel_size, stride, 0, ceil_mode, 0.0)
    return np.power(np.sum(np.power(cut, p), axis=tuple(range(-axes, 0))), 1 / p)


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
        x = tensor_of(x)

        def cut(a: Any, outside: float) -> Any:
            found, _ = _windows(
                name, a, axes, kernel_size, stride, padding, ceil_mode, outside, dilation
            )
            return found.reshape(*found.shape[:-axes], math.prod(found.shape[-axes:]))

        if not return_indices:
            return _first_largest(cut(x, -math.inf))[0]
        places = np.arange(math.prod(x.shape[-axes:])).reshape(1, *x.shape[-axes:])
        return _first_largest(cut(x, -math.inf), cut(places, 0.0))

    return _named(
        pool,
        f"max_pool{axes}d",
        f"""Return the largest element of each window along {_ways(axes)}.

    Windows are `stride` apart, their own length by default, and their elements `dilation`. What
    `padding` adds at both ends is never the largest. With `ceil_mode`, the last window may reach
    beyond. The first of equal elements receives the gradient, as in PyTorch. `return_indices` gives
    the places of the largest as well, in the input as one row.

    {example}
    """,
    )


def _first_largest(x: Any, places: Any = None) -> tuple[Any, Any]:
    """The largest element of the last axis, and its place: where there are several, the first."""
    where = np.expand_dims(np.argmax(x, axis=-1), -1)
    y = np.squeeze(np.take_along_axis(x, where, axis=-1), axis=-1)
    if places is None:
        return y, None
    spread = np.broadcast_to(getattr(places, "data", places), x.shape)
    return y, np.squeeze(np.take_along_axis(spread, where, axis=-1), axis=-1)


def _given(found: tuple[Any, Any], return_indices: bool) -> Any:
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


# --- so many windows ------------------------------------------------------------------------


def _adaptive(axes: int, kind: str, example: str) -> Pooling:
    """Make the function for so many axes, of means or of maxima."""

    def average(x: Array, output_size: Sizes | Sequence[int | None]) -> Tensor:
        y = tensor_of(x)
        for axis, size in _sizes(f"adaptive_avg_pool{axes}d", y, output_size, axes):
            cuts = [np.mean(part, axis=-1) for part in _parts(y, axis, size)]
            y = np.stack(cuts, axis=axis) if cuts else y[..., :0].reshape(_without(y, axis))
        return y

    def largest(
        x: Array,
        output_size: Sizes | Sequence[int | None],
        return_indices: bool = False,
    ) -> Any:
        y = tensor_of(x)
        places = np.arange(math.prod(y.shape[-axes:])).reshape(y.shape[-axes:])
        places = np.broadcast_to(places, y.shape)
        for axis, size in _sizes(f"adaptive_max_pool{axes}d", y, output_size, axes):
            pairs = zip(_parts(y, axis, size), _parts(places, axis, size), strict=True)
            found = [_first_largest(part, place) for part, place in pairs]
            if not found:
                y = y[..., :0].reshape(_without(y, axis))
                return _given((y, np.zeros(y.shape, int)), return_indices)
            y, places = (np.stack(parts, axis=axis) for parts in zip(*found, strict=True))
        return _given((y, places), return_indices)

    return _named(
        average if kind == "avg" else largest,
        f"adaptive_{kind}_pool{axes}d",
        f"""Return the {"mean" if kind == "avg" else "largest element"} of so many windows along {
            _ways(axes)
        }.

    The windows cover the axis, and overlap where its length is no multiple of their number; None
    keeps an axis as it is.{
            "" if kind == "avg" else " The first of equal elements receives the gradient."
        }

    {example}
    """,
    )


def _without(x: Any, axis: int) -> tuple[int, ...]:
    shape = list(x.shape)
    shape[axis] = 0
    return tuple(shape)


def _sizes(name: str, x: Any, output_size: Any, axes: int) -> list[tuple[int, int]]:
    """The axes to pool and how many windows each gets, the last one first."""
    batched(name, x, axes)
    sizes = list(output_size) if isinstance(output_size, tuple | list) else [output_size] * axes
    if len(sizes) != axes:
        raise ValueError(f"{output_size} is not one number, or one for each of {axes} axes")
    wanted = [(a, size) for a, size in enumerate(sizes, -axes) if size is not None]
    if any(size and not x.shape[axis] for axis, size in wanted):
        raise ShapeError(f"{name}: there is nothing to pool in an input of shape {x.shape}")
    return wanted[::-1]


def _parts(x: Any, axis: int, size: int) -> list[Any]:
    """From ⌊i n / size⌋ to ⌈(i + 1) n / size⌉ along the axis, which comes last."""
    n = x.shape[axis]
    moved = np.moveaxis(x, axis, -1)
    return [moved[..., i * n // size : -(-(i + 1) * n // size)] for i in range(size)]


adaptive_avg_pool1d = _adaptive(
    1,
    "avg",
    """>>> adaptive_avg_pool1d(np.array([[[1.0, 3.0, 5.0]]]), 2)
    Tensor([[[2., 4.]]])""",
)
adaptive_avg_pool2d = _adaptive(
    2,
    "avg",
    """>>> adaptive_avg_pool2d(np.array([[[1.0, 3.0], [5.0, 7.0]]]), (1, None))
    Tensor([[[3., 5.]]])""",
)
adaptive_avg_pool3d = _adaptive(
    3,
    "avg",
    """>>> adaptive_avg_pool3d(np.ones((1, 1, 2, 2, 2)), 1)
    Tensor([[[[[1.]]]]])""",
)
adaptive_max_pool1d = _adaptive(
    1,
    "max",
    """>>> adaptive_max_pool1d(np.array([[[1.0, 3.0, 5.0]]]), 2)
    Tensor([[[3., 5.]]])""",
)
adaptive_max_pool2d = _adaptive(
    2,
    "max",
    """>>> adaptive_max_pool2d(np.array([[[1.0, 3.0], [5.0, 7.0]]]), 1)
    Tensor([[[7.]]])""",
)
adaptive_max_pool3d = _adaptive(
    3,
    "max",
    """>>> adaptive_max_pool3d(np.ones((1, 1, 2, 2, 2)), 1)
    Tensor([[[[[1.]]]]])""",
)
