"""The call of a program: what is looked at before it, and what is set after it, as one function.

All of it is known when the program is made, so it is written out, line by line: to loop over it in
every call would take longer than some programs do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tinygrad_bp.program.listing import Value

__all__ = ["Text"]


class Text:
    """Lines of Python in which objects stand by names that are made for them.

    >>> known, text = [], Text("item")
    >>> text.line(f"return item is {text.name(known)}")
    >>> text.function("is_known")(known)
    True
    """

    def __init__(self, *parameters: str) -> None:
        self._parameters = parameters
        self._lines: list[str] = []
        self._names: dict[str, Any] = {}

    def name(self, item: Any) -> str:
        """Return what stands for an object in the text."""
        if item is None or item is True or item is False:
            return str(item)
        name = f"o{id(item)}"
        self._names[name] = item
        return name

    def line(self, line: str) -> None:
        """Add a line, or several."""
        self._lines += line.split("\n")

    def expression(self, item: Any, of: Callable[[Value], str]) -> str:
        """Return the text of nested tuples, lists and dicts, in which values stand by their own."""
        if isinstance(item, Value):
            return of(item)
        if type(item) in (list, tuple):
            inside = "".join(f"{self.expression(part, of)}, " for part in item)
            return f"[{inside}]" if type(item) is list else f"({inside})"
        if type(item) is dict:
            parts = (f"{self.name(k)}: {self.expression(v, of)}, " for k, v in item.items())
            return f"{{{''.join(parts)}}}"
        if isinstance(item, tuple):  # with names, such as linalg.qr's
            return f"{self.name(type(item))}({', '.join(self.expression(p, of) for p in item)})"
        return self.name(item)

    def function(self, name: str) -> Callable[..., Any]:
        """Return the function that the lines are."""
        body = "\n    ".join(self._lines or ["pass"])
        namespace = dict(self._names)
        text = f"def {name}({', '.join(self._parameters)}):\n    {body}\n"
        exec(compile(text, f"<{name} of a program>", "exec"), namespace)  # noqa: S102
        made: Callable[..., Any] = namespace.pop(name)  # or the two would hold each other
        return made
