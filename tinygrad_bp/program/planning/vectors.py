"""Vectors that arrays are joined into: of which arrays, and what these were in their own shapes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tinygrad_bp.program.listing import Statement, Value

__all__ = ["before_reshape", "joined_vectors"]


def joined_vectors(statement: Statement) -> list[Value]:
    """Return the vectors that a statement joins, none if it does something else."""
    if statement.function is not np.concatenate or statement.kwargs or len(statement.args) != 1:
        return []
    parts = list(statement.args[0])
    return parts if all(isinstance(p, Value) and len(p.shape) == 1 for p in parts) else []


def before_reshape(part: Value, made_by: Mapping[Value, Statement]) -> Value:
    """Return what a vector was before it was laid flat."""
    statement = made_by.get(part)
    if statement is None or statement.function is not np.reshape:
        return part
    whole = statement.args[0]
    return whole if isinstance(whole, Value) else part
