"""The checker's second edition: two witnesses, other points, evidence, budgets, and its report."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tinygrad_bp import Tensor
from tinygrad_bp.gradcheck import Verdict, check, check_jvp, check_vjp
from tinygrad_bp.gradcheck.complex_step import Perturbed, Run

X = np.array([0.3, -0.7, 1.1])

# --- two witnesses --------------------------------------------------------------------------


def test_the_witness_that_was_not_believed_is_named() -> None:
    def through_floats(x: Any) -> Any:
        return np.sum(np.array(x.tolist() if isinstance(x, np.ndarray) else 0.0) ** 2)

    report = check_vjp(lambda x: np.exp(-700 + x) * 1e-10, lambda g, x: g * 0.0, X)
    assert not report.ok
    assert report.counts[Verdict.FAIL] == 3
    report = check_vjp(through_floats, lambda g, x: 2 * g * x, X)
    assert (report.ok, report.method) == (True, "differences")


def test_small_terms_on_the_way_do_not_silence_the_complex_step() -> None:
    small = np.full(28, 1e-9)
    report = check_vjp(
        lambda p: np.log(np.prod(p)), lambda g, p: g / p, small * np.linspace(1, 2, 28)
    )
    assert report.ok
    assert "not believed" in report.dismissed
    assert "witness: " in str(report)


@pytest.mark.parametrize("x", [1e-300, 1e-20, 1e-9, 1e-4, 0.3, 0.999, 2.5, 1e3])
def test_functions_that_numpy_rounds_for_complex_numbers(x: float) -> None:
    for function, slope in (
        (np.log1p, 1 / (1 + x)),
        (np.sinc, _slope_of_sinc(x)),
    ):
        with np.errstate(under="ignore"):  # which squares of the step do on purpose
            found = function(Perturbed(np.array([x]), 0, Run()))
        assert found.value[0] == pytest.approx(function(x), rel=1e-15)
        assert found.derivative[0] == pytest.approx(slope, rel=1e-12)


def _slope_of_sinc(x: float) -> float:
    if x > 0.5:
        return (math.cos(math.pi * x) - np.sinc(x)) / x
    terms = [
        (-1) ** k * 2 * k * math.pi ** (2 * k) * x ** (2 * k - 1) / math.factorial(2 * k + 1)
        for k in range(1, 15)
    ]
    return math.fsum(terms)


# --- other points, evidence -----------------------------------------------------------------


def test_the_given_point_alone_can_be_asked_for() -> None:
    def right_at_one(g: Any, x: Any) -> Any:
        return g * 2 * x**3

    ones = np.ones(3)
    assert not check_vjp(np.square, right_at_one, ones).ok
    assert check(lambda x: x @ x, ones, gradient=lambda x: 2 * x**3, at="here").ok
    assert not check(lambda x: x @ x, ones, gradient=lambda x: 2 * x**3).ok


def test_zero_everywhere_is_not_enough() -> None:
    report = check(lambda x: np.sum(x**2), np.zeros(2), at="here")
    assert report.unconfirmed == ["input 0"]
    assert "gradcheck NOTHING CHECKED" in str(report)
    assert check(lambda x: np.sum(x**2), np.zeros(2)).ok  # elsewhere it is not 0
    assert check(lambda x: np.sum(np.floor(x)), X).ok  # it is, and the function does not move


def test_failures_elsewhere_say_where() -> None:
    report = check_vjp(lambda a: a @ X, lambda g, a: np.outer(g, X) * a[0, 0], np.ones((2, 3)))
    places = {entry.parameter.partition(":")[0] for entry in report.worst}
    assert {"nearby", "mirrored"} <= places


def test_a_layout_that_matters_is_named() -> None:
    def in_memory_order(g: Any, x: Any) -> Any:
        return g * np.cos(x.ravel(order="K")).reshape(x.shape)

    report = check_vjp(np.sin, in_memory_order, np.arange(6.0).reshape(2, 3))
    assert not report.ok
    assert "in Fortran order" in report.worst[0].parameter


# --- what is given, and what is accepted ----------------------------------------------------


def test_jacobian_vector_products() -> None:
    def product(a: Any, b: Any) -> Any:
        return a @ b, np.sum(a)

    def tangent(t: Any, a: Any, b: Any) -> Any:
        return t[0] @ b + a @ t[1], np.sum(t[0])

    a, b = np.arange(6.0).reshape(2, 3), np.arange(3.0) + 1
    assert check_jvp(product, tangent, a, b).ok
    wrong = check_jvp(product, lambda t, a, b: (t[0] @ b, np.sum(t[0])), a, b)
    assert wrong.counts[Verdict.FAIL]
    clipped = check_jvp(np.sin, lambda t, x: np.clip(t, -10, 10) * np.cos(x), X)
    assert "scaled by" in clipped.identities["linear in the tangent"]


def test_several_outputs_of_tensors() -> None:
    report = check(lambda x: {"sum": np.sum(x), "sines": [np.sin(x), 2.0]}, X)
    assert report.ok
    assert report.counts[Verdict.PASS] == 6


def test_a_budget_bounds_the_evaluations() -> None:
    report = check(lambda x: np.sum(np.sin(x)), np.linspace(0, 1, 5000), budget=500)
    assert report.ok
    assert report.evaluations < 500
    assert any("at 20 of 5,000 entries" in line for line in report.coverage)


def test_what_is_not_looked_into_is_named() -> None:
    report = check(lambda x, more: np.sum(x) * len(more), X, {1, 2})
    assert "'input 1' is constant: arrays in a set are not looked for" in report.coverage


def test_a_cut_graph_is_named() -> None:
    report = check(lambda x: np.sum(x.detach() ** 2) if isinstance(x, Tensor) else x @ x, X)
    assert "the graph is cut between 'input 0' and the output" in report.blame[0]


# --- the report -----------------------------------------------------------------------------


def test_ratios_show_the_digits_that_are_news() -> None:
    report = check_vjp(np.sin, lambda g, x: 1.000001 * g * np.cos(x), X)
    assert "1.00000100" in str(report)
    assert "constant ratio" in report.blame[0]
    assert "constant ratio" not in check_vjp(np.sin, lambda g, x: 1.1 * g * np.cos(x), 0.4).blame[0]


def test_identities_that_hold_take_one_line_and_notebooks_get_a_page() -> None:
    report = check(np.sin, X)
    assert len([line for line in str(report).splitlines() if "identit" in line]) == 1
    html = report._repr_html_()
    assert html.startswith("<pre")
    assert "gradcheck ok" in html
    assert "&lt;" not in html.partition("\n")[0]


def test_tangents_are_taken_in_every_layout() -> None:
    def in_memory_order(t: Any, x: Any) -> Any:
        return t * np.cos(x.ravel(order="K")).reshape(x.shape)

    report = check_jvp(np.sin, in_memory_order, np.arange(6.0).reshape(2, 3))
    assert "in Fortran order" in report.worst[0].parameter


def test_an_output_that_is_nan_is_nan_when_it_is_recorded_too() -> None:
    def partly(x: Any) -> Any:
        return np.stack([np.sum(x**2), np.sum(x) * np.nan])

    report = check_vjp(partly, lambda g, x: 2 * g[0] * x, X)
    assert report.identities["recording changes no value"] == ""
    assert report.ok, str(report)


@pytest.mark.parametrize("a", [np.array([[2.0, 1], [1, 3]]), np.array([[2.0, 1], [-1, 2]])])
def test_eigenvalues_that_turn_complex_along_a_step(a: Any) -> None:
    assert check(lambda a: np.linalg.eig(a)[0], a).ok


# --- found by an attack ---------------------------------------------------------------------


def test_a_step_that_raises_anything_has_left_the_domain() -> None:
    table = np.array([0.0, 1, 4, 9, 16])

    def looked_up(x: Any) -> Any:
        i = int(np.real(x))
        return table[i] + (x - i) * (table[i + 1] - table[i])  # beyond the end: IndexError

    def slope(x: Any) -> Any:
        return table[int(x) + 1] - table[int(x)]

    assert check(looked_up, np.array(3.7), gradient=slope).ok


def test_a_gradient_that_is_wrong_for_a_negative_one_alone() -> None:
    def vjp(g: Any, x: Any) -> Any:
        return np.cos(x) * (np.maximum(g, 0) if np.count_nonzero(g) == 1 else g)

    assert not check_vjp(np.sin, vjp, X).ok


def test_an_order_taken_for_its_inverse() -> None:
    def vjp(g: Any, x: Any) -> Any:
        return (2 * np.sort(x) * g)[np.argsort(x)]

    assert not check_vjp(lambda x: np.sort(x) ** 2, vjp, np.arange(1.0, 7)).ok


@pytest.mark.parametrize(
    ("function", "at_0"),
    [
        (np.linalg.norm, np.ones(3)),
        (lambda x: np.hypot(np.hypot(x[0], x[1]), x[2]), np.ones(3)),
        (lambda x: np.sum(np.abs(np.diff(x))), np.array([1.0, 2, -1])),
    ],
)
def test_slopes_to_one_side_that_are_no_subgradient_together(function: Any, at_0: Any) -> None:
    def gradient(x: Any) -> Any:
        if not x.any():
            return at_0
        t = Tensor(x, requires_grad=True)
        function(t).backward()
        return t.grad.data

    report = check(function, np.zeros(3), gradient=gradient)
    assert not report.ok
    assert any(entry.parameter == "all kinks" for entry in report.worst)
    assert check(function, np.zeros(3)).ok


def test_kinks_that_bend_both_ways_are_judged_one_by_one() -> None:
    signs = np.array([3.0, -2, 1])
    assert check_vjp(
        lambda x: signs @ np.maximum(x, 0), lambda g, x: g * signs * (x > 0), np.zeros(3)
    ).ok


def test_a_cache_that_knows_an_array_by_its_identity() -> None:
    cached: list[Any] = [None, None]

    def vjp(g: Any, x: Any) -> Any:
        if cached[0] is not x:
            cached[:] = [x, np.cos(x)]
        return g * cached[1]

    report = check_vjp(np.sin, vjp, X)
    assert not report.ok
    assert report.identities["inputs may change between calls"]


def test_what_a_function_leaves_in_an_object_its_derivative_finds() -> None:
    class Noise:
        def __init__(self) -> None:
            self.scale = np.ones(3)
            self.rng = np.random.default_rng(0)

    def remembered(noise: Any) -> Any:
        noise.drawn = noise.rng.normal(size=3)
        return noise.drawn * noise.scale

    def drawn_again(noise: Any) -> Any:
        return noise.rng.normal(size=3) * noise.scale

    assert check_vjp(remembered, lambda g, noise: g * noise.drawn, Noise()).ok
    assert check_vjp(drawn_again, lambda g, noise: g * noise.rng.normal(size=3), Noise()).ok
    twice = check_vjp(drawn_again, lambda g, noise: g * noise.rng.normal(size=(2, 3))[1], Noise())
    assert not twice.ok


def test_a_tangent_is_not_written_to_and_results_are_kept() -> None:
    buffer, a = np.zeros(3), np.arange(6.0).reshape(2, 3)

    def scaled(t: Any, x: Any) -> Any:
        t *= np.cos(x)
        return t

    assert check_jvp(np.sin, scaled, X).identities["what arrives is left alone"]
    reused = check_jvp(np.sin, lambda t, x: np.multiply(t, np.cos(x), out=buffer), X)
    assert reused.identities["results are left alone"]
    layout = check_jvp(lambda x: 2 * x.ravel(), lambda t, x: 2 * t.ravel("K"), a)
    assert layout.identities["linear in the tangent"].startswith("in Fortran order")


def test_sums_of_thousands_of_outputs_by_differences() -> None:
    x = np.random.default_rng(0).normal(size=4000)

    def smoothed(x: Any) -> Any:
        return np.convolve(x.astype(float), np.full(4, 0.25))

    def vjp(g: Any, x: Any) -> Any:
        return np.correlate(g, np.full(4, 0.25), "valid")

    assert check_vjp(smoothed, vjp, x, method="differences").ok
