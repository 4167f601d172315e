"""Sizes that are known when a model runs: sums and products of the lengths of dynamic axes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

__all__ = ["Point", "Size", "fitted", "points"]

Point: TypeAlias = Mapping[str, int]
"""The length of each dynamic axis, in one run."""


class Size:
    """A polynomial in the lengths of dynamic axes, none of them squared, with whole coefficients.

    >>> print(Size({(): 1, ("batch",): 2}))
    2*batch + 1
    """

    __slots__ = ("terms",)

    def __init__(self, terms: Mapping[tuple[str, ...], int]) -> None:
        self.terms = {names: n for names, n in terms.items() if n}

    def __str__(self) -> str:
        texts = []
        for names, n in sorted(self.terms.items(), key=lambda term: (not term[0], term[0])):
            factors = [*([] if n == 1 and names else [str(n)]), *names]
            texts.append("*".join(factors))
        return " + ".join(texts)

    def __repr__(self) -> str:
        return f"Size({self})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Size) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(frozenset(self.terms.items()))

    def at(self, point: Point) -> int:
        """Return what it is where the axes have such lengths."""
        return sum(n * _product(names, point) for names, n in self.terms.items())


def _product(names: Sequence[str], point: Point) -> int:
    return math.prod(point[name] for name in names)


def points(base: Point) -> list[Point]:
    """Return where to try a model, so that `fitted` finds every size, and would notice any other.

    Without dynamic axes it is tried twice, so that random numbers are noticed.

    >>> points({"batch": 4})
    [{'batch': 4}, {'batch': 5}, {'batch': 7}]
    """
    names = list(base)
    corners: list[Point] = [
        {name: n + (name in longer) for name, n in base.items()}
        for count in range(len(names) + 1)
        for longer in itertools.combinations(names, count)
    ]
    return [*corners, {name: n + 3 + i for i, (name, n) in enumerate(base.items())}]


def fitted(values: Sequence[int], where: Sequence[Point]) -> int | Size | None:
    """Return the number or size that has these values at these points, None if there is none.

    >>> fitted([8, 10, 14], points({"batch": 4}))
    Size(2*batch)
    """
    if all(value == values[0] for value in values):
        return int(values[0])
    names = list(where[0])
    monomials = [
        chosen for count in range(len(names) + 1) for chosen in itertools.combinations(names, count)
    ]
    rows = [[_product(chosen, point) for chosen in monomials] for point in where]
    found = np.linalg.lstsq(np.array(rows, float), np.array(values, float), rcond=None)[0]
    size = Size(dict(zip(monomials, map(round, found), strict=True)))
    exact = all(size.at(point) == value for point, value in zip(where, values, strict=True))
    return size if exact else None
