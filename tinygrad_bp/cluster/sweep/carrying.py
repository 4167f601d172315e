"""Carry the runs of a sweep out on a cluster: Dask decides which worker takes which."""

from __future__ import annotations

import contextlib
import queue
import time
import uuid
from typing import TYPE_CHECKING, Any

from tinygrad_bp.cluster.sweep.digits import Ready, cannot_load, get_ready
from tinygrad_bp.cluster.sweep.outcome import carry_out
from tinygrad_bp.errors import ClusterError
from tinygrad_bp.interop.extras import extra

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from distributed import Client

    from tinygrad_bp.cluster.sweep.digits import Digits
    from tinygrad_bp.cluster.sweep.kept import Kept
    from tinygrad_bp.cluster.sweep.outcome import Outcome
    from tinygrad_bp.cluster.sweep.plan import Plan, Run

__all__ = ["outcomes"]

LOOK = 2.0
"""Seconds between two looks at the workers while no run ends."""
GONE = 30.0
"""Seconds without any worker after which a sweep is given up; Dask needs some to start a new one
in the place of one that was killed."""


def outcomes(
    plan: Plan, client: Client, kept: Kept | None = None
) -> Generator[tuple[Run, Outcome], None, None]:
    """Carry out the runs of a plan, and yield each with what came out, as soon as it is done.

    First come those that are `kept`; the others are kept before they are given. A run whose worker
    dies is done again by another. A run that diverges is an outcome, too.

    Raises `ClusterError`, naming the worker, if one has no digits, or others than the rest, or more
    than one thread for BLAS, and if no worker is left; what is kept by then stays. A run that
    fails, or ends several workers, does not keep the others from being done: it is told after them.
    """
    sweep = uuid.uuid4().hex
    data = _data(_ready(client, plan.digits, sweep), plan.digits)
    missing = []
    for run in plan.runs:
        if kept is not None and (outcome := kept.outcome(run.recipe, data)) is not None:
            yield run, outcome
        else:
            missing.append(run)
    with contextlib.closing(_computed(client, missing, plan.digits, sweep)) as computed:
        for run, outcome in computed:
            _check(outcome, data, plan.digits)
            if kept is not None:
                kept.keep(run.recipe, outcome)
            yield run, outcome


# --- before the runs ------------------------------------------------------------------------------


def _ready(client: Client, digits: Digits, sweep: str) -> dict[str, Ready]:
    """Have every worker load the digits, and return what each answers."""
    found: Mapping[str, Any] = client.run(get_ready, digits, sweep, on_error="return")
    # A worker that has just gone is not waited for; if all have, that is seen later.
    there = {w: answer for w, answer in found.items() if not isinstance(answer, OSError)}
    for worker, answer in there.items():
        if isinstance(answer, Exception):
            raise cannot_load(worker, digits, answer) from answer
        _check_threads(f"the worker at {worker}", answer.surroundings["threads"])
    return there


def _check_threads(where: str, threads: int | str) -> None:
    """Raise `ClusterError` unless BLAS has one thread: with several, sums may round differently."""
    counts = {one.partition("=")[2] for one in str(threads).split()} if "=" in str(threads) else {}
    if threads != 1 and counts != {"1"}:
        raise ClusterError(
            f"BLAS has more than one thread in {where} ({threads}), so results would depend on the "
            "machine. Start it with OMP_NUM_THREADS=1, or with its nanny."
        )


def _data(there: Mapping[str, Ready], digits: Digits) -> str:
    """Return the digest of the digits, which must be the same on all workers."""
    if not there:
        raise ClusterError("all workers have gone.")
    first, *others = there
    for worker in others:
        if there[worker].digest != there[first].digest:
            raise ClusterError(
                f"the workers at {first} and {worker} have different digits, and should have the "
                f"same: {digits}. Copy the folder of one to the other."
            )
    return there[first].digest


# --- the runs -------------------------------------------------------------------------------------


def _computed(
    client: Any, runs: Iterable[Run], digits: Digits, sweep: str
) -> Generator[tuple[Run, Outcome], None, None]:
    futures = {_submit(client, run, digits, sweep): run for run in runs}
    failures, watch = [], _Watch(client)
    try:
        for future in _as_they_end(futures, watch):
            run, found = futures[future], _found(future, futures[future], watch)
            if isinstance(found, ClusterError):
                failures.append(found)
            else:
                yield run, found
    finally:
        if client.status == "running":
            client.cancel(list(futures), force=True)
    if failures:
        more = len(failures) - 1
        others = f" So did {more} other{'s' * (more > 1)}." if more else ""
        raise ClusterError(f"{failures[0]}{others}") from failures[0].__cause__


def _check(outcome: Outcome, data: str, digits: Digits) -> None:
    """Raise `ClusterError` if a worker that came after the others is not as they are."""
    if outcome.data != data:
        raise ClusterError(f"a worker that came later has other digits than the rest: {digits}.")
    _check_threads("a worker that came later", outcome.surroundings["threads"])


def _submit(client: Any, run: Run, digits: Digits, sweep: str) -> Any:
    key = f"{run.name}, sweep {sweep}"  # what Dask's dashboard shows
    return client.submit(carry_out, run.recipe, digits, sweep, key=key, pure=False)


class _Watch:
    """Looks, while we wait, whether there is anybody left to wait for."""

    def __init__(self, client: Any) -> None:
        self._client, self._seen = client, time.monotonic()

    def look(self) -> None:
        """Raise `ClusterError` if scheduler or workers have gone."""
        try:
            there = self._client.nthreads()
        except (OSError, TimeoutError) as error:
            raise ClusterError(f"the scheduler does not answer any more: {error}.") from error
        now = time.monotonic()
        if there:
            self._seen = now
        elif now - self._seen > GONE:
            raise ClusterError(
                f"there has been no worker for {GONE:.0f} s. Start some, and sweep again."
            )


def _as_they_end(futures: Iterable[Any], watch: _Watch) -> Iterator[Any]:
    """Yield futures as they end."""
    ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
    left = 0
    for future in futures:
        left += 1
        future.add_done_callback(ended.put)
    while left:
        try:
            future = ended.get(timeout=LOOK)
        except queue.Empty:
            watch.look()
        else:
            left -= 1
            yield future


def _found(future: Any, run: Run, watch: _Watch) -> Outcome | ClusterError:
    """Return what came out of a run, or the error that says why it failed.

    Raises `ClusterError` for what the other runs would meet as well.
    """
    distributed = extra("distributed")
    try:
        return _result(future, watch)
    except ClusterError:
        raise
    except distributed.client.FutureCancelledError as error:
        raise ClusterError("the scheduler has gone, and the runs with it.") from error
    except distributed.KilledWorker as error:
        reason = "it has ended several workers. Did they have enough memory?"
        return _failure(run, reason, error)
    except Exception as error:  # whatever it is, the other runs can do without
        return _failure(run, f"{type(error).__name__}: {error}.", error)


def _result(future: Any, watch: _Watch) -> Outcome:
    """Return what came out; if that has died with its worker, it is computed once more."""
    while True:
        try:
            outcome: Outcome = future.result(timeout=LOOK)
        except TimeoutError:
            watch.look()
        else:
            return outcome


def _failure(run: Run, reason: str, error: Exception) -> ClusterError:
    failure = ClusterError(f"the run with {run.name} failed: {reason}")
    failure.__cause__ = error
    return failure
