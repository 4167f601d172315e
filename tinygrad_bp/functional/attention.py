"""Attention: means of values, weighted by how well a query fits their keys."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_bp.functional.inputs import tensor_of
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor

__all__ = ["scaled_dot_product_attention"]


def scaled_dot_product_attention(
    query: Array,
    key: Array,
    value: Array,
    attn_mask: Array | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
) -> Tensor:
    """Return softmax(q kᵀ · scale) v: (..., L, E), (..., S, E), (..., S, F) to (..., L, F).

    `attn_mask` is True where a query may look, or is added to the products; `is_causal` lets each
    query look at keys up to its own place. `scale` is 1/√E by default. Source: Vaswani et al.,
    Attention Is All You Need, 2017.

    >>> scaled_dot_product_attention(np.zeros((1, 2)), np.ones((2, 2)), np.array([[1.0], [3.0]]))
    Tensor([[2.]])
    """
    query, key, value = tensor_of(query), tensor_of(key), tensor_of(value)
    fit = query @ key.mT * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        if attn_mask is not None:
            raise ValueError("give attn_mask or is_causal=True, not both")
        attn_mask = np.tri(*fit.shape[-2:], dtype=bool)
    if attn_mask is not None:
        allowed = attn_mask.dtype == bool
        fit = np.where(attn_mask, fit, -math.inf) if allowed else fit + tensor_of(attn_mask)
    return fit.softmax(-1) @ value
