"""Walking downhill: every step on all examples, or on a mini-batch, with the work counted."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_bp import functional, optim
from tinygrad_bp.data import minibatches
from tinygrad_bp.lesson.deltas import activations, costs_of
from tinygrad_bp.lesson.network import flatten, unflatten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from tinygrad_bp import nn

__all__ = ["Walk", "accuracy_of", "descend", "mean_cost", "walk"]

OUTPUTS = 10


def descend(
    net: nn.MLP,
    images: NDArray[Any],
    labels: NDArray[np.int64],
    *,
    steps: int,
    batch_size: int | None = 100,
    lr: float = 1.5,
    seed: int = 0,
) -> Iterator[int]:
    """Move `net` down the cost of its examples, yielding the work of each step after taking it.

    The work is how many examples' gradients were computed. A step takes a mini-batch, shuffled
    anew each epoch by `seed`; with `batch_size=None`, or no fewer than there are, all examples in
    their own order.

    >>> from tinygrad_bp.lesson.network import lesson_network
    >>> from tinygrad_bp.data.sets import drawn
    >>> data, net = drawn(0, train=250, test=1), lesson_network()
    >>> list(descend(net, data.train_images, data.train_labels, steps=4))
    [100, 100, 50, 100]
    """
    dtype = next(net.parameters()).dtype
    x, y = images.astype(dtype, copy=False), np.eye(OUTPUTS, dtype=dtype)[labels]
    size = len(x) if batch_size is None else batch_size
    rng = np.random.default_rng((seed, 0x5D)) if size < len(x) else None
    batches = minibatches(x, y, size, rng)
    optimizer = optim.SGD(net.named_parameters(), lr=lr)
    endless = (batch for _ in iter(int, 1) for batch in batches)
    for batch_x, batch_y in islice(endless, steps):
        with np.errstate(under="ignore"):  # what saturated neurons pass on may be nothing
            optimizer.zero_grad()
            functional.sum_squares(net(batch_x), batch_y).backward()
            optimizer.step()
        yield len(batch_x)


def mean_cost(parameters: NDArray[Any], images: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """Return the lesson's cost of a network, averaged over examples.

    >>> from tinygrad_bp.lesson.network import flatten, lesson_network
    >>> dark = np.zeros((1, 784))
    >>> round(mean_cost(flatten(lesson_network()), dark, np.array([2])), 3)
    4.799
    """
    output = activations(unflatten(parameters), images)[-1]
    return float(costs_of(output, np.eye(OUTPUTS)[labels]).mean())


def accuracy_of(parameters: NDArray[Any], images: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """Return the share of images whose brightest output is their label's; the first of equals.

    >>> accuracy_of(np.zeros(13_002), np.zeros((4, 784)), np.array([0, 0, 0, 1]))
    0.75
    """
    output = activations(unflatten(parameters), images)[-1]
    return float(np.mean(output.argmax(axis=1) == labels))


class Walk(NamedTuple):
    """Where a walk went."""

    points: NDArray[np.float32]
    """(steps + 1, parameters), the start first."""
    costs: NDArray[np.float64]
    """(steps + 1,): of all examples, whatever the steps looked at."""
    work: NDArray[np.int64]
    """(steps + 1,): examples' gradients computed until then."""

    @property
    def uphill(self) -> float:
        """The share of steps after which the cost was higher."""
        return float(np.mean(np.diff(self.costs) > 0))

    @property
    def length(self) -> float:
        """How far it is along the walk."""
        steps = np.diff(self.points.astype(float), axis=0)
        return float(np.linalg.norm(steps, axis=1).sum())

    @property
    def displacement(self) -> float:
        """How far it is from the start to the end."""
        return float(np.linalg.norm(self.points[-1].astype(float) - self.points[0]))


def walk(
    net: nn.MLP,
    images: NDArray[Any],
    labels: NDArray[np.int64],
    *,
    steps: int,
    batch_size: int | None = 100,
    lr: float = 1.5,
    seed: int = 0,
    progress: Callable[[], None] | None = None,
) -> Walk:
    """Let `net` descend, and return its walk; `progress()` is called after each step.

    >>> from tinygrad_bp.lesson.network import lesson_network
    >>> from tinygrad_bp.data.sets import drawn
    >>> data = drawn(0, train=250, test=1)
    >>> found = walk(lesson_network(), data.train_images, data.train_labels, steps=3)
    >>> found.points.shape, found.work.tolist()
    ((4, 13002), [0, 100, 200, 250])
    """
    points, work = [flatten(net).astype(np.float32)], [0]
    costs = [mean_cost(points[-1], images, labels)]
    steps_taken = descend(net, images, labels, steps=steps, batch_size=batch_size, lr=lr, seed=seed)
    for examples in steps_taken:
        points.append(flatten(net).astype(np.float32))
        work.append(work[-1] + examples)
        costs.append(mean_cost(points[-1], images, labels))
        if progress is not None:
            progress()
    return Walk(np.array(points), np.array(costs), np.array(work))
