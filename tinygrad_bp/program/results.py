"""What a compiled step returns: results that track in eager mode do here, but carry no graph."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Never, cast

from tinygrad_bp.engine import Op
from tinygrad_bp.errors import FreedGraphError
from tinygrad_bp.registry import Rule
from tinygrad_bp.state import clock
from tinygrad_bp.tensor import Tensor, wrap

__all__ = ["copied", "results_of", "tracked"]


class _Step(Op):
    """The call of a compiled step, through which no gradient passes."""

    __slots__ = ()

    def raise_freed(self) -> Never:
        """Raise the error for a backward pass that reaches a result of the step."""
        raise FreedGraphError(
            f"'{self.rule.name}' is compiled, and its results carry no graph: no gradient passes "
            "from here to what it was computed from. Call backward() within the step, or compile "
            "the whole of it, as in compile(grad(f))."
        )


def tracked(array: Any) -> Tensor:
    """Stand for `results_of` while it is not known which program a result is of."""
    return wrap(array)


def copied(array: Any) -> Tensor:
    """Return a tensor with values of its own."""
    return wrap(array.copy())


def results_of(function: Callable[..., Any]) -> Callable[[Any], Tensor]:
    """Return what makes tensors of arrays, such that a backward pass from there is refused."""
    op = _Step()
    op.rule = cast("Rule", SimpleNamespace(name=getattr(function, "__name__", "step")))
    op.inputs, op.arrays, op.options, op.tracked = None, (), {}, ()
    op.y = op.hooks = op.kept = op.digests = op._frame = None
    op.age = next(clock)

    def result(array: Any) -> Tensor:
        tensor = wrap(array)
        tensor.op, tensor._requires_grad = op, True
        return tensor

    return result
