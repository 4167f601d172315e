"""Digits that the library draws, for the lesson without MNIST: endless, and always the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tinygrad_bp.data import Mnist, drawn_digits

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["drawn_data"]

BLOCK = 500
"""Digits that are drawn by one generator."""
CLASSES = 10


def drawn_data(*, train: int = 60_000, test: int = 10_000) -> Mnist:
    """Return drawn digits in the place of MNIST, with a 2 as example 5 as there.

    The first digits are the same however many are asked for.

    >>> data = drawn_data(train=600, test=10)
    >>> int(data.train_labels[5]), data.train_images.shape
    (2, (600, 784))
    >>> bool((drawn_data(train=550, test=10).train_images == data.train_images[:550]).all())
    True
    """
    return Mnist(*_drawn(train, part=0), *_drawn(test, part=1))


def _drawn(n: int, *, part: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The first n of endless digits, drawn in blocks with generators of their own."""
    images, labels = [], []
    for block in range(-(-n // BLOCK)):
        rng = np.random.default_rng((28, part, block))
        wanted = rng.integers(0, CLASSES, BLOCK)
        if block == part == 0:
            wanted[5] = 2  # as in MNIST
        drawn = drawn_digits(BLOCK, rng, labels=wanted)
        images.append(drawn[0])
        labels.append(drawn[1])
    return np.concatenate(images)[:n], np.concatenate(labels)[:n]
