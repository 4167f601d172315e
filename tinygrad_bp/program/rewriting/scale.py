"""The learning rate and the scale of the loss in one factor, where the gradient begins.

All gradients of a step come linearly from one small array, the slope of the loss by the outputs,
which a constant such as 2 / n multiplies already. So the learning rate can stand there too, instead
of multiplying as many numbers as there are weights. Both are one number, calculated anew only when
the learning rate changes.

An element of the result differs by the rounding of the products and sums on its way, as it does
where sums are reordered. Numbers below the smallest normal one come sooner than without, and
overflow comes later.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from tinygrad_bp.program.listing import (
    Function,
    Listing,
    Option,
    Statement,
    Value,
    subscript,
    values_in,
)
from tinygrad_bp.program.rewriting.drafts import (
    Draft,
    Rule,
    constant_factor,
    equals,
    is_real,
    rewrite_each,
)

__all__ = ["with_common_scale"]

MOST = 16  # places that are tried, so that time stays linear
LESS = 4  # times as small an array must be that is multiplied by nothing yet


class _Product(NamedTuple):
    """A statement that multiplies an array by a number."""

    statement: Statement
    factor: Value
    array: Value


class _Start(NamedTuple):
    """A statement whose result can be multiplied, and what multiplies an array there already."""

    statement: Statement
    factor: Any = None
    array: Value | None = None


def with_common_scale(listing: Listing) -> Listing:
    """Return a listing in which the factor of all gradients stands where they begin."""
    made_by = listing.made_by()
    products = [p for s in listing.statements if (p := _product(s)) is not None]
    rates = [p for p in products if _is_option(p.factor, made_by)]
    begun = _after_backward(listing) if rates else set()
    for rate in rates[:MOST]:
        last = made_by.get(rate.array)
        if last is None or not all(v in begun for v in last.inputs() if last.function in _OF_ALL):
            continue  # such as a velocity, only part of which is a gradient
        for start in _starts(listing, rate.array.size):
            if _leads_to(listing, start, rate):
                return _moved(listing, start, rate, made_by)
    return listing


def _after_backward(listing: Listing) -> set[Value]:
    """What is made in the backward pass, or of that."""
    found: set[Value] = set()
    for statement in listing.statements:
        if statement.place.phase == "backward" or not found.isdisjoint(statement.inputs()):
            found.update(statement.outputs)
    return found


def _starts(listing: Listing, size: int) -> Iterator[_Start]:
    """Yield where a factor could stand: first where there is one, then where gradients begin."""
    backward = [
        s for s in listing.statements
        if s.place.phase == "backward" and not s.several and is_real(s.output) and s.output.shape
        and s.output.size <= size
    ][:MOST]  # fmt: skip
    there = [_Start(s, *factor) for s in backward if (factor := constant_factor(s)) is not None]
    yield from there
    others = set(backward).difference(each.statement for each in there)
    yield from (_Start(s) for s in backward if s in others and s.output.size * LESS <= size)


def _product(statement: Statement) -> _Product | None:
    if statement.function is not np.multiply or statement.kwargs or statement.quiet:
        return None
    for factor, array in (statement.args, statement.args[::-1]):
        if is_real(factor) and factor.shape == () and is_real(array) and array.shape:
            fits = factor.dtype == array.dtype == statement.output.dtype
            return _Product(statement, factor, array) if fits else None
    return None


def _is_option(factor: Value, made_by: Mapping[Value, Statement]) -> bool:
    """Whether a number changes only when an option does: `asarray(lr, dtype)`."""
    statement = made_by.get(factor)
    return (
        statement is not None
        and statement.function is np.asarray
        and all(isinstance(v.source, Option) for v in statement.inputs())
    )


# --- where a factor can stand -----------------------------------------------------------------


def _leads_to(listing: Listing, start: _Start, end: _Product) -> bool:
    """Whether a factor at the start multiplies the end, and nothing else that counts."""
    scaled = {start.statement.output}
    begun = False
    for statement in listing.statements:
        begun = begun or statement is start.statement
        if not begun or statement is start.statement or scaled.isdisjoint(statement.inputs()):
            continue
        if statement is end.statement:
            if start.statement.output is end.array or end.factor in scaled:
                return False
            continue
        if not _is_linear(statement, scaled):
            return False
        scaled.update(statement.outputs)
    return end.array in scaled and not end.array.base and scaled.isdisjoint(_needed(listing))


def _needed(listing: Listing) -> Iterator[Value]:
    for value in listing.needed():
        yield value
        if value.base is not None:
            yield value.base
    for update in listing.updates:
        yield from update.inputs()


def _is_linear(statement: Statement, scaled: set[Value]) -> bool:
    """Whether the output has a factor if some of the arguments have it."""
    function, args = statement.function, statement.args
    inside = [v in scaled for v in values_in(args)]
    if statement.several or not is_real(statement.output) or sum(inside) == 0:
        return False
    if not scaled.isdisjoint(values_in(statement.kwargs)):
        return False
    if function in _OF_ALL:
        return all(inside) and all(_is_array(a) for a in args[: _OF_ALL[function]])
    if function is np.where:
        return sum(inside) == 1 and args[1] in scaled and equals(args[2], 0)
    first = function in _OF_FIRST and args[0] in scaled
    return sum(inside) == 1 and (first or (function in _OF_EITHER and len(args) == 2))


def _is_array(item: Any) -> bool:
    """Whether it is an array, or a list of arrays: a number beside them would have no factor."""
    return all(map(_is_array, item)) if isinstance(item, list | tuple) else isinstance(item, Value)


_OF_FIRST: Collection[Function] = {
    np.reshape, np.transpose, np.squeeze, np.negative, np.sum, np.divide, np.astype, np.take,
    subscript,
}  # fmt: skip
_OF_EITHER: Collection[Function] = {np.multiply, np.dot, np.matmul}
_OF_ALL: Mapping[Function, int] = {np.concatenate: 1, np.add: 2, np.subtract: 2}


# --- moving it --------------------------------------------------------------------------------


def _moved(
    listing: Listing, start: _Start, end: _Product, made_by: Mapping[Value, Statement]
) -> Listing:
    """Return the listing with the factor of the end at the start."""
    setting = made_by[end.factor]

    def option(draft: Draft, statement: Statement) -> Value | None:
        if statement.output is not end.factor:
            return None
        if end.factor not in draft.made_by:
            draft.keep(dataclasses.replace(setting, when="options"))
        return end.factor

    def scaled(draft: Draft, statement: Statement) -> Value | None:
        if statement.output is end.statement.output:
            array: Value = draft.current(end.array)
            return array
        if statement.output is not start.statement.output:
            return None
        option(draft, setting)
        if start.array is None:
            draft.keep(statement)
            return draft.call(statement, np.multiply, end.factor, statement.output)
        both = draft.call(setting, np.multiply, end.factor, start.factor)
        draft.statements[-1].when = "options"
        return draft.call(statement, np.multiply, both, draft.current(start.array))

    rules: dict[Function, Rule] = {
        start.statement.function: scaled,
        np.multiply: scaled,
        np.asarray: option,
    }
    return rewrite_each(listing, rules)
