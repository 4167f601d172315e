"""`tinygrad-bp verify`: run a saved run again, and say whether every bit is the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tinygrad_bp.cli.outcome import Bar
from tinygrad_bp.cli.screen import Screen
from tinygrad_bp.cli.sources import load_again
from tinygrad_bp.nn import read_checkpoint
from tinygrad_bp.train import saved_run, verification

if TYPE_CHECKING:
    import argparse

    from tinygrad_bp.train.verification import Verdict

__all__ = ["add_options", "verify"]

EPILOG = """\
The run is repeated from its recipe, in the same order, up to where the file
stands. The file's record says what it learned from (a digest of all of it), by
which versions, BLAS and threads. Exit code: 0 if every loss, every accuracy and
every weight has the same bits, 1 if not.

examples:
  tinygrad-bp train --drawn --out model.npz
  tinygrad-bp verify model.npz
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `verify` to its parser."""
    parser.set_defaults(run=verify)
    parser.epilog = EPILOG
    parser.add_argument("file", type=Path, metavar="RUN.npz", help="what `train --out` wrote")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="folder with the four IDX files that it learned from, if it was given one",
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help="only write what the file says of its run, as JSON",
    )


def verify(options: argparse.Namespace) -> int:
    """Carry the command out and return its exit code."""
    recipe, about = saved_run(options.file)
    if options.record:
        extra = read_checkpoint(options.file).extra
        told = {name: extra.get(name) for name in ("training", "record")}
        print(json.dumps(told, indent=2))  # in ASCII, whatever it holds
        return 0
    screen = Screen()
    data = load_again(options.file, about, options.data, recipe.seed, screen)
    if command := about.get("command"):
        screen.line(f"Running again: {command}")
    verdict = verification.verify(options.file, data, callbacks=[Bar(screen)])
    return _told(verdict, options.file, screen)


def _told(verdict: Verdict, path: Path, screen: Screen) -> int:
    count = f"{verdict.epochs:,} epochs and {verdict.batches:,} batches"
    if verdict.is_equal:
        screen.line(f"Equal: {path} came out again, bit by bit, in {count}.", style="bold green")
    else:
        screen.line(f"Different from {verdict.difference}.", style="bold red")
    if verdict.surroundings:
        screen.line("Since then: " + "; ".join(verdict.surroundings) + ".")
    elif not verdict.is_equal:
        screen.line(
            "Versions, BLAS and threads are those of the record: the file was altered, or this "
            "machine rounds differently from one run to the next."
        )
    return 0 if verdict.is_equal else 1
