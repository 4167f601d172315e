"""The table of specs: convolutions, and elements of windows that slide over examples."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from specs.calls import Apart, Array, Spec, call, strided, transposed, x, z
from tinygrad_bp import rules as own

# fmt: off

# Strides, paddings, dilations.
LINE = ((1,), ((0, 0),), (1,))
WIDE = ((2,), ((1, 2),), (2,))
PLANE = ((1, 1), ((0, 0), (0, 0)), (1, 1))
UNEVEN = ((2, 1), ((1, 0), (2, 1)), (1, 2))
# With kernels.
PAIRS, TRIPLES = ((2,), (2,), ((0, 0),), (1,)), ((3,), (1,), ((1, 1),), (1,))
SQUARES = ((2, 2), (2, 2), ((0, 0), (1, 1)), (1, 1))
LOOSE = ((2, 1), (1, 2), ((1, 0), (0, 0)), (2, 1))

# fmt: on


def _terms(w_shape: Any, g_shape: Any, lengths: Any, how: Any) -> Iterator[tuple[Any, Any, Any]]:
    """Every product in a convolution: where its factors are in x, in the weight and in g."""
    stride, padding, dilation, groups = how
    outputs, channels, *kernel = w_shape
    examples, _, *places = g_shape
    own_outputs = outputs // groups
    for n, o, c in itertools.product(range(examples), range(outputs), range(channels)):
        for p, k in itertools.product(np.ndindex(*places), np.ndindex(*kernel)):
            steps = zip(p, k, stride, padding, dilation, strict=True)
            at = [i * s - before + j * d for i, j, s, (before, _), d in steps]
            if all(0 <= i < length for i, length in zip(at, lengths, strict=True)):
                yield (n, o // own_outputs * channels + c, *at), (o, c, *k), (n, o, *p)


def _convolve(a: Array, w: Array, *how: Any) -> Array:
    stride, padding, dilation, _ = how
    sizes = zip(a.shape[2:], w.shape[2:], stride, padding, dilation, strict=True)
    places = [(n + sum(ends) - d * (k - 1) - 1) // s + 1 for n, k, s, ends, d in sizes]
    y = np.zeros((len(a), len(w), *places), np.result_type(a, w))
    for at_x, at_w, at_g in _terms(w.shape, y.shape, a.shape[2:], how):
        y[at_g] += a[at_x] * w[at_w]
    return y


def _transposed(g: Array, w: Array, lengths: Any, *how: Any) -> Array:
    y = np.zeros((len(g), w.shape[1] * how[-1], *lengths), np.result_type(g, w))
    for at_x, at_w, at_g in _terms(w.shape, g.shape, lengths, how):
        y[at_x] += g[at_g] * w[at_w]
    return y


def _correlate(a: Array, g: Array, kernel: Any, *how: Any) -> Array:
    y = np.zeros((g.shape[1], a.shape[1] // how[-1], *kernel), np.result_type(a, g))
    for at_x, at_w, at_g in _terms(y.shape, g.shape, a.shape[2:], how):
        y[at_w] += a[at_x] * g[at_g]
    return y


def _windows(a: Array, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Array:
    """All windows, each in one row."""
    axes = len(kernel)
    wide = np.pad(a, [(0, 0), (0, 0), *padding], constant_values=-np.inf)
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    cut = np.lib.stride_tricks.sliding_window_view(wide, reach, tuple(range(-axes, 0)))
    cut = cut[(..., *[slice(None, None, s) for s in (*stride, *dilation)])]
    return cut.reshape(*cut.shape[:-axes], math.prod(kernel))


def _taken(a: Array, chosen: Array, *how: Any) -> Array:
    return np.take_along_axis(_windows(a, *how), chosen[..., None], -1)[..., 0]


def _put(g: Array, chosen: Array, lengths: Any, *how: Any) -> Array:
    shape = (*g.shape[:2], *lengths)
    places = _taken(np.arange(np.prod(shape), dtype=float).reshape(shape), chosen, *how)
    out = np.zeros(shape, g.dtype)
    inside = np.isfinite(places)
    np.add.at(out.ravel(), places[inside].astype(int), g[inside])
    return out


def _chosen(seed: int, shape: tuple[int, ...], n: int) -> Array:
    return np.random.default_rng(seed).integers(0, n, shape)


# fmt: off

WINDOWS = [
    Spec(
        own.convolve_windows,
        call(x(2, 2, 5), x(3, 2, 2), *LINE, 1), call(x(1, 1, 4), x(1, 1, 1), *LINE, 1),
        call(x(2, 4, 5), x(2, 2, 2), *WIDE, 2), call(x(2, 2, 3, 4), x(2, 2, 2, 2), *PLANE, 1),
        call(x(2, 2, 3, 3), x(2, 1, 2, 3), *UNEVEN, 2), call(x(0, 1, 3), x(1, 1, 2), *LINE, 1),
        call(transposed(2, 2, 3), transposed(2, 2, 2), *LINE, 1),
        call(strided(2, 1, 3), strided(1, 1, 2), *LINE, 1),
        call(np.ones((2, 2, 3)), x(1, 2, 2), *LINE, 1),
        call(x(1, 1, 3, values=z), x(1, 1, 2, values=z), *LINE, 1),
        reference=_convolve,
    ),
    Spec(
        own.convolve_transposed,
        call(x(2, 3, 4), x(3, 2, 2), (5,), *LINE, 1), call(x(2, 2, 3), x(2, 2, 2), (4,), *WIDE, 2),
        call(x(2, 2, 2, 2), x(2, 1, 2, 3), (4, 3), *UNEVEN, 2),
        call(x(1, 1, 2), x(1, 1, 2), (5,), *LINE, 1),  # longer than what the windows cover
        call(transposed(2, 2, 3), transposed(2, 2, 2), (4,), *LINE, 1),
        call(strided(2, 1, 3), strided(1, 1, 2), (4,), *LINE, 1),
        call(x(1, 1, 3, values=z), x(1, 1, 2, values=z), (4,), *LINE, 1),
        reference=_transposed,
    ),
    Spec(
        own.correlate_windows,
        call(x(2, 2, 5), x(2, 3, 4), (2,), *LINE, 1), call(x(2, 4, 5), x(2, 2, 3), (2,), *WIDE, 2),
        call(x(1, 2, 3, 3), x(1, 2, 2, 2), (2, 3), *UNEVEN, 2),
        call(x(1, 1, 5), x(1, 1, 2), (2,), *LINE, 1),  # fewer places than there could be
        call(transposed(2, 2, 3), transposed(2, 2, 2), (2,), *LINE, 1),
        call(strided(2, 1, 3), strided(2, 1, 2), (2,), *LINE, 1),
        call(x(1, 1, 3, values=z), x(1, 1, 2, values=z), (2,), *LINE, 1),
        reference=_correlate,
    ),
    Spec(
        own.max_of_windows,
        *(call(x(*shape, values=Apart()), *how) for shape, how in (
            ((2, 2, 4), PAIRS), ((1, 2, 5), TRIPLES), ((2, 1, 4, 4), SQUARES),
            ((1, 2, 3, 4), LOOSE),
        )),
        call(transposed(1, 2, 4, values=Apart()), *PAIRS),
        call(strided(1, 2, 4, values=Apart()), *PAIRS), call(x(0, 1, 4), *PAIRS),
        reference=lambda a, *how: _windows(a, *how).max(-1),
    ),
    Spec(
        own.take_from_windows,
        *(call(x(*shape), _chosen(0, places, 2), *how) for shape, places, how in (
            ((2, 2, 4), (2, 2, 2), PAIRS), ((1, 2, 3, 4), (1, 2, 2, 2), LOOSE),
        )),
        call(x(1, 1, 3), np.array([[[1, 1, 0]]]), *TRIPLES),
        call(transposed(1, 2, 4), _chosen(1, (1, 2, 2), 2), *PAIRS),
        call(x(1, 1, 4, values=z), np.array([[[1, 0]]]), *PAIRS),
        reference=_taken,
    ),
    Spec(
        own.put_into_windows,
        *(call(x(*shape), _chosen(0, shape, 2), lengths, *how) for shape, lengths, how in (
            ((2, 2, 2), (4,), PAIRS), ((1, 2, 2, 2), (3, 4), LOOSE),
        )),
        call(x(1, 1, 3), np.array([[[1, 1, 0]]]), (3,), *TRIPLES),
        call(transposed(1, 2, 2), _chosen(1, (1, 2, 2), 2), (4,), *PAIRS),
        call(x(1, 1, 2, values=z), np.array([[[1, 0]]]), (4,), *PAIRS),
        reference=_put,
    ),
]
