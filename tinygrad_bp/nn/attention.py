"""Attention with several heads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_bp import functional as F
from tinygrad_bp.duck import DuckArray
from tinygrad_bp.errors import ModuleError, ShapeError
from tinygrad_bp.functional.attention import attention_weights
from tinygrad_bp.functional.inputs import tensor_of
from tinygrad_bp.nn import init
from tinygrad_bp.nn.linear import Linear
from tinygrad_bp.nn.module import Module, Parameter
from tinygrad_bp.tensor import Tensor, array_of

__all__ = ["MultiheadAttention"]


class MultiheadAttention(Module):
    """Means of values by likeness of queries and keys, in several spaces at once.

    Queries, keys and values are multiplied by weights, and cut into `num_heads` heads, which
    `functional.scaled_dot_product_attention` treats alike; a last product joins them. Keys and
    values may have `kdim` and `vdim` features instead of `embed_dim`. With `add_bias_kv` one more
    key and value are learnt, with `add_zero_attn` there are ones of zeros. In training, weights
    are left out with probability `dropout`, by draws from `rng`. Returns the output and, unless
    `need_weights` is False, the weights. Raises `ModuleError` for heads that do not divide
    `embed_dim`. Source: Vaswani et al., Attention Is All You Need, 2017.

    >>> layer = MultiheadAttention(8, 2, batch_first=True)
    >>> x = np.zeros((5, 3, 8), np.float32)
    >>> output, weights = layer(x, x, x)
    >>> output.shape, weights.shape
    ((5, 3, 8), (5, 3, 3))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float32,
    ) -> None:
        if embed_dim < 1 or num_heads < 1 or embed_dim % num_heads:
            raise ModuleError(f"{num_heads} heads do not share {embed_dim} features evenly")
        if not 0 <= dropout <= 1:
            raise ModuleError(f"dropout is a probability, from 0 to 1, not {dropout}")
        rng = rng or np.random.default_rng()
        self.embed_dim = embed_dim
        self.kdim = kdim or embed_dim
        self.vdim = vdim or embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        self.add_zero_attn = add_zero_attn
        self._make_weights(rng, dtype)
        self.in_proj_bias = Parameter(np.zeros(3 * embed_dim, dtype)) if bias else None
        self.out_proj = Linear(
            embed_dim, embed_dim, bias, rng=rng, dtype=dtype, bias_init=init.zeros
        )
        self.bias_k = self._one_more(rng, dtype) if add_bias_kv else None
        self.bias_v = self._one_more(rng, dtype) if add_bias_kv else None
        self.rng = rng if dropout else None

    def _make_weights(self, rng: np.random.Generator, dtype: Any) -> None:
        def drawn(*shape: int) -> Tensor:
            return Parameter(init.glorot(shape, rng).astype(dtype))

        self.in_proj_weight: Tensor | None = None
        if self.kdim == self.vdim == self.embed_dim:
            self.in_proj_weight = drawn(3 * self.embed_dim, self.embed_dim)
        else:
            self.q_proj_weight = drawn(self.embed_dim, self.embed_dim)
            self.k_proj_weight = drawn(self.embed_dim, self.kdim)
            self.v_proj_weight = drawn(self.embed_dim, self.vdim)

    def _one_more(self, rng: np.random.Generator, dtype: Any) -> Tensor:
        """A key or value beside those of the input, drawn from N(0, 1 / embed_dim)."""
        values = rng.standard_normal((1, 1, self.embed_dim)) / math.sqrt(self.embed_dim)
        return Parameter(values.astype(dtype))

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Return means of values for each query, and the weights, (examples, queries, keys).

        (places, examples, features), or (examples, places, features) with `batch_first`, or
        (places, features) of one example alone. Masks are True where a key does not count, or
        numbers that are added: `key_padding_mask` is (examples, keys), `attn_mask` (queries, keys)
        or (examples times heads, queries, keys). Without it, `is_causal` hides later keys. Unless
        `average_attn_weights`, there are weights for each head. Where no key counts, the mean is 0.
        """
        given = [tensor_of(x) for x in (query, key, value)]
        self._check_inputs(given)
        alone = given[0].ndim == 2
        if alone:
            given = [x[None] for x in given]
            key_padding_mask = None if key_padding_mask is None else key_padding_mask[None]
        first = alone or self.batch_first
        q, k, v = (self._heads(x, first) for x in self._longer(self._projected(given), first))
        if self.add_zero_attn:
            k, v = (
                _followed_by(x, np.zeros((*x.shape[:2], 1, x.shape[3]), x.dtype)) for x in (k, v)
            )
        mask = self._mask(key_padding_mask, attn_mask, is_causal, q, k)
        weights = F.dropout(
            attention_weights(q, k, mask), self.dropout, self.training, rng=self.rng
        )
        output = self._joined(weights @ v, first)
        if not need_weights:
            return (output[0] if alone else output), None
        shown = weights.mean(1) if average_attn_weights else weights
        return (output[0], shown[0]) if alone else (output, shown)

    def _check_inputs(self, given: Sequence[Any]) -> None:
        """Each has the features it should have, and as many examples and places as it should."""
        widths = (self.embed_dim, self.kdim, self.vdim)
        for name, x, width in zip(("query", "key", "value"), given, widths, strict=True):
            if x.ndim not in {2, 3} or x.shape[-1] != width:
                places = "examples, places" if self.batch_first else "places, examples"
                raise ShapeError(
                    f"expects a {name} of ({places}, {width}) or (places, {width}), got {x.shape}"
                )
        query, key, value = (x.shape for x in given)
        examples = 0 if self.batch_first else 1
        if key[:-1] != value[:-1] or len(query) != len(key) or (
            len(query) == 3 and query[examples] != key[examples]
        ):  # fmt: skip
            raise ShapeError(
                f"expects keys and values of as many places, and of as many examples as there are "
                f"queries, got {query}, {key} and {value}"
            )

    def _projected(self, given: Sequence[Any]) -> list[Any]:
        """The products with the weights."""
        biases: Sequence[Any] = (None,) * 3
        if self.in_proj_bias is not None:
            biases = np.split(self.in_proj_bias, 3)
        weights: Sequence[Any]
        if self.in_proj_weight is not None:
            weights = np.split(self.in_proj_weight, 3)
        else:
            weights = self.q_proj_weight, self.k_proj_weight, self.v_proj_weight
        return [F.linear(*each) for each in zip(given, weights, biases, strict=True)]

    def _longer(self, projected: list[Any], first: bool) -> list[Any]:
        """With one more key and value, if they are learnt."""
        if self.bias_k is None:
            return projected
        q, *others = projected
        places, examples = (1, q.shape[0]) if first else (0, q.shape[1])
        shape = (examples, 1, self.embed_dim) if first else (1, examples, self.embed_dim)
        more = [np.broadcast_to(tensor_of(b), shape) for b in (self.bias_k, self.bias_v)]
        pairs = zip(others, more, strict=True)
        return [q, *(np.concatenate(pair, axis=places) for pair in pairs)]

    def _heads(self, x: Any, first: bool) -> Any:
        """Cut into heads: (examples, heads, places, features)."""
        cut = x.reshape(*x.shape[:2], self.num_heads, self.head_dim)
        return cut.transpose(0, 2, 1, 3) if first else cut.transpose(1, 2, 0, 3)

    def _joined(self, heads: Any, first: bool) -> Tensor:
        """All heads of an example one behind the other, and the last product."""
        x = heads.transpose(0, 2, 1, 3) if first else heads.transpose(2, 0, 1, 3)
        joined: Tensor = self.out_proj(x.reshape(*x.shape[:2], self.embed_dim))
        return joined

    def _mask(self, padding: Any, attn_mask: Any, is_causal: bool, q: Any, k: Any) -> Any:
        """Both masks as one, as `attention_weights` takes it; None if there are none."""
        examples, heads, queries, _ = q.shape
        more = int(self.add_zero_attn) + int(self.bias_k is not None)
        keys = k.shape[2] - more
        if is_causal and attn_mask is None:
            attn_mask = np.logical_not(np.tri(queries, keys, dtype=bool))
        masks = []
        if attn_mask is not None:
            every = (examples * heads, queries, keys)
            found = _checked("attn_mask", attn_mask, [(queries, keys), every])
            masks.append(found if found.ndim == 2 else found.reshape(examples, heads, *every[1:]))
        if padding is not None:
            found = _checked("key_padding_mask", padding, [(examples, keys)])
            masks.append(found.reshape(examples, 1, 1, keys))
        if more:
            masks = [_followed_by(m, np.zeros((*m.shape[:-1], more), m.dtype), -1) for m in masks]
        if all(mask.dtype == bool for mask in masks):
            hidden = [array_of(mask) for mask in masks]
            return np.logical_not(np.logical_or(hidden[0], hidden[-1])) if hidden else None
        added = [
            np.where(array_of(m), -math.inf, np.zeros((), q.dtype)) if m.dtype == bool else m
            for m in masks
        ]
        return added[0] if len(added) == 1 else added[0] + added[1]

    def extra_repr(self) -> str:
        """Return the number of features, and of heads."""
        return f"{self.embed_dim}, {self.num_heads}"


def _followed_by(x: Any, more: Any, axis: int = 2) -> Any:
    return np.concatenate([x, more], axis=axis)


def _checked(name: str, mask: Any, shapes: list[tuple[int, ...]]) -> Any:
    """A mask of booleans or floats, in one of some shapes."""
    found = mask if isinstance(mask, DuckArray) else np.asarray(mask)
    if found.dtype.kind not in "bf":
        raise ShapeError(f"expects {name} of booleans or floats, got {found.dtype}")
    if found.shape not in shapes:
        wanted = " or ".join(map(str, shapes))
        raise ShapeError(f"expects {name} of {wanted}, got {found.shape}")
    return found
