"""What the lesson's page carries: digits, a network that has not learned, and two curves."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.errors import DataError
from tinygrad_bp.lesson.blobs import blob
from tinygrad_bp.lesson.explorer import drawn_data, shipped
from tinygrad_bp.lesson.network import SIZES, flatten, lesson_network

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tinygrad_bp.data import Mnist

__all__ = ["LEARNED", "UNSEEN", "shown", "stage_data", "story"]

LEARNED, UNSEEN = 1000, 500
"""How many digits the page learns from, and how many it is tried on."""
EXAMPLE = 5
"""A 2, in MNIST and among drawn digits."""
ORDER = (8, 3, 5, 0, 7, 4, 1)
"""Digits that are shown after the 2."""
SEEDS = {"mnist": 0, "drawn": 0}
"""Of the network: with drawn digits, searched for, so that the 2 gets .5, .8, .2 as in the lesson."""


def story() -> dict[str, Any]:
    """Return the story: its scenes with their sentences, as the page and the terminal tell them.

    >>> [scene["title"] for scene in story()["scenes"]][:2]
    ['Feed forward', 'How wrong?']
    """
    text = (files("tinygrad_bp.lesson") / "story.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def shown(labels: NDArray[np.int64], example: int = EXAMPLE) -> list[int]:
    """Return which examples can be chosen: one, and the first of seven other digits.

    >>> shown(np.array([8, 3, 5, 0, 7, 2, 4, 1, 9, 6]))
    [5, 0, 1, 2, 3, 4, 6, 7]
    """
    others = [d for d in (2, *ORDER, 6, 9) if d != labels[example]]
    found = [int(np.flatnonzero(labels == d)[0]) for d in others if (labels == d).any()]
    return [example, *found[: len(ORDER)]]


def stage_data(
    data: Mnist | None = None,
    *,
    example: int = EXAMPLE,
    compress: bool = True,
    measured: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return all that the page carries, ready for JSON; everything else it works out itself.

    Without `data` these are drawn digits. The page learns from the first 1,000 training digits, at
    16 levels of grey but for those that can be chosen, and is tried on 500 digits of the test set.
    The same arguments give the same result. Raises `DataError` if there is no such example.
    """
    kind = "drawn" if data is None else "mnist"
    if measured is None:
        measured = shipped()
    if data is None:
        data = drawn_data(train=LEARNED, test=UNSEEN)
    if not 0 <= example < min(LEARNED, len(data.train_labels)):
        raise DataError(f"there is no example {example}: the page shows 0 to {LEARNED - 1}.")
    images = np.concatenate([data.train_images[:LEARNED], data.test_images[:UNSEEN]])
    labels = np.concatenate([data.train_labels[:LEARNED], data.test_labels[:UNSEEN]])
    chosen = shown(data.train_labels[:LEARNED], example)
    net = flatten(lesson_network(SEEDS[kind])).astype(np.float32)
    return {
        "version": 2,
        "source": {"kind": kind, "text": kind},
        "sizes": list(SIZES),
        "digits": {
            "count": len(labels) - UNSEEN,
            "unseen": UNSEEN,
            "images": blob(packed(images), compress=compress),
            "labels": labels.tolist(),
        },
        "shown": {
            "indices": chosen,
            "images": blob(np.rint(255 * images[chosen]).astype(np.uint8), compress=compress),
        },
        "net": blob(net, compress=compress),
        "amount": {
            "digits": measured["amount"]["n"],
            "accuracy": [float(np.mean(row)) for row in measured["amount"]["test"]],
        },
        "wrong": {
            "share": measured["limits"]["labels"]["share"],
            "accuracy": measured["limits"]["labels"]["accuracy"],
        },
    }


def packed(images: NDArray[Any]) -> NDArray[np.uint8]:
    """Return pixels from 0 to 1 at 16 levels, two to a byte.

    >>> packed(np.array([0.0, 1.0, 1.0, 0.2])).tolist()
    [15, 243]
    """
    levels = np.rint(15 * images.ravel()).astype(np.uint8)
    return levels[::2] << 4 | levels[1::2]
