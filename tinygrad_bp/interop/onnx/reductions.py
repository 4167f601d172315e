"""Sums, means, extremes and their places, products of matrices, and what runs along an axis."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_bp import rules
from tinygrad_bp.interop.onnx.graph import Graph
from tinygrad_bp.interop.onnx.program import Step
from tinygrad_bp.rules.standardizing import standardize

__all__ = ["SPELLED", "WRITERS"]

Writer = Callable[..., Any]


def _axes(x: Any, axis: Any) -> list[int]:
    given = range(len(x.shape)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return [int(a) % len(x.shape) for a in given]


def _reduction(op: str) -> Writer:
    def write(
        graph: Graph, call: Step, x: Any, *, axis: Any = None, keepdims: bool = False, **_: Any
    ) -> Any:
        axes = _axes(x, axis)
        name = graph.use(x, call.dtype)
        if not axes:
            return graph.emit("Identity", name)
        return graph.emit(op, name, graph.integers(*axes), keepdims=int(bool(keepdims)))

    return write


def _of_truths(op: str) -> Writer:
    """Of booleans, as an extreme of whole numbers."""

    def write(
        graph: Graph, _: Step, x: Any, *, axis: Any = None, keepdims: bool = False, **__: Any
    ) -> Any:
        axes = _axes(x, axis)
        name = graph.cast(graph.use(x, bool), np.dtype(np.int32))
        if axes:
            name = graph.emit(op, name, graph.integers(*axes), keepdims=int(bool(keepdims)))
        return graph.cast(name, np.dtype(bool))

    return write


def _place(op: str) -> Writer:
    def write(
        graph: Graph, call: Step, x: Any, *, axis: Any = None, keepdims: bool = False, **_: Any
    ) -> Any:
        name = graph.use(x)
        if axis is None:
            name = graph.emit("Reshape", name, graph.integers(-1))
            if keepdims:
                graph.refuse("argmax with keepdims and no axis has no form in ONNX here")
        found = graph.emit(op, name, axis=0 if axis is None else axis, keepdims=int(bool(keepdims)))
        return found if call.dtype == np.int64 else graph.cast(found, call.dtype)

    return write


def _cumsum(graph: Graph, call: Step, x: Any, *, axis: Any = None, **_: Any) -> Any:
    name = graph.use(x, call.dtype)
    if axis is None:
        name = graph.emit("Reshape", name, graph.integers(-1))
    return graph.emit("CumSum", name, graph.constant(np.array(0 if axis is None else axis)))


def _along(op: str) -> Writer:
    def write(graph: Graph, call: Step, x: Any, *, axis: int) -> Any:
        return graph.emit(op, graph.use(x, call.dtype), axis=axis)

    return write


def _matmul(graph: Graph, call: Step, a: Any, b: Any) -> Any:
    return graph.emit("MatMul", graph.use(a, call.dtype), graph.use(b, call.dtype))


def _affine(graph: Graph, call: Step, x: Any, weight: Any, bias: Any) -> Any:
    """Gemm, for rows; for more axes, or one alone, a product and a sum."""
    x_name, w, b = (graph.use(a, call.dtype) for a in (x, weight, bias))
    if len(x.shape) == 2:
        return graph.emit("Gemm", x_name, w, b, transB=1)
    across = graph.once("Transpose", w, perm=[1, 0])
    return graph.emit("Add", graph.emit("MatMul", x_name, across), b)


def _einsum(graph: Graph, call: Step, *operands: Any, subscripts: str, **_: Any) -> Any:
    names = [graph.use(x, call.dtype) for x in operands]
    return graph.emit("Einsum", *names, equation=subscripts.replace(" ", ""))


def _standardize(graph: Graph, call: Step, x: Any, *, axis: Any, eps: float) -> Any:
    """LayerNormalization over the last axes; over others, in steps.

    In float64, too, since ONNX's epsilon is in float32.
    """
    name = graph.use(x, call.dtype)
    axes = sorted(_axes(x, axis))
    last = list(range(axes[0], len(x.shape))) == axes
    shape = [x.shape[a] for a in axes]
    if last and call.dtype != np.float64 and all(isinstance(n, int) for n in shape):
        scale = graph.constant(np.ones(shape, call.dtype))
        return [graph.emit("LayerNormalization", name, scale, axis=axes[0], epsilon=eps)]
    over = graph.integers(*axes)
    mean = graph.emit("ReduceMean", name, over, keepdims=1)
    deviation = graph.emit("Sub", name, mean)
    square = graph.emit("Mul", deviation, deviation)
    variance = graph.emit("ReduceMean", square, over, keepdims=1)
    least = graph.constant(np.array(eps, call.dtype))
    root = graph.emit("Sqrt", graph.emit("Add", variance, least))
    return graph.emit("Div", deviation, root), mean, variance


def _bincount(graph: Graph, call: Step, x: Any, *, minlength: Any = 0, **_: Any) -> Any:
    """How often each number from 0 to below minlength occurs: beyond, the trace saw none."""
    (count,) = call.shape
    if count != minlength:
        graph.refuse("bincount without minlength is as long as its values need, in every run")
    numbers = graph.emit("Range", graph.constant(np.array(0)),
                         graph.emit("Squeeze", graph.length(count), graph.integers(0)),
                         graph.constant(np.array(1)))  # fmt: skip
    column = graph.emit("Unsqueeze", numbers, graph.integers(1))
    same = graph.emit("Equal", column, graph.use(x, np.int64))
    return graph.emit("ReduceSum", graph.cast(same, np.dtype(np.int64)), graph.integers(1),
                      keepdims=0)  # fmt: skip


def _norm(x: Any, *, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:  # noqa: A002
    """Of vectors; norms of matrices are refused by what they are made of."""
    if ord in (None, 2, "fro"):
        return np.sqrt(np.sum(x * x, axis=axis, keepdims=keepdims))
    size = np.absolute(x)
    if ord == math.inf:
        return np.max(size, axis=axis, keepdims=keepdims)
    if ord == -math.inf:
        return np.min(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        return np.sum(np.astype(x != 0, x.dtype), axis=axis, keepdims=keepdims)
    return np.power(np.sum(np.power(size, ord), axis=axis, keepdims=keepdims), 1 / ord)


# fmt: off
WRITERS: dict[Callable[..., Any], Writer] = {
    np.sum: _reduction("ReduceSum"), np.mean: _reduction("ReduceMean"),
    np.prod: _reduction("ReduceProd"),
    np.max: _reduction("ReduceMax"), np.min: _reduction("ReduceMin"),
    np.any: _of_truths("ReduceMax"), np.all: _of_truths("ReduceMin"),
    np.argmax: _place("ArgMax"), np.argmin: _place("ArgMin"),
    np.cumsum: _cumsum, np.bincount: _bincount,
    rules.softmax: _along("Softmax"), rules.log_softmax: _along("LogSoftmax"),
    np.matmul: _matmul, rules.affine: _affine, np.einsum: _einsum,
    standardize: _standardize,
}
SPELLED: dict[Callable[..., Any], Callable[..., Any]] = {
    np.linalg.norm: _norm, np.linalg.vector_norm: _norm,
    np.std: lambda a, **options: np.sqrt(np.var(a, **options)),
    np.count_nonzero: lambda a, axis=None, *, keepdims=False: np.sum(
        np.astype(a != 0, int), axis=axis, keepdims=keepdims),
}
# fmt: on
