"""A listing that is being rewritten, statement by statement, from the first to the last."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.program.listing import (
    Applied,
    Check,
    Constant,
    Function,
    Listing,
    Statement,
    Value,
    mapped,
    values_in,
)
from tinygrad_bp.program.strides import is_contiguous, new_value

__all__ = [
    "Draft",
    "Rule",
    "constant_factor",
    "constant_of",
    "equals",
    "is_real",
    "rewrite_each",
    "root",
]


class Draft:
    """What is there of the new listing, and what stands for values of the old one."""

    def __init__(self, listing: Listing) -> None:
        self.old = listing
        self.statements: list[Statement] = []
        self.checks = list(listing.checks)
        self.made_by: dict[Value, Statement] = {}
        self._sources = list(listing.sources)
        self._change: dict[Value, Any] = {}
        self._constants: dict[Any, Value] = {}
        self._kept = {root(v) for v in [*values_in(listing.results), *listing.after]}
        self._written = {root(v) for v in values_in([w.value for w in listing.writes])}

    # --- what is there ------------------------------------------------------------------------

    def made(self, value: Any, *functions: Function) -> Statement | None:
        """Return the statement that makes a value, if it calls one of some functions."""
        statement = self.made_by.get(value) if isinstance(value, Value) else None
        return statement if statement is not None and statement.function in functions else None

    def may_be(self, output: Value, value: Value) -> bool:
        """Whether one value can stand for another, where one was an array of its own.

        A user who gets an array may write into it, and what is assigned must not be memory that
        another assignment writes.
        """
        whole = root(output)
        if whole in self._kept:
            return False
        return whole not in self._written or root(value).source is None

    # --- what is new --------------------------------------------------------------------------

    def keep(self, statement: Statement) -> None:
        """Take a statement as it is."""
        moved = [v for v in statement.outputs if v.base in self._change]
        if moved:
            new = {v: dataclasses.replace(v, base=root(self._change[v.base])) for v in moved}  # type: ignore[index]
            self._change.update(new)
            outputs = tuple([new.get(v, v) for v in statement.outputs])
            statement = dataclasses.replace(statement, outputs=outputs)
        self.statements.append(statement)
        for output in statement.outputs:
            self.made_by[output] = statement

    def replace(self, old: Value, new: Value) -> None:
        """Let one value stand for another from here on."""
        if old is new:
            return
        if old.name and not new.name and new.source is None:
            new.name = old.name
        if new.source is None and new.gradient_of is None:
            new.gradient_of = old.gradient_of
        self._change[old] = new

    def call(
        self,
        like: Statement,
        function: Function,
        *args: Any,
        shape: tuple[int, ...] | None = None,
        dtype: Any = None,
        view_of: Value | None = None,
        quiet: tuple[str, ...] = (),
        **kwargs: Any,
    ) -> Value:
        """Add a statement in the place of another one, and return what it makes."""
        shape = like.output.shape if shape is None else shape
        dtype = np.dtype(like.output.dtype if dtype is None else dtype)
        base = None if view_of is None else root(view_of)
        output = new_value(shape, dtype, base=base)
        self.keep(Statement(function, args, kwargs, (output,), quiet=quiet, place=like.place))
        return output

    def reshape(self, like: Statement, value: Value, shape: tuple[int, ...]) -> Value:
        """Return a value in another shape: a view of it, if it is contiguous."""
        if value.shape == shape:
            return value
        base = value if is_contiguous(value) else None
        return self.call(like, np.reshape, value, shape, shape=shape, dtype=value.dtype,
                         view_of=base)  # fmt: skip

    def constant(self, array: Any) -> Value:
        """Return an array that all runs have in common."""
        array = np.asarray(array)
        key = array.shape, array.dtype, array.tobytes()
        if key not in self._constants:
            found = Value(array.shape, array.dtype, array.strides, Constant(array))
            self._constants[key] = found
            self._sources.append(found)
        return self._constants[key]

    def current(self, item: Any) -> Any:
        """Return what stands for values now, in nested tuples, lists and dicts."""
        return mapped(item, self._change) if self._change else item

    def statement(self, statement: Statement) -> Statement:
        """Return a statement of the old listing with what stands for its values now."""
        if self._change and any(v in self._change for v in statement.inputs()):
            return statement.with_values(self._change)
        return statement

    def finished(self) -> Listing:
        """Return the new listing."""
        old = self.old
        return dataclasses.replace(
            old,
            statements=self.statements,
            checks=[
                dataclasses.replace(c, condition=self.current(c.condition)) for c in self.checks
            ],
            updates=[self.statement(s) for s in old.updates],
            writes=[dataclasses.replace(w, value=self.current(w.value)) for w in old.writes],
            after=[self.current(v) for v in old.after],
            results=self.current(old.results),
            sources=self._sources,
            applied={
                number: Applied(self.current(one.arguments), self.current(one.results))
                for number, one in old.applied.items()
            },
        )

    def require(self, like: Statement, condition: Value) -> None:
        """Add a check: where the condition does not hold, the step is run eagerly."""
        self.checks.append(Check(condition, expected=True, place=like.place))


Rule: TypeAlias = Callable[[Draft, Statement], Value | None]
"""Returns what stands for the output of a statement; None if the statement is to stay."""


def rewrite_each(
    listing: Listing, rules: Mapping[Function, Rule], draft: Draft | None = None
) -> Listing:
    """Return a listing with each statement as the rule of its function has it."""
    draft = draft or Draft(listing)
    for old in listing.statements:
        statement = draft.statement(old)
        rule = None if statement.several or statement.draws else rules.get(statement.function)
        new = rule(draft, statement) if rule else None
        if new is None:
            draft.keep(statement)
        else:
            draft.replace(old.output, new)
    return draft.finished()


def root(value: Value) -> Value:
    """Return the value whose memory a value shows."""
    return value.base or value


def is_real(value: Any) -> bool:
    """Whether it is an array of floats that BLAS multiplies."""
    return isinstance(value, Value) and value.dtype in (np.float32, np.float64)


def constant_of(item: Any) -> Any:
    """Return a number, or an array that all runs have in common; None for anything else."""
    if isinstance(item, Value):
        return item.source.value if isinstance(item.source, Constant) else None
    return item if isinstance(item, int | float) else None


def equals(item: Any, number: float) -> bool:
    """Whether it is a number, or a constant array without axes that is equal to it."""
    value = constant_of(item)
    return value is not None and np.ndim(value) == 0 and bool(value == number)


def constant_factor(statement: Statement) -> tuple[Any, Value] | None:
    """Return a constant number and the array that it multiplies, None for any other call."""
    if statement.function is not np.multiply or statement.kwargs or statement.quiet:
        return None
    for factor, array in (statement.args, statement.args[::-1]):
        value = constant_of(factor)
        if value is not None and np.ndim(value) == 0 and is_real(array) and array.shape:
            return (factor, array) if array.dtype == statement.output.dtype else None
    return None
