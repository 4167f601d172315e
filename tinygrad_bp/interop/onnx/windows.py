"""Convolutions, their transposes, and maxima of windows.

Runtimes convolve in float32. In float64, products of matrices say the same, one for each element
of a kernel, at fixed lengths.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_bp import rules
from tinygrad_bp.interop.onnx.graph import INTEGER, Graph
from tinygrad_bp.interop.onnx.program import Step
from tinygrad_bp.interop.onnx.sizes import Size
from tinygrad_bp.registry import primitive

__all__ = ["SPELLED", "WRITERS", "transposed"]

SINGLE = np.dtype(np.float32)


class _Windows(NamedTuple):
    """How windows slide, a number for each axis, of the padding two; and how channels group."""

    stride: Sequence[int]
    padding: Sequence[tuple[int, int]]
    dilation: Sequence[int]
    groups: int

    def attributes(self, graph: Graph) -> dict[str, Any]:
        """Return them as attributes of ONNX's operators, without the groups."""
        if any(isinstance(n, Size) for pair in self.padding for n in pair):
            graph.refuse("padding that depends on dynamic axes has no form in ONNX")
        ends = [before for before, _ in self.padding] + [after for _, after in self.padding]
        return {"strides": list(self.stride), "pads": ends, "dilations": list(self.dilation)}


# --- convolutions ---------------------------------------------------------------------------


def _convolve(graph: Graph, call: Step, x: Any, weight: Any, **options: Any) -> str:
    how = _Windows(**options)
    attributes = how.attributes(graph)
    name, kernels = graph.use(x, call.dtype), graph.use(weight, call.dtype)
    if call.dtype == SINGLE:
        convolved: str = graph.emit("Conv", name, kernels, group=how.groups, **attributes)
        return convolved
    name = _padded(graph, name, how.padding)
    return _products(graph, call, name, kernels, graph.numbers(weight.shape), how)


def _padded(
    graph: Graph, name: str, widths: Sequence[tuple[int, int]], value: str | None = None
) -> str:
    """The axes behind examples and channels extended, or cut where a width is below 0."""
    if not any(map(any, widths)):
        return name
    before, after = zip(*widths, strict=True)
    ends = graph.integers(0, 0, *before, 0, 0, *after)
    padded: str = graph.emit("Pad", name, ends, *([] if value is None else [value]))
    return padded


def _products(  # noqa: PLR0917
    graph: Graph, call: Step, x: str, kernels: str, shape: Sequence[int], how: _Windows
) -> str:
    """The sum of one product for each element of a kernel, of weights (outputs, channels, ...)."""
    outputs, channels, *kernel = shape
    groups, places = how.groups, graph.numbers(call.shape[2:])
    by_group = graph.emit(
        "Reshape", kernels, graph.integers(groups, outputs // groups, channels, math.prod(kernel))
    )
    products = []
    for i, element in enumerate(itertools.product(*map(range, kernel))):
        starts = [e * d for e, d in zip(element, how.dilation, strict=True)]
        steps = zip(starts, places, how.stride, strict=True)
        stops = [start + (n - 1) * s + 1 for start, n, s in steps]
        part = graph.emit(
            "Slice", x, graph.integers(*starts), graph.integers(*stops),
            graph.integers(*range(2, 2 + len(kernel))), graph.integers(*how.stride),
        )  # fmt: skip
        rows = graph.emit("Reshape", part, graph.integers(-1, groups, channels, math.prod(places)))
        weight = graph.emit("Gather", by_group, graph.constant(np.array(i)), axis=3)
        products.append(graph.emit("MatMul", weight, rows))
    total = products[0] if len(products) == 1 else graph.emit("Sum", *products)
    found: str = graph.emit("Reshape", total, graph.integers(-1, outputs, *places))
    return found


# --- transposes -----------------------------------------------------------------------------


@primitive
def transposed(g: Any, weight: Any, *, extra: Sequence[int], **how: Any) -> Any:
    """Return a transposed convolution that is longer by `extra`, whatever the length of g is."""
    least = _least(g, weight, _Windows(**how))
    lengths = [n + more for n, more in zip(least, extra, strict=True)]
    return rules.convolve_transposed(g, weight, lengths, **how)


def _least(g: Any, weight: Any, how: _Windows) -> list[int]:
    sizes = zip(g.shape[2:], weight.shape[2:], *how[:3], strict=True)
    return [(m - 1) * s + d * (k - 1) + 1 - sum(ends) for m, k, s, ends, d in sizes]


def _by_extra(g: Any, weight: Any, *, lengths: Any, **how: Any) -> Any:
    """Lengths by what they are beyond the least: a number, where that of the input varies."""
    least = _least(g, weight, _Windows(**how))
    extra = [n - m for n, m in zip(lengths, least, strict=True)]
    return transposed(g, weight, extra=extra, **how)


def _transposed(
    graph: Graph, call: Step, g: Any, weight: Any, *, extra: Any, **options: Any
) -> str:
    how = _Windows(**options)
    attributes = how.attributes(graph)
    # Runtimes are longer by less than a stride.
    if call.dtype == SINGLE and all(e < s for e, s in zip(extra, how.stride, strict=True)):
        found: str = graph.emit(
            "ConvTranspose", graph.use(g), graph.use(weight, SINGLE), group=how.groups,
            output_padding=list(extra), **attributes,
        )  # fmt: skip
        return found
    return _transposed_products(graph, call, g, weight, extra, how)


def _transposed_products(  # noqa: PLR0917
    graph: Graph, call: Step, g: Any, weight: Any, extra: Sequence[int], how: _Windows
) -> str:
    """A convolution of what has zeros between its elements, with kernels turned around."""
    first, second, *kernel = graph.numbers(weight.shape)
    name = _spread(graph, graph.use(g, call.dtype), graph.numbers(g.shape[2:]), how.stride)
    sizes = zip(kernel, how.stride, how.padding, how.dilation, extra, strict=True)
    widths = [
        (d * (k - 1) - before, d * (k - 1) - after + e - (s - 1))
        for k, s, (before, after), d, e in sizes
    ]
    name = _padded(graph, name, widths)
    groups, axes = how.groups, len(kernel)
    backwards = graph.integers(*[-1] * axes)
    turned = graph.emit(
        "Slice", graph.use(weight, call.dtype), backwards,
        graph.integers(*[np.iinfo(INTEGER).min] * axes), graph.integers(*range(2, 2 + axes)),
        backwards,
    )  # fmt: skip
    cut = graph.emit("Reshape", turned, graph.integers(groups, first // groups, second, *kernel))
    swapped = graph.emit("Transpose", cut, perm=[0, 2, 1, *range(3, 3 + axes)])
    shape = (groups * second, first // groups, *kernel)
    kernels = graph.emit("Reshape", swapped, graph.integers(*shape))
    return _products(graph, call, name, kernels, shape, how._replace(stride=[1] * axes))


def _spread(graph: Graph, name: str, lengths: Sequence[int], stride: Sequence[int]) -> str:
    """With stride - 1 zeros behind each element of an axis."""
    if set(stride) == {1}:
        return name
    count = len(lengths)
    places = graph.integers(*[3 + 2 * i for i in range(count)])
    wide = graph.emit("Unsqueeze", name, places)  # an axis behind each
    zeros = graph.integers(*[0] * count, *[s - 1 for s in stride])
    filled = graph.emit("Pad", wide, zeros, "", places)
    shape = [n * s for n, s in zip(lengths, stride, strict=True)]
    spread: str = graph.emit("Reshape", filled, graph.integers(0, 0, *shape))
    return spread


# --- maxima ---------------------------------------------------------------------------------


def _max_of_windows(graph: Graph, call: Step, x: Any, *, kernel: Any, **options: Any) -> str:
    how = _Windows(**options, groups=1)
    attributes = how.attributes(graph)
    name = graph.use(x, call.dtype)
    if any(max(ends) >= k for ends, k in zip(how.padding, kernel, strict=True)):
        least = graph.constant(np.array(-math.inf, call.dtype))
        name = _padded(graph, name, how.padding, least)
        attributes["pads"] = [0] * (2 * len(kernel))
    found: str = graph.emit("MaxPool", name, kernel_shape=list(kernel), **attributes)
    return found


WRITERS: dict[Callable[..., Any], Callable[..., Any]] = {
    rules.convolve_windows: _convolve,
    transposed: _transposed,
    rules.max_of_windows: _max_of_windows,
}
SPELLED: dict[Callable[..., Any], Callable[..., Any]] = {rules.convolve_transposed: _by_extra}
