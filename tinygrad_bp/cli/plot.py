"""Curves of a training run, drawn by matplotlib into a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinygrad_bp.cli.arguments import UsageError
from tinygrad_bp.cli.targets import check_target
from tinygrad_bp.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from tinygrad_bp.train import Training

__all__ = ["check_plot", "draw_curves"]

SUFFIXES = (".png", ".svg", ".pdf")
INK, COST, TRAIN, TEST = "#333333", "#555555", "#9bbad6", "#1f5f99"


def check_plot(path: Path) -> None:
    """Raise `UsageError` if the curves could not be drawn into this file."""
    if path.suffix not in SUFFIXES:
        raise UsageError(f"argument --plot: {path} does not end in {', '.join(SUFFIXES)}")
    check_target("--plot", path)
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError(
            'argument --plot: needs matplotlib; install it with: pip install "tinygrad_bp[plot]"'
        ) from error


def draw_curves(run: Training, path: Path) -> None:
    """Draw cost and accuracy of every epoch into a file.

    Raises `DataError` if it cannot be written.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    epochs = [record.number for record in run.history]
    figure = Figure(figsize=(9, 4), dpi=150, layout="constrained")
    left, right = figure.subplots(1, 2)
    _line(left, epochs, [record.cost for record in run.history], COST, "")
    for name, color in (("train", TRAIN), ("test", TEST)):
        shares = [100 * getattr(record, f"{name}_accuracy") for record in run.history]
        _line(right, epochs, shares, color, f"{name} {shares[-1]:.2f} %")
    for axes, title in ((left, "Cost on the training digits"), (right, "Digits read correctly, %")):
        axes.set_title(title, loc="left", color=INK, fontsize=11)
        axes.set_xlabel("epoch", color=INK)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#e5e5e5")
        axes.set_axisbelow(True)
    left.set_ylim(bottom=0)
    right.legend(frameon=False, loc="lower right")
    try:
        figure.savefig(path)
    except OSError as error:
        raise DataError(f"The curves could not be written to {path}: {error.strerror}.") from error


def _line(axes: Any, x: list[int], y: list[float], color: str, label: str) -> None:
    axes.plot(x, y, color=color, label=label, marker="o", markersize=3.5, linewidth=1.8)
