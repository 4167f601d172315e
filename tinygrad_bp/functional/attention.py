"""Attention: means of values, weighted by how well a query fits their keys."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_bp.functional.dropout import dropout
from tinygrad_bp.functional.inputs import tensor_of
from tinygrad_bp.operands import certainly
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor, array_of

__all__ = ["attention_weights", "scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    *,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Return softmax(query keyᵀ / sqrt(features)) value: means of the values, by likeness of keys.

    Shapes (..., queries, features), (..., keys, features) and (..., keys, out). A mask of booleans
    says which keys count for a query, one of numbers is added; with `is_causal`, no query sees a
    later key. Where no key counts, the result is 0. `scale` stands in for 1 / sqrt(features); with
    `enable_gqa`, several heads of queries, at axis -3, share one of keys. Weights are left out
    with probability `dropout_p`, by draws from `rng`, as in `dropout`. Source: Vaswani et al.,
    Attention Is All You Need, 2017.

    >>> scaled_dot_product_attention(np.zeros((1, 2)), np.ones((2, 2)), np.array([[1.0], [3.0]]))
    Tensor([[2.]])
    """
    q, k, v = tensor_of(query), tensor_of(key), tensor_of(value)
    if enable_gqa:
        k, v = (np.repeat(t, q.shape[-3] // t.shape[-3], axis=-3) for t in (k, v))
    if is_causal:
        if attn_mask is not None:
            raise ValueError("scaled_dot_product_attention: give a mask or is_causal, not both")
        attn_mask = np.tri(q.shape[-2], k.shape[-2], dtype=bool)
    weights = attention_weights(q, k, attn_mask, scale)
    return dropout(weights, dropout_p, rng=rng) @ v


def attention_weights(
    query: Array, key: Array, attn_mask: Any = None, scale: float | None = None
) -> Tensor:
    """Return softmax(query keyᵀ / sqrt(features)), with masks as in `scaled_dot_product_attention`.

    >>> attention_weights(np.zeros((1, 2)), np.ones((2, 2)))
    Tensor([[0.5, 0.5]])
    """
    q, k = tensor_of(query), tensor_of(key)
    likeness = q * (1 / math.sqrt(q.shape[-1]) if scale is None else scale) @ k.mT
    if attn_mask is None:
        return likeness.softmax(-1)
    mask = array_of(attn_mask)
    counts = mask if mask.dtype == bool else mask != -math.inf
    seen = np.any(counts, axis=-1, keepdims=True)
    masked: Any
    if mask.dtype == bool:
        masked = likeness.masked_fill(np.logical_and(np.logical_not(counts), seen), -math.inf)
    else:
        masked = likeness + np.where(seen, attn_mask, 0)
    weights: Any = masked.softmax(-1)
    if not certainly(seen.all()):
        weights = np.where(seen, weights, 0)
    return weights
