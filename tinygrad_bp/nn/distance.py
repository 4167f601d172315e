"""Layers that compare vectors."""

from __future__ import annotations

from tinygrad_bp import functional as F
from tinygrad_bp.nn.formula import Formula

__all__ = ["CosineSimilarity", "PairwiseDistance"]


class CosineSimilarity(Formula, function=F.cosine_similarity, inputs=("x1", "x2")):
    """The cosine of the angle between vectors along an axis; lengths below `eps` count as `eps`.

    >>> CosineSimilarity()([[1.0, 0.0]], [[1.0, 1.0]])
    Tensor([0.70710678])
    """

    dim: int = 1
    eps: float = 1e-8


class PairwiseDistance(Formula, function=F.pairwise_distance, inputs=("x1", "x2")):
    """The p-norm of x1 - x2 + eps along the last axis; eps keeps away from the kink at 0.

    >>> PairwiseDistance(eps=0.0)([3.0, 4.0], [0.0, 0.0])
    Tensor(5.)
    """

    p: float = 2.0
    eps: float = 1e-6
    keepdim: bool = False
