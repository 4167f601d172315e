"""What a step returns, and what runs make of it: results may track as there, but carry no graph."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import SimpleNamespace
from typing import Any, Never, cast

import numpy as np

from tinygrad_bp.engine import Op
from tinygrad_bp.errors import FreedGraphError
from tinygrad_bp.program.listing import Constant, Home
from tinygrad_bp.program.stand_in import Traced
from tinygrad_bp.registry import Rule
from tinygrad_bp.state import clock
from tinygrad_bp.tensor import Tensor, wrap

__all__ = ["Returned", "results_of", "tracked"]


class Returned:
    """The results of a step, as a trace finds them.

    `results` are values in the tuples, lists and dicts that the step returned.
    """

    def __init__(self, trace: Any, found: Any) -> None:
        self._trace = trace
        self.kinds: list[Callable[[Any], Any] | None] = []
        """What makes of each value what the step returned; None where it is that already."""
        self.is_alive = False
        """Whether gradients can pass on from one of the results."""
        self.results = self._of(found)

    def _of(self, item: Any) -> Any:
        if isinstance(item, Tensor):
            self._trace.adopt(item)
            if self._trace.adopted.has(item):  # a tensor from outside is what it is
                return item
        if isinstance(item, Tensor | Traced | np.ndarray):
            return self._result(item)
        if isinstance(item, tuple) and hasattr(item, "_fields"):
            return type(item)(*[self._of(part) for part in item])
        if isinstance(item, list | tuple):
            return type(item)([self._of(part) for part in item])
        if isinstance(item, dict):
            return {key: self._of(part) for key, part in item.items()}
        self._check(item)
        return item

    def _result(self, item: Any) -> Any:
        """One result, which every run makes anew."""
        item = self._trace.constant(item)
        self.kinds.append(_kind_of(item))
        if isinstance(item, Tensor) and item.op is not None and item.op.inputs is not None:
            self.is_alive = True  # no backward pass has used up its graph
        return self._trace.values(item)

    def _check(self, item: Any) -> None:
        """Refuse what no run can make anew."""
        if isinstance(item, Iterator | Awaitable | AsyncIterator):
            getattr(item, "close", _nothing)()
            self._trace.refuse(f"the step returns a {type(item).__name__}, which goes on after it")
        if _holds_values(item):
            self._trace.refuse(
                f"the step returns a {type(item).__name__} that holds values of this run. Return "
                "tensors, or tuples, lists and dicts of them"
            )


def _nothing() -> None:
    pass


def _holds_values(item: Any) -> bool:
    """Whether an object of a kind that is not rebuilt was made of values of this run."""
    inside = item if isinstance(item, set | frozenset) else getattr(item, "__dict__", {}).values()
    arrays = (getattr(part, "_value", part) for part in inside)
    return any(isinstance(a, Traced) and not isinstance(a.ref.source, Home) for a in arrays)


def _kind_of(result: Any) -> Callable[[Any], Any] | None:
    """What makes of a value what the step returned: a tensor, or an array where NumPy gives one."""
    array = result.data if isinstance(result, Tensor) else result
    if isinstance(array.ref.source, Constant):  # the same in every run, but not the same array
        return _copied if isinstance(result, Tensor) else np.array
    if isinstance(result, Tensor):
        return tracked if result.requires_grad else wrap
    return np.asarray if isinstance(result.value, np.ndarray) and not result.ndim else None


# --- tensors that carry no graph --------------------------------------------------------------


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


def _copied(array: Any) -> Tensor:
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
