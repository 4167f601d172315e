"""Steps whose gradients workers compute, over plain steps of one process, by the size of the batch.

    python benchmarks/bench_cluster.py [--batch N ...] [--workers N ...] [--sizes N ...]
                                       [--plot PLOT.png] [--rounds N] [--json]

All workers are on this machine, with one thread each, so more of them than cores share the cores.
The workers have the examples, and are sent positions. Beside them, one process takes the plain
step: eagerly like they do, with one thread for BLAS and with one for each core, and compiled.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import measure

if __name__ == "__main__":

    def _more(parser: argparse.ArgumentParser) -> None:
        add, some = parser.add_argument, {"nargs": "+", "type": measure.positive, "metavar": "N"}
        add("--batch", default=[300, 1_000, 3_000, 10_000, 30_000], **some)
        add("--workers", default=[1, 2, 4], **some)
        add("--sizes", default=[784, 128, 64, 10], **some)
        add("--plot", type=Path, metavar="PLOT.png", help="draw it, which needs matplotlib")

    OPTIONS = measure.options(__doc__, rounds=15, more=_more)  # before NumPy is imported

import numpy as np

import tinygrad_bp as bp
from tinygrad_bp import cluster, nn, optim

CORES = os.cpu_count() or 1
PLAIN = "plain, 1 thread"

Take: TypeAlias = Callable[[Any], object]
"""Takes a step with the examples at these positions."""
Figures: TypeAlias = dict[int, dict[str, dict[str, list[float]]]]
"""Seconds of steps, by the size of a batch and the contestant: its own, and plain ones between."""


def main(options: argparse.Namespace) -> None:
    """Measure, print the table, and draw it if that is asked for."""
    figures = measured(options.sizes, options.batch, options.workers, options.rounds)
    ratios = over_plain(figures)
    net = "-".join(map(str, options.sizes))
    names = list(ratios[options.batch[0]])
    rows = [
        [
            f"{batch:,}",
            f"{1e3 * median(figures[batch][names[0]][PLAIN]):,.1f}",
            *(f"{found[name]:.2f}" for name in names),
        ]
        for batch, found in ratios.items()
    ]
    title = f"A step of {net} over the plain one, {CORES} cores"
    table = ([*("batch", f"{PLAIN}, ms"), *names], rows)
    measure.report({title: table}, {"ratios": ratios}, as_json=options.json)
    if options.plot:
        draw(ratios, title, options.plot)


def measured(
    sizes: Sequence[int], batches: Sequence[int], workers: Sequence[int], rounds: int
) -> Figures:
    """Return the seconds of steps. Each contestant takes turns with the plain step, and no other.

    So no more workers are there than are measured, whose memory would be in the way.
    """
    use_all_cores()
    rng, count = np.random.default_rng(0), max(batches)
    examples = rng.random((count, sizes[0]), np.float32), rng.integers(0, sizes[-1], count)
    rows = {batch: rng.permutation(count)[:batch] for batch in batches}
    base = plain(sizes, examples)
    figures: Figures = {batch: {} for batch in batches}
    for name, make in contestants(sizes, examples, workers).items():
        with make() as take:
            for batch in batches:
                takes = {PLAIN: base, name: take}
                figures[batch][name] = turns(takes, rows[batch], rounds)
    return figures


def contestants(
    sizes: Sequence[int], examples: tuple[Any, Any], workers: Sequence[int]
) -> dict[str, Callable[[], contextlib.AbstractContextManager[Take]]]:
    """Return what makes them, by name."""
    made = partial(contextlib.nullcontext, compiled(sizes, examples))
    found: dict[str, Any] = {"compiled, 1 thread": made}
    if measure.installed("threadpoolctl") and CORES > 1:
        threaded = with_threads(CORES, plain(sizes, examples))
        found[f"plain, {CORES} threads"] = partial(contextlib.nullcontext, threaded)
    return found | {named(n): partial(parallel, n, sizes, examples) for n in workers}


def named(workers: int) -> str:
    """Return what steps with so many workers are called."""
    return f"{workers} worker{'s' * (workers > 1)}"


def use_all_cores() -> None:
    """Undo what keeps other benchmarks on one core: workers inherit it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(CORES))


def turns(takes: Mapping[str, Take], rows: Any, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of every step, by contestant; the first round is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in takes}
    for _ in range(rounds + 1):
        for name in random.sample(list(takes), len(takes)):
            start = time.perf_counter()
            takes[name](rows)
            taken[name].append(time.perf_counter() - start)
    return {name: times[1:] for name, times in taken.items()}


def over_plain(figures: Figures) -> dict[int, dict[str, float]]:
    """Return the median over the rounds of how many times as long each takes as the plain step."""
    return {
        batch: {name: measure.ratio(times[name], times[PLAIN]) for name, times in found.items()}
        for batch, found in figures.items()
    }


# --- contestants ----------------------------------------------------------------------------


def network(sizes: Sequence[int]) -> nn.Module:
    """Return ReLU layers of these sizes."""
    rng = np.random.default_rng(0)
    return nn.MLP(*sizes, activation=nn.ReLU(), weight_init=nn.init.he, rng=rng)


def plain(sizes: Sequence[int], examples: tuple[Any, Any]) -> Take:
    """Return what takes the plain step."""
    model, loss, (x, y) = network(sizes), nn.CrossEntropyLoss(), examples
    optimizer = optim.SGD(model.named_parameters(), lr=0.001)

    def take(rows: Any) -> None:
        optimizer.zero_grad()
        loss(model(x[rows]), y[rows]).backward()
        optimizer.step()

    return take


def compiled(sizes: Sequence[int], examples: tuple[Any, Any]) -> Take:
    """Return what takes the step that `tinygrad_bp.compile` makes of it."""
    model, loss, (x, y) = network(sizes), nn.CrossEntropyLoss(), examples
    optimizer = optim.SGD(model.named_parameters(), lr=0.001)

    @bp.compile
    def step(xs: Any, ys: Any) -> Any:
        optimizer.zero_grad()
        cost = loss(model(xs), ys)
        cost.backward()
        optimizer.step()
        return cost

    return lambda rows: step(x[rows], y[rows])


def with_threads(count: int, take: Take) -> Take:
    """Return what does the same with more threads for BLAS."""
    from threadpoolctl import ThreadpoolController

    controller = ThreadpoolController()

    def taken(rows: Any) -> None:
        with controller.limit(limits=count, user_api="blas"):
            take(rows)

    return taken


@contextlib.contextmanager
def parallel(workers: int, sizes: Sequence[int], examples: tuple[Any, Any]) -> Iterator[Take]:
    """Give what lets so many workers compute the gradient of a step."""
    model = network(sizes)
    optimizer = optim.SGD(model.named_parameters(), lr=0.001)
    with cluster.connect(workers=workers) as client:
        yield cluster.ParallelStep(client, model, nn.CrossEntropyLoss(), optimizer, examples)


# --- showing --------------------------------------------------------------------------------


def draw(ratios: Mapping[int, Mapping[str, float]], title: str, path: Path) -> None:
    """Draw a curve for each contestant over the size of the batch."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 4), layout="constrained")
    for name in next(iter(ratios.values())):
        style = "-" if "worker" in name else "--"
        axes.plot([*ratios], [r[name] for r in ratios.values()], style, marker="o", label=name)
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set(xscale="log", yscale="log", xlabel="examples in a batch")
    axes.set_title(f"{title}: below 1 it pays", fontsize="medium")
    axes.set_yticks([0.5, 1, 2, 5, 10], labels=["0.5", "1", "2", "5", "10"], minor=False)
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    main(OPTIONS)
