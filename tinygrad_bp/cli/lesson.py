"""`tinygrad-bp lesson`: walk through the lesson's steps in the terminal."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING

import numpy as np

from tinygrad_bp.cli.arguments import UsageError, whole
from tinygrad_bp.cli.explore import add_example, load
from tinygrad_bp.cli.screen import Reading, Screen
from tinygrad_bp.lesson.steps import SHOWN, Lesson

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from tinygrad_bp.lesson.steps import Step

__all__ = ["add_options", "lesson"]

EXAMPLES = """\
examples:
  tinygrad-bp lesson                       step by step: Enter, b or q
  tinygrad-bp lesson --step 8 --network 4  ten voters, after long training
"""

WIDTH = 100  # of sentences, where the terminal is wider
PROMPT = "Enter: next, b: back, a number: that step, q: quit "


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `lesson` to its parser."""
    parser.set_defaults(run=lesson)
    parser.epilog = EXAMPLES
    add_example(parser)
    parser.add_argument(
        "--network",
        type=whole(0),
        metavar="N",
        help="0 is untrained, higher numbers were trained for longer (default: 0)",
    )
    parser.add_argument("--step", type=whole(1), metavar="K", help="show only this step")
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="list what the lesson says and which function and test covers it",
    )


def lesson(options: argparse.Namespace) -> int:
    """Carry the command out and return its exit code."""
    screen = Screen()
    if options.coverage:
        return _coverage(screen)
    walked = Lesson(
        load(options.data, options.example, screen),
        network=options.network,
        example=options.example,
    )
    if options.step is not None and options.step > len(walked):
        raise UsageError(f"argument --step: the lesson has {len(walked)} steps")
    if options.step is None and screen.is_live and sys.stdin.isatty():
        _walk(walked, screen)
        return 0
    _introduce(walked, screen)
    for number in [options.step] if options.step else range(1, len(walked) + 1):
        _show(walked, number, screen)
    return 0


def _walk(walked: Lesson, screen: Screen) -> None:
    """Show a step, then ask which one comes next."""
    _introduce(walked, screen)
    number: int | None = 1
    while number is not None:
        _show(walked, number, screen)
        try:
            answer = input(PROMPT)
        except EOFError:
            return
        number = _next(number, answer.strip().lower(), len(walked))


def _next(number: int, answer: str, last: int) -> int | None:
    """Return the step that an answer asks for, or None to stop; any other answer means Enter."""
    if answer == "q":
        return None
    if answer == "b":
        return max(1, number - 1)
    if answer.isdecimal() and 1 <= int(answer) <= last:
        return int(answer)
    return number + 1 if number < last else None


def _introduce(walked: Lesson, screen: Screen) -> None:
    network = walked.data["networks"][walked.network]
    screen.line(f"Example {walked.example} of {walked.data['source']['text']}.", style="dim")
    screen.line(f"Network: {network['name']} ({network['text']}).", style="dim")
    screen.line()


def _show(walked: Lesson, number: int, screen: Screen) -> None:
    step = walked[number]
    screen.line(f"{number}. {step.title}", style="bold")
    screen.line()
    if number in PICTURES:
        screen.readings(PICTURES[number](walked))
        screen.line()
    width = min(WIDTH, screen.console.width)
    for line in textwrap.wrap(step.words, width):
        screen.line(line)
    screen.line()
    _write_table(step, screen)
    screen.line()


def _write_table(step: Step, screen: Screen) -> None:
    """Write a number, or a list, in each line: what it is, how it is computed, its value."""
    words, formulas = (
        max(len(getattr(field, part)) for field in step.fields) for part in ("words", "formula")
    )
    gap = " " * (words + formulas + 6)
    room = max(24, screen.console.width - len(gap)) if screen.console.is_terminal else sys.maxsize
    for field in step.fields:
        first, *rest = textwrap.wrap(field.text(), room)
        screen.line(f"  {field.words:<{words}}  {field.formula:<{formulas}}  {first}")
        for line in rest:
            screen.line(gap + line)


def _coverage(screen: Screen) -> int:
    from tinygrad_bp.lesson.coverage import COVERAGE

    for covered in COVERAGE:
        step = f"step {covered.step}" if covered.step else ""
        screen.line(
            f"{covered.id:<4} {covered.what:<46} {step:<8} {covered.function:<46} {covered.test}"
        )
    return 0


# --- pictures -------------------------------------------------------------------------------------


def _example(walked: Lesson) -> list[Reading]:
    return [Reading(walked.image, [f"is {walked.label}, read as {walked.one.prediction}"])]


def _nudge_picture(walked: Lesson) -> list[Reading]:
    """What one example wants of the first layer: its own image for each neuron, times δ."""
    nudges = walked.one.gradient[: walked.one.sizes[1] * walked.one.sizes[0]]
    pictures = np.abs(nudges.reshape(-1, *walked.image.shape))
    strongest = int(pictures.max(axis=(1, 2)).argmax())
    largest = pictures[strongest].max() or 1.0  # blank where nothing is wanted
    return [Reading(pictures[strongest] / largest, [f"nudges on weights into {strongest}"])]


def _examples(walked: Lesson) -> list[Reading]:
    rows = walked.table_rows(SHOWN)
    images = walked.images[rows].reshape(-1, *walked.image.shape)
    return [
        Reading(image, [f"is {label}"])
        for image, label in zip(images, walked.labels[rows], strict=True)
    ]


PICTURES: dict[int, Callable[[Lesson], list[Reading]]] = {
    1: _example,
    9: _nudge_picture,
    12: _examples,
}
