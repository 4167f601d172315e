"""Layers that leave elements out at random while a model is trained."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp import functional as F
from tinygrad_bp.errors import ModuleError
from tinygrad_bp.nn.module import Module
from tinygrad_bp.tensor import Tensor

__all__ = ["Dropout"]


class Dropout(Module):
    """In training, 0 in the place of an element with probability p, and x / (1 - p) otherwise.

    >>> layer = Dropout(0.5, rng=np.random.default_rng(1))
    >>> layer(np.ones(4)), layer.eval()(np.ones(4))
    (Tensor([0., 2., 2., 2.]), Tensor([1., 1., 1., 1.]))
    """

    def __init__(
        self,
        p: float = 0.5,
        inplace: bool = False,  # noqa: FBT001, FBT002
        *,
        rng: np.random.Generator | None = None,
    ) -> None:
        if not 0 <= p <= 1:
            raise ModuleError(f"p is a probability, from 0 to 1, not {p}")
        self.p = p
        self.inplace = inplace
        self.rng = rng or np.random.default_rng()

    def forward(self, x: Any) -> Tensor:
        """Return what is left of the input."""
        return F.dropout(x, self.p, self.training, rng=self.rng)

    def extra_repr(self) -> str:
        """Return the probability."""
        return f"p={self.p}"
