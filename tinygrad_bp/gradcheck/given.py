"""A gradient function that a user has written, as a function of one flat vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_bp.containers import leaves
from tinygrad_bp.errors import GradcheckError
from tinygrad_bp.gradcheck.numerical import EPS
from tinygrad_bp.gradcheck.subject import Subject

__all__ = ["Given"]

Vector = np.ndarray[Any, Any]


class Given:
    """A gradient function of the user, as a function of the flat vector of all inputs.

    Raises `GradcheckError` when it is called if it does not give one array for each input.
    """

    def __init__(
        self, gradient: Callable[..., Any], inputs: tuple[Any, ...], subject: Subject
    ) -> None:
        self._gradient = gradient
        self._inputs = inputs
        self._subject = subject
        self.written = False  # whether it ever wrote to its inputs

    def __call__(self, flat: Vector) -> Vector:
        """Return the gradient at a flat vector, as a row."""
        subject = self._subject
        arrays = subject.split(flat.copy())
        found = self._gradient(*subject.arguments(self._inputs, arrays))
        self.written |= not np.array_equal(np.concatenate([a.ravel() for a in arrays]), flat)
        parts = leaves(found)
        shapes = [np.shape(p) for p in parts]
        if shapes != subject.shapes:
            raise GradcheckError(
                f"the gradient function gave shapes {shapes}, the inputs have {subject.shapes}"
            )
        return np.concatenate([np.asarray(p, float).ravel() for p in parts])[None]

    def rounding(self, rng: np.random.Generator) -> Vector:
        """Return how far the gradient moves when the inputs move by up to an ulp."""
        x = self._subject.x
        moved = [self(x * (1 + EPS * rng.uniform(-1, 1, x.size))) for _ in range(3)]
        result: Vector = np.max(np.abs(np.array(moved) - self(x)), axis=0)
        return result
