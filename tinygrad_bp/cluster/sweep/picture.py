"""A picture of what came out of a sweep: every run a dot, their means on lines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tinygrad_bp.cluster.sweep.values import shown
from tinygrad_bp.errors import DataError
from tinygrad_bp.train.curves import COLORS, GRID, INK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tinygrad_bp.cluster.sweep.plan import Plan
    from tinygrad_bp.cluster.sweep.table import Row, Table
    from tinygrad_bp.files import PathLike

__all__ = ["DRAWN", "draw_table"]

DRAWN = 3
"""Settings that can be told apart in a picture: along the axis, by colour, by panel."""
ACROSS = 4
"""Panels in a row."""
CROWDED = 5
"""Values along the axis from which on their labels are slanted."""


def draw_table(plan: Plan, table: Table, path: PathLike) -> None:
    """Draw the accuracies of every setting into a .png, .svg or .pdf file.

    The setting with the most values goes along the axis, the next one has colours, the third has
    panels: nothing is averaged but the seeds. A dot is a run, a bar goes from the lowest to the
    highest, lines join means. Where runs diverged there is a cross at the bottom.

    Raises `DataError` for more than three settings, if the file cannot be written, or if matplotlib
    is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DataError(
            'a plot needs matplotlib; install it with: pip install "tinygrad_bp[plot]"'
        ) from error
    if len(plan.swept) > DRAWN:
        raise DataError(f"a plot shows up to {DRAWN} settings, and these are {len(plan.swept)}")
    along, colors, panels = _roles(plan)
    across = min(ACROSS, len(panels))
    down = math.ceil(len(panels) / across)
    figure = Figure(
        figsize=(1.5 + (4.5 if across == 1 else 3.3) * across, 0.6 + 3.4 * down),
        dpi=150, layout="constrained",
    )  # fmt: skip
    axes = list(figure.subplots(down, across, squeeze=False, sharey=True).flat)
    for unused in axes[len(panels) :]:
        unused.set_visible(False)
    for one, panel in zip(axes, panels, strict=False):
        _draw(one, table.rows, along, colors, panel)
    _finish(figure, axes[: len(panels)], across, plan, colors)
    _save(figure, path)


class _Axis:
    """A setting that is told apart in one way, with its values; nameless if there is none."""

    def __init__(self, name: str, place: int, values: Sequence[Any]) -> None:
        self.name, self.place, self.values = name, place, values

    def of(self, row: Row) -> Any:
        """Return the row's value of the setting."""
        return row.values[self.place] if self.name else None

    def label(self, value: Any) -> str:
        """Return a value with the setting's name."""
        return f"{self.name} {shown(value)}" if self.name else ""


def _roles(plan: Plan) -> tuple[_Axis, _Axis, list[tuple[_Axis, Any]]]:
    """Return what goes along the axis, what has colours, and the panels with their values."""
    settings = [_Axis(name, i, values) for i, (name, values) in enumerate(plan.swept.items())]
    settings.sort(key=lambda axis: -len(axis.values))
    settings += [_Axis("", 0, (None,))] * (DRAWN - len(settings))
    along, colors, panels = settings
    return along, colors, [(panels, value) for value in panels.values]


def _draw(
    axes: Any, rows: Sequence[Row], along: _Axis, colors: _Axis, panel: tuple[_Axis, Any]
) -> None:
    axis, value = panel
    for i, color in enumerate(colors.values):
        shown_here = [r for r in rows if (axis.of(r), colors.of(r)) == (value, color)]
        _draw_line(axes, shown_here, along, colors, i)
    axes.set_title(axis.label(value), loc="left", color=INK, fontsize=11)
    slanted = {"rotation": 30, "ha": "right"} if len(along.values) > CROWDED else {}
    labels = [shown(value) if along.name else "" for value in along.values]
    axes.set_xticks(range(len(along.values)), labels, **slanted)
    axes.set_xlim(-0.5, len(along.values) - 0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=GRID)
    axes.set_axisbelow(True)
    axes.margins(y=0.1)  # the crosses stand below the dots


def _draw_line(axes: Any, rows: Sequence[Row], along: _Axis, colors: _Axis, i: int) -> None:
    """Draw the rows of one colour; colours stand a little beside each other."""
    aside = (i - (len(colors.values) - 1) / 2) * min(0.12, 0.6 / len(colors.values))
    color = _color(i, len(colors.values))
    label = colors.label(colors.values[i])
    found = [(along.values.index(along.of(row)) + aside, row) for row in rows]
    axes.plot(  # with gaps where all runs diverged, and the mean is nan
        [x for x, _ in found], [100 * row.mean for _, row in found],
        color=color, label=label, marker="_", markersize=9, linewidth=1.2,
    )  # fmt: skip
    for x, row in found:
        points = [100 * accuracy for accuracy in row.accuracies]
        axes.plot([x] * len(points), points, color=color, linewidth=1.2)
        axes.scatter([x] * len(points), points, s=12, color=color, alpha=0.6, linewidth=0)
    crosses = [x for x, row in found if row.diverged]
    axes.plot(
        crosses, [0.03] * len(crosses), color=color, marker="x", markersize=6, linestyle="",
        transform=axes.get_xaxis_transform(), gid="diverged",
    )  # fmt: skip


def _color(i: int, count: int) -> Any:
    if count == 1:
        return COLORS[1]
    if count <= len(COLORS):
        return COLORS[i]
    from matplotlib import colormaps

    return colormaps["viridis"](0.9 * i / (count - 1))


def _finish(figure: Any, axes: Sequence[Any], across: int, plan: Plan, colors: _Axis) -> None:
    """Name the axes, and say once for all panels what the marks are."""
    along = _roles(plan)[0]
    for one in axes[::across]:
        one.set_ylabel("digits read correctly, %", color=INK)
    for one in axes[-across:]:
        one.set_xlabel(along.name, color=INK)
    if colors.name:
        figure.legend(
            handles=axes[0].get_legend_handles_labels()[0],
            loc="outside right upper", frameon=False,
        )  # fmt: skip
    of_seeds = f"{len(plan.seeds)} seeds" if len(plan.seeds) > 1 else "1 seed"
    told = f"Dots are runs ({of_seeds}), bars go from the lowest to the highest, lines join means."
    if any(
        line.get_gid() == "diverged" and len(line.get_xdata()) for a in axes for line in a.lines
    ):
        told += "\nA cross at the bottom: runs diverged there."
    figure.supxlabel(told, fontsize=8, color=INK, x=0.02, ha="left")


def _save(figure: Any, path: PathLike) -> None:
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:  # a suffix that matplotlib does not know
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"The plot could not be written to {path}: {reason}.") from error
