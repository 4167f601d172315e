"""A module in a table: shapes of outputs, numbers of parameters and of multiplications.

Multiplications are those of inputs by weights in one forward pass: what a fully connected or
convolutional layer does (places in the padding count, too), the scale of a normalisation, a step
of a recurrent layer. Not counted are sums, activations, and products of inputs by one another,
such as queries by keys. A layer that has parameters and is not of this library is unknown.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.containers import leaves
from tinygrad_bp.errors import printable
from tinygrad_bp.modes import no_grad
from tinygrad_bp.nn.module import Module
from tinygrad_bp.nn.moving import left_alone
from tinygrad_bp.tensor import Tensor

__all__ = ["Row", "Summary", "summarized"]

WIDTH = 80
Shape: TypeAlias = tuple[int, ...]


@dataclass
class Row:
    """One module: its full name, how deep it lies, its class, and what it did."""

    name: str
    depth: int
    kind: str
    parameters: int
    """Those of its own, each counted where it is met first."""
    calls: int = 0
    outputs: list[Shape] = field(default_factory=list)
    """The shapes of what its first call gave."""
    multiplications: int | None = 0
    """Of all its calls; None if it is not known."""

    def shapes(self) -> str:
        """Return the shapes of its outputs, and how often it was called if not once."""
        shown = ", ".join(map(str, self.outputs)) or "-"
        return f"{shown} x{self.calls}" if self.calls > 1 else shown


@dataclass
class Summary:
    """A row for each module, and totals; `str()` is a table of at most 80 columns."""

    rows: list[Row]
    parameters: int
    trained: int
    """Parameters that are not frozen."""
    parameter_bytes: int
    buffer_bytes: int

    @property
    def multiplications(self) -> int:
        """Those of all modules of which they are known."""
        return sum(row.multiplications or 0 for row in self.rows)

    @property
    def unknown(self) -> list[str]:
        """The names of modules that have parameters and whose multiplications are not known."""
        return [row.name for row in self.rows if row.multiplications is None]

    def __str__(self) -> str:
        """The table, and the totals below it."""
        return "\n".join([*_table(self.rows), "", *self._totals()])

    __repr__ = __str__

    def _totals(self) -> Iterator[str]:
        frozen = self.parameters - self.trained
        yield (
            f"parameters: {self.parameters:,}"
            + (f", of which {frozen:,} are frozen" if frozen else "")
            + f", in {_memory(self.parameter_bytes)}"
        )
        if self.buffer_bytes:
            yield f"buffers: {_memory(self.buffer_bytes)}"
        at_least = "at least " if self.unknown else ""
        yield f"multiplications by weights: {at_least}{self.multiplications:,}"
        if self.unknown:
            yield "?: parameters of a module that is no layer of this library, or was not called"


def summarized(module: Module, inputs: tuple[Any, ...], options: dict[str, Any]) -> Summary:
    """Call a module once and return its summary; it is left as it was."""
    rows = _rows(module)
    with left_alone(module), no_grad(), _noted(rows):
        module(*inputs, **options)
    parameters = list(module.parameters())
    return Summary(
        [row for _, row in rows],
        parameters=sum(p.size for p in parameters),
        trained=sum(p.size for p in parameters if p.requires_grad),
        parameter_bytes=sum(p.data.nbytes for p in parameters),
        buffer_bytes=sum(b.data.nbytes for b in module.buffers()),
    )


# --- what each module does --------------------------------------------------------------------


def _rows(module: Module) -> list[tuple[Module, Row]]:
    """Every module with its row, without what only a call can tell."""
    rows: list[tuple[Module, Row]] = []
    depths: dict[str, int] = {}
    seen: set[int] = set()
    for name, each in module.named_modules():
        own = {id(t): t.size for t in _parameters(each) if id(t) not in seen}
        seen |= own.keys()
        depths[name] = depths[_above(name, depths)] + 1 if name else 0
        row = Row(name, depths[name], type(each).__name__, sum(own.values()))
        row.multiplications = None if own else 0  # until it is called
        rows.append((each, row))
    return rows


def _parameters(module: Module) -> list[Tensor]:
    """The parameters that are assigned to a module itself."""
    members = (value for _, value in module._members())  # noqa: SLF001
    return [t for t in members if isinstance(t, Tensor) and t.trainable]


def _above(name: str, known: Container[str]) -> str:
    """The name of the module that a module is in; lists and dicts in between are none."""
    while name:
        name = name.rpartition(".")[0]
        if name in known:
            break
    return name


@contextlib.contextmanager
def _noted(rows: list[tuple[Module, Row]]) -> Iterator[None]:
    """Note in the rows what modules give and do in this block."""
    row_of = {id(module): row for module, row in rows}

    def note(module: Module, inputs: Any, options: dict[str, Any], output: Any) -> None:
        row, outputs = row_of[id(module)], _shapes(output)
        given = [shape for x in (*inputs, *options.values()) for shape in _shapes(x)]
        if not row.calls:
            row.outputs, row.multiplications = outputs, 0
        row.calls += 1
        found = _products(module, given, outputs)
        before = row.multiplications
        row.multiplications = None if before is None or found is None else before + found

    hooks = [(module, module._hooks) for module, _ in rows]  # noqa: SLF001
    handles = [module.register_forward_hook(note, with_kwargs=True) for module, _ in rows]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
        for module, before in hooks:  # without any, a module is called faster
            module._hooks = before  # noqa: SLF001


def _shapes(tree: Any) -> list[Shape]:
    """The shapes of all arrays in lists, tuples and dicts; numbers in lists are one array."""
    found = leaves(tree)
    if found and all(isinstance(leaf, int | float) for leaf in found):
        return [np.shape(tree)]
    return [np.shape(leaf) for leaf in found if hasattr(leaf, "shape")]


# --- multiplications --------------------------------------------------------------------------

Products: TypeAlias = Callable[[Any, list[Shape], list[Shape]], int]
"""From a module, and the shapes of what it was given and gave."""


def _size_of_each(weight: Tensor) -> int:
    return math.prod(weight.shape[1:])


def _each_output(module: Any, _: list[Shape], outputs: list[Shape]) -> int:
    """Every number that comes out is a sum of products with the weights of its neuron."""
    return math.prod(outputs[0]) * _size_of_each(module.weight)


def _each_input(module: Any, inputs: list[Shape], _: list[Shape]) -> int:
    """Every number that goes in is multiplied by the weights of its channel."""
    return math.prod(inputs[0]) * _size_of_each(module.weight)


def _scaled(_: Any, __: list[Shape], outputs: list[Shape]) -> int:
    """Every number is multiplied once."""
    return math.prod(outputs[0])


def _each_step(module: Any, inputs: list[Shape], _: list[Shape]) -> int:
    """All matrices are applied once at every step of every example."""
    steps = math.prod(inputs[0][:-1])
    return steps * sum(t.size for t in _parameters(module) if t.ndim > 1)


def _each_token(module: Any, inputs: list[Shape], _: list[Shape]) -> int:
    """Queries, keys and values are projected by matrices of their own, and the result by another.

    (A layer for the latter that is called itself has a row of its own.)
    """
    query, key, value = (math.prod(shape[:-1]) for shape in (inputs * 3)[:3])
    together = getattr(module, "in_proj_weight", None)
    if together is not None:
        sizes = [together.size // 3] * 3
    else:
        sizes = [getattr(module, f"{which}_proj_weight").size for which in "qkv"]
    return int(query * sizes[0] + key * sizes[1] + value * sizes[2])


def _none(_: Any, __: list[Shape], ___: list[Shape]) -> int:
    """Rows are looked up."""
    return 0


_BY_CLASS: dict[str, Products] = {
    **dict.fromkeys(["Linear", "Bilinear", "Conv1d", "Conv2d", "Conv3d"], _each_output),
    **dict.fromkeys(["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"], _each_input),
    **dict.fromkeys(["RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"], _each_step),
    **dict.fromkeys(["Embedding", "EmbeddingBag"], _none),
    **dict.fromkeys(["_Scaled", "PReLU"], _scaled),
    "MultiheadAttention": _each_token,
}


def _products(module: Module, inputs: list[Shape], outputs: list[Shape]) -> int | None:
    """The multiplications of one call; None for somebody else's layer with parameters."""
    if not _parameters(module):
        return 0
    for kind in type(module).__mro__:
        if kind.__module__.startswith("tinygrad_bp.nn.") and kind.__name__ in _BY_CLASS:
            return _BY_CLASS[kind.__name__](module, inputs, outputs)
    return None


# --- the table --------------------------------------------------------------------------------

_GAP = "  "


def _table(rows: list[Row]) -> Iterator[str]:
    """The rows in four columns, in `WIDTH` columns of text."""
    cells = [("module", "output", "parameters", "multiplications")]
    known = {row.name for row in rows}
    cells += [
        (_label(row, known), row.shapes(), _number(row.parameters), _number(row.multiplications))
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    left = WIDTH - widths[2] - widths[3] - 3 * len(_GAP)
    widths[1] = min(widths[1], max(left - widths[0], left // 2))
    widths[0] = min(widths[0], left - widths[1])
    for name, shape, *numbers in cells:
        texts = [_cut(name, widths[0]).ljust(widths[0]), _cut(shape, widths[1]).ljust(widths[1])]
        texts += [n.rjust(w) for n, w in zip(numbers, widths[2:], strict=True)]
        yield _GAP.join(texts).rstrip()


def _label(row: Row, known: Container[str]) -> str:
    """The name in the module above, and the class, further in for each module above."""
    above = _above(row.name, known)
    own = row.name[len(above) :].removeprefix(".") if above else row.name
    return printable("  " * row.depth + (f"{own}: " if own else "") + row.kind)


def _number(n: int | None) -> str:
    if n is None:
        return "?"
    return f"{n:,}" if n else ""


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 3] + "..."


def _memory(size: int) -> str:
    """A number of bytes.

    >>> _memory(52_008)
    '50.8 KiB'
    """
    amount = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            break
        amount /= 1024
    return f"{size} bytes" if unit == "bytes" else f"{amount:,.1f} {unit}"
