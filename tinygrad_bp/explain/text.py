"""The backward pass as text: what the page shows, from the same data, for terminals and readers.

One line says one thing and starts with what it is about, so that the text can be listened to and
two runs can be compared with `diff`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import PurePath
from typing import Any

import numpy as np

from tinygrad_bp.explain.arrays import array_of_view, summary
from tinygrad_bp.explain.data import Data
from tinygrad_bp.explain.formatting import counted, in_line, number, plain, table

__all__ = ["narrate"]

_PRINTED = 32  # entries of an array that is written out
_BOLD, _FAINT, _END = "\x1b[1m", "\x1b[2m", "\x1b[0m"

_HOW_IT_WORKS = (
    "A value passes the gradient g that arrives at it on to each of its parents, multiplied by its "
    "slope with respect to that parent. Contributions to the same parent are added."
)


def narrate(data: Data, *, width: int = 80, color: bool = False, limit: int | None = 200) -> str:
    """Return the backward pass in words and numbers, one block for each value it passes.

    Lines are at most `width` long where words allow it. Of more than `limit` steps the first and
    the last are shown; None shows all. Without `color` there are no control characters.
    """
    return "\n".join(_Narrator(data, width, color=color).lines(limit))


class _Narrator:
    """Writes the lines of one pass."""

    def __init__(self, data: Data, width: int, *, color: bool) -> None:
        self.data = data
        self.nodes: list[Data] = data["nodes"]
        self.edges: list[Data] = data["edges"]
        self.steps: list[Data] = data["steps"]
        self.loss = self.nodes[data["loss"]]
        self.width = max(width, 40)
        self.color = color

    def lines(self, limit: int | None) -> Iterator[str]:
        """Everything, from the heading to the table of the leaves."""
        yield from self._header()
        first, last = _told(len(self.steps), limit)
        yield from self._blocks(0, first)
        if first < last:
            yield ""
            yield from self._wrapped("", _left_out(first, last, len(self.steps)))
        yield from self._blocks(last, len(self.steps))
        yield from self._notes()
        yield from self._leaves()

    # what the data refer to

    def _view(self, index: int | None) -> Any:
        return None if index is None else self.data["arrays"][index]

    def _child(self, step: Data) -> Data:
        return self.nodes[self.edges[step["edge"]]["child"]]

    def _parent(self, step: Data) -> Data:
        return self.nodes[self.edges[step["edge"]]["parent"]]

    # how lines are written

    def _styled(self, style: str, lines: Sequence[str]) -> list[str]:
        return [f"{style}{line}{_END}" for line in lines] if self.color else list(lines)

    def _wrapped(self, indent: str, text: str, *, hanging: str = "") -> list[str]:
        return textwrap.wrap(
            plain(text),
            self.width,
            initial_indent=indent,
            subsequent_indent=indent + hanging,
            break_long_words=False,
            break_on_hyphens=False,
        )

    def _said(self, indent: str, label: str, text: str) -> list[str]:
        """A label and what there is to say, going on further in."""
        return self._wrapped(indent, f"{label}: {text}", hanging="    ")

    def _shown(self, indent: str, label: str, text: str, view: Any) -> Iterator[str]:
        """A label, a text and an array: in the line if it is a number, below it if it is small."""
        yield from self._said(indent, label, text + summary(view))
        array = array_of_view(view) if isinstance(view, Mapping) and view["shape"] else None
        if array is not None and 0 < array.size <= _PRINTED and in_line(array) is None:
            yield from _rows(array, indent + "    ", self.width)

    # the parts

    def _header(self) -> Iterator[str]:
        reached = sum(node["kind"] == "leaf" and node["grad"] is not None for node in self.nodes)
        counts = [counted(len(self.nodes), "value"), counted(len(self.steps), "step"),
                  counted(reached, "leaf gets a gradient", "leaves get a gradient")]  # fmt: skip
        yield from self._styled(_BOLD, [f"Backward pass from {plain(self.data['title'])}"])
        yield ", ".join(counts) + "."
        yield from self._wrapped("", _HOW_IT_WORKS)
        yield from self._said("", "checks", self.data["checks"]["text"])

    def _blocks(self, start: int, end: int) -> Iterator[str]:
        """Each value that sends something in these steps."""
        steps = [(i, self.steps[i]) for i in range(start, end)]
        for _, group in groupby(steps, lambda pair: self.edges[pair[1]["edge"]]["child"]):
            numbered = list(group)
            yield ""
            yield from self._values(numbered[0][1])
            for i, step in numbered:
                yield from self._step(i + 1, step)

    def _values(self, step: Data) -> Iterator[str]:
        """How the outputs of an op were made, and what arrives at each."""
        child = self._child(step)
        for i in child["outputs"] or [child["id"]]:
            yield from self._styled(_BOLD, self._wrapped("", self._made(i), hanging="    "))
        if (source := child["source"]) is not None:
            file = PurePath(source["file"]).name
            where = f"{file}:{source['line']}, in {source['function']}: {source['code']}"
            yield from self._styled(_FAINT, self._said("  ", "source", where))
        for arrival in step["arrivals"]:
            view = self._view(arrival["array"])
            yield from self._shown("  ", "arrives", self._arriving(arrival), view)
        if child["why"]:
            yield from self._said("  ", "why", child["why"])

    def _made(self, i: int) -> str:
        """A value, how it was computed, and how large it is."""
        node = self.nodes[i]
        made = node["forward"] or {"text": node["op"], "numbers": None}
        equal = _different([node["name"], made["text"], made["numbers"]])
        return " = ".join([*equal, summary(self._view(node["value"]))])

    def _arriving(self, arrival: Data) -> str:
        """What g stands for: a derivative, if it is one of a single number."""
        node = self.nodes[arrival["node"]]
        seed = array_of_view(self._view(self.loss["grad"]))
        if seed is not None and seed.size == 1 and seed.item() == 1:
            return f"{arrival['symbol']} = d{self.loss['name']}/d{node['name']} = "
        given = ", as it was given: " if node is self.loss else " = "
        return f"{arrival['symbol']}{given}"

    def _step(self, count: int, step: Data) -> Iterator[str]:
        parent = self._parent(step)
        yield from self._styled(_BOLD, [f"  step {count}, to {plain(parent['name'])}"])
        if (local := step["local"]) is not None:
            equal = _different([local["symbol"], local["text"], local["numbers"]])
            if not _is_number(local["text"]):
                equal = _different([*equal, summary(self._view(local["value"]))])
            yield from self._said("    ", "slope", " = ".join(equal))
        yield from self._contribution(step)
        if step["of"] > 1 or step["before"] is not None:
            yield from self._sum(step, parent)
        if (check := step["check"]) is not None:
            yield from self._said("    ", "check", _checked(check))

    def _contribution(self, step: Data) -> Iterator[str]:
        formula = step["formula"]
        view = self._view(step["contribution"])
        if formula["shapes"] and not formula["numbers"]:
            yield from self._said("    ", "shapes", formula["shapes"])
        if step["unbroadcast"]:
            yield from self._said("    ", "broadcasting undone", step["unbroadcast"])
        equal = [part for part in (formula["text"], formula["numbers"]) if part != summary(view)]
        start = "".join(f"{part} = " for part in _different(equal))
        yield from self._shown("    ", "contribution", start, view)

    def _sum(self, step: Data, parent: Data) -> Iterator[str]:
        """Where several contributions meet: what was there before, and what it is now."""
        before, after = self._view(step["before"]), self._view(step["after"])
        said = []
        if step["of"] > 1:
            said.append(f"contribution {step['reported']} of {step['of']} to {parent['name']}")
        if before is None:
            yield from self._said("    ", "sum", f"{said[0]}; more will be added")
            return
        if parent["held"] is not None and step["reported"] == 1:
            said.append(f".grad held {summary(before)} from before")
        if isinstance(after, Mapping):
            said.append("together ")
        else:
            added = number(self._view(step["contribution"]))
            said.append(f"{number(before)} + {_in_brackets(added)} = ")
        yield from self._shown("    ", "sum", "; ".join(said), after)

    def _notes(self) -> Iterator[str]:
        noted = [(node, note) for node in self.nodes for note in node["notes"]]
        if noted:
            yield ""
            yield from self._styled(_BOLD, ["Notes"])
        for node, note in noted:
            yield from self._said("  ", node["name"], note["text"])

    def _leaves(self) -> Iterator[str]:
        """The table of what the pass was for."""
        leaves = [node for node in self.nodes if node["kind"] == "leaf"]
        if leaves:
            yield ""
            yield from self._styled(_BOLD, ["Gradients of the leaves"])
            yield from table([("leaf", "value", "gradient"), *map(self._leaf_row, leaves)])

    def _leaf_row(self, node: Data) -> tuple[str, str, str]:
        arrived = self._view(node["grad"])
        gradient = "none arrives" if arrived is None else summary(arrived)
        return plain(node["name"]), summary(self._view(node["value"])), gradient


def _told(count: int, limit: int | None) -> tuple[int, int]:
    """Where the first part ends and the last one starts."""
    if limit is None or count <= limit:
        return count, count
    return (limit + 1) // 2, count - limit // 2


def _left_out(first: int, last: int, count: int) -> str:
    return (
        f"... {last - first:,} steps, {first + 1:,} to {last:,} of {count:,}, are left out here; "
        "limit=None, or --steps 0, shows them all ..."
    )


def _different(parts: Sequence[str | None]) -> list[str]:
    """The parts there are, without those that only repeat the one before."""
    found: list[str] = []
    for part in parts:
        if part and part not in found[-1:]:
            found.append(part)
    return found


def _in_brackets(written: str) -> str:
    return f"({written})" if written.startswith("-") else written


def _checked(check: Data) -> str:
    difference, relative = number(check["difference"], 8), number(check["relative"], 2)
    at = f"at {check['index']} {number(check['analytic'], 8)}, " if check["index"] else ""
    return f"{at}central difference {difference}, relative error {relative}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _rows(array: np.ndarray[Any, Any], indent: str, width: int) -> list[str]:
    """A small array, one line for each row, the numbers under each other."""
    wide = max(len(number(x)) for x in array.ravel().tolist())

    def written(x: Any) -> str:
        return number(x.item()).rjust(wide)

    text = np.array2string(
        array,
        formatter={"all": written},
        max_line_width=max(width - len(indent), 20),
        threshold=_PRINTED + 1,
    )
    return [indent + line.rstrip() for line in text.splitlines() if line.strip()]
