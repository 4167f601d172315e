"""How a neuron can be changed, and how the wishes of a whole layer add up for the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tinygrad_bp.errors import ShapeError
from tinygrad_bp.lesson.network import index_of, name_of
from tinygrad_bp.rules import sigmoid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from tinygrad_bp.lesson.example import OneExample

__all__ = [
    "Avenues",
    "Committee",
    "Equation",
    "Path",
    "avenues",
    "committee",
    "equations",
    "hebb",
    "paths_of",
]


class Avenues(NamedTuple):
    """The three ways to change a neuron's activation: its bias, its weights, what it is fed."""

    weights: NDArray[np.float64]
    """(k,): w_jk, from each neuron of the layer before."""
    bias: float
    inputs: NDArray[np.float64]
    """(k,): a_k, the activations of the layer before."""
    activation: float
    slope: float
    """σ'(z) = a (1 - a)."""

    @property
    def by_bias(self) -> float:
        """∂a/∂b: the slope, since a bias moves the weighted sum one for one."""
        return self.slope

    @property
    def by_weights(self) -> NDArray[np.float64]:
        """∂a/∂w_k: more for a bright sender."""
        return np.asarray(self.slope * self.inputs)

    @property
    def by_inputs(self) -> NDArray[np.float64]:
        """∂a/∂a_k: more through a strong weight."""
        return np.asarray(self.slope * self.weights)

    def predicted(
        self, bias: float = 0.0, weights: ArrayLike = 0.0, inputs: ArrayLike = 0.0
    ) -> float:
        """Return the change of the activation by the three slopes: they just add up."""
        moved = self.by_weights @ np.broadcast_to(weights, self.weights.shape)
        fed = self.by_inputs @ np.broadcast_to(inputs, self.inputs.shape)
        return float(self.by_bias * bias + moved + fed)

    def actual(self, bias: float = 0.0, weights: ArrayLike = 0.0, inputs: ArrayLike = 0.0) -> float:
        """Return the change of the activation, computed anew."""
        z = np.add(self.weights, weights) @ np.add(self.inputs, inputs) + self.bias + bias
        return float(sigmoid(np.asarray(z))) - self.activation


def avenues(example: OneExample, neuron: int, *, layer: int = -1) -> Avenues:
    """Return what changes a neuron of a layer, counted from 0 after the image; -1 is the outputs.

    >>> from tinygrad_bp.lesson import OneExample, lesson_network
    >>> two = OneExample(lesson_network(), np.linspace(0, 1, 784), 2)
    >>> ways = avenues(two, 2)
    >>> error = [ways.predicted(h, h, h) - ways.actual(h, h, h) for h in (0.02, 0.01)]
    >>> round(error[0] / error[1])  # half the change, a quarter of the error
    4
    """
    weight, bias = example.layers[layer]
    after, before = example.activations[1:][layer], example.activations[:-1][layer]
    return Avenues(
        weight[neuron],
        float(bias[neuron]),
        before,
        float(after[neuron]),
        float(example.slopes[layer][neuron]),
    )


class Committee(NamedTuple):
    """What each neuron of a layer, a voter, wishes for each neuron of the layer before."""

    wishes: NDArray[np.float64]
    """(voters, k): -δ_j w_jk."""

    def total(self, voters: Iterable[int] | None = None) -> NDArray[np.float64]:
        """Return the sums over all voters, or over those given: (k,)."""
        rows = range(len(self.wishes)) if voters is None else list(voters)
        return np.asarray(self.wishes[rows].sum(axis=0))

    def overruled(self, voter: int) -> NDArray[np.intp]:
        """Return the neurons for which all together want the opposite of what one voter wants."""
        return np.flatnonzero(self.total() * self.wishes[voter] < 0)


def committee(example: OneExample, *, layer: int = -1) -> Committee:
    """Return the wishes of a layer's neurons for the activations of the layer before.

    Their sum is -∂C/∂a of the layer before: (Wᵀ δ), a chain rule over several paths. Activations
    cannot be set; the wish is kept and becomes the next layer's to fulfil.

    >>> from tinygrad_bp.lesson import OneExample, lesson_network
    >>> two = OneExample(lesson_network(), np.linspace(0, 1, 784), 2)
    >>> votes = committee(two)
    >>> votes.wishes.shape, bool(np.allclose(votes.total(), -two.by_activation[-2]))
    ((10, 16), True)
    """
    return Committee(-example.deltas[layer][:, None] * example.layers[layer].weight)


def hebb(example: OneExample, *, layer: int = -1) -> NDArray[np.float64]:
    """Return the nudges on a layer's weights, (j, k): -δ_j a_k.

    Strongest from the brightest sender to the receiver that should fire most: what fires
    together wires together. An analogy, for here it is the label that says who should fire.

    >>> from tinygrad_bp.lesson import OneExample, lesson_network
    >>> two = OneExample(lesson_network(), np.linspace(0, 1, 784), 2)
    >>> j, k = np.unravel_index(hebb(two).argmax(), (10, 16))
    >>> int(j), bool(k == two.activations[2].argmax())
    (2, True)
    """
    return np.asarray(-np.outer(example.deltas[layer], example.activations[:-1][layer]))


class Equation(NamedTuple):
    """One of the four equations of backpropagation, on one layer."""

    layer: int
    formula: str
    left: NDArray[np.float64]
    """By the engine."""
    right: NDArray[np.float64]
    """By the formula."""

    @property
    def difference(self) -> float:
        """The largest difference between the two sides."""
        return float(np.abs(self.left - self.right).max())


def equations(example: OneExample) -> list[Equation]:
    """Return the four equations for every layer, last layer first, both sides computed.

    Source: Nielsen, Neural Networks and Deep Learning (2015), chapter 2.

    >>> from tinygrad_bp.lesson import OneExample, lesson_network
    >>> found = equations(OneExample(lesson_network(), np.linspace(0, 1, 784), 2))
    >>> len(found), max(e.difference for e in found) < 1e-12
    (9, True)
    """
    found = []
    depth = len(example.layers)
    gradient = example.gradient
    for l in range(depth, 0, -1):
        slope, delta = example.slopes[l - 1], example.deltas[l - 1]
        if l == depth:
            formula, wanted = "δᴸ = ∂C/∂aᴸ ⊙ σ'(zᴸ)", example.by_activation[-1] * slope
        else:
            later = example.layers[l].weight.T @ example.deltas[l]
            formula, wanted = "δˡ = (Wˡ⁺¹ᵀ δˡ⁺¹) ⊙ σ'(zˡ)", later * slope
        start = index_of(f"W{l}[0,0]", example.sizes)
        middle = index_of(f"b{l}[0]", example.sizes)
        end = middle + len(delta)
        outer = np.outer(delta, example.activations[l - 1])
        found += [
            Equation(l, formula, delta, wanted),
            Equation(l, "∂C/∂bˡ = δˡ", gradient[middle:end], delta),
            Equation(l, "∂C/∂Wˡ = δˡ aˡ⁻¹ᵀ", gradient[start:middle], outer.ravel()),
        ]
    return found


class Path(NamedTuple):
    """One way from a weight to the cost, and its chain of derivatives."""

    neurons: tuple[int, ...]
    """The neuron it passes in each layer, from the weight's own to an output."""
    factors: tuple[float, ...]

    @property
    def product(self) -> float:
        """What this path contributes to ∂C/∂w."""
        return float(np.prod(self.factors))


def paths_of(example: OneExample, index: int) -> list[Path]:
    """Return every path from a weight, or bias, to the cost; their products sum to its gradient.

    A weight of the first of three layers has 16 x 10 paths of seven factors each. Raises
    `ShapeError` if there are more than 100,000.

    >>> from tinygrad_bp.lesson import OneExample, lesson_network
    >>> small = OneExample(lesson_network(9, (3, 3, 2)), [0.1, 0.5, 0.9], 1)
    >>> both = paths_of(small, 4)
    >>> [len(path.factors) for path in both]
    [5, 5]
    >>> bool(np.isclose(sum(path.product for path in both), small.gradient[4]))
    True
    """
    name = name_of(index, example.sizes)
    layer = int(name[1 : name.index("[")])
    indices = [int(i) for i in name[name.index("[") + 1 : -1].split(",")]
    count = int(np.prod(example.sizes[layer + 1 :]))
    if count > 100_000:
        raise ShapeError(f"{name} has {count:,} paths to the cost, too many to list")
    fed = 1.0 if name[0] == "b" else float(example.activations[layer - 1][indices[1]])
    slope = float(example.slopes[layer - 1][indices[0]])
    partial: list[tuple[tuple[int, ...], tuple[float, ...]]] = [((indices[0],), (fed, slope))]
    for l in range(layer, len(example.layers)):
        weight, slopes = example.layers[l].weight, example.slopes[l]
        partial = [
            ((*neurons, j), (*factors, float(weight[j, neurons[-1]]), float(slopes[j])))
            for neurons, factors in partial
            for j in range(len(slopes))
        ]
    ends = example.by_activation[-1]
    return [Path(n, (*factors, float(ends[n[-1]]))) for n, factors in partial]
