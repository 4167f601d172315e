"""The gradient check: analytic against numerical, entry by entry, with nothing waved through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.engine import Variable
from tinygrad_bp.errors import GradcheckError, TinygradError
from tinygrad_bp.gradcheck.blame import find_culprit
from tinygrad_bp.gradcheck.numerical import Derivative, by_complex_step, by_differences
from tinygrad_bp.gradcheck.report import Entry, Report, Verdict
from tinygrad_bp.gradcheck.subject import Subject, of_function, of_model
from tinygrad_bp.nn import Module

__all__ = ["check"]

Vector = np.ndarray[Any, Any]

EXHAUSTIVE = 50_000
"""Entries up to which every one is compared."""

RTOL = {"complex step": 1e-10, "differences": 1e-7}
PROJECTIONS = 4
SAMPLES = 20
NEGLIGIBLE = 1e-12  # of the largest entry: what rounding leaves of an exact zero


def check(
    function: Callable[..., Any],
    *inputs: Any,
    gradient: Callable[..., Any] | None = None,
    method: str = "auto",
    identities: bool = True,
    seed: int = 0,
) -> Report:
    """Compare a function's analytic gradient with a numerical one, entry by entry.

    `check(f, *inputs)` takes a function of arrays, tensors and nested containers of them, with
    any output shape; `check(model, loss, (x, y))` takes a model and checks all its parameters.
    With `gradient`, that function's result is checked instead of this library's own gradient: it
    is called on the same inputs and returns one array per floating-point input.

    Everything runs in double precision. `method` is "complex", "differences" or "auto": complex
    step where the function allows it. There is no absolute tolerance and no way to widen one.
    Returns a `Report`; the inputs and every random generator found are left as they were.

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
    rng = np.random.default_rng(seed)
    output = _deterministic_output(subject)
    slope = _Slope(subject, method, output.size)
    weights = _weights(output, subject.x.size, rng)
    if gradient is None:
        analytic = subject.pull(weights)
    else:
        analytic, weights = _given_gradient(gradient, inputs, output, subject), [np.ones(1)]
    report = Report(slope.method, seed=seed)
    _compare(subject, slope, analytic, weights, report, rng)
    if gradient is None and identities and subject.x.size:
        report.identities = _identities(subject, weights, analytic, rng)
    if gradient is None and report.counts[Verdict.FAIL]:
        report.blame = find_culprit(subject, rng)
    report.evaluations = subject.evaluations
    return report


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


def _weights(output: Vector, entries: int, rng: np.random.Generator) -> list[Vector]:
    """The sums of outputs to differentiate: each output alone if that is affordable.

    Random weights are signed: with positive ones, errors of opposite sign would cancel less often
    than they should, and a zeroed entry would hide in the sum.
    """
    if output.size * entries <= EXHAUSTIVE or output.size == 1:
        return list(np.eye(output.size))
    signs = rng.choice([-1.0, 1.0], size=(PROJECTIONS, output.size))
    return list(signs * rng.uniform(0.5, 1.5, size=signs.shape))


def _given_gradient(
    gradient: Callable[..., Any], inputs: tuple[Any, ...], output: Vector, subject: Subject
) -> Vector:
    if output.size != 1:
        raise GradcheckError("a gradient function is checked for a scalar function only")
    found = gradient(*inputs)
    parts = found if isinstance(found, list | tuple) else [found]
    if [np.shape(p) for p in parts] != subject.shapes:
        raise GradcheckError(
            f"the gradient function gave shapes {[np.shape(p) for p in parts]}, the inputs have "
            f"{subject.shapes}"
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
            by_complex_step(self._function, x, np.ones_like(x))
        except (TinygradError, TypeError, ValueError, AttributeError, NotImplementedError):
            return False
        return True

    def _function(self, flat: Any) -> Any:
        return self.subject.value(flat)

    def along(self, direction: int | Vector, x: Vector | None = None) -> Derivative:
        """Return the derivative of all outputs by one entry or along a direction."""
        at = self.subject.x if x is None else x
        if self.method == "complex step":
            return by_complex_step(self._function, at, direction)
        return by_differences(self._function, at, direction)

    def table(self, directions: list[int | Vector]) -> _Table:
        """Return the derivatives along many directions."""
        return _Table([self.along(direction) for direction in directions], self.outputs)

    def spread(self, direction: int | Vector, rng: np.random.Generator) -> Vector:
        """How far the derivative moves when every input moves by an ulp: what rounding can do."""
        x = self.subject.x
        center = self.along(direction).value
        gaps = []
        for _ in range(3):
            beside = np.nextafter(x, x + rng.choice([-1.0, 1.0], x.size))
            gaps.append(np.abs(self.along(direction, beside).value - center))
        result: Vector = np.max(gaps, axis=0)
        return result


class _Table:
    """Derivatives of all outputs along many directions, as arrays (directions, outputs)."""

    def __init__(self, rows: list[Derivative], outputs: int) -> None:
        self._rows = rows
        self.values = np.array([r.value for r in rows]).reshape(len(rows), outputs)
        self.errors = np.array([r.error for r in rows]).reshape(len(rows), outputs)
        self.plain = np.array([r.left is None for r in rows], bool)  # no tie on the way

    def at(self, row: int) -> Derivative:
        """Return one of them."""
        return self._rows[row]


# --- comparison -----------------------------------------------------------------------------


def _compare(
    subject: Subject,
    slope: _Slope,
    analytic: Vector,
    weights: list[Vector],
    report: Report,
    rng: np.random.Generator,
) -> None:
    """Compare every entry, or signed projections and samples of each input if there are many.

    Most entries pass or are 0 = 0 by plain arithmetic, and are settled together; whatever is
    left is looked at one by one.
    """
    places = list(_places(subject, rng))
    table = np.array(weights)  # (weights, outputs)
    found = slope.table([direction for _, _, direction in places])
    expected = np.array([_along(analytic, direction) for _, _, direction in places])
    expected = expected.reshape(len(places), len(weights))
    numerical = found.values @ table.T  # (places, weights)
    errors = found.errors @ np.abs(table).T
    settled = _settle(expected, numerical, errors, found.plain, RTOL[slope.method])
    scale = np.abs(analytic).max(axis=1, initial=0.0)

    def entries() -> Iterator[Entry]:
        for (row, column), verdict in np.ndenumerate(settled):
            name, index, direction = places[row]
            a, n = float(expected[row, column]), float(numerical[row, column])
            ruling = (float(errors[row, column]), verdict, "")
            if verdict is None:
                doubtful = found.at(row), table[column], a, slope, float(scale[column])
                ruling = _judge(*doubtful, direction, rng)
            output = f"output {column}" if len(weights) > 1 else ""
            yield Entry(name, index, output, a, n, *ruling)

    report.add(entries())
    report.coverage = _coverage(subject, analytic, report)


def _settle(
    expected: Vector, numerical: Vector, errors: Vector, plain: Vector, rtol: float
) -> np.ndarray[Any, Any]:
    """PASS and VACUOUS where there is no doubt, None elsewhere."""
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(expected), np.abs(numerical))
        alike = np.abs(expected - numerical) <= 4 * errors + rtol * size
        sharp = 4 * errors <= 1e-3 * size
    sure = plain[:, None] & np.isfinite(expected) & np.isfinite(numerical)
    verdicts = np.full(expected.shape, None)
    verdicts[sure & alike & sharp & (size > 0)] = Verdict.PASS
    verdicts[sure & (size == 0)] = Verdict.VACUOUS
    return verdicts


def _along(analytic: Vector, direction: int | Vector) -> Vector:
    """One entry of every gradient, or the product of every gradient with a direction."""
    result: Vector = analytic[:, direction] if isinstance(direction, int) else analytic @ direction
    return result


def _places(
    subject: Subject, rng: np.random.Generator
) -> Iterator[tuple[str, tuple[int, ...] | str, int | Vector]]:
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


def _judge(
    derivative: Derivative,
    w: Vector,
    a: float,
    slope: _Slope,
    scale: float,
    direction: int | Vector,
    rng: np.random.Generator,
) -> tuple[float, Verdict, str]:
    """Decide on one doubtful entry: (error, verdict, note)."""
    n = float(w @ derivative.value)
    error = float(np.abs(w) @ derivative.error)
    rtol = RTOL[slope.method]
    if not np.isfinite(a):
        return error, Verdict.FAIL, "the analytic value is not finite"
    if not np.isfinite(n):
        return error, Verdict.FAIL, "the slope is infinite or undefined here"
    if derivative.left is not None and derivative.right is not None:
        sides = float(w @ derivative.left), float(w @ derivative.right)
        if not _close(*sides, 0.0, rtol):
            return error, *_judge_kink(a, sides, rtol)
    if a == n == 0:
        return error, Verdict.VACUOUS, ""
    if not _close(a, n, error, rtol) and slope.method == "complex step":
        error = float(np.abs(w) @ slope.spread(direction, rng))
    if not _close(a, n, error, rtol):
        return error, Verdict.FAIL, ""
    size = max(abs(a), abs(n))
    if 4 * error > 1e-3 * size:
        note = "zero to rounding" if size <= NEGLIGIBLE * scale else "error bar too wide"
        return error, Verdict.INCONCLUSIVE, note
    return error, Verdict.PASS, ""


def _close(a: float, n: float, error: float, rtol: float) -> bool:
    return abs(a - n) <= 4 * error + rtol * max(abs(a), abs(n))


def _judge_kink(a: float, sides: tuple[float, float], rtol: float) -> tuple[Verdict, str]:
    low, high = sorted(sides)
    slack = rtol * max(abs(low), abs(high))
    between = low - slack <= a <= high + slack
    note = f"slopes {sides[0]:.6g} and {sides[1]:.6g} to the two sides"
    return Verdict.KINK if between else Verdict.FAIL, note


def _coverage(subject: Subject, analytic: Vector, report: Report) -> list[str]:
    n = subject.x.size
    if n == 0:
        return ["there are no entries to compare"]
    nonzero = np.any(analytic != 0, axis=0)
    lines = [f"{np.count_nonzero(nonzero):,} of {n:,} gradient entries non-zero"]
    for name, part in zip(subject.names, subject.split(nonzero), strict=True):
        if part.size and not part.any():
            lines.append(f"'{name}' has no influence here: its gradient is 0 everywhere")
        elif part.ndim > 1 and not (rows := part.reshape(len(part), -1).any(axis=1)).all():
            dead = np.flatnonzero(~rows)
            shown = ", ".join(map(str, dead[:8])) + (", ..." if dead.size > 8 else "")
            lines.append(f"'{name}': no gradient reaches rows {shown}")
    if report.counts[Verdict.VACUOUS] > sum(report.counts.values()) / 2:
        lines.append("most entries were 0 = 0, which says little; try other inputs")
    lines.append(
        f"ties met at {report.counts[Verdict.KINK]} entries"
        if report.counts[Verdict.KINK]
        else "ties never met"
    )
    return lines


# --- identities -----------------------------------------------------------------------------


def _identities(
    subject: Subject, weights: list[Vector], analytic: Vector, rng: np.random.Generator
) -> dict[str, str]:
    """Things that hold exactly, whatever the function: they need no numerical derivative."""
    first = weights[0]
    other = rng.standard_normal(first.size)
    pulled = subject.pull([first, other, 2.0 * first - 3.0 * other, 0.0 * first])
    mixed = 2.0 * pulled[0] - 3.0 * pulled[1]
    u = rng.standard_normal(subject.x.size)
    pushed = _push(subject, u)
    return {
        "second call equals the first": (
            "" if np.array_equal(pulled[0], analytic[0], equal_nan=False) else "they differ"
        ),
        "linear in the arriving gradient": _differ(pulled[2], mixed, np.abs(pulled).max()),
        "no gradient from a zero gradient": "" if not pulled[3].any() else "it is not zero",
        "<v, J u> = <Jᵀv, u>": _differ(
            np.array(other @ pushed), np.array(pulled[1] @ u), np.abs(pulled[1] * u).sum()
        ),
    }


def _differ(a: Vector, b: Vector, scale: float) -> str:
    gap = float(np.max(np.abs(a - b), initial=0.0))
    return "" if gap <= 1e-11 * float(scale) else f"they differ by {gap:.3g}"


def _push(subject: Subject, u: Vector) -> Vector:
    """Return J u by forward mode over the recorded graph."""
    with subject.at(subject.x, track=True) as (output, inputs):
        moving: dict[Variable, Any] = dict(zip(inputs, subject.split(u), strict=True))
        order = engine.topological_order(output)
        engine.push(reversed(order), moving, engine.read_array)
        tangent = moving.get(output)
        return np.zeros(output.size) if tangent is None else np.ravel(tangent)
