"""Findings about the targets: their range, shape and dtype, and what is missing of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_bp.doctor.losses import Kind
from tinygrad_bp.doctor.measurements import Measurements
from tinygrad_bp.doctor.report import Finding, Severity

__all__ = ["broadcast_targets", "labels_unused", "missing_classes", "not_shares",
           "one_output",
           "refused_by_the_loss", "target_scale"]  # fmt: skip


# --- targets that a loss refuses --------------------------------------------------------------


class _Cure(NamedTuple):
    """A change of outputs or targets, tried where the loss raises: if it helps, it is the news."""

    name: str
    title: str
    why: str
    write: str
    changed: Callable[[Any, Any], tuple[Any, Any]]
    """From outputs and targets to both, changed; raises where it makes no sense."""


def _need(sensible: Any) -> None:
    if not sensible:
        raise ValueError


def _flat(z: Any, y: Any) -> tuple[Any, Any]:
    _need(y.ndim == z.ndim and y.shape[-1] == 1)
    return z, y[..., 0]


def _column(z: Any, y: Any) -> tuple[Any, Any]:
    _need(z.ndim == y.ndim + 1 and z.shape[-1] == 1)
    return z, y[..., None]


def _whole(z: Any, y: Any) -> tuple[Any, Any]:
    _need(y.dtype.kind == "f" and (y == np.floor(y)).all())
    return z, y.astype(int)


def _index(z: Any, y: Any) -> tuple[Any, Any]:
    _need(y.shape == z.shape and (y.sum(axis=-1) == 1).all() and y.max() == 1)
    return z, y.argmax(axis=-1)


def _one_hot(z: Any, y: Any) -> tuple[Any, Any]:
    _need(y.dtype.kind in "iu" and z.shape == (*y.shape, z.shape[-1]) and z.shape[-1] > 1)
    return z, np.eye(z.shape[-1])[y]


def _from_0(z: Any, y: Any) -> tuple[Any, Any]:
    classes = z.shape[1 if z.ndim > 2 else -1]
    _need(y.dtype.kind in "iu" and y.min() == 1 and y.max() == classes and classes > 1)
    return z, y - 1


def _in_range(z: Any, y: Any) -> tuple[Any, Any]:
    last = z.shape[1 if z.ndim > 2 else -1] - 1
    _need(y.dtype.kind in "iu" and (y.min() < 0 or y.max() > last))
    return z, np.clip(y, 0, last)


def _probabilities(z: Any, y: Any) -> tuple[Any, Any]:
    _need((z < 0).any() or (z > 1).any())
    return 1 / (1 + np.exp(-z.astype(float))), y


CURES = (
    _Cure("logits-for-probabilities", "logits are given to a loss of probabilities",
         "It takes the logarithm of them, which must be from 0 to 1.",
         "loss = nn.BCEWithLogitsLoss()  # which applies the sigmoid itself", _probabilities),
    _Cure("label-shape", "the labels have an axis too many",
         "The loss wants one label for each example.", "y = y.reshape(-1)", _flat),
    _Cure("label-shape", "the targets lack an axis that the outputs have",
         "Compared as they are, every output would meet every target.", "y = y[:, None]", _column),
    _Cure("label-dtype", "the labels are floats", "A class is a whole number.",
         "y = y.astype(int)", _whole),
    _Cure("label-one-hot", "the labels are one-hot rows, and the loss wants the class's number",
         "A whole number for each example says the same.", "y = y.argmax(axis=-1)", _index),
    _Cure("label-range", "the labels begin at 1", "Classes are counted from 0.",
         "y = y - 1", _from_0),
    _Cure("label-range", "there are labels that the model has no output for",
         "Classes are whole numbers from 0 to the number of outputs - 1.", "", _in_range),
    _Cure("label-one-hot", "the labels are numbers of classes, and the loss wants a row for each",
         "It compares every output with a target of its own.",
         "y = np.eye({classes}, dtype=np.float32)[y]", _one_hot),
)  # fmt: skip


def refused_by_the_loss(m: Measurements) -> Finding | None:
    """The loss raised: the first change that it accepts is the finding."""
    error, z, y = m.forward.of_loss, m.output, m.target
    if error is None or z is None or y is None:
        return None
    for cure in CURES:
        try:
            output, targets = cure.changed(z, y)
            m.subject.loss(output, targets)
        except Exception:  # noqa: S112  (it is no cure)
            continue
        classes = z.shape[1 if z.ndim > 2 else -1]
        return Finding(
            cure.name, Severity.WRONG, cure.title, _saw(z, y), cure.why,
            cure.write.format(classes=classes) or _more_outputs(y, classes),
        )  # fmt: skip
    return None


def _saw(z: Any, y: Any) -> str:
    extent = f"from {y.min():.6g} to {y.max():.6g}" if y.size else "empty"
    return (
        f"Outputs of shape {z.shape}, from {z.min():.3g} to {z.max():.3g}; targets of shape "
        f"{y.shape}, dtype {y.dtype}, {extent}."
    )


def _more_outputs(y: Any, classes: int) -> str:
    if y.min() < 0:
        return "y = y[y >= 0]  # or ignore_index= in the loss, for labels that do not count"
    if classes == 1:
        return "loss = nn.BCEWithLogitsLoss()  # for one output; or nn.Linear(..., 2)"
    return f"nn.Linear(..., {int(y.max()) + 1})  # the last layer has {classes}"


def one_output(m: Measurements) -> Finding | None:
    """A cross-entropy over one class is 0 whatever the output is."""
    z, y = m.output, m.target
    if z is None or y is None or z.ndim != 2 or z.shape[1] != 1 or y.ndim != 1:
        return None
    if y.dtype.kind not in "iu" or m.start != 0 or m.loss_of(z + 1) != 0:
        return None
    return Finding(
        "one-output", Severity.WRONG, "a cross-entropy over a single class",
        f"Outputs of shape {z.shape}, and a loss of exactly 0.",
        "The softmax of one number is always 1: there is nothing to learn.",
        "loss = nn.BCEWithLogitsLoss()  # and y = y[:, None].astype(np.float32)",
    )  # fmt: skip


def broadcast_targets(m: Measurements) -> Finding | None:
    """(N, 1) against (N,) in a loss of one's own: each output is compared with every target."""
    z, y = m.output, m.target
    if z is None or y is None or z.size != y.size or z.shape == y.shape or z.size == 1:
        return None
    before = m.loss_of(z)
    after = m.loss_of(z.reshape(y.shape))
    if not np.isfinite([before, after]).all() or abs(before - after) <= 1e-5 * abs(before):
        return None
    return Finding(
        "broadcast-targets", Severity.WRONG, "the loss compares each output with every target",
        f"Outputs of shape {z.shape} and targets of shape {y.shape} broadcast; the loss is "
        f"{before:.4g}, and {after:.4g} pair by pair.",
        "It is least where all outputs are the mean of the targets.",
        f"y = y.reshape({', '.join(map(str, (-1, *z.shape[1:])))})",
    )  # fmt: skip


# --- targets that it takes --------------------------------------------------------------------


def labels_unused(m: Measurements) -> Finding | None:
    """The loss is the same for other targets."""
    y = m.target
    if y is None or m.output is None or not y.ndim or m.subject.axis_of(y) is None:
        return None
    order = np.argsort(y.reshape(len(y), -1)[:, 0], kind="stable")
    others = [order[::-1], np.roll(np.arange(len(y)), 1)]
    changed = [m.subject.part(rows) for rows in others if m.subject.axis_of(y) == 0]
    if not changed or all((s.target() == y).all() for s in changed):
        return None
    # All different, as the model's may not be; among the targets, or where probabilities may be.
    low, high = (y.min(), y.max()) if y.dtype.kind == "f" and y.min() < y.max() else (0.1, 0.9)
    made_up = np.random.default_rng(0).uniform(low, high, m.output.shape)
    losses = {m.loss_of(made_up, s) for s in [m.subject, *changed]}
    if len(losses) > 1 or not np.isfinite(list(losses)).all():
        return None
    return Finding(
        "labels-unused", Severity.WRONG, "the loss does not look at the targets",
        f"It is {m.start:.4g} whatever order the targets are in.",
        "What the model learns has nothing to do with them.",
        "def loss(output, y): ...  # compare output with y",
    )  # fmt: skip


# Of so many examples a class, one that is there at all is hardly missed by chance: each class of
# ten is missing in 100 examples once in 40,000 batches. That all are of one class, out of however
# many, is no likelier than out of two.
EXAMPLES_A_CLASS = 10


def missing_classes(m: Measurements) -> Finding | None:
    """Classes that no example of the batch has; it matters if they are the last ones, or most."""
    y = m.target
    if m.kind not in {Kind.LOGITS, Kind.LOG_PROBABILITIES} or y.ndim != 1 or y.dtype.kind == "f":
        return None
    classes = m.output.shape[-1]
    counts = np.bincount(y[y >= 0].astype(int), minlength=classes)
    missing = np.flatnonzero(counts == 0).tolist()
    top, lone = counts[-1] == 0, len(missing) == classes - 1
    if not missing or len(y) < EXAMPLES_A_CLASS * (2 if lone else classes):
        return None
    said = ", ".join(map(str, missing[:5])) + (", ..." if len(missing) > 5 else "")
    return Finding(
        "missing-class", Severity.DOUBTFUL if top or lone else Severity.NOTE,
        "all examples are of one class" if lone else f"no example is of class {said}",
        f"{len(y)} labels from {y.min()} to {y.max()}, and {classes} outputs.",
        "The data may be sorted by class, or the model have outputs too many.",
        "x, y = x[order], y[order]  # order = rng.permutation(len(x)), before batches are made"
        if lone or not top else f"nn.Linear(..., {int(y.max()) + 1})  # if there are no more",
    )  # fmt: skip


# Outputs begin near 0, where the loss is so many times that of the mean: ratings from 1 to 5 reach
# 10, house prices hundreds. A spread in the hundreds makes gradients as large.
FAR, WIDE = 30.0, 100.0


def not_shares(m: Measurements) -> Finding | None:
    """Rows of targets that are no distribution, such as several labels for one example."""
    y = m.target
    if m.kind is not Kind.LOGITS or y.dtype.kind != "f" or y.shape != m.output.shape:
        return None
    total = y.sum(axis=1 if y.ndim > 2 else -1, dtype=float)
    if np.allclose(total, 1, atol=1e-3):
        return None
    return Finding(
        "labels-not-shares", Severity.WRONG, "rows of targets do not add up to 1",
        f"The least sum of a row is {total.min():.3g}, the largest {total.max():.3g}.",
        "cross_entropy takes a row for the probabilities of classes, of which one is true.",
        "loss = nn.BCEWithLogitsLoss()  # if several labels may be true; or y / y.sum(axis=1, "
        "keepdims=True)",
    )  # fmt: skip


def target_scale(m: Measurements) -> Finding | None:
    """Targets that are far from 0, or far larger than the outputs."""
    y = m.target
    if m.kind is not Kind.DISTANCE or not m.baseline or y.dtype.kind not in "fiu":
        return None
    size, spread = float(np.sqrt(np.mean(np.square(y, dtype=float)))), float(np.std(y))
    far = m.start > FAR * m.baseline and size > FAR**0.5 * spread
    if not (far or spread > WIDE):
        return None
    return Finding(
        "target-scale", Severity.DOUBTFUL, "the targets are far from what the outputs begin with",
        f"They have mean {float(np.mean(y)):.3g} and spread {spread:.2g}. The loss is "
        f"{m.start:.4g}; always saying the mean would give {m.baseline:.4g}.",
        "Gradients are as large as the distance, and the first thing it learns is the offset.",
        "y = (y - y.mean()) / y.std()  # and turn predictions back",
    )  # fmt: skip
