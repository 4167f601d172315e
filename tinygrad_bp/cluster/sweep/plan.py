"""What runs a sweep has: each combination of the settings, with each seed."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tinygrad_bp.cluster.sweep.digits import Digits
from tinygrad_bp.cluster.sweep.values import changed, shown, typed, whole
from tinygrad_bp.train import Recipe

__all__ = ["Plan", "Run"]

MOST = 100_000
"""Runs of a sweep: more than that is a slip."""
_PLAIN, _DRAWN = Recipe(), Digits()


class Run(NamedTuple):
    """One training."""

    values: tuple[Any, ...]
    """Of the settings that are swept, in their order."""
    recipe: Recipe
    name: str
    """What tells the run from the others, such as "lr 0.5, seed 2"."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """A sweep: a recipe, the values that some of its fields take in turn, seeds, and the digits.

    `swept` has fields of `Recipe` with the values of each; every combination is a setting, and is
    run with every seed. Raises `ValueError`, naming the field, for one that there is not, one
    without values or with the same value twice, and for a setting that `Recipe` refuses.

    >>> plan = Plan(swept={"lr": [0.5, 1.5], "hidden": [[16], [16, 16]]}, seeds=range(3))
    >>> len(plan.runs), plan.runs[0].name
    (12, 'lr 0.5, hidden 16, seed 0')
    """

    recipe: Recipe = _PLAIN
    swept: Mapping[str, Sequence[Any]] = dataclasses.field(default_factory=dict)
    seeds: Sequence[int] = (0,)
    digits: Digits = _DRAWN

    def __post_init__(self) -> None:
        swept = {name: _values(name, values) for name, values in self.swept.items()}
        seeds = _different("seeds", [whole("seeds", seed) for seed in _some("seeds", self.seeds)])
        number = len(seeds) * math.prod(map(len, swept.values()))
        if number > MOST:
            raise ValueError(f"that would be {number:,} runs; a sweep has up to {MOST:,}")
        object.__setattr__(self, "recipe", changed(self.recipe, {}))
        object.__setattr__(self, "swept", swept)
        object.__setattr__(self, "seeds", seeds)
        object.__setattr__(self, "runs", self._combined())

    runs: list[Run] = dataclasses.field(init=False, repr=False, compare=False)
    """All runs: the settings in order, the last field fastest, and in each of them the seeds."""

    @property
    def settings(self) -> list[tuple[Any, ...]]:
        """The values of the swept fields, for each setting."""
        return list(itertools.product(*self.swept.values()))

    def _combined(self) -> list[Run]:
        return [self._run(values, seed) for values in self.settings for seed in self.seeds]

    def _run(self, values: tuple[Any, ...], seed: int) -> Run:
        given = dict(zip(self.swept, values, strict=True)) | {"seed": seed}
        name = ", ".join(f"{field} {shown(value)}" for field, value in given.items())
        try:
            return Run(values, changed(self.recipe, given), name)
        except ValueError as error:
            raise ValueError(f"with {name}: {error}") from error


def _values(name: str, values: Any) -> tuple[Any, ...]:
    if name == "seed":
        raise ValueError("seeds are not a setting that is compared: give them as seeds")
    return _different(name, [typed(name, value) for value in _some(name, values)])


def _some(name: str, values: Any) -> Sequence[Any]:
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise ValueError(f"{name} takes a list of values to try, got {values!r}")
    if not values:
        raise ValueError(f"{name} has an empty list: give at least one value")
    if len(values) > MOST:
        raise ValueError(f"{name} has {len(values):,} values; a sweep has up to {MOST:,} runs")
    return values


def _different(name: str, values: list[Any]) -> tuple[Any, ...]:
    seen = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{name} has {shown(value)} twice")
        seen.add(value)
    return tuple(values)
