"""What is compared: entries of the inputs, directions, combinations of outputs, other points."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.gradcheck.subject import Subject
from tinygrad_bp.gradcheck.witnesses import Along

__all__ = [
    "BUDGET", "PROJECTIONS", "Place", "along", "combinations", "directions", "mirrored", "nudged",
    "permuted", "places", "scales",
]  # fmt: skip

Vector = np.ndarray[Any, Any]
Place: TypeAlias = tuple[str, tuple[int, ...] | str, Along]
"""The name of an input, an index in it or what else to call it, and where that is."""

BUDGET = 50_000
"""Evaluations up to which every entry is compared."""

PROJECTIONS = 4
SAMPLES = 20
OUTPUTS = 1_000  # up to which each one is differentiated by itself
NUMBERS = 300_000_000  # that all evaluations may read and give, for every entry to be compared
NUDGE = 1e-3  # of the scale of an input, how far the nudged point is away


def combinations(output: Vector, entries: int, rng: np.random.Generator) -> Vector:
    """Return the sums of outputs to differentiate, as rows of weights: each output alone if few.

    Random weights are signed: with positive ones, errors of opposite sign would cancel less often
    than they should, and a zeroed entry would hide in the sum. Outputs that are not finite have no
    part in them.
    """
    finite = np.flatnonzero(np.isfinite(output).ravel())
    every = output.size <= OUTPUTS and output.size * entries <= BUDGET
    if every or finite.size == 1:
        return np.eye(output.size)[finite]
    signs = np.zeros((PROJECTIONS, output.size))
    signs[:, finite] = rng.choice([-1.0, 1.0], size=(PROJECTIONS, finite.size))
    alone = rng.choice(finite, min(SAMPLES, finite.size), replace=False)
    single = np.zeros((alone.size, output.size))
    single[np.arange(alone.size), alone] = 1.0
    return np.concatenate([signs * rng.uniform(0.5, 1.5, size=signs.shape), single])


def places(
    subject: Subject, outputs: int, each: int, budget: int, rng: np.random.Generator
) -> tuple[list[Place], bool]:
    """Return every entry and True, or directions and samples of each input if there are many.

    Each entry takes so many evaluations. Entries that are not finite cannot be moved.
    """
    n = subject.x.size
    finite = np.isfinite(subject.x)
    if n * each <= budget and n * (n + outputs) <= NUMBERS:
        return [(*subject.locate(int(j)), int(j)) for j in np.flatnonzero(finite)], True
    found: list[Place] = []
    for name, part in subject.ranges():
        movable = part.start + np.flatnonzero(finite[part])
        found += [
            (name, f"projection {k + 1}", _signs(n, movable, rng) * rng.uniform(0.5, 1.5, n))
            for k in range(PROJECTIONS if movable.size else 0)
        ]
        sampled = rng.choice(movable, min(SAMPLES, movable.size), replace=False)
        found += [(*subject.locate(int(j)), int(j)) for j in sampled]
    return found, False


def directions(
    subject: Subject, x: Vector, each: int, rng: np.random.Generator
) -> Iterator[tuple[str, Vector]]:
    """Yield random directions of each input that can be moved, with its name.

    Each entry moves in proportion to its size: no step is too large for some of them.
    """
    size = scales(subject, x)
    for name, part in subject.ranges():
        movable = part.start + np.flatnonzero(np.isfinite(x[part]))
        for _ in range(each if movable.size else 0):
            yield name, _signs(x.size, movable, rng) * size * rng.uniform(0.5, 1.5, x.size)


def _signs(n: int, chosen: Vector, rng: np.random.Generator) -> Vector:
    direction = np.zeros(n)
    direction[chosen] = rng.choice([-1.0, 1.0], chosen.size)
    return direction


def along(gradients: Vector, place: Along, size: Callable[[Any], Any] = np.positive) -> Vector:
    """Return one entry of every gradient, or the product of every gradient with a direction."""
    result: Vector = gradients[:, place] if isinstance(place, int) else gradients @ size(place)
    return result


# --- other points ---------------------------------------------------------------------------


def nudged(subject: Subject, rng: np.random.Generator) -> Vector:
    """Return a point nearby: each entry moved by about a thousandth of its size."""
    signs = rng.choice([-1.0, 1.0], subject.x.size)
    moved: Vector = subject.x + NUDGE * scales(subject, subject.x) * signs * rng.uniform(
        0.3, 1.0, signs.size
    )
    return moved


def scales(subject: Subject, x: Vector) -> Vector:
    """Return the size of every entry, of its input where it is 0; 0 where it is not finite.

    So small ones keep their sign if they are moved by part of that.
    """
    result = np.abs(x)
    result[~np.isfinite(x)] = 0.0
    for _, part in subject.ranges():
        largest = float(result[part].max(initial=0.0)) or 1.0
        result[part] = np.where(x[part] == 0, largest, result[part])
    return result


def mirrored(subject: Subject) -> Vector:
    """Return the point on the other side of 0."""
    return _turned(subject, np.negative)


def permuted(subject: Subject, rng: np.random.Generator) -> Vector:
    """Return the point with the entries of each input in another order.

    That of vectors is a random one: to reverse what is sorted takes a rule that confuses an order
    with its inverse back to where it is right. Matrices stay symmetric, if they were, in reverse.
    """
    shapes = iter(subject.shapes)

    def turn(part: Vector) -> Vector:
        return part[_order(part.size, rng)] if len(next(shapes)) < 2 else np.flip(part)

    return _turned(subject, turn)


def _order(n: int, rng: np.random.Generator) -> Vector:
    """A random order that is not its own inverse, if there is one."""
    while True:
        order = rng.permutation(n)
        if n < 3 or (order[order] != np.arange(n)).any():
            return order


def _turned(subject: Subject, turn: Callable[[Vector], Vector]) -> Vector:
    """Of several inputs, those that rise from entry to entry stay: they may be a table's knots."""
    x = subject.x.copy()
    for _, part in subject.ranges():
        rises = part.stop - part.start > 2 and bool((np.diff(x[part]) > 0).all())
        turned = turn(x[part])
        if not (rises and len(subject.names) > 1):
            x[part] = turned
    return x
