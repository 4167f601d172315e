"""`explain`: the function and, at the same time, the package it belongs to."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from tinygrad_bp.explain.data import exported
from tinygrad_bp.explain.graph import MAX_OPS
from tinygrad_bp.explain.page import page
from tinygrad_bp.explain.text import narrate
from tinygrad_bp.explain.trace import Trace, trace
from tinygrad_bp.files import replacing
from tinygrad_bp.tensor import Tensor

__all__ = ["Explain", "explain"]

STEPS = 200  # of a longer pass that are printed


def explain(
    loss: Tensor,
    file: str | os.PathLike[str] | None = None,
    *,
    gradient: Any = None,
    names: Mapping[str, Any] | None = None,
    checks: bool | None = None,
    limit: int | None = STEPS,
    max_ops: int = MAX_OPS,
) -> Trace:
    """Explain the backward pass of a graph in words, or write a page that steps through it.

    Without a file the text is printed, in colour on a terminal; of a longer pass, `limit` steps
    are, or all of them if it is None. A file gets one self-contained HTML page. `gradient` arrives
    at the loss, `names` names what the source does not (`dict(model.named_parameters())`), and
    `checks` asks for finite differences, which small graphs get anyway.

    Explaining reads the graph and changes no gradient. Raises `FreedGraphError` after a
    `backward()` without `retain_graph=True` (explain first), and `TinygradError` for a graph of
    more than `max_ops` operations.

    >>> w = Tensor(3.0, requires_grad=True, name="w")
    >>> x = 2.0
    >>> loss = (w * x) ** 2
    >>> explain(loss, "loss.html")  # doctest: +SKIP
    <Trace of loss: 3 nodes, 2 steps>
    """
    traced = trace(loss, gradient, names=names, checks=checks, max_ops=max_ops)
    if file is None:
        _print(traced, limit)
    else:
        _write(traced, Path(file))
    return traced


def _print(traced: Trace, limit: int | None) -> None:
    on_terminal = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = shutil.get_terminal_size((80, 24)).columns
    print(narrate(exported(traced), width=width, color=on_terminal, limit=limit))


def _write(traced: Trace, path: Path) -> None:
    text = page(exported(traced))
    with replacing(path) as file:
        file.write(text.encode())


class Explain(ModuleType):
    """The package `tinygrad_bp.explain`, which can be called: `bp.explain(loss)`."""

    __call__ = staticmethod(explain)
