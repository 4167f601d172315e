"""Who is to blame: every recorded op is checked on its own, at the values it had."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.engine import Op, Variable
from tinygrad_bp.errors import TinygradError
from tinygrad_bp.gradcheck.numerical import by_complex_step, by_differences
from tinygrad_bp.gradcheck.subject import Subject

__all__ = ["find_culprit", "signature"]

Vector = np.ndarray[Any, Any]

SAMPLED = 64  # entries of one argument that are compared


def find_culprit(subject: Subject, rng: np.random.Generator) -> list[str]:
    """Name the first op, in the order of recording, whose rule disagrees with its function."""
    with subject.at(subject.x, track=True) as (output, _):
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


def _examine(variable: Variable, op: Op, slot: int, rng: np.random.Generator) -> list[str] | None:
    args = [engine.read_array(a) if isinstance(a, Variable) else a for a in op.args or ()]
    y = engine.read_array(variable)
    g = rng.uniform(0.5, 1.5, y.shape) * rng.choice([-1.0, 1.0], y.shape)
    partial = op.rule.partials[slot]
    x = (op.args or ())[slot]
    try:
        analytic = np.asarray(engine.conform(partial(g, y, *args, **op.options), x, op))
    except TinygradError as error:
        return [f"blame: '{op.rule.name}', argument {slot}: {error}"]
    numerical, known = _numerical(op, slot, args, g, rng)
    gap = np.abs(analytic - numerical)
    size = np.maximum(np.abs(analytic), np.abs(numerical))
    if not np.any(known & ~(gap <= 1e-6 * size + 1e-12 * size.max(initial=0.0))):
        return None
    sign = signature(analytic, numerical, known)
    return [
        f"blame: the rule of '{op.rule.name}' for argument {slot} is wrong"
        + (f": {sign}" if sign else ""),
        f"  recorded at {op.site}",
    ]


def _numerical(
    op: Op, slot: int, args: list[Any], g: Vector, rng: np.random.Generator
) -> tuple[Vector, np.ndarray[Any, Any]]:
    """The true gradient of sum(g * op) by one argument, and which entries of it are known."""
    x = np.asarray(args[slot], float)
    found, known = np.zeros(x.size), np.zeros(x.size, bool)
    chosen = rng.choice(x.size, min(x.size, SAMPLED), replace=False)

    def forward(flat: Any) -> Any:
        moved = [*args[:slot], flat.reshape(x.shape), *args[slot + 1 :]]
        return np.sum(op.rule.forward(*moved, **op.options) * g)

    slope = _best_slope(forward, x.ravel())
    for j in chosen:
        derivative = slope(np.eye(1, x.size, int(j)).ravel())
        at_kink = derivative.left is not None
        if np.isfinite(derivative.value).all() and not at_kink:
            found[j], known[j] = derivative.value.item(), True
    return found.reshape(x.shape), known.reshape(x.shape)


def _best_slope(forward: Callable[[Any], Any], x: Vector) -> Callable[[Vector], Any]:
    try:
        by_complex_step(forward, x, np.ones_like(x))
    except (TinygradError, TypeError, ValueError, AttributeError):
        return lambda direction: by_differences(lambda v: np.ravel(forward(v)), x, direction)
    return lambda direction: by_complex_step(forward, x, direction)


def signature(
    analytic: Vector, numerical: Vector, known: np.ndarray[Any, Any] | None = None
) -> str:
    """Say what kind of mistake makes the one of the other, if it is one of the usual ones.

    >>> signature(np.array([3.0, 6.0]), np.array([1.0, 2.0]))
    'constant ratio 3.000'
    """
    both = (analytic != 0) & (numerical != 0)
    if known is not None:
        both &= known
    if not analytic.any():
        return "it is 0 everywhere"
    if not both.any():
        return ""
    ratios = analytic[both] / numerical[both]
    if np.ptp(ratios) <= 1e-6 * np.abs(ratios).max():
        return _ratio(float(ratios.mean()), analytic.shape)
    if (
        analytic.ndim == 2
        and analytic.shape[0] == analytic.shape[1]
        and (known is None or known.all())
        and np.allclose(analytic, numerical.T, rtol=1e-6, atol=0)
    ):
        return "equals the transpose"
    checked = both if known is None else known
    wrong = checked & ~np.isclose(analytic, numerical, rtol=1e-6, atol=0)
    share = int(np.count_nonzero(wrong)), int(np.count_nonzero(checked))
    zeroed = np.count_nonzero(analytic[wrong] == 0)
    note = f", {zeroed} of them 0" if zeroed else ""
    return f"{share[0]} of {share[1]} compared entries are wrong{note}"


def _ratio(ratio: float, shape: tuple[int, ...]) -> str:
    if np.isclose(ratio, -1.0, rtol=1e-6):
        return "wrong sign"
    for n in sorted({*shape, int(np.prod(shape))}):
        if n > 1 and np.isclose(ratio, n, rtol=1e-6):
            return f"constant ratio {ratio:.3f}: a missing 1/{n}, or a sum instead of a mean?"
        if n > 1 and np.isclose(ratio, 1 / n, rtol=1e-6):
            return f"constant ratio {ratio:.6f}: 1/{n} too much"
    return f"constant ratio {ratio:.3f}" if abs(ratio - 1) > 1e-3 else f"constant ratio {ratio:.7f}"
