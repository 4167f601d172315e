"""A listing with other values in the places of some, and in those of their views."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from tinygrad_bp.program.listing import Listing, Statement, Value, Write, mapped

__all__ = ["replaced"]


def replaced(
    listing: Listing, statements: Iterable[Statement], change: dict[Value, Value]
) -> Listing:
    """Return a listing of other statements, with values replaced there and everywhere else."""
    change = dict(change)
    new = [_replaced(statement, change) for statement in statements]
    return dataclasses.replace(
        listing,
        statements=new,
        checks=[
            dataclasses.replace(check, condition=mapped(check.condition, change))
            for check in listing.checks
        ],
        updates=[_replaced(update, change) for update in listing.updates],
        writes=[Write(mapped(w.target, change), mapped(w.value, change)) for w in listing.writes],
        after=mapped(listing.after, change),
        results=mapped(listing.results, change),
        sources=mapped(listing.sources, change),
        limits={change.get(v, v): limit for v, limit in listing.limits.items()},
    )


def _replaced(statement: Statement, change: dict[Value, Value]) -> Statement:
    """Return a statement with values replaced; views of what is replaced are new values, too."""
    for output in statement.outputs:
        if output.base is not None and output.base in change:
            base = change[output.base]
            change[output] = dataclasses.replace(output, base=base.base or base)
    return dataclasses.replace(
        statement,
        args=mapped(statement.args, change),
        kwargs=mapped(statement.kwargs, change),
        outputs=mapped(statement.outputs, change),
        out=mapped(statement.out, change),
    )
