"""Watchers of a graph: writes behind its back, and where the first nan or inf came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Never

import numpy as np

from tinygrad_bp.backward import Step
from tinygrad_bp.engine import Op, RawStep
from tinygrad_bp.errors import NonFiniteError
from tinygrad_bp.modes import Switch, watched_by
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import array_of

__all__ = ["debug", "trace_nans"]


# --- debug ----------------------------------------------------------------------------------


def debug() -> Switch:
    """Return a context that catches the writes no tensor can notice.

    Assigning to `t.data` is always noticed. A write into an array itself, through another name
    for it or as `t.data[0] = 1`, is not; inside `debug()` every array that the backward pass needs
    is remembered by a digest and compared before it is used. Raises `StaleGraphError`.

    >>> from tinygrad_bp import Tensor
    >>> x = np.array([1.0, 2.0])
    >>> w = Tensor([3.0, 4.0], requires_grad=True)
    >>> with debug():
    ...     y = (w * x).sum()
    ...     x[0] = 100.0
    ...     y.backward()
    Traceback (most recent call last):
    tinygrad_bp.errors.StaleGraphError: an input of 'multiply' changed between forward and ...
    """
    return watched_by(_Digests())


class _Digests:
    """Remembers what every op read, and compares it when the op's gradients are computed."""

    def recorded(self, op: Op, arrays: Sequence[Any], y: Any) -> None:
        op.digests = [_digest(a) for a in (*arrays, *_outputs(y))]

    def watch(self, steps: Iterator[RawStep]) -> Iterator[RawStep]:
        compared = None
        for fields in steps:
            op = fields[0]
            if op is not compared and op.digests is not None:
                self._compare(op)
                compared = op
            yield fields

    def _compare(self, op: Op) -> None:
        now = (*op.arrays, *_outputs(op.y))
        for i, (a, before) in enumerate(zip(now, op.digests, strict=True)):
            if _digest(a) != before:
                what = f"argument {i}" if i < len(op.arrays) else "its result"
                op.raise_stale(f"{what} was written to in place, behind the tensor's back")


def _outputs(y: Any) -> tuple[Any, ...]:
    return y if type(y) is tuple else (y,)


def _digest(value: Any) -> bytes | None:
    if not isinstance(value, np.ndarray):
        return None
    import hashlib

    return hashlib.blake2b(value.tobytes(), digest_size=16).digest()


# --- the first nan --------------------------------------------------------------------------


def trace_nans() -> Switch:
    """Stop at the first nan or inf, forward or backward, and say where it came from.

    Raises `NonFiniteError` with the op, the element, the operands there, the line that recorded
    it and a remedy: the first cause, not the place where a nan finally surfaced.

    >>> from tinygrad_bp import Tensor
    >>> x = Tensor([1.0, 0.0], requires_grad=True)
    >>> with trace_nans(), np.errstate(divide="ignore"):
    ...     y = np.log(x)
    Traceback (most recent call last):
    tinygrad_bp.errors.NonFiniteError: forward, 'log' gave -inf at (1,) of ...
    """
    return watched_by(_FirstCause())


class _FirstCause:
    """Everything seen so far was finite, so the first non-finite value is where it began."""

    def recorded(self, op: Op, arrays: Sequence[Any], y: Any) -> None:
        for result in _outputs(y):
            self._look_at(op, arrays, result)

    def _look_at(self, op: Op, arrays: Sequence[Any], result: Any) -> None:
        at = _first_non_finite(result)
        if at is None:
            return
        for i, a in enumerate(arrays):
            if (inside := _first_non_finite(a)) is not None:
                what = f"forward, argument {i} of '{op.rule.name}' came in with"
                _report(op, what, a, inside, "")
        _report(op, f"forward, '{op.rule.name}' gave", result, at, _operands(arrays, result, at))

    def watch(self, steps: Iterator[RawStep]) -> Iterator[RawStep]:
        for fields in steps:
            self._check(Step(*fields))
            yield fields

    def _check(self, step: Step) -> None:
        op, slot = step.op, step.slot
        arriving = f"backward, the gradient arriving at '{op.rule.name}' is"
        for value, what in (
            *((g, arriving) for g in _outputs(step.arriving)),
            (step.contribution, f"backward, the rule of '{op.rule.name}' for argument {slot} gave"),
            (step.total, f"backward, adding the contribution of '{op.rule.name}' gave"),
        ):
            array = array_of(value)
            if (at := _first_non_finite(array)) is not None:
                _report(op, what, array, at, _operands(op.arrays, array, at))


def _report(op: Op, what: str, array: Array, at: tuple[int, ...], operands: str) -> Never:
    if operands:
        remedy = op.rule.remedy or "look at the operands named here"
    else:
        remedy = "look at the data or the parameter it was read from"
    raise NonFiniteError(
        f"{what} {array[at]} at {at} of shape {array.shape}{operands}. Recorded at {op.site}. "
        f"Remedy: {remedy}."
    )


def _first_non_finite(value: Any) -> tuple[int, ...] | None:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fc":
        return None
    if np.isfinite(value).all():
        return None
    return tuple(int(i) for i in np.argwhere(~np.isfinite(value))[0])


def _operands(args: Sequence[Any], result: Array, at: tuple[int, ...]) -> str:
    """The arguments at that element, where they line up with the result."""
    seen = []
    for i, a in enumerate(args):
        if isinstance(a, np.ndarray) and a.dtype.kind in "fiub":
            try:
                seen.append(f"argument {i} there is {np.broadcast_to(a, result.shape)[at]}")
            except ValueError:
                seen.append(f"argument {i} has shape {a.shape}, {_range(a)}")
        elif isinstance(a, int | float):
            seen.append(f"argument {i} is {a}")
    return f" ({'; '.join(seen)})" if seen else ""


def _range(a: np.ndarray[Any, Any]) -> str:
    return f"from {a.min():.6g} to {a.max():.6g}" if a.size else "empty"
