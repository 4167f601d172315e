"""Functions that complex numbers take elsewhere than real ones: outside a domain, or at its edge.

Each takes the run, a call's arrays and its options, in normal form. `DOMAINS` is the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_bp.gradcheck.complex_step.run import Run
from tinygrad_bp.gradcheck.complex_step.ties import step

__all__ = ["DOMAINS"]

Function = Callable[..., Any]


def _with_domain(function: Function, inside: Callable[[Any], Any]) -> Function:
    """Outside its real domain a function is nan, although the complex one goes on."""

    def limited(run: Run, x: Any) -> Any:
        good = inside(x.real)
        if good.all():
            return function(x)
        return np.where(good, function(np.where(good, x, 0.5)), np.nan)

    return limited


def _scaled(factor: float) -> Function:
    return lambda run, x: x * factor


def _logaddexp(log: Callable[[Any], Any], exp: Callable[[Any], Any]) -> Function:
    def combine(run: Run, a: Any, b: Any) -> Any:
        top = np.maximum(np.real(a), np.real(b))
        return top + log(exp(a - top) + exp(b - top))

    return combine


# --- roots and powers -----------------------------------------------------------------------


def _sqrt(run: Run, x: Any) -> Any:
    return _root(x, np.sqrt)


def _cbrt(run: Run, x: Any) -> Any:
    sign = np.where(x.real < 0, -1.0, 1.0)
    return sign * _root(sign * x, lambda z: np.exp(np.log(z) / 3))


def _root(x: Any, root: Callable[[Any], Any]) -> Any:
    """A root at 0 has infinite slope; complex numbers would give a large finite one."""
    positive = x.real > 0
    edge = _imaginary(np.where(x.imag == 0, 0.0, np.inf * np.sign(x.imag)))
    edge = np.where(x.real == 0, edge, np.nan)
    return np.where(positive, root(np.where(positive, x, 1.0)), edge)


def _imaginary(part: Any) -> Any:
    """0 + i part; multiplying inf by 1j would make the real part nan."""
    z = np.zeros(np.shape(part), complex)
    z.imag = part
    return z


def _power(run: Run, a: Any, b: Any) -> Any:
    """Whole powers by multiplication, others by logarithms of a positive base."""
    a, b = np.broadcast_arrays(np.asarray(a, complex), np.asarray(b, complex))
    whole = (b.imag == 0) & (b.real == np.round(b.real)) & (np.abs(b.real) <= 64)
    positive = a.real > 0
    safe = np.where(positive, a, 1.0)
    by_logarithm = np.exp(b * np.log(safe))
    edge = np.where((a.real == 0) & (b.real > 0), _power_of_zero(a, b), np.nan)
    result = np.where(positive, by_logarithm, edge)
    for exponent in np.unique(b.real[whole]):
        chosen = whole & (b.real == exponent)
        result = np.where(chosen, _whole_power(a, int(exponent)), result)
    return result


def _power_of_zero(a: Any, b: Any) -> Any:
    slope = np.where(b.real > 1, 0.0, np.where(b.real == 1, 1.0, np.inf))
    return _imaginary(np.where((a.imag == 0) | (slope == 0), 0.0, a.imag * slope))


def _whole_power(a: Any, exponent: int) -> Any:
    result, square, n = np.ones_like(a), a, abs(exponent)
    while n:
        if n % 2:
            result = result * square
        n //= 2
        square = square * square if n else square
    return 1 / result if exponent < 0 else result


# --- what NumPy rounds where x is small -----------------------------------------------------


def _log1p(x: Any) -> Any:
    """NumPy's complex log1p adds 1 first, and so loses the digits of a small x."""
    return np.log1p(x.real) + 1j * (x.imag / (1 + x.real))


def _sinc(run: Run, x: Any) -> Any:
    """sin(πx)/(πx), as its series near 0, where the slope of the quotient loses its digits."""
    near = np.abs(x.real) < 1
    square = np.square(math.pi * np.where(near, x, 0.0))
    series = np.ones_like(square)
    for k in range(_TERMS, 0, -1):
        series = 1 - series * square / (2 * k * (2 * k + 1))
    return np.where(near, series, np.sinc(np.where(near, 1.0, x)))


_TERMS = 14  # π^28 / 29! is less than an ulp


# --- lengths and angles ---------------------------------------------------------------------


def _hypot(run: Run, a: Any, b: Any) -> Any:
    return _length(run, a * a + b * b, (np.imag(a) / run.step) ** 2 + (np.imag(b) / run.step) ** 2)


def _norm(run: Run, x: Any, *, axis: Any, keepdims: bool) -> Any:
    squares = np.sum(x * x, axis=axis, keepdims=keepdims)
    return _length(run, squares, np.sum((x.imag / run.step) ** 2, axis=axis, keepdims=keepdims))


def _length(run: Run, squares: Any, moved: Any) -> Any:
    """A length at 0 is a kink, as |x| is: to either side it grows."""
    at_zero = np.real(squares) == 0
    run.count(at_zero & (moved != 0))
    kink = 1j * (run.side * run.step * np.sqrt(moved))
    return np.where(at_zero, kink, np.sqrt(np.where(at_zero, 1.0, squares)))


def _arctan2(run: Run, a: Any, b: Any) -> Any:
    steep = np.abs(np.real(a)) > np.abs(np.real(b))
    angle = np.where(
        steep,
        np.sign(np.real(a)) * math.pi / 2 - np.arctan(b / np.where(steep, a, 1.0)),
        np.arctan(a / np.where(steep, 1.0, b)),
    )
    behind = ~steep & (np.real(b) < 0)
    return angle + np.where(behind, np.where(np.real(a) < 0, -math.pi, math.pi), 0.0)


# --- products that conjugate ----------------------------------------------------------------


def _vdot(run: Run, a: Any, b: Any) -> Any:
    return np.dot(np.ravel(a), np.ravel(b))


# --- whole parts ----------------------------------------------------------------------------


def _whole_quotient(whole: Function) -> Function:
    return lambda run, a, b: step(whole)(run, a / b)


def _remainder(whole: Function) -> Function:
    return lambda run, a, b: a - b * _whole_quotient(whole)(run, a, b)


def _divmod(run: Run, a: Any, b: Any) -> tuple[Any, Any]:
    quotient = _whole_quotient(np.floor)(run, a, b)
    return quotient, a - b * quotient


def _modf(run: Run, x: Any) -> tuple[Any, Any]:
    whole = step(np.trunc)(run, x)
    return x - whole, whole


def _frexp(run: Run, x: Any) -> tuple[Any, Any]:
    exponent = step(lambda real: np.frexp(real)[1])(run, x)
    return _ldexp(run, x, -exponent), exponent


def _ldexp(run: Run, x: Any, exponent: Any) -> Any:
    return np.ldexp(x.real, exponent) + 1j * np.ldexp(x.imag, exponent)


DOMAINS: dict[Function, Function] = {
    np.sqrt: _sqrt,
    np.cbrt: _cbrt,
    np.power: _power,
    np.float_power: _power,
    np.hypot: _hypot,
    np.linalg.norm: _norm,
    np.linalg.vector_norm: _norm,
    np.arctan2: _arctan2,
    np.log: _with_domain(np.log, lambda x: x > 0),
    np.log2: _with_domain(np.log2, lambda x: x > 0),
    np.log10: _with_domain(np.log10, lambda x: x > 0),
    np.log1p: _with_domain(_log1p, lambda x: x > -1),
    np.sinc: _sinc,
    np.arcsin: _with_domain(np.arcsin, lambda x: np.abs(x) < 1),
    np.arccos: _with_domain(np.arccos, lambda x: np.abs(x) < 1),
    np.arccosh: _with_domain(np.arccosh, lambda x: x > 1),
    np.arctanh: _with_domain(np.arctanh, lambda x: np.abs(x) < 1),
    np.logaddexp: _logaddexp(np.log, np.exp),
    np.logaddexp2: _logaddexp(np.log2, np.exp2),
    np.deg2rad: _scaled(math.pi / 180),
    np.radians: _scaled(math.pi / 180),
    np.rad2deg: _scaled(180 / math.pi),
    np.degrees: _scaled(180 / math.pi),
    np.vdot: _vdot,
    np.floor_divide: _whole_quotient(np.floor),
    np.remainder: _remainder(np.floor),
    np.fmod: _remainder(np.trunc),
    np.divmod: _divmod,
    np.modf: _modf,
    np.frexp: _frexp,
    np.ldexp: _ldexp,
}
