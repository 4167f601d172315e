"""Polynomials, as NumPy writes them: coefficients in a row, that of the highest power first."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.operands import beside
from tinygrad_bp.registry import Array, composite
from tinygrad_bp.rules.joining import stacked
from tinygrad_bp.rules.shaping import at_least


def _polyval(p: Array, x: Array) -> Array:
    """Horner's scheme."""
    y = np.zeros_like(x)
    for coefficient in p:
        y = y * x + coefficient
    return y


def _longer(a: Array, length: int) -> Array:
    """Put zeros before the coefficients."""
    zeros = np.zeros(max(length - a.shape[0], 0), dtype=a.dtype, like=beside(a))
    return np.concatenate([zeros, a]) if zeros.size else a


def _aligned(a1: Array, a2: Array) -> tuple[Array, Array]:
    first, second = at_least(1, a1), at_least(1, a2)
    length = max(first.shape[0], second.shape[0])
    return _longer(first, length), _longer(second, length)


def _polyadd(a1: Array, a2: Array) -> Array:
    first, second = _aligned(a1, a2)
    return first + second


def _polysub(a1: Array, a2: Array) -> Array:
    first, second = _aligned(a1, a2)
    return first - second


def _leading_zeros(a: Any, most: int) -> int:
    """How many coefficients come before the first that is not 0, at most so many."""
    return min(int(np.argmax(np.append(np.not_equal(a, 0), True))), most)


def _polymul(a1: Array, a2: Array) -> Array:
    """Every product of two coefficients goes to the place where their powers add up.

    The outer product's rows are shifted against each other, by writing them a little apart and
    reading them closer together, and then its columns are sums of one power. NumPy leaves out
    leading zeros, of the factors and not of the product.
    """
    first, second = _longer(at_least(1, a1), 1), _longer(at_least(1, a2), 1)
    m, n = first.size, second.size
    table = np.pad(np.expand_dims(first, 1) * second, ((0, 0), (0, m)))
    shifted = np.reshape(np.ravel(table)[: m * (m + n - 1)], (m, m + n - 1))
    left_out = _leading_zeros(first, m - 1) + _leading_zeros(second, n - 1)
    return np.sum(shifted, axis=0)[left_out:]


def _polyder(p: Array, *, m: int) -> Array:
    if m < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    for _ in range(m):
        p = p[:-1] * np.arange(p.size - 1, 0, -1, like=beside(p))
    return p


def _polyint(p: Array, *, m: int, k: Array | None) -> Array:
    """Each integration adds a constant of its own."""
    if m < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    constants = np.zeros(m) if k is None else at_least(1, stacked(k))
    constants = np.broadcast_to(constants, (m,)) if constants.size == 1 else constants
    if constants.ndim != 1 or constants.size < m:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    for i in range(m):
        p = np.concatenate([p / np.arange(p.size, 0, -1, like=beside(p)), constants[i : i + 1]])
    return p


def _polydiv(u: Array, v: Array) -> tuple[Array, Array]:
    """Long division, with NumPy's rounding; what is nearly 0 is left out before the rest."""
    rest, divisor = at_least(1, u) + 0.0, at_least(1, v) + 0.0
    scale, n = 1.0 / divisor[0], divisor.size
    digits = [0 * np.expand_dims(rest[0] + divisor[0], 0)]
    for k in range(rest.size - n + 1):
        digit = scale * rest[k]
        rest = np.concatenate([rest[:k], rest[k : k + n] - digit * divisor, rest[k + n :]])
        digits.append(np.expand_dims(digit, 0))
    nearly = _leading_zeros(np.abs(rest) > 1e-8, rest.size - 1)
    return np.concatenate(digits[1:] or digits), rest[nearly:]


def _polyfit(x: Array, y: Array, w: Array | None, *, deg: int) -> Array:
    """Least squares, with the powers of x scaled to length 1, as NumPy does it."""
    powers, values = np.vander(x, deg + 1), y
    if w is not None:
        powers = np.expand_dims(w, -1) * powers
        values = w * y if y.ndim == 1 else np.expand_dims(w, -1) * y
    lengths = np.sqrt(np.sum(np.square(powers), axis=0))
    scaled = np.linalg.lstsq(powers / lengths, values)[0]
    return scaled / (lengths if y.ndim == 1 else np.expand_dims(lengths, -1))


composite(np.polyval, _polyval)
composite(np.polyfit, _polyfit, arrays=("x", "y", "w"))
composite(np.polyadd, _polyadd)
composite(np.polysub, _polysub)
composite(np.polymul, _polymul)
composite(np.polyder, _polyder)
composite(np.polyint, _polyint)
composite(np.polydiv, _polydiv)
