"""What tests do with the page of the lesson: read its numbers, move its sliders."""

from __future__ import annotations

import re
from typing import Any


def values(place: Any) -> list[float]:
    """The exact numbers inside an element, as they were before they were rounded for reading."""
    found: list[str] = place.locator("data").evaluate_all("all => all.map((one) => one.value)")
    return [float(value) for value in found]


def row(shown: Any, name: str) -> list[float]:
    """The numbers of the row of a table in the panel that begins with `name`."""
    found = shown.locator("#body tr").filter(has=shown.locator("th", has_text=re.compile(name)))
    return values(found.first)


def slide(shown: Any, label: str, value: float) -> None:
    """Move a slider as its own events do."""
    shown.get_by_role("slider", name=label).evaluate(
        "(one, value) => { one.value = value; one.dispatchEvent(new Event('input')); }", value
    )


def choose(shown: Any, name: str) -> None:
    shown.get_by_role("radio", name=name, exact=True).check()


def sentence(shown: Any) -> str:
    return str(shown.inner_text("#sentence"))


def twin(shown: Any, caption: str) -> list[list[str]]:
    """The rows of one of the tables behind the button Table."""
    shown.evaluate("document.querySelector('#twin[aria-pressed=false]')?.click()")
    table = shown.locator("#twin-table table").filter(has_text=re.compile(caption))
    rows: list[list[str]] = table.locator("tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.cells].map("
        "(cell) => cell.querySelector('data')?.value ?? cell.textContent))"
    )
    return rows
