"""Gradients of recorded graphs: what arrives first, who keeps it at the end, what is on the way.

Every pass is `engine.sweep`. Here is what tensors need around it: seeds, `grad`, `gradients`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.engine import Key, Op, RawStep, key_of
from tinygrad_bp.errors import GradientError, ShapeError
from tinygrad_bp.modes import mode, watched
from tinygrad_bp.registry import Array
from tinygrad_bp.state import changes
from tinygrad_bp.tensor import NotKept, Tensor, array_of, tracks, wrap

__all__ = [
    "Step",
    "arriving_at",
    "backward",
    "gradients",
    "read_tensors",
    "seen",
    "steps",
    "tensor_of",
]


def backward(
    output: Tensor, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False
) -> None:
    """Add the gradient of an output to every leaf it was computed from: `Tensor.backward`."""
    seed = arriving_at(output, gradient)
    order = engine.topological_order(output)
    read = read_tensors if create_graph else engine.read_arrays
    arriving = seen(seed if create_graph else seed._value)
    pending: dict[Key, Array] = {key_of(output): arriving}
    passed = watched(engine.sweep(order, pending, read))
    kept: dict[Key, Array] = {}
    if any(op.kept is not None for op in order):
        passed = _keeping(passed, kept)
    deque(passed, maxlen=0)
    _deposit({**pending, **kept}, {id(arriving)})
    if not (retain_graph or create_graph or mode.get().retaining):
        engine.free(order)


def _keeping(steps: Iterator[RawStep], kept: dict[Key, Array]) -> Iterator[RawStep]:
    """Pass steps on, and note the gradients of those outputs of their ops that keep theirs."""
    for step in steps:
        op, _, arriving, _, _ = step
        for i in op.kept or ():
            if type(arriving) is tuple:
                kept[op, i] = arriving[i]
            else:
                kept[op] = arriving
        yield step


def _deposit(finished: dict[Key, Array], taken: set[int]) -> None:
    """Add the finished gradients to what keeps them, each as an array of its own.

    A rule may pass an array on as it is, so several leaves may be given the same one; `taken`
    holds the ids of arrays that belong to somebody already.
    """
    for key, gradient in finished.items():
        own = type(gradient) is np.ndarray and gradient.base is None
        if own and gradient.dtype.kind != "c" and id(gradient) not in taken:
            taken.add(id(gradient))
        else:  # a view, somebody else's too, a NumPy scalar, complex, or a tensor already
            gradient = _as_tensor(seen(gradient))  # noqa: PLW2901
        if not isinstance(key, Tensor):
            op, i = key if type(key) is tuple else (key, 0)
            before = op.kept.get(i)
            op.kept[i] = _as_tensor(gradient if before is None else _add(before, gradient))
        elif key._requires_grad:  # or it was a transform's own variable, which has returned
            before = key._grad
            key._grad = gradient if before is None else _add(before, gradient)
            key._passes += 1
            key._used = False
    changes.note()


def _add(before: Tensor | Array, new: Tensor | Array) -> Tensor | Array:
    """Accumulate; the sum belongs to a graph only if one of its terms does.

    What is added to a gradient that was not kept is not known either.
    """
    if isinstance(before, NotKept):
        return before
    if tracks(before) or tracks(new):
        return before + new
    return array_of(before) + array_of(new)


def _as_tensor(value: Array) -> Tensor:
    if isinstance(value, Tensor):
        return value
    return wrap(value.copy() if isinstance(value, np.ndarray) else value)


def seen(gradient: Array) -> Array:
    """Return a gradient as users give and see it, from one on its way, or the other way round."""
    return np.conjugate(gradient) if gradient.dtype.kind == "c" else gradient


# --- what a pass starts with, and what it is fed ----------------------------------------------


def arriving_at(output: Tensor, gradient: Any = None) -> Tensor:
    """Return what a backward pass starts with: 1 for a scalar, the given gradient otherwise.

    Raises `GradientError` if nothing tracks, a gradient is missing, or a complex one is given for
    a real output, `ShapeError` if it does not fit.
    """
    if not output._requires_grad:
        raise GradientError(
            "this value does not depend on any tensor with requires_grad=True, so backward() "
            "has nowhere to go. Was it computed under no_grad(), from detached or constant "
            "values, or through a function without a gradient such as argmax?"
        )
    if gradient is None:
        if output.size != 1:
            raise GradientError(
                f"backward() needs a scalar, and this has shape {output.shape}. Reduce it with "
                ".sum() or .mean(), or pass what arrives: backward(np.ones_like(t.data))."
            )
        if output._value.dtype.kind == "c":
            raise GradientError(
                "backward() needs a real scalar, and this is complex: there is no steepest ascent "
                "of it. Take np.real(t), np.imag(t) or np.abs(t), or pass what arrives: "
                "backward(gradient)."
            )
        return wrap(np.ones_like(output._value))
    seed = gradient if isinstance(gradient, Tensor) else Tensor(gradient)
    if seed.shape != output.shape:
        raise ShapeError(
            f"the gradient passed to backward() has shape {seed.shape}, the tensor {output.shape}"
        )
    if seed.dtype == output.dtype:
        return seed
    if seed.dtype.kind == "c" and output.dtype.kind != "c":
        raise GradientError("the gradient passed to backward() is complex, the tensor is real")
    converted: Tensor = seed.astype(output.dtype)
    return converted


def tensor_of(op: Op, output: int | None = None) -> Tensor:
    """Return a tensor that shows an output of an op; all that show it share its gradient."""
    tensor = wrap(op.y if output is None else op.y[output])
    tensor.op, tensor.output, tensor._requires_grad = op, output, True
    return tensor


def read_tensors(op: Op) -> tuple[Any, Sequence[Any]]:
    """Feed the rules with tensors, so that a pass records a graph of its own."""
    y: Any
    if type(op.y) is tuple:
        flat = op.rule.flat
        y = tuple([wrap(part) if i in flat else tensor_of(op, i) for i, part in enumerate(op.y)])
    else:
        y = tensor_of(op)
    inputs = zip(op.inputs or (), op.arrays, strict=True)
    return y, [given if isinstance(given, Tensor) else array for given, array in inputs]


# --- gradients without depositing them ------------------------------------------------------


def gradients(
    output: Tensor,
    inputs: Iterable[Tensor] | Tensor,
    seed: Any = None,
    *,
    create_graph: bool = False,
) -> list[Tensor | None]:
    """Return the gradients of one output with respect to some inputs, leaving every `grad` alone.

    Inputs may be leaves or results; None stands for an input the output does not depend on. One
    tensor is taken as a list of one. The graph is kept. An output that is not a scalar needs
    `seed`, the gradient that arrives at it. With `create_graph` the gradients can be differentiated
    in their turn, as a gradient penalty in a loss must be.

    >>> x = Tensor(2.0, requires_grad=True)
    >>> gradients(x**3, [x])
    [Tensor(12.)]
    >>> (slope,) = gradients(x**3, x, create_graph=True)
    >>> (slope - 1) ** 2  # a penalty
    Tensor(121., op=square)
    """
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    keys = [key_of(x) for x in inputs]
    found: dict[Key, Array] = {}
    if tracks(output):  # or it is a plain number, of which nothing is known
        order = engine.path_between(inputs, output)
        start = arriving_at(output, seed)
        found = _found_on_the_way(
            order, key_of(output), start, set(keys), create_graph=create_graph
        )
    return [None if (g := found.get(key)) is None else _as_tensor(seen(g)) for key in keys]


def _found_on_the_way(
    order: Iterable[Op], root: Key, seed: Tensor, wanted: set[Key], *, create_graph: bool
) -> dict[Key, Array]:
    """Run a pass, and return the gradients of what is wanted, wherever the pass meets it."""
    read = read_tensors if create_graph else engine.read_arrays
    pending: dict[Key, Array] = {root: seen(seed if create_graph else seed._value)}
    found: dict[Key, Array] = {}
    for op, _, arriving, _, _ in watched(engine.sweep(order, pending, read)):
        if type(arriving) is tuple:
            found.update({(op, i): g for i, g in enumerate(arriving) if (op, i) in wanted})
        elif op in wanted:
            found[op] = arriving
    return found | pending


class Step(NamedTuple):
    """One edge of the backward pass: what one input of one op receives."""

    op: Op
    slot: int  # which of op.inputs
    arriving: Array  # the finished gradient of the op's output, or a tuple of them
    contribution: Array  # what this edge adds, in the input's shape and dtype
    total: Array  # the input's gradient so far, this contribution included

    @property
    def input(self) -> Tensor:
        """The tensor that receives the contribution."""
        found: Tensor = self.op.sources()[self.op.tracked.index(self.slot)]
        return found

    @property
    def output(self) -> Tensor:
        """The tensor that passes its gradient on; of several, the first that takes one."""
        several = type(self.op.y) is tuple
        first = (
            next(i for i in range(len(self.op.y)) if i not in self.op.rule.flat)
            if several
            else None
        )
        return tensor_of(self.op, first)


def steps(output: Tensor, gradient: Any = None) -> Iterator[Step]:
    """Go backward one edge at a time, for a view of your own; every `grad` is left alone.

    Yields each `Step` as it is taken: the `op` whose gradient has `arriving` in full, the
    `input` it passes a `contribution` on to, and the `total` that input has by then; of complex
    values they are the conjugates of gradients (`engine`). The graph is kept. Raises as
    `backward()` does.

    >>> w = Tensor(2.0, requires_grad=True)
    >>> for step in steps(w * w + w):
    ...     print(step.op.rule.name, step.contribution, step.total)
    add 1.0 1.0
    add 1.0 1.0
    multiply 2.0 3.0
    multiply 2.0 5.0
    """
    arriving = seen(arriving_at(output, gradient)._value)
    order = engine.topological_order(output)
    for fields in watched(engine.sweep(order, {key_of(output): arriving}, engine.read_arrays)):
        yield Step(*fields)


Tensor._backward = staticmethod(backward)
