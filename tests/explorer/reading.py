"""What tests do with the page of the lesson: read its numbers, move its sliders."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import pytest

PERCENT = "\N{NO-BREAK SPACE}%"  # as it stands behind a number


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


def number_the_stops(shown: Any, controls: str) -> int:
    """Number what can be reached by keys, in `dataset.stop`; of radio buttons only the chosen."""
    found: int = shown.evaluate(
        """(controls) => {
          const seen = (one) => one.checkVisibility() && (one.type !== "radio" || one.checked);
          const stops = [...document.querySelectorAll(controls)].filter(seen);
          stops.forEach((one, i) => (one.dataset.stop = i));
          return stops.length;
        }""",
        controls,
    )
    return found


def small_targets(place: Any) -> list[str]:
    """What is to be pressed inside an element, and is less than 24 pixels wide or high."""
    found: list[str] = place.locator(
        "button:not(.term), select, input[type=range], label"
    ).evaluate_all(
        """all => all.filter((one) => one.checkVisibility())
          .map((one) => [one.outerHTML.slice(0, 90), one.getBoundingClientRect()])
          .filter(([, { width, height }]) => Math.min(width, height) < 23.99)
          .map(([html]) => html)"""
    )
    return found


def violations(shown: Any) -> list[tuple[str, list[str]]]:
    """What axe-core finds on the page as it is now, which must be open with `bypass_csp=True`."""
    axe = pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python")
    if shown.evaluate("!window.axe"):
        shown.evaluate(files(axe).joinpath("axe.min.js").read_text(encoding="utf-8"))
    found = shown.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]
