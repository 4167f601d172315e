"""What a gradient check found: verdicts, the worst entries, and what was not covered."""

from __future__ import annotations

import html
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, ClassVar

from tinygrad_bp.errors import GradcheckError

__all__ = ["Entry", "Report", "Verdict"]


class Verdict(StrEnum):
    """What can be said of one entry of a gradient.

    >>> import numpy as np
    >>> from tinygrad_bp.gradcheck import check
    >>> report = check(lambda x: np.sum(np.abs(x)), np.array([-2.0, 0.0, 3.0]))
    >>> report.counts[Verdict.PASS], report.counts[Verdict.KINK], report.ok
    (2, 1, True)
    """

    PASS = "PASS"  # noqa: S105  (a verdict, not a password)
    """The two values agree, within the error bar of the numerical one."""
    FAIL = "FAIL"
    """They do not."""
    KINK = "KINK"
    """The slopes to both sides differ; the gradient is one of them, their mean, or a fair share."""
    INCONCLUSIVE = "INCONCLUSIVE"
    """The error bar is too wide to tell."""
    VACUOUS = "VACUOUS"
    """Both are 0, exactly, or up to rounding in terms that cancel: they agree, and say nothing."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One comparison: a gradient's entry, or its product with a direction.

    >>> import numpy as np
    >>> from tinygrad_bp.gradcheck import check_vjp
    >>> report = check_vjp(np.square, lambda g, x: g * x, np.array([1.0, 3.0]))  # forgets the 2
    >>> entry = report.worst[0]
    >>> entry.parameter, entry.index, entry.analytic, entry.ratio, entry.verdict.value
    ('input 0', (0,), 1.0, 0.5, 'FAIL')
    """

    parameter: str
    """What is differentiated by: an input by its number, or a parameter by its name."""
    index: tuple[int, ...] | str
    """Which of its entries, or a word for the direction."""
    output: str
    """Which output, or combination of outputs, was differentiated; "" for a scalar."""
    analytic: float
    """What the gradient under test says."""
    numerical: float
    """What the values of the function say."""
    error: float
    """The error bar of the numerical value, from rounding and truncation."""
    verdict: Verdict
    """What the two come to."""
    note: str = ""
    """Why, where that is not plain."""

    @property
    def ratio(self) -> float:
        """Analytic over numerical; nan where that is 0."""
        return self.analytic / self.numerical if self.numerical else float("nan")

    @property
    def relative_error(self) -> float:
        """The difference over the larger of the two."""
        if self.analytic == self.numerical:
            return 0.0
        size = max(abs(self.analytic), abs(self.numerical))
        return abs(self.analytic - self.numerical) / size if size else math.nan

    def moved_to(self, where: str) -> Entry:
        """Return the same entry, found somewhere else."""
        return replace(self, parameter=where + self.parameter)

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        return {
            "parameter": self.parameter,
            "index": list(self.index) if isinstance(self.index, tuple) else self.index,
            "output": self.output,
            "analytic": repr(self.analytic),
            "numerical": repr(self.numerical),
            "error": repr(self.error),
            "relative_error": repr(self.relative_error),
            "verdict": self.verdict.value,
            "note": self.note,
        }


@dataclass(slots=True)
class Report:
    """The result of a gradient check; `str()` is a table, `to_dict()` JSON, `assert_ok()` raises.

    A check is ok if nothing failed, nothing was left undecided, no identity was violated, and each
    input that the function moves with has a gradient that was confirmed and is not 0. An
    INCONCLUSIVE entry is not known to be wrong: other inputs, `method="complex"`, or values and
    constants in double precision may decide it.

    >>> import numpy as np
    >>> from tinygrad_bp.gradcheck import check_vjp
    >>> report = check_vjp(np.square, lambda g, x: g * x, np.array([1.0, 3.0]))  # forgets the 2
    >>> report.ok
    False
    >>> print(report)
    gradcheck FAILED: 2 FAIL...
      verdict  entry                   analytic  numerical  ± error  ratio
      FAIL     input 0[0] of output 0  1         2          ...  0.5000
      FAIL     input 0[1] of output 1  3         6          ...  0.5000
    <BLANKLINE>
    blame: the gradient of 'square' for 'input 0' is wrong: constant ratio 0.500000: 1/2 too much
    """

    method: str
    """How the numerical values were found."""
    counts: Counter[Verdict] = field(default_factory=Counter)
    """How many entries have which verdict."""
    worst: list[Entry] = field(default_factory=list)
    """Up to eight entries, the worst first; those in which 0 meets 0 are left out."""
    coverage: list[str] = field(default_factory=list)
    """What was compared, and what was not, a sentence each."""
    identities: dict[str, str] = field(default_factory=dict)
    """By name, "" for what holds of every derivative and holds here, or how it does not."""
    blame: list[str] = field(default_factory=list)
    """Which rule is wrong, where it was recorded, and what the mistake looks like."""
    unconfirmed: list[str] = field(default_factory=list)
    """Inputs of which nothing is known: every slope that was compared is 0."""
    dismissed: str = ""
    """Which witness was not believed, and why."""
    seed: int = 0
    """Of the directions and points that were drawn."""
    evaluations: int = 0
    """How often the function was called."""

    KEEP: ClassVar[int] = 8  # of the worst entries

    @property
    def ok(self) -> bool:
        """Whether every entry was decided, something was confirmed, and nothing was wrong."""
        return not (self.wrong or self.unconfirmed or self.counts[Verdict.INCONCLUSIVE])

    @property
    def wrong(self) -> bool:
        """Whether something speaks against the gradient."""
        return bool(self.counts[Verdict.FAIL] or any(self.identities.values()))

    def add(self, entries: Iterable[Entry]) -> None:
        """Count entries and keep the worst."""
        for entry in entries:
            self.counts[entry.verdict] += 1
            if entry.verdict is not Verdict.VACUOUS:
                self.worst.append(entry)
                if len(self.worst) > 64 * self.KEEP:
                    self._trim()
        self._trim()

    def _trim(self) -> None:
        order = [Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.KINK, Verdict.PASS]
        self.worst.sort(key=lambda e: (order.index(e.verdict), -_size(e.relative_error)))
        del self.worst[self.KEEP :]

    def assert_ok(self) -> None:
        """Raise `GradcheckError` with the table unless the check is ok."""
        __tracebackhide__ = True  # pytest then points at the line of the test
        if not self.ok:
            what = "is wrong" if self.wrong else "could not be confirmed"
            raise GradcheckError(f"the gradient {what}\n{self}")

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values; numbers are text, so that nan and inf survive."""
        return {
            "ok": self.ok,
            "method": self.method,
            "counts": {v.value: self.counts[v] for v in Verdict},
            "worst": [entry.to_dict() for entry in self.worst],
            "coverage": self.coverage,
            "identities": self.identities,
            "unconfirmed": self.unconfirmed,
            "dismissed": self.dismissed,
            "blame": self.blame,
            "seed": self.seed,
            "evaluations": self.evaluations,
        }

    def __str__(self) -> str:
        counts = ", ".join(f"{self.counts[v]:,} {v}" for v in Verdict if self.counts[v])
        lines = [
            f"gradcheck {self._outcome()}: {counts or 'nothing compared'}",
            f"  method: {self.method}, {self.evaluations:,} evaluations, seed {self.seed}",
        ]
        lines += [f"  witness: {self.dismissed}"] if self.dismissed else []
        lines += [f"  coverage: {line}" for line in self.coverage]
        lines += self._of_identities()
        if self.worst:
            lines += ["", *_table(self.worst)]
        if self.blame:
            lines += ["", *self.blame]
        if self._nothing_checked():
            lines += ["", _UNCONFIRMED.format(", ".join(self.unconfirmed))]
        if self.counts[Verdict.INCONCLUSIVE]:
            lines += ["", _UNDECIDED]
        return "\n".join(lines)

    def _of_identities(self) -> list[str]:
        """Those that do not hold, a line each, and those that do, in one."""
        broken = [
            f"  identity {name}: {problem}" for name, problem in self.identities.items() if problem
        ]
        held = len(self.identities) - len(broken)
        return broken + ([f"  identities: {held} of {len(self.identities)} hold"] if held else [])

    def _repr_html_(self) -> str:
        """The report as a notebook shows it."""
        color = "#2e7d32" if self.ok else "#c62828"
        head, *lines = html.escape(str(self)).split("\n")
        rest = "\n".join(lines)
        return f'<pre style="line-height: 1.3"><b style="color: {color}">{head}</b>\n{rest}</pre>'

    def _outcome(self) -> str:
        if self.wrong:
            return "FAILED"
        if self._nothing_checked():
            return "NOTHING CHECKED"
        return "ok" if self.ok else "UNDECIDED"

    def _nothing_checked(self) -> bool:
        return bool(self.unconfirmed and not self.wrong and not self.counts[Verdict.INCONCLUSIVE])


_UNCONFIRMED = (
    "Nothing confirms the gradient by {}: every slope that was compared is 0 here, and yet the\n"
    'function moves elsewhere. Check at other inputs, or without at="here".'
)

_UNDECIDED = (
    "INCONCLUSIVE entries are neither right nor wrong: rounding in the function hides them. Check "
    "at\nother inputs, leave out large constants that are added, keep values and constants in "
    "float64,\nor write the function in NumPy calls alone, so that the complex step goes through."
)


NEWS = 1e-9  # of a ratio, how far from 1 is more than rounding


def _size(error: float) -> float:
    return math.inf if math.isnan(error) else error


def _ratio(ratio: float) -> str:
    """A ratio, with the digits that tell it from 1 if that is the news."""
    off = abs(abs(ratio) - 1)
    if not off <= 0.5:
        return f"{ratio:.4g}"
    digits = max(4, 2 - math.floor(math.log10(off))) if off > NEWS else 4
    return f"{ratio:.{digits}f}"


def _table(entries: list[Entry]) -> list[str]:
    head = ("verdict", "entry", "analytic", "numerical", "± error", "ratio", "")
    rows = [
        (
            e.verdict.value,
            e.parameter + (str(list(e.index)) if isinstance(e.index, tuple) else f" {e.index}")
            + (f" of {e.output}" if e.output else ""),
            f"{e.analytic:.10g}",
            f"{e.numerical:.10g}",
            f"{e.error:.1e}",
            _ratio(e.ratio),
            e.note,
        )
        for e in entries
    ]  # fmt: skip
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    return ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in (head, *rows)]
