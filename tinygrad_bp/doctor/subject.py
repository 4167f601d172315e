"""What is examined: a model, a loss, an optimiser and a batch, and how to call them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tinygrad_bp.containers import fill, leaves
from tinygrad_bp.errors import ModuleError, OptimizerError, ShapeError
from tinygrad_bp.nn import Module
from tinygrad_bp.optim import Optimizer
from tinygrad_bp.tensor import Tensor, array_of

__all__ = ["Subject", "subject_of"]


@dataclass(frozen=True)
class Subject:
    """What is examined. Inputs and targets may be arrays, or tuples and dicts of them."""

    model: Module
    loss: Callable[..., Any]
    optimizer: Optimizer | None
    inputs: Any
    targets: Any
    step: Callable[..., Any] | None
    batch_axis: int
    size: int
    """How many examples the batch has."""
    given: int
    """How many were given; of very many, some are examined."""

    def output(self) -> Any:
        """Call the model: a tuple is its arguments, a dict its arguments by name."""
        if isinstance(self.inputs, tuple):
            return self.model(*self.inputs)
        if isinstance(self.inputs, Mapping):
            return self.model(**self.inputs)
        return self.model(self.inputs)

    def cost(self, output: Any) -> Any:
        """Call the loss with an output."""
        return self.loss(output) if self.targets is None else self.loss(output, self.targets)

    def named_parameters(self) -> dict[str, Tensor]:
        """The model's parameters, and those of a loss that has some."""
        found = dict(self.model.named_parameters())
        if isinstance(self.loss, Module):
            known = {id(p) for p in found.values()}
            own = {f"loss.{n}": p for n, p in self.loss.named_parameters() if id(p) not in known}
            found.update(own)
        return found

    def part(self, rows: Any) -> Subject:
        """Return the subject with some examples of the batch."""
        inputs, targets = self._rows(self.inputs, rows), self._rows(self.targets, rows)
        return replace(self, inputs=inputs, targets=targets, size=len(rows))

    def times(self, factor: float) -> Subject:
        """Return the subject with its loss multiplied."""
        return replace(self, loss=lambda *given: factor * self.loss(*given))

    def with_inputs(self, inputs: Any) -> Subject:
        """Return the subject with other inputs."""
        return replace(self, inputs=inputs)

    def _rows(self, tree: Any, rows: Any) -> Any:
        if tree is None:
            return None
        return fill(tree, iter([self._rows_of(leaf, rows) for leaf in leaves(tree)]))

    def _rows_of(self, leaf: Any, rows: Any) -> Any:
        axis = self.axis_of(leaf)
        if axis is None:  # a mask that all examples share
            return leaf
        taken = np.take(array_of(leaf), rows, axis=axis)
        return Tensor(taken) if isinstance(leaf, Tensor) else taken

    def axis_of(self, leaf: Any) -> int | None:
        """Return the axis of an array along which its examples lie, if it has one."""
        shape = np.shape(leaf)
        for axis in dict.fromkeys((self.batch_axis, 0, 1)):
            if axis < len(shape) and shape[axis] == self.size:
                return axis
        return None

    def arrays(self) -> list[tuple[str, Any]]:
        """The inputs as arrays, with what messages call them."""
        found = [array_of(leaf) for leaf in leaves(self.inputs)]
        names = ["x"] if len(found) == 1 else [f"x[{i}]" for i in range(len(found))]
        return list(zip(names, found, strict=True))

    def target(self) -> Any:
        """The targets as one array, or None if there are none or several."""
        found = leaves(self.targets) if self.targets is not None else []
        return array_of(found[0]) if len(found) == 1 else None


def subject_of(
    model: Any, loss: Any, optimizer: Any, x: Any, y: Any, *, step: Any, batch_axis: int | None
) -> Subject:
    """Return what is examined; raise where an argument is not what it should be."""
    if not isinstance(model, Module):
        raise ModuleError(f"examine() takes a model that is an nn.Module, not {model!r:.100}")
    if not callable(loss):
        raise ModuleError(f"examine() takes a loss to call as loss(output, y), not {loss!r:.100}")
    if not (optimizer is None or isinstance(optimizer, Optimizer)):
        raise OptimizerError(
            f"examine() takes an optimiser of tinygrad_bp.optim, or None, not {optimizer!r:.100}"
        )
    if step is not None and not callable(step):
        raise ModuleError(f"examine() takes a step to call as step(x, y), not {step!r:.100}")
    inputs, targets = _arrays(x), _arrays(y)
    axis = batch_axis if batch_axis is not None else _axis_of_examples(model, inputs, targets)
    first = leaves(targets if targets is not None else inputs)[0]
    size = _size_along(first, axis)
    if not size:
        raise ShapeError(f"examine(): the batch is empty or has no axis {axis}: {np.shape(first)}")
    found = Subject(model, loss, optimizer, inputs, targets, step, axis, size, size)
    if size <= MOST:
        return found
    return found.part(np.linspace(0, size - 1, MOST).astype(int))


MOST = 1000  # examples: a whole training set tells no more than a batch, and takes minutes


def _arrays(tree: Any) -> Any:
    """Arrays and tensors as they are; a list of numbers is an array."""
    if isinstance(tree, tuple) and any(hasattr(part, "shape") for part in tree):
        return tuple(_arrays(part) for part in tree)
    if isinstance(tree, Mapping):
        return {name: _arrays(part) for name, part in tree.items()}
    return tree if tree is None or isinstance(tree, Tensor) else array_of(tree)


def _axis_of_examples(model: Module, inputs: Any, targets: Any) -> int:
    """1 if layers want time first and there are targets for each time; otherwise 0."""
    time_first = any(getattr(m, "batch_first", True) is False for m in model.modules())
    if not time_first or targets is None:
        return 0
    shapes = [np.shape(leaves(tree)[0])[:2] for tree in (inputs, targets)]
    return int(shapes[0] == shapes[1] and len(shapes[0]) == 2)


def _size_along(leaf: Any, axis: int) -> int:
    shape = np.shape(leaf)
    return shape[axis] if -len(shape) <= axis < len(shape) else 0
