"""The V of every difference formula: its error against the step."""

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
from tinygrad_bp.gradcheck.studies.curve import StepCurve
from tinygrad_bp.gradcheck.studies.drawing import INK, draw_panel, drawn
from tinygrad_bp.gradcheck.studies.measures import finite, scalar
from tinygrad_bp.gradcheck.studies.methods import METHODS
from tinygrad_bp.tensor import Tensor, array_of

__all__ = ["StepStudy", "step_sizes"]

Function = Callable[[Any], Any]
Vector = np.ndarray[Any, Any]

ENTRIES = 32  # compared one by one; longer gradients along as many random directions


@dataclass(frozen=True)
class StepStudy:
    """Errors against steps, as `step_sizes` gives; `str()` draws them, and so does `plot()`.

    Differences have a best step, between truncation and rounding, and lose digits even there; the
    complex step loses none, however small it is.

    >>> study = step_sizes(np.exp, 1.0, dtypes=[np.float64])
    >>> for name in "forward", "central", "complex step":
    ...     h, error = study.best()[name, "float64"]
    ...     print(f"{name}: {int(-np.log10(max(error, 1e-16)))} digits at best")
    forward: 8 digits at best
    central: 10 digits at best
    complex step: 16 digits at best
    """

    curves: list[StepCurve]
    """The errors of each formula in each precision: `h`, `error`, and what they come to."""

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
                    "truncation_slope": finite(curve.truncation_slope),
                    "rounding_slope": finite(curve.rounding_slope),
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
            parts += [title, f"{'':8}{marks}", *drawn(mine), ""]
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
            draw_panel(axes, dtype, self._of(dtype))
        handles = dict(zip(*panels[0].get_legend_handles_labels()[::-1], strict=True))
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=4, frameon=False)
        panels[0].set_ylabel("relative error of the derivative", color=INK)
        figure.savefig(Path(path))


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
        scalar(self.f(x))
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
    return scalar(value)
