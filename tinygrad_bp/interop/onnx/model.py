"""Export: a model is traced, at several sizes if some are dynamic, and its calls are written."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_bp.containers import leaves
from tinygrad_bp.errors import ExportError, GradientError
from tinygrad_bp.files import PathLike, replacing
from tinygrad_bp.interop.extras import extra
from tinygrad_bp.interop.onnx import elements, recurrences, reductions, shapes, windows
from tinygrad_bp.interop.onnx.graph import Graph, Value
from tinygrad_bp.interop.onnx.program import Step, merged
from tinygrad_bp.interop.onnx.sizes import Point, points
from tinygrad_bp.interop.onnx.trace import Ref, Source, Trace, Traced
from tinygrad_bp.nn.calling import replaced
from tinygrad_bp.nn.module import Module
from tinygrad_bp.nn.moving import left_alone
from tinygrad_bp.tensor import Tensor, array_of

__all__ = ["export", "exported"]

OPSET = 18
IR_VERSION = 8  # what was current with that version of the operators
MAX_BYTES = (1 << 31) - 1
"""What a file in protobuf's format may have."""

WRITERS = {
    **elements.WRITERS, **reductions.WRITERS, **shapes.WRITERS, **windows.WRITERS,
    **recurrences.WRITERS,
}  # fmt: skip
SPELLED = {
    **elements.SPELLED, **reductions.SPELLED, **shapes.SPELLED, **windows.SPELLED,
}  # fmt: skip

Axes = Mapping[str, Mapping[int, str]]


def export(
    model: Module | Callable[..., Any],
    path: PathLike,
    *inputs: Any,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_batch: bool = False,
    dynamic_axes: Axes | None = None,
) -> None:
    """Write a model to a file in the ONNX format, as it is in evaluation mode.

    `inputs` are examples, arrays or tensors, with which the model is called; the file's inputs have
    their dtypes and, but for dynamic axes, their shapes. What is None is left out. With
    `dynamic_batch`, the first axis of every input may have any length; `dynamic_axes` names axes
    by input, {"x": {0: "batch", 1: "time"}}, and those of one name are of one length. The model is
    then traced at several lengths, of which none may change what it does; what begins only at
    another one, such as x[:100] with shorter examples, is not seen. Inputs are called
    input, or input_0, input_1, ... if there are several, outputs likewise. Parameters and buffers
    keep their names; one that is shared is written once. The file appears whole or not at all.

    Raises `ImportError` if the package onnx is missing, `ExportError` naming the function and the
    line for what has no form in ONNX, and for a model beyond 2 GiB.

    >>> import numpy as np
    >>> from tinygrad_bp import nn
    >>> x = np.zeros((1, 784), np.float32)
    >>> export(nn.MLP(784, 30, 10), "mlp.onnx", x, dynamic_batch=True)  # doctest: +SKIP
    """
    proto = exported(
        model, *inputs, input_names=input_names, output_names=output_names,
        dynamic_batch=dynamic_batch, dynamic_axes=dynamic_axes,
    )  # fmt: skip
    with replacing(path, error=ExportError) as file:
        file.write(proto.SerializeToString())


def exported(
    model: Module | Callable[..., Any],
    *inputs: Any,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    dynamic_batch: bool = False,
    dynamic_axes: Axes | None = None,
) -> Any:
    """Return a model as an `onnx.ModelProto`; arguments and errors are those of `export`.

    >>> import numpy as np
    >>> from tinygrad_bp import nn
    >>> model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    >>> proto = exported(model, np.zeros((1, 3), np.float32))  # doctest: +SKIP
    >>> [node.op_type for node in proto.graph.node]  # doctest: +SKIP
    ['Gemm', 'Relu', 'Identity']
    """
    onnx = extra("onnx")
    helper, numpy_helper = extra("onnx.helper"), extra("onnx.numpy_helper")
    examples = _examples(inputs, input_names)
    axes = _axes(examples, dynamic_axes, every_first=dynamic_batch)
    where = points(_base(examples, axes))
    with _in_evaluation(model):
        runs = [_run(model, inputs, _resized(examples, axes, point)) for point in where]
    traces, outputs = zip(*runs, strict=True)
    if any(len(found) != len(outputs[0]) for found in outputs):
        raise ExportError("the model has more outputs at one length of its axes than at another.")
    refs = [[array.ref for array in found] for found in outputs]
    steps = merged(traces, refs, where)
    _check_bytes(steps)
    graph = Graph(helper, numpy_helper, steps)
    written = _written(graph, examples, axes, refs[0], output_names)
    made = helper.make_model(
        written, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION,
        producer_name="tinygrad_bp",
    )  # fmt: skip
    onnx.checker.check_model(made, full_check=True)
    return made


# --- what goes in ---------------------------------------------------------------------------


def _named(kind: str, names: Sequence[str] | None, count: int) -> list[str]:
    if names is None:
        return [kind] if count == 1 else [f"{kind}_{i}" for i in range(count)]
    if len(names) != count or len(set(names)) != count:
        raise ExportError(
            f"{kind}_names are {list(names)}, for {count} {kind}s. Give one for each."
        )
    return list(names)


def _examples(
    inputs: Sequence[Any], names: Sequence[str] | None
) -> dict[str, np.ndarray[Any, Any]]:
    arrays = [np.asarray(array_of(x)) for x in inputs if x is not None]
    for x in arrays:
        if x.dtype.kind not in "biuf":
            raise ExportError(f"an input of {x.dtype} has no form in ONNX here.")
    return dict(zip(_named("input", names, len(arrays)), arrays, strict=True))


def _axes(
    examples: Mapping[str, np.ndarray[Any, Any]], given: Axes | None, *, every_first: bool
) -> dict[str, dict[int, str]]:
    """The name of each dynamic axis, by input."""
    found: dict[str, dict[int, str]] = {name: {} for name in examples}
    if every_first:
        found = {name: {0: "batch"} if x.ndim else {} for name, x in examples.items()}
    for name, axes in (given or {}).items():
        if name not in examples:
            raise ExportError(f"dynamic_axes names '{name}'; the inputs are {', '.join(examples)}.")
        for axis, label in axes.items():
            if not -examples[name].ndim <= axis < examples[name].ndim:
                raise ExportError(f"'{name}' of shape {examples[name].shape} has no axis {axis}.")
            found[name][axis % examples[name].ndim] = str(label)
    return found


def _base(
    examples: Mapping[str, np.ndarray[Any, Any]], axes: Mapping[str, Mapping[int, str]]
) -> Point:
    """The lengths that the dynamic axes have in the examples."""
    base: dict[str, int] = {}
    for name, own in axes.items():
        for axis, label in own.items():
            length = examples[name].shape[axis]
            if length == 0:
                raise ExportError(f"axis {axis} of '{name}' is empty. Give an example.")
            if base.setdefault(label, length) != length:
                raise ExportError(
                    f"axis {axis} of '{name}' is called '{label}' and has length {length}, where "
                    f"another of that name has {base[label]}."
                )
    return base


def _resized(
    examples: Mapping[str, np.ndarray[Any, Any]], axes: Mapping[str, Mapping[int, str]],
    point: Point,
) -> dict[str, np.ndarray[Any, Any]]:  # fmt: skip
    """The examples with other lengths: some elements twice, in the same order."""
    found = {}
    for name, array in examples.items():
        x = array
        for axis, label in axes[name].items():
            n = point[label]
            x = np.take(x, np.arange(n) * x.shape[axis] // n, axis=axis)
        found[name] = x
    return found


# --- tracing --------------------------------------------------------------------------------


def _run(
    model: Any, inputs: Sequence[Any], examples: Mapping[str, np.ndarray[Any, Any]]
) -> tuple[Trace, list[Traced]]:
    """Call the model on traced arrays."""
    trace = Trace(WRITERS, SPELLED, _layers(model))
    traced = iter([trace.source(name, x, fixed=False) for name, x in examples.items()])
    given = [None if x is None else next(traced) for x in inputs]
    with _with_traced_tensors(model, trace):
        try:
            output = model(*given)
        except GradientError as error:
            raise ExportError(f"gradients within a model have no form in ONNX: {error}") from error
    found: list[Traced] = []
    for leaf in leaves(output):
        array = leaf.data if isinstance(leaf, Tensor) else leaf
        if array is None:
            continue
        if isinstance(array, Traced) and array.run is not trace:
            raise ExportError("the model gives back what it has kept from another call.")
        if not isinstance(array, Traced):
            raise ExportError(
                f"the model's output {len(found)} does not depend on its inputs: {array!r:.60}."
            )
        found.append(array)
    if not found:
        raise ExportError("the model has no output.")
    return trace, found


def _layers(model: Any) -> dict[int, str]:
    modules = model.named_modules() if isinstance(model, Module) else ()
    return {id(module): name for name, module in modules}


@contextlib.contextmanager
def _in_evaluation(model: Any) -> Iterator[None]:
    """Leave a module as it was after all runs; in between, its random streams go on."""
    if not isinstance(model, Module):
        yield
        return
    _check_tables(model)
    with left_alone(model):
        yield


@contextlib.contextmanager
def _with_traced_tensors(model: Any, trace: Trace) -> Iterator[None]:
    """Put traced arrays into the places of a module's tensors, for a while."""
    if not isinstance(model, Module):
        yield
        return
    tensors = {
        id(t): trace.source(name, np.asarray(t.data), fixed=True)
        for name, t in model.named_tensors()
    }
    with replaced(model, tensors):
        yield


def _check_tables(model: Module) -> None:
    """Refuse tables whose rows a call would still shorten."""
    for name, module in model.named_modules():
        longest = getattr(module, "max_norm", None)
        if longest is None:
            continue
        weight: Any = getattr(module, "weight").data  # noqa: B009
        norms = np.linalg.norm(weight, getattr(module, "norm_type", 2.0), axis=1)
        if np.any(norms > longest * (1 + 1e-6)):
            raise ExportError(
                f"'{name}' has max_norm={longest} and rows that are longer, which it shortens when "
                "they are looked up. Look up all rows once, and export it then."
            )


# --- writing --------------------------------------------------------------------------------


def _check_bytes(steps: Mapping[int, Step]) -> None:
    arrays = [s.function.value for s in steps.values() if isinstance(s.function, Source)]
    size = sum(a.nbytes for a in arrays if a is not None)
    if size > MAX_BYTES - (1 << 20):
        raise ExportError(
            f"the model's tensors have {size:,} bytes, and a file in this format holds "
            f"{MAX_BYTES:,} at most. Export parts of it, or convert it to float32."
        )


def _written(
    graph: Graph,
    examples: Mapping[str, np.ndarray[Any, Any]],
    axes: Mapping[str, Mapping[int, str]],
    outputs: Sequence[Ref],
    output_names: Sequence[str] | None,
) -> Any:
    names = _named("output", output_names, len(outputs))
    if taken := set(names) & set(examples):
        raise ExportError(f"'{min(taken)}' is the name of an input and of an output.")
    for name in [*examples, *names]:
        graph.reserve(name)
    infos = [_info(graph, name, axes[name], x) for name, x in examples.items()]
    for name, own in axes.items():
        for axis, label in own.items():
            graph.axes.setdefault(label, (name, axis))
    for number, step in graph.steps.items():
        _write(graph, number, step)
    graph.step = None
    results = []
    for name, ref in zip(names, outputs, strict=True):
        value = graph.operand(ref)
        graph.nodes.append(graph.helper.make_node("Identity", [value.name], [name], name=name))
        shape = [n if isinstance(n, int) else None if n is None else str(n) for n in value.shape]
        kind = graph.helper.np_dtype_to_tensor_dtype(value.dtype)
        results.append(graph.helper.make_tensor_value_info(name, kind, shape))
    return graph.helper.make_graph(
        graph.nodes, "tinygrad_bp", infos, results, initializer=graph.initializers
    )


def _info(graph: Graph, name: str, axes: Mapping[int, str], x: np.ndarray[Any, Any]) -> Any:
    shape = [axes.get(axis, n) for axis, n in enumerate(x.shape)]
    kind = graph.helper.np_dtype_to_tensor_dtype(x.dtype)
    return graph.helper.make_tensor_value_info(name, kind, shape)


def _write(graph: Graph, number: int, step: Step) -> None:
    """Write one step, and note the names of its outputs."""
    graph.step = step
    if isinstance(step.function, Source):
        name, value = step.function.name, step.function.value
        names = [name if value is None else graph.initializer(name, value)]
    else:
        operands = [graph.operand(a) for a in step.arrays]
        options = {key: graph.option(value) for key, value in step.options.items()}
        made = WRITERS[step.function](graph, step, *operands, **options)
        names = [made] if isinstance(made, str) else list(made)
    # A writer may leave out the last outputs, which are refused where they are used.
    for i, (name, (shape, dtype)) in enumerate(zip(names, step.outputs, strict=False)):
        graph.values[Ref(number, i)] = Value(name, shape, dtype)
