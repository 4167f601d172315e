"""Data-parallel training: workers compute the gradient of a batch, and the step is taken here.

    a batch ── cut into `shards` ──> each worker: parameters, its shards ──> gradients
                                                                                │
    the optimiser's step  <── their sum, in an order fixed by the shards' numbers ──┘

Everything that decides the numbers is here: the batch, `shards`, the model's random streams. Who
computes which shard, how many workers there are, and whether one of them dies does not.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp import nn, optim
from tinygrad_bp.cluster.divisible import check_batch, check_loss, check_model, check_positions
from tinygrad_bp.cluster.learner import Learner, Share, Work, streams_of, tensors_of
from tinygrad_bp.cluster.shards import bounds, total
from tinygrad_bp.cluster.vectors import Layout
from tinygrad_bp.cluster.workers import Here, Workers
from tinygrad_bp.tensor import Tensor
from tinygrad_bp.train.feed import as_arrays

if TYPE_CHECKING:
    from distributed import Client

    from tinygrad_bp.cluster.vectors import Vectors

__all__ = ["ParallelStep"]


class ParallelStep:
    """Takes steps of training whose gradients are computed by the workers of a Dask cluster.

    `step(x, y)` does what `optimizer.zero_grad()`, `loss(model(x), y).backward()` and
    `optimizer.step()` do, and returns the loss as a number. A batch is arrays with an example in
    each row, the targets last. If the workers are given the `examples` beforehand, arrays in a
    tuple, a batch is the positions of examples: `step(rows)`.

    A batch is cut into `shards`, whose gradients are added in a fixed order, so the number of
    workers changes no bit: `shards` is part of what decides the numbers, and should be a multiple
    of the number of workers. Sizes of shards differ by one at most, and a mean is weighted with
    them. Layers that draw random numbers begin a stream anew for each step and shard, from a seed
    that is drawn here. With None in place of a client, everything is computed here, to the same
    bits. (The same bits need the same NumPy, BLAS and processor everywhere, and as many threads in
    BLAS: Dask starts its workers with one.)

    What a worker loses because it dies is computed by another. Model and loss are sent when the
    first step is taken, and again if modes, shapes or frozen parameters change; other changes of
    a layer's options, and of the examples, need a new `ParallelStep`.

    Raises `ClusterError` for a model that looks at a whole batch at once, such as batch
    normalisation in training, and at the first step for a loss that is not the mean over its
    examples, nor says that it is their sum (`reduction="sum"`).

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(64, 2))
    >>> y = (x[:, 0] > x[:, 1]).astype(int)
    >>> model = nn.MLP(2, 2, dtype=np.float64, rng=rng)
    >>> optimizer = optim.SGD(model.named_parameters(), lr=1.0)
    >>> step = ParallelStep(None, model, nn.CrossEntropyLoss(), optimizer, (x, y), shards=4)
    >>> losses = [step(np.arange(64)) for _ in range(20)]
    >>> losses[-1] < losses[0] / 2
    True
    """

    def __init__(
        self,
        client: Client | None,
        model: nn.Module,
        loss: Callable[[Any, Any], Any],
        optimizer: optim.Optimizer,
        examples: Sequence[Any] | None = None,
        *,
        shards: int = 8,
    ) -> None:
        if isinstance(shards, bool) or not isinstance(shards, int | np.integer) or shards < 1:
            raise ValueError(f"shards must be a whole number from 1 up, got {shards!r}")
        self.model, self.loss, self.optimizer, self.shards = model, loss, optimizer, int(shards)
        self._examples = None if examples is None else as_arrays(tuple(examples))
        if self._examples is not None:
            check_batch(self._examples, self.shards)
        check_model(model, loss)
        self._workers = Here(self._examples) if client is None else Workers(client, self._examples)
        self._looks: Any = None  # what model and loss looked like when they were sent

    def __call__(self, *batch: Any) -> float:
        """Take a step with a batch, and return its loss before the step.

        Raises `DataError` for a batch that cannot be cut, `OptimizerError` with all weights
        untouched as the optimiser does, `ClusterError` if there are no workers or they die again
        and again, and what a call of the model raises there.
        """

        def closure() -> float:
            self.optimizer.zero_grad()
            return self.backward(*batch)

        return float(self.optimizer.step(closure))

    def backward(self, *batch: Any) -> float:
        """Leave the gradients of a batch where `backward()` leaves them, and return the loss.

        They take the place of those that were there.
        For what comes before a step, such as clipping; `zero_grad()` and `step()` are yours then.
        Raises as a step does.
        """
        arrays = tuple(map(_array, batch))
        if self._examples is not None:
            check_positions(arrays, len(self._examples[0]))
        examples = check_batch(arrays, self.shards)
        tensors = tensors_of(self.model, self.loss)
        self._send_model(tensors, arrays)
        places = [t.data for t in tensors.values()]
        works = self._works(arrays, examples, Layout.of(places).joined(places))
        share = total((0, self.shards), self._workers.results(list(works)).get, Share.plus)
        _deposit(share, [t for t in tensors.values() if t.requires_grad])
        return share.loss

    def _send_model(self, tensors: Mapping[str, Tensor], batch: Sequence[Any]) -> None:
        """Let the workers have model and loss as they look now, unless they have."""
        looks = (
            (id(self.model), id(self.loss)),
            [(name, t.shape, t.dtype, t.requires_grad) for name, t in tensors.items()],
            [(name, module.training) for name, module in self.model.named_modules()],
        )
        if looks == self._looks:
            return
        check_model(self.model, self.loss)
        known = self._examples
        arrays = batch if known is None else [a[batch[0]] for a in known]
        check_loss(self.model, self.loss, arrays, self.shards)
        self._workers.keep(Learner(self.model, self.loss))
        self._looks = looks

    def _works(self, batch: Sequence[Any], examples: int, values: Vectors) -> Iterator[Work]:
        """Yield what each worker is to do."""
        seeds = tuple(int(stream.integers(1 << 63)) for stream in streams_of(self.model))
        edges = bounds(examples, self.shards)
        workers = min(self._workers.count, self.shards)
        for first, end in itertools.pairwise(bounds(self.shards, workers)):
            part = tuple(a[edges[first] : edges[end]] for a in batch)
            yield Work((first, end), self.shards, examples, part, values, seeds)


def _deposit(share: Share, parameters: Sequence[Tensor]) -> None:
    """Put a gradient where the optimiser looks for it."""
    slopes = Layout.of([p.data for p in parameters]).cut(share.gradient)
    for p, slope, reached in zip(parameters, slopes, share.reached, strict=True):
        p.grad = slope.copy() if reached else None


def _array(values: Any) -> Any:
    values = values.data if isinstance(values, Tensor) else values
    return values if hasattr(values, "shape") else np.asarray(values)
