"""The gradient check: analytic against numerical, entry by entry, with nothing waved through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.engine import Variable
from tinygrad_bp.errors import GradcheckError, TinygradError
from tinygrad_bp.gradcheck.blame import find_culprit
from tinygrad_bp.gradcheck.numerical import (
    Derivative,
    by_complex_step,
    by_differences,
    rounding_of_complex_step,
)
from tinygrad_bp.gradcheck.report import Entry, Report, Verdict
from tinygrad_bp.gradcheck.subject import Subject, of_function, of_gradient, of_model
from tinygrad_bp.nn import Module

__all__ = ["check"]

Vector = np.ndarray[Any, Any]
Along = int | Vector  # one entry of all inputs laid end to end, or a direction
Progress = Callable[[int, int], None]

EXHAUSTIVE = 50_000
"""Entries up to which every one is compared."""

RTOL = {"complex step": 1e-10, "differences": 1e-7}
PROJECTIONS = 4
SAMPLES = 20
TOO_WIDE = 1e-3  # an error bar relative to the value beyond which nothing can be told
SINGLE = 1e-4  # how far a float32 gradient may be off, relative to the length of its row


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

    Everything runs in double precision. `method` is "complex", "differences" or "auto": complex
    step where the function allows it. `second_order` goes on to the gradient of the gradient,
    `forward` checks forward mode too, `float32` compares single with double precision.
    `progress(done, total)` is called as entries are compared. There is no absolute tolerance and
    no way to widen one. The inputs and every random generator found are left as they were.

    Raises `GradcheckError` if the function is not deterministic or its output not finite.

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
        work = _Check(subject, method, seed, progress)
        if gradient is not None:
            work.analytic, work.given = _given_gradient(gradient, inputs, work), True
        work.compare()
        if gradient is None:
            _go_on(work, method, second_order=second_order, forward=forward, float32=float32,
                   identities=identities)  # fmt: skip
        return work.finish()


def _go_on(
    work: _Check,
    method: str,
    *,
    second_order: bool,
    forward: bool,
    float32: bool,
    identities: bool,
) -> None:
    """Check what only a gradient of our own has: identities, other modes, blame, second order."""
    if identities and work.subject.x.size:
        work.report.identities |= _identities(work)
    if forward:
        work.compare_forward()
    if float32:
        work.report.identities["float32 agrees with float64"] = _float32(work)
    if work.report.counts[Verdict.FAIL]:
        work.report.blame = find_culprit(work.subject, work.rng)
    elif second_order:
        _second_order(work, method)


class _Check:
    """What belongs together while a subject is checked."""

    def __init__(
        self, subject: Subject, method: str, seed: int, progress: Progress | None = None
    ) -> None:
        self.subject = subject
        self.rng = np.random.default_rng(seed)
        self.progress = progress
        output = _deterministic_output(subject)
        self.slope = _Slope(subject, method, output.size)
        self.report = Report(self.slope.method, seed=seed)
        self.weights = _weights(output, subject.x.size, self.rng)  # (combinations, outputs)
        self.analytic = np.zeros((0, 0))
        self.given = False  # the analytic gradient came from the user
        self.wobble: Vector | None = None

    def compare(self, prefix: str = "") -> None:
        """Compare every entry, or signed projections and samples of each input if there are many.

        Most entries pass or are 0 = 0 by plain arithmetic, and are settled together; whatever is
        left is looked at one by one.
        """
        if not self.analytic.size:
            self.analytic = self.subject.pull(list(self.weights))
        places = list(_places(self.subject, self.rng))
        found = self._derivatives(places)
        expected = np.array([_along(self.analytic, along) for _, _, along in places])
        expected = expected.reshape(len(places), len(self.weights))
        numerical = found.values @ self.weights.T  # (places, combinations)
        errors = found.errors @ np.abs(self.weights).T
        settled = _settle(expected, numerical, errors, found.plain, RTOL[self.slope.method])

        def entries() -> Iterator[Entry]:
            for (row, column), verdict in np.ndenumerate(settled):
                name, index, along = places[row]
                a, n = float(expected[row, column]), float(numerical[row, column])
                ruling = _Ruling(float(errors[row, column]), verdict)
                if verdict is None:
                    ruling = self._judge(a, found.rows[row], column, along)
                output = f"output {column}" if len(self.weights) > 1 else ""
                yield Entry(prefix + name, index, output, a, n, *ruling)

        self.report.add(entries())
        self.report.coverage += _coverage(self, prefix)

    def _derivatives(self, places: list[_Place]) -> _Derivatives:
        rows = []
        for done, (_, _, along) in enumerate(places, start=1):
            rows.append(self.slope.along(along))
            if self.progress is not None:
                self.progress(done, len(places))
        return _Derivatives(rows, self.slope.outputs)

    def _judge(self, a: float, derivative: Derivative, column: int, along: Along) -> _Ruling:
        """Decide on one doubtful entry."""
        w, rtol = self.weights[column], RTOL[self.slope.method]
        n, error = float(w @ derivative.value), float(np.abs(w) @ derivative.error)
        if not (np.isfinite(a) and np.isfinite(n)):
            which = "numerical" if np.isfinite(a) else "analytic"
            return _Ruling(error, Verdict.FAIL, f"the {which} value is not finite")
        if derivative.left is not None and derivative.right is not None:
            sides = float(w @ derivative.left), float(w @ derivative.right)
            if not _close(*sides, 0.0, rtol):
                return _judge_kink(a, sides, error, rtol)
        if a == n == 0:
            return _Ruling(error, Verdict.VACUOUS)
        if not _close(a, n, error, rtol):
            error += float(np.abs(w) @ self.slope.rounding(along, self.rng))
            error += float(_along(self._rounding(), along)[column])
        return _Ruling(error, *_weigh(a, n, error, rtol))

    def _rounding(self) -> Vector:
        """How far rounding can put the analytic gradient off, found when it is first needed."""
        if self.wobble is None:
            known = not self.given  # a gradient from elsewhere does not say how it is computed
            weights = list(self.weights)
            zero = np.zeros_like(self.analytic)
            self.wobble = self.subject.rounding(weights, self.rng) if known else zero
        return self.wobble

    def compare_forward(self) -> None:
        """Compare forward mode with the numerical derivative along random directions."""
        for k in range(PROJECTIONS):
            u = self.rng.choice([-1.0, 1.0], self.subject.x.size)
            pushed, derivative = _push(self.subject, u), self.slope.along(u)
            moved = self.weights @ pushed
            rulings = [
                self._judge(float(a), derivative, column, u) for column, a in enumerate(moved)
            ]
            self.report.add(
                Entry("forward mode", f"along direction {k + 1}", f"output {column}", float(a),
                      float(self.weights[column] @ derivative.value), *ruling)
                for column, (a, ruling) in enumerate(zip(moved, rulings, strict=True))
            )  # fmt: skip

    def finish(self) -> Report:
        """Return the report."""
        self.report.evaluations += self.subject.evaluations
        return self.report


class _Ruling(NamedTuple):
    error: float
    verdict: Verdict
    note: str = ""


_Place = tuple[str, tuple[int, ...] | str, Along]


# --- preparation ----------------------------------------------------------------------------


def _deterministic_output(subject: Subject) -> Vector:
    first, second = (np.array(subject.value(subject.x)) for _ in range(2))
    if first.tobytes() != second.tobytes():
        raise GradcheckError(
            "the function gave two different results for the same inputs, so no difference of its "
            "values means anything. Draw randomness from a generator that the function or model "
            "holds on to (it is set back before every evaluation), or switch dropout off: eval()."
        )
    if not np.isfinite(first).all():
        raise GradcheckError("the function is not finite here, so it has no gradient to check")
    return first


def _weights(output: Vector, entries: int, rng: np.random.Generator) -> Vector:
    """The sums of outputs to differentiate: each output alone if that is affordable.

    Random weights are signed: with positive ones, errors of opposite sign would cancel less often
    than they should, and a zeroed entry would hide in the sum.
    """
    if output.size * entries <= EXHAUSTIVE or output.size == 1:
        return np.eye(output.size)
    signs = rng.choice([-1.0, 1.0], size=(PROJECTIONS, output.size))
    return signs * rng.uniform(0.5, 1.5, size=signs.shape)


def _given_gradient(gradient: Callable[..., Any], inputs: tuple[Any, ...], work: _Check) -> Vector:
    if work.slope.outputs != 1:
        raise GradcheckError("a gradient function is checked for a scalar function only")
    found = gradient(*inputs)
    parts = found if isinstance(found, list | tuple) else [found]
    shapes = [np.shape(p) for p in parts]
    if shapes != work.subject.shapes:
        raise GradcheckError(
            f"the gradient function gave shapes {shapes}, the inputs have {work.subject.shapes}"
        )
    return np.concatenate([np.asarray(p, float).ravel() for p in parts])[None]


class _Slope:
    """Numerical derivatives of the subject along directions, by the best method it allows."""

    def __init__(self, subject: Subject, method: str, outputs: int) -> None:
        self.subject = subject
        self.outputs = outputs
        self.method = "differences" if method == "differences" else "complex step"
        if method == "auto" and not self._complex_works():
            self.method = "differences"

    def _complex_works(self) -> bool:
        """Try it: the function must let the perturbation through and keep the same value."""
        x = self.subject.x
        try:
            by_complex_step(self.subject.value, x, np.ones_like(x))
        except (TinygradError, TypeError, ValueError, AttributeError, NotImplementedError):
            return False
        return True

    def along(self, along: Along) -> Derivative:
        """Return the derivative of all outputs by one entry or along a direction."""
        by = by_complex_step if self.method == "complex step" else by_differences
        return by(self.subject.value, self.subject.x, along)

    def rounding(self, along: Along, rng: np.random.Generator) -> Vector:
        """How far rounding can put the derivative off; error bars of differences include it."""
        if self.method == "differences":
            return np.zeros(self.outputs)
        return rounding_of_complex_step(self.subject.value, self.subject.x, along, rng)


class _Derivatives:
    """Derivatives of all outputs along many directions, as arrays (directions, outputs)."""

    def __init__(self, rows: list[Derivative], outputs: int) -> None:
        self.rows = rows
        self.values = np.array([r.value for r in rows]).reshape(len(rows), outputs)
        self.errors = np.array([r.error for r in rows]).reshape(len(rows), outputs)
        self.plain = np.array([r.left is None for r in rows], bool)  # no tie on the way


def _places(subject: Subject, rng: np.random.Generator) -> Iterator[_Place]:
    """What is compared: single entries, by their number, and directions of one input."""
    n = subject.x.size
    if n <= EXHAUSTIVE:
        for j in range(n):
            yield (*subject.locate(j), j)
        return
    starts = [0, *subject.ends[:-1]]
    for name, start, end in zip(subject.names, starts, subject.ends, strict=True):
        for k in range(PROJECTIONS if end > start else 0):
            direction = np.zeros(n)
            direction[start:end] = rng.choice([-1.0, 1.0], end - start)
            yield name, f"signed projection {k + 1}", direction
        for j in rng.choice(np.arange(start, end), min(SAMPLES, end - start), replace=False):
            yield (*subject.locate(int(j)), int(j))


# --- verdicts -------------------------------------------------------------------------------


def _settle(
    expected: Vector, numerical: Vector, errors: Vector, plain: Vector, rtol: float
) -> np.ndarray[Any, Any]:
    """PASS and VACUOUS where there is no doubt, None elsewhere."""
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(expected), np.abs(numerical))
        alike = np.abs(expected - numerical) <= 4 * errors + rtol * size
        sharp = 4 * errors <= TOO_WIDE * size
    sure = plain[:, None] & np.isfinite(expected) & np.isfinite(numerical)
    verdicts = np.full(expected.shape, None)
    verdicts[sure & alike & sharp & (size > 0)] = Verdict.PASS
    verdicts[sure & (size == 0)] = Verdict.VACUOUS
    return verdicts


def _along(analytic: Vector, along: Along) -> Vector:
    """One entry of every gradient, or the product of every gradient with a direction."""
    result: Vector = analytic[:, along] if isinstance(along, int) else analytic @ along
    return result


def _close(a: float, n: float, error: float, rtol: float) -> bool:
    return abs(a - n) <= 4 * error + rtol * max(abs(a), abs(n))


def _weigh(a: float, n: float, error: float, rtol: float) -> tuple[Verdict, str]:
    """Compare two values, one of them with an error bar."""
    if not _close(a, n, error, rtol):
        return Verdict.FAIL, ""
    size = max(abs(a), abs(n))
    if 4 * error <= TOO_WIDE * size:
        return Verdict.PASS, ""
    if size <= 4 * error:
        return Verdict.INCONCLUSIVE, Report.ZERO_TO_ROUNDING
    return Verdict.INCONCLUSIVE, "error bar too wide"


def _judge_kink(a: float, sides: tuple[float, float], error: float, rtol: float) -> _Ruling:
    low, high = sorted(sides)
    slack = 4 * error + rtol * max(abs(low), abs(high))
    between = low - slack <= a <= high + slack
    note = f"slopes {sides[0]:.6g} and {sides[1]:.6g} to the two sides"
    return _Ruling(error, Verdict.KINK if between else Verdict.FAIL, note)


def _coverage(work: _Check, prefix: str) -> list[str]:
    """What the check reached, and what it says nothing about."""
    subject, counts = work.subject, work.report.counts
    n = subject.x.size
    if n == 0:
        return ["there are no entries to compare"]
    nonzero = np.any(work.analytic != 0, axis=0)
    lines = [f"{prefix}{np.count_nonzero(nonzero):,} of {n:,} gradient entries non-zero"]
    for name, part in zip(subject.names, subject.split(nonzero), strict=True):
        if part.size and not part.any():
            lines.append(f"'{name}' has no influence here: its gradient is 0 everywhere")
        elif (
            part.ndim > 1
            and part.size
            and not (reached := part.reshape(len(part), -1).any(axis=1)).all()
        ):
            dead = np.flatnonzero(~reached)
            shown = ", ".join(map(str, dead[:8])) + (", ..." if dead.size > 8 else "")
            lines.append(f"'{name}': no gradient reaches rows {shown}")
    if counts[Verdict.VACUOUS] > sum(counts.values()) / 2:
        lines.append("most comparisons were 0 = 0, which says little about those entries")
    kinks = counts[Verdict.KINK]
    lines.append(f"ties met at {kinks} entries" if kinks else "ties never met")
    return lines


# --- beyond first order, entry by entry -----------------------------------------------------


def _identities(work: _Check) -> dict[str, str]:
    """Things that hold exactly, whatever the function: they need no numerical derivative."""
    subject, rng = work.subject, work.rng
    first = work.weights[0] if len(work.weights) else np.zeros(0)
    other = rng.standard_normal(first.size)
    before = subject.x.copy()
    pulled = subject.pull([first, other, 2.0 * first - 3.0 * other, 0.0 * first])
    mixed = 2.0 * pulled[0] - 3.0 * pulled[1]
    u = rng.standard_normal(subject.x.size)
    pushed = _push(subject, u)
    # Terms of which little is left carry the rounding of what they were.
    rounding = subject.rounding([other], rng)[0] / 1e-11
    same = np.array_equal(pulled[0], work.analytic[0]) if len(work.analytic) else True
    return {
        "a second call equals the first": "" if same else "they differ",
        "linear in the arriving gradient": _differ(pulled[2], mixed, np.abs(pulled).max()),
        "no gradient from a zero gradient": "" if not pulled[3].any() else "it is not zero",
        "<v, J u> = <Jᵀv, u>": _differ(
            other @ pushed, pulled[1] @ u, (np.abs(pulled[1] * u) + rounding * np.abs(u)).sum()
        ),
        "inputs are left alone": "" if np.array_equal(before, subject.x) else "they were changed",
    }


def _differ(a: Any, b: Any, scale: float) -> str:
    gap = float(np.max(np.abs(a - b), initial=0.0))
    return "" if gap <= 1e-11 * float(scale) else f"they differ by {gap:.3g}"


def _push(subject: Subject, u: Vector) -> Vector:
    """Return J u by forward mode over the recorded graph."""
    with subject.at(subject.x, track=True) as (output, inputs):
        moving: dict[Variable, Any] = dict(zip(inputs, subject.split(u), strict=True))
        engine.push(reversed(engine.topological_order(output)), moving, engine.read_array)
        tangent = moving.get(output)
        return np.zeros(output.size) if tangent is None else np.ravel(tangent)


def _float32(work: _Check) -> str:
    """Compare gradients in single precision with those in double, relative to their length."""
    single = work.subject.pull(list(work.weights), dtype=np.float32)
    gaps = np.abs(single - work.analytic).max(axis=1, initial=0.0)
    lengths = np.linalg.norm(work.analytic, axis=1)
    off = gaps > SINGLE * lengths
    if not off.any():
        return ""
    row = int(np.argmax(gaps - SINGLE * lengths))
    return f"off by {gaps[row]:.3g} in a gradient of length {lengths[row]:.3g}"


def _second_order(work: _Check, method: str) -> None:
    """Check the gradient of the gradient, projected on random vectors, and its symmetry."""
    r, s = work.rng.standard_normal((2, work.subject.x.size))
    by_r, by_s = (of_gradient(work.subject, work.weights[0], v) for v in (r, s))
    second = _Check(by_r, method, work.report.seed, work.progress)
    second.report = work.report
    second.compare("second order: ")
    hessian_s = by_s.pull([np.ones(1)])[0]
    scale = float(np.abs(hessian_s * r).sum())
    work.report.identities["the Hessian is symmetric"] = _differ(
        second.analytic[0] @ s, hessian_s @ r, scale
    )
