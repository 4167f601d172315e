"""PyTorch's methods that multiply, invert and measure matrices."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from tinygrad_bp.methods.calls import Calls

__all__ = ["ProductMethods"]

_TERMS = 18  # 2^-19 / 19! is below the last digit


class ProductMethods(Calls):
    """Products, determinants, inverses, distances."""

    __slots__ = ()

    def addbmm(self, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Self:
        """Return beta * self + alpha * Σ batch1[i] @ batch2[i]."""
        return beta * self + alpha * np.sum(batch1 @ batch2, axis=0)

    def baddbmm(self, batch1: Any, batch2: Any, *, beta: Any = 1, alpha: Any = 1) -> Self:
        """Return beta * self + alpha * (batch1 @ batch2), matrix by matrix."""
        return beta * self + alpha * (batch1 @ batch2)

    def addr(self, vec1: Any, vec2: Any, *, beta: Any = 1, alpha: Any = 1) -> Self:
        """Return beta * self + alpha * (the products of all elements of two vectors)."""
        return beta * self + alpha * np.outer(vec1, vec2)

    def ger(self, vec2: Any) -> Self:
        """Return the products of every element with every element of another vector: `outer`."""
        return self._as_written(np.outer, vec2)

    def vdot(self, other: Any) -> Self:
        """Return the sum of products of two vectors, the first one conjugated."""
        return self._as_written(np.vdot, other)

    def cross(self, other: Any, dim: int | None = None) -> Self:
        """Return the cross products of vectors along an axis, the first of length 3 by default."""
        shape = np.broadcast_shapes(self.shape, np.shape(other))
        axis = shape.index(3) - len(shape) if dim is None else dim
        return self._as_written(np.linalg.cross, other, axis=axis)

    @property
    def H(self) -> Self:  # noqa: N802  (PyTorch's name)
        """The conjugate transpose of a matrix."""
        return self.mH

    @property
    def mH(self) -> Self:  # noqa: N802
        """The conjugate transpose of the last two axes; a number stays as it is."""
        x: Any = self
        return x.mT.conj() if x.ndim else x.conj()

    def det(self) -> Self:
        """Return the determinant."""
        return self._as_written(np.linalg.det)

    def logdet(self) -> Self:
        """Return the logarithm of the determinant; nan where that is negative.

        Of complex matrices it is complex, as in PyTorch.
        """
        sign, size = self._as_written(np.linalg.slogdet)
        if sign.dtype.kind == "c":
            found: Self = size + 1j * np.angle(sign)
            return found
        return self._call(np.where, (sign < 0, math.nan, size))

    def slogdet(self) -> Any:
        """Return the determinant's sign and the logarithm of its magnitude."""
        return self._as_written(np.linalg.slogdet)

    def inverse(self) -> Self:
        """Return the inverse matrix."""
        return self._as_written(np.linalg.inv)

    def pinverse(self, rcond: Any = None) -> Self:
        """Return the pseudo-inverse; NumPy's default says which singular values count as 0."""
        return self._as_written(np.linalg.pinv, **({} if rcond is None else {"rcond": rcond}))

    def matrix_power(self, n: int) -> Self:
        """Return the matrix multiplied by itself, n times in all."""
        return self._as_written(np.linalg.matrix_power, n)

    def matrix_exp(self) -> Self:
        """Return the exponential of matrices, Σ Aⁿ / n!.

        The sum is taken of A / 2^s, which is small, and squared s times. Source: Moler and Van
        Loan, Nineteen Dubious Ways to Compute the Exponential of a Matrix, 2003, method 3.
        """
        x: Any = self
        size = float(np.max(np.sum(np.abs(self._value), axis=-1), initial=0))
        squarings = max(math.ceil(math.log2(size)) + 1, 0) if 0 < size < math.inf else 0
        x = x * 2.0**-squarings
        one = np.eye(self.shape[-1], dtype=self.dtype)
        y = one + x * (1 / _TERMS)
        for n in range(_TERMS - 1, 0, -1):
            y = one + x @ y * (1 / n)
        for _ in range(squarings):
            y = y @ y
        return y

    def cholesky(self, upper: bool = False) -> Self:  # noqa: FBT001, FBT002
        """Return the lower triangle L with L Lᵀ the matrix, or its transpose."""
        y = self._as_written(np.linalg.cholesky)
        return y.mH if upper else y

    def cholesky_inverse(self, upper: bool = False) -> Self:  # noqa: FBT001, FBT002
        """Return the inverse of L Lᵀ, from the lower triangle L; from an upper one, of Uᵀ U."""
        x: Any = self
        inverse: Any = np.linalg.inv(np.triu(x) if upper else np.tril(x))
        return inverse @ inverse.mH if upper else inverse.mH @ inverse

    def cholesky_solve(self, L: Any, upper: bool = False) -> Self:  # noqa: FBT001, FBT002
        """Return the solution X of L Lᵀ X = self; of an upper triangle, of Uᵀ U X = self."""
        lower: Any = np.swapaxes(np.conj(np.triu(L)), -1, -2) if upper else np.tril(L)
        half = self._call_as_written(np.linalg.solve, (lower, self), {})
        other = np.swapaxes(np.conj(lower), -1, -2)
        return self._call_as_written(np.linalg.solve, (other, half), {})

    def triangular_solve(
        self,
        A: Any,
        upper: bool = True,  # noqa: FBT001, FBT002
        transpose: bool = False,  # noqa: FBT001, FBT002
        unitriangular: bool = False,  # noqa: FBT001, FBT002
    ) -> tuple[Self, Any]:
        """Return the solution X of A X = self, of which one triangle is read, and A.

        With `transpose`, of Aᵀ X = self. `functional.solve_triangular` is the newer name.
        """
        inside = int(unitriangular)
        triangle: Any = np.triu(A, inside) if upper else np.tril(A, -inside)
        if unitriangular:
            triangle = triangle + np.eye(self.shape[-2], dtype=self.dtype)
        if transpose:
            triangle = np.swapaxes(triangle, -1, -2)
        return self._call_as_written(np.linalg.solve, (triangle, self), {}), A

    def dist(self, other: Any, p: float = 2) -> Self:
        """Return the p-norm of the difference."""
        return self._as_written(np.subtract, other).norm(p)

    def renorm(self, p: float, dim: int, maxnorm: float) -> Self:
        """Return the slices along an axis, those with a larger p-norm scaled down to maxnorm."""
        x: Any = self
        dim = range(x.ndim)[dim]
        size = x.norm(p, tuple(a for a in range(x.ndim) if a != dim), keepdim=True)
        large = size > maxnorm
        return x * np.where(large, maxnorm / (np.where(large, size, 1) + 1e-7), 1)

    def cov(self, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Self:
        """Return the covariances of the rows, each column an observation; PyTorch's arguments."""
        return self._as_written(np.cov, ddof=correction, fweights=fweights, aweights=aweights)

    def corrcoef(self) -> Self:
        """Return the correlations of the rows, each column an observation."""
        return self._as_written(np.corrcoef)
