"""Findings about learning itself: a few examples by heart, the learning rate, the step."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_bp.doctor.fitting import ENOUGH, Attempt
from tinygrad_bp.doctor.measurements import Measurements
from tinygrad_bp.doctor.report import Finding, Severity

__all__ = ["cannot_overfit", "faulty_step", "learning_rate"]


# --- a step of the user's own -----------------------------------------------------------------


def faulty_step(m: Measurements) -> Finding | None:
    """A step function that forgets zero_grad(), or moves nothing."""
    if m.subject.step is None:
        return None
    moved, passes, error = m.two_steps
    if passes > 1 or (error and "sum of" in str(error)):
        return Finding(
            "zero-grad-forgotten", Severity.WRONG, "gradients of several steps are added up",
            str(error or f"After two steps, gradients are the sum of {passes} backward passes."),
            "Each step then moves by all gradients so far, the old ones among them.",
            "optimizer.zero_grad()  # before each backward()",
        )  # fmt: skip
    if error:
        return Finding(
            "step-fails", Severity.WRONG, "the step raises", str(error),
            "Nothing is trained.",
            "optimizer.zero_grad(); loss(model(x), y).backward(); optimizer.step()  # in order",
        )  # fmt: skip
    if moved:
        return None
    return Finding(
        "step-moves-nothing", Severity.WRONG, "the step moves no parameter",
        "All parameters are the same after two steps.",
        "Perhaps optimizer.step() is not called, or the optimiser is that of another model.",
        "optimizer.zero_grad(); loss(model(x), y).backward(); optimizer.step()",
    )  # fmt: skip


# --- a few examples by heart ------------------------------------------------------------------


def cannot_overfit(m: Measurements) -> Finding | None:
    """Neither the user's optimiser nor Adam gets the loss of a few examples down."""
    fitting = m.fitting
    if _fits_already(m) or fitting.fits:
        return None
    attempt = fitting.best
    twins = _contradictions(m)
    return Finding(
        "cannot-overfit", Severity.WRONG, f"it cannot learn {fitting.subject.size} examples",
        f"From {attempt.start:.4g} the loss gets to {attempt.end:.4g} in {len(attempt.losses) - 1} "
        f"steps of {attempt.by}."
        + (f" {twins} pairs of examples are equal, and have other targets." if twins else ""),
        "A model that cannot do that has a fault, or inputs that do not belong to the targets.",
        "print(x[:5], y[:5], model(x[:5]))  # do they belong together? try a smaller model",
    )  # fmt: skip


def _fits_already(m: Measurements) -> bool:
    """Whether the model has learnt these examples before: far better than a guess."""
    guess = m.baseline
    return guess is not None and m.start - m.least < 0.2 * abs(guess - m.least)


def _contradictions(m: Measurements) -> int:
    arrays = m.fitting.subject.arrays()
    y = m.fitting.subject.target()
    if len(arrays) != 1 or y is None or m.subject.axis_of(m.subject.arrays()[0][1]) != 0:
        return 0
    rows = arrays[0][1].reshape(m.fitting.subject.size, -1)
    same = (rows[:, None] == rows[None]).all(axis=-1)
    other = (y[:, None] != y[None]).reshape(len(y), len(y), -1).any(axis=-1)
    return int(np.triu(same & other).sum())


# --- the learning rate ------------------------------------------------------------------------

# Smith, Cyclical learning rates for training neural networks (2017), section 3.3: try the range,
# and see where the loss begins to fall and where it diverges. Ten times is the step of the search.
LOWER = (0.1, 0.01, 1e-3, 1e-4, 1e-5)
HIGHER = (10.0, 100.0, 1e3, 1e4, 1e5)
STALLED = 0.97  # a loss that is still here after a hundred steps on twenty examples,
CRAWLED = 0.9  # and here after five hundred,
STUCK = 0.9995  # of which only those are spared that were here after one hundred
SPIKE = 1.5  # times as large as at the start, on the way: steps leap over the valley


def learning_rate(m: Measurements) -> Finding | None:
    """Steps that make the loss grow, or that hardly move it, where others learn."""
    optimizer, fitting = m.subject.optimizer, m.fitting
    if optimizer is None or _fits_already(m) or fitting.own.fell_to(ENOUGH, fitting.reference):
        return None
    own = fitting.own
    leaps = own.end > own.start or own.peak > SPIKE * abs(own.start)
    if leaps:
        return _rate(m, "high", own, fitting.better_rate(LOWER))
    warming_up = any(g.get("initial_lr", 0) > g["lr"] for g in optimizer.param_groups)
    if own.fell_to(STALLED) or warming_up:
        return None
    own = fitting.patient if own.fell_to(STUCK) else own
    return None if own.fell_to(CRAWLED) else _rate(m, "low", own, fitting.better_rate(HIGHER))


def _rate(m: Measurements, how: str, own: Attempt, better: Attempt | None) -> Finding | None:
    if better is None:
        return None
    end = f"{own.end:.4g}" if math.isfinite(own.end) else "numbers that overflow"
    moved = [m.step.ratios[n] for _, _, w in m.weights if (n := m.name_of(w)) in m.step.ratios]
    moved = [ratio for ratio in moved if math.isfinite(ratio)]
    share = _share(max(moved, default=0))
    said = f" The first step changes weights by {share} their size." if moved else ""
    return Finding(
        "learning-rate", Severity.DOUBTFUL if how == "low" else Severity.WRONG,
        f"the learning rate is too {how}",
        f"On {m.fitting.subject.size} examples the loss goes from {own.start:.4g} to {end} in "
        f"{len(own.losses) - 1} steps, with lr={better.rate:.2g} to {better.end:.4g}.{said}",
        "About a thousandth of a weight a step is usual." if moved and how == "low"
        else "Steps leap over the valley." if how == "high" else "It would take very long.",
        f"optim.{type(m.subject.optimizer).__name__}(model.parameters(), lr={better.rate:.2g})",
    )  # fmt: skip


def _share(ratio: float) -> str:
    """A share in words, with one digit that counts.

    >>> _share(36.1), _share(0.42), _share(0.0021)
    ('36 times', '42% of', '0.2% of')
    """
    if ratio >= 2:
        return f"{ratio:,.0f} times"
    return f"{ratio:.0%} of" if ratio >= 0.1 else f"{100 * ratio:.1g}% of"
