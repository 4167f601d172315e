"""Labels: one test instead of three, and what they pick out by a flat `take`. The same bits.

Seen as numbers without a sign, labels below 0 are very large: so one maximum shows that all are
in range. That they are makes `take` in its fast mode right, which tests no index.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tinygrad_bp.program.listing import Check, Function, Listing, Statement, Value, subscript
from tinygrad_bp.program.rewriting.drafts import (
    Draft,
    Rule,
    constant_of,
    is_real,
    rewrite_each,
)
from tinygrad_bp.program.strides import is_contiguous

__all__ = ["with_labels_in_range"]

MOST = 256  # classes up to which the rows of a unit matrix are kept


class _Bound(NamedTuple):
    """What a check says of all labels: they are at least so much, or below so much."""

    labels: Value
    check: Check
    least: int | None
    below: int | None


class _Range(NamedTuple):
    """Labels are from 0 on and below a number, and which checks say so."""

    below: int
    statement: Statement
    checks: list[Check]


def with_labels_in_range(listing: Listing) -> Listing:
    """Return a listing that tests labels once, and takes what they pick out from flat arrays."""
    ranges = _ranges(listing)
    if not ranges:
        return listing
    replaced = {check for found in ranges.values() for check in found.checks}
    checks = [check for check in listing.checks if check not in replaced]
    draft = Draft(dataclasses.replace(listing, checks=checks))
    for labels, found in ranges.items():
        _test(draft, labels, found)
    rules: dict[Function, Rule] = {
        np.take_along_axis: partial(_chosen, ranges=ranges),
        np.astype: partial(_unit_rows, ranges=ranges),
    }
    return rewrite_each(listing, rules, draft)


# --- what the checks say ----------------------------------------------------------------------


def _ranges(listing: Listing) -> dict[Value, _Range]:
    """Return the labels, arguments of the step, that checks hold in a range from 0 on."""
    made_by = listing.made_by()
    bounds: dict[Value, list[_Bound]] = {}
    for check in listing.checks:
        for bound in _bounds(check, made_by):
            bounds.setdefault(bound.labels, []).append(bound)
    found = {}
    for labels, those in bounds.items():
        least = max([b.least for b in those if b.least is not None], default=-1)
        below = min([b.below for b in those if b.below is not None], default=0)
        if least == 0 < below:
            statement = made_by[those[0].check.condition]
            found[labels] = _Range(below, statement, [b.check for b in those])
    return found


def _bounds(check: Check, made_by: Mapping[Value, Statement]) -> Iterator[_Bound]:
    """Yield what a check that does not hold says: `min(labels) < 0`, `max(labels) >= 10`."""
    comparison, holds = made_by.get(check.condition), check.expected
    while comparison is not None and comparison.function is np.logical_not:
        comparison, holds = made_by.get(comparison.args[0]), not holds
    if comparison is None or holds or comparison.function not in _OPPOSITE:
        return
    extreme, number = comparison.args
    of, side, offset = _OPPOSITE[comparison.function]
    number = constant_of(number)
    reduction = made_by.get(extreme)
    if reduction is None or reduction.function is not of or not isinstance(number, int):
        return
    labels = reduction.args[0]
    if not labels.source or labels.dtype.kind not in "iu" or set(reduction.kwargs) - {"axis"}:
        return
    if reduction.kwargs.get("axis") is not None or len(reduction.args) > 1:
        return
    yield _Bound(labels, check, **{"least": None, "below": None, side: number + offset})


_OPPOSITE: Mapping[Any, tuple[Any, str, int]] = {
    np.less: (np.min, "least", 0),
    np.less_equal: (np.min, "least", 1),
    np.greater_equal: (np.max, "below", 0),
    np.greater: (np.max, "below", 1),
}


# --- what is made of that ---------------------------------------------------------------------


def _test(draft: Draft, labels: Value, found: _Range) -> None:
    """Check by one maximum that labels are in range."""
    like, dtype = found.statement, np.dtype(f"u{labels.dtype.itemsize}")  # type: ignore[union-attr]
    unsigned = labels
    if dtype != labels.dtype:
        unsigned = draft.call(like, np.ndarray.view, labels, dtype, shape=labels.shape,
                              dtype=dtype, view_of=labels)  # fmt: skip
    largest = draft.call(like, np.max, unsigned, shape=(), dtype=dtype)
    draft.require(like, draft.call(like, np.less, largest, found.below, shape=(), dtype=np.bool_))


def _column(draft: Draft, item: Any, ranges: Mapping[Value, _Range]) -> Value | None:
    """The labels that `labels[..., None]` shows, if they are in range."""
    shown = draft.made(item, subscript)
    if shown is None or shown.args[1] != (Ellipsis, None):
        return None
    labels = shown.args[0]
    return (
        labels if labels in ranges and np.result_type(labels.dtype, np.intp).kind == "i" else None
    )


def _chosen(draft: Draft, statement: Statement, *, ranges: Mapping[Value, _Range]) -> Value | None:
    """The number at each row's label, taken from the flat array."""
    if statement.kwargs != {"axis": -1} or len(statement.args) != 2:
        return None
    z, labels = statement.args[0], _column(draft, statement.args[1], ranges)
    if labels is None or not is_contiguous(z) or z.shape[:-1] != labels.shape:
        return None
    classes = z.shape[-1]
    if ranges[labels].below > classes:
        return None
    starts = draft.constant(np.arange(labels.size).reshape(labels.shape) * classes)
    places = draft.call(statement, np.add, starts, labels, shape=labels.shape,
                        dtype=np.result_type(labels.dtype, np.intp))  # fmt: skip
    flat = draft.reshape(statement, z, (z.size,))
    found = draft.call(statement, np.take, flat, places, shape=labels.shape, mode="clip")
    return draft.reshape(statement, found, statement.output.shape)


def _unit_rows(
    draft: Draft, statement: Statement, *, ranges: Mapping[Value, _Range]
) -> Value | None:
    """Rows that are 1 at their label, taken from the unit matrix."""
    equal = draft.made(statement.args[0], np.equal)
    if equal is None or not is_real(statement.output) or statement.kwargs:
        return None
    labels, numbers = _column(draft, equal.args[0], ranges), constant_of(equal.args[1])
    if labels is None or not isinstance(numbers, np.ndarray) or numbers.size > MOST:
        return None
    if ranges[labels].below > numbers.size or not np.array_equal(numbers, range(numbers.size)):
        return None
    rows = draft.constant(np.eye(numbers.size, dtype=statement.output.dtype))
    return draft.call(statement, np.take, rows, labels, 0, mode="clip")
