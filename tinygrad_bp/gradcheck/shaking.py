"""What rounding does to a gradient, found out by rounding differently (Monte Carlo arithmetic).

Every number that was rounded is moved by up to an ulp, at random, and what the gradient moves by is
how far rounding may have moved it in the first place.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.engine import Op, Variable
from tinygrad_bp.gradcheck.complex_step import ULP, Perturbed, Run, rounded, unmoved
from tinygrad_bp.registry import implementation_of
from tinygrad_bp.tensor import Tensor

__all__ = ["Shaker", "shaken", "sweep_shaken"]

Vector = np.ndarray[Any, Any]


def shaken(array: Vector, run: Run) -> Vector:
    """Return an array that is off by up to an ulp."""
    assert run.jitter is not None  # noqa: S101
    moved: Vector = array * (1 + ULP * run.jitter.uniform(-1, 1, array.shape))
    return moved


class Shaker:
    """An observer that puts every recorded result that was rounded off by up to an ulp."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def recorded(self, op: Op, args: list[Any], result: Any) -> None:
        """Change the result in place, before anything reads it."""
        inexact = rounded(result, args)
        if not (inexact.any() and _can_be_written(result)):
            return
        result.setflags(write=True)
        result[...] = np.where(inexact, shaken(self._within(op, args, result), self._run), result)
        result.setflags(write=False)

    def _within(self, op: Op, args: list[Any], result: Any) -> Any:
        """The result, computed with every step within the op off by up to an ulp."""
        if implementation_of(op.rule.function) is None:
            return result
        try:
            moved = op.rule.forward(*[_fed(self._run, a) for a in args], **op.options)
        except Exception:  # a function that takes plain arrays only
            return result
        return moved.value if isinstance(moved, Perturbed) else result

    def watch(self, steps: Any) -> Any:
        """Leave the backward pass as it is: `sweep_shaken` shakes it."""
        return steps


def _can_be_written(array: Vector) -> bool:
    """Whether the memory is NumPy's own, and not stretched."""
    base = array if array.base is None else array.base
    return isinstance(base, np.ndarray) and base.flags.owndata and 0 not in array.strides


def _fed(run: Run, value: Any) -> Any:
    """What a function is fed so that the run shakes its steps."""
    is_float = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return unmoved(run, value) if is_float else value


def sweep_shaken(
    output: Tensor, inputs: list[Tensor], order: list[Variable], w: Vector, run: Run
) -> Vector:
    """Return the gradients of one backward pass in which the run shakes every step of each rule."""
    found: dict[Variable, Any] = {}

    def read(variable: Variable) -> Any:
        return unmoved(run, engine.read_array(variable))

    if output.requires_grad:
        seed = unmoved(run, w.reshape(output.shape))
        found[output] = seed
        for y, slot, arriving, contribution, total in engine.sweep(order, {output: seed}, read):
            assert y.op is not None and y.op.args is not None  # noqa: S101, PT018
            found[y.op.args[slot]] = total
            for g in (arriving, contribution):
                run.peak = max(run.peak, float(np.abs(_plain(g)).max(initial=0.0)))
    parts = [np.ravel(_plain(found.get(x, np.zeros(x.shape)))) for x in inputs]
    return np.concatenate(parts) if parts else np.zeros(0)


def _plain(g: Any) -> Vector:
    return g.value if isinstance(g, Perturbed) else np.asarray(g)
