"""`tinygrad-bp lesson`: the lesson's scenes in the terminal."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

from tinygrad_bp.cli.arguments import UsageError, whole
from tinygrad_bp.cli.explore import add_example, load
from tinygrad_bp.cli.screen import Screen
from tinygrad_bp.lesson.stage import story
from tinygrad_bp.lesson.told import Told

if TYPE_CHECKING:
    import argparse

__all__ = ["add_options", "lesson"]

EXAMPLES = """\
examples:
  tinygrad-bp lesson                       scene by scene: Enter, b or q
  tinygrad-bp lesson --scene 8             ten voters, one sum
"""

WIDTH = 80  # of sentences, where the terminal is wider
PROMPT = "Enter: next, b: back, a number: that scene, q: quit "


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `lesson` to its parser."""
    parser.set_defaults(run=lesson)
    parser.epilog = EXAMPLES
    add_example(parser)
    parser.add_argument("--scene", type=whole(1), metavar="K", help="show only this scene")
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="list what the lesson says, what shows it, which function and test covers it",
    )


def lesson(options: argparse.Namespace) -> int:
    """Carry the command out and return its exit code."""
    screen = Screen()
    if options.coverage:
        return _coverage(screen)
    last = len(story()["scenes"])
    if options.scene is not None and options.scene > last:
        raise UsageError(f"argument --scene: the lesson has {last} scenes")
    told = Told(load(options.data, options.example, screen))
    if options.scene is None and screen.is_live and sys.stdin.isatty():
        _walk(told, screen, last)
        return 0
    screen.line(f"Digits: {told.data['source']['text']}", style="dim")
    for number in [options.scene] if options.scene else range(1, last + 1):
        screen.line()
        _show(told, number, screen)
    return 0


def _walk(told: Told, screen: Screen, last: int) -> None:
    """Show a scene on a screen of its own, then ask which one comes next."""
    number: int | None = 1
    while number is not None:
        screen.console.clear()
        _show(told, number, screen)
        try:
            answer = input(PROMPT)
        except EOFError:
            return
        number = _next(number, answer.strip().lower(), last)


def _next(number: int, answer: str, last: int) -> int | None:
    """Return the scene that an answer asks for, or None to stop; any other answer means Enter."""
    if answer == "q":
        return None
    if answer == "b":
        return max(1, number - 1)
    if answer.isdecimal() and 1 <= int(answer) <= last:
        return int(answer)
    return number + 1 if number < last else None


def _show(told: Told, number: int, screen: Screen) -> None:
    """Write a scene's title, what it says, and its drawing: 24 lines with the prompt."""
    from rich.text import Text

    from tinygrad_bp.cli.drawings import SCENES, in_ascii

    sentence = textwrap.wrap(told.sentence(number), min(WIDTH, screen.console.width))
    written = [Text(f"{number}. {told.title(number)}", "bold"), *map(Text, sentence), Text()]
    for text in [*written, *SCENES[story()["scenes"][number - 1]["id"]](told, screen), Text()]:
        text.rstrip()
        screen.line(text if screen.is_unicode else in_ascii(text))


def _coverage(screen: Screen) -> int:
    from tinygrad_bp.lesson.coverage import COVERAGE, shown

    for id_, what, function, test in COVERAGE:
        screen.line(f"{id_:<4} {what:<46} {shown(id_)[0]:<36} {function:<46} {test}")
    return 0
