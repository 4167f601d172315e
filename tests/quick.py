"""Which parameters of a test run every time, and which with --slow alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

__all__ = ["some_quick"]


def some_quick(items: Iterable[Any], every: int) -> list[Any]:
    """Parameters of a test, all but one in `every` of which are slow."""
    return [
        item if i % every == 0 else pytest.param(item, marks=pytest.mark.slow)
        for i, item in enumerate(items)
    ]
