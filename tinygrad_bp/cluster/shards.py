"""A batch is cut into shards, and what they give is added in an order that no worker changes.

The order is that of a binary tree over the shards' numbers:

    0 ─┐
       ├─┐
    1 ─┘ │
         ├─ 0 to 4
    2 ─┐ │
       ├─┘
    3 ─┘

A node is a pair (first, end) of shards. A worker adds up as much of the tree as lies within its own
shards, and the rest is added where the results meet: the same sums, whoever makes them. Rounded
sums depend on their order, so this is what makes the last bit the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias, TypeVar

__all__ = ["Node", "bounds", "halves", "total", "within"]

Node: TypeAlias = tuple[int, int]
T = TypeVar("T")


def bounds(length: int, parts: int) -> list[int]:
    """Return where each of so many parts begins, and the last ends; sizes differ by 1 at most.

    >>> bounds(10, 4)
    [0, 2, 5, 7, 10]
    """
    return [length * i // parts for i in range(parts + 1)]


def halves(node: Node) -> tuple[Node, Node]:
    """Return the two nodes below one that has more than one shard.

    >>> halves((0, 8)), halves((4, 7))
    (((0, 4), (4, 8)), ((4, 5), (5, 7)))
    """
    first, end = node
    middle = (first + end) // 2
    return (first, middle), (middle, end)


def within(node: Node, block: Node) -> Iterator[Node]:
    """Yield the largest nodes, from this one down, all of whose shards are in a block.

    >>> list(within((0, 8), (0, 4))), list(within((0, 8), (3, 6)))
    ([(0, 4)], [(3, 4), (4, 6)])
    """
    (first, end), (start, stop) = node, block
    if end <= start or stop <= first:
        return
    if start <= first and end <= stop:
        yield node
        return
    for half in halves(node):
        yield from within(half, block)


def total(node: Node, known: Callable[[Node], T | None], add: Callable[[T, T], T]) -> T:
    """Return the sum of a node: what is known of it, or the sum of its halves.

    >>> shards = {(0, 1): "a", (1, 2): "b", (2, 4): "(c+d)"}
    >>> total((0, 4), shards.get, lambda left, right: f"({left}+{right})")
    '((a+b)+(c+d))'
    """
    here = known(node)
    if here is not None:
        return here
    left, right = halves(node)
    return add(total(left, known, add), total(right, known, add))
