"""How the error of one formula depends on the step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_bp.gradcheck.studies.measures import order
from tinygrad_bp.gradcheck.studies.methods import METHODS

__all__ = ["StepCurve"]

Vector = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class StepCurve:
    """The relative error of one formula in one precision, for every step."""

    method: str
    dtype: str
    h: Vector
    error: Vector

    @property
    def best(self) -> tuple[float, float]:
        """The step with the smallest error, and that error."""
        i = int(np.argmin(self.error))
        return float(self.h[i]), float(self.error[i])

    @property
    def truncating(self) -> Vector:
        """Where the truncation error is all there is: True for those steps."""
        h, least = self.best
        above = self.error > 8 * max(least, self._eps)
        return np.asarray((self.h > h) & above & (self.error < 0.1))

    @property
    def rounding(self) -> Vector:
        """Where rounding is all there is: True for those steps."""
        flat = METHODS[self.method].rounding == 0  # wherever the best step happens to be
        small = self.error < 30 * self._eps if flat else self.h < self.best[0] / 10
        return np.asarray(small & (self.error < 0.1))

    @property
    def truncation_slope(self) -> float:
        """The measured order of the truncation error; nan if too few steps show it."""
        return order(self.h[self.truncating], self.error[self.truncating])

    @property
    def rounding_slope(self) -> float:
        """The measured growth of the rounding error; nan if too few steps show it."""
        error = np.maximum(self.error[self.rounding], self._eps / 16)
        return order(self.h[self.rounding], error)

    @property
    def _eps(self) -> float:
        return float(np.finfo(self.dtype).eps)
