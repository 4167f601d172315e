"""How to build a multi-layer perceptron again, in JSON's terms."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.nn import init
from tinygrad_bp.nn.archive import FETCH_AGAIN
from tinygrad_bp.nn.linear import Linear
from tinygrad_bp.nn.mlp import ACTIVATIONS, MLP

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from tinygrad_bp.nn.module import Module
    from tinygrad_bp.tensor import Tensor

__all__ = ["build", "describe"]

BY_CLASS = {kind.__name__: kind for kind in ACTIVATIONS.values()}


def describe(model: Module) -> dict[str, Any] | None:
    """Return how to build an MLP, or None for a model that code of its own has built or changed.

    >>> describe(MLP(4, 3, 2))
    {'type': 'MLP', 'sizes': [4, 3, 2], 'activation': 'Sigmoid', 'output_activation': None}
    """
    if type(model) is not MLP:
        return None
    children = dict(model.named_children())
    hidden, output = (
        type(children[name]).__name__ if name in children else None
        for name in ("hidden1_activation", "output_activation")
    )
    kinds = {name: type(child) for name, child in children.items()}
    tensors = _tensors(model)
    shapes = {name: t.shape for name, t in tensors.items()}
    if (
        {hidden, output} - {None, *BY_CLASS}
        or kinds != _kinds(model.sizes, hidden, output)
        or shapes != _shapes(model.sizes)
        or not {name for name, _ in model.named_tensors()} <= shapes.keys()
        or len({t.dtype for t in tensors.values()}) > 1
    ):
        return None
    described = {
        "type": "MLP",
        "sizes": list(model.sizes),
        "activation": hidden,
        "output_activation": output,
    }
    first = {id(t): name for name, t in model.named_tensors()}
    tied = {name: first[id(t)] for name, t in tensors.items() if name != first[id(t)]}
    return {**described, "tied": tied} if tied else described


def build(architecture: dict[str, Any] | None, arrays: Mapping[str, NDArray[Any]]) -> MLP:
    """Build the model for these arrays, with zeros for their values.

    Raises `CheckpointError` if the architecture is None, or not one of these arrays.

    >>> build(describe(MLP(4, 3, 2)), MLP(4, 3, 2).state_dict())
    MLP(
      (hidden1): Linear(4, 3)
      (hidden1_activation): Sigmoid()
      (output): Linear(3, 2)
    )
    """
    if architecture is None:
        raise CheckpointError(
            "it holds a model's values, but not how to build it: only an MLP of this library is "
            "described in full. Build the model and use nn.load(path, into=model)."
        )
    try:
        sizes = [int(size) for size in architecture["sizes"]]
        wanted = sum((n_in + 1) * n_out for n_in, n_out in pairwise(sizes))
        tied = architecture.get("tied", {})
        shared = sum(arrays[name].size for name in tied.values())
        # Before any memory is taken for the model.
        if (
            architecture["type"] != "MLP"
            or wanted != sum(a.size for a in arrays.values()) + shared
            or 2 * (len(sizes) - 1) > len(arrays) + len(tied)
        ):
            raise ValueError(f"{architecture['type']} {sizes!s:.60} is not what its arrays are of")
        model = MLP(
            *sizes,
            activation=_activation(architecture["activation"]),
            output_activation=_activation(architecture["output_activation"]),
            weight_init=init.zeros,
            dtype=next(iter(arrays.values())).dtype,
        )
        _tie(model, tied)
        return model
    except (AttributeError, KeyError, TypeError, ValueError, StopIteration) as error:
        raise CheckpointError(
            f"its architecture makes no sense ({error!s:.200}). {FETCH_AGAIN}"
        ) from error


def _activation(name: str | None) -> Module | None:
    return None if name is None else BY_CLASS[name]()


def _layers(sizes: Sequence[int]) -> list[str]:
    return [f"hidden{i}" for i in range(1, len(sizes) - 1)] + ["output"]


def _kinds(sizes: Sequence[int], hidden: str | None, output: str | None) -> dict[str, type[Module]]:
    """Return the children that an MLP has, and of which class each is."""
    kinds: dict[str, type[Module]] = {}
    for layer in _layers(sizes):
        kinds[layer] = Linear
        activation = output if layer == "output" else hidden or "Sigmoid"  # as MLP itself
        if activation is not None:
            kinds[f"{layer}_activation"] = BY_CLASS[activation]
    return kinds


def _shapes(sizes: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Return the tensors that an MLP has, and of which shape each is."""
    shapes: dict[str, tuple[int, ...]] = {}
    for layer, (n_in, n_out) in zip(_layers(sizes), pairwise(sizes), strict=True):
        shapes |= {f"{layer}.weight": (n_out, n_in), f"{layer}.bias": (n_out,)}
    return shapes


def _tensors(model: MLP) -> dict[str, Tensor]:
    """Return the tensors of all layers, shared ones under each of their names."""
    return {
        f"{name}.{attribute}": t
        for name, child in model.named_children()
        for attribute, t in child.named_tensors()
    }


def _tie(model: MLP, tied: Mapping[str, str]) -> None:
    """Let layers share tensors as those of the saved model did."""
    children, tensors = dict(model.named_children()), _tensors(model)
    for name, first in tied.items():
        if tensors[name].shape != tensors[first].shape:
            raise ValueError(f"{name} cannot be {first}")
        layer, _, attribute = name.rpartition(".")
        setattr(children[layer], attribute, tensors[first])
