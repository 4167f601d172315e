"""The multi-layer perceptron, the lesson's kind of network."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from tinygrad_bp.errors import ModuleError, ShapeError
from tinygrad_bp.nn import init
from tinygrad_bp.nn.activations import ReLU, Sigmoid, Tanh
from tinygrad_bp.nn.containers import Sequential
from tinygrad_bp.nn.linear import Linear
from tinygrad_bp.nn.module import Module

__all__ = ["ACTIVATIONS", "MLP"]

ACTIVATIONS: dict[str, type[Module]] = {"sigmoid": Sigmoid, "relu": ReLU, "tanh": Tanh}
"""The activations that can be asked for by name."""


def _module_of(activation: Any) -> Module:
    """A module, made if its class or its name was given."""
    if isinstance(activation, str) and activation.lower() in ACTIVATIONS:
        return ACTIVATIONS[activation.lower()]()
    if isinstance(activation, type) and issubclass(activation, Module):
        return activation()
    if isinstance(activation, Module):
        return activation
    raise ModuleError(
        f"{activation!r} is no activation: give a module such as nn.ReLU(), its class, or a name "
        f"({', '.join(ACTIVATIONS)})"
    )


class MLP(Sequential):
    """A multi-layer perceptron: fully connected layers of the given sizes, activated in between.

    Layers are named hidden1, hidden2, ... and output. The activation, a module, its class or its
    name ("relu"), follows every hidden layer; `output_activation`, if any, the last.
    `MLP(784, 16, 16, 10, output_activation=Sigmoid())` is the lesson's network of 13,002
    parameters.

    >>> net = MLP(784, 16, 16, 10, activation=Sigmoid(), rng=np.random.default_rng(0))
    >>> sum(p.size for p in net.parameters())
    13002
    >>> [name for name, _ in net.named_parameters()][:2]
    ['hidden1.weight', 'hidden1.bias']
    """

    def __init__(
        self,
        *sizes: int,
        activation: Module | type[Module] | str | None = None,
        output_activation: Module | type[Module] | str | None = None,
        rng: np.random.Generator | None = None,
        weight_init: init.Initializer = init.scaled,
        bias_init: init.Initializer = init.zeros,
        dtype: Any = np.float32,
    ) -> None:
        if len(sizes) < 2 or any(size < 1 for size in sizes):
            raise ShapeError(f"an MLP needs at least an input and an output size, got {sizes}")
        rng = rng or np.random.default_rng()
        self.sizes = sizes
        layers: dict[str, Module] = {}
        last = len(sizes) - 1
        for i, (n_in, n_out) in enumerate(pairwise(sizes), start=1):
            name = "output" if i == last else f"hidden{i}"
            layers[name] = Linear(
                n_in,
                n_out,
                rng=rng,
                weight_init=weight_init,
                bias_init=bias_init,
                dtype=dtype,
                name=name,
            )
            after = output_activation if i == last else activation or Sigmoid()
            if after is not None:
                layers[f"{name}_activation"] = _module_of(after)
        super().__init__(layers)
