"""Layers that leave elements or channels out at random while a model is trained."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any

import numpy as np

from tinygrad_bp import functional as F
from tinygrad_bp.nn.formula import Formula

__all__ = [
    "AlphaDropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
]


class _Dropping(Formula):
    """What draws from a stream of its own in training, and passes its input on in evaluation."""

    p: float = 0.5
    inplace: bool = False
    _: KW_ONLY
    rng: np.random.Generator | None = None

    def _check(self) -> None:
        self._need(0 <= self.p <= 1, f"p is a probability, from 0 to 1, not {self.p}")
        self.rng = self.rng or np.random.default_rng()

    def _told(self) -> dict[str, Any]:
        return {"p": self.p, "training": self.training, "rng": self.rng}

    def extra_repr(self) -> str:
        """Return the probability."""
        return f"p={self.p}"


class Dropout(_Dropping, function=F.dropout):
    """In training, 0 in the place of an element with probability p, and x / (1 - p) otherwise.

    The draws come from `rng`, which is part of the model's state: the same state of it gives the
    same mask. `inplace` makes no difference. Raises `ModuleError` unless p is from 0 to 1.

    >>> layer = Dropout(0.5, rng=np.random.default_rng(1))
    >>> layer(np.ones(4)), layer.eval()(np.ones(4))
    (Tensor([0., 2., 2., 2.]), Tensor([1., 1., 1., 1.]))
    """


class Dropout1d(_Dropping, function=F.dropout1d):
    """`Dropout` of whole channels: (examples, channels, length) or (channels, length).

    >>> Dropout1d(rng=np.random.default_rng(1))(np.ones((3, 2)))
    Tensor([[0., 0.],
            [2., 2.],
            [2., 2.]])
    """


class Dropout2d(_Dropping, function=F.dropout2d):
    """`Dropout` of whole channels: (examples, channels, height, width).

    >>> Dropout2d(rng=np.random.default_rng(1))(np.ones((1, 3, 1, 2))).reshape(3, 2)
    Tensor([[0., 0.],
            [2., 2.],
            [2., 2.]])
    """


class Dropout3d(_Dropping, function=F.dropout3d):
    """`Dropout` of whole channels: (examples, channels, depth, height, width), or one example.

    >>> Dropout3d(rng=np.random.default_rng(1))(np.ones((1, 3, 1, 1, 2))).reshape(3, 2)
    Tensor([[0., 0.],
            [2., 2.],
            [2., 2.]])
    """


class AlphaDropout(_Dropping, function=F.alpha_dropout):
    """Dropout after SELU: elements fall to its floor, and mean 0 and variance 1 stay.

    >>> AlphaDropout(rng=np.random.default_rng(1))(np.zeros(4)).data.round(3)
    array([-0.779,  0.779,  0.779,  0.779])
    """


class FeatureAlphaDropout(_Dropping, function=F.feature_alpha_dropout):
    """`AlphaDropout` of whole channels: (examples, channels, ...).

    >>> FeatureAlphaDropout(rng=np.random.default_rng(1))(np.zeros((1, 3, 1))).data.round(3)
    array([[[-0.779],
            [ 0.779],
            [ 0.779]]])
    """
