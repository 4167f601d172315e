"""Functions that ask which number is larger: the real parts say so, and at a tie the perturbation.

Each takes the run, a call's arrays and its options, in normal form. `TIES` is the table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_bp import rules as own
from tinygrad_bp.gradcheck.complex_step.run import Run

__all__ = ["TIES", "is_true", "step"]

Array = np.ndarray[Any, Any]
Function = Callable[..., Any]


def _order(run: Run, a: Any, b: Any) -> Array:
    """Return the sign of a - b: by the real parts, and where they tie by the perturbation."""
    gap = np.subtract(a, b)
    real, moved = gap.real, gap.imag
    tie = (real == 0) & (moved != 0)
    if run.count(tie):
        real = np.where(tie, run.side * moved, real)
    return np.asarray(np.sign(real))


def is_true(run: Run, a: Any) -> Any:
    """Return where an array counts as true; a number that only just moves away from 0 does."""
    return _order(run, a, 0.0) != 0 if np.iscomplexobj(a) else a


def _compare(test: Callable[[Any], Any]) -> Function:
    return lambda run, a, b: test(_order(run, a, b))


def _absolute(run: Run, x: Any) -> Any:
    return x * _order(run, x, 0.0)


def _heaviside(run: Run, x: Any, at_zero: Any) -> Any:
    sign = _order(run, x, 0.0)
    return np.where(sign == 0, at_zero, np.where(sign > 0, 1.0, np.where(sign < 0, 0.0, x)))


def _where(run: Run, condition: Any, a: Any, b: Any) -> Any:
    return np.where(is_true(run, condition), a, b)


def _extreme(pick: int) -> Function:
    """Take maximum (1) or minimum (-1); nan wins, as in NumPy."""

    def choose(run: Run, a: Any, b: Any) -> Any:
        lead = pick * _order(run, a, b)
        lost = np.isnan(lead)
        best = np.where(lead >= 0, a, b)
        return np.where(lost, a + b, best) if lost.any() else best

    return choose


def _race(run: Run, pick: int, x: Any, axis: Any) -> tuple[Any, Any]:
    """Return the largest (1) or smallest (-1) real part, and how far each that has it goes beyond.

    All others are infinitely far behind.
    """
    best = pick * (pick * x.real).max(axis=axis, keepdims=True)
    won = x.real == best
    lead = np.where(won, pick * run.side * x.imag, -np.inf)
    if np.count_nonzero(won) > best.size:
        run.count(won & (lead < lead.max(axis=axis, keepdims=True)))
    return best, lead


def _extreme_along(pick: int) -> Function:
    def reduce(run: Run, x: Any, *, axis: Any, keepdims: bool) -> Any:
        best, lead = _race(run, pick, x, axis)
        z = best + 1j * (pick * run.side * lead.max(axis=axis, keepdims=True))
        return z if keepdims else np.squeeze(z, axis=axis) if axis is not None else z.reshape(())

    return reduce


def _argextreme(pick: int) -> Function:
    def find(run: Run, a: Any, axis: int | None = None, *, keepdims: bool = False) -> Any:
        _, lead = _race(run, pick, a, axis)
        return np.argmax(lead, axis=axis, keepdims=keepdims)

    return find


def _sort(run: Run, a: Any, axis: int | None = -1, **_: Any) -> Any:
    return np.take_along_axis(a, _argsort(run, a, axis), axis=axis)


def _argsort(run: Run, a: Any, axis: int | None = -1, **_: Any) -> Any:
    if axis is None:
        return _argsort(run, np.ravel(a))
    ordered = np.sort(a.real, axis=axis)
    run.count(np.diff(ordered, axis=axis) == 0)
    return np.lexsort((run.side * a.imag, a.real), axis=axis)


def step(function: Function) -> Function:
    """Follow a step function, such as floor: flat, with jumps that a perturbation may cross."""

    def flat(run: Run, x: Any, *args: Any, **options: Any) -> Any:
        moving = np.imag(x) != 0
        value, above, below = (
            function(real, *args, **options)
            for real in (np.real(x), *(np.nextafter(np.real(x), end) for end in (np.inf, -np.inf)))
        )
        run.count(moving & (above != below))
        return np.where(moving, np.where(run.side * np.imag(x) > 0, above, below), value)

    return flat


TIES: dict[Function, Function] = {
    np.equal: _compare(lambda s: s == 0),
    np.not_equal: _compare(lambda s: s != 0),
    np.less: _compare(lambda s: s < 0),
    np.less_equal: _compare(lambda s: s <= 0),
    np.greater: _compare(lambda s: s > 0),
    np.greater_equal: _compare(lambda s: s >= 0),
    np.sign: lambda run, x: _order(run, x, 0.0),
    own.step: lambda run, x: _order(run, x, 0.0),
    np.copysign: lambda run, a, b: _absolute(run, a) * np.copysign(1.0, np.real(b)),
    np.nextafter: lambda run, a, b: np.nextafter(np.real(a), np.real(b)) + 1j * np.imag(a),
    np.absolute: _absolute,
    np.fabs: _absolute,
    np.heaviside: _heaviside,
    np.where: _where,
    np.maximum: _extreme(1),
    np.minimum: _extreme(-1),
    np.fmax: _extreme(1),
    np.fmin: _extreme(-1),
    np.max: _extreme_along(1),
    np.min: _extreme_along(-1),
    np.sort: _sort,
    np.argsort: _argsort,
    np.argpartition: lambda run, a, kth, axis=-1: _argsort(run, a, axis),
    np.argmax: _argextreme(1),
    np.argmin: _argextreme(-1),
    np.floor: step(np.floor),
    np.ceil: step(np.ceil),
    np.trunc: step(np.trunc),
    np.rint: step(np.rint),
    np.round: step(np.round),
}
