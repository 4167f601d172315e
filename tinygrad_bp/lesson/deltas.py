"""Gradients of many examples at once, by the lesson's deltas: δ = ∂C/∂z for each neuron.

What one example wants of the weight from neuron k to neuron j is -δ_j a_k. So deltas and
activations, a few numbers for each neuron, hold the gradients of all examples, which written out
would be 60,000 x 13,002 numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_bp.errors import ShapeError
from tinygrad_bp.lesson.network import SIZES, count_of, unflatten
from tinygrad_bp.rules import sigmoid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from tinygrad_bp.lesson.network import Layer

__all__ = ["COSTS", "Deltas", "activations", "costs_of", "deltas_of"]

CHUNK = 5_000  # examples in float64 at once: 60,000 images would take 376 MB

COSTS = ("sum_squares", "half_sum_squares", "cross_entropy")
"""Of outputs a = σ(z) against y: Σ (a - y)²; half of it; -Σ (y log a + (1 - y) log(1 - a))."""


class Deltas(NamedTuple):
    """What `deltas_of` returns: activations and deltas, from which gradients are put together.

    >>> from tinygrad_bp.lesson.network import flatten, lesson_network
    >>> rng = np.random.default_rng(0)
    >>> found = deltas_of(flatten(lesson_network()), rng.random((5, 784)), [2, 0, 1, 9, 2])
    >>> [delta.shape for delta in found.deltas]
    [(5, 16), (5, 16), (5, 10)]
    >>> one, all_five = found.gradient([0]), found.gradient()
    >>> bool(np.linalg.norm(all_five) < np.linalg.norm(one))  # the wishes cancel in part
    True
    """

    sizes: tuple[int, ...]
    """The neurons of each layer, the input's pixels first."""
    activations: list[NDArray[Any]]
    """a⁰ to aᴸ, each (n, neurons)."""
    deltas: list[NDArray[np.float64]]
    """δ¹ to δᴸ, each (n, neurons)."""
    costs: NDArray[np.float64]
    """(n,): of each example."""

    def gradient(self, rows: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return ∂C/∂p of the mean cost of all examples, or of those given by index."""
        chosen = None if rows is None else np.asarray(rows)
        n = len(self.costs) if chosen is None else len(chosen)
        total = np.zeros(count_of(self.sizes))
        layers = unflatten(total, self.sizes)
        for start in range(0, n, CHUNK):
            part: Any = slice(start, start + CHUNK)
            if chosen is not None:
                part = chosen[part]
            for (a, delta), layer in zip(self._pairs(), layers, strict=True):
                layer.weight[...] += delta[part].T @ a[part].astype(float, copy=False)
                layer.bias[...] += delta[part].sum(axis=0)
        return total / n

    def per_example(self) -> NDArray[np.float64]:
        """Return ∂C_k/∂p of each example k: (n, parameters), so for few examples only."""
        parts = []
        for a, delta in self._pairs():
            parts += [(delta[:, :, None] * a[:, None, :]).reshape(len(a), -1), delta]
        return np.concatenate(parts, axis=1)

    def squared_norms(self) -> NDArray[np.float64]:
        """Return ‖∂C_k/∂p‖² of each example k, (n,): Σ over layers of ‖δ‖² (1 + ‖a‖²)."""
        total = np.zeros(len(self.costs))
        for a, delta in self._pairs():
            incoming = np.einsum("ij,ij->i", a, a, dtype=float)
            total += np.einsum("ij,ij->i", delta, delta) * (1 + incoming)
        return total

    def _pairs(self) -> list[tuple[NDArray[Any], NDArray[np.float64]]]:
        return list(zip(self.activations[:-1], self.deltas, strict=True))


def deltas_of(
    parameters: ArrayLike,
    images: NDArray[Any],
    labels: ArrayLike,
    *,
    cost: str = "sum_squares",
    sizes: Sequence[int] = SIZES,
) -> Deltas:
    """Send images (n, pixels) forward and what their labels (n,) want backward, in float64.

    `parameters` is a vector as `flatten` makes. `cost` is one of `COSTS`. Raises `ShapeError` if
    the images do not fit the sizes, `ValueError` for another cost.

    >>> from tinygrad_bp.lesson.network import flatten, lesson_network
    >>> rng = np.random.default_rng(0)
    >>> found = deltas_of(flatten(lesson_network()), rng.random((5, 784)), [2, 0, 1, 9, 2])
    >>> found.gradient().shape, found.per_example().shape
    ((13002,), (5, 13002))
    >>> bool(np.allclose(found.per_example().mean(axis=0), found.gradient()))
    True
    """
    layers = unflatten(parameters, sizes)
    a = activations(layers, images)
    targets = np.eye(sizes[-1])[np.asarray(labels)]
    backward = [_last_delta(a[-1], targets, cost)]
    for layer, before in zip(reversed(layers[1:]), reversed(a[1:-1]), strict=True):
        backward.append((backward[-1] @ layer.weight) * before * (1 - before))
    return Deltas(tuple(sizes), a, backward[::-1], costs_of(a[-1], targets, cost))


def activations(layers: Sequence[Layer], images: NDArray[Any]) -> list[NDArray[Any]]:
    """Return a⁰, the images (n, pixels) themselves, to aᴸ, the outputs (n, neurons).

    Raises `ShapeError` if the images have another number of pixels than the first layer.

    >>> [a.shape for a in activations(unflatten(np.zeros(13_002)), np.zeros((3, 784)))]
    [(3, 784), (3, 16), (3, 16), (3, 10)]
    """
    pixels = layers[0].weight.shape[1]
    if images.ndim != 2 or images.shape[1] != pixels:
        raise ShapeError(f"images must be (n, {pixels}), got {images.shape}")
    chunks = (images[start : start + CHUNK] for start in range(0, len(images), CHUNK))
    first = np.concatenate([chunk.astype(float) @ layers[0].weight.T for chunk in chunks])
    found = [images, sigmoid(first + layers[0].bias)]
    for layer in layers[1:]:
        found.append(sigmoid(found[-1] @ layer.weight.T + layer.bias))
    return found


def costs_of(
    outputs: NDArray[Any], targets: NDArray[Any], cost: str = "sum_squares"
) -> NDArray[np.float64]:
    """Return the cost of each example (n,) from outputs and targets, both (n, neurons).

    >>> costs_of(np.array([[0.5, 1.0]]), np.array([[0.0, 1.0]]))
    array([0.25])
    """
    if cost == "cross_entropy":
        tiny = np.finfo(float).tiny  # where a float64 output has become 0 or 1
        missed = np.where(targets > 0, outputs, 1 - outputs)
        found: NDArray[np.float64] = -np.log(np.maximum(missed, tiny)).sum(axis=1)
        return found
    squares: NDArray[np.float64] = ((outputs - targets) ** 2).sum(axis=1)
    return squares / 2 if cost == "half_sum_squares" else squares


def _last_delta(a: NDArray[Any], targets: NDArray[Any], cost: str) -> NDArray[np.float64]:
    """∂C/∂z of the outputs; for cross-entropy σ'(z) cancels."""
    if cost not in COSTS:
        raise ValueError(f"cost must be one of {', '.join(COSTS)}, got {cost!r}")
    gap = a - targets
    if cost == "cross_entropy":
        return np.asarray(gap)
    return np.asarray((2.0 if cost == "sum_squares" else 1.0) * gap * a * (1 - a))
