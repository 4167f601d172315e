"""Normalisation: mean 0 and variance 1, or length 1, of examples, channels or groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_bp.errors import ShapeError
from tinygrad_bp.functional.inputs import tensor_of
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor

__all__ = ["batch_norm", "group_norm", "layer_norm", "rms_norm"]


def layer_norm(
    x: Array,
    normalized_shape: int | Sequence[int],
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    eps: float = 1e-5,
) -> Tensor:
    """Return x with mean 0 and variance 1 over its last axes, times the weight, plus the bias.

    `normalized_shape` is the shape of those axes, and of weight and bias; `eps` is added to the
    variance. Source: Ba, Kiros and Hinton, Layer Normalization, 2016.

    >>> layer_norm(np.array([1.0, 3.0]), 2, eps=0.0)
    Tensor([-1.,  1.])
    """
    x = tensor_of(x)
    axes = _last_axes("layer_norm", x, normalized_shape)
    return _scaled(x.layernorm(axes, eps), weight, bias)


def rms_norm(
    x: Array,
    normalized_shape: int | Sequence[int],
    weight: Array | None = None,
    *,
    eps: float | None = None,
) -> Tensor:
    """Return x over its root mean square along the last axes, times the weight.

    Arguments as in `layer_norm`; `eps` is the dtype's by default. Source: Zhang and Sennrich, Root
    Mean Square Layer Normalization, 2019.

    >>> rms_norm(np.array([3.0, 3.0]), 2)
    Tensor([1., 1.])
    """
    x = tensor_of(x)
    axes = _last_axes("rms_norm", x, normalized_shape)
    least = float(np.finfo(x.dtype).eps) if eps is None else eps
    square = np.mean(np.square(x), axis=axes, keepdims=True)
    return _scaled(x / np.sqrt(square + least), weight, None)


def batch_norm(
    x: Array,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    training: bool = False,
    eps: float = 1e-5,
) -> Tensor:
    """Return (N, C, ...) with mean 0 and variance 1 in each channel, scaled and shifted.

    Mean and variance are those given, or, in training, those of the batch, which PyTorch notes in
    place; here nothing is written. Source: Ioffe and Szegedy, Batch Normalization, 2015.

    >>> batch_norm(np.array([[1.0], [3.0]]), training=True, eps=0.0)
    Tensor([[-1.],
            [ 1.]])
    """
    x = tensor_of(x)
    if training:
        if running_mean is not None or running_var is not None:
            raise ValueError("batch_norm: in training, mean and variance are the batch's own")
        others = (0, *range(2, x.ndim))
        return _scaled(x.layernorm(others, eps), *_channels(x, weight, bias))
    if running_mean is None or running_var is None:
        raise ValueError("batch_norm: give mean and variance, or training=True")
    mean, variance = _channels(x, running_mean, running_var)
    return _scaled((x - mean) / np.sqrt(variance + eps), *_channels(x, weight, bias))


def group_norm(
    x: Array,
    num_groups: int,
    weight: Array | None = None,
    bias: Array | None = None,
    *,
    eps: float = 1e-5,
) -> Tensor:
    """Return (N, C, ...) with mean 0 and variance 1 in each group of channels of each example.

    Weight and bias have an element a channel. Source: Wu and He, Group Normalization, 2018.

    >>> group_norm(np.array([[1.0, 3.0, 5.0, 9.0]]), 2, eps=0.0)
    Tensor([[-1.,  1., -1.,  1.]])
    """
    x = tensor_of(x)
    if x.ndim < 2 or x.shape[1] % num_groups:
        raise ShapeError(f"group_norm: an input of shape {x.shape} has no {num_groups} groups")
    grouped = x.reshape(x.shape[0], num_groups, -1)
    return _scaled(grouped.layernorm(-1, eps).reshape(x.shape), *_channels(x, weight, bias))


def _channels(x: Any, *given: Any) -> list[Any]:
    """One number a channel, in the shape in which they meet (N, C, ...)."""
    shape = (-1, *(1,) * (x.ndim - 2))
    return [None if one is None else tensor_of(one).reshape(shape) for one in given]


def _last_axes(name: str, x: Any, shape: int | Sequence[int]) -> tuple[int, ...]:
    wanted = (shape,) if isinstance(shape, int) else tuple(shape)
    if not wanted or x.shape[-len(wanted) :] != wanted:
        raise ShapeError(f"{name}: an input of shape {x.shape} does not end in {wanted}")
    return tuple(range(-len(wanted), 0))


def _scaled(x: Any, weight: Any, bias: Any) -> Any:
    x = x if weight is None else x * tensor_of(weight)
    return x if bias is None else x + tensor_of(bias)
