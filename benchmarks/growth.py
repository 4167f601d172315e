"""How a step grows with the depth and width of the net and with the batch, and its compilation.

`bench_step.py --growth` prints it. All nets have ReLU layers and cross-entropy: behind 128 layers
of sigmoids gradients are denormal numbers, which take many times as long.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from statistics import median
from typing import Any, TypeAlias

import measure
import step

Point: TypeAlias = tuple[int, int, tuple[int, ...]]
"""How large the net is along an axis, its batch, and the sizes of its layers."""
Curves: TypeAlias = dict[str, dict[str, dict[int, float]]]
"""By axis and by the name of a curve: a number for each size."""

SETTING = "cross_entropy"
DEPTH, COMPILATION = "layers", "compilation"
AXES: Mapping[str, Sequence[Point]] = {
    DEPTH: [(n, 100, (784, *[16] * (n - 1), 10)) for n in (1, 2, 3, 4, 8, 16, 32, 64, 128)],
    "width": [(n, 128, (784, n, n, 10)) for n in (16, 32, 64, 128, 256, 512, 1024)],
    "batch": [(n, n, (784, 16, 16, 10)) for n in (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)],
}
TITLES = {
    DEPTH: "A step over that by hand, layers of 16 features, batch 100",
    "width": "A step over that by hand, 784-width-width-10, batch 128",
    "batch": "A step over that by hand, 784-16-16-10",
    COMPILATION: "Milliseconds to compile, layers of 16 features, batch 100",
}
HAND_TIME, A_LAYER = "by hand, µs", "both, a layer"  # in units of their own, so not drawn
COMPILATIONS = 5  # of which the median is shown


def measured(rounds: int) -> Curves:
    """Return how many times as long as by hand each step takes, and how long the first two calls.

    The first call traces the step, writes the program and runs it; the second traces it again, to
    see that nothing differs.
    """
    curves: Curves = {
        axis: transposed({point[0]: over_hand(point, rounds) for point in points})
        for axis, points in AXES.items()
    }
    curves[COMPILATION] = transposed(compilations())
    return curves


def compilations() -> dict[int, dict[str, float]]:
    """Return what compilations take, in a process that has loaded nothing else.

    The cycle collector looks through all that there is, so other libraries would make it longer.
    """
    points = AXES[DEPTH]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(compilation, points[0]).result()  # loads what every compilation needs
        found = pool.map(compilation, points)
        return {point[0]: times for point, times in zip(points, found, strict=True)}


def over_hand(point: Point, rounds: int) -> dict[str, float]:
    """Return how many times as long a step takes as by hand, in one process."""
    _, batch, sizes = point
    problem = step.Problem(batch, sizes, SETTING)
    makers = {
        name: make
        for name, make in step.contestants(SETTING).items()
        if not name.startswith("JAX")  # compiles for a minute where there are many layers
    }
    timers = {name: make(problem, step.LR).take for name, make in makers.items()}
    times = measure.interleave(timers, rounds=rounds)
    hand = times.pop(step.HAND).microseconds
    ratios = {name: measure.ratio(timing.microseconds, hand) for name, timing in times.items()}
    return {HAND_TIME: median(hand), **ratios}


def compilation(point: Point) -> dict[str, float]:
    """Return the milliseconds of the first call and of the second."""
    _, batch, sizes = point
    problem = step.Problem(batch, sizes, SETTING)
    calls = []
    for _ in range(COMPILATIONS):
        contestant = step.compiled(problem, step.LR)
        calls.append([1e3 * contestant.take(1).seconds for _ in range(2)])
    first, second = (median(times) for times in zip(*calls, strict=True))
    return {
        "first call": first,
        "second call": second,
        A_LAYER: (first + second) / (len(sizes) - 1),
    }


def transposed(rows: Mapping[int, Mapping[str, float]]) -> dict[str, dict[int, float]]:
    """Turn a mapping by size and name into one by name and size."""
    names = next(iter(rows.values()))
    return {name: {size: row[name] for size, row in rows.items()} for name in names}


# --- showing --------------------------------------------------------------------------------


def tables(curves: Curves) -> dict[str, tuple[list[str], list[list[str]]]]:
    """Return a table for each axis, a row for each size."""
    return {TITLES[axis]: table(axis, by_name) for axis, by_name in curves.items()}


def table(
    axis: str, by_name: Mapping[str, Mapping[int, float]]
) -> tuple[list[str], list[list[str]]]:
    """Return a row for each size with the numbers of all curves."""
    sizes = next(iter(by_name.values()))
    rows = [[f"{size:,}", *(f"{c[size]:,.2f}" for c in by_name.values())] for size in sizes]
    return [along(axis), *by_name], rows


def along(axis: str) -> str:
    """Return what changes along an axis."""
    return DEPTH if axis == COMPILATION else axis


def draw(curves: Curves, path: str) -> None:
    """Draw a panel for each axis. It needs matplotlib: pip install tinygrad_bp[plot]."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    for panel, (axis, by_name) in zip(panels.flat, curves.items(), strict=True):
        draw_panel(panel, axis, by_name)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def draw_panel(panel: Any, axis: str, by_name: Mapping[str, Mapping[int, float]]) -> None:
    """Draw the curves of one axis, but for those that are in other units.

    Compilation is drawn on plain axes, where what is linear is straight.
    """
    for name, curve in by_name.items():
        if name not in (HAND_TIME, A_LAYER):
            panel.plot([*curve], [*curve.values()], marker="o", markersize=3, label=name)
    if axis != COMPILATION:
        panel.set_xscale("log")
        panel.axhline(1, color="black", linewidth=0.8)
    panel.set_ylim(bottom=0)
    panel.set_title(TITLES[axis], fontsize="medium")
    panel.set_xlabel(along(axis))
    panel.legend(fontsize="small")
    panel.grid(alpha=0.3)
