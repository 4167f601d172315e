"""A function of another framework, as a rule of this library."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeAlias

import numpy as np

from tinygrad_bp.containers import fill, leaves
from tinygrad_bp.recording import record
from tinygrad_bp.registry import rule, rules
from tinygrad_bp.tensor import Tensor

__all__ = ["Call", "Foreign", "Framework", "NoForwardModeError"]

Vector: TypeAlias = "np.ndarray[Any, Any]"
Arrays: TypeAlias = "Sequence[Any]"
Function: TypeAlias = Callable[..., Any]


class NoForwardModeError(Exception):
    """The framework cannot push tangents through the function."""


class Call:
    """A function with its constant inputs, called on the arrays that take gradients."""

    def __init__(self, function: Function, trees: tuple[Any, ...], constant: Function) -> None:
        self._function = function
        self._trees = trees
        self._constant = constant

    def __call__(self, *arrays: Any) -> Any:
        """Return what the function makes of the arrays."""
        return self._function(*self.arguments(arrays))

    def arguments(self, arrays: Arrays) -> tuple[Any, ...]:
        """Put the arrays in their places among the constants."""
        fresh = iter(arrays)
        contents = [
            next(fresh) if isinstance(leaf, Tensor) else self._constant(leaf)
            for leaf in leaves(self._trees)
        ]
        filled: tuple[Any, ...] = fill(self._trees, iter(contents))
        return filled


class Framework(Protocol):
    """How a framework evaluates and differentiates."""

    name: str
    only_arrays: bool  # nothing but arrays of numbers can be converted

    def session(self) -> AbstractContextManager[Any]:
        """Prepare for double precision while the block runs."""

    def constant(self, leaf: Any) -> Any:
        """Convert an input that takes no gradient."""

    def value(self, call: Call, arrays: Arrays) -> Any:
        """Return the function's value."""

    def pull(self, call: Call, arrays: Arrays, g: Vector) -> Arrays:
        """Return the gradient by each array when `g` arrives at the output."""

    def push(self, call: Call, arrays: Arrays, tangents: Arrays) -> Any:
        """Return how the output moves with the arrays, or raise `NoForwardModeError`."""


class Foreign:
    """A function of another framework that this library can record and differentiate."""

    def __init__(self, framework: Framework, function: Function) -> None:
        self.framework = framework
        self.function = function
        self.lacks_forward_mode = False
        self._shape: tuple[int, ...] | None = None  # of the output, once it is known

        def foreign(*arrays: Any, call: Call) -> Any:
            return self._value(call, arrays)

        foreign.__name__ = getattr(function, "__name__", type(function).__name__)
        self._recorded = foreign

    @contextmanager
    def registered(self) -> Iterator[None]:
        """Let the function have a rule while the block runs."""
        rule(self._recorded, vjp=self._pull, jvp=self._push, together=True)
        try:
            yield
        finally:
            del rules[self._recorded]

    def __call__(self, *trees: Any) -> Tensor:
        """Record a call; the floating-point leaves come as tensors, all else is constant."""
        call = Call(self.function, trees, self.framework.constant)
        moving = [leaf for leaf in leaves(trees) if isinstance(leaf, Tensor)]
        result: Tensor = record(self._recorded, moving, {"call": call})
        return result

    def _value(self, call: Call, arrays: Arrays) -> Any:
        if not all(isinstance(a, np.ndarray | np.generic) for a in arrays):
            if self.framework.only_arrays:
                raise TypeError(f"{self.framework.name} takes arrays of numbers only")
            return self.framework.value(call, arrays)
        try:
            value = np.array(self.framework.value(call, arrays))  # not the framework's memory
        except (ArithmeticError, RuntimeError, ValueError):
            # A step may leave the domain, as of a Cholesky factor; the checker then steps less.
            if self._shape is None:
                raise
            return np.full(self._shape, np.nan)
        self._shape = value.shape
        return value.astype(float) if value.dtype.kind in "iub" else value  # flat steps

    def _pull(self, g: Vector, y: Vector, *arrays: Any, call: Call) -> list[Vector]:  # noqa: ARG002
        return [np.asarray(found) for found in self.framework.pull(call, arrays, g)]

    def _push(self, tangents: Arrays, y: Vector, *arrays: Any, call: Call) -> Vector:
        try:
            return np.asarray(self.framework.push(call, arrays, tangents))
        except NoForwardModeError:
            self.lacks_forward_mode = True
        # J t from the rows of J by reverse mode: right, though it says nothing of forward mode.
        rows = [
            sum(np.sum(d * t) for d, t in zip(pulled, tangents, strict=True))
            for g in np.eye(y.size).reshape(y.size, *y.shape)
            for pulled in [self._pull(g, y, *arrays, call=call)]
        ]
        return np.array(rows, float).reshape(y.shape)
