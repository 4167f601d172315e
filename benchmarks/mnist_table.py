"""Published results on MNIST, reproduced: test errors of the same architectures, seed by seed.

    python benchmarks/mnist_table.py --data FOLDER [--only TEXT ...] [--seeds N ...]
                                     [--hold-out N] [--threads N] [--core N] [--json]

FOLDER has the four IDX files. A row of `ROWS` is an architecture, the published figure, and how it
is trained here. What counts is the error after the last epoch: no epoch is chosen by its test
error. Settings were chosen with `--hold-out 10000`, which tests on the last training digits.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import measure

if __name__ == "__main__":

    def _more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, required=True, metavar="FOLDER")
        parser.add_argument("--only", nargs="+", metavar="TEXT", help="rows with this in the name")
        parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="N")
        parser.add_argument("--hold-out", type=measure.positive, metavar="N")

    OPTIONS = measure.options(__doc__, rounds=1, more=_more)  # before NumPy is imported

import numpy as np

from tinygrad_bp import data, nn, no_grad, optim
from tinygrad_bp import functional as F
from tinygrad_bp.data.sets import hold_out

SHAPE = (28, 28)
CHUNK = 1_000  # test digits that are read at once


# --- rows -----------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """An architecture, what was published of it, and how it is trained here."""

    name: str
    published: str
    """The test error in per cent, and who found it."""
    model: Callable[[np.random.Generator], nn.Module]
    loss: Callable[[Any, Any], Any]
    optimizer: Callable[[nn.Module], optim.Optimizer]
    epochs: int
    batch_size: int = 100
    decaying: bool = True
    """Whether the learning rate falls to 0 along half a cosine wave."""
    transform: Callable[..., Any] | None = None
    examples: int = 60_000
    """The first so many of the training digits are learned from."""
    input_shape: tuple[int, ...] = (784,)


def mlp(*hidden: int, activation: type[nn.Module] = nn.ReLU) -> Callable[..., nn.Module]:
    """Return what makes layers of these sizes between 784 pixels and 10 logits."""

    def make(rng: np.random.Generator) -> nn.Module:
        sizes = [784, *hidden]
        layers: list[nn.Module] = []
        for inputs, outputs in zip(sizes[:-1], hidden, strict=True):
            layers += [nn.Linear(inputs, outputs, rng=rng), activation()]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], 10, rng=rng))

    return make


def nielsen(hidden: int, last: type[nn.Module] = nn.Sigmoid) -> Callable[..., nn.Module]:
    """Return what makes Nielsen's networks: sigmoids, weights N(0, 1 / inputs), biases N(0, 1)."""

    def make(rng: np.random.Generator) -> nn.Module:
        layers = [nn.Linear(784, hidden, rng=rng), nn.Linear(hidden, 10, rng=rng)]
        for layer in layers:
            nn.init.normal_(layer.weight, 0, layer.in_features**-0.5, rng=rng)
            nn.init.normal_(layer.bias, rng=rng)
        return nn.Sequential(layers[0], nn.Sigmoid(), layers[1], last())

    return make


def lenet5(rng: np.random.Generator) -> nn.Module:
    """Make LeNet-5, with maxima for its subsampling, ReLU for tanh, all maps connected, softmax."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2, rng=rng), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5, rng=rng), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120, rng=rng), nn.ReLU(),
        nn.Linear(120, 84, rng=rng), nn.ReLU(), nn.Linear(84, 10, rng=rng),
    )  # fmt: skip


def squares(outputs: Any, labels: Any) -> Any:
    """Return half the squared distance to one-hot targets, the mean over the examples."""
    return F.half_sum_squares(outputs, _one_hot(labels))


def yes_or_no(logits: Any, labels: Any) -> Any:
    """Return the cross-entropy of ten yes-or-no questions, the mean over the examples."""
    return 10 * F.binary_cross_entropy_with_logits(logits, _one_hot(labels))


def _one_hot(labels: Any) -> Any:
    return F.one_hot(labels, 10, dtype=np.float32)


def sgd(lr: float, **options: Any) -> Callable[[nn.Module], optim.Optimizer]:
    """Return what makes gradient descent for a model, whose biases do not decay."""

    def make(model: nn.Module) -> optim.Optimizer:
        named = list(model.named_parameters())
        weights = [p for name, p in named if name.endswith("weight")]
        biases = [{"params": [p for name, p in named if name.endswith("bias")], "weight_decay": 0}]
        return optim.SGD([{"params": weights}, *biases], lr=lr, **options)

    return make


DISTORTED = data.Compose(
    [data.Affine(rotation=7.5, scaling=0.15, shear=0.1, translation=1), data.Elastic()], shape=SHAPE
)
STEADY = sgd(0.1, momentum=0.9, weight_decay=1e-4)

ROWS = (
    Row(
        name="784-10, linear",
        published="12.0, and 7.6 with a line for each pair (LeCun and others 1998)",
        model=mlp(),
        loss=F.cross_entropy,
        optimizer=sgd(0.5),
        epochs=40,
    ),
    Row(
        name="784-30-10, sigmoid, squares",
        published="4.58 (Nielsen 2015, best epoch)",
        model=nielsen(30),
        loss=squares,
        optimizer=sgd(3.0),
        epochs=30,
        batch_size=10,
        decaying=False,
        examples=50_000,
    ),
    Row(
        name="784-100-10, sigmoid, cross-entropy",
        published="1.96 (Nielsen 2015, best epoch)",
        model=nielsen(100, nn.Identity),
        loss=yes_or_no,
        optimizer=sgd(0.3, weight_decay=5 / 60_000),
        epochs=60,
        batch_size=10,
    ),
    Row(
        name="784-300-10",
        published="4.7 (LeCun and others 1998)",
        model=mlp(300),
        loss=F.cross_entropy,
        optimizer=STEADY,
        epochs=30,
    ),
    Row(
        name="784-800-10",
        published="1.6 (Simard and others 2003)",
        model=mlp(800),
        loss=F.cross_entropy,
        optimizer=STEADY,
        epochs=40,
    ),
    Row(
        name="784-800-10, elastic distortions",
        published="0.7 (Simard and others 2003)",
        model=mlp(800),
        loss=F.cross_entropy,
        optimizer=sgd(0.1, momentum=0.9, weight_decay=1e-5),
        epochs=150,
        transform=DISTORTED,
    ),
    Row(
        name="LeNet-5",
        published="0.95 (LeCun and others 1998)",
        model=lenet5,
        loss=F.cross_entropy,
        optimizer=sgd(0.05, momentum=0.9, weight_decay=5e-4),
        epochs=30,
        input_shape=(1, 28, 28),
    ),
    Row(
        name="LeNet-5, distortions",
        published="0.8 (LeCun and others 1998)",
        model=lenet5,
        loss=F.cross_entropy,
        optimizer=sgd(0.05, momentum=0.9, weight_decay=1e-4),
        epochs=60,
        transform=DISTORTED,
        input_shape=(1, 28, 28),
    ),
)


# --- a run ----------------------------------------------------------------------------------------


def run(row: Row, digits: data.Mnist, seed: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Train once; return the test error in per cent, and the seconds of a core that it took."""
    began = time.process_time()
    weights, order = np.random.default_rng(seed).spawn(2)
    model = row.model(weights)
    optimizer = row.optimizer(model)
    batches = data.minibatches(
        digits.train_images[: row.examples],
        digits.train_labels[: row.examples],
        batch_size=row.batch_size,
        rng=order,
        transform=row.transform,
    )
    steps = row.epochs * len(batches)
    falling = optim.lr_scheduler.CosineAnnealingLR(optimizer, steps) if row.decaying else None
    for epoch in range(1, row.epochs + 1):
        for images, labels in batches:
            optimizer.zero_grad()
            row.loss(model(images.reshape(-1, *row.input_shape)), labels).backward()
            optimizer.step()
            if falling is not None:
                falling.step()
        say(f"{row.name}, seed {seed}: epoch {epoch} of {row.epochs}")
    error = 100 * wrong(model, row, digits) / len(digits.test_labels)
    return {"seed": seed, "error": error, "seconds": time.process_time() - began}


def wrong(model: nn.Module, row: Row, digits: data.Mnist) -> int:
    """Return how many of the test digits the model misreads."""
    count = 0
    with no_grad():
        for start in range(0, len(digits.test_labels), CHUNK):
            images = digits.test_images[start : start + CHUNK].reshape(-1, *row.input_shape)
            read = model(images).data.argmax(axis=1)
            count += int((read != digits.test_labels[start : start + CHUNK]).sum())
    return count


# --- the table ------------------------------------------------------------------------------------


def line(row: Row, runs: list[dict[str, Any]]) -> str:
    """Return a row of the table: the mean error, each seed's, the published one, the time."""
    errors = [run["error"] for run in runs]
    each = ", ".join(f"{error:.2f}" for error in errors)
    minutes = statistics.mean(run["seconds"] for run in runs) / 60
    mean = statistics.mean(errors)
    return f"| {row.name} | {row.published} | {mean:.2f} ({each}) | {row.epochs} | {minutes:.1f} |"


def main(options: argparse.Namespace) -> None:
    """Train every row that is asked for with every seed, and print the table as it grows."""
    digits = data.mnist(options.data)
    if options.hold_out:
        digits = hold_out(digits, options.hold_out)
    chosen = [r for r in ROWS if not options.only or any(t in r.name for t in options.only)]
    if not options.json:
        print("| network | published | here | epochs | minutes |")
        print("| --- | --- | --- | ---: | ---: |")
    for row in chosen:
        runs = [run(row, digits, seed, show_progress) for seed in options.seeds]
        show_progress("")
        print(json.dumps({"name": row.name, "runs": runs}) if options.json else line(row, runs))
        sys.stdout.flush()


def show_progress(text: str) -> None:
    """Write a line over the last one, in a terminal."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(OPTIONS)
