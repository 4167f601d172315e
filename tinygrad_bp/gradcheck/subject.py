"""What is checked, seen as one function of one flat vector of numbers."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.backward import gradients
from tinygrad_bp.containers import fill, leaves, named_leaves
from tinygrad_bp.engine import Key, key_of
from tinygrad_bp.errors import GradcheckError
from tinygrad_bp.gradcheck.complex_step import Perturbed, Run
from tinygrad_bp.gradcheck.randomness import NumPyGlobal, PythonGlobal, Source, generators_of
from tinygrad_bp.gradcheck.shaking import Shaker, sweep_shaken
from tinygrad_bp.modes import enable_grad, mode, no_grad, watched_by
from tinygrad_bp.nn import Module
from tinygrad_bp.tensor import Tensor, array_of

__all__ = ["Subject", "complex_of", "of_function", "of_gradient", "of_model", "pairs_of"]

Vector = np.ndarray[Any, Any]
Evaluate: TypeAlias = Callable[[list[Any], bool], tuple[Tensor, list[Tensor]]]


class Subject:
    """A differentiable computation with named inputs, always evaluated in double precision.

    `evaluate(arrays, track)` computes with the inputs at the given values, and gives the output
    and the tensors that gradients are taken by; `leave()` undoes what it did to get there. Random
    generators that the computation uses are set back before each evaluation, so that a dropout
    mask is the same every time, and afterwards, so that a check changes nothing.
    """

    def __init__(
        self,
        names: list[str],
        values: list[Vector],
        evaluate: Evaluate,
        *,
        leave: Callable[[], None] = lambda: None,
        sources: list[Source] | None = None,
        left_out: list[str] | None = None,
    ) -> None:
        self.names = names
        self.values = [np.array(v, float) for v in values]
        self.shapes = [v.shape for v in self.values]
        self.ends = np.cumsum([v.size for v in self.values]).tolist()
        self.x = np.concatenate([v.ravel() for v in self.values]) if values else np.zeros(0)
        self.evaluate = evaluate
        self.leave = leave
        self.sources = sources or []
        self.left_out = left_out or []  # what takes no gradient, in words
        self.evaluations = 0
        self.written = False  # whether an evaluation ever wrote to its inputs

    def split(self, flat: Any) -> list[Any]:
        """Cut a flat vector, plain or perturbed, into the inputs' shapes."""
        if isinstance(flat, Perturbed):
            return flat.pieces(self.split)
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

    def arguments(self, inputs: tuple[Any, ...], arrays: list[Any]) -> tuple[Any, ...]:
        """Return a function's inputs as the user passed them, with other floating-point values."""
        fresh = iter(arrays)
        named = named_leaves(inputs)
        contents = [_like(leaf, next(fresh)) if _kind(leaf) == "f" else leaf for _, leaf in named]
        filled: tuple[Any, ...] = fill(inputs, iter(contents))
        return filled

    def at(self, flat: Any, *, track: bool) -> _Evaluation:
        """Evaluate at a flat vector; the output and the inputs' tensors hold inside the block."""
        return _Evaluation(self, flat, track=track)

    def value(self, flat: Any) -> Any:
        """Return the output's array at a flat vector, plain or perturbed."""
        with self.at(flat, track=False) as (output, _):
            return array_of(output)

    def draws_from_global_generators(self) -> bool:
        """Return whether an evaluation draws from NumPy's or Python's global generators."""
        everyone: list[Source] = [NumPyGlobal(), PythonGlobal()]
        before = [source.state for source in everyone]
        self.value(self.x)
        after = [source.state for source in everyone]
        for source, state in zip(everyone, before, strict=True):
            source.state = state
        return pickle.dumps(before) != pickle.dumps(after)

    def replay_global_generators(self) -> None:
        """Set the global generators back, too: it costs some time."""
        self.sources = [*self.sources, NumPyGlobal(), PythonGlobal()]

    def rounding(
        self, weights: list[Vector], rng: np.random.Generator, *, from_here: bool = False
    ) -> tuple[Vector, float]:
        """Return how far the analytic gradient moves when every number is off by up to an ulp.

        That is every result of an op and within a rule and, unless `from_here`, every input. The
        second value is the largest gradient that was on its way anywhere.
        """
        center, run = self.pull(weights), Run(1, rng)
        starts = [self.x if from_here else run.shaken(self.x) for _ in range(4)]
        moved = [self._pull_shaken(weights, run, x) for x in starts]
        result: Vector = np.max(np.abs(np.array(moved) - center), axis=0)
        return result, max(run.peak, *(float(np.abs(w).max(initial=0.0)) for w in weights))

    def _pull_shaken(self, weights: list[Vector], run: Run, flat: Vector) -> Vector:
        """Return the gradients as `pull` does, with every number off by up to an ulp."""
        with watched_by(Shaker(run)):
            try:
                with self.at(flat, track=True) as (output, inputs):
                    order = engine.path_between(inputs, output)
                    rows = [sweep_shaken(output, inputs, order, w, run) for w in weights]
            except Exception:  # a rule that takes plain arrays only
                return self.pull(weights, flat=flat)
        return np.array(rows).reshape(len(weights), self.x.size)

    def pull(self, weights: list[Vector], *, dtype: Any = float, flat: Any = None) -> Vector:
        """Return the analytic gradient of each weighted sum of outputs: (weights, entries)."""
        rows = []
        flat = self.x if flat is None else flat
        with self.at(flat.astype(dtype), track=True) as (output, inputs):
            for w in weights:
                # A copy, because a rule may write to what arrives.
                found = gradients(output, inputs, w.copy().reshape(output.shape))
                self._check_form(found, inputs)
                parts = [
                    np.zeros(x.size) if g is None else g.data.ravel()
                    for g, x in zip(found, inputs, strict=True)
                ]
                rows.append(np.concatenate(parts) if parts else np.zeros(0))
        return np.array(rows).reshape(len(weights), self.x.size)

    def push(self, u: Vector) -> tuple[Vector, Vector]:
        """Return the value and J u, by forward mode over the recorded graph."""
        with self.at(self.x, track=True) as (output, inputs):
            moving: dict[Key, Any] = {
                key_of(x): t for x, t in zip(inputs, self.split(u), strict=True)
            }
            engine.push(reversed(engine.topological_order(output)), moving, engine.read_arrays)
            tangent = moving.get(key_of(output))
            pushed = np.zeros(output.size) if tangent is None else np.ravel(tangent)
            return np.array(output.data), pushed

    def _check_form(self, found: list[Tensor | None], inputs: list[Tensor]) -> None:
        for name, g, x in zip(self.names, found, inputs, strict=True):
            if g is not None and (g.shape != x.shape or g.dtype != x.dtype):
                raise GradcheckError(
                    f"the gradient of '{name}' is {g.dtype} {g.shape}, the input {x.dtype} "
                    f"{x.shape}"
                )


class _Evaluation:
    """A context in which a subject's inputs have certain values.

    It is written out, not made of a generator by contextlib, whose frame would stand between the
    user's code and ours and be taken for the place where a function was called.
    """

    def __init__(self, subject: Subject, flat: Any, *, track: bool) -> None:
        self._subject = subject
        self._flat = flat
        self._track = track
        self._given: list[Any] = []

    def __enter__(self) -> tuple[Tensor, list[Tensor]]:
        subject = self._subject
        subject.evaluations += 1
        self._states = [source.state for source in subject.sources]
        # A copy, because the function may write to what it is given.
        plain = isinstance(self._flat, np.ndarray)
        self._given = subject.split(self._flat.copy() if plain else self._flat)
        self._switch = _recording(self._track)
        self._switch.__enter__()
        try:
            output, inputs = subject.evaluate(self._given, self._track)
        except BaseException:
            self.__exit__()
            raise
        if plain:
            self._given = [x.data for x in inputs]
        return output, inputs

    def __exit__(self, *exception: Any) -> None:
        subject = self._subject
        if isinstance(self._flat, np.ndarray):
            pairs = zip(self._given, subject.split(self._flat), strict=True)
            subject.written |= not all(np.array_equal(a, b) for a, b in pairs)
        self._switch.__exit__(*exception)
        subject.leave()
        for source, state in zip(subject.sources, self._states, strict=True):
            source.state = state


def _recording(track: bool) -> AbstractContextManager[Any]:  # noqa: FBT001
    """Return a context that records, or does not; if that is so already, one that costs nothing."""
    if mode.get().recording == track:
        return nullcontext()
    return enable_grad() if track else no_grad()


# --- what can be checked --------------------------------------------------------------------


def of_function(function: Callable[..., Any], inputs: tuple[Any, ...]) -> Subject:
    """Make a subject of a function of arrays, tensors, and containers of them.

    Floating-point leaves are differentiated; integers, booleans and other objects are constants.
    Complex numbers, in and out, are pairs of real ones, along a last axis of their own. Raises
    `GradcheckError` if there is nothing to differentiate.
    """
    named = [pair for i, tree in enumerate(inputs) for pair in named_leaves(tree, f"input {i}")]
    kinds = [_kind(leaf) for _, leaf in named]
    if not {"f", "c"} & set(kinds):
        raise GradcheckError(
            "there is no floating-point input, so there is no gradient to check; write 2.0 for 2"
        )

    def evaluate(arrays: list[Any], track: bool) -> tuple[Tensor, list[Tensor]]:  # noqa: FBT001
        tensors = [Tensor(a, requires_grad=track) for a in arrays]
        fresh = iter(tensors)
        contents = iter([
            complex_of(next(fresh)) if kind == "c" else next(fresh) if kind == "f"
            else leaf.copy() if type(leaf) is np.ndarray else leaf
            for (_, leaf), kind in zip(named, kinds, strict=True)
        ])  # fmt: skip
        output = function(*[fill(tree, contents) for tree in inputs])
        return _as_tensor(output), tensors

    return Subject(
        [name for (name, _), kind in zip(named, kinds, strict=True) if kind in "fc"],
        [
            pairs_of(array_of(leaf))
            for (_, leaf), kind in zip(named, kinds, strict=True)
            if kind in "fc"
        ],
        evaluate,
        sources=generators_of(function, *(leaf for _, leaf in named)),
        left_out=[
            f"'{name}' is constant: it holds {array_of(leaf).dtype}"
            for (name, leaf), kind in zip(named, kinds, strict=True)
            if kind in "iub" and isinstance(leaf, np.ndarray | Tensor)
        ],
    )


def _kind(leaf: Any) -> str:
    """The letter that NumPy has for the kind of number; "O" for anything else."""
    numbers = isinstance(leaf, float | complex | Tensor | np.ndarray | np.generic)
    return str(array_of(leaf).dtype.kind) if numbers else "O"


def complex_of(pairs: Any) -> Any:
    """Complex numbers from their real and imaginary parts, which are the last axis."""
    return pairs[..., 0] + 1j * pairs[..., 1]


def pairs_of(numbers: Any) -> Any:
    """Real numbers as they are, complex ones as their two parts, along a last axis of their own."""
    if numbers.dtype.kind != "c":
        return numbers
    return np.stack([np.real(numbers), np.imag(numbers)], axis=-1)


def _like(leaf: Any, a: Vector) -> Any:
    """An array as the kind of thing that a leaf is."""
    if isinstance(leaf, Tensor):
        return Tensor(a)
    return float(a) if isinstance(leaf, float) else a


def of_model(model: Module, loss: Callable[..., Any], batch: tuple[Any, Any]) -> Subject:
    """Make a subject of a model's parameters: the loss of its outputs on a batch (x, y).

    Tensors that are not trained are constants.
    """
    x, y = batch
    named = [(name, t) for name, t in model.named_tensors() if t.requires_grad]
    before = [p.data for _, p in named]

    def evaluate(arrays: list[Any], track: bool) -> tuple[Tensor, list[Tensor]]:  # noqa: ARG001, FBT001
        for (_, p), a in zip(named, arrays, strict=True):
            p._value = a  # noqa: SLF001  (other values of another dtype, for a while)
        return _as_tensor(loss(model(x), y)), [p for _, p in named]

    def leave() -> None:
        for (_, p), values in zip(named, before, strict=True):
            p._value = values  # noqa: SLF001

    return Subject(
        [name for name, _ in named],
        [p.data for _, p in named],
        evaluate,
        leave=leave,
        sources=generators_of(model, loss),
        left_out=[
            f"'{name}' is not trained, so it was not checked"
            for name, t in model.named_tensors()
            if not t.requires_grad
        ],
    )


def of_gradient(subject: Subject, weights: Vector, direction: Vector) -> Subject:
    """Make a subject of a subject's gradient: its product with a fixed direction, a scalar."""
    parts = subject.split(direction)

    def evaluate(arrays: list[Any], track: bool) -> tuple[Tensor, list[Tensor]]:  # noqa: FBT001
        with enable_grad():
            output, inputs = subject.evaluate(arrays, True)  # noqa: FBT003
            found = gradients(output, inputs, weights.reshape(output.shape), create_graph=track)
            products = [np.sum(g * v) for g, v in zip(found, parts, strict=True) if g is not None]
            return _as_tensor(sum(products, start=Tensor(0.0))), inputs

    return Subject(
        subject.names, subject.values, evaluate, leave=subject.leave, sources=subject.sources
    )


def _as_tensor(output: Any) -> Tensor:
    if not isinstance(output, Tensor) and len(leaves(output)) != 1:
        raise GradcheckError("the function must give one array; check its results one by one")
    result = output if isinstance(output, Tensor) else Tensor(output)
    if result.dtype.kind not in "fciub":
        raise GradcheckError(f"the function gave {result.dtype}: there are no numbers to check")
    pairs: Tensor = pairs_of(result)
    return pairs
