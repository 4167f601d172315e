"""Watchers of the graph: who wrote behind its back, and where the first nan or inf came from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Never

import numpy as np

from tinygrad_bp.engine import Op, RawStep, Step, Variable
from tinygrad_bp.errors import NonFiniteError
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Switch, watched_by

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

    def recorded(self, op: Op, args: list[Any], result: Array) -> None:
        op.digests = (*map(_digest, args), _digest(result))

    def watch(self, steps: Iterator[RawStep]) -> Iterator[RawStep]:
        for fields in steps:
            output = fields[0]
            op = output.op
            if op is not None and op.digests is not None:
                self._compare(op, output)
            yield fields

    def _compare(self, op: Op, output: Variable) -> None:
        for i, (a, before) in enumerate(zip((*(op.args or ()), output), op.digests, strict=True)):
            if _digest(a._data if isinstance(a, Variable) else a) != before:  # noqa: SLF001
                what = "its result" if a is output else f"argument {i}"
                op.raise_stale(f"{what} was written to in place, behind the tensor's back")


def _digest(value: Any) -> bytes | None:
    if not isinstance(value, np.ndarray):
        return None
    import hashlib

    return hashlib.blake2b(value.tobytes(), digest_size=16).digest()


# --- the first nan --------------------------------------------------------------------------


_REMEDIES = {
    "log": "keep the argument above 0 (np.maximum(x, tiny)), or compute the logarithm directly: "
    "log_softmax, logsumexp, log1p",
    "divide": "keep the divisor away from 0, or choose another branch before dividing",
    "quotient": "keep the divisor away from 0",
    "exp": "subtract the maximum first; logsumexp, softmax and sigmoid are safe forms",
    "sqrt": "keep the argument at 0 or above for the value, above 0 for the gradient",
    "power": "a negative base needs a whole exponent, and a zero base one of 1 or more",
    "arcsin": "clip the argument into (-1, 1)",
    "arccos": "clip the argument into (-1, 1)",
    "square": "scale the inputs down, or lower the learning rate",
    "multiply": "scale the inputs down, or lower the learning rate",
    "matmul": "scale the inputs down, or lower the learning rate",
    "affine": "scale the inputs down, or lower the learning rate",
}


def trace_nans() -> Switch:
    """Stop at the first nan or inf, forward or backward, and say where it came from.

    Raises `NonFiniteError` with the op, the element, the operands there, the line that recorded
    it and a remedy: the first cause, not the place where a nan surfaced at last.

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

    def recorded(self, op: Op, args: list[Any], result: Array) -> None:
        at = _first_non_finite(result)
        if at is None:
            return
        for i, a in enumerate(args):
            if (inside := _first_non_finite(a)) is not None:
                what = f"forward, argument {i} of '{op.rule.name}' came in with"
                _report(op, what, a, inside, "")
        _report(op, f"forward, '{op.rule.name}' gave", result, at, _operands(args, result, at))

    def watch(self, steps: Iterator[RawStep]) -> Iterator[RawStep]:
        for fields in steps:
            step = Step(*fields)
            self._check(step)
            yield fields

    def _check(self, step: Step) -> None:
        op = step.output.op
        if op is None:
            return
        slot = step.slot
        for value, what in (
            (step.arriving, f"backward, the gradient arriving at '{op.rule.name}' is"),
            (step.contribution, f"backward, the rule of '{op.rule.name}' for argument {slot} gave"),
            (step.total, f"backward, adding the contribution of '{op.rule.name}' gave"),
        ):
            array = getattr(value, "_data", value)
            if (at := _first_non_finite(array)) is not None:
                _report(op, what, array, at, _operands(op.arrays, array, at))


def _report(op: Op, what: str, array: Array, at: tuple[int, ...], operands: str) -> Never:
    if operands:
        remedy = _REMEDIES.get(op.rule.name, "look at the operands named here")
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
