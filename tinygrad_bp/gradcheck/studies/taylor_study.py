"""Taylor remainders: what is left after the value, and after the slope, is taken away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tinygrad_bp.autodiff import grad
from tinygrad_bp.errors import GradcheckError
from tinygrad_bp.gradcheck.studies.drawing import draw_slope, finish_panel
from tinygrad_bp.gradcheck.studies.measures import finite, order, scalar
from tinygrad_bp.tensor import array_of

__all__ = ["TaylorStudy", "taylor"]

Function = Callable[[Any], Any]
Vector = np.ndarray[Any, Any]


@dataclass(frozen=True)
class TaylorStudy:
    """Remainders of the Taylor series along one direction, for falling steps.

    `first` is |f(x + hv) - f(x)|, of order h; `second` is |f(x + hv) - f(x) - h <g, v>|, of order
    h² if g is the gradient, and of order h if it is not. `str()` is a table of them.

    >>> right = taylor(np.exp, 1.0, direction=1.0)
    >>> wrong = taylor(np.exp, 1.0, direction=1.0, gradient=2.7)  # e is 2.718...
    >>> [round(slope, 1) for slope in right.slopes], [round(slope, 1) for slope in wrong.slopes]
    ([1.0, 2.0], [1.0, 1.0])
    >>> right.ok, wrong.ok
    (True, False)
    """

    h: Vector
    """The steps, falling."""
    first: Vector
    """|f(x + hv) - f(x)| at each of them."""
    second: Vector
    """|f(x + hv) - f(x) - h <g, v>| at each of them."""
    rounding: float
    """What rounding alone may come to: what is below says nothing."""

    @property
    def slopes(self) -> tuple[float, float]:
        """The measured orders of both remainders; nan where nothing but rounding is left."""
        return self._slope(self.first), self._slope(self.second)

    def _slope(self, remainder: Vector) -> float:
        clear = remainder > 100 * self.rounding
        return order(self.h[clear], remainder[clear])

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
            "slopes": [finite(slope) for slope in self.slopes],
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
        for remainder, power, color, label in (
            (self.first, 1, "#c44e52", "|f(x + hv) - f(x)|"),
            (self.second, 2, "#1f5f99", "|f(x + hv) - f(x) - h⟨g, v⟩|"),
        ):
            axes.loglog(self.h, np.maximum(remainder, self.rounding / 16), "o-", color=color,
                        label=label, markersize=4, linewidth=1.6)  # fmt: skip
            if (clear := remainder > 100 * self.rounding).any():
                h, through = self.h[clear], -1 if power == 1 else 0
                size = remainder[clear][through] * (h / h[through]) ** power
                draw_slope(axes, 1.5 * h, size, power)
        if self.rounding:
            axes.axhspan(0, self.rounding, color="#eeeeee")
        finish_panel(axes, "Remainders of the Taylor series", "step h")
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
    start = scalar(array_of(f(point)))
    v = np.asarray(_signed(point, seed) if direction is None else direction, float)
    g = np.asarray(grad(f)(point) if gradient is None else gradient, float)
    if not v.shape == g.shape == point.shape:
        raise GradcheckError(
            f"x has shape {point.shape}, the direction {v.shape}, the gradient {g.shape}"
        )
    steps = np.logspace(-2, -6, 9) if h is None else np.asarray(h, float)
    slope = float(np.sum(g * v))
    moved = np.array([scalar(array_of(f(point + step * v))) for step in steps])
    rounding = np.finfo(float).eps * max(float(np.abs(moved).max()), abs(start))
    return TaylorStudy(
        steps, np.abs(moved - start), np.abs(moved - start - steps * slope), float(rounding)
    )
