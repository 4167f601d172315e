"""What is checked, seen as one function of one flat vector of numbers."""

from __future__ import annotations

import copy
import functools
import pickle
import random
import types
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.containers import fill, leaves, named_leaves
from tinygrad_bp.engine import Op, Variable
from tinygrad_bp.errors import GradcheckError
from tinygrad_bp.gradcheck.complex_step import ULP, Perturbed, Run, rounded, unmoved
from tinygrad_bp.nn import Module
from tinygrad_bp.registry import implementation_of
from tinygrad_bp.tensor import (
    Tensor,
    array_of,
    enable_grad,
    gradients,
    no_grad,
    path_between,
    watched_by,
)

__all__ = ["Subject", "of_function", "of_gradient", "of_model"]

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
        sources: list[_Source] | None = None,
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
        everyone: list[_Source] = [_NumPyGlobal(), _PythonGlobal()]
        before = [source.state for source in everyone]
        self.value(self.x)
        after = [source.state for source in everyone]
        for source, state in zip(everyone, before, strict=True):
            source.state = state
        return pickle.dumps(before) != pickle.dumps(after)

    def replay_global_generators(self) -> None:
        """Set the global generators back, too: it costs some time."""
        self.sources = [*self.sources, _NumPyGlobal(), _PythonGlobal()]

    def rounding(
        self, weights: list[Vector], rng: np.random.Generator, *, from_here: bool = False
    ) -> tuple[Vector, float]:
        """Return how far the analytic gradient moves when all is off by up to an ulp.

        The inputs are, unless `from_here`, the result of every op, and every result within a
        rule. With it comes the largest gradient that was on its way anywhere.
        """
        center, run = self.pull(weights), Run(1, rng)
        starts = [self.x if from_here else _shaken(self.x, run) for _ in range(4)]
        moved = [self._pull_shaken(weights, run, x) for x in starts]
        result: Vector = np.max(np.abs(np.array(moved) - center), axis=0)
        return result, max(run.peak, *(float(np.abs(w).max(initial=0.0)) for w in weights))

    def _pull_shaken(self, weights: list[Vector], run: Run, flat: Vector) -> Vector:
        """Return the gradients as `pull` does, with every number off by up to an ulp."""
        with watched_by(_Shaker(run)):
            try:
                with self.at(flat, track=True) as (output, inputs):
                    order = path_between(inputs, output)
                    rows = [_sweep_shaken(output, inputs, order, w, run) for w in weights]
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
        self._switch = enable_grad() if self._track else no_grad()
        self._switch.__enter__()
        try:
            output, inputs = subject.evaluate(self._given, self._track)
        except BaseException:
            self.__exit__()
            raise
        self._given = [x.data for x in inputs]
        return output, inputs

    def __exit__(self, *exception: object) -> None:
        subject = self._subject
        if isinstance(self._flat, np.ndarray):
            pairs = zip(self._given, subject.split(self._flat), strict=True)
            subject.written |= not all(np.array_equal(a, b) for a, b in pairs)
        self._switch.__exit__(*exception)
        subject.leave()
        for source, state in zip(subject.sources, self._states, strict=True):
            source.state = state


# --- what rounding does ---------------------------------------------------------------------


def _shaken(array: Vector, run: Run) -> Vector:
    """An array off by up to an ulp."""
    assert run.jitter is not None  # noqa: S101
    moved: Vector = array * (1 + ULP * run.jitter.uniform(-1, 1, array.shape))
    return moved


class _Shaker:
    """Puts every recorded result that was rounded off by up to an ulp."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def recorded(self, op: Op, args: list[Any], result: Any) -> None:
        """Change the result in place, before anything reads it."""
        inexact = rounded(result, args)
        if not (inexact.any() and _can_be_written(result)):
            return
        result.setflags(write=True)
        result[...] = np.where(inexact, _shaken(self._within(op, args, result), self._run), result)
        result.setflags(write=False)

    def _within(self, op: Op, args: list[Any], result: Any) -> Any:
        """The result, computed with every step within the op off by up to an ulp."""
        if implementation_of(op.rule.function) is None:
            return result
        try:
            moved = op.rule.forward(*[_fed(self._run, a) for a in args], **op.options)
        except Exception:  # a function that takes plain arrays only
            return result
        return moved.value if isinstance(moved, Perturbed) else result

    def watch(self, steps: Any) -> Any:
        """Leave the backward pass as it is: `_sweep_shaken` shakes it."""
        return steps


def _can_be_written(array: Vector) -> bool:
    """Whether the memory is NumPy's own, and not stretched."""
    base = array if array.base is None else array.base
    return isinstance(base, np.ndarray) and base.flags.owndata and 0 not in array.strides


def _fed(run: Run, value: Any) -> Any:
    """What a function is fed so that the run shakes its steps."""
    is_float = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return unmoved(run, value) if is_float else value


def _sweep_shaken(
    output: Tensor, inputs: list[Tensor], order: list[Variable], w: Vector, run: Run
) -> Vector:
    """One backward pass, in which the run shakes every step of every rule."""
    found: dict[Variable, Any] = {}

    def read(variable: Variable) -> Any:
        return unmoved(run, engine.read_array(variable))

    if output.requires_grad:
        seed = unmoved(run, w.reshape(output.shape))
        found[output] = seed
        for y, slot, arriving, contribution, total in engine.sweep(order, {output: seed}, read):
            assert y.op is not None and y.op.args is not None  # noqa: S101, PT018
            found[y.op.args[slot]] = total
            for g in (arriving, contribution):
                run.peak = max(run.peak, float(np.abs(_plain(g)).max(initial=0.0)))
    parts = [np.ravel(_plain(found.get(x, np.zeros(x.shape)))) for x in inputs]
    return np.concatenate(parts) if parts else np.zeros(0)


def _plain(g: Any) -> Vector:
    return g.value if isinstance(g, Perturbed) else np.asarray(g)


# --- what can be checked --------------------------------------------------------------------


def of_function(function: Callable[..., Any], inputs: tuple[Any, ...]) -> Subject:
    """Make a subject of a function of arrays, tensors, and containers of them.

    Floating-point leaves are differentiated; integers, booleans and other objects are constants.
    Raises `GradcheckError` if there is nothing to differentiate, or something complex.
    """
    named = [pair for i, tree in enumerate(inputs) for pair in named_leaves(tree, f"input {i}")]
    kinds = [_kind(leaf) for _, leaf in named]
    if "c" in kinds:
        raise GradcheckError(
            f"'{named[kinds.index('c')][0]}' is complex: check a function of its real and "
            "imaginary parts"
        )
    if "f" not in kinds:
        raise GradcheckError(
            "there is no floating-point input, so there is no gradient to check; write 2.0 for 2"
        )

    def evaluate(arrays: list[Any], track: bool) -> tuple[Tensor, list[Tensor]]:  # noqa: FBT001
        tensors = [Tensor(a, requires_grad=track) for a in arrays]
        fresh = iter(tensors)
        contents = iter([
            next(fresh) if kind == "f" else leaf.copy() if type(leaf) is np.ndarray else leaf
            for (_, leaf), kind in zip(named, kinds, strict=True)
        ])  # fmt: skip
        output = function(*[fill(tree, contents) for tree in inputs])
        return _as_tensor(output), tensors

    return Subject(
        [name for (name, _), kind in zip(named, kinds, strict=True) if kind == "f"],
        [array_of(leaf) for (_, leaf), kind in zip(named, kinds, strict=True) if kind == "f"],
        evaluate,
        sources=_generators(function, *(leaf for _, leaf in named)),
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
    named = list(model.named_parameters())
    before = [p.data for _, p in named]

    def evaluate(arrays: list[Any], track: bool) -> tuple[Tensor, list[Tensor]]:  # noqa: ARG001, FBT001
        for (_, p), a in zip(named, arrays, strict=True):
            p._data = a  # noqa: SLF001  (other values of another dtype, for a while)
        return _as_tensor(loss(model(x), y)), [p for _, p in named]

    def leave() -> None:
        for (_, p), values in zip(named, before, strict=True):
            p._data = values  # noqa: SLF001

    return Subject(
        [name for name, _ in named],
        [p.data for _, p in named],
        evaluate,
        leave=leave,
        sources=_generators(model, loss),
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
    if len(leaves(output)) != 1:
        raise GradcheckError("the function must give one array; check its results one by one")
    result = output if isinstance(output, Tensor) else Tensor(output)
    if result.dtype.kind not in "fiub":
        raise GradcheckError(
            f"the function gave {result.dtype}; check functions of real numbers, such as the real "
            "part and the imaginary part one by one"
        )
    return result


# --- random numbers -------------------------------------------------------------------------


class _Source(Protocol):
    """Where random numbers come from: a state that can be read and set."""

    state: Any


class _Held:
    """A generator that the function or the model holds on to."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._bits = generator.bit_generator

    @property
    def state(self) -> Any:
        return copy.deepcopy(self._bits.state)

    @state.setter
    def state(self, value: Any) -> None:
        self._bits.state = value


class _NumPyGlobal:
    """What `np.random.rand` and its kin draw from."""

    @property
    def state(self) -> Any:
        return np.random.get_state()  # noqa: NPY002  (it may be what the user draws from)

    @state.setter
    def state(self, value: Any) -> None:
        np.random.set_state(value)  # noqa: NPY002


class _PythonGlobal:
    """What `random.random` and its kin draw from."""

    @property
    def state(self) -> Any:
        return random.getstate()

    @state.setter
    def state(self, value: Any) -> None:
        random.setstate(value)


def _generators(*holders: Any) -> list[_Source]:
    """The generators within reach: in closures, defaults, globals that are named, attributes."""
    found: dict[int, np.random.Generator] = {}
    seen: set[int] = set()
    pending = list(holders)
    while pending:
        holder = pending.pop()
        if id(holder) in seen:
            continue
        seen.add(id(holder))
        if isinstance(holder, np.random.Generator):
            found[id(holder)] = holder
        else:
            pending += _held_by(holder)
    return [_Held(generator) for generator in found.values()]


def _held_by(holder: Any) -> list[Any]:
    if isinstance(holder, functools.partial):
        return [holder.func, *holder.args, *holder.keywords.values()]
    if isinstance(holder, Module):
        return [value for module in holder.modules() for value in vars(module).values()]
    if (bound := getattr(holder, "__self__", None)) is not None and hasattr(holder, "__func__"):
        return [holder.__func__, *getattr(bound, "__dict__", {}).values()]
    code = getattr(holder, "__code__", None)
    if code is None:
        return []
    cells = [cell for cell in holder.__closure__ or () if cell != types.CellType()]
    named = [holder.__globals__[n] for n in code.co_names if n in holder.__globals__]
    # Of the many things a function names, only those that may hold a generator.
    kinds = (np.random.Generator, functools.partial, Module)
    named = [value for value in named if isinstance(value, kinds) or hasattr(value, "__code__")]
    defaults = [*(holder.__defaults__ or ()), *(holder.__kwdefaults__ or {}).values()]
    return [*(cell.cell_contents for cell in cells), *named, *defaults]
