"""Who is to blame: every recorded op is checked on its own, at the values it had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.engine import Op, RawStep, Variable
from tinygrad_bp.errors import TinygradError
from tinygrad_bp.explain.signature import signature
from tinygrad_bp.gradcheck.numerical import (
    Derivative,
    by_complex_step,
    by_differences,
    goes_through,
)
from tinygrad_bp.gradcheck.subject import Subject
from tinygrad_bp.tensor import Tensor, gradients, watched_by

__all__ = ["find_culprit"]

Vector = np.ndarray[Any, Any]

EXHAUSTIVE = 20_000  # entries of one argument up to which each is compared, by complex step
SAMPLED = 64  # entries that are compared otherwise


def find_culprit(subject: Subject, weights: list[Vector], rng: np.random.Generator) -> list[str]:
    """Name the op whose rule is wrong, where it was recorded, and what the mistake looks like.

    That is the first op, on the way back, that makes nan or inf of a finite gradient. If there is
    none, it is the first, in the order of recording, whose rule disagrees with its function.
    """
    with subject.at(subject.x, track=True) as (output, inputs):
        if (found := _first_not_finite(output, inputs, weights, rng)) is not None:
            return found
        for variable in reversed(engine.topological_order(output)):
            op = variable.op
            assert op is not None  # noqa: S101
            for slot in op.tracked:
                if (found := _examine(variable, op, slot, rng)) is not None:
                    return found
    return [
        "blame: every recorded rule is right on its own, so the fault lies in what the function "
        "does outside the graph, or in how contributions are added"
    ]


# --- gradients that are not finite ----------------------------------------------------------


def _first_not_finite(
    output: Tensor, inputs: list[Tensor], weights: list[Vector], rng: np.random.Generator
) -> list[str] | None:
    watch = _FirstNotFinite()
    with watched_by(watch):
        for w in weights:
            gradients(output, inputs, w.copy().reshape(output.shape))
    if watch.found is None:
        return None
    op, slot, contribution = watch.found
    bad = np.flatnonzero(~np.isfinite(contribution))
    kind = "nan" if np.isnan(contribution).any() else "inf"
    return [
        f"blame: the rule of '{op.rule.name}' for argument {slot} makes {kind} of a finite "
        f"gradient, in {bad.size} of {contribution.size} entries; "
        + _slope_there(op, slot, bad, rng),
        f"  recorded at {op.site}",
    ]


class _FirstNotFinite:
    """Watches a backward pass for the first contribution that is not finite."""

    def __init__(self) -> None:
        self.found: tuple[Op, int, Vector] | None = None

    def recorded(self, op: Op, args: list[Any], result: Any) -> None:
        """See an op: there is nothing to note."""

    def watch(self, steps: Iterator[RawStep]) -> Iterator[RawStep]:
        """Note the first step that makes something not finite of something finite."""
        for step in steps:
            variable, slot, arriving, contribution, _ = step
            if (
                self.found is None
                and variable.op is not None
                and np.isfinite(arriving).all()
                and not np.isfinite(contribution).all()
            ):
                self.found = variable.op, slot, contribution
            yield step


def _slope_there(op: Op, slot: int, bad: Vector, rng: np.random.Generator) -> str:
    """Say whether the function has a slope where its rule gives none."""
    truth = _Truth(op, slot, rng.uniform(0.5, 1.5, np.shape(_value(op))))
    slopes = [truth.along(int(j)) for j in bad[:SAMPLED]]
    if any((s.error <= 1e-3 * np.abs(s.value)).all() and np.isfinite(s.value) for s in slopes):
        return "its function has a finite slope there"
    return "its function has no finite slope there: keep its input away from that point"


# --- gradients that are wrong ---------------------------------------------------------------


def _value(op: Op) -> Vector:
    return np.asarray(op.rule.forward(*op.arrays, **op.options))


class _Truth:
    """Numerical derivatives of sum(g * op) by one argument, everything else as it was."""

    def __init__(self, op: Op, slot: int, g: Vector) -> None:
        args = op.arrays
        x = np.asarray(args[slot], float)
        self.flat = x.ravel()

        def forward(flat: Any) -> Any:
            moved = [*args[:slot], flat.reshape(x.shape), *args[slot + 1 :]]
            return np.sum(op.rule.forward(*moved, **op.options) * g)

        self._forward = forward
        self.exact = goes_through(forward, self.flat)

    def along(self, along: int | Vector) -> Derivative:
        """Return the derivative by one entry or along a direction."""
        by = by_complex_step if self.exact else by_differences
        return by(self._forward, self.flat, along)


def _examine(variable: Variable, op: Op, slot: int, rng: np.random.Generator) -> list[str] | None:
    y = engine.read_array(variable)
    g = rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1.0, 1.0], y.shape)
    partial = op.rule.partials[slot]
    x = (op.args or ())[slot]
    try:
        analytic = np.asarray(engine.conform(partial(g.copy(), y, *op.arrays, **op.options), x, op))
    except TinygradError as error:
        return [f"blame: '{op.rule.name}', argument {slot}: {error}"]
    truth = _Truth(op, slot, g)
    if _agrees_along_a_direction(analytic, truth, rng):
        return None
    numerical, known = _entries(analytic, truth, rng)
    gap = np.abs(analytic - numerical)
    size = np.maximum(np.abs(analytic), np.abs(numerical))
    rtol = 1e-9 if truth.exact else 1e-6
    if not np.any(known & ~(gap <= rtol * size + 1e-12 * size[known].max(initial=0.0))):
        return None
    sign = signature(analytic, numerical, known)
    return [
        f"blame: the rule of '{op.rule.name}' for argument {slot} is wrong"
        + (f": {sign}" if sign else ""),
        f"  recorded at {op.site}",
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
    everything = truth.exact and size <= EXHAUSTIVE
    chosen = range(size) if everything else rng.choice(size, min(size, SAMPLED), replace=False)
    for j in chosen:
        slope = truth.along(int(j))
        sharp = 4 * slope.error <= 1e-7 * np.abs(slope.value)
        if np.isfinite(slope.value).all() and sharp.all() and slope.left is None:
            found[j], known[j] = slope.value.item(), True
    known &= np.isfinite(analytic.ravel())  # the gradient that arrived did not make them so
    return found.reshape(analytic.shape), known.reshape(analytic.shape)
