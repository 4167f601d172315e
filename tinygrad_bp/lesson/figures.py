"""The explorer's curves as figures for slides, drawn by matplotlib into PNG files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.errors import DataError
from tinygrad_bp.lesson.blobs import unblob
from tinygrad_bp.lesson.deltas import deltas_of
from tinygrad_bp.lesson.many import wish_table
from tinygrad_bp.lesson.network import unflatten
from tinygrad_bp.lesson.sampling import predicted_cosine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["check_matplotlib", "draw_figures"]

INK, PALE, GRID = "#222222", "#777777", "#e4e4e4"
BLUE, ORANGE = "#1f5f99", "#d9730d"
NETWORKS = ("#9e9e9e", "#56a0d3", "#1f5f99", "#e39b4b", "#b8500b")  # from untrained on
UP_AND_DOWN = "PuOr"  # orange to purple, white at zero: readable without telling red from green
EXAMPLES = 6


def check_matplotlib() -> None:
    """Raise `DataError` if matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise DataError(
            'figures need matplotlib; install it with: pip install "tinygrad_bp[plot]"'
        ) from error


def draw_figures(data: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw all figures of the explorer's data into a folder, and return their files.

    Raises `DataError` without matplotlib, `OSError` if a file cannot be written.
    """
    check_matplotlib()
    figures = {
        "cosine.png": _cosine,
        "work.png": _work,
        "map.png": _map,
        "weights.png": _weights,
        "wishes.png": _wishes,
        "amount.png": _amount,
    }
    paths = []
    for name, draw in figures.items():
        figure = draw(data)
        paths.append(folder / name)
        # Without the version of matplotlib, the same data give the same file.
        figure.savefig(paths[-1], metadata={"Software": None})
    return paths


def _blank(width: float = 9.6, height: float = 5.4) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=200, layout="constrained", facecolor="white")


def _axes(figure: Any, title: str, x: str, y: str) -> Any:
    axes = figure.subplots()
    axes.set_title(title, loc="left", color=INK, fontsize=15, pad=12)
    axes.set_xlabel(x, color=INK, fontsize=12)
    axes.set_ylabel(y, color=INK, fontsize=12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(PALE)
    axes.tick_params(colors=INK, labelsize=11)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    return axes


def _thousands(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def _percent(axis: Any) -> None:
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))


# --- mini-batches ---------------------------------------------------------------------------------


def _cosine(data: Mapping[str, Any]) -> Any:
    found = data["cosine"]
    figure = _blank()
    title = f"How well does a mini-batch speak for all {found['n']:,} examples?"
    axes = _axes(figure, title, "examples in the mini-batch", "cosine with the full gradient")
    n = found["n"]
    sizes = np.unique(np.geomspace(1, n, 200).astype(int))
    for curve, color in zip(found["networks"], NETWORKS, strict=False):
        predicted = [predicted_cosine(curve["noise_scale"], int(size), n) for size in sizes]
        axes.plot(sizes, predicted, color=color, linewidth=2)
        name = data["networks"][curve["network"]]["name"]
        axes.plot(curve["batch"], curve["mean"], "o", color=color, markersize=6, label=name)
    axes.plot([], [], color=PALE, linewidth=2, label="predicted")
    axes.set_xscale("log")
    axes.set_ylim(0, 1.03)
    _thousands(axes.xaxis)
    axes.legend(frameon=False, fontsize=11, loc="lower right")
    return figure


def _work(data: Mapping[str, Any]) -> Any:
    walks = data["walks"]
    figure = _blank()
    title = f"{len(walks['careful']['cost']) - 1} steps downhill, and what they take"
    axes = _axes(figure, title, "gradients of single examples computed", "mean cost")
    for name, color in (("stumbling", ORANGE), ("careful", BLUE)):
        steps, each = walks[name], walks[name]["work"][1]
        label = f"{name}: steps of {each:,} examples"
        axes.plot(steps["work"][1:], steps["cost"][1:], color=color, linewidth=2, label=label)
        end = (steps["work"][-1], steps["cost"][-1])
        axes.plot(*end, "o", color=color, markersize=7)
        axes.annotate(
            f"{end[1]:.2f}",
            end,
            (6, 8),
            textcoords="offset points",
            color=color,
            fontsize=12,
        )
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    _thousands(axes.xaxis)
    axes.legend(frameon=False, fontsize=12, loc="lower left")
    return figure


def _map(data: Mapping[str, Any]) -> Any:
    walks, contour = data["walks"], data["walks"]["contour"]
    figure = _blank()
    title = "Two walks downhill, in the plane through their start and their ends"
    axes = _axes(figure, title, "distance along the first axis", "along the second (another scale)")
    axes.grid(visible=False)
    cost = np.array(contour["cost"])
    levels = np.geomspace(cost.min(), cost.max(), 18)
    drawn = axes.contourf(contour["x"], contour["y"], cost, levels=levels, cmap="Greys", alpha=0.55)
    bar = figure.colorbar(drawn, ax=axes, format="%.2g", ticks=levels[::3])
    bar.set_label("mean cost", color=INK, fontsize=12)
    bar.ax.minorticks_off()
    for name, color in (("stumbling", ORANGE), ("careful", BLUE)):
        axes.plot(walks[name]["x"], walks[name]["y"], color=color, linewidth=1.8, label=name)
        axes.plot(walks[name]["x"][-1], walks[name]["y"][-1], "o", color=color, markersize=8)
    axes.plot(walks["careful"]["x"][0], walks["careful"]["y"][0], "o", color=INK, markersize=8)
    axes.legend(frameon=True, fontsize=12, loc="upper center")
    axes.annotate(
        f"Both walks leave this plane, by up to {walks['out_of_plane']:.1f}.",
        (0.01, 0.02),
        xycoords="axes fraction",
        color=INK,
        fontsize=11,
    )
    return figure


# --- networks and examples ------------------------------------------------------------------------


def _weights(data: Mapping[str, Any]) -> Any:
    """What leads from the pixels to each hidden neuron, before and after, and what changed."""
    first, last = data["networks"][0], data["networks"][-1]
    before, after = (
        unflatten(unblob(network["parameters"]), data["sizes"])[0].weight
        for network in (first, last)
    )
    figure = _blank(9.6, 7.4)
    shown = {first["name"]: before, last["name"]: after, "the change": after - before}
    parts = figure.subfigures(len(shown), 1, hspace=0.02)
    for part, (name, rows) in zip(parts, shown.items(), strict=True):
        part.suptitle(name, x=0.01, ha="left", color=INK, fontsize=14)
        limit = float(np.quantile(np.abs(rows), 0.995))
        for axes, weights in zip(part.subplots(2, len(rows) // 2).flat, rows, strict=True):
            axes.imshow(weights.reshape(28, 28), cmap=UP_AND_DOWN, vmin=-limit, vmax=limit)
            axes.set_axis_off()
    return figure


def _wishes(data: Mapping[str, Any]) -> Any:
    """The lesson's table: what each example wants of a few parameters, and the average."""
    first = data["start"]["example"] + 1
    rows = np.arange(max(0, first - EXAMPLES), first)
    images = unblob(data["digits"]["images"]).reshape(-1, data["sizes"][0])[rows] / 255
    labels = np.array(data["digits"]["labels"])[rows]
    # Untrained, all want the same: darker outputs. Where they differ is worth seeing.
    network = data["networks"][len(data["networks"]) // 2]
    parameters = unblob(network["parameters"]).astype(float)
    deltas = deltas_of(parameters, images, labels, sizes=data["sizes"])
    table = wish_table(deltas)
    figure = _blank(9.6, 5.4)
    columns = len(rows) + 1
    grid = figure.add_gridspec(2, columns, height_ratios=(1, 3.4), hspace=0.02)
    for column, image in enumerate(images):
        axes = figure.add_subplot(grid[0, column])
        axes.imshow(image.reshape(28, 28), cmap="Greys", vmin=0, vmax=1)
        axes.set_axis_off()
    _write_wishes(figure.add_subplot(grid[1, :]), table.names, table.nudges, table.average())
    figure.suptitle(
        f"Nudges: what {len(rows)} examples want, and what on average ({network['name']})",
        x=0.01,
        ha="left",
        color=INK,
        fontsize=15,
    )
    return figure


def _write_wishes(
    axes: Any, names: tuple[str, ...], nudges: NDArray[Any], average: NDArray[Any]
) -> None:
    cells = np.column_stack([nudges, average])
    limit = 1.3 * float(np.abs(cells).max()) or 1.0  # so that the darkest can be written on
    axes.imshow(cells, cmap=UP_AND_DOWN, vmin=-limit, vmax=limit, aspect="auto", alpha=0.75)
    for (i, j), value in np.ndenumerate(cells):
        text = "0" if value == 0 else f"{value:+.2g}"
        weight = "bold" if j == cells.shape[1] - 1 else "normal"
        axes.text(j, i, text, ha="center", va="center", color=INK, fontsize=11, weight=weight)
    axes.axvline(cells.shape[1] - 1.5, color="white", linewidth=5)
    axes.set_yticks(range(len(names)), names, fontsize=12, color=INK, family="monospace")
    axes.set_xticks([cells.shape[1] - 1], ["average"], fontsize=12, color=INK)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _amount(data: Mapping[str, Any]) -> Any:
    amount = data["amount"]
    figure = _blank()
    title = "More examples, better reading"
    axes = _axes(figure, title, "training examples", "digits read rightly")
    for part, color, label in (("train", ORANGE, "its own examples"), ("test", BLUE, "new digits")):
        shares = np.array(amount[part])
        axes.plot(amount["n"], shares.mean(axis=1), color=color, linewidth=2, label=label)
        for seed in shares.T:
            axes.plot(amount["n"], seed, "o", color=color, markersize=5, alpha=0.6)
    axes.set_xscale("log")
    _thousands(axes.xaxis)
    _percent(axes.yaxis)
    axes.legend(frameon=False, fontsize=12, loc="lower right")
    return figure
