"""The gradient check: analytic against numerical, entry by entry, with nothing waved through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_bp.errors import GradcheckError
from tinygrad_bp.gradcheck.blame import find_culprit
from tinygrad_bp.gradcheck.examination import Examination
from tinygrad_bp.gradcheck.foreign import Foreign
from tinygrad_bp.gradcheck.holders import leaves
from tinygrad_bp.gradcheck.identities import (
    check_float32,
    check_identities,
    check_second_order,
    glance_at_second_order,
)
from tinygrad_bp.gradcheck.libraries import plain
from tinygrad_bp.gradcheck.places import BUDGET
from tinygrad_bp.gradcheck.report import Report, Verdict
from tinygrad_bp.gradcheck.subject import Subject
from tinygrad_bp.gradcheck.subjects import of_function, of_model
from tinygrad_bp.gradcheck.waiting import Progress, told
from tinygrad_bp.nn import Module

__all__ = ["check"]


def check(
    function: Callable[..., Any],
    *inputs: Any,
    gradient: Callable[..., Any] | None = None,
    method: str = "auto",
    at: str = "everywhere",
    second_order: bool = False,
    forward: bool = False,
    float32: bool = False,
    identities: bool = True,
    budget: int = BUDGET,
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Compare a function's analytic gradient with a numerical one, entry by entry.

    `check(f, *inputs)` takes a function of arrays, tensors, and whatever holds them (containers,
    dataclasses, modules, other objects), with any output shape, or several outputs;
    `check(model, loss, (x, y))` takes a model and checks all its parameters. With `gradient`, that
    function's result is checked instead of this library's own gradient: both get plain arrays, and
    it returns one array per floating-point input.

    Everything runs in double precision. Slopes are taken by complex step where the function allows
    it; differences cross-examine them along random directions, and decide where the two disagree.
    `method` "complex" or "differences" asks for one of them alone. The gradient is also compared
    at a point nearby, mirrored, and with its entries reversed, and with arrays elsewhere in
    memory, and one direction of the second order and of float32 is looked at: `at="here"` leaves
    all that out. `second_order` and `float32` check them in full, `forward` forward mode too.
    Every entry is compared if that takes no more than `budget` evaluations; if not, random
    projections and samples are. `progress(done, total)` is called as entries are compared; without
    it, a terminal shows a bar after two seconds. There is no absolute tolerance and no way to widen
    one. The inputs and every random generator found are left as they were.

    The report is ok if no entry is FAIL or INCONCLUSIVE, every identity holds, and something was
    confirmed of every input that the function moves with: a check that cannot tell does not say
    ok. What to do then is in the report.

    Raises `GradcheckError` if the function is not deterministic, its output not finite, or there
    is no floating-point input.

    >>> report = check(lambda x: np.sum(np.sin(x) * x), np.array([1.0, 2.0]))
    >>> report.ok, report.counts[Verdict.PASS]
    (True, 2)
    """
    _refuse(method, at)
    if gradient is not None:
        foreign = Foreign(plain(_pulling(gradient)), function)
        with foreign.registered():
            return check(
                foreign, *inputs, method=method, at=at, identities=identities, budget=budget,
                seed=seed, progress=progress,
            )  # fmt: skip
    # What is not finite gets a verdict, not a warning.
    with np.errstate(all="ignore"), told(progress) as shown:
        work = Examination(_subject(function, inputs), method, seed, budget=budget, progress=shown)
        if not (work.subject.x.size and work.output.size):
            work.nothing_here()
        else:
            work.here()
            if at != "here" and not work.report.counts[Verdict.FAIL]:
                work.elsewhere()
            work.weigh_evidence()
            if identities:
                work.report.identities |= check_identities(work)
            _go_on(work, method, second_order=second_order, forward=forward)
            _look_further(work, glance=identities and at != "here", float32=float32)
        return work.finish()


def _pulling(gradient: Callable[..., Any]) -> Callable[..., Any]:
    """Make a vector-Jacobian product of the gradient of a scalar function."""

    def vjp(g: Any, *inputs: Any) -> Any:
        if np.size(g) != 1:
            raise GradcheckError(
                "a gradient function is checked for a scalar function only; for others there is "
                "check_vjp"
            )
        return [None if part is None else g * part for part in leaves(gradient(*inputs))]

    return vjp


def _refuse(method: str, at: str) -> None:
    if method not in ("auto", "complex", "differences"):
        raise ValueError(f"method must be 'auto', 'complex' or 'differences', got {method!r}")
    if at not in ("here", "everywhere"):
        raise ValueError(f"at must be 'here' or 'everywhere', got {at!r}")


def _subject(function: Callable[..., Any], inputs: tuple[Any, ...]) -> Subject:
    if isinstance(function, Module) and len(inputs) == 2 and callable(inputs[0]):
        loss, batch = inputs
        return of_model(function, loss, batch)
    return of_function(function, inputs)


def _go_on(work: Examination, method: str, *, second_order: bool, forward: bool) -> None:
    """Check what is asked for beyond the gradient, and find out whose fault it is."""
    if forward:
        work.forward()
    if work.report.counts[Verdict.FAIL]:
        work.report.blame = find_culprit(work.subject, list(work.weights), work.rng)
    elif second_order:
        check_second_order(work, method)


def _look_further(work: Examination, *, glance: bool, float32: bool) -> None:
    """Look at one direction of the second order, and of float32, if all is right so far."""
    ours, report = work.subject.foreign is None, work.report
    if ours and glance and not (report.wrong or report.counts[Verdict.KINK]):
        glance_at_second_order(work)
    if ours and (glance or float32):
        single = check_float32(work, strict=float32)
        if single is not None:
            report.identities["float32 agrees with float64"] = single
