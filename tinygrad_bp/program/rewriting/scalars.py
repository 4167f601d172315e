"""Arithmetic between single numbers by Python's operators. The same bits.

A ufunc takes half a microsecond to see that its arguments are numbers; an operator of NumPy's
numbers a tenth of that, and `math.isfinite` a thirteenth of what NumPy's takes.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from tinygrad_bp.program.listing import Function, Listing, Statement, Value
from tinygrad_bp.program.rewriting.drafts import Draft, rewrite_each
from tinygrad_bp.program.stand_in import of_python

__all__ = ["with_operators"]


def with_operators(listing: Listing) -> Listing:
    """Return a listing whose statements on single numbers call no ufunc."""
    rules = dict.fromkeys(_EXACT, _operator)
    conditions = {check.condition for check in listing.checks}

    def isfinite(draft: Draft, statement: Statement) -> Value | None:
        x = statement.args[0]
        if statement.output not in conditions or x.is_number or x.shape or x.dtype.kind != "f":
            return None
        draft.keep(dataclasses.replace(statement, function=math.isfinite))
        return statement.output

    return rewrite_each(listing, {**rules, np.isfinite: isfinite})


def _operator(draft: Draft, statement: Statement) -> Value | None:
    """The operator, if no argument has axes."""
    if statement.output.shape or statement.kwargs or not _are_numbers(draft, statement):
        return None
    draft.keep(dataclasses.replace(statement, function=of_python[statement.function]))
    return statement.output


def _are_numbers(draft: Draft, statement: Statement) -> bool:
    """Whether all arguments are numbers of Python's or NumPy's, rather than arrays without axes."""
    return all(
        not isinstance(a, Value) or a.is_number or (not a.shape and draft.made(a, *_GIVE_NUMBERS))
        for a in statement.args
    )


# Others, such as powers, are rounded otherwise by operators than by NumPy's functions.
_EXACT: tuple[Function, ...] = (
    np.add, np.subtract, np.multiply, np.divide, np.negative, np.equal, np.not_equal, np.less,
    np.less_equal, np.greater, np.greater_equal,
)  # fmt: skip
_GIVE_NUMBERS: tuple[Function, ...] = (
    np.dot,
    np.vdot,
    np.min,
    np.max,
    np.sum,
    np.mean,
    *of_python.values(),
)
