"""Module: something with parameters that computes outputs from inputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np

from tinygrad_bp.nn.fitting import fitted
from tinygrad_bp.tensor import Tensor

__all__ = ["Module"]


class Module:
    """The base of layers and models: write `forward`, assign tensors and modules as attributes.

    A tensor attribute with `requires_grad` is a parameter; one without is a buffer, saved but
    not trained. Lists, tuples and dicts of modules are looked into.

    >>> class Scale(Module):
    ...     def __init__(self):
    ...         self.factor = Tensor(2.0, requires_grad=True)
    ...
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> scale = Scale()
    >>> scale(3.0)
    Tensor(6., op=multiply)
    >>> dict(scale.named_parameters())
    {'factor': Tensor(2., requires_grad=True)}
    """

    training: bool = True

    def forward(self, *inputs: Any) -> Any:
        """Compute the output; every module writes its own."""
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def __init_subclass__(cls, **options: Any) -> None:
        """Make calling a module the same as calling its `forward`, with nothing in between."""
        super().__init_subclass__(**options)
        if "forward" in vars(cls):
            cls.__call__ = vars(cls)["forward"]  # type: ignore[method-assign]

    def __call__(self, *inputs: Any) -> Any:
        """Compute the output: the same as `forward`."""
        return self.forward(*inputs)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules assigned to this one, with their names."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value
            elif isinstance(value, list | tuple):
                members = ((f"{name}.{i}", member) for i, member in enumerate(value))
                yield from ((n, m) for n, m in members if isinstance(m, Module))
            elif isinstance(value, dict):
                members = ((f"{name}.{key}", member) for key, member in value.items())
                yield from ((n, m) for n, m in members if isinstance(m, Module))

    def modules(self) -> Iterator[Module]:
        """Yield this module and all below it, each once."""
        yield from {id(module): module for _, module in self._walk("")}.values()

    def _walk(self, prefix: str) -> Iterator[tuple[str, Module]]:
        yield prefix, self
        for name, child in self.named_children():
            yield from child._walk(f"{prefix}{name}.")  # noqa: SLF001  (a Module too)

    def named_tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Yield every tensor, parameters and buffers, with its full name; shared ones once."""
        seen: set[int] = set()
        for prefix, module in self._walk(""):
            for name, value in vars(module).items():
                if isinstance(value, Tensor) and id(value) not in seen:
                    seen.add(id(value))
                    yield prefix + name, value

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors that are trained, with their full names."""
        return ((name, t) for name, t in self.named_tensors() if t.requires_grad)

    def parameters(self) -> Iterator[Tensor]:
        """Yield the tensors that are trained."""
        return (t for _, t in self.named_parameters())

    def zero_grad(self) -> None:
        """Forget the gradient of every parameter."""
        for t in self.parameters():
            t.zero_grad()

    def train(self, mode: bool = True) -> Self:  # noqa: FBT001, FBT002  (PyTorch's signature)
        """Set `training` here and below; layers such as dropout look at it."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set `training` to False here and below."""
        return self.train(mode=False)

    def state_dict(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return copies of all tensors' values by name."""
        return {name: np.array(t.data) for name, t in self.named_tensors()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy values from a `state_dict` of the same names and shapes into the tensors.

        The values come back exactly: float32 may go into float64, but not the other way. Raises
        `CheckpointError` naming every entry that does not fit, before anything is changed.
        """
        own = dict(self.named_tensors())
        values = fitted(own, state)
        for name, t in own.items():
            t.data = values[name]
