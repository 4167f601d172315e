"""The table of specs: norms, inverses, equations and decompositions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from specs.calls import NEW, Apart, Array, Complex, Draw, Shape, Spec, call, nonzero, reduction, x
from tinygrad_bp import rules as own


def _cofactors_along(a: Array, *directions: Array) -> Array:
    """By differences, which are exact for polynomials up to the second degree."""
    if not directions:
        return np.linalg.det(a)[..., None, None] * np.swapaxes(np.linalg.inv(a), -1, -2)
    *earlier, last = directions
    ahead, behind = (_cofactors_along(a + side * last, *earlier) for side in (1, -1))
    return (ahead - behind) / 2


@dataclass(frozen=True)
class Diagonal:
    """Far from singular: 4, 6, 8, ... on the diagonal, and beside it up to `beside`, but not 0."""

    beside: float = 0.7
    rows: int = 0  # of the matrix that a tensor stands for

    def draw(self, rng: np.random.Generator, shape: Shape) -> Array:
        values = rng.uniform(0.5, 1, shape) * rng.choice([-1, 1], shape) * self.beside
        if self.rows:
            values = values.reshape(self.rows, -1)
        matrix = values + np.eye(*values.shape[-2:]) * (4 + 2 * np.arange(values.shape[-1]))
        return matrix.reshape(shape)

    @property
    def number(self) -> float:
        return 4.0


def m(*shape: int, layout: str = "", beside: float = 0.7, rows: int = 0) -> Draw:
    return Draw(shape, Diagonal(beside, rows), layout)  # type: ignore[arg-type]


@dataclass(frozen=True)
class ComplexDiagonal(Complex):
    """Complex numbers, with a diagonal as in `Diagonal`."""

    beside: float = 0.7

    def draw(self, rng: np.random.Generator, shape: Shape) -> Array:
        imaginary = rng.uniform(0.5, 1, shape) * self.beside
        return Diagonal(self.beside).draw(rng, shape) + 1j * imaginary


def c(*shape: int, beside: float = 0.7) -> Draw:
    return Draw(shape, ComplexDiagonal(beside=beside))


@dataclass(frozen=True)
class Turning:
    """A real matrix with complex eigenvalues."""

    number = 1.0

    def draw(self, rng: np.random.Generator, shape: Shape) -> Array:
        return rng.uniform(-0.5, 0.5, shape) + np.array([[2.0, 3.0], [-4.0, 1.0]])


def far(*shape: int) -> Draw:
    """No two sizes are near, nor near 0."""
    return Draw(shape, Apart(1))


square = [call(m(3, 3)), call(m(2, 2, 2)), call(m(1, 1)), call(m(0, 2, 2)),
          call(m(3, 3, layout="transposed"))]  # fmt: skip
stretched = [call(m(3, 2)), call(m(2, 3)), call(m(2, 3, 2)), call(m(2, 2, layout="transposed"))]


def with_options(calls: list[Any], **options: Any) -> list[Any]:
    return [call(*args, **options) for args, _ in calls]


turning = Draw((2, 2), Turning())

# fmt: off

MATRICES = [
    reduction(
        np.linalg.norm, nonzero,
        *(call(far(5), o) for o in (2.0, 1, 3, 2.5, math.inf, -math.inf, -1)),
        *(call(m(3, 2, beside=0.3), o) for o in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)),
        call(c(2, 2)), call(c(2, 2), "nuc"), call(c(2, 2), 3, axis=0),
        *(call(m(2, 2, 3, beside=0.3), ord=o, axis=(-1, 1), keepdims=True) for o in (1, 2, "f")),
        call(far(3, 2), 3, axis=0), call(far(3, 2), axis=1, ord=1, keepdims=True),
        axes=(None, 0, -1, (0, 2), (1,)), empty=True,
    ),
    reduction(
        np.linalg.vector_norm, nonzero,
        *(call(far(2, 3), ord=o) for o in (2.0, 1, 3, 0.5, math.inf, -math.inf, -2)),
        call(far(2, 3), axis=-1, ord=3, keepdims=True), call(far(2, 1, 2), axis=(0, 2), ord=1),
        empty=True,
    ),
    Spec(
        np.linalg.matrix_norm,
        *(call(m(3, 2, beside=0.3), ord=o) for o in ("fro", "nuc", 1, -1, 2, -2)),
        *(call(m(3, 2, beside=0.3), ord=o) for o in (math.inf, -math.inf)),
        call(m(2, 2, 2), keepdims=True), call(m(2, 2, 2), ord=2, keepdims=True),
    ),
    Spec(np.linalg.inv, call(c(2, 2)), *square),
    Spec(np.linalg.det, call(c(2, 2)), *square),
    Spec(own.cofactors, call(c(2, 2)), *(call(m(*s)) for s in ((3, 3), (1, 1), (0, 3, 3)))),
    Spec(
        own.cofactors_along,
        call(m(3, 3), x(3, 3)), call(m(3, 3), x(3, 3), x(3, 3)), call(m(2, 3, 3), x(2, 3, 3)),
        call(c(3, 3), x(3, 3)), call(m(1, 1), x(1, 1)),
        reference=_cofactors_along,
    ),
    Spec(np.linalg.slogdet, call(c(2, 2)), call(c(2, 1, 1)), *square),
    Spec(
        np.linalg.solve,
        call(c(2, 2), x(2)), call(m(2, 2), c(2, 2)),
        call(m(3, 3), x(3)), call(m(3, 3), x(3, 2)), call(m(2, 3, 3), x(3)), call(m(1, 1), x(1)),
        call(m(2, 1, 2, 2), x(2, 2, 1)), call(m(2, 2, layout="transposed"), [1.0, 2.0]),
        call(np.eye(2) * 2, x(2, 0)), call(m(2, 2), x(2, 2, 1)),
    ),
    Spec(np.linalg.matrix_power, call(c(2, 2), -1),
         *(call(m(2, 2, beside=0.3), n) for n in (0, 1, 2, 3, -1, -2)),
         call(m(2, 2, 2, beside=0.3), 5)),
    Spec(
        np.linalg.multi_dot,
        call([x(2, 3), x(3, 2)]), call([x(3), x(3)]), call([x(2), x(2, 3), x(3, 2)]),
        call([x(2, 3), x(3, 1), x(1, 3), x(3)]), call([x(2, 2), np.eye(2), x(2, 2)]),
    ),
    Spec(np.linalg.tensorinv, call(m(3, 3), ind=1), call(m(2, 2, 4, rows=4), 2),
         call(m(4, 2, 2, rows=4), 1)),
    Spec(np.linalg.tensorsolve, call(m(3, 3), x(3)), call(m(2, 2), x(2), axes=(0,)),
         call(m(2, 2, 4, rows=4), x(2, 2)), call(m(1, 3, 3), x(3), axes=(0,))),
    # Before 2.1 NumPy gives a complex number for the condition of a complex matrix.
    Spec(np.linalg.cond, *([call(c(2, 2), 1)] if NEW else []),
         *(call(m(2, 2), p) for p in (None, 2, -2, 1, math.inf, "fro", "nuc")),
         call(m(2, 3, 2)), call(m(2, 2, 2), -1)),
    Spec(np.linalg.pinv, call(c(3, 2)), call(c(2, 3)), *stretched,
         call(m(3, 2), 0.1), call(m(2, 3), rtol=None),
         call(m(2, 2), hermitian=True), call(m(2, 3, 2), np.array([0.1, 0.2]))),
    Spec(own.truncated_pinv, *(call(m(*s), rcond=0.7) for s in ((3, 3), (3, 2), (2, 3), (2, 2, 2))),
         call(c(3, 2), rcond=0.7), call(m(2, 3, 2), rcond=np.array([0.1, 0.8]))),
    Spec(own.least_squares, call(c(3, 2), x(3)), call(m(3, 2), c(3, 2)),
         call(m(3, 2), x(3)), call(m(2, 3), x(2, 2)), call(m(2, 2), x(2)),
         call(m(3, 2), x(3, 2)), call(m(3, 1), [1.0, 2.0, 3.0]), flat=(2,)),
    Spec(np.linalg.lstsq, call(m(3, 2), x(3)), call(m(2, 3), x(2, 2)), flat=(2,)),
    Spec(own.lower_factor, call(c(2, 2)), *square),
    Spec(np.linalg.cholesky, call(c(2, 2)), call(c(2, 2), upper=True), *square,
         *with_options(square[:2], upper=True)),
    Spec(np.linalg.qr, call(c(3, 2)), call(c(2, 3)), *stretched, *square,
         *with_options(stretched[:2], mode="r"),
         call(m(2, 3), "complete")),
    Spec(own.eigensystem, call(c(2, 2)), *square, *with_options(square[:2], UPLO="U"), flat=(1,)),
    Spec(own.eigenvectors, *square, *with_options(square[:2], UPLO="U"),
         completed=own.eigensystem),
    Spec(np.linalg.eigh, *square[:3], call(m(2, 2), "U")),
    Spec(np.linalg.eigvalsh, call(c(3, 3)), *square[:3], call(m(2, 2), "u")),
    *(Spec(f, *(call(v(2, 2, beside=0.2)) for v in (m, c)), call(m(2, 2, 2)), call(turning), **more)
      for f, more in (
          (own.general_eigensystem, {"flat": (1,)}),
          (own.general_eigenvectors, {"completed": own.general_eigensystem}),
          (np.linalg.eig, {}),
          (np.linalg.eigvals, {}),
      )),
    Spec(own.singular_system, call(c(3, 2)), call(c(2, 3)), *stretched, *square, flat=(1, 2)),
    Spec(own.singular_vectors, *stretched, *square, completed=own.singular_system),
    Spec(np.linalg.svd, call(m(2, 2)), *square[1:3], *with_options(stretched, full_matrices=False),
         call(m(3, 2), compute_uv=False), call(m(2, 2), hermitian=True),
         call(m(2, 2, 2), compute_uv=False, hermitian=True)),
    Spec(np.linalg.svdvals, call(c(2, 3)), *stretched[:3], square[1]),
]
