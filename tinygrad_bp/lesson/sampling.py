"""How well a mini-batch speaks for all examples: measured by drawing some, and predicted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tinygrad_bp.lesson.deltas import Deltas

__all__ = ["Agreement", "agreement", "cosine", "draws_for", "noise_scale", "predicted_cosine"]


class Agreement(NamedTuple):
    """Cosines between the gradients of mini-batches of one size and that of all examples."""

    batch_size: int
    cosines: NDArray[np.float64]
    """(draws,)"""
    predicted: float
    """By `predicted_cosine`."""

    @property
    def mean(self) -> float:
        """The mean cosine of the draws."""
        return float(self.cosines.mean())

    @property
    def uphill(self) -> float:
        """The share of draws whose step would lead uphill: more than a right angle off."""
        return float(np.mean(self.cosines < 0))


def cosine(u: NDArray[np.float64], v: NDArray[np.float64]) -> float:
    """Return the cosine of the angle between two vectors, 0 if one of them is zero.

    >>> cosine(np.array([1.0, 0.0]), np.array([1.0, 1.0])).__round__(4)
    0.7071
    """
    lengths = float(np.linalg.norm(u) * np.linalg.norm(v))
    return float(u @ v) / lengths if lengths else 0.0


def noise_scale(deltas: Deltas) -> float:
    """Return tr Σ / ‖∇C‖²: how far examples scatter around their mean gradient, for its length.

    It is about the size of a mini-batch whose gradient is 45° off. No gradient of a single
    example is written out: tr Σ is the mean of their squared norms, less that of the mean.

    Source: McCandlish, Kaplan, Amodei, An Empirical Model of Large-Batch Training (2018).

    >>> from tinygrad_bp.lesson.deltas import deltas_of
    >>> from tinygrad_bp.lesson.network import flatten, lesson_network
    >>> same = deltas_of(flatten(lesson_network()), np.full((3, 784), 0.5), [2, 2, 2])
    >>> abs(noise_scale(same)) < 1e-12
    True
    """
    full = deltas.gradient()
    return float(deltas.squared_norms().mean() / (full @ full)) - 1


def predicted_cosine(noise: float, batch_size: int, n: int) -> float:
    """Return 1 / √(1 + noise / B · (n - B) / (n - 1)): what to expect of B of n examples.

    Without replacement, so all n of them point exactly along.

    >>> round(predicted_cosine(668.0, 100, 60_000), 2), predicted_cosine(668.0, 60_000, 60_000)
    (0.36, 1.0)
    """
    left_out = (n - batch_size) / (n - 1) if n > 1 else 0.0
    return 1 / math.sqrt(1 + max(noise, 0.0) / batch_size * left_out)


def draws_for(batch_size: int, n: int) -> int:
    """Return how often to draw a mini-batch, so that no size takes much longer than another.

    >>> [draws_for(b, 60_000) for b in (1, 1_000, 10_000, 60_000)]
    [200, 200, 30, 1]
    """
    return 1 if batch_size >= n else min(200, max(10, 300_000 // batch_size))


def agreement(
    deltas: Deltas,
    batch_sizes: Sequence[int],
    *,
    seed: int = 0,
    progress: Callable[[], None] | None = None,
) -> list[Agreement]:
    """Draw mini-batches of each size and compare each gradient with that of all examples.

    `progress()` is called after each size.

    >>> from tinygrad_bp.lesson.deltas import deltas_of
    >>> from tinygrad_bp.lesson.network import flatten, lesson_network
    >>> images = np.random.default_rng(0).random((20, 784))
    >>> two, all_of_them = agreement(
    ...     deltas_of(flatten(lesson_network()), images, np.arange(20) % 10), [2, 20]
    ... )
    >>> len(two.cosines), round(all_of_them.mean, 12)
    (200, 1.0)
    """
    n, full, noise = len(deltas.costs), deltas.gradient(), noise_scale(deltas)
    found = []
    for size in batch_sizes:
        rng = np.random.default_rng((seed, size))
        drawn = (rng.choice(n, size, replace=False) for _ in range(draws_for(size, n)))
        cosines = np.array([cosine(deltas.gradient(rows), full) for rows in drawn])
        found.append(Agreement(size, cosines, predicted_cosine(noise, size, n)))
        if progress is not None:
            progress()
    return found
