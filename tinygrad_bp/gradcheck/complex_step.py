"""The complex step: derivatives without a step size to choose, to machine precision.

For an analytic f, Im f(x + ih) / h = f'(x) + O(h²), and nothing is subtracted, so h may be so
small that h² vanishes altogether. `Perturbed` is an array x + ih·d that NumPy's functions accept:
what is analytic runs on complex numbers; `abs`, `max`, `where`, comparisons and sorting decide
by the real part, as the function itself would.

Where two real parts tie, the imaginary parts decide, as if h were a small real step to one side.
So at a kink there are two answers, one for each `side`, and they are the exact one-sided
derivatives; `Run.ties` says that there was such a place.

Source: Squire, Trapp, Using Complex Variables to Estimate Derivatives of Real Functions (1998).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from tinygrad_bp import primitives, registry
from tinygrad_bp.containers import leaves
from tinygrad_bp.errors import NotDifferentiableError

__all__ = ["SAFE", "STEP", "Perturbed", "Run", "rounded", "unmoved"]

STEP = 2.0**-565
"""Its square underflows to exactly 0, and multiplying by a power of two rounds nothing."""

SAFE = 1e-150, 1e-120
"""Inputs, and derivatives, below which a complex step is too coarse, or underflows."""

ULP = float(np.finfo(float).eps)

Complex = np.ndarray[Any, Any]


class Run:
    """One evaluation: which side ties are broken to, and how many there were.

    With a generator `jitter`, every result is off by up to an ulp, at random: several such runs
    tell how much rounding matters. Source: Parker, Monte Carlo Arithmetic (1997).
    """

    __slots__ = ("jitter", "peak", "side", "ties")

    def __init__(self, side: int = 1, jitter: np.random.Generator | None = None) -> None:
        self.side = side
        self.ties = 0
        self.jitter = jitter
        self.peak = 0.0  # the largest derivative on the way; noted with jitter only


class Perturbed(NDArrayOperatorsMixin):
    """The array `x + i STEP d`, seen by a function as the real array x.

    >>> x = Perturbed(np.array([2.0, 3.0]), np.array([1.0, 0.0]), Run())
    >>> np.sum(np.exp(x) * x).derivative  # e^x (1 + x) at 2
    array(22.1671683)
    """

    __slots__ = ("run", "z")
    __array_priority__ = 1000

    def __init__(self, value: Any, direction: Any, run: Run) -> None:
        self.z = np.array(value, complex)
        if isinstance(direction, int):  # one entry of a vector
            self.z.imag[direction] = STEP
        else:
            self.z.imag = STEP * np.asarray(direction, float)
        self.run = run

    @property
    def value(self) -> np.ndarray[Any, Any]:
        """The unperturbed values."""
        return np.asarray(self.z.real)

    @property
    def derivative(self) -> np.ndarray[Any, Any]:
        """How the values move with the perturbation."""
        return np.asarray(self.z.imag / STEP)

    shape = property(lambda self: self.z.shape)
    ndim = property(lambda self: self.z.ndim)
    size = property(lambda self: self.z.size)
    dtype = property(lambda _: np.dtype(float))
    T = property(lambda self: _wrap(self.z.T, self.run))
    mT = property(lambda self: _wrap(np.swapaxes(self.z, -1, -2), self.run))

    def __repr__(self) -> str:
        return f"Perturbed({self.value}, {self.derivative})"

    def __len__(self) -> int:
        return len(self.z)

    def __bool__(self) -> bool:
        return bool(_truth(self.run, self.z))

    def __getitem__(self, index: Any) -> Perturbed:
        return _wrap(self.z[index], self.run)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise NotDifferentiableError("a conversion to a plain array drops the perturbation")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, **options: Any) -> Any:
        if method != "__call__":
            raise NotDifferentiableError(f"np.{ufunc.__name__}.{method} is not followed")
        out = options.pop("out", None)
        result = _apply(self.run, ufunc, args, options)
        if out is None:
            return result
        out[0].z = result.z  # an in-place operator, which rebinds its target
        return out[0]

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: Any, options: Any
    ) -> Any:
        return _apply(self.run, function, args, options)

    def sum(self, axis: Any = None, **options: Any) -> Any:
        """Return np.sum(self, axis)."""
        return np.sum(self, axis=axis, **options)

    def ravel(self) -> Any:
        """Return np.ravel(self)."""
        return _wrap(self.z.ravel(), self.run)

    def reshape(self, *shape: Any) -> Any:
        """Return the elements in another shape."""
        return _wrap(self.z.reshape(*shape), self.run)

    def astype(self, dtype: Any) -> Any:  # noqa: ARG002
        """Return the array itself: the numerical side always works in double precision."""
        return self

    def copy(self) -> Any:
        """Return a copy."""
        return _wrap(self.z.copy(), self.run)


def _wrap(z: Complex, run: Run) -> Perturbed:
    result: Perturbed = object.__new__(Perturbed)
    result.z = z
    result.run = run
    return result


def unmoved(run: Run, value: Any) -> Perturbed:
    """Return an array that does not move, but whose use is noted, and shaken, by a run."""
    return _wrap(np.asarray(value, complex), run)


_SEQUENCES = (list, tuple)  # made once: every operation of every entry comes through here
_NUMBERS = (np.ndarray, np.generic)


def _strip(args: Any) -> Any:
    """Replace perturbed arrays by complex ones, in nested arguments too."""
    plain = [
        a.z if isinstance(a, Perturbed) else _strip(a) if isinstance(a, _SEQUENCES) else a
        for a in args
    ]
    return plain if type(args) is list else type(args)(plain)


def _apply(run: Run, function: Callable[..., Any], args: Any, options: Any) -> Any:
    """Follow one call: by its own rule below, as complex numbers, or rewritten."""
    if (own := _OWN.get(function)) is not None:
        plain = _strip(args)
        return _result(run, own(run, *plain, **options), plain)
    if function in _ANALYTIC:
        plain = _strip(args)
        return _result(run, function(*plain, **options), plain)
    kind = registry.registered(function)
    if kind == "composite":
        rewritten: Any = registry.find_rule(function)
        return rewritten(*args, **options)
    if kind == "constant":
        return function(*_real(args), **{key: _real(v) for key, v in options.items()})
    if (body := registry.implementation_of(function)) is not None:
        return body(*args, **options)
    raise NotDifferentiableError(f"{registry.name_of(function)} is not followed by complex step")


def _result(run: Run, value: Any, args: Any) -> Any:
    if not (isinstance(value, _NUMBERS) and value.dtype.kind == "c"):
        return value
    z = np.asarray(value)
    if run.jitter is not None:
        run.peak = max(run.peak, float(np.abs(z.imag).max(initial=0.0)) / STEP)
        z = z.copy()
        arrays = [a for a in leaves(args) if isinstance(a, np.ndarray | np.generic)]
        for part in (np.real, np.imag):
            numbers, inputs = part(z), [part(a) for a in arrays]  # views
            numbers *= 1 + ULP * run.jitter.uniform(-1, 1, z.shape) * rounded(numbers, inputs)
    return _wrap(z, run)


def rounded(result: Any, args: Any) -> np.ndarray[Any, Any]:
    """Return which elements of a real result may have been rounded: those not in the arguments.

    What a function passes on as it is, or with the other sign, is exact: max, sort, where, |x|.
    A rule may look for it among the inputs, so it must not be moved to see what rounding does.

    >>> rounded(np.array([3.0, 0.5]), [np.array([-3.0, 6.0])])
    array([False,  True])
    """
    arrays = [a for a in leaves(args) if isinstance(a, np.ndarray | np.generic)]
    numbers = [np.ravel(a) for a in arrays if a.dtype.kind == "f"]
    inputs = np.sort(np.abs(np.concatenate([*numbers, [np.inf]])))
    size = np.abs(result)
    found = inputs[np.minimum(np.searchsorted(inputs, size), inputs.size - 1)]
    inexact: np.ndarray[Any, Any] = found != size
    return inexact


def _real(value: Any) -> Any:
    if isinstance(value, Perturbed):
        return value.value
    if isinstance(value, list | tuple):
        return type(value)(map(_real, value))
    return value


# --- who is larger --------------------------------------------------------------------------


def _order(run: Run, a: Any, b: Any) -> np.ndarray[Any, Any]:
    """The sign of a - b: by the real parts, and where they tie by the perturbation."""
    real = np.sign(np.real(a) - np.real(b))
    moved = np.sign(np.imag(a) - np.imag(b))
    tie = (real == 0) & (moved != 0)
    run.ties += int(np.count_nonzero(tie))
    return np.asarray(np.where(tie, run.side * moved, real))


def _compare(test: Callable[[Any], Any]) -> Callable[..., Any]:
    return lambda run, a, b: test(_order(run, a, b))


def _truth(run: Run, z: Any) -> Any:
    return _order(run, z, 0.0) != 0


def _absolute(run: Run, x: Any) -> Any:
    sign = _order(run, x, 0.0)
    return x * sign


def _extreme(pick: int) -> Callable[..., Any]:
    """Take maximum (1) or minimum (-1); nan wins, as in NumPy."""

    def choose(run: Run, a: Any, b: Any) -> Any:
        lost = np.isnan(np.real(a)) | np.isnan(np.real(b))
        return np.where(lost, a + b, np.where(pick * _order(run, a, b) >= 0, a, b))

    return choose


def _extreme_along(pick: int) -> Callable[..., Any]:
    def reduce(run: Run, x: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        best = (np.max if pick > 0 else np.min)(x.real, axis=axis, keepdims=True)
        lean = pick * run.side * x.imag
        won = x.real == best
        ahead = np.max(np.where(won, lean, -np.inf), axis=axis, keepdims=True)
        behind = np.min(np.where(won, lean, np.inf), axis=axis, keepdims=True)
        run.ties += int(np.count_nonzero(ahead != behind))
        z = best + 1j * (pick * run.side * ahead)
        return z if keepdims else np.squeeze(z, axis=axis) if axis is not None else z.reshape(())

    return reduce


def _sort(run: Run, a: Any, axis: int = -1) -> Any:
    return np.take_along_axis(a, _argsort(run, a, axis), axis=axis)


def _argsort(run: Run, a: Any, axis: int = -1) -> Any:
    ordered = np.sort(a.real, axis=axis)
    run.ties += int(np.count_nonzero(np.diff(ordered, axis=axis) == 0))
    return np.lexsort((run.side * a.imag, a.real), axis=axis)


def _argextreme(pick: int) -> Callable[..., Any]:
    def find(run: Run, a: Any, axis: int | None = None) -> Any:
        flat = a.ravel() if axis is None else a
        order = _argsort(run, flat, -1 if axis is None else axis)
        return np.take(order, -1 if pick > 0 else 0, axis=-1 if axis is None else axis)

    return find


def _step_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Follow floor and its kin: flat, with a jump that a perturbation at a whole number crosses."""

    def flat(run: Run, x: Any) -> Any:
        value, moving = function(x.real), x.imag != 0
        above, below = (function(np.nextafter(x.real, end)) for end in (np.inf, -np.inf))
        run.ties += int(np.count_nonzero(moving & (above != below)))
        return np.where(moving, np.where(run.side * x.imag > 0, above, below), value)

    return flat


# --- where real and complex functions differ ------------------------------------------------


def _with_domain(function: Callable[..., Any], inside: Callable[[Any], Any]) -> Callable[..., Any]:
    """Outside its real domain a function is nan, although the complex one goes on."""

    def limited(run: Run, x: Any) -> Any:
        return np.where(inside(x.real), function(np.where(inside(x.real), x, 0.5)), np.nan)

    return limited


def _sqrt(run: Run, x: Any) -> Any:
    return _root(x, np.sqrt)


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


def _cbrt(run: Run, x: Any) -> Any:
    sign = np.where(x.real < 0, -1.0, 1.0)
    return sign * _root(sign * x, lambda z: np.exp(np.log(z) / 3))


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


def _hypot(run: Run, a: Any, b: Any) -> Any:
    return _length(run, a * a + b * b, (np.imag(a) / STEP) ** 2 + (np.imag(b) / STEP) ** 2)


def _norm(run: Run, x: Any, *, axis: Any = None, keepdims: bool = False) -> Any:
    squares = np.sum(x * x, axis=axis, keepdims=keepdims)
    return _length(run, squares, np.sum((x.imag / STEP) ** 2, axis=axis, keepdims=keepdims))


def _length(run: Run, squares: Any, moved: Any) -> Any:
    """A length at 0 is a kink, as |x| is: to either side it grows."""
    at_zero = np.real(squares) == 0
    run.ties += int(np.count_nonzero(at_zero & (moved != 0)))
    kink = 1j * (run.side * STEP * np.sqrt(moved))
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


def _logaddexp(log: Callable[[Any], Any], exp: Callable[[Any], Any]) -> Callable[..., Any]:
    def combine(run: Run, a: Any, b: Any) -> Any:
        top = np.maximum(np.real(a), np.real(b))
        return top + log(exp(a - top) + exp(b - top))

    return combine


def _remainder(whole: Callable[..., Any]) -> Callable[..., Any]:
    def rest(run: Run, a: Any, b: Any) -> Any:
        return a - b * _step_function(whole)(run, np.asarray(a / b, complex))

    return rest


def _where(run: Run, condition: Any, a: Any, b: Any) -> Any:
    return np.where(_truth(run, condition) if np.iscomplexobj(condition) else condition, a, b)


def _scaled(factor: float) -> Callable[..., Any]:
    return lambda run, x: x * factor


_ANALYTIC: set[Callable[..., Any]] = {
    np.add, np.subtract, np.multiply, np.divide, np.negative, np.positive, np.reciprocal,
    np.square, np.exp, np.exp2, np.expm1, np.sin, np.cos, np.tan, np.arctan, np.sinh, np.cosh,
    np.tanh, np.arcsinh, np.matmul, np.einsum, np.sum, np.mean, np.prod, np.cumsum,
    np.reshape, np.ravel, np.expand_dims, np.squeeze, np.transpose, np.swapaxes, np.moveaxis,
    np.flip, np.roll, np.tril, np.triu, np.broadcast_to, np.concatenate, np.stack, np.copy,
    np.take, np.take_along_axis, np.vstack, np.hstack, np.column_stack, np.repeat, np.diagonal,
    np.trace, np.diff, np.outer, np.tensordot, np.dot, np.inner, np.kron,
    primitives.getitem, primitives.concat, primitives.scatter_add,
}  # fmt: skip

_OWN: dict[Callable[..., Any], Callable[..., Any]] = {
    np.equal: _compare(lambda s: s == 0),
    np.not_equal: _compare(lambda s: s != 0),
    np.less: _compare(lambda s: s < 0),
    np.less_equal: _compare(lambda s: s <= 0),
    np.greater: _compare(lambda s: s > 0),
    np.greater_equal: _compare(lambda s: s >= 0),
    np.sign: lambda run, x: _order(run, x, 0.0),
    np.absolute: _absolute,
    np.fabs: _absolute,
    np.maximum: _extreme(1),
    np.minimum: _extreme(-1),
    np.fmax: _extreme(1),
    np.fmin: _extreme(-1),
    np.max: _extreme_along(1),
    np.min: _extreme_along(-1),
    np.sort: _sort,
    np.argsort: _argsort,
    np.argmax: _argextreme(1),
    np.argmin: _argextreme(-1),
    np.floor: _step_function(np.floor),
    np.ceil: _step_function(np.ceil),
    np.trunc: _step_function(np.trunc),
    np.rint: _step_function(np.rint),
    np.round: _step_function(np.round),
    np.remainder: _remainder(np.floor),
    np.fmod: _remainder(np.trunc),
    np.where: _where,
    np.sqrt: _sqrt,
    np.cbrt: _cbrt,
    np.power: _power,
    np.hypot: _hypot,
    np.linalg.norm: _norm,
    np.linalg.vector_norm: _norm,
    np.arctan2: _arctan2,
    np.log: _with_domain(np.log, lambda x: x > 0),
    np.log2: _with_domain(np.log2, lambda x: x > 0),
    np.log10: _with_domain(np.log10, lambda x: x > 0),
    np.log1p: _with_domain(np.log1p, lambda x: x > -1),
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
    primitives.cast: lambda _, x, dtype: x,  # always double precision
}
