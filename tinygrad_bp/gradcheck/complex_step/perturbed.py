"""Perturbed: an array x + ih·d, and how it goes through NumPy's functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Never

import numpy as np

from tinygrad_bp import rules as own
from tinygrad_bp.calls import name_of
from tinygrad_bp.containers import leaves
from tinygrad_bp.duck import NO_OPTIONS, DuckArray, defers
from tinygrad_bp.errors import NotDifferentiableError
from tinygrad_bp.gradcheck.complex_step.domains import DOMAINS
from tinygrad_bp.gradcheck.complex_step.run import Run
from tinygrad_bp.gradcheck.complex_step.ties import TIES, is_true, step
from tinygrad_bp.operands import ORDINARY, admit
from tinygrad_bp.registry import implementation_of, rule_of, rules

__all__ = ["Perturbed", "unmoved"]

Complex = np.ndarray[Any, Any]
Function = Callable[..., Any]

_FLOAT = np.dtype(float)


class Perturbed(DuckArray):
    """The array `x + i h d`, seen by a function as the real array x.

    >>> x = Perturbed(np.array([2.0, 3.0]), np.array([1.0, 0.0]), Run())
    >>> np.sum(np.exp(x) * x).derivative  # e^x (1 + x) at 2
    array(22.1671683)
    """

    __slots__ = ("run",)

    def __init__(self, value: Any, direction: Any, run: Run) -> None:
        self._value = z = np.array(value, complex)
        if isinstance(direction, int):  # one entry of a vector
            z.imag[direction] = run.step
        else:
            z.imag = run.step * np.asarray(direction, float)
        self.run = run

    @property
    def value(self) -> np.ndarray[Any, Any]:
        """The unperturbed values."""
        return np.asarray(self._value.real)

    @property
    def derivative(self) -> np.ndarray[Any, Any]:
        """How the values move with the perturbation."""
        return np.asarray(self._value.imag / self.run.step)

    @property
    def dtype(self) -> np.dtype[Any]:
        """What the function sees: real numbers."""
        return _FLOAT

    def __repr__(self) -> str:
        return f"Perturbed({self.value}, {self.derivative})"

    def __bool__(self) -> bool:
        return bool(is_true(self.run, self._value))

    def __getitem__(self, index: Any) -> Perturbed:
        return _wrap(self._value[index], self.run)

    def pieces(self, cut: Callable[[Complex], Sequence[Complex]]) -> list[Perturbed]:
        """Return the parts that a function cuts the numbers into, at one call for all of them."""
        return [_wrap(z, self.run) for z in cut(self._value)]

    def astype(self, dtype: Any) -> Any:
        """Return the array itself as another float, since all is in double precision here."""
        return self._call(own.cast, (self,), {"dtype": dtype})

    def _call(
        self,
        function: Function,
        arrays: Sequence[Any],
        options: Mapping[str, Any] = NO_OPTIONS,
    ) -> Any:
        """Follow a call: as its entry in a table says, as complex numbers, or rewritten."""
        plain: list[Any] = []
        for a in arrays:
            kind = type(a)
            if kind is Perturbed:
                plain.append(a._value)
            elif kind in ORDINARY:
                if kind is complex or getattr(a, "dtype", _FLOAT).kind == "c":
                    _refuse_complex()
                plain.append(a)
            elif defers(self, (a,)):
                return NotImplemented
            else:
                plain.append(_stripped(a))
        if function in _ANALYTIC:
            value = rules[function].forward(*plain, **options)
        elif (how := _OWN.get(function)) is not None:
            value = how(self.run, *plain, **options)
        else:
            return _rewritten(function, arrays, options)
        if type(value) is np.ndarray and self.run.jitter is None and value.dtype.kind == "c":
            return _wrap(value, self.run)  # what `_result` does, for nearly every call
        return _result(self.run, value, plain)


def _refuse_complex() -> Never:
    raise NotDifferentiableError("complex numbers in the function itself are not followed")


def _wrap(z: Complex, run: Run) -> Perturbed:
    result: Perturbed = object.__new__(Perturbed)
    result._value = z
    result.run = run
    return result


def _result(run: Run, value: Any, inputs: Sequence[Any]) -> Any:
    """What came out, perturbed where it moves; of several outputs, each."""
    if isinstance(value, list | tuple):
        return type(value)([_result(run, part, inputs) for part in value])
    if not (isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "c"):
        return value
    z = np.asarray(value)  # NumPy gives numbers where there are no axes
    return _wrap(z if run.jitter is None else _shaken(run, z, inputs), run)


def _shaken(run: Run, value: Complex, inputs: Sequence[Any]) -> Complex:
    """A result off by up to an ulp, in both of its parts, where they were rounded."""
    run.note(value.imag / run.step)
    arrays = [a for a in leaves(list(inputs)) if isinstance(a, np.ndarray | np.generic)]
    z = np.empty(value.shape, complex)
    z.real = run.shaken_where_rounded(value.real, [np.real(a) for a in arrays])
    z.imag = run.shaken_where_rounded(value.imag, [np.imag(a) for a in arrays])
    return z


def _rewritten(function: Function, arrays: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """Call what is flat on plain numbers, and what is made of other functions as those."""
    rule = rule_of(function)
    if rule is not None and rule.kind == "constant":
        return function(*_real(arrays), **_real(options))
    body = implementation_of(function)
    if rule is not None and rule.rewritten is not None:
        body = rule.rewritten
    if body is None:
        raise NotDifferentiableError(f"{name_of(function)} is not followed by complex step")
    return body(*[_operand(a) for a in arrays], **options)


def _operand(value: Any) -> Any:
    """A list of numbers as an array, unless there are perturbed arrays among them."""
    moving = isinstance(value, Perturbed) or any(isinstance(a, Perturbed) for a in leaves(value))
    return value if moving else admit(value)


def unmoved(run: Run, value: Any) -> Perturbed:
    """Return an array that does not move, but whose use is noted, and shaken, by a run."""
    return _wrap(np.asarray(value, complex), run)


def _stripped(value: Any) -> Any:
    """Replace perturbed arrays by complex ones, in nested arguments too."""
    if isinstance(value, list | tuple):
        return type(value)(map(_stripped, value))
    return value._value if isinstance(value, Perturbed) else value


def _real(value: Any) -> Any:
    """Replace perturbed arrays by their values, in nested arguments too."""
    if isinstance(value, Perturbed):
        return value.value
    if isinstance(value, list | tuple):
        return type(value)(map(_real, value))
    if isinstance(value, Mapping):
        return {key: _real(part) for key, part in value.items()}
    return value


# --- how functions are followed -------------------------------------------------------------


def _cast(run: Run, x: Any, *, dtype: Any) -> Any:
    """All floats are double precision here; the whole numbers are reached by steps."""
    kind = np.dtype(dtype).kind
    if kind == "c":
        _refuse_complex()
    return x if kind == "f" else step(lambda real: real.astype(dtype))(run, x)


# This is about NumPy, not about our rules, which are what is checked. Composites stand here if
# NumPy computes them on complex numbers as on real ones; those that conjugate are rewritten.
_ANALYTIC: set[Function] = {
    np.add, np.subtract, np.multiply, np.divide, np.negative, np.positive, np.reciprocal,
    np.square, np.exp, np.exp2, np.expm1, np.sin, np.cos, np.tan, np.arctan, np.sinh, np.cosh,
    np.tanh, np.arcsinh, np.matmul, np.einsum, np.sum, np.mean, np.prod, np.cumsum,
    np.cumprod,
    np.reshape, np.ravel, np.expand_dims, np.squeeze, np.transpose, np.swapaxes, np.moveaxis,
    np.flip, np.roll, np.tril, np.triu, np.broadcast_to, np.concatenate, np.copy,
    np.take, np.take_along_axis, np.compress, np.extract, np.delete, np.repeat, np.append,
    np.column_stack, np.diagonal,
    np.convolve, np.outer, np.tensordot, np.dot, np.inner, np.kron,
    np.pad, np.lib.stride_tricks.sliding_window_view,
    np.linalg.inv, np.linalg.det, np.linalg.solve, np.linalg.matrix_power, np.linalg.multi_dot,
    np.linalg.tensorinv, np.linalg.tensorsolve, own.getitem, own.overlap_add, own.scatter_add,
    own.recurrence, own.convolve_windows, own.convolve_transposed, own.correlate_windows,
    own.take_from_windows, own.put_into_windows,
}  # fmt: skip

_OWN: dict[Function, Function] = {
    **TIES,
    **DOMAINS,
    own.cast: _cast,
    np.i0: lambda run, x: own.bessel_i(x, 0),  # NumPy's own takes real numbers alone
    # What the function sees is real: its own conjugate, with no imaginary part.
    np.real: lambda run, x: x,
    np.imag: lambda run, x: np.zeros(np.shape(x)),
    np.conjugate: lambda run, x: x,
}
