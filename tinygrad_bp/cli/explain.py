"""`tinygrad-bp explain`: the backward pass of what somebody's script computes, told or as a page.

Exit codes: 0 done; 1 the graph cannot be explained; 2 wrong arguments.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_bp.cli.arguments import UsageError
from tinygrad_bp.cli.screen import Screen
from tinygrad_bp.cli.subjects import guarded, module_named
from tinygrad_bp.tensor import Tensor, retain_graphs

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

__all__ = ["explain"]


def explain(options: argparse.Namespace) -> int:
    """Carry the command out and return its exit code."""
    from tinygrad_bp.explain.face import explain as narrate
    from tinygrad_bp.explain.trace import trace

    if options.open and not options.out:
        raise UsageError("argument --open: name the page with --out")
    if options.json and options.out:
        raise UsageError("argument --json: not with --out")
    loss, names = _evaluated(options.target)
    checks = False if options.no_checks else None
    if options.json:
        print(json.dumps(trace(loss, names=names, checks=checks).to_dict()))
        return 0
    limit = None if options.steps == 0 else options.steps
    narrate(loss, options.out, names=names, checks=checks, limit=limit)
    if options.out:
        _tell(Path(options.out), opened=options.open)
    return 0


def _evaluated(target: str) -> tuple[Tensor, dict[str, Any]]:
    """Return what SCRIPT.py:EXPRESSION comes to, and the names that the script has for values."""
    matched = re.fullmatch(r"(.+?\.py|[\w.]+):(.+)", target, re.DOTALL)
    if matched is None:
        raise UsageError(f"{target!r} does not have the form SCRIPT.py:EXPRESSION")
    script, expression = matched.groups()
    with guarded(target), retain_graphs(), _arguments([script]):
        names = vars(module_named(script))
        try:
            code = compile(expression, "<expression>", "eval")
        except SyntaxError as error:
            raise UsageError(f"{expression!r} is not an expression: {error.msg}") from error
        value = eval(code, names)  # noqa: S307  (the user's own script and expression)
        if callable(value) and not isinstance(value, Tensor):
            value = value()
    if not isinstance(value, Tensor):
        raise UsageError(f"{expression} is a {type(value).__name__}; name a Tensor")
    return value, {name: v for name, v in names.items() if isinstance(v, Tensor)}


@contextlib.contextmanager
def _arguments(argv: list[str]) -> Iterator[None]:
    """Let a script see its own command line, which is empty, and not ours."""
    ours, sys.argv = sys.argv, argv
    try:
        yield
    finally:
        sys.argv = ours


def _tell(page: Path, *, opened: bool) -> None:
    size = page.stat().st_size / 1000
    Screen().line(f"{page} written, {size:,.0f} kB. It needs no network: open it in a browser.")
    if opened:
        webbrowser.open(page.resolve().as_uri())
