"""What a check reached, and what it says nothing about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinygrad_bp.gradcheck.report import Report, Verdict
from tinygrad_bp.gradcheck.subject import Subject

__all__ = ["coverage"]

Vector = np.ndarray[Any, Any]


def coverage(subject: Subject, analytic: Vector, report: Report) -> list[str]:
    """Return lines on the entries that were compared; the gradients are the rows of `analytic`."""
    n, counts = subject.x.size, report.counts
    if n == 0:
        return ["there are no entries to compare"]
    reached = np.any(analytic != 0, axis=0)
    lines = [f"{np.count_nonzero(reached):,} of {n:,} gradient entries non-zero"]
    lines += _unreached(subject, reached)
    if counts[Verdict.VACUOUS] > sum(counts.values()) / 2:
        lines.append("most comparisons were 0 = 0, which says little about those entries")
    kinks = counts[Verdict.KINK]
    lines.append(f"ties met at {kinks} entries" if kinks else "ties never met")
    return lines


def _unreached(subject: Subject, reached: Vector) -> Iterator[str]:
    """What takes no gradient: whole inputs, and rows of them."""
    for name, part in zip(subject.names, subject.split(reached), strict=True):
        if not part.size:
            continue
        if not part.any():
            yield f"'{name}' has no influence here: its gradient is 0 everywhere"
        elif part.ndim > 1:
            dead = np.flatnonzero(~part.reshape(len(part), -1).any(axis=1))
            shown = ", ".join(map(str, dead[:8])) + (", ..." if dead.size > 8 else "")
            if dead.size:
                yield f"'{name}': no gradient reaches rows {shown}"
