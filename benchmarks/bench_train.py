"""Whole runs: how long 784-16-16-10 learns until it reads 94 % of the test digits.

    python benchmarks/bench_train.py [--data FOLDER] [--loss NAME ...] [--batch N ...]
                                     [--target SHARE] [--epochs N] [--rounds N]
                                     [--threads N] [--core N] [--json]

FOLDER has MNIST's four IDX files; without it, all learn from 60,000 digits that the library draws.
Every contestant begins with the same weights, sees the same examples in the same order, and is
tested after every epoch, which is not timed. What is timed begins with the first batch, so whatever
is compiled is in it; imports and data are not. Each run has a process to itself.
"""

from __future__ import annotations

import argparse
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeAlias

import measure
import step  # imports NumPy, with which only the processes calculate that are started from here

if __name__ != "__main__":  # in such a process
    import numpy as np

    from tinygrad_bp import data, nn
    from tinygrad_bp.data.sets import drawn

Table: TypeAlias = tuple[list[str], list[list[str]]]

SIZES = (784, 16, 16, 10)
RATES = {  # learning rates that get there in a few epochs, by loss and batch
    "sum_squares": {10: 0.2, 32: 1.0, 100: 1.5},
    "cross_entropy": {10: 0.025, 32: 0.05, 100: 0.1},
}
TORCH, QUEUED, SCAN = "PyTorch eager", "JAX, a call a step", "JAX, a call an epoch"


class Task(NamedTuple):
    """A run."""

    name: str
    loss: str
    batch: int
    folder: Path | None
    target: float
    epochs: int


class Run(NamedTuple):
    """What came of it."""

    seconds: list[float]
    """Of each epoch."""
    accuracies: list[float]
    """On the test set after each, from 0 to 1."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that only this benchmark has."""
    add = parser.add_argument
    add("--data", type=Path, metavar="FOLDER", help="MNIST (drawn digits)")
    add("--loss", nargs="+", choices=[*RATES], default=[*RATES], help="(both)")
    add("--batch", nargs="+", type=int, choices=[10, 32, 100], default=[10, 32], help="(10 32)")
    add("--target", type=float, default=0.94, metavar="SHARE", help="to read correctly (0.94)")
    add("--epochs", type=measure.positive, default=20, metavar="N", help="at most (20)")


def main() -> None:
    """Let every contestant learn, several times in turn, and print the tables."""
    options = measure.options(__doc__, rounds=3, more=add_options)
    tables: dict[str, Table] = {}
    results: dict[str, dict[str, list[Run]]] = {}
    for loss in options.loss:
        for batch in options.batch:
            title = f"784-16-16-10, {loss}, batch {batch}, learning rate {RATES[loss][batch]}"
            results[title] = runs = rounds(loss, batch, options)
            tables[f"{title}: to {options.target:.0%} on the test set"] = table(
                runs, options.target
            )
    told = {
        title: {name: [run._asdict() for run in runs] for name, runs in by_name.items()}
        for title, by_name in results.items()
    }
    measure.report(tables, {"runs": told}, as_json=options.json)


def rounds(loss: str, batch: int, options: argparse.Namespace) -> dict[str, list[Run]]:
    """Let every contestant learn once a round."""
    tasks = [
        Task(name, loss, batch, options.data, options.target, options.epochs) for name in names()
    ]
    runs: dict[str, list[Run]] = {task.name: [] for task in tasks}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        for _ in range(options.rounds):
            for task, run in zip(tasks, pool.map(learn, tasks), strict=True):
                runs[task.name].append(run)
    check_alike(runs)
    return runs


def check_alike(runs: dict[str, list[Run]]) -> None:
    """Compare the accuracies after the first epoch: all of them have taken the same steps."""
    first = {name: run.accuracies[0] for name, (run, *_) in runs.items()}
    assert max(first.values()) - min(first.values()) <= 0.005, f"they differ: {first}"


def names() -> list[str]:
    """Return who takes part."""
    found = [step.HAND, step.OURS, step.COMPILED]
    if measure.installed("torch"):
        found += [TORCH]
    if measure.installed("jax"):
        found += [QUEUED, SCAN]
    return found


# --- a run ----------------------------------------------------------------------------------------


def learn(task: Task) -> Run:
    """Train until the target is reached, or for as many epochs as there may be."""
    digits = data.mnist(task.folder) if task.folder else drawn(0)
    x, y = digits.train_images, targets(digits.train_labels, task.loss)
    epoch, layers = CONTESTANTS[task.name](first_weights(task.loss), task, x, y)
    rng = np.random.default_rng(1)
    run = Run([], [])
    while len(run.seconds) < task.epochs and max(run.accuracies, default=0.0) < task.target:
        run.seconds.append(measure.timed(epoch, rng).seconds)
        right = (
            outputs(layers(), digits.test_images, task.loss).argmax(axis=1) == digits.test_labels
        )
        run.accuracies.append(float(right.mean()))
    return run


def targets(labels: Any, loss: str) -> Any:
    """Return labels as the loss wants them."""
    return labels if loss == "cross_entropy" else np.eye(10, dtype=np.float32)[labels]


def first_weights(loss: str) -> step.Problem:
    """Return the net with the weights that all begin with."""
    problem = step.Problem(1, SIZES, loss)
    init = nn.init.he if loss == "cross_entropy" else nn.init.scaled
    model = nn.MLP(*SIZES, rng=np.random.default_rng(0), weight_init=init)
    problem.W = [layer.weight.data.copy() for layer in step.linear_layers(model)]
    return problem


def outputs(layers: list[tuple[Any, Any]], x: Any, loss: str) -> Any:
    """Return what a net gives for x, before the last activation."""
    *hidden, (W_last, b_last) = layers
    activation = step.BY_HAND[loss][0]
    for W, b in hidden:
        x = activation(x @ W.T + b)
    return x @ W_last.T + b_last


# --- an epoch of each -----------------------------------------------------------------------------

Epoch: TypeAlias = Callable[[Any], object]
"""Show a net every example once, in an order that is drawn from the generator given."""
Contestant: TypeAlias = tuple[Epoch, Callable[[], list[tuple[Any, Any]]]]
"""That, and what returns the layers."""


def rows_of(rng: Any, n: int, batch: int) -> Iterator[Any]:
    """Yield the rows of each batch; the last is left out if it is short."""
    order = rng.permutation(n)
    return (order[i : i + batch] for i in range(0, n - batch + 1, batch))


def by_hand(problem: step.Problem, task: Task, x: Any, y: Any) -> Contestant:
    """NumPy as one writes it."""
    learner = step.hand_learner(problem, RATES[task.loss][task.batch])

    def epoch(rng: Any) -> None:
        for rows in rows_of(rng, len(x), task.batch):
            learner.step(x[rows], y[rows])

    return epoch, learner.layers


def ours(problem: step.Problem, task: Task, x: Any, y: Any) -> Contestant:
    """The step of this library, eager."""
    return with_minibatches(step.our_learner, problem, task, x, y)


def compiled(problem: step.Problem, task: Task, x: Any, y: Any) -> Contestant:
    """The step of this library, compiled."""
    return with_minibatches(step.compiled_learner, problem, task, x, y)


def with_minibatches(make: Any, problem: step.Problem, task: Task, x: Any, y: Any) -> Contestant:
    """A step of this library, on its own mini-batches."""
    learner = make(problem, RATES[task.loss][task.batch])

    def epoch(rng: Any) -> None:
        for xs, ys in data.minibatches(x, y, task.batch, rng, drop_last=True):
            learner.step(xs, ys)

    return epoch, learner.layers


def pytorch(problem: step.Problem, task: Task, x: Any, y: Any) -> Contestant:
    """PyTorch, with `index_select`: indexing takes three times as long, a DataLoader more."""
    import torch

    x, y = torch.from_numpy(x), torch.from_numpy(y)
    learner = step.pytorch_learner(problem, RATES[task.loss][task.batch])

    def epoch(rng: Any) -> None:
        for rows in rows_of(rng, len(x), task.batch):
            which = torch.from_numpy(rows)
            learner.step(torch.index_select(x, 0, which), torch.index_select(y, 0, which))

    return epoch, learner.layers


def jax_steps(problem: step.Problem, task: Task, x: Any, y: Any) -> Contestant:
    """A compiled step of JAX that takes the rows of its batch, called without waiting."""
    import jax

    taken = jax.jit(jax_step(task), donate_argnums=0)

    def epoch(parameters: Any, rng: Any, x: Any, y: Any) -> Any:
        for rows in rows_of(rng, len(x), task.batch):
            parameters, cost = taken(parameters, rows, x, y)
        return parameters, cost

    return jax_contestant(epoch, problem, x, y)


def jax_scan(problem: step.Problem, task: Task, x: Any, y: Any) -> Contestant:
    """A whole epoch compiled by JAX."""
    import jax

    one = jax_step(task)

    def steps(parameters: Any, order: Any, x: Any, y: Any) -> Any:
        return jax.lax.scan(lambda p, rows: one(p, rows, x, y), parameters, order)

    steps = jax.jit(steps, donate_argnums=0)

    def epoch(parameters: Any, rng: Any, x: Any, y: Any) -> Any:
        order = np.stack([*rows_of(rng, len(x), task.batch)])
        return steps(parameters, order, x, y)

    return jax_contestant(epoch, problem, x, y)


def jax_step(task: Task) -> Callable[..., Any]:
    """Return a step of JAX on some rows of x and y."""
    take = step.jax_step(task.loss, RATES[task.loss][task.batch])
    return lambda parameters, rows, x, y: take(parameters, x[rows], y[rows])


def jax_contestant(steps: Callable[..., Any], problem: step.Problem, x: Any, y: Any) -> Contestant:
    """Return what trains by `steps(parameters, rng, x, y)` and waits at the end of an epoch."""
    import jax

    given = jax.numpy.array(x), jax.numpy.array(y)
    parameters = step.jax_parameters(problem)

    def epoch(rng: Any) -> None:
        nonlocal parameters
        parameters, cost = steps(parameters, rng, *given)
        jax.block_until_ready((parameters, cost))

    return epoch, lambda: [(np.asarray(W), np.asarray(b)) for W, b in parameters]


CONTESTANTS: dict[str, Callable[..., Contestant]] = {
    step.HAND: by_hand,
    step.OURS: ours,
    step.COMPILED: compiled,
    TORCH: pytorch,
    QUEUED: jax_steps,
    SCAN: jax_scan,
}


# --- tables ---------------------------------------------------------------------------------------


def table(runs: dict[str, list[Run]], target: float) -> Table:
    """Return a row for each contestant; the last column compares the compiled step to it."""
    header = [
        "", "epochs", "accuracy, %", "seconds", "first epoch", "a later one",
        f"{step.COMPILED} over it",
    ]  # fmt: skip
    return header, [row(name, runs, target) for name in runs]


def row(name: str, runs: dict[str, list[Run]], target: float) -> list[str]:
    """Return the medians over the rounds of one contestant."""
    own, best = runs[name], runs[step.COMPILED]
    totals = [sum(run.seconds) for run in own]
    ratios = [sum(b.seconds) / total for b, total in zip(best, totals, strict=True)]
    reached = own[0].accuracies[-1] >= target
    return [
        name,
        f"{len(own[0].seconds)}{'' if reached else ', not reached'}",
        f"{100 * own[0].accuracies[-1]:.2f}",
        f"{median(totals):.2f}",
        f"{median(run.seconds[0] for run in own):.3f}",
        f"{median(t for run in own for t in run.seconds[1:] or run.seconds):.3f}",
        f"{median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})",
    ]


if __name__ == "__main__":
    main()
