"""The gradient as a sum over paths: what each way from the loss to a leaf contributes alone.

This is the chain rule written out: the product of the derivatives along each path, added up over
all paths. The backward pass comes to the same sum without walking any stretch twice, which is why
it is fast: there may be more paths than atoms.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.engine import Op, Variable
from tinygrad_bp.errors import TinygradError
from tinygrad_bp.explain.text import number, plain, shape_text, table
from tinygrad_bp.explain.trace import Trace, trace
from tinygrad_bp.tensor import Tensor, path_between

__all__ = ["Path", "Paths", "paths", "pulled"]

Array = np.ndarray[Any, Any]

SHOWN = 40  # paths that are written out


@dataclass(frozen=True, eq=False, slots=True)
class Path:
    """One way from the loss to a leaf.

    `nodes` are the tensors on it, the loss first. `slots[i]` is the argument through which it
    leaves `nodes[i]`, and `slopes[i]` the derivative there, None unless both ends are scalars.
    `product` is what this path alone contributes to the gradient, in the leaf's shape.
    """

    nodes: tuple[Variable, ...]
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
        return f"<Path through {', '.join(self.ops)}: {_brief(self.product)}>"


class Paths(Sequence[Path]):
    """All paths from a loss to a leaf. As text, a table with the factors of each.

    >>> x = Tensor(3.0, requires_grad=True, name="x")
    >>> found = paths(x * x + 5 * x, x)
    >>> len(found), found.total
    (3, array(11.))
    """

    def __init__(self, found: Sequence[Path], traced: Trace, leaf: Tensor) -> None:
        self._found = tuple(found)
        self._leaf = leaf
        self._loss = traced.loss.name
        self._names = {id(node.variable): plain(node.name) for node in traced.nodes}
        self._unnamed = {
            id(node.variable) for node in traced.nodes
            if node.op is not None and node.name == f"v{node.id}" and node is not traced.loss
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
        return f"<{self._heading()}, in total {_brief(self.total)}>"

    def __str__(self) -> str:
        if not self._found:
            return f"{self._heading()}: nothing arrives there on the way back"
        rows = [self._row(*route) for route in self._routes()[:SHOWN]]
        lines = table(rows)
        if (more := len(self) - SHOWN) > 0:
            lines.append(f"  ... and {more:,} more")
        if len(self) > 1:
            lines.append(f"  sum of all {len(self):,}: {_brief(self.total)}")
        return "\n".join([self._heading(), *lines])

    def _heading(self) -> str:
        count = len(self._found)
        return (
            f"{count:,} {'path' if count == 1 else 'paths'} from {plain(self._loss)} to "
            f"{self._names.get(id(self._leaf), 'the leaf')}"
        )

    def _row(self, path: Path, route: Sequence[int], note: str) -> tuple[str, str, str]:
        """The factors as names and as numbers, for scalars; else the way and the product."""
        names = [self._names[id(path.nodes[i])] for i in route]
        slopes = [s for s in path.slopes if s is not None]
        product = _brief(path.product)
        if len(slopes) < len(path) or not slopes:
            return " <- ".join(names), f"= {product}", note
        symbols = " · ".join(f"d{above}/d{below}" for above, below in pairwise(names))
        factors = " · ".join(number(math.prod(slopes[i:j])) for i, j in pairwise(route))
        return symbols, f"= {factors}" + (f" = {product}" if len(route) > 2 else ""), note

    def _routes(self) -> list[tuple[Path, Sequence[int], str]]:
        """Of each path, the nodes that are written, and what tells it apart if those do not.

        Nodes without a name are passed over unless two paths would look the same.
        """
        short = [[i for i, v in enumerate(path.nodes) if id(v) not in self._unnamed]
                 for path in self]  # fmt: skip
        times = Counter(_key(*pair) for pair in zip(self, short, strict=True))
        alike: dict[tuple[int, ...], list[Path]] = {}
        for path in self:
            alike.setdefault(_key(path, range(len(path.nodes))), []).append(path)
        return [
            (path, route, "")
            if times[_key(path, route)] == 1
            else (path, full := range(len(path.nodes)), _difference(path, alike[_key(path, full)]))
            for path, route in zip(self, short, strict=True)
        ]


def _key(path: Path, route: Sequence[int]) -> tuple[int, ...]:
    return tuple(id(path.nodes[i]) for i in route)


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
) -> Paths:
    """Return every path from a loss to a leaf with the product of the derivatives along it.

    For tensors the product is the vector-Jacobian product chained along that path alone, in the
    leaf's shape. The leaf may be any tensor that the loss was computed from, or its name in the
    trace; `gradient` and `names` are those of `trace`. Raises `TinygradError` for more than
    `limit` paths, and what `trace` raises.

    >>> w, b = Tensor(2.0, requires_grad=True), Tensor(-1.0, requires_grad=True)
    >>> z = w * 3.0 + b
    >>> cost = z * z
    >>> print(paths(cost, b))
    2 paths from cost to b
      dcost/dz · dz/db  = 5 · 1 = 5  (argument 0 of multiply)
      dcost/dz · dz/db  = 5 · 1 = 5  (argument 1 of multiply)
      sum of all 2: 10
    """
    if isinstance(leaf, Tensor):
        _refuse_too_many(_count(loss, leaf), limit)  # before anything that takes time
    traced = trace(loss, gradient, checks=False, names=names)
    target = leaf if isinstance(leaf, Tensor) else traced.node(leaf).variable
    _refuse_too_many(_count(loss, target), limit)
    found = list(_walk(loss, target, np.asarray(traced.loss.grad)))
    return Paths(found, traced, target)


def _count(loss: Variable, leaf: Variable) -> int:
    """How many paths there are, without walking them."""
    ways: dict[Variable, int] = {loss: 1}
    for output in engine.topological_order(loss):
        if output is not leaf and (count := ways.pop(output, 0)):
            for x in _op(output).inputs():
                ways[x] = ways.get(x, 0) + count
    return ways.get(leaf, 0)


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
    leading = {*path_between([leaf], loss), leaf}
    slopes: dict[tuple[int, int], float | None] = {}
    nodes: list[Variable] = [loss]
    slots: list[int] = []
    gradients = [arriving]
    choices = [_ways_on(loss, leaf, leading)]
    while choices:
        if nodes[-1] is leaf:
            factors = tuple(_slope(v, s, slopes) for v, s in zip(nodes, slots, strict=False))
            yield Path(tuple(nodes), tuple(slots), factors, gradients[-1])
        if (slot := next(choices[-1], None)) is None:
            for trail in (nodes, gradients, choices):
                trail.pop()
            del slots[len(nodes) - 1 :]
            continue
        gradients.append(pulled(nodes[-1], slot, gradients[-1]))
        slots.append(slot)
        nodes.append(_op(nodes[-1]).args[slot])  # type: ignore[index]
        choices.append(_ways_on(nodes[-1], leaf, leading))


def _ways_on(node: Variable, leaf: Variable, leading: set[Variable]) -> Iterator[int]:
    """The arguments through which a path can go on to the leaf."""
    if node is leaf or node.op is None:
        return iter(())
    op = node.op
    return (slot for slot, x in zip(op.tracked, op.inputs(), strict=True) if x in leading)


def _slope(node: Variable, slot: int, known: dict[tuple[int, int], float | None]) -> float | None:
    """The derivative of one scalar by another."""
    key = id(node), slot
    if key not in known:
        x = _op(node).args[slot]  # type: ignore[index]
        scalar = np.ndim(engine.read_array(node)) == 0 == np.ndim(engine.read_array(x))
        known[key] = float(pulled(node, slot, np.ones(()))) if scalar else None
    return known[key]


def pulled(node: Variable, slot: int, arriving: Array) -> Array:
    """Return what one argument of a result receives if `arriving` arrives at the result.

    >>> a, b = Tensor(3.0, requires_grad=True), Tensor(4.0, requires_grad=True)
    >>> pulled(a * b, 0, np.array(10.0))
    array(40.)
    """
    op = _op(node)
    pulled = op.rule.partials[slot](arriving, engine.read_array(node), *op.arrays, **op.options)
    return np.asarray(engine.conform(pulled, op.args[slot], op))  # type: ignore[index]  # not freed


def _op(node: Variable) -> Op:
    assert node.op is not None  # noqa: S101  (leaves end paths)
    return node.op


def _brief(value: Array) -> str:
    if value.ndim == 0:
        return number(value.item())
    return f"{shape_text(value.shape)}, norm {number(float(np.linalg.norm(value.ravel())))}"
