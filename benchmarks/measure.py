"""What the benchmarks share: threads and cores, interleaved rounds, tables, the machine's name.

Import nothing here that imports NumPy: the number of threads is decided before.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import math
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

with contextlib.suppress(ImportError):  # Windows
    import resource

__all__ = [
    "Taken",
    "Timer",
    "Timing",
    "installed",
    "interleave",
    "machine",
    "options",
    "positive",
    "ratio",
    "repeated",
    "report",
    "threads",
    "timed",
    "timer",
]

_THREADS = ("OPENBLAS", "OMP", "MKL", "BLIS", "VECLIB_MAXIMUM")


def options(
    about: str,
    *,
    rounds: int,
    more: Callable[[argparse.ArgumentParser], object] | None = None,
    limited: bool = True,
) -> argparse.Namespace:
    """Read the command line, and limit threads and cores before anything imports NumPy.

    `more` adds the options that one benchmark has and the others have not. Without `limited`, the
    libraries have all threads, cores and devices: what a GPU takes is not counted in them.
    """
    parser = argparse.ArgumentParser(description=about.partition("\n")[0])
    parser.add_argument("--rounds", type=positive, default=rounds, metavar="N", help=f"({rounds})")
    parser.add_argument("--json", action="store_true", help="print all of it as JSON instead")
    if limited:
        parser.add_argument(
            "--threads", type=positive, default=1, metavar="N", help="for every library alike (1)"
        )
        parser.add_argument("--core", type=int, metavar="N", help="to stay on (the last one)")
    if more:
        more(parser)
    given = parser.parse_args()
    if not limited:
        return given
    _limit_threads(given.threads)
    try:
        _stay_on(given.core, given.threads)
    except ValueError as error:
        parser.error(str(error))
    return given


def positive(text: str) -> int:
    """Return the whole number that an option is given, which has to be 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, not {text}")
    return int(text)


def _limit_threads(n: int) -> None:
    """Let BLAS, and OpenMP with it PyTorch, use n threads, and keep JAX off other devices."""
    for name in _THREADS:
        os.environ[f"{name}_NUM_THREADS"] = str(n)
    os.environ["JAX_PLATFORMS"] = "cpu"


def _stay_on(core: int | None, n: int) -> None:
    """Pin the process to a core, or for n threads to it and the n - 1 before it.

    XLA has as many threads as there are cores for the process, so this limits them as well.
    """
    cores = _cores()
    if not cores and core is not None:
        raise ValueError("this system cannot pin a process to a core: leave --core out")
    if not cores:
        return
    core = cores[-1] if core is None else core
    if core not in cores:
        raise ValueError(f"--core {core}: the cores that may be used are {_listed(cores)}")
    after = cores.index(core) + 1
    os.sched_setaffinity(0, (cores[after:] + cores[:after])[-n:])


def _cores() -> list[int]:
    """Return the cores that the process may use; none where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _listed(cores: Sequence[int]) -> str:
    return ", ".join(map(str, cores))


def threads() -> int:
    """Return how many threads every library may use."""
    return int(os.environ.get("OPENBLAS_NUM_THREADS", os.cpu_count() or 1))


def installed(name: str) -> bool:
    """Whether a peer can be imported."""
    return importlib.util.find_spec(name) is not None


# --- timing ---------------------------------------------------------------------------------


class Taken(NamedTuple):
    """What some work has taken."""

    seconds: float
    faults: float
    """Page faults; nan where the system does not count them."""


Timer: TypeAlias = Callable[[int], Taken]
"""Does its work the given number of times, and returns what that took."""


class Timing(NamedTuple):
    """What a repetition of one contestant takes."""

    microseconds: list[float]
    """One figure a round."""
    faults: float
    """Page faults, the mean over all rounds."""


def timed(call: Callable[..., object], *args: Any) -> Taken:
    """Call a function, and return what that took."""
    clock, faults = _clock(), _page_faults()
    start = clock()
    call(*args)
    return Taken(clock() - start, _page_faults() - faults)


def _clock() -> Callable[[], float]:
    """Return the clock to read, in seconds.

    A process that stays on one core is timed by what it has of that core: what other programs
    take of it in between is not counted. That would double the longest steps and spare the short.
    """
    return time.process_time if len(_cores()) == 1 else time.perf_counter


def _page_faults() -> float:
    """Return how many pages of memory the system has had to find for this process so far."""
    try:
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    except NameError:  # Windows
        return math.nan


def timer(run: Callable[[int], object]) -> Timer:
    """Return what times a function that does its work a given number of times."""
    return partial(timed, run)


def repeated(call: Callable[..., object], *args: Any) -> Timer:
    """Return what calls a function a number of times."""

    def run(n: int) -> None:
        for _ in range(n):
            call(*args)

    return timer(run)


def interleave(
    timers: Mapping[str, Timer], *, rounds: int, seconds: float = 2e-3
) -> dict[str, Timing]:
    """Time every contestant once a round, and return what a repetition of each takes.

    All do the same number of repetitions, as many as keep the first one busy for about `seconds`.
    They take turns, in an order that is drawn anew each round: what else the machine does, and
    what the one before leaves in the caches, meets all of them alike. The cycle collector stays
    on, as it is for users.
    """
    for take in timers.values():
        take(3)  # compile, allocate, fill caches
    quickest = [min(take(1).seconds for _ in range(10)) for take in timers.values()]
    repetitions = max(1, round(seconds / quickest[0]))
    taken: dict[str, list[Taken]] = {name: [] for name in timers}
    order = list(timers)
    for _ in range(rounds):
        random.shuffle(order)
        for name in order:
            taken[name].append(timers[name](repetitions))
    return {name: _timing(turns, repetitions) for name, turns in taken.items()}


def _timing(turns: Sequence[Taken], repetitions: int) -> Timing:
    microseconds = [turn.seconds / repetitions * 1e6 for turn in turns]
    faults = [turn.faults / repetitions for turn in turns]
    return Timing(microseconds, statistics.fmean(faults))


def ratio(times: Sequence[float], others: Sequence[float]) -> float:
    """Return the median over the rounds of how many times as long one took as the other."""
    return statistics.median(a / b for a, b in zip(times, others, strict=True))


# --- reporting ------------------------------------------------------------------------------


def machine() -> dict[str, str]:
    """Return the processor, its cores and those used, and the versions of what was measured."""
    import numpy as np

    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    peers = {name: _version(name) for name in ("torch", "jax", "autograd") if installed(name)}
    return {
        "processor": _processor(),
        "cores": f"{os.cpu_count()}",
        "used": _listed(_cores()) or "any",
        "threads": f"{threads()}",
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
