"""Layers that normalise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_bp import functional as F
from tinygrad_bp.nn.module import Module, Parameter
from tinygrad_bp.tensor import Tensor

__all__ = ["LayerNorm"]


class LayerNorm(Module):
    """Mean 0 and variance 1 over the last axes, scaled and shifted.

    >>> LayerNorm(2)(np.array([1.0, 3.0])).data.round(3)
    array([-1.,  1.])
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,  # noqa: FBT001, FBT002
        bias: bool = True,  # noqa: FBT001, FBT002
        *,
        dtype: Any = np.float32,
    ) -> None:
        self.normalized_shape = tuple(np.atleast_1d(normalized_shape).tolist())
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        made = self.normalized_shape, dtype
        self.weight = Parameter(np.ones(*made)) if elementwise_affine else None
        self.bias = Parameter(np.zeros(*made)) if elementwise_affine and bias else None

    def forward(self, x: Any) -> Tensor:
        """Return the normalised input."""
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, eps=self.eps)
