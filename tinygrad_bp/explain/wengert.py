"""The table in the textbooks: the forward pass down the left side, the adjoints up the right.

A Wengert list (Wengert, 1964) has one line for each value, in the order of computing. Beside it
stands what the backward pass does at that line, as in Baydin, Pearlmutter, Radul and Siskind,
"Automatic differentiation in machine learning: a survey" (2018), table 3.
"""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_bp.explain.arrays import summary
from tinygrad_bp.explain.data import Data, data_of
from tinygrad_bp.explain.formatting import columns, plain

if TYPE_CHECKING:
    from tinygrad_bp.explain.record import Record
    from tinygrad_bp.tensor import Tensor

__all__ = ["Row", "Wengert", "wengert"]

_GAP = 3  # columns between the two passes
_ARRIVING = re.compile(r"(?<![\w.])g(?:\[\d+\])?(?!\w)")


class Row(NamedTuple):
    """One line of one of the two passes.

    `sign` is "=" for the first value a name gets and "+=" for what is added to it; `formula` is
    None for inputs and for the 1 that the reverse pass starts with. `value` is that of the formula
    alone, a number or a description of an array as in `Trace.to_dict()`.
    """

    direction: str  # "forward" or "reverse"
    name: str
    sign: str
    formula: str | None
    value: Any

    def __str__(self) -> str:
        formula = "" if self.formula is None else f"{self.formula} = "
        return plain(f"{self.name} {self.sign} {formula}{summary(self.value)}")


class Wengert:
    """Both passes, side by side as text, one after the other as `rows`."""

    def __init__(self, data: Data) -> None:
        self._data = data
        self._nodes: Sequence[Data] = data["nodes"]
        self._inputs = [node for node in self._nodes if node["kind"] != "result"]
        self._results = [node for node in self._nodes if node["kind"] == "result"]
        self._loss = self._nodes[data["loss"]]
        self._passed_on: dict[int, list[Row]] = {}  # by each value, in the order of computing
        for step in data["steps"]:
            child = data["edges"][step["edge"]]["child"]
            rows = self._passed_on.setdefault(child, [])
            rows += [self._reverse(step)] if rows else [*self._zeros(step), self._reverse(step)]

    @property
    def rows(self) -> list[Row]:
        """Every line in the order in which it is computed, forward and then reverse."""
        forward = [self._forward(node) for node in (*self._inputs, *self._results)]
        return [*forward, self._seed(), *chain.from_iterable(self._passed_on.values())]

    def __repr__(self) -> str:
        forward = [row for row in self.rows if row.direction == "forward"]
        passes = f"{len(forward)} lines forward, {len(self.rows) - len(forward)} in reverse"
        return f"<Wengert list of {plain(self._loss['name'])}: {passes}>"

    def __str__(self) -> str:
        return self.text(shutil.get_terminal_size().columns)

    def text(self, width: int = 80) -> str:
        """Return the table, at most `width` columns wide but at least 40."""
        sections = [self._of_inputs(), self._of_results(), self._of_the_loss()]
        heads = ["forward: read down", "reverse: read up"]
        pairs = [pair for section in sections for pair in section]
        left, right = _widths(heads, pairs, max(width, 40))
        rule = "-" * left + " " * _GAP + "-" * right
        lines = [f"Wengert list of {plain(self._data['title'])}"]
        name = plain(self._loss["name"])
        lines += textwrap.wrap(f"x_bar is the adjoint of x: d{name}/dx.", width)
        lines += ["", *_side_by_side(heads, (left, right))]
        for section in sections:
            lines.append(rule)
            for pair in section:
                lines += _side_by_side(pair, (left, right))
        return "\n".join(lines)

    # one line of one pass

    def _view(self, index: int | None) -> Any:
        return None if index is None else self._data["arrays"][index]

    def _forward(self, node: Data) -> Row:
        formula = node["forward"] and node["forward"]["text"]
        return Row("forward", node["name"], "=", formula, self._view(node["value"]))

    def _seed(self) -> Row:
        return Row("reverse", _bar(self._loss), "=", None, self._view(self._loss["grad"]))

    def _reverse(self, step: Data) -> Row:
        """What a step adds to an adjoint."""
        parent = self._nodes[self._data["edges"][step["edge"]]["parent"]]
        bars = {a["symbol"]: _bar(self._nodes[a["node"]]) for a in step["arrivals"]}
        formula = _ARRIVING.sub(lambda found: bars.get(found[0], "0"), step["formula"]["text"])
        if step["unbroadcast"]:
            formula += f" ({step['unbroadcast'].partition(':')[0]})"
        sign = "=" if step["reported"] == 1 else "+="
        return Row("reverse", _bar(parent), sign, formula, self._view(step["contribution"]))

    def _zeros(self, step: Data) -> list[Row]:
        """The adjoints of outputs that the loss does not depend on, which the op's rule reads."""
        arrivals = [(self._nodes[a["node"]], a["array"]) for a in step["arrivals"]]
        return [
            Row("reverse", _bar(node), "=", None, self._view(array))
            for node, array in arrivals
            if node["consumers"] == 0 and node is not self._loss
        ]

    # the three parts of the table

    def _of_inputs(self) -> list[tuple[str, str]]:
        """Their values, and the gradients that were wanted."""
        return [(str(self._forward(node)), self._finished(node)) for node in self._inputs]

    def _finished(self, node: Data) -> str:
        if node["grad"] is None:
            return ""
        return str(Row("reverse", _bar(node), "=", None, self._view(node["grad"])))

    def _of_results(self) -> list[tuple[str, str]]:
        """Each value, and beside it the adjoints it adds to, the last of them on top."""
        pairs: list[tuple[str, str]] = []
        for node in self._results:
            adjoints = map(str, reversed(self._passed_on.get(node["id"], [])))
            pairs += zip_longest([str(self._forward(node))], adjoints, fillvalue="")
        return pairs

    def _of_the_loss(self) -> list[tuple[str, str]]:
        return [(plain(self._data["title"]), str(self._seed()))]


def wengert(loss: Tensor | Record | Data) -> Wengert:
    """Return the forward pass and the adjoints of a loss as the table in the textbooks.

    Takes a tensor, its trace, or the trace's data. Raises what `trace` raises.

    >>> from tinygrad_bp import Tensor
    >>> x = Tensor(3.0, requires_grad=True)
    >>> y = x * x + 5 * x
    >>> print(wengert(y).text(80))
    Wengert list of y = 24
    x_bar is the adjoint of x: dy/dx.
    <BLANKLINE>
    forward: read down   reverse: read up
    ------------------   -----------------------
    x = 3                x_bar = 11
    ------------------   -----------------------
    v1 = x * x = 9       x_bar += v1_bar * x = 3
                         x_bar += v1_bar * x = 3
    v2 = 5 * x = 15      x_bar = v2_bar * 5 = 5
    y = v1 + v2 = 24     v2_bar = y_bar = 1
                         v1_bar = y_bar = 1
    ------------------   -----------------------
    y = 24               y_bar = 1
    """
    return Wengert(data_of(loss))


def _bar(node: Data) -> str:
    return f"{node['name']}_bar"


def _widths(heads: Sequence[str], pairs: Sequence[tuple[str, str]], width: int) -> tuple[int, int]:
    """As wide as the longest line if both fit, else shared evenly by those that are too long."""
    left, right = (max(map(columns, side)) for side in zip(heads, *pairs, strict=True))
    room = width - _GAP
    if left + right > room:
        left = min(left, max(room // 2, room - right))
        right = room - left
    return left, right


def _side_by_side(pair: Sequence[str], widths: tuple[int, int]) -> list[str]:
    cells = zip_longest(*map(_folded, pair, widths), fillvalue="")
    return [(a + " " * (widths[0] - columns(a) + _GAP) + b).rstrip() for a, b in cells]


def _folded(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ", break_on_hyphens=False)
