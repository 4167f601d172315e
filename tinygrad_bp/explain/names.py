"""What the values of a graph are called: by the user first, by their number otherwise."""

from __future__ import annotations

import keyword
import os
import re
import sys
from collections.abc import Iterable, Mapping
from types import FrameType
from typing import Any

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.engine import Key, Op, Site
from tinygrad_bp.explain.identity import Identity
from tinygrad_bp.explain.source import Source, locate
from tinygrad_bp.tensor import Tensor

__all__ = ["ARRIVING", "Names", "names_of_the_caller", "source_of"]

ARRIVING = "g"  # what formulas call the gradient that arrives

_PACKAGE = os.path.dirname(engine.__file__) + os.sep


def names_of_the_caller() -> dict[str, Any]:
    """Return the arrays and tensors that the calling function outside the package has names for."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  (documented for CPython)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    found = {} if frame is None else {**frame.f_globals, **frame.f_locals}
    return {name: value for name, value in found.items() if isinstance(value, Tensor | np.ndarray)}


def source_of(op: Op) -> Source | None:
    """Return the expression that recorded an op, None if it is not known."""
    return None if op.site is None else locate(op.site)


class Names:
    """Gives every value a name of its own, an identifier that formulas can be written with.

    In this order: the name the tensor was made with, the name the source assigns it to or passes
    it by, the name it has where the explanation was asked for, `v` and its number. A name that is
    taken gets a number: `h`, `h_2`, `h_3` are what a loop made of one `h`.

    >>> names = Names({}, [], Identity([]))
    >>> names.unique("h", 3), names.unique("h", 5), names.unique(None, 6)
    ('h', 'h_2', 'v6')
    """

    def __init__(self, known: Mapping[str, Any], ops: Iterable[Op], key: Identity) -> None:
        self._known = {key(value): name for name, value in reversed(list(known.items()))}
        self._taken = {ARRIVING}
        self._last: dict[str, int] = {}  # number that a name was given; a loop makes thousands
        self._youngest: dict[Site, int] = {}
        for op in ops:
            if (site := op.site) is not None:
                self._youngest[site] = max(op.age, self._youngest.get(site, 0))

    def unique(self, name: str | None, number: int) -> str:
        """Return the name if it is free, a numbered one otherwise."""
        wanted = _identifier(name) if name else f"v{number}"
        free, count = wanted, self._last.get(wanted, 1)
        while free in self._taken:
            count += 1
            free = f"{wanted}_{count}"
        self._last[wanted] = count
        self._taken.add(free)
        return free

    def of_result(self, key: Key, value: Any, op: Op, output: int | None) -> str | None:
        """What the user calls a result: the op may be one of many that one call recorded."""
        if own := _own(value):
            return own
        source = source_of(op)
        target = None if source is None else _target(source, output)
        if source is None or target is None:
            return self._known.get(key)
        last = op.site is not None and self._youngest.get(op.site) == op.age
        return target if last or _records_itself(source, op) else None

    def of_input(self, key: Key, value: Any, reader: Op, slot: int) -> str | None:
        """What the user calls a leaf or constant: by its first reader, if that says it."""
        operand = _operand(source_of(reader), reader, slot)
        return _own(value) or operand or self._known.get(key)

    def of_lone_leaf(self, key: Key, value: Any) -> str | None:
        """What the user calls a leaf that nothing reads."""
        return _own(value) or self._known.get(key)


def _own(value: Any) -> str | None:
    return value.name if isinstance(value, Tensor) else None


def _target(source: Source, output: int | None) -> str | None:
    """The name that the source gives a result, or one of several outputs."""
    if output is None:
        return source.target
    return source.unpacked[output] if output < len(source.unpacked) else None


def _records_itself(source: Source, op: Op) -> bool:
    """Whether the expression is the op, rather than a call of something that recorded it."""
    if source.called is None:
        return bool(source.operands)
    return source.called == op.rule.name.rpartition(".")[2]


def _operand(source: Source | None, op: Op, slot: int) -> str | None:
    if source is None or not _records_itself(source, op):
        return None
    operands, given = source.operands, len(op.arrays)
    if source.called is not None and given == len(operands) + 1:  # a method of its first argument
        operands = (source.receiver, *operands)
    return operands[slot] if given == len(operands) else None


def _identifier(name: str) -> str:
    """The name with nothing in it that a formula could stumble over."""
    parts = [re.sub(r"\W+", "_", part) or "_" for part in name.split(".")]
    return ".".join(f"_{p}" if p[0].isdigit() or keyword.iskeyword(p) else p for p in parts)
