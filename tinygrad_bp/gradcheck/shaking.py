"""What rounding does to a gradient, found out by rounding differently (Monte Carlo arithmetic).

Every number that was rounded is moved by up to an ulp, at random, and what the gradient moves by is
how far rounding may have moved it in the first place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.engine import Key, Op, RawStep, key_of
from tinygrad_bp.errors import NotDifferentiableError
from tinygrad_bp.gradcheck.complex_step import Perturbed, Run, rounded, unmoved
from tinygrad_bp.registry import implementation_of
from tinygrad_bp.tensor import Tensor

__all__ = ["Shaker", "sweep_shaken"]

Vector = np.ndarray[Any, Any]


class Shaker:
    """An observer that puts every recorded result that was rounded off by up to an ulp."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def recorded(self, op: Op, arrays: Sequence[Any], y: Any) -> None:
        """Change each output in place, before anything reads it."""
        for i, result in enumerate(_listed(y)):
            if i in op.rule.flat:  # whole numbers, and so exact
                continue
            inexact = rounded(result, arrays)
            if inexact.any() and _can_be_written(result):
                result.setflags(write=True)
                moved = self._run.shaken(self._within(op, arrays, i, result))
                result[...] = np.where(inexact, moved, result)
                result.setflags(write=False)

    def _within(self, op: Op, arrays: Sequence[Any], i: int, result: Any) -> Any:
        """Return output i, computed with every step within the op off by up to an ulp."""
        if implementation_of(op.rule.function) is None:
            return result
        try:
            fed = [_fed(self._run, a) for a in arrays]
            moved = _listed(op.rule.forward(*fed, **op.options))[i]
        except Exception:  # a function that takes plain arrays only
            return result
        return moved.value if isinstance(moved, Perturbed) else result

    def watch(self, steps: Iterator[RawStep]) -> Iterator[RawStep]:
        """Leave the backward pass as it is: `sweep_shaken` shakes it."""
        return steps


def _listed(y: Any) -> Sequence[Any]:
    """All outputs of an op, which may be one."""
    return y if isinstance(y, tuple) else (y,)


def _can_be_written(array: Vector) -> bool:
    """Whether the memory is NumPy's own, and not stretched."""
    base = array if array.base is None else array.base
    return isinstance(base, np.ndarray) and base.flags.owndata and 0 not in array.strides


def _fed(run: Run, value: Any) -> Any:
    """What a function is fed so that the run shakes its steps."""
    if isinstance(value, tuple):  # several outputs
        return tuple([_fed(run, part) for part in value])
    is_float = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    if isinstance(value, np.ndarray) and value.dtype.kind == "c":
        raise NotDifferentiableError("complex numbers are no reals with a perturbation")
    return unmoved(run, value) if is_float else value


def sweep_shaken(
    output: Tensor, inputs: list[Tensor], order: list[Op], w: Vector, run: Run
) -> Vector:
    """Return the gradients of one backward pass in which the run shakes every step of each rule."""
    pending: dict[Key, Any] = {}

    def read(op: Op) -> tuple[Any, Sequence[Any]]:
        return _fed(run, op.y), [_fed(run, a) for a in op.arrays]

    if output.requires_grad:
        pending[key_of(output)] = unmoved(run, w.reshape(output.shape))
        for _, _, arriving, contribution, _ in engine.sweep(order, pending, read):
            for g in (*_listed(arriving), contribution):
                run.note(_plain(g))
    parts = [np.ravel(_plain(pending.get(key_of(x), np.zeros(x.shape)))) for x in inputs]
    return np.concatenate(parts) if parts else np.zeros(0)


def _plain(g: Any) -> Vector:
    return g.value if isinstance(g, Perturbed) else np.asarray(g)
