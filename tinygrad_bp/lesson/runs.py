"""The trainings that the lesson's page runs, step by step the same in NumPy.

The page shuffles with a generator of 32 bits, which is here, too: so both see the same digits in
the same order, and stop after the same work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_bp.lesson.blobs import unblob
from tinygrad_bp.lesson.deltas import activations, costs_of, deltas_of
from tinygrad_bp.lesson.network import unflatten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

__all__ = [
    "LAPSE",
    "Carried",
    "Leg",
    "Run",
    "Stop",
    "carried",
    "half_trained",
    "race",
    "run",
    "seeded",
    "shuffled",
]

WORK = 12_000
"""Digits that each network of the race looks at."""
EVERY = 100
"""Digits between two stops of the race."""
HALF = 0.4
"""The share that a half-trained network reads correctly: half of what it will."""
STEPS, FRAMES, LANDING = 2000, 120, 32
"""Of the time lapse: its steps, how many stops it has at most, and parts of the step before it."""


class Carried(NamedTuple):
    """What the page trains with."""

    images: NDArray[np.float64]
    """(n, 784), as the page unpacks them."""
    labels: NDArray[np.int64]
    unseen_images: NDArray[np.float64]
    unseen_labels: NDArray[np.int64]
    shown: list[int]
    """Which of the examples can be chosen."""
    net: NDArray[np.float64]
    """(parameters,): the network that has not learned."""

    @property
    def start(self) -> NDArray[np.float64]:
        """The same draws as a start that learns: weights by the root of their number, no biases."""
        vector = self.net.copy()
        for layer in unflatten(vector):
            layer.weight[...] /= np.sqrt(layer.weight.shape[1])
            layer.bias[...] = 0
        return vector


def carried(data: dict[str, Any]) -> Carried:
    """Return what `stage_data` has packed, as the page reads it.

    >>> from tinygrad_bp.lesson.stage import stage_data
    >>> found = carried(stage_data(compress=False))
    >>> found.images.shape, found.unseen_images.shape, int(found.labels[found.shown[0]])
    ((1000, 784), (500, 784), 2)
    """
    digits, size = data["digits"], data["sizes"][0]
    packed = unblob(digits["images"])
    images = np.stack([packed >> 4, packed & 15], axis=1).reshape(-1, size) / 15
    shown = data["shown"]["indices"]
    images[shown] = unblob(data["shown"]["images"]).reshape(-1, size) / 255
    labels = np.array(digits["labels"], np.int64)
    n = digits["count"]
    net = unblob(data["net"]).astype(float)
    return Carried(images[:n], labels[:n], images[n:], labels[n:], shown, net)


def seeded(seed: int) -> Callable[[], float]:
    """Return a generator of 32 bits (Mulberry32); each call gives a number in [0, 1).

    >>> random = seeded(1)
    >>> [round(random(), 6) for _ in range(3)]
    [0.627074, 0.002736, 0.527447]
    """
    state = seed % 2**32

    def draw() -> float:
        nonlocal state
        state = (state + 0x6D2B79F5) % 2**32
        mixed = (state ^ (state >> 15)) * (state | 1) % 2**32
        mixed ^= (mixed + (mixed ^ (mixed >> 7)) * (mixed | 61)) % 2**32
        return (mixed ^ (mixed >> 14)) / 2**32

    return draw


def shuffled(n: int, random: Callable[[], float]) -> list[int]:
    """Return 0 ... n - 1 in a random order (Fisher and Yates).

    >>> shuffled(6, seeded(1))
    [4, 1, 5, 2, 0, 3]
    """
    order = list(range(n))
    for i in range(n - 1, 0, -1):
        j = int(random() * (i + 1))
        order[i], order[j] = order[j], order[i]
    return order


class Leg(NamedTuple):
    """So many steps, each on so many digits, with a learning rate."""

    steps: int
    batch: int
    rate: float


@dataclass(frozen=True)
class Run:
    """A training: legs one after the other, and after which steps it is scored."""

    legs: tuple[Leg, ...]
    stops: tuple[float, ...]
    """One between two whole numbers is on the way of a step: p + s * step."""
    seed: int = 1


class Stop(NamedTuple):
    """Where a training stands after some steps."""

    steps: float
    work: int
    accuracy: float
    """Of digits that are never learnt from, as the cost."""
    cost: float
    vector: NDArray[np.float64]


def _lapse() -> Run:
    parts = [i / LANDING for i in range(LANDING)]
    later = {1 + STEPS * i * i // FRAMES**2 for i in range(FRAMES + 1)}
    legs = (Leg(1, 1000, 1.5), Leg(STEPS, 20, 3.0))
    return Run(legs, (*parts, *sorted(later)), seed=5)


LAPSE = _lapse()
"""Scene 11: one step on all digits, in parts, then 2,000 on 20 each, at first stop by stop."""


def race(batch: int) -> Run:
    """Return scene 13's training with so many digits a step.

    >>> race(1000).stops[-1], race(10).stops[:3]
    (12, (0, 10, 20))
    """
    steps = WORK // batch
    return Run((Leg(steps, batch, 2.0),), tuple(range(0, steps + 1, max(1, EVERY // batch))))


def run(wanted: Run, start: NDArray[np.float64], given: Carried) -> Iterator[Stop]:
    """Train from `start` and yield each stop; an epoch's digits are shuffled by the run's seed.

    A step on all digits takes them as they stand and shuffles nothing.
    """
    vector, work, due = start.copy(), 0, list(wanted.stops)
    for steps, (rows, rate) in enumerate(_batches(wanted, len(given.labels))):
        slopes = deltas_of(vector, given.images[rows], given.labels[rows]).gradient()
        while due and due[0] < steps + 1:
            at = due.pop(0)
            yield _stop(at, work, vector - (at - steps) * rate * slopes, given)
        vector = vector - rate * slopes
        work += len(rows)
    if due:
        yield _stop(due[0], work, vector, given)


def half_trained(stops: Iterable[Stop]) -> Stop:
    """Return the first stop that reads its share correctly, or else the last one.

    >>> stops = [Stop(i, 0, share, 1.0, np.zeros(1)) for i, share in enumerate((0.1, 0.5, 0.9))]
    >>> half_trained(stops).steps, half_trained(stops[:1]).steps
    (1, 0)
    """
    for stop in stops:
        if stop.accuracy >= HALF:
            break
    return stop


def _batches(wanted: Run, n: int) -> Iterator[tuple[list[int], float]]:
    random = seeded(wanted.seed)
    order: list[int] = []
    for leg in wanted.legs:
        for _ in range(leg.steps):
            if leg.batch >= n:
                yield list(range(n)), leg.rate
                continue
            if not order:
                order = shuffled(n, random)
            yield order[: leg.batch], leg.rate
            order = order[leg.batch :]


def _stop(steps: float, work: int, vector: NDArray[np.float64], given: Carried) -> Stop:
    output, labels = activations(unflatten(vector), given.unseen_images)[-1], given.unseen_labels
    right = float(np.mean(output.argmax(axis=1) == labels))
    cost = float(costs_of(output, np.eye(output.shape[1])[labels]).mean())
    return Stop(steps, work, right, cost, vector)
