"""Distances and likeness of vectors, and the losses that compare pairs and triples of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_bp.functional.inputs import alike, check_alike, floats, reduced, tensor_of
from tinygrad_bp.methods.calls import axis_of
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor

__all__ = [
    "cdist",
    "cosine_embedding_loss",
    "cosine_similarity",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "normalize",
    "pairwise_distance",
    "pdist",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
]


def normalize(
    x: Array, p: float = 2, axis: int | None = None, *, dim: int | None = None, eps: float = 1e-12
) -> Tensor:
    """Return vectors along an axis scaled to length 1; PyTorch's default is axis 1.

    Lengths below `eps` count as `eps`.

    >>> normalize(np.array([[3.0, 4.0], [0.0, 0.0]]))
    Tensor([[0.6, 0.8],
            [0. , 0. ]])
    """
    x = tensor_of(x)
    return x / np.maximum(x.norm(p, axis_of(axis, dim, 1), keepdim=True), eps)


def cosine_similarity(
    x1: Array,
    x2: Array,
    axis: int | None = None,
    *,
    dim: int | None = None,
    eps: float = 1e-8,
) -> Tensor:
    """Return the cosine of the angle between vectors along an axis; PyTorch's default is axis 1.

    Lengths below `eps` count as `eps`.

    >>> cosine_similarity(np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]]))
    Tensor([0.70710678])
    """
    a, b = tensor_of(x1), tensor_of(x2)
    axis = axis_of(axis, dim, 1)
    if a.shape != b.shape:
        shape = np.broadcast_shapes(a.shape, b.shape)
        a, b = np.broadcast_to(a, shape), np.broadcast_to(b, shape)
    lengths = [np.maximum(x.norm(2, axis, keepdim=True), eps) for x in (a, b)]
    return np.sum(a / lengths[0] * (b / lengths[1]), axis=axis)


def pairwise_distance(
    x1: Array, x2: Array, p: float = 2, *, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """Return the p-norm of x1 - x2 + eps along the last axis; eps keeps away from the kink at 0.

    >>> pairwise_distance(np.array([3.0, 4.0]), np.array([0.0, 0.0]), eps=0.0)
    Tensor(5.)
    """
    return (tensor_of(x1) - tensor_of(x2) + eps).norm(p, -1, keepdim=keepdim)


def cdist(x1: Array, x2: Array, p: float = 2, compute_mode: Any = None) -> Tensor:  # noqa: ARG001
    """Return the p-norms of the differences of all pairs: (..., m, n), (..., k, n) to (..., m, k).

    Equal vectors have the gradient 0. PyTorch's `compute_mode` chooses its algorithm; there is one
    here, by differences.

    >>> cdist(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0], [0.0, 0.0]]))
    Tensor([[5., 0.]])
    """
    a, b = tensor_of(x1), tensor_of(x2)
    return _length(np.expand_dims(a, -2) - np.expand_dims(b, -3), p)


def pdist(x: Array, p: float = 2) -> Tensor:
    """Return the p-norms of the differences of all pairs of rows, the earlier row first.

    >>> pdist(np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]]))
    Tensor([5., 0., 5.])
    """
    x = tensor_of(x)
    first, second = np.triu_indices(x.shape[0], 1)
    return _length(x[first] - x[second], p)


def _length(x: Any, p: float) -> Any:
    """The p-norm along the last axis, which may be empty."""
    return x.norm(p, -1) if x.shape[-1] else np.sum(x, axis=-1)


def _above(x: Any) -> Any:
    """What is above 0, with slope 0 at 0, as `relu`."""
    return tensor_of(x).relu()


def hinge_embedding_loss(
    output: Array, target: Array, *, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """Return the mean of x where the target is 1, and of max(0, margin - x) where it is -1.

    >>> hinge_embedding_loss(np.array([0.3, 0.3]), np.array([1, -1]), reduction="none")
    Tensor([0.3, 0.7])
    """
    x, y = alike("hinge_embedding_loss", output, target)
    return reduced(np.where(y == 1, x, _above(margin - x)), reduction)


def margin_ranking_loss(
    x1: Array, x2: Array, target: Array, *, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """Return the mean of max(0, margin - y (x1 - x2)): y is 1 if x1 should rank higher, else -1.

    >>> margin_ranking_loss(np.array([1.0, 1.0]), np.array([2.0, 2.0]), np.array([1, -1]))
    Tensor(0.5)
    """
    a, b = alike("margin_ranking_loss", x1, x2)
    a, y = alike("margin_ranking_loss", a, target)
    return reduced(_above(margin - y * (a - b)), reduction)


def cosine_embedding_loss(
    x1: Array, x2: Array, target: Array, *, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """Return the mean of 1 - cos where the target is 1, and of max(0, cos - margin) where it is -1.

    Vectors are along the last axis, and the targets have the shape of the rest.

    >>> x = np.array([[1.0, 0.0], [1.0, 0.0]])
    >>> cosine_embedding_loss(x, x, np.array([1, -1]), reduction="none")
    Tensor([0., 1.])
    """
    a, b = alike("cosine_embedding_loss", x1, x2)
    cosine, y = alike("cosine_embedding_loss", cosine_similarity(a, b, -1), target)
    return reduced(np.where(y == 1, 1 - cosine, _above(cosine - margin)), reduction)


def triplet_margin_loss(
    anchor: Array,
    positive: Array,
    negative: Array,
    *,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Return the mean of max(0, d(anchor, positive) - d(anchor, negative) + margin).

    d is `pairwise_distance`. With `swap`, the negative is as near as it is to the anchor or to the
    positive, whichever is less.

    >>> triplet_margin_loss(np.array([[0.0]]), np.array([[1.0]]), np.array([[1.5]]), eps=0.0)
    Tensor(0.5)
    """
    a, near = alike("triplet_margin_loss", anchor, positive)
    far = floats(negative, a)
    check_alike("triplet_margin_loss", a, far)
    distance: Any = pairwise_distance(a, far, p, eps=eps)
    if swap:
        distance = np.minimum(distance, pairwise_distance(near, far, p, eps=eps))
    losses = _above(pairwise_distance(a, near, p, eps=eps) - distance + margin)
    return reduced(losses, reduction)


def triplet_margin_with_distance_loss(
    anchor: Array,
    positive: Array,
    negative: Array,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """Return `triplet_margin_loss` with a distance of your own, `pairwise_distance` by default.

    >>> a, b, c = np.array([[0.0]]), np.array([[1.0]]), np.array([[1.5]])
    >>> triplet_margin_with_distance_loss(a, b, c, distance_function=lambda x, y: (x - y) ** 2)
    Tensor(0.)
    """
    a, near = alike("triplet_margin_with_distance_loss", anchor, positive)
    far = floats(negative, a)
    check_alike("triplet_margin_with_distance_loss", a, far)
    between = distance_function or pairwise_distance
    distance: Any = between(a, far)
    if swap:
        distance = np.minimum(distance, between(near, far))
    return reduced(_above(between(a, near) - distance + margin), reduction)
