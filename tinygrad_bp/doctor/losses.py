"""What a loss wants, found by asking it: its values at made-up outputs tell its kind.

A loss may be a module, a function or a lambda around either, with weights, smoothing or a penalty
added; so nothing is read off its name.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np

__all__ = ["Kind", "Value", "at_the_labels", "baseline_of", "for_classes", "kind_of",
           "least_of"]  # fmt: skip

Value: TypeAlias = Callable[[Any], float]
"""From outputs to the loss, with the batch's own targets; nan where the loss is not defined."""


class Kind(StrEnum):
    """What a loss takes for outputs."""

    LOGITS = "logits of classes"
    LOG_PROBABILITIES = "log-probabilities of classes"
    YES_OR_NO_LOGITS = "logits of yes or no"
    YES_OR_NO = "probabilities of yes or no"
    DISTANCE = "numbers close to the targets"
    OTHER = "something else"


NEAR = 1e-3  # relative, of two numbers that should be equal: losses may be in single precision


def kind_of(value: Value, shape: tuple[int, ...], targets: Any) -> Kind:
    """Return what kind of loss it is, from its values at outputs of a shape."""
    tests = {
        Kind.LOGITS: _takes_logits,
        Kind.LOG_PROBABILITIES: _takes_log_probabilities,
        Kind.YES_OR_NO: _takes_probabilities,
        Kind.YES_OR_NO_LOGITS: _takes_yes_or_no_logits,
        Kind.DISTANCE: _takes_numbers,
    }
    draw = np.random.default_rng(0).normal(size=shape)
    targets = np.asarray(targets)
    for kind, fits in tests.items():
        if fits(value, draw, targets):
            return kind
    return Kind.OTHER


def baseline_of(kind: Kind, value: Value, shape: tuple[int, ...], targets: Any) -> float | None:
    """Return the loss of whoever knows nothing of the input, or None where that is not known.

    For classes that is the loss of equal logits, ln of their number; for numbers that of the mean.
    """
    if kind in {Kind.LOGITS, Kind.YES_OR_NO_LOGITS}:
        return value(np.zeros(shape))
    if kind is Kind.YES_OR_NO:
        return value(np.full(shape, 0.5))
    if kind is Kind.LOG_PROBABILITIES and len(shape) > 1:
        return value(np.full(shape, -np.log(shape[1 if len(shape) > 2 else -1])))
    if kind is Kind.DISTANCE:
        return value(np.broadcast_to(np.mean(targets, axis=0), shape).copy())
    return None


SCALES = (1, 2, 3, 4, 6, 8, 12, 20)  # of logits; with smoothed labels one of them is near the best


def least_of(kind: Kind, value: Value, shape: tuple[int, ...], targets: Any) -> float:
    """Return about the lowest loss that outputs can have, 0 where it is not known.

    That of labels that are shares, or smoothed, is their entropy; and the same of grey pixels.
    """
    soft = targets.dtype.kind == "f" and targets.shape == shape
    if kind is Kind.LOGITS and not soft:
        right = at_the_labels(np.zeros(shape), targets)
        best = [scale * right for scale in SCALES]
    elif soft and kind in {Kind.LOGITS, Kind.YES_OR_NO, Kind.YES_OR_NO_LOGITS}:
        shares = np.clip(targets.astype(float), 1e-6, 1 - 1e-6)
        odds = 1 if kind is Kind.LOGITS else 1 - shares
        best = [shares if kind is Kind.YES_OR_NO else np.log(shares / odds)]
    else:
        return 0.0
    return max(0.0, min((x for z in best if np.isfinite(x := value(z))), default=0.0))


# --- the tests --------------------------------------------------------------------------------


def _same(a: float, b: float) -> bool:
    return bool(abs(a - b) <= NEAR * max(abs(a), abs(b)))  # False for nan


def _class_axis(z: Any) -> int:
    return 1 if z.ndim > 2 else -1


def _bend(value: Value, z: Any, step: float) -> float:
    """The second difference at 0 along a direction: 0 where the loss is straight there."""
    return value(step * z) + value(-step * z) - 2 * value(0 * z)


def for_classes(z: Any, targets: Any) -> bool:
    """Whether targets are labels, or a row for each row of outputs."""
    axis = _class_axis(z) % max(z.ndim, 1)
    without = z.shape[:axis] + z.shape[axis + 1 :]
    labels = targets.dtype.kind in "iu" and targets.shape == without
    shares = targets.dtype.kind == "f" and targets.shape == z.shape
    return bool(z.ndim and (labels or shares))


def at_the_labels(z: Any, targets: Any) -> Any:
    """1 at the right class of each example, 0 elsewhere; or the targets, if they are shares."""
    if targets.shape == z.shape:
        return targets
    axis = _class_axis(z)
    classes = np.arange(z.shape[axis]).reshape([-1, *[1] * (z.ndim - 2)] if axis == 1 else [-1])
    return (np.expand_dims(targets, axis) == classes).astype(float)


def _takes_logits(value: Value, z: Any, targets: Any) -> bool:
    """A constant for each example changes nothing, and no margin is ever enough."""
    if not for_classes(z, targets) or z.shape[_class_axis(z)] < 2:
        return False
    shift = 3 * z.mean(axis=_class_axis(z), keepdims=True) + 1
    bends = _bend(value, z, 0.5) > NEAR * abs(value(0 * z))
    right = at_the_labels(z, targets)
    return _same(value(z), value(z + shift)) and bends and value(5 * right) != value(8 * right)


def _takes_log_probabilities(value: Value, z: Any, targets: Any) -> bool:
    """The loss is straight, and only the entries at the labels count."""
    if targets.dtype.kind not in "iu" or not for_classes(z, targets) or targets.shape == z.shape:
        return False
    at_zero, at_z = value(0 * z), value(z)
    return not _same(at_zero, at_z) and _same(value(2 * z) - at_zero, 2 * (at_z - at_zero))


def _is_yes_or_no(z: Any, targets: Any) -> bool:
    return targets.shape == z.shape and targets.size > 0 and bool(np.isin(targets, (0, 1)).all())


def _between_0_and_1(z: Any, targets: Any) -> bool:
    real = targets.shape == z.shape and targets.size > 0
    return real and bool(((targets >= 0) & (targets <= 1)).all())


def _takes_probabilities(value: Value, z: Any, targets: Any) -> bool:
    """It is defined between 0 and 1, and not outside."""
    if not _between_0_and_1(z, targets):
        return False
    outside = [value(np.full_like(z, x)) for x in (-0.5, 1.5)]
    inside = [value(np.full_like(z, x)) for x in (0.25, 0.5, 0.75)]
    return bool(np.isnan(outside).all() and np.isfinite(inside).all())


def _takes_yes_or_no_logits(value: Value, z: Any, targets: Any) -> bool:
    """It falls for ever on the right side, and rises in a straight line on the wrong one.

    Of probabilities, it is least at their own logits.
    """
    if not _between_0_and_1(z, targets):
        return False
    if not _is_yes_or_no(z, targets):
        shares = np.clip(targets.astype(float), 0.01, 0.99)
        best = np.log(shares / (1 - shares))
        others = (targets.astype(float), best + 0.5, best - 0.5)
        return all(value(other) > value(best) for other in others)
    side = 2.0 * targets - 1
    right = [value(t * side) for t in (0, 2, 6)]
    wrong = [value(-t * side) for t in (20, 40, 80)]
    falls = right[0] > right[1] > right[2]
    return falls and _same(2 * (wrong[1] - wrong[0]), wrong[2] - wrong[1])


def _takes_numbers(value: Value, z: Any, targets: Any) -> bool:
    """It is least at the targets themselves, in whatever direction, near and far."""
    if targets.shape != z.shape or targets.dtype.kind not in "fiu":
        return False
    size = max(float(np.std(targets)), 1e-3)
    least = value(targets.astype(float))
    ways = (z, -z, np.where(targets < np.mean(targets), -1.0, 1.0))
    steps = (-5.0, -0.5, 0.5, 5.0)
    return all(value(targets + step * size * way) > least for way in ways for step in steps)
