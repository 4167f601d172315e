"""Whole training steps of layered models: this library and PyTorch eager.

    python benchmarks/bench_layers.py [--rounds N] [--model NAME ...]
                                      [--threads N] [--core N] [--json]

A step is what a user writes: zero the gradients, forward, loss, backward, gradient descent. Both
libraries start from the same weights, and their weights are compared after the first steps, before
anything is timed. A new model is an entry in `MODELS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from typing import Any, NamedTuple, TypeAlias

import measure

if __name__ == "__main__":
    OPTIONS = measure.options(  # before NumPy is imported
        __doc__,
        rounds=60,
        more=lambda parser: parser.add_argument("--model", nargs="+", metavar="NAME"),
    )

import numpy as np

Array: TypeAlias = Any
Steps: TypeAlias = Callable[[], Any]

OURS, PYTORCH = "tinygrad_bp", "PyTorch eager"
LR = 1e-3


class Contestant(NamedTuple):
    """A model in one of the libraries."""

    model: Any
    step: Steps
    """Takes a step, and returns the loss."""


class Entry(NamedTuple):
    """One model in both libraries."""

    model: Callable[[Any], Any]
    """Given the library's `nn`, makes the model."""
    batch: Callable[[np.random.Generator], tuple[Array, Array]]
    """Draws inputs and labels."""
    target: float
    """At most so many times as long as in PyTorch."""


# --- models ---------------------------------------------------------------------------------


def lenet(squashing: str) -> Callable[[Any], Any]:
    """Return what makes LeNet-5 after LeCun and others (1998), with maxima for its subsampling."""

    def make(nn: Any) -> Any:
        squash = getattr(nn, squashing)
        return nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), squash(), nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5), squash(), nn.MaxPool2d(2), _flatten(nn),
            nn.Linear(400, 120), squash(), nn.Linear(120, 84), squash(), nn.Linear(84, 10),
        )  # fmt: skip

    return make


def _flatten(nn: Any) -> Any:
    class Flatten(nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x.reshape(x.shape[0], -1)

    return Flatten()


def digits(rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw a hundred images and their labels."""
    x = rng.random((100, 1, 28, 28), np.float32)
    return x, rng.integers(0, 10, 100)


MODELS = {
    "LeNet-5, batch 100": Entry(lenet("Tanh"), digits, 0.85),
    "LeNet-5 with ReLU, batch 100": Entry(lenet("ReLU"), digits, 0.85),
}


# --- contestants ----------------------------------------------------------------------------


def ours(entry: Entry, x: Array, y: Array) -> Contestant:
    """The model with this library."""
    from tinygrad_bp import nn, optim

    return _training(nn, optim, entry.model(nn), x, y)


def pytorch(entry: Entry, x: Array, y: Array) -> Contestant:
    """The model with PyTorch."""
    import torch

    torch.set_num_threads(measure.threads())
    torch.manual_seed(0)
    model = entry.model(torch.nn)
    return _training(torch.nn, torch.optim, model, torch.from_numpy(x), torch.from_numpy(y))


def _training(nn: Any, optim: Any, model: Any, x: Any, y: Any) -> Contestant:
    """The lines are the same in both."""
    loss = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=LR)

    def step() -> Any:
        optimizer.zero_grad()
        cost = loss(model(x), y)
        cost.backward()
        optimizer.step()
        return cost

    return Contestant(model, step)


def check(contestants: Mapping[str, Contestant]) -> None:
    """Let both start from the same weights, take two steps, and compare losses and weights."""
    own, peer = contestants[OURS], contestants[PYTORCH]
    state = {name: np.array(p.numpy()) for name, p in peer.model.state_dict().items()}
    own.model.load_state_dict(state)
    for _ in range(2):
        np.testing.assert_allclose(float(own.step().item()), float(peer.step().item()), rtol=1e-4)
    for name, p in peer.model.state_dict().items():
        here = own.model.state_dict()[name]
        np.testing.assert_allclose(here, p.numpy(), rtol=1e-3, atol=1e-5, err_msg=name)


def main() -> None:
    """Measure every model and print the table."""
    names = [n for n in MODELS if not OPTIONS.model or any(m in n for m in OPTIONS.model)]
    rows, results = [], {}
    for name in names:
        entry = MODELS[name]
        x, y = entry.batch(np.random.default_rng(0))
        contestants = {OURS: ours(entry, x, y)}
        if measure.installed("torch"):
            contestants[PYTORCH] = pytorch(entry, x, y)
            check(contestants)
        timers = {who: measure.repeated(made.step) for who, made in contestants.items()}
        timings = measure.interleave(timers, rounds=OPTIONS.rounds, seconds=0.02)
        results[name] = {who: timing.microseconds for who, timing in timings.items()}
        rows.append([name, *_figures(results[name], entry.target)])
    header = ["model", f"{OURS}, ms", f"{PYTORCH}, ms", "ratio", "target"]
    measure.report({"One step": (header, rows)}, {"layers": results}, as_json=OPTIONS.json)


def _figures(times: Mapping[str, list[float]], target: float) -> list[str]:
    mine = f"{median(times[OURS]) / 1e3:.2f}"
    if PYTORCH not in times:
        return [mine, "", "", f"{target:.2f}"]
    theirs = f"{median(times[PYTORCH]) / 1e3:.2f}"
    ratio = measure.ratio(times[OURS], times[PYTORCH])
    return [mine, theirs, f"{ratio:.2f}", f"{target:.2f}"]


if __name__ == "__main__":
    main()
