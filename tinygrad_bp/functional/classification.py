"""Losses of classes: integer labels, probabilities, and yes or no."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_bp import rules
from tinygrad_bp.errors import LabelError, ShapeError
from tinygrad_bp.functional.inputs import alike, check_labels, floats, reduced, tensor_of
from tinygrad_bp.operands import beside, in_dtype, is_foreign, ones, violated
from tinygrad_bp.recording import record
from tinygrad_bp.registry import Array
from tinygrad_bp.rules.indexing import getitem
from tinygrad_bp.rules.losses import summed_at
from tinygrad_bp.tensor import Tensor, array_of

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "kl_div",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "soft_margin_loss",
]

_LEAST = math.exp(-100)  # so that no logarithm is below -100


def cross_entropy(
    logits: Array,
    labels: Any,
    weight: Array | None = None,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean of -log softmax(logits) at the true class.

    Logits (examples, classes) or (classes,), labels (examples,) or one label: whole numbers from
    0 to classes - 1; or floats in the shape of the logits, the probability of each class. Of images
    and sequences, (examples, classes, ...), each place has a label: (examples, ...).

    `weight` has a number for each class, and the mean is the weighted one. Labels equal to
    `ignore_index` do not count; as in PyTorch, that is -100 by default. `label_smoothing` is the
    part of each label that is spread over all classes. `reduction` is "mean", "sum" or "none".

    Raises `LabelError` for any other label and `ShapeError` for shapes that do not fit or an empty
    batch.

    >>> cross_entropy(np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([0, 1]))
    Tensor(0.69314718)
    """
    logits, labels = _classes_last(logits, labels)
    shape = logits.shape
    of_each_class = labels.shape == shape and labels.dtype.kind == "f"
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"label_smoothing must be between 0 and 1, not {label_smoothing}")
    if of_each_class and ignore_index >= 0:
        raise ValueError("ignore_index is for labels, and these are probabilities")
    if weight is None and not label_smoothing and not of_each_class:
        labels, ignores = _checked("cross_entropy", shape, labels, ignore_index)
        if not ignores:
            return _plain_cross_entropy(logits, labels, reduction)
    log_shares = rules.log_softmax(tensor_of(logits))
    if of_each_class:
        return _soft_cross_entropy(log_shares, labels, weight, label_smoothing, reduction)
    return _cross_entropy(
        "cross_entropy",
        log_shares,
        labels,
        weight=weight,
        ignored=ignore_index,
        smoothing=label_smoothing,
        reduction=reduction,
    )


def _plain_cross_entropy(logits: Any, labels: Any, reduction: str) -> Any:
    """For labels that all count alike."""
    mean = reduction == "mean"
    losses = record(rules.softmax_cross_entropy, (logits, labels), {"mean": mean})
    return losses if mean else reduced(losses, reduction)


def nll_loss(
    log_probabilities: Array,
    labels: Any,
    weight: Array | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean of minus the log-probability of the true class: cross-entropy's second half.

    Arguments as in `cross_entropy`, after `log_softmax`.

    >>> nll_loss(np.log([[0.5, 0.5], [0.25, 0.75]]), np.array([0, 0]), reduction="none")
    Tensor([0.69314718, 1.38629436])
    """
    log_shares, labels = _classes_last(tensor_of(log_probabilities), labels)
    return _cross_entropy(
        "nll_loss",
        log_shares,
        labels,
        weight=weight,
        ignored=ignore_index,
        reduction=reduction,
    )


def _classes_last(logits: Any, labels: Any) -> tuple[Any, Any]:
    """Images and sequences have their classes along axis 1, as in PyTorch."""
    labels = labels if isinstance(labels, Tensor) else array_of(labels)
    if logits.ndim < 3:
        return logits, labels
    if labels.ndim == logits.ndim:
        labels = np.moveaxis(labels, 1, -1)
    return np.moveaxis(tensor_of(logits), 1, -1), labels


def _cross_entropy(
    loss: str,
    log_shares: Any,
    labels: Any,
    *,
    weight: Any,
    ignored: int,
    reduction: str,
    smoothing: float = 0.0,
) -> Any:
    """Minus the logarithm at each label, in the weight of its class."""
    classes = log_shares.shape[-1]
    labels, _ = _checked(loss, log_shares.shape, labels, ignored)
    counts = labels != ignored
    if reduction == "mean" and violated(np.all(labels == ignored)):
        raise LabelError(f"{loss}: every label is {ignored}, which is ignored: no mean")
    labels = np.where(counts, labels, 0)
    weights = _class_weights(loss, log_shares, weight)
    shares = np.where(counts, getitem(weights, labels), 0)
    losses = np.where(counts, -_at_labels(log_shares, labels), 0) * shares
    if smoothing:
        spread = np.where(counts, -np.sum(weights * log_shares, axis=-1), 0)
        losses = (1 - smoothing) * losses + smoothing / classes * spread
    return np.sum(losses) / np.sum(shares) if reduction == "mean" else reduced(losses, reduction)


def _at_labels(log_shares: Any, labels: Any) -> Any:
    if is_foreign(labels):
        return summed_at(log_shares, labels)
    chosen = np.take_along_axis(log_shares, np.expand_dims(labels, -1), axis=-1)
    return np.squeeze(chosen, axis=-1)


def _soft_cross_entropy(
    log_shares: Any, shares: Any, weight: Any, smoothing: float, reduction: str
) -> Any:
    """For targets that are probabilities themselves."""
    if 0 in log_shares.shape:
        raise ShapeError(f"cross_entropy: empty batch, logits of shape {log_shares.shape}")
    smooth = (1 - smoothing) * tensor_of(shares) + smoothing / log_shares.shape[-1]
    weights = _class_weights("cross_entropy", log_shares, weight)
    return reduced(-np.sum(rules.product(smooth * weights, log_shares), axis=-1), reduction)


def _class_weights(loss: str, log_shares: Any, weight: Any) -> Any:
    classes = log_shares.shape[-1]
    if weight is None:
        return ones(classes, log_shares.dtype, log_shares)
    weights = floats(weight, log_shares)
    if weights.shape != (classes,):
        raise ShapeError(f"{loss}: {classes} classes need as many weights, not {weights.shape}")
    return weights


def _checked(
    loss: str, shape: tuple[int, ...], labels: Any, ignored: int | None = None
) -> tuple[np.ndarray[Any, Any], bool]:
    """Labels as an array that fits logits of a shape, and whether any of them is ignored."""
    labels = array_of(labels)
    if not shape:
        raise ShapeError(f"{loss}: one number is no logits; they have an axis of classes")
    if labels.shape != shape[:-1]:
        raise ShapeError(
            f"{loss}: logits of shape {_as_given(shape)} need labels of shape {shape[:-1]}, one "
            f"whole number an example; got {labels.shape}"
        )
    if 0 in shape:
        raise ShapeError(f"{loss}: empty batch, logits of shape {shape}")
    return labels, check_labels(labels, shape[-1], ignored)


def _as_given(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of logits before their classes came last."""
    return shape if len(shape) < 3 else (shape[0], shape[-1], *shape[1:-1])


# --- yes or no ------------------------------------------------------------------------------


def binary_cross_entropy(
    probabilities: Array, target: Array, weight: Array | None = None, *, reduction: str = "mean"
) -> Tensor:
    """Return the mean of -t log p - (1 - t) log(1 - p).

    Logarithms are kept at -100 or above, as in PyTorch, and the slope is 0 where they are: use
    `binary_cross_entropy_with_logits` where an output may saturate. Raises `LabelError` unless
    probabilities are between 0 and 1.

    >>> binary_cross_entropy(np.array([0.5, 0.75]), np.array([0.0, 1.0]))
    Tensor(0.49041463)
    """
    p, t = alike("binary_cross_entropy", probabilities, target)
    if violated(np.any((p < 0) | (p > 1))):
        raise LabelError("binary_cross_entropy: probabilities must be between 0 and 1")
    losses = -(t * np.log(np.maximum(p, _LEAST)) + (1 - t) * np.log(np.maximum(1 - p, _LEAST)))
    return reduced(_weighted(losses, weight), reduction)


def binary_cross_entropy_with_logits(
    logits: Array,
    target: Array,
    weight: Array | None = None,
    *,
    pos_weight: Array | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean of -t log σ(z) - (1 - t) log σ(-z), exact however large the logits z are.

    `pos_weight` multiplies the first term, to make up for rare positives.

    >>> binary_cross_entropy_with_logits(np.array([0.0, -1000.0]), np.array([1.0, 0.0]))
    Tensor(0.34657359)
    """
    z, t = alike("binary_cross_entropy_with_logits", logits, target)
    positive = t * np.logaddexp(0, -z)
    if pos_weight is not None:
        positive = positive * floats(pos_weight, z)
    losses = positive + (1 - t) * np.logaddexp(0, z)
    return reduced(_weighted(losses, weight), reduction)


def soft_margin_loss(output: Array, target: Array, *, reduction: str = "mean") -> Tensor:
    """Return the mean of log(1 + exp(-y x)), for targets y that are 1 or -1.

    >>> soft_margin_loss(np.array([0.0, 1000.0]), np.array([1, 1]))
    Tensor(0.34657359)
    """
    x, y = alike("soft_margin_loss", output, target)
    return reduced(np.logaddexp(0, -y * x), reduction)


def multilabel_soft_margin_loss(
    logits: Array, target: Array, weight: Array | None = None, *, reduction: str = "mean"
) -> Tensor:
    """Return the binary cross-entropy of each label, averaged over the last axis, then reduced.

    >>> multilabel_soft_margin_loss(np.array([[0.0, 1000.0]]), np.array([[1, 1]]))
    Tensor(0.34657359)
    """
    losses = binary_cross_entropy_with_logits(logits, target, weight=weight, reduction="none")
    return reduced(np.mean(losses, axis=-1), reduction)


def _weighted(losses: Any, weight: Any) -> Any:
    return losses if weight is None else losses * floats(weight, losses)


# --- distributions --------------------------------------------------------------------------


def kl_div(
    log_probabilities: Array,
    target: Array,
    *,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Return the Kullback-Leibler divergence of the target from a distribution in logarithms.

    That is t (log t - x) for each element, 0 where t = 0. As in PyTorch, "mean" is over elements;
    "batchmean" divides the sum by the number of examples, which is the divergence proper. With
    `log_target`, the target is given in logarithms, too.

    >>> kl_div(np.log([[0.5, 0.5]]), np.array([[1.0, 0.0]]), reduction="batchmean")
    Tensor(0.69314718)
    """
    x, t = alike("kl_div", log_probabilities, target)
    log_t = t if log_target else np.log(np.where(t > 0, t, 1))
    losses = (np.exp(t) if log_target else t) * (log_t - x)
    if reduction == "batchmean":
        return np.sum(losses) / x.shape[0]
    return reduced(losses, reduction)


def multi_margin_loss(
    output: Array,
    labels: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Array | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean of Σ max(0, margin - x_label + x_i)^p / classes, over the wrong classes i.

    `weight` has a number for each class, that of the label counts.

    >>> multi_margin_loss(np.array([[0.5, 0.0]]), np.array([0]))
    Tensor(0.25)
    """
    x = tensor_of(output)
    labels, _ = _checked("multi_margin_loss", x.shape, labels)
    right = np.take_along_axis(x, np.expand_dims(labels, -1), axis=-1)
    losses = np.power((margin - right + x).relu(), p)
    if weight is not None:
        losses = losses * np.expand_dims(np.take(tensor_of(weight), labels), -1)
    wrong = np.logical_not(_is_class(labels, x.shape[-1]))
    return reduced(np.mean(np.where(wrong, losses, 0), axis=-1), reduction)


def multilabel_margin_loss(output: Array, target: Any, *, reduction: str = "mean") -> Tensor:
    """Return the mean of Σ max(0, 1 - x_j + x_i) / classes over right classes j and wrong ones i.

    A row of the target lists the right classes, and ends with -1 if it is shorter than the output.

    >>> multilabel_margin_loss(np.array([[0.5, 0.0]]), np.array([[0, -1]]))
    Tensor(0.25)
    """
    x, listed = tensor_of(output), array_of(target)
    if not x.ndim or listed.shape != x.shape:
        raise ShapeError(f"multilabel_margin_loss: a target of {listed.shape} for {x.shape}")
    if listed.size:
        check_labels(np.maximum(listed, 0), x.shape[-1])
    counts = in_dtype(np.cumprod(listed >= 0, axis=-1), bool)
    positions = np.where(counts, listed, 0)
    right = np.any(np.expand_dims(counts, -1) & _is_class(positions, x.shape[-1]), axis=-2)
    chosen = np.expand_dims(np.take_along_axis(x, positions, axis=-1), -1)
    losses = (1 - chosen + np.expand_dims(x, -2)).relu()
    pairs = np.expand_dims(counts, -1) & np.expand_dims(~right, -2)
    total = np.sum(np.where(pairs, losses, 0), axis=(-2, -1)) / x.shape[-1]
    return reduced(total, reduction)


def _is_class(labels: Any, classes: int) -> Any:
    return np.expand_dims(labels, -1) == np.arange(classes, like=beside(labels))
