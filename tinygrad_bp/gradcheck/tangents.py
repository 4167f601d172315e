"""A Jacobian-vector product that somebody wrote, turned round to be checked as others are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_bp.gradcheck.holders import leaves
from tinygrad_bp.gradcheck.kept import Arrivals, Kept
from tinygrad_bp.gradcheck.layouts import LAYOUTS, Layout, as_it_is
from tinygrad_bp.gradcheck.subjects import complex_of, kind_of, pairs_of

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
        self.kept = Kept()
        self.arrivals = Arrivals()

    def __call__(self, g: Any, *inputs: Any) -> list[Vector]:
        """Return what each floating-point input receives: the columns' products with `g`."""
        arriving = np.concatenate([np.ravel(part) for part in leaves(g)])
        return _cut(np.real(self._jacobian(inputs) @ np.conj(arriving)), inputs)

    def linear(self, inputs: tuple[Any, ...], rng: np.random.Generator) -> str:
        """Say how the product is not linear in the tangent, "" if it is."""
        jacobian = self._jacobian(inputs)
        t = rng.standard_normal(len(jacobian))
        slack = LINEAR * (np.abs(t) @ np.abs(jacobian))
        for scale in (2.0**-100, -1.0, 1.0, 2.0**100):
            gap = np.abs(self._along(scale * t, inputs) / scale - t @ jacobian)
            if (gap > slack).any():
                return f"scaled by {scale:.3g}, they differ by {gap.max():.3g}"
        for name, layout in LAYOUTS.items():
            gap = np.abs(self._along(t, inputs, layout) - t @ jacobian)
            if (gap > slack).any():
                return f"{name}, they differ by {gap.max():.3g}"
        return ""

    def _jacobian(self, inputs: tuple[Any, ...]) -> Vector:
        """The derivatives along every entry, as rows; kept while inputs and layout are the same.

        Complex entries have two, along the real and the imaginary part.
        """
        arrays = [np.asarray(leaf) for leaf in leaves(inputs)]
        point = b"".join(a.tobytes() + repr(a.strides).encode() for a in arrays)
        if point not in self._columns:
            entries = sum(pairs_of(np.asarray(leaf)).size for leaf in _moving(inputs))
            self._columns = {point: np.array([self._along(t, inputs) for t in np.eye(entries)])}
        return self._columns[point]

    def _along(self, flat: Vector, inputs: tuple[Any, ...], layout: Layout = as_it_is) -> Vector:
        """The derivative of all outputs along one tangent, which is laid out flat as they are."""
        tangents = _cut(flat, inputs)

        def push(first: Vector) -> Any:
            return self._jvp((first, *tangents[1:]) if len(tangents) > 1 else first, *inputs)

        moved = leaves(self.arrivals.call(push, layout(tangents[0])))
        self.kept.look(moved)
        return np.concatenate([1.0 * np.ravel(part) for part in moved])


def _moving(inputs: tuple[Any, ...]) -> list[Any]:
    return [leaf for leaf in leaves(inputs) if kind_of(leaf) in "fc"]


def _cut(flat: Vector, inputs: tuple[Any, ...]) -> list[Vector]:
    """A flat vector as arrays in the shapes of the floating-point inputs."""
    arrays = [np.asarray(leaf) for leaf in _moving(inputs)]
    shapes = [pairs_of(a).shape for a in arrays]
    parts = np.split(flat, np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1])
    shaped = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    return [
        complex_of(part) if np.iscomplexobj(a) else part
        for part, a in zip(shaped, arrays, strict=True)
    ]
