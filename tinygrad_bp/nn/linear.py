"""Fully connected layers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_bp import functional as F
from tinygrad_bp.errors import ShapeError
from tinygrad_bp.nn import init
from tinygrad_bp.nn.module import Module, Parameter
from tinygrad_bp.tensor import Tensor

__all__ = ["Bilinear", "Identity", "Linear"]


class Linear(Module):
    """A fully connected layer, x Wᵀ + b: (..., in_features) to (..., out_features).

    W has shape (out, in): w_jk leads from neuron k to neuron j, as in the lesson and PyTorch.
    Both start uniform within 1 / sqrt(in), unless initialisers are given. Raises `ShapeError` if an
    input does not have `in_features` columns.

    >>> layer = Linear(784, 16, rng=np.random.default_rng(0))
    >>> layer(np.zeros((5, 784), np.float32)).shape
    (5, 16)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,  # noqa: FBT001, FBT002
        *,
        rng: np.random.Generator | None = None,
        weight_init: init.Initializer | None = None,
        bias_init: init.Initializer | None = None,
        dtype: Any = np.float32,
        name: str | None = None,
    ) -> None:
        rng = rng or np.random.default_rng()
        self.in_features = in_features
        self.out_features = out_features
        prefix = f"{name}." if name else ""
        within = init.uniform(1 / math.sqrt(in_features) if in_features else 0.0)
        shapes = {"weight": (out_features, in_features), "bias": (out_features,)}
        made = {"weight": weight_init or within, "bias": bias_init or within}
        self.weight, drawn = (
            Parameter(made[what](shape, rng).astype(dtype), name=f"{prefix}{what}")
            for what, shape in shapes.items()
        )
        self.bias = drawn if bias else None

    def forward(self, input: Any) -> Tensor:
        """Return x Wᵀ + b."""
        try:
            return F.linear(input, self.weight, self.bias)
        except ValueError:  # looking at shapes beforehand would cost every call
            if np.shape(input)[-1:] == (self.in_features,):
                raise
            raise ShapeError(f"expects (..., {self.in_features}), got {np.shape(input)}") from None

    def extra_repr(self) -> str:
        """Return the sizes."""
        without = "" if self.bias is not None else ", bias=False"
        return f"{self.in_features}, {self.out_features}{without}"


class Bilinear(Module):
    """A number from two inputs for each output, x1ᵀ W x2 + b: (..., m), (..., n) to (..., out).

    >>> Bilinear(2, 3, 4)(np.ones((5, 2)), np.ones((5, 3))).shape
    (5, 4)
    """

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,  # noqa: FBT001, FBT002
        *,
        rng: np.random.Generator | None = None,
        dtype: Any = np.float32,
    ) -> None:
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        made = init.parameters(1 / math.sqrt(in1_features), rng, dtype)
        self.weight = made(out_features, in1_features, in2_features)
        self.bias = made(out_features) if bias else None

    def forward(self, input1: Any, input2: Any) -> Tensor:
        """Return x1ᵀ W x2 + b for each output."""
        ends = (np.shape(input1)[-1:], np.shape(input2)[-1:])
        if ends != ((self.in1_features,), (self.in2_features,)):
            raise ShapeError(
                f"expects (..., {self.in1_features}) and (..., {self.in2_features}), got "
                f"{np.shape(input1)} and {np.shape(input2)}"
            )
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        without = "" if self.bias is not None else ", bias=False"
        return f"{self.in1_features}, {self.in2_features}, {self.out_features}{without}"


class Identity(Module):
    """What gives its input back, whatever arguments it was made with.

    >>> Identity(54, unused=True)(3.0)
    3.0
    """

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def forward(self, input: Any) -> Any:
        """Return the input."""
        return input
