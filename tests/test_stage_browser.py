"""The lesson's stage in a real browser: addresses, keys, the drawer, and who can read it.

Needs Playwright and a Chromium; the accessibility rules are those of axe-core, from the package
axe-playwright-python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinygrad_bp.lesson.example import OneExample
from tinygrad_bp.lesson.network import network_of
from tinygrad_bp.lesson.page import stage_page
from tinygrad_bp.lesson.runs import Carried, carried
from tinygrad_bp.lesson.stage import stage_data, story
from tinygrad_bp.lesson.voters import committee

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

Open = Callable[..., Any]

PATIENCE_MS = 120_000  # a deadline, not a wait: busy machines are slow
LAPTOP = {"width": 1366, "height": 768}
PHONE = {"width": 390, "height": 844}
MINUS = "\N{MINUS SIGN}"
FOCUSED = "document.activeElement.textContent.trim()"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("stage") / "lesson.html"
    path.write_text(stage_page(stage_data()), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def opened(visit: Open, address: str) -> Open:
    """Open the page, on a laptop if nothing else is said, and wait until it is ready."""

    def open_page(moment: str = "", **settings: Any) -> Any:
        shown = visit(address, moment, **{"viewport": LAPTOP, **settings})
        return ready(shown)

    return open_page


def ready(shown: Any) -> Any:
    """Wait until all is unpacked; the policy forbids waiting for what a script says."""
    shown.wait_for_selector(".why", state="attached")
    assert shown.evaluate("lesson.ready()")
    return shown


def scenes(shown: Any) -> Iterator[tuple[str, float]]:
    """Every scene, as it ends."""
    for scene in shown.evaluate("lesson.scenes()"):
        seconds = shown.evaluate("(scene) => lesson.seconds(scene)", scene)
        go(shown, scene, seconds)
        yield scene, seconds


def go(shown: Any, scene: str, time: float) -> None:
    shown.evaluate("([scene, time]) => lesson.seek(scene, time)", [scene, time])


def moment(shown: Any) -> str:
    text: str = shown.get_attribute(".scrub", "aria-valuetext")
    return text


def time(shown: Any) -> float:
    found = re.search(r"([\d.]+) of [\d.]+ s$", moment(shown))
    assert found
    return float(found[1])


def title(shown: Any) -> str:
    text: str = shown.inner_text("h1")
    return text


def title_of(scene: str) -> str:
    found: str = next(each["title"] for each in story()["scenes"] if each["id"] == scene)
    return found


# --- numbers --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def given() -> Carried:
    return carried(stage_data())


def facts(shown: Any, scene: str, **choices: Any) -> dict[str, Any]:
    """The numbers of a scene as it ends."""
    found: dict[str, Any] = shown.evaluate(
        "([scene, choices]) => lesson.frame(scene, lesson.seconds(scene), choices).facts",
        [scene, choices],
    )
    return found


def test_the_numbers_of_one_example_are_those_of_python(opened: Open, given: Carried) -> None:
    shown, net = opened(), network_of(given.net)
    for digit, index in enumerate(given.shown):
        one = OneExample(net, given.images[index], int(given.labels[index]))
        votes = committee(one)
        found = {
            **facts(shown, "feed-forward", digit=digit),
            **facts(shown, "how-wrong", digit=digit),
            **facts(shown, "ten-voters", digit=digit),
            "voter's": facts(shown, "asks-before", digit=digit, voter=8)["wishes"],
            **facts(shown, "and-again", digit=digit, wiggle=12_000),
        }
        expected = {
            "outputs": one.output,
            "layer 1": one.activations[1],
            "layer 2": one.activations[2],
            "answer": one.prediction,
            "squares": (one.output - one.target) ** 2,
            "cost": one.cost,
            "sums": votes.total(),
            "own": votes.wishes[one.label],
            "voter's": votes.wishes[8],
            "delta 1": one.deltas[0],
            "delta 2": one.deltas[1],
            "delta 3": one.deltas[2],
            "nonzero": np.count_nonzero(one.nudges),
            "slope by backpropagation": -one.nudges[12_000],
        }
        for name, value in expected.items():
            np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-9, err_msg=name)


def test_the_numbers_of_all_examples_are_those_of_the_library(opened: Open, given: Carried) -> None:
    net = network_of(given.net)
    cost = np.sum((net(given.images) - np.eye(10)[given.labels]) ** 2) / len(given.labels)
    cost.backward()
    slopes = np.concatenate([p.grad.data.ravel() for p in net.parameters()])
    shown = opened()
    assert facts(shown, "how-wrong")["average"] == pytest.approx(cost.item(), rel=1e-6)
    found = facts(shown, "which-way-down")
    assert (found["up"], found["down"]) == (np.sum(slopes < 0), np.sum(slopes > 0))
    assert found["largest"] == pytest.approx(np.abs(slopes).max(), rel=1e-6)


# --- addresses --------------------------------------------------------------------------------


def test_an_address_restores_a_moment(opened: Open) -> None:
    shown = opened("#scene=ten-voters&t=4.2&digit=3&voters=1011011101")
    assert title(shown) == title_of("ten-voters")
    assert time(shown) == 4.2
    pressed = shown.eval_on_selector_all(
        ".keys button", "all => all.map((one) => one.ariaPressed === 'true' ? '1' : '0').join('')"
    )
    assert pressed == "1011011101"
    shown.keyboard.press(".")
    expect = playwright.expect
    expect(shown).to_have_url(
        re.compile(r"#scene=ten-voters&t=4.3&digit=3&voters=1011011101$"), timeout=PATIENCE_MS
    )
    facts = "lesson.frame('ten-voters', 4.3, {digit: %s}).facts.own"
    before = shown.evaluate(facts % 3)
    shown.reload()
    ready(shown)
    assert time(shown) == 4.3
    assert shown.evaluate(facts % 3) == before != shown.evaluate(facts % 4)


def test_a_changed_address_goes_there(opened: Open) -> None:
    shown = opened()
    for wanted, at in (("asks-before&t=2", 2.0), ("feed-forward&t=1e9", 7.0)):
        shown.evaluate(f"location.hash = '#scene={wanted}'")
        scene = title_of(wanted.partition("&")[0])
        playwright.expect(shown.locator("h1")).to_have_text(scene, timeout=PATIENCE_MS)
        assert time(shown) == at
    shown.evaluate("location.hash = '#scene=<nowhere>&t=x&digit=-1e9&voters=2'")
    shown.keyboard.press("ArrowRight")
    assert shown.evaluate("lesson.ready()")


# --- marks ------------------------------------------------------------------------------------


def test_what_is_pointed_at_is_said(opened: Open) -> None:
    shown = opened("#scene=feed-forward&t=7")
    marks = shown.evaluate("lesson.frame('feed-forward', 7).marks.filter((m) => m.kind === 'bead')")
    outputs = shown.evaluate("lesson.frame('feed-forward', 7).facts.outputs")
    corner = shown.locator(".stage").bounding_box()
    for j in (0, 2, 9):
        x, y = next(mark["at"] for mark in marks if mark["id"] == f"a3.{j}")
        shown.mouse.move(corner["x"] + x, corner["y"] + y)
        said = shown.inner_text(".label")
        assert said.startswith(f"Output {j} is ")
        level = float(said.split()[3])
        assert level == pytest.approx(outputs[j], rel=0.03)
        assert f"should be {int(j == 2)}" in said
    x, y = next(mark["at"] for mark in marks if mark["id"] == "a1.4")
    shown.mouse.move(corner["x"] + x, corner["y"] + y)
    assert shown.is_visible(".label canvas")
    shown.mouse.move(2, 2)
    assert shown.locator(".label").count() == 0


def test_marks_can_be_walked_through_by_keys(opened: Open) -> None:
    shown = opened("#scene=asks-before&t=6.5")
    shown.wait_for_selector(".marks button", state="attached")
    assert shown.locator(".marks [tabindex='0']").count() == 1
    shown.focus(".marks [tabindex='0']")
    first = shown.evaluate(FOCUSED)
    assert shown.inner_text(".mark:focus") == first
    shown.keyboard.press("ArrowRight")
    second = shown.evaluate(FOCUSED)
    assert first != second
    shown.keyboard.press("ArrowDown")
    assert shown.evaluate(FOCUSED).split()[0] != second.split()[0]
    shown.keyboard.press("End")
    weight = shown.evaluate(FOCUSED)
    assert weight.startswith("Weight W")
    assert title(shown) == title_of("asks-before")  # the arrows were the list's
    shown.keyboard.press("Enter")
    name = weight.split()[1]
    assert shown.inner_text(".check tr:first-child th") == name
    shown.keyboard.press("Escape")
    assert shown.locator(".drawer").count() == 0
    assert shown.evaluate(FOCUSED) == weight


# --- the drawer -------------------------------------------------------------------------------


def numbers(shown: Any) -> list[float]:
    values = shown.eval_on_selector_all(".twin data", "all => all.map((one) => one.value)")
    return sorted(float(value) for value in values)


def test_the_tables_are_the_numbers_of_the_frame(opened: Open) -> None:
    shown = opened()
    shown.keyboard.press("t")
    for scene, seconds in scenes(shown):
        for at in (0.31 * seconds, seconds):
            go(shown, scene, at)
            facts = shown.evaluate("([s, t]) => lesson.frame(s, t).facts", [scene, at])
            expected = [value for fact in facts.values() for value in np.ravel(fact).tolist()]
            assert len(expected) > 0
            assert numbers(shown) == sorted(map(float, expected))
            heads = shown.locator(".twin thead th:not(:first-child), .twin tbody th:not(:empty)")
            assert set(facts) <= set(heads.all_inner_texts())


def test_the_drawer_says_why_and_closes(opened: Open) -> None:
    shown = opened()
    drawers = {scene["id"]: scene["drawer"] for scene in story()["scenes"]}
    shown.click(".why")
    for scene, _ in scenes(shown):
        text = shown.inner_text(".drawer")
        assert drawers[scene]["words"][0] in text
        assert shown.locator(".formulas p").count() == 3
        assert not re.search(r"NaN|undefined|\{", shown.inner_text(".formulas"))
    shown.keyboard.press("Escape")
    assert shown.locator(".drawer").count() == 0
    assert shown.evaluate(FOCUSED) == shown.inner_text(".why")


def test_any_slope_can_be_checked(opened: Open) -> None:
    shown = opened("#scene=ten-voters&t=10")
    shown.click(".why")
    for part, to, sender in (("W3", 2, 5), ("W1", 15, 400), ("b2", 7, None)):
        shown.select_option(".picker select", part)
        shown.fill(".picker label:nth-of-type(2) input", str(to))
        if sender is not None:
            shown.keyboard.press("Tab")
            shown.fill(".picker label:nth-of-type(3) input", str(sender))
        shown.keyboard.press("Tab")
        index = f"{to}" if sender is None else f"{to},{sender}"
        assert shown.inner_text(".check tr:first-child th") == f"{part}[{index}]"
        found = shown.eval_on_selector_all(".check data", "all => all.map((one) => one.value)")
        difference, slope = map(float, found)
        assert difference == pytest.approx(slope, abs=1e-7)
    assert time(shown) == 10  # nothing typed was a key of the page's
    shown.click("text=Check all 13,002")
    report = shown.locator(".drawer [role=status]")
    playwright.expect(report).to_contain_text("agree", timeout=PATIENCE_MS)
    worst = report.inner_text().partition("by ")[2]
    assert re.search(r"10\N{SUPERSCRIPT MINUS}[⁸⁹¹]", worst), worst


# --- keys -------------------------------------------------------------------------------------


def test_keys_move_through_scenes_and_time(opened: Open) -> None:
    shown = opened()
    order = [title_of(scene) for scene in shown.evaluate("lesson.scenes()")]
    plain = [text.partition("{")[0] for text in order]
    for wanted in plain[1:]:
        shown.keyboard.press("ArrowRight")
        assert title(shown).startswith(wanted)
    for wanted in plain[-2::-1]:
        shown.keyboard.press("PageUp")
        assert title(shown).startswith(wanted)
    shown.keyboard.press("Home")
    end = shown.evaluate("lesson.seconds('feed-forward')")
    for key, at in (("End", end), (",", end - 0.1), (",", end - 0.2), (".", end - 0.1)):
        shown.keyboard.press(key)
        assert time(shown) == pytest.approx(at)
    shown.focus(".scrub")
    shown.keyboard.press("ArrowLeft")
    assert time(shown) == pytest.approx(end - 0.2)
    assert title(shown).startswith(plain[0])


def test_digits_choose_voters_and_e_the_next_example(opened: Open) -> None:
    shown = opened("#scene=asks-before&t=6.5")
    for j in (7, 0):
        shown.keyboard.press(str(j))
        assert shown.get_attribute(f".keys button:nth-child({j + 1})", "aria-pressed") == "true"
        assert shown.evaluate("document.querySelectorAll('.keys [aria-pressed=true]').length") == 1
    go(shown, "ten-voters", 10)
    shown.keyboard.press("3")
    assert shown.get_attribute(".keys button:nth-child(4)", "aria-pressed") == "false"
    go(shown, "what-it-wants", 6)
    before = title(shown)
    shown.keyboard.press("e")
    assert title(shown) != before


def test_single_letters_can_be_switched_off(opened: Open) -> None:
    shown = opened("#scene=ten-voters&t=4")
    shown.keyboard.press("?")
    assert shown.is_visible(".help")
    shown.uncheck(".help input")
    shown.click(".help .close")
    assert shown.locator(".help").count() == 0
    for key in "?t,.e3p":
        shown.keyboard.press(key)
    assert shown.locator(".help, .drawer, .present").count() == 0
    assert (title(shown), time(shown)) == (title_of("ten-voters"), 4)
    assert shown.get_attribute(".keys button:nth-child(4)", "aria-pressed") == "true"
    shown.keyboard.press("ArrowLeft")
    assert title(shown) == title_of("asks-before")


FOCUSABLE = """() => {
    const all = document.querySelectorAll("a[href], button, input, select, [tabindex]");
    return [...all].filter((one) => one.tabIndex >= 0 && !one.disabled && one.checkVisibility())
        .map((one, i) => (one.dataset.place = String(i)));
}"""


def test_the_keyboard_reaches_everything(opened: Open) -> None:
    shown = opened()
    for scene, _ in scenes(shown):
        shown.wait_for_selector(".marks button", state="attached")
        shown.wait_for_timeout(200)
        expected = shown.evaluate(FOCUSABLE)
        shown.evaluate("document.activeElement.blur()")
        reached = set()
        for _ in range(len(expected) + 3):
            shown.keyboard.press("Tab")
            reached.add(shown.evaluate("document.activeElement.dataset.place ?? ''"))
        assert set(expected) <= reached, scene


# --- the classroom ----------------------------------------------------------------------------


def test_present_shows_stage_and_sentence_alone(opened: Open) -> None:
    shown = opened("#present", reduced_motion="no-preference")
    for hidden in (".film", ".controls", ".why", ".place"):
        assert not shown.is_visible(hidden)
    size = "Number.parseFloat(getComputedStyle(document.querySelector('.sentence')).fontSize)"
    assert shown.evaluate(size) >= LAPTOP["height"] / 26
    first, second = shown.evaluate("lesson.scenes()")[:2]
    shown.keyboard.press("PageDown")  # plays
    shown.wait_for_selector(".clause.lit")
    shown.keyboard.press("PageDown")  # to its end
    assert title(shown) == title_of(first)
    shown.keyboard.press("PageDown")
    assert title(shown).startswith(title_of(second).partition("{")[0])
    shown.keyboard.press("PageUp")
    assert title(shown) == title_of(first)
    clauses = shown.locator(".clause").count()
    assert shown.locator(".clause.lit").count() == clauses
    shown.keyboard.press("Escape")
    assert shown.is_visible(".film")


# --- who can read it --------------------------------------------------------------------------


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_every_scene_fits_without_scrolling(opened: Open, size: dict[str, int]) -> None:
    shown = opened(viewport=size)
    heads = set()
    for scene, _ in scenes(shown):
        scrolls = """() => [document.documentElement, document.querySelector(".rail")]
            .map((one) => [one.scrollWidth - one.clientWidth, one.scrollHeight - one.clientHeight])
        """
        assert shown.evaluate(scrolls) == [[0, 0], [0, 0]], scene
        rail = shown.locator(".rail").bounding_box()
        for each in shown.locator(".rail > :not(.why)").all():
            box = each.bounding_box()
            assert box["y"] + box["height"] <= rail["y"] + rail["height"] + 0.5, scene
        heads.add(rail["height"])
    assert len(heads) == 1
    if size is PHONE:
        assert heads == {196}


def test_a_wide_desktop_caps_the_stage(opened: Open) -> None:
    shown = opened(viewport={"width": 1920, "height": 1080})
    stage, rail = (shown.locator(name).bounding_box() for name in (".stage", ".rail"))
    assert (stage["width"], stage["height"], rail["width"]) == (1400, 800, 400)
    assert rail["x"] == 1920 - stage["x"] - stage["width"]


@pytest.mark.parametrize("width", [320, 390, 1366])
def test_no_sideways_scrolling_and_no_tiny_targets(opened: Open, width: int) -> None:
    shown = opened(viewport={"width": width, "height": 700})
    for scene, _ in scenes(shown):
        assert shown.evaluate("document.documentElement.scrollWidth") <= width, scene
        small = shown.eval_on_selector_all(
            "button:not(.mark), input, select",
            """all => all.filter((one) => one.checkVisibility())
                .map((one) => [one.outerHTML, one.getBoundingClientRect()])
                .filter(([, box]) => box.width < 24 || box.height < 24).map(([html]) => html)""",
        )
        assert small == [], scene


def test_every_scene_is_said_and_shown_as_it_ends_where_motion_is_unwelcome(opened: Open) -> None:
    shown = opened()
    for scene in shown.evaluate("lesson.scenes()"):
        assert time(shown) == shown.evaluate("(scene) => lesson.seconds(scene)", scene)
        said = shown.inner_text(".stage [aria-live=polite]", timeout=PATIENCE_MS)
        assert said.split() == shown.inner_text(".sentence").split()
        assert shown.locator(".clause:not(.lit)").count() == 0
        shown.click(".film button >> nth=0")
    shown.emulate_media(reduced_motion="no-preference")
    shown.keyboard.press("Home")
    shown.keyboard.press(" ")
    assert shown.locator("[aria-label=Pause]").count() == 1
    playwright.expect(shown.locator(".scrub")).not_to_have_attribute(
        "aria-valuetext", re.compile(r" 0\.0 of"), timeout=PATIENCE_MS
    )
    shown.keyboard.press(" ")
    assert shown.locator("[aria-label=Pause]").count() == 0


@pytest.mark.parametrize(
    ("scheme", "size"),
    [
        pytest.param("dark", LAPTOP, id="dark laptop"),
        pytest.param("light", PHONE, id="light phone"),
        pytest.param("light", LAPTOP, id="light laptop", marks=pytest.mark.slow),
        pytest.param("dark", PHONE, id="dark phone", marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing(opened: Open, scheme: str, size: dict[str, int]) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python")
    script = files(axe).joinpath("axe.min.js").read_text(encoding="utf-8")
    shown = opened(color_scheme=scheme, viewport=size)
    shown.evaluate(script)

    def check(where: str) -> None:
        found = shown.evaluate("axe.run().then((results) => results.violations)")
        problems = [(rule["id"], node["html"]) for rule in found for node in rule["nodes"]]
        assert problems == [], where

    assert shown.locator("h1").count() == 1
    for scene, _ in scenes(shown):
        shown.wait_for_selector(".marks button", state="attached")
        check(scene)
    shown.keyboard.press("t")
    for scene, _ in scenes(shown):
        check(f"the drawer of {scene}")
    shown.keyboard.press("Escape")
    shown.keyboard.press("?")
    check("help")
    shown.keyboard.press("Escape")
    playwright.expect(shown.locator(".help")).to_have_count(0, timeout=PATIENCE_MS)
    shown.keyboard.press("p")
    check("present")


def test_the_link_to_the_stage_skips_the_words(opened: Open) -> None:
    shown = opened("#scene=asks-before&t=3")
    shown.keyboard.press("Tab")
    shown.keyboard.press("Enter")
    assert shown.evaluate("document.activeElement.className") == "stage"
    assert title(shown) == title_of("asks-before")
