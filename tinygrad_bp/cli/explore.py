"""`tinygrad-bp explore`: write the lesson as a page to click through, and its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_bp.cli.arguments import UsageError
from tinygrad_bp.cli.screen import Screen
from tinygrad_bp.data import mnist
from tinygrad_bp.errors import DataError
from tinygrad_bp.files import replacing
from tinygrad_bp.lesson.cached import cached_path, measured_once
from tinygrad_bp.lesson.curves import FULL
from tinygrad_bp.lesson.explorer import EXAMPLE, explorer_data

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

__all__ = ["explore", "load"]


def explore(options: argparse.Namespace) -> int:
    """Carry the command out and return its exit code."""
    from tinygrad_bp.lesson.page import page

    _check_destinations(options)
    screen = Screen()
    data = load(options.data, options.example, screen, compress=options.compress)
    with replacing(options.out) as file:
        file.write(page(data).encode())
    size = options.out.stat().st_size / 1e6
    screen.line(f"{options.out}: {data['source']['text']}, {len(data['networks'])} networks.")
    screen.line(f"One file of {size:.2f} MB, which needs nothing else. Open it in a browser.")
    if options.png is not None:
        _draw(data, options.png, screen)
    if options.open:
        import webbrowser

        webbrowser.open(options.out.resolve().as_uri())
    return 0


def _check_destinations(options: argparse.Namespace) -> None:
    """Refuse, before the work begins, what would fail after it."""
    if not options.out.parent.is_dir():
        raise UsageError(f"argument --out: the folder {options.out.parent} does not exist")
    if options.out.is_dir():
        raise UsageError(f"argument --out: {options.out} is a folder, give a file name in it")
    if options.png is not None:
        from tinygrad_bp.lesson.figures import check_matplotlib

        check_matplotlib()


def load(
    folder: Path | None, example: int | None, screen: Screen, *, compress: bool = True
) -> dict[str, Any]:
    """Return the explorer's data: of the digits in a folder, or drawn ones.

    Raises `DataError` if the folder has no digits or no such example.
    """
    wanted = EXAMPLE if example is None else example
    if folder is None:
        return explorer_data(example=wanted, compress=compress)
    data = mnist(folder, verify=False)
    if not cached_path(data, FULL).exists():
        screen.line("Training and measuring on these digits: minutes, once.", style="dim")
    done = 0
    with screen.progress(FULL.stages) as show:

        def tell(what: str) -> None:
            nonlocal done
            done += 1
            if show is not None:
                show(done, what)

        measured = measured_once(data, FULL, tell)
    return explorer_data(data, example=wanted, compress=compress, measured=measured)


def _draw(data: dict[str, Any], folder: Path, screen: Screen) -> None:
    from tinygrad_bp.lesson.figures import draw_figures

    try:
        folder.mkdir(exist_ok=True)
        for path in draw_figures(data, folder):
            screen.line(f"Drawn: {path}")
    except OSError as error:
        raise DataError(f"{folder} cannot be written to: {error.strerror}.") from error
