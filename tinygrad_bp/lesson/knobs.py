"""Parameters as knobs: which turn the cost most, and what a turn really does."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tinygrad_bp.errors import GradientError
from tinygrad_bp.lesson.network import index_of, name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from tinygrad_bp.lesson.example import OneExample, Wiggle

__all__ = ["Budget", "Knob", "Pair", "best_knobs", "budget", "rank_of", "sensitive_pair"]


class Knob(NamedTuple):
    """A parameter and how much the cost depends on it."""

    name: str
    value: float
    gradient: float
    share: float
    """Of ‖∇C‖²: of what a small step along -∇C lowers the cost by."""


def best_knobs(example: OneExample, n: int = 10) -> list[Knob]:
    """Return the parameters with the largest gradients: most bang for the buck.

    >>> from tinygrad_bp.lesson import OneExample, lesson_network
    >>> two = OneExample(lesson_network(), np.linspace(0, 1, 784), 2)
    >>> round(sum(knob.share for knob in best_knobs(two, 13_002)), 9)
    1.0
    """
    g = example.gradient
    order = np.argsort(-np.abs(g), kind="stable")[:n]
    total = float(g @ g)
    return [
        Knob(
            name_of(int(i), example.sizes),
            float(example.parameters[i]),
            float(g[i]),
            float(g[i] ** 2) / total,
        )
        for i in order
    ]


def rank_of(example: OneExample, name: str) -> int:
    """Return the place of a parameter by the size of its gradient: 1 for the largest.

    >>> from tinygrad_bp.lesson import OneExample, lesson_network
    >>> two = OneExample(lesson_network(), np.linspace(0, 1, 784), 2)
    >>> rank_of(two, best_knobs(two)[0].name)
    1
    """
    sizes = np.abs(example.gradient)
    return 1 + int(np.sum(sizes > sizes[index_of(name, example.sizes)]))


class Pair(NamedTuple):
    """Two weights, one of which moves the cost so many times as far as the other."""

    strong: Wiggle
    weak: Wiggle
    ratio: float
    """Of the gradients."""

    @property
    def actual_ratio(self) -> float:
        """Of the changes of the cost, both weights nudged up and down by the same amount."""
        return abs(self.strong.central / self.weak.central)


def sensitive_pair(example: OneExample, ratio: float = 32.0, *, nudge: float = 0.01) -> Pair:
    """Return the weight that the cost depends on most, and one that matters `ratio` times less.

    The lesson's 3.2 and 0.1. The second is the weight into the outputs whose gradient comes
    nearest. Raises `GradientError` if all gradients there are zero.

    >>> from tinygrad_bp.lesson import OneExample, lesson_network
    >>> pair = sensitive_pair(OneExample(lesson_network(), np.linspace(0, 1, 784), 2))
    >>> abs(pair.actual_ratio / pair.ratio - 1) < 1e-4
    True
    """
    depth = len(example.layers)
    first = index_of(f"W{depth}[0,0]", example.sizes)
    sizes = np.abs(example.gradient[first : index_of(f"b{depth}[0]", example.sizes)])
    if not sizes.any():
        raise GradientError("no weight into the outputs has a gradient: nothing to compare")
    strong = int(sizes.argmax())
    with np.errstate(divide="ignore"):
        away = np.abs(np.log(sizes[strong] / ratio) - np.log(sizes))
    weak = int(away.argmin())
    one, other = (example.wiggle(name_of(first + i, example.sizes), nudge) for i in (strong, weak))
    return Pair(one, other, float(sizes[strong] / sizes[weak]))


class Budget(NamedTuple):
    """How much lower the cost gets for the same length of change, spent in two ways."""

    chosen: float
    """The change of the cost by the knobs that were chosen."""
    best: float
    """By a step of the same length along the negative gradient."""


def budget(example: OneExample, turns: Mapping[str, float], *, length: float = 0.01) -> Budget:
    """Spend a small length of change on knobs of your choice, in the given proportions.

    No choice beats the negative gradient, but for terms of the second order in the length. Raises
    `ValueError` if all turns are zero, `KeyError` for a name that is none.

    >>> from tinygrad_bp.lesson import OneExample, lesson_network
    >>> two = OneExample(lesson_network(), np.linspace(0, 1, 784), 2)
    >>> spent = budget(two, {"b3[2]": 1.0, "b3[1]": -0.5})
    >>> spent.best < spent.chosen < 0
    True
    """
    change = np.zeros(len(example.parameters))
    for name, turn in turns.items():
        change[index_of(name, example.sizes)] += turn
    return Budget(*(_spent(example, way, length) for way in (change, example.nudges)))


def _spent(example: OneExample, way: NDArray[np.float64], length: float) -> float:
    size = float(np.linalg.norm(way))
    if size == 0:
        raise ValueError("all turns are zero: turn at least one knob")
    return float(example.cost_after(length / size * way) - example.cost)
