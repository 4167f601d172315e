"""What holds for every aside of the lesson's page: it folds, it fits, everybody can use it.

Needs Playwright and a Chromium; the accessibility rules are those of axe-core, from the package
axe-playwright-python.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from documents import parts_of
from explorer.reading import choose, number_the_stops, sentence, small_targets, values, violations

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

Open = Callable[..., Any]

ANSWERED = "&costliest=DCAB&likeness=BDAC"  # questions, so that what comes after them is there


def asides() -> list[tuple[int, str]]:
    """Each aside's step and name, in the order of the page."""
    found = []
    for part in parts_of("lesson"):
        if step := re.fullmatch(r"step(\d+)\.js", part.name):
            listed = re.search(r"\n  asides: \[(.*?)\]", part.read_text(encoding="utf-8"))
            names = re.findall(r"\w+", listed[1]) if listed else []
            found += [(int(step[1]), name) for name in names]
    return sorted(found, key=lambda aside: aside[0])


each_aside = pytest.mark.parametrize(
    ("step", "name"), asides(), ids=[f"{step}-{name}" for step, name in asides()]
)


def test_every_aside_belongs_to_one_step() -> None:
    files = {part.stem for part in parts_of("lesson") if part.parent.name == "asides"}
    names = [name for _, name in asides()]
    assert len(names) == len(set(names)) > 20
    assert set(names) <= files


@each_aside
def test_it_is_opened_and_closed_with_the_keyboard(opened: Open, step: int, name: str) -> None:
    shown = opened(f"#step={step}")
    content = shown.locator(f"#aside-{name} .aside-content")
    assert not content.is_visible()
    shown.locator(f"#aside-{name} summary").press("Enter")
    content.locator(":scope > *").first.wait_for()
    assert re.search(r"\d", content.inner_text())
    shown.locator(f"#aside-{name} summary").press("Enter")
    content.wait_for(state="hidden")


@each_aside
def test_the_keyboard_reaches_every_control_in_order(opened: Open, step: int, name: str) -> None:
    shown = opened(f"#step={step}&aside={name}")
    content = f"#aside-{name} .aside-content"
    count = number_the_stops(
        shown, f"{content} :is(button, select, input:not([type=hidden]), a[href], [tabindex='0'])"
    )
    shown.locator(f"#aside-{name} summary").focus()
    reached = []
    for _ in range(count):
        shown.keyboard.press("Tab")
        reached.append(shown.evaluate("document.activeElement.dataset.stop"))
    assert reached == [str(i) for i in range(count)]


@each_aside
def test_words_numbers_and_formulas_say_the_same(opened: Open, step: int, name: str) -> None:
    shown = opened(f"#step={step}&aside={name}")

    def said(mode: str) -> list[list[float]]:
        choose(shown, mode)
        return [values(one) for one in shown.locator(f"#aside-{name} .statement").all()]

    in_words, in_numbers, in_formulas = said("Words"), said("Numbers"), said("Formulas")
    assert in_numbers == in_formulas
    for words, formula in zip(in_words, in_formulas, strict=True):
        assert formula[-1] in words  # the result


@each_aside
@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1280, "light")])
def test_it_fits_and_everybody_can_use_it(
    opened: Open, step: int, name: str, width: int, scheme: str
) -> None:
    shown = opened(
        f"#step={step}&aside={name}&mode=formulas{ANSWERED}",
        viewport={"width": width, "height": 800},
        color_scheme=scheme,
        bypass_csp=True,
    )
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    assert sentence(shown)
    place = shown.locator(f"#aside-{name}")
    right = "all => Math.max(0, ...all.map((one) => one.getBoundingClientRect().right))"
    assert place.locator(":is(figure, svg, canvas, button, .row)").evaluate_all(right) <= width
    assert small_targets(place) == []
    assert violations(shown) == []
