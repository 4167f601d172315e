"""Functions that act on each element by itself."""

import math

import numpy as np

from tinygrad_bp.primitives import product, quotient
from tinygrad_bp.registry import Array, composite, elementwise

# fmt: off

# Arithmetic.
elementwise(np.add,         lambda g, y, a, b: g,
                            lambda g, y, a, b: g)
elementwise(np.subtract,    lambda g, y, a, b: g,
                            lambda g, y, a, b: -g)
elementwise(np.multiply,    lambda g, y, a, b: g * b,
                            lambda g, y, a, b: g * a)
elementwise(np.divide,      lambda g, y, a, b: quotient(g, b),
                            lambda g, y, a, b: -quotient(product(g, y), b))
elementwise(np.negative,    lambda g, y, x: -g)
elementwise(np.positive,    lambda g, y, x: g)
elementwise(np.reciprocal,  lambda g, y, x: -product(product(g, y), y))
elementwise(np.square,      lambda g, y, x: g * (2 * x))
elementwise(np.remainder,   lambda g, y, a, b: g,
                            lambda g, y, a, b: -g * np.floor_divide(a, b))
elementwise(np.fmod,        lambda g, y, a, b: g,
                            lambda g, y, a, b: -g * np.trunc(np.divide(a, b)))

# Powers and roots. Where b = 0 the slope b a^(b-1) is 0, without asking what 0^-1 is. An exponent
# that moves needs log(a), which a zero base does not have; y is 0 there, so any finite stand-in
# gives the right product. (It has y's dtype: a base that is a number must not become a float64.)
for _power in (np.power, np.float_power):
    elementwise(_power,     lambda g, y, a, b: b * product(g, np.power(
                                np.where(np.logical_and(a == 0, b == 0), 1, a), b - 1)),
                            lambda g, y, a, b: product(product(g, y), np.log(
                                np.where(a == 0, np.ones_like(y), a))))
elementwise(np.sqrt,        lambda g, y, x: quotient(g, 2 * y))
elementwise(np.cbrt,        lambda g, y, x: quotient(g, 3 * y * y))
elementwise(np.hypot,       lambda g, y, a, b: quotient(product(g, a), y),
                            lambda g, y, a, b: quotient(product(g, b), y))

# Exponentials and logarithms.
elementwise(np.exp,         lambda g, y, x: g * y)
elementwise(np.exp2,        lambda g, y, x: g * y * math.log(2))
elementwise(np.expm1,       lambda g, y, x: g * (y + 1))
elementwise(np.log,         lambda g, y, x: quotient(g, x))
elementwise(np.log2,        lambda g, y, x: quotient(g, x * math.log(2)))
elementwise(np.log10,       lambda g, y, x: quotient(g, x * math.log(10)))
elementwise(np.log1p,       lambda g, y, x: quotient(g, 1 + x))
elementwise(np.logaddexp,   lambda g, y, a, b: g * np.exp(a - y),
                            lambda g, y, a, b: g * np.exp(b - y))
elementwise(np.logaddexp2,  lambda g, y, a, b: g * np.exp2(a - y),
                            lambda g, y, a, b: g * np.exp2(b - y))

# Trigonometric and hyperbolic functions and their inverses.
elementwise(np.sin,         lambda g, y, x: g * np.cos(x))
elementwise(np.cos,         lambda g, y, x: -g * np.sin(x))
elementwise(np.tan,         lambda g, y, x: g * (1 + y * y))
elementwise(np.arcsin,      lambda g, y, x: quotient(g, np.sqrt((1 - x) * (1 + x))))
elementwise(np.arccos,      lambda g, y, x: -quotient(g, np.sqrt((1 - x) * (1 + x))))
elementwise(np.arctan,      lambda g, y, x: g / (1 + x * x))
elementwise(np.arctan2,     lambda g, y, a, b: quotient(product(g, b), a * a + b * b),
                            lambda g, y, a, b: -quotient(product(g, a), a * a + b * b))
elementwise(np.sinh,        lambda g, y, x: g * np.cosh(x))
elementwise(np.cosh,        lambda g, y, x: g * np.sinh(x))
elementwise(np.tanh,        lambda g, y, x: g * (1 - y * y))
elementwise(np.arcsinh,     lambda g, y, x: g / np.hypot(1, x))
elementwise(np.arccosh,     lambda g, y, x: quotient(g, np.sqrt((x - 1) * (x + 1))))
elementwise(np.arctanh,     lambda g, y, x: quotient(g, (1 - x) * (1 + x)))
elementwise(np.deg2rad,     lambda g, y, x: g * (math.pi / 180))
elementwise(np.radians,     lambda g, y, x: g * (math.pi / 180))
elementwise(np.rad2deg,     lambda g, y, x: g * (180 / math.pi))
elementwise(np.degrees,     lambda g, y, x: g * (180 / math.pi))

# Kinks: at a tie both sides take half; |x| has slope 0 at 0.
elementwise(np.absolute,    lambda g, y, x: g * np.sign(x))
elementwise(np.fabs,        lambda g, y, x: g * np.sign(x))
elementwise(np.maximum,     lambda g, y, a, b: np.where(a == b, 0.5 * g, np.where(a > b, g, 0)),
                            lambda g, y, a, b: np.where(a == b, 0.5 * g, np.where(a < b, g, 0)))
elementwise(np.minimum,     lambda g, y, a, b: np.where(a == b, 0.5 * g, np.where(a < b, g, 0)),
                            lambda g, y, a, b: np.where(a == b, 0.5 * g, np.where(a > b, g, 0)))
elementwise(np.fmax,        lambda g, y, a, b: np.where(a == b, 0.5 * g, np.where(y == a, g, 0)),
                            lambda g, y, a, b: np.where(a == b, 0.5 * g, np.where(y == b, g, 0)))
elementwise(np.fmin,        lambda g, y, a, b: np.where(a == b, 0.5 * g, np.where(y == a, g, 0)),
                            lambda g, y, a, b: np.where(a == b, 0.5 * g, np.where(y == b, g, 0)))

# A condition chooses; it takes no gradient itself.
elementwise(np.where,       None,
                            lambda g, y, c, a, b: np.where(c, g, 0),
                            lambda g, y, c, a, b: np.where(c, 0, g))

# fmt: on


def _clip(
    a: Array,
    a_min: Array = None,
    a_max: Array = None,
    *,
    min: Array = None,  # noqa: A002  (NumPy's names)
    max: Array = None,  # noqa: A002
) -> Array:
    """NumPy's own definition, None meaning no limit: ties share as in maximum and minimum."""
    low, high = (min if a_min is None else a_min), (max if a_max is None else a_max)
    above = a if low is None else np.maximum(a, low)
    return above if high is None else np.minimum(above, high)


composite(np.clip, _clip)
