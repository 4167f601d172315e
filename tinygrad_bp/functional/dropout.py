"""Dropout: elements, or whole channels, that are left out at random."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_bp.errors import ShapeError
from tinygrad_bp.functional.inputs import tensor_of
from tinygrad_bp.operands import placed
from tinygrad_bp.registry import Array
from tinygrad_bp.state import draw
from tinygrad_bp.tensor import Tensor

__all__ = [
    "alpha_dropout",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "feature_alpha_dropout",
]

_SELU_FLOOR = -1.7580993408473766  # what selu gives at minus infinity


def dropout(
    x: Array,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,  # noqa: ARG001
    *,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Return each element times 1 / (1 - p), or 0 in its place with probability p.

    So its mean stays; without `training` it is given back as it is. The draws come from `rng`, one
    an element whatever the dtype, so the same state of it gives the same result. Nothing is done
    in place, whatever `inplace` says. Raises `ValueError` unless p is from 0 to 1. Source:
    Srivastava et al., Dropout, JMLR 15, 2014.

    >>> dropout(np.ones(4), 0.5, rng=np.random.default_rng(1))
    Tensor([0., 2., 2., 2.])
    """
    x = tensor_of(x)
    return _dropped(x, x.shape, p, training, rng)


def dropout1d(
    x: Array,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,  # noqa: ARG001
    *,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Return `dropout` of whole channels of (examples, channels, length) or (channels, length).

    >>> dropout1d(np.ones((3, 2)), rng=np.random.default_rng(1))
    Tensor([[0., 0.],
            [2., 2.],
            [2., 2.]])
    """
    return _channels_dropped("dropout1d", x, (3, 2), p, training, rng)


def dropout2d(
    x: Array,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,  # noqa: ARG001
    *,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Return `dropout` of whole channels of (examples, channels, height, width).

    As in PyTorch, three axes are (examples, channels, length). Source: Tompson et al., Efficient
    Object Localization Using Convolutional Networks, 2015.

    >>> dropout2d(np.ones((1, 3, 1, 2)), rng=np.random.default_rng(1)).reshape(3, 2)
    Tensor([[0., 0.],
            [2., 2.],
            [2., 2.]])
    """
    return _channels_dropped("dropout2d", x, (4,) if np.ndim(x) != 3 else (3,), p, training, rng)


def dropout3d(
    x: Array,
    p: float = 0.5,
    training: bool = True,
    inplace: bool = False,  # noqa: ARG001
    *,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Return `dropout` of whole channels of (examples, channels, depth, height, width).

    There may be one example alone, without its axis.

    >>> dropout3d(np.ones((3, 1, 1, 2)), rng=np.random.default_rng(1)).reshape(3, 2)
    Tensor([[0., 0.],
            [2., 2.],
            [2., 2.]])
    """
    return _channels_dropped("dropout3d", x, (5, 4), p, training, rng)


def alpha_dropout(
    x: Array,
    p: float = 0.5,
    training: bool = False,
    inplace: bool = False,  # noqa: ARG001
    *,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Return what keeps mean 0 and variance 1 while elements fall to the floor of selu.

    Arguments as in `dropout`. Source: Klambauer et al., Self-Normalizing Neural Networks, 2017.

    >>> alpha_dropout(np.zeros(4), training=True, rng=np.random.default_rng(1)).data.round(3)
    array([-0.779,  0.779,  0.779,  0.779])
    """
    x = tensor_of(x)
    return _dropped_to_floor(x, x.shape, p, training, rng)


def feature_alpha_dropout(
    x: Array,
    p: float = 0.5,
    training: bool = False,
    inplace: bool = False,  # noqa: ARG001
    *,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Return `alpha_dropout` of whole channels of (examples, channels, ...).

    >>> x = np.zeros((1, 3, 2))
    >>> feature_alpha_dropout(x, training=True, rng=np.random.default_rng(1)).data.round(3)
    array([[[-0.779, -0.779],
            [ 0.779,  0.779],
            [ 0.779,  0.779]]])
    """
    x = tensor_of(x)
    if x.ndim < 2:
        raise ShapeError(f"feature_alpha_dropout: no channels in an input of shape {x.shape}")
    return _dropped_to_floor(x, _one_a_channel(x.shape, 2), p, training, rng)


# --- what they share ------------------------------------------------------------------------


def _channels_dropped(
    name: str,
    x: Array,
    axes: tuple[int, ...],
    p: float,
    training: bool,
    rng: np.random.Generator | None,
) -> Any:
    """Leave out channels: the numbers of axes are those with an axis of examples, and without."""
    x = tensor_of(x)
    if x.ndim not in axes:
        wanted = " or ".join(map(str, axes))
        raise ShapeError(f"{name}: an input of shape {x.shape} does not have {wanted} axes")
    return _dropped(x, _one_a_channel(x.shape, 2 if x.ndim == axes[0] else 1), p, training, rng)


def _one_a_channel(shape: tuple[int, ...], leading: int) -> tuple[int, ...]:
    return shape[:leading] + (1,) * (len(shape) - leading)


def _dropped(
    x: Any, shape: tuple[int, ...], p: float, training: bool, rng: np.random.Generator | None
) -> Any:
    """Each element scaled up, or 0, by one draw for each entry of the shape."""
    kept = _kept(shape, p, training, rng)
    if kept is None:
        return x
    return x * placed((kept * (1 / (1 - p) if p < 1 else 0.0)).astype(x.dtype), x)


def _dropped_to_floor(
    x: Any, shape: tuple[int, ...], p: float, training: bool, rng: np.random.Generator | None
) -> Any:
    """Each element, or the floor of selu, scaled and shifted so that both moments stay."""
    kept = _kept(shape, p, training, rng)
    if kept is None:
        return x
    if p == 1:
        return x * 0
    scale = 1 / math.sqrt((1 - p) * (1 + p * _SELU_FLOOR**2))
    floor = scale * _SELU_FLOOR * (np.logical_not(kept) - p)
    return x * placed((scale * kept).astype(x.dtype), x) + placed(floor.astype(x.dtype), x)


def _kept(shape: tuple[int, ...], p: float, training: bool, rng: np.random.Generator | None) -> Any:
    """Which entries stay: each with probability 1 - p; None where all do, and none is drawn."""
    if not 0 <= p <= 1:
        raise ValueError(f"p is the probability to be left out, from 0 to 1, not {p}")
    if not training or p == 0:
        return None
    return draw(rng or np.random.default_rng(), "random", shape, np.float32) >= p
