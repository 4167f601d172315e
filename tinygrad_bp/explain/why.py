"""Why a tensor has no gradient, or not the one that was expected."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.engine import Op
from tinygrad_bp.explain.formatting import brief, counted
from tinygrad_bp.tensor import Tensor

__all__ = ["why"]


def why(value: Any, loss: Tensor) -> str:
    """Say why a value has no gradient from a loss, or what there is to know about the one it has.

    Reads the graph if `backward()` has not used it up, and changes nothing.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> w = Tensor(3.0, requires_grad=True)
    >>> loss = w.detach() * x
    >>> print(why(w, loss).partition(" (")[0])
    no gradient: the loss was computed from a detached copy of this tensor
    """
    if (reason := _by_itself(value)) is not None:
        return reason
    if not loss.requires_grad:
        return (
            "no gradient: the loss does not track. It was computed under no_grad(), from detached "
            "or constant values, or through a function without a gradient such as argmax"
        )
    if loss.op is not None and loss.op.inputs is None:
        return _after_backward(value)
    return _in_graph(value, loss)


def _by_itself(value: Any) -> str | None:
    """What can be said without the graph."""
    if not isinstance(value, Tensor):
        return (
            f"no gradient: {type(value).__name__} is a constant; gradients are kept by a Tensor "
            "with requires_grad=True"
        )
    if value.dtype.kind != "f":
        return f"no gradient: {value.dtype} values make no small changes; use astype(float)"
    if value.requires_grad:
        return None
    if not value.data.flags.writeable:
        return (
            "no gradient: it was detached from the graph that it was computed in, or is an output "
            "that takes none, such as the whole part that divmod gives"
        )
    return (
        "no gradient: it does not track. It was made without requires_grad=True, detached, or "
        "computed under no_grad()"
    )


def _after_backward(value: Tensor) -> str:
    if value.op is not None:
        return (
            "no gradient is kept: it is a result, and backward() keeps gradients for leaves. Call "
            "retain_grad() on it before backward()"
        )
    if value.grad is None:
        return (
            "no gradient: backward() went through the loss's graph and did not reach it, so there "
            "is no path. To see the graph, ask before backward(), or pass it retain_graph=True"
        )
    passes = counted(value.backward_passes, "backward pass", "backward passes")
    return f"it has one, {brief(value.grad.data)}, from {passes}; each adds to it until zero_grad()"


def _in_graph(value: Tensor, loss: Tensor) -> str:
    order = engine.topological_order(loss)
    wanted = {engine.key_of(value)}  # in a set, since `==` of tensors compares their values
    if engine.key_of(loss) in wanted:
        return "its gradient is 1: it is the loss"
    readers = [op for op in order if any(engine.key_of(x) in wanted for x in op.sources())]
    if readers:
        return _reached(value, readers)
    for op in order:
        if any(_is_copy(a, value) for a in op.inputs or ()):
            return (
                "no gradient: the loss was computed from a detached copy of this tensor "
                f"({op.rule.name}, recorded at {op.site})"
            )
    return (
        "no gradient: there is no path. The loss was computed by "
        f"{counted(len(order), 'operation')}, and none of them read this tensor. Was another one "
        "used in its place, or was it used under no_grad() or through .data?"
    )


def _reached(value: Tensor, readers: list[Op]) -> str:
    ops = readers[::-1]
    by = "; ".join(f"{op.rule.name}, recorded at {op.site}" for op in ops[:3])
    more = f" and {len(ops) - 3} more" if len(ops) > 3 else ""
    if value.op is not None:
        return (
            f"its gradient comes from {by}{more}; it is a result, so backward() does not keep it "
            "unless retain_grad() was called"
        )
    if value.grad is None:
        return f"it gets its gradient from {by}{more}; backward() has not run yet"
    return f"it gets its gradient from {by}{more}; it holds {brief(value.grad.data)}"


def _is_copy(argument: Any, value: Tensor) -> bool:
    if isinstance(argument, Tensor) and argument.requires_grad:
        return False
    array = argument.data if isinstance(argument, Tensor) else argument
    return isinstance(array, np.ndarray) and np.shares_memory(array, value.data)
