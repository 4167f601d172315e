"""Which parameters of a test run every time, and which with --slow alone."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

import pytest

__all__ = ["first_quick", "some_quick"]


def some_quick(items: Iterable[Any], every: int) -> list[Any]:
    """Parameters of a test, all but one in `every` of which are slow."""
    return [_parameter(item, quick=i % every == 0) for i, item in enumerate(items)]


def first_quick(items: Iterable[Any], kind: Callable[[Any], Hashable]) -> list[Any]:
    """Parameters of a test, all but the first of each kind slow."""
    seen = set[Hashable]()
    params = []
    for item in items:
        params.append(_parameter(item, quick=kind(item) not in seen))
        seen.add(kind(item))
    return params


def _parameter(item: Any, *, quick: bool) -> Any:
    return item if quick else pytest.param(item, marks=pytest.mark.slow)
