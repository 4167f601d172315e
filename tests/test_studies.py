"""The studies measure what theory says: orders of difference formulas, and of Taylor remainders."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_bp.errors import GradcheckError, NotDifferentiableError
from tinygrad_bp.gradcheck.complex_step import Perturbed, Run
from tinygrad_bp.gradcheck.studies import METHODS, StepStudy, step_sizes, taylor

POINTS = np.linspace(0.3, 1.2, 8)
EPS = {"float32": 2.0**-23, "float64": 2.0**-52}


def f(x: Any) -> Any:
    return np.sum(np.exp(np.sin(2 * x)))


@pytest.fixture(scope="module")
def study() -> StepStudy:
    return step_sizes(f, POINTS)


# --- step sizes -----------------------------------------------------------------------------


def test_every_method_in_every_precision(study: StepStudy) -> None:
    assert list(study.best()) == [(m, d) for d in ("float32", "float64") for m in METHODS]


def test_truncation_and_rounding_have_the_slopes_of_theory(study: StepStudy) -> None:
    for curve in study.curves:
        theory = METHODS[curve.method]
        assert curve.rounding_slope == pytest.approx(theory.rounding, abs=0.15)
        if curve.dtype == "float64":
            assert curve.truncation_slope == pytest.approx(theory.truncation, abs=0.1)


def test_best_steps_and_errors_are_those_of_theory(study: StepStudy) -> None:
    """An error h^p against a rounding eps/h: the best step is eps^(1/(p+1)), up to constants."""
    for (method, dtype), (h, error) in study.best().items():
        theory, eps = METHODS[method], EPS[dtype]
        if theory.rounding == 0:
            assert error < 4 * eps
            continue
        step = eps ** (1 / (theory.truncation + 1))
        assert step / 30 < h < step * 30
        assert eps / step / 100 < error < eps / step * 100


def test_complex_step_stays_exact_for_tiny_steps() -> None:
    study = step_sizes(f, POINTS, methods=["complex step"], dtypes=[float], h=[1e-300, 1e-100])
    assert study.curves[0].error.max() < 1e-15


def test_single_precision_is_computed_in_single_precision() -> None:
    seen = set()

    def spy(x: Any) -> Any:
        seen.add(str(x.dtype))
        return np.sum(x * x)

    step_sizes(spy, POINTS, dtypes=[np.float32])
    assert seen == {"float32", "complex64", "float64"}  # the last one is for the truth
    seen.clear()
    step_sizes(spy, 1.0, dtypes=[np.float32], methods=["central"])
    assert seen == {"float32", "float64"}


def test_function_that_complex_numbers_cannot_go_through() -> None:
    """The truth is then the gradient of this library."""

    def f(x: Any) -> Any:
        return np.sum(np.partition(x, 1) ** 2)  # a partition is sorted in part

    with pytest.raises(NotDifferentiableError, match="partition is not followed"):
        f(Perturbed(POINTS, POINTS, Run()))
    study = step_sizes(f, POINTS, methods=["central"], dtypes=[float])
    assert study.best()["central", "float64"][1] < 1e-8


def test_many_entries_are_sampled_along_signed_directions() -> None:
    x = np.linspace(0, 1, 500)
    one = step_sizes(f, x, dtypes=[float], h=[1e-5], methods=["central"], seed=3)
    again = step_sizes(f, x, dtypes=[float], h=[1e-5], methods=["central"], seed=3)
    assert one.to_dict() == again.to_dict()
    assert one.curves[0].error[0] < 1e-7


def test_text_fits_a_terminal(study: StepStudy) -> None:
    lines = str(study).splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line == line.rstrip() for line in lines)
    for (method, dtype), (h, error) in study.best().items():
        row = f"{dtype:10}{method:14}{h:8.0e}{error:10.1e}"
        assert [line.startswith(row) for line in lines].count(True) == 1


def test_json(study: StepStudy) -> None:
    found = json.loads(json.dumps(study.to_dict(), allow_nan=False))
    assert len(found["curves"]) == 8
    first = found["curves"][0]
    assert first["theory"] == {"truncation_slope": 1, "rounding_slope": -1}
    assert len(first["h"]) == len(first["error"]) == 65


def test_too_few_steps_have_no_slope() -> None:
    study = step_sizes(f, POINTS, h=[1e-3, 1e-4])
    assert math.isnan(study.curves[0].truncation_slope)
    assert study.to_dict()["curves"][0]["truncation_slope"] is None
    assert "- (+1)" in str(study)


def test_picture(study: StepStudy, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "v.png"
    with np.errstate(all="ignore"):  # matplotlib's own arithmetic
        study.plot(path)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_studied() -> None:
    with pytest.raises(ValueError, match="unknown method 'backward'; there are forward"):
        step_sizes(f, POINTS, methods=["backward"])
    with pytest.raises(GradcheckError, match="gradient is 0"):
        step_sizes(lambda x: np.sum(x * 0.0), POINTS)
    with pytest.raises(GradcheckError, match="scalar"):
        step_sizes(np.exp, POINTS)


# --- Taylor remainders ----------------------------------------------------------------------


def test_right_gradient_leaves_the_second_order() -> None:
    study = taylor(f, POINTS, np.ones(8))
    assert study.ok
    assert study.slopes == pytest.approx((1.0, 2.0), abs=0.05)
    assert "the gradient is right" in str(study)


@pytest.mark.parametrize("factor", [1.01, -1.0, 0.0])
def test_wrong_gradient_leaves_the_first_order(factor: float) -> None:
    right = 2 * np.cos(2 * POINTS) * np.exp(np.sin(2 * POINTS))
    assert taylor(f, POINTS, np.ones(8), right).ok
    study = taylor(f, POINTS, np.ones(8), factor * right, h=np.logspace(-4, -8, 9))
    assert not study.ok
    assert study.slopes[1] == pytest.approx(1.0, abs=0.05)
    assert "WRONG" in str(study)


def test_one_wrong_entry_is_seen_along_a_drawn_direction() -> None:
    gradient = 2 * np.cos(2 * POINTS) * np.exp(np.sin(2 * POINTS))
    gradient[3] = 0
    assert not taylor(f, POINTS, gradient=gradient).ok


def test_linear_function_leaves_rounding_only() -> None:
    study = taylor(lambda x: np.sum(x * 3), POINTS)
    assert study.ok
    assert math.isnan(study.slopes[1])
    assert study.to_dict()["slopes"][1] is None
    assert json.dumps(study.to_dict(), allow_nan=False)


def test_shapes_must_fit() -> None:
    with pytest.raises(GradcheckError, match=r"x has shape \(8,\), the direction \(7,\)"):
        taylor(f, POINTS, np.ones(7))
