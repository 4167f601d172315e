"""Curves in characters for a terminal, and in panels for a picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_bp.gradcheck.studies.curve import StepCurve
from tinygrad_bp.gradcheck.studies.methods import METHODS

__all__ = ["INK", "draw_panel", "draw_slope", "drawn", "finish_panel"]

Vector = np.ndarray[Any, Any]

INK = "#333333"
_WIDTH, _LOW, _HIGH = 65, -17, 1  # columns, and the decades that are shown
_FLOOR = 10.0 ** (_LOW + 0.5)  # where exact results are drawn


def drawn(curves: list[StepCurve]) -> Iterator[str]:
    """Yield the curves in characters: a row for each decade of the error."""
    left = float(np.log10(min(curve.h.min() for curve in curves)))
    right = float(np.log10(max(curve.h.max() for curve in curves)))
    cells: dict[tuple[int, int], list[str]] = {}
    for curve in curves:
        at = (np.log10(curve.h) - left) / max(right - left, 1e-9) * (_WIDTH - 1)
        tall = np.log10(np.clip(curve.error, _FLOOR, 10.0**_HIGH))
        for column, height in zip(np.rint(at).astype(int), np.rint(tall).astype(int), strict=True):
            cells.setdefault((int(height), int(column)), []).append(METHODS[curve.method].mark)
    for decade in range(_HIGH, _LOW - 1, -1):
        label = f"1e{decade:+03d}" if decade % 4 == 0 else ""
        row = (cells.get((decade, column), " ") for column in range(_WIDTH))
        # Where curves meet, each shows up in turn.
        line = "".join(marks[column % len(marks)] for column, marks in enumerate(row))
        yield f"{label:>6} |{line}".rstrip()
    yield f"{'':7}+{'-' * _WIDTH}"
    middle = (left + right) / 2
    ends = f"h = {10**left:.0e}", f"{10**middle:.0e}", f"{10**right:.0e}"
    yield f"{'':8}{ends[0]:<{_WIDTH // 3}}{ends[1]:^{_WIDTH // 3 + 2}}{ends[2]:>{_WIDTH // 3}}"


def draw_panel(axes: Any, dtype: str, curves: list[StepCurve]) -> None:
    """Draw the curves of one precision, with their best steps and the slopes of theory."""
    # Wide lines first: central differences and the complex step truncate alike.
    for curve in sorted(curves, key=lambda curve: -METHODS[curve.method].width):
        theory, (h, error) = METHODS[curve.method], curve.best
        shown = np.clip(curve.error, _FLOOR, 10.0)
        label = f"{curve.method} (order {theory.truncation})"
        axes.loglog(curve.h, shown, color=theory.color, linewidth=theory.width, label=label)
        best = h, max(error, _FLOOR)
        axes.plot(*best, "o", color=theory.color, markeredgecolor="white", markersize=7, zorder=3)
        steep = theory.truncation > 2  # there is room on the right only of the last V
        axes.annotate(
            f"{error:.0e}", best, xytext=(6 if steep else -6, -5), textcoords="offset points",
            ha="left" if steep else "right", va="top", fontsize=8, color=INK,
            bbox={"facecolor": "white", "alpha": 0.7, "pad": 0.5, "linewidth": 0},
        )  # fmt: skip
    _draw_theory(axes, curves)
    eps = float(np.finfo(dtype).eps)
    axes.axhline(eps, color="#999999", linewidth=0.8, linestyle=(0, (4, 4)))
    axes.annotate(
        f"machine precision {eps:.0e}", (1.0, eps), xycoords=("axes fraction", "data"),
        xytext=(0, -4), textcoords="offset points", ha="right", va="top", fontsize=8,
        color="#777777",
    )  # fmt: skip
    axes.set_ylim(10.0**_LOW, 10.0**_HIGH)
    finish_panel(axes, dtype, "step h")


def finish_panel(axes: Any, title: str, below: str) -> None:
    """Give a panel its title, the name of its axis, and a quiet frame."""
    axes.set_title(title, loc="left", color=INK, fontsize=11)
    axes.set_xlabel(below, color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)


_POWERS = {-1: "1/h", 1: "h", 2: "h²", 4: "h⁴"}


def _draw_theory(axes: Any, curves: list[StepCurve]) -> None:
    """Dotted lines with the slopes of theory, beside the curves that should have them."""
    drawn: set[int] = set()
    for curve in curves:
        theory = METHODS[curve.method]
        for order, mask, aside in (
            (theory.rounding, curve.rounding, 1 / 4),
            (theory.truncation, curve.truncating, 3.0),
        ):
            h, size = curve.h[mask], curve.error[mask]
            few_decades = not size.size or size.max() < 2e5 * size.min()  # no room for a label
            if order in drawn or order == 0 or few_decades:
                continue
            drawn.add(order)
            scale = np.exp(np.median(np.log(size) - order * np.log(h)))
            draw_slope(axes, aside * h, scale * h**order, order)


def draw_slope(axes: Any, h: Vector, size: Vector, order: int) -> None:
    """Draw a dotted line, named below its lower end."""
    axes.loglog(h, size, color="#777777", linewidth=1.0, linestyle=(0, (1, 2)))
    low, high = np.argmin(size), np.argmax(size)
    place = [v[low] ** 0.8 * v[high] ** 0.2 for v in (h, size)]
    side = 1 if order > 0 else -1
    axes.annotate(
        f"∝ {_POWERS[order]}", place, xytext=(4 * side, 0), textcoords="offset points",
        ha="left" if order > 0 else "right", va="top", fontsize=8, color="#777777",
    )  # fmt: skip
