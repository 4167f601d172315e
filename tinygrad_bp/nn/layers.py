"""Layers: Linear, the activations, and ways to chain them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from tinygrad_bp import functional
from tinygrad_bp.errors import ModuleError, ShapeError
from tinygrad_bp.nn import init
from tinygrad_bp.nn.module import Module
from tinygrad_bp.recording import record
from tinygrad_bp.rules.linalg import affine
from tinygrad_bp.tensor import Tensor

__all__ = ["ACTIVATIONS", "MLP", "Linear", "ReLU", "Sequential", "Sigmoid", "Tanh"]


class Linear(Module):
    """A fully connected layer, x Wᵀ + b: (..., n_in) to (..., n_out).

    W has shape (n_out, n_in): w_jk leads from neuron k to neuron j, as in the lesson and PyTorch.
    Raises `ShapeError` naming the layer if an input does not have n_in columns.

    >>> layer = Linear(784, 16, rng=np.random.default_rng(0))
    >>> layer(np.zeros((5, 784), np.float32)).shape
    (5, 16)
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        rng: np.random.Generator | None = None,
        weight_init: init.Initializer = init.scaled,
        bias_init: init.Initializer = init.zeros,
        dtype: Any = np.float32,
        name: str | None = None,
    ) -> None:
        rng = rng or np.random.default_rng()
        self.n_in = n_in
        self.n_out = n_out
        self.name = name
        prefix = f"{name}." if name else ""
        self.weight = Tensor(
            weight_init((n_out, n_in), rng).astype(dtype),
            requires_grad=True,
            name=f"{prefix}weight",
        )
        self.bias = Tensor(
            bias_init((n_out,), rng).astype(dtype), requires_grad=True, name=f"{prefix}bias"
        )

    def forward(self, x: Any) -> Tensor:
        """Return x Wᵀ + b."""
        try:
            y: Tensor = record(affine, (x, self.weight, self.bias))
        except ValueError:  # looking at shapes beforehand would cost every call
            if np.shape(x)[-1:] == (self.n_in,):
                raise
            label = f"Linear '{self.name}'" if self.name else f"Linear({self.n_in}, {self.n_out})"
            raise ShapeError(f"{label} expects (..., {self.n_in}), got {np.shape(x)}") from None
        return y

    def __repr__(self) -> str:
        return f"Linear({self.n_in}, {self.n_out})"


class _Activation(Module):
    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class Sigmoid(_Activation):
    """The lesson's σ: 1 / (1 + exp(-x)) for each element."""

    forward = staticmethod(functional.sigmoid)


class Tanh(_Activation):
    """The hyperbolic tangent of each element."""

    forward = staticmethod(functional.tanh)


class ReLU(_Activation):
    """max(x, 0) for each element, with slope 0 at 0."""

    forward = staticmethod(functional.relu)


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


class Sequential(Module):
    """Modules one after another; its children are named by their position.

    >>> model = Sequential(Linear(2, 3), Tanh(), Linear(3, 1))
    >>> [name for name, _ in model.named_parameters()]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def __init__(self, *modules: Module) -> None:
        for module in modules:
            if not isinstance(module, Module):
                raise ModuleError(f"a Sequential is made of modules, not of {module!r}")
        self._chain = modules

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules with their positions as names."""
        return ((str(i), module) for i, module in enumerate(self._chain))

    def forward(self, x: Any) -> Any:
        """Return the input sent through every module in order."""
        for module in self._chain:
            x = module(x)
        return x

    def __len__(self) -> int:
        return len(self._chain)

    def __getitem__(self, i: int) -> Module:
        return self._chain[i]

    def __iter__(self) -> Iterator[Module]:
        return iter(self._chain)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self._chain))})"


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
        self._names = tuple(layers)
        super().__init__(*layers.values())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules with their names: hidden1, hidden1_activation, ..., output."""
        return iter(zip(self._names, self._chain, strict=True))
