"""The gradient as a sum over paths: what each way from the loss to a leaf contributes alone.

This is the chain rule written out: the product of the derivatives along each path, added up over
all paths. The backward pass arrives at the same sum without walking any stretch twice, which is
why it is fast: there may be more paths than atoms in the universe.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tinygrad_bp.engine import Key, Op, key_of, path_between
from tinygrad_bp.errors import TinygradError
from tinygrad_bp.explain.formatting import counted, described, number, plain, table
from tinygrad_bp.explain.graph import MAX_OPS, ops_of
from tinygrad_bp.explain.identity import outputs_of
from tinygrad_bp.explain.record import Record
from tinygrad_bp.explain.slopes import alone, pulled
from tinygrad_bp.tensor import Tensor

__all__ = ["Path", "Paths", "paths"]

Array = np.ndarray[Any, Any]

SHOWN = 40  # paths that are written out


@dataclass(frozen=True, eq=False, slots=True)
class Path:
    """One way from the loss to a leaf.

    `nodes` are the tensors on it, the loss first. `slots[i]` is the argument through which it
    leaves `nodes[i]`, and `slopes[i]` the derivative there, None unless both ends are scalars.
    `product` is what this path alone contributes to the gradient, in the leaf's shape.
    """

    nodes: tuple[Tensor, ...]
    slots: tuple[int, ...]
    slopes: tuple[float | None, ...]
    product: Array

    @property
    def ops(self) -> tuple[str, ...]:
        """The names of the functions it passes, the one that made the loss first."""
        return tuple(_op(node).rule.name for node in self.nodes[:-1])

    def __len__(self) -> int:
        return len(self.slots)

    def __repr__(self) -> str:
        return f"<Path through {', '.join(self.ops)}: {described(self.product)}>"


class Paths(Sequence[Path]):
    """All paths from a loss to a leaf. As text, a table with the factors of each.

    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> found = paths(x * x + 5 * x, x)
    >>> len(found), found.total
    (3, array(11.))
    """

    def __init__(self, found: Sequence[Path], recorded: Record, leaf: Tensor, name: str) -> None:
        self._found = tuple(found)
        self._leaf, self._name = leaf, name
        self._loss = recorded.loss.name
        self._names = {node.key: plain(node.name) for node in recorded.nodes}
        self._unnamed = {
            node.key for node in recorded.nodes
            if node.op is not None and node.name == f"v{node.id}" and node is not recorded.loss
        }  # fmt: skip

    @property
    def total(self) -> Array:
        """The sum of the products over all paths: the gradient."""
        result = np.zeros(self._leaf.shape, self._leaf.dtype)
        if self._found:
            np.sum([path.product for path in self._found], axis=0, out=result)
        return result

    def __len__(self) -> int:
        return len(self._found)

    def __getitem__(self, index: Any) -> Any:
        return self._found[index]

    def __repr__(self) -> str:
        return f"<{self._heading()}, in total {described(self.total)}>"

    def __str__(self) -> str:
        if not self._found:
            return f"{self._heading()}: nothing arrives there on the way back"
        rows = [self._row(*route) for route in self._routes()[:SHOWN]]
        lines = table(rows)
        if (more := len(self) - SHOWN) > 0:
            lines.append(f"  ... and {more:,} more")
        if len(self) > 1:
            lines.append(f"  sum of all {len(self):,}: {described(self.total)}")
        return "\n".join([self._heading(), *lines])

    def _heading(self) -> str:
        return f"{counted(len(self), 'path')} from {plain(self._loss)} to {plain(self._name)}"

    def _row(self, path: Path, route: Sequence[int], note: str) -> tuple[str, str, str]:
        """The factors as names and as numbers, for scalars; else the way and the product."""
        names = [self._names[key_of(path.nodes[i])] for i in route]
        slopes = [s for s in path.slopes if s is not None]
        product = described(path.product)
        if len(slopes) < len(path) or not slopes:
            return " <- ".join(names), f"= {product}", note
        symbols = " · ".join(f"d{above}/d{below}" for above, below in pairwise(names))
        factors = " · ".join(number(math.prod(slopes[i:j])) for i, j in pairwise(route))
        return symbols, f"= {factors}" + (f" = {product}" if len(route) > 2 else ""), note

    def _routes(self) -> list[tuple[Path, Sequence[int], str]]:
        """Of each path, the nodes that are written, and what tells it apart if those do not.

        Nodes without a name are passed over, unless two paths would look the same, or one of
        several like the whole derivative.
        """
        short = [[i for i, v in enumerate(path.nodes) if key_of(v) not in self._unnamed]
                 for path in self]  # fmt: skip
        if len(self) > 1:  # and dc/da would be read as the sum of all
            short = [route if len(route) > 2 or None in path.slopes else [*range(len(path.nodes))]
                     for path, route in zip(self, short, strict=True)]  # fmt: skip
        times = Counter(_key(*pair) for pair in zip(self, short, strict=True))
        alike: dict[tuple[Key, ...], list[Path]] = {}
        for path in self:
            alike.setdefault(_key(path, range(len(path.nodes))), []).append(path)
        return [
            (path, route, "")
            if times[_key(path, route)] == 1
            else (path, full := range(len(path.nodes)), _difference(path, alike[_key(path, full)]))
            for path, route in zip(self, short, strict=True)
        ]


def _key(path: Path, route: Sequence[int]) -> tuple[Key, ...]:
    return tuple(key_of(path.nodes[i]) for i in route)


def _difference(path: Path, others: Sequence[Path]) -> str:
    """By which arguments a path goes, where others pass the same values by others."""
    differing = [
        f"argument {slot} of {op}"
        for i, (slot, op) in enumerate(zip(path.slots, path.ops, strict=True))
        if len({other.slots[i] for other in others}) > 1
    ]
    return f"({', '.join(differing)})" if differing else ""


def paths(
    loss: Tensor,
    leaf: Tensor | str,
    gradient: Any = None,
    *,
    limit: int = 10_000,
    names: Mapping[str, Any] | None = None,
    max_ops: int = MAX_OPS,
) -> Paths:
    """Return every path from a loss to a leaf with the product of the derivatives along it.

    For tensors the product is the vector-Jacobian product chained along that path alone, in the
    leaf's shape. The leaf may be any tensor that the loss was computed from, or its name in the
    trace; `gradient`, `names` and `max_ops` are those of `trace`. Raises `TinygradError` for more
    than `limit` paths, and what `trace` raises.

    >>> w, b = Tensor(2.0, requires_grad=True), Tensor(-1.0, requires_grad=True)
    >>> z = w * 3.0 + b
    >>> cost = z * z
    >>> print(paths(cost, b))
    2 paths from cost to b
      dcost/dz · dz/db  = 5 · 1 = 5  (argument 0 of multiply)
      dcost/dz · dz/db  = 5 · 1 = 5  (argument 1 of multiply)
      sum of all 2: 10
    """
    order = ops_of(loss, max_ops)
    if isinstance(leaf, Tensor):
        _refuse_too_many(_count(loss, leaf, order), limit)  # before anything that takes time
    recorded = Record.of(loss, gradient, names=names, max_ops=max_ops)
    shown = leaf if isinstance(leaf, Tensor) else recorded.node(leaf).variable
    target = shown if isinstance(shown, Tensor) else Tensor(shown)  # a constant, without paths
    _refuse_too_many(_count(loss, target, order), limit)
    node = recorded.find(shown)
    name = "the leaf" if node is None else node.name
    return Paths(list(_walk(loss, target, np.asarray(recorded.loss.grad))), recorded, target, name)


def _count(loss: Tensor, leaf: Tensor, order: Sequence[Op]) -> int:
    """How many paths there are, without walking them."""
    ways: dict[Key, int] = {key_of(loss): 1}
    wanted = {key_of(leaf)}  # a set, since `==` of tensors compares their values
    for op in order:
        count = sum(ways.pop(key, 0) for key in outputs_of(op) if key not in wanted)
        for x in op.sources() if count else ():
            ways[key_of(x)] = ways.get(key_of(x), 0) + count
    return ways.get(key_of(leaf), 0)


def _refuse_too_many(count: int, limit: int) -> None:
    if count > limit:
        written = f"{count:,}" if count < 10**15 else f"about {_scientific(count)}"
        raise TinygradError(
            f"there are {written} paths from the loss to this value, more than limit={limit:,}. "
            "backward() adds them all up without walking one. To look at paths, raise the limit "
            "if so many can be listed, or ask for the paths to a value nearer to the loss."
        )


def _scientific(count: int) -> str:
    """A number that may be too large for a float, to three digits."""
    exponent = math.log10(count)  # integers of any size have one
    return f"{10 ** (exponent % 1):.2f}e+{int(exponent)}"


def _walk(loss: Tensor, leaf: Tensor, arriving: Array) -> Iterator[Path]:
    """Walk every path, depth first, arguments in their order; what paths share is walked once."""
    wanted = {key_of(leaf)}
    leading = set(path_between([leaf], loss))
    slopes: dict[tuple[Key, int], float | None] = {}
    nodes: list[Tensor] = [loss]
    slots: list[int] = []
    gradients = [arriving]
    choices = [_ways_on(loss, wanted, leading)]
    while choices:
        if key_of(nodes[-1]) in wanted:
            factors = tuple(_slope(v, s, slopes) for v, s in zip(nodes, slots, strict=False))
            yield Path(tuple(nodes), tuple(slots), factors, gradients[-1])
        if (slot := next(choices[-1], None)) is None:
            for trail in (nodes, gradients, choices):
                trail.pop()
            del slots[len(nodes) - 1 :]
            continue
        op = _op(nodes[-1])
        gradients.append(pulled(op, slot, alone(op, nodes[-1].output, gradients[-1])))
        slots.append(slot)
        nodes.append((op.inputs or ())[slot])
        choices.append(_ways_on(nodes[-1], wanted, leading))


def _ways_on(node: Tensor, wanted: set[Key], leading: set[Op]) -> Iterator[int]:
    """The arguments through which a path can go on to the leaf."""
    if node.op is None or key_of(node) in wanted:
        return iter(())
    op = node.op
    return (
        slot
        for slot, x in zip(op.tracked, op.sources(), strict=True)
        if x.op in leading or key_of(x) in wanted
    )


def _slope(node: Tensor, slot: int, known: dict[tuple[Key, int], float | None]) -> float | None:
    """The derivative of one scalar by another."""
    key = key_of(node), slot
    if key not in known:
        op = _op(node)
        scalar = node.ndim == 0 == np.ndim(op.arrays[slot])
        one = alone(op, node.output, np.ones_like(node.data))
        known[key] = float(pulled(op, slot, one)) if scalar else None
    return known[key]


def _op(node: Tensor) -> Op:
    assert node.op is not None  # noqa: S101  (leaves end paths)
    return node.op
