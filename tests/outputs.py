"""A function of a user's with two outputs that both take a gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.registry import primitive, rule


@primitive
def polar(x: Any, y: Any) -> Any:
    """Return the distance from the origin and the angle."""
    return np.hypot(x, y), np.arctan2(y, x)


rule(
    polar,
    vjp=(
        lambda g, y, a, b: g[0] * a / y[0] - g[1] * b / y[0] ** 2,
        lambda g, y, a, b: g[0] * b / y[0] + g[1] * a / y[0] ** 2,
    ),
    jvp=(
        lambda t, y, a, b: (t * a / y[0], -t * b / y[0] ** 2),
        lambda t, y, a, b: (t * b / y[0], t * a / y[0] ** 2),
    ),
    broadcasts=True,
)
