"""Functions and objects of a program that are no module's: printed, or handed over by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_bp.program.writing.identifiers import RESERVED, identifier
from tinygrad_bp.program.writing.opaque import Opaque

__all__ = ["Outside"]


class Outside:
    """What a text refers to beside modules: its own functions, and what `prepare` is called with.

    >>> outside = Outside()
    >>> outside.name_of(np.random.default_rng(0)), [*outside.given]
    ('rng', ['rng'])
    """

    def __init__(self) -> None:
        self.opaque = Opaque()
        self.given: dict[str, Any] = {}
        """What `prepare` is called with, by name."""
        self._names: dict[int, str] = {}

    @property
    def names(self) -> set[str]:
        """All names that are taken."""
        return {*self.opaque.names, *self.given}

    def name_of(self, item: Any) -> str:
        """Return what stands for a function or an object: its text is added, or it is given."""
        written = self.opaque.name_of(item) if callable(item) else None
        if written is not None:
            return written
        if id(item) not in self._names:
            self._names[id(item)] = self._new(item)
            self.given[self._names[id(item)]] = item
        return self._names[id(item)]

    def _new(self, item: Any) -> str:
        kind: str = getattr(item, "__name__", type(item).__name__)
        if isinstance(item, np.random.Generator):
            kind = "rng"
        name = identifier(kind) if kind.isidentifier() else "given"
        while name in self.given or name in RESERVED:
            name += "_"
        return name
