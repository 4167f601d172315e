"""What one array of a call receives, if its rule gives that alone or with all others."""

from __future__ import annotations

from typing import Any

from tinygrad_bp.registry import Rule

__all__ = ["contribution", "each_output", "slots"]


def slots(rule: Rule, arrays: int) -> list[int]:
    """Return which of a call's arrays take a gradient, by their numbers."""
    return [i for i in range(arrays) if i not in rule.closed | rule.flat_in]


def contribution(rule: Rule, slot: int, g: Any, y: Any, /, *arrays: Any, **options: Any) -> Any:
    """Return what an array of a call receives when `g` arrives at the output `y`.

    >>> import numpy as np
    >>> from tinygrad_bp.registry import rules
    >>> a, b = np.ones(2), np.ones(1)
    >>> contribution(rules[np.concatenate], 1, np.arange(3.0), None, a, b, axis=None)
    array([2.])
    """
    if rule.together:
        return rule.partials[0](g, y, *arrays, **options)[slot]
    return rule.partials[slot](g, y, *arrays, **options)


def each_output(rule: Rule, y: Any) -> list[int | None]:
    """Return the outputs that take a gradient, by their numbers; [None] if there is but one.

    >>> import numpy as np
    >>> from tinygrad_bp.registry import rules
    >>> each_output(rules[np.modf], np.modf(2.5)), each_output(rules[np.exp], 1.0)
    ([0], [None])
    """
    if not isinstance(y, tuple):
        return [None]
    return [i for i in range(len(y)) if i not in rule.flat]
