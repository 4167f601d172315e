"""A module called with other tensors in the places of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tinygrad_bp.containers import fill, leaves
from tinygrad_bp.errors import ModuleError
from tinygrad_bp.nn.module import Module
from tinygrad_bp.tensor import Tensor

__all__ = ["functional_call", "replaced"]


def functional_call(
    module: Module,
    tensors: Mapping[str, Any] | Sequence[Mapping[str, Any]],
    args: Any = (),
    kwargs: Mapping[str, Any] | None = None,
) -> Any:
    """Call a module with other values in the places of some of its tensors, named as it names them.

    `tensors` is a dict of arrays or tensors, or several of them; gradients reach the latter. `args`
    is a tuple of what the module is called with, or the one input. The module is left as it was.
    Raises `ModuleError` for a name that the module does not have.

    >>> from tinygrad_bp.nn import Linear
    >>> layer = Linear(1, 1, bias=False)
    >>> functional_call(layer, {"weight": [[5.0]]}, [2.0]).item()
    10.0
    """
    if not isinstance(tensors, Mapping):
        tensors = {name: value for some in tensors for name, value in some.items()}
    own = dict(module.named_tensors())
    if unknown := [name for name in tensors if name not in own]:
        raise ModuleError(f"the module has no tensor '{unknown[0]}'; it has {', '.join(own)}")
    others = {
        id(own[name]): value if isinstance(value, Tensor) else Tensor(value)
        for name, value in tensors.items()
    }
    with replaced(module, others):
        return module(
            *(args if isinstance(args, tuple) else (args,)), **({} if kwargs is None else kwargs)
        )


@contextlib.contextmanager
def replaced(module: Module, others: Mapping[int, Any]) -> Iterator[None]:
    """Put others into the places of tensors, by their ids, in a module and all below it."""
    before = [(m, dict(vars(m))) for m in module.modules()]
    try:
        for m, attributes in before:
            for name, value in attributes.items():
                contents = [others.get(id(leaf), leaf) for leaf in leaves(value)]
                vars(m)[name] = fill(value, iter(contents))
        yield
    finally:
        for m, attributes in before:
            vars(m).clear()
            vars(m).update(attributes)
