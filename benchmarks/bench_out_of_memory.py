"""The gradient over data that do not fit in memory: on one worker, on two, by a plain loop.

    python benchmarks/bench_out_of_memory.py [--data FOLDER] [--gigabytes G] [--workers N ...]
                                             [--memory TEXT] [--rounds N] [--json]

It is that of the lesson's network, 784-16-16-10 with the sum of squares, in float64 over digits
that the library draws. FOLDER is where they are kept, and found again. The loop is one process
that reads a chunk, goes forward and backward and adds up, with one thread of BLAS as each worker
has. Every run starts its workers anew; in the last, on the most of them, one is killed half-way.
All files are read once before, so they come from the page cache where that has room.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import os
import random
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeAlias

import measure

os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL")})

import numpy as np  # after the number of threads is decided

from tinygrad_bp import cluster, data, functional, lesson

Floats: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"

IMAGES = 10_000  # a chunk, 63 MB
LOOP = "a loop in one process"
KILLED = "the most, and one is killed"


class Used(NamedTuple):
    """What a process has used, since it began."""

    cpu: float
    """Seconds of a core."""
    memory: float
    """The most at a time, in GB."""


class Run(NamedTuple):
    """What a run has taken, and given."""

    seconds: float
    """By the clock on the wall."""
    used: list[Used]
    """By each worker that is alive at the end; `cpu` in the run alone."""
    loss: float
    gradients: list[Floats]


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--data", type=Path, metavar="FOLDER", help="of the digits (made and removed again)")
    add("--gigabytes", type=float, default=1.0, metavar="G", help="of digits to draw (1)")
    add("--workers", type=measure.positive, nargs="+", default=[1, 2], metavar="N", help="(1 2)")
    add("--memory", default="1.5 GB", metavar="TEXT", help="of each worker (1.5 GB)")
    add("--rounds", type=measure.positive, default=3, metavar="N", help="(3)")
    add("--json", action="store_true", help="print all of it as JSON instead")
    return parser.parse_args()


def main() -> None:
    """Make the data if they are not there, run everything in turn, and print the table."""
    options = parsed()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.data or Path(temporary) / "digits"
        if not folder.exists():
            draw(folder, chunks=max(2, round(options.gigabytes * 1e9 / (IMAGES * 784 * 8))))
        report(rounds(folder, options), folder, options)


# --- the digits -----------------------------------------------------------------------------------


def draw(folder: Path, chunks: int) -> None:
    """Draw all digits anew, a chunk at a time, and write them as they come."""
    wanted: list[Floats] = []
    rng = np.random.default_rng(0)

    def images() -> Iterator[Floats]:
        for _ in range(chunks):
            some, labels = data.drawn_digits(IMAGES, rng)
            wanted.append(np.eye(10)[labels])
            yield some.astype(np.float64)

    cluster.write_chunks(folder / "images", images())
    cluster.write_chunks(folder / "targets", wanted)


# --- the runs -------------------------------------------------------------------------------------


def rounds(folder: Path, options: argparse.Namespace) -> dict[str, list[Run]]:
    """Run everything once a round, in an order drawn anew; and look whether all give the same."""
    on_workers = functools.partial(on_cluster, folder, memory=options.memory)
    contestants: dict[str, Callable[[], Run]] = {LOOP: functools.partial(in_a_loop, folder)}
    for n in options.workers:
        contestants[named(n)] = functools.partial(on_workers, n)
    expected = in_a_loop(folder)  # and now the files are in the page cache
    found: dict[str, list[Run]] = {name: [] for name in contestants}
    for _ in range(options.rounds):
        for name in random.sample([*contestants], len(contestants)):
            found[name].append(contestants[name]())
    most = max(options.workers)
    found[KILLED] = [on_workers(most, kill_one=True)]
    for runs in found.values():
        assert max(difference(run, expected) for run in runs) < 1e-12
    return found


def named(workers: int) -> str:
    """What a run on so many workers is called."""
    return f"{workers} worker{'s' if workers > 1 else ''}"


def in_a_loop(folder: Path) -> Run:
    """Go through the chunks one by one, as one does without a cluster."""
    network = lesson.lesson_network()
    start, before = time.perf_counter(), time.process_time()
    count, cost = 0, 0.0
    sums = [np.zeros(p.shape) for p in network.parameters()]
    for number in range(chunk_count(folder)):
        x, y = (np.load(folder / part / f"{number}.npy") for part in ("images", "targets"))
        network.zero_grad()
        loss = functional.sum_squares(network(x), y)
        loss.backward()
        slopes = [p.grad.data for p in network.parameters()]
        sums = [total + len(x) * slope for total, slope in zip(sums, slopes, strict=True)]
        cost += len(x) * loss.item()
        count += len(x)
    gradients = [total / count for total in sums]
    taken = Used(time.process_time() - before, used().memory)
    return Run(time.perf_counter() - start, [taken], cost / count, gradients)


def on_cluster(folder: Path, workers: int, *, memory: str, kill_one: bool = False) -> Run:
    """Compute the gradient on workers of this machine; what is timed begins with the network."""
    with cluster.connect(workers=workers, memory=memory) as client:
        client.run(importlib.import_module, "dask.array")  # which the first task would wait for
        if kill_one:
            threading.Thread(target=kill, args=(client, chunk_count(folder) / 2)).start()
        before = client.run(used)
        start = time.perf_counter()
        network = lesson.lesson_network()
        x, y = (cluster.chunks(folder / part) for part in ("images", "targets"))
        loss = functional.sum_squares(network(x), y)
        loss.backward()
        cost = cluster.compute_gradients(loss, network.parameters())
        seconds = time.perf_counter() - start
        after = client.run(used)
    new = Used(0.0, 0.0)  # a worker that took the place of one that was killed
    found = [Used(end.cpu - before.get(w, new).cpu, end.memory) for w, end in after.items()]
    return Run(seconds, found, cost, [p.grad.data for p in network.parameters()])


def kill(client: Any, after: float) -> None:
    """Kill a worker as soon as so many chunks are done."""
    victim = min(client.run(os.getpid).values())
    while client.run_on_scheduler(done) < after:
        time.sleep(0.01)
    os.kill(victim, signal.SIGKILL)


def done(dask_scheduler: Any) -> int:
    """Return how many chunks are done: what a scheduler says."""
    chunk = dask_scheduler.task_prefixes.get("chunk")
    return chunk.state_counts["memory"] + chunk.state_counts["forgotten"] if chunk else 0


def used() -> Used:
    """Return what this process has used so far."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return Used(time.process_time(), int(line.split()[1]) * 1024 / 1e9)


def difference(run: Run, expected: Run) -> float:
    """Return the largest difference of the loss and the gradients, each over its largest entry."""
    pairs = zip(run.gradients, expected.gradients, strict=True)
    apart = [np.abs(g - e).max() / np.abs(e).max() for g, e in pairs]
    return float(max([*apart, abs(run.loss / expected.loss - 1)]))


# --- the table ------------------------------------------------------------------------------------


def report(results: dict[str, list[Run]], folder: Path, options: argparse.Namespace) -> None:
    """Print what all runs took, and how many times as long the fewest workers took."""
    fewest = named(min(options.workers))
    header = ["", "seconds", f"{fewest} over it", "CPU s", "of the busiest"]
    header += [f"{fewest} over it", "most memory of a process, GB"]
    rows = [[name, *cells(runs, results[fewest])] for name, runs in results.items()]
    apart = max(difference(run, results[LOOP][0]) for runs in results.values() for run in runs)
    title = f"{size(folder):.1f} GB in {chunk_count(folder)} chunks, {options.rounds} rounds"
    told = {
        name: [run._replace(gradients=[])._asdict() for run in runs]
        for name, runs in results.items()
    }
    measure.report(
        {f"{title}; the largest difference is {apart:.0e}": (header, rows)},
        {"runs": told, "difference": apart},
        as_json=options.json,
    )


def cells(runs: list[Run], fewest: list[Run]) -> list[str]:
    """Return a row: medians over the rounds, and medians of the ratios within them."""
    wall, others = [run.seconds for run in runs], [run.seconds for run in fewest]
    together = [sum(part.cpu for part in run.used) for run in runs]
    return [
        f"{median(wall):.1f}",
        f"{measure.ratio(others[-len(wall) :], wall):.2f}",
        f"{median(together):.1f}",
        f"{median(busiest(runs)):.1f}",
        f"{measure.ratio(busiest(fewest)[-len(wall) :], busiest(runs)):.2f}",
        f"{max(part.memory for run in runs for part in run.used):.2f}",
    ]


def busiest(runs: list[Run]) -> list[float]:
    """Return for each run what the process that calculated most has used of its core."""
    return [max(part.cpu for part in run.used) for run in runs]


def chunk_count(folder: Path) -> int:
    """Return how many chunks there are."""
    return len(list((folder / "images").glob("*.npy")))


def size(folder: Path) -> float:
    """Return how much there is on the disk, in GB."""
    return sum(path.stat().st_size for path in folder.rglob("*.npy")) / 1e9


if __name__ == "__main__":
    main()
