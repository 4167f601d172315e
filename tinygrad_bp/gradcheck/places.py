"""What is compared: entries of the inputs, directions, and combinations of outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.gradcheck.slope import Along
from tinygrad_bp.gradcheck.subject import Subject

__all__ = ["EXHAUSTIVE", "PROJECTIONS", "Place", "along", "combinations", "places"]

Vector = np.ndarray[Any, Any]
Place: TypeAlias = tuple[str, tuple[int, ...] | str, Along]
"""The name of an input, an index in it or what else to call it, and where that is."""

EXHAUSTIVE = 50_000
"""Entries up to which every one is compared."""

PROJECTIONS = 4
SAMPLES = 20
OUTPUTS = 1_000  # up to which each one is differentiated by itself


def combinations(output: Vector, entries: int, rng: np.random.Generator) -> Vector:
    """Return the sums of outputs to differentiate, as rows of weights: each output alone if few.

    Random weights are signed: with positive ones, errors of opposite sign would cancel less often
    than they should, and a zeroed entry would hide in the sum.
    """
    every = output.size <= OUTPUTS and output.size * entries <= EXHAUSTIVE
    if every or output.size == 1:
        return np.eye(output.size)
    signs = rng.choice([-1.0, 1.0], size=(PROJECTIONS, output.size))
    alone = rng.choice(output.size, min(SAMPLES, output.size), replace=False)
    single = np.zeros((alone.size, output.size))
    single[np.arange(alone.size), alone] = 1.0
    return np.concatenate([signs * rng.uniform(0.5, 1.5, size=signs.shape), single])


def places(subject: Subject, rng: np.random.Generator) -> Iterator[Place]:
    """Yield every entry, or signed directions and samples of each input if there are many."""
    n = subject.x.size
    if n <= EXHAUSTIVE:
        for j in range(n):
            yield (*subject.locate(j), j)
        return
    starts = [0, *subject.ends[:-1]]
    for name, start, end in zip(subject.names, starts, subject.ends, strict=True):
        for k in range(PROJECTIONS if end > start else 0):
            direction = np.zeros(n)
            direction[start:end] = rng.choice([-1.0, 1.0], end - start)
            yield name, f"signed projection {k + 1}", direction
        for j in rng.choice(np.arange(start, end), min(SAMPLES, end - start), replace=False):
            yield (*subject.locate(int(j)), int(j))


def along(gradients: Vector, place: Along, size: Callable[[Any], Any] = np.positive) -> Vector:
    """Return one entry of every gradient, or the product of every gradient with a direction."""
    result: Vector = gradients[:, place] if isinstance(place, int) else gradients @ size(place)
    return result
