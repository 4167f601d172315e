"""Whole epochs: what mini-batches add to the steps that are taken on them.

    python benchmarks/bench_epoch.py [--data FOLDER] [--batch N ...] [--rounds N]
                                     [--threads N] [--core N] [--json]

An epoch of 784-16-16-10 on 60,000 digits, with the compiled step, over as many steps on one batch
that stays in the cache. FOLDER has MNIST's four IDX files; without it, the library draws digits.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import measure

if __name__ == "__main__":

    def _more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, metavar="FOLDER", help="MNIST (drawn digits)")
        parser.add_argument("--batch", nargs="+", type=measure.positive, default=[10, 100])

    OPTIONS = measure.options(__doc__, rounds=15, more=_more)  # before NumPy is imported

import numpy as np
import step

from tinygrad_bp.data import Pixels, minibatches, mnist
from tinygrad_bp.data.sets import drawn

SIZES = (784, 16, 16, 10)
STEPS, FLOATS, BYTES = "steps alone", "float32", "Pixels"
INDEXED, TAKEN = "x[rows]", "take into a buffer"
TARGETS = {10: 1.15, 100: 1.45}


def main(options: argparse.Namespace) -> None:
    """Measure epochs of each kind and print the table."""
    digits = mnist(options.data) if options.data else drawn(0)
    figures = {batch: measured(digits, batch, options.rounds) for batch in options.batch}
    table = (
        ["batch", f"{STEPS}, µs", *figures[options.batch[0]]["over"], "aimed at"],
        [
            [
                f"{batch}",
                f"{found['steps']:.1f}",
                *(f"{ratio:.2f}" for ratio in found["over"].values()),
                f"{TARGETS[batch]:.2f}" if batch in TARGETS else "",
            ]
            for batch, found in figures.items()
        ],
    )
    title = "An epoch over its steps alone, by how batches are made"
    measure.report({title: table}, {"epochs": figures}, as_json=options.json)


def measured(digits: Any, batch: int, rounds: int) -> dict[str, Any]:
    """Return the microseconds of a step, and epochs of each kind over their steps."""
    x, y = digits.train_images, np.eye(10, dtype=np.float32)[digits.train_labels]
    steps = len(x) // batch
    take = step.compiled_learner(step.Problem(batch, SIZES, "sum_squares"), step.LR).step
    timers = {STEPS: one_batch(take, x[:batch].copy(), y[:batch].copy(), steps)}
    timers |= {name: measure.repeated(epoch, take) for name, epoch in epochs(x, y, batch).items()}
    times = measure.interleave(timers, rounds=rounds)
    alone = times.pop(STEPS).microseconds
    over = {name: measure.ratio(timing.microseconds, alone) for name, timing in times.items()}
    return {"steps": min(alone) / steps, "over": over}


def one_batch(take: Callable[[Any, Any], Any], x: Any, y: Any, steps: int) -> measure.Timer:
    """Return what takes as many steps as there are in an epoch."""

    def run(times: int) -> None:
        for _ in range(times * steps):
            take(x, y)

    return measure.timer(run)


def epochs(x: Any, y: Any, batch: int) -> dict[str, Callable[[Any], None]]:
    """Return ways to go through all examples once, by name."""
    rng = np.random.default_rng(0)
    ways: dict[str, Callable[[], Iterable[Any]]] = {
        FLOATS: partial(minibatches, x, y, batch, rng, drop_last=True),
        BYTES: partial(minibatches, as_bytes(x), y, batch, rng, drop_last=True),
        INDEXED: partial(indexed, x, y, batch, rng),
        TAKEN: partial(taken, x, y, batch, rng),
    }
    return {name: partial(through, way) for name, way in ways.items()}


def through(batches: Callable[[], Iterable[Any]], take: Callable[[Any, Any], Any]) -> None:
    """Take a step on each batch."""
    for xs, ys in batches():
        take(xs, ys)


def as_bytes(x: Any) -> Pixels:
    """Return images as bytes; drawn ones are rounded, which changes no time."""
    return Pixels(np.rint(x * 255).astype(np.uint8))


def indexed(x: Any, y: Any, batch: int, rng: np.random.Generator) -> Iterator[tuple[Any, Any]]:
    """Yield batches as one writes it."""
    order = rng.permutation(len(x))
    for start in range(0, len(x) - batch + 1, batch):
        rows = order[start : start + batch]
        yield x[rows], y[rows]


def taken(x: Any, y: Any, batch: int, rng: np.random.Generator) -> Iterator[tuple[Any, Any]]:
    """Yield one pair of buffers again and again, which nobody may keep."""
    order = rng.permutation(len(x))
    xs, ys = np.empty((batch, *x.shape[1:]), x.dtype), np.empty((batch, *y.shape[1:]), y.dtype)
    for start in range(0, len(x) - batch + 1, batch):
        rows = order[start : start + batch]
        yield x.take(rows, 0, xs, "clip"), y.take(rows, 0, ys, "clip")


if __name__ == "__main__":
    main(OPTIONS)
