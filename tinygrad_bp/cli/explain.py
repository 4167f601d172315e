"""`tinygrad-bp explain`: the backward pass of what a script computes, as text or as a page.

Exit codes: 0 done; 1 the graph cannot be explained; 2 wrong arguments.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_bp.cli.arguments import UsageError, whole
from tinygrad_bp.cli.screen import Screen
from tinygrad_bp.cli.subjects import guarded, module_named
from tinygrad_bp.cli.targets import check_target
from tinygrad_bp.engine import topological_order
from tinygrad_bp.modes import retain_graphs
from tinygrad_bp.tensor import Tensor

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

__all__ = ["add_options", "explain"]

EXAMPLES = """\
examples:
  tinygrad-bp explain chain.py:cost           what a script calls `cost`
  tinygrad-bp explain chain.py:cost -o backward.html --open
  tinygrad-bp explain "my.module:loss(x, y).mean()"
                                              an expression in its names
A script may call backward(): its graphs are kept while it runs, and what that
left in .grad is forgotten, so that the gradients are those of this one pass.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `explain` to its parser."""
    parser.set_defaults(run=explain)
    parser.epilog = EXAMPLES
    parser.add_argument(
        "target",
        metavar="SCRIPT.py:EXPRESSION",
        help="a script or module to run, and the tensor in it to explain",
    )
    parser.add_argument(
        "-o", "--out", type=Path, metavar="FILE.html", help="write a page instead of text"
    )
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    parser.add_argument(
        "--steps",
        type=whole(0),
        default=200,
        metavar="N",
        help="how many steps of a longer pass the text shows; 0 for all (default: 200)",
    )
    parser.add_argument("--no-checks", action="store_true", help="skip the finite differences")
    parser.add_argument(
        "--json", action="store_true", help="write the data behind text and page as JSON"
    )


def explain(options: argparse.Namespace) -> int:
    """Carry the command out and return its exit code."""
    from tinygrad_bp.explain.face import explain as narrate
    from tinygrad_bp.explain.trace import trace

    if options.open and not options.out:
        raise UsageError("argument --open: name the page with --out")
    if options.json and options.out:
        raise UsageError("argument --json: cannot be combined with --out")
    if options.out:
        check_target("--out", options.out)
    loss, names = _evaluated(options.target)
    _forget_gradients(loss)
    checks = False if options.no_checks else None
    if options.json:
        print(json.dumps(trace(loss, names=names, checks=checks).to_dict()))
        return 0
    limit = None if options.steps == 0 else options.steps
    narrate(loss, options.out, names=names, checks=checks, limit=limit)
    if options.out:
        _announce(options.out, opened=options.open)
    return 0


def _evaluated(target: str) -> tuple[Tensor, dict[str, Any]]:
    """Return the value of SCRIPT.py:EXPRESSION, and the script's own names for its tensors."""
    matched = re.fullmatch(r"(.+?\.py|[\w.]+):(.+)", target, re.DOTALL)
    if matched is None:
        raise UsageError(f"{target!r} does not have the form SCRIPT.py:EXPRESSION")
    script, expression = matched.groups()
    with guarded(target, "explained"), retain_graphs(), _arguments([script]):
        names = vars(module_named(script))
        try:
            code = compile(expression, "<expression>", "eval")
        except SyntaxError as error:
            raise UsageError(f"{expression!r} is not an expression: {error.msg}") from error
        value = eval(code, names)  # noqa: S307  (the user's own script and expression)
        if callable(value) and not isinstance(value, Tensor):
            value = value()
    if not isinstance(value, Tensor):
        raise UsageError(f"{expression} is of type {type(value).__name__}, not a Tensor")
    return value, {name: v for name, v in names.items() if isinstance(v, Tensor)}


def _forget_gradients(loss: Tensor) -> None:
    """Clear what the script's own backward passes left behind, of all that the loss came from."""
    for op in topological_order(loss):
        for given in op.inputs or ():
            if isinstance(given, Tensor):
                given.zero_grad()
    loss.zero_grad()


@contextlib.contextmanager
def _arguments(argv: list[str]) -> Iterator[None]:
    """Show a script its own, empty command line instead of ours."""
    ours, sys.argv = sys.argv, argv
    try:
        yield
    finally:
        sys.argv = ours


def _announce(page: Path, *, opened: bool) -> None:
    size = page.stat().st_size / 1000
    Screen().line(f"{page} written, {size:,.0f} kB. It needs no network: open it in a browser.")
    if opened:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
