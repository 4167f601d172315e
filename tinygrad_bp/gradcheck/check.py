"""The gradient check: analytic against numerical, entry by entry, with nothing waved through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_bp.errors import GradcheckError
from tinygrad_bp.gradcheck.blame import find_culprit
from tinygrad_bp.gradcheck.comparison import Comparison, Progress
from tinygrad_bp.gradcheck.given import Given
from tinygrad_bp.gradcheck.identities import check_float32, check_identities, check_second_order
from tinygrad_bp.gradcheck.report import Report, Verdict
from tinygrad_bp.gradcheck.subject import of_function, of_model
from tinygrad_bp.nn import Module

__all__ = ["check"]


def check(
    function: Callable[..., Any],
    *inputs: Any,
    gradient: Callable[..., Any] | None = None,
    method: str = "auto",
    second_order: bool = False,
    forward: bool = False,
    float32: bool = False,
    identities: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Compare a function's analytic gradient with a numerical one, entry by entry.

    `check(f, *inputs)` takes a function of arrays, tensors and nested containers of them, with
    any output shape; `check(model, loss, (x, y))` takes a model and checks all its parameters.
    With `gradient`, that function's result is checked instead of this library's own gradient: it
    is called on the same inputs and returns one array per floating-point input.

    Everything runs in double precision, the gradient function too. `method` is "complex",
    "differences" or "auto": complex step where the function allows it. `second_order` goes on to
    the gradient of the gradient, `forward` checks forward mode too, `float32` compares single
    with double precision. `progress(done, total)` is called as entries are compared. There is no
    absolute tolerance and no way to widen one. The inputs and every random generator found are
    left as they were.

    The report is ok if no entry is FAIL or INCONCLUSIVE and every identity holds: a check that
    cannot tell does not say ok. What to do then is in the report.

    Raises `GradcheckError` if the function is not deterministic, its output not finite, or there
    is no floating-point input.

    >>> report = check(lambda x: np.sum(np.sin(x) * x), np.array([1.0, 2.0]))
    >>> report.ok, report.counts[Verdict.PASS]
    (True, 2)
    """
    if method not in ("auto", "complex", "differences"):
        raise ValueError(f"method must be 'auto', 'complex' or 'differences', got {method!r}")
    if isinstance(function, Module):
        loss, batch = inputs
        subject = of_model(function, loss, batch)
    else:
        subject = of_function(function, inputs)
    # What is not finite gets a verdict, not a warning.
    with np.errstate(all="ignore"):
        work = Comparison(subject, method, seed, progress)
        if gradient is not None:
            work.given = _given(gradient, inputs, work)
        work.compare()
        if gradient is None:
            _go_on(work, method, second_order=second_order, forward=forward, float32=float32,
                   identities=identities)  # fmt: skip
        return work.finish()


def _given(gradient: Callable[..., Any], inputs: tuple[Any, ...], work: Comparison) -> Given:
    if work.output.size != 1:
        raise GradcheckError(
            "a gradient function is checked for a scalar function only; for others there is "
            "check_vjp"
        )
    return Given(gradient, inputs, work.subject)


def _go_on(
    work: Comparison,
    method: str,
    *,
    second_order: bool,
    forward: bool,
    float32: bool,
    identities: bool,
) -> None:
    """Check what only a gradient of our own has: identities, other modes, blame, second order."""
    if not (work.subject.x.size and work.output.size):
        return
    if identities:
        work.report.identities |= check_identities(work)
    if forward:
        work.compare_forward()
    if float32:
        work.report.identities["float32 agrees with float64"] = check_float32(work)
    if work.report.counts[Verdict.FAIL]:
        work.report.blame = find_culprit(work.subject, list(work.weights), work.rng)
    elif second_order:
        check_second_order(work, method)
