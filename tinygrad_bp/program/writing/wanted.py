"""What is worth a name of its own, and which: that of the user's line, or that of a textbook."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tinygrad_bp.program.listing import Listing, Statement, Value, values_in
from tinygrad_bp.program.writing.lines import span_of

__all__ = ["ACTIVATIONS", "wanted_names"]

_AFFINE = frozenset({"affine", "linear", "bilinear", "convolve", "convolution"})
ACTIVATIONS = frozenset({"sigmoid", "relu", "tanh", "log1pexp", "softmax", "log_softmax"})
_LOSSES = re.compile(r"sum_squares|.*(_loss|cross_entropy|mse|error).*")


def wanted_names(listing: Listing) -> dict[Value, str]:
    """Return names of values; several may have the same."""
    wanted = _conventional(listing)
    for name, value in _by_lines(listing):
        wanted = {v: n for v, n in wanted.items() if n != name} | {value: name}
    for statement in (*listing.statements, *listing.updates):
        for value in statement.outputs:
            if value.name and statement.when != "options":
                wanted[value] = value.name
    return wanted


def _results(listing: Listing) -> Iterator[tuple[Statement, Value]]:
    """Yield what rules of the forward pass come to, with the statement that makes it."""
    last: dict[int, tuple[Statement, Value]] = {}
    for statement in listing.statements:
        place = statement.place
        if place.phase != "forward" or not place.title:
            continue
        applied = listing.applied.get(place.number)
        made = [v for v in statement.outputs if applied and v in applied.results]
        if made or applied is None or place.number not in last:
            last[place.number] = statement, (made or statement.outputs)[0]
    yield from last.values()


def _conventional(listing: Listing) -> dict[Value, str]:
    """Names as textbooks have them: z1 and a1 for a layer, loss for the loss, h for the rest."""
    wanted: dict[Value, str] = {}
    layer, loss = 0, False
    returned = set(values_in(listing.results))
    known: dict[Value, int] = {}
    for statement, value in _results(listing):
        title = statement.place.title
        loss = loss or _LOSSES.fullmatch(title) is not None
        applied = listing.applied.get(statement.place.number)
        before = [known[a] for a in applied.arguments if a in known] if applied else []
        if title in _AFFINE or "conv" in title:
            layer += 1
            known[value] = layer
            wanted[value] = f"z{layer}"
        elif title in ACTIVATIONS and before:
            wanted[value] = f"a{before[0]}"
        elif value in returned or (loss and not value.shape):
            wanted[value] = "loss" if loss else "result"
        else:
            wanted[value] = "h"
    return wanted


def _by_lines(listing: Listing) -> list[tuple[str, Value]]:
    """What the user's lines give a name to."""
    best: dict[object, tuple[tuple[int, int], str, Value]] = {}
    for statement, value in _results(listing):
        site = statement.place.site
        span = span_of(site) if site is not None else None
        if span is not None and (span.start not in best or span.end >= best[span.start][0]):
            best[span.start] = span.end, span.name, value
    return [(name, value) for _, name, value in best.values()]
