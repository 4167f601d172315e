"""Windows that slide over arrays of examples, channels and more axes: convolutions and maxima.

Along each of the later axes, the input is extended by `padding`, two widths; the windows are
`stride` apart, and their elements `dilation`. All work on whole arrays at a time, those of an
element of the windows, and keep the order that axes have in memory. A convolution leaves the
examples last there, where they are side by side in all windows.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.operands import beside, certainly, ones
from tinygrad_bp.registry import Array, bilinear, constant, kink, linear, primitive, rule, why
from tinygrad_bp.rules.elementwise import only_where
from tinygrad_bp.rules.indexing import getitem

__all__ = [
    "convolve_transposed",
    "convolve_windows",
    "correlate_windows",
    "first_of_largest",
    "max_of_windows",
    "put_into_windows",
    "take_from_windows",
]

Numbers: TypeAlias = Sequence[int]
Pairs: TypeAlias = Sequence[tuple[int, int]]

_BLOCK = 1 << 23  # bytes of columns at a time: more would not stay in the caches


def _places(
    lengths: Numbers, kernel: Numbers, stride: Numbers, padding: Pairs, dilation: Numbers
) -> tuple[int, ...]:
    """How many windows there are along each axis."""
    sizes = zip(lengths, kernel, stride, padding, dilation, strict=True)
    return tuple([(n + sum(ends) - d * (k - 1) - 1) // s + 1 for n, k, s, ends, d in sizes])


def _shifts(
    kernel: Numbers, places: Numbers, stride: Numbers, dilation: Numbers
) -> list[tuple[slice, ...]]:
    """Where each element of a window is in all windows.

    >>> _shifts((2,), (3,), (2,), (1,))
    [(slice(0, 5, 2),), (slice(1, 6, 2),)]
    """
    axes = [
        [slice(i * d, i * d + (n - 1) * s + 1, s) for i in range(k)]
        for k, n, s, d in zip(kernel, places, stride, dilation, strict=True)
    ]
    return list(itertools.product(*axes))


def _whole(lengths: Numbers, padding: Pairs) -> list[int]:
    """The lengths with the padding."""
    return [n + before + after for n, (before, after) in zip(lengths, padding, strict=True)]


def _inside(lengths: Numbers, padding: Pairs) -> list[slice]:
    """Where an array is within its padding."""
    return [slice(before, before + n) for n, (before, _) in zip(lengths, padding, strict=True)]


# --- convolutions ---------------------------------------------------------------------------


def _examples_last(x: Array, padding: Pairs) -> Array:
    """The axes as channels, more axes, examples, and in this order in memory; zeros around them."""
    last = np.moveaxis(x, 0, -1)
    if not any(map(any, padding)):
        return np.ascontiguousarray(last, like=beside(last))
    shape = last.shape[0], *_whole(last.shape[1:-1], padding), last.shape[-1]
    out = np.zeros(shape, dtype=x.dtype, like=beside(x))
    out[:, *_inside(last.shape[1:-1], padding)] = last
    return out


def _blocks(
    a: Array, kernel: Numbers, places: Numbers, stride: Numbers, dilation: Numbers, dtype: Any
) -> Iterator[tuple[slice, Array, list[tuple[Array, Array]]]]:
    """Go through the windows of an array, of which the examples are last, a block at a time.

    Yields which places of the first axis they have; room for them as columns, the same each time;
    and for each of their elements where it is among the columns and in the array, as views.
    """
    first, *rest = places
    channels, examples = a.shape[0], a.shape[-1]
    size = channels * math.prod(kernel) * math.prod(rest) * examples
    step = max(min(first, _BLOCK // max(size * dtype.itemsize, 1)), 1)
    room = np.empty(size * step, dtype=dtype, like=beside(a))
    for start in range(0, first, step):
        n = min(step, first - start)
        columns: Array = np.reshape(room[: size * n], (channels, *kernel, n, *rest, examples))
        later = a[:, start * stride[0] :]
        elements = itertools.product(*map(range, kernel))
        shifts = _shifts(kernel, (n, *rest), stride, dilation)
        views = [
            (columns[:, *element], later[:, *where])
            for element, where in zip(elements, shifts, strict=True)
        ]
        yield slice(start, start + n), columns, views


def _columns(
    a: Array, kernel: Numbers, places: Numbers, stride: Numbers, dilation: Numbers
) -> Iterator[tuple[slice, Array]]:
    """The windows of an array whose examples are last, and which places of the first axis."""
    for block, columns, views in _blocks(a, kernel, places, stride, dilation, a.dtype):
        for column, element in views:
            column[...] = element
        yield block, columns


def _by_groups(a: Array, groups: int, first: int = 1) -> Array:
    """A matrix for each group of channels, with all axes from the first on in its rows."""
    shape = (groups, math.prod(a.shape[:first]) // groups, math.prod(a.shape[first:]))
    return np.reshape(a, shape)


@primitive
def convolve_windows(
    x: Array, weight: Array, stride: Numbers, padding: Pairs, dilation: Numbers, groups: int
) -> Array:
    """Return the sums of products of kernels with windows: one product of matrices a block.

    x is (examples, channels, ...), the weight (outputs, channels / groups, ...). The kernels are
    not flipped.

    >>> x, weight = np.array([[[1.0, 2.0, 4.0]]]), np.array([[[1.0, -1.0]]])
    >>> convolve_windows(x, weight, (1,), ((0, 0),), (1,), 1)
    array([[[-1., -2.]]])
    """
    kernel, examples, outputs = weight.shape[2:], x.shape[0], weight.shape[0]
    places = _places(x.shape[2:], kernel, stride, padding, dilation)
    kernels = _by_groups(weight, groups)
    y = np.empty((outputs, *places, examples), dtype=np.result_type(x, weight), like=beside(x))
    for block, columns in _columns(_examples_last(x, padding), kernel, places, stride, dilation):
        windows = _by_groups(columns, groups, 1 + len(kernel))
        np.matmul(kernels, windows, out=_by_groups(y[:, block], groups))
    return np.moveaxis(y, -1, 0)


@primitive
def convolve_transposed(
    g: Array,
    weight: Array,
    lengths: Numbers,
    stride: Numbers,
    padding: Pairs,
    dilation: Numbers,
    groups: int,
) -> Array:
    """Return the sum of the kernels, each put where a window of `convolve_windows` is, times g.

    g is (examples, outputs, ...), as `convolve_windows` returns it. What comes out is (examples,
    channels, *lengths), without what was put where its padding is.

    >>> g, weight = np.array([[[1.0, 2.0]]]), np.array([[[1.0, -1.0]]])
    >>> convolve_transposed(g, weight, (3,), (1,), ((0, 0),), (1,), 1)
    array([[[ 1.,  1., -2.]]])
    """
    kernel, places, examples = weight.shape[2:], g.shape[2:], g.shape[0]
    channels, dtype = weight.shape[1] * groups, np.result_type(g, weight)
    kernels = np.matrix_transpose(_by_groups(weight, groups))
    out = np.zeros((channels, *_whole(lengths, padding), examples), dtype=dtype, like=beside(g))
    arriving = np.ascontiguousarray(np.moveaxis(g, 0, -1), like=beside(g))
    for block, columns, views in _blocks(out, kernel, places, stride, dilation, dtype):
        windows = _by_groups(columns, groups, 1 + len(kernel))
        np.matmul(kernels, _by_groups(arriving[:, block], groups), out=windows)
        for column, element in views:
            np.add(element, column, out=element)
    return np.moveaxis(out[:, *_inside(lengths, padding)], -1, 0)


@primitive
def correlate_windows(
    x: Array,
    g: Array,
    kernel: Numbers,
    stride: Numbers,
    padding: Pairs,
    dilation: Numbers,
    groups: int,
) -> Array:
    """Return for each element of the kernels the sum of products of what it meets in x with g.

    x is (examples, channels, ...), g (examples, outputs, ...) as `convolve_windows` returns it.
    What comes out is a weight, with kernels of so many elements.

    >>> x, g = np.array([[[1.0, 2.0, 4.0]]]), np.array([[[1.0, 1.0]]])
    >>> correlate_windows(x, g, (2,), (1,), ((0, 0),), (1,), 1)
    array([[[3., 6.]]])
    """
    outputs, channels = g.shape[1] // groups, x.shape[1] // groups
    elements = channels * math.prod(kernel)
    total = np.zeros((groups, elements, outputs), dtype=np.result_type(x, g), like=beside(x))
    arriving = np.ascontiguousarray(np.moveaxis(g, 0, -1), like=beside(g))
    a = _examples_last(x, padding)
    for block, columns in _columns(a, kernel, g.shape[2:], stride, dilation):
        windows = _by_groups(columns, groups, 1 + len(kernel))
        total += windows @ np.matrix_transpose(_by_groups(arriving[:, block], groups))
    return np.reshape(np.matrix_transpose(total), (groups * outputs, channels, *kernel))


def _convolve_for(like: Array, x: Array, weight: Array, **options: Any) -> Array:
    """A convolution at the places of another array, where a longer input has more."""
    y = convolve_windows(x, weight, **options)
    return y if y.shape == like.shape else getitem(y, tuple(map(slice, like.shape)))


# Σ x[n, c, place + element] w[o, c, element] g[n, o, place]: three arrays, of which each two give
# the derivative by the third.

bilinear(
    convolve_windows,
    lambda g, y, x, w, *, stride, padding, dilation, groups: (
        convolve_transposed(g, w, x.shape[2:], stride, padding, dilation, groups)),
    lambda g, y, x, w, *, stride, padding, dilation, groups: (
        correlate_windows(x, g, w.shape[2:], stride, padding, dilation, groups)),
)  # fmt: skip
bilinear(
    convolve_transposed,
    lambda g, y, a, w, *, lengths, stride, padding, dilation, groups: _convolve_for(
        a, g, w, stride=stride, padding=padding, dilation=dilation, groups=groups),
    lambda g, y, a, w, *, lengths, stride, padding, dilation, groups: (
        correlate_windows(g, a, w.shape[2:], stride, padding, dilation, groups)),
)  # fmt: skip
bilinear(
    correlate_windows,
    lambda g, y, x, a, *, kernel, stride, padding, dilation, groups: (
        convolve_transposed(a, g, x.shape[2:], stride, padding, dilation, groups)),
    lambda g, y, x, a, *, kernel, stride, padding, dilation, groups: _convolve_for(
        a, x, g, stride=stride, padding=padding, dilation=dilation, groups=groups),
)  # fmt: skip

why("An element of the input receives the kernels back, each times the gradient of the window that "
    "it was in; a kernel receives the windows, each times its gradient.",
    convolve_windows)  # fmt: skip
why("The transpose of a transpose: a gradient is convolved with the kernels.", convolve_transposed)
why("The same sum of products of three arrays as in a convolution: the other two give the gradient "
    "of each.", correlate_windows)  # fmt: skip


# --- maxima ---------------------------------------------------------------------------------


@primitive
def max_of_windows(
    x: Array, kernel: Numbers, stride: Numbers, padding: Pairs, dilation: Numbers
) -> Array:
    """Return the largest element of each window; what the padding adds is never the largest.

    >>> max_of_windows(np.array([[[1.0, 3.0, 5.0, 4.0]]]), (2,), (2,), ((0, 0),), (1,))
    array([[[3., 5.]]])
    """
    least = np.iinfo(x.dtype).min if x.dtype.kind in "iu" else -math.inf
    elements = _elements(x, kernel, stride, padding, dilation, around=least)
    return functools.reduce(np.maximum, elements) if len(elements) > 1 else np.copy(elements[0])


def _elements(
    x: Array, kernel: Numbers, stride: Numbers, padding: Pairs, dilation: Numbers, *, around: float
) -> list[Array]:
    """The first elements of all windows, the second ones, ..., with a value around the input."""
    places = _places(x.shape[2:], kernel, stride, padding, dilation)
    if any(map(any, padding)):
        x = np.pad(x, [(0, 0), (0, 0), *padding], constant_values=around)
    return [x[..., *where] for where in _shifts(kernel, places, stride, dilation)]


@primitive
def first_of_largest(
    x: Array, y: Array, kernel: Numbers, stride: Numbers, padding: Pairs, dilation: Numbers
) -> Array:
    """Return which element of each window is the largest, y: the first of several.

    >>> first_of_largest(np.array([[[1.0, 3.0, 5.0, 5.0]]]), np.array([[[3.0, 5.0]]]),
    ...                  (2,), (2,), ((0, 0),), (1,))
    array([[[1, 0]]], dtype=uint8)
    """
    how = (kernel, stride, padding, dilation)
    if x.dtype.kind in "iu":  # what is around them is not among them, whatever it is
        inside = _elements(ones(x.shape, bool, x), *how, around=0)
        found = np.stack([a == y for a in _elements(x, *how, around=0)])
        return np.argmax(found & np.stack(inside), axis=0).astype(np.min_scalar_type(len(inside)))
    *elements, _ = _elements(x, *how, around=math.nan)  # which equals nothing, not even -inf
    none = certainly(np.logical_not(np.any(np.isnan(y))))
    lost = [] if none else _elements(np.isnan(x), *how, around=0)
    chosen = np.zeros_like(y, dtype=np.min_scalar_type(len(elements)))
    missing = np.ones_like(y, dtype=bool)
    for i, element in enumerate(elements):
        missing &= element != y
        if lost:
            missing &= ~lost[i]
        chosen += missing
    return chosen


@primitive
def take_from_windows(
    x: Array, chosen: Any, kernel: Numbers, stride: Numbers, padding: Pairs, dilation: Numbers
) -> Array:
    """Return an element of each window, the one whose number is chosen.

    >>> x, chosen = np.array([[[1.0, 3.0, 5.0, 4.0]]]), np.array([[[1, 0]]])
    >>> take_from_windows(x, chosen, (2,), (2,), ((0, 0),), (1,))
    array([[[3., 5.]]])
    """
    elements = _elements(x, kernel, stride, padding, dilation, around=0)
    return sum([only_where(element, chosen == i) for i, element in enumerate(elements)])


@primitive
def put_into_windows(
    g: Array,
    chosen: Any,
    lengths: Numbers,
    kernel: Numbers,
    stride: Numbers,
    padding: Pairs,
    dilation: Numbers,
) -> Array:
    """Return zeros of such lengths, with each g added to that element of its window.

    >>> g, chosen = np.array([[[3.0, 5.0]]]), np.array([[[1, 0]]])
    >>> put_into_windows(g, chosen, (4,), (2,), (2,), ((0, 0),), (1,))
    array([[[0., 3., 5., 0.]]])
    """
    out: Array = np.zeros_like(
        chosen, dtype=g.dtype, shape=(*g.shape[:2], *_whole(lengths, padding))
    )
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    apart = all(r <= s for r, s in zip(reach, stride, strict=True))
    for i, where in enumerate(_shifts(kernel, g.shape[2:], stride, dilation)):
        part = only_where(g, chosen == i)
        if apart:
            out[..., *where] = part
        else:
            out[..., *where] += part
    return out[..., *_inside(lengths, padding)]


def _tied(
    x: Array, *, kernel: Numbers, stride: Numbers, padding: Pairs, dilation: Numbers
) -> Array:
    """Where a window has its largest element more than once."""
    elements = _elements(x, kernel, stride, padding, dilation, around=math.nan)
    y = functools.reduce(np.fmax, elements)
    return sum([np.equal(element, y) for element in elements]) > 1


constant(first_of_largest)
rule(
    max_of_windows,
    vjp=lambda g, y, x, *, kernel, stride, padding, dilation: put_into_windows(
        g, first_of_largest(x, y, kernel, stride, padding, dilation), x.shape[2:],
        kernel, stride, padding, dilation),
    jvp=lambda t, y, x, *, kernel, stride, padding, dilation: take_from_windows(
        t, first_of_largest(x, y, kernel, stride, padding, dilation),
        kernel, stride, padding, dilation),
)  # fmt: skip
linear(
    take_from_windows,
    lambda g, y, x, *, chosen, kernel, stride, padding, dilation: put_into_windows(
        g, chosen, x.shape[2:], kernel, stride, padding, dilation),
)  # fmt: skip
linear(
    put_into_windows,
    lambda g, y, x, *, chosen, lengths, kernel, stride, padding, dilation: take_from_windows(
        g, chosen, kernel, stride, padding, dilation),
)  # fmt: skip

why("The largest element of a window receives its gradient, all others nothing.", max_of_windows)
kink("a tie, of which the first receives the gradient", _tied, max_of_windows)
why("The gradient goes to the elements that were taken.", take_from_windows)
why("Each summand receives the gradient of the place it was put to.", put_into_windows)
