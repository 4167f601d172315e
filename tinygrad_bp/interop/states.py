"""The values of a model as others keep them: shared tensors under each of their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.nn.fitting import Unmatched, listed
from tinygrad_bp.nn.module import Module
from tinygrad_bp.tensor import Tensor

__all__ = ["State", "load", "other_names", "values_of"]

State: TypeAlias = Mapping[str, Any]


def values_of(source: Module | State) -> dict[str, Any]:
    """Return what a model or a state holds, by name: tensors or arrays, shared ones as one object.

    Of a model, a tensor that stands in several places comes under every one of their names.
    """
    if not isinstance(source, Module):
        return dict(source)
    own: dict[str, Any] = source.saved_tensors()
    return own | {name: own[first] for name, first in other_names(source).items()}


def other_names(model: Module) -> dict[str, str]:
    """Return the further names of tensors that are shared, with the one that a `state_dict` has.

    >>> from tinygrad_bp import nn
    >>> layer = nn.Linear(2, 2)
    >>> other_names(nn.Sequential(layer, nn.Sigmoid(), layer))
    {'2.weight': '0.weight', '2.bias': '0.bias'}
    """
    own = model.saved_tensors()
    first = {id(t): name for name, t in own.items()}
    return {
        prefix + name: first[id(value)]
        for prefix, module in model._walk("")  # noqa: SLF001  (what is public leaves these out)
        for name, value in module._members()  # noqa: SLF001
        if id(value) in first and prefix + name not in own and isinstance(value, Tensor)
    }


def load(model: Module, state: Mapping[str, NDArray[Any]], *, strict: bool) -> Unmatched:
    """Put values into a model, all or none; return what did not match.

    Further names of a shared tensor must have the same values as the first, and are not needed.
    Raises `CheckpointError`, with nothing changed, for values that differ under names of one
    tensor, and as `Module.load_state_dict` does.
    """
    named = dict(state)
    apart = []
    for name, first in other_names(model).items():
        if name not in named:
            continue
        value = named.pop(name)
        if not _same(named.setdefault(first, value), value):
            apart.append(f"{name} and {first} are one tensor in the model, and differ here")
    if apart:
        raise CheckpointError(f"the state does not fit the model: {listed(apart)}")
    return model.load_state_dict(named, strict=strict)


def _same(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a is b or (a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc"))
