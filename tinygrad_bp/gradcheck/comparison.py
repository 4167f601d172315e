"""The comparison of one subject: its analytic gradients against numerical ones, and the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_bp.errors import GradcheckError
from tinygrad_bp.gradcheck.coverage import coverage
from tinygrad_bp.gradcheck.given import Given
from tinygrad_bp.gradcheck.numerical import EPS, Derivative, rounding_of_complex_step
from tinygrad_bp.gradcheck.places import PROJECTIONS, Place, along, combinations, places
from tinygrad_bp.gradcheck.report import Entry, Report, Verdict
from tinygrad_bp.gradcheck.slope import Along, Derivatives, Slope
from tinygrad_bp.gradcheck.subject import Subject
from tinygrad_bp.gradcheck.verdicts import (
    Ruling,
    close,
    settle,
    weigh,
    weigh_kink,
    weigh_not_finite,
)
from tinygrad_bp.modes import no_grad

__all__ = ["Comparison", "Progress"]

Vector = np.ndarray[Any, Any]
Progress = Callable[[int, int], None]

NEXT = 1e-2  # of a gradient, how far it may move within an ulp of the inputs to be the same one
GROWN = 1e4  # times what is seen on the way: more is no cancelling, but an unstable function


class Comparison:
    """What belongs together while a subject is checked."""

    def __init__(
        self, subject: Subject, method: str, seed: int, progress: Progress | None = None
    ) -> None:
        self.subject = subject
        self.rng = np.random.default_rng(seed)
        self.progress = progress
        self.output = _deterministic_output(subject)
        self.slope = Slope(subject, method, self.output)
        self.report = Report(self.slope.method, seed=seed)
        self.weights = combinations(self.output, subject.x.size, self.rng)
        self.analytic = np.zeros((0, 0))
        self.given: Given | None = None  # the gradient function of the user
        self.wobble: tuple[Vector, Vector, float] | None = None

    def compare(self, prefix: str = "") -> None:
        """Compare every entry, or signed projections and samples of each input if there are many.

        Most entries pass or are 0 = 0 by plain arithmetic, and are settled together; whatever is
        left is looked at one by one.
        """
        self.analytic = self.given(self.subject.x) if self.given else self.pull()
        chosen = list(places(self.subject, self.rng))
        self.report.add(self._entries(chosen, self._derivatives(chosen), prefix))
        first, *others = coverage(self.subject, self.analytic, self.report)
        self.report.coverage += [prefix + first, *others]

    def _derivatives(self, chosen: list[Place]) -> Derivatives:
        rows = []
        with no_grad():  # for all evaluations at once
            for done, (_, _, place) in enumerate(chosen, start=1):
                rows.append(self.slope.along(place))
                if self.progress is not None:
                    self.progress(done, len(chosen))
        return Derivatives(rows, self.slope.outputs)

    def _entries(self, chosen: list[Place], found: Derivatives, prefix: str) -> Iterator[Entry]:
        expected = np.array([along(self.analytic, place) for _, _, place in chosen])
        expected = expected.reshape(len(chosen), len(self.weights))
        numerical = found.values @ self.weights.T  # (places, combinations)
        errors = found.errors @ np.abs(self.weights).T
        settled = settle(expected, numerical, errors, found.plain, self.slope.rtol)
        for (row, column), verdict in np.ndenumerate(settled):
            name, index, place = chosen[row]
            a, n = float(expected[row, column]), float(numerical[row, column])
            if verdict is not None:
                ruling = Ruling(float(errors[row, column]), verdict)
            else:
                if self.slope.too_coarse(place, max(abs(a), abs(n))):
                    found.rows[row] = self.slope.by_differences(place)
                    n = float(self.weights[column] @ found.rows[row].value)
                ruling = self._judge(a, found.rows[row], column, place)
            output = f"output {column}" if len(self.weights) > 1 else ""
            yield Entry(prefix + name, index, output, a, n, *ruling)

    def pull(self) -> Vector:
        """Return the analytic gradient of every combination of outputs."""
        return self.subject.pull(list(self.weights))

    def _judge(self, a: float, derivative: Derivative, column: int, place: Along) -> Ruling:
        """Decide on one doubtful entry."""
        rtol, part = self.slope.rtol, self.weights[column] != 0  # 0 times inf is nan
        w = self.weights[column][part]
        n, error = float(w @ derivative.value[part]), float(np.abs(w) @ derivative.error[part])
        if not (np.isfinite(a) and np.isfinite(n)):
            return weigh_not_finite(a, n, error)
        if derivative.left is not None and derivative.right is not None:
            sides = float(w @ derivative.left[part]), float(w @ derivative.right[part])
            if not close(*sides, 0.0, rtol):
                return weigh_kink(a, sides, error, rtol)
        ruling = weigh(a, n, error, rtol)
        if a == n == 0 or ruling.verdict is Verdict.PASS:
            return ruling._replace(verdict=Verdict.PASS if a else Verdict.VACUOUS, note="")
        rounded, moved, peak = self._rounding(place, column)
        error += rounded
        # A gradient that is another one next to this point is no matter of rounding.
        error += moved if moved <= NEXT * max(abs(a), abs(n)) else 0.0
        cancelled = min((rounded + moved) / EPS, GROWN * peak)
        return weigh(a, n, error, rtol, cancelled)

    def _rounding(self, place: Along, column: int) -> tuple[float, float, float]:
        """How far rounding can put both values off, within an ulp of x, and the largest on the way.

        The first holds at x itself; the second is how far the gradient moves with x.
        """
        if self.wobble is None:  # found when it is first needed
            self.wobble = self._find_rounding()
        here, next_to_it, peak = self.wobble
        moved = float(along(next_to_it, place, np.abs)[column])
        rounded = float(along(here, place, np.abs)[column])
        if self.slope.method == "differences":  # their error bars include it
            return rounded, moved, peak
        subject = self.subject
        numerical, other = rounding_of_complex_step(subject.value, subject.x, place, self.rng)
        rounded += float(np.abs(self.weights[column]) @ numerical)
        return rounded, moved, max(peak, other)

    def _find_rounding(self) -> tuple[Vector, Vector, float]:
        if self.given:
            return np.zeros_like(self.analytic), self.given.rounding(self.rng), 1.0
        weights = list(self.weights)
        here, peak = self.subject.rounding(weights, self.rng, from_here=True)
        next_to_it, _ = self.subject.rounding(weights, self.rng)
        return here, next_to_it, peak

    def compare_forward(self) -> None:
        """Compare forward mode with the numerical derivative along random directions."""
        for k in range(PROJECTIONS):
            u = self.rng.choice([-1.0, 1.0], self.subject.x.size)
            (_, pushed), derivative = self.subject.push(u), self.slope.along(u)
            self.report.add(
                self._entry_of_forward_mode(k, column, float(a), u, derivative)
                for column, a in enumerate(self.weights @ pushed)
            )

    def _entry_of_forward_mode(
        self, k: int, column: int, a: float, u: Vector, derivative: Derivative
    ) -> Entry:
        if self.slope.too_coarse(u, abs(a)):
            derivative = self.slope.by_differences(u)
        ruling = self._judge(a, derivative, column, u)
        n = float(self.weights[column] @ derivative.value)
        where = f"along direction {k + 1}"
        return Entry("forward mode", where, f"output {column}", a, n, *ruling)

    def finish(self) -> Report:
        """Look at what every check must leave as it was, and return the report."""
        subject, known = self.subject, self.report.identities
        again = np.array(subject.value(subject.x))
        known["the function gives the same again"] = (
            "" if again.tobytes() == self.output.tobytes() else "it gives something else afterwards"
        )
        if self.given:
            same = np.array_equal(self.given(subject.x), self.analytic, equal_nan=True)
            known["a second call equals the first"] = "" if same else "they differ"
        spoilt = subject.written or (self.given and self.given.written)
        known["inputs are left alone"] = "they were written to" if spoilt else ""
        self.report.coverage += subject.left_out
        self.report.evaluations += subject.evaluations
        return self.report


def _deterministic_output(subject: Subject) -> Vector:
    if subject.draws_from_global_generators():
        subject.replay_global_generators()
    first, second = (np.array(subject.value(subject.x)) for _ in range(2))
    if first.tobytes() != second.tobytes():
        raise GradcheckError(
            "the function gave two different results for the same inputs, so no difference of its "
            "values means anything. Draw randomness from a generator that the function or model "
            "holds on to (it is set back before every evaluation), or switch dropout off: eval()."
        )
    if not np.isfinite(first).all():
        raise GradcheckError("the function is not finite here, so it has no gradient to check")
    return first
