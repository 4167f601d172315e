"""How well numerical derivatives do, and whether a gradient is one: errors as a function of h.

    step_sizes   the V of every difference formula: truncation falls with h, rounding grows
    taylor       what is left of f(x + hv) after its value, and after its slope, is taken away

Both measure slopes in doubly logarithmic scale, where an error of order h^p is a line of slope p.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_bp.autodiff import grad
from tinygrad_bp.errors import GradcheckError, TinygradError
from tinygrad_bp.gradcheck.numerical import by_complex_step
from tinygrad_bp.tensor import Tensor, array_of

__all__ = [
    "METHODS",
    "StepCurve",
    "StepStudy",
    "TaylorStudy",
    "squire_trapp",
    "step_sizes",
    "taylor",
]

Function = Callable[[Any], Any]
Vector = np.ndarray[Any, Any]


# --- the formulas ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Method:
    """A formula for a derivative from values: its order, and what rounding does to it."""

    slope: Callable[[Function, Vector, Vector, Any], Any]  # of f at x along v with step h
    truncation: int  # the error is of order h to this power
    rounding: int  # and of order eps times h to that one
    mark: str
    color: str
    width: float = 1.6


def _forward(f: Function, x: Vector, v: Vector, h: Any) -> Any:
    return (f(x + h * v) - f(x)) / h


def _central(f: Function, x: Vector, v: Vector, h: Any) -> Any:
    return (f(x + h * v) - f(x - h * v)) / (2 * h)


def _five_point(f: Function, x: Vector, v: Vector, h: Any) -> Any:
    near = f(x + h * v) - f(x - h * v)
    far = f(x + 2 * h * v) - f(x - 2 * h * v)
    return (8 * near - far) / (12 * h)


def _complex_step(f: Function, x: Vector, v: Vector, h: Any) -> Any:
    return np.imag(f(x + 1j * h * v)) / h


METHODS: dict[str, _Method] = {
    "forward": _Method(_forward, 1, -1, "f", "#c44e52"),
    "central": _Method(_central, 2, -1, "c", "#dd8452"),
    "five-point": _Method(_five_point, 4, -1, "5", "#55a868"),
    "complex step": _Method(_complex_step, 2, 0, "i", "#8fb4dc", 4.0),
}
"""The formulas that `step_sizes` compares, by name."""

ENTRIES = 32  # compared one by one; longer gradients along as many random directions


def squire_trapp(x: Any) -> Any:
    """Return the sum of exp(x) / (sin³x + cos³x), with which the complex step became known.

    It grows steeply towards its poles, the nearest of them at -π/4 and 3π/4, and so is hard on
    difference formulas. Source: Squire, Trapp, Using Complex Variables to Estimate Derivatives
    of Real Functions (1998).

    >>> squire_trapp(np.array([0.0, 1.5])).round(6)
    np.float64(5.513929)
    """
    return np.sum(np.exp(x) / (np.sin(x) ** 3 + np.cos(x) ** 3))


# --- step sizes -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StepCurve:
    """The relative error of one formula in one precision, for every step."""

    method: str
    dtype: str
    h: Vector
    error: Vector

    @property
    def best(self) -> tuple[float, float]:
        """The step with the smallest error, and that error."""
        i = int(np.argmin(self.error))
        return float(self.h[i]), float(self.error[i])

    @property
    def truncating(self) -> Vector:
        """Where the truncation error is all there is: True for those steps."""
        h, least = self.best
        above = self.error > 8 * max(least, self._eps)
        return np.asarray((self.h > h) & above & (self.error < 0.1))

    @property
    def rounding(self) -> Vector:
        """Where rounding is all there is: True for those steps."""
        flat = METHODS[self.method].rounding == 0  # wherever the best step happens to be
        small = self.error < 30 * self._eps if flat else self.h < self.best[0] / 10
        return np.asarray(small & (self.error < 0.1))

    @property
    def truncation_slope(self) -> float:
        """The measured order of the truncation error; nan if too few steps show it."""
        return _slope(self.h[self.truncating], self.error[self.truncating])

    @property
    def rounding_slope(self) -> float:
        """The measured growth of the rounding error; nan if too few steps show it."""
        error = np.maximum(self.error[self.rounding], self._eps / 16)
        return _slope(self.h[self.rounding], error)

    @property
    def _eps(self) -> float:
        return float(np.finfo(self.dtype).eps)


def _slope(h: Vector, error: Vector) -> float:
    """The median slope between points in doubly logarithmic scale: outliers do not move it.

    Source: Sen, Estimates of the Regression Coefficient Based on Kendall's Tau (1968).
    """
    if h.size < 4:
        return float("nan")
    a, b = np.triu_indices(h.size, 1)
    x, y = np.log(h), np.log(error)
    return float(np.median((y[b] - y[a]) / (x[b] - x[a])))


@dataclass(frozen=True)
class StepStudy:
    """Errors against steps; `str()` draws them, `plot()` too, `to_dict()` gives JSON values."""

    curves: list[StepCurve]

    def best(self) -> dict[tuple[str, str], tuple[float, float]]:
        """Return for each (method, dtype) the best step and its error."""
        return {(curve.method, curve.dtype): curve.best for curve in self.curves}

    def to_dict(self) -> dict[str, Any]:
        """Return the study as JSON values; slopes that cannot be measured are None."""
        return {
            "curves": [
                {
                    "method": curve.method,
                    "dtype": curve.dtype,
                    "h": curve.h.tolist(),
                    "error": curve.error.tolist(),
                    "best": dict(zip(("h", "error"), curve.best, strict=True)),
                    "truncation_slope": _number(curve.truncation_slope),
                    "rounding_slope": _number(curve.rounding_slope),
                    "theory": {
                        "truncation_slope": METHODS[curve.method].truncation,
                        "rounding_slope": METHODS[curve.method].rounding,
                    },
                }
                for curve in self.curves
            ]
        }

    def __str__(self) -> str:
        parts = []
        for dtype in self._dtypes():
            mine = self._of(dtype)
            marks = "   ".join(f"{METHODS[c.method].mark} {c.method}" for c in mine)
            title = f"{dtype}: relative error of the derivative against the step h"
            parts += [title, f"{'':8}{marks}", *_drawn(mine), ""]
        return "\n".join([*parts, *self._table()])

    def _dtypes(self) -> list[str]:
        return list(dict.fromkeys(curve.dtype for curve in self.curves))

    def _of(self, dtype: str) -> list[StepCurve]:
        return [curve for curve in self.curves if curve.dtype == dtype]

    def _table(self) -> Iterator[str]:
        yield f"{'':24}{'best':>8}{'relative':>10}  {'slope of the error (theory)':^30}".rstrip()
        yield f"{'':24}{'step':>8}{'error':>10}  {'truncation':^15}{'rounding':^15}".rstrip()
        for curve in self.curves:
            h, error = curve.best
            theory = METHODS[curve.method]
            yield (
                f"{curve.dtype:10}{curve.method:14}{h:8.0e}{error:10.1e}"
                f"  {_compared(curve.truncation_slope, theory.truncation):^15}"
                f"{_compared(curve.rounding_slope, theory.rounding):^15}"
            ).rstrip()

    def plot(self, path: str | Path) -> None:
        """Draw the curves into a file, one panel for each precision; needs matplotlib."""
        from matplotlib.figure import Figure

        dtypes = self._dtypes()
        figure = Figure(figsize=(5.2 * len(dtypes), 5.0), dpi=150, layout="constrained")
        panels = figure.subplots(1, len(dtypes), sharex=True, sharey=True, squeeze=False)[0]
        for axes, dtype in zip(panels, dtypes, strict=True):
            _draw_panel(axes, dtype, self._of(dtype))
        handles = dict(zip(*panels[0].get_legend_handles_labels()[::-1], strict=True))
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=4, frameon=False)
        panels[0].set_ylabel("relative error of the derivative", color=_INK)
        figure.savefig(Path(path))


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _compared(measured: float, theory: int) -> str:
    return f"{measured:+.2f} ({theory:+d})" if np.isfinite(measured) else f"- ({theory:+d})"


def step_sizes(
    f: Function,
    x: ArrayLike,
    *,
    methods: Sequence[str] | None = None,
    dtypes: Sequence[Any] = (np.float32, np.float64),
    h: ArrayLike | None = None,
    seed: int = 0,
) -> StepStudy:
    """Measure the error of difference formulas at many steps, in single and double precision.

    `f` takes an array like `x` and gives a scalar, in NumPy functions that keep the dtype; for
    the complex step they must be analytic. The error is the norm of the difference to the true
    gradient over the norm of that: all entries up to 32, else 32 random signed directions. The
    truth is the complex step in double precision with its step 2**-565, or this library's own
    gradient where complex numbers cannot go; the complex step is then left out, unless it is
    among the `methods`. Raises `ValueError` for an unknown method and `GradcheckError` if f is
    not a scalar or its gradient is 0.

    Source: Squire, Trapp, Using Complex Variables to Estimate Derivatives of Real Functions
    (1998), for the comparison.

    >>> study = step_sizes(np.exp, 1.0, dtypes=[np.float64])
    >>> h, error = study.best()["central", "float64"]
    >>> 1e-7 < h < 1e-4, error < 1e-9
    (True, True)
    """
    if unknown := [name for name in methods or () if name not in METHODS]:
        raise ValueError(f"unknown method {unknown[0]!r}; there are {', '.join(METHODS)}")
    chosen = _methods_for(f, np.asarray(x, dtypes[0])) if methods is None else methods
    steps = np.logspace(-16, 0, 65) if h is None else np.asarray(h, float)
    curves = []
    for dtype in map(np.dtype, dtypes):
        truth = _Truth(f, np.asarray(x, dtype), seed)
        for name in chosen:
            error = np.array([truth.error_of(METHODS[name].slope, step) for step in steps])
            curves.append(StepCurve(name, dtype.name, steps, error))
    return StepStudy(curves)


def _methods_for(f: Function, x: Vector) -> list[str]:
    """All methods, without the complex step if complex numbers do not get through f."""
    try:
        found = _on_arrays(f)(x + 0j)
    except Exception:  # whatever somebody's function does with them
        return [name for name in METHODS if name != "complex step"]
    goes_through = np.iscomplexobj(found)
    return [name for name in METHODS if goes_through or name != "complex step"]


class _Truth:
    """A function at a point, and its true slopes along some directions there."""

    def __init__(self, f: Function, x: Vector, seed: int) -> None:
        self.f = _on_arrays(f)
        _scalar(self.f(x))
        self.x = x
        self.directions = [v.astype(x.dtype) for v in _directions(x, seed)]
        # They must belong to the very point and directions that single precision has.
        self.slopes = np.array([_true_slope(f, x, v) for v in self.directions])
        self.size = float(np.linalg.norm(self.slopes))
        if not self.size:
            raise GradcheckError("the gradient is 0 here, so no error can be relative to it")

    def error_of(self, slope: Callable[[Function, Vector, Vector, Any], Any], step: float) -> float:
        """The relative error of a formula at one step."""
        h = self.x.dtype.type(step)  # a float64 step would make everything float64
        # Huge steps leave domains and tiny ones underflow: both are part of the picture.
        with np.errstate(all="ignore"):
            found = np.array([float(slope(self.f, self.x, v, h)) for v in self.directions])
            error = float(np.linalg.norm(found - self.slopes)) / self.size
        return error if np.isfinite(error) else float("inf")


def _directions(x: Vector, seed: int) -> list[Vector]:
    if x.size <= ENTRIES:
        return list(np.eye(x.size).reshape(x.size, *x.shape))
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (ENTRIES, *x.shape))
    return list(signs / np.sqrt(x.size))


def _on_arrays(f: Function) -> Function:
    """The function, without the Tensor that it may put around its result."""

    def plain(x: Any) -> Any:
        found = f(x)
        return array_of(found) if isinstance(found, Tensor) else found

    return plain


def _true_slope(f: Function, x: Vector, v: Vector) -> float:
    wide, along = x.astype(float), v.astype(float)
    try:
        found = by_complex_step(
            lambda flat: _on_arrays(f)(flat.reshape(x.shape)), wide.ravel(), along.ravel()
        )
        value = found.value
    except (TinygradError, TypeError, ValueError, AttributeError):
        value = np.sum(grad(f)(wide) * along)
    return _scalar(value)


def _scalar(value: Any) -> float:
    if np.size(value) != 1:
        raise GradcheckError(
            f"the function gave an array of shape {np.shape(value)}; a study needs a scalar, such "
            "as its sum"
        )
    return float(np.asarray(value).item())


# --- drawing --------------------------------------------------------------------------------

_INK = "#333333"
_WIDTH, _LOW, _HIGH = 65, -17, 1  # columns, and the decades that are shown
_FLOOR = 10.0 ** (_LOW + 0.5)  # where exact results are drawn


def _drawn(curves: list[StepCurve]) -> Iterator[str]:
    """The curves in characters: a row for each decade of the error."""
    left = float(np.log10(min(curve.h.min() for curve in curves)))
    right = float(np.log10(max(curve.h.max() for curve in curves)))
    cells: dict[tuple[int, int], list[str]] = {}
    for curve in curves:
        at = (np.log10(curve.h) - left) / max(right - left, 1e-9) * (_WIDTH - 1)
        tall = np.log10(np.clip(curve.error, _FLOOR, 10.0**_HIGH))
        for column, height in zip(np.rint(at).astype(int), np.rint(tall).astype(int), strict=True):
            cells.setdefault((int(height), int(column)), []).append(METHODS[curve.method].mark)
    for decade in range(_HIGH, _LOW - 1, -1):
        label = f"1e{decade:+03d}" if decade % 4 == 0 else ""
        row = (cells.get((decade, column), " ") for column in range(_WIDTH))
        # Where curves meet, each shows up in turn.
        line = "".join(marks[column % len(marks)] for column, marks in enumerate(row))
        yield f"{label:>6} |{line}".rstrip()
    yield f"{'':7}+{'-' * _WIDTH}"
    middle = (left + right) / 2
    ends = f"h = {10**left:.0e}", f"{10**middle:.0e}", f"{10**right:.0e}"
    yield f"{'':8}{ends[0]:<{_WIDTH // 3}}{ends[1]:^{_WIDTH // 3 + 2}}{ends[2]:>{_WIDTH // 3}}"


def _draw_panel(axes: Any, dtype: str, curves: list[StepCurve]) -> None:
    # Wide lines first: central differences and the complex step truncate alike.
    for curve in sorted(curves, key=lambda curve: -METHODS[curve.method].width):
        theory, (h, error) = METHODS[curve.method], curve.best
        shown = np.clip(curve.error, _FLOOR, 10.0)
        label = f"{curve.method} (order {theory.truncation})"
        axes.loglog(curve.h, shown, color=theory.color, linewidth=theory.width, label=label)
        best = h, max(error, _FLOOR)
        axes.plot(*best, "o", color=theory.color, markeredgecolor="white", markersize=7, zorder=3)
        steep = theory.truncation > 2  # there is room on the right only of the last V
        axes.annotate(
            f"{error:.0e}", best, xytext=(6 if steep else -6, -5), textcoords="offset points",
            ha="left" if steep else "right", va="top", fontsize=8, color=_INK,
            bbox={"facecolor": "white", "alpha": 0.7, "pad": 0.5, "linewidth": 0},
        )  # fmt: skip
    _draw_theory(axes, curves)
    eps = float(np.finfo(dtype).eps)
    axes.axhline(eps, color="#999999", linewidth=0.8, linestyle=(0, (4, 4)))
    axes.annotate(
        f"machine precision {eps:.0e}", (1.0, eps), xycoords=("axes fraction", "data"),
        xytext=(0, -4), textcoords="offset points", ha="right", va="top", fontsize=8,
        color="#777777",
    )  # fmt: skip
    axes.set_ylim(10.0**_LOW, 10.0**_HIGH)
    _finish_panel(axes, dtype, "step h")


def _finish_panel(axes: Any, title: str, below: str) -> None:
    axes.set_title(title, loc="left", color=_INK, fontsize=11)
    axes.set_xlabel(below, color=_INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#eeeeee")
    axes.set_axisbelow(True)


_POWERS = {-1: "1/h", 1: "h", 2: "h²", 4: "h⁴"}


def _draw_theory(axes: Any, curves: list[StepCurve]) -> None:
    """Dotted lines with the slopes of theory, beside the curves that should have them."""
    drawn: set[int] = set()
    for curve in curves:
        theory = METHODS[curve.method]
        for order, mask, aside in (
            (theory.rounding, curve.rounding, 1 / 4),
            (theory.truncation, curve.truncating, 3.0),
        ):
            h, size = curve.h[mask], curve.error[mask]
            few_decades = not size.size or size.max() < 2e5 * size.min()  # no room for a label
            if order in drawn or order == 0 or few_decades:
                continue
            drawn.add(order)
            scale = np.exp(np.median(np.log(size) - order * np.log(h)))
            _draw_slope(axes, aside * h, scale * h**order, order)


def _draw_slope(axes: Any, h: Vector, size: Vector, order: int) -> None:
    """A dotted line, named below its lower end."""
    axes.loglog(h, size, color="#777777", linewidth=1.0, linestyle=(0, (1, 2)))
    low, high = np.argmin(size), np.argmax(size)
    place = [v[low] ** 0.8 * v[high] ** 0.2 for v in (h, size)]
    side = 1 if order > 0 else -1
    axes.annotate(
        f"∝ {_POWERS[order]}", place, xytext=(4 * side, 0), textcoords="offset points",
        ha="left" if order > 0 else "right", va="top", fontsize=8, color="#777777",
    )  # fmt: skip


# --- Taylor remainders ----------------------------------------------------------------------


@dataclass(frozen=True)
class TaylorStudy:
    """Remainders of the Taylor series along one direction, for falling steps.

    `first` is |f(x + hv) - f(x)|, of order h; `second` is |f(x + hv) - f(x) - h <g, v>|, of order
    h² if g is the gradient, and of order h if it is not.
    """

    h: Vector
    first: Vector
    second: Vector
    rounding: float  # what is below says nothing

    @property
    def slopes(self) -> tuple[float, float]:
        """The measured orders of both remainders; nan where nothing but rounding is left."""
        return self._slope(self.first), self._slope(self.second)

    def _slope(self, remainder: Vector) -> float:
        clear = remainder > 100 * self.rounding
        return _slope(self.h[clear], remainder[clear])

    @property
    def ok(self) -> bool:
        """Whether the gradient takes away all that is of first order."""
        slope = self.slopes[1]
        return not self.vacuous and (
            slope > 1.5 or bool(np.all(self.second <= 100 * self.rounding))
        )

    @property
    def vacuous(self) -> bool:
        """Whether nothing moved along the direction but rounding, so that nothing was told."""
        return bool(np.all(self.first <= 100 * self.rounding) and np.all(self.second <= self.first))

    def to_dict(self) -> dict[str, Any]:
        """Return the study as JSON values; slopes that cannot be measured are None."""
        return {
            "ok": self.ok,
            "vacuous": self.vacuous,
            "h": self.h.tolist(),
            "first": self.first.tolist(),
            "second": self.second.tolist(),
            "slopes": [_number(slope) for slope in self.slopes],
        }

    def __str__(self) -> str:
        first, second = (f"{s:.3f}" if np.isfinite(s) else "-" for s in self.slopes)
        lines = [f"{'h':>9}{'|f(x+hv)-f(x)|':>18}{'|f(x+hv)-f(x)-h<g,v>|':>25}"]
        lines += [
            f"{h:9.1e}{a:18.3e}{b:25.3e}"
            for h, a, b in zip(self.h, self.first, self.second, strict=True)
        ]
        verdict = "the gradient is right" if self.ok else "the gradient is WRONG along v"
        if self.vacuous:
            verdict = "UNKNOWN: nothing moves along v"
        return "\n".join([*lines, f"{'slope':>9}{first:>18}{second:>25}   {verdict}"])

    def plot(self, path: str | Path) -> None:
        """Draw both remainders into a file, with the slopes of theory; needs matplotlib."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6.0, 4.6), dpi=150, layout="constrained")
        axes = figure.subplots()
        for remainder, order, color, label in (
            (self.first, 1, "#c44e52", "|f(x + hv) - f(x)|"),
            (self.second, 2, "#1f5f99", "|f(x + hv) - f(x) - h⟨g, v⟩|"),
        ):
            axes.loglog(self.h, np.maximum(remainder, self.rounding / 16), "o-", color=color,
                        label=label, markersize=4, linewidth=1.6)  # fmt: skip
            if (clear := remainder > 100 * self.rounding).any():
                h, through = self.h[clear], -1 if order == 1 else 0
                size = remainder[clear][through] * (h / h[through]) ** order
                _draw_slope(axes, 1.5 * h, size, order)
        if self.rounding:
            axes.axhspan(0, self.rounding, color="#eeeeee")
        _finish_panel(axes, "Remainders of the Taylor series", "step h")
        axes.legend(frameon=False, loc="lower right")
        figure.savefig(Path(path))


def _signed(point: Vector, seed: int) -> Vector:
    """A direction with both signs, and with no two steps alike: f may not see their sum."""
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], point.shape)
    return np.asarray(signs * rng.uniform(0.5, 1.5, point.shape))


def taylor(
    f: Function,
    x: ArrayLike,
    direction: ArrayLike | None = None,
    gradient: ArrayLike | None = None,
    *,
    h: ArrayLike | None = None,
    seed: int = 0,
) -> TaylorStudy:
    """Test a gradient by the remainders it leaves, of order h² if it is right and h if it is not.

    `f` takes a float64 array like `x` and gives a scalar; it need not be analytic, only smooth.
    The direction has the shape of x and is drawn with both signs if not given; the gradient is
    this library's own if not given. Raises `GradcheckError` if shapes do not fit.

    Source: the remainder test of inverse problems, e.g. Farrell, Ham, Funke, Rognes, Automated
    Derivation of the Adjoint of High-Level Transient Finite Element Programs (2013), section 6.

    >>> study = taylor(np.exp, 1.0)
    >>> study.ok, [round(slope, 1) for slope in study.slopes]
    (True, [1.0, 2.0])
    >>> taylor(np.exp, 1.0, gradient=2.7).ok
    False
    """
    point = np.asarray(x, float)
    start = _scalar(array_of(f(point)))
    v = np.asarray(_signed(point, seed) if direction is None else direction, float)
    g = np.asarray(grad(f)(point) if gradient is None else gradient, float)
    if not v.shape == g.shape == point.shape:
        raise GradcheckError(
            f"x has shape {point.shape}, the direction {v.shape}, the gradient {g.shape}"
        )
    steps = np.logspace(-2, -6, 9) if h is None else np.asarray(h, float)
    slope = float(np.sum(g * v))
    moved = np.array([_scalar(array_of(f(point + step * v))) for step in steps])
    rounding = np.finfo(float).eps * max(float(np.abs(moved).max()), abs(start))
    return TaylorStudy(
        steps, np.abs(moved - start), np.abs(moved - start - steps * slope), float(rounding)
    )
