"""Maxima of windows at random places, as many as are wanted: fractional max-pooling.

Source: Graham, Fractional Max-Pooling, 2014. Where the windows are is PyTorch's formula.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_bp.errors import ShapeError
from tinygrad_bp.functional.convolutions import Sizes
from tinygrad_bp.functional.inputs import batched, for_each_axis, tensor_of
from tinygrad_bp.functional.pooling import Pooling, first_largest, named, one_or_both, ways
from tinygrad_bp.registry import Array
from tinygrad_bp.state import draw
from tinygrad_bp.tensor import Tensor, array_of

__all__ = ["fractional_max_pool2d", "fractional_max_pool3d"]


def _fractional(axes: int, example: str) -> Pooling:
    """Make the function for so many axes."""

    def pool(
        x: Array,
        kernel_size: Sizes,
        output_size: Sizes | None = None,
        output_ratio: float | Sequence[float] | None = None,
        return_indices: bool = False,
        _random_samples: Array | None = None,
        *,
        rng: np.random.Generator | None = None,
    ) -> Tensor | tuple[Tensor, Any]:
        name = f"fractional_max_pool{axes}d"
        whole, alone = batched(name, tensor_of(x), axes)
        kernel = for_each_axis(kernel_size, axes)
        sizes = _sizes(name, whole.shape[2:], kernel, output_size, output_ratio)
        samples = _samples(name, whole, axes, _random_samples, rng)
        where = _windows(whole.shape, kernel, sizes, samples)
        places = np.arange(math.prod(whole.shape[2:])).reshape(1, 1, *whole.shape[2:])
        spread = np.broadcast_to(places, whole.shape)
        ends = (*whole.shape[:2], *sizes, math.prod(kernel))
        found = first_largest(whole[where].reshape(ends), spread[where].reshape(ends))
        return one_or_both((found[0][0], found[1][0]) if alone else found, return_indices)

    return named(
        pool,
        f"fractional_max_pool{axes}d",
        f"""Return the largest element of each of so many windows along {ways(axes)}.

    There are `output_size` windows along each axis, or `output_ratio` times its length. They begin
    at random places, others for each example and channel, about equally far apart, the last one at
    the end: by numbers from 0 to 1 drawn from `rng`, or given as `_random_samples`, (examples,
    channels, {axes}). `return_indices` gives the places of the largest as well, in the input as one
    row. Source: Graham, Fractional Max-Pooling, 2014.

    {example}
    """,
    )


def _sizes(
    name: str, lengths: Sequence[int], kernel: Sequence[int], output_size: Any, output_ratio: Any
) -> list[int]:
    """How many windows there are along each axis."""
    axes = len(lengths)
    if (output_size is None) == (output_ratio is None):
        raise ValueError(f"{name}: give either an output_size or an output_ratio")
    if output_size is not None:
        sizes = for_each_axis(output_size, axes)
    else:
        given = output_ratio if isinstance(output_ratio, tuple | list) else [output_ratio] * axes
        sizes = [int(n * ratio) for n, ratio in zip(lengths, given, strict=True)]
    if any(k < 1 or m < 1 or m + k - 1 > n for n, k, m in zip(lengths, kernel, sizes, strict=True)):
        raise ShapeError(
            f"{name}: {tuple(sizes)} windows of {tuple(kernel)} do not fit into {tuple(lengths)}"
        )
    return sizes


def _samples(
    name: str, x: Any, axes: int, given: Any, rng: np.random.Generator | None
) -> np.ndarray[Any, Any]:
    """A number from 0 to 1 for each example, channel and axis."""
    shape = (*x.shape[:2], axes)
    if given is None:
        return draw(rng or np.random.default_rng(), "random", shape).astype(x.dtype)
    samples: np.ndarray[Any, Any] = array_of(given)[: len(x)]  # there may be more, as in PyTorch
    if samples.shape != shape:
        raise ShapeError(f"{name}: random samples of shape {samples.shape}, not {shape}")
    return samples


def _windows(
    shape: Sequence[int], kernel: Sequence[int], sizes: Sequence[int], samples: Any
) -> tuple[Any, ...]:
    """Where the elements of all windows are: (examples, channels, *places, *in the window)."""
    axes = len(kernel)
    wide = 2 + 2 * axes
    own = [np.arange(n).reshape(n, *[1] * (wide - 1 - i)) for i, n in enumerate(shape[:2])]
    order = range(axes)[::-1] if axes == 2 else range(axes)  # of the samples, PyTorch's
    found = []
    for axis, (n, k, m) in enumerate(zip(shape[2:], kernel, sizes, strict=True)):
        starts = _starts(samples[..., order[axis]], n, k, m)
        at = [*samples.shape[:2], *[1] * (2 * axes)]
        at[2 + axis] = m
        steps = np.arange(k).reshape(-1, *[1] * (axes - 1 - axis))
        found.append(starts.reshape(at) + steps)
    return (*own, *found)


def _starts(samples: Any, length: int, kernel: int, count: int) -> Any:
    """Where the windows of one axis begin: (examples, channels, count)."""
    last = length - kernel
    step = np.asarray(last / (count - 1) if count > 1 else 0.0, samples.dtype)
    moved = np.expand_dims(samples, -1)
    places = np.arange(count).astype(samples.dtype)
    starts = ((places + moved) * step).astype(int) - (moved * step).astype(int)
    starts[..., -1] = last
    return starts


fractional_max_pool2d = _fractional(
    2,
    """>>> fractional_max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2, 2)
    Tensor([[[[ 5.,  7.],
              [13., 15.]]]])""",
)
fractional_max_pool3d = _fractional(
    3,
    """>>> fractional_max_pool3d(np.arange(8.0).reshape(1, 1, 2, 2, 2), 2, 1)
    Tensor([[[[[7.]]]]])""",
)
