"""What labelled digits buy: accuracy by how many there are, and by how many labels are guesses."""

from __future__ import annotations

import dataclasses
import json
from importlib.resources import files
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp import functional, optim, program
from tinygrad_bp.data import Mnist, minibatches
from tinygrad_bp.errors import DataError
from tinygrad_bp.lesson.descent import accuracy_of
from tinygrad_bp.lesson.network import SIZES, flatten
from tinygrad_bp.lesson.recipes import RECIPES
from tinygrad_bp.train import Training

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tinygrad_bp.tensor import Tensor

__all__ = ["FULL", "SHIPPED", "Plan", "guessed", "measure", "shipped"]

SHIPPED = "labelled.json"
LEAST = 100  # training digits
LR = 1.5
BATCH = 20  # more, and the BLAS shares products among threads: slow on a busy machine
OUTPUTS = SIZES[-1]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured; the defaults are what the page shows.

    >>> Plan(amounts=(100,)).runs
    4
    """

    amounts: tuple[int, ...] = (100, 300, 1_000, 3_000, 10_000, 30_000, 60_000)
    steps: int = 18_000
    """Of each training: 6 passes through 60,000 digits."""
    passes: int = 200
    """Of each training at most: a few digits have taught all they can by then."""
    seeds: tuple[tuple[float, tuple[int, ...]], ...] = ((0.0, (0, 1)), (0.3, (0, 1)))
    """For each share of guessed labels, those of the networks; what is shown is their mean."""

    @property
    def runs(self) -> int:
        """How many networks are trained, at most."""
        return len(self.amounts) * sum(len(seeds) for _, seeds in self.seeds)


FULL = Plan()


def _silent(what: str) -> None:
    """Tell nobody."""


def measure(
    data: Mnist, plan: Plan = FULL, tell: Callable[[str], None] = _silent
) -> dict[str, Any]:
    """Return mean accuracies on test digits, by share of guessed labels and number of digits.

    `accuracy[i][j]` belongs to `share[i]` and `digits[j]`. Each network begins with a scaled start
    and takes the same number of steps, but fewer where digits are few. The same data and plan give
    the same result; `tell(what)` is called after each of the trainings. Raises `DataError` for
    fewer than 100 training digits.

    >>> from tinygrad_bp.data.sets import drawn
    >>> found = measure(drawn(0, train=200, test=50), Plan(amounts=(100, 1000), steps=3))
    >>> found["digits"], found["share"], np.shape(found["accuracy"])
    ([100, 200], [0.0, 0.3], (2, 2))
    """
    n = len(data.train_labels)
    if n < LEAST:
        raise DataError(
            f"{n} training digits are too few to measure anything: the page needs {LEAST} or more. "
            "Without data it uses digits that the library draws."
        )
    sizes = sorted({min(size, n) for size in plan.amounts})

    def mean(share: float, size: int, seeds: tuple[int, ...]) -> float:
        part = data._replace(
            train_images=data.train_images[:size],
            train_labels=guessed(data.train_labels, share)[:size],
        )
        found = []
        for seed in seeds:
            learned = _learned(part, min(plan.steps, plan.passes * size // BATCH), seed)
            found.append(accuracy_of(learned, data.test_images, data.test_labels))
            tell(f"learning from {size:,} digits" + (f", {share:.0%} guessed" if share else ""))
        return round(float(np.mean(found)), 4)

    return {
        "digits": sizes,
        "share": [share for share, _ in plan.seeds],
        "accuracy": [[mean(share, size, seeds) for size in sizes] for share, seeds in plan.seeds],
    }


def guessed(labels: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """Return labels of which a share are any digit, as if by people who do not look.

    A guess is right one time in ten. Of more labels, the first ones stay what they are.

    >>> labels = guessed(np.zeros(10_000, np.int64), 0.3)
    >>> round(float(np.mean(labels == 0)), 1)
    0.7
    """
    chance, guess = np.random.default_rng(43).random((len(labels), 2)).T
    return np.where(chance < share, (OUTPUTS * guess).astype(labels.dtype), labels)


def _learned(data: Mnist, steps: int, seed: int) -> NDArray[np.float32]:
    """The parameters after steps from a scaled start."""
    recipe = dataclasses.replace(RECIPES["lesson"], seed=seed)
    net = Training(recipe, [part[:LEAST] for part in data], classes=OUTPUTS).model
    optimizer = optim.SGD(net.named_parameters(), lr=LR)

    @program.compile
    def step(x: NDArray[np.float32], y: NDArray[np.float32]) -> Tensor:
        optimizer.zero_grad()
        cost = functional.sum_squares(net(x), y)
        cost.backward()
        optimizer.step()
        return cost

    x, y = data.train_images, np.eye(OUTPUTS, dtype=np.float32)[data.train_labels]
    epochs = repeat(minibatches(x, y, BATCH, np.random.default_rng((seed, 0x5D))))
    for batch in islice(chain.from_iterable(epochs), steps):
        step(*batch)
    return flatten(net)


def shipped() -> dict[str, Any]:
    """Return what was measured on 60,000 drawn digits: it comes with the library.

    `python -m tinygrad_bp.lesson.prepare` made it.

    >>> shipped()["digits"][-1]
    60000
    """
    text = (files("tinygrad_bp.lesson") / SHIPPED).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
