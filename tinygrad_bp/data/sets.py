"""Sets of digits in the form of MNIST: drawn by the library, or with examples held out."""

from __future__ import annotations

import numpy as np

from tinygrad_bp.data.digits import drawn_digits
from tinygrad_bp.data.mnist import Mnist
from tinygrad_bp.errors import DataError

__all__ = ["CLASSES", "drawn", "hold_out"]

CLASSES = 10
"""The digits 0 to 9; a small set may lack some of them."""


def drawn(seed: int, *, train: int = 60_000, test: int = 10_000) -> Mnist:
    """Return drawn digits in the place of MNIST; the same seed gives the same digits.

    >>> drawn(0, train=50, test=20).test_images.shape
    (20, 784)
    """
    rng = np.random.default_rng((seed, 28))  # not the stream that a run takes its weights from
    return Mnist(*drawn_digits(train, rng), *drawn_digits(test, rng))


def hold_out(data: Mnist, n: int) -> Mnist:
    """Return data in which the last `n` training examples take the place of the test set.

    Settings are chosen on these, so that the real test set is looked at once, at the end.
    Raises `DataError` unless 1 <= n < the number of training examples.

    >>> validation = hold_out(drawn(0, train=50, test=20), 10)
    >>> len(validation.train_labels), len(validation.test_labels)
    (40, 10)
    """
    images, labels = data.train_images, data.train_labels
    if not 0 < n < len(images):
        raise DataError(
            f"{n} of {len(images)} training examples cannot be held out; give 1 to "
            f"{len(images) - 1}"
        )
    return Mnist(images[:-n], labels[:-n], images[-n:], labels[-n:])
