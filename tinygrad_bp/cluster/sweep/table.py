"""What came out of a sweep: a row for each setting, with mean and spread over the seeds."""

from __future__ import annotations

import csv
import io
import math
import statistics
from typing import TYPE_CHECKING, Any, NamedTuple

from tinygrad_bp.cluster.sweep.values import shown
from tinygrad_bp.files import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tinygrad_bp.cluster.sweep.outcome import Outcome
    from tinygrad_bp.cluster.sweep.plan import Plan, Run
    from tinygrad_bp.files import PathLike

__all__ = ["Row", "Table", "write_runs", "write_table"]


class Row(NamedTuple):
    """A setting: the test accuracies, from 0 to 1, of its runs in the order of the seeds."""

    values: tuple[Any, ...]
    """Of the settings that are swept."""
    accuracies: tuple[float, ...]
    """Of the runs that did not diverge."""
    diverged: tuple[int, ...]
    """The epochs in which the others did."""

    @property
    def mean(self) -> float:
        """The mean accuracy of the runs that did not diverge; nan without any."""
        return statistics.fmean(self.accuracies) if self.accuracies else math.nan

    @property
    def deviation(self) -> float:
        """The standard deviation, by n - 1, of the same; nan for fewer than two."""
        return statistics.stdev(self.accuracies) if len(self.accuracies) > 1 else math.nan

    @property
    def lowest(self) -> float:
        """The lowest accuracy; nan without any."""
        return min(self.accuracies, default=math.nan)

    @property
    def highest(self) -> float:
        """The highest accuracy; nan without any."""
        return max(self.accuracies, default=math.nan)

    @property
    def is_whole(self) -> bool:
        """Whether there are runs and none diverged: only then the mean is one of all seeds."""
        return bool(self.accuracies) and not self.diverged


class Table:
    """The rows of a plan, in its order, as far as there are outcomes."""

    def __init__(self, plan: Plan, outcomes: Mapping[Run, Outcome]) -> None:
        self.names = tuple(plan.swept)
        by_setting: dict[tuple[Any, ...], list[Outcome]] = {v: [] for v in plan.settings}
        for run in plan.runs:
            if run in outcomes:
                by_setting[run.values].append(outcomes[run])
        self.rows = [_row(values, found) for values, found in by_setting.items() if found]

    @property
    def best(self) -> Row | None:
        """The row with the highest mean, among those in which no run diverged."""
        whole = [row for row in self.rows if row.is_whole]
        return max(whole, key=lambda row: row.mean, default=None)

    def overlapping(self, row: Row) -> list[Row]:
        """Return the other rows whose best run is at least as good as this one's worst."""
        return [other for other in self.rows if other != row and other.highest >= row.lowest]


def _row(values: tuple[Any, ...], outcomes: Iterable[Outcome]) -> Row:
    ended = [(o.accuracy, o.diverged_in) for o in outcomes]
    accuracies = tuple(accuracy for accuracy, _ in ended if accuracy is not None)
    return Row(values, accuracies, tuple(epoch for _, epoch in ended if epoch is not None))


def write_table(table: Table, path: PathLike) -> None:
    """Write the rows to a CSV file; raises `DataError` if it cannot be written."""
    heading = [*table.names, "runs", "mean", "deviation", "lowest", "highest", "diverged"]
    _write(path, heading, (_cells(row) for row in table.rows))


def _cells(row: Row) -> list[Any]:
    numbers = (row.mean, row.deviation, row.lowest, row.highest)
    runs = len(row.accuracies) + len(row.diverged)
    told = ["" if math.isnan(number) else repr(number) for number in numbers]
    return [*map(shown, row.values), runs, *told, len(row.diverged)]


def write_runs(plan: Plan, outcomes: Mapping[Run, Outcome], path: PathLike) -> None:
    """Write a line for each run to a CSV file; raises `DataError` if it cannot be written.

    Cost and accuracies are those of its last whole epoch.
    """
    heading = [*plan.swept, "seed", "epochs", "cost", "train_accuracy", "test_accuracy", "diverged"]
    lines = (_line(run, outcomes[run]) for run in plan.runs if run in outcomes)
    _write(path, heading, lines)


def _line(run: Run, outcome: Outcome) -> list[Any]:
    told: list[Any] = ["", "", ""]
    if outcome.history:
        last = outcome.history[-1]
        told = [repr(last.cost), repr(last.train_accuracy), repr(last.test_accuracy)]
    setting = [*map(shown, run.values), run.recipe.seed, len(outcome.history)]
    return [*setting, *told, "" if outcome.diverged_in is None else outcome.diverged_in]


def _write(path: PathLike, heading: Sequence[str], lines: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heading)
    writer.writerows(lines)
    with replacing(path) as file:
        file.write(text.getvalue().encode())
