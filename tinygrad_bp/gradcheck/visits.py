"""Other points, and other layouts of memory, at which a gradient is compared as well.

What is right at one point, for arrays in C order, or for the first call alone fails there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_bp.gradcheck.layouts import LAYOUTS, Layout, as_it_is
from tinygrad_bp.gradcheck.places import mirrored, nudged, permuted
from tinygrad_bp.gradcheck.subject import Subject

__all__ = ["Visit", "visits"]

Vector = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Visit:
    """A point, in words and numbers, and the layout that inputs have there."""

    name: str
    x: Vector
    layout: Layout = as_it_is
    required: bool = False  # no matter what, the function must be differentiated there


def visits(subject: Subject, rng: np.random.Generator) -> Iterator[Visit]:
    """Yield other points, and the given one with its inputs elsewhere in memory."""
    yield Visit("nearby", nudged(subject, rng))
    for name, x in (("mirrored", mirrored(subject)), ("in another order", permuted(subject, rng))):
        if not np.array_equal(x, subject.x):
            yield Visit(name, x)
    for name, layout in LAYOUTS.items():
        if any(layout(a).strides != a.strides for a in subject.values if a.size > 1):
            yield Visit(name, subject.x, layout, required=True)
