"""Discrete Fourier transforms: linear maps, each given by its transpose, without conjugation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from tinygrad_bp.operands import beside
from tinygrad_bp.registry import Array, composite, linear, why

__all__: list[str] = []

Transform = Callable[..., Array]


def _opposite(norm: Any) -> Any:
    """How the opposite transform is scaled to have the same factor as this one."""
    return {None: "forward", "backward": "forward", "forward": "backward"}.get(norm, norm)


def _fitted(g: Array, x: Array, axis: int) -> Array:
    """Transpose of cropping and padding at the end of an axis: padding, and cropping."""
    axis = normalize_axis_index(axis, x.ndim)
    given, wanted = g.shape[axis], x.shape[axis]
    if given > wanted:
        return g[(*[slice(None)] * axis, slice(wanted))]
    if given == wanted:
        return g
    missing = (*x.shape[:axis], wanted - given, *x.shape[axis + 1 :])
    return np.concatenate([g, np.zeros(missing, dtype=g.dtype, like=beside(g))], axis=axis)


def _length(n: int | None, x: Array, axis: int) -> int:
    return x.shape[axis] if n is None else n


def _rfft_transposed(g: Array, y: Array, a: Array, *, n: int | None, axis: int, norm: Any) -> Array:
    """Half of the spectrum is left out; what arrives at the rest goes the way of `fft`."""
    return _fitted(np.fft.fft(g, _length(n, a, axis), axis, norm), a, axis)


def _irfft_transposed(
    g: Array, y: Array, a: Array, *, n: int | None, axis: int, norm: Any
) -> Array:
    """Each frequency stands for its mirror image, too, unless it is its own: 0, and n/2."""
    n = y.shape[axis]
    waves = np.conjugate(np.fft.rfft(g, n, axis, _opposite(norm)))
    own = [2 * k % n == 0 for k in range(n // 2 + 1)]
    shape = [-1 if i == axis % a.ndim else 1 for i in range(a.ndim)]
    alone = np.reshape(np.asarray(own, like=beside(g)), shape)
    return _fitted(np.where(alone, waves, 2 * waves), a, axis)


# fmt: off
for _fft in (np.fft.fft, np.fft.ifft):  # their matrices are symmetric
    linear(_fft, lambda g, y, a, f=_fft, *, n, axis, norm: _fitted(
        f(g, _length(n, a, axis), axis, norm), a, axis))
linear(np.fft.rfft, _rfft_transposed)
linear(np.fft.irfft, _irfft_transposed)

why("Each frequency is a sum of all samples, so a sample receives the transform of the gradient.",
    np.fft.fft, np.fft.ifft, np.fft.rfft)
why("A frequency stands for its mirror image, too, and receives the gradient of both waves.",
    np.fft.irfft)
# fmt: on


# --- along several axes ---------------------------------------------------------------------


def _sizes(
    a: Array, s: Sequence[int] | None, axes: Sequence[int] | None, *, inverse: bool = False
) -> list[tuple[int, int]]:
    """The axes to transform along, each with its length; -1 is an axis's own.

    A real inverse has twice as many samples as frequencies, less the two that stand alone.
    """
    if axes is None:
        axes = range(-(a.ndim if s is None else len(s)), 0)
    if s is None:
        lengths = [a.shape[axis] for axis in axes]
        if inverse:
            lengths = [*lengths[:-1], 2 * (lengths[-1] - 1)]
    else:
        lengths = [a.shape[axis] if n == -1 else n for n, axis in zip(s, axes, strict=True)]
    return list(zip(axes, lengths, strict=True))


def _each(along: Transform) -> Transform:
    """Transform along the last axis first, as NumPy does."""

    def transform(a: Array, *, s: Any, axes: Any, norm: Any) -> Array:
        for axis, n in reversed(_sizes(a, s, axes)):
            a = along(a, n, axis, norm)
        return a

    return transform


def _rfftn(a: Array, *, s: Any, axes: Any, norm: Any) -> Array:
    *others, (axis, n) = _sizes(a, s, axes)
    a = np.fft.rfft(a, n, axis, norm)
    for other, length in reversed(others):
        a = np.fft.fft(a, length, other, norm)
    return a


def _irfftn(a: Array, *, s: Any, axes: Any, norm: Any) -> Array:
    *others, (axis, n) = _sizes(a, s, axes, inverse=True)
    for other, length in others:
        a = np.fft.ifft(a, length, other, norm)
    return np.fft.irfft(a, n, axis, norm)


def _hfft(a: Array, *, n: int | None, axis: int, norm: Any) -> Array:
    return np.fft.irfft(np.conjugate(a), n, axis, _opposite(norm))


def _ihfft(a: Array, *, n: int | None, axis: int, norm: Any) -> Array:
    return np.conjugate(np.fft.rfft(a, n, axis, _opposite(norm)))


def _shifted(x: Array, axes: Any, sign: int) -> Array:
    """Half of each length to the right, or back; of an odd length the smaller half."""
    along = range(x.ndim) if axes is None else [axes] if np.ndim(axes) == 0 else axes
    return np.roll(x, [sign * (x.shape[axis] // 2) for axis in along], tuple(along))


composite(np.fft.fftn, _each(np.fft.fft))
composite(np.fft.ifftn, _each(np.fft.ifft))
composite(np.fft.fft2, _each(np.fft.fft))
composite(np.fft.ifft2, _each(np.fft.ifft))
composite(np.fft.rfftn, _rfftn)
composite(np.fft.rfft2, _rfftn)
composite(np.fft.irfftn, _irfftn)
composite(np.fft.irfft2, _irfftn)
composite(np.fft.hfft, _hfft)
composite(np.fft.ihfft, _ihfft)
composite(np.fft.fftshift, lambda x, *, axes: _shifted(x, axes, 1))
composite(np.fft.ifftshift, lambda x, *, axes: _shifted(x, axes, -1))
