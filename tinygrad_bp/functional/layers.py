"""What layers compute: weighted sums, attention, normalisation, rows that are looked up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_bp import rules
from tinygrad_bp.errors import ShapeError
from tinygrad_bp.functional.inputs import check_labels, tensor_of
from tinygrad_bp.recording import record
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor, array_of

__all__ = [
    "bilinear",
    "embedding",
    "layer_norm",
    "linear",
    "one_hot",
    "rms_norm",
    "scaled_dot_product_attention",
]


def linear(x: Array, weight: Array, bias: Array | None = None) -> Tensor:
    """Return x Wᵀ + b: (..., in), (out, in), (out,) to (..., out).

    >>> linear(np.array([1.0, 2.0]), np.array([[3.0, 4.0]]), np.array([0.5]))
    Tensor([11.5])
    """
    if bias is None:
        return record(np.matmul, (x, tensor_of(weight).T))
    return record(rules.affine, (x, weight, bias))


def bilinear(x1: Array, x2: Array, weight: Array, bias: Array | None = None) -> Tensor:
    """Return x1ᵀ W x2 + b for each output: (..., m), (..., n), (out, m, n), (out,) to (..., out).

    >>> bilinear(np.array([1.0, 2.0]), np.array([3.0]), np.array([[[1.0], [1.0]]]))
    Tensor([9.])
    """
    a, b, weight = tensor_of(x1), tensor_of(x2), tensor_of(weight)
    y = np.einsum("...i,oij,...j->...o", a, weight, b, optimize=True)
    return y if bias is None else y + tensor_of(bias)


def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Return softmax(query keyᵀ / sqrt(features)) value: means of the values, by likeness of keys.

    Shapes (..., queries, features), (..., keys, features) and (..., keys, out). A mask of booleans
    says which keys count for a query, one of numbers is added; with `is_causal`, no query sees a
    later key. Where no key counts, the result is 0. `scale` stands in for 1 / sqrt(features); with
    `enable_gqa`, several heads of queries, at axis -3, share one of keys. There is no dropout here.
    Source: Vaswani et al., Attention Is All You Need, 2017.

    >>> scaled_dot_product_attention(np.zeros((1, 2)), np.ones((2, 2)), np.array([[1.0], [3.0]]))
    Tensor([[2.]])
    """
    q, k, v = tensor_of(query), tensor_of(key), tensor_of(value)
    if dropout_p:
        raise ValueError("scaled_dot_product_attention has no dropout here: dropout_p must be 0")
    if enable_gqa:
        k, v = (np.repeat(t, q.shape[-3] // t.shape[-3], axis=-3) for t in (k, v))
    likeness = q @ k.mT * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if is_causal:
        if attn_mask is not None:
            raise ValueError("scaled_dot_product_attention: give a mask or is_causal, not both")
        attn_mask = np.tri(*likeness.shape[-2:], dtype=bool)
    if attn_mask is None:
        return likeness.softmax(-1) @ v
    if np.asarray(getattr(attn_mask, "data", attn_mask)).dtype != bool:
        return (likeness + attn_mask).softmax(-1) @ v
    seen = np.any(attn_mask, axis=-1, keepdims=True)
    hidden = np.logical_not(np.logical_or(attn_mask, np.logical_not(seen)))
    return np.where(seen, likeness.masked_fill(hidden, -math.inf).softmax(-1), 0) @ v


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


def _last_axes(name: str, x: Any, shape: int | Sequence[int]) -> tuple[int, ...]:
    wanted = (shape,) if isinstance(shape, int) else tuple(shape)
    if not wanted or x.shape[-len(wanted) :] != wanted:
        raise ShapeError(f"{name}: an input of shape {x.shape} does not end in {wanted}")
    return tuple(range(-len(wanted), 0))


def _scaled(x: Any, weight: Any, bias: Any) -> Any:
    x = x if weight is None else x * tensor_of(weight)
    return x if bias is None else x + tensor_of(bias)


def embedding(indices: Any, weight: Array, *, padding_idx: int | None = None) -> Tensor:
    """Return rows of a table: (...) integers and (rows, features) to (..., features).

    The row `padding_idx` receives no gradient. Raises `LabelError` for integers that are no rows.

    >>> embedding([1, 1, 0], np.array([[1.0, 2.0], [3.0, 4.0]]))
    Tensor([[3., 4.],
            [3., 4.],
            [1., 2.]])
    """
    weight, indices = tensor_of(weight), array_of(indices)
    if indices.size:
        check_labels(indices, weight.shape[0])
    found = weight[indices.astype("intp", copy=False)]
    if padding_idx is None:
        return found
    padding = np.expand_dims(indices == padding_idx % weight.shape[0], -1)
    return np.where(padding, found.detach(), found)


def one_hot(labels: Any, num_classes: int | None = None, *, dtype: Any = float) -> Tensor:
    """Return one row per label: 1 in the label's column, 0 elsewhere.

    There are as many columns as the labels need, unless `num_classes` says so. Raises `LabelError`
    for anything but whole numbers from 0 to num_classes - 1. PyTorch's comes in whole numbers.

    >>> one_hot([1, 0], 3)
    Tensor([[0., 1., 0.],
            [1., 0., 0.]])
    """
    labels = array_of(labels)
    classes = int(labels.max()) + 1 if num_classes is None else num_classes
    if labels.size:
        check_labels(labels, classes)
    return tensor_of(rules.one_hot(labels, classes, dtype))
