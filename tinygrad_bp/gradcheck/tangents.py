"""A Jacobian-vector product that somebody wrote, turned round to be checked as others are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_bp.gradcheck.holders import leaves
from tinygrad_bp.gradcheck.subjects import kind_of

__all__ = ["Transposed"]

Vector = np.ndarray[Any, Any]

LINEAR = 1e-11  # how far from linear in the tangent, relative to what comes out


class Transposed:
    """A vector-Jacobian product made of `jvp(t, *inputs)`, called once for every entry.

    >>> turned = Transposed(lambda t, x: t * np.cos(x))
    >>> turned(np.array([1.0, 2.0]), np.array([0.0, 0.0]))[0]
    array([1., 2.])
    """

    def __init__(self, jvp: Callable[..., Any]) -> None:
        self._jvp = jvp
        self._columns: dict[bytes, Vector] = {}  # of the last point

    def __call__(self, g: Any, *inputs: Any) -> list[Vector]:
        """Return what each floating-point input receives: the columns' products with `g`."""
        shapes = [np.shape(leaf) for leaf in leaves(inputs) if kind_of(leaf) in "fc"]
        sizes = [int(np.prod(shape)) for shape in shapes]
        arriving = np.concatenate([np.ravel(part) for part in leaves(g)])
        row = self._jacobian(inputs, shapes, sizes) @ arriving
        parts = np.split(row, np.cumsum(sizes)[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    def _jacobian(
        self, inputs: tuple[Any, ...], shapes: list[tuple[int, ...]], sizes: list[int]
    ) -> Vector:
        """The derivatives along every entry, as rows; kept for as long as the inputs are equal."""
        point = b"".join(np.asarray(leaf).tobytes() for leaf in leaves(inputs))
        if point not in self._columns:
            rows = [self._along(unit, inputs, shapes, sizes) for unit in np.eye(sum(sizes))]
            self._columns = {point: np.array(rows)}
        return self._columns[point]

    def _along(
        self,
        unit: Vector,
        inputs: tuple[Any, ...],
        shapes: list[tuple[int, ...]],
        sizes: list[int],
    ) -> Vector:
        parts = np.split(unit, np.cumsum(sizes)[:-1])
        tangents = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        moved = self._jvp(tangents[0] if len(tangents) == 1 else tuple(tangents), *inputs)
        return np.concatenate([np.ravel(np.asarray(part, float)) for part in leaves(moved)])

    def linear(self, inputs: tuple[Any, ...], rng: np.random.Generator) -> str:
        """Say how the product is not linear in the tangent, "" if it is."""
        shapes = [np.shape(leaf) for leaf in leaves(inputs) if kind_of(leaf) in "fc"]
        sizes = [int(np.prod(shape)) for shape in shapes]
        t = rng.standard_normal(sum(sizes))
        jacobian = self._jacobian(inputs, shapes, sizes)
        slack = LINEAR * (np.abs(t) @ np.abs(jacobian))
        for scale in (2.0**-100, -1.0, 1.0, 2.0**100):
            along = self._along(scale * t, inputs, shapes, sizes) / scale
            gap = np.abs(along - t @ jacobian)
            if (gap > slack).any():
                return f"scaled by {scale:.3g}, they differ by {gap.max():.3g}"
        return ""
