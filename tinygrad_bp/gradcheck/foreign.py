"""A function of another framework, or of plain NumPy, as a rule of this library."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeAlias

import numpy as np

from tinygrad_bp.errors import GradcheckError
from tinygrad_bp.gradcheck.complex_step import Perturbed
from tinygrad_bp.gradcheck.holders import fill, leaves
from tinygrad_bp.gradcheck.kept import Arrivals, Kept
from tinygrad_bp.gradcheck.sources import Source
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
        self._filled: tuple[Arrays, tuple[Any, ...]] | None = None  # the last arguments

    def __call__(self, *arrays: Any) -> Any:
        """Return what the function makes of the arrays."""
        return self._function(*self.arguments(arrays))

    def arguments(self, arrays: Arrays) -> tuple[Any, ...]:
        """Put the arrays in their places among the constants.

        For the same arrays they are the same objects: a derivative finds what the function left.
        """
        if self._filled is not None and all(map(operator.is_, self._filled[0], arrays)):
            return self._filled[1]
        fresh = iter(arrays)
        contents = [
            next(fresh) if isinstance(leaf, Tensor) else self._constant(leaf)
            for leaf in leaves(self._trees)
        ]
        filled: tuple[Any, ...] = fill(self._trees, iter(contents))
        self._filled = arrays, filled
        return filled


class Framework(Protocol):
    """How a framework evaluates and differentiates."""

    name: str
    only_arrays: bool  # nothing but arrays of numbers can be converted
    wrote: bool  # whether the inputs ever came back changed
    steepest: bool  # gradients by complex numbers, in and out, are directions of steepest ascent

    def session(self) -> AbstractContextManager[Any]:
        """Prepare for double precision while the block runs."""

    def received(self, leaf: Any) -> Any:
        """Return an array for an input that is an array of the framework."""

    def constant(self, leaf: Any) -> Any:
        """Convert an input that takes no gradient."""

    def value(self, call: Call, arrays: Arrays) -> Any:
        """Return the function's value: an array, or containers of them."""

    def pull(self, call: Call, arrays: Arrays, g: Any) -> Any:
        """Return the gradient by each array when `g`, in the form of the value, arrives at it."""

    def push(self, call: Call, arrays: Arrays, tangents: Arrays) -> Any:
        """Return how the value moves with the arrays, or raise `NoForwardModeError`."""


class Foreign:
    """A function of another framework that this library can record and differentiate."""

    def __init__(self, framework: Framework, function: Function) -> None:
        self.framework = framework
        self.function = function
        self.kept = Kept()
        self.arrivals = Arrivals()
        self.sources: Sequence[Source] = ()  # of random numbers, the same for every call
        self._states: list[Any] = []
        self._value_before: Any = None  # in the form that the function gives

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
        """Return the value, several outputs end to end."""
        if self.framework.only_arrays and any(isinstance(a, Perturbed) for a in arrays):
            raise TypeError(f"{self.framework.name} takes arrays of numbers only")
        self._states = [source.state for source in self.sources]
        self._value_before = value = self.framework.value(call, arrays)
        parts = [_own(part) for part in leaves(value)]
        if not parts:
            raise GradcheckError("the function gave nothing, so there is nothing to check")
        return parts[0] if len(parts) == 1 else np.concatenate([np.ravel(part) for part in parts])

    def _pull(self, g: Vector, y: Vector, *arrays: Any, call: Call) -> list[Any]:  # noqa: ARG002
        def pull(g: Any) -> Any:
            with self._replayed():
                return self.framework.pull(call, arrays, self._in_form(g))

        found = _one_each(self.arrivals.call(pull, self._turned(g)), arrays)
        self.kept.look(found)
        parts = [
            np.zeros(np.shape(a)) if part is None else self._turned(np.asarray(part, a.dtype))
            for part, a in zip(found, arrays, strict=True)
        ]
        if (shapes := [np.shape(p) for p in parts]) != (wanted := [np.shape(a) for a in arrays]):
            raise GradcheckError(f"the gradients have shapes {shapes}, the inputs have {wanted}")
        return parts

    @contextmanager
    def _replayed(self) -> Iterator[None]:
        """Let the derivative draw what the function drew."""
        after = [source.state for source in self.sources]
        for source, state in zip(self.sources, self._states, strict=True):
            source.state = state
        try:
            yield
        finally:
            for source, state in zip(self.sources, after, strict=True):
                source.state = state

    def _turned(self, gradient: Any) -> Any:
        """A complex gradient from the rules' convention to the framework's, and back."""
        steepest = self.framework.steepest and np.iscomplexobj(gradient)
        return np.conj(gradient) if steepest else gradient

    def _in_form(self, g: Any) -> Any:
        """What arrives, cut into the form that the function gives its outputs in."""
        outputs = leaves(self._value_before)
        if len(outputs) == 1:
            return fill(self._value_before, iter([g]))
        ends = np.cumsum([np.size(part) for part in outputs])
        pieces = [
            (piece if np.iscomplexobj(part) else np.real(piece)).reshape(np.shape(part))
            for piece, part in zip(np.split(g, ends[:-1]), outputs, strict=True)
        ]
        return fill(self._value_before, iter(pieces))

    def _push(self, tangents: Arrays, y: Vector, *arrays: Any, call: Call) -> Any:  # noqa: ARG002
        moved = leaves(self.framework.push(call, arrays, tangents))
        if len(moved) == 1:
            return np.asarray(moved[0])
        return np.concatenate([np.ravel(part) for part in moved])


def _own(part: Any) -> Any:
    """An output as an array of floats in memory of our own."""
    if isinstance(part, Perturbed):
        return part
    value = np.array(part)
    return value.astype(float) if value.dtype.kind in "iub" else value  # flat steps


def _one_each(found: Any, arrays: Arrays) -> list[Any]:
    parts = leaves(found)
    if len(parts) != len(arrays):
        raise GradcheckError(
            f"there are {len(parts)} gradients for {len(arrays)} floating-point inputs; give one "
            "for each"
        )
    return parts
