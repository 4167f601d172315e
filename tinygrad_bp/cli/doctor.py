"""`tinygrad-bp doctor`: examine a model on a batch, and say what to change.

Exit codes: 0 nothing needs to be changed; 1 something does, or nothing can be examined; 2 wrong
arguments.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tinygrad_bp.cli.arguments import UsageError
from tinygrad_bp.cli.screen import Screen
from tinygrad_bp.cli.subjects import counting, guarded, named
from tinygrad_bp.doctor import Report, Severity, examine

if TYPE_CHECKING:
    import argparse

__all__ = ["add_options", "doctor"]

EXAMPLES = """\
examples:
  tinygrad-bp doctor train.py:subject
  tinygrad-bp doctor my.package.train:subject --no-fit
The function takes nothing, and returns what training begins with:
  def subject():
      model, loss = nn.MLP(784, 32, 10), nn.CrossEntropyLoss()
      return model, loss, optim.SGD(model.parameters(), lr=0.1), x, y
or a dict with "model", "loss", "optimizer", "x", "y", and "step", a function
step(x, y), if that is to be looked at as well.
exit code: 0 nothing to change, 1 something to change or impossible to examine,
2 wrong arguments
"""

STYLES = {Severity.WRONG: "bold red", Severity.DOUBTFUL: "bold yellow", Severity.NOTE: "bold cyan"}
NEEDED = ("model", "loss", "optimizer", "x", "y")
PARTS = (*NEEDED, "step", "batch_axis")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `doctor` to its parser."""
    parser.set_defaults(run=doctor)
    parser.epilog = EXAMPLES
    parser.add_argument(
        "target",
        metavar="MODULE:FUNCTION",
        help="a function that returns model, loss, optimiser, inputs and targets; MODULE is a "
        "dotted name or the path of a .py file",
    )
    parser.add_argument(
        "--no-fit", action="store_true", help="skip the attempts to learn 20 examples by heart"
    )
    parser.add_argument("--json", action="store_true", help="write the report as JSON")


def doctor(options: argparse.Namespace) -> int:
    """Carry the command out and return its exit code."""
    function, screen = named(options.target), Screen()
    if not callable(function):
        raise UsageError(f"{options.target} is no function, but a {type(function).__name__}")
    with guarded(options.target, "examined"):
        given = _parts(options.target, function)
        with counting(screen, quiet=options.json) as progress:
            report = examine(**given, fit=not options.no_fit, progress=progress)
    if options.json:
        print(json.dumps(report.to_dict(), allow_nan=False))
    else:
        _show(report, screen)
    return 0 if report.ok else 1


def _parts(target: str, function: Any) -> dict[str, Any]:
    """What the user's function returns, as arguments of `examine`."""
    if any(
        p.default is p.empty and p.kind not in {p.VAR_POSITIONAL, p.VAR_KEYWORD}
        for p in inspect.signature(function).parameters.values()
    ):
        raise UsageError(f"{target} must be a function that can be called without arguments")
    found = function()
    if isinstance(found, Mapping):
        unknown = [name for name in found if name not in PARTS]
        missing = [name for name in NEEDED if name not in found]
        if unknown or missing:
            what = f"has {unknown[0]!r}" if unknown else f"lacks {missing[0]!r}"
            raise UsageError(f"the dict that {target} returns {what}; it is of {', '.join(PARTS)}")
        return dict(found)
    if not isinstance(found, tuple) or len(found) != len(NEEDED):
        raise UsageError(
            f"{target} must return a tuple of {', '.join(NEEDED)}, or a dict; it returned "
            f"{f'{len(found)} things' if isinstance(found, tuple) else type(found).__name__}"
        )
    return dict(zip(NEEDED, found, strict=True))


# --- what is shown ------------------------------------------------------------------------------


def _show(report: Report, screen: Screen) -> None:
    """Write the report; a terminal gets colours, and lines as wide as it is, up to a page's."""
    from rich.text import Text

    width = min(screen.console.width, 100) if screen.console.is_terminal else 80
    head, *lines = report.lines(width)
    screen.line(head, style="bold green" if report.ok else "bold red")
    for line in lines:
        word = line.split(" ", 1)[0]
        if word in set(Severity):
            text = Text(line)
            text.stylize(STYLES[Severity(word)], 0, len(word))
            text.stylize("bold", len(word))
            screen.line(text)
        else:
            screen.line(line, style=None if line.startswith("  write") else _style(line))


def _style(line: str) -> str | None:
    return "dim" if line.startswith("  why") else None
