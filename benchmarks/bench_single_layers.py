"""Single layers, forward and backward: this library and PyTorch eager.

    python benchmarks/bench_single_layers.py [--rounds N] [--only TEXT ...] [--threads N] [--core N]
                                         [--json]

Both libraries have the same weights and inputs in float32, and run the same lines: the gradients
are forgotten, the layer is called, and a weighed sum of its output goes backward to the weights.
Inputs are data, and take no gradient; but those of normalisations, enlarging and pooling do, which
stand between other layers. All gradients are compared before anything is timed.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import measure

if __name__ == "__main__":
    OPTIONS = measure.options(  # before NumPy is imported
        __doc__,
        rounds=200,
        more=lambda parser: parser.add_argument(
            "--only", nargs="+", metavar="TEXT", help="entries with that in their name"
        ),
    )

import numpy as np

from tinygrad_bp import Tensor, nn

Array: TypeAlias = np.ndarray[Any, Any]
Step: TypeAlias = Callable[[], Any]

RNG = np.random.default_rng(0)


class Entry(NamedTuple):
    """A layer, by the name and arguments that both libraries know it by, and its input."""

    name: str
    layer: str
    args: tuple[Any, ...]
    options: dict[str, Any]
    shape: tuple[int, ...]
    tracks: bool = False
    """Whether the input takes a gradient."""

    def made_by(self, library: Any) -> Any:
        """Return the layer of one library."""
        return getattr(library, self.layer)(*self.args, **self.options)


SEQUENCE = (50, 32, 64)  # steps, examples, features
ENTRIES = [
    Entry("LSTM, 50 steps of (32, 64)", "LSTM", (64, 64), {}, SEQUENCE),
    Entry("GRU, 50 steps of (32, 64)", "GRU", (64, 64), {}, SEQUENCE),
    Entry("RNN, 50 steps of (32, 64)", "RNN", (64, 64), {}, SEQUENCE),
    Entry("LSTM, 50 steps of (32, 256)", "LSTM", (256, 256), {}, (50, 32, 256)),
    Entry(
        "TransformerEncoderLayer, 16 x 32 x 64",
        "TransformerEncoderLayer",
        (64, 4, 256, 0.0),
        {"batch_first": True},
        (16, 32, 64),
    ),
    *[
        Entry(f"{layer}, {shape}", layer, args, {}, shape, tracks=True)
        for shape, norms in {
            (32, 64): {"LayerNorm": (64,), "RMSNorm": (64,), "BatchNorm1d": (64,),
                       "GroupNorm": (8, 64)},
            (100, 16, 12, 12): {"LayerNorm": ((16, 12, 12),), "RMSNorm": ((16, 12, 12),),
                                "BatchNorm2d": (16,), "GroupNorm": (4, 16)},
        }.items()
        for layer, args in norms.items()
    ],
    *[
        Entry(f"{layer}{args}, {shape}", layer, args, {}, shape, tracks=True)
        for shape in [(8, 16, 32, 32), (1, 3, 512, 512)]
        for layer, args in [
            ("Upsample", (None, 2, "nearest")),
            ("Upsample", (None, 2, "bilinear")),
            ("Upsample", (None, 2, "bicubic")),
            ("AdaptiveAvgPool2d", (7,)),
            ("AdaptiveAvgPool2d", (1,)),
        ]
    ],
]  # fmt: skip


def step(layer: Any, x: Any, w: Any) -> Step:
    """Return what goes forward and backward once, and returns all gradients."""
    parameters = list(layer.parameters())
    if getattr(x, "requires_grad", False):
        parameters.append(x)

    def go() -> list[Any]:
        for p in parameters:
            p.grad = None
        output = layer(x)
        y = output[0] if isinstance(output, tuple) else output
        (y * w).sum().backward()
        return [p.grad for p in parameters]

    return go


def contestants(entry: Entry) -> dict[str, Step]:
    """Return both libraries' steps with the same weights; their gradients are compared here."""
    import torch

    torch.set_num_threads(measure.threads())
    theirs, ours = entry.made_by(torch.nn), entry.made_by(nn)
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    x = RNG.standard_normal(entry.shape, np.float32)
    given = Tensor(x, requires_grad=True) if entry.tracks else x
    peer = torch.tensor(x, requires_grad=entry.tracks)
    found = theirs(peer)
    shape = (found[0] if isinstance(found, tuple) else found).shape
    w = RNG.standard_normal(tuple(shape), np.float32)
    steps = {
        "tinygrad_bp": step(ours, given, w),
        "PyTorch": step(theirs, peer, torch.tensor(w)),
    }
    for g, expected in zip(*(go() for go in steps.values()), strict=True):
        scale = float(np.abs(expected.numpy()).max())
        np.testing.assert_allclose(g.data, expected.numpy(), rtol=1e-3, atol=1e-4 * scale)
    return steps


# --- results ----------------------------------------------------------------------------------


def measured(entry: Entry, rounds: int) -> dict[str, Any]:
    """Return the figures of one layer."""
    timers = {name: measure.repeated(go) for name, go in contestants(entry).items()}
    timings = measure.interleave(timers, rounds=rounds)
    ours, theirs = timings.values()
    return {
        "microseconds": {n: statistics.median(t.microseconds) for n, t in timings.items()},
        "page_faults": {name: timing.faults for name, timing in timings.items()},
        "ratio": measure.ratio(ours.microseconds, theirs.microseconds),
    }


def row(name: str, found: dict[str, Any]) -> list[str]:
    """Return a row of the table."""
    times = [f"{taken:,.0f}" for taken in found["microseconds"].values()]
    faults = [f"{count:,.0f}" for count in found["page_faults"].values()]
    return [name, *times, f"{found['ratio']:.2f}", " / ".join(faults)]


def wanted(entry: Entry, only: Sequence[str] | None) -> bool:
    """Whether an entry was asked for."""
    return only is None or any(text in entry.name for text in only)


def main() -> None:
    """Measure and print."""
    if not measure.installed("torch"):
        sys.exit("this compares with PyTorch, which is not installed: pip install torch")
    chosen = [entry for entry in ENTRIES if wanted(entry, OPTIONS.only)]
    results = {entry.name: measured(entry, OPTIONS.rounds) for entry in chosen}
    header = ["forward and backward, µs", "tinygrad_bp", "PyTorch", "ratio", "page faults"]
    rows = [row(name, figures) for name, figures in results.items()]
    measure.report({"A layer once": (header, rows)}, {"layers": results}, as_json=OPTIONS.json)


if __name__ == "__main__":
    main()
