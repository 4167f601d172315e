"""What the explorer page is made of: digits, networks and curves, as one dict of JSON."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from tinygrad_bp.data import Mnist, drawn_digits
from tinygrad_bp.errors import DataError
from tinygrad_bp.lesson.blobs import blob
from tinygrad_bp.lesson.chain import chain
from tinygrad_bp.lesson.curves import measure
from tinygrad_bp.lesson.network import SIZES

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["drawn_data", "explorer_data", "pack", "shipped", "unpack"]

DIGITS = 500  # embedded in the page
EXAMPLE = 5  # a 2, as in MNIST
SHIPPED = "drawn.npz"

NETWORKS = {
    "untrained": "weights and biases drawn from N(0, 1): the lesson's start",
    "steps": "after the first mini-batches of training",
    "epochs": "after passes through all training examples",
}

TEXTS = {
    "cosine": "measured against the gradient of all training examples, not only of those shown",
    "axes": "the plane through the start and the ends of both walks, in real distances",
    "walks": "both walks begin at the untrained network",
    "amount": "networks with a scaled start, the same number of steps for each",
    "limits": "shift and noise: the network trained longest; the others: networks of their own",
}


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
    for block in range(-(-n // DIGITS)):
        rng = np.random.default_rng((28, part, block))
        wanted = rng.integers(0, SIZES[-1], DIGITS)
        if block == part == 0:
            wanted[EXAMPLE] = 2
        drawn = drawn_digits(DIGITS, rng, labels=wanted)
        images.append(drawn[0])
        labels.append(drawn[1])
    return np.concatenate(images)[:n], np.concatenate(labels)[:n]


def explorer_data(
    data: Mnist | None = None,
    *,
    example: int = EXAMPLE,
    compress: bool = True,
    measured: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return all that the page shows and does not compute itself, ready for JSON.

    Without `data` these are drawn digits, with the networks and curves that come with the
    library. With data (MNIST), give what `measure(data)` returned, or it is measured now, which
    takes minutes. The first 500 training digits are in the page; `example` is the one to begin
    with. The same arguments give the same result. Raises `DataError` if there is no such example.

    >>> found = explorer_data()
    >>> found["digits"]["labels"][found["start"]["example"]], len(found["networks"])
    (2, 5)
    """
    kind = "drawn" if data is None else "mnist"
    if measured is None:
        measured = shipped() if data is None else measure(data)
    if data is None:
        data = drawn_data(train=DIGITS, test=1)
    count = min(DIGITS, len(data.train_labels))
    if not 0 <= example < count:
        raise DataError(f"there is no example {example}: the page shows 0 to {count - 1}.")
    pixels = np.rint(255 * data.train_images[:count]).astype(np.uint8)
    return {
        "version": 1,
        "source": {"kind": kind, "text": _source(kind, count)},
        "sizes": list(SIZES),
        "names": " ".join(f"W{l} b{l}" for l in range(1, len(SIZES))),
        "digits": {
            "count": count,
            "images": blob(pixels.ravel(), compress=compress),
            "labels": data.train_labels[:count].tolist(),
        },
        "networks": [
            {
                **network,
                "text": _text_of(network),
                "parameters": blob(vector, compress=compress),
            }
            for network, vector in zip(measured["networks"], measured["parameters"], strict=True)
        ],
        "start": {"network": 0, "example": example},
        "cosine": measured["cosine"] | {"note": TEXTS["cosine"]},
        "walks": measured["walks"] | {"axes": TEXTS["axes"]},
        "amount": measured["amount"],
        "limits": measured["limits"],
        "recipes": measured["recipes"],
        "split": measured["split"],
        "chain": _chain(),
        "texts": TEXTS,
    }


def _chain() -> dict[str, Any]:
    """The lesson's chain of single neurons: what it is made of, the rest follows."""
    lesson = chain()
    return {
        "w": lesson.w.tolist(),
        "b": lesson.b.tolist(),
        "input": float(lesson.a[0]),
        "target": lesson.target,
    }


def _source(kind: str, count: int) -> str:
    if kind == "mnist":
        return f"the first {count} training digits of the folder that was given"
    return f"{count} digits that the library drew itself; no folder with MNIST was given"


def _text_of(network: dict[str, Any]) -> str:
    if network["steps"] == 0:
        return NETWORKS["untrained"]
    return NETWORKS["epochs" if network["epochs"] else "steps"]


# --- files ----------------------------------------------------------------------------------------


def pack(measured: dict[str, Any], file: BinaryIO) -> None:
    """Write what `measure` returned: the parameters as they are, all else as JSON."""
    curves = {key: value for key, value in measured.items() if key != "parameters"}
    text = json.dumps(curves, separators=(",", ":")).encode()
    np.savez_compressed(
        file, parameters=measured["parameters"], curves=np.frombuffer(text, np.uint8)
    )


def unpack(file: BinaryIO) -> dict[str, Any]:
    """Return what `pack` wrote.

    >>> import io
    >>> file = io.BytesIO()
    >>> pack({"parameters": np.zeros((1, 3), np.float32), "amount": [1, 2]}, file)
    >>> unpack(io.BytesIO(file.getvalue()))["amount"]
    [1, 2]
    """
    with np.load(file, allow_pickle=False) as content:
        found: dict[str, Any] = json.loads(content["curves"].tobytes())
        found["parameters"] = content["parameters"]
    return found


def shipped() -> dict[str, Any]:
    """Return the networks and curves on drawn digits that come with the library.

    `python -m tinygrad_bp.lesson.prepare` made them.

    >>> shipped()["networks"][0]["name"]
    'untrained'
    """
    with (files("tinygrad_bp.lesson") / SHIPPED).open("rb") as file:
        return unpack(cast("BinaryIO", file))
