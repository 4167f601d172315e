"""Whether a step can be cut into shards: their sum must be the gradient of the whole batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_bp import nn
from tinygrad_bp.cluster.learner import is_sum, loss_of, tensors_of
from tinygrad_bp.cluster.shards import bounds
from tinygrad_bp.errors import ClusterError, DataError
from tinygrad_bp.modes import no_grad
from tinygrad_bp.nn.moving import left_alone

__all__ = ["check_batch", "check_loss", "check_model", "check_positions"]

OVER_A_BATCH = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def check_model(model: nn.Module, loss: Callable[[Any, Any], Any]) -> None:
    """Raise `ClusterError` for a model that cannot be sent, or looks at a whole batch at once."""
    for name, tensor in tensors_of(model, loss).items():
        if not isinstance(tensor.data, np.ndarray):
            raise ClusterError(
                f"{name} holds a {type(tensor.data).__name__}, and workers are sent NumPy's arrays"
            )
    for name, module in model.named_modules():
        if isinstance(module, OVER_A_BATCH) and module.training:
            which = f"'{name}'" if name else "the model"
            raise ClusterError(
                f"{which} is a {type(module).__name__}: it takes means over a batch, and a worker "
                "sees shards of it. Use GroupNorm or LayerNorm, or freeze its numbers by .eval()."
            )


def check_batch(batch: Sequence[Any], shards: int) -> int:
    """Return how many examples a batch has; raises `DataError` if they cannot be cut."""
    lengths = {len(a) if np.ndim(a) else None for a in batch}
    if len(lengths) != 1 or None in lengths:
        told = " and ".join(str(np.shape(a)) for a in batch)
        raise DataError(f"a batch is arrays with an example in each row, got {told or 'none'}")
    examples = int(lengths.pop() or 0)
    if examples < shards:
        raise DataError(
            f"a batch of {examples} cannot be cut into {shards} shards. Make batches larger "
            "(drop_last=True leaves out a short one at the end), or give shards="
        )
    return examples


def check_positions(batch: Sequence[Any], examples: int) -> None:
    """Raise `DataError` unless a batch is the positions of examples."""
    (rows, *more) = batch
    if more or np.ndim(rows) != 1 or np.asarray(rows).dtype.kind not in "iu":
        raise DataError(
            "the workers have the examples: a batch is their positions, one array of whole "
            f"numbers, got {' and '.join(f'{np.asarray(a).dtype} {np.shape(a)}' for a in batch)}"
        )
    if np.size(rows) and not (np.min(rows) >= 0 and np.max(rows) < examples):
        raise DataError(
            f"positions from {np.min(rows)} to {np.max(rows)}, and there are {examples} examples, "
            "from 0 on"
        )


def check_loss(
    model: nn.Module, loss: Callable[[Any, Any], Any], batch: Sequence[Any], shards: int
) -> None:
    """Raise `ClusterError` if the loss of two shards is not what the loss of each comes to.

    They are the first two of a batch. The model is called in evaluation mode, and left as it was.
    """
    edges = bounds(len(batch[-1]), shards)[:3]
    if len(edges) < 3:
        return
    pieces = [slice(a, b) for a, b in itertools.pairwise(edges)]
    sizes = np.diff(edges) / (1 if is_sum(loss) else edges[-1])
    with left_alone(model), no_grad(), np.errstate(all="ignore"):
        one, other, both = (
            np.asarray(loss_of(model, loss, *(a[piece] for a in batch)).data)
            for piece in (*pieces, slice(edges[-1]))
        )
    weights = np.ones(2) if is_sum(loss) else sizes
    parts = float(weights @ [one.item(), other.item()])
    if not np.isfinite(both) or np.isclose(
        parts, both.item(), rtol=np.finfo(both.dtype).eps ** 0.5
    ):
        return
    raise ClusterError(
        f"the loss of two shards together is {both.item():.6g}, and from each of them alone it "
        f"comes to {parts:.6g}: shards would not add up to the batch. Give a loss that is a mean "
        "over its examples (without weights of classes, or examples to ignore) or has "
        "reduction='sum', and a model in which no example depends on another."
    )
