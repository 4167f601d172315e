"""Data to learn from: MNIST, digits drawn by the library itself, mini-batches.

    mnist(folder)            the 70,000 handwritten digits, checked; downloaded on request
    drawn_digits(n, rng)     as many as you like, without a file
    minibatches(x, y, ...)   every example once an epoch
    Pixels                   images that stay bytes until they are read
    Affine, Elastic          images distorted, so that there is more to learn from
    read_idx, write_idx      MNIST's file format

Importing this costs next to nothing: what is heavy is imported when it is used.
"""

from __future__ import annotations

from tinygrad_bp.data.augmentation import Affine, Compose, Distortion, Elastic
from tinygrad_bp.data.digits import drawn_digits
from tinygrad_bp.data.idx import read_idx, write_idx
from tinygrad_bp.data.minibatches import Minibatches, minibatches
from tinygrad_bp.data.mnist import Mnist, mnist
from tinygrad_bp.data.pixels import Pixels

__all__ = [
    "Affine",
    "Compose",
    "Distortion",
    "Elastic",
    "Minibatches",
    "Mnist",
    "Pixels",
    "drawn_digits",
    "minibatches",
    "mnist",
    "read_idx",
    "write_idx",
]
