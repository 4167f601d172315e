"""Writing a listing as Python that runs on NumPy alone, and making a function of that.

    imports       what the text takes from NumPy and Python's library
    literals      values as they are written
    expressions   how each call is written
    inlining      what stands where it is read
    identifiers   names as Python takes them
    naming        what each value is called
    sources       the names of what no statement makes
    wanted        what is worth a name of its own
    formulas      what stands above the statements of a rule
    opaque        the text of functions that are called as a whole
    outside       what a text refers to beside modules
    lines         the user's lines
    hints         the user's names
    rooms         memory
    wrapping      lines, and what is done with long ones
    layout        the whole text

The text is what runs: nothing is added to it but what `prepare` is called with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tinygrad_bp.program.listing import Listing, Room, Value, values_in
from tinygrad_bp.program.writing.hints import hints_of
from tinygrad_bp.program.writing.layout import Layout

__all__ = ["Written", "hints_of", "written"]


class Written(NamedTuple):
    """A function that does what a listing says, its text, and what it takes and returns."""

    function: Callable[..., Any]
    source: str
    given: dict[str, Any]
    """What the text's `prepare` is called with: arrays that stay, generators, constants."""
    parameters: list[Value]
    """What the function takes."""
    returned: list[Value]
    """What it returns: by itself if it is one, a tuple otherwise, and None if there is none."""
    results: list[Value]
    """Those among them that the step returns, in their order."""
    after: list[Value]
    """Those that objects hold after a run, in their order."""
    set_options: Callable[..., Any]
    """What is to be called before the first run and when an option has changed."""
    options: list[Value]
    """What that takes."""


def written(
    listing: Listing, name: str = "step", hints: Mapping[int, str] | None = None
) -> Written:
    """Return a listing as a function, with its text.

    `hints` are names of arrays by their ids, such as those of the variables that hold them.
    """
    layout = Layout(listing, name, hints or {})
    source = layout.text()
    namespace: dict[str, Any] = {"__name__": "program"}
    file = f"<program of {name}>"
    exec(compile(source, file, "exec"), namespace)  # noqa: S102
    made = namespace.pop("prepare")(**layout.given)  # which would keep its own globals alive
    for value in listing.sources:
        if isinstance(value.source, Room):
            value.source.forget()
    step, settings = made if isinstance(made, tuple) else (made, _nothing)
    return Written(
        step,
        source,
        layout.given,
        layout.parameters,
        layout.returned,
        list(values_in(listing.results)),
        list(listing.after),
        settings,
        layout.options,
    )


def _nothing() -> None:
    """What is to be done about options where none is calculated with in advance."""
