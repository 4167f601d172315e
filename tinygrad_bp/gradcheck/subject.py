"""What is checked, seen as one function of one flat vector of numbers."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.backward import gradients
from tinygrad_bp.engine import Key, key_of
from tinygrad_bp.errors import GradcheckError
from tinygrad_bp.gradcheck.complex_step import Perturbed, Run
from tinygrad_bp.gradcheck.foreign import Foreign
from tinygrad_bp.gradcheck.kept import Arrivals, Kept
from tinygrad_bp.gradcheck.layouts import Layout, as_it_is
from tinygrad_bp.gradcheck.shaking import Shaker, sweep_shaken
from tinygrad_bp.gradcheck.sources import NumPyGlobal, PythonGlobal, Source
from tinygrad_bp.modes import enable_grad, mode, no_grad, watched_by
from tinygrad_bp.tensor import Tensor, array_of

__all__ = ["Evaluate", "Subject"]


Vector = np.ndarray[Any, Any]
Evaluate: TypeAlias = Callable[[list[Any], bool], tuple[Tensor, list[Tensor]]]

NEXT = 16 * float(np.finfo(float).eps)  # a few ulps, within which numbers round otherwise


class Subject:
    """A differentiable computation with named inputs, always evaluated in double precision.

    `evaluate(arrays, track)` computes with the inputs at the given values, and gives the output
    and the tensors that gradients are taken by; `leave()` undoes what it did to get there. Random
    generators that the computation uses are set back after each evaluation, so that a dropout mask
    is the same every time; so are the buffers of models, such as running means. A check changes
    nothing.
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
        lent: list[tuple[Vector, Vector]] | None = None,
        foreign: Foreign | None = None,
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
        self.lent = [] if lent is None else lent  # constants of this evaluation, and what they were
        self.foreign = foreign  # whose derivatives are not this library's
        if foreign is not None:
            foreign.sources = self.sources
        self.layout: Layout = as_it_is
        self.kept = Kept() if foreign is None else foreign.kept
        self.arrivals = Arrivals() if foreign is None else foreign.arrivals
        self.evaluations = 0
        self.written = False  # whether an evaluation ever wrote to its inputs

    # --- its inputs -------------------------------------------------------------------------

    def split(self, flat: Any) -> list[Any]:
        """Cut a flat vector, plain or perturbed, into the inputs' shapes."""
        if isinstance(flat, Perturbed):
            return flat.pieces(self.split)
        starts = [0, *self.ends[:-1]]
        return [
            self.layout(flat[start:end].reshape(shape))
            for start, end, shape in zip(starts, self.ends, self.shapes, strict=True)
        ]

    @contextmanager
    def laid_out(self, layout: Layout) -> Iterator[None]:
        """Give the inputs another layout in memory while the block runs."""
        self.layout = layout
        try:
            yield
        finally:
            self.layout = as_it_is

    def locate(self, j: int) -> tuple[str, tuple[int, ...]]:
        """Return the name of the input that flat entry j belongs to, and the index in it."""
        i = int(np.searchsorted(self.ends, j, side="right"))
        offset = j - (self.ends[i - 1] if i else 0)
        return self.names[i], tuple(map(int, np.unravel_index(offset, self.shapes[i])))

    def ranges(self) -> Iterator[tuple[str, slice]]:
        """Yield each input's name, and where it lies in the flat vector."""
        starts = [0, *self.ends[:-1]]
        return zip(self.names, map(slice, starts, self.ends), strict=True)

    # --- its values -------------------------------------------------------------------------

    def at(self, flat: Any, *, track: bool, given: list[Vector] | None = None) -> _Evaluation:
        """Evaluate at a flat vector; the output and the inputs' tensors hold inside the block.

        The inputs are arrays of their own, or those that are given, which have these values.
        """
        return _Evaluation(self, flat, track=track, given=given)

    def value(self, flat: Any) -> Any:
        """Return the output's array at a flat vector, plain or perturbed."""
        with self.at(flat, track=False) as (output, _):
            return array_of(output)

    def recorded_value(self) -> Vector:
        """Return the output's array where the evaluation is recorded."""
        with self.at(self.x, track=True) as (output, _):
            return np.array(output.data)

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
        self.sources += [NumPyGlobal(), PythonGlobal()]

    # --- its gradients ----------------------------------------------------------------------

    def pull(
        self,
        weights: list[Vector],
        *,
        dtype: Any = float,
        flat: Any = None,
        arriving: Layout = as_it_is,
    ) -> Vector:
        """Return the analytic gradient of each weighted sum of outputs: (weights, entries).

        What arrives at the output is read-only, and laid out as `arriving` says.
        """
        flat = self.x if flat is None else flat
        with self.at(flat.astype(dtype), track=True) as (output, inputs):
            rows = [self._row(output, inputs, arriving(w.reshape(output.shape))) for w in weights]
        return np.array(rows).reshape(len(weights), self.x.size)

    def pull_in_place(self, weights: Vector, flat: Vector) -> Vector:
        """Return a gradient at another point, at which the very arrays are that were at x before.

        So it is with weights that a step has changed.
        """
        given = self.split(self.x.copy())
        for point in (self.x, flat):
            for array, values in zip(given, self.split(point), strict=True):
                array[...] = values
            with self.at(point, track=True, given=given) as (output, inputs):
                row = self._row(output, inputs, weights.reshape(output.shape))
        return row

    def _row(self, output: Tensor, inputs: list[Tensor], arriving: Vector) -> Vector:
        found = self._gradients(output, inputs, arriving)
        self._check_form(found, inputs)
        parts = [
            np.zeros(x.size) if g is None else g.data.ravel()
            for g, x in zip(found, inputs, strict=True)
        ]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _gradients(
        self, output: Tensor, inputs: list[Tensor], arriving: Vector
    ) -> list[Tensor | None]:
        def through(g: Vector) -> list[Tensor | None]:
            return gradients(output, inputs, g)

        if self.foreign is not None:  # which takes care of that itself
            return through(arriving)
        found: list[Tensor | None] = self.arrivals.call(through, arriving)
        self.kept.look([g.data for g in found if g is not None])
        return found

    def _check_form(self, found: list[Tensor | None], inputs: list[Tensor]) -> None:
        for name, g, x in zip(self.names, found, inputs, strict=True):
            if g is not None and (g.shape != x.shape or g.dtype != x.dtype):
                raise GradcheckError(
                    f"the gradient of '{name}' is {g.dtype} {g.shape}, the input {x.dtype} "
                    f"{x.shape}"
                )

    def push(self, u: Vector) -> Vector:
        """Return J u, by forward mode over the recorded graph."""
        with self.at(self.x, track=True) as (output, inputs):
            moving: dict[Key, Any] = {
                key_of(x): t for x, t in zip(inputs, self.split(u), strict=True)
            }
            engine.push(reversed(engine.topological_order(output)), moving, engine.read_arrays)
            tangent = moving.get(key_of(output))
            return np.zeros(output.size) if tangent is None else np.ravel(tangent)

    def rounding(
        self, weights: list[Vector], rng: np.random.Generator, *, flat: Any = None
    ) -> tuple[Vector, float]:
        """Return how far the analytic gradient moves when every result is off by up to an ulp.

        That is every result of an op and within a rule; the inputs are exact. The second value is
        the largest gradient that was on its way anywhere.
        """
        flat = self.x if flat is None else flat
        run = Run(1, rng)
        result: Vector = np.ptp([self._pull_shaken(weights, run, flat) for _ in range(5)], axis=0)
        return result, max(run.peak, *(float(np.abs(w).max(initial=0.0)) for w in weights))

    def _pull_shaken(self, weights: list[Vector], run: Run, flat: Vector) -> Vector:
        """Return the gradients as `pull` does, with every number off by up to an ulp.

        Where rules take plain arrays only, the inputs are moved instead, by a few. (To those that
        are not ours, other arrays are not given: they might keep them.)
        """
        if self.foreign is None:
            with watched_by(Shaker(run)), contextlib.suppress(Exception):
                with self.at(flat, track=True) as (output, inputs):
                    order = engine.path_between(inputs, output)
                    rows = [sweep_shaken(output, inputs, order, w, run) for w in weights]
                return np.array(rows).reshape(len(weights), self.x.size)
        moved = flat * (1 + NEXT * run.uniform(flat.size))
        return self.pull(weights, flat=moved)


class _Evaluation:
    """A context in which a subject's inputs have certain values.

    It is written out, not made of a generator by contextlib, whose frame would stand between the
    user's code and ours and be taken for the place where a function was called.
    """

    def __init__(
        self, subject: Subject, flat: Any, *, track: bool, given: list[Any] | None
    ) -> None:
        self._subject = subject
        self._flat = flat
        self._track = track
        self._given: list[Any] = given or []

    def __enter__(self) -> tuple[Tensor, list[Tensor]]:
        subject = self._subject
        subject.evaluations += 1
        self._states = [source.state for source in subject.sources]
        # A copy, because the function may write to what it is given.
        plain = isinstance(self._flat, np.ndarray)
        self._given = self._given or subject.split(self._flat.copy() if plain else self._flat)
        self._switch = _recording(self._track)
        self._switch.__enter__()
        subject.lent.clear()
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
            lent = [*zip(self._given, subject.split(self._flat), strict=True), *subject.lent]
            subject.written |= not all(_same_bits(a, b) for a, b in lent)
        self._switch.__exit__(*exception)
        subject.leave()
        for source, state in zip(subject.sources, self._states, strict=True):
            source.state = state


def _same_bits(a: Vector, b: Vector) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()


def _recording(track: bool) -> AbstractContextManager[Any]:  # noqa: FBT001
    """Return a context that records, or does not; if that is so already, one that costs nothing."""
    if mode.get().recording == track:
        return nullcontext()
    return enable_grad() if track else no_grad()
