"""Identities that hold for every gradient: they need no numerical derivative."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.gradcheck.comparison import Comparison
from tinygrad_bp.gradcheck.subject import of_gradient

__all__ = ["check_float32", "check_identities", "check_second_order"]

IDENTICAL = 1e-11  # how far apart the sides of an identity may be, relative to its terms
RESIDUE = 1e-13  # of the largest gradient on the way, what may be left where terms cancel
SCALES = 2.0**-10, 8.0  # of an arriving gradient; what is linear scales alike
SINGLE = 1e-4  # how far a float32 gradient may be off, relative to the length of its row


def check_identities(work: Comparison) -> dict[str, str]:
    """Return what must hold exactly, whatever the function: "" where it does, else how it does not.

    The subject must have been compared already.
    """
    subject, rng = work.subject, work.rng
    first = work.weights[0] if len(work.weights) else np.zeros(0)
    other = rng.standard_normal(first.size)
    scaled = [factor * other for factor in SCALES]
    pulled = subject.pull([first, other, 0.0 * first, 2.0 * first - 3.0 * other, *scaled])
    straight = [2.0 * pulled[0] - 3.0 * pulled[1], *(factor * pulled[1] for factor in SCALES)]
    u = rng.standard_normal(subject.x.size)
    value, pushed = subject.push(u)
    # Terms of which little is left carry the rounding of what they were.
    here, _ = subject.rounding([first, other], rng, from_here=True)
    moved, peak = subject.rounding([first, other], rng)
    rounding = 16 * np.maximum(here, np.minimum(moved, RESIDUE * peak)) / IDENTICAL
    terms = np.abs(pulled[:2]) + rounding
    same = np.array_equal(pulled[0], work.analytic[0]) if len(work.analytic) else True
    return {
        "a second call equals the first": "" if same else "they differ",
        "recording changes no value": _differ(
            value, work.output, np.abs(work.output).max(initial=0)
        ),
        "linear in the arriving gradient": _differ(
            (pulled[3:] - straight) / [[1.0], *([factor] for factor in SCALES)],
            0.0,
            5 * terms.max(),
        ),
        "no gradient from a zero gradient": "" if not pulled[2].any() else "it is not zero",
        "<v, J u> = <Jᵀv, u>": _differ(other @ pushed, pulled[1] @ u, (terms[1] * np.abs(u)).sum()),
    }


def _differ(a: Any, b: Any, scale: float) -> str:
    gap = float(np.max(np.abs(a - b), initial=0.0))
    return "" if gap <= IDENTICAL * float(scale) else f"they differ by {gap:.3g}"


def check_float32(work: Comparison) -> str:
    """Compare gradients in single precision with those in double, relative to their length."""
    single = work.subject.pull(list(work.weights), dtype=np.float32)
    gaps = np.abs(single - work.analytic).max(axis=1, initial=0.0)
    lengths = np.linalg.norm(work.analytic, axis=1)
    off = ~(gaps <= SINGLE * lengths)  # nan is off
    if not off.any():
        return ""
    row = int(np.argmax(np.where(off, gaps, -1.0)))
    return f"off by {gaps[row]:.3g} in a gradient of length {lengths[row]:.3g}"


def check_second_order(work: Comparison, method: str) -> None:
    """Check the gradient of the gradient, projected on random vectors, and its symmetry."""
    r, s = work.rng.standard_normal((2, work.subject.x.size))
    by_r, by_s = (of_gradient(work.subject, work.weights[0], v) for v in (r, s))
    second = Comparison(by_r, method, work.report.seed, work.progress)
    second.report = work.report
    second.compare("second order: ")
    hessian_s = by_s.pull([np.ones(1)])[0]
    sides, terms = (second.analytic[0] @ s, hessian_s @ r), np.abs(hessian_s * r).sum()
    if problem := _differ(*sides, terms):  # terms of which little is left
        moved = [
            g.rounding([np.ones(1)], work.rng)[0][0] @ np.abs(v) for g, v in ((by_r, s), (by_s, r))
        ]
        problem = _differ(*sides, terms + 16 * sum(moved) / IDENTICAL)
    work.report.identities["the Hessian is symmetric"] = problem
