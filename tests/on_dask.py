"""What of the table of specs runs on Dask arrays, and what Dask lacks for the rest.

`python -W ignore tests/on_dask.py > examples/reference/functions_on_dask.md` writes the list.
"""

from __future__ import annotations

import re
import textwrap
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from specs import CALLS, Call

from tinygrad_bp import Tensor, gradients
from tinygrad_bp.registry import name_of

dask = pytest.importorskip("dask")
pytest.importorskip("dask.array")

__all__ = ["CALLS_OF", "FAILURES", "FILE", "Counting", "lazy", "rows", "written"]

FILE = Path(__file__).parents[1] / "examples" / "reference" / "functions_on_dask.md"

CALLS_OF: dict[str, list[Call]] = {}
for _call in CALLS:
    CALLS_OF.setdefault(name_of(_call.function), []).append(_call)

COMPUTES = "looks at values, and computes them"
ANOTHER = "gives another result than NumPy's"
FAILURES = (
    TypeError, ValueError, IndexError, AttributeError, NotImplementedError, ZeroDivisionError,
    AssertionError, np.exceptions.AxisError, FutureWarning,
)  # fmt: skip
"""What Dask raises where it cannot do what NumPy does, or gives up being lazy (the last)."""


class Counting:
    """A scheduler that counts how often it is asked to compute."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, graph: Any, keys: Any, **options: Any) -> Any:
        self.count += 1
        return dask.get(graph, keys, **options)


def lazy(argument: Any) -> Any:
    """Constant arguments as a user would give them: arrays, the lists of numbers as they are."""
    if isinstance(argument, np.ndarray):
        return dask.array.from_array(argument, chunks=argument.shape)
    if isinstance(argument, list | tuple):
        return type(argument)(map(lazy, argument))
    return argument


def lacking(call: Call) -> str:
    """Return why a call does not run lazily, or not to NumPy's result; nothing if it does."""
    count = Counting()
    with warnings.catch_warnings(), dask.config.set(scheduler=count):
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", FutureWarning)  # Dask computes what it does not implement
        try:
            found = results(call, lazy)
            if count.count:
                return COMPUTES
            numbers = dask.compute(found, scheduler="sync")[0]
        except FAILURES as error:
            return _told(error)
    return "" if all(map(_alike, numbers, results(call))) else ANOTHER


def results(call: Call, kind: Callable[[Any], Any] = np.asarray) -> list[Any]:
    """The outputs of a call on some kind of arrays, and the gradients of each."""
    inputs = [Tensor(kind(base), requires_grad=True) for base in call.bases()]
    given = call.filled(call.views(inputs))
    if kind is lazy:
        given = tuple(map(lazy, given))
    options = {name: lazy(a) if kind is lazy else a for name, a in call.options.items()}
    found: list[Any] = []
    for y in call.smooth(call.function(*given, **options)):
        found += [y, *gradients(y, inputs, seed=np.ones(y.shape))]
    return [None if one is None else one.data for one in found]


def _alike(one: Any, other: Any) -> bool:
    if one is None or other is None:
        return one is other
    same = np.shape(one) == other.shape and one.dtype == other.dtype
    return same and np.allclose(one, other, rtol=1e-10, atol=1e-10, equal_nan=True)


def _told(error: Exception) -> str:
    if isinstance(error, FutureWarning):
        (name,) = re.findall(r"The `(?:numpy|tinygrad_bp.registry)\.([\w.]+)` function", str(error))
        return f"Dask has no `{name}`"
    first = textwrap.shorten(str(error).split(". ")[0].replace("`", "'"), 100, placeholder=" ...")
    return f"{type(error).__name__} in Dask: `{first}`" if first else "an assertion in Dask"


# --- the list -------------------------------------------------------------------------------------


def rows(name: str) -> list[str]:
    """Return the lines of the list about one function, none if all its calls run."""
    calls = CALLS_OF[name]
    found = Counter(why for call in calls if (why := lacking(call)))
    return [
        f"| `{name}` | {count} of {len(calls)} | {why.replace('|', '/')} |"
        for why, count in found.most_common()
    ]


def written() -> str:
    """Return the list, as a page."""
    listed = [row for name in sorted(CALLS_OF) for row in rows(name)]
    ran = len(CALLS) - sum(int(row.split("|")[2].split()[0]) for row in listed)
    head = (
        "% Made by `python -W ignore tests/on_dask.py > examples/reference/functions_on_dask.md`.",
        "",
        f"# Functions on the arrays of Dask {dask.__version__}",
        "",
        f"Of {len(CALLS)} calls of {len(CALLS_OF)} functions, {ran} run as they do on NumPy's: the "
        "same numbers, forward and backward, and nothing is computed before somebody asks for "
        "them. Not so:",
        "",
        "| function | calls | why |",
        "| --- | --- | --- |",
    )
    return "\n".join([*head, *listed]) + "\n"


if __name__ == "__main__":
    print(written(), end="")
