"""The examination of one subject, from its first evaluation to the report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tinygrad_bp.errors import GradcheckError
from tinygrad_bp.gradcheck.comparison import Comparison, Spot
from tinygrad_bp.gradcheck.coverage import coverage
from tinygrad_bp.gradcheck.foreign import NoForwardModeError
from tinygrad_bp.gradcheck.kinks import between_the_sides
from tinygrad_bp.gradcheck.numerical import EPS
from tinygrad_bp.gradcheck.places import (
    BUDGET,
    NUDGE,
    PROJECTIONS,
    Place,
    combinations,
    directions,
    nudged,
    places,
)
from tinygrad_bp.gradcheck.report import Entry, Report, Verdict
from tinygrad_bp.gradcheck.subject import Subject
from tinygrad_bp.gradcheck.ties import move_together, settle_ties
from tinygrad_bp.gradcheck.visits import Visit, visits
from tinygrad_bp.gradcheck.waiting import Progress
from tinygrad_bp.gradcheck.witnesses import Along, Witnesses

__all__ = ["Examination"]

Vector = np.ndarray[Any, Any]

BY_DIFFERENCES = 60  # evaluations that one slope takes
DIRECTIONS = 2  # of each input, along which differences are asked, and other points are compared
NEIGHBOURS = 8  # kinks that are looked at from both sides
CONSTANT = 64 * EPS  # how far a constant function may move, relative to its values


class Examination:
    """What belongs together while a subject is checked."""

    def __init__(
        self,
        subject: Subject,
        method: str,
        seed: int,
        *,
        budget: int = BUDGET,
        progress: Progress | None = None,
    ) -> None:
        self.subject = subject
        self.rng = np.random.default_rng(seed)
        self.budget = budget
        self.progress = progress
        self.output = _deterministic_output(subject)
        self.weights = combinations(self.output, subject.x.size, self.rng)
        self.witnesses = Witnesses(subject, method, self.output)
        self.report = Report(self.witnesses.method, seed=seed)
        self.comparison = Comparison(self.witnesses, self.weights, self.rng, progress=progress)
        self._confirmed: set[str] = set()  # inputs with a gradient that is right, and not 0
        self._ties = False  # whether the function has kinks where entries are equal
        self._kinks: dict[tuple[str, str], list[Place]] = {}  # by the output, and the slopes there

    @property
    def analytic(self) -> Vector:
        """The gradients of all combinations of outputs, as rows."""
        return self.comparison.analytic

    # --- the point itself -------------------------------------------------------------------

    def here(self, prefix: str = "") -> None:
        """Compare every entry, or projections and samples of each input if there are many."""
        subject, report = self.subject, self.report
        chosen, every, entries = self._compared()
        wrong = any(entry.verdict is Verdict.FAIL for entry in entries)
        if (not wrong or self.comparison.contradicted) and self._cross_examined():
            chosen, every, entries = self._compared()
        report.method = self.witnesses.method
        report.add(self._noted(entries, chosen, prefix))
        report.add(between_the_sides(self.comparison, chosen, entries))
        first, *others = coverage(subject, self.analytic, report)
        report.coverage += [prefix + first, *others]
        if not every:
            single = sum(isinstance(place, int) for _, _, place in chosen)
            report.coverage.append(
                f"{prefix}compared along {len(chosen) - single} projections, and at {single} of "
                f"{subject.x.size:,} entries"
            )

    def _compared(self) -> tuple[list[Place], bool, list[Entry]]:
        """What is compared, whether it is every entry, and how it compares."""
        each = 1 if self.witnesses.method == "complex step" else BY_DIFFERENCES
        chosen, every = places(self.subject, self.output.size, each, self.budget, self.rng)
        failed = list(self.comparison.entries(chosen))
        entries = settle_ties(self.comparison, chosen, failed)
        self._ties = entries != failed
        return chosen, every, entries

    def _cross_examined(self) -> bool:
        """Ask differences along random directions, and return whether they say anything new."""
        asked = directions(self.subject, self.subject.x, DIRECTIONS, self.rng)
        return self.witnesses.hear(list(asked), self.weights)

    def _noted(
        self, entries: Iterable[Entry], chosen: list[Place], prefix: str = ""
    ) -> Iterator[Entry]:
        flat = {(name, index): place for name, index, place in chosen}
        for entry in entries:
            if entry.verdict in (Verdict.PASS, Verdict.KINK) and entry.analytic:
                self._confirmed.add(entry.parameter)
            place = flat[entry.parameter, entry.index]
            if entry.verdict is Verdict.KINK and isinstance(place, int):
                alike = self._kinks.setdefault((entry.output, entry.note), [])
                alike.append((entry.parameter, entry.index, place))
            yield entry.moved_to(prefix) if prefix else entry

    def nothing_here(self) -> None:
        """Where there is nothing to compare, the gradients are 0."""
        self.here()
        pulled = self.subject.pull([np.zeros(self.output.size)])
        self.report.identities["no gradient from a zero gradient"] = (
            "" if (pulled == 0).all() else "it is not zero"
        )

    # --- other points -----------------------------------------------------------------------

    def elsewhere(self) -> None:
        """Compare along random directions at other points, and in other layouts of memory."""
        for visit in visits(self.subject, self.rng):
            with self.subject.laid_out(visit.layout):
                chosen: list[Place] = [
                    (name, "along a direction", self._smooth(u, visit.x))
                    for name, u in directions(self.subject, visit.x, DIRECTIONS, self.rng)
                ]
                self._visit(visit, chosen)
        self._around_kinks()

    def _smooth(self, u: Vector, x: Vector) -> Vector:
        """A direction like u, along which ties make no kink."""
        return move_together(self.subject, x, u) if self._ties else u

    def _around_kinks(self) -> None:
        """Compare on either side of kinks, and with all that tie at one moved together."""
        kinked = {j: (name, index, j) for met in self._kinks.values() for name, index, j in met}
        for place in list(kinked.values())[:NEIGHBOURS]:
            for side, word in ((1.0, "just above"), (-1.0, "just below")):
                x, j = self.subject.x.copy(), place[2]
                x[j] += side * NUDGE * (abs(x[j]) or 1.0)
                self._visit(Visit(word, x), [place])
        ties: list[Place] = []
        for met in list(self._kinks.values())[:NEIGHBOURS]:
            if len(met) > 1:
                together = np.zeros(self.subject.x.size)
                together[[j for _, _, j in met if isinstance(j, int)]] = 1.0
                ties.append((met[0][0], "along the ties", together))
        if ties:
            self._visit(Visit("here", self.subject.x), ties)

    def _visit(self, visit: Visit, chosen: list[Place]) -> None:
        """Compare at another point, and report only what fails there."""
        try:
            value = np.ravel(np.array(self.subject.value(visit.x)))
            if (
                value.size != self.output.size
                or not np.isfinite(value[self.witnesses.finite]).all()
            ):
                raise ArithmeticError("the function is not finite there")
            weights = self.weights
            if len(weights) > DIRECTIONS:
                weights = self.rng.standard_normal((DIRECTIONS, len(weights))) @ weights
            there = Comparison(self.witnesses, weights, self.rng, visit.x)
        except Exception as error:
            if visit.required:
                self.report.identities[visit.name] = f"{type(error).__name__}: {error}"
            else:
                self.report.coverage.append(f"not compared {visit.name}: {error}")
            return
        entries = self._noted(there.entries(chosen), chosen)
        failed = [
            entry.moved_to(f"{visit.name}: ")
            for entry in entries
            if entry.verdict is Verdict.FAIL and np.isfinite(entry.numerical)
        ]
        self.report.add(failed)

    # --- evidence ---------------------------------------------------------------------------

    def weigh_evidence(self) -> None:
        """Note the inputs of which nothing is confirmed, although the function moves with them."""
        elsewhere = nudged(self.subject, self.rng)
        self.report.unconfirmed += [
            name
            for name, part in self.subject.ranges()
            if name not in self._confirmed and part.stop > part.start
            if not self._constant_near(elsewhere, part)
        ]

    def _constant_near(self, x: Vector, part: slice) -> bool:
        """Whether a small move of one input alone leaves the outputs as they are."""
        moved = x.copy()
        moved[part] += NUDGE * (x[part] - self.subject.x[part])
        before, after = (
            np.ravel(self.subject.value(at))[self.witnesses.finite] for at in (x, moved)
        )
        return bool(np.all(np.abs(after - before) <= CONSTANT * np.abs(before).max(initial=0.0)))

    # --- forward mode -----------------------------------------------------------------------

    def forward(self) -> None:
        """Compare forward mode with the numerical derivative along random directions."""
        for k in range(PROJECTIONS):
            u = self._smooth(self.rng.choice([-1.0, 1.0], self.subject.x.size), self.subject.x)
            try:
                pushed = self.subject.push(u)
            except NoForwardModeError:
                self.report.coverage.append("there is no forward mode to look at")
                return
            self.report.add(self._entries_of_forward_mode(f"along direction {k + 1}", pushed, u))

    def _entries_of_forward_mode(self, where: str, pushed: Vector, u: Along) -> Iterator[Entry]:
        slope = self.witnesses.along(u, self.weights)
        for column, a in enumerate(self.weights @ pushed):
            n, ruling = self.comparison.judge(float(a), slope, Spot(u, column))
            yield Entry(
                "forward mode", where, f"output {column}", float(a), n, ruling.error,
                ruling.verdict, ruling.note,
            )  # fmt: skip

    # --- the end ----------------------------------------------------------------------------

    def finish(self) -> Report:
        """Look at what every check must leave as it was, and return the report."""
        subject, known = self.subject, self.report.identities
        again = np.array(subject.value(subject.x))
        known["the function gives the same again"] = (
            "" if again.tobytes() == self.output.tobytes() else "it gives something else afterwards"
        )
        same = np.array_equal(subject.pull(list(self.weights)), self.analytic, equal_nan=True)
        known["a second call equals the first"] = "" if same else "they differ"
        wrote = subject.written or (subject.foreign is not None and subject.foreign.framework.wrote)
        known["inputs are left alone"] = "they were written to" if wrote else ""
        known["what arrives is left alone"] = (
            "it was written to" if subject.arrivals.overwritten else ""
        )
        known["results are left alone"] = (
            "a later call wrote to an earlier result" if subject.kept.spoilt else ""
        )
        self.report.coverage += subject.left_out
        self.report.dismissed = self.witnesses.dismissed
        self.report.evaluations += subject.evaluations
        return self.report


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
    if first.size and not np.isfinite(first).any():
        raise GradcheckError("the function is not finite here, so it has no gradient to check")
    return first
