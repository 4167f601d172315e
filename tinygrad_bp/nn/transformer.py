"""Transformers: layers of attention and of small networks, each with a way around it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, TypeAlias

import numpy as np

from tinygrad_bp import functional as F
from tinygrad_bp.errors import ModuleError, ShapeError
from tinygrad_bp.nn import init
from tinygrad_bp.nn.attention import MultiheadAttention
from tinygrad_bp.nn.containers import ModuleList
from tinygrad_bp.nn.dropout import Dropout
from tinygrad_bp.nn.linear import Linear
from tinygrad_bp.nn.module import Module
from tinygrad_bp.nn.normalization import LayerNorm
from tinygrad_bp.tensor import Tensor

__all__ = [
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
]

Activation: TypeAlias = Callable[[Any], Any]

_ACTIVATIONS: dict[str, Activation] = {"relu": F.relu, "gelu": F.gelu}


def _activation(chosen: str | Activation) -> Activation:
    if callable(chosen):
        return chosen
    if chosen not in _ACTIVATIONS:
        raise ModuleError(f"activation must be 'relu', 'gelu' or a function, not {chosen!r}")
    return _ACTIVATIONS[chosen]


class _Layer(Module):
    """What the layers of encoders and decoders share: a small network, and ways around parts."""

    attentions: ClassVar[tuple[str, ...]] = ("self_attn",)
    """The parts that come before the network, by their names."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float32,
    ) -> None:
        rng = rng or np.random.default_rng()
        for name in self.attentions:
            attention = MultiheadAttention(
                d_model, nhead, dropout, bias, batch_first=batch_first, rng=rng, dtype=dtype
            )
            setattr(self, name, attention)
        self.linear1 = Linear(d_model, dim_feedforward, bias, rng=rng, dtype=dtype)
        self.dropout = Dropout(dropout, rng=rng)
        self.linear2 = Linear(dim_feedforward, d_model, bias, rng=rng, dtype=dtype)
        self.norm_first = norm_first
        numbers = range(1, len(self.attentions) + 2)
        for i in numbers:
            norm = LayerNorm(d_model, layer_norm_eps, bias=bias, dtype=dtype)
            setattr(self, f"norm{i}", norm)
        for i in numbers:
            setattr(self, f"dropout{i}", Dropout(dropout, rng=rng))
        self.activation = _activation(activation)

    def _feed_forward(self, x: Any) -> Any:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))

    def _around(self, x: Any, part: Callable[[Any], Any], norm: Module, dropout: Module) -> Any:
        """X plus what a part makes of it, normalised afterwards, or the part's input before."""
        if self.norm_first:
            return x + dropout(part(norm(x)))
        return norm(x + dropout(part(x)))


def _attended(
    attention: MultiheadAttention, x: Any, memory: Any, padding: Any, mask: Any, is_causal: bool
) -> Any:
    """Means of the memory for each place, without the weights."""
    output, _ = attention(
        x, memory, memory, padding, need_weights=False, attn_mask=mask, is_causal=is_causal
    )
    return output


class TransformerEncoderLayer(_Layer):
    """Self-attention, then a small network for each place, with residual connections around both.

    Both results are added to their inputs and normalised, or the inputs are normalised instead
    with `norm_first`. `activation` is "relu", "gelu" or a function. Masks as in
    `MultiheadAttention`. Source: Vaswani et al., Attention Is All You Need, 2017.

    >>> layer = TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> layer(np.zeros((5, 3, 8), np.float32)).shape
    (5, 3, 8)
    """

    self_attn: MultiheadAttention
    norm1: LayerNorm
    norm2: LayerNorm
    dropout1: Dropout
    dropout2: Dropout

    def forward(
        self,
        src: Any,
        src_mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Return the transformed sequence; without a mask, `is_causal` hides later places."""

        def attended(x: Any) -> Any:
            return _attended(self.self_attn, x, x, src_key_padding_mask, src_mask, is_causal)

        x = self._around(src, attended, self.norm1, self.dropout1)
        result: Tensor = self._around(x, self._feed_forward, self.norm2, self.dropout2)
        return result


class TransformerDecoderLayer(_Layer):
    """As `TransformerEncoderLayer`, with attention to another sequence, the memory, in between.

    >>> layer = TransformerDecoderLayer(8, 2, 16)
    >>> layer(np.zeros((3, 5, 8), np.float32), np.zeros((4, 5, 8), np.float32)).shape
    (3, 5, 8)
    """

    attentions = ("self_attn", "multihead_attn")

    self_attn: MultiheadAttention
    multihead_attn: MultiheadAttention
    norm1: LayerNorm
    norm2: LayerNorm
    norm3: LayerNorm
    dropout1: Dropout
    dropout2: Dropout
    dropout3: Dropout

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Return the target sequence after attention to itself and to the memory."""

        def attended(x: Any) -> Any:
            return _attended(self.self_attn, x, x, tgt_key_padding_mask, tgt_mask, tgt_is_causal)

        def remembered(x: Any) -> Any:
            return _attended(
                self.multihead_attn, x, memory, memory_key_padding_mask, memory_mask,
                memory_is_causal,
            )  # fmt: skip

        x = self._around(tgt, attended, self.norm1, self.dropout1)
        x = self._around(x, remembered, self.norm2, self.dropout2)
        result: Tensor = self._around(x, self._feed_forward, self.norm3, self.dropout3)
        return result


# --- several layers -------------------------------------------------------------------------


def _copies(layer: Module, count: int) -> ModuleList:
    """Layers with parameters of their own, equal at first; they draw from the same streams."""
    if count < 1:
        raise ModuleError(f"num_layers must be 1 or more, not {count}")
    streams = {id(stream): stream for _, stream in layer.named_streams()}
    return ModuleList([copy.deepcopy(layer, dict(streams)) for _ in range(count)])


class TransformerEncoder(Module):
    """Copies of an encoder layer, one after the other, and a normalisation if one is given.

    For a causal mask, as in a language model, `is_causal=True` is enough: later places are hidden.
    `enable_nested_tensor` and `mask_check` make no difference here.

    >>> encoder = TransformerEncoder(TransformerEncoderLayer(8, 2, 16), 2)
    >>> encoder(np.zeros((3, 5, 8), np.float32), is_causal=True).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,  # noqa: ARG002
        mask_check: bool = True,  # noqa: ARG002
    ) -> None:
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        src: Any,
        mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """Pass the sequence through all layers."""
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask, bool(is_causal))
        result: Tensor = src if self.norm is None else self.norm(src)
        return result


class TransformerDecoder(Module):
    """Copies of a decoder layer, one after the other, and a normalisation if one is given.

    >>> decoder = TransformerDecoder(TransformerDecoderLayer(8, 2, 16), 2)
    >>> decoder(np.zeros((3, 5, 8), np.float32), np.zeros((4, 5, 8), np.float32)).shape
    (3, 5, 8)
    """

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Any,
        memory: Any,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Pass the target sequence through all layers; each is given the memory."""
        for layer in self.layers:
            tgt = layer(
                tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask,
                bool(tgt_is_causal), memory_is_causal,
            )  # fmt: skip
        result: Tensor = tgt if self.norm is None else self.norm(tgt)
        return result


class Transformer(Module):
    """An encoder for one sequence, and a decoder that sees its result, for another.

    Matrices start as `init.glorot` draws them. Source: Vaswani et al., Attention Is All You Need,
    2017.

    >>> model = Transformer(8, 2, 1, 1, 16)
    >>> model(np.zeros((4, 5, 8), np.float32), np.zeros((3, 5, 8), np.float32)).shape
    (3, 5, 8)
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = F.relu,
        custom_encoder: Module | None = None,
        custom_decoder: Module | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float32,
    ) -> None:
        rng = rng or np.random.default_rng()
        sizes = d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps
        options: Any = {"batch_first": batch_first, "norm_first": norm_first, "bias": bias,
                        "rng": rng, "dtype": dtype}  # fmt: skip
        norm = partial(LayerNorm, d_model, layer_norm_eps, bias=bias, dtype=dtype)
        self.encoder = custom_encoder or TransformerEncoder(
            TransformerEncoderLayer(*sizes, **options), num_encoder_layers, norm()
        )
        self.decoder = custom_decoder or TransformerDecoder(
            TransformerDecoderLayer(*sizes, **options), num_decoder_layers, norm()
        )
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first
        for p in self.parameters():
            if p.ndim > 1:
                p.data = init.glorot(p.shape, rng).astype(p.dtype)

    def forward(
        self,
        src: Any,
        tgt: Any,
        src_mask: Any = None,
        tgt_mask: Any = None,
        memory_mask: Any = None,
        src_key_padding_mask: Any = None,
        tgt_key_padding_mask: Any = None,
        memory_key_padding_mask: Any = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Return what the decoder makes of the target, and of what the encoder makes of src."""
        self._check_inputs(np.shape(src), np.shape(tgt))
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        decoded: Tensor = self.decoder(
            tgt, memory, tgt_mask, memory_mask, tgt_key_padding_mask, memory_key_padding_mask,
            tgt_is_causal, memory_is_causal,
        )  # fmt: skip
        return decoded

    def _check_inputs(self, src: tuple[int, ...], tgt: tuple[int, ...]) -> None:
        ends = {src[-1:], tgt[-1:]}
        if ends != {(self.d_model,)} or len(src) != len(tgt):
            raise ShapeError(f"expects two sequences of (..., {self.d_model}), got {src} and {tgt}")

    @staticmethod
    def generate_square_subsequent_mask(sz: int, *, dtype: Any = np.float32) -> Any:
        """Return a mask to be added that hides later places: 0 up to each place, -inf after it.

        >>> Transformer.generate_square_subsequent_mask(2)
        array([[  0., -inf],
               [  0.,   0.]], dtype=float32)
        """
        return np.where(np.tri(sz, dtype=bool), 0, -np.inf).astype(dtype)
