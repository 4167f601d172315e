"""Graph: nodes, constants and names of an ONNX model while it is written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Never

import numpy as np

from tinygrad_bp.calls import name_of
from tinygrad_bp.errors import ExportError
from tinygrad_bp.interop.onnx.constants import (
    Constant,
    Dims,
    Filled,
    Number,
    Ratio,
    Scalar,
    Steps,
    Triangle,
)
from tinygrad_bp.interop.onnx.program import Step
from tinygrad_bp.interop.onnx.sizes import Size
from tinygrad_bp.interop.onnx.trace import Ref

__all__ = ["Graph", "Operand", "Value", "common", "dtype_of"]

INTEGER = np.dtype(np.int64)


@dataclass(frozen=True)
class Value:
    """What a node puts out, or an input, or a tensor of the model."""

    name: str
    shape: Dims
    dtype: np.dtype[Any]


Operand = Value | Number | Scalar | Constant | Filled | Steps | Triangle


class Graph:
    """The nodes so far; `helper` is `onnx.helper`, and `numpy_helper` its neighbour."""

    def __init__(self, helper: Any, numpy_helper: Any, steps: Mapping[int, Step]) -> None:
        self.helper = helper
        self.steps = steps
        self.values: dict[Ref, Value] = {}
        self.numpy_helper = numpy_helper
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.step: Step | None = None
        """What is being written."""
        self.axes: dict[str, tuple[str, int]] = {}
        """For each dynamic axis an input that has it, and where."""
        self._constants: dict[Any, str] = {}
        self._made: dict[Any, str] = {}
        self._names: set[str] = set()

    # --- names ------------------------------------------------------------------------------

    def reserve(self, name: str) -> str:
        """Return a name that nothing else has."""
        found, count = name, 1
        while found in self._names:
            count += 1
            found = f"{name}_{count}"
        self._names.add(found)
        return found

    def refuse(self, problem: str) -> Never:
        """Raise `ExportError` with the place of what is being written."""
        raise ExportError(f"{problem} ({self.step.place if self.step else ''}).")

    # --- nodes ------------------------------------------------------------------------------

    def emit(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Add a node, and return the name of its output, or a list of several."""
        layer = self.step.place.layer if self.step else ""
        name = self.reserve(f"{layer}/{op}" if layer else op)
        made = [name] if outputs == 1 else [self.reserve(f"{name}:{i}") for i in range(outputs)]
        node = self.helper.make_node(op, list(inputs), made, name=name, **attributes)
        self.nodes.append(node)
        return made[0] if outputs == 1 else made

    def once(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node, unless there is such a one already."""
        key = op, inputs, repr(attributes)
        if key not in self._made:
            self._made[key] = self.emit(op, *inputs, **attributes)
        return self._made[key]

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Return the name of an array; equal ones are one."""
        array = np.ascontiguousarray(value, dtype).reshape(np.shape(value))
        key = array.shape, array.dtype, array.tobytes()
        if key not in self._constants:
            self._constants[key] = self.initializer("constant", array)
        return self._constants[key]

    def initializer(self, name: str, array: np.ndarray[Any, Any]) -> str:
        """Add an array under a name, or one like it."""
        name = self.reserve(name)
        whole = np.ascontiguousarray(array).reshape(array.shape)
        self.initializers.append(self.numpy_helper.from_array(whole, name))
        return name

    def integers(self, *values: int) -> str:
        """Return the name of a vector of whole numbers."""
        return self.constant(np.array(values, INTEGER))

    # --- the program --------------------------------------------------------------------------

    def made_by(self, ref: Any) -> Step | None:
        """Return the step that a ref is the output of; None for anything else."""
        return self.steps[ref.number] if isinstance(ref, Ref) else None

    def operand(self, given: Any) -> Any:
        """Return what a ref stands for, and anything else as it is."""
        if isinstance(given, Ref) and given not in self.values:
            self.refuse("this needs a second output of a function, which ONNX does not give")
        return self.values[given] if isinstance(given, Ref) else given

    def option(self, given: Any) -> Any:
        """Return an option with what refs in it stand for."""
        if isinstance(given, Ref):
            return self.values[given]
        return tuple(map(self.option, given)) if isinstance(given, tuple | list) else given

    # --- graphs within ------------------------------------------------------------------------

    @contextlib.contextmanager
    def nested(self) -> Iterator[list[Any]]:
        """Collect the nodes of a graph within this one."""
        outer = self.nodes, self._made
        self.nodes, self._made = [], {}
        try:
            yield self.nodes
        finally:
            self.nodes, self._made = outer

    def body(self, name: str, nodes: Any, inputs: Any, outputs: Any, dtype: np.dtype[Any]) -> Any:
        """Return the graph that some nodes make, with inputs and outputs of one dtype."""
        kind = self.helper.np_dtype_to_tensor_dtype(dtype)
        infos = [
            [self.helper.make_tensor_value_info(each, kind, None) for each in side]
            for side in (inputs, outputs)
        ]
        return self.helper.make_graph(nodes, name, *infos)

    # --- sizes ------------------------------------------------------------------------------

    def dims(self, shape: Sequence[int | Size | None]) -> str:
        """Return the name of a vector with these lengths."""
        if all(isinstance(n, int) for n in shape):
            return self.integers(*shape)  # type: ignore[arg-type]
        parts = [self.length(n) for n in shape]
        return parts[0] if len(parts) == 1 else self.once("Concat", *parts, axis=0)

    def numbers(self, shape: Sequence[int | Size | None]) -> list[int]:
        """Return lengths that are to be numbers, in every run the same."""
        found = [n for n in shape if isinstance(n, int)]
        if len(found) != len(shape):
            name = name_of(self.step.function) if self.step else ""  # type: ignore[arg-type]
            self.refuse(f"{name} has a form in ONNX here for fixed lengths alone")
        return found

    def length(self, size: int | Size | None) -> str:
        """Return the name of a vector with one length."""
        if size is None:
            self.refuse("a length here is not a formula in those of the dynamic axes")
        if not isinstance(size, Size):
            return self.integers(size)
        terms = [self._term(names, n) for names, n in sorted(size.terms.items())]
        total = terms[0]
        for term in terms[1:]:
            total = self.once("Add", total, term)
        return total

    def _term(self, names: Sequence[str], n: int) -> str:
        places = [self.axes[name] for name in names]
        factors = [self.once("Shape", x, start=axis, end=axis + 1) for x, axis in places]
        if n != 1 or not factors:
            factors.append(self.integers(n))
        product = factors[0]
        for factor in factors[1:]:
            product = self.once("Mul", product, factor)
        return product

    # --- operands ---------------------------------------------------------------------------

    def cast(self, name: str, dtype: np.dtype[Any]) -> str:
        """Return a name in another dtype."""
        to = self.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self.once("Cast", name, to=to)

    def use(self, operand: Any, dtype: Any = None) -> str:
        """Return the name of an operand, in a dtype if one is given."""
        wanted = np.dtype(dtype_of(operand) if dtype is None else dtype)
        if isinstance(operand, Value):
            return operand.name if operand.dtype == wanted else self.cast(operand.name, wanted)
        write: Any = self._ways[type(operand)]
        name: str = write(self, operand, wanted)
        return name

    def _constant(self, given: Constant, dtype: np.dtype[Any]) -> str:
        return self.constant(given.value.astype(dtype))

    def _python(self, given: Number, dtype: np.dtype[Any]) -> str:
        return self._number(given.value, dtype)

    def _scalar(self, given: Scalar, dtype: np.dtype[Any]) -> str:
        return self.once("Reshape", self._number(given.value, dtype), self.dims(given.shape))

    def _filled(self, given: Filled, dtype: np.dtype[Any]) -> str:
        return self.once("Expand", self.constant(given.value.astype(dtype)), self.dims(given.shape))

    def _number(self, value: Any, dtype: np.dtype[Any]) -> str:
        if isinstance(value, Ratio):
            top = self.constant(np.array(value.number, dtype))
            return self.once("Div", top, self._number(value.size, dtype))
        if isinstance(value, Size):
            scalar = self.once("Squeeze", self.length(value), self.integers(0))
            return scalar if dtype == INTEGER else self.cast(scalar, dtype)
        return self.constant(np.array(value).astype(dtype))

    def _steps(self, steps: Steps, dtype: np.dtype[Any]) -> str:
        (size,) = [n for n in steps.shape if n != 1]
        numbers = self.use(Number(size), INTEGER)  # type: ignore[arg-type]
        counted = self.once("Range", self.constant(np.array(0)), numbers,
                            self.constant(np.array(1)))  # fmt: skip
        as_given = counted if dtype == INTEGER else self.cast(counted, dtype)
        scaled = self.once("Mul", as_given, self.constant(steps.step.astype(dtype)))
        moved = self.once("Add", scaled, self.constant(steps.start.astype(dtype)))
        shape = [1 if n == 1 else -1 for n in steps.shape]
        return self.once("Reshape", moved, self.integers(*shape))

    def _triangle(self, matrix: Triangle, dtype: np.dtype[Any]) -> str:
        rows, columns = matrix.shape
        row = self._steps(Steps(np.array(matrix.k), np.array(1), (rows, 1), INTEGER), INTEGER)
        column = self._steps(Steps(np.array(0), np.array(1), (1, columns), INTEGER), INTEGER)
        inside = self.once("GreaterOrEqual", row, column)
        if dtype.kind == "b":  # of which runtimes cannot choose
            return inside if matrix.below else self.once("Not", inside)
        parts = [self.constant(a.astype(dtype)) for a in (matrix.below, matrix.above)]
        return self.once("Where", inside, *parts)

    _ways: ClassVar[Mapping[type, Any]] = {
        Constant: _constant, Number: _python, Scalar: _scalar, Filled: _filled, Steps: _steps,
        Triangle: _triangle,
    }  # fmt: skip


def dtype_of(operand: Any) -> np.dtype[Any]:
    """Return the dtype of an operand; a Python number's is what it would have alone."""
    if isinstance(operand, Number):
        value = operand.value
        return np.result_type(type(value) if isinstance(value, bool | int | float) else
                              float if isinstance(value, Ratio) else int)  # fmt: skip
    dtype: np.dtype[Any] = operand.dtype
    return dtype


def common(*operands: Any) -> np.dtype[Any]:
    """Return the dtype in which NumPy would meet them."""
    kinds = []
    for operand in operands:
        weak = isinstance(operand, Number)
        kinds.append(dtype_of(operand).type(0).item() if weak else dtype_of(operand))
    return np.result_type(*kinds)
