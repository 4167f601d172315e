"""Identities that hold for every gradient: they need no numerical derivative."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tinygrad_bp.errors import RuleError
from tinygrad_bp.gradcheck.comparison import Comparison
from tinygrad_bp.gradcheck.examination import Examination
from tinygrad_bp.gradcheck.foreign import NoForwardModeError
from tinygrad_bp.gradcheck.layouts import LAYOUTS, Layout
from tinygrad_bp.gradcheck.numerical import EPS
from tinygrad_bp.gradcheck.places import nudged
from tinygrad_bp.gradcheck.report import Verdict
from tinygrad_bp.gradcheck.subjects import of_gradient
from tinygrad_bp.gradcheck.witnesses import Witnesses

__all__ = ["check_float32", "check_identities", "check_second_order", "glance_at_second_order"]

Vector = np.ndarray[Any, Any]

IDENTICAL = 1e-11  # how far apart the sides of an identity may be, relative to its terms
SCALES = 2.0**-100, 2.0**-10, -1.0, 8.0, 2.0**100  # of what arrives: no rounding differs
RANGE = 1e-280, 1e280  # of gradients that neither underflow nor overflow on the way, scaled
WITHIN_SINGLE = 1e-30, 1e30  # neither these numbers nor their products are lost in float32
SINGLE = 1e-4  # how far a float32 gradient may be off, relative to the length of its row


def check_identities(work: Examination) -> dict[str, str]:
    """Return what must hold exactly, whatever the function: "" where it does, else how it does not.

    The subject must have been compared already.
    """
    subject, rng, output = work.subject, work.rng, work.output
    first = _short(work.weights[0], output.dtype)
    normal = _short(rng.standard_normal(output.size), output.dtype)
    other = np.where(work.witnesses.finite, normal, 0.0)
    pulled = subject.pull([first, other, 0.0 * first, 2.0 * first - 3.0 * other])
    here, _ = subject.rounding([first, other], rng)
    exact = 16 * here.sum(axis=0)
    slack = exact + _largest_of_each_input(work, IDENTICAL * np.abs(pulled[:2]).sum(axis=0))
    found = {
        "recording changes no value": _differ(
            subject.recorded_value(),
            output,
            IDENTICAL * np.abs(output[np.isfinite(output)]).max(initial=0.0),
        ),
        "linear in the arriving gradient": _differ(
            pulled[3], 2.0 * pulled[0] - 3.0 * pulled[1], 5 * slack
        )
        or _one_by_one(work, other, pulled[1], slack)
        or _at_other_scales(work, other, pulled[1], exact + IDENTICAL * np.abs(pulled[1])),
        "no gradient from a zero gradient": "" if not pulled[2].any() else "it is not zero",
        "what arrives may lie anywhere in memory": _elsewhere_in_memory(work, other, slack),
        "inputs may change between calls": _changed_in_place(work, other),
    }
    u = np.where(np.isfinite(subject.x), rng.standard_normal(subject.x.size), 0.0)
    try:
        pushed = subject.push(u)
    except (NoForwardModeError, RuleError):
        return found
    sides = other @ np.where(other, pushed, 0.0), pulled[1] @ u
    terms = IDENTICAL * np.abs(pulled[1] * u).sum() + slack @ np.abs(u)
    return found | {"<v, J u> = <Jᵀv, u>": _differ(*sides, terms)}


def _short(weights: Vector, dtype: np.dtype[Any]) -> Vector:
    """Weights whose small multiples and sums an output of this type represents exactly."""
    return weights if dtype.itemsize >= 8 else np.rint(weights * 2.0**8) / 2.0**8


def _largest_of_each_input(work: Examination, numbers: Vector) -> Vector:
    """For every entry, the largest number of its input."""
    result = np.zeros_like(numbers)
    for _, part in work.subject.ranges():
        result[part] = numbers[part].max(initial=0.0)
    return result


def _one_by_one(work: Examination, g: Vector, pulled: Vector, slack: Vector) -> str:
    """Whether what arrives at one output alone, and at all others, adds up to the whole."""
    if g.size < 2:
        return ""
    alone = np.zeros_like(g)
    k = int(np.argmax(np.abs(g)))
    alone[k] = g[k]
    *parts, opposite = work.subject.pull([alone, g - alone, -alone])
    allowed = 4 * slack + IDENTICAL * np.abs(parts).max(initial=0.0)
    return _differ(sum(parts), pulled, allowed) or _differ(-opposite, parts[0], allowed)


def _changed_in_place(work: Examination, g: Vector) -> str:
    """Whether arrays that are changed in place, as weights are by a step, are read anew."""
    x = nudged(work.subject, work.rng)
    try:
        expected = work.subject.pull([g], flat=x)[0]
        found = work.subject.pull_in_place(g, x)
    except Exception:  # it may not be differentiable there, of which others tell
        return ""
    return _differ(found, expected, IDENTICAL * np.abs(expected).max(initial=0.0))


def _elsewhere_in_memory(work: Examination, g: Vector, slack: Vector) -> str:
    """Whether the layout of what arrives makes a difference, or one slice for a whole axis."""
    shape = work.output.shape
    stretched: dict[str, Layout] = {
        f"with a stride of 0 along axis {axis}": functools.partial(_one_for_all, axis=axis)
        for axis in range(len(shape))
    }
    for name, layout in (LAYOUTS | stretched).items():
        try:
            there = work.subject.pull([g], arriving=layout)
        except Exception as error:
            return f"{name}, {type(error).__name__}: {error}"
        plain = work.subject.pull([layout(g.reshape(shape)).copy().ravel()])
        if problem := _differ(there, plain, slack):
            return f"{name}, {problem}"
    return ""


def _one_for_all(a: Vector, axis: int) -> Vector:
    """The first slice along an axis in the place of all others, with nothing copied."""
    return np.broadcast_to(a.take([0], axis=axis), a.shape) if a.size else a


def _at_other_scales(work: Examination, g: Vector, pulled: Vector, slack: Vector) -> str:
    """Whether a gradient scales with what arrives, from tiny to huge, and changes sign with it."""
    least, most = RANGE
    size = np.abs(pulled)
    safe = [
        s
        for s in SCALES
        if ((size == 0) | ((size * abs(s) > least) & (size * abs(s) < most))).all()
    ]
    for scale, row in zip(safe, work.subject.pull([s * g for s in safe]), strict=True):
        if problem := _differ(row / scale, pulled, slack):
            return f"scaled by {scale:.3g}, {problem}"
    return ""


def _differ(a: Any, b: Any, slack: Any) -> str:
    alike = np.equal(a, b) | (np.isnan(a) & np.isnan(b))
    gaps = np.where(alike, 0.0, np.abs(np.subtract(a, b)))
    off = ~(gaps <= slack) & (gaps != 0)
    return f"they differ by {np.max(gaps[off]):.3g}" if np.any(off) else ""


# --- single precision, second order ---------------------------------------------------------


def check_float32(work: Examination, *, strict: bool) -> str | None:
    """Compare gradients in single precision with those in double, relative to their length.

    Unless it is asked for, None if the function itself is another one in single precision.
    """
    subject, weights = work.subject, list(work.weights if strict else work.weights[:1])
    x = subject.x.astype(np.float32).astype(float)
    try:
        single = subject.pull(weights, flat=x, dtype=np.float32)
    except (ArithmeticError, RuntimeError, TypeError, ValueError):
        if strict:
            raise
        return None
    double = work.analytic if strict else subject.pull(weights, flat=x)
    lengths = np.linalg.norm(double, axis=1)
    slack = SINGLE * lengths
    if not strict:
        if not _alike_in_single_precision(work, x):
            return None
        rounding, _ = subject.rounding(weights, work.rng, flat=x)
        slack = slack + 16 * rounding.max(axis=1, initial=0.0) * (np.finfo(np.float32).eps / EPS)
    gaps = np.abs(single - double).max(axis=1, initial=0.0)
    off = ~(gaps <= slack)  # nan is off
    if not off.any():
        return ""
    row = int(np.argmax(np.where(off, gaps, -1.0)))
    return f"off by {gaps[row]:.3g} in a gradient of length {lengths[row]:.3g}"


def _alike_in_single_precision(work: Examination, x: Vector) -> bool:
    """Whether inputs, values and gradients keep their digits in single precision."""
    with work.subject.at(x.astype(np.float32), track=False) as (output, _):
        single = np.asarray(output.data, float)
    double = np.asarray(work.subject.value(x), float)
    numbers = np.abs(np.concatenate([np.ravel(n) for n in (work.subject.x, double, work.analytic)]))
    least, most = WITHIN_SINGLE
    inside = ((numbers == 0) | ((numbers > least) & (numbers < most))).all()
    size = np.abs(double).max(initial=0.0)
    return bool(inside and (np.abs(single - double) <= SINGLE * size).all())


def check_second_order(work: Examination, method: str) -> None:
    """Check the gradient of the gradient, projected on random vectors, and its symmetry."""
    r, s = work.rng.standard_normal((2, work.subject.x.size))
    by_r, by_s = (of_gradient(work.subject, work.weights[0], v) for v in (r, s))
    second = Examination(by_r, method, work.report.seed, budget=work.budget, progress=work.progress)
    second.report = work.report
    second.here("second order: ")
    hessian_s = by_s.pull([np.ones(1)])[0]
    terms = IDENTICAL * np.abs(hessian_s * r).sum()
    sides = second.analytic[0] @ s, hessian_s @ r
    if problem := _differ(*sides, terms):  # terms of which little is left
        moved = [
            g.rounding([np.ones(1)], work.rng)[0][0] @ np.abs(v) for g, v in ((by_r, s), (by_s, r))
        ]
        problem = _differ(*sides, terms + 16 * sum(moved))
    work.report.identities["the Hessian is symmetric"] = problem


def glance_at_second_order(work: Examination) -> None:
    """Compare the gradient of the gradient along one random direction, if it can be taken."""
    r, u = (
        np.where(np.isfinite(work.subject.x), v, 0.0)
        for v in work.rng.standard_normal((2, work.subject.x.size))
    )
    by_r = of_gradient(work.subject, work.weights[0], r)
    try:
        witnesses = Witnesses(by_r, "auto", by_r.value(by_r.x))
        second = Comparison(witnesses, np.ones((1, 1)), work.rng)
        entries = list(second.entries([("second order", "along a direction", u)]))
    except (ArithmeticError, RuntimeError, ValueError, TypeError) as error:
        work.report.coverage.append(f"no second order: {error}")
        return
    work.report.add(
        entry for entry in entries if entry.verdict is Verdict.FAIL and np.isfinite(entry.numerical)
    )
    work.report.evaluations += by_r.evaluations
