"""What an examination found: findings, a row for each layer, and what was measured."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tinygrad_bp.errors import printable

__all__ = ["Finding", "Layer", "Report", "Severity", "counted"]

WIDTH = 80


class Severity(StrEnum):
    """How much a finding matters; the members are texts.

    >>> [severity.value for severity in Severity]
    ['WRONG', 'DOUBTFUL', 'NOTE']
    """

    WRONG = "WRONG"
    """It cannot learn like this, or not what is meant."""
    DOUBTFUL = "DOUBTFUL"
    """It learns badly or slowly, or this is probably not meant."""
    NOTE = "NOTE"
    """Worth knowing; nothing needs to be changed."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found; `str()` is a paragraph of at most 80 columns.

    >>> import numpy as np
    >>> from tinygrad_bp import doctor, nn, optim
    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Softmax(dim=1))
    >>> x, y = np.random.default_rng(0).normal(size=(32, 2)), np.arange(32) % 3
    >>> report = doctor.examine(model, nn.CrossEntropyLoss(), None, x, y, fit=False)
    >>> print(report.findings[0])
    WRONG     softmax before a loss that wants logits
      at      1
      saw     The outputs go from ... to ..., and add up to 1 for each example.
      why     cross_entropy squashes them itself: of these, it cannot fall below
              0.551, and learns slowly.
      write   F.softmax(model(x), axis=-1)
    ...
    """

    name: str
    """What it is called in code, such as "dead-relu"."""
    severity: Severity
    """How much it matters."""
    title: str
    """What is wrong, in a few words."""
    saw: str
    """What was measured."""
    why: str
    """Why it matters."""
    write: str
    """What to write instead: code, and perhaps a comment on it."""
    where: tuple[str, ...] = ()
    """Full names of layers or parameters; none for what concerns the whole."""

    @property
    def matters(self) -> bool:
        """Whether something should be changed."""
        return self.severity is not Severity.NOTE

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON values."""
        return {
            "name": self.name,
            "severity": self.severity.value,
            "title": self.title,
            "where": list(self.where),
            "saw": self.saw,
            "why": self.why,
            "write": self.write,
        }

    def lines(self, width: int = WIDTH) -> list[str]:
        """Return the finding as lines: its title, then where, what, why, and what to write."""
        found = _wrapped(f"{self.severity.value:<8}  ", self.title, width)
        code, mark, comment = self.write.partition("  # ")
        parts = {"at": _listed(self.where), "saw": self.saw, "why": self.why, "write": code}
        for word, text in parts.items():
            if text:
                found += _wrapped(f"  {word:<6}  ", text, width)
        margin = 10 * " " + "# "
        comments = _wrapped("", comment, width - len(margin)) if mark else []
        return found + [margin + line for line in comments]

    def __str__(self) -> str:
        return "\n".join(self.lines())


@dataclass(frozen=True)
class Layer:
    """What was measured at one layer with weights: a row of the table below a report.

    Rows come in the order in which layers are called.

    >>> import numpy as np
    >>> from tinygrad_bp import doctor, nn, optim
    >>> model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3))
    >>> model[0].bias.data = [-100.0, -100.0, -100.0, 1.0]  # three of four units never answer
    >>> x, y = np.random.default_rng(0).normal(size=(32, 2)), np.arange(32) % 3
    >>> report = doctor.examine(model, nn.CrossEntropyLoss(), None, x, y, fit=False)
    >>> [(layer.name, layer.kind, layer.idle) for layer in report.layers]
    [('0', 'Linear', 0.75), ('2', 'Linear', None)]
    """

    name: str
    """Its full name in the model."""
    kind: str
    """The name of its class."""
    output: float
    """The standard deviation of its outputs."""
    idle: float | None
    """The share of its units that the activation after it keeps dead or saturated."""
    gradient: float
    """The root mean square of its weight's gradient."""
    ratio: float | None
    """The size of the optimiser's first update over that of the weight."""

    def to_dict(self) -> dict[str, Any]:
        """Return the row as JSON values; numbers are text, so that nan and inf survive."""
        numbers = {k: None if (v := getattr(self, k)) is None else repr(v) for k in _NUMBERS}
        return {"name": self.name, "kind": self.kind, **numbers}


_NUMBERS = ("output", "idle", "gradient", "ratio")


@dataclass
class Report:
    """The result of `examine`; `str()` is a page, `to_dict()` JSON; a notebook shows it, too.

    >>> import numpy as np
    >>> from tinygrad_bp import doctor, nn, optim
    >>> model = nn.Linear(2, 3)
    >>> optimizer = optim.SGD([model.weight], lr=0.1)  # forgets the bias
    >>> x, y = np.random.default_rng(0).normal(size=(32, 2)), np.arange(32) % 3
    >>> report = doctor.examine(model, nn.CrossEntropyLoss(), optimizer, x, y, fit=False)
    >>> report.ok
    False
    >>> [(finding.severity.value, finding.name) for finding in report.findings]
    [('WRONG', 'not-in-optimizer'), ('NOTE', 'dtype')]
    >>> print(report)
    doctor: 1 thing to change, and 1 note
    ...
    """

    subject: str
    """The model and the batch, in words."""
    findings: list[Finding] = field(default_factory=list)
    """Causes first; what follows from another finding is left out."""
    layers: list[Layer] = field(default_factory=list)
    """What was measured at each layer with weights."""
    facts: list[str] = field(default_factory=list)
    """What was measured, a sentence each."""
    stopped: str = ""
    """Why the rest was not examined, if it was not."""

    @property
    def ok(self) -> bool:
        """Whether nothing needs to be changed."""
        return not any(finding.matters for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "ok": self.ok,
            "subject": self.subject,
            "findings": [finding.to_dict() for finding in self.findings],
            "layers": [layer.to_dict() for layer in self.layers],
            "facts": self.facts,
            "stopped": self.stopped,
        }

    def lines(self, width: int = WIDTH) -> list[str]:
        """Return the page as lines of at most so many columns."""
        return list(self._lines(width))

    def _lines(self, width: int) -> Iterator[str]:
        yield from _wrapped("", self._headline(), width, further=2)
        yield from _wrapped("  ", self.subject, width)
        for finding in self.findings:
            yield ""
            yield from finding.lines(width)
        if self.facts or self.stopped:
            yield ""
        for fact in [*self.facts, *filter(None, [self.stopped])]:
            yield from _wrapped("  ", fact, width)
        if self.layers:
            yield ""
            yield from _table(self.layers, width)
            yield from _wrapped("  ", _LEGEND, width)

    def _headline(self) -> str:
        changes = sum(finding.matters for finding in self.findings)
        notes = len(self.findings) - changes
        noted = f", and {counted(notes, 'note')}" if notes else ""
        if not changes:
            return f"doctor: nothing wrong{noted}"
        return f"doctor: {counted(changes, 'thing')} to change{noted}"

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        """The report as a notebook shows it."""
        color = "#2e7d32" if self.ok else "#c62828"
        head, *lines = html.escape(str(self)).split("\n")
        rest = "\n".join(lines)
        return f'<pre style="line-height: 1.3"><b style="color: {color}">{head}</b>\n{rest}</pre>'


def counted(n: int, word: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "layer"), counted(2, "layer")
    ('1 layer', '2 layers')
    """
    return f"{n} {word}{'s' * (n != 1)}"


def _wrapped(before: str, text: str, width: int, *, further: int | None = None) -> list[str]:
    """Text with something before it, and its further lines set in as far, or as wanted."""
    margin = " " * (len(before) if further is None else further)
    return textwrap.wrap(
        printable(text).replace("\n", " "), width, initial_indent=before, subsequent_indent=margin,
        break_on_hyphens=False,
    ) or [before.rstrip()]  # fmt: skip


SHOWN = 4  # names of layers or parameters


def _listed(names: tuple[str, ...]) -> str:
    more = len(names) - SHOWN
    shown = ", ".join(names[:SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown


# --- the table of layers ----------------------------------------------------------------------

_HEAD = ("layer", "output", "idle", "gradient", "update/weight")


_LEGEND = (
    "output: the spread of what it gives; idle: units that the activation keeps dead or saturated; "
    "gradient: the size of its weight's; update/weight: of the first step."
)


def _table(layers: list[Layer], width: int) -> list[str]:
    """The layers in five columns: a name and four numbers."""
    rows = [_HEAD]
    rows += [
        (
            printable(f"{layer.name}: {layer.kind}" if layer.name else layer.kind),
            f"{layer.output:.2g}",
            "-" if layer.idle is None else f"{layer.idle:.0%}",
            f"{layer.gradient:.1e}",
            "-" if layer.ratio is None else f"{layer.ratio:.1e}",
        )
        for layer in layers
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    widths[0] = min(widths[0], width - sum(widths[1:]) - 2 * len(widths))
    return [
        "  " + "  ".join([_cut(name, widths[0]).ljust(widths[0]),
                          *map(str.rjust, numbers, widths[1:])])
        for name, *numbers in rows
    ]  # fmt: skip


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."
