"""Reductions, quantiles and differences at zeros, nan and ties, and with rare arguments."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from specs import differences

from tinygrad_bp import Tensor, gradients
from tinygrad_bp import rules as own
from tinygrad_bp.errors import NotDifferentiableError
from tinygrad_bp.gradcheck import check

Array = np.ndarray[Any, Any]
NAN = np.nan


def slope(f: Callable[..., Any], at: Any, dtype: Any = float) -> Array:
    """The gradient of the sum of f at a point."""
    x = Tensor(np.asarray(at, dtype), requires_grad=True)
    return gradients(np.sum(f(x)), [x])[0].data


def hessian(f: Callable[..., Any], at: Any) -> Array:
    x = Tensor(np.asarray(at, float), requires_grad=True)
    [g] = gradients(np.sum(f(x)), [x], create_graph=True)
    return np.stack([gradients(g[i], [x])[0].data for i in range(x.size)])


def hessian_by_differences(f: Callable[..., Any], at: Any) -> Array:
    rows = [
        differences(lambda point: slope(f, point[0]), [np.asarray(at, float)], [direction])
        for direction in np.eye(len(at))
    ]
    return np.stack(rows)


# --- running products ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "at", [[2, 0, 3, 5], [0, 2, 3, 5], [2, 0, 0, 3], [2, 0, 3, 0, 5], [0, 0, 0], [0], [3, 0]]
)
def test_running_products_with_zeros_have_all_their_derivatives(at: list[float]) -> None:
    weights = np.arange(1.0, len(at) + 1)

    def f(x: Any) -> Any:
        return np.cumprod(x) * weights

    expected = [
        differences(lambda p: np.sum(f(p[0])), [np.asarray(at, float)], [d])
        for d in np.eye(len(at))
    ]
    assert np.allclose(slope(f, at), expected, rtol=0, atol=1e-10)
    assert np.allclose(hessian(f, at), hessian_by_differences(f, at), rtol=0, atol=1e-10)


def test_a_long_running_product_needs_neither_much_memory_nor_much_depth() -> None:
    x = np.linspace(0.999, 1.001, 100_001)
    x[50_000] = 0
    g = slope(np.cumprod, x)
    before = np.prod(x[:50_000])
    assert np.isclose(g[50_000], before * (1 + np.cumprod(x[50_001:]).sum()), rtol=1e-10)
    assert np.all(g[50_001:] == 0)


def test_a_recurrence_takes_two_arrays_of_one_shape() -> None:
    with pytest.raises(ValueError, match="one shape"):
        own.recurrence(np.ones(3), np.ones(2))


# --- what is left out ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("f", "at", "expected"),
    [
        (np.nansum, [1, NAN, 3], [1, 0, 1]),
        (np.nanmean, [1, NAN, 3], [0.5, 0, 0.5]),
        (np.nanprod, [2, NAN, 0, 5], [0, 0, 10, 0]),
        (np.nanmax, [2, NAN, 2, 1], [0.5, 0, 0.5, 0]),
        (np.nanmin, [2, NAN, 1], [0, 0, 1]),
        (np.nanstd, [2, NAN, 2], [0, 0, 0]),
        (np.nanmedian, [4, NAN, 1, 2, 9], [0.5, 0, 0, 0.5, 0]),
        (np.nancumsum, [1, NAN, 3], [3, 0, 1]),
        (lambda x: np.nanmax(x, axis=1), [[NAN, NAN], [1, 2]], [[0, 0], [0, 1]]),
        (lambda x: np.nanmean(x, axis=1, where=[True, False]), [[NAN, 1], [2, NAN]],
         [[0, 0], [1, 0]]),
    ],
)  # fmt: skip
def test_nan_receives_nothing_and_leaves_the_others_alone(f: Any, at: Any, expected: Any) -> None:
    with np.errstate(all="ignore"):
        assert slope(f, at).tolist() == expected


def test_of_no_numbers_at_all_there_is_no_extreme() -> None:
    x = Tensor([[NAN, NAN], [1.0, 2.0]], requires_grad=True)
    assert np.array_equal(np.nanmax(x, axis=1), [NAN, 2], equal_nan=True)
    assert np.nanmax(x, axis=1, initial=-3.0).tolist() == [-3, 2]
    assert np.array_equal(np.nanmin(x, axis=0, keepdims=True), [[1, 2]])
    assert np.array_equal(np.nanmedian(x, axis=1), [NAN, 1.5], equal_nan=True)
    assert np.array_equal(np.nanquantile(x, [0, 1], axis=1), [[NAN, 1], [NAN, 2]], equal_nan=True)
    with np.errstate(all="ignore"):
        few = np.nanvar(x, axis=1, ddof=2)
    assert np.isnan(few).all()


@pytest.mark.parametrize("f", [np.max, np.min, np.median, lambda x, **o: np.quantile(x, 0.2, **o)])
def test_nan_in_a_row_is_nan_in_its_gradient_and_nowhere_else(f: Any) -> None:
    with np.errstate(invalid="ignore"):
        g = slope(lambda x: f(x, axis=1), [[1, NAN, 3], [4, 6, 5]])
    assert np.isnan(g[0]).any()
    assert np.isfinite(g[1]).all()
    assert g[1].sum() == 1


def test_a_mask_without_an_initial_value_leaves_an_extreme_undefined() -> None:
    for f in (np.max, np.min, np.nanmax):
        with pytest.raises(ValueError, match="initial"):
            f(Tensor([1.0, 2.0], requires_grad=True), where=[True, False])


@pytest.mark.parametrize("f", [np.sum, np.prod, np.mean, np.nansum, np.nanmean, np.var])
def test_a_mask_must_not_be_larger_than_the_array(f: Any) -> None:
    x = np.ones(3)
    for a in (x, Tensor(x, requires_grad=True)):
        with pytest.raises(ValueError, match=r"broadcast|dimensions"):
            f(a, where=np.ones((2, 3), bool))


@pytest.mark.parametrize("f", [np.sum, np.prod, np.max, np.min, np.nansum, np.nanmax])
@pytest.mark.parametrize("kind", [float, np.float64, np.array, Tensor])
def test_an_initial_value_does_not_change_the_dtype(f: Any, kind: Any) -> None:
    x = np.array([1.5, 2.5], np.float32)
    y = f(Tensor(x, requires_grad=True), initial=kind(2.0))
    assert y.dtype == np.float32
    assert y.item() == f(x, initial=2.0)


# --- arguments by keyword alone ------------------------------------------------------------------


X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])


@pytest.mark.parametrize("f", [np.var, np.std, np.nanvar, np.nanstd])
def test_a_given_mean_is_followed(f: Any) -> None:
    mean = np.array([[0.25], [0.5]])
    report = check(
        lambda x, m: f(x, axis=1, mean=m, correction=1), X, mean, second_order=True, forward=True
    )
    assert report.ok, str(report)
    own_mean = slope(lambda x: f(x, axis=1, mean=np.mean(x, axis=1, keepdims=True)), X)
    assert np.allclose(own_mean, slope(lambda x: f(x, axis=1), X), rtol=0, atol=1e-14)


def test_the_period_of_an_angle_is_followed() -> None:
    angles = np.array([0.1, 2.3, 4.9, 7.7])
    for f in (
        lambda p, period: np.unwrap(p, period=period),
        lambda p, period: np.interp(p, [0.0, 1.5, 0.75], [1.0, 4.0, 2.5], period=period),
    ):
        report = check(f, angles, np.array(2.0), second_order=True, forward=True)
        assert report.ok, str(report)


def test_points_of_an_interpolation_are_followed() -> None:
    report = check(
        np.interp, np.array([0.3, 1.1, 3.0, -2.0]), np.array([0.0, 1.0, 2.5]),
        np.array([1.0, -1.0, 2.0]), second_order=True, forward=True,
    )  # fmt: skip
    assert report.ok, str(report)


def test_at_a_point_an_interpolation_has_the_slope_to_its_right() -> None:
    g = slope(lambda x: np.interp(x, [0.0, 1.0, 2.0], [0.0, 1.0, 5.0]), [0, 1, 2, -1, 3])
    assert g.tolist() == [1, 4, 4, 0, 0]


# --- quantiles -----------------------------------------------------------------------------------


def test_of_equal_elements_one_is_the_median() -> None:
    assert sorted(slope(np.median, [2, 2, 2])) == [0, 0, 1]
    assert slope(np.median, [2, 1, 2, 3]).sum() == 1


@pytest.mark.parametrize("method", ["lower", "inverted_cdf", "midpoint", "averaged_inverted_cdf"])
def test_a_quantile_that_jumps_takes_no_gradient_for_q(method: str) -> None:
    q = Tensor(0.3, requires_grad=True)
    with pytest.raises(NotDifferentiableError, match=r"^quantile .*detach\(\)"):
        np.quantile(np.arange(4.0), q, method=method)
    assert np.quantile(np.arange(4.0), q).requires_grad


def test_weights_of_a_quantile_take_no_gradient() -> None:
    weights = Tensor([1.0, 2.0, 1.0], requires_grad=True)
    for f in (np.quantile, np.nanquantile, np.percentile):
        with pytest.raises(NotDifferentiableError, match=r"^quantile .*detach\(\)"):
            f(np.arange(3.0), 0.3, weights=weights, method="inverted_cdf")


@pytest.mark.parametrize(
    ("f", "match"),
    [
        (lambda x: np.quantile(x, 1.5), r"\[0, 1\]"),
        (lambda x: np.percentile(x, [50, 101]), r"\[0, 100\]"),
        (lambda x: np.quantile(x, 0.5, method="middle"), "not a valid method"),
        (lambda x: np.quantile(x, 0.5, weights=[1, 2, 3]), "inverted_cdf"),
        (lambda x: np.quantile(x, 0.5, method="inverted_cdf", weights=[1, -2, 3]), "negative"),
        (lambda x: np.average(x, 0, [1, 2]), "[Ss]hape"),
        (lambda x: np.gradient(x[:1]), "too small"),
        (lambda x: np.cov(x, fweights=[1, -1, 1]), "negative"),
        (lambda x: np.histogram([1.0], weights=x), "shape"),
    ],
)  # fmt: skip
def test_what_numpy_refuses_is_refused_in_the_same_way(f: Any, match: str) -> None:
    x = np.array([1.0, 2.0, 4.0])
    with np.errstate(all="ignore"), pytest.raises((ValueError, TypeError)):
        f(x)
    with np.errstate(all="ignore"), pytest.raises((ValueError, TypeError), match=match):
        f(Tensor(x, requires_grad=True))


def test_a_quantile_needs_some_weight() -> None:
    x = Tensor([1.0, 2.0, 4.0], requires_grad=True)
    for weights in ([0, 0, 0], [1, np.inf, 1]):
        with np.errstate(invalid="ignore"), pytest.raises(ValueError, match="infinite, or all 0"):
            np.quantile(x, 0.5, method="inverted_cdf", weights=weights)


@pytest.mark.skipif(not hasattr(np, "cumulative_sum"), reason="NumPy has it since 2.1")
def test_a_cumulative_sum_of_rows_needs_an_axis() -> None:
    for x in (np.ones((2, 2)), Tensor(np.ones((2, 2)), requires_grad=True)):
        with pytest.raises(ValueError, match="axis"):
            np.cumulative_sum(x)


# --- the rest ------------------------------------------------------------------------------------


def test_a_slope_does_not_look_at_the_point_itself() -> None:
    """Between equal distances, as in NumPy: the middle value has no weight, be it nan."""
    y = np.gradient(Tensor([1.0, NAN, 3.0, 4.0, 6.0], requires_grad=True))
    assert y[1].item() == 1
    assert y[3].item() == 1.5


def test_the_data_of_a_histogram_only_choose_a_bin() -> None:
    x = Tensor([0.5, 1.5, 1.75], requires_grad=True)
    counts, edges = np.histogram(x, [0.0, 1.0, 2.0])
    assert type(counts) is type(edges) is np.ndarray
    assert counts.tolist() == [1, 2]
    with pytest.raises(NotDifferentiableError, match="histogram"):
        np.histogram(x, 3)


def test_perfect_correlation_has_slope_zero() -> None:
    g = slope(lambda x: np.corrcoef(x)[0, 1], [[1.0, 2.0, 4.0], [2.0, 4.0, 8.0]])
    assert np.allclose(g, 0, atol=1e-15)


# --- numbers, and nothing at all -------------------------------------------------------------


@pytest.mark.parametrize("reduce", [np.sum, np.prod, np.max, np.min, np.nansum, np.amax])
@pytest.mark.parametrize("axis", [0, -1, ()])
@pytest.mark.parametrize("keepdims", [True, False])
def test_a_number_is_reduced_along_the_axis_that_numpy_lets_it_name(
    reduce: Callable[..., Any], axis: Any, keepdims: bool
) -> None:
    assert slope(lambda x: reduce(x * x, axis=axis, keepdims=keepdims), 3.0) == 6.0


def test_an_axis_that_a_number_has_not_is_refused() -> None:
    for reduce in (np.sum, np.nansum, np.prod, np.nanmax):
        for axis in (1, (0,)):
            with pytest.raises(np.exceptions.AxisError):
                reduce(Tensor(3.0, requires_grad=True), axis=axis)


def test_smooth_maxima_of_nothing() -> None:
    x = np.zeros((2, 0, 3))
    assert own.softmax(x).shape == own.log_softmax(x, axis=0).shape == (2, 0, 3)
    assert slope(lambda t: own.softmax(t, axis=1), x).shape == (2, 0, 3)
    assert slope(own.logsumexp, 2.0) == 1.0


def test_the_pseudo_inverse_of_nothing_has_a_gradient() -> None:
    assert slope(np.linalg.pinv, np.zeros((2, 0, 3))).shape == (2, 0, 3)
    assert slope(lambda x: np.linalg.pinv(x, hermitian=True), np.zeros((0, 0))).shape == (0, 0)
