"""What became of the planted faults: one by one, in a table, and in Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinygrad_bp.gradcheck.mutants.excuses import ARGUED, EXCUSES
from tinygrad_bp.gradcheck.mutants.faults import FAULTS

__all__ = ["Mutant", "MutationReport"]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One planted fault and what became of it."""

    function: str
    slot: int | None  # None for all arguments of a variadic function
    fault: str
    outcome: str  # "killed", "survived" or "equivalent"
    by: str = ""  # what killed it
    call: str = ""  # the call that did, or that changed and was let pass
    excuse: str = ""  # why it changes nothing: a key of `EXCUSES`

    def __str__(self) -> str:
        place = "" if self.slot is None else f", argument {self.slot}"
        end = f" by {self.by}" if self.by else ""
        where = f", in {self.call}" if self.call else ""
        why = f": {EXCUSES[self.excuse]}" if self.excuse else ""
        return f"{self.function}{place}: {self.fault}, {self.outcome}{end}{where}{why}"


@dataclass(frozen=True)
class MutationReport:
    """What became of all planted faults; `str()` is a table of rules and faults.

    >>> import numpy as np
    >>> from tinygrad_bp.gradcheck.mutants import mutants
    >>> print(mutants([np.exp, np.add], faults=["wrong sign", "stale output"]))
    4 killed, 0 survived, 2 equivalent (of 6 planted faults; seed 0)
    <BLANKLINE>
         sign  old y
    exp  x     x
    add  xx    ==
    <BLANKLINE>
    One character for each argument: x killed, = changes nothing, S SURVIVED
      sign   wrong sign    3 killed
      old y  stale output  1 killed, 2 equivalent
    """

    mutants: list[Mutant]
    false_alarms: list[str]  # calls at which the check complained of the sound rule
    seed: int

    @property
    def killed(self) -> list[Mutant]:
        """Those that were noticed."""
        return self._of("killed")

    @property
    def survived(self) -> list[Mutant]:
        """Those that changed a gradient and were not noticed."""
        return self._of("survived")

    @property
    def equivalent(self) -> list[Mutant]:
        """Those that changed nothing."""
        return self._of("equivalent")

    @property
    def unexcused(self) -> list[Mutant]:
        """Those that changed nothing, and nobody knows why: the calls may be too tame."""
        return [mutant for mutant in self.equivalent if not mutant.excuse]

    @property
    def ok(self) -> bool:
        """Whether all that can be noticed was, and nothing else was."""
        return not (self.survived or self.unexcused or self.false_alarms)

    def _of(self, outcome: str) -> list[Mutant]:
        return [mutant for mutant in self.mutants if mutant.outcome == outcome]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "ok": self.ok,
            "killed": len(self.killed),
            "survived": len(self.survived),
            "equivalent": len(self.equivalent),
            "false_alarms": self.false_alarms,
            "seed": self.seed,
            "mutants": [
                {name: getattr(mutant, name) for name in Mutant.__slots__}
                for mutant in self.mutants
            ],
        }

    def __str__(self) -> str:
        head = (
            f"{len(self.killed)} killed, {len(self.survived)} survived, {len(self.equivalent)} "
            f"equivalent (of {len(self.mutants)} planted faults; seed {self.seed})"
        )
        key = "One character for each argument: x killed, = changes nothing, S SURVIVED"
        parts = [head, "", *self._table(), "", key, *self._totals()]
        for title, lines in (
            ("survivors", self.survived),
            ("change nothing, nobody knows why", self.unexcused),
            ("false alarms", self.false_alarms),
        ):
            if lines:
                parts += ["", f"{title}:", *(f"  {line}" for line in lines)]
        return "\n".join(parts)

    def to_markdown(self) -> str:
        """Return the whole table, and why each equivalent mutant is one."""
        argued = [m for m in self.equivalent if m.excuse in ARGUED]
        noticed = Counter(mutant.by.partition(":")[0] for mutant in self.killed)
        return "\n".join(
            [
                f"{len(self.killed):,} of {len(self.mutants):,} planted faults are killed, "
                f"{len(self.survived):,} survive, {len(self.equivalent):,} change no gradient "
                f"({len(self.unexcused):,} of them for no known reason); "
                f"{len(self.false_alarms):,} false alarms; seed {self.seed}.",
                "",
                "One character for each argument: x killed, S survived, ? changes nothing for no "
                "known reason; the other letters say below why there is nothing to notice.",
                "",
                *_markdown([["rule", *self._shorts()], *self._cells(_letter)]),
                "",
                *_markdown([["", "fault", *_MARKS], *self._counts()]),
                "",
                f"What noticed them: {', '.join(f'{n:,} by {by}' for by, n in noticed.items())}.",
                "",
                *_markdown([["", "why it changes no gradient", "mutants"], *self._excused()]),
                "",
                "All but the last two reasons are found by calling the rule. Those two are argued, "
                "one by one:",
                "",
                *(
                    f"- {m.function}, argument {m.slot}, {m.fault}: {EXCUSES[m.excuse]}"
                    for m in argued
                ),
                "",
            ]
        )

    def _excused(self) -> list[list[str]]:
        counts = Counter(mutant.excuse for mutant in self.equivalent)
        return [[_LETTERS[name], why, str(counts[name])] for name, why in EXCUSES.items()]

    def _faults(self) -> list[str]:
        return list(dict.fromkeys(mutant.fault for mutant in self.mutants))

    def _shorts(self) -> list[str]:
        return [FAULTS[fault].short for fault in self._faults()]

    def _cells(self, mark: Callable[[Mutant], str]) -> list[list[str]]:
        """A row for each rule, with its name and a cell for each fault."""
        cells: dict[str, dict[str, str]] = {}
        for mutant in self.mutants:
            row = cells.setdefault(mutant.function, dict.fromkeys(self._faults(), ""))
            row[mutant.fault] += mark(mutant)
        return [[function, *row.values()] for function, row in cells.items()]

    def _counts(self) -> list[list[str]]:
        """A row for each fault, with its names and how many had which outcome."""
        counts = Counter((mutant.fault, mutant.outcome) for mutant in self.mutants)
        return [
            [FAULTS[fault].short, fault, *(str(counts[fault, outcome]) for outcome in _MARKS)]
            for fault in self._faults()
        ]

    def _table(self) -> list[str]:
        marked = self._cells(lambda mutant: _MARKS[mutant.outcome])
        return _aligned([["", *self._shorts()], *marked])

    def _totals(self) -> list[str]:
        rows = []
        for short, fault, *counts in self._counts():
            said = [f"{n} {outcome}" for n, outcome in zip(counts, _MARKS, strict=True) if n != "0"]
            rows.append([short, fault, ", ".join(said)])
        return [f"  {line}" for line in _aligned(rows)]


_MARKS = {"killed": "x", "survived": "S", "equivalent": "="}
_LETTERS = dict(zip(EXCUSES, "zunvefrdq", strict=True))


def _letter(mutant: Mutant) -> str:
    if mutant.outcome != "equivalent":
        return _MARKS[mutant.outcome]
    return _LETTERS.get(mutant.excuse, "?")


def _aligned(rows: list[list[str]]) -> list[str]:
    return [
        "  ".join(
            text.ljust(width) for text, width in zip(row, _widths(rows), strict=True)
        ).rstrip()
        for row in rows
    ]


def _markdown(rows: list[list[str]]) -> list[str]:
    """The rows as a Markdown table, the first one being its head."""
    widths = [max(3, width) for width in _widths(rows)]
    head, *others = (
        f"| {' | '.join(text.ljust(width) for text, width in zip(row, widths, strict=True))} |"
        for row in rows
    )
    return [head, f"| {' | '.join('-' * width for width in widths)} |", *others]


def _widths(rows: list[list[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]
