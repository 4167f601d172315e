"""Recurrent layers: as RNN, LSTM and GRU where runtimes have them, and as Scan elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from tinygrad_bp import rules
from tinygrad_bp.interop.onnx.graph import Graph, Value
from tinygrad_bp.interop.onnx.program import Step
from tinygrad_bp.interop.onnx.trace import Ref
from tinygrad_bp.rules.indexing import getitem

__all__ = ["WRITERS"]

SINGLE = np.dtype(np.float32)
SWAPPED = [1, 0, 2, 3]


class _Kind(NamedTuple):
    """One of the layers: ONNX's operator, and a step for Scan."""

    op: str
    order: list[int]
    """Where ONNX's gates are among ours."""
    step: Callable[[Graph, str, str, list[str]], list[str]]
    """From z and q of one step and the states before it to those after it."""
    attributes: dict[str, Any]


def _layer(kind: _Kind, *, outputs: int) -> Callable[..., Any]:
    def write(graph: Graph, call: Step, z: Any, weight: Any, bias: Any, *states: Any,
              **options: Any) -> Any:  # fmt: skip
        made = _made(kind, **options)
        fed = _fed(graph, call.arrays[0]) if call.dtype == SINGLE else None
        square = weight.shape[1] == z.shape[3]
        if fed is not None and square:
            found = _as_operator(graph, made, z, weight, bias, states, fed)
        else:
            found = _as_scan(graph, made, z, weight, bias, states)
        return found[0] if outputs == 1 else [*found, *[""] * (outputs - len(found))]

    return write


def _made(kind: _Kind, *, nonlinearity: str = "tanh") -> _Kind:
    if kind.op != "RNN":
        return kind
    name = {"tanh": "Tanh", "relu": "Relu"}[nonlinearity]
    return _Kind("RNN", [0], _step_of(name), {"activations": [name]})


# --- ONNX's operators -----------------------------------------------------------------------


class _Fed(NamedTuple):
    """The input of a layer, and the weights that it has met in z."""

    x: Value
    weight: Value
    bias: Any
    reversed: bool


def _fed(graph: Graph, ref: Any) -> _Fed | None:
    """Find z = W x in the program, in the steps that `nn.recurrent` takes; None if it is other."""
    bias = None
    step = graph.made_by(ref)
    if step is not None and step.function is np.add:
        ref, other = step.arrays
        reshaped = graph.made_by(other)
        if reshaped is None or reshaped.function is not np.reshape:
            return None
        bias = graph.operand(reshaped.arrays[0])
        step = graph.made_by(ref)
    backwards = step is not None and step.function is getitem
    if backwards and step is not None:
        index = step.options["index"]
        first, *rest = index if isinstance(index, tuple) else (index,)
        if first != slice(None, None, -1) or any(part != slice(None) for part in rest):
            return None
        step = graph.made_by(step.arrays[0])
    path = [np.transpose, np.reshape, np.matmul]
    for function in path:
        if step is None or step.function is not function:
            return None
        found, step = step, graph.made_by(step.arrays[0])
    rows, across = found.arrays
    x, weight = _behind(graph, rows, [np.reshape]), _behind(graph, across,
                                                            [np.transpose, np.reshape])  # fmt: skip
    if x is None or weight is None or len(x.shape) != 3 or len(weight.shape) != 2:
        return None
    return _Fed(x, weight, bias, backwards)


def _behind(graph: Graph, ref: Any, functions: list[Any]) -> Value | None:
    for function in functions:
        step = graph.made_by(ref)
        if step is None or step.function is not function:
            return None
        ref = step.arrays[0]
    return graph.operand(ref) if isinstance(ref, Ref) else None


def _as_operator(  # noqa: PLR0917
    graph: Graph, kind: _Kind, z: Any, weight: Any, bias: Any, states: Any, fed: _Fed
) -> list[str]:
    gates, n = len(kind.order), z.shape[3]

    def in_order(value: Any, *rest: int) -> str:
        """Gates as ONNX has them, with the axis of directions in front."""
        cut = graph.once("Reshape", graph.use(value, SINGLE), graph.integers(gates, n, *rest))
        picked = graph.once("Gather", cut, graph.integers(*kind.order), axis=0)
        return graph.once("Reshape", picked, graph.integers(1, gates * n, *rest))

    x = graph.use(fed.x)
    if fed.reversed:
        x = graph.emit(
            "Slice", x, *[graph.integers(i) for i in (-1, np.iinfo(np.int64).min, 0, -1)]
        )
    own = in_order(bias)
    zeros = graph.constant(np.zeros((1, gates * n), SINGLE))
    if kind.op == "GRU":  # its gates are told apart what meets x and h
        both = (zeros if fed.bias is None else in_order(fed.bias)), own
    else:
        both = own, zeros
    before = [graph.emit("Unsqueeze", graph.use(s, SINGLE), graph.integers(0)) for s in states]
    y, *last = graph.emit(
        kind.op, x, in_order(fed.weight, *graph.numbers(fed.weight.shape[1:])), in_order(weight, n),
        graph.once("Concat", *both, axis=1), "", *before, outputs=1 + len(states), hidden_size=n,
        **kind.attributes,
    )  # fmt: skip
    hs = graph.emit("Squeeze", y, graph.integers(1))
    return [hs, *[graph.emit("Squeeze", each, graph.integers(0)) for each in last[1:]]]


# --- Scan -----------------------------------------------------------------------------------


def _as_scan(  # noqa: PLR0917
    graph: Graph, kind: _Kind, z: Any, weight: Any, bias: Any, states: Any
) -> list[str]:
    dtype, (_, gates, _, n) = z.dtype, z.shape
    cut = graph.once("Reshape", graph.use(weight), graph.integers(gates, n, weight.shape[1]))
    across = graph.once("Transpose", cut, perm=[0, 2, 1])
    sums = graph.once("Reshape", graph.use(bias, dtype), graph.integers(gates, 1, n))

    def after(z_t: str, before: list[str]) -> list[str]:
        met = graph.emit("Add", graph.emit("MatMul", before[0], across), sums)
        return kind.step(graph, z_t, met, before)

    start = [graph.use(s, dtype) for s in states]
    if z.shape[0] == 1:
        found = after(graph.emit("Squeeze", graph.use(z), graph.integers(0)), start)
        return [graph.emit("Unsqueeze", found[0], graph.integers(0)), *found[1:]]
    names = [graph.reserve(name) for name in ("h", "c", "z")]
    inside = [*names[: len(states)], names[2]]
    with graph.nested() as nodes:
        found = after(inside[-1], inside[:-1])
        shown = graph.emit("Identity", found[0])
    body = graph.body("steps", nodes, inside, [*found, shown], dtype)
    *last, hs = graph.emit(
        "Scan", *start, graph.use(z), outputs=1 + len(states), body=body, num_scan_inputs=1
    )
    return [hs, *last[1:]]


def _step_of(activation: str) -> Callable[[Graph, str, str, list[str]], list[str]]:
    def step(graph: Graph, z: str, q: str, _: list[str]) -> list[str]:
        sums = graph.emit(activation, graph.emit("Add", z, q))
        return [graph.emit("Squeeze", sums, graph.integers(0))]

    return step


def _gates(graph: Graph, name: str, count: int) -> list[str]:
    parts = graph.emit("Split", name, outputs=count, axis=0, num_outputs=count)
    return [graph.emit("Squeeze", part, graph.integers(0)) for part in parts]


def _lstm_step(graph: Graph, z: str, q: str, before: list[str]) -> list[str]:
    i, f, g, o = _gates(graph, graph.emit("Add", z, q), 4)
    i, f, o = (graph.emit("Sigmoid", gate) for gate in (i, f, o))
    kept = graph.emit("Mul", f, before[1])
    c = graph.emit("Add", kept, graph.emit("Mul", i, graph.emit("Tanh", g)))
    return [graph.emit("Mul", o, graph.emit("Tanh", c)), c]


def _gru_step(graph: Graph, z: str, q: str, before: list[str]) -> list[str]:
    (zr, zu, zn), (qr, qu, qn) = _gates(graph, z, 3), _gates(graph, q, 3)
    r = graph.emit("Sigmoid", graph.emit("Add", zr, qr))
    u = graph.emit("Sigmoid", graph.emit("Add", zu, qu))
    n = graph.emit("Tanh", graph.emit("Add", zn, graph.emit("Mul", r, qn)))
    return [graph.emit("Add", n, graph.emit("Mul", u, graph.emit("Sub", before[0], n)))]


WRITERS: dict[Callable[..., Any], Callable[..., Any]] = {
    rules.rnn: _layer(_Kind("RNN", [0], _step_of("Tanh"), {}), outputs=1),
    rules.lstm: _layer(_Kind("LSTM", [0, 3, 1, 2], _lstm_step, {}), outputs=4),
    rules.gru: _layer(_Kind("GRU", [1, 0, 2], _gru_step, {"linear_before_reset": 1}), outputs=2),
}
