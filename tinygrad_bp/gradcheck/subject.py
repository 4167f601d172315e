"""What is checked, seen as one function of one flat vector of numbers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp import primitives
from tinygrad_bp.containers import fill, leaves, named_leaves
from tinygrad_bp.engine import Mode, Op, RawStep
from tinygrad_bp.errors import GradcheckError
from tinygrad_bp.gradcheck.complex_step import ULP
from tinygrad_bp.nn import Module
from tinygrad_bp.tensor import Switch, Tensor, array_of, enable_grad, gradients, no_grad

__all__ = ["Subject", "of_function", "of_gradient", "of_model"]

Vector = np.ndarray[Any, Any]
Evaluation: TypeAlias = AbstractContextManager[tuple[Tensor, list[Tensor]]]


class Subject:
    """A differentiable computation with named inputs, always evaluated in double precision.

    `evaluate(arrays)` is a context in which the inputs have the given values; it gives the output
    and the tensors that gradients are taken by. Random generators that the computation uses are
    set back before each evaluation, so that a dropout mask is the same every time.
    """

    def __init__(
        self,
        names: list[str],
        values: list[Vector],
        evaluate: Callable[[list[Any], bool], Evaluation],
        generators: list[np.random.Generator],
    ) -> None:
        self.names = names
        self.values = [np.array(v, float) for v in values]
        self.shapes = [v.shape for v in self.values]
        self.ends = np.cumsum([v.size for v in self.values]).tolist()
        self.x = np.concatenate([v.ravel() for v in self.values]) if values else np.zeros(0)
        self._evaluate = evaluate
        self.generators = generators
        self._states = [(g, copy.deepcopy(g.bit_generator.state)) for g in generators]
        self.evaluations = 0

    def split(self, flat: Any) -> list[Any]:
        """Cut a flat vector, plain or perturbed, into the inputs' shapes."""
        starts = [0, *self.ends[:-1]]
        return [
            flat[start:end].reshape(shape)
            for start, end, shape in zip(starts, self.ends, self.shapes, strict=True)
        ]

    def locate(self, j: int) -> tuple[str, tuple[int, ...]]:
        """Return the name of the input that flat entry j belongs to, and the index in it."""
        i = int(np.searchsorted(self.ends, j, side="right"))
        offset = j - (self.ends[i - 1] if i else 0)
        return self.names[i], tuple(map(int, np.unravel_index(offset, self.shapes[i])))

    def inside(self, arrays: list[Any]) -> Evaluation:
        """Evaluate at arrays of the inputs' shapes, tracking gradients."""
        return self._evaluate(arrays, True)  # noqa: FBT003

    @contextmanager
    def at(self, flat: Any, *, track: bool) -> Iterator[tuple[Tensor, list[Tensor]]]:
        """Evaluate at a flat vector; the output and the inputs' tensors hold inside the block."""
        for generator, state in self._states:
            generator.bit_generator.state = copy.deepcopy(state)
        self.evaluations += 1
        with (
            enable_grad() if track else no_grad(),
            self._evaluate(self.split(flat), track) as found,
        ):
            yield found

    def value(self, flat: Any) -> Any:
        """Return the output's array at a flat vector, plain or perturbed."""
        with self.at(flat, track=False) as (output, _):
            return array_of(output)

    def rounding(self, weights: list[Vector], rng: np.random.Generator) -> Vector:
        """Return how far the analytic gradient moves when every op is off by up to an ulp."""
        center = self.pull(weights)
        with Switch(lambda now: Mode(now.recording, (*now.observers, _Jitter(rng)))):
            moved = [self.pull(weights) for _ in range(3)]
        result: Vector = np.max(np.abs(np.array(moved) - center), axis=0)
        return result

    def pull(self, weights: list[Vector], *, dtype: Any = float) -> Vector:
        """Return the analytic gradient of each weighted sum of outputs: (weights, entries)."""
        rows = []
        with self.at(self.x.astype(dtype), track=True) as (output, inputs):
            for w in weights:
                found = gradients(output, inputs, w.reshape(output.shape))
                self._check_form(found, inputs)
                flat = [
                    np.zeros(x.size) if g is None else g.data.ravel()
                    for g, x in zip(found, inputs, strict=True)
                ]
                rows.append(np.concatenate(flat) if flat else np.zeros(0))
        return np.array(rows).reshape(len(weights), self.x.size)

    def _check_form(self, found: list[Tensor | None], inputs: list[Tensor]) -> None:
        for name, g, x in zip(self.names, found, inputs, strict=True):
            if g is not None and (g.shape != x.shape or g.dtype != x.dtype):
                raise GradcheckError(
                    f"the gradient of '{name}' is {g.dtype} {g.shape}, the input {x.dtype} "
                    f"{x.shape}"
                )


# Functions that pass numbers on as they are. Their rules may look for them among the inputs.
_EXACT = {
    np.max, np.min, np.maximum, np.minimum, np.fmax, np.fmin, np.where, np.absolute, np.fabs,
    np.negative, np.positive, np.copy, primitives.relu, primitives.identity, primitives.concat,
    primitives.getitem, primitives.constant_in,
}  # fmt: skip


class _Jitter:
    """Puts every recorded result that was rounded off by up to an ulp."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def recorded(self, op: Op, args: list[Any], result: Any) -> None:  # noqa: ARG002
        if op.rule.function not in _EXACT and result.base is None:  # views round nothing either
            result.setflags(write=True)
            result *= 1 + ULP * self.rng.uniform(-1, 1, result.shape)
            result.setflags(write=False)

    def watch(self, steps: Iterator[RawStep]) -> Iterator[RawStep]:
        return steps


def of_function(function: Callable[..., Any], inputs: tuple[Any, ...]) -> Subject:
    """Make a subject of a function of arrays, tensors, and containers of them.

    Floating-point leaves are differentiated; integers, booleans and other objects are constants.
    """
    named = [pair for i, tree in enumerate(inputs) for pair in named_leaves(tree, f"input {i}")]
    moving = [isinstance(leaf, float | Tensor | np.ndarray | np.floating)
              and array_of(leaf).dtype.kind == "f" for _, leaf in named]  # fmt: skip

    @contextmanager
    def evaluate(arrays: list[Any], track: bool) -> Iterator[tuple[Tensor, list[Tensor]]]:  # noqa: FBT001
        tensors = [Tensor(a, requires_grad=track) for a in arrays]
        fresh = iter(tensors)
        contents = iter(
            [next(fresh) if moves else leaf for (_, leaf), moves in zip(named, moving, strict=True)]
        )
        output = function(*[fill(tree, contents) for tree in inputs])
        yield _as_tensor(output), tensors

    return Subject(
        [name for (name, _), moves in zip(named, moving, strict=True) if moves],
        [array_of(leaf) for (_, leaf), moves in zip(named, moving, strict=True) if moves],
        evaluate,
        _generators(function),
    )


def of_model(model: Module, loss: Callable[..., Any], batch: tuple[Any, Any]) -> Subject:
    """Make a subject of a model's parameters: the loss of its outputs on a batch (x, y)."""
    x, y = batch
    named = list(model.named_parameters())

    @contextmanager
    def evaluate(arrays: list[Any], track: bool) -> Iterator[tuple[Tensor, list[Tensor]]]:  # noqa: ARG001, FBT001
        before = [p.data for _, p in named]
        try:
            for (_, p), a in zip(named, arrays, strict=True):
                p._data = a  # noqa: SLF001  (other values of another dtype, for a while)
            yield _as_tensor(loss(model(x), y)), [p for _, p in named]
        finally:
            for (_, p), values in zip(named, before, strict=True):
                p._data = values  # noqa: SLF001

    return Subject(
        [name for name, _ in named],
        [p.data for _, p in named],
        evaluate,
        [*_generators(model), *_generators(loss)],
    )


def of_gradient(subject: Subject, weights: Vector, direction: Vector) -> Subject:
    """Make a subject of a subject's gradient: its product with a fixed direction, a scalar."""
    parts = subject.split(direction)

    @contextmanager
    def evaluate(arrays: list[Any], track: bool) -> Iterator[tuple[Tensor, list[Tensor]]]:  # noqa: FBT001
        with enable_grad(), subject.inside(arrays) as (output, inputs):
            found = gradients(output, inputs, weights.reshape(output.shape), create_graph=track)
            products = [np.sum(g * v) for g, v in zip(found, parts, strict=True) if g is not None]
            yield _as_tensor(sum(products[1:], start=products[0])), inputs

    return Subject(subject.names, subject.values, evaluate, subject.generators)


def _as_tensor(output: Any) -> Tensor:
    if len(leaves(output)) != 1:
        raise GradcheckError("the function must give one array; check its results one by one")
    return output if isinstance(output, Tensor) else Tensor(output)


def _generators(holder: Any) -> list[np.random.Generator]:
    """The generators that a function or module holds on to, in its closure or attributes."""
    held = [cell.cell_contents for cell in getattr(holder, "__closure__", None) or ()]
    held += list(getattr(holder, "__defaults__", None) or ())
    if isinstance(holder, Module):
        held += [value for module in holder.modules() for value in vars(module).values()]
    return [value for value in held if isinstance(value, np.random.Generator)]
