"""What the benchmarks share: threads, interleaved rounds, medians, tables, the machine's name.

Import nothing here that imports NumPy: the number of threads is decided before.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

__all__ = ["Run", "installed", "interleave", "machine", "options", "ratio", "repeated", "report"]

Run: TypeAlias = Callable[[int], object]
"""Does its work the given number of times."""

_THREADS = ("OPENBLAS", "OMP", "MKL", "BLIS", "VECLIB_MAXIMUM")


def options(about: str, *, rounds: int) -> argparse.Namespace:
    """Read the command line, and limit the threads before anything imports NumPy."""
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=rounds, metavar="N", help=f"({rounds})")
    parser.add_argument(
        "--threads", type=int, default=1, metavar="N", help="for every library alike (1)"
    )
    parser.add_argument("--json", action="store_true", help="print all of it as JSON instead")
    given = parser.parse_args()
    if given.rounds < 1 or given.threads < 1:
        parser.error("--rounds and --threads must be 1 or more")
    _limit_threads(given.threads)
    return given


def _limit_threads(n: int) -> None:
    """Let BLAS, PyTorch and XLA use n threads.

    The variables do for BLAS and OpenMP, hence for PyTorch. XLA has as many threads as the
    process may use cores, so that is limited as well, where the system can.
    """
    for name in _THREADS:
        os.environ[f"{name}_NUM_THREADS"] = str(n)
    os.environ["JAX_PLATFORMS"] = "cpu"
    with contextlib.suppress(AttributeError):  # macOS and Windows
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n])


def installed(name: str) -> bool:
    """Whether a peer can be imported."""
    return importlib.util.find_spec(name) is not None


# --- timing ---------------------------------------------------------------------------------


def repeated(call: Callable[..., object], *args: Any) -> Run:
    """Return what calls a function a number of times."""

    def run(n: int) -> None:
        for _ in range(n):
            call(*args)

    return run


def interleave(
    runs: Mapping[str, Run], *, rounds: int, seconds: float = 2e-3
) -> dict[str, list[float]]:
    """Time every contestant once a round, and return its microseconds per repetition.

    All do the same number of repetitions, as many as keep the first one busy for about `seconds`.
    They take turns, in an order that is drawn anew each round: what else the machine does, and
    what the one before leaves in the caches, meets all of them alike. The cycle collector stays
    on, as it is for users.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(3)  # compile, allocate, fill caches
    quickest = [min(_time(run, 1) for _ in range(10)) for run in runs.values()]
    repetitions = max(1, round(seconds / quickest[0]))
    order = list(runs)
    shuffle = random.Random(0).shuffle  # noqa: S311  (an order, not a secret)
    for _ in range(rounds):
        shuffle(order)
        for name in order:
            times[name].append(_time(runs[name], repetitions) / repetitions * 1e6)
    return times


def _time(run: Run, repetitions: int) -> float:
    start = time.perf_counter()
    run(repetitions)
    return time.perf_counter() - start


def ratio(times: Sequence[float], others: Sequence[float]) -> float:
    """Return the median over the rounds of how many times as long one took as the other."""
    return statistics.median(a / b for a, b in zip(times, others, strict=True))


# --- reporting ------------------------------------------------------------------------------


def machine() -> dict[str, str]:
    """Return the processor, the cores that may be used, and the versions of what was measured."""
    import numpy as np

    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    peers = {name: _version(name) for name in ("torch", "jax", "autograd") if installed(name)}
    return {
        "processor": _processor(),
        "cores": f"{os.cpu_count()}",
        "threads": os.environ["OPENBLAS_NUM_THREADS"],
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "BLAS": f"{blas['name']} {blas['version']}",
        **peers,
    }


def _version(name: str) -> str:
    from importlib.metadata import version

    return version(name)


def _processor() -> str:
    """Return the processor's own name; `platform` knows only its family."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor() or "unknown"


def report(
    tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[str]]]],
    results: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    """Print tables, a title to each, as Markdown; or the bare results as JSON."""
    if as_json:
        print(json.dumps({"machine": machine(), **results}, indent=2))
        return
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    for title, (header, rows) in tables.items():
        print(f"\n{title}\n")
        for line in _lines(header, rows):
            print(line)


def _lines(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    ruler = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        texts = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return f"| {' | '.join(texts)} |"

    return [line(header), line(ruler), *map(line, rows)]
