"""What used to go wrong without a word: each case gives the right gradient now, or an error.

The rows are those of the table of what was found wrong, a section each. `assert_follows` is the
promise itself: where a result depends smoothly on a tensor, there is a derivative, and it is the
one that differences find; or there is an error of ours. A plain array is neither.
"""

# ruff: noqa: PLW0108 (calls are written as users write them)
from __future__ import annotations

import array
import asyncio
import contextlib
import copy
import inspect
import itertools
import json
import math
import operator
import re
import sys
import threading
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from types import FrameType
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import tinygrad_bp as bp
from tinygrad_bp import Tensor, errors, nn, optim
from tinygrad_bp.registry import registered

Array = np.ndarray[Any, Any]

X = np.array([0.6, -1.3, 2.4])
Y = np.array([1.7, 0.8, -0.45])
SQUARE = np.array([[0.6, -1.3, 2.4], [1.7, 0.8, -0.45], [-2.2, 0.35, 1.1]])


def leaf(values: Any, dtype: Any = float) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


def flat(result: Any) -> Iterator[Any]:
    """All parts of a result that hold real numbers."""
    if isinstance(result, list | tuple):
        yield from itertools.chain.from_iterable(map(flat, result))
    elif isinstance(result, Tensor) or np.asarray(result).dtype.kind in "biuf":
        yield result


def numbers(result: Any) -> Array:
    """All real numbers of a result, one after the other."""
    parts = [part.data if isinstance(part, Tensor) else part for part in flat(result)]
    return np.concatenate([np.zeros(0), *(np.ravel(part).astype(float) for part in parts)])


def total(result: Any) -> Any:
    """A number that depends on every element of a result that tracks."""
    parts = list(flat(result))
    ends = list(itertools.accumulate(map(np.size, parts), initial=0))
    weighted = (
        np.sum(part * np.cos(np.arange(end, end + part.size)).reshape(part.shape))
        for part, end in zip(parts, ends, strict=False)
        if isinstance(part, Tensor)
    )
    return sum(weighted, start=Tensor(0.0))


def difference(f: Callable[[Array], Any], at: Array) -> Array:
    """The gradient of `total` by differences of the fourth order, from NumPy alone."""
    weights = np.cos(np.arange(numbers(f(at)).size))  # those of `total`, for one array
    h, slopes = 1e-3, []
    for direction in np.eye(at.size).reshape(-1, *at.shape):
        values = [numbers(f(at + k * h * direction)) @ weights for k in (-2, -1, 1, 2)]
        slopes.append(np.dot(values, [1, -8, 8, -1]) / (12 * h))
    return np.reshape(slopes, at.shape)


def assert_right(f: Callable[[Any], Any], at: Array, plain: Callable[[Any], Any]) -> None:
    """A tensor for f gives the values of the plain function, and their derivative."""
    value = numbers(plain(at))
    t = Tensor(at, requires_grad=True)
    result = f(t)
    np.testing.assert_allclose(numbers(result), value, rtol=1e-14)
    assert all(type(part.data) is np.ndarray for part in flat(result) if isinstance(part, Tensor))
    directions = np.eye(at.size).reshape(-1, *at.shape)
    if all(np.array_equal(value, numbers(plain(at + 1e-4 * e))) for e in directions):
        return
    loss = total(result)
    assert loss.requires_grad, "the result depends on the tensor, and its graph is lost"
    loss.backward()
    assert type(t.grad.data) is np.ndarray
    np.testing.assert_allclose(t.grad.data, difference(plain, at), rtol=1e-6, atol=1e-8)


def refusal(attempt: Callable[[], Any]) -> errors.TinygradError | None:
    """The error of ours that an attempt meets, if only as the cause of NumPy's."""
    try:
        attempt()
    except errors.TinygradError as error:
        return error
    except ValueError as error:
        if isinstance(error.__cause__, errors.TinygradError):
            return error.__cause__
        raise
    return None


def assert_follows(f: Callable[[Any], Any], at: Array, plain: Callable[[Any], Any]) -> None:
    """It is right, or there is an error of ours."""
    if refusal(lambda: f(leaf(at))) is None:
        assert_right(f, at, plain)


# --- conversions to numbers and plain arrays --------------------------------------------------


def into(target: Array, write: Callable[[Array], Any]) -> Array:
    write(target)
    return target


# Each row makes plain numbers of a tensor, or of a number, without axes.
CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "float(t)": float,
    "int(t)": int,
    "complex(t)": complex,
    "math.exp(t)": math.exp,
    "math.floor(t)": math.floor,
    "math.hypot(t, 1)": lambda t: math.hypot(t, 1.0),
    "np.float64(t)": np.float64,
    "np.float32(t)": np.float32,
    "np.complex128(t)": np.complex128,
    "np.int64(t)": np.int64,
    "np.asarray(t)": np.asarray,
    "np.array(t)": np.array,
    "np.array([t, t])": lambda t: np.array([t, t]),
    "np.array([[t], [t]])": lambda t: np.array([[t], [t]]),
    "np.asarray([t, 1.0])": lambda t: np.asarray([t, 1.0]),
    "np.asarray((t,), float)": lambda t: np.asarray((t,), float),
    "np.full(3, t)": lambda t: np.full(3, t),
    "np.full((2, 2), [t, t])": lambda t: np.full((2, 2), [t, t]),
    "np.fromiter([t, t], float)": lambda t: np.fromiter([t, t], float),
    "a[1] = t": lambda t: into(np.zeros(3), lambda a: operator.setitem(a, 1, t)),
    "a[1:] = t": lambda t: into(np.zeros(3), lambda a: operator.setitem(a, slice(1, None), t)),
    "a[mask] = t": lambda t: into(np.zeros(3), lambda a: operator.setitem(a, a == 0, t)),
    "a[:2] = [t, t]": lambda t: into(np.zeros(3), lambda a: operator.setitem(a, [0, 1], [t, t])),
    "a.fill(t)": lambda t: into(np.zeros(3), lambda a: a.fill(t)),
    "a.put(1, t)": lambda t: into(np.zeros(3), lambda a: a.put(1, t)),
    "array.array('d', [t])": lambda t: array.array("d", [t]),
}
every_conversion = pytest.mark.parametrize("convert", CONVERSIONS.values(), ids=list(CONVERSIONS))


def assert_not_converted(attempt: Callable[[], Any]) -> None:
    """The error says how to ask for the number, or which function to use."""
    error = refusal(attempt)
    assert isinstance(error, errors.ConversionError)
    assert re.search(r"\.item\(\)|\bnp\.[a-z]\w+", str(error)), error


@every_conversion
def test_a_conversion_would_lose_the_gradient(convert: Callable[[Any], Any]) -> None:
    t = leaf(2.0)
    for tracking in (t, t * 1.5):
        assert_not_converted(lambda tracking=tracking: convert(tracking))


@every_conversion
def test_what_does_not_track_is_converted(convert: Callable[[Any], Any]) -> None:
    expected = convert(2.0)
    for t in (Tensor(2.0), leaf(2.0).detach()):
        found = convert(t)
        assert type(found) is type(expected)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "attempt",
    [
        lambda v: np.asarray(v),
        lambda v: np.array([v, v]),
        lambda v: np.ones(3).dot(v),
        lambda v: operator.setitem(np.zeros((2, 3)), 0, v),
        lambda v: np.fromiter(v, float),
        lambda v: list(map(float, v)),
        lambda v: np.full((2, 3), v),
        lambda v: v.numpy(),
    ],
    ids=["asarray", "array", "dot", "setitem", "fromiter", "float", "full", "numpy"],
)  # fmt: skip
def test_a_vector_is_not_converted_either(attempt: Callable[[Any], Any]) -> None:
    assert_not_converted(lambda: attempt(leaf(X)))


@pytest.mark.parametrize(
    "write",
    [
        lambda a, t: np.copyto(a, t),
        lambda a, t: np.put(a, [0, 1], t),
        lambda a, t: np.place(a, a == 0, t),
        lambda a, t: np.putmask(a, a == 0, t),
        lambda a, t: np.add(a, t, a),
        lambda a, t: np.add(t, 1.0, out=a),
        lambda a, t: np.sum([t, t], axis=0, out=a),
        lambda a, t: np.add.at(a, [0, 1, 2], t),
        lambda a, t: operator.iadd(a, t),
        lambda a, t: operator.imatmul(np.outer(a, a), t),
        lambda a, t: operator.setitem(a.flat, 1, t[0]),
    ],
)
def test_no_function_writes_a_tensor_into_an_array(write: Callable[[Any, Any], Any]) -> None:
    a = np.zeros(3)
    with pytest.raises((errors.TinygradError, ValueError)):
        write(a, leaf(X))
    assert not a.any()


def test_numbers_are_there_for_those_who_ask() -> None:
    t, v = leaf(2.25), leaf(X)
    assert t.item() == 2.25
    assert type(t.item()) is float
    assert v.tolist() == X.tolist()
    assert f"{t:.3f}|{t:8.1e}|{t * 2:g}" == "2.250| 2.2e+00|4.5"
    assert "2.25" in repr(t)
    assert "2.25" in str(t)
    assert f"{v}" == str(v)
    assert json.dumps({"loss": t.item(), "values": v.tolist()})


def test_questions_get_plain_answers() -> None:
    t, u, v = leaf(2.25), leaf(1.5), leaf(X)
    assert max(t, u) is t
    assert min(t, u) is u
    assert sorted([t, u]) == [u, t]
    assert t > u
    assert t != u
    assert 1.0 < t <= 2.25
    assert bool(t)
    assert np.isfinite(t)
    assert type(np.isfinite(v)) is np.ndarray
    assert np.allclose(v, X)
    assert np.array_equal(v, X)
    assert np.array_repr(v) == np.array_repr(X)
    assert np.array_str(v) == np.array_str(X)
    assert (v > 0).tolist() == (X > 0).tolist()
    assert (np.argmax(v), np.shape(v), np.ndim(v), len(v)) == (2, (3,), 1, 3)


def test_rounding_and_json_say_what_to_do() -> None:
    t = leaf(2.25)
    for attempt in (lambda: round(t), lambda: round(t, 1)):
        with pytest.raises(TypeError, match=r"np\.round|item\(\)"):
            attempt()
    with pytest.raises(TypeError, match="Tensor"):
        json.dumps({"loss": t})


def test_sums_of_python_keep_the_graph() -> None:
    t, u = leaf(2.0), leaf(3.0)
    sum([t * t, u], start=1.0).backward()
    assert (t.grad.item(), u.grad.item()) == (4.0, 1.0)


# --- indexing ---------------------------------------------------------------------------------


class OwnArray:
    """Somebody's container, which NumPy knows how to convert."""

    def __init__(self, values: Any) -> None:
        self.values = np.array(values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.values if dtype is None else self.values.astype(dtype)


class OwnIndex:
    """Somebody's whole number."""

    def __index__(self) -> int:
        return 1


CUBE = (np.arange(24.0).reshape(2, 3, 4) - 10.0) / 7
MASK = CUBE > 0.5

INDICES: dict[str, Any] = {
    "nothing": (),
    "a number": 1,
    "a negative number": (-1, -3),
    "NumPy's whole numbers": (np.intp(1), np.uint8(2), np.array(3)),
    "a whole number of one's own": OwnIndex(),
    "slices": (slice(None), slice(2, 0, -1), slice(None, None, -2)),
    "slices past the end": (slice(5, None), slice(-9, 9)),
    "ellipsis": (..., 0),
    "ellipsis that stands for nothing": (1, 2, 3, ...),
    "new axes": (None, 1, ..., None),
    "True adds an axis": True,
    "a list with repeats": [0, 0, 1, 0],
    "a list with negative repeats": [-1, 1, -2],
    "an empty list": [],
    "a tuple inside with repeats": (slice(None), (0, 0)),
    "a tuple inside for the last axis": (..., (1, 1, 2)),
    "tuples of tuples": ((0, 0), (1, 1), (2, 2)),
    "a list of lists": ([[0, 1], [1, 1]],),
    "a range": range(2),
    "ranges": (range(2), range(1, 3)),
    "ranges and repeats": (slice(None), range(2, -1, -1), [3, 3, 3]),
    "arrays that broadcast": (np.array([[0], [1]]), [2, 2, 0]),
    "an array of two axes": (slice(None), np.array([[0, 0], [2, 0]])),
    "unsigned bytes": np.array([1, 1, 0], np.uint8),
    "a tensor": Tensor(np.array([1, 0, 1])),
    "tensors": (Tensor(np.array([1, 0, 1])), slice(None), Tensor(np.array(2))),
    "an array of array": array.array("q", [1, 1]),
    "a memoryview": (slice(None), memoryview(array.array("q", [2, 2]))),
    "a container of one's own": (0, OwnArray([2, 2, 1])),
    "arrays around a slice": (0, slice(None), [1, 1]),
    "arrays beside a slice": (slice(None), [0, 0], [1, 1]),
    "an array and a new axis": ([0, 0], None, slice(None), 1),
    "a mask": MASK,
    "a mask as lists": MASK[:, :, 0].tolist(),
    "a mask of the first axes": MASK[:, :, 1],
    "a mask of an axis": (slice(None), np.array([True, False, True])),
    "a list of truths": (slice(None), [True, False, True]),
    "a mask and a list": (MASK[:, 0, 0], [0], slice(None)),
    "a tensor as mask": Tensor(MASK),
    "NumPy's truth": np.True_,
}


def plain_index(index: Any) -> Any:
    """What NumPy is given where we are given a tensor, or an object of pandas."""
    if isinstance(index, tuple):
        return tuple(map(plain_index, index))
    if isinstance(index, Tensor):
        return index.data
    return index.to_numpy() if hasattr(index, "to_numpy") else index


def assert_indexed(values: Array, index: Any) -> None:
    """The value, and a gradient into which every contribution is added, in both orders."""
    plain = plain_index(index)
    picked = values[plain]
    arriving = np.cos(np.arange(picked.size)).reshape(picked.shape)
    expected = np.zeros_like(values)
    np.add.at(expected, plain, arriving)
    t = leaf(values)
    result = t[index]
    assert result.shape == picked.shape
    np.testing.assert_array_equal(result.data, picked)
    np.sum(result * arriving).backward()
    np.testing.assert_allclose(t.grad.data, expected, rtol=1e-14)
    curved = np.zeros_like(values)
    np.add.at(curved, plain, 6 * picked * arriving)
    found = bp.hvp(lambda t: np.sum(t[index] ** 3 * arriving), values, np.ones_like(values))
    np.testing.assert_allclose(found, curved, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("index", INDICES.values(), ids=list(INDICES))
def test_contributions_of_an_index_add_up(index: Any) -> None:
    assert_indexed(CUBE, index)


def test_contributions_of_pandas_indices_add_up() -> None:
    pandas = pytest.importorskip("pandas")
    shuffled = pandas.Series([1, 1, 0], index=[2, 0, 1])
    for index in (shuffled, pandas.Index([1, 1, 0]), (slice(None), shuffled)):
        assert_indexed(CUBE, index)
    assert_indexed(CUBE[[0, 0, 1]], shuffled > 0)


KINDS = ["slice", "slice", "number", "number", "array", "array", "mask", "new", "..."]


@st.composite
def indexed_arrays(draw: st.DrawFn) -> tuple[Array, Any]:
    """An array and an index that NumPy takes for it; most have repeats."""
    shape = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    common = draw(st.sampled_from([(2,), (3,), (2, 2), (1, 3)]))  # of the arrays in the index
    index, axis, skipped = [], 0, False
    while axis < len(shape) and (skipped or draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(KINDS))
        if kind == "..." and not skipped:
            skipped = True  # what follows must reach the last axis
            index.append(...)
            axis += draw(st.integers(0, len(shape) - axis))
        elif kind == "mask":
            mask = draw(masks(shape[axis:]))
            index.append(draw(st.sampled_from([mask, mask.tolist(), Tensor(mask)])))
            axis += mask.ndim
        elif kind == "new":
            index.append(None)
        else:
            index.append(draw(entries(kind, shape[axis], common)))
            axis += 1
    values = np.sin(np.arange(1.0, math.prod(shape) + 1)).reshape(shape)
    alone = len(index) == 1 and type(index[0]) is not tuple and draw(st.booleans())
    return values, index[0] if alone else tuple(index)


@st.composite
def masks(draw: st.DrawFn, shape: list[int]) -> Array:
    """A mask of some of the next axes, with one True, which broadcasts with any other array."""
    mask = np.zeros(shape[: draw(st.integers(1, len(shape)))], bool)
    mask.flat[draw(st.integers(0, mask.size - 1))] = True
    return mask


def entries(kind: str, length: int, common: tuple[int, ...]) -> st.SearchStrategy[Any]:
    """What may stand in an index for one axis."""
    places = st.integers(-length, length - 1)
    if kind == "number":
        return st.builds(lambda i, form: form(i), places, st.sampled_from([int, np.intp, np.array]))
    if kind == "array":
        drawn = st.lists(places, min_size=math.prod(common), max_size=math.prod(common))
        forms = [np.array, Tensor, lambda a: a.tolist(), lambda a: tuple(a.tolist())]
        return st.builds(lambda p, f: f(np.reshape(p, common)), drawn, st.sampled_from(forms))
    return st.slices(length)


@given(indexed_arrays())
def test_contributions_of_drawn_indices_add_up(drawn: tuple[Array, Any]) -> None:
    assert_indexed(*drawn)


def test_an_index_is_what_it_was_when_it_was_used() -> None:
    t, rows = leaf(X), [0, 0]
    y = t[rows].sum()
    rows[1] = 2
    y.backward()
    assert t.grad.tolist() == [2.0, 0.0, 0.0]


# --- arguments that were thought constant -----------------------------------------------------

Call = tuple[tuple[Any, ...], dict[str, Any]]


def call(*args: Any, **options: Any) -> Call:
    return args, options


def is_float(value: Any) -> bool:
    return isinstance(value, float | np.ndarray) and np.asarray(value).dtype.kind == "f"


def floats(tree: Any, *path: Any) -> Iterator[tuple[tuple[Any, ...], Array]]:
    """Every number and array of floats in a call, and the way there."""
    if isinstance(tree, dict | list | tuple):
        for key, part in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from floats(part, *path, key)
    elif is_float(tree):
        yield path, np.asarray(tree)


def replaced(tree: Any, path: Sequence[Any], new: Any) -> Any:
    """A copy of a call with something else at the end of a way."""
    if not path:
        return new
    key, *rest = path
    part = replaced(tree[key], rest, new)
    if isinstance(tree, dict):
        return {**tree, key: part}
    return type(tree)([*tree[:key], part, *tree[key + 1 :]])


def assert_call_follows(function: Callable[..., Any], made: Call) -> None:
    """Wherever a float stands in a call, a tensor may: with its derivative, or an error.

    The other arrays are arrays first, and then tensors, by which NumPy finds us in any case.
    """
    among_tensors = made
    for path, value in floats(made):
        among_tensors = replaced(among_tensors, path, Tensor(value) if value.ndim else value.item())
    for path, at in floats(made):

        def f(x: Any, path: Any = path, made: Call = made) -> Any:
            args, options = replaced(made, path, x)
            return function(*args, **options)

        assert_follows(f, at, f)
        assert_follows(lambda x, f=f, path=path: f(x, path, among_tensors), at, f)


COUNTED = np.array([0.1, 0.35, 0.4, 0.8])
EDGES = np.array([0.0, 0.3, 0.7, 1.0])

TWO_ARRAYS = """equal not_equal less less_equal greater greater_equal logical_and logical_or
    logical_xor floor_divide array_equal array_equiv isin shares_memory may_share_memory"""
ONE_ARRAY = """logical_not isfinite isinf isnan isposinf isneginf isreal iscomplex isrealobj
    iscomplexobj signbit sign floor ceil trunc rint round around fix spacing argmax argmin argsort
    argwhere nanargmax nanargmin nonzero flatnonzero count_nonzero all any shape ndim size
    result_type common_type min_scalar_type zeros_like ones_like array_repr array_str
    array2string"""
ONE_SQUARE = "tril_indices_from triu_indices_from diag_indices_from"

# Calls of all functions that are registered as constant: every float in them is probed.
CONSTANT_CALLS: dict[str, list[Call]] = {
    **{name: [call(X, Y), call(X, 0.5)] for name in TWO_ARRAYS.split()},
    **{name: [call(X), call(SQUARE)] for name in ONE_ARRAY.split()},
    **{name: [call(SQUARE)] for name in ONE_SQUARE.split()},
    "allclose": [call(X, Y), call(X, Y, rtol=0.1, atol=0.2)],
    "isclose": [call(X, Y), call(X, Y, 0.1, 0.2)],
    "heaviside": [call(X, Y)],  # at the jump, its height has a slope: see the table of specs
    "argpartition": [call(X, 1)],
    "lexsort": [call((X, Y)), call([X, Y])],
    "searchsorted": [call(EDGES, COUNTED), call(EDGES, 0.5)],
    "digitize": [call(COUNTED, EDGES)],
    "histogram": [
        call(COUNTED, EDGES),
        call(COUNTED, 3),
        call(COUNTED, bins=3, range=(0.0, 1.0)),
        call(COUNTED, EDGES, weights=np.array([0.5, 2.0, 1.5, 1.0])),
        call(COUNTED, EDGES, density=True),
    ],
    "histogram2d": [
        call(COUNTED, COUNTED[::-1], bins=[EDGES, EDGES]),
        call(COUNTED, COUNTED[::-1], bins=2, weights=COUNTED),
    ],
    "histogramdd": [
        call(np.stack([COUNTED, COUNTED], axis=1), bins=[EDGES, EDGES]),
        call([COUNTED, COUNTED[::-1]], bins=2, weights=COUNTED),
    ],
    "histogram_bin_edges": [
        call(COUNTED, 3),
        call(COUNTED, EDGES),
        call(COUNTED, range=(0.0, 1.0)),
    ],
    "full_like": [call(X, 2.5), call(X, Y), call(SQUARE, fill_value=X)],
    "empty_like": [],  # whatever was in memory
    "can_cast": [],  # no arrays any more
    "einsum_path": [call("ij,jk,k->i", SQUARE, SQUARE, X)],
}  # fmt: skip


def numpy_functions(kind: str) -> list[str]:
    """The names of NumPy's functions that are registered so."""
    names = [name for name in dir(np) if name.islower() or "_" in name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some names are on their way out
        functions = {name: getattr(np, name, None) for name in names}
    found = {name: f for name, f in functions.items() if callable(f) and registered(f) == kind}
    return sorted(name for name, f in found.items() if name == f.__name__)


@pytest.mark.parametrize("name", sorted({*numpy_functions("constant"), *CONSTANT_CALLS}))
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_function_called_constant_is_constant(name: str) -> None:
    for made in CONSTANT_CALLS[name]:
        assert_call_follows(getattr(np, name), made)


def test_every_float_of_a_call_is_probed() -> None:
    assert [len(list(floats(made))) for made in CONSTANT_CALLS["histogram"]] == [2, 1, 3, 3, 2]


# Calls in which a tensor stands where one is rarely thought of.
SIDE_CALLS: list[tuple[str, Call]] = [
    ("where", call(X > 0, X, Y)),
    ("where", call(X > 0, 1.5, 0.5)),
    ("where", call(X, Y, 0.5)),
    ("clip", call(X, -0.5, 2.0)),
    ("clip", call(X, a_min=-0.5, a_max=Y)),
    ("clip", call(X, None, 0.5)),
    ("sum", call(X, initial=0.5)),
    ("prod", call(X, initial=0.5)),
    ("max", call(X, initial=4.0)),
    ("min", call(X, initial=-4.0)),
    ("var", call(X, mean=np.array([0.5]))),
    ("std", call(X, mean=np.array([0.5]))),
    ("average", call(X, weights=np.array([0.5, 2.0, 1.0]))),
    ("full", call(3, 0.5)),
    ("linspace", call(0.5, 2.0, 4)),
    ("logspace", call(0.5, 2.0, 4)),
    ("geomspace", call(0.5, 2.0, 4)),
    ("arange", call(0.5, 3.0, 0.75)),
    ("pad", call(X, 1, constant_values=0.5)),
    ("pad", call(X, 1, mode="linear_ramp", end_values=0.5)),
    ("interp", call(COUNTED, EDGES, np.sin(EDGES), left=0.5, right=1.5)),
    ("interp", call(np.array([-1.0, 0.5, 2.0]), EDGES, np.sin(EDGES), 0.5, 1.5)),
    ("select", call([X > 1, X > 0], [X, Y], 0.5)),
    ("choose", call([0, 1, 0], [X, Y])),
    ("piecewise", call(X, [X > 0, X <= 0], [0.5, 1.5])),
    ("nan_to_num", call(np.array([0.5, np.nan, np.inf]), nan=0.5, posinf=1.5)),
    ("trapezoid", call(X, dx=0.5)),
    ("trapezoid", call(X, x=EDGES[:3])),
    ("gradient", call(X, 0.5)),
    ("gradient", call(X, EDGES[:3])),
    ("percentile", call(X, 30.0)),
    ("quantile", call(X, 0.3)),
    ("quantile", call(X, 0.3, weights=EDGES[1:], method="inverted_cdf")),
    ("insert", call(X, 1, 0.5)),
    ("append", call(X, 0.5)),
    ("diff", call(X, prepend=0.5, append=1.5)),
    ("ediff1d", call(X, to_end=0.5, to_begin=1.5)),
    ("unwrap", call(np.array([0.0, 4.0, 9.0]), period=6.0)),
    ("convolve", call(X, Y)),
    ("correlate", call(X, Y)),
    ("polyval", call(X, Y)),
    ("bincount", call([0, 1, 1], weights=X)),
    ("cov", call(X, Y)),
    ("cov", call(X, aweights=np.array([0.5, 2.0, 1.0]))),
    ("corrcoef", call(X, Y)),
    ("cross", call(X, Y)),
    ("copysign", call(X, Y)),
    ("ldexp", call(X, 2)),
    ("nextafter", call(X, Y)),
    ("hypot", call(X, Y)),
    ("arctan2", call(X, Y)),
    ("logaddexp", call(X, Y)),
    ("fmod", call(X, 0.7)),
    ("remainder", call(X, 0.7)),
    ("divmod", call(X, 0.7)),
    ("float_power", call(np.abs(X), Y)),
    ("take_along_axis", call(X, np.array([0, 0, 2]), 0)),
    ("apply_along_axis", call(np.sum, 0, SQUARE)),
    ("apply_over_axes", call(np.sum, SQUARE, [0])),
    ("array_split", call(X, 2)),
    ("concatenate", call([X, Y])),
    ("stack", call((X, Y), axis=1)),
    ("block", call([[X, Y]])),
    ("meshgrid", call(X, Y)),
    ("broadcast_arrays", call(X, SQUARE)),
    ("tensordot", call(SQUARE, SQUARE, 1)),
    ("einsum", call("ij,j->i", SQUARE, X)),
    ("einsum", call(SQUARE, [0, 1], X, [1], [0])),
    ("kron", call(X, Y)),
    ("vander", call(X, 3)),
    ("tri", call(3)),
    ("outer", call(X, Y)),
    ("inner", call(X, Y)),
    ("vdot", call(X, Y)),
    ("i0", call(X)),
    ("sinc", call(X)),
    ("ptp", call(X)),
    ("median", call(X)),
    ("nanmean", call(X)),
    ("sort", call(X)),
    ("unique", call(X)),
    ("trim_zeros", call(X)),
    ("roots", call(np.array([1.0, -3.0, 2.0]))),
]


@pytest.mark.parametrize(
    ("name", "made"), SIDE_CALLS, ids=[f"{name}-{i}" for i, (name, _) in enumerate(SIDE_CALLS)]
)
def test_a_tensor_anywhere_in_a_call_is_followed_or_refused(name: str, made: Call) -> None:
    assert_call_follows(getattr(np, name), made)


# --- arrays of other libraries ----------------------------------------------------------------

ONE = np.array([0.6, 1.3, 2.4])
OTHER = np.array([1.7, 0.8, 0.45])
OPERATORS = (
    operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.mod,
    operator.floordiv, operator.matmul, operator.lt, operator.eq, divmod,
)  # fmt: skip
every_operator = pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)


@every_operator
def test_a_series_is_taken_by_position(op: Callable[[Any, Any], Any]) -> None:
    pandas = pytest.importorskip("pandas")
    series = pandas.Series(OTHER, index=[2, 0, 1], name="shuffled")
    assert_right(lambda t: op(t, series), ONE, lambda x: op(x, OTHER))
    check = assert_follows if op is operator.matmul else assert_right  # Series.dot comes first
    check(lambda t: op(series, t), ONE, lambda x: op(OTHER, x))


@every_operator
def test_a_data_frame_is_taken_by_position(op: Callable[[Any, Any], Any]) -> None:
    pandas = pytest.importorskip("pandas")
    square, plain = np.stack([ONE, OTHER, ONE + OTHER]), np.outer(ONE, OTHER)
    frame = pandas.DataFrame(plain, index=[2, 0, 1], columns=list("bca"))
    assert_right(lambda t: op(t, frame), square, lambda x: op(x, plain))
    check = assert_follows if op is operator.matmul else assert_right
    check(lambda t: op(frame, t), square, lambda x: op(plain, x))


@pytest.mark.parametrize(
    "f",
    [
        lambda t, s: np.sum(t * s),
        lambda t, s: np.multiply(t, s),
        lambda t, s: np.multiply(s, t),
        lambda t, s: np.dot(t, s),
        lambda t, s: np.dot(s, t),
        lambda t, s: np.where(s > 1, t, s),
        lambda t, s: np.concatenate([t, s]),
        lambda t, s: np.stack([s, t]),
        lambda t, s: np.maximum(s, t),
        lambda t, s: np.einsum("i,i", s, t),
        lambda t, s: np.clip(t, s, 2.0),
    ],
)
def test_functions_take_a_series_by_position(f: Callable[[Any, Any], Any]) -> None:
    pandas = pytest.importorskip("pandas")
    series = pandas.Series(OTHER, index=[2, 0, 1])
    assert_right(lambda t: f(t, series), ONE, lambda x: f(x, OTHER))


def test_pandas_as_values_and_as_what_arrives() -> None:
    pandas = pytest.importorskip("pandas")
    series = pandas.Series(OTHER, index=[2, 0, 1])
    w = Tensor(series, requires_grad=True)
    (w * w).backward(series)
    w.data = series
    for t, expected in ((w, OTHER), (w.grad, 2 * OTHER * OTHER)):
        assert type(t.data) is np.ndarray
        assert t.tolist() == expected.tolist()


def masked() -> Any:
    return np.ma.array(OTHER, mask=[False, True, False])


def matrix() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.matrix(np.outer(ONE, OTHER))


def sparse(kind: str = "csr_array") -> Any:
    return getattr(pytest.importorskip("scipy.sparse"), kind)(np.diag(OTHER))


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (masked, "mask"),
        (matrix, "matrix"),
        (sparse, "sparse"),
        (lambda: sparse("csr_matrix"), "sparse"),
        (lambda: sparse("coo_array"), "sparse"),
    ],
    ids=["masked", "matrix", "csr_array", "csr_matrix", "coo_array"],
)
def test_what_means_something_else_is_refused_by_name(make: Any, word: str) -> None:
    other, t = make(), leaf(ONE)
    for attempt in (
        lambda: t * other,
        lambda: t + other,
        lambda: t @ other,
        lambda: np.multiply(t, other),
        lambda: np.dot(t, other),
        lambda: np.where([True, False, True], t, other),
        lambda: np.stack([t, other]),
    ):
        with pytest.raises(errors.TinygradError, match=word):
            attempt()
    for op in (operator.mul, operator.add, operator.matmul):
        with pytest.raises(errors.TinygradError):  # whoever is asked first
            op(other, t)


def jax_array(values: Any) -> Any:
    return pytest.importorskip("jax").numpy.asarray(values)


def torch_tensor(values: Any) -> Any:
    return pytest.importorskip("torch").tensor(values.tolist(), dtype=float)


CONTAINERS = {
    "list": lambda a: a.tolist(),
    "tuple": lambda a: tuple(a.tolist()),
    "array.array": lambda a: array.array("d", a),
    "memoryview": lambda a: memoryview(array.array("d", a)),
    "own container": OwnArray,
    "jax": jax_array,
    "torch": torch_tensor,
}


@pytest.mark.parametrize("op", OPERATORS[:5], ids=lambda op: op.__name__)
@pytest.mark.parametrize("make", CONTAINERS.values(), ids=list(CONTAINERS))
def test_containers_of_numbers_become_arrays(make: Any, op: Callable[[Any, Any], Any]) -> None:
    given = OTHER.astype(np.float32).astype(float)  # some libraries have no more
    assert_right(lambda t: op(t, make(given)), ONE, lambda x: op(x, given))
    assert_right(lambda t: op(make(given), t), ONE, lambda x: op(given, x))
    assert_right(lambda t: np.stack([t, make(given)]), ONE, lambda x: np.stack([x, given]))


def test_ranges_become_arrays() -> None:
    for op in OPERATORS[:5]:
        assert_right(lambda t, op=op: op(t, range(1, 4)), ONE, lambda x, op=op: op(x, [1, 2, 3]))
        assert_right(lambda t, op=op: op(range(1, 4), t), ONE, lambda x, op=op: op([1, 2, 3], x))


def test_what_wants_to_be_asked_itself_is_asked() -> None:
    class Unit:
        __array_ufunc__ = None

        def __mul__(self, other: Any) -> str:
            return "unit times"

        def __rmul__(self, other: Any) -> str:
            return "times unit"

    t = leaf(ONE)
    assert (t * Unit(), Unit() * t) == ("times unit", "unit times")


# --- writes into shared memory ----------------------------------------------------------------


def of_no_grad(f: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def view(p: Tensor) -> Tensor:
        with bp.no_grad():
            return f(p)

    return view


# Tensors on the memory of a parameter of shape (2, 3).
VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "the parameter": lambda p: p,
    "detach": lambda p: p.detach(),
    "detach, twice": lambda p: p.detach().detach(),
    "detach, a slice": lambda p: p.detach()[0:1],
    "detach, a row": lambda p: p.detach()[1],
    "detach, reversed": lambda p: p.detach()[:, ::-1],
    "detach, reshaped": lambda p: p.detach().reshape(3, 2),
    "detach, transposed": lambda p: np.transpose(p.detach()),
    "detach, raveled": lambda p: p.detach().ravel(),
    "detach, a new axis": lambda p: p.detach()[None],
    "detach, broadcast": lambda p: np.broadcast_to(p.detach(), (2, 2, 3)),
    "detach, a diagonal": lambda p: np.diagonal(p.detach()),
    "detach, a piece": lambda p: np.split(p.detach(), 3, axis=1)[0],
    "no_grad, T": of_no_grad(lambda p: p.T),
    "no_grad, a slice": of_no_grad(lambda p: p[0, 1:]),
    "no_grad, reshaped": of_no_grad(lambda p: p.reshape(-1)),
    "no_grad, a view of a view": of_no_grad(lambda p: p.T[1:].T[:, ::-1]),
    "another tensor on its array": lambda p: Tensor(p.data),
    "another tensor on a part": lambda p: Tensor(p.data[:, 1:]),
}
READ_ONLY = {"detach, broadcast", "detach, a diagonal"}
every_view = pytest.mark.parametrize("view", VIEWS.values(), ids=list(VIEWS))


def parameter() -> Tensor:
    return leaf(np.arange(1.0, 7.0).reshape(2, 3))


def descend(p: Tensor) -> None:
    optimizer = optim.SGD([("p", p)], lr=0.1, momentum=0.9)
    (p * p).sum().backward()
    optimizer.step()


def load(p: Tensor) -> None:
    module = nn.Module()
    module.p = p  # type: ignore[assignment]
    module.load_state_dict({"p": np.ones((2, 3))})


WRITES: dict[str, Callable[[Tensor], None]] = {
    "data -= 1": lambda p: setattr(p, "data", operator.isub(p.data, 1.0)),
    "data = ...": lambda p: setattr(p, "data", np.ones((2, 3))),
    "step()": descend,
    "load_state_dict": load,
}


@every_view
@pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))
def test_a_write_is_noticed_by_whoever_read_a_view(
    view: Callable[[Tensor], Tensor], write: Callable[[Tensor], None]
) -> None:
    p = parameter()
    v = view(p)
    q = Tensor(np.full(v.shape, 2.0), requires_grad=True)
    y = (q * v).sum()
    write(p)
    p.zero_grad()
    with pytest.raises(errors.StaleGraphError):
        y.backward()
    assert q.grad is None
    assert p.grad is None
    (q * view(p)).sum().backward()  # what is recorded afterwards is right
    np.testing.assert_array_equal(q.grad.data, view(p).data)


@pytest.mark.parametrize("name", sorted(VIEWS.keys() - READ_ONLY - {"the parameter"}))
def test_a_write_through_a_view_is_noticed(name: str) -> None:
    p = parameter()
    v, other = VIEWS[name](p), p.detach()[:, 0:]
    q = Tensor(np.full((2, 3), 2.0), requires_grad=True)
    losses = [(p * p).sum(), (q * other).sum(), (q * p.detach()).sum()]
    before = p.data.copy()
    v.data -= 1.0
    assert not np.array_equal(p.data, before)
    for y in losses:
        with pytest.raises(errors.StaleGraphError):
            y.backward()
    assert p.grad is q.grad is None


def test_a_write_to_an_array_of_two_tensors_is_noticed() -> None:
    memory = np.arange(6.0)
    a, b, q = Tensor(memory[:4]), Tensor(memory[2:]), leaf(np.ones(4))
    y = (q * a).sum()
    b.data -= 1.0
    with pytest.raises(errors.StaleGraphError):
        y.backward()


def test_unrelated_memory_raises_no_alarm() -> None:
    p, q, elsewhere = parameter(), parameter(), parameter()
    copied, cast = Tensor(p.data.copy()), p.detach().astype(np.float32)
    y = (p * q).sum()
    elsewhere.data -= 1.0
    descend(elsewhere)
    copied.data -= 1.0
    Tensor(cast.data.copy()).data = np.zeros((2, 3))
    y.backward()
    np.testing.assert_array_equal(p.grad.data, q.data)


def test_a_write_between_two_graphs_raises_no_alarm() -> None:
    p, v = parameter(), parameter().detach()
    for _ in range(3):
        p.zero_grad()
        (p * p * v).sum().backward()
        np.testing.assert_array_equal(p.grad.data, 2 * p.data * v.data)
        p.data -= 0.1
        v.data -= 0.1


def test_a_step_between_forward_and_backward_is_noticed() -> None:
    p = parameter()
    optimizer = optim.SGD([p], lr=0.1)
    late = (p * p).sum()
    (p * 3.0).sum().backward()
    optimizer.step()
    with pytest.raises(errors.StaleGraphError, match="multiply|square"):
        late.backward()
    assert p.grad.tolist() == [[3.0] * 3] * 2


def test_a_parameter_is_moved_by_its_gradient() -> None:
    p = parameter()
    expected = p.data - 0.1 * 2 * p.data
    y = (p * p).sum()
    y.backward(retain_graph=True)
    p.data -= 0.1 * p.grad
    np.testing.assert_array_equal(p.data, expected)
    assert p.is_leaf
    assert p.requires_grad
    with pytest.raises(errors.StaleGraphError):
        y.backward()
    with pytest.raises(errors.TinygradError):
        p.data -= 0.1 * (p * p)  # which would lose its graph
    np.testing.assert_array_equal(p.data, expected)


# --- optimisers -------------------------------------------------------------------------------


def trained(steps: int = 1, **options: Any) -> tuple[Any, dict[str, Tensor]]:
    """An optimiser that has taken steps, and its parameters."""
    params = {"a": leaf([1.0, -2.0]), "b": leaf([[0.5], [3.0]], np.float32)}
    optimizer = optim.SGD(params.items(), **{"lr": 0.1, "momentum": 0.9, **options})
    for _ in range(steps):
        go_on(optimizer, params)
    return optimizer, params


def go_on(optimizer: Any, params: dict[str, Tensor]) -> None:
    optimizer.zero_grad()
    sum((p * p).sum() for p in params.values()).backward()
    optimizer.step()


def snapshot(optimizer: Any, params: dict[str, Tensor]) -> Any:
    return copy.deepcopy((optimizer.state_dict(), {n: p.data for n, p in params.items()}))


def assert_goes_on_as_if_nothing_had_happened(
    optimizer: Any, params: dict[str, Tensor], **options: Any
) -> None:
    """One more step is, to the bit, that of another run of the same length."""
    go_on(optimizer, params)
    for name, expected in trained(3, **options)[1].items():
        np.testing.assert_array_equal(params[name].data, expected.data, err_msg=name)


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("lr", (math.nan, -1, math.inf, "x", None, 1j)),  # 0 is where schedules may end
        ("momentum", (math.nan, -0.1, math.inf, "x")),
        ("weight_decay", (math.nan, -0.1, math.inf, "x")),
        ("dampening", (math.nan, math.inf, "x")),
    ],
)
def test_options_are_checked_whenever_they_are_set(option: str, values: Sequence[Any]) -> None:
    optimizer, params = trained(2)
    before = getattr(optimizer, option)
    for value in values:
        with pytest.raises(errors.OptimizerError, match=option):
            setattr(optimizer, option, value)
        assert getattr(optimizer, option) == before
    assert_goes_on_as_if_nothing_had_happened(optimizer, params)


def test_options_that_do_not_go_together_are_refused() -> None:
    optimizer, params = trained(2, momentum=0.0)
    with pytest.raises(errors.OptimizerError, match="nesterov"):
        optimizer.nesterov = True
    optimizer.lr = np.float32(0.25)
    optimizer.lr = 0.1
    assert_goes_on_as_if_nothing_had_happened(optimizer, params, momentum=0.0)


def damaged(state: dict[str, Any]) -> Iterator[Any]:
    """A state with one thing wrong: an entry missing, a number nan, an array of another shape."""
    yield {}
    for name in state:
        yield {n: value for n, value in state.items() if n != name}
    for path, value in floats(state):
        yield replaced(state, path, "x")
        yield replaced(state, path, np.full_like(value, np.nan)[()])
        if value.ndim:
            yield replaced(state, path, np.zeros((7, 7)))


def test_a_bad_state_is_refused_and_nothing_is_touched() -> None:
    optimizer, params = trained(2)
    before = snapshot(optimizer, params)
    states = list(damaged(optimizer.state_dict()))
    assert len(states) >= 10  # an option and two velocities at the least
    for state in states:
        with pytest.raises(errors.TinygradError):
            optimizer.load_state_dict(state)
        np.testing.assert_equal(snapshot(optimizer, params), before)
    optimizer.load_state_dict(before[0])
    assert_goes_on_as_if_nothing_had_happened(optimizer, params)


@pytest.mark.parametrize("floating_point", ["ignore", "raise"])
@pytest.mark.parametrize(
    ("lr", "weight", "gradient"), [(1e10, 1.0, 3e38), (1.0, -3e38, 3e38), (1e39, 1.0, 1.0)]
)
def test_a_step_that_overflows_moves_nothing(
    lr: float, weight: float, gradient: float, floating_point: Any
) -> None:
    optimizer, params = trained(2)
    usual = params["b"].data.copy()
    optimizer.zero_grad()
    params["a"].grad = np.ones(2)
    params["b"].data = np.full((2, 1), weight, np.float32)
    params["b"].grad = np.full((2, 1), gradient, np.float32)
    optimizer.lr = lr
    before = snapshot(optimizer, params)
    raised = errors.OptimizerError if floating_point == "ignore" else Exception
    with np.errstate(all=floating_point), pytest.raises(raised, match="'b'|overflow"):
        optimizer.step()
    np.testing.assert_equal(snapshot(optimizer, params), before)
    optimizer.lr, params["b"].data = 0.1, usual
    assert_goes_on_as_if_nothing_had_happened(optimizer, params)


def test_a_velocity_that_overflows_moves_nothing() -> None:
    params = {"v": leaf([1.0]), "w": leaf([1.0], np.float32)}
    optimizer = optim.SGD(params.items(), lr=1e-38, momentum=0.9)

    def step() -> None:
        params["v"].grad, params["w"].grad = np.ones(1), np.array([3e38], np.float32)
        with np.errstate(all="ignore"):
            optimizer.step()

    step()
    before = snapshot(optimizer, params)
    with pytest.raises(errors.OptimizerError, match="'w'"):
        step()
    np.testing.assert_equal(snapshot(optimizer, params), before)


def test_no_option_makes_a_weight_of_a_zero_gradient_nan() -> None:
    w = leaf([1.0, 2.0], np.float32)
    optimizer = optim.SGD([("w", w)], lr=1e39)  # infinite in float32, and 0 times that is nan
    w.grad = np.zeros(2, np.float32)
    with np.errstate(all="ignore"), contextlib.suppress(errors.OptimizerError):
        optimizer.step()
    assert w.tolist() == [1.0, 2.0]


# --- NumPy's values, or NumPy's errors --------------------------------------------------------

HALF = (np.arange(300.0) % 7 - 2.5).astype(np.float16)
WHOLE = np.array([1, 2, -3])
POINT = np.array(2.5)

# Functions of a tensor, with the array that it holds.
AS_NUMPY: list[tuple[Callable[[Any], Any], Array]] = [
    (np.sum, HALF),
    (np.sum, (HALF * 0 + 0.1).astype(np.float16)),
    (np.mean, HALF),
    (np.cumsum, HALF),
    (lambda a: np.sum(a.reshape(3, 100), axis=0), HALF),
    (lambda a: np.mean(a.reshape(3, 100), axis=1, keepdims=True), HALF),
    (lambda a: a.sum(), HALF),
    (lambda a: np.add.reduce(a[:3]) if isinstance(a, np.ndarray) else np.sum(a[:3]), HALF),
    (lambda a: np.take(a, [True, False, True]), X),
    (lambda a: np.take(a, np.array([True, False])), X),
    (lambda a: np.take(a, [[-1, 0], [0, 0]]), X),
    (lambda a: np.take(a, [5, -7], mode="wrap"), X),
    (lambda a: np.take(a, [5, -7], mode="clip"), X),
    (lambda a: np.take(a, [5]), X),
    (lambda a: a**-1, X),
    (lambda a: a**2, X),
    (lambda a: a**0.5, np.abs(X)),
    (lambda a: a**0, X),
    (lambda a: 2 ** -a, X),
    (lambda a: WHOLE ** a, np.abs(X)),
    (lambda a: np.var(a, ddof=1), X),
    (lambda a: np.var(a, ddof=3), X),
    (lambda a: np.var(a, ddof=4), X),
    (lambda a: np.std(a, ddof=5), X),
    (lambda a: np.var(a, axis=0, ddof=7), SQUARE),
    (lambda a: np.tensordot(a, SQUARE, 1), SQUARE[:, :2]),
    (lambda a: np.tensordot(a, SQUARE, ([0], [2])), SQUARE),
    (lambda a: np.tensordot(a, SQUARE, ([0, 1], [0])), SQUARE),
    (lambda a: np.diff(a, n=-1), X),
    (lambda a: np.diff(a, n=0), X),
    (lambda a: np.diff(a, n=5), X),
    (np.diff, POINT),
    (lambda a: np.diff(a, axis=2), SQUARE),
    *[(lambda a, f=f, axis=axis: f(a, axis=axis), POINT)
      for f in (np.sum, np.mean, np.max, np.min, np.prod, np.var, np.std, np.cumsum, np.ptp)
      for axis in (0, -1, 1, (0,), (), None)],
    *[(lambda a, f=f, axis=axis: f(a, axis=axis), SQUARE)
      for f in (np.sum, np.mean, np.max, np.prod, np.var) for axis in (2, -3, (0, 0), (), 1.5)],
    *[(f, np.zeros(0)) for f in (np.sum, np.prod, np.max, np.min, np.mean, np.var, np.cumsum)],
    (lambda a: np.max(a, axis=0), np.zeros((0, 2))),
    (lambda a: np.dot(a, X[:2]), X),
    (lambda a: np.matmul(a, 2.0), X),
    (lambda a: a @ SQUARE[:2], X),
    (lambda a: a + X[:2], X),
    (lambda a: np.concatenate([a, SQUARE]), X),
    (lambda a: np.concatenate([a, 1.0]), X),
    (lambda a: np.concatenate([a, X], axis=1), X),
    (lambda a: np.concatenate([a]), POINT),
    (lambda a: np.stack([a, X[:2]]), X),
    (lambda a: np.stack([a, X], axis=2), X),
    (lambda a: np.reshape(a, (2, 2)), X),
    (lambda a: np.reshape(a, (-1, -1)), X),
    (lambda a: np.transpose(a, (0, 0)), SQUARE),
    (lambda a: np.transpose(a, (1, 2)), SQUARE),
    (lambda a: np.swapaxes(a, 0, 2), SQUARE),
    (lambda a: np.moveaxis(a, 0, 2), SQUARE),
    (lambda a: np.squeeze(a, axis=0), SQUARE),
    (lambda a: np.expand_dims(a, 3), X),
    (lambda a: np.broadcast_to(a, (3, 2)), X),
    (lambda a: np.split(a, 2), X),
    (lambda a: np.array_split(a, 0), X),
    (lambda a: np.roll(a, 1, axis=1), X),
    (lambda a: np.flip(a, axis=1), X),
    (np.trace, X),
    (lambda a: np.diagonal(a, 7), SQUARE),
    (lambda a: np.einsum("ij,j", a, X[:2]), SQUARE),
    (lambda a: np.einsum("ijk", a), SQUARE),
    (lambda a: np.outer(a, X), POINT),
    (lambda a: np.where([True, False], a, 0.0), X),
    *([(lambda a: np.clip(a, None, None), X)] if hasattr(np, "unstack") else []),  # since 2.1
    (lambda a: np.clip(a, 2.0, 1.0), X),
    (lambda a: np.tile(a, -1), X),
    (lambda a: np.sum(a, axis=None, keepdims=True), SQUARE),
    (lambda a: a[5], X),
    (lambda a: a[1, 2], X),
    (lambda a: a[0.5], X),
    (lambda a: a["name"], X),
    (lambda a: a[[True, False]], X),
    (lambda a: a[..., ...], X),
    (lambda a: a[[0, 1], [0, 1, 2]], SQUARE),
    (len, POINT),
    (iter, POINT),
]  # fmt: skip


@pytest.mark.parametrize(("f", "at"), AS_NUMPY, ids=map(str, range(len(AS_NUMPY))))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_value_is_numpys_or_the_error_is(f: Callable[[Any], Any], at: Array) -> None:
    with np.errstate(all="ignore"):
        try:
            expected = f(at)
        except Exception as error:
            with pytest.raises(type(error)):
                f(leaf(at, at.dtype))
            return
        found = f(leaf(at, at.dtype))
    for one, other in itertools.zip_longest(flat(found), flat(expected)):
        assert one.dtype == np.asarray(other).dtype
        assert one.shape == np.shape(other)
        close = 4 * np.finfo(one.dtype).eps if f not in (np.sum, np.mean, np.cumsum) else 0
        np.testing.assert_allclose(one.data, other, rtol=close)


def test_whole_numbers_have_no_negative_powers() -> None:
    with pytest.raises(ValueError, match="negative"):
        Tensor(WHOLE) ** -1
    assert (Tensor(WHOLE) ** 2).dtype == WHOLE.dtype
    assert (Tensor(WHOLE) ** -1.0).tolist() == (WHOLE**-1.0).tolist()


@pytest.mark.parametrize("index", [[True, False, True], [-1, 0, 0], [[1, 1], [2, -3]]])
def test_what_is_taken_gets_its_gradient(index: Any) -> None:
    at = X.copy()
    assert_right(lambda t: np.take(t, index), at, lambda x: np.take(x, index))
    assert_right(lambda t: np.take(t, index, axis=0), SQUARE, lambda x: np.take(x, index, 0))


# --- every way to spell a call ----------------------------------------------------------------

# NumPy's positional form, and the same call with names, lists or tuples.
SPELLINGS: list[tuple[Callable[[Any, Any], Any], list[Callable[[Any, Any], Any]]]] = [
    (lambda t, u: np.clip(t, -1.0, 1.0), [
        lambda t, u: np.clip(t, a_max=1.0, a_min=-1.0),
        lambda t, u: np.clip(a=t, a_min=-1.0, a_max=1.0),
        lambda t, u: np.clip(t, min=-1.0, max=1.0),
        lambda t, u: t.clip(max=1.0, min=-1.0),
    ]),
    (lambda t, u: np.clip(t, u, None), [
        lambda t, u: np.clip(t, a_min=u, a_max=None),
        lambda t, u: np.clip(a_max=None, a_min=u, a=t),
    ]),
    (lambda t, u: np.concatenate((t, u), 0), [
        lambda t, u: np.concatenate([t, u]),
        lambda t, u: np.concatenate((t, u), axis=-1),
        lambda t, u: np.concatenate([t, u], axis=None),
        lambda t, u: np.hstack(tup=[t, u]),
    ]),
    (lambda t, u: np.stack((t, u), 1), [
        lambda t, u: np.stack(arrays=[t, u], axis=-1),
        lambda t, u: np.column_stack(tup=(t, u)),
        lambda t, u: np.stack([t, u], axis=1),
    ]),
    (lambda t, u: np.vstack((t, u)), [
        lambda t, u: np.vstack(tup=[t, u]),
        lambda t, u: np.stack(arrays=(t, u)),
    ]),
    (lambda t, u: np.sum(t * u, 0), [
        lambda t, u: np.sum(a=t * u),
        lambda t, u: np.sum(axis=0, a=t * u),
        lambda t, u: np.sum(t * u, -1),
        lambda t, u: (t * u).sum(axis=0),
    ]),
    (lambda t, u: np.mean(t * u, 0, None, None, True), [
        lambda t, u: np.mean(a=t * u, axis=0, keepdims=True),
        lambda t, u: np.mean(t * u, keepdims=True),
    ]),
    (lambda t, u: np.var(t * u, 0, None, None, 1), [
        lambda t, u: np.var(a=t * u, ddof=1),
        lambda t, u: (t * u).var(ddof=1),
    ]),
    (lambda t, u: np.max(t * u, 0), [lambda t, u: np.max(a=t * u, axis=0)]),
    (lambda t, u: np.prod(t * u, 0), [lambda t, u: np.prod(a=t * u)]),
    (lambda t, u: np.cumsum(t * u, 0), [lambda t, u: np.cumsum(a=t * u, axis=-1)]),
    (lambda t, u: np.einsum("i,i->", t, u), [
        lambda t, u: np.einsum("i,i", t, u),
        lambda t, u: np.einsum(" i , i -> ", t, u),
        lambda t, u: np.einsum(t, [0], u, [0]),
        lambda t, u: np.einsum(t, [0], u, [0], []),
        lambda t, u: np.einsum(t, (7,), u, (7,), ()),
        lambda t, u: np.einsum("i,i->", t, u, optimize=False),
        lambda t, u: np.dot(t, u),
    ]),
    (lambda t, u: np.einsum("i,j->ji", t, u), [
        lambda t, u: np.einsum(t, [0], u, [1], [1, 0]),
        lambda t, u: np.outer(a=u, b=t),
        lambda t, u: np.einsum("...,j->j...", t, u),
        lambda t, u: np.einsum(t, [..., 0], u, [..., 1], [1, ..., 0]),
    ]),
    (lambda t, u: np.dot(t, u), [
        lambda t, u: np.dot(a=t, b=u),
        lambda t, u: np.dot(b=u, a=t),
        lambda t, u: np.tensordot(a=t, b=u, axes=1),
        lambda t, u: np.tensordot(t, u, axes=([0], [0])),
        lambda t, u: np.inner(t, u),
    ]),
    (lambda t, u: np.reshape(t * u, (3, 1)), [
        lambda t, u: np.reshape(a=t * u, shape=(3, 1)),
        lambda t, u: np.reshape(t * u, shape=[3, -1]),
        lambda t, u: np.reshape(t * u, (-1, 1), order="C"),
        lambda t, u: (t * u).reshape(3, 1),
        lambda t, u: (t * u).reshape((3, -1)),
        lambda t, u: np.expand_dims(a=t * u, axis=1),
        lambda t, u: (t * u)[:, None],
    ]),
    (lambda t, u: np.transpose(np.outer(t, u), (1, 0)), [
        lambda t, u: np.transpose(a=np.outer(t, u), axes=[1, 0]),
        lambda t, u: np.transpose(np.outer(t, u), axes=None),
        lambda t, u: np.swapaxes(a=np.outer(t, u), axis1=0, axis2=1),
        lambda t, u: np.moveaxis(a=np.outer(t, u), source=0, destination=1),
        lambda t, u: np.outer(t, u).transpose(1, 0),
        lambda t, u: np.outer(t, u).T,
    ]),
    (lambda t, u: np.roll(t * u, 2, 0), [
        lambda t, u: np.roll(a=t * u, shift=2),
        lambda t, u: np.roll(t * u, axis=0, shift=-1),
    ]),
    (lambda t, u: np.flip(t * u, 0), [
        lambda t, u: np.flip(m=t * u),
        lambda t, u: np.flip(t * u, axis=(0,)),
        lambda t, u: np.flipud(m=t * u),
    ]),
    (lambda t, u: np.tile(t * u, 2), [
        lambda t, u: np.tile(A=t * u, reps=(2,)),
        lambda t, u: np.tile(t * u, reps=[2]),
    ]),
    (lambda t, u: np.broadcast_to(t * u, (2, 3)), [
        lambda t, u: np.broadcast_to(array=t * u, shape=(2, 3)),
        lambda t, u: np.broadcast_to(t * u, shape=[2, 3]),
    ]),
    (lambda t, u: np.take(t * u, [0, 0, 2], 0), [
        lambda t, u: np.take(a=t * u, indices=[0, 0, 2]),
        lambda t, u: np.take(t * u, axis=0, indices=(0, 0, 2)),
        lambda t, u: np.take(t * u, np.array([0, 0, 2]), mode="raise"),
    ]),
    (lambda t, u: np.trace(np.outer(t, u), 1), [
        lambda t, u: np.trace(a=np.outer(t, u), offset=1),
        lambda t, u: np.sum(np.diagonal(a=np.outer(t, u), offset=1)),
    ]),
    (lambda t, u: np.tril(np.outer(t, u), -1), [lambda t, u: np.tril(m=np.outer(t, u), k=-1)]),
    (lambda t, u: np.split(t * u, [1])[1], [
        lambda t, u: np.split(ary=t * u, indices_or_sections=[1])[1],
        lambda t, u: np.array_split(t * u, indices_or_sections=(1,), axis=0)[1],
    ]),
    (lambda t, u: np.kron(t, u), [lambda t, u: np.kron(a=t, b=u)]),
    (lambda t, u: np.diff(t * u, 1), [
        lambda t, u: np.diff(a=t * u),
        lambda t, u: np.diff(t * u, axis=0, n=1),
    ]),
    (lambda t, u: np.linalg.norm(t * u), [
        lambda t, u: np.linalg.norm(x=t * u),
        lambda t, u: np.linalg.norm(t * u, axis=0, ord=None),
    ]),
    (lambda t, u: np.add(t, u), [
        lambda t, u: np.add(t, u, dtype=None),
        lambda t, u: np.add(t, u, where=True, casting="same_kind", order="K", subok=True),
        lambda t, u: np.add(t, u, None),
        lambda t, u: np.add(t, u, out=None),
    ]),
    (lambda t, u: np.where(t > u, t, u), [
        lambda t, u: np.maximum(t, u),
        lambda t, u: np.where((t > u).tolist(), t, u),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("positional", "other"),
    [(first, other) for first, others in SPELLINGS for other in others],
    ids=[f"{i}-{k}" for i, (_, others) in enumerate(SPELLINGS) for k in range(len(others))],
)
def test_every_spelling_is_the_same_call(positional: Any, other: Any) -> None:
    try:
        other(X, Y)
    except TypeError:
        pytest.skip("this version of NumPy spells it in another way")
    for first in (True, False):
        f, g = (
            (lambda x, h=h: h(x, Y)) if first else (lambda x, h=h: h(X, x))
            for h in (positional, other)
        )
        assert_right(g, X if first else Y, f)


MASKED = np.array([True, False, True])

# Arguments that a rule may not know of: each by its name, in a call with NumPy's meaning of it.
UNUSUAL: list[tuple[str, Callable[[Any], Any]]] = [
    ("where", lambda t: np.sum(t, where=MASKED)),
    ("where", lambda t: np.mean(t, where=MASKED)),
    ("where", lambda t: np.prod(t, where=MASKED)),
    ("where|initial", lambda t: np.max(t, where=MASKED, initial=-9.0)),
    ("where", lambda t: np.var(t, where=MASKED)),
    ("where|out", lambda t: np.exp(t, where=MASKED, out=np.zeros(3))),
    ("where|out", lambda t: np.add(t, 1.0, where=MASKED, out=np.zeros(3))),
    ("initial", lambda t: np.sum(t, initial=2.0)),
    ("initial", lambda t: np.prod(t, initial=2.0)),
    ("initial", lambda t: np.max(t, initial=1.0)),
    ("dtype", lambda t: np.sum(t, dtype=np.float32)),
    ("dtype", lambda t: np.mean(t, dtype=np.float32)),
    ("dtype", lambda t: np.cumsum(t, dtype=np.float32)),
    ("dtype", lambda t: np.add(t, 1.0, dtype=np.float32)),
    ("dtype", lambda t: np.exp(t, dtype=np.float32)),
    ("dtype", lambda t: np.concatenate([t, t], dtype=np.float32, casting="same_kind")),
    ("dtype", lambda t: np.stack([t, t], dtype=np.float32, casting="same_kind")),
    ("dtype", lambda t: np.clip(t, 0.0, 1.0, dtype=np.float32)),
    ("dtype", lambda t: np.einsum("i,i", t, t, dtype=np.float32, casting="same_kind")),
    ("casting", lambda t: np.concatenate([t, t], casting="unsafe")),
    ("casting", lambda t: np.add(t, 1.0, casting="no")),
    ("order", lambda t: np.reshape(np.outer(t, t), (9,), order="F")),
    ("order", lambda t: np.reshape(np.outer(t, t)[:, :2], (3, 2), order="A")),
    ("order", lambda t: np.ravel(np.outer(t, Y), order="F")),
    ("order", lambda t: np.copy(np.outer(t, Y), order="F")),
    ("order", lambda t: np.add(np.outer(t, t), 1.0, order="F")),
    ("mean", lambda t: np.var(t, mean=np.array([0.5]))),
    ("correction", lambda t: np.var(t, correction=1)),
    ("ord", lambda t: np.linalg.norm(t, ord=3)),
    ("subok", lambda t: np.broadcast_to(t, (2, 3), subok=True)),
    ("mode", lambda t: np.take(t, [4, -5], mode="wrap")),
    ("append", lambda t: np.diff(t, append=0.5)),
    ("optimize", lambda t: np.einsum("i,i,i", t, t, t, optimize=True)),
    ("signature", lambda t: np.add(t, 1.0, signature="dd->d")),
]


@pytest.mark.parametrize(
    ("argument", "f"), UNUSUAL, ids=[f"{n}-{i}" for i, (n, _) in enumerate(UNUSUAL)]
)
def test_an_unusual_argument_is_followed_or_named(argument: str, f: Callable[[Any], Any]) -> None:
    error = refusal(lambda: f(leaf(X)))
    if error is not None:
        assert re.search(rf"\b({argument})\b", str(error)), error
    elif f(leaf(X)).dtype == float:
        assert_right(f, X, f)
    else:  # too coarse for differences: the same values at the least, and a graph
        result = f(leaf(X))
        assert result.requires_grad
        np.testing.assert_array_equal(result.data, f(X))


@pytest.mark.parametrize(
    "f",
    [
        lambda t: np.sum(t, None, None, None),
        lambda t: np.sum(t, axis=None, dtype=None, out=None, keepdims=False),
        lambda t: np.mean(t, axis=None, dtype=None, out=None, keepdims=False),
        lambda t: np.exp(t, out=None, where=True, casting="same_kind", order="K", dtype=None),
        lambda t: np.concatenate([t, t], axis=0, out=None, dtype=None, casting="same_kind"),
        lambda t: np.stack([t, t], axis=0, out=None, dtype=None, casting="same_kind"),
        lambda t: np.ravel(t, order="C"),
        lambda t: np.clip(t, -1.0, 1.0, out=None),
        lambda t: np.dot(t, Y, out=None),
        lambda t: np.trace(np.outer(t, Y), offset=0, axis1=0, axis2=1, dtype=None, out=None),
        lambda t: np.take(t, [0, 1], axis=None, out=None, mode="raise"),
        lambda t: np.copy(t, order="K", subok=False),
    ],
)  # fmt: skip
def test_defaults_may_be_written_out(f: Callable[[Any], Any]) -> None:
    assert_right(f, X, f)


# --- several outputs --------------------------------------------------------------------------

STEEP = np.array([5.7, -3.4, 8.2])
BY = np.array([1.7, 0.8, -1.5])


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values_of_several_outputs(dtype: Any) -> None:
    steep, by = STEEP.astype(dtype), BY.astype(dtype)
    calls = [
        (np.divmod, (steep, by), 1),
        (divmod, (steep, by), 1),
        (np.modf, (steep,), 0),
        (np.frexp, (steep,), 0),
    ]
    for function, arrays, smooth in calls:
        found = function(*(leaf(a, dtype) for a in arrays))
        expected = function(*arrays)
        assert isinstance(found, tuple)
        for i, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one.data if isinstance(one, Tensor) else one, other)
            assert getattr(one, "requires_grad", False) == (i == smooth)
        assert all(isinstance(part, np.ndarray | np.generic | Tensor) for part in found)


# f of one variable x, of a smooth output; and its value, slope and curvature at STEEP.
SMOOTH: dict[str, tuple[Callable[[Any], Any], Callable[[Array], tuple[Any, Any, Any]]]] = {
    "divmod, the left": (
        lambda x: np.divmod(x, BY)[1] ** 3,
        lambda x: cubed(x % BY, 1.0),
    ),
    "divmod, the right": (
        lambda x: np.divmod(10.0, x)[1] ** 3,
        lambda x: cubed(10.0 % x, -(10.0 // x)),
    ),
    "Python's divmod": (
        lambda x: divmod(x, 1.5)[1] ** 3,
        lambda x: cubed(x % 1.5, 1.0),
    ),
    "Python's divmod, reflected": (
        lambda x: divmod(10.0, x)[1] ** 3,
        lambda x: cubed(10.0 % x, -(10.0 // x)),
    ),
    "divmod, both": (
        lambda x: np.divmod(x * x, x + 0.3)[1] ** 3,
        lambda x: cubed(
            (x * x) % (x + 0.3), 2 * x - (x * x) // (x + 0.3), 2.0
        ),
    ),
    "divmod, its flat output too": (
        lambda x: np.divmod(x, BY)[0] * np.divmod(x, BY)[1] ** 3,
        lambda x: tuple(x // BY * part for part in cubed(x % BY, 1.0)),
    ),
    "modf": (lambda x: np.modf(x)[0] ** 3, lambda x: cubed(np.modf(x)[0], 1.0)),
    "modf, both outputs": (
        lambda x: sum(np.modf(x)) ** 3,
        lambda x: cubed(x, 1.0),
    ),
    "frexp": (
        lambda x: np.frexp(x)[0] ** 3,
        lambda x: cubed(np.frexp(x)[0], 2.0 ** -np.frexp(x)[1]),
    ),
}  # fmt: skip


def cubed(inner: Any, slope: Any, curvature: Any = 0.0) -> tuple[Any, Any, Any]:
    """y³ with its first and second derivative, from those of y."""
    return inner**3, 3 * inner**2 * slope, 6 * inner * slope**2 + 3 * inner**2 * curvature


@pytest.mark.parametrize(("f", "by_hand"), SMOOTH.values(), ids=list(SMOOTH))
def test_derivatives_through_several_outputs(f: Any, by_hand: Any) -> None:
    value, slope, curvature = by_hand(STEEP)
    ones, close = np.ones(3), {"rtol": 1e-12, "atol": 1e-12}
    np.testing.assert_allclose(bp.grad(lambda x: np.sum(f(x)))(STEEP), slope, **close)
    pushed = bp.jvp(f, (STEEP,), (ones,))
    np.testing.assert_allclose(pushed[0], value, **close)
    np.testing.assert_allclose(pushed[1], slope, **close)
    for mode in ("reverse", "forward"):
        jacobian = bp.jacobian(f, mode=mode)(STEEP)
        np.testing.assert_allclose(jacobian, np.diag(np.broadcast_to(slope, 3)), **close)
    np.testing.assert_allclose(bp.hvp(lambda x: np.sum(f(x)), STEEP, ones), curvature, **close)
    twice = bp.jvp(lambda x: bp.jvp(f, (x,), (ones,))[1], (STEEP,), (ones,))[1]
    np.testing.assert_allclose(twice, curvature, **close)


def test_outputs_are_used_apart_and_together() -> None:
    x, y = leaf(STEEP), leaf([1.7])
    quotient, remainder = np.divmod(x, y)  # one against three
    (remainder * remainder + quotient * x).sum().backward(retain_graph=True)
    r, q = STEEP % 1.7, STEEP // 1.7
    np.testing.assert_allclose(x.grad.data, 2 * r + q, rtol=1e-13)
    np.testing.assert_allclose(y.grad.data, [np.sum(2 * r * -q)], rtol=1e-13)
    x.zero_grad()
    remainder[1].backward()
    assert x.grad.tolist() == [0.0, 1.0, 0.0]


def test_outputs_where_nothing_tracks_and_what_is_refused() -> None:
    for function in (np.modf, np.frexp, lambda x: np.divmod(x, 2.0)):
        for part, expected in zip(function(Tensor(STEEP)), function(STEEP), strict=True):
            np.testing.assert_array_equal(np.asarray(part), expected)
        with bp.no_grad():
            assert not any(getattr(part, "requires_grad", False) for part in function(leaf(STEEP)))
    with pytest.raises(errors.InPlaceError):
        np.modf(leaf(STEEP), out=(np.zeros(3), np.zeros(3)))


# --- many parts -------------------------------------------------------------------------------


def joined(parts: int, join: Callable[[list[Tensor]], Tensor]) -> tuple[list[Tensor], Tensor]:
    leaves = [leaf([1.0]) for _ in range(parts)]
    return leaves, np.sum(join(leaves).ravel() * np.arange(float(parts)))


def work_of(f: Callable[[], Any]) -> int:
    """How many lines and calls of Python it takes, and arguments that are handed on in a tuple."""
    work = 0

    def watch(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal work
        work += 1
        code = frame.f_code
        if event == "call" and code.co_flags & inspect.CO_VARARGS:
            place = code.co_argcount + code.co_kwonlyargcount
            work += len(frame.f_locals[code.co_varnames[place]])
        return watch

    sys.settrace(watch)
    try:
        f()
    finally:
        sys.settrace(None)
    return work


@pytest.mark.parametrize("join", [np.concatenate, np.stack, np.vstack, np.hstack])
def test_many_parts_go_backward_in_linear_time(join: Callable[[list[Tensor]], Tensor]) -> None:
    work = []
    for parts in (500, 2000):
        leaves, loss = joined(parts, join)
        work.append(work_of(loss.backward))
        assert [t.grad.item() for t in leaves] == list(map(float, range(parts)))
    assert work[1] < 4.5 * work[0]


@pytest.mark.parametrize("join", [np.concatenate, np.stack])
def test_eight_thousand_parts(join: Callable[[list[Tensor]], Tensor]) -> None:
    leaves, loss = joined(8000, join)
    loss.backward()
    assert [t.grad.item() for t in leaves] == list(map(float, range(8000)))


# --- modes ------------------------------------------------------------------------------------


def recorded() -> bool:
    """Whether an operation is recorded here and now."""
    return bool((leaf(1.0) * 2.0).requires_grad)


def quiet(times: int = 3) -> Iterator[bool]:
    with bp.no_grad():
        for _ in range(times):
            yield recorded()


def loud(times: int = 3) -> Iterator[bool]:
    with bp.enable_grad():
        for _ in range(times):
            yield recorded()


@contextlib.contextmanager
def silence() -> Iterator[None]:
    with bp.no_grad():
        yield


def quiet_by_a_manager() -> Iterator[bool]:
    with silence():
        yield recorded()
        yield recorded()


def quiet_by_a_stack() -> Iterator[bool]:
    with contextlib.ExitStack() as stack:
        stack.enter_context(bp.no_grad())
        yield recorded()
        yield recorded()


@pytest.mark.parametrize("generator", [quiet, quiet_by_a_manager, quiet_by_a_stack])
def test_a_generator_is_quiet_by_itself(generator: Callable[[], Iterator[bool]]) -> None:
    for inside in generator():
        assert not inside
        assert recorded()
    assert recorded()
    assert not any(generator())


def test_a_generator_is_loud_by_itself() -> None:
    with bp.no_grad():
        for inside in loud():
            assert inside
            assert not recorded()


@pytest.mark.parametrize("order", sorted(set(itertools.permutations("aaabbb"))), ids="".join)
def test_interleaved_generators_do_not_meet(order: tuple[str, ...]) -> None:
    generators, expected = {"a": quiet(2), "b": loud(2)}, {"a": False, "b": True}
    for name in order:  # the third of each runs into its end
        assert next(generators[name], expected[name]) is expected[name]
        assert recorded()


@pytest.mark.parametrize("leave", ["close", "throw", "forget", "exhaust"])
def test_a_generator_that_is_left_takes_its_mode_with_it(leave: str) -> None:
    first, second = quiet(), quiet()
    assert not next(first)
    assert not next(second)
    if leave == "close":
        first.close()  # type: ignore[attr-defined]
    elif leave == "throw":
        with pytest.raises(KeyError):
            first.throw(KeyError)  # type: ignore[attr-defined]
    elif leave == "exhaust":
        assert list(first) == [False, False]
    del first
    assert recorded()
    assert not next(second)
    assert recorded()


def test_a_generator_hands_its_mode_to_what_it_calls() -> None:
    def outer() -> Iterator[Any]:
        with bp.no_grad():
            yield from quiet(1)
            yield recorded()
            yield list(loud(1))
            yield recorded()

    assert list(outer()) == [False, False, [True], False]


def test_a_context_manager_made_of_a_generator_is_one() -> None:
    @contextlib.contextmanager
    def deep_silence() -> Iterator[None]:
        with silence():
            yield

    for manager in (silence, deep_silence):
        with manager():
            assert not recorded()
        assert recorded()
        with contextlib.suppress(KeyError), manager():
            raise KeyError
        assert recorded()
        assert manager()(recorded)() is False
        with contextlib.ExitStack() as stack:
            stack.enter_context(manager())
            assert not recorded()
            stack.enter_context(bp.enable_grad())
            assert recorded()
        assert recorded()


def test_an_async_context_manager_made_of_a_generator_is_one() -> None:
    @contextlib.asynccontextmanager
    async def calm() -> AsyncIterator[None]:
        with bp.no_grad():
            yield

    async def use() -> tuple[bool, bool]:
        async with calm():
            await asyncio.sleep(0)
            inside = recorded()
        return inside, recorded()

    assert asyncio.run(use()) == (False, True)


async def quiet_later(times: int = 2) -> AsyncIterator[bool]:
    with bp.no_grad():
        for _ in range(times):
            await asyncio.sleep(0)
            yield recorded()


def test_an_async_generator_is_quiet_by_itself() -> None:
    async def use() -> list[tuple[bool, bool]]:
        seen = [(inside, recorded()) async for inside in quiet_later()]
        first, second = quiet_later(), quiet_later()
        for one in (first, second, second, first):
            seen.append((await anext(one), recorded()))  # noqa: PERF401
        await first.aclose()  # type: ignore[attr-defined]
        return [*seen, (False, recorded())]

    assert asyncio.run(use()) == [(False, True)] * 7


@bp.no_grad()
def quiet_function() -> bool:
    return recorded()


@bp.no_grad()
def quiet_generator(times: int = 2) -> Iterator[Any]:
    for _ in range(times):
        yield recorded()


@bp.no_grad()
async def quiet_coroutine() -> list[bool]:
    before = recorded()
    await asyncio.sleep(0)
    return [before, recorded()]


@bp.no_grad()
async def quiet_async_generator() -> AsyncIterator[bool]:
    for _ in range(2):
        yield recorded()
        await asyncio.sleep(0)


async def loud_coroutine() -> list[bool]:
    before = recorded()
    await asyncio.sleep(0)
    return [before, recorded()]


def test_decorated_functions_of_every_kind() -> None:
    async def use() -> Any:
        together = asyncio.gather(quiet_coroutine(), loud_coroutine(), quiet_coroutine())
        one = [(inside, recorded()) async for inside in quiet_async_generator()]
        return await quiet_coroutine(), recorded(), await together, one

    assert quiet_function() is False
    assert [(inside, recorded()) for inside in quiet_generator()] == [(False, True)] * 2
    off, on = [False, False], [True, True]
    assert asyncio.run(use()) == (off, True, [off, on, off], [(False, True)] * 2)
    assert recorded()


def test_a_decorated_generator_is_still_a_generator() -> None:
    @bp.no_grad()
    def talk() -> Iterator[Any]:
        heard = []
        try:
            heard.append((yield recorded()))
            heard.append((yield recorded()))
        except KeyError:
            heard.append(recorded())
        return heard

    def listen() -> Iterator[Any]:
        return (yield from talk())

    for make in (talk, listen):
        talking: Any = make()
        assert next(talking) is False
        assert talking.send("hello") is False
        with pytest.raises(StopIteration) as stop:
            talking.throw(KeyError)
        assert stop.value.value == ["hello", False]
        closed: Any = make()
        next(closed)
        closed.close()
        assert recorded()


def in_threads(together: threading.Barrier, *functions: Callable[[], None]) -> None:
    """Run functions at the same time, and raise what the first of them to fail raises."""
    problems: list[BaseException] = []

    def run(f: Callable[[], None]) -> None:
        try:
            f()
        except BaseException as problem:
            problems.append(problem)
            together.abort()

    threads = [threading.Thread(target=run, args=(f,)) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


def test_threads_may_share_a_switch() -> None:
    off, together = bp.no_grad(), threading.Barrier(2)

    def first() -> None:
        with off:
            together.wait()  # both are inside
            assert not recorded()
        assert recorded()
        together.wait()  # the other is still inside

    def second() -> None:
        with off:
            together.wait()
            together.wait()
            assert not recorded()
        assert recorded()

    in_threads(together, first, second)
    assert recorded()


def test_tasks_may_share_a_switch() -> None:
    off = bp.no_grad()

    async def inside(turns: int) -> list[bool]:
        seen = []
        with off:
            for _ in range(turns):
                await asyncio.sleep(0)
                seen.append(recorded())
        return [*seen, not recorded()]

    async def use() -> list[list[bool]]:
        return await asyncio.gather(*map(inside, (1, 3, 2)))

    assert not any(itertools.chain.from_iterable(asyncio.run(use())))
    assert recorded()


def test_a_switch_may_be_entered_again() -> None:
    off = bp.no_grad()
    with off, off:
        assert not recorded()
        with bp.enable_grad(), off:
            assert not recorded()
    assert recorded()
    assert off(lambda: off(recorded)())() is False
    assert recorded()


@pytest.mark.parametrize("last", ["no_grad", "enable_grad"])
def test_switches_may_be_left_in_any_order(last: str) -> None:
    first, second = bp.no_grad(), getattr(bp, last)()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert recorded() == (last == "enable_grad")  # the one that is still entered
    second.__exit__(None, None, None)
    assert recorded()
