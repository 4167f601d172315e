"""What every study measures: scalars, and the order of an error."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.errors import GradcheckError

__all__ = ["finite", "order", "scalar"]

Vector = np.ndarray[Any, Any]


def order(h: Vector, error: Vector) -> float:
    """Return the median slope between points in doubly logarithmic scale: outliers do not move it.

    It is nan for fewer than four points.

    Source: Sen, Estimates of the Regression Coefficient Based on Kendall's Tau (1968).
    """
    if h.size < 4:
        return float("nan")
    a, b = np.triu_indices(h.size, 1)
    x, y = np.log(h), np.log(error)
    return float(np.median((y[b] - y[a]) / (x[b] - x[a])))


def finite(value: float) -> float | None:
    """Return a number for JSON, which has no nan and no inf."""
    return value if np.isfinite(value) else None


def scalar(value: Any) -> float:
    """Return the only number of an array. Raises `GradcheckError` if there are more."""
    if np.size(value) != 1:
        raise GradcheckError(
            f"the function gave an array of shape {np.shape(value)}; a study needs a scalar, such "
            "as its sum"
        )
    return float(np.asarray(value).item())
