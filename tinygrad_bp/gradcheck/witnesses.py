"""Two witnesses of a function's slope: the complex step, exact, and differences, hard to fool.

A complex step says 0 where the function throws the imaginary part away or lets it underflow, and
it says so to any number of digits. So differences are asked as well, along random directions, and
where the two disagree, they decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.gradcheck.complex_step import RELATIVE_STEP, STEP, Perturbed
from tinygrad_bp.gradcheck.numerical import (
    FEWER,
    LEVELS,
    Derivative,
    by_complex_step,
    by_differences,
    goes_through,
)
from tinygrad_bp.gradcheck.subject import Subject
from tinygrad_bp.modes import no_grad

__all__ = ["FEWER", "RTOL", "Along", "Testimony", "Witnesses"]

Vector = np.ndarray[Any, Any]
Along: TypeAlias = int | Vector
"""One entry of all inputs laid end to end, or a direction."""

RTOL = {"complex step": 1e-10, "differences": 1e-7}
TINY = float(np.finfo(float).tiny)
SHARP = 1e-3  # an error bar relative to the value up to which differences can contradict


@dataclass(slots=True)
class Testimony:
    """What differences say along one direction."""

    name: str  # of the input that moves
    direction: Vector
    slope: Derivative


class Witnesses:
    """Slopes of the subject by the best method that it allows, and by differences."""

    def __init__(self, subject: Subject, method: str, output: Vector) -> None:
        self.subject = subject
        self.finite = np.isfinite(output).ravel()
        self.relative = False  # whether the complex step is in proportion to the inputs
        self.method = "differences" if method == "differences" else "complex step"
        self.alone = method != "auto"  # the user has chosen
        self.dismissed = ""  # which witness was not believed, and why
        self.kinked: set[str] = set()  # inputs with kinks that the complex step does not see
        if method == "auto" and not self._goes_through():
            self.relative = True
            if not self._goes_through():
                self.method = "differences"

    @property
    def rtol(self) -> float:
        """How exact the method is, relative to the derivative."""
        return RTOL[self.method]

    def along(self, along: Along, weights: Vector, x: Vector | None = None) -> Derivative:
        """Return the derivative of weighted sums of outputs by one entry or along a direction."""
        x = self.subject.x if x is None else x
        if self.method == "differences":
            return self.by_differences(along, weights, x)
        with no_grad():  # for all evaluations at once
            found = by_complex_step(self._value, x, along, self._step(along, x))
        return self._finite(found).weighted(weights)

    def _step(self, along: Along, x: Vector) -> float:
        """The complex step: one for all, or in proportion to the smallest input that it moves."""
        if not self.relative:
            return STEP
        moved = (
            x[along : along + 1] if isinstance(along, int) else x[along != 0] / along[along != 0]
        )
        size = np.abs(moved)
        return max(RELATIVE_STEP * float(np.min(size[size > 0], initial=1.0)), TINY)

    def by_differences(
        self,
        along: Along,
        weights: Vector,
        x: Vector | None = None,
        levels: tuple[int, int] = LEVELS,
    ) -> Derivative:
        """Return the derivative by differences, whatever the method is otherwise.

        Of a few sums of many outputs, the sums are what is followed: the error bars of all their
        terms, added up, would be far too wide.
        """
        x = self.subject.x if x is None else x
        sums = len(weights) < self.finite.size and bool(self.finite.all())
        with no_grad():
            if sums:
                found = by_differences(lambda flat: weights @ self._flat(flat), x, along, levels)
            else:
                whole = by_differences(self._value, x, along, levels)
                found = self._finite(whole).weighted(weights)
        found.error = found.error + RTOL["differences"] / 4 * np.abs(found.value)
        return found

    def _flat(self, flat: Vector) -> Vector:
        return np.ravel(np.asarray(self._value(flat), float))

    def _value(self, flat: Any) -> Any:
        """The function's value; nan where a step has left its domain.

        There it raises, or gives something of another size, as real eigenvalues that turn complex.
        """
        try:
            value = self.subject.value(flat)
        except Exception:  # whatever a function of the user's raises there
            return np.full(self.finite.size, np.nan)
        alike = isinstance(value, Perturbed) or np.size(value) == self.finite.size
        return value if alike else np.full(self.finite.size, np.nan)

    def _finite(self, found: Derivative) -> Derivative:
        """Outputs that are not finite at the point have no slope, and no say."""
        if not self.finite.all() and found.value.size == self.finite.size:
            for part in (found.value, found.error, found.left, found.right):
                if part is not None:
                    part[~self.finite] = 0.0
        return found

    def hear(self, directions: Sequence[tuple[str, Vector]], weights: Vector) -> bool:
        """Ask differences along some directions, and return whether they change anything.

        Where they contradict the complex step, another step is tried, and then they decide.
        """
        if self.alone or self.method == "differences":
            return False
        told = [
            Testimony(name, u, self.by_differences(u, weights, levels=FEWER))
            for name, u in directions
        ]
        for self.relative in (False, True):
            if not self._goes_through():
                continue
            self.kinked.clear()
            reasons = [reason for t in told if (reason := self._contradicted(t, weights))]
            if not reasons:
                return self.relative or bool(self.kinked)
            self.dismissed = f"the complex step is not believed: {reasons[0]}"
        self.method = "differences"
        return True

    def _goes_through(self) -> bool:
        x = self.subject.x
        return goes_through(self._through, x, self._step(np.ones_like(x), x))

    def _through(self, flat: Any) -> Any:
        return np.where(self.finite, np.ravel(self.subject.value(flat)), 0.0)

    def _contradicted(self, testimony: Testimony, weights: Vector) -> str:
        """Say where differences contradict the complex step, "" if nowhere."""
        exact, slope = self.along(testimony.direction, weights), testimony.slope
        if slope.left is not None and exact.left is None:
            self.kinked.add(testimony.name)
        allowed = [slope.value, *(side for side in (slope.left, slope.right) if side is not None)]
        gaps = np.min([np.abs(exact.value - value) for value in allowed], axis=0)
        size = np.maximum(np.abs(exact.value), np.abs(slope.value))
        sharp = slope.error <= SHARP * np.abs(slope.value)  # others cannot tell
        against = sharp & ~(gaps <= 4 * slope.error + RTOL["differences"] * size)
        if not against.any():
            return ""
        k = int(np.argmax(against))
        return (
            f"along '{testimony.name}' it says {exact.value[k]:.6g}, and differences say "
            f"{slope.value[k]:.6g} ± {slope.error[k]:.1e}"
        )
