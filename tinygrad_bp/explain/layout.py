"""Where the nodes of a graph stand in a drawing: in columns, the leaves left, the loss right.

After Sugiyama, Tagawa and Toda (1981): columns by longest path, an order in each column
with few crossings, then heights that keep the main line straight. An edge that passes columns
goes through a point of its own in each, as if it were a node, so that it passes between nodes.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

__all__ = ["place"]

COLUMN, ROW = 190.0, 84.0  # from centre to centre of neighbouring nodes

_ROUNDS = 4  # from right to left and back again
_MOST_POINTS = 6_000  # nodes and points on long edges; larger graphs have straight edges
_THIN = 0.4  # of a node's height, for an edge that passes
_YIELDING = 1e-3  # how strongly leaves pull, where a result of leaves pulls with 1


def place(
    nodes: Sequence[dict[str, Any]],
    edges: Sequence[dict[str, Any]],
    *,
    column: float = COLUMN,
    row: float = ROW,
) -> None:
    """Give each node its `layer`, `x` and `y`, and each edge its `bends`.

    Nodes carry their position in the list as `id`, and a parent stands before its children; edges
    carry `child` and `parent`. `x` and `y` are the centres of cells `column` wide and `row` high,
    the first at (column / 2, row / 2). `bends` are the points [x, y] that an edge passes between
    its parent and its child. `outputs`, if a node has any, are the ids of all outputs of the op
    that made it: those that nobody reads stand beside one that is read. The time grows as E log V,
    nothing recurses, and the same graph is always placed in the same way.

    >>> nodes = [{"id": 0}, {"id": 1}, {"id": 2}]
    >>> place(nodes, [{"child": 2, "parent": 0}, {"child": 2, "parent": 1}], column=100, row=50)
    >>> [(node["x"], node["y"]) for node in nodes]
    [(50.0, 25.0), (50.0, 75.0), (150.0, 50.0)]
    """
    points = _Points(nodes, [*edges, *_beside(nodes, edges)])
    columns = _in_order(points)
    heights = _heights(points, columns, row)
    lowest = min(heights, default=0.0)
    places = [
        [column * (layer + 0.5), round(y - lowest + row / 2, 1)]
        for layer, y in zip(points.layer, heights, strict=True)
    ]
    for node in nodes:
        i = node["id"]
        node["layer"], (node["x"], node["y"]) = points.layer[i], places[i]
    for edge, passed in zip(edges, points.passed, strict=False):
        edge["bends"] = [places[i] for i in passed]


def _beside(
    nodes: Sequence[dict[str, Any]], edges: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Edges that nobody draws: from outputs that are not read to the readers of their twins."""
    readers: dict[int, list[int]] = {}
    for edge in edges:
        readers.setdefault(edge["parent"], []).append(edge["child"])
    return [
        {"parent": node["id"], "child": child}
        for node in nodes
        if node["id"] not in readers
        for twin in node.get("outputs", ())
        for child in readers.get(twin, ())
    ]


class _Points:
    """The nodes, the points at which long edges pass the columns between, and who is next to whom.

    Edges from one parent share their points as long as they run together.
    """

    def __init__(self, nodes: Sequence[dict[str, Any]], edges: Sequence[dict[str, Any]]) -> None:
        self.real = len(nodes)
        self.layer = _layers(self.real, edges)
        self.parents: list[list[int]] = [[] for _ in nodes]
        self.left: list[list[int]] = [[] for _ in nodes]
        self.right: list[list[int]] = [[] for _ in nodes]
        self.passed: list[list[int]] = []  # by each edge, from the parent to the child
        passes = self._lengths(edges) <= _MOST_POINTS
        threads: dict[int, list[int]] = {}  # of each parent: its points, one a column
        for edge in edges:
            parent, child = edge["parent"], edge["child"]
            self.parents[child].append(parent)
            gap = self.layer[child] - self.layer[parent] - 1
            thread = threads.setdefault(parent, [])
            for _ in range(gap - len(thread) if passes else 0):
                thread.append(self._new_point(thread[-1] if thread else parent))
            passed = thread[:gap] if passes else []
            self._join(passed[-1] if passed else parent, child)
            self.passed.append(passed)

    def _lengths(self, edges: Sequence[dict[str, Any]]) -> int:
        """How many points there would be at the most."""
        return sum(self.layer[e["child"]] - self.layer[e["parent"]] for e in edges)

    def _new_point(self, before: int) -> int:
        self.layer.append(self.layer[before] + 1)
        self.left.append([])
        self.right.append([])
        self._join(before, len(self.layer) - 1)
        return len(self.layer) - 1

    def _join(self, left: int, right: int) -> None:
        self.left[right].append(left)
        self.right[left].append(right)

    def is_line(self, i: int) -> bool:
        """Whether it is a point of an edge rather than a node."""
        return i >= self.real


def _layers(count: int, edges: Sequence[dict[str, Any]]) -> list[int]:
    """The column of each node: as far from the loss as the longest path, so leaves stand near."""
    distance = [0] * count
    for edge in sorted(edges, key=lambda edge: -edge["child"]):
        distance[edge["parent"]] = max(distance[edge["parent"]], distance[edge["child"]] + 1)
    deepest = max(distance, default=0)
    return [deepest - d for d in distance]


# --- the order in each column ---------------------------------------------------------------


def _in_order(points: _Points) -> list[list[int]]:
    """The columns from left to right, each from top to bottom, with few crossings."""
    columns: list[list[int]] = [[] for _ in range(max(points.layer, default=-1) + 1)]
    for i in _depth_first(points):
        columns[points.layer[i]].append(i)
    best, fewest = [list(c) for c in columns], _crossings(points, columns)
    for _ in range(_ROUNDS):
        if fewest == 0:
            break
        _sort_columns(columns[::-1], points.right)
        _sort_columns(columns, points.left)
        if (count := _crossings(points, columns)) < fewest:
            best, fewest = [list(c) for c in columns], count
    return best


def _depth_first(points: _Points) -> list[int]:
    """Everything, from the loss down, arguments in their order: a tree has no crossing so."""
    found: list[int] = []
    seen = [False] * len(points.layer)
    waiting = [i for i, right in enumerate(points.right) if not right]
    while waiting:
        i = waiting.pop()
        if not seen[i]:
            seen[i] = True
            found.append(i)
            waiting.extend(reversed(points.left[i]))
    return found


def _sort_columns(columns: Sequence[list[int]], neighbours: list[list[int]]) -> None:
    """Sort each column by where the neighbours on one side stand on average."""
    where: dict[int, float] = {}
    for column in columns:
        middle = (len(column) - 1) / 2
        if len(column) > 1:
            barycentre = {
                i: sum(where[j] for j in near) / len(near)
                if (near := neighbours[i])
                else n - middle
                for n, i in enumerate(column)
            }
            column.sort(key=barycentre.__getitem__)
        for n, i in enumerate(column):
            where[i] = n - middle


def _crossings(points: _Points, columns: list[list[int]]) -> int:
    """How often lines between neighbouring columns cross."""
    total = 0
    for left, right in pairwise(columns):
        if len(left) == 1 or len(right) == 1:
            continue
        row = {i: n for n, i in enumerate(left)}
        ends: list[int] = []  # of the lines met so far, at the left
        for i in right:
            starts = sorted(row[j] for j in points.left[i] if j in row)
            total += sum(len(ends) - bisect_right(ends, start) for start in starts)
            for start in starts:
                insort(ends, start)
    return total


# --- the heights ----------------------------------------------------------------------------


def _heights(points: _Points, columns: list[list[int]], row: float) -> list[float]:
    """The y of everything: near its neighbours, in the order of its column, apart enough."""
    y = [0.0] * len(points.layer)
    stacked = [(column, _offsets(points, column, row)) for column in columns]
    for column, offsets in stacked:
        for i, offset in zip(column, offsets, strict=True):
            y[i] = offset - offsets[-1] / 2
    strengths = _strengths(points)
    pulls = _pulls_on(points, strengths)
    both = [a + b for a, b in zip(points.left, points.right, strict=True)]
    sweeps = [(stacked[::-1], points.right), (stacked, points.left)] * _ROUNDS
    for order, neighbours in [*sweeps, (stacked[::-1], both), (stacked, both)]:
        for column, offsets in order:
            wanted = [
                _pulled_to(y, near, pulls[points.is_line(i)]) if (near := neighbours[i]) else y[i]
                for i in column
            ]
            for i, found in zip(
                column, _kept_apart(column, wanted, offsets, strengths), strict=True
            ):
                y[i] = found
    return y


def _offsets(points: _Points, column: list[int], row: float) -> list[float]:
    """How far below the first of the column each must stand at least."""
    offsets = [0.0] * len(column)
    for n, (above, below) in enumerate(pairwise(column), start=1):
        lines = points.is_line(above) + points.is_line(below)
        offsets[n] = offsets[n - 1] + row * (1 - lines * (1 - _THIN) / 2)
    return offsets


def _strengths(points: _Points) -> list[float]:
    """How firmly everything keeps to the height it wants: the longer the way to it, the firmer.

    So the longest line through the graph is straight, and what joins it gives way.
    """
    depth = [0] * points.real
    for i in range(points.real):  # parents stand before their children
        depth[i] = 1 + max((depth[j] for j in points.parents[i]), default=-1)
    return [d * d + _YIELDING for d in depth] + [1.0] * (len(points.layer) - points.real)


def _pulls_on(points: _Points, strengths: list[float]) -> tuple[list[float], list[float]]:
    """How strongly everything pulls at a node, and at a point of an edge that is to be straight."""
    lines = len(points.layer) - points.real
    on_nodes = strengths[: points.real] + [_YIELDING / 10] * lines
    on_lines = [_YIELDING] * points.real + [1.0] * lines
    return on_nodes, on_lines


def _pulled_to(y: list[float], near: list[int], pulls: list[float]) -> float:
    """The mean height of the neighbours, the strong ones counting for more."""
    if len(near) == 1:
        return y[near[0]]
    return sum(pulls[j] * y[j] for j in near) / sum(pulls[j] for j in near)


def _kept_apart(
    column: list[int], wanted: list[float], offsets: list[float], weights: list[float]
) -> list[float]:
    """The heights nearest to those wanted that are far enough apart, in the given order.

    Less their offsets, heights must not fall: the isotonic regression, by pooling those that would.
    """
    if len(column) == 1:
        return wanted
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for i, height, offset in zip(column, wanted, offsets, strict=True):
        mean, weight, count = height - offset, weights[i], 1
        while pools and pools[-1][0] > mean:
            above, heavier, more = pools.pop()
            mean = (mean * weight + above * heavier) / (weight + heavier)
            weight, count = weight + heavier, count + more
        pools.append((mean, weight, count))
    level = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(level, offsets, strict=True)]
