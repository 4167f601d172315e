"""Who is to blame: every recorded op is checked on its own, at the values it had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.backward import gradients
from tinygrad_bp.engine import Op, RawStep
from tinygrad_bp.errors import TinygradError
from tinygrad_bp.explain.signature import signature
from tinygrad_bp.explain.why import why
from tinygrad_bp.gradcheck.contribution import contribution, each_output
from tinygrad_bp.gradcheck.numerical import (
    Derivative,
    by_complex_step,
    by_differences,
    goes_through,
)
from tinygrad_bp.gradcheck.subject import Subject
from tinygrad_bp.gradcheck.subjects import complex_of, pairs_of
from tinygrad_bp.modes import watched_by
from tinygrad_bp.tensor import Tensor

__all__ = ["find_culprit"]

Vector = np.ndarray[Any, Any]

EXHAUSTIVE = 60_000_000  # numbers that may be evaluated for each entry to be compared
SAMPLED = 64  # entries that are compared otherwise


def find_culprit(subject: Subject, weights: list[Vector], rng: np.random.Generator) -> list[str]:
    """Name the op whose rule is wrong, where it was recorded, and what the mistake looks like.

    That is the first op, on the way back, that makes nan or inf of a finite gradient. If there is
    none, it is the first, in the order of recording, whose rule disagrees with its function.
    """
    names = None if subject.foreign is None else subject.names
    with subject.at(subject.x, track=True) as (output, inputs):
        watch = _FirstNotFinite(names)
        with watched_by(watch):
            for w in weights:
                gradients(output, inputs, w.copy().reshape(output.shape))
        if watch.found is not None:
            return _not_finite(*watch.found, rng)
        if names is None and (cut := _cuts(subject.names, output, inputs)):
            return cut
        for op in reversed(engine.topological_order(output)):
            for edge in _edges(op, names):
                if (found := _examine(edge, rng)) is not None:
                    return found
    return [
        "blame: every recorded rule is right on its own, so the fault lies in what the function "
        "does outside the graph, or in how contributions are added"
    ]


def _cuts(names: list[str], output: Tensor, inputs: list[Tensor]) -> list[str]:
    """Name the inputs from which no recorded path leads to the output, and why."""
    found = gradients(output, inputs, np.ones(output.shape))
    return [
        f"blame: the graph is cut between '{name}' and the output: {why(x, output)}"
        for name, x, g in zip(names, inputs, found, strict=True)
        if g is None
    ]


class _Edge(NamedTuple):
    """How one output of an op depends on one of its arguments."""

    op: Op
    slot: int
    output: int | None  # None if there is but one
    names: Sequence[str] | None  # of the arguments, if they are the inputs of somebody's function

    def __str__(self) -> str:
        if self.names is not None:
            return f"the gradient of '{self.op.rule.name}' for '{self.names[self.slot]}'"
        of = "" if self.output is None else f" and output {self.output}"
        return f"the rule of '{self.op.rule.name}' for argument {self.slot}{of}"

    def part(self, y: Any) -> Any:
        """Return the output itself, of all that the op has."""
        return y if self.output is None else y[self.output]

    def value(self, arrays: Sequence[Any]) -> Any:
        """Return the output at other arrays."""
        return self.part(self.op.rule.forward(*arrays, **self.op.options))

    def pull(self, g: Vector) -> Vector:
        """Return what the argument receives when `g` arrives at the output, and 0 at all others."""
        op, y = self.op, self.op.y
        arriving = (
            g
            if self.output is None
            else tuple([g if i == self.output else np.zeros_like(p) for i, p in enumerate(y)])
        )
        found = contribution(op.rule, self.slot, arriving, y, *op.arrays, **op.options)
        return np.asarray(engine.conform(found, op.arrays[self.slot], op))


def _edges(op: Op, names: Sequence[str] | None) -> Iterator[_Edge]:
    for slot in op.tracked:
        for output in each_output(op.rule, op.y):
            yield _Edge(op, slot, output, names)


# --- gradients that are not finite ----------------------------------------------------------


def _not_finite(edge: _Edge, received: Vector, rng: np.random.Generator) -> list[str]:
    bad = np.flatnonzero(~np.isfinite(received))
    kind = "nan" if np.isnan(received).any() else "inf"
    return [
        f"blame: {edge} makes {kind} of a finite gradient, in {bad.size} of "
        f"{received.size} entries; " + _slope_there(edge, bad, rng),
        f"  recorded at {edge.op.site}",
    ]


class _FirstNotFinite:
    """Watches a backward pass for the first contribution that is not finite."""

    def __init__(self, names: Sequence[str] | None) -> None:
        self.found: tuple[_Edge, Vector] | None = None
        self._names = names

    def recorded(self, op: Op, arrays: Sequence[Any], y: Any) -> None:
        """See an op: there is nothing to note."""

    def watch(self, steps: Iterator[RawStep]) -> Iterator[RawStep]:
        """Note the first step that makes something not finite of something finite."""
        for step in steps:
            op, slot, arriving, received, _ = step
            if self.found is None and not np.isfinite(received).all():
                for edge in _edges(op, self._names):
                    g = edge.part(arriving)
                    if edge.slot == slot and np.isfinite(g).all():
                        self._note(edge, g, received)
            yield step

    def _note(self, edge: _Edge, g: Vector, received: Vector) -> None:
        """Of several outputs, it is the one whose gradient alone does it."""
        alone = received if edge.output is None else edge.pull(g)
        if self.found is None and not np.isfinite(alone).all():
            self.found = edge, alone


def _slope_there(edge: _Edge, bad: Vector, rng: np.random.Generator) -> str:
    """Say whether the function has a slope where its rule gives none."""
    truth = _Truth(edge, rng.uniform(0.5, 1.5, np.shape(edge.value(edge.op.arrays))))
    slopes = [truth.along(int(j)) for j in bad[:SAMPLED]]
    if any((s.error <= 1e-3 * np.abs(s.value)).all() and np.isfinite(s.value) for s in slopes):
        return "its function has a finite slope there"
    return "its function has no finite slope there: keep its input away from that point"


# --- gradients that are wrong ---------------------------------------------------------------


class _Truth:
    """Numerical derivatives of sum(g * output) by one argument, everything else as it was."""

    def __init__(self, edge: _Edge, g: Vector) -> None:
        arrays, slot = edge.op.arrays, edge.slot
        x = np.asarray(arrays[slot])
        pairs = np.asarray(pairs_of(x), float)
        self.flat = pairs.ravel()

        def forward(flat: Any) -> Any:
            shaped = flat.reshape(pairs.shape)
            argument = complex_of(shaped) if np.iscomplexobj(x) else shaped
            moved = [*arrays[:slot], argument, *arrays[slot + 1 :]]
            return _real(np.sum(edge.value(moved) * g))

        self._forward = forward
        self.outputs = int(np.size(g))
        self.exact = goes_through(forward, self.flat)

    def along(self, along: int | Vector) -> Derivative:
        """Return the derivative by one entry or along a direction."""
        by = by_complex_step if self.exact else by_differences
        return by(self._forward, self.flat, along)


def _real(number: Any) -> Any:
    return np.real(number) if number.dtype.kind == "c" else number


def _examine(edge: _Edge, rng: np.random.Generator) -> list[str] | None:
    shape = edge.part(edge.op.y).shape
    g = rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)
    if np.iscomplexobj(edge.part(edge.op.y)):
        g = g * np.exp(1j * rng.uniform(0, 6, shape))
    try:
        analytic = pairs_of(np.conj(edge.pull(g.copy())))
    except TinygradError as error:
        return [f"blame: '{edge.op.rule.name}', argument {edge.slot}: {error}"]
    truth = _Truth(edge, g)
    if _agrees_along_a_direction(analytic, truth, rng):
        return None
    numerical, known = _entries(analytic, truth, rng)
    gap = np.abs(analytic - numerical)
    size = np.maximum(np.abs(analytic), np.abs(numerical))
    rtol = 1e-9 if truth.exact else 1e-6
    wrong = known & ~(gap <= rtol * size + 1e-12 * size[known].max(initial=0.0))
    if not np.any(wrong):  # a direction may show what no sample does
        return None if known.all() or not truth.exact else [f"blame: {edge} is wrong"]
    sign = signature(analytic, numerical, known)
    return [
        f"blame: {edge} is wrong" + (f": {sign}" if sign else ""),
        f"  recorded at {edge.op.site}",
    ]


def _agrees_along_a_direction(analytic: Vector, truth: _Truth, rng: np.random.Generator) -> bool:
    """One random direction shows any wrong entry, and saves looking at each of a sound rule."""
    u = rng.choice([-1.0, 1.0], analytic.size) * rng.uniform(0.5, 1.5, analytic.size)
    slope = truth.along(u)
    terms = analytic.ravel() * u
    slack = 4 * slope.error + (1e-12 if truth.exact else 1e-8) * np.abs(terms).sum()
    return slope.left is None and bool((np.abs(slope.value - terms.sum()) <= slack).all())


def _entries(
    analytic: Vector, truth: _Truth, rng: np.random.Generator
) -> tuple[Vector, np.ndarray[Any, Any]]:
    """The true gradient, entry by entry, and which entries of it are known."""
    size = analytic.size
    found, known = np.zeros(size), np.zeros(size, bool)
    everything = truth.exact and size * (size + truth.outputs) <= EXHAUSTIVE
    chosen = range(size) if everything else rng.choice(size, min(size, SAMPLED), replace=False)
    for j in chosen:
        slope = truth.along(int(j))
        sharp = 4 * slope.error <= 1e-7 * np.abs(slope.value)
        if np.isfinite(slope.value).all() and sharp.all() and slope.left is None:
            found[j], known[j] = slope.value.item(), True
    known &= np.isfinite(analytic.ravel())  # the gradient that arrived did not make them so
    return found.reshape(analytic.shape), known.reshape(analytic.shape)
