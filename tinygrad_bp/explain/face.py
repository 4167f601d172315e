"""`explain`: the function and, at the same time, the package it belongs to."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from tinygrad_bp.explain.trace import Trace, trace
from tinygrad_bp.files import replacing
from tinygrad_bp.tensor import Tensor

__all__ = ["Explain", "explain"]

STEPS = 200  # that are narrated of a longer pass


def explain(
    loss: Tensor,
    file: str | os.PathLike[str] | None = None,
    *,
    gradient: Any = None,
    names: Mapping[str, Any] | None = None,
    checks: bool | None = None,
    limit: int | None = STEPS,
) -> Trace:
    """Narrate the backward pass of a graph, or write a page that steps through it.

    Without a file the text is printed, in colour on a terminal; `limit` is how many steps of a
    longer pass, None for all. A file gets one self-contained HTML page. `gradient` is what arrives
    at the loss, `names` names what the source does not (`dict(model.named_parameters())`), and
    `checks` asks for finite differences, which small graphs get by themselves.

    Explaining reads the graph and changes no gradient. Raises `FreedGraphError` after a
    `backward()` without `retain_graph=True`: explain first.

    >>> w = Tensor(3.0, requires_grad=True, name="w")
    >>> x = 2.0
    >>> loss = (w * x) ** 2
    >>> explain(loss, "loss.html")  # doctest: +SKIP
    <Trace of loss: 3 nodes, 2 steps>
    """
    traced = trace(loss, gradient, names=names, checks=checks)
    if file is None:
        _print(traced, limit)
    else:
        _write(traced, Path(file))
    return traced


def _print(traced: Trace, limit: int | None) -> None:
    from tinygrad_bp.explain.text import narrate

    on_terminal = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = shutil.get_terminal_size((80, 24)).columns
    print(narrate(traced.to_dict(), width=width, color=on_terminal, limit=limit))


def _write(traced: Trace, path: Path) -> None:
    from tinygrad_bp.explain.page import page

    text = page(traced.to_dict())
    with replacing(path) as file:
        file.write(text.encode())


class Explain(ModuleType):
    """The package `tinygrad_bp.explain`, which can be called: `bp.explain(loss)`."""

    __call__ = staticmethod(explain)
