"""Numerical derivatives of a subject, each by the best method that it allows."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.gradcheck.complex_step import SAFE
from tinygrad_bp.gradcheck.numerical import (
    Derivative,
    by_complex_step,
    by_differences,
    goes_through,
)
from tinygrad_bp.gradcheck.subject import Subject

__all__ = ["Along", "Derivatives", "Slope"]

Vector = np.ndarray[Any, Any]
Along: TypeAlias = int | Vector
"""One entry of all inputs laid end to end, or a direction."""

RTOL = {"complex step": 1e-10, "differences": 1e-7}


class Slope:
    """Numerical derivatives of the subject along directions, by the best method it allows."""

    def __init__(self, subject: Subject, method: str, output: Vector) -> None:
        self.subject = subject
        self.outputs = output.size
        self.method = "differences" if method == "differences" else "complex step"
        underflows = 0 < np.abs(output).max(initial=0.0) < SAFE[1]
        if method == "auto" and (underflows or not goes_through(subject.value, subject.x)):
            self.method = "differences"

    @property
    def rtol(self) -> float:
        """How exact the method is, relative to the derivative."""
        return RTOL[self.method]

    def along(self, along: Along) -> Derivative:
        """Return the derivative of all outputs by one entry or along a direction."""
        by = by_complex_step if self.method == "complex step" else by_differences
        return by(self.subject.value, self.subject.x, along)

    def too_coarse(self, along: Along, size: float) -> bool:
        """Whether the complex step is too large for so small an input, or underflows."""
        moved = np.abs(self.subject.x[along if isinstance(along, int) else along != 0])
        near, small = SAFE
        tiny = np.any((moved > 0) & (moved < near))
        return self.method == "complex step" and bool(tiny or 0 < size < small)

    def by_differences(self, along: Along) -> Derivative:
        """Return the derivative by differences, whatever the method is otherwise."""
        found = by_differences(self.subject.value, self.subject.x, along)
        found.error = found.error + RTOL["differences"] / 4 * np.abs(found.value)
        return found


class Derivatives:
    """Derivatives of all outputs along many directions, as arrays (directions, outputs)."""

    def __init__(self, rows: list[Derivative], outputs: int) -> None:
        self.rows = rows
        self.values = np.array([r.value for r in rows]).reshape(len(rows), outputs)
        self.errors = np.array([r.error for r in rows]).reshape(len(rows), outputs)
        self.plain = np.array([r.left is None for r in rows], bool)  # no tie on the way
