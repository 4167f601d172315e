"""What a text takes from NumPy and from Python's library, and the names that it knows it by."""

from __future__ import annotations

import builtins
import math
import operator
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_bp.program.writing.wrapping import WIDTH, rows

__all__ = ["INFIX", "Imports"]

INFIX: dict[Any, str] = {
    operator.add: "+",
    operator.sub: "-",
    operator.neg: "-",
    operator.mul: "*",
    operator.truediv: "/",
    operator.floordiv: "//",
    operator.mod: "%",
    operator.pow: "**",
    operator.eq: "==",
    operator.ne: "!=",
    operator.lt: "<",
    operator.le: "<=",
    operator.gt: ">",
    operator.ge: ">=",
}
"""Functions of Python's that are operators, between their arguments or before the only one."""

_MODULES = (
    ("numpy", np),
    ("numpy.linalg", np.linalg),
    ("numpy.fft", np.fft),
    ("numpy.lib.stride_tricks", np.lib.stride_tricks),
    ("math", math),
    ("operator", operator),
)

_SPECIAL = ("scipy.special", "scipy.special._ufuncs")  # where a user has it


class Imports:
    r"""The lines at the beginning of a text: they grow with what is asked for.

    >>> imports = Imports()
    >>> imports.name_of(np.exp), imports.name_of(np.linalg.norm), imports.name_of(np.max)
    ('exp', 'norm', 'np.max')
    >>> print("\n".join(imports.lines()))
    import numpy as np
    from numpy import exp
    from numpy.linalg import norm
    """

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}
        self._modules: set[str] = set()

    def take(self, module: str, name: str) -> str:
        """Return a name of a module, which is imported."""
        if hasattr(builtins, name) or (module != "numpy" and hasattr(np, name)):
            return self.module(f"{module}.{name}")
        self._names.setdefault(module, set()).add(name)
        return name

    def module(self, path: str) -> str:
        """Return a path that begins with a module, which is imported: NumPy as np."""
        first, _, rest = path.partition(".")
        if first != "numpy":
            self._modules.add(path.rpartition(".")[0])
            return path
        self._modules.add("numpy as np")
        return f"np.{rest}" if rest else "np"

    def name_of(self, function: Callable[..., Any]) -> str | None:
        """Return the name of a function that a module has, None for any other."""
        name = getattr(function, "__name__", "")
        owner = getattr(function, "__self__", None)
        if isinstance(owner, np.ufunc):
            found = self.name_of(owner)
            return found and f"{found}.{name}"
        if getattr(builtins, name, None) is function:
            return name
        for path, module in (*_MODULES, *((path, sys.modules.get(path)) for path in _SPECIAL)):
            known = {"bool": "bool_"}.get(name, name)
            if known and getattr(module, known, None) is function:
                return self.take(path, known)
        return None

    @property
    def names(self) -> set[str]:
        """All names that are imported so far."""
        return {name for names in self._names.values() for name in names} | {
            module.partition(".")[0] for module in self._modules
        }

    def lines(self, text: str | None = None) -> Iterator[str]:
        """Yield the lines; of those names alone that a text has in it, if there is one."""
        words = None if text is None else set(re.findall(r"\w+", text))
        yield from (f"import {module}" for module in sorted(self._modules))
        for module in sorted(self._names, key=lambda m: (m.startswith("numpy"), m)):
            names = self._names[module] if words is None else self._names[module] & words
            if names:
                yield from _import_of(module, sorted(names))


def _import_of(module: str, names: Sequence[str]) -> Iterator[str]:
    """One line of names, or as many lines as it takes."""
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        yield line
        return
    yield f"from {module} import ("
    yield from rows(names, WIDTH - 3)
    yield ")"
