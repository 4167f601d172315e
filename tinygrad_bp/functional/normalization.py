"""Normalisation over rows, examples, groups of channels, or neighbouring channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_bp import rules
from tinygrad_bp.errors import ShapeError
from tinygrad_bp.functional.inputs import tensor_of
from tinygrad_bp.recording import record
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor

__all__ = [
    "batch_norm",
    "by_batch",
    "by_example",
    "group_norm",
    "instance_norm",
    "layer_norm",
    "local_response_norm",
    "rms_norm",
]


def batch_norm(
    x: Array,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    training: bool = False,
    momentum: float = 0.1,  # noqa: ARG001  (of what is not updated)
    eps: float = 1e-5,
) -> Tensor:
    """Return each channel, axis 1, with mean 0 and variance 1 over all else, scaled and shifted.

    In training they are those of the batch, otherwise the running ones. Those are not updated, as
    PyTorch does in place by the `momentum`: nothing is written to here. Source: Ioffe and Szegedy,
    Batch Normalization, 2015.

    >>> batch_norm(np.array([[1.0], [3.0]]), training=True, eps=0.0)
    Tensor([[-1.],
            [ 1.]])
    """
    x = tensor_of(x)
    if x.ndim < 2:
        raise ShapeError(f"batch_norm: an input of shape {x.shape} has no axis of channels")
    if training:
        return by_batch(x, weight, bias, eps)[0]
    if running_mean is None or running_var is None:
        raise ValueError("batch_norm: give running_mean and running_var, or training=True")
    mean, var = _channels(running_mean, x), _channels(running_var, x)
    return _by_channel((x - mean) / np.sqrt(var + eps), weight, bias)


def by_batch(
    x: Any, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what `batch_norm` returns in training, and means and variances of the channels."""
    if not x.size:
        return _by_channel(x, weight, bias), x, x  # of no examples, there is no mean
    if x.size == x.shape[1]:
        raise ShapeError(f"batch_norm: one value a channel in training, shape {x.shape}")
    y, mean, variance = _standardized(x, (0, *range(2, x.ndim)), eps)
    return _by_channel(y, weight, bias), mean, variance


def _standardized(x: Any, axis: int | tuple[int, ...], eps: float) -> tuple[Any, Any, Any]:
    found: tuple[Any, Any, Any] = record(rules.standardize, (x,), {"axis": axis, "eps": eps})
    return found


def _channels(value: Array, x: Any) -> Any:
    return tensor_of(value).reshape(-1, *(1,) * (x.ndim - 2))


def _by_channel(y: Any, weight: Array | None, bias: Array | None) -> Any:
    y = y if weight is None else y * _channels(weight, y)
    return y if bias is None else y + _channels(bias, y)


def group_norm(
    x: Array,
    num_groups: int,
    weight: Array | None = None,
    bias: Array | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Return each example's groups of channels with mean 0 and variance 1, scaled and shifted.

    Weight and bias have a number for each channel. Source: Wu and He, Group Normalization, 2018.

    >>> group_norm(np.array([[1.0, 3.0]]), 1, eps=0.0)
    Tensor([[-1.,  1.]])
    """
    x = tensor_of(x)
    batch, channels, *rest = x.shape
    if channels % num_groups:
        raise ShapeError(f"group_norm: {channels} channels in {num_groups} groups")
    size = channels // num_groups * math.prod(rest)
    y = _standardized(x.reshape(batch, num_groups, size), -1, eps)[0].reshape(x.shape)
    return _by_channel(y, weight, bias)


def instance_norm(
    x: Array,
    running_mean: Array | None = None,
    running_var: Array | None = None,
    weight: Array | None = None,
    bias: Array | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,  # noqa: ARG001  (of what is not updated)
    eps: float = 1e-5,
) -> Tensor:
    """Return each channel of each example with mean 0 and variance 1, scaled and shifted.

    Without `use_input_stats`, running mean and variance are taken instead, as in `batch_norm`.

    >>> instance_norm(np.array([[[1.0, 3.0]]]), eps=0.0)
    Tensor([[[-1.,  1.]]])
    """
    x = tensor_of(x)
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, eps=eps)
    return by_example(x, weight, bias, eps)[0]


def by_example(
    x: Any, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what `instance_norm` returns in training, and means and variances of the channels."""
    if math.prod(x.shape[2:]) == 1:
        raise ShapeError(f"instance_norm: one value a channel, shape {x.shape}")
    y, mean, variance = _standardized(x, tuple(range(2, x.ndim)), eps)
    return _by_channel(y, weight, bias), mean, variance


def local_response_norm(
    x: Array, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Return x / (k + alpha m)^beta, with m the mean square of `size` neighbouring channels.

    Source: Krizhevsky, Sutskever and Hinton, ImageNet Classification, 2012.

    >>> local_response_norm(np.array([[[1.0], [1.0]]]), 1, alpha=1.0, beta=1.0)
    Tensor([[[0.5],
             [0.5]]])
    """
    x = tensor_of(x)
    if x.ndim < 3:
        raise ShapeError(f"local_response_norm: an input of shape {x.shape} has no channels")
    widths = [(0, 0), (size // 2, (size - 1) // 2), *[(0, 0)] * (x.ndim - 2)]
    near = np.lib.stride_tricks.sliding_window_view(np.pad(np.square(x), widths), size, axis=1)
    return x / np.power(np.mean(near, axis=-1) * alpha + k, beta)


def layer_norm(
    x: Array,
    normalized_shape: int | Sequence[int],
    weight: Array | None = None,
    bias: Array | None = None,
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
    return _scaled(_standardized(x, axes, eps)[0], weight, bias)


def rms_norm(
    x: Array,
    normalized_shape: int | Sequence[int],
    weight: Array | None = None,
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


def _last_axes(name: str, x: Any, shape: int | Sequence[int]) -> tuple[int, ...]:
    wanted = (shape,) if isinstance(shape, int) else tuple(shape)
    if not wanted or x.shape[-len(wanted) :] != wanted:
        raise ShapeError(f"{name}: an input of shape {x.shape} does not end in {wanted}")
    return tuple(range(-len(wanted), 0))


def _scaled(x: Any, weight: Any, bias: Any) -> Any:
    x = x if weight is None else x * tensor_of(weight)
    return x if bias is None else x + tensor_of(bias)
