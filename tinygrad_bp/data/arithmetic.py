"""exp, log, sine and sums that give the same bits on every processor.

NumPy's own differ in the last bits: its exp, log and sine have a version for each width of vector
registers, matrix products add in an order that suits the cache, and the C library has its say.
What IEEE 754 defines to the last bit is + - * / and the square root, comparisons and rounding to
integers, and NumPy does those elementwise, one rounding each. Everything here is made of them, in
an order that is written down, on float64.

Sums of products need no order if they are exact: whole numbers in float64 whose sum stays below
2 ** 53 come out of every matrix product the same, whatever it adds first.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["exp", "log", "sine", "total"]

Doubles: TypeAlias = NDArray[np.float64]

LOG2_E = 1.4426950408889634  # 1 / ln 2
# ln 2 in two parts (fdlibm's e_exp.c): the first has so few bits that multiples of it are exact.
LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10


def _taylor(first: float, factors: Iterable[float]) -> list[float]:
    """Return coefficients of which each is the one before it, times a factor."""
    coefficients = [first]
    for factor in factors:
        coefficients.append(coefficients[-1] * factor)
    return coefficients


EXP = _taylor(1.0, (1 / n for n in range(1, 12)))  # x^n / n!
SINE = _taylor(
    2 * math.pi, (-4 * math.pi * math.pi / (n * (n + 1)) for n in range(2, 18, 2))
)  # of 2 pi t, for odd powers of t
LOG = [2 / n for n in range(1, 18, 2)]  # log((1 + s) / (1 - s)), for odd powers of s


def _polynomial(x: Doubles, coefficients: Sequence[float]) -> Doubles:
    """Return the sum of coefficients[n] * x ** n, by Horner's scheme."""
    y = coefficients[-1] * x
    for coefficient in coefficients[-2:0:-1]:
        y += coefficient
        y *= x
    y += coefficients[0]
    return y


def exp(x: Doubles) -> Doubles:
    """Return e to the power of each element, from -700 to 700, to 1e-14 of it.

    >>> exp(np.array([0.0, 1.0])).round(9).tolist()
    [1.0, 2.718281828]
    """
    n = np.rint(x * LOG2_E)
    rest = x - n * LN2_HIGH
    rest -= n * LN2_LOW
    power: Doubles = np.ldexp(_polynomial(rest, EXP), n.astype(np.intc))
    return power


def log(x: Doubles) -> Doubles:
    """Return the natural logarithm of each element, positive and normal, to 1e-13.

    >>> log(np.array([1.0, 10.0])).round(9).tolist()
    [0.0, 2.302585093]
    """
    mantissa, exponent = np.frexp(x)  # from 1/2 to below 1
    small = mantissa < 0.7071
    mantissa += mantissa * small
    exponent = exponent - small
    s: Doubles = (mantissa - 1) / (mantissa + 1)
    return s * _polynomial(s * s, LOG) + exponent * LN2_LOW + exponent * LN2_HIGH


def sine(turns: Doubles) -> Doubles:
    """Return the sine of 2 pi times each element, to 1e-13.

    >>> sine(np.array([0.0, 1 / 12, 0.25, 1000.75])).round(9).tolist()
    [0.0, 0.5, 1.0, -1.0]
    """
    t = turns - 0.25
    t -= np.rint(t)  # the cosine of 2 pi t is wanted now, from -1/2 to 1/2
    t = 0.25 - np.abs(t)  # the sine again, from -1/4 to 1/4
    return t * _polynomial(t * t, SINE)


def total(x: Doubles) -> Doubles:
    """Return the sum over the first axis, from its beginning to its end.

    >>> total(np.arange(6.0).reshape(3, 2)).tolist()
    [6.0, 9.0]
    """
    return functools.reduce(np.add, x)
