"""A forward pass that is watched: what each layer gave, and what activations did to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_bp.containers import leaves
from tinygrad_bp.engine import Op, RawStep
from tinygrad_bp.modes import watched_by
from tinygrad_bp.nn import Module
from tinygrad_bp.tensor import array_of

__all__ = ["Activation", "Call", "Watch"]

FLATTENING = frozenset({"relu", "sigmoid", "tanh"})
"""Names of rules whose slope vanishes somewhere."""


@dataclass
class Activation:
    """One application of an activation: by which module, of what kind, and what came out."""

    where: str
    kind: str
    output: Any
    after: int
    """How many calls had ended before."""


@dataclass
class Call:
    """One call of a layer that has a weight, or of any module that calls no other."""

    name: str
    module: Module
    inputs: list[Any]
    output: Any


class Watch:
    """What is seen of one call of a model."""

    def __init__(self, model: Module) -> None:
        self._model = model
        self._path: list[str] = []
        self.activations: list[Activation] = []
        self.calls: list[Call] = []
        self.called: set[str] = set()
        self.first_not_finite: tuple[str, str] | None = None
        """The module and the function of the first op that gave nan or infinity."""

    def call(self, output: Any) -> Any:
        """Call a function that calls the model, watch it, and return what it gives."""
        for name, module in self._model.named_modules():
            self._follow(name, module)
        with watched_by(self):
            return output()

    def _follow(self, name: str, module: Module) -> None:
        """Hooks go into attributes that are stand-ins; the originals do not see them."""

        def enter(*_: Any) -> None:
            self._path.append(name)
            self.called.add(name)

        def leave(module: Module, inputs: Any, options: Any, output: Any) -> None:
            self._path.pop()
            given = [array_of(x) for x in leaves((*inputs, *options.values())) if np.ndim(x)]
            first = next((x for x in leaves(output) if hasattr(x, "shape")), None)
            if first is not None:
                self.calls.append(Call(name, module, given, array_of(first)))

        module.register_forward_pre_hook(enter, with_kwargs=True)
        module.register_forward_hook(leave, with_kwargs=True)

    # --- an observer of ops -----------------------------------------------------------------

    def recorded(self, op: Op, arrays: Sequence[Any], y: Any) -> None:  # noqa: ARG002
        """Note an activation; a leaky one is made of relu and of what it lets through.

        A recurrent layer is one op, and names its own.
        """
        where = self._path[-1] if self._path else ""
        name = op.options.get("nonlinearity", op.rule.name)
        if name == "only_where" and self.activations and self.activations[-1].kind == "relu":
            self.activations.pop()
        elif name in FLATTENING:
            self.activations.append(Activation(where, name, array_of(y), len(self.calls)))
        if self.first_not_finite is None and not _finite(y):
            self.first_not_finite = where, name

    def watch(self, steps: Iterator[RawStep]) -> Iterator[RawStep]:
        """Let a backward pass go by."""
        return steps


def _finite(y: Any) -> bool:
    parts = y if isinstance(y, tuple) else (y,)
    return all(bool(np.isfinite(array_of(part)).all()) for part in parts)
