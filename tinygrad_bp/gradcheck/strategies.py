"""Hypothesis strategies for arrays, tensors and whole programs to differentiate.

Values are multiples of 1/32, exact in float32 too, and stay away from kinks by construction:
nothing is filtered, so no health check trips and failures shrink quickly. Needs Hypothesis.

    @given(arrays(kinks=[0]))
    def test_my_function(x): ...

    @given(programs())
    def test_my_engine(program):
        print(program)  # runnable Python
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np

from tinygrad_bp import primitives
from tinygrad_bp.tensor import Tensor

__all__ = ["Program", "arrays", "broadcastable_shapes", "dtypes", "programs", "shapes", "tensors"]

Shape: TypeAlias = tuple[int, ...]
Floats: TypeAlias = "np.ndarray[Any, np.dtype[np.floating[Any]]]"

GRID = 1 / 32


# --- shapes and dtypes ----------------------------------------------------------------------


def shapes(*, max_dims: int = 3, max_side: int = 4) -> st.SearchStrategy[Shape]:
    """Shapes with every awkward case among them: no axes, axes of length 0 and 1."""
    return hnp.array_shapes(min_dims=0, max_dims=max_dims, min_side=0, max_side=max_side)


def broadcastable_shapes(
    count: int = 2, *, max_dims: int = 3, max_side: int = 3
) -> st.SearchStrategy[tuple[Shape, ...]]:
    """As many shapes as asked for that broadcast together."""
    drawn = hnp.mutually_broadcastable_shapes(
        num_shapes=count, min_side=0, max_dims=max_dims, max_side=max_side
    )
    return drawn.map(lambda result: result.input_shapes)


def dtypes() -> st.SearchStrategy[np.dtype[Any]]:
    """The two types that gradients are usually computed in, float64 being the simpler one."""
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

    No value is closer than `gap` to one of the `kinks`. With `distinct`, no two values are
    closer to each other either; if there are more of them than fit, they go on above `high`.
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
    """
    return arrays(shape, **options).map(lambda a: Tensor(a, requires_grad=True))


# --- programs -------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Program:
    """A straight-line program over NumPy's functions, from some leaves to a scalar `cost`.

    Calling it with arrays computes the cost, with tensors a tensor to go backward from. Its text,
    `str(program)`, is what runs, with the imports and the backward pass around it.

    >>> Program({"a": np.array(2.0)}, ("cost = a * a",))
    Program({'a': np.array(2.0)}, ('cost = a * a',))
    """

    leaves: Mapping[str, Floats]
    lines: tuple[str, ...]

    def __call__(self, *leaves: Any) -> Any:
        """Return the cost at the given leaves, one for each of `self.leaves`, in their order."""
        names: dict[str, Any] = {"np": np, "primitives": primitives}
        names.update(zip(self.leaves, leaves, strict=True))
        code = compile("\n".join(self.lines), "<program>", "exec")
        exec(code, names)  # noqa: S102  (the strategy wrote the lines)
        return names["cost"]

    def __repr__(self) -> str:
        leaves = ", ".join(f"{name!r}: {_array_text(v)}" for name, v in self.leaves.items())
        return f"Program({{{leaves}}}, {self.lines!r})"

    def __str__(self) -> str:
        made = [
            f"{name} = Tensor({_array_text(value)}, requires_grad=True)"
            for name, value in self.leaves.items()
        ]
        shown = [f'print("{name}:", {name}.grad)' for name in self.leaves]
        return "\n".join([_PREAMBLE, *made, *self.lines, "cost.backward()", *shown])


_PREAMBLE = "import numpy as np\nfrom tinygrad_bp import Tensor, primitives\n"


def _array_text(array: Floats) -> str:
    dtype = "" if array.dtype == np.float64 else f", np.{array.dtype.name}"
    if array.size == 0:
        return f"np.zeros({array.shape}{dtype})"
    return f"np.array({array.tolist()}{dtype})"


@st.composite
def programs(
    draw: st.DrawFn, *, max_leaves: int = 3, max_lines: int = 8, dtype: Any = np.float64
) -> Program:
    """Random programs with fan-out and shared leaves, smooth around the values of their leaves.

    Each line is chosen among the functions that are smooth at the values it will meet, at a
    distance of 1/4, and whose result is neither huge nor large. Everything computed and not used
    by a later line goes into the cost.
    """
    count = draw(st.integers(1, max_leaves))
    shapes = draw(broadcastable_shapes(count))
    leaves = {
        name: draw(arrays(shape, dtype=dtype))
        for name, shape in zip("abcdefgh", shapes, strict=False)
    }
    values: dict[str, Any] = dict(leaves)
    lines: list[str] = []
    unused = dict.fromkeys(leaves)
    for i in range(draw(st.integers(1, max_lines))):
        v, w = draw(st.sampled_from(list(values))), draw(st.sampled_from(list(values)))
        fitting = _fitting_expressions(values, v, w)
        expression = draw(st.sampled_from(list(fitting)))
        name = f"v{i}"
        lines.append(f"{name} = {expression}")
        values[name] = fitting[expression]
        for used in {v, w} & set(_names_in(expression)):
            unused.pop(used, None)
        unused[name] = None
    terms = " + ".join(f"np.sum(np.sin({name}))" for name in unused)
    return Program(leaves, (*lines, f"cost = {terms}"))


def _names_in(expression: str) -> tuple[str, ...]:
    return compile(expression, "", "eval").co_names


def _fitting_expressions(values: Mapping[str, Any], v: str, w: str) -> dict[str, Any]:
    """Every expression of v, or of v and w, that is smooth there, with its value."""
    names = {"np": np, "primitives": primitives, **values}
    fitting = {}
    with np.errstate(all="ignore"):
        for template, smooth in (*_OF_ONE.items(), *_OF_TWO.items()):
            of_one = template in _OF_ONE
            if not (smooth(values[v]) if of_one else smooth(values[v], values[w])):
                continue
            expression = template.format(v=v, w=w)
            value = eval(expression, dict(names))  # noqa: S307  (from the tables below)
            if np.size(value) <= 36 and np.all(np.abs(value) <= 16):
                fitting[expression] = value
    return fitting


Condition: TypeAlias = Callable[..., bool]


def _always(*_: Any) -> bool:
    return True


def _nonzero(v: Floats) -> bool:
    return bool(np.all(np.abs(v) >= 0.25))


def _positive(v: Floats) -> bool:
    return bool(np.all(v >= 0.25))


def _has_axis(v: Floats) -> bool:
    return np.ndim(v) > 0


def _filled(v: Floats) -> bool:
    return np.ndim(v) > 0 and np.size(v) > 0


def _clear_winner(v: Floats) -> bool:
    """The largest along the last axis is so by a distance."""
    if not _filled(v):
        return False
    top = np.sort(v, axis=-1)
    return v.shape[-1] == 1 or bool(np.all(top[..., -1] - top[..., -2] >= 0.25))


def _long(v: Floats) -> bool:
    return _filled(v) and bool(np.all(np.linalg.norm(v, axis=-1) >= 0.25))


def _fit(v: Floats, w: Floats) -> bool:
    """The shapes broadcast."""
    pairs = zip(np.shape(v)[::-1], np.shape(w)[::-1], strict=False)
    return all(m == n or 1 in (m, n) for m, n in pairs)


def _fit_apart(v: Floats, w: Floats) -> bool:
    return _fit(v, w) and _nonzero(v - w)


def _alike(v: Floats, w: Floats) -> bool:
    return np.ndim(v) > 0 and np.shape(v) == np.shape(w)


def _multipliable(v: Floats, w: Floats) -> bool:
    return np.ndim(v) > 0 and np.ndim(w) in (1, 2) and np.shape(v)[-1] == np.shape(w)[0]


# Whatever the values, some of these fit, so there is always a next line.
_OF_ONE: dict[str, Condition] = {
    "-{v}": _always,
    "np.tanh({v})": _always,
    "np.sin({v})": _always,
    "primitives.sigmoid({v})": _always,
    "np.square({v})": _always,
    "{v} ** 3": _always,
    "np.exp({v})": _always,
    "np.arctan({v})": _always,
    "1 / {v}": _nonzero,
    "np.abs({v})": _nonzero,
    "primitives.relu({v})": _nonzero,
    "np.sqrt({v})": _positive,
    "np.log({v})": _positive,
    "np.sum({v}, axis=0)": _has_axis,
    "np.sum({v}, axis=-1, keepdims=True)": _has_axis,
    "np.mean({v})": lambda v: bool(np.size(v)),
    "np.var({v}, axis=-1)": _filled,
    "np.prod({v}, axis=-1)": _has_axis,
    "np.cumsum({v}, axis=0)": _has_axis,
    "np.max({v}, axis=-1)": _clear_winner,
    "np.linalg.norm({v}, axis=-1)": _long,
    "primitives.log_softmax({v})": _filled,
    "primitives.softmax({v}, axis=0)": _filled,
    "np.reshape({v}, -1)": _always,
    "np.transpose({v})": _always,
    "np.expand_dims({v}, 0)": lambda v: np.ndim(v) < 3,
    "{v}[..., ::-1]": _has_axis,
    "{v}[[0, 0]]": lambda v: np.ndim(v) > 0 and np.shape(v)[0] > 0,
    "np.concatenate([{v}, {v}])": _has_axis,
}
_OF_TWO: dict[str, Condition] = {
    "{v} + {w}": _fit,
    "{v} - {w}": _fit,
    "{v} * {w}": _fit,
    "{v} / {w}": lambda v, w: _fit(v, w) and _nonzero(w),
    "np.power({v}, {w})": lambda v, w: _fit(v, w) and _positive(v),
    "np.logaddexp({v}, {w})": _fit,
    "np.maximum({v}, {w})": _fit_apart,
    "np.where({v} > {w}, {v}, np.sin({w}))": _fit_apart,
    "np.arctan2({v}, {w})": lambda v, w: _fit(v, w) and _nonzero(w),
    "np.stack([{v}, {w}])": _alike,
    "np.concatenate([{v}, {w}], axis=-1)": _alike,
    "np.einsum('...i,...i->...', {v}, {w})": _alike,
    "{v} @ {w}": _multipliable,
    "np.outer({v}, {w})": _always,
}
