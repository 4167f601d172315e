"""Images in other sizes: padded, enlarged, and channels that become pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_bp.errors import ShapeError
from tinygrad_bp.functional.adaptive import means_along
from tinygrad_bp.functional.convolutions import Sizes
from tinygrad_bp.functional.inputs import for_each_axis, tensor_of
from tinygrad_bp.operands import placed
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import Tensor

__all__ = ["channel_shuffle", "interpolate", "pad", "pixel_shuffle", "pixel_unshuffle"]


def pad(x: Array, pad: Sequence[int], mode: str = "constant", value: Any = None) -> Tensor:
    """Return the last axes extended at both ends: `pad` has two widths an axis, the last one first.

    By a value, 0 by default; or by what is there: mode="reflect", "replicate" or "circular". A
    width below 0 cuts. NumPy's `np.pad` names the axes in their order, and the modes otherwise.

    >>> pad(np.array([[1.0, 2.0]]), (1, 0))
    Tensor([[0., 1., 2.]])
    """
    x = tensor_of(x)
    if len(pad) % 2 or len(pad) > 2 * x.ndim:
        raise ValueError(f"pad: {tuple(pad)} are not two widths an axis of shape {x.shape}")
    padded: Tensor = x.pad(pad, mode, 0 if value is None else value)
    return padded


# --- enlarging ------------------------------------------------------------------------------

_AXES = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}


def interpolate(
    x: Array,
    size: Sizes | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
) -> Tensor:
    """Return (examples, channels, ...) with its last axes in another size, or so many times it.

    mode is "nearest", "nearest-exact", "area", or "linear", "bilinear", "trilinear", "bicubic" by
    the number of axes. Pixels are areas; with align_corners=True they are points, and the outer
    ones stay where they are.

    >>> interpolate(np.array([[[1.0, 2.0]]]), scale_factor=2.0)
    Tensor([[[1., 1., 2., 2.]]])
    """
    x = tensor_of(x)
    axes = x.ndim - 2
    if axes not in {1, 2, 3} or _AXES.get(mode, axes) != axes:
        raise ShapeError(f"interpolate: mode {mode!r} does not fit an input of shape {x.shape}")
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: give either a size or a scale_factor")
    if align_corners is not None and mode not in _AXES:
        raise ValueError(f"interpolate: align_corners is not for mode {mode!r}")
    factors: list[float | None] = [None] * axes
    if size is not None:
        sizes = for_each_axis(size, axes)
    else:
        given: Any = (
            scale_factor if isinstance(scale_factor, tuple | list) else [scale_factor] * axes
        )
        if len(given) != axes:
            raise ValueError(f"{scale_factor} is not one number, or one for each of {axes} axes")
        sizes = [math.floor(n * factor) for n, factor in zip(x.shape[2:], given, strict=True)]
        if not recompute_scale_factor:
            factors = given
    if min(sizes) < 1 or 0 in x.shape[2:]:
        raise ShapeError(f"interpolate: from {x.shape[2:]} to {tuple(sizes)} there is nothing")
    if mode in _AXES and x.dtype.kind not in "fc":
        x = x.astype(float)  # means of whole numbers need not be whole
    grows = math.prod(sizes) > math.prod(x.shape[2:])
    for axis in range(axes)[:: -1 if grows else 1]:  # rows, which are faster, while there is more
        new, factor = sizes[axis], factors[axis]
        x = _along(x, axis + 2, new, mode, factor, align=bool(align_corners))
    return x


def _along(x: Any, axis: int, new: int, mode: str, factor: float | None, *, align: bool) -> Any:
    """One axis in its new length: each element a sum of a few, in weights that depend on places."""
    n = x.shape[axis]
    if mode == "area":
        return means_along(x, axis, new)
    unscaled = [n] if mode.endswith("linear") else []  # for these, PyTorch leaves the factor out
    if mode == "nearest" and x.ndim == 4:
        unscaled = [n, 2 * n]
    step = n / new if factor is None or new in unscaled else 1 / factor
    places = np.arange(new)
    if mode.startswith("nearest"):
        shift = 0.5 if mode == "nearest-exact" else 0.0
        near = np.floor((places + shift) * step).astype(int)
        return np.take(x, np.minimum(near, n - 1), axis=axis)
    if align:
        at = places * ((n - 1) / (new - 1) if new > 1 else 0.0)
    else:
        at = (places + 0.5) * step - 0.5
    if mode != "bicubic":
        at = np.maximum(at, 0)
    below = np.floor(at).astype(int)
    t = at - below
    weights = {0: 1 - t, 1: t} if mode != "bicubic" else _cubic(t)
    each = [np.clip(below + offset, 0, n - 1) for offset in weights]
    taken = np.take(x, each, axis=axis)
    shape = (len(each), new, *(1,) * (x.ndim - axis - 1))
    shares = np.reshape([*weights.values()], shape).astype(x.dtype)
    return np.sum(taken * placed(shares, x), axis=axis)


def _cubic(t: Any) -> dict[int, Any]:
    """Keys's convolution kernel with a = -3/4; source: Keys, IEEE Trans. ASSP 29, 1981."""
    a = -0.75

    def inner(d: Any) -> Any:
        return ((a + 2) * d - (a + 3)) * d * d + 1

    def outer(d: Any) -> Any:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a

    return {-1: outer(t + 1), 0: inner(t), 1: inner(1 - t), 2: outer(2 - t)}


# --- channels and pixels --------------------------------------------------------------------


def pixel_shuffle(x: Array, upscale_factor: int) -> Tensor:
    """Return (..., channels r², height, width) as (..., channels, height r, width r).

    >>> pixel_shuffle(np.arange(4.0).reshape(4, 1, 1), 2)
    Tensor([[[0., 1.],
             [2., 3.]]])
    """
    x, r = _with_axes("pixel_shuffle", x, 3), upscale_factor
    *front, channels, height, width = x.shape
    if channels % (r * r):
        raise ShapeError(f"pixel_shuffle: {channels} channels are no multiple of {r}²")
    y = x.reshape(*front, channels // (r * r), r, r, height, width)
    y = np.moveaxis(y, (-4, -3), (-3, -1))  # (..., channels, height, r, width, r)
    return y.reshape(*front, channels // (r * r), height * r, width * r)


def pixel_unshuffle(x: Array, downscale_factor: int) -> Tensor:
    """Return (..., channels, height r, width r) as (..., channels r², height, width).

    >>> pixel_unshuffle(np.arange(4.0).reshape(1, 2, 2), 2).shape
    (4, 1, 1)
    """
    x, r = _with_axes("pixel_unshuffle", x, 3), downscale_factor
    *front, channels, height, width = x.shape
    if height % r or width % r:
        raise ShapeError(f"pixel_unshuffle: {height} by {width} is no multiple of {r}")
    y = x.reshape(*front, channels, height // r, r, width // r, r)
    y = np.moveaxis(y, (-3, -1), (-4, -3))
    return y.reshape(*front, channels * r * r, height // r, width // r)


def channel_shuffle(x: Array, groups: int) -> Tensor:
    """Return (examples, channels, ...) with the channels of the groups in turn.

    >>> channel_shuffle(np.arange(4.0).reshape(1, 4), 2)
    Tensor([[0., 2., 1., 3.]])
    """
    x = _with_axes("channel_shuffle", x, 2)
    batch, channels, *rest = x.shape
    if channels % groups:
        raise ShapeError(f"channel_shuffle: {channels} channels in {groups} groups")
    y = x.reshape(batch, groups, channels // groups, *rest)
    return np.swapaxes(y, 1, 2).reshape(x.shape)


def _with_axes(name: str, x: Array, least: int) -> Any:
    x = tensor_of(x)
    if x.ndim < least:
        raise ShapeError(f"{name}: an input of shape {x.shape} has fewer than {least} axes")
    return x
