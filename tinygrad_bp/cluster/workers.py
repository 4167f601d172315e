"""Who computes the shards of a step: the workers of a cluster, or this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any

from tinygrad_bp.cluster.learner import Learner, Share, Work, shares
from tinygrad_bp.cluster.shards import Node
from tinygrad_bp.errors import ClusterError
from tinygrad_bp.interop.extras import extra

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Here", "Workers"]

PATIENCE = 10
"""How many seconds are waited where there is no worker; Dask starts one again in two or so."""
TRIES = 5
"""How often what all workers have lost is sent again."""


class Here:
    """The process that the step is taken in, as the only worker."""

    def __init__(self, examples: Sequence[Any] | None) -> None:
        self._examples = examples
        self._learner: Learner | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return 1

    def keep(self, learner: Learner) -> None:
        """Keep a model and its loss for the steps to come."""
        self._learner = learner

    def results(self, works: Sequence[Work]) -> dict[Node, Share]:
        """Return what the nodes of the tree add."""
        assert self._learner is not None  # noqa: S101
        return _merged(shares(self._learner, self._examples, work) for work in works)


class Workers:
    """The workers of a cluster. They keep model, loss and examples; a step's numbers are sent.

    What a worker that died has kept is copied from another, by Dask. If there was no other, it is
    sent again from here.
    """

    def __init__(self, client: Client, examples: Sequence[Any] | None) -> None:
        self._client: Any = client  # its methods have no types
        self._examples = examples
        self._learner: Learner | None = None
        self._kept: dict[str, Future[Any]] = {}

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._addresses())

    def keep(self, learner: Learner) -> None:
        """Let all of them keep a model and its loss for the steps to come."""
        self._learner = learner
        self._kept.pop("model", None)

    def results(self, works: Sequence[Work]) -> dict[Node, Share]:
        """Return what the nodes of the tree add; raises `ClusterError` if workers die for good."""
        killed = extra("distributed").KilledWorker
        for _ in range(TRIES):
            try:
                return _merged(self._gathered(self._submitted(works)))
            except CancelledError:  # nobody has what was kept any more
                self._kept.clear()
            except killed as error:
                raise ClusterError(
                    f"a shard's worker died, and so did others that took it over: {error}. Most "
                    "often memory is short: give more shards, or workers more memory."
                ) from error
        raise ClusterError(f"all workers died {TRIES} times within one step")

    def _submitted(self, works: Sequence[Work]) -> list[Future[Any]]:
        addresses = self._addresses()
        learner = self._scattered("model", self._learner)
        examples = None if self._examples is None else self._scattered("examples", self._examples)
        # Dask warns of large arguments; those here are few, and needed by whoever does the work.
        with extra("dask").config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
            return [
                self._client.submit(
                    shares,
                    learner,
                    examples,
                    work,
                    workers=[addresses[i % len(addresses)]],
                    allow_other_workers=True,
                    pure=False,
                )
                for i, work in enumerate(works)
            ]

    def _scattered(self, name: str, thing: Any) -> Future[Any]:
        if name not in self._kept:
            try:
                (self._kept[name],) = self._client.scatter([thing], broadcast=True, hash=False)
            except OSError as error:  # one of them died just then
                raise CancelledError from error
            except TypeError as error:
                raise ClusterError(
                    f"the {name} cannot be sent to workers: {error.__cause__ or error}. What a "
                    "model or a loss holds must be picklable."
                ) from error
        return self._kept[name]

    def _gathered(self, futures: Sequence[Future[Any]]) -> Iterator[Mapping[Node, Share]]:
        distributed = extra("distributed")
        waiting = True
        while waiting:
            try:
                distributed.wait(futures, timeout=PATIENCE)
                waiting = False
            except TimeoutError:  # it takes long, or there is nobody left
                self._addresses()
        found: list[Mapping[Node, Share]] = self._client.gather(futures)
        return iter(found)

    def _addresses(self) -> list[str]:
        """Return who is there, sorted; `ClusterError` if nobody is."""
        if self._client.status != "running":
            raise ClusterError(
                f"the client is {self._client.status}. Take steps before it is, such as within the "
                "block of `with cluster.connect() as client:`"
            )
        found = sorted(self._client.nthreads())
        if found:
            return found
        try:
            self._client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise ClusterError(
                f"there has been no worker for {PATIENCE} s. The weights are what they were before "
                "the step; start workers, and take it again."
            ) from error
        return sorted(self._client.nthreads())


def _merged(found: Iterator[Mapping[Node, Share]]) -> dict[Node, Share]:
    return {node: share for shares_of_one in found for node, share in shares_of_one.items()}
