"""Connectionist temporal classification: labels of a sequence that is longer than they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp import rules
from tinygrad_bp.errors import LabelError, ShapeError
from tinygrad_bp.functional.inputs import check_labels, reduced, tensor_of
from tinygrad_bp.operands import violated
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor, array_of

__all__ = ["ctc_loss"]

_NEVER = -1e30  # the logarithm of a probability that is none; a sum of several stays finite
_IMPOSSIBLE = 1e29  # minus a logarithm that has met it

Integers = np.ndarray[Any, np.dtype[np.intp]]


def ctc_loss(
    log_probs: Array,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """Return minus the log-probability that outputs spell labels, in any timing.

    Outputs (steps, examples, classes) are logarithms of probabilities, after `log_softmax`; labels
    (examples, longest), or all of them in one axis. What is spelt is found by dropping repeats and
    then blanks. Without the axis of examples there is one alone. As in PyTorch, "mean" divides each
    loss by the number of labels first. A loss is infinite, or 0 with `zero_infinity`, if the steps
    are too few, and its gradient 0. Raises `ShapeError` for lengths that do not fit, `LabelError`
    for labels that are no classes, or blank. Source: Graves et al., Connectionist Temporal
    Classification, 2006.

    >>> shares = np.log(np.full((2, 1, 2), 0.5))  # "aa", "a-" and "-a" of four spell "a"
    >>> float(np.exp(-ctc_loss(shares, [[1]], [2], [1]).data).round(6))
    0.75
    """
    outputs = tensor_of(log_probs)
    alone = outputs.ndim == 2
    outputs = np.expand_dims(outputs, 1) if alone else outputs
    if outputs.ndim != 3 or 0 in outputs.shape:
        raise ShapeError(f"ctc_loss: outputs of shape {outputs.shape} are not (steps, N, classes)")
    steps, examples, classes = outputs.shape
    if not 0 <= blank < classes:
        raise LabelError(f"ctc_loss: blank {blank} is not one of the {classes} classes")
    long = _lengths("input_lengths", input_lengths, examples, steps)
    sizes = _lengths("target_lengths", target_lengths, examples, None)
    labels = _table(array_of(targets), sizes, blank, alone=alone)
    if np.any(sizes):
        check_labels(labels, classes)
    losses = -_spelt(outputs, labels, long, sizes, blank)
    losses = np.where(losses > _IMPOSSIBLE, 0.0 if zero_infinity else np.inf, losses).astype(
        outputs.dtype
    )
    if reduction == "mean":
        return np.mean(losses / np.maximum(sizes, 1).astype(outputs.dtype))
    return reduced(losses[0] if alone else losses, reduction)


def _spelt(outputs: Any, labels: Integers, long: Integers, sizes: Integers, blank: int) -> Any:
    """The log-probability of each example's labels: the forward algorithm, over all steps."""
    examples, longest = labels.shape
    blanks = np.full((examples, longest + 1), blank)  # before, between and after
    between = np.reshape(np.stack([blanks[:, 1:], labels], axis=2), (examples, 2 * longest))
    states = np.concatenate([between, blanks[:, :1]], axis=1)
    # From one label to another, without a blank.
    none = np.zeros((examples, min(2, states.shape[1])), bool)
    onwards = (states[:, 2:] != blank) & (states[:, 2:] != states[:, :-2])
    skips = np.concatenate([none, onwards], axis=1)
    rows = np.arange(examples).reshape(-1, 1)
    starts = np.arange(states.shape[1]) < 2
    never = np.array(_NEVER, outputs.dtype)
    seen = np.where(starts, outputs[0][rows, states], never)
    for step in range(1, int(long.max())):
        ways = [seen, _later(seen, 1), np.where(skips, _later(seen, 2), never)]
        moved = rules.logsumexp(np.stack(ways), 0) + outputs[step][rows, states]
        seen = np.where((step < long).reshape(-1, 1), moved, seen)
    each = np.arange(examples)
    last = seen[each, 2 * sizes]
    before = np.where(sizes > 0, seen[each, np.maximum(2 * sizes - 1, 0)], never)
    return rules.logsumexp(np.stack([last, before]), 0)


def _later(seen: Any, shift: int) -> Any:
    """The states as they are reached from so many before."""
    kept = seen[:, : max(seen.shape[1] - shift, 0)]
    never = np.full((seen.shape[0], seen.shape[1] - kept.shape[1]), _NEVER, seen.dtype)
    return np.concatenate([never, kept], axis=1)


def _lengths(name: str, given: Any, examples: int, most: int | None) -> Integers:
    """One length for each example, of 0 or more; of inputs at least 1."""
    found = np.atleast_1d(array_of(given))
    least = 0 if most is None else 1
    if found.shape != (examples,) or found.dtype.kind not in "iu":
        raise ShapeError(f"ctc_loss: {name} must be {examples} whole numbers, one for each example")
    if found.min() < least or (most is not None and found.max() > most):
        wanted = f"from {least}" + ("" if most is None else f" to {most}")
        raise ShapeError(f"ctc_loss: {name} must be {wanted}, not {found.tolist()}")
    return found.astype(np.intp)


def _table(targets: Any, sizes: Integers, blank: int, *, alone: bool) -> Integers:
    """Labels (examples, longest); what is behind the end of an example is any label."""
    if targets.size and targets.dtype.kind not in "iu":
        raise LabelError(f"ctc_loss: labels must be whole numbers, not {targets.dtype}")
    longest = int(sizes.max(initial=0))
    counts = np.arange(longest) < sizes.reshape(-1, 1)
    if targets.ndim == 2 and len(targets) == len(sizes) and targets.shape[1] >= longest:
        table = np.where(counts, targets[:, :longest], 1 - min(blank, 1))
    elif targets.ndim == 1 and (targets.size == sizes.sum() or (alone and targets.size >= longest)):
        table = np.full(counts.shape, 1 - min(blank, 1))
        table[counts] = targets[: sizes.sum()]
    else:
        raise ShapeError(
            f"ctc_loss: labels of shape {targets.shape} do not fit target_lengths {sizes.tolist()}"
        )
    if violated(np.any(table[counts] == blank)):
        raise LabelError(f"ctc_loss: a label is {blank}, which is the blank")
    return table.astype(np.intp)
