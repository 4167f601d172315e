"""The values of a recipe's fields: of one type each, and as a reader sees them."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

from tinygrad_bp.train import Recipe

__all__ = ["FIELDS", "changed", "shown", "typed", "whole"]

FIELDS = tuple(field.name for field in dataclasses.fields(Recipe))
_LIKE = dataclasses.asdict(Recipe())


def changed(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """Return a recipe with other values in some fields; each gets the type of its field.

    Raises `ValueError` for a field that there is not, or a value that `Recipe` refuses.

    >>> changed(Recipe(), {"lr": 3, "hidden": [100]}).lr
    3.0
    """
    given = dataclasses.asdict(recipe) | dict(values)
    return Recipe(**{name: typed(name, value) for name, value in given.items()})


def typed(name: str, value: Any) -> Any:
    """Return a value of a field of `Recipe` in the type of that field, so that 1 and 1.0 are equal.

    Raises `ValueError` for a field that there is not, or a value of another kind.

    >>> typed("lr", 1), typed("hidden", [16, 16])
    (1.0, (16, 16))
    """
    if name not in _LIKE:
        raise ValueError(f"there is no setting {name!r}; there are {', '.join(FIELDS)}")
    like = _LIKE[name]
    if isinstance(like, tuple):
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise ValueError(f"{name} is a list of sizes such as [16, 16], got {value!r}")
        return tuple(whole(name, size) for size in value)
    if isinstance(like, str):
        if not isinstance(value, str):
            raise ValueError(f"{name} is a name, got {value!r}")
        return value
    return whole(name, value) if isinstance(like, int) else _number(name, value)


def whole(name: str, value: Any) -> int:
    """Return a whole number of any type; `ValueError` names what is none.

    >>> whole("epochs", 3)
    3
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise ValueError(f"{name} takes whole numbers, got {value!r}")
    return int(value)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ValueError(f"{name} takes numbers, got {value!r}")
    try:
        return float(value)
    except OverflowError as error:
        raise ValueError(f"{name} takes numbers of ordinary size, got {value!r:.40}") from error


def shown(value: Any) -> str:
    """Return a value as a reader sees it; different values look different.

    >>> shown((16, 16)), shown(()), shown(0.30), shown(3.0), shown(0.123456789)
    ('16-16', 'none', '0.3', '3', '0.123456789')
    """
    if isinstance(value, tuple):
        return "-".join(map(str, value)) or "none"
    if not isinstance(value, float):
        return str(value)
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
