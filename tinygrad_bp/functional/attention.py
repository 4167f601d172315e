"""Attention: means of values, weighted by how well a query fits their keys."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_bp.functional.inputs import tensor_of
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor

__all__ = ["scaled_dot_product_attention"]


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
