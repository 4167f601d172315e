"""What one op does to gradients and tangents, apart from any pass."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.engine import Op

__all__ = ["alone", "column", "pulled"]

Array: TypeAlias = "np.ndarray[Any, Any]"


def alone(op: Op, output: int | None, arriving: Array) -> Any:
    """Return what arrives at an op if something arrives at one of its outputs and nothing else."""
    if output is None:
        return arriving
    return tuple([arriving if i == output else np.zeros_like(y) for i, y in enumerate(op.y)])


def pulled(op: Op, slot: int, arriving: Any) -> Array:
    """Return what one argument of an op receives: its vector-Jacobian product.

    `arriving` is the gradient of the output, or a tuple of them if there are several.

    >>> from tinygrad_bp.tensor import Tensor
    >>> a, b = Tensor(3.0, requires_grad=True), Tensor(4.0, requires_grad=True)
    >>> pulled((a * b).op, 0, np.array(10.0))
    array(40.)
    """
    rule = op.rule
    partial = rule.partials[0 if rule.together else slot]
    found = partial(arriving, op.y, *op.arrays, **op.options)
    contribution = found[slot] if rule.together else found
    return np.asarray(engine.conform(contribution, op.arrays[slot], op))


def column(op: Op, slot: int, index: tuple[int, ...]) -> Any:
    """Return how the output moves with one element of an argument: one column of the Jacobian.

    Of several outputs it is a tuple, with None for those that take no gradient.

    >>> from tinygrad_bp.tensor import Tensor
    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> column((x * x).op, 0, (1,))
    array([0., 2.])
    """
    rule = op.rule
    moved = np.zeros(np.shape(op.arrays[slot]))
    moved[index] = 1.0
    if rule.together:
        tangents = [moved if i == slot else np.zeros_like(a) for i, a in enumerate(op.arrays)]
        return _like(op.y, rule.pushes[0](tangents, op.y, *op.arrays, **op.options))
    return _like(op.y, rule.pushes[slot](moved, op.y, *op.arrays, **op.options))


def _like(y: Any, found: Any) -> Any:
    """What a push gives, in the shape of the output."""
    if type(y) is tuple:
        return tuple([None if t is None else _like(p, t) for p, t in zip(y, found, strict=True)])
    return np.broadcast_to(found, y.shape)
