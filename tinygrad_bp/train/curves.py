"""Learning curves, drawn by matplotlib into a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tinygrad_bp.errors import DataError

if TYPE_CHECKING:
    from tinygrad_bp.files import PathLike
    from tinygrad_bp.train.position import Record

__all__ = ["draw_panels", "plot_history"]

INK, GRID = "#333333", "#e5e5e5"
COLORS = ("#5b9bd5", "#1f5f99", "#d08770", "#6b8e4e", "#8f6bb3", "#555555")


def plot_history(history: Sequence[Record], path: PathLike) -> None:
    """Draw a run's history by epochs: the losses on the left, the metrics, if any, on the right.

    The file's name ends in .png, .svg or .pdf. Raises `DataError` for a history without an epoch,
    if the file cannot be written, or if matplotlib is not installed.

    >>> plot_history([], "curves.png")
    Traceback (most recent call last):
    tinygrad_bp.errors.DataError: the history has no epoch yet; train first
    """
    if not history:
        raise DataError("the history has no epoch yet; train first")
    curves = {
        name: [record[name] for record in history]
        for name in history[0]
        if name not in ("epoch", "lr")
    }
    losses = {name: values for name, values in curves.items() if name.endswith("loss")}
    metrics = {name: values for name, values in curves.items() if name not in losses}
    draw_panels(path, {"Loss": losses, **({"Metrics": metrics} if metrics else {})})


def draw_panels(path: PathLike, panels: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """Draw panels side by side, by their titles: curves over epochs from 1 up, by their labels.

    Raises `DataError` if the file cannot be written, or if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DataError(
            'curves need matplotlib; install it with: pip install "tinygrad_bp[plot]"'
        ) from error
    figure = Figure(figsize=(4.5 * len(panels), 4), dpi=150, layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for one, (title, curves) in zip(axes, panels.items(), strict=True):
        _draw(one, title, curves)
    try:
        figure.savefig(path)
    except (OSError, ValueError) as error:  # a suffix that matplotlib does not know
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"The curves could not be written to {path}: {reason}.") from error


def _draw(axes: Any, title: str, curves: Mapping[str, Sequence[float]]) -> None:
    from matplotlib.ticker import MaxNLocator

    for i, (label, values) in enumerate(curves.items()):
        axes.plot(
            range(1, len(values) + 1), values, color=COLORS[i % len(COLORS)], label=label,
            marker="o", markersize=3.5, linewidth=1.8,
        )  # fmt: skip
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    axes.set_xlabel("epoch", color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=GRID)
    axes.set_axisbelow(True)
    if len(curves) > 1:
        axes.legend(frameon=False)
