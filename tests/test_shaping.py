"""What the table of specs does not reach: tensors as options, edges, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_bp import Tensor, errors, gradients
from tinygrad_bp.gradcheck import check


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def gradient(y: Any, *xs: Tensor) -> list[Any]:
    return [g.tolist() for g in gradients(np.sum(y), xs)]


# --- tensors as options ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "f",
    [
        lambda x, t: np.pad(x, 2, constant_values=t),
        lambda x, t: np.pad(x, (2, 1), constant_values=(t, 2 * t)),
        lambda x, t: np.pad(x[:, None], 1, constant_values=((t, 1.0), (2.0, t * t))),
        lambda x, t: np.pad(x, 3, "linear_ramp", end_values=(t, t * t)),
        lambda x, t: np.nan_to_num(x / np.array([1.0, 0.0, -0.0]), posinf=t, neginf=t * t),
        lambda x, t: np.select([x > 0, x > 9], [x, t], default=t * x),
        lambda x, t: np.piecewise(x, [x > 0], [lambda v, by: v * by, t], by=t),
        lambda x, t: np.apply_along_axis(lambda v, by: np.cumsum(v) * by, 0, x, by=t),
        lambda x, t: np.polyint(x, 2, k=[t, t * t]),
        lambda x, t: np.ediff1d(x, to_begin=t, to_end=[1.0, 2.0]),
        lambda x, t: np.logspace(x, 2 * x, 3, base=t),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_options_that_the_result_depends_on_are_differentiated(f: Callable[..., Any]) -> None:
    with np.errstate(divide="ignore"):
        report = check(f, np.array([0.5, -0.7, 1.2]), np.array(1.3), forward=True)
    assert report.ok, str(report)


# --- edges ----------------------------------------------------------------------------------


def test_equal_elements_are_ranked_as_they_stand() -> None:
    x = leaf(2.0, 1.0, 2.0, 1.0)
    assert gradient(np.sort(x) * [1.0, 2.0, 3.0, 4.0], x) == [[3, 1, 4, 2]]


@pytest.mark.parametrize("kth", [0, 5, [3, -2]])
def test_partitions_are_followed_however_they_are_made(kth: Any) -> None:
    x = Tensor(np.random.default_rng(0).permutation(300.0 * np.arange(1, 301)), requires_grad=True)
    y = np.partition(x, kth)
    weights = np.arange(300.0)
    [g] = gradients(np.sum(y * weights), [x])
    there = np.argsort(y.data)
    assert g.data[np.argsort(x.data)].tolist() == weights[there].tolist()


def test_what_is_not_finite_passes_no_gradient() -> None:
    x = leaf(1.0, np.nan, np.inf, -np.inf)
    y = np.nan_to_num(x)
    assert y.tolist() == np.nan_to_num(x.data).tolist()
    assert gradient(y * [1.0, 2.0, 0.0, 0.0], x) == [[1, 0, 0, 0]]


def test_leading_zeros_that_polymul_leaves_out_count_in_what_it_keeps() -> None:
    """(0 x + 1) (1 x + 2) = x + 2, which NumPy gives; the 0 moves the coefficient of x by 2."""
    a, b = leaf(0.0, 1.0), leaf(1.0, 2.0)
    y = np.polymul(a, b)
    assert y.tolist() == [1.0, 2.0]
    assert gradient(y * [1.0, 0.0], a, b) == [[2, 1], [1, 0]]


def test_ends_are_trimmed_where_they_are_zero() -> None:
    x = leaf(0.0, 1.0, 0.0, 2.0, 0.0)
    assert gradient(np.trim_zeros(x), x) == [[0, 1, 1, 1, 0]]
    assert np.trim_zeros(x, "f").tolist() == [1, 0, 2, 0]
    assert np.trim_zeros(0 * x).shape == (0,)


def test_a_condition_alone_gives_positions() -> None:
    x = leaf(0.0, 1.0, 2.0)
    assert [type(part) for part in np.where(x)] == [np.ndarray]
    assert np.where(x)[0].tolist() == [1, 2]


def test_a_vector_is_taken_for_the_rows_of_a_triangle() -> None:
    x = leaf(1.0, 2.0, 3.0)
    assert gradient(np.tril(x), x) == [[3, 2, 1]]


def test_methods_take_an_order() -> None:
    x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    for y in (x.ravel("F"), x.flatten(order="F"), x.reshape(-1, order="F")):
        assert y.tolist() == [0, 3, 1, 4, 2, 5]
    assert x.reshape(3, 2, order="F").tolist() == x.data.reshape(3, 2, order="F").tolist()


@pytest.mark.parametrize(
    "index", [[0, 2], [0, -1], [0, -3], (slice(None), [2, 0]), (True, [2, -1]), (0, [1, 1])]
)
def test_contributions_add_up_where_an_index_repeats(index: Any) -> None:
    x = Tensor(np.zeros((3, 3)), requires_grad=True)
    expected = np.zeros((3, 3))
    np.add.at(expected, index, 1.0)
    assert gradient(x[index], x) == [expected.tolist()]


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "match"),
    [
        (lambda t: np.ravel(t, "K"), "memory"),
        (lambda t: np.reshape(t, (3, 1), "A"), "memory"),
        (lambda t: np.pad(t, 1, "empty"), "np.concatenate"),
        (lambda t: np.pad(t, 1, lambda *_: None), "np.concatenate"),
        (lambda t: np.nan_to_num(t, copy=False), "copy"),
        (np.vectorize(abs), "np.stack"),
        (lambda t: np.lib.stride_tricks.as_strided(t, (2, 2)), "gradient"),
        (lambda t: np.full_like(np.ones(2), t[0]), "np.broadcast_to"),
        (lambda t: np.select([[True]], [1.0], default=t[0]), "gradient"),
        (lambda t: np.linspace(t, 2.0, 3, dtype=int), "int64"),
    ],
)
def test_what_is_refused_says_what_to_do(f: Callable[..., Any], match: str) -> None:
    with pytest.raises(errors.TinygradError, match=match):
        f(leaf(1.0, 2.0, 3.0))


@pytest.mark.parametrize(
    ("f", "error"),
    [
        (lambda t: np.rollaxis(t, 2), np.exceptions.AxisError),
        (lambda t: np.rot90(t[:, None], 1, (0, 0)), ValueError),
        (lambda t: np.vsplit(t, 1), ValueError),
        (lambda t: np.block([t, [t]]), ValueError),
        (lambda t: np.choose([0, 2], [t, t]), ValueError),
        (lambda t: np.pad(t, 1, "edge", constant_values=1.0), ValueError),
        (lambda t: np.stack([t, t], dtype=np.float32, casting="safe"), TypeError),
        (lambda t: np.geomspace(0 * t, t, 3), ValueError),
        (lambda t: np.cross(t, t[:1]), ValueError),
        (lambda t: np.apply_along_axis(np.sum, 0, t[:, None][:, :0]), ValueError),
        (lambda t: np.compress([[True]], t), ValueError),
        (lambda t: np.extract([0, 0, 0, 1], t), IndexError),
    ],
)
def test_what_numpy_refuses_is_refused(f: Callable[..., Any], error: type[Exception]) -> None:
    for t in (leaf(1.0, 2.0, 3.0), np.array([1.0, 2.0, 3.0])):
        with pytest.raises(error):
            f(t)
