"""What the lesson's page carries: digits, a network that has not learned, and two curves."""

from __future__ import annotations

import json
from importlib.resources import files
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.errors import DataError
from tinygrad_bp.lesson import labelled
from tinygrad_bp.lesson.blobs import blob
from tinygrad_bp.lesson.deltas import activations
from tinygrad_bp.lesson.drawn import drawn_data
from tinygrad_bp.lesson.network import SIZES, flatten, lesson_network, unflatten

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tinygrad_bp.data import Mnist

__all__ = [
    "LEARNED",
    "UNSEEN",
    "bought",
    "packed",
    "pixels_of",
    "searched",
    "shown",
    "stage_data",
    "story",
    "untrained",
]

LEARNED, UNSEEN = 1000, 500
"""How many digits the page learns from, and how many it is tried on."""
EXAMPLE = 5
"""A 2, in MNIST and among drawn digits."""
ORDER = (8, 3, 5, 0, 7, 4, 1)
"""Digits that are shown after the 2."""
OUTPUTS = {0: 0.5, 1: 0.8, 2: 0.2, 8: 0.2}
"""What the lesson's untrained network makes of its 2, to one decimal: those that are spoken of."""
SEEDS = {"mnist": 0, "drawn": 146_501}
"""Of the network: the lesson's own, and for drawn digits the third that `searched` finds.

The networks of the first two, 106,097 and 116,027, still misread one of the shown digits at the end
of scene 11.
"""
TEXTS = {
    "mnist": "{learned:,} training digits of the folder that was given, and {unseen:,} of its test "
    "digits, which are never learned from.",
    "drawn": "{learned:,} digits to learn from and {unseen:,} others, which the library drew "
    "itself: no folder with MNIST was given. The untrained network was searched for among "
    "{seed:,}: it gives the 2 the outputs of the lesson, .5, .8, .2, for the 8 .2 too, and learns "
    "to read all of the digits that are shown.",
}


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


def searched(image: NDArray[Any], seeds: Iterable[int] | None = None) -> int:
    """Return the first seed whose untrained network gives a picture of a 2 the lesson's outputs.

    So that drawn digits tell the lesson's story in the lesson's numbers; all seeds from 0 on take
    minutes. Raises `ValueError` if none of `seeds` does.

    >>> searched(drawn_data(train=6, test=1).train_images[5], range(146_495, 146_505))
    146501
    """
    wanted, pixels = list(OUTPUTS), pixels_of(image)[None] / 255
    for seed in count() if seeds is None else seeds:
        output = activations(unflatten(untrained(seed)), pixels)[-1]
        if output[0, wanted].round(1).tolist() == list(OUTPUTS.values()):
            return seed
    raise ValueError("none of these seeds gives the lesson's outputs")


def untrained(seed: int) -> NDArray[np.float32]:
    """Return the parameters that the page begins with, as it carries them.

    >>> untrained(0).dtype, len(untrained(0))
    (dtype('float32'), 13002)
    """
    return flatten(lesson_network(seed)).astype(np.float32)


def stage_data(
    data: Mnist | None = None,
    *,
    example: int = EXAMPLE,
    compress: bool = True,
    measured: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return all that the page carries, ready for JSON; everything else it works out itself.

    Without `data` these are drawn digits, with the accuracies that come with the library. With
    data (MNIST), give what `labelled.measure` returned, or it is measured now, for half a minute.
    The page learns from the first 1,000 training digits, at 16 levels of grey but for those that
    can be chosen, and is tried on 500 digits of the test set. The same arguments give the same
    result. Raises `DataError` if there is no such example.

    >>> found = stage_data(example=7)
    >>> found["digits"]["count"], found["shown"]["indices"][0]
    (1000, 7)
    """
    kind = "drawn" if data is None else "mnist"
    if measured is None:
        measured = labelled.shipped() if data is None else labelled.measure(data)
    if data is None:
        data = drawn_data(train=LEARNED, test=UNSEEN)
    learned, unseen = min(LEARNED, len(data.train_labels)), min(UNSEEN, len(data.test_labels))
    if not 0 <= example < learned:
        raise DataError(f"there is no example {example}: the page shows 0 to {learned - 1}.")
    images = np.concatenate([data.train_images[:learned], data.test_images[:unseen]])
    labels = np.concatenate([data.train_labels[:learned], data.test_labels[:unseen]])
    chosen = shown(data.train_labels[:learned], example)
    text = TEXTS[kind].format(learned=learned, unseen=unseen, seed=SEEDS[kind] + 1)
    return {
        "version": 2,
        "source": {"kind": kind, "text": text},
        "sizes": list(SIZES),
        "digits": {
            "count": learned,
            "unseen": unseen,
            "images": blob(packed(images), compress=compress),
            "labels": labels.tolist(),
        },
        "shown": {
            "indices": chosen,
            "images": blob(pixels_of(images[chosen]), compress=compress),
        },
        "net": blob(untrained(SEEDS[kind]), compress=compress),
        **bought(measured),
    }


def bought(measured: dict[str, Any]) -> dict[str, Any]:
    """Return what `labelled.measure` found as the page carries it.

    >>> bought({"digits": [100], "share": [0.0, 0.3], "accuracy": [[0.6], [0.4]]})["wrong"]
    {'share': 0.3, 'accuracy': [0.4]}
    """
    clean, guessed = measured["accuracy"]
    return {
        "amount": {"digits": measured["digits"], "accuracy": clean},
        "wrong": {"share": measured["share"][1], "accuracy": guessed},
    }


def pixels_of(images: NDArray[Any]) -> NDArray[np.uint8]:
    """Return pixels from 0 to 1 as bytes.

    >>> pixels_of(np.array([0.0, 0.2, 1.0])).tolist()
    [0, 51, 255]
    """
    levels: NDArray[np.uint8] = np.rint(255 * images).astype(np.uint8)
    return levels


def packed(images: NDArray[Any]) -> NDArray[np.uint8]:
    """Return pixels from 0 to 1 at 16 levels, two to a byte.

    >>> packed(np.array([0.0, 1.0, 1.0, 0.2])).tolist()
    [15, 243]
    """
    levels = np.rint(15 * images.ravel()).astype(np.uint8)
    pairs: NDArray[np.uint8] = levels[::2] << 4 | levels[1::2]
    return pairs
