"""Functions that act on each element by itself."""

import math
from typing import Any

import numpy as np

from tinygrad_bp.operands import in_dtype
from tinygrad_bp.registry import (
    Array,
    composite,
    constant,
    elementwise,
    kink,
    primitive,
    remedy,
    rule,
    why,
)

__all__ = [
    "cast",
    "clamp_max",
    "clamp_min",
    "direction",
    "identity",
    "only_where",
    "product",
    "quotient",
    "share",
    "step",
    "unvarying",
]


# --- choosing -------------------------------------------------------------------------------

_FEW = 1_000  # elements, of which `np.where` chooses in less time
_WHOLE = {np.dtype(f"f{n}"): np.dtype(f"i{n}") for n in (2, 4, 8)}


@primitive
def only_where(g: Array, condition: Array) -> Array:
    """Return g where a condition holds and 0 elsewhere: `np.where(condition, g, 0)`, but faster.

    The bits of g are multiplied by the condition, as whole numbers, so that even inf and nan
    become 0. (`np.where` decides for each element, and the processor cannot foresee how.)

    >>> only_where(np.array([1.0, 2.0, np.nan]), np.array([True, False, False]))
    array([1., 0., 0.])
    """
    whole = _WHOLE.get(g.dtype) if isinstance(g, np.ndarray) else None
    if whole is None or g.size < _FEW:
        return np.where(condition, g, 0)
    holds = np.asarray(condition, bool)
    out = np.empty_like(g, shape=np.broadcast(g, holds).shape)  # in the order of g in memory
    bits = out.view(whole)
    bits[...] = holds
    bits *= g.view(whole)
    return out


# --- arithmetic at the edge of a domain -----------------------------------------------------


@primitive
def quotient(g: Array, d: Array) -> Array:
    """Divide, with 0 / 0 and 0 / nan counted as 0: a zero gradient at an infinite slope is zero.

    >>> quotient(np.array([1.0, 0.0, 0.0]), np.array([2.0, 0.0, np.nan]))
    array([0.5, 0. , 0. ])
    """
    with np.errstate(invalid="ignore"):
        return only_where(g / d, g != 0)


@primitive
def product(g: Array, slope: Array) -> Array:
    """Multiply, with 0 times infinity and 0 times nan counted as 0, as in `quotient`.

    >>> product(np.array([2.0, 0.0]), np.array([3.0, np.inf]))
    array([6., 0.])
    """
    return g * np.where(g == 0, g, slope)


def _finite_at_zero(g: Array, factor: Array) -> Array:
    """Drop an infinite gradient that arrives at a factor 0, so that what was left out stays out.

    This is for gradients of gradients, where the factor is a gradient that was zero.
    """
    return np.where(np.logical_or(np.isfinite(g), factor != 0), g, 0)


# --- functions that change nothing ----------------------------------------------------------


@primitive
def identity(x: Array) -> Array:
    """Return the same values as a new node of the graph."""
    return np.positive(x)


@primitive
def cast(x: Array, dtype: Any) -> Array:
    """Convert to another floating dtype; the engine converts the gradient back."""
    return in_dtype(x, dtype)


@primitive
def unvarying(value: Array, x: Array) -> Array:
    """Return a value as a function of x that does not vary with it: its gradient by x is 0.

    So the gradient of a linear function can be differentiated again, and gives zeros.
    """
    return np.positive(value)


@primitive
def share(x: Array) -> Array:
    """Return exp(x) of the logarithm of a share; one that is too small for a float is 0.

    >>> share(np.array([0.0, -1000.0]))
    array([1., 0.])
    """
    with np.errstate(under="ignore"):
        return np.exp(x)


@primitive
def step(x: Array) -> Array:
    """Return -1, 0 or 1 for each element: the sign as what it is for real numbers, flat.

    >>> step(np.array([-2.0, 0.0, 3.0]))
    array([-1.,  0.,  1.])
    """
    return np.sign(x)


@primitive
def direction(z: Array) -> Array:
    """Return z / |z| for each complex number, and 0 for 0: it turns as z moves sideways.

    >>> direction(np.array([2.0j, 0.0]))
    array([0.+1.j, 0.+0.j])
    """
    return np.sign(z)


constant(step)


@primitive
def clamp_min(x: Array, low: Array) -> Array:
    """Return x, or the bound below it where x is less; at the bound, the slope is that of x.

    >>> clamp_min(np.array([-1.0, 2.0]), 0.0)
    array([0., 2.])
    """
    return np.maximum(x, low)


@primitive
def clamp_max(x: Array, high: Array) -> Array:
    """Return x, or the bound above it where x is more; at the bound, the slope is that of x.

    >>> clamp_max(np.array([-1.0, 2.0]), 1.0)
    array([-1.,  1.])
    """
    return np.minimum(x, high)


# fmt: off

elementwise(quotient,       lambda g, y, a, b: quotient(g, b),
                            lambda g, y, a, b: -quotient(product(_finite_at_zero(g, y), y), b))
elementwise(product,        lambda g, y, a, b: product(g, b),
                            lambda g, y, a, b: product(_finite_at_zero(g, a), a))
elementwise(only_where,     lambda g, y, a, condition: only_where(g, condition),
                            None)
elementwise(identity,       lambda g, y, x: g)
elementwise(cast,           lambda g, y, x, *, dtype: g)
elementwise(np.copy,        lambda g, y, x: g)
rule(unvarying,
     vjp=(lambda g, y, value, x: g, lambda g, y, value, x: np.zeros_like(x)),
     jvp=(lambda t, y, value, x: t, lambda t, y, value, x: np.zeros_like(y)))

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
# that moves needs log(a), which a zero base does not have; from b = 0 on the power does not move,
# and any finite stand-in will do. (It has y's dtype: a number must not become a float64.)
for _power in (np.power, np.float_power):
    elementwise(_power,     lambda g, y, a, b: b * product(g, np.power(
                                np.where(np.logical_and(a == 0, b == 0), 1, a), b - 1)),
                            lambda g, y, a, b: product(product(g, y), np.log(
                                np.where(np.logical_and(a == 0, b >= 0), np.ones_like(y), a))))
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
elementwise(share,          lambda g, y, x: g * y)
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
elementwise(np.arcsinh,     lambda g, y, x: g / np.cosh(y))
elementwise(np.arccosh,     lambda g, y, x: quotient(quotient(g, np.sqrt(x - 1)), np.sqrt(x + 1)))
elementwise(np.arctanh,     lambda g, y, x: quotient(g, (1 - x) * (1 + x)))
elementwise(np.deg2rad,     lambda g, y, x: g * (math.pi / 180))
elementwise(np.radians,     lambda g, y, x: g * (math.pi / 180))
elementwise(np.rad2deg,     lambda g, y, x: g * (180 / math.pi))
elementwise(np.degrees,     lambda g, y, x: g * (180 / math.pi))

# Complex numbers. What is real takes the real part of what it is given, which the engine sees to.
elementwise(np.real,        lambda g, y, x: g)
elementwise(np.real_if_close, lambda g, y, x, *, tol: g)
elementwise(np.imag,        lambda g, y, x: g / 1j)
elementwise(np.conjugate,   lambda g, y, x: np.conjugate(g))

# Kinks: at a tie both sides take half, but at a bound x takes all; |x| has slope 0 at 0.
elementwise(np.absolute,    lambda g, y, x: g * np.sign(np.conjugate(x)))
elementwise(np.fabs,        lambda g, y, x: g * np.sign(x))
elementwise(np.maximum,     lambda g, y, a, b: only_where(g, a > b) + only_where(0.5 * g, a == b),
                            lambda g, y, a, b: only_where(g, a < b) + only_where(0.5 * g, a == b))
elementwise(np.minimum,     lambda g, y, a, b: only_where(g, a < b) + only_where(0.5 * g, a == b),
                            lambda g, y, a, b: only_where(g, a > b) + only_where(0.5 * g, a == b))
elementwise(clamp_min,      lambda g, y, x, low: only_where(g, x >= low),
                            lambda g, y, x, low: only_where(g, x < low))
elementwise(clamp_max,      lambda g, y, x, high: only_where(g, x <= high),
                            lambda g, y, x, high: only_where(g, x > high))
elementwise(np.fmax,        lambda g, y, a, b: np.where(a == b, 0.5 * g, only_where(g, y == a)),
                            lambda g, y, a, b: np.where(a == b, 0.5 * g, only_where(g, y == b)))
elementwise(np.fmin,        lambda g, y, a, b: np.where(a == b, 0.5 * g, only_where(g, y == a)),
                            lambda g, y, a, b: np.where(a == b, 0.5 * g, only_where(g, y == b)))

# A condition chooses; it takes no gradient itself. A step has height a only where x is 0.
elementwise(np.where,       None,
                            lambda g, y, c, a, b: only_where(g, c),
                            lambda g, y, c, a, b: only_where(g, np.logical_not(c)))
elementwise(np.heaviside,   "flat",
                            lambda g, y, x, a: only_where(g, x == 0))

rule(direction,
     vjp=lambda g, y, z: quotient(1j * np.imag(g * y) * np.conjugate(y), np.absolute(z)),
     jvp=lambda t, y, z: quotient(1j * y * np.imag(np.conjugate(y) * t), np.absolute(z)))

# A sign, a neighbour: the second argument only says which.
elementwise(np.copysign,    lambda g, y, a, b: g * np.sign(a) * np.sign(y),
                            "flat")
elementwise(np.nextafter,   lambda g, y, a, b: g,
                            "flat")

# Two outputs, of which one is flat: the whole quotient, the whole part, the exponent.
rule(np.divmod, flat=(0,),
     vjp=(lambda g, y, a, b: g[1], lambda g, y, a, b: -g[1] * y[0]),
     jvp=(lambda t, y, a, b: (None, t), lambda t, y, a, b: (None, -t * y[0])), broadcasts=True)
rule(np.modf, flat=(1,),
     vjp=lambda g, y, x: g[0],
     jvp=lambda t, y, x: (t, None))
rule(np.frexp, flat=(1,),
     vjp=lambda g, y, x: np.ldexp(g[0], -y[1]),
     jvp=lambda t, y, x: (np.ldexp(t, -y[1]), None))
elementwise(np.ldexp,       lambda g, y, x, n: np.ldexp(g, n),
                            None)

# fmt: on


def _clip(
    a: Array,
    a_min: Array,
    a_max: Array,
    *,
    min: Array = None,  # noqa: A002  (NumPy's names)
    max: Array = None,  # noqa: A002
) -> Array:
    """NumPy's own definition, None meaning no limit; at a limit, the slope is that of `a`."""
    low, high = (min if a_min is None else a_min), (max if a_max is None else a_max)
    above = a if low is None else clamp_min(a, low)
    return above if high is None else clamp_max(above, high)


def _sign(x: Array) -> Array:
    """X / |x|: a complex number's direction, which turns with it; of real ones a flat step."""
    return direction(x) if np.iscomplexobj(x) else step(x)


def _angle(z: Array, *, deg: bool) -> Array:
    turned = np.arctan2(np.imag(z), np.real(z))
    return np.degrees(turned) if deg else turned


composite(np.clip, _clip)
composite(np.sign, _sign)
composite(np.angle, _angle)


# --- why, kinks, remedies -------------------------------------------------------------------

# fmt: off

why("The gradient passes unchanged.", np.positive, np.copy, identity)
why("Only the real part counts, so only the real part receives the gradient.", np.real)
why("The gradient passes unchanged; where only the real part counts, the real part receives it.",
    np.real_if_close)
why("Only the imaginary part counts, so only the imaginary part receives the gradient.", np.imag)
why("The conjugate mirrors every move, and the gradient with it.", np.conjugate)
why("The size passes its gradient on, with the sign changed where the sign was.", np.copysign)
why("A direction turns by the sideways part of a move, over the distance from 0.", direction)
why("A neighbour moves as the number does.", np.nextafter)
why("The values are converted, and the gradient is converted back.", cast)
why("The gradient goes to the first argument; the result does not vary with the other.", unvarying)
why("Each term of a sum passes the gradient on unchanged.", np.add)
why("The first term passes the gradient on unchanged, the second with its sign changed.",
    np.subtract)
why("The slope of a product in one factor is the other factor.", np.multiply, product)
why("The slope of a quotient in its numerator is 1 over the denominator; in its denominator it is "
    "minus the quotient over the denominator.", np.divide, quotient)
why("Changing the sign changes the sign of the gradient.", np.negative)
why("The slope of 1/x is minus 1/x squared.", np.reciprocal)
why("The slope of x squared is twice x.", np.square)
why("A remainder grows as the number does, and falls as the divisor grows, by the whole quotient.",
    np.remainder, np.fmod, np.divmod)
why("The fraction grows as the number does; the whole part stays.", np.modf)
why("Scaling by a power of 2 scales the gradient by the same power.", np.frexp, np.ldexp)
why("The slope of x to the n is n times x to the n - 1.", np.power, np.float_power)
why("The slope of a root is 1 over twice the root.", np.sqrt)
why("The slope of a cube root is 1 over three times its square.", np.cbrt)
why("The slope of a length in each side is that side over the length.", np.hypot)
why("The exponential function is its own slope.", np.exp, share)
why("The slope of 2 to the x is itself times log 2.", np.exp2)
why("The slope of exp(x) - 1 is exp(x), which is the result plus 1.", np.expm1)
why("The slope of the logarithm is 1/x.", np.log)
why("The slope of the logarithm is 1/x, over the logarithm of its base.", np.log2, np.log10)
why("The slope of log(1 + x) is 1/(1 + x).", np.log1p)
why("A smooth maximum: each argument receives its share of the sum.", np.logaddexp, np.logaddexp2)
why("The slope of the sine is the cosine.", np.sin)
why("The slope of the cosine is minus the sine.", np.cos)
why("The slope of the tangent is 1 plus its square.", np.tan)
why("The slope of an inverse is 1 over the slope of the function, at the result.",
    np.arcsin, np.arccos, np.arctan, np.arcsinh, np.arccosh, np.arctanh)
why("The angle turns by the sideways part of a move, over the distance.", np.arctan2)
why("The slope of sinh is cosh.", np.sinh)
why("The slope of cosh is sinh.", np.cosh)
why("The slope of tanh is 1 minus its square: flat where it saturates.", np.tanh)
why("Another unit for an angle is a constant factor, for the gradient as well.",
    np.deg2rad, np.radians, np.rad2deg, np.degrees)
why("The slope of |x| is the sign of x.", np.absolute, np.fabs)
why("The larger one receives the whole gradient; a tie is shared evenly.", np.maximum, np.fmax)
why("The smaller one receives the whole gradient; a tie is shared evenly.", np.minimum, np.fmin)
why("The gradient goes to x up to the bound, and beyond it to the bound.", clamp_min, clamp_max)
why("The gradient goes to the side that was chosen; the condition receives none.", np.where)
why("Where the condition holds the gradient passes, elsewhere it stops.", only_where)
why("A step is flat; only where x is 0 does the given height count.", np.heaviside)

kink("0, which has no direction", lambda z: z == 0, direction)
kink("0, where the sign is given to no size", lambda a, b: a == 0, np.copysign)
kink("|x| at 0, where the slope 0 is chosen", lambda x: x == 0, np.absolute, np.fabs)
kink("a tie, shared evenly", lambda a, b: a == b, np.maximum, np.minimum, np.fmax, np.fmin)
kink("a bound, where x keeps its slope 1", lambda x, bound: x == bound, clamp_min, clamp_max)
kink("a root at 0, where the slope is infinite", lambda x: x == 0, np.sqrt, np.cbrt)
kink("the origin, where a length has no slope", lambda a, b: (a == 0) & (b == 0), np.hypot)
kink("the origin, where an angle has no slope", lambda a, b: (a == 0) & (b == 0), np.arctan2)
kink("a jump, where x is 0", lambda x, a: x == 0, np.heaviside)
kink("a jump, where the divisor goes in a whole number of times",
     lambda a, b: np.remainder(a, b) == 0, np.remainder, np.divmod)
kink("a jump, where the divisor goes in a whole number of times",
     lambda a, b: (np.fmod(a, b) == 0) & (a != 0), np.fmod)
kink("a jump, at a whole number", lambda x: (np.trunc(x) == x) & (x != 0), np.modf)
kink("a jump, at a power of 2",
     lambda x: np.isin(np.abs(np.frexp(x)[0]), (0, 0.5)), np.frexp)

remedy("keep the argument above 0 (np.maximum(x, tiny)), or compute the logarithm directly: "
       "log_softmax, logsumexp, log1p", np.log, np.log2, np.log10)
remedy("keep the argument above -1", np.log1p)
remedy("keep the divisor away from 0, or choose another branch before dividing",
       np.divide, np.reciprocal, np.remainder, np.fmod, np.divmod, quotient)
remedy("subtract the maximum first; logsumexp, softmax, softplus and sigmoid are safe forms",
       np.exp, np.exp2, np.expm1, np.sinh, np.cosh)
remedy("keep the argument at 0 or above for the value, above 0 for the gradient", np.sqrt)
remedy("keep the argument away from 0", np.cbrt)
remedy("a negative base needs a whole exponent, and a zero base one of 1 or more",
       np.power, np.float_power)
remedy("clip the argument into (-1, 1)", np.arcsin, np.arccos, np.arctanh)
remedy("keep the argument above 1", np.arccosh)
remedy("scale the inputs down, or lower the learning rate", np.square, np.multiply, np.add,
       np.subtract, product)
