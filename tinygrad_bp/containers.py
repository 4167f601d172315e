"""Nested lists, tuples and dicts of arrays: taken apart, and put together again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["fill", "leaves", "named_leaves"]


def named_leaves(tree: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what stands in nested lists, tuples and dicts, in order, each with its path.

    >>> list(named_leaves({"w": [1.0, 2.0], "b": 3.0}, "p"))
    [("p['w'][0]", 1.0), ("p['w'][1]", 2.0), ("p['b']", 3.0)]
    """
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from named_leaves(value, f"{name}[{key!r}]")
    elif isinstance(tree, list | tuple):
        for i, value in enumerate(tree):
            yield from named_leaves(value, f"{name}[{i}]")
    else:
        yield name, tree


def leaves(tree: Any) -> list[Any]:
    """Return what stands in nested lists, tuples and dicts, in order.

    >>> leaves({"w": [1.0, 2.0], "b": 3.0})
    [1.0, 2.0, 3.0]
    """
    return [leaf for _, leaf in named_leaves(tree)]


def fill(tree: Any, contents: Iterator[Any]) -> Any:
    """Return the same containers with other leaves.

    >>> fill({"w": [1.0, 2.0], "b": 3.0}, iter("abc"))
    {'w': ['a', 'b'], 'b': 'c'}
    """
    if isinstance(tree, dict):
        return {key: fill(value, contents) for key, value in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*[fill(value, contents) for value in tree])
    if isinstance(tree, list | tuple):
        return type(tree)([fill(value, contents) for value in tree])
    return next(contents)
