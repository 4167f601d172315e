"""Writing a listing as Python, and making a function of that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_bp.program.listing import Constant, Home, Listing, Statement, Value, values_in
from tinygrad_bp.program.tracing import Refuted

__all__ = ["Written", "written"]


class Written(NamedTuple):
    """A function that does what a listing says, its text, and the values that it takes."""

    function: Callable[..., Any]
    source: str
    parameters: list[Value]


def written(listing: Listing) -> Written:
    """Return a listing as a function: `results, after = function(*parameters)`."""
    namespace: dict[str, Any] = {"Refuted": Refuted}
    names: dict[Value, str] = {}
    parameters = []
    for i, value in enumerate(listing.sources):
        names[value] = f"s{i}"
        if isinstance(value.source, Home):
            namespace[f"s{i}"] = value.source.array
        elif isinstance(value.source, Constant):
            namespace[f"s{i}"] = value.source.value
        else:
            parameters.append(value)
    lines: list[str] = []
    for i, statement in enumerate(listing.statements):
        lines.append(_line(i, statement, names, namespace))
    for check in listing.checks:
        condition = names[check.condition]
        lines.append(f"if {'not ' * check.expected}{condition}: raise Refuted")
    lines += [f"{names[w.target]}[...] = {names[w.value]}" for w in listing.writes]
    results = _tuple([names[v] for v in values_in(listing.results)])
    lines.append(f"return {results}, {_tuple([names[v] for v in listing.after])}")
    header = f"def step({', '.join(names[v] for v in parameters)}):"
    source = "\n    ".join([header, *lines]) + "\n"
    exec(compile(source, "<program>", "exec"), namespace)  # noqa: S102
    return Written(namespace["step"], source, parameters)


def _line(
    number: int, statement: Statement, names: dict[Value, str], namespace: dict[str, Any]
) -> str:
    namespace[f"f{number}"] = statement.function
    args = [_text(a, names, namespace) for a in statement.args]
    args += [f"{k}={_text(v, names, namespace)}" for k, v in statement.kwargs.items()]
    for i, value in enumerate(statement.outputs):
        names[value] = f"v{number}" if len(statement.outputs) == 1 else f"v{number}_{i}"
    left = ", ".join(names[v] for v in statement.outputs) + "," * statement.several
    call = f"{left} = f{number}({', '.join(args)})"
    if statement.quiet:
        namespace["errstate"] = np.errstate
        ignored = ", ".join(f"{k}='ignore'" for k in statement.quiet)
        return f"with errstate({ignored}): {call}"
    return call


def _text(item: Any, names: dict[Value, str], namespace: dict[str, Any]) -> str:
    if isinstance(item, Value):
        return names[item]
    if isinstance(item, list):
        return "[" + ", ".join(_text(p, names, namespace) for p in item) + "]"
    if type(item) is tuple:
        return _tuple([_text(p, names, namespace) for p in item])
    name = f"c{len(namespace)}"
    namespace[name] = item
    return name


def _tuple(parts: Sequence[str]) -> str:
    return f"({', '.join(parts)}{',' * (len(parts) == 1)})"
