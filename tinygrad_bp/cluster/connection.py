"""A connection to workers: of this machine, or of a scheduler somewhere else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import resource_tracker
from typing import TYPE_CHECKING, Any

from tinygrad_bp.errors import ClusterError
from tinygrad_bp.interop.extras import extra
from tinygrad_bp.train.interrupt import uninterrupted
from tinygrad_bp.train.surroundings import THREADS, surroundings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from distributed import Client

__all__ = ["connect", "versions"]

SECONDS = 5
"""How long a scheduler has to answer, and its workers."""
PATIENT = {"distributed.deploy.lost-worker-timeout": "1 hour"}
"""After 15 s, Dask would give a killed worker of this machine up, also while it comes back: too
early where a piece of work ends one worker after the other."""
SAME = ("tinygrad_bp", "numpy", "python")
"""What workers must have in the version that is here, to give the numbers of here."""
ALLOCATION = {"MALLOC_TRIM_THRESHOLD_": 128 << 20, "MALLOC_MMAP_THRESHOLD_": 32 << 20}
"""Bytes up to which glibc keeps what was freed for the next array. Dask would have it given back
after every array, and fetched again page by page, which takes as long as the arithmetic."""


@contextlib.contextmanager
def connect(
    scheduler: str | None = None, *, workers: int | None = None, memory: str | None = None
) -> Iterator[Client]:
    """Give a client of a Dask cluster: one on this machine, or that of a scheduler's address.

    On this machine there are so many `workers`, by default as many as there are cores: processes
    with one thread each, for BLAS too, and so much `memory` each ("1.5 GB"). They end with the
    block; a cluster somewhere else goes on. Each worker imports the script that starts it: there,
    call this under `if __name__ == "__main__":`.

    Raises `ClusterError` if no scheduler answers, it has no workers, or theirs are other versions
    of Python, NumPy or this library; `ImportError` without Dask.

    >>> with connect(workers=2) as client:  # doctest: +SKIP
    ...     client.submit(sum, [1, 2]).result()
    3
    >>> with connect("tcp://127.0.0.1:9"):  # doctest: +SKIP
    ...     pass
    Traceback (most recent call last):
    tinygrad_bp.errors.ClusterError: no scheduler answers at tcp://127.0.0.1:9: ...
    """
    distributed = extra("distributed")
    if scheduler is not None:
        _check_scheduler(scheduler)
    with contextlib.ExitStack() as until:
        # A cluster that is half started cannot be ended: Ctrl-C waits until it is whole.
        with uninterrupted(), _interrupting_none_but_us(), _one_thread():
            until.enter_context(extra("dask").config.set(PATIENT))
            cluster = scheduler or until.enter_context(_of_this_machine(workers, memory))
        client = until.enter_context(distributed.Client(cluster))
        _check_workers(client)
        yield client


def _of_this_machine(workers: int | None, memory: str | None) -> Any:
    before = "distributed.nanny.pre-spawn-environ"  # only then does the allocator look at it
    with extra("dask").config.set({f"{before}.{name}": n for name, n in ALLOCATION.items()}):
        return extra("distributed").LocalCluster(
            n_workers=workers or os.cpu_count(),
            threads_per_worker=1,
            memory_limit="auto" if memory is None else memory,
            dashboard_address="127.0.0.1:0",  # any port; with None it is 8787, or a warning
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,
        )


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that are started in the block use one thread each, whatever is set for ours.

    Bits depend on it, and workers of one machine would get in each other's way.
    """
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _interrupting_none_but_us() -> Iterator[None]:
    """Keep Ctrl-C from the threads, and so the processes, that are started in the block.

    A terminal sends it to all processes at once; each worker would end by itself, and say where.
    """
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    # Where a thread starts this helper of `multiprocessing`, Ctrl-C comes back to that thread.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _check_scheduler(address: str) -> None:
    """Ask who is there, before a client tries: it would wait for good where somebody else answers.

    The question has a thread, and so an event loop, of its own: notebooks have one that runs.
    """
    try:
        with ThreadPoolExecutor(1) as thread:
            who = thread.submit(asyncio.run, _identity(address)).result()
    except (OSError, ValueError, ImportError) as error:
        told = f"nothing within {SECONDS} s" if isinstance(error, TimeoutError) else error
        raise ClusterError(
            f"no scheduler answers at {address}: {told}. Start one with `dask scheduler`, and "
            "give the address that it prints, such as tcp://10.0.0.1:8786."
        ) from error
    if who["type"] != "Scheduler":
        raise ClusterError(f"at {address} there is a {who['type']}, and no scheduler")


async def _identity(address: str) -> dict[str, Any]:
    async with extra("distributed.core").rpc(address, timeout=SECONDS) as there:
        found: dict[str, Any] = await asyncio.wait_for(there.identity(), SECONDS)
        return found


def _check_workers(client: Client) -> None:
    """Raise `ClusterError` unless there are workers, with the versions of here."""
    try:
        client.wait_for_workers(1, timeout=SECONDS)
    except TimeoutError as error:
        address = client.scheduler_info(n_workers=0)["address"]
        raise ClusterError(
            f"the scheduler at {address} has no workers. Start some with "
            f"`dask worker {address} --nthreads 1`."
        ) from error
    found: Mapping[str, Any] = client.run(versions, on_error="return")
    for worker, there in found.items():
        if isinstance(there, Exception):
            raise ClusterError(
                f"the worker at {worker} does not know this library: {there}. Install there what "
                "is installed here."
            ) from there
        for name, here in versions().items():
            if there[name] != here:
                raise ClusterError(
                    f"the worker at {worker} has {name} {there[name]}, and here it is {here}. "
                    "Numbers would depend on who computes them; install the same on both."
                )


def versions() -> dict[str, str]:
    """Return the versions that must be the same on every machine.

    >>> sorted(versions())
    ['numpy', 'python', 'tinygrad_bp']
    """
    found = surroundings()
    return {name: found[name] for name in SAME}
