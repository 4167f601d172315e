"""Shapes, dtypes, and arrays that keep away from kinks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np

from tinygrad_bp.tensor import Tensor

__all__ = ["Floats", "arrays", "broadcastable_shapes", "dtypes", "shapes", "tensors"]

Shape: TypeAlias = tuple[int, ...]
Floats: TypeAlias = "np.ndarray[Any, np.dtype[np.floating[Any]]]"

GRID = 1 / 32


# --- shapes and dtypes ----------------------------------------------------------------------


def shapes(*, max_dims: int = 3, max_side: int = 4) -> st.SearchStrategy[Shape]:
    """Shapes with every awkward case among them: no axes, axes of length 0 and 1.

    They have up to `max_dims` axes of up to `max_side` elements.

    >>> from hypothesis import find, settings
    >>> find(shapes(), lambda shape: len(shape) == 2, settings=settings(database=None))
    (0, 0)
    """
    return hnp.array_shapes(min_dims=0, max_dims=max_dims, min_side=0, max_side=max_side)


def broadcastable_shapes(
    count: int = 2, *, max_dims: int = 3, max_side: int = 3
) -> st.SearchStrategy[tuple[Shape, ...]]:
    """As many shapes as asked for that broadcast together, as a tuple.

    >>> from hypothesis import find, settings
    >>> find(broadcastable_shapes(2), lambda pair: len(pair[0]) > len(pair[1]),
    ...      settings=settings(database=None))
    ((0,), ())
    """
    drawn = hnp.mutually_broadcastable_shapes(
        num_shapes=count, min_side=0, max_dims=max_dims, max_side=max_side
    )
    return drawn.map(lambda result: result.input_shapes)


def dtypes() -> st.SearchStrategy[np.dtype[Any]]:
    """The two types that gradients are usually computed in, float64 being the simpler one.

    >>> from hypothesis import find, settings
    >>> find(dtypes(), lambda dtype: dtype != np.float64, settings=settings(database=None))
    dtype('float32')
    """
    return st.sampled_from([np.dtype(np.float64), np.dtype(np.float32)])


# --- arrays ---------------------------------------------------------------------------------


@st.composite
def arrays(
    draw: st.DrawFn,
    shape: Shape | st.SearchStrategy[Shape] | None = None,
    *,
    dtype: Any = None,
    low: float = -2.0,
    high: float = 2.0,
    kinks: Sequence[float] = (),
    gap: float = 0.25,
    distinct: bool = False,
) -> Floats:
    """Arrays of multiples of 1/32 from `low` to `high`, in any layout in memory.

    `shape` and `dtype` are fixed, or strategies for them; by default `shapes()` and `dtypes()`. No
    value is closer than `gap` to one of the `kinks`, the places where the function under test has
    no single slope. With `distinct`, no two values are closer to each other either; if there are
    more of them than fit, they go on above `high`. Examples shrink towards the values nearest to 0.

    >>> from hypothesis import HealthCheck, given, settings
    >>> from tinygrad_bp.gradcheck import check
    >>> few = settings(max_examples=5, derandomize=True, deadline=None,
    ...                suppress_health_check=[HealthCheck.too_slow])
    >>> @few
    ... @given(arrays((2,), dtype=np.float64, kinks=[0]))
    ... def the_gradient_of_abs_is_right(x):
    ...     assert check(np.abs, x, at="here", identities=False).ok
    >>> the_gradient_of_abs_is_right()
    """
    drawn_shape = draw(shapes() if shape is None else _strategy(shape))
    drawn_dtype = draw(dtypes() if dtype is None else _strategy(dtype))
    size = int(np.prod(drawn_shape))
    points = _points(low, high, kinks, gap, spacing=gap if distinct else GRID, at_least=size)
    chosen = draw(
        hnp.arrays(np.int64, drawn_shape, elements=_near_zero_first(points), unique=distinct)
    )
    values = np.asarray(points[chosen], drawn_dtype)
    return _laid_out(values, draw(st.sampled_from(_LAYOUTS)))


def _strategy(value: Any) -> st.SearchStrategy[Any]:
    return value if isinstance(value, st.SearchStrategy) else st.just(value)


def _points(
    low: float, high: float, kinks: Sequence[float], gap: float, *, spacing: float, at_least: int
) -> Floats:
    """The values to choose from, smallest first; beyond `high` only if there are too few."""
    step = np.ceil(spacing / GRID) * GRID
    first = np.ceil(low / GRID) * GRID
    count = int((high - first) / step) + 1
    excluded = len(kinks) * int(2 * gap / step + 1)
    points: Floats = first + step * np.arange(max(count, at_least + excluded))
    for kink in kinks:
        points = points[np.abs(points - kink) >= gap]
    return points if at_least > np.sum(points <= high) else points[points <= high]


def _near_zero_first(points: Floats) -> st.SearchStrategy[int]:
    """Positions in `points`, such that examples shrink towards the value nearest to 0."""
    return st.sampled_from([int(i) for i in np.argsort(np.abs(points), kind="stable")])


_LAYOUTS = ("C", "F", "reversed", "strided")


def _laid_out(values: Floats, layout: str) -> Floats:
    """The same values, as a view of an array with another layout in memory."""
    if layout == "F":
        return np.asarray(values, order="F")
    if values.ndim == 0 or layout == "C":
        return values
    if layout == "reversed":
        return np.ascontiguousarray(values[..., ::-1])[..., ::-1]
    return np.repeat(values, 2, axis=-1)[..., ::2]


def tensors(
    shape: Shape | st.SearchStrategy[Shape] | None = None, **options: Any
) -> st.SearchStrategy[Tensor]:
    """Tensors that track gradients; options as for `arrays`.

    A leaf owns its data, in C order; for other layouts, transpose or slice it.

    >>> from hypothesis import HealthCheck, given, settings
    >>> few = settings(max_examples=5, derandomize=True, deadline=None,
    ...                suppress_health_check=[HealthCheck.too_slow])
    >>> @few
    ... @given(tensors(low=0.25))
    ... def the_gradient_of_a_sum_is_1(x):
    ...     np.sum(x).backward()
    ...     assert np.all(x.grad.data == 1)
    >>> the_gradient_of_a_sum_is_1()
    """
    return arrays(shape, **options).map(lambda a: Tensor(a, requires_grad=True))
