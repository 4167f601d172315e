"""What is shown in the terminal: lines, a progress bar, a table of confusions, digits.

Without a terminal it is plain text: no bar, no colours, no wrapped lines. Control characters of
somebody else, in the name of a file or of a parameter, are escaped in either case.
"""

from __future__ import annotations

import contextlib
import io
import sys
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from tinygrad_bp.errors import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from rich.text import Text

__all__ = ["Reading", "Screen", "Show", "one_line", "runner_up"]

Show: TypeAlias = "Callable[[int, str], None]"
"""Called as show(done, text) with how much of the total is done, and what is being done."""

SIDE = 20  # pixels of a digit that are shown; MNIST's digits span 20 of the 28
GAP = "   "
SHADES = " .:*#"  # for terminals with neither colours nor block characters


class Reading(NamedTuple):
    """An image (rows, columns), from 0 for paper to 1 for ink, and the lines to put below it."""

    image: NDArray[Any]
    caption: Sequence[str]


class Screen:
    """The terminal, or the file, that the output goes to."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console(highlight=False, markup=False, emoji=False)
        self.is_live = self.console.is_terminal and not self.console.is_dumb_terminal
        self.is_unicode = self.console.encoding.startswith("utf")
        if not self.is_unicode and isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")  # a file name may hold anything

    def line(self, text: str | Text = "", style: str | None = None) -> None:
        """Write a line, broken at spaces where a terminal is narrower."""
        if (shown := one_line(str(text))) != str(text):
            text = shown  # without the styles of a Text, which would be in the wrong places
        self.console.print(text, style=style, soft_wrap=not self.console.is_terminal)

    @contextlib.contextmanager
    def progress(self, total: int) -> Iterator[Show | None]:
        """Show a bar while the block runs, and give what moves it; None without a terminal."""
        if not self.is_live:
            yield None
            return
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(bar_width=30, complete_style="cyan", finished_style="cyan"),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(compact=True),
        )
        bar = Progress(*columns, console=self.console, transient=True)
        task = bar.add_task("", total=total)
        with bar:
            yield lambda done, text: bar.update(task, completed=done, description=one_line(text))

    @contextlib.contextmanager
    def waiting(self, text: str) -> Iterator[None]:
        """Say what is being done while the block runs: for good, or in a terminal until it is."""
        if self.is_live:
            with self.console.status(one_line(text)):
                yield
        else:
            self.line(text)
            yield

    def confusion(self, table: NDArray[np.int64]) -> None:
        """Write a table of how often each digit was read as each; 59 columns wide for ten."""
        from rich.text import Text

        classes, none = range(len(table)), "·" if self.is_unicode else "."
        self.line("Each row is a digit; its columns are what it was read as:")
        self.line("  " + "".join(f"{digit:>5}" for digit in classes) + "  right", style="dim")
        for digit, row in zip(classes, table.tolist(), strict=True):
            total = sum(row)
            line = Text(f"{digit:>2}", style="dim")
            for read, count in enumerate(row):
                line.append(f"{count or none:>5}", style=_importance(count, total, read == digit))
            share = f"{100 * row[digit] / total:.1f}" if total else none
            line.append(f"{share:>7}", style="not dim")
            self.line(line)

    def readings(self, readings: Sequence[Reading], *, rows: int | None = None) -> None:
        """Draw digits side by side, as many as fit, each with its caption below it.

        If there are more, they take further rows, or only so many `rows`.
        """
        from rich.text import Text

        cells = [[*self.drawn(r.image), *map(Text, map(one_line, r.caption))] for r in readings]
        width = max(cell.cell_len for lines in cells for cell in lines)
        columns = max(1, (self.console.width + len(GAP)) // (width + len(GAP)))
        cells = cells if rows is None else cells[: rows * columns]
        for start in range(0, len(cells), columns):
            if start:
                self.line()
            shown = cells[start : start + columns]
            for parts in zip(*shown, strict=True):
                for part in parts:
                    part.pad_right(width - part.cell_len)
                line = Text(GAP).join(parts)
                line.rstrip()
                self.line(line)

    def drawn(self, image: NDArray[Any]) -> list[Text]:
        """Return an image as lines, two pixels in each character, one above the other."""
        image = _trimmed(image)
        if len(image) % 2:
            image = np.pad(image, ((0, 1), (0, 0)))
        upper, lower = image[::2], image[1::2]
        if self.is_unicode and self.console.color_system in ("256", "truecolor"):
            return [_shaded(*pair) for pair in zip(upper, lower, strict=True)]
        return [self._inked(*pair) for pair in zip(upper, lower, strict=True)]

    def _inked(self, upper: NDArray[Any], lower: NDArray[Any]) -> Text:
        """Return a line in the terminal's own colour, where there are no shades of grey."""
        from rich.text import Text

        if self.is_unicode:
            marks = np.array(list(" ▄▀█"))[2 * (upper > 0.4) + 1 * (lower > 0.4)]
        else:
            marks = np.array(list(SHADES))[np.rint(2 * (upper + lower)).astype(int)]
        return Text("".join(marks))


def one_line(text: str) -> str:
    r"""Return text that stays in its line and that no terminal obeys.

    >>> print(one_line("two\nlines\x1b[31m.png"))
    two\nlines\x1b[31m.png
    """
    return printable(text).replace("\n", r"\n")


def _shaded(upper: NDArray[Any], lower: NDArray[Any]) -> Text:
    """Return a line in which each character has one shade of grey above another."""
    from rich.color import Color
    from rich.style import Style
    from rich.text import Text

    line = Text()
    levels = np.rint(255 * np.stack([upper, lower], axis=1)).astype(int)
    for over, under in levels.tolist():
        ink, paper = (Color.from_rgb(level, level, level) for level in (over, under))
        line.append("▀", Style(color=ink, bgcolor=paper))
    return line


def _importance(count: int, total: int, right: bool) -> str:  # noqa: FBT001
    """Return the style for a count of digits: right ones, many wrong ones, a few, none."""
    if right:
        return "not dim green"
    if count == 0:
        return "dim"
    return "not dim bold red" if count > 0.02 * total else "not dim"


def _trimmed(image: NDArray[Any]) -> NDArray[Any]:
    """Cut off the emptier borders until no side is longer than SIDE."""
    for _ in range(2):
        while len(image) > SIDE:
            image = image[1:] if image[0].sum() <= image[-1].sum() else image[:-1]
        image = image.T
    return image


def runner_up(said: NDArray[Any]) -> tuple[int, int]:
    """Return where the largest and the second largest of outputs (classes,) are.

    >>> runner_up(np.array([0.1, 0.7, 0.2]))
    (1, 2)
    """
    order = np.argsort(said, kind="stable")
    return int(order[-1]), int(order[-2])
