"""PyTorch's methods of the gamma function's family, which need SciPy; and the logit."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np

from tinygrad_bp.methods.calls import Calls

__all__ = ["GammaMethods"]


class GammaMethods(Calls):
    """Names that scipy.special has otherwise, or does not let tensors through to."""

    __slots__ = ()

    def lgamma(self) -> Self:
        """Return log |Γ(x)|, element by element."""
        return self._call(_special().gammaln, (self,))

    def digamma(self) -> Self:
        """Return the slope of log Γ(x), element by element."""
        return self._call(_special().digamma, (self,))

    def polygamma(self, n: int) -> Self:
        """Return the n-th derivative of digamma, element by element.

        It is (-1)^(n+1) n! ζ(n + 1, x), by https://dlmf.nist.gov/25.11.12.
        """
        if n == 0:
            return self.digamma()
        sign = -1.0 if n % 2 == 0 else 1.0
        zeta: Any = _special().zeta(float(n + 1), self)
        return sign * math.factorial(n) * zeta

    def mvlgamma(self, p: int) -> Self:
        """Return the logarithm of the multivariate gamma function of dimension p.

        It is log π p (p - 1) / 4 + Σ log Γ(x - j / 2) over j below p; https://dlmf.nist.gov/35.3.
        """
        total: Any = p * (p - 1) / 4 * math.log(math.pi)
        for j in range(p):
            total = total + self._call(
                _special().gammaln, (self._call(np.subtract, (self, j / 2)),)
            )
        return total

    def logit(self, eps: float | None = None) -> Self:
        """Return log(x / (1 - x)); with `eps`, of x limited to (eps, 1 - eps)."""
        x: Any = self if eps is None else self._as_written(np.clip, eps, 1 - eps)
        odds: Any = self._call(np.log, (x,)) - self._call(np.log1p, (-x,))
        return odds


def _special() -> Any:
    """Looked up when it is used: SciPy may not be there, and takes long to load."""
    try:
        from scipy import special
    except ImportError as error:
        raise ImportError(
            "methods of the gamma function's family need SciPy: pip install scipy"
        ) from error

    return special
