"""Activations, and the smooth maximum that they are made of: functions that NumPy lacks."""

import contextvars
import math

import numpy as np

from tinygrad_bp.operands import beside
from tinygrad_bp.registry import Array, elementwise, kink, primitive, rule, why
from tinygrad_bp.rules.elementwise import cast, only_where, share

__all__ = ["erf", "log1pexp", "log_softmax", "logsumexp", "relu", "sigmoid", "softmax"]

# To enter a context that is ready costs a fraction of what making one with np.errstate does.
_QUIET = contextvars.Context()
_QUIET.run(np.seterr, over="ignore", under="ignore")


@primitive
def sigmoid(x: Array) -> Array:
    """Squash to (0, 1): 1 / (1 + exp(-x)), the lesson's σ, exact in both tails.

    Any shape; the dtype is kept. Large negative inputs give 0 without an overflow warning:
    exp(-x) is inf there, and 1 / (1 + inf) = 0 is the right answer.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    try:
        return _QUIET.run(_logistic, x)
    except RuntimeError:  # another thread is in there
        return _QUIET.copy().run(_logistic, x)


def _logistic(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


@primitive
def relu(x: Array) -> Array:
    """Cut off below zero: max(x, 0), with slope 0 at 0.

    >>> relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return np.maximum(x, 0)


@primitive
def log1pexp(x: Array) -> Array:
    """Return log(1 + exp(x)), exact in both tails: what softplus is made of.

    It is `np.logaddexp(0, x)`, which NumPy works out in ten times the time.

    >>> log1pexp(np.array([-1000.0, 0.0, 1000.0]))
    array([0.00000000e+00, 6.93147181e-01, 1.00000000e+03])
    """
    with np.errstate(under="ignore"):
        return np.maximum(x, 0) + np.log1p(np.exp(-np.fabs(x)))  # which takes no complex numbers


@primitive
def logsumexp(x: Array, axis: int = -1, *, keepdims: bool = False) -> Array:
    """Return log(sum(exp(x))) along one axis, without overflow.

    >>> float(logsumexp(np.array([1000.0, 1000.0])))
    1000.6931471805599
    """
    top = _top(x, axis)
    with np.errstate(under="ignore"):
        out = top + np.log(np.sum(np.exp(x - top), axis=axis, keepdims=True))
    return out if keepdims else np.squeeze(out, axis=axis)


def _top(x: Array, axis: int) -> Array:
    """What to subtract so that no exponential overflows: the maximum, if that is a number."""
    top = (np.max if x.size else np.sum)(x, axis=axis, keepdims=True)
    return np.where(np.isfinite(top), top, 0)


@primitive
def log_softmax(x: Array, axis: int = -1) -> Array:
    """Return the logarithm of softmax along one axis: x - logsumexp(x).

    >>> log_softmax(np.array([0.0, 0.0]))
    array([-0.69314718, -0.69314718])
    """
    return x - logsumexp(x, axis, keepdims=True)


@primitive
def softmax(x: Array, axis: int = -1) -> Array:
    """Return positive numbers that sum to 1 along one axis, proportional to exp(x).

    >>> softmax(np.array([0.0, 0.0]))
    array([0.5, 0.5])
    """
    with np.errstate(under="ignore"):
        powers = np.exp(x - _top(x, axis))
        return powers / np.sum(powers, axis=axis, keepdims=True)


# erf(x) is x R(x²) up to _NEAR in size, and 1 - exp(-x²) R(x) beyond, where R is a polynomial over
# another one; highest powers first. W. J. Cody, Rational Chebyshev Approximations for the Error
# Function, 1969, whose second pair for 0.46875 to 4 is good to the last digit of erf beyond, too.
_NEAR = 0.46875
_BELOW = (
    (1.85777706184603153e-1, 3.16112374387056560, 1.13864154151050156e2, 3.77485237685302021e2,
     3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3,
     2.84423683343917062e3),
)  # fmt: skip
_ABOVE = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
     1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2,
     1.62138957456669019e3, 3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3,
     1.23033935480374942e3),
)  # fmt: skip


@primitive
def erf(x: Array) -> Array:
    """Return the error function, 2 / sqrt(pi) times the integral of exp(-t²) from 0 to x.

    NumPy has none. The last digit is off by 4 at most.

    >>> erf(np.array([0.0, 1.0]))
    array([0.        , 0.84270079])
    """
    x = np.asarray(x, like=beside(x))  # or a Python number would be taken for one of any precision
    floats = np.result_type(x, np.float16)
    # Polynomials overflow in half precision.
    x = np.asarray(x, dtype=np.result_type(floats, np.float32), like=beside(x))
    size = np.minimum(np.abs(x), 6)  # from there on it is 1
    with np.errstate(under="ignore"):
        near = x * _ratio(_BELOW, np.square(np.minimum(size, _NEAR)))
        far = np.copysign(1 - np.exp(-np.square(size)) * _ratio(_ABOVE, size), x)
        return cast(np.where(size <= _NEAR, near, far), floats)


def _ratio(of: tuple[tuple[float, ...], tuple[float, ...]], x: Array) -> Array:
    """One polynomial over another."""
    over, under = of
    return _polynomial(over, x) / _polynomial(under, x)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """Horner's rule."""
    highest, second, *lower = coefficients
    y = highest * x + second
    for c in lower:
        y = y * x + c
    return y


def _restore(g: Array, x: Array, axis: int, keepdims: bool) -> Array:
    return g if keepdims or x.ndim == 0 else np.expand_dims(g, axis)


# fmt: off

elementwise(sigmoid, lambda g, y, x: g * (y * (1 - y)))
elementwise(relu,    lambda g, y, x: only_where(g, x > 0))
elementwise(log1pexp, lambda g, y, x: g * sigmoid(x))
elementwise(erf,     lambda g, y, x: g * (2 / math.sqrt(math.pi)) * np.exp(-np.square(x)))
rule(
    logsumexp,
    vjp=lambda g, y, x, *, axis, keepdims: (
        _restore(g, x, axis, keepdims) * share(x - _restore(y, x, axis, keepdims))),
    jvp=lambda t, y, x, *, axis, keepdims: np.sum(
        t * share(x - _restore(y, x, axis, keepdims)), axis=axis, keepdims=keepdims),
)
rule(
    log_softmax,
    vjp=lambda g, y, x, *, axis: g - share(y) * np.sum(g, axis=axis, keepdims=True),
    jvp=lambda t, y, x, *, axis: t - np.sum(share(y) * t, axis=axis, keepdims=True),
)
rule(
    softmax,
    vjp=lambda g, y, x, *, axis: y * (g - np.sum(g * y, axis=axis, keepdims=True)),
    jvp=lambda t, y, x, *, axis: y * (t - np.sum(t * y, axis=axis, keepdims=True)),
)

why("The slope of the sigmoid is y (1 - y): at most 1/4, and flat where it saturates.", sigmoid)
why("Where the input is above 0 the gradient passes, elsewhere it stops.", relu)
why("The slope of log(1 + exp(x)) is the sigmoid of x.", log1pexp)
why("The slope of the error function is the bell curve that it is the integral of.", erf)
why("Raising one logit raises its share at the cost of all others.", softmax)
why("Each logit receives its gradient less its share of the whole.", log_softmax)
why("A smooth maximum: each element receives its softmax share.", logsumexp)

kink("relu at 0, where the slope 0 is chosen", lambda x: x == 0, relu)
