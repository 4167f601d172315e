"""`tinygrad-bp study`: how accurate numerical derivatives are, and what a gradient leaves over.

Exit codes: 0 done; 1 the gradient is wrong, or the function cannot be studied; 2 wrong arguments.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.cli.arguments import UsageError, add_seed, texts
from tinygrad_bp.cli.plot import check_plot
from tinygrad_bp.cli.screen import Screen
from tinygrad_bp.cli.subjects import array_for, guarded, named
from tinygrad_bp.errors import DataError
from tinygrad_bp.gradcheck import studies

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from numpy.typing import NDArray
    from rich.text import Text

    from tinygrad_bp.gradcheck import StepStudy, TaylorStudy

__all__ = ["add_options", "step_size", "taylor"]

STEP_SIZE = "The error of difference formulas and the complex step, by step size."
TAYLOR = "What a gradient leaves of the Taylor series: order 2 if right, 1 if wrong."

EXAMPLES = """\
examples:
  tinygrad-bp study step-size                     of Squire and Trapp's function
  tinygrad-bp study step-size losses.py:f --at 0.5 1.0 --plot v.png
  tinygrad-bp study taylor losses.py:f --input 3x4
"""

FAMOUS = 1.5  # where Squire and Trapp differentiated their function


# --- options --------------------------------------------------------------------------------------


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the two studies, and their options, to the parser of `study`."""
    parser.epilog = EXAMPLES
    studies_of = parser.add_subparsers(title="studies", metavar="step-size|taylor", required=True)
    steps = studies_of.add_parser("step-size", **texts(STEP_SIZE))
    steps.set_defaults(run=step_size)
    _add_point(steps)
    steps.add_argument(
        "--dtype",
        nargs="+",
        choices=("float32", "float64"),
        default=("float32", "float64"),
        metavar="DTYPE",
        help="float32, float64 or both (default: both)",
    )
    steps.add_argument(
        "--method",
        nargs="+",
        metavar="NAME",
        help="forward, central, five-point, complex-step (default: all of them, complex-step "
        "where the function allows it)",
    )
    _add_output(steps)
    remainders = studies_of.add_parser("taylor", **texts(TAYLOR))
    remainders.set_defaults(run=taylor)
    _add_point(remainders)
    _add_output(remainders)


def _add_point(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target",
        nargs="?",
        metavar="MODULE:FUNCTION",
        help="a function from one array to a scalar; MODULE is a dotted name or the path of a .py "
        "file (default: exp(x) / (sin³x + cos³x), which made the complex step known)",
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--at",
        nargs="+",
        type=float,
        metavar="X",
        help="the point: a number, or the entries of a vector",
    )
    where.add_argument(
        "--input",
        metavar="SHAPE|FILE.npy",
        help="the point: a file, or a shape such as 3x4 or `scalar` to fill with normally "
        "distributed numbers",
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    add_seed(parser)
    parser.add_argument(
        "--plot", type=Path, metavar="FILE.png", help="plot the curves (.png, .svg, .pdf)"
    )
    parser.add_argument("--json", action="store_true", help="write the figures as JSON")


# --- the commands ---------------------------------------------------------------------------------


def step_size(options: argparse.Namespace) -> int:
    """Carry `study step-size` out and return its exit code."""
    methods = options.method and [name.replace("-step", " step") for name in options.method]
    if unknown := [name for name in methods or () if name not in studies.METHODS]:
        raise UsageError(f"argument --method: there is no {unknown[0]!r}")
    function, x = _subject(options)
    with guarded(options.target or "the function", "studied"):
        study = studies.step_sizes(
            function, x, methods=methods, dtypes=options.dtype, seed=options.seed
        )
    _give(options, study, _painted_curves)
    return 0


def taylor(options: argparse.Namespace) -> int:
    """Carry `study taylor` out and return its exit code."""
    function, x = _subject(options)
    with guarded(options.target or "the function", "studied"):
        study = studies.taylor(function, x, seed=options.seed)
    _give(options, study, _painted_verdict)
    return 0 if study.ok else 1


def _subject(options: argparse.Namespace) -> tuple[Callable[[Any], Any], NDArray[Any]]:
    """Return the function to study and the point."""
    if options.plot:
        check_plot(options.plot)
    function = named(options.target) if options.target else studies.squire_trapp
    if options.input:
        return function, array_for(options.input, np.random.default_rng(options.seed))
    if options.at is None and options.target:
        raise UsageError("give the point with --at or --input")
    numbers = np.array([FAMOUS] if options.at is None else options.at)
    return function, numbers[0] if len(numbers) == 1 else numbers


def _give(
    options: argparse.Namespace,
    study: StepStudy | TaylorStudy,
    painted: Callable[[str], Text],
) -> None:
    if options.plot:
        try:
            study.plot(options.plot)
        except OSError as error:
            raise DataError(f"{options.plot} could not be written: {error.strerror}.") from error
    if options.json:
        print(json.dumps(study.to_dict(), allow_nan=False))
        return
    screen = Screen()
    for line in str(study).splitlines():
        screen.line(painted(line))


def _painted_curves(line: str) -> Text:
    """Give every formula the colour that it has in the plot."""
    from rich.text import Text

    text = Text(line)
    for name, method in studies.METHODS.items():
        for column, mark in enumerate(line) if "|" in line else ():  # a row of the drawing
            if mark == method.mark and column > line.index("|"):
                text.stylize(method.color, column, column + 1)
        text.highlight_regex(rf"({re.escape(method.mark)} )?\b{name}\b", method.color)
    return text


def _painted_verdict(line: str) -> Text:
    from rich.text import Text

    text = Text(line)
    text.highlight_words(["right"], "bold green")
    text.highlight_words(["WRONG", "UNKNOWN"], "bold red")
    return text
