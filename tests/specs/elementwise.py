"""The table of specs: functions that act on each element."""

from __future__ import annotations

import math

import numpy as np

from specs.calls import (
    NEW,
    Apart,
    Array,
    Real,
    Spec,
    binary,
    call,
    mask,
    nonzero,
    positive,
    real,
    strided,
    transposed,
    unary,
    x,
    z,
)
from tinygrad_bp import rules as own


def _sinc_slope(a: Array, order: int) -> Array:
    if order == 0:
        return np.sinc(a)
    wave = np.cos(np.pi * a) if order == 1 else -np.pi * np.sin(np.pi * a)
    return (wave - order * _sinc_slope(a, order - 1)) / a


def _bessel_i(a: Array, order: int) -> Array:
    terms = [
        (a.astype(float) / 2) ** (2 * k + order) / math.factorial(k) / math.factorial(k + order)
        for k in range(20)
    ]
    return np.asarray(sum(terms), a.dtype)


near_3 = (Real(3.3, 3.7), Real(1.0, 1.05))  # quotients between 3 and 4
off_grid = x(2, 3, values=Apart(1))  # not near any multiple of 1/2
off_half = Real(0.15, 0.85)  # between two whole numbers
off_powers = Real(1.1, 1.9)  # between two powers of 2
below_3 = (Real(-3.7, -3.3), Real(1.0, 1.05))

# fmt: off

ELEMENTWISE = [
    binary(np.add),
    binary(np.subtract),
    binary(np.multiply),
    binary(np.divide, real(), nonzero),
    unary(np.negative),
    unary(np.positive),
    unary(np.reciprocal, nonzero),
    unary(np.square),
    binary(np.remainder, *near_3, call(*(x(3, values=v) for v in below_3))),
    binary(np.fmod, *near_3, call(*(x(3, values=v) for v in below_3))),
    binary(
        np.power, positive, real(),
        call(x(3, values=nonzero), 3), call(x(3, values=nonzero), -2), call(x(3), 1),
        call(x(3), 0), call(x(3, values=nonzero), np.array([1, 2, 3])), call(2, x(3)),
    ),
    binary(np.float_power, positive, real(), call(x(3, values=nonzero), 3)),
    unary(np.sqrt, positive),
    unary(np.cbrt, nonzero),
    binary(np.hypot, nonzero, real()),
    unary(np.exp),
    unary(np.exp2),
    unary(np.expm1),
    unary(np.log, positive),
    unary(np.log2, positive),
    unary(np.log10, positive),
    unary(np.log1p, real(-0.5, 2)),
    binary(np.logaddexp),
    binary(np.logaddexp2),
    unary(np.sin),
    unary(np.cos),
    unary(np.tan, real(-1, 1)),
    unary(np.arcsin, real(-0.8, 0.8)),
    unary(np.arccos, real(-0.8, 0.8)),
    unary(np.arctan),
    binary(np.arctan2, nonzero, real()),
    unary(np.sinh),
    unary(np.cosh),
    unary(np.tanh),
    unary(np.arcsinh),
    unary(np.arccosh, real(1.5, 3)),
    unary(np.arctanh, real(-0.8, 0.8)),
    unary(np.deg2rad),
    unary(np.radians),
    unary(np.rad2deg),
    unary(np.degrees),
    unary(np.absolute, nonzero),
    unary(np.fabs, nonzero),
    binary(np.maximum, Apart(0), Apart(1)),
    binary(np.minimum, Apart(0), Apart(1)),
    binary(own.clamp_min, Apart(0), Apart(1), reference=np.maximum),
    binary(own.clamp_max, Apart(0), Apart(1), reference=np.minimum),
    binary(np.fmax, Apart(0), Apart(1)),
    binary(np.fmin, Apart(0), Apart(1)),
    Spec(
        np.where,
        call(mask, x(2, 3), x(2, 3)), call(mask, x(3), x()), call(mask, x(2, 3), 0.0),
        call(mask, 0, x(2, 1)), call(mask[:, :1], x(3), x(2, 1)), call(True, x(), x()),
        call(mask[:0], x(0, 3), x(3)), call(mask, transposed(2, 3), strided(3)),
    ),
    Spec(
        np.clip,
        *(call(off_grid, *limits) for limits in ((-0.5, 0.5), (None, 0.5), (-0.5, None))),
        *(call(off_grid, **limits) for limits in ({"a_min": -0.5, "a_max": 0.5},)),
        *(call(off_grid, **limits) for limits in ({"min": -0.5, "max": 0.5}, {"max": 0.5}) if NEW),
        call(x(2, 3, values=Apart()), x(3, values=Apart(1)), x(values=Apart(2))),
        call(x(values=Apart(1)), -0.5, 0.5), call(x(0, 2), -0.5, 0.5),
    ),
    Spec(
        np.heaviside,
        call(np.array([0.0, 1.0, -1.0]), x(3)), call(np.zeros((2, 3)), x(3)), call(0.0, x()),
        call(np.zeros((0, 3)), x(1)), call(np.zeros((2, 1)), transposed(2, 3)),
    ),
    Spec(
        np.ldexp,
        call(x(2, 3), np.array([1, -2, 0])), call(x(), 3), call(x(0, 2), 1),
        call(transposed(2, 3), np.array([[1], [2]])),
    ),
    Spec(
        np.divmod,
        *(call(x(*s, values=near_3[0]), x(*z, values=near_3[1])) for s, z in (
            ((), ()), ((2, 3), (3,)), ((2, 1), (1, 3)), ((0, 3), (1,)),
        )),
        call(x(3, values=below_3[0]), 1.02), call(3.5, x(3, values=below_3[1])),
        flat=(0,),
    ),
    Spec(np.modf, call(x(values=off_half)), call(x(2, 3, values=off_half)),
         call(transposed(2, 3, values=off_half)), call(x(0, 2)), flat=(1,)),
    Spec(np.frexp, call(x(values=off_powers)), call(x(2, 3, values=off_powers)),
         call(strided(3, values=off_powers)), call(x(0, 2)), flat=(1,)),
    Spec(
        np.full_like,
        call(x(2, 3), x()), call(x(2, 3), x(3)), call(x(2), x(1)), call(x(0, 2), x()),
        call(x(3), x(), shape=(2, 2)),
    ),
    unary(np.copy),
    unary(np.sinc), unary(np.i0),
    Spec(own.sinc_slope, call(x(2, 3, values=positive), 1), call(x(values=positive), 2),
         call(x(2, values=real(-0.9, 0.9)), 0), call(x(0), 1), reference=_sinc_slope),
    Spec(own.bessel_i, call(x(2, 3), 1), call(x(), 2), call(x(0), 0), reference=_bessel_i),
    *(Spec(f, call(x(2, 3, values=nonzero), np.array([1.0, -2.0, 3.0])),
           call(x(values=nonzero), -1), call(x(1, 3, values=nonzero), np.array([[1.0], [-1.0]])),
           call(x(0), 1.0))
      for f in (np.copysign, np.nextafter)),
    *(Spec(f, call(x(values=z)), call(x(2, values=z)), call(transposed(2, 3, values=z)))
      for f in (np.real, np.imag, np.conjugate)),
    Spec(own.direction, call(x(values=z)), call(x(2, 3, values=z)), call(x(0, values=z)),
         reference=np.sign),
    Spec(np.sign, call(x(values=z)), call(x(2, 3, values=z)), call(x(0, values=z))),
    Spec(np.real_if_close, call(x(2, 3)), call(x(2, values=z)), call(x(3, values=z), 1e30)),
    Spec(np.angle, call(x(3, values=z)), call(x(values=z), deg=True)),
    Spec(
        np.broadcast_to,
        call(x(3), (2, 3)), call(x(2, 1), (2, 3)), call(x(), (2, 2)), call(x(1), 4),
        call(x(2, 3), (2, 3)), call(x(1, 0), (2, 0)), call(x(1), (0,)), call(x(3), shape=(2, 3)),
    ),
]
