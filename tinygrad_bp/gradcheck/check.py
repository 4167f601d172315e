"""The gradient check: analytic against numerical, entry by entry, with nothing waved through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.containers import leaves
from tinygrad_bp.engine import Variable
from tinygrad_bp.errors import GradcheckError
from tinygrad_bp.gradcheck.blame import find_culprit
from tinygrad_bp.gradcheck.complex_step import SAFE
from tinygrad_bp.gradcheck.numerical import (
    EPS,
    Derivative,
    by_complex_step,
    by_differences,
    goes_through,
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
OUTPUTS = 1_000  # up to which each one is differentiated by itself
TOO_WIDE = 1e-4  # an error bar relative to the value beyond which nothing can be told
LEFT = 1e-8  # of terms that cancel, what is too little to compare
SHARP = 1e-10  # of terms that cancel, how small an error bar must be to say so
NEXT = 1e-2  # of a gradient, how far it may move within an ulp of the inputs to be the same one
GROWN = 1e4  # times what is seen on the way: more is no cancelling, but an unstable function
IDENTICAL = 1e-11  # how far apart the sides of an identity may be, relative to its terms
RESIDUE = 1e-13  # of the largest gradient on the way, what may be left where terms cancel
SCALES = 2.0**-10, 8.0  # of an arriving gradient; what is linear scales alike
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
        work = _Check(subject, method, seed, progress)
        if gradient is not None:
            work.given = _Given(gradient, inputs, work)
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
    if not (work.subject.x.size and work.output.size):
        return
    if identities:
        work.report.identities |= _identities(work)
    if forward:
        work.compare_forward()
    if float32:
        work.report.identities["float32 agrees with float64"] = _float32(work)
    if work.report.counts[Verdict.FAIL]:
        work.report.blame = find_culprit(work.subject, list(work.weights), work.rng)
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
        self.output = _deterministic_output(subject)
        self.slope = _Slope(subject, method, self.output)
        self.report = Report(self.slope.method, seed=seed)
        self.weights = _weights(self.output, subject.x.size, self.rng)  # (combinations, outputs)
        self.analytic = np.zeros((0, 0))
        self.given: _Given | None = None  # the gradient function of the user
        self.wobble: tuple[Vector, Vector, float] | None = None

    def compare(self, prefix: str = "") -> None:
        """Compare every entry, or signed projections and samples of each input if there are many.

        Most entries pass or are 0 = 0 by plain arithmetic, and are settled together; whatever is
        left is looked at one by one.
        """
        self.analytic = self.given(self.subject.x) if self.given else self.pull()
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
                    if self.slope.too_coarse(along, max(abs(a), abs(n))):
                        found.rows[row] = self.slope.by_differences(along)
                        n = float(self.weights[column] @ found.rows[row].value)
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

    def pull(self) -> Vector:
        """Return the analytic gradient of every combination of outputs."""
        return self.subject.pull(list(self.weights))

    def _judge(self, a: float, derivative: Derivative, column: int, along: Along) -> _Ruling:
        """Decide on one doubtful entry."""
        rtol, part = RTOL[self.slope.method], self.weights[column] != 0  # 0 times inf is nan
        w = self.weights[column][part]
        n, error = float(w @ derivative.value[part]), float(np.abs(w) @ derivative.error[part])
        if not (np.isfinite(a) and np.isfinite(n)):
            return _judge_not_finite(a, n, error)
        if derivative.left is not None and derivative.right is not None:
            sides = float(w @ derivative.left[part]), float(w @ derivative.right[part])
            if not _close(*sides, 0.0, rtol):
                return _judge_kink(a, sides, error, rtol)
        ruling = _Ruling(error, *_weigh(a, n, error, rtol))
        if a == n == 0 or ruling.verdict is Verdict.PASS:
            return ruling._replace(verdict=Verdict.PASS if a else Verdict.VACUOUS, note="")
        rounded, moved, peak = self._rounding(along, column)
        error += rounded
        # A gradient that is another one next to this point is no matter of rounding.
        error += moved if moved <= NEXT * max(abs(a), abs(n)) else 0.0
        cancelled = min((rounded + moved) / EPS, GROWN * peak)
        return _Ruling(error, *_weigh(a, n, error, rtol, cancelled))

    def _rounding(self, along: Along, column: int) -> tuple[float, float, float]:
        """How far rounding can put both values off, within an ulp of x, and the largest on the way.

        The first holds at x itself; the second is how far the gradient moves with x.
        """
        if self.wobble is None:  # found when it is first needed
            self.wobble = self._find_rounding()
        here, next_to_it, peak = self.wobble
        moved = float(_along(next_to_it, along, np.abs)[column])
        rounded = float(_along(here, along, np.abs)[column])
        if self.slope.method == "differences":  # their error bars include it
            return rounded, moved, peak
        subject = self.subject
        numerical, other = rounding_of_complex_step(subject.value, subject.x, along, self.rng)
        rounded += float(np.abs(self.weights[column]) @ numerical)
        return rounded, moved, max(peak, other)

    def _find_rounding(self) -> tuple[Vector, Vector, float]:
        if self.given:
            return np.zeros_like(self.analytic), self.given.rounding(self.rng), 1.0
        weights = list(self.weights)
        here, peak = self.subject.rounding(weights, self.rng, from_here=True)
        next_to_it, _ = self.subject.rounding(weights, self.rng)
        return here, next_to_it, peak

    def compare_forward(self) -> None:
        """Compare forward mode with the numerical derivative along random directions."""
        for k in range(PROJECTIONS):
            u = self.rng.choice([-1.0, 1.0], self.subject.x.size)
            (_, pushed), derivative = _push(self.subject, u), self.slope.along(u)
            moved = self.weights @ pushed
            found = [
                self.slope.by_differences(u) if self.slope.too_coarse(u, abs(a)) else derivative
                for a in moved
            ]
            rulings = [
                self._judge(float(a), d, column, u)
                for column, (a, d) in enumerate(zip(moved, found, strict=True))
            ]
            self.report.add(
                Entry("forward mode", f"along direction {k + 1}", f"output {column}", float(a),
                      float(self.weights[column] @ d.value), *ruling)
                for column, (a, d, ruling) in enumerate(zip(moved, found, rulings, strict=True))
            )  # fmt: skip

    def finish(self) -> Report:
        """Look at what every check must leave as it was, and return the report."""
        subject, known = self.subject, self.report.identities
        again = np.array(subject.value(subject.x))
        known["the function gives the same again"] = (
            "" if again.tobytes() == self.output.tobytes() else "it gives something else afterwards"
        )
        if self.given:
            same = np.array_equal(self.given(subject.x), self.analytic, equal_nan=True)
            known["a second call equals the first"] = "" if same else "they differ"
        spoilt = subject.written or (self.given and self.given.written)
        known["inputs are left alone"] = "they were written to" if spoilt else ""
        self.report.coverage += subject.left_out
        self.report.evaluations += subject.evaluations
        return self.report


class _Ruling(NamedTuple):
    error: float
    verdict: Verdict
    note: str = ""


_Place = tuple[str, tuple[int, ...] | str, Along]


# --- preparation ----------------------------------------------------------------------------


def _deterministic_output(subject: Subject) -> Vector:
    if subject.draws_from_global_generators():
        subject.replay_global_generators()
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
    every = output.size <= OUTPUTS and output.size * entries <= EXHAUSTIVE
    if every or output.size == 1:
        return np.eye(output.size)
    signs = rng.choice([-1.0, 1.0], size=(PROJECTIONS, output.size))
    alone = rng.choice(output.size, min(SAMPLES, output.size), replace=False)
    single = np.zeros((alone.size, output.size))
    single[np.arange(alone.size), alone] = 1.0
    return np.concatenate([signs * rng.uniform(0.5, 1.5, size=signs.shape), single])


class _Given:
    """A gradient function of the user, as a function of the flat vector of all inputs."""

    def __init__(self, gradient: Callable[..., Any], inputs: tuple[Any, ...], work: _Check) -> None:
        if work.output.size != 1:
            raise GradcheckError(
                "a gradient function is checked for a scalar function only; for others there is "
                "check_vjp"
            )
        self._gradient = gradient
        self._inputs = inputs
        self._subject = work.subject
        self.written = False

    def __call__(self, flat: Vector) -> Vector:
        """Return the gradient at a flat vector, as a row."""
        subject = self._subject
        arrays = subject.split(flat.copy())
        found = self._gradient(*subject.arguments(self._inputs, arrays))
        self.written |= not np.array_equal(np.concatenate([a.ravel() for a in arrays]), flat)
        parts = leaves(found)
        shapes = [np.shape(p) for p in parts]
        if shapes != subject.shapes:
            raise GradcheckError(
                f"the gradient function gave shapes {shapes}, the inputs have {subject.shapes}"
            )
        return np.concatenate([np.asarray(p, float).ravel() for p in parts])[None]

    def rounding(self, rng: np.random.Generator) -> Vector:
        """Return how far the gradient moves when the inputs move by up to an ulp."""
        x = self._subject.x
        moved = [self(x * (1 + EPS * rng.uniform(-1, 1, x.size))) for _ in range(3)]
        result: Vector = np.max(np.abs(np.array(moved) - self(x)), axis=0)
        return result


class _Slope:
    """Numerical derivatives of the subject along directions, by the best method it allows."""

    def __init__(self, subject: Subject, method: str, output: Vector) -> None:
        self.subject = subject
        self.outputs = output.size
        self.method = "differences" if method == "differences" else "complex step"
        underflows = 0 < np.abs(output).max(initial=0.0) < SAFE[1]
        if method == "auto" and (underflows or not goes_through(subject.value, subject.x)):
            self.method = "differences"

    def along(self, along: Along) -> Derivative:
        """Return the derivative of all outputs by one entry or along a direction."""
        by = by_complex_step if self.method == "complex step" else by_differences
        return by(self.subject.value, self.subject.x, along)

    def too_coarse(self, along: Along, size: float) -> bool:
        """Whether the complex step is too large for so small an input, or underflows."""
        moved = np.abs(self.subject.x[along if isinstance(along, int) else along != 0])
        near, small = SAFE
        tiny = np.any((moved > 0) & (moved < near))
        return self.method == "complex step" and bool(tiny or 0 < size < small)

    def by_differences(self, along: Along) -> Derivative:
        """Return the derivative by differences, whatever the method is otherwise."""
        found = by_differences(self.subject.value, self.subject.x, along)
        found.error = found.error + RTOL["differences"] / 4 * np.abs(found.value)
        return found


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
    verdicts[sure & (size == 0) & np.isfinite(errors)] = Verdict.VACUOUS
    return verdicts


def _along(analytic: Vector, along: Along, size: Callable[[Any], Any] = np.positive) -> Vector:
    """One entry of every gradient, or the product of every gradient with a direction."""
    result: Vector = analytic[:, along] if isinstance(along, int) else analytic @ size(along)
    return result


def _close(a: float, n: float, error: float, rtol: float) -> bool:
    return abs(a - n) <= 4 * error + rtol * max(abs(a), abs(n))


def _weigh(
    a: float, n: float, error: float, rtol: float, cancelled: float = 0.0
) -> tuple[Verdict, str]:
    """Compare two values, one of them with an error bar, that are left of terms that cancelled."""
    if not _close(a, n, error, rtol):
        return Verdict.FAIL, ""
    size = max(abs(a), abs(n))
    if 4 * error <= TOO_WIDE * size:
        return Verdict.PASS, ""
    if size <= LEFT * cancelled and 4 * error <= SHARP * cancelled:
        return Verdict.VACUOUS, "zero to rounding"
    return Verdict.INCONCLUSIVE, "the error bar is too wide"


def _judge_not_finite(a: float, n: float, error: float) -> _Ruling:
    if not np.isfinite(a):
        return _Ruling(error, Verdict.FAIL, "the analytic value is not finite")
    if np.isinf(n):
        return _Ruling(error, Verdict.FAIL, "the slope of the function is not finite")
    return _Ruling(error, Verdict.INCONCLUSIVE, "no step stays in the function's domain")


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
    scaled = [factor * other for factor in SCALES]
    pulled = subject.pull([first, other, 0.0 * first, 2.0 * first - 3.0 * other, *scaled])
    straight = [2.0 * pulled[0] - 3.0 * pulled[1], *(factor * pulled[1] for factor in SCALES)]
    u = rng.standard_normal(subject.x.size)
    value, pushed = _push(subject, u)
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


def _push(subject: Subject, u: Vector) -> tuple[Vector, Vector]:
    """Return the value and J u, by forward mode over the recorded graph."""
    with subject.at(subject.x, track=True) as (output, inputs):
        moving: dict[Variable, Any] = dict(zip(inputs, subject.split(u), strict=True))
        engine.push(reversed(engine.topological_order(output)), moving, engine.read_array)
        tangent = moving.get(output)
        pushed = np.zeros(output.size) if tangent is None else np.ravel(tangent)
        return np.array(output.data), pushed


def _float32(work: _Check) -> str:
    """Compare gradients in single precision with those in double, relative to their length."""
    single = work.subject.pull(list(work.weights), dtype=np.float32)
    gaps = np.abs(single - work.analytic).max(axis=1, initial=0.0)
    lengths = np.linalg.norm(work.analytic, axis=1)
    off = ~(gaps <= SINGLE * lengths)  # nan is off
    if not off.any():
        return ""
    row = int(np.argmax(np.where(off, gaps, -1.0)))
    return f"off by {gaps[row]:.3g} in a gradient of length {lengths[row]:.3g}"


def _second_order(work: _Check, method: str) -> None:
    """Check the gradient of the gradient, projected on random vectors, and its symmetry."""
    r, s = work.rng.standard_normal((2, work.subject.x.size))
    by_r, by_s = (of_gradient(work.subject, work.weights[0], v) for v in (r, s))
    second = _Check(by_r, method, work.report.seed, work.progress)
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
