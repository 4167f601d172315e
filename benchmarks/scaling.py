"""What a gradient costs on many workers, by a model of four costs; nothing here measures.

A gradient of N examples and a model of P parameters takes c N P on one worker, and c N P / w on w
of them. Then they must have the sum of all their gradients, of B = 4 P bytes. What that takes
depends on who sends what to whom: a message takes `per_message` of whoever handles it, a byte takes
`per_byte`, and the first of several messages that are under way at once comes `latency` later.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

__all__ = [
    "JOBS",
    "WAYS",
    "Costs",
    "Job",
    "alone",
    "cost",
    "duration",
    "efficient_up_to",
    "fastest",
    "markdown",
    "master",
    "read",
    "ring",
    "tables",
    "tree",
]

BYTES = 4  # of a parameter in float32


class Costs(NamedTuple):
    """Seconds for each of what a step does."""

    per_flop: float
    """For an example and a parameter: six floating-point operations, in a gradient."""
    per_byte: float
    per_message: float
    latency: float


class Job(NamedTuple):
    """A gradient: over how many examples, of how many parameters."""

    examples: int
    parameters: int

    @property
    def bytes(self) -> int:
        """What its sum takes."""
        return BYTES * self.parameters


Way: TypeAlias = Callable[[Job, int, Costs], float]
"""The seconds in which so many workers come to have the sum of their gradients."""


def master(job: Job, workers: int, costs: Costs) -> float:
    """Return the seconds in which one process sends parameters to all, and gets their gradients.

    2 (latency + w (message + B byte)): all that is sent goes through its one door.
    """
    handled = workers * (costs.per_message + job.bytes * costs.per_byte)
    return 2 * (costs.latency + handled)


def tree(job: Job, workers: int, costs: Costs) -> float:
    """Return the seconds in which sums go up a binary tree of workers, and the total down again.

    2 ceil(log2 w) (latency + message + B byte).
    """
    levels = math.ceil(math.log2(workers))
    return 2 * levels * (costs.latency + costs.per_message + job.bytes * costs.per_byte)


def ring(job: Job, workers: int, costs: Costs) -> float:
    """Return the seconds in which each worker passes a w-th part on to the next, 2 (w - 1) times.

    2 (w - 1) (latency + message + B byte / w): no door sees more than 2 B bytes.
    """
    part = job.bytes / workers * costs.per_byte
    return 2 * (workers - 1) * (costs.latency + costs.per_message + part)


JOBS = {"full": Job(10**9, 10**9), "batch": Job(10**4, 10**9)}
"""A gradient over all of a billion examples, and one over ten thousand of them."""
WAYS: Mapping[str, Way] = {"master": master, "tree": tree, "ring": ring}


def cost(job: Job, workers: int, costs: Costs, way: Way, *, cores: int | None = None) -> float:
    """Return the seconds of a gradient on so many workers, which share the `cores` if given."""
    computing = min(workers, cores or workers)
    return costs.per_flop * job.examples * job.parameters / computing + way(job, workers, costs)


def alone(job: Job, costs: Costs) -> float:
    """Return the seconds of a gradient where nothing is sent."""
    return costs.per_flop * job.examples * job.parameters


def fastest(job: Job, costs: Costs, way: Way) -> int:
    """Return the number of workers that take the least time: with more, it gets slower."""
    powers = [2**k for k in range(48)]
    best = min(powers, key=lambda w: cost(job, w, costs, way))
    low, high = max(1, best // 2), best * 2
    while high - low > 2:  # one valley, so thirds of it that are higher can be left out
        third = (high - low) // 3 or 1
        left, right = low + third, high - third
        if cost(job, left, costs, way) <= cost(job, right, costs, way):
            high = right
        else:
            low = left
    return min(range(low, high + 1), key=lambda w: cost(job, w, costs, way))


def efficient_up_to(job: Job, costs: Costs, way: Way) -> int:
    """Return up to how many workers each is worth at least half of one that is alone; 0 if none."""
    low, high = 0, 1 << 48
    while high - low > 1:
        middle = (low + high) // 2
        if alone(job, costs) / cost(job, middle, costs, way) >= middle / 2:
            low = middle
        else:
            high = middle
    return low


# --- showing --------------------------------------------------------------------------------

UNITS = {"years": 31_557_600.0, "days": 86_400.0, "h": 3_600.0, "min": 60.0, "s": 1.0, "ms": 1e-3}
SMALL = {"µs": 1e-6, "ns": 1e-9, "ps": 1e-12}


def duration(seconds: float) -> str:
    """Return a time in words, to two or three digits: "2.5 h", "340 ms"."""
    units = {**UNITS, **SMALL}
    unit = next((name for name, size in units.items() if seconds >= size), "ps")
    number = seconds / units[unit]
    return f"{number:,.0f} {unit}" if number >= 99.5 else f"{number:.2g} {unit}"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table, whose first column is text and the others numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def tables(costs: Costs, measured: Mapping[int, float], job: Job, cores: int) -> dict[str, str]:
    """Return all tables of the page: of costs, of 1 to 4 workers, and of `JOBS` on many."""
    return {
        "costs": _of_costs(costs),
        "measured": _of_few(costs, measured, job, cores),
        **{name: _of_many(costs, large) for name, large in JOBS.items()},
    }


def read(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `tables` takes from what JSON keeps of it."""
    return {
        "costs": Costs(**found["costs"]),
        "measured": {int(workers): seconds for workers, seconds in found["measured"].items()},
        "job": Job(**found["job"]),
        "cores": found["cores"],
    }


def _of_costs(costs: Costs) -> str:
    names = {
        "a gradient, for an example and a parameter": costs.per_flop,
        "a byte": costs.per_byte,
        "a message, for whoever handles it": costs.per_message,
        "until the first message arrives": costs.latency,
    }
    return markdown(["measured", "takes"], [[name, duration(x)] for name, x in names.items()])


def _times(ratio: float) -> str:
    return (
        f"\N{MULTIPLICATION SIGN} {ratio:,.0f}"
        if ratio >= 9.95
        else f"\N{MULTIPLICATION SIGN} {ratio:.2g}"
    )


def _of_few(costs: Costs, measured: Mapping[int, float], job: Job, cores: int) -> str:
    rows = []
    for workers, seconds in measured.items():
        paper = cost(job, workers, costs, master, cores=cores)
        rows.append([f"{workers}", duration(paper), duration(seconds), f"{seconds / paper:.2f}"])
    return markdown(["workers", "on paper", "measured", "measured over paper"], rows)


def _of_many(costs: Costs, job: Job) -> str:
    rows = []
    for name, way in WAYS.items():
        times = [cost(job, workers, costs, way) for workers in (10, 100, 1_000)]
        texts = [f"{duration(t)} ({_times(alone(job, costs) / t)})" for t in times]
        best = fastest(job, costs, way)
        most = alone(job, costs) / cost(job, best, costs, way)
        rows.append(
            [name, *texts, f"{efficient_up_to(job, costs, way):,}", f"{best:,} ({_times(most)})"]
        )
    header = ["", "10 workers", "100", "1,000", "half efficient up to", "fastest with"]
    return markdown([f"one worker: {duration(alone(job, costs))}", *header[1:]], rows)
