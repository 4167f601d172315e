"""Layers that put elements elsewhere: axes in one, one in several, pixels and channels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_bp import functional as F
from tinygrad_bp.errors import ModuleError, ShapeError
from tinygrad_bp.functional.inputs import tensor_of
from tinygrad_bp.nn.formula import Formula
from tinygrad_bp.nn.module import Module

__all__ = [
    "ChannelShuffle",
    "Flatten",
    "PixelShuffle",
    "PixelUnshuffle",
    "Unflatten",
    "Upsample",
    "UpsamplingBilinear2d",
    "UpsamplingNearest2d",
]


class Flatten(Module):
    """The axes from `start_dim` to `end_dim` as one: (N, ...) to (N, features) by default.

    Raises `ShapeError` for an input that does not have those axes, in that order.

    >>> Flatten()(np.zeros((5, 3, 2, 2))).shape
    (5, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: Any) -> Any:
        """Return x with those axes as one."""
        shape = np.shape(input)
        places = range(len(shape))
        try:
            start, end = places[self.start_dim], places[self.end_dim]
        except IndexError:
            start, end = 1, 0
        if start > end:
            raise ShapeError(f"expects axes from {self.start_dim} to {self.end_dim}, got {shape}")
        size = math.prod(shape[start : end + 1])  # -1 would not do for an empty batch
        return np.reshape(tensor_of(input), (*shape[:start], size, *shape[end + 1 :]))

    def extra_repr(self) -> str:
        """Return the axes."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


class Unflatten(Module):
    """One axis as several, of the sizes given; one of them may be -1, what is left.

    Raises `ShapeError` for an axis that is not there, or not of that size.

    >>> Unflatten(1, (3, -1))(np.zeros((5, 12))).shape
    (5, 3, 4)
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        sizes = tuple(map(int, unflattened_size))
        if not sizes or sizes.count(-1) > 1 or min(sizes) < -1:
            raise ModuleError(f"Unflatten: {sizes} are no sizes, with -1 for one at most")
        self.dim = dim
        self.unflattened_size = sizes

    def forward(self, input: Any) -> Any:
        """Return x with the axis cut up."""
        shape, sizes = np.shape(input), self.unflattened_size
        if not -len(shape) <= self.dim < len(shape):
            raise ShapeError(f"expects an axis {self.dim}, got {shape}")
        dim = self.dim % len(shape)
        known = math.prod(n for n in sizes if n != -1)
        rest = shape[dim] // known if -1 in sizes and known else 1
        if known * rest != shape[dim]:
            raise ShapeError(f"expects an axis {self.dim} to be cut into {sizes}, got {shape}")
        cut = [rest if n == -1 else n for n in sizes]
        return np.reshape(tensor_of(input), (*shape[:dim], *cut, *shape[dim + 1 :]))

    def extra_repr(self) -> str:
        """Return the axis and the sizes."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"


# --- images in other sizes --------------------------------------------------------------------

_MODES = ("nearest", "nearest-exact", "area", "linear", "bilinear", "bicubic", "trilinear")


class _Resized(Formula):
    """What is made with either a size or a factor."""

    size: int | Sequence[int] | None = None
    scale_factor: float | Sequence[float] | None = None

    def _check(self) -> None:
        either = (self.size is None) != (self.scale_factor is None)
        self._need(either, "give either a size or a scale_factor")


class Upsample(_Resized, function=F.interpolate):
    """(N, C, ...) with its last axes in another size, or so many times as long.

    The mode is "nearest", "nearest-exact", "area", or by the number of axes "linear", "bilinear",
    "bicubic", "trilinear"; `functional.interpolate` does the work.

    >>> Upsample(scale_factor=2)(np.array([[[1.0, 2.0]]]))
    Tensor([[[1., 1., 2., 2.]]])
    """

    mode: str = "nearest"
    align_corners: bool | None = None
    recompute_scale_factor: bool | None = None

    def _check(self) -> None:
        super()._check()
        known = ", ".join(_MODES)
        self._need(self.mode in _MODES, f"mode {self.mode!r} is not one of {known}")


class UpsamplingNearest2d(_Resized, function=F.interpolate):
    """Images in another size, by the nearest pixel: `Upsample` of (N, C, H, W).

    >>> UpsamplingNearest2d(scale_factor=2)(np.ones((1, 1, 2, 3))).shape
    (1, 1, 4, 6)
    """

    def forward(self, input: Any) -> Any:
        """Return the images in the other size."""
        return _images(input, super().forward)


class UpsamplingBilinear2d(_Resized, function=F.interpolate):
    """Images in another size, by lines between pixels, corners aligned: `Upsample` of (N, C, H, W).

    >>> UpsamplingBilinear2d(size=(1, 3))(np.array([[[[1.0, 2.0]]]]))
    Tensor([[[[1. , 1.5, 2. ]]]])
    """

    def _told(self) -> dict[str, Any]:
        return {**super()._told(), "mode": "bilinear", "align_corners": True}

    def forward(self, input: Any) -> Any:
        """Return the images in the other size."""
        return _images(input, super().forward)


def _images(x: Any, resized: Callable[[Any], Any]) -> Any:
    if np.ndim(x) != 4:
        raise ShapeError(f"expects (N, C, H, W), got {np.shape(x)}")
    return resized(x)


# --- channels and pixels ----------------------------------------------------------------------


class PixelShuffle(Formula, function=F.pixel_shuffle):
    """(..., C r², H, W) as (..., C, H r, W r): channels that become pixels.

    Source: Shi et al., Real-Time Single Image and Video Super-Resolution, 2016.

    >>> PixelShuffle(2)(np.zeros((1, 8, 3, 3))).shape
    (1, 2, 6, 6)
    """

    upscale_factor: int

    def _check(self) -> None:
        self._need(self.upscale_factor >= 1, "the factor must be 1 or more")


class PixelUnshuffle(Formula, function=F.pixel_unshuffle):
    """(..., C, H r, W r) as (..., C r², H, W): what `PixelShuffle` does, undone.

    >>> PixelUnshuffle(2)(np.zeros((1, 2, 6, 6))).shape
    (1, 8, 3, 3)
    """

    downscale_factor: int

    def _check(self) -> None:
        self._need(self.downscale_factor >= 1, "the factor must be 1 or more")


class ChannelShuffle(Formula, function=F.channel_shuffle):
    """(N, C, ...) with the channels of its groups in turn (Zhang et al., ShuffleNet, 2017).

    >>> ChannelShuffle(2)(np.arange(4.0).reshape(1, 4))
    Tensor([[0., 2., 1., 3.]])
    """

    groups: int

    def _check(self) -> None:
        self._need(self.groups >= 1, "there must be 1 group or more")
