"""The lesson's network of 784, 16, 16 and 10 neurons, and its 13,002 parameters as one list."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_bp import nn
from tinygrad_bp.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = [
    "SIZES",
    "Layer",
    "count_of",
    "flatten",
    "index_of",
    "lesson_network",
    "name_of",
    "network_of",
    "unflatten",
]

SIZES = (784, 16, 16, 10)
"""Pixels, two hidden layers, one output for each digit."""

_NAME = re.compile(r"([Wb])(\d+)\[(\d+)(?:,(\d+))?\]")


class Layer(NamedTuple):
    """What leads into the neurons of a layer: z = weight @ a + bias."""

    weight: NDArray[Any]
    """(n_out, n_in): weight[j, k] leads from neuron k to neuron j."""
    bias: NDArray[Any]
    """(n_out,)"""


def lesson_network(seed: int = 0, sizes: Sequence[int] = SIZES) -> nn.MLP:
    """Return a sigmoid network in float64 with parameters from N(0, 1), as the lesson starts.

    All biases are drawn before all weights, from NumPy's legacy generator, whose stream never
    changes: so the lesson's own numbers come out.

    >>> net = lesson_network()
    >>> net[0].weight.shape, net[0].bias.data[:3].round(3)
    ((16, 784), array([1.764, 0.4  , 0.979]))
    """
    r = np.random.RandomState(seed)
    biases = [r.randn(n, 1).ravel() for n in sizes[1:]]
    weights = [r.randn(n_out, n_in) for n_in, n_out in pairwise(sizes)]
    layers = zip(weights, biases, strict=True)
    return network_of(np.concatenate([p.ravel() for layer in layers for p in layer]), sizes)


def network_of(
    vector: ArrayLike, sizes: Sequence[int] = SIZES, *, dtype: DTypeLike = float
) -> nn.MLP:
    """Return the sigmoid network whose parameters are in a vector; `flatten` is its inverse.

    Raises `ShapeError` if the vector has another length than the sizes ask for.

    >>> float(flatten(network_of(np.arange(13_002))).sum()) == sum(range(13_002))
    True
    """
    net = nn.MLP(
        *sizes, output_activation=nn.Sigmoid(), dtype=dtype, weight_init=_blank, bias_init=_blank
    )
    values = (p for layer in unflatten(vector, sizes) for p in layer)
    for parameter, value in zip(net.parameters(), values, strict=True):
        parameter.data = np.array(value, dtype)
    return net


def _blank(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[Any]:  # noqa: ARG001
    return np.zeros(shape)


def flatten(net: nn.MLP) -> NDArray[Any]:
    """Return all parameters as one vector: W1 row by row, b1, W2, b2, ...

    >>> flatten(lesson_network()).shape
    (13002,)
    """
    return np.concatenate([p.data.ravel() for p in net.parameters()])


def unflatten(vector: ArrayLike, sizes: Sequence[int] = SIZES) -> list[Layer]:
    """Return a vector's layers, as views where it is an array.

    Raises `ShapeError` if it has another length than the sizes ask for.

    >>> [layer.weight.shape for layer in unflatten(np.zeros(13_002))]
    [(16, 784), (16, 16), (10, 16)]
    """
    values = np.asarray(vector)
    if values.shape != (count_of(sizes),):
        raise ShapeError(
            f"a network of {'-'.join(map(str, sizes))} has {count_of(sizes)} parameters, the "
            f"vector has the shape {values.shape}. Give the sizes that it belongs to."
        )
    return [
        Layer(values[w:b].reshape(n_out, n_in), values[b : b + n_out])
        for w, b, n_in, n_out in _places(sizes)
    ]


def count_of(sizes: Sequence[int] = SIZES) -> int:
    """Return how many weights and biases there are.

    >>> count_of()
    13002
    """
    return sum(n_out * (n_in + 1) for n_in, n_out in pairwise(sizes))


def _places(sizes: Sequence[int]) -> Iterator[tuple[int, int, int, int]]:
    """Yield, for each layer, where its weights and its biases begin, and its two sizes."""
    start = 0
    for n_in, n_out in pairwise(sizes):
        yield start, start + n_in * n_out, n_in, n_out
        start += (n_in + 1) * n_out


def name_of(index: int, sizes: Sequence[int] = SIZES) -> str:
    """Return the lesson's name of a parameter in the vector; neurons are counted from 0.

    Raises `IndexError` if there is no such parameter.

    >>> name_of(12_866), name_of(13_001)
    ('W3[2,2]', 'b3[9]')
    """
    if index < 0:
        raise IndexError(f"parameters are counted from 0, got {index}")
    for layer, (w, b, n_in, n_out) in enumerate(_places(sizes), start=1):
        if index < b:
            return f"W{layer}[{(index - w) // n_in},{(index - w) % n_in}]"
        if index < b + n_out:
            return f"b{layer}[{index - b}]"
    raise IndexError(f"there are {count_of(sizes)} parameters, counted from 0, got {index}")


def index_of(name: str, sizes: Sequence[int] = SIZES) -> int:
    """Return where a parameter stands in the vector, the inverse of `name_of`.

    Raises `KeyError` if there is no such parameter.

    >>> index_of("W3[2,2]")
    12866
    """
    found = _NAME.fullmatch(name)
    places = list(_places(sizes))
    if found and 1 <= int(found[2]) <= len(places):
        w, b, n_in, n_out = places[int(found[2]) - 1]
        j = int(found[3])
        if found[1] == "b" and found[4] is None and j < n_out:
            return b + j
        if found[1] == "W" and found[4] is not None and j < n_out and int(found[4]) < n_in:
            return w + j * n_in + int(found[4])
    raise KeyError(f"no parameter is called {name!r}; names are like W3[2,5] and b3[2]")
