"""The memory of a step: what it allocates in the steady state, and what a large one needs.

`bench_step.py --memory` prints it. Each contestant has a process of its own. Allocations are those
that `tracemalloc` sees, which are NumPy's and Python's; of PyTorch's and JAX's it sees none, so the
growth of the process is shown as well, where the system tells.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import re
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeAlias

import step

Figures: TypeAlias = dict[str, float]
"""Bytes, by what they are."""
Table: TypeAlias = tuple[list[str], list[list[str]]]

SETTING = "sum_squares"
SMALL = (100, (784, 16, 16, 10))
LARGE = (8_192, (784, 512, 512, 10))
STEPS = 1_000
MIB = 1 << 20


def measured() -> dict[str, Figures]:
    """Return the figures of every contestant."""
    names = [name for name in step.contestants(SETTING) if name != step.PRODUCTS]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        return dict(zip(names, pool.map(of_contestant, names), strict=True))


def of_contestant(name: str) -> Figures:
    """Return the figures of one contestant, in a process that has done nothing else."""
    make = step.contestants(SETTING)[name]
    steady = in_steady_state(make(step.Problem(*SMALL, SETTING), step.LR))
    make(step.Problem(8, LARGE[1], SETTING), step.LR).take(3)  # the libraries load what they need
    return steady | of_large(make(step.Problem(*LARGE, SETTING), step.LR))


def in_steady_state(contestant: step.Contestant) -> Figures:
    """Return what a step holds at most beyond what it began with, and what steps leave."""
    contestant.take(10)
    with traced():
        contestant.take(1)
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        contestant.take(1)
        peak = tracemalloc.get_traced_memory()[1]
        contestant.take(STEPS)
        after = tracemalloc.get_traced_memory()[0]
    return {"in a step": peak - before, f"left by {STEPS:,}": after - before}


def of_large(contestant: step.Contestant) -> Figures:
    """Return the peaks of the first calls and of a later one, beyond inputs and weights."""
    began = resident("VmRSS", fresh_peak=True)
    with traced():
        contestant.take(1)
        first = tracemalloc.get_traced_memory()[1]
        contestant.take(2)
        kept = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        contestant.take(1)
        later = tracemalloc.get_traced_memory()[1]
    grown = resident("VmHWM") - began
    return {"first call": first, "later call": later, "kept between": kept, "process": grown}


@contextlib.contextmanager
def traced() -> Iterator[None]:
    """Count what is allocated in the `with` block."""
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def resident(field: str, *, fresh_peak: bool = False) -> float:
    """Return the bytes in memory (VmRSS) or the most of them so far (VmHWM); nan if untold."""
    try:
        if fresh_peak:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
    except OSError:
        return math.nan
    found = re.search(rf"{field}:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else math.nan


# --- tables ---------------------------------------------------------------------------------


def tables(found: dict[str, Figures]) -> dict[str, Table]:
    """Return what a step of the lesson's net allocates, and what a large step needs."""
    steady = ["in a step", f"left by {STEPS:,}"]
    large = ["first call", "later call", "kept between", "process"]
    return {
        f"Bytes of a step in the steady state, {told(*SMALL)}": (
            ["", *steady],
            [
                [name, *(f"{figures[key]:,.0f}" for key in steady)]
                for name, figures in found.items()
            ],
        ),
        f"MiB of a step at most, beyond inputs and weights, {told(*LARGE)}": (
            ["", *large],
            [
                [name, *(f"{figures[k] / MIB:,.1f}" for k in large)]
                for name, figures in found.items()
            ],
        ),
    }


def told(batch: int, sizes: tuple[int, ...]) -> str:
    """Return a net in words."""
    return f"{'-'.join(map(str, sizes))}, batch {batch:,}"
