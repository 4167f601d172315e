"""What `tinygrad-bp sweep` shows: what is to be run, the best so far, the table in the end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tinygrad_bp.cli.screen import one_line
from tinygrad_bp.cluster.sweep.values import FIELDS, shown
from tinygrad_bp.train.surroundings import differences

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tinygrad_bp.cli.screen import Screen
    from tinygrad_bp.cluster.sweep import Outcome, Plan, Row, Run, Table

__all__ = ["done_in_words", "introduce", "show_differences", "show_table"]


BAR = 28
"""Columns that a bar wants beside its text, with the percentage and the time."""


def introduce(plan: Plan, screen: Screen) -> None:
    """Say what is run, and on what."""
    settings, seeds = len(plan.settings), len(plan.seeds)
    runs = f"{len(plan.runs):,} runs" if len(plan.runs) > 1 else "1 run"
    times = f"{_count(settings, 'setting')} with {_count(seeds, 'seed')} each"
    screen.line(f"{times}: {runs}", style="bold")
    for name, values in plan.swept.items():
        screen.line(f"{name}: {', '.join(map(shown, values))}")
    rest = [n for n in FIELDS if n not in plan.swept and n != "seed"]
    screen.line(", ".join(f"{name} {shown(getattr(plan.recipe, name))}" for name in rest))
    screen.line(f"on {plan.digits}")
    screen.line()


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def done_in_words(plan: Plan, outcomes: Mapping[Run, Outcome], width: int) -> str:
    """Return how many runs are done and which is the best, beside a bar in a terminal.

    >>> from tinygrad_bp.cluster.sweep import Plan
    >>> done_in_words(Plan(seeds=range(5)), {}, 80)
    '0/5 runs'
    """
    done = f"{len(outcomes):,}/{len(plan.runs):,} runs"
    ended = [(o.accuracy, run.name) for run, o in outcomes.items() if o.accuracy is not None]
    if ended:
        accuracy, name = max(ended, key=lambda pair: pair[0])
        done += f", best {_percent(accuracy)} % ({name})"
    room = max(20, width - BAR)
    return done if len(done) <= room else f"{done[: room - 4]} ..."


def show_table(table: Table, screen: Screen) -> None:
    """Write a line for each setting, the best in bold, and below them which one that is."""
    heading = [*table.names, "test accuracy, %", "deviation", "lowest to highest", "runs", ""]
    lines = [heading, *map(_cells, table.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    best = table.best
    screen.line(_joined(heading, widths), style="dim")
    for row, cells in zip(table.rows, lines[1:], strict=True):
        screen.line(_joined(cells, widths), style="bold green" if row == best else None)
    screen.line()
    if table.names or best is None:
        screen.line(_conclusion(table, best), style="bold")


def show_differences(outcomes: Iterable[Outcome], screen: Screen) -> None:
    """Say so if runs were computed by machines, versions or a BLAS that are not the same."""
    first, *others = (outcome.surroundings for outcome in outcomes)
    if found := {line: None for other in others for line in differences(first, other)}:
        screen.line(
            "Not all runs were computed alike, so their last digits may not compare: "
            f"{'; '.join(found)}.",
            style="yellow",
        )


def _joined(cells: Sequence[str], widths: Sequence[int]) -> str:
    *aligned, note = cells
    padded = [cell.rjust(width) for cell, width in zip(aligned, widths, strict=False)]
    return one_line("  ".join([*padded, note]).rstrip())


def _cells(row: Row) -> list[str]:
    spread = f"{_percent(row.lowest)} to {_percent(row.highest)}" if row.accuracies else "-"
    runs = len(row.accuracies) + len(row.diverged)
    numbers = [_percent(row.mean), _percent(row.deviation), spread, str(runs)]
    return [*map(shown, row.values), *numbers, _diverged(row, runs)]


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.2f}"


def _diverged(row: Row, runs: int) -> str:
    """Say how many runs diverged, and when: their accuracy is not in the mean."""
    if not row.diverged:
        return ""
    first, last = min(row.diverged), max(row.diverged)
    when = f"at epoch {first}" if first == last else f"at epochs {first} to {last}"
    many = "" if len(row.diverged) == runs else f"{len(row.diverged)} "
    return f"{many}diverged {when}"


def _conclusion(table: Table, best: Row | None) -> str:
    if best is None:
        return "There is no best setting: in each of them a run diverged."
    values = zip(table.names, best.values, strict=True)
    setting = ", ".join(f"{name} {shown(value)}" for name, value in values)
    others = len(table.overlapping(best))
    told = f"Best: {setting}, with a mean of {_percent(best.mean)} %."
    if not others or len(best.accuracies) < 2:
        return told
    return f"{told} The range of {_count(others, 'other')} reaches into its own."
