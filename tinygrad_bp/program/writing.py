"""Writing a listing as Python, and making a function of that."""

from __future__ import annotations

import contextvars
import functools
import itertools
import operator
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_bp.program.listing import (
    Constant,
    Home,
    Listing,
    Option,
    Room,
    Statement,
    Value,
    values_in,
)
from tinygrad_bp.program.tracing import Refuted

__all__ = ["Written", "written"]


class Written(NamedTuple):
    """A function that does what a listing says, its text, and the values that it takes."""

    function: Callable[..., Any]
    source: str
    parameters: list[Value]
    set_options: Callable[..., Any]
    """What happens when an option has changed: a function of `options`."""
    options: list[Value]


def written(listing: Listing) -> Written:
    """Return a listing as a function: `results, after = function(*parameters)`."""
    text = _Text()
    for value in listing.sources:
        text.add_source(value)
    once = [text.line(s) for s in listing.statements if s.when == "once"]
    exec("\n".join(once), text.namespace)  # noqa: S102
    options = [s for s in listing.statements if s.when == "options"]
    taken = {v: None for s in options for v in s.inputs() if isinstance(v.source, Option)}
    _, set_options = text.function("set_options", [*taken], [text.line(s) for s in options])
    lines = [text.line(s) for s in listing.statements if s.when == "run"]
    for check in listing.checks:
        condition = text.names[check.condition]
        lines.append(f"if {'not ' * check.expected}{condition}: raise Refuted")
    lines += text.stroke(listing)
    results = _tuple([text.names[v] for v in values_in(listing.results)])
    lines.append(f"return {results}, {_tuple([text.names[v] for v in listing.after])}")
    source, step = text.function("step", text.parameters, lines)
    return Written(step, source, text.parameters, set_options, [*taken])


class _Text:
    """The names of values, and what the names stand for that every run has in common."""

    def __init__(self) -> None:
        self.names: dict[Value, str] = {}
        self.parameters: list[Value] = []
        self.namespace: dict[str, Any] = {
            "Refuted": Refuted,
            "errstate": np.errstate,
            "deque": deque,
            "starmap": itertools.starmap,
            "call": operator.call,
            "setitem": operator.setitem,
        }

    def add_source(self, value: Value) -> None:
        """Name what no statement makes."""
        name = self.names[value] = f"s{len(self.names)}"
        if isinstance(value.source, Home | Room):
            self.namespace[name] = value.source.array
        elif isinstance(value.source, Constant):
            self.namespace[name] = value.source.value
        else:
            self.parameters.append(value)

    def function(
        self, name: str, parameters: Sequence[Value], lines: Sequence[str]
    ) -> tuple[str, Callable[..., Any]]:
        """Return the text of a function, and the function."""
        header = f"def {name}({', '.join(self.names[v] for v in parameters)}):"
        source = "\n    ".join([header, *(lines or ["pass"])]) + "\n"
        exec(compile(source, "<program>", "exec"), self.namespace)  # noqa: S102
        return source, self.namespace[name]

    def line(self, statement: Statement) -> str:
        """Return a statement as a line, and name what it makes."""
        given, named = statement.call()
        args = [self._of(a) for a in given]
        args += [f"{k}={self._of(v)}" for k, v in named.items()]
        function = self._constant(statement.function)
        if statement.quiet:
            function = f"{self._constant(_quiet(*statement.quiet))}({function}, "
        else:
            function += "("
        call = f"{function}{', '.join(args)})"
        for value in statement.outputs:
            self.names[value] = f"v{len(self.names)}"
        if statement.out is None:
            left = ", ".join(self.names[v] for v in statement.outputs) + "," * statement.several
            call = f"{left} = {call}"
        else:
            self.names[statement.output] = self.names[statement.out]
            if statement.when == "options":
                call = f"{self.names[statement.out]}[...] = {call}"
        return call

    def stroke(self, listing: Listing) -> list[str]:
        """Return what writes into homes: one call of C code, in which no signal is handled."""
        calls = []
        for update in listing.updates:
            args, _ = update.call()
            calls.append([self._constant(update.function), *map(self._of, args)])
            if update.out is not None:
                self.names[update.output] = self.names[update.out]
        calls += [["setitem", self.names[w.target], "...", self._of(w.value)]
                  for w in listing.writes]  # fmt: skip
        if not calls:
            return []
        if len(calls) == 1:
            name, *given = calls[0]
            line = f"{name}({', '.join(given)})"
        else:
            line = f"deque(starmap(call, ({', '.join(map(_tuple, calls))},)), maxlen=0)"
        quiet = any(update.quiet for update in listing.updates)
        return ["with errstate(all='ignore'): " * quiet + line]

    def _of(self, item: Any) -> str:
        if isinstance(item, Value):
            return self.names[item]
        if isinstance(item, list):
            return "[" + ", ".join(map(self._of, item)) + "]"
        if type(item) is tuple:
            return _tuple([self._of(part) for part in item])
        return self._constant(item)

    def _constant(self, item: Any) -> str:
        name = f"c{len(self.namespace)}"
        self.namespace[name] = item
        return name


@functools.cache
def _quiet(*kinds: str) -> Callable[..., Any]:
    """Return what calls a function in a context in which NumPy does not warn."""
    context = contextvars.Context()
    ignored: Any = dict.fromkeys(kinds, "ignore")
    context.run(np.seterr, **ignored)
    return context.run


def _tuple(parts: Sequence[str]) -> str:
    return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
