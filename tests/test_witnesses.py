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
