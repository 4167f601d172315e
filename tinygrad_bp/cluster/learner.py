"""What a worker does of a step: the gradients of its shards, added up as far as it has them."""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_bp import nn
from tinygrad_bp.backward import gradients
from tinygrad_bp.cluster.shards import Node, bounds, total, within
from tinygrad_bp.cluster.vectors import Layout, Vectors
from tinygrad_bp.errors import ClusterError
from tinygrad_bp.modes import enable_grad
from tinygrad_bp.state import replace_all
from tinygrad_bp.tensor import Tensor
from tinygrad_bp.train.evaluation import check_single

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = ["Learner", "Share", "Work", "is_sum", "loss_of", "shares", "streams_of", "tensors_of"]

_COPIES = threading.local()


class Work(NamedTuple):
    """What a worker is sent for a step."""

    block: Node
    """Its shards."""
    shards: int
    """How many there are in all."""
    examples: int
    """How many examples the batch has in all."""
    batch: tuple[Any, ...]
    """Its part of the batch: arrays with an example in each row, or positions of examples."""
    values: Vectors
    """What is in the model's tensors now."""
    seeds: tuple[int, ...]
    """One for each of the model's random streams."""


class Share(NamedTuple):
    """What some shards add to the loss and to the gradient of the batch."""

    loss: float
    gradient: Vectors
    reached: NDArray[np.bool_]
    """Which of the parameters the loss depends on."""

    def plus(self, other: Share) -> Share:
        """Return what both add."""
        pairs = zip(self.gradient, other.gradient, strict=True)
        with np.errstate(all="ignore"):  # the optimiser looks whether it is finite
            gradient = [mine + its for mine, its in pairs]
        return Share(self.loss + other.loss, gradient, self.reached | other.reached)


class Learner:
    """A model and its loss, as they are kept by every worker.

    Each thread has a copy to itself, which it writes the parameters of a step into. (Where workers
    are threads of one process, what they are given is the model itself.)
    """

    def __init__(self, model: nn.Module, loss: Callable[[Any, Any], Any]) -> None:
        self.model, self.loss = model, loss

    def own(self) -> Learner:
        """Return this thread's copy."""
        copies = _COPIES.__dict__.setdefault("by_learner", weakref.WeakKeyDictionary())
        if self not in copies:
            copies[self] = Learner(*copy.deepcopy((self.model, self.loss)))
        found: Learner = copies[self]
        return found

    @cached_property
    def _tensors(self) -> dict[str, Tensor]:
        return tensors_of(self.model, self.loss)

    @cached_property
    def _parameters(self) -> list[Tensor]:
        return [t for t in self._tensors.values() if t.requires_grad]

    @cached_property
    def _streams(self) -> list[np.random.Generator]:
        return streams_of(self.model)

    def shares(self, work: Work, arrays: Sequence[Any]) -> dict[Node, Share]:
        """Return what the nodes of the tree that are within a block of shards add."""
        places = [t.data for t in self._tensors.values()]
        replace_all(places, Layout.of(places).cut(work.values))
        parts = dict(self._parts(work, arrays))
        found = {
            node: total(node, lambda at: self._share(work, at, parts), Share.plus)
            for node in within((0, work.shards), work.block)
        }
        _check_unmoved(self._tensors, work.values)
        return found

    def _parts(self, work: Work, arrays: Sequence[Any]) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """Yield the numbers of the shards of a block, and their rows."""
        first, end = work.block
        edges = bounds(work.examples, work.shards)
        for shard in range(first, end):
            rows = slice(edges[shard] - edges[first], edges[shard + 1] - edges[first])
            yield shard, tuple(a[rows] for a in arrays)

    def _share(self, work: Work, node: Node, parts: dict[int, tuple[Any, ...]]) -> Share | None:
        """Return what a shard adds, and None for a node of several."""
        shard, end = node
        if end - shard > 1:
            return None
        _sow(self._streams, work.seeds, shard)
        batch = parts[shard]
        weight = 1.0 if is_sum(self.loss) else len(batch[-1]) / work.examples
        # A run that diverges overflows on the way; what counts is what comes out of it.
        with enable_grad(), np.errstate(all="ignore"):
            loss = loss_of(self.model, self.loss, *batch) * weight
            slopes = gradients(loss, self._parameters)
        return _shared(loss, self._parameters, slopes)


def _shared(loss: Any, parameters: Sequence[Tensor], slopes: Sequence[Tensor | None]) -> Share:
    arrays = [
        np.zeros_like(p.data) if slope is None else slope.data
        for p, slope in zip(parameters, slopes, strict=True)
    ]
    reached = np.array([slope is not None for slope in slopes])
    return Share(float(loss.item()), Layout.of(arrays).joined(arrays), reached)


def shares(learner: Learner, examples: Sequence[Any] | None, work: Work) -> dict[Node, Share]:
    """Return what a worker's shards add to loss and gradient: the task that Dask carries out."""
    (rows, *_) = work.batch
    arrays = work.batch if examples is None else tuple(a[rows] for a in examples)
    return learner.own().shares(work, arrays)


def loss_of(model: nn.Module, loss: Callable[[Any, Any], Any], *batch: Any) -> Any:
    """Return the loss of a batch, one number; raises `ShapeError` if it is more."""
    *inputs, targets = batch
    found = loss(model(*inputs), targets)
    check_single(found)
    return found


def is_sum(loss: Callable[[Any, Any], Any]) -> bool:
    """Whether a loss says that it is a sum over the examples; otherwise it is taken for a mean."""
    return getattr(loss, "reduction", None) == "sum"


def tensors_of(model: nn.Module, loss: Callable[[Any, Any], Any]) -> dict[str, Tensor]:
    """Return what a model keeps by name, and a loss that is a module: parameters and buffers."""
    modules = {"model": model} | ({"loss": loss} if isinstance(loss, nn.Module) else {})
    named = {
        f"{which}.{name}": tensor
        for which, module in modules.items()
        for name, tensor in module.named_tensors()
        if tensor.is_leaf
    }
    seen = {id(tensor): name for name, tensor in reversed(named.items())}  # shared ones once
    return {name: tensor for name, tensor in named.items() if seen[id(tensor)] == name}


def streams_of(model: nn.Module) -> list[np.random.Generator]:
    """Return the random generators that a model draws from."""
    return [generator for _, generator in model.named_streams()]


def _sow(streams: Sequence[np.random.Generator], seeds: Sequence[int], shard: int) -> None:
    """Begin the random streams anew for a shard: what is drawn depends on its number alone."""
    for generator, seed in zip(streams, seeds, strict=True):
        bits = generator.bit_generator
        bits.state = type(bits)((seed, shard)).state


def _check_unmoved(tensors: dict[str, Tensor], values: Vectors) -> None:
    """Raise `ClusterError` if a call of the model has moved what it keeps."""
    named = zip(tensors, (t.data for t in tensors.values()), strict=True)
    before = Layout.of([t.data for t in tensors.values()]).cut(values)
    for (name, now), then in zip(named, before, strict=True):
        if not np.array_equal(now, then, equal_nan=now.dtype.kind in "fc"):
            raise ClusterError(
                f"{name} moves when the model is called, and each worker would move its own. Call "
                "model.eval(), or use layers that keep no running numbers."
            )
