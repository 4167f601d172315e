"""Curves of a training run, drawn by matplotlib into a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinygrad_bp.cli.arguments import UsageError
from tinygrad_bp.cli.targets import check_target
from tinygrad_bp.train.curves import draw_panels

if TYPE_CHECKING:
    from pathlib import Path

    from tinygrad_bp.train import Training

__all__ = ["check_plot", "draw_curves"]

SUFFIXES = (".png", ".svg", ".pdf")


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
    cost = [record.cost for record in run.history]
    read = {
        "train": [100 * record.train_accuracy for record in run.history],
        "test": [100 * record.test_accuracy for record in run.history],
    }
    read = {f"{name} {shares[-1]:.2f} %": shares for name, shares in read.items()}
    draw_panels(path, {"Cost on the training digits": {"": cost}, "Digits read correctly, %": read})
