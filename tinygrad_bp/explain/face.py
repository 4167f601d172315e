"""`explain`: the function and, at the same time, the package it belongs to."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from tinygrad_bp.explain.checks import confirm
from tinygrad_bp.explain.data import exported
from tinygrad_bp.explain.graph import MAX_OPS
from tinygrad_bp.explain.page import frame, page
from tinygrad_bp.explain.text import narrate
from tinygrad_bp.explain.trace import Trace
from tinygrad_bp.files import replacing
from tinygrad_bp.tensor import Tensor

__all__ = ["Explain", "Explanation", "explain"]

STEPS = 200  # of a longer pass that are printed


class Explanation(Trace):
    """A trace that a notebook shows as the page to step through."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return frame(exported(self))


def explain(
    loss: Tensor,
    file: str | os.PathLike[str] | None = None,
    *,
    gradient: Any = None,
    names: Mapping[str, Any] | None = None,
    checks: bool | None = None,
    limit: int | None = STEPS,
    max_ops: int = MAX_OPS,
) -> Explanation:
    """Explain the backward pass of a graph in words, or write a page that steps through it.

    Without a file the text is printed, in colour on a terminal; of a longer pass, `limit` steps
    are, or all of them if it is None. A file gets one self-contained HTML page. `gradient` arrives
    at the loss, `names` names what the source does not (`dict(model.named_parameters())`), and
    `checks` asks for finite differences, which small graphs get anyway. In a Jupyter notebook
    nothing is printed: what is returned shows the page, as the last expression of a cell.

    Explaining reads the graph and changes no gradient. Raises `FreedGraphError` after a
    `backward()` without `retain_graph=True` (explain first), and `TinygradError` for a graph of
    more than `max_ops` operations.

    >>> w = Tensor(3.0, requires_grad=True, name="w")
    >>> x = 2.0
    >>> loss = (w * x) ** 2
    >>> explain(loss, "loss.html")  # doctest: +SKIP
    <Explanation of loss: 3 nodes, 2 steps>
    """
    explained = Explanation.of(loss, gradient, names=names, max_ops=max_ops)
    confirm(explained, checks)
    if file is not None:
        _write(explained, Path(file))
    elif not _in_notebook():
        _print(explained, limit)
    return explained


def _in_notebook() -> bool:
    """Whether this process is the kernel of a notebook, which shows what a cell ends with."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


def _print(traced: Trace, limit: int | None) -> None:
    on_terminal = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = shutil.get_terminal_size((80, 24)).columns
    print(narrate(exported(traced), width=width, color=on_terminal, limit=limit))


def _write(traced: Trace, path: Path) -> None:
    text = page(exported(traced))
    with replacing(path) as file:
        file.write(text.encode())


class Explain(ModuleType):
    """The package `tinygrad_bp.explain`, which can be called: `bp.explain(loss)`.

    To call it is to call its function of the same name.

    >>> import tinygrad_bp as bp
    >>> w = bp.Tensor(3.0, requires_grad=True)
    >>> cost = w * w
    >>> explained = bp.explain(cost)
    Backward pass from cost = 9
    ...
      step 2, to w
        slope: dcost/dw = w = 3
        contribution: g * w = 1 * 3 = 3
        sum: contribution 2 of 2 to w; 3 + 3 = 6
    ...
    """

    __call__ = staticmethod(explain)
