"""Hooks of modules: functions that are called around `forward`, and around its backward pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tinygrad_bp.containers import fill, leaves
from tinygrad_bp.recording import record
from tinygrad_bp.registry import Array, rule
from tinygrad_bp.state import changes
from tinygrad_bp.tensor import HookHandle, Tensor, array_of

if TYPE_CHECKING:
    from tinygrad_bp.nn.module import Module

__all__ = ["Hook", "Hooks"]

Hook: TypeAlias = Callable[..., Any]
Told: TypeAlias = Callable[[tuple[Tensor, ...]], tuple[Any, ...]]


class Hooks:
    """The hooks of one module, by when they are called, in the order in which they came."""

    def __init__(self) -> None:
        self.found: dict[str, dict[object, Hook]] = {
            when: {} for when in ("before", "after", "before backward", "backward")
        }
        self._with_options: dict[object, bool] = {}

    def add(self, when: str, hook: Hook, *, with_kwargs: bool = False) -> HookHandle:
        """Add a hook, and return what removes it."""
        handle = HookHandle(self.found[when])
        changes.note()
        self.found[when][handle.key] = hook
        self._with_options[handle.key] = with_kwargs
        return handle

    def call(self, module: Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Call the module's `forward` with all hooks around it."""
        for key, hook in list(self.found["before"].items()):
            inputs, options = self._before(key, hook, module, inputs, options)
        watched = any(self.found[when] for when in ("before backward", "backward"))
        backward = _Backward(module, self.found) if watched else None
        if backward is not None:
            inputs = backward.entering(inputs)
        output = module.forward(*inputs, **options)
        for key, hook in list(self.found["after"].items()):
            given = (inputs, options) if self._with_options[key] else (inputs,)
            found = hook(module, *given, output)
            output = output if found is None else found
        return output if backward is None else backward.leaving(output)

    def _before(
        self, key: object, hook: Hook, module: Module, inputs: Any, options: dict[str, Any]
    ) -> tuple[Any, dict[str, Any]]:
        if self._with_options[key]:
            found = hook(module, inputs, options)
            return (inputs, options) if found is None else found
        found = hook(module, inputs)
        if found is None:
            return inputs, options
        return (found if isinstance(found, tuple) else (found,)), options


class _Backward:
    """The way of a backward pass through one call of a module: its outputs first, then its inputs.

    All tensors that go in pass through one op, and so do all that come out: the hooks are called
    by those ops' rules, when all gradients are there.
    """

    def __init__(self, module: Module, hooks: dict[str, dict[object, Hook]]) -> None:
        self._module = module
        self._hooks = hooks
        self._arrived: tuple[Tensor | None, ...] | None = None  # at the outputs, in this pass
        self._inputs = 0
        self._entered = False

    def entering(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the inputs; the hooks are called when a backward pass has left the module."""
        moving = [isinstance(x, Tensor) and x.requires_grad for x in inputs]
        self._inputs, self._entered = len(inputs), any(moving)

        def left(gradients: tuple[Tensor, ...]) -> tuple[Any, ...]:
            if self._arrived is None:  # they come from inside, past the outputs
                return gradients
            given = iter(gradients)
            found = self._tell(tuple(next(given) if moves else None for moves in moving))
            return tuple(g for g, moves in zip(found, moving, strict=True) if moves)

        return tuple(_through(list(inputs), moving, left))

    def leaving(self, output: Any) -> Any:
        """Return the output; the hooks are called when a backward pass arrives at it."""
        parts = leaves(output)
        moving = [isinstance(y, Tensor) and y.requires_grad for y in parts]

        def arrived(gradients: tuple[Tensor, ...]) -> tuple[Any, ...]:
            given = iter(gradients)
            found = tuple(next(given) if moves else None for moves in moving)
            for hook in list(self._hooks["before backward"].values()):
                found = _replaced(found, hook(self._module, found))
            self._arrived = found
            if not self._entered:
                self._tell((None,) * self._inputs)
            return tuple(g for g, moves in zip(found, moving, strict=True) if moves)

        return fill(output, iter(_through(parts, moving, arrived)))

    def _tell(self, left: tuple[Tensor | None, ...]) -> tuple[Any, ...]:
        arrived, self._arrived = self._arrived, None
        for hook in list(self._hooks["backward"].values()):
            left = _replaced(left, hook(self._module, left, arrived))
        return left


def _replaced(given: tuple[Any, ...], found: Any) -> tuple[Any, ...]:
    if found is None:
        return given
    return tuple(found) if isinstance(found, tuple | list) else (found,)


# --- an op that passes everything on, and tells of the gradients that come back -----------------


def _passed(*arrays: Array, told: Told) -> tuple[Array, ...]:  # noqa: ARG001
    return tuple(np.array(a) for a in arrays)


def _passed_vjp(g: Any, y: Any, *arrays: Array, told: Told) -> list[Any]:  # noqa: ARG001
    gradients = g if isinstance(g, tuple) else (g,)
    found = told(tuple(x if isinstance(x, Tensor) else Tensor(x) for x in gradients))
    if isinstance(gradients[0], Tensor):
        return list(found)
    return [array_of(x) for x in found]


def _passed_jvp(tangents: Any, y: Any, *arrays: Array, told: Told) -> tuple[Any, ...]:  # noqa: ARG001
    return tuple(tangents)


rule(_passed, vjp=_passed_vjp, jvp=_passed_jvp, together=True)


def _through(parts: list[Any], moving: list[bool], told: Told) -> list[Any]:
    """Send the tensors that move through an op of their own."""
    tensors = [x for x, moves in zip(parts, moving, strict=True) if moves]
    if not tensors:
        return parts
    passed = iter(record(_passed, tensors, {"told": told}))
    return [next(passed) if moves else x for x, moves in zip(parts, moving, strict=True)]
