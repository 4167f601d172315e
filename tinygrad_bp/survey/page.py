"""The survey as a page of the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tinygrad_bp.survey import Fate, survey
from tinygrad_bp.survey.reading import FAMILIES

__all__ = ["markdown"]

_INTRODUCTION = """\
% Made by `python -m tinygrad_bp.survey > examples/reference/functions.md`, with the newest NumPy
% and SciPy.

# NumPy's and SciPy's functions

What becomes of a function when it is called on a tensor that tracks. `numpy`, `numpy.linalg`,
`numpy.fft`, `numpy.emath` and `numpy.lib.stride_tricks`, with the ufuncs of `scipy.special`, have
{differentiable} names that are differentiable, {constant} that are constant and {refused} that are
refused.

## How to read the tables

```python
import numpy as np
from tinygrad_bp import Tensor

t = Tensor([0.5, -1.0], requires_grad=True)

print(np.tanh(t).requires_grad)  # True
print(np.argmax(t))              # 0
try:
    np.unique(t)
except TypeError as error:
    print(type(error).__name__)  # NotDifferentiableError
```

- A **differentiable** function (`np.tanh`) gives a tensor, and the gradient passes through it.
- A **constant** one (`np.argmax`) is flat almost everywhere or gives no real numbers: a plain array
  comes back, and no gradient passes.
- A **refused** one (`np.unique`) raises an error, and says what to write instead.

The *rule* is the verb that registered the function, one of [the registry](registry.md)'s:
`elementwise`, `linear` and `bilinear` state its structure, from which forward mode follows; `rule`
states both modes; `rewritten` means that the function is made of others, which have rules.

The *modes* are derived from the rule: R reverse mode, F forward mode, 2 derivatives of derivatives,
for which every function that the rule's formula calls must have a rule as well. Today all three
hold for every function that has a rule; tests compare each of them with finite differences. (For
complex numbers, `gamma` and its relatives lack the second: SciPy has no function for it.)

The *notes* say why the slope is what it is; where there is a *kink*, that is, no single slope, and
which one was chosen; which arguments take no gradient; and what to do if nan or inf comes out. A
function that is rewritten has the kinks of what it calls.

**If a function is missing**, and its error offers nothing else, give it a derivative of its own:
{{py:obj}}`custom_rule <tinygrad_bp.registry.custom_rule>` makes an op of any function, and the
verbs of [the registry](registry.md) register a rule for one that exists. [How to check a
gradient](../how_to/check_a_gradient.md) says whether it is right. What SciPy writes in Python
around its ufuncs mostly converts its arguments, and raises; for its softmax, log_softmax and
logsumexp there are those of [tinygrad_bp.functional](functional.md).
"""


def markdown() -> str:
    """Return the survey as a page of tables, which the reference holds for the newest versions."""
    fates = survey()
    counts = {kind: sum(len(fate.names) for fate in fates if fate.kind == kind)
              for kind in ("differentiable", "constant", "refused")}  # fmt: skip
    parts = [_INTRODUCTION.format(**counts)]
    for family in FAMILIES:
        rows = [(_code(fate.names), fate.verb, fate.modes, fate.notes)
                for fate in fates if fate.family == family]  # fmt: skip
        parts += _table(family, ("function", "rule", "modes", "notes"), rows)
    for kind in ("constant", "refused"):
        together = _by_notes(fate for fate in fates if fate.kind == kind)
        pairs = [(_code(names), notes) for notes, names in together.items()]
        parts += _table(kind.capitalize(), ("functions", "notes"), pairs)
    return "\n".join(parts)


def _by_notes(fates: Iterable[Fate]) -> dict[str, list[str]]:
    """Put functions of which the same is to be said together."""
    names: dict[str, list[str]] = {}
    for fate in fates:
        names.setdefault(fate.notes, []).extend(fate.names)
    return names


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(heading: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """One section; without rows, which is where SciPy is not installed, none."""
    lines = [_row(cell.replace("|", r"\|") for cell in row) for row in rows]
    return [f"## {heading}", "", _row(head), _row(["---"] * len(head)), *lines, ""] if lines else []


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
