"""Functions of single elements as ONNX has them, and those it lacks in words of others."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp import rules
from tinygrad_bp.interop.onnx.graph import Graph, common
from tinygrad_bp.interop.onnx.program import Step
from tinygrad_bp.rules.elementwise import clamp_max, clamp_min, identity, share, step, unvarying

__all__ = ["SPELLED", "WRITERS"]

Writer: TypeAlias = Callable[..., Any]
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def _in_result(op: str) -> Writer:
    """All operands in the dtype of the result."""

    def write(graph: Graph, call: Step, *operands: Any) -> Any:
        return graph.emit(op, *[graph.use(x, call.dtype) for x in operands])

    return write


def _comparison(op: str, *, negated: bool = False) -> Writer:
    """All operands in the dtype in which NumPy compares them; booleans as whole numbers."""

    def write(graph: Graph, _: Step, *operands: Any) -> Any:
        dtype = common(*operands)
        dtype = np.dtype(np.int32) if dtype.kind == "b" else dtype
        y = graph.emit(op, *[graph.use(x, dtype) for x in operands])
        return graph.emit("Not", y) if negated else y

    return write


def _logic(op: str) -> Writer:
    def write(graph: Graph, call: Step, *operands: Any) -> Any:
        if call.dtype.kind != "b":
            graph.refuse("the bits of whole numbers have no form in ONNX here")
        return graph.emit(op, *[graph.use(x, bool) for x in operands])

    return write


def _as_it_is(graph: Graph, call: Step, x: Any, *_: Any, **__: Any) -> Any:
    return graph.emit("Identity", graph.use(x, call.dtype))


def _where(graph: Graph, call: Step, condition: Any, a: Any, b: Any) -> Any:
    if call.dtype.kind == "b":  # of which runtimes cannot choose
        c, a, b = (graph.use(x, bool) for x in (condition, a, b))
        other = graph.emit("And", graph.emit("Not", c), b)
        return graph.emit("Or", graph.emit("And", c, a), other)
    return graph.emit(
        "Where", graph.use(condition, bool), graph.use(a, call.dtype), graph.use(b, call.dtype)
    )


def _remainder(graph: Graph, call: Step, a: Any, b: Any) -> Any:
    """With the sign of b, as Python's: ONNX has that for whole numbers alone."""
    a, b = graph.use(a, call.dtype), graph.use(b, call.dtype)
    if call.dtype.kind in "iu":
        return graph.emit("Mod", a, b)
    return graph.emit("Sub", a, graph.emit("Mul", graph.emit("Floor", graph.emit("Div", a, b)), b))


def _floor_divide(graph: Graph, call: Step, a: Any, b: Any) -> Any:
    a, b = graph.use(a, call.dtype), graph.use(b, call.dtype)
    if call.dtype.kind in "iu":
        return graph.emit("Div", graph.emit("Sub", a, graph.emit("Mod", a, b)), b)
    return graph.emit("Floor", graph.emit("Div", a, b))


def _rounded(graph: Graph, call: Step, x: Any, decimals: int = 0, **_: Any) -> Any:
    if decimals:
        graph.refuse(f"round to {decimals} decimals has no form in ONNX; to whole numbers it has")
    return graph.emit("Round", graph.use(x, call.dtype))


def _is_infinite(graph: Graph, _: Step, x: Any) -> Any:
    return graph.emit("IsInf", graph.use(x))


def _is_nan(graph: Graph, _: Step, x: Any) -> Any:
    return graph.emit("IsNaN", graph.use(x))


def _is_finite(graph: Graph, call: Step, x: Any) -> Any:
    lost = graph.emit("Or", _is_nan(graph, call, x), _is_infinite(graph, call, x))
    return graph.emit("Not", lost)


def _erf(graph: Graph, call: Step, x: Any) -> Any:
    """Runtimes have it in float32; float64 is worked out in float64 elementary functions."""
    if call.dtype != np.float64:
        return graph.emit("Erf", graph.use(x, call.dtype))
    coefficients, half, middle = _erf_polynomial()

    def number(value: float) -> str:
        return graph.constant(np.array(value, call.dtype))

    x = graph.use(x, call.dtype)
    z = graph.emit("Min", graph.emit("Abs", x), number(6.0))
    t = graph.emit("Div", number(2.0), graph.emit("Add", z, number(2.0)))
    u = graph.emit("Div", graph.emit("Sub", t, number(middle)), number(half))
    total = number(coefficients[0])
    for c in coefficients[1:]:
        total = graph.emit("Add", graph.emit("Mul", total, u), number(c))
    tail = graph.emit("Exp", graph.emit("Sub", total, graph.emit("Mul", z, z)))
    size = graph.emit("Sub", number(1.0), graph.emit("Mul", t, tail))
    return graph.emit("Mul", graph.emit("Sign", x), size)


@functools.cache
def _erf_polynomial() -> tuple[list[float], float, float]:
    """log(erfc(z) / t) + z² with t = 2 / (2 + z), for z from 0 to 6, by powers of t's place.

    Source of the form: Press et al., Numerical Recipes, section 6.2.2. The coefficients, of which
    the highest is first, are fitted to Python's own function.
    """
    low, high = 2 / 8, 1.0
    half, middle = (high - low) / 2, (high + low) / 2

    def wanted(u: Any) -> Any:
        t = middle + half * u
        z = 2 / t - 2
        return np.array([math.log(math.erfc(v) / s) + v * v for v, s in zip(z, t, strict=True)])

    fit = np.polynomial.chebyshev.Chebyshev.interpolate(wanted, 20)
    powers = fit.convert(kind=np.polynomial.Polynomial).coef
    return powers[::-1].tolist(), half, middle


# fmt: off
_IN_RESULT: dict[Callable[..., Any], str] = {
    np.add: "Add", np.subtract: "Sub", np.multiply: "Mul", np.divide: "Div",
    np.negative: "Neg", np.absolute: "Abs", np.fabs: "Abs", np.reciprocal: "Reciprocal",
    np.sqrt: "Sqrt", np.exp: "Exp", np.log: "Log", np.power: "Pow", np.sin: "Sin", np.cos: "Cos",
    np.arctan: "Atan", np.arcsin: "Asin", np.arccos: "Acos", np.tanh: "Tanh",
    np.arcsinh: "Asinh", np.arccosh: "Acosh", np.arctanh: "Atanh",
    np.floor: "Floor", np.ceil: "Ceil", np.rint: "Round", step: "Sign",
    np.maximum: "Max", np.minimum: "Min", clamp_min: "Max", clamp_max: "Min",
    rules.sigmoid: "Sigmoid", rules.relu: "Relu",
}
_COMPARISONS: dict[Callable[..., Any], str] = {
    np.equal: "Equal", np.less: "Less", np.less_equal: "LessOrEqual",
    np.greater: "Greater", np.greater_equal: "GreaterOrEqual",
}
_LOGIC: dict[Callable[..., Any], str] = {
    np.bitwise_and: "And", np.bitwise_or: "Or", np.bitwise_xor: "Xor", np.invert: "Not",
    np.logical_and: "And", np.logical_or: "Or", np.logical_xor: "Xor", np.logical_not: "Not",
}
WRITERS: dict[Callable[..., Any], Writer] = {
    **{f: _in_result(op) for f, op in _IN_RESULT.items()},
    **{f: _comparison(op) for f, op in _COMPARISONS.items()},
    **{f: _logic(op) for f, op in _LOGIC.items()},
    np.not_equal: _comparison("Equal", negated=True),
    np.isnan: _is_nan, np.isinf: _is_infinite, np.isfinite: _is_finite,
    np.where: _where, np.round: _rounded,
    np.remainder: _remainder, np.floor_divide: _floor_divide,
    rules.erf: _erf,
    rules.cast: _as_it_is, np.copy: _as_it_is, np.positive: _as_it_is, identity: _as_it_is,
    unvarying: _as_it_is,
}
"""How a function is written, with one operator or a few."""

SPELLED: dict[Callable[..., Any], Callable[..., Any]] = {
    np.square: lambda x: x * x,
    np.float_power: np.power,
    np.cbrt: lambda x: np.sign(x) * np.power(np.absolute(x), 1 / 3),
    np.hypot: lambda a, b: np.sqrt(a * a + b * b),
    np.exp2: lambda x: np.exp(x * math.log(2)),
    np.expm1: lambda x: np.exp(x) - 1,
    np.log1p: lambda x: np.log(1 + x),
    np.log2: lambda x: np.log(x) / math.log(2),
    np.log10: lambda x: np.log(x) / math.log(10),
    np.logaddexp: lambda a, b: np.maximum(a, b) + np.log1p(np.exp(-np.absolute(a - b))),
    np.tan: lambda x: np.sin(x) / np.cos(x),
    np.sinh: lambda x: (np.exp(x) - np.exp(-x)) / 2,
    np.cosh: lambda x: (np.exp(x) + np.exp(-x)) / 2,
    np.deg2rad: lambda x: x * (math.pi / 180), np.radians: lambda x: x * (math.pi / 180),
    np.rad2deg: lambda x: x * (180 / math.pi), np.degrees: lambda x: x * (180 / math.pi),
    np.trunc: lambda x: np.where(x < 0, np.ceil(x), np.floor(x)),
    np.fmod: lambda a, b: a - np.trunc(a / b) * b,
    np.isposinf: lambda x: x == math.inf, np.isneginf: lambda x: x == -math.inf,
    np.isclose: lambda a, b, rtol=1e-5, atol=1e-8: (
        np.absolute(a - b) <= atol + rtol * np.absolute(b)),
    np.fmax: lambda a, b: np.where(np.isnan(a), b, np.where(np.isnan(b), a, np.maximum(a, b))),
    np.fmin: lambda a, b: np.where(np.isnan(a), b, np.where(np.isnan(b), a, np.minimum(a, b))),
    np.real: lambda x: x, np.conjugate: lambda x: x,
    share: np.exp,
    rules.only_where: lambda g, condition: np.where(condition, g, 0),
    np.signbit: lambda x: x < 0,
}
"""Functions that ONNX lacks, or that runtimes lack in float64, as functions that it has."""
# fmt: on
