"""`tinygrad-bp predict`: read images with a saved model."""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_bp import nn
from tinygrad_bp.cli.arguments import whole
from tinygrad_bp.cli.pictures import read_images, read_labels
from tinygrad_bp.cli.screen import Reading, Screen, one_line, runner_up
from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.train import outputs

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["add_options", "predict"]

FEW = 6  # images up to this number are drawn


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `predict` to its parser."""
    parser.set_defaults(run=predict)
    parser.add_argument("model", type=Path, metavar="MODEL.npz", help="what `train --out` wrote")
    parser.add_argument(
        "images",
        type=Path,
        nargs="+",
        metavar="IMAGES",
        help="IDX files (plain or .gz), .npy arrays, .pgm or .png pictures, of the size that the "
        "model reads",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="their true labels (IDX or .npy), to work out the accuracy",
    )
    parser.add_argument(
        "--first",
        type=whole(1),
        default=20,
        metavar="N",
        help="rows of the table to show (default: 20)",
    )
    parser.add_argument(
        "--invert",
        action=argparse.BooleanOptionalAction,
        help="whether they are dark ink on light paper (default: for pictures, see if the border "
        "is light)",
    )
    parser.add_argument("--json", action="store_true", help="write everything as JSON")


class _Read(NamedTuple):
    """Images, the name of each, the model's outputs for it, and what it really is, if known."""

    images: NDArray[np.float32]  # (n, pixels)
    names: list[str]
    said: NDArray[Any]  # (n, classes)
    labels: NDArray[np.int64] | None

    @property
    def digits(self) -> NDArray[np.intp]:
        """The most probable class of each image (n,)."""
        digits: NDArray[np.intp] = self.said.argmax(axis=1)
        return digits

    def right(self) -> str | None:
        """Return a line on how many were read correctly, if that is known."""
        if self.labels is None:
            return None
        right, n = int((self.digits == self.labels).sum()), len(self.labels)
        return f"Accuracy {100 * right / n:.2f} %: {right:,} of {n:,} read correctly."


def predict(options: argparse.Namespace) -> int:
    """Carry the command out and return its exit code."""
    model = nn.load(options.model)
    if model.sizes[-1] < 2:
        raise CheckpointError(
            f"{options.model} has one output, so there is nothing to choose from."
        )
    read = _read(model, options)
    if options.json:
        print(json.dumps(_plain(read, options), allow_nan=False))
        return 0
    screen = Screen()
    if len(read.names) <= FEW:
        screen.readings([_reading(read, i) for i in range(len(read.names))])
    else:
        _show_table(read, options.first, screen)
    if line := read.right():
        screen.line()
        screen.line(line, style="bold green")
    return 0


def _read(model: nn.MLP, options: argparse.Namespace) -> _Read:
    parts, names = [], []
    for path in options.images:
        images = read_images(path, model.sizes[0], invert=options.invert)
        parts.append(images)
        names += (
            [path.name] if len(images) == 1 else [f"{path.name} {i}" for i in range(len(images))]
        )
    images = np.concatenate(parts)
    labels = options.labels and read_labels(options.labels, len(images), model.sizes[-1])
    said = outputs(model, images.astype(next(model.parameters()).dtype, copy=False))
    return _Read(images, names, said, labels)


def _reading(read: _Read, i: int) -> Reading:
    side = math.isqrt(read.images.shape[1])
    square = side**2 == read.images.shape[1]
    said = read.said[i]
    best, second = runner_up(said)
    label = "" if read.labels is None else f"is {read.labels[i]}, "
    caption = (
        _shortened(read.names[i], 20),
        f"{label}read as {best}",
        f"({said[best]:.2f}; {second}: {said[second]:.2f})",
    )
    return Reading(read.images[i].reshape(side if square else 1, -1), caption)


def _show_table(read: _Read, first: int, screen: Screen) -> None:
    shown = read.names[:first]
    width = max(len("image"), *(len(_shortened(name, 30)) for name in shown))
    screen.line(f"{'image':<{width}}   read as   output   runner-up", style="dim")
    for i, name in enumerate(shown):
        said = read.said[i]
        best, second = runner_up(said)
        label = best if read.labels is None else int(read.labels[i])
        screen.line(
            f"{_shortened(name, 30):<{width}} {best:>9} {said[best]:>8.2f} "
            f"{second:>6}: {said[second]:.2f}" + (f"   is {label}" if label != best else ""),
            style="red" if label != best else None,
        )
    if rest := len(read.names) - len(shown):
        screen.line(f"... and {rest:,} more (--first N shows N of them)", style="dim")
    counts = np.bincount(read.digits, minlength=read.said.shape[1]).tolist()
    screen.line()
    screen.line("digit" + "".join(f"{digit:>5}" for digit in range(len(counts))), style="dim")
    screen.line("times" + "".join(f"{count:>5}" for count in counts))


def _shortened(name: str, width: int) -> str:
    name = one_line(name)
    return name if len(name) <= width else "..." + name[3 - width :]


def _plain(read: _Read, options: argparse.Namespace) -> dict[str, Any]:
    """Return everything in JSON's types."""
    images = [
        {"image": name, "digit": int(said.argmax()), "outputs": [round(float(x), 6) for x in said]}
        for name, said in zip(read.names, read.said, strict=True)
    ]
    result: dict[str, Any] = {"model": str(options.model), "images": images}
    if read.labels is not None:
        result["accuracy"] = float(np.mean(read.digits == read.labels))
    return result
