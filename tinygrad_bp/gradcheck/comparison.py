"""The comparison at one point: analytic gradients against numerical ones, place by place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tinygrad_bp.gradcheck.numerical import EPS, Derivative, rounding_of_complex_step
from tinygrad_bp.gradcheck.places import Place, along, scales
from tinygrad_bp.gradcheck.report import Entry, Verdict
from tinygrad_bp.gradcheck.verdicts import (
    SHARP,
    Ruling,
    close,
    settle,
    weigh,
    weigh_kink,
    weigh_not_finite,
)
from tinygrad_bp.gradcheck.waiting import Progress
from tinygrad_bp.gradcheck.witnesses import RTOL, Along, Witnesses

__all__ = ["Comparison", "Spot"]

Vector = np.ndarray[Any, Any]

GROWN = 1e4  # times what is seen on the way: more is no cancelling, but an unstable function
NOISE = 1e-6  # of the largest gradient on the way: more is no rounding, but a jump
SCATTERED = 5  # points next to x
NEXT = 1e-12  # of its size, how far an entry is moved there
CONFIRMED = 4  # failures that differences confirm, beyond which they are not asked
ASKED = 64  # times that they are asked, at most


class Spot(NamedTuple):
    """One number of all that are compared: a place, a combination of outputs, and who shares it."""

    place: Along
    column: int
    sharers: int = 1  # entries that share a gradient between them, at a tie


class Comparison:
    """Analytic gradients of weighted sums of outputs, and numerical ones, at one point."""

    def __init__(
        self,
        witnesses: Witnesses,
        weights: Vector,
        rng: np.random.Generator,
        x: Vector | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.witnesses = witnesses
        self.subject = witnesses.subject
        self.x = self.subject.x if x is None else x
        self.weights = weights
        self.rng = rng
        self.progress = progress
        self.analytic = self.subject.pull(list(weights), flat=self.x)
        self.contradicted = False  # whether differences ever spoke for the gradient alone
        self._asked = 0
        self._doubted = 0
        self._wobble: tuple[Vector, float] | None = None

    def entries(self, chosen: list[Place]) -> Iterator[Entry]:
        """Compare at every place; the places are differentiated first, all of them.

        Most entries pass or are 0 = 0 by plain arithmetic, and are settled together; whatever is
        left is looked at one by one.
        """
        found = self._slopes(chosen)
        expected = np.array([along(self.analytic, place) for _, _, place in chosen])
        expected = expected.reshape(len(chosen), len(self.weights))
        values, errors = (
            np.array([getattr(slope, part) for slope in found]).reshape(expected.shape)
            for part in ("value", "error")
        )
        plain = np.array([slope.left is None for slope in found], bool)
        settled = settle(expected, values, errors, plain, self.witnesses.rtol)
        sharers = _sharers(chosen, found)
        for (row, column), verdict in np.ndenumerate(settled):
            name, index, place = chosen[row]
            a, n = float(expected[row, column]), float(values[row, column])
            ruling = Ruling(float(errors[row, column]), verdict or Verdict.PASS)
            if verdict is None:
                n, ruling = self.judge(a, found[row], Spot(place, column, sharers(row, column)))
            elif name in self.witnesses.kinked and isinstance(place, int):
                n, ruling = self._look_for_a_kink(a, n, ruling, Spot(place, column))
            output = f"output {column}" if len(self.weights) > 1 else ""
            yield Entry(name, index, output, a, n, ruling.error, ruling.verdict, ruling.note)

    def _slopes(self, chosen: list[Place]) -> list[Derivative]:
        """The derivatives of the weighted sums: of all outputs, they would take much memory."""
        found = []
        for done, (_, _, place) in enumerate(chosen, start=1):
            found.append(self.witnesses.along(place, self.weights, self.x))
            if self.progress is not None:
                self.progress(done, len(chosen))
        return found

    def judge(self, a: float, slope: Derivative, spot: Spot) -> tuple[float, Ruling]:
        """Decide on one doubtful entry, and return the numerical value that decided."""
        n, error = float(slope.value[spot.column]), float(slope.error[spot.column])
        ruling = _compare(a, slope, spot, self.witnesses.rtol)
        if ruling.kink and not isinstance(spot.place, int):  # of several entries, each with sides
            return n, ruling._replace(verdict=Verdict.KINK)
        if a == n == 0 and not ruling.kink:
            return n, ruling._replace(verdict=Verdict.VACUOUS, note="")
        if n == error == 0 and self._hardly_differs_from_0(a):
            return n, ruling._replace(verdict=Verdict.VACUOUS, note="zero to rounding")
        if ruling.verdict is Verdict.PASS or ruling.verdict is Verdict.KINK:
            return n, ruling
        if np.isfinite([a, n]).all() and not ruling.kink:
            rounded, peak = self._rounding(spot)
            cancelled = min(rounded / EPS, GROWN * peak)
            ruling = weigh(a, n, error + rounded, self.witnesses.rtol, cancelled)
            if abs(a) <= NOISE * peak and self._noise_beside_zero(a, n, ruling, spot):
                ruling = ruling._replace(verdict=Verdict.VACUOUS, note="zero to rounding")
        if ruling.verdict is Verdict.FAIL and self.witnesses.method != "differences":
            return self._ask_the_other(a, n, ruling, spot)
        return n, ruling

    def _ask_the_other(
        self, a: float, n: float, ruling: Ruling, spot: Spot
    ) -> tuple[float, Ruling]:
        """Before the gradient fails by the complex step, let differences speak."""
        if self.witnesses.alone or self._asked >= (ASKED if self.contradicted else CONFIRMED):
            return n, ruling
        seen, error, other = self._by_differences(a, spot)
        agree = close(seen, n, error, RTOL["differences"]) and not other.kink
        if agree or other.verdict not in (Verdict.PASS, Verdict.KINK):
            return n, ruling
        self.contradicted = True
        return seen, other._replace(note=other.note or "differences decided")

    def _look_for_a_kink(
        self, a: float, n: float, ruling: Ruling, spot: Spot
    ) -> tuple[float, Ruling]:
        """Some kinks differences alone see: of a norm at 0, of a table on a knot."""
        if self._asked >= ASKED:
            return n, ruling
        seen, _, other = self._by_differences(a, spot)
        return (seen, other) if other.kink else (n, ruling)

    def _by_differences(self, a: float, spot: Spot) -> tuple[float, float, Ruling]:
        """What differences say, how exactly, and how the gradient compares with that."""
        self._asked += 1
        slope = self.witnesses.by_differences(spot.place, self.weights, self.x)
        ruling = _compare(a, slope, spot, RTOL["differences"])
        return float(slope.value[spot.column]), float(slope.error[spot.column]), ruling

    def _rounding(self, spot: Spot) -> tuple[float, float]:
        """How far rounding can put both values off, and the largest gradient on the way."""
        exact = self.witnesses.method != "differences"  # whose error bars include it
        if self.subject.foreign is not None:
            rounded, peak = self._unsteadiness(spot), 1.0
        else:
            if self._wobble is None:  # found when it is first needed
                self._wobble = self.subject.rounding(list(self.weights), self.rng, flat=self.x)
            wobble, peak = self._wobble
            rounded = float(along(wobble, spot.place, np.abs)[spot.column])
        if not exact:
            return rounded, peak
        moved, other = rounding_of_complex_step(self.subject.value, self.x, spot.place, self.rng)
        return rounded + float(np.abs(self.weights[spot.column]) @ moved), max(peak, other)

    def _unsteadiness(self, spot: Spot) -> float:
        """How far rounding puts a gradient of which nothing but numbers is known, or its slope.

        Error bars of differences measure the rounding of the function's values, but what cancelled
        on the way, as in x - tanh(x), does not show there: other steps round differently. They are
        asked of the first failures alone, since they take many evaluations.
        """
        if self.witnesses.method != "differences":
            return self._scatter(spot, self._slope_at)
        if self._doubted >= CONFIRMED:
            return 0.0
        self._doubted += 1
        slopes = [self._slope_by_other_steps(spot) for _ in range(SCATTERED)]
        return float(np.ptp([self._slope_at(spot, self.x), *slopes]))

    def _hardly_differs_from_0(self, a: float) -> bool:
        """Whether a gradient is rounding beside the largest one, where no step moves the output.

        How it rounds next to x does not always tell: there it may round alike.
        """
        largest = float(np.abs(self.analytic).max())
        return self.witnesses.method == "differences" and abs(a) <= 4 * EPS * largest

    def _noise_beside_zero(self, a: float, n: float, ruling: Ruling, spot: Spot) -> bool:
        """Whether the gradient is nothing but rounding, where differences cannot tell n from 0."""
        if ruling.verdict is not Verdict.INCONCLUSIVE or abs(n) > 4 * ruling.error:
            return False
        if not a:  # which a rule of ours gives where there is no path
            largest = np.abs(self.analytic[spot.column]).max()
            return self.subject.foreign is None and 4 * ruling.error <= SHARP * float(largest)
        # What is more than noise is steady to many digits.
        return self._scatter(spot, lambda _spot, _x: 0.0) >= abs(a) / 64

    def _scatter(self, spot: Spot, slope: Callable[[Spot, Vector], float]) -> float:
        """How unsteady the difference of the gradient and a slope is next to x.

        What is wrong stays wrong by as much, however steep the function; rounding does not.
        """
        gaps = []
        for _ in range(SCATTERED):
            x = self.x + NEXT * scales(self.subject, self.x) * self.rng.uniform(-1, 1, self.x.size)
            scale = self.rng.uniform(0.5, 1.0)  # rounds differently, too
            pulled = self.subject.pull([scale * self.weights[spot.column]], flat=x) / scale
            gaps.append(float(along(pulled, spot.place)[0]) - slope(spot, x))
        return float(np.ptp(gaps))

    def _slope_at(self, spot: Spot, x: Vector) -> float:
        weights = self.weights[spot.column : spot.column + 1]
        return float(self.witnesses.along(spot.place, weights, x).value[0])

    def _slope_by_other_steps(self, spot: Spot) -> float:
        unit = np.eye(1, self.x.size, spot.place)[0] if isinstance(spot.place, int) else spot.place
        shorter = self.rng.uniform(0.5, 1.0)
        return self._slope_at(spot._replace(place=shorter * unit), self.x) / shorter


def _compare(a: float, slope: Derivative, spot: Spot, rtol: float) -> Ruling:
    """Compare with one column of a derivative, to both sides of a kink if there is one."""
    n, error = float(slope.value[spot.column]), float(slope.error[spot.column])
    if not (np.isfinite(a) and np.isfinite(n)):
        return weigh_not_finite(a, n, error)
    if slope.left is not None and slope.right is not None:
        sides = float(slope.left[spot.column]), float(slope.right[spot.column])
        if not close(*sides, 0.0, rtol):
            return weigh_kink(a, sides, error, rtol, spot.sharers)
    return weigh(a, n, error, rtol)


def _sharers(chosen: list[Place], found: list[Derivative]) -> Callable[[int, int], int]:
    """Return a function that says, of a kink, how many entries of its input have the same slopes.

    Equal maxima, for one, may share out the gradient.
    """
    names = np.array([name for name, _, _ in chosen])
    sides = np.array([
        (slope.value, slope.value) if slope.left is None else (slope.left, slope.right)
        for slope in found
    ])  # fmt: skip

    def count(row: int, column: int) -> int:
        alike = (sides[:, :, column] == sides[row, :, column]).all(axis=1)
        return int(np.count_nonzero(alike & (names == names[row])))

    return count
