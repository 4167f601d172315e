"""What the engine itself costs: one op, a million ops, a diamond, memory, the import.

    python benchmarks/bench_engine.py [--rounds N] [--threads N] [--core N] [--json]

Ops are timed in chains of 100 on four float64 numbers, so that arithmetic hardly counts. Forward
is recording the chain and freeing it, backward is the gradient of its end with the graph kept;
both are divided by the length. All gradients are compared before anything is timed.
"""

from __future__ import annotations

import gc
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import measure

if __name__ == "__main__":
    OPTIONS = measure.options(__doc__, rounds=100)  # before NumPy is imported

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]
Function: TypeAlias = Callable[[Any], Any]
Table: TypeAlias = tuple[list[str], list[list[str]]]

LENGTH = 100  # of a chain
LONG = 1_000_000
DEPTH = 1_000  # of the diamond; its gradient, 2 ** 1000, is still a float64
STEPS = 1_000
PROCESSES = 15

START = np.array([[0.1, 0.2], [0.3, 0.4]])
SHIFT = np.array([[0.4, -0.3], [0.2, -0.1]])
TURN = np.array([[0.0, -1.0], [1.0, 0.0]])


class Library(NamedTuple):
    """How one library records a function, and pulls a gradient back through it."""

    record: Callable[[Function, Array], Any]
    """Call the function on an array that is differentiated by; return what `pull` needs."""
    pull: Callable[[Any, Array], Array]
    """Return what the array receives when a gradient arrives at the end; the graph is kept."""
    constant: Callable[[Array], Any]
    functions: Any
    """Where its `tanh` and `sin` are."""


def ours() -> Library:
    """Return this library, used as its users do."""
    from tinygrad_bp import Tensor

    def record(function: Function, start: Array) -> Any:
        x = Tensor(start, requires_grad=True)
        return x, function(x)

    def pull(recorded: Any, g: Array) -> Array:
        x, end = recorded
        x.grad = None
        end.backward(g, retain_graph=True)
        return x.grad.data

    return Library(record, pull, np.asarray, np)


def pytorch() -> Library:
    """Return PyTorch."""
    import torch

    torch.set_num_threads(OPTIONS.threads)

    def record(function: Function, start: Array) -> Any:
        x = torch.tensor(start, requires_grad=True)
        return x, function(x)

    def pull(recorded: Any, g: Array) -> Array:
        x, end = recorded
        x.grad = None
        end.backward(torch.as_tensor(g), retain_graph=True)
        return x.grad.numpy()

    return Library(record, pull, torch.tensor, torch)


def hips() -> Library:
    """Return HIPS autograd."""
    import autograd
    import autograd.numpy

    def record(function: Function, start: Array) -> Any:
        pull, _ = autograd.make_vjp(function)(start)
        return pull

    def pull(recorded: Any, g: Array) -> Array:
        return recorded(g)

    return Library(record, pull, np.asarray, autograd.numpy)


def libraries() -> dict[str, Library]:
    """Return what is there to compare, by name, this library first."""
    found = {"tinygrad_bp": ours()}
    if measure.installed("torch"):
        found["PyTorch"] = pytorch()
    if measure.installed("autograd"):
        found["HIPS autograd"] = hips()
    return found


# --- one op ---------------------------------------------------------------------------------


def ops(library: Library) -> dict[str, Function]:
    """Return the ops that are timed; none lets the numbers grow out of bounds."""
    shift, turn = library.constant(SHIFT), library.constant(TURN)
    tanh, sin = library.functions.tanh, library.functions.sin
    return {
        "x + c": lambda x: x + shift,
        "x * c": lambda x: x * shift,
        "x + x": lambda x: x + x,
        "x @ C": lambda x: x @ turn,
        "tanh(x)": tanh,
        "sin(x)": sin,
    }


def chained(op: Function, length: int) -> Function:
    """Return the function that applies an op to its own result, again and again."""

    def chain(x: Any) -> Any:
        for _ in range(length):
            x = op(x)
        return x

    return chain


def time_op(name: str, peers: Mapping[str, Library], rounds: int) -> dict[str, list[float]]:
    """Return microseconds by "library forward" and "library backward", each round."""
    runs: dict[str, measure.Run] = {}
    arriving = np.ones_like(START)
    expected = None
    for peer, library in peers.items():
        chain = chained(ops(library)[name], LENGTH)
        recorded = library.record(chain, START)
        gradient = library.pull(recorded, arriving)
        expected = gradient if expected is None else expected
        np.testing.assert_allclose(gradient, expected, rtol=1e-12, err_msg=f"{peer}, {name}")
        runs[f"{peer} forward"] = measure.repeated(library.record, chain, START)
        runs[f"{peer} backward"] = measure.repeated(library.pull, recorded, arriving)
    plain = Library(lambda function, x: function(x), lambda *_: START, np.asarray, np)
    runs["NumPy"] = measure.repeated(chained(ops(plain)[name], LENGTH), START)
    timings = measure.interleave(runs, rounds=rounds)
    return {run: [t / LENGTH for t in timing.microseconds] for run, timing in timings.items()}


# --- large graphs ---------------------------------------------------------------------------


def time_chain(library: Library) -> tuple[float, float, float]:
    """Return the seconds that a million ops take forward, backward and to be freed."""
    gc.collect()
    start = time.perf_counter()
    recorded = library.record(chained(lambda x: x + 1.0, LONG), np.array(0.0))
    forward = time.perf_counter()
    gradient = library.pull(recorded, np.array(1.0))
    backward = time.perf_counter()
    assert gradient == 1, gradient
    del recorded
    return forward - start, backward - forward, time.perf_counter() - backward


def diamond(library: Library) -> None:
    """Go forward and backward through a graph with 2 ** 1000 paths."""
    recorded = library.record(chained(lambda x: x + x, DEPTH), np.array(1.0))
    gradient = library.pull(recorded, np.array(1.0))
    assert gradient == 2.0**DEPTH, gradient


# --- memory and import ----------------------------------------------------------------------


def bytes_per_op(length: int = 10_000) -> float:
    """Return what a recorded op with a scalar result keeps, result and place in the code too."""
    library = ours()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    recorded = library.record(chained(lambda x: x + 1.0, length), np.array(0.0))
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    del recorded
    return kept / length


def left_after_training() -> tuple[int, int]:
    """Return the bytes left by 1,000 steps, and the objects left to the cycle collector."""
    from tinygrad_bp import nn, optim

    rng = np.random.default_rng(0)
    x = rng.random((10, 784), dtype=np.float32)
    y = np.eye(10, dtype=np.float32)
    model = nn.MLP(784, 16, 16, 10, output_activation=nn.Sigmoid(), rng=rng)
    optimizer, loss = optim.SGD(model.parameters(), lr=1e-3), nn.SumSquares()

    def train(steps: int) -> None:
        for _ in range(steps):
            optimizer.zero_grad()
            cost = loss(model(x), y)
            cost.backward()
            optimizer.step()

    gc.collect()
    gc.disable()
    tracemalloc.start()
    train(100)  # fill the caches that are meant to stay, and Python's own
    before, _ = tracemalloc.get_traced_memory()
    train(STEPS)
    left = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    cyclic = gc.collect()
    gc.enable()
    return left, cyclic


def import_seconds() -> tuple[float, float]:
    """Return the median seconds that NumPy takes to import, and this library after it."""
    code = (
        "from time import perf_counter as now; a = now(); import numpy; b = now(); "
        "import tinygrad_bp; print(b - a, now() - b)"
    )
    seconds = []
    for _ in range(PROCESSES):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        seconds.append([float(text) for text in done.stdout.split()])
    numpys, added = zip(*seconds, strict=True)
    return statistics.median(numpys), statistics.median(added)


# --- results --------------------------------------------------------------------------------


def main() -> None:
    """Measure and print."""
    peers = libraries()
    ops_table, medians = measure_ops(peers)
    graphs_table, graphs = measure_graphs(peers)
    facts = measure_facts()
    tables = {
        "Microseconds of one op on 4 numbers": ops_table,
        "A chain of a million ops; a diamond of depth 1,000, forward and backward": graphs_table,
        "Memory and import": (["", ""], [[fact, f"{n:.4g}"] for fact, n in facts.items()]),
    }
    results = {"op_microseconds": medians, **graphs, "facts": facts}
    measure.report(tables, results, as_json=OPTIONS.json)


def measure_ops(peers: Mapping[str, Library]) -> tuple[Table, dict[str, dict[str, float]]]:
    """Return the median microseconds of every op, as a table and by name."""
    medians = {}
    for name in ops(peers["tinygrad_bp"]):
        times = time_op(name, peers, OPTIONS.rounds)
        medians[name] = {run: statistics.median(taken) for run, taken in times.items()}
    rows = [[name, *(f"{t:.2f}" for t in taken.values())] for name, taken in medians.items()]
    return (["op", *next(iter(medians.values()))], rows), medians


def measure_graphs(peers: Mapping[str, Library]) -> tuple[Table, dict[str, Any]]:
    """Return the medians of the large graphs, as a table and by name."""
    turns = [{peer: time_chain(library) for peer, library in peers.items()} for _ in range(3)]
    chain = {
        peer: [statistics.median(turn[peer][i] for turn in turns) for i in range(3)]
        for peer in peers
    }
    timings = measure.interleave(
        {peer: measure.repeated(diamond, library) for peer, library in peers.items()},
        rounds=OPTIONS.rounds,
    )
    depth = {peer: statistics.median(timing.microseconds) / 1e3 for peer, timing in timings.items()}
    header = ["library", "forward, s", "backward, s", "freeing, s", "diamond, ms"]
    rows = [
        [peer, *(f"{seconds:.2f}" for seconds in chain[peer]), f"{depth[peer]:.2f}"]
        for peer in peers
    ]
    return (header, rows), {"million_ops_seconds": chain, "diamond_milliseconds": depth}


def measure_facts() -> dict[str, float]:
    """Return what is single numbers, with what they are."""
    left, cyclic = left_after_training()
    numpys, added = import_seconds()
    return {
        "bytes kept by a recorded op": bytes_per_op(),
        "bytes left by 1,000 training steps": left,
        "objects left by them to the cycle collector": cyclic,
        "seconds to import NumPy": numpys,
        "seconds to import this library after it": added,
    }


if __name__ == "__main__":
    main()
