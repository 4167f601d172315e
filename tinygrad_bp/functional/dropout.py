"""Dropout: elements that are left out at random."""

from __future__ import annotations

import numpy as np

from tinygrad_bp.functional.inputs import tensor_of
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor

__all__ = ["dropout"]


def dropout(
    x: Array,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,  # noqa: ARG001
    *,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Return each element times 1 / (1 - p), or 0 in its place with probability p.

    >>> dropout(np.ones(4), 0.5, rng=np.random.default_rng(1))
    Tensor([0., 2., 2., 2.])
    """
    x = tensor_of(x)
    if not 0 <= p <= 1:
        raise ValueError(f"p is the probability to be left out, from 0 to 1, not {p}")
    if not training or p == 0:
        return x
    kept = (rng or np.random.default_rng()).random(x.shape, np.float32) >= p
    return x * (kept * (1 / (1 - p) if p < 1 else 0.0)).astype(x.dtype)
