"""`tinygrad-bp study`: how exact numerical derivatives are, and what a gradient leaves.

Exit codes: 0 done; 1 the gradient is wrong, or the function cannot be studied; 2 wrong arguments.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.cli.arguments import UsageError
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

__all__ = ["step_size", "taylor"]

FAMOUS = 1.5  # where Squire and Trapp differentiated their function


def step_size(options: argparse.Namespace) -> int:
    """Carry `study step-size` out and return its exit code."""
    methods = options.method and [name.replace("-step", " step") for name in options.method]
    if unknown := [name for name in methods or () if name not in studies.METHODS]:
        raise UsageError(f"argument --method: there is no {unknown[0]!r}")
    function, x = _subject(options)
    with guarded(options.target or "the function"):
        study = studies.step_sizes(
            function, x, methods=methods, dtypes=options.dtype, seed=options.seed
        )
    _give(options, study, _painted_curves)
    return 0


def taylor(options: argparse.Namespace) -> int:
    """Carry `study taylor` out and return its exit code."""
    function, x = _subject(options)
    with guarded(options.target or "the function"):
        study = studies.taylor(function, x, seed=options.seed)
    _give(options, study, _painted_verdict)
    return 0 if study.ok else 1


def _subject(options: argparse.Namespace) -> tuple[Callable[[Any], Any], NDArray[Any]]:
    """Return the function and the point that are asked for."""
    if options.plot:
        check_plot(options.plot)
    function = named(options.target) if options.target else studies.squire_trapp
    if options.input:
        return function, array_for(options.input, np.random.default_rng(options.seed))
    if options.at is None and options.target:
        raise UsageError("give the point, by --at or by --input")
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
    """Give every formula the colour that it has in the picture."""
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
