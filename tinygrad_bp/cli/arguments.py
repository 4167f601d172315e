"""The form of the command line: its commands, how they are parsed, types of arguments.

The options of a command stand in the command's own file, `add_options`, which is loaded when the
command is used: `tinygrad-bp --help` loads none of them.
"""

from __future__ import annotations

import argparse
import importlib
import math
import sys
from typing import TYPE_CHECKING, Any, Never

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "COMMANDS",
    "UsageError",
    "add_seed",
    "not_negative",
    "parse",
    "positive",
    "share",
    "texts",
    "whole",
]

COMMANDS = {
    "train": "Train a network on MNIST, on a set in its format, or on drawn digits.",
    "sweep": "Train with many settings and seeds, on all cores or on several machines.",
    "verify": "Run a saved run again, and compare every bit.",
    "predict": "Read digits with a trained network.",
    "check": "Check the gradient of a function or of a saved model.",
    "doctor": "Examine a model that is to be trained: what is wrong, and what to write.",
    "study": "Study numerical derivatives: errors by step size, Taylor remainders.",
    "mutants": "Plant faults in the derivative rules and see if the check notices.",
    "explain": "Follow the backward pass of a script's graph, as text or as a page.",
    "explore": "Write the lesson as a page that plays: a network that learns as you watch.",
    "lesson": "Tell the lesson in the terminal, scene by scene, on one example.",
}
"""Each has a file of its name, with a function `add_options(parser)`."""


class UsageError(Exception):
    """Arguments that make no sense, or do not fit each other."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Never:
        raise UsageError(message)


class _Version(argparse.Action):
    """Look the version up only if it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from tinygrad_bp.version import version

        print(f"{parser.prog} {version()}")
        parser.exit()


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; `run` is the function that carries the command out.

    `command` is the command line itself, as a list of words. Raises `UsageError` where argparse
    would print its usage and exit.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    parser = _Parser(
        prog="tinygrad-bp",
        description="Train a network to read handwritten digits, and check gradients.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, about in COMMANDS.items():
        command = commands.add_parser(name, **texts(about))
        if name in words:
            importlib.import_module(f"tinygrad_bp.cli.{name}").add_options(command)
    options = parser.parse_args(words)
    options.command = ["tinygrad-bp", *words]
    return options


def texts(about: str) -> dict[str, Any]:
    """Return what tells a command's parser what the command is about."""
    return {
        "help": about,
        "description": about,
        "formatter_class": argparse.RawDescriptionHelpFormatter,
    }


def add_seed(parser: Any) -> None:
    """Add the seed of a command that draws random numbers."""
    parser.add_argument(
        "--seed",
        type=whole(0),
        default=0,
        metavar="N",
        help="seed of everything random (default: 0)",
    )


# --- types of arguments ---------------------------------------------------------------------------


def whole(least: int) -> Callable[[str], int]:
    """Return what reads a whole number that is not too small.

    >>> whole(1)("12")
    12
    """

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(
                f"must be a whole number, {least} or more, got {text!r}"
            )
        return number

    return read


def positive(text: str) -> float:
    """Read a number above 0.

    >>> positive("1e-3")
    0.001
    """
    number = _number(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"must be a positive number, got {text!r}")
    return number


def not_negative(text: str) -> float:
    """Read a number that is 0 or more.

    >>> not_negative("0")
    0.0
    """
    number = _number(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"must be 0 or more, got {text!r}")
    return number


def share(text: str) -> float:
    """Read a number that is at least 0 and below 1.

    >>> share("0.9")
    0.9
    """
    number = _number(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 0 and below 1, got {text!r}")
    return number


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
