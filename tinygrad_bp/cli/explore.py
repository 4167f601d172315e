"""`tinygrad-bp explore`: write the lesson as a page that plays."""

from __future__ import annotations

import contextlib
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinygrad_bp.cli.arguments import whole
from tinygrad_bp.cli.screen import Screen
from tinygrad_bp.cli.targets import check_target
from tinygrad_bp.data import mnist
from tinygrad_bp.files import replacing
from tinygrad_bp.lesson import labelled
from tinygrad_bp.lesson.cached import labelled_once, labelled_path
from tinygrad_bp.lesson.page import stage_page
from tinygrad_bp.lesson.stage import EXAMPLE, stage_data

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

__all__ = ["add_example", "add_options", "explore", "load"]

EXAMPLES = """\
examples:
  tinygrad-bp explore --open              on digits that the library draws
  tinygrad-bp explore --data MNIST --example 7 -o seven.html
  tinygrad-bp explore --present --open    for the classroom: stage and sentences
"""


# --- options --------------------------------------------------------------------------------------


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `explore` to its parser."""
    parser.set_defaults(run=explore)
    parser.epilog = EXAMPLES
    add_example(parser)
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        default=Path("backprop.html"),
        metavar="FILE.html",
        help="where to write the page (default: backprop.html)",
    )
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    parser.add_argument(
        "--present",
        action="store_true",
        help="for the classroom: the stage and its sentences alone",
    )
    parser.add_argument(
        "--no-compress",
        dest="compress",
        action="store_false",
        help="leave digits and networks uncompressed, for browsers older than 2023",
    )


def add_example(parser: argparse.ArgumentParser) -> None:
    """Add the options that choose the digits and one of them, here and for `lesson`."""
    parser.add_argument(
        "--example",
        type=whole(0),
        metavar="N",
        help=f"the training digit to look at, counted from 0 (default: {EXAMPLE}, a 2)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="folder with MNIST's four IDX files; learning from them takes up to a minute, once "
        "(default: digits that the library draws)",
    )


# --- the command ----------------------------------------------------------------------------------


def explore(options: argparse.Namespace) -> int:
    """Carry the command out and return its exit code."""
    check_target("--out", options.out)
    screen = Screen()
    data = load(options.data, options.example, screen, compress=options.compress)
    text, about = stage_page(data), data["source"]["text"]
    with replacing(options.out) as file:
        file.write(text.encode())
    size = options.out.stat().st_size / 1e6
    screen.line(f"{options.out}: {about}")
    screen.line(f"One file of {size:.2f} MB that needs nothing else: open it in a browser.")
    address = options.out.resolve().as_uri() + ("#present" if options.present else "")
    if options.present:
        screen.line(f"For the classroom: {address}")
    if options.open:
        import webbrowser

        webbrowser.open(address)
    return 0


def load(
    folder: Path | None, example: int | None, screen: Screen, *, compress: bool = True
) -> dict[str, Any]:
    """Return what the stage's page carries, for the digits in a folder or for drawn ones.

    Raises `DataError` if the folder has no digits or no such example.
    """
    wanted = EXAMPLE if example is None else example
    if folder is None:
        return stage_data(example=wanted, compress=compress)
    data, plan = mnist(folder, verify=False), labelled.FULL
    if not labelled_path(data, plan).exists():
        screen.line("Learning from these digits: this takes up to a minute, once.", style="dim")
    with _telling(screen, plan.runs) as tell:
        measured = labelled_once(data, plan, tell)
    return stage_data(data, example=wanted, compress=compress, measured=measured)


@contextlib.contextmanager
def _telling(screen: Screen, total: int) -> Iterator[Callable[[str], None]]:
    """Show a bar while the block runs, and give what moves it by one."""
    done = count(1)
    with screen.progress(total) as show:
        yield lambda what: None if show is None else show(next(done), what)
