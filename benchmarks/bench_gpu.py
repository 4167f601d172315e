"""A step of training on a GPU: this library on CuPy's arrays, PyTorch, JAX.

    python benchmarks/bench_gpu.py [--rounds N] [--compiled] [--tf32] [--cpu] [--json]

784-4096-4096-10 with ReLU and softmax cross-entropy, 4,096 examples a step, plain gradient descent,
everything float32: the lines of `step.py`, on other arrays. The clock is that on the wall; it is
read when the GPU has done all that it was given. Without CuPy or a GPU, the script ends with a line
that says so; `--cpu` goes through all of it with a tiny net on NumPy's arrays.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any, NamedTuple

import measure
import numpy as np
import step

NET, TINY = (4096, (784, 4096, 4096, 10)), (64, (20, 32, 32, 10))
"""Examples a step, and the sizes of the layers."""
CHECKED = 256  # examples of the step that is compared: by hand in float64, it is NumPy's
OFF = {"highest": 1e-3, "tf32": 1e-1}  # TF32 has the digits of a half: many a ReLU changes sides


class Library(NamedTuple):
    """What a library of arrays must do for the benchmark, beside what NumPy's functions ask."""

    name: str
    device: str
    """Where it calculates."""
    version: str
    asarray: step.Put
    asnumpy: Callable[[Any], step.Array]
    synchronize: Callable[[], object]
    """Wait until all is done."""


class Contestant(NamedTuple):
    """A network that can be trained, beginning with a problem's weights."""

    take: measure.Timer
    """Take a number of steps, and wait for them."""
    weights: Callable[[], list[step.Array]]
    """Return the matrices as they are now, as NumPy's arrays."""
    note: Callable[[], str] = str
    """Return what a reader must know of how it ran; nothing, as a rule."""


Maker = Callable[[step.Problem, float], Contestant]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that only this benchmark has."""
    add = parser.add_argument
    add("--compiled", action="store_true", help="run the step of this library compiled as well")
    add("--tf32", action="store_true", help="let all libraries multiply in TF32 (none do)")
    add("--cpu", action="store_true", help="a tiny net on NumPy's arrays, to try this script")


def main() -> None:
    """Compare a step of each contestant, time all of them, and print a table."""
    options = measure.options(__doc__, rounds=50, more=add_options, limited=False)
    settle(cpu=options.cpu, tf32=options.tf32)
    library = numpy_library() if options.cpu else cupy_library()
    makers, left_out = contestants(library, options)
    batch, sizes = TINY if options.cpu else NET
    check(sizes, min(batch, CHECKED), makers, OFF["tf32" if options.tf32 else "highest"])
    problem = step.Problem(batch, sizes, "cross_entropy")
    made = {name: make(problem, step.LR) for name, make in makers.items()}
    timers = {name: contestant.take for name, contestant in made.items()}
    timings = measure.interleave(timers, rounds=options.rounds, seconds=0.1)
    milliseconds = {name: [t / 1e3 for t in found.microseconds] for name, found in timings.items()}
    notes = {name: note for name, each in made.items() if (note := each.note())} | left_out
    about = setting(library, problem, tf32=options.tf32)
    tables = {
        "Setting": (["what", "which"], [list(pair) for pair in about.items()]),
        f"Milliseconds of a step, {sizes_of(problem)}": table(milliseconds),
    }
    if notes:
        tables["Notes"] = ["contestant", "note"], [list(pair) for pair in notes.items()]
    results = {"setting": about, "milliseconds": milliseconds, "notes": notes}
    measure.report(tables, results, as_json=options.json)


def sizes_of(problem: step.Problem) -> str:
    """Return the net and its mini-batch as text."""
    return f"{'-'.join(map(str, problem.sizes))}, batch {len(problem.x):,}, float32"


def setting(library: Library, problem: step.Problem, *, tf32: bool) -> dict[str, str]:
    """Return what the figures depend on beside the versions of PyTorch and JAX."""
    return {
        "device": library.device,
        library.name: library.version,
        "net": sizes_of(problem),
        "TF32": "on for all" if tf32 else "off for all",
    }


def settle(*, cpu: bool, tf32: bool) -> None:
    """Say what libraries read when they are imported: where to calculate, and how precisely."""
    os.environ["JAX_PLATFORMS"] = "cpu" if cpu else "cuda"
    os.environ["JAX_DEFAULT_MATMUL_PRECISION"] = "tensorfloat32" if tf32 else "highest"
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # or it takes most of the GPU's memory
    os.environ["CUPY_TF32"] = str(int(tf32))


# --- libraries of arrays --------------------------------------------------------------------------


def cupy_library() -> Library:
    """Return CuPy; where it or its GPU is missing, end the program."""
    try:
        import cupy
    except ImportError as error:
        sys.exit(f"this benchmark needs CuPy (pip install cupy-cuda12x, say) and a GPU: {error}")
    if not cupy.is_available():
        sys.exit("this benchmark needs a GPU, and CuPy finds none; --cpu tries the script without")
    runtime = cupy.cuda.runtime
    properties = runtime.getDeviceProperties(runtime.getDevice())
    return Library(
        "CuPy",
        properties["name"].decode(),
        f"{cupy.__version__}, CUDA {runtime.runtimeGetVersion()}, "
        f"driver {runtime.driverGetVersion()}",
        cupy.asarray,
        cupy.asnumpy,
        cupy.cuda.runtime.deviceSynchronize,
    )


def numpy_library() -> Library:
    """Return NumPy, which does not wait for anything."""
    return Library("NumPy", "the processor", np.__version__, np.array, np.asarray, lambda: None)


# --- contestants ----------------------------------------------------------------------------------


def contestants(
    library: Library, options: argparse.Namespace
) -> tuple[dict[str, Maker], dict[str, str]]:
    """Return what makes each contestant, and why others do not take part."""
    found = {step.OURS: ours(library, step.our_learner)}
    if options.compiled:
        found[step.COMPILED] = ours(library, step.compiled_learner)
    found[f"{library.name} by hand"] = ours(library, by_hand)
    left_out = {}
    peers = {"PyTorch": (step.PYTORCH, pytorch), "JAX": ("JAX", jitted)}
    for peer, (name, prepare) in peers.items():
        try:
            found[name] = prepare(cpu=options.cpu, tf32=options.tf32)
        except (ImportError, RuntimeError) as error:
            left_out[peer] = f"left out: {str(error).partition(chr(10))[0]}"
    return found, left_out


def by_hand(problem: step.Problem, lr: float, put: step.Put) -> step.Learner:
    """The plain step by hand."""
    return step.hand_learner(problem, lr, put=put)


def ours(library: Library, learner: Callable[..., step.Learner]) -> Maker:
    """Return what makes a learner that calculates on a library's arrays."""

    def make(problem: step.Problem, lr: float) -> Contestant:
        made = learner(problem, lr, put=library.asarray)
        steps, weights = made.on(library.asarray(problem.x), library.asarray(problem.y))
        return Contestant(
            waiting(steps, library.synchronize),
            lambda: [library.asnumpy(W) for W in weights()],
            lambda: eager_after_all(made.step),
        )

    return make


def eager_after_all(function: Any) -> str:
    """Return that a compiled step has no program, if so; nothing for one that is not compiled."""
    try:
        getattr(function, "source", "")
    except RuntimeError:
        return "bp.compile made no program of it: this is the eager step, called through it"
    return ""


def pytorch(*, cpu: bool, tf32: bool) -> Maker:
    """Return what makes the same lines in PyTorch, eager."""
    import torch

    if not cpu and not torch.cuda.is_available():
        raise RuntimeError("this PyTorch finds no GPU")
    torch.set_float32_matmul_precision("high" if tf32 else "highest")
    device, synchronize = ("cpu", lambda: None) if cpu else ("cuda", torch.cuda.synchronize)

    def make(problem: step.Problem, lr: float) -> Contestant:
        batch = [torch.tensor(values, device=device) for values in (problem.x, problem.y)]
        steps, weights = step.pytorch_learner(problem, lr, device).on(*batch)
        return Contestant(waiting(steps, synchronize), weights)

    return make


def jitted(*, cpu: bool, tf32: bool) -> Maker:  # noqa: ARG001  (`settle` has told it)
    """Return what makes a step that JAX compiles, called from Python without waiting."""
    import jax

    jax.devices()  # raises where there is none of the kind that was asked for

    def make(problem: step.Problem, lr: float) -> Contestant:
        steps, weights = step.jax_queued(problem, lr)  # waits for the last step of a turn
        return Contestant(waiting(steps, lambda: None), weights)

    return make


def waiting(steps: measure.Timer, synchronize: Callable[[], object]) -> measure.Timer:
    """Return what times steps by the clock on the wall, until the last of them is done."""

    def take(n: int) -> measure.Taken:
        synchronize()
        start = time.perf_counter()
        steps(n)
        synchronize()
        return measure.Taken(time.perf_counter() - start, math.nan)

    return take


# --- results --------------------------------------------------------------------------------------


def check(sizes: tuple[int, ...], batch: int, makers: Mapping[str, Maker], limit: float) -> None:
    """Compare one large step of each to the step by hand in float64, in NumPy.

    Where rounding decides on which side of zero the input of a ReLU lies, a few weights move
    otherwise. So what is compared is the root of the sum of squares, to that of the step.
    """
    problem = step.Problem(batch, sizes, "cross_entropy")
    exact = step.by_hand_exactly(problem, 1.0)
    exact.take(1)
    for name, make in makers.items():
        contestant = make(problem, 1.0)
        contestant.take(1)
        for after, expected, before in zip(
            contestant.weights(), exact.weights(), problem.W, strict=True
        ):
            off = np.linalg.norm(after - expected) / np.linalg.norm(expected - before)
            assert off <= limit, f"{name} is off by {off:.1g} of its step"


def table(milliseconds: Mapping[str, list[float]]) -> tuple[list[str], list[list[str]]]:
    """Return a row for each contestant: what its step takes, and how this library compares."""
    rows = []
    for name, taken in milliseconds.items():
        low, _, high = np.quantile(taken, (0.25, 0.5, 0.75))
        over = measure.ratio(milliseconds[step.OURS], taken)
        rows.append([name, f"{median(taken):.3f}", f"{low:.3f}..{high:.3f}", f"{over:.2f}"])
    return ["contestant", "median", "middle half of the rounds", f"{step.OURS} over it"], rows


if __name__ == "__main__":
    main()
