"""Module: something with parameters that computes outputs from inputs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Self

import numpy as np

from tinygrad_bp.containers import fill, leaves
from tinygrad_bp.errors import ModuleError
from tinygrad_bp.nn.fitting import fitted
from tinygrad_bp.state import replace_all
from tinygrad_bp.tensor import Tensor

__all__ = ["Module", "functional_call"]


class Module:
    """The base of layers and models: write `forward`, assign tensors and modules as attributes.

    A tensor made with `requires_grad` is a parameter, and stays one while it is frozen; any other
    is a buffer, saved but not trained. Lists, tuples and dicts are looked into.

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

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Compute the output; every module writes its own."""
        raise NotImplementedError(f"{type(self).__name__} has no forward()")

    def __init_subclass__(cls, **options: Any) -> None:
        """Make calling a module the same as calling its `forward`, with nothing in between."""
        super().__init_subclass__(**options)
        if "forward" in vars(cls):
            cls.__call__ = vars(cls)["forward"]  # type: ignore[method-assign]

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """Compute the output: the same as `forward`."""
        return self.forward(*inputs, **options)

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Yield the modules assigned to this one, with their names."""
        return ((name, m) for name, m in self._members() if isinstance(m, Module))

    def _members(self) -> Iterator[tuple[str, Any]]:
        """What is assigned to this module, and what stands in its lists, tuples and dicts."""
        for name, value in vars(self).items():
            yield from _spread(name, value)

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
            for name, value in module._members():  # noqa: SLF001
                if isinstance(value, Tensor) and id(value) not in seen:
                    seen.add(id(value))
                    yield prefix + name, value

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors that are trained, or were until they were frozen, with full names."""
        return ((name, t) for name, t in self.named_tensors() if t.trainable)

    def parameters(self) -> Iterator[Tensor]:
        """Yield the tensors that are trained, or were until they were frozen."""
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
        replace_all([t.data for t in own.values()], [values[name] for name in own])


def _spread(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list | tuple):
        for i, member in enumerate(value):
            yield from _spread(f"{name}.{i}", member)
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from _spread(f"{name}.{key}", member)
    else:
        yield name, value


def functional_call(
    module: Module, tensors: Mapping[str, Any], *inputs: Any, **options: Any
) -> Any:
    """Call a module with other values in the places of some of its tensors, named as it names them.

    `tensors` may be arrays or tensors; gradients reach the latter. The module is left as it was.
    Raises `ModuleError` for a name that the module does not have.

    >>> layer = _Doubling()
    >>> functional_call(layer, {"factor": 5.0}, 2.0).item(), layer(2.0).item()
    (10.0, 4.0)
    """
    own = dict(module.named_tensors())
    if unknown := [name for name in tensors if name not in own]:
        raise ModuleError(f"the module has no tensor '{unknown[0]}'; it has {', '.join(own)}")
    others = {
        id(own[name]): value if isinstance(value, Tensor) else Tensor(value)
        for name, value in tensors.items()
    }
    with _replaced(module, others):
        return module(*inputs, **options)


@contextlib.contextmanager
def _replaced(module: Module, others: Mapping[int, Tensor]) -> Iterator[None]:
    """Put other tensors into the attributes of a module and all below it, for a while."""
    before = [(m, dict(vars(m))) for m in module.modules()]
    try:
        for m, attributes in before:
            for name, value in attributes.items():
                contents = [others.get(id(leaf), leaf) for leaf in leaves(value)]
                vars(m)[name] = fill(value, iter(contents))
        yield
    finally:
        for m, attributes in before:
            vars(m).update(attributes)


class _Doubling(Module):
    """For the example above."""

    def __init__(self) -> None:
        self.factor = Tensor(2.0, requires_grad=True)

    def forward(self, x: Any) -> Any:
        return x * self.factor
