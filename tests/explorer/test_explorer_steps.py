"""Steps 10 to 17 of the lesson's page in a real browser: their numbers are Python's.

Needs Playwright and a Chromium; the accessibility rules are those of axe-core, from the package
axe-playwright-python.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from explorer.reading import (
    PERCENT,
    choose,
    number_the_stops,
    row,
    sentence,
    slide,
    twin,
    values,
    violations,
)
from numpy.typing import NDArray

from tinygrad_bp.lesson.blobs import unblob
from tinygrad_bp.lesson.deltas import Deltas, deltas_of
from tinygrad_bp.lesson.sampling import noise_scale, predicted_cosine

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

Data = dict[str, Any]
Floats = NDArray[np.float64]
Open = Callable[..., Any]

OURS = range(10, 18)
PARAMETERS = 13_002
TRAINED = 3  # a network that has learnt, where examples disagree
MINUS = "\N{MINUS SIGN}"
CONTROLS = "#body :is(button, select, input, summary, a, [tabindex='0'])"


@pytest.fixture(scope="module")
def everything(data: Data, images: Floats, labels: NDArray[np.int64]) -> Callable[[int], Deltas]:
    """The deltas of all digits through a network, made once each."""
    kept: dict[int, Deltas] = {}

    def deltas(network: int) -> Deltas:
        if network not in kept:
            kept[network] = deltas_of(parameters_of(data, network), images, labels)
        return kept[network]

    return deltas


def parameters_of(data: Data, network: int) -> Floats:
    return unblob(data["networks"][network]["parameters"]).astype(np.float64)


def cost_of(parameters: Floats, image: Floats, label: int) -> float:
    return float(deltas_of(parameters, image[None], [label]).costs[0])


def moved(parameters: Floats, index: int, by: float) -> Floats:
    copy = parameters.copy()
    copy[index] += by
    return copy


# --- step 10 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [12_860, 12_993, 5_000])
def test_wiggling_a_parameter_gives_what_python_gets(
    opened: Open, data: Data, images: Floats, labels: NDArray[np.int64], index: int
) -> None:
    shown = opened(f"#step=10&parameter={index}&wiggle=3")
    parameters, h = parameters_of(data, 0), 1e-3
    up, down = (cost_of(moved(parameters, index, by), images[5], labels[5]) for by in (h, -h))
    now = cost_of(parameters, images[5], labels[5])
    slope = deltas_of(parameters, images[5:6], labels[5:6]).gradient()[index]
    assert row(shown, "by backpropagation") == pytest.approx([slope], rel=1e-9, abs=1e-18)
    assert row(shown, "by wiggle") == pytest.approx([(up - down) / (2 * h)], rel=1e-9, abs=1e-11)
    assert row(shown, r"change at \+h") == pytest.approx([up - now], rel=1e-6, abs=1e-14)
    assert row(shown, f"change at {MINUS}h") == pytest.approx([down - now], rel=1e-6, abs=1e-14)


def test_a_smaller_wiggle_is_nearer_until_rounding_drowns_it(opened: Open) -> None:
    shown = opened("#step=10")
    errors = {}
    for exponent in (0, 2, 5, 12):
        slide(shown, "Wiggle h", exponent)
        errors[exponent] = row(shown, "relative error")[0]
    assert errors[0] > errors[2] > errors[5] < errors[12]
    assert errors[5] < 1e-6


@pytest.mark.parametrize("network", [0, TRAINED])
def test_every_parameter_is_checked(opened: Open, network: int) -> None:
    shown = opened(f"#step=10&net={network}")
    shown.get_by_role("button", name="Check every one").click()
    verdict = shown.get_by_text(f"All {PARAMETERS:,} checked")
    verdict.wait_for()
    difference, share = values(verdict)
    assert 0 < share < 1e-6
    assert 0 < difference < 1e-6
    counts = [int(many.replace(",", "")) for _, many in twin(shown, "how far apart")]
    assert sum(counts) == PARAMETERS


def test_the_check_leaves_the_page_usable_and_can_be_left(opened: Open) -> None:
    shown = opened("#step=10")
    shown.get_by_role("button", name="Check every one").click()
    shown.get_by_role("button", name="Largest slope").click()  # answered between two stretches
    shown.keyboard.press("n")
    assert shown.inner_text("#stops [aria-current=step]") == "11"
    shown.keyboard.press("p")
    assert not shown.get_by_text("checked with").is_visible()


def test_an_exact_zero_stays_zero(opened: Open) -> None:
    shown = opened("#step=10")
    shown.get_by_role("button", name="A slope of exactly 0").click()
    assert row(shown, "by backpropagation") == row(shown, "by wiggle") == [0]


# --- step 11 --------------------------------------------------------------------------------------


def test_the_same_wiggle_moves_the_cost_in_the_ratio_of_the_slopes(
    opened: Open, data: Data, images: Floats, labels: NDArray[np.int64]
) -> None:
    shown = opened("#step=11&moved1=0.01&moved2=0.01")
    strong, weak = row(shown, "slope of the cost")
    assert abs(strong / weak) == pytest.approx(32, rel=0.01)
    slopes = deltas_of(parameters_of(data, 0), images[5:6], labels[5:6]).gradient()
    index = int(np.argmin(np.abs(slopes - strong)))
    now, after = (
        cost_of(moved(parameters_of(data, 0), index, by), images[5], labels[5]) for by in (0, 0.01)
    )
    changes = row(shown, "change of the cost")
    assert changes[0] == pytest.approx(after - now, rel=1e-9)
    assert abs(changes[0] / changes[1]) == pytest.approx(abs(strong / weak), rel=0.05)


def test_weights_are_moved_with_the_keyboard(opened: Open) -> None:
    shown = opened("#step=11&moved1=0&moved2=0.2")
    slider = shown.locator("#body input[type=range]").first
    slider.focus()
    for _ in range(3):
        slider.press("ArrowRight")
    assert row(shown, "moved by") == pytest.approx([0.03, 0.2])
    shown.get_by_role("button", name="first one's wiggle").click()
    assert row(shown, "moved by") == pytest.approx([0.03, 0.03])
    choose(shown, "10 to 1")
    strong, weak = row(shown, "slope of the cost")
    assert abs(strong / weak) == pytest.approx(10, rel=0.01)


# --- step 12 --------------------------------------------------------------------------------------


def shown_examples(shown: Any) -> list[int]:
    names: list[str] = shown.locator("#body thead button").evaluate_all(
        "all => all.map((one) => one.getAttribute('aria-label'))"
    )
    return [int(re.findall(r"\d+", name)[0]) for name in names]


def wish_rows(shown: Any) -> dict[str, list[float]]:
    rows = shown.locator("#body .heat").first.locator("tbody tr")
    return {
        rows.nth(i).locator("th").inner_text().split("\n")[0]: values(rows.nth(i))
        for i in range(rows.count())
    }


def names_of_parameters(data: Data) -> list[str]:
    names = []
    for layer, (n, m) in enumerate(zip(data["sizes"][1:], data["sizes"], strict=False), start=1):
        names += [f"W{layer}[{j},{k}]" for j in range(n) for k in range(m)]
        names += [f"b{layer}[{j}]" for j in range(n)]
    return names


@pytest.mark.parametrize("whose", ["mix", "same"])
@pytest.mark.parametrize("network", [0, TRAINED])
def test_wishes_and_averages_are_those_of_python(
    opened: Open, data: Data, everything: Callable[[int], Deltas], whose: str, network: int
) -> None:
    shown = opened(f"#step=12&net={network}&whose={whose}&columns=11011101&pins=12345")
    names = names_of_parameters(data)
    examples = shown_examples(shown)
    on = [example for example, state in zip(examples, "11011101", strict=True) if state == "1"]
    nudges = -everything(network).per_example()
    rows = wish_rows(shown)
    assert names[12345] in rows
    assert 0.0 in [row[-1] for row in rows.values()]
    for name, found in rows.items():
        column = nudges[:, names.index(name)]
        wanted = [*column[examples], column[on].mean(), column.mean()]
        assert found == pytest.approx(wanted, rel=1e-9, abs=1e-14), name


def test_switching_examples_off_and_on_moves_the_average(opened: Open) -> None:
    shown = opened("#step=12")
    before = wish_rows(shown)
    shown.locator("#body thead button").nth(2).press("Enter")
    assert shown.evaluate("document.activeElement.getAttribute('aria-pressed')") == "false"
    after = wish_rows(shown)
    for name, found in after.items():
        assert found[:8] == before[name][:8]
        assert found[8] == pytest.approx(np.mean([*found[:2], *found[3:8]]), rel=1e-12, abs=1e-18)
    shown.locator("#body thead button").nth(2).press("Enter")
    assert wish_rows(shown) == before


def test_only_one_digit_shows_only_its_examples(opened: Open, labels: NDArray[np.int64]) -> None:
    shown = opened("#step=12")
    choose(shown, "Only 2s")
    assert set(labels[shown_examples(shown)]) == {2}


def test_rows_are_pinned_and_removed(opened: Open) -> None:
    shown = opened("#step=12")
    shown.locator("#body select").select_option("W3")
    shown.get_by_label("to neuron").fill("4")
    shown.get_by_label("to neuron").press("Enter")
    shown.get_by_role("button", name="Add this row").click()
    assert "W3[4,0]" in wish_rows(shown)
    shown.get_by_role("button", name="Remove the row of W3[4,0]").click()
    assert "W3[4,0]" not in wish_rows(shown)


# --- step 13 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [0, TRAINED])
def test_steps_downhill_are_those_of_python(
    opened: Open, data: Data, images: Floats, labels: NDArray[np.int64], network: int
) -> None:
    shown = opened(f"#step=13&net={network}&lr=0.5")
    for _ in range(2):
        shown.get_by_role("button", name="Take the step").click()
    parameters = parameters_of(data, network)
    for _, cost, correct, length in twin(shown, "The walk so far"):
        found = deltas_of(parameters, images, labels)
        assert float(cost) == pytest.approx(found.costs.mean(), rel=1e-9)
        assert float(length) == pytest.approx(np.linalg.norm(found.gradient()), rel=1e-9)
        right = np.mean(found.activations[-1].argmax(axis=1) == labels)
        assert correct == f"{100 * right:.1f}{PERCENT}"
        parameters = parameters - 0.5 * found.gradient()
    shown.get_by_role("button", name="Undo").click()
    assert len(twin(shown, "The walk so far")) == 2
    shown.get_by_role("button", name="Back to the start").click()
    assert len(twin(shown, "The walk so far")) == 1


def test_the_learning_rate_says_where_the_step_leads(
    opened: Open, data: Data, images: Floats, labels: NDArray[np.int64]
) -> None:
    shown = opened("#step=13")
    slide(shown, "Learning rate", 0.5)
    gradient = deltas_of(parameters_of(data, 0), images, labels).gradient()
    there = deltas_of(parameters_of(data, 0) - 3.2 * gradient, images, labels)
    assert sentence(shown).startswith("A step with lr 3.2 ")
    assert f"to {there.costs.mean():.4f}" in sentence(shown)


def test_sizes_of_nudges_add_up_and_zeros_are_exact(
    opened: Open, everything: Callable[[int], Deltas]
) -> None:
    shown = opened("#step=13")
    *sizes, zeros, together = twin(shown, "How large the nudges are")
    count = [int(text.replace(",", "")) for row in sizes for text in row[1:]]
    gradient = everything(0).gradient()
    assert int(zeros[1].replace(",", "")) == np.count_nonzero(gradient == 0)
    assert sum(count) + np.count_nonzero(gradient == 0) == PARAMETERS
    assert together[1] == f"{PARAMETERS:,}"


def test_the_pointer_finds_the_largest_nudge(
    opened: Open, data: Data, everything: Callable[[int], Deltas]
) -> None:
    shown = opened("#step=13")
    slide(shown, "You are here", 1)
    nudges = -everything(0).gradient()
    name = names_of_parameters(data)[int(np.argmax(nudges))]
    assert f"you are here: {name}, 1 of" in shown.locator("#body").inner_text()


# --- step 14 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", [0, 2, TRAINED])
@pytest.mark.parametrize("size", [1, 10, 100, 400, 500])
def test_mini_batches_agree_as_well_as_python_predicts(
    opened: Open, everything: Callable[[int], Deltas], network: int, size: int
) -> None:
    shown = opened(f"#step=14&net={network}&batch={size}")
    rows = dict(twin(shown, "mini-batches of"))
    n = len(everything(network).costs)
    expected = predicted_cosine(noise_scale(everything(network)), size, n)
    assert float(rows["predicted"]) == pytest.approx(expected, abs=6e-4)
    assert float(rows["mean cosine"]) == pytest.approx(expected, abs=0.08 if size > 1 else 0.3)
    if size == n:
        assert rows["mean cosine"] == "1.000"


def test_the_draws_are_cosines_of_real_mini_batches(
    opened: Open, everything: Callable[[int], Deltas]
) -> None:
    shown = opened(f"#step=14&net={TRAINED}&batch=20")
    low, high = (
        float(text.replace(MINUS, "-"))
        for text in dict(twin(shown, "mini-batches of"))["smallest and largest"].split(" to ")
    )
    gradients = everything(TRAINED).per_example()
    whole = gradients.mean(axis=0)
    rng = np.random.default_rng(0)
    cosines = []
    for _ in range(200):
        batch = gradients[rng.choice(len(gradients), 20, replace=False)].mean(axis=0)
        cosines.append(batch @ whole / np.linalg.norm(batch) / np.linalg.norm(whole))
    assert low == pytest.approx(min(cosines), abs=0.2)
    assert high == pytest.approx(max(cosines), abs=0.2)


def test_drawing_again_draws_others_and_the_same_page_draws_the_same(opened: Open) -> None:
    first, second = (opened(f"#step=14&net={TRAINED}&batch=20") for _ in range(2))
    assert sentence(first) == sentence(second)
    before = dict(twin(first, "mini-batches of"))
    first.get_by_role("button", name="Draw again").click()
    after = dict(twin(first, "mini-batches of"))
    assert before["smallest and largest"] != after["smallest and largest"]
    assert before["predicted"] == after["predicted"]


def test_it_says_which_gradient_is_meant(opened: Open, data: Data) -> None:
    shown = opened("#step=14")
    text = shown.inner_text("#body")
    assert f"{data['cosine']['n']:,} training digits" in text
    assert f"the {data['digits']['count']} digits in this page" in text
    before = next(one for one in data["cosine"]["networks"] if one["network"] == 0)
    rows = twin(shown, "measured beforehand")
    assert [float(mean) for _, mean, *_ in rows] == pytest.approx(before["mean"], abs=6e-4)


# --- step 15 --------------------------------------------------------------------------------------


def test_both_walks_are_told_as_they_were(opened: Open, data: Data) -> None:
    shown = opened("#step=15")
    walks = data["walks"]
    rows = {name: cells for name, *cells in twin(shown, "Both walks")}
    both = (walks["stumbling"], walks["careful"])
    assert rows["examples looked at"] == [f"{walk['work'][-1]:,}" for walk in both]
    assert rows["cost at the end"] == [f"{walk['cost'][-1]:.3f}" for walk in both]
    uphill = [f"{100 * walk['uphill']:.1f}{PERCENT}" for walk in both]
    assert rows["steps that went uphill"] == uphill
    assert rows["length of the way"] == [f"{walk['length']:.2f}" for walk in both]


def test_by_work_the_stumbling_man_is_ahead_by_steps_he_is_not(opened: Open) -> None:
    shown = opened("#step=15&walked=0.4")
    steps = [int(n) for n in re.findall(r"(\d+) steps", sentence(shown))]
    assert steps[0] > steps[1]
    choose(shown, "steps taken")
    steps = [int(n) for n in re.findall(r"(\d+) steps", sentence(shown))]
    assert steps[0] == steps[1] > 0


def test_the_walk_plays_pauses_and_is_moved(opened: Open) -> None:
    shown = opened("#step=15", reduced_motion="no-preference")
    shown.keyboard.press(" ")
    shown.get_by_role("button", name="Pause").wait_for()
    shown.locator("#body").focus()
    shown.keyboard.press(" ")
    shown.get_by_role("button", name="Play").wait_for()
    slide(shown, "How far", 0)
    assert "Stumbling man: 0 steps" in sentence(shown)


def test_without_motion_there_is_only_the_slider(opened: Open) -> None:
    shown = opened("#step=15", reduced_motion="reduce")
    shown.keyboard.press(" ")
    assert not shown.get_by_role("button", name="Play").is_visible()
    assert not shown.get_by_role("button", name="Pause").is_visible()


# --- step 16 --------------------------------------------------------------------------------------


def test_accuracies_are_those_that_were_measured(opened: Open, data: Data) -> None:
    shown = opened("#step=16")
    amount = data["amount"]
    rows = twin(shown, "Accuracy")
    assert [int(row[0].replace(",", "")) for row in rows] == amount["n"]
    for cells, test, train in zip(rows, amount["test"], amount["train"], strict=True):
        numbers = [
            float(cell.removesuffix(PERCENT).replace(MINUS, "-")) / 100 for cell in cells[1:]
        ]
        wanted = [*test, np.mean(test), np.mean(train), np.mean(train) - np.mean(test)]
        assert numbers == pytest.approx(wanted, abs=6e-4)


# --- step 17 --------------------------------------------------------------------------------------


def outputs(shown: Any) -> Floats:
    rows = twin(shown, "What the network says")
    return np.array([float(a) for _, a in sorted(rows, key=lambda row: int(row[0]))])


def test_a_shifted_and_inverted_digit_is_read_as_python_reads_it(
    opened: Open, data: Data, images: Floats
) -> None:
    shown = opened(f"#step=17&net={TRAINED}")
    shown.locator("#step-title").click()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        shown.keyboard.press(key)
    shown.get_by_role("button", name="Shift up by one pixel").click()
    shown.get_by_role("button", name="Shift up by one pixel").click()
    picture = np.zeros((28, 28))
    picture[:-1, 2:] = images[5].reshape(28, 28)[1:, :-2]
    assert "2 to the right and 1 up" in sentence(shown)
    assert outputs(shown) == pytest.approx(read(data, picture), abs=1e-9)
    shown.get_by_role("button", name="Invert").click()
    assert outputs(shown) == pytest.approx(read(data, 1 - picture), abs=1e-9)
    shown.get_by_role("button", name="Invert").click()
    shown.get_by_role("button", name="back to where it was").click()
    assert outputs(shown) == pytest.approx(read(data, images[5]), abs=1e-9)


def read(data: Data, picture: Floats) -> Floats:
    found = deltas_of(parameters_of(data, TRAINED), picture.reshape(1, 784), [2])
    return np.asarray(found.activations[-1][0])


def test_one_draws_with_the_keyboard_and_with_the_mouse(opened: Open, data: Data) -> None:
    shown = opened(f"#step=17&net={TRAINED}")
    shown.get_by_role("button", name="Empty page").click()
    empty = outputs(shown)
    assert empty == pytest.approx(read(data, np.zeros(784)), abs=1e-9)
    board = shown.get_by_role("application")
    board.focus()
    for key in (" ", "Shift+ArrowDown", "Shift+ArrowDown"):
        board.press(key)
    drawn = outputs(shown)
    assert not np.allclose(drawn, empty)
    box = board.bounding_box()
    shown.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    shown.mouse.down()
    shown.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.7 * box["height"])
    shown.mouse.up()
    assert not np.allclose(outputs(shown), drawn)


def test_noise_is_read_and_never_twice_the_same(opened: Open) -> None:
    shown = opened(f"#step=17&net={TRAINED}")
    choose(shown, "Noise")
    first = outputs(shown)
    shown.get_by_role("button", name="New noise").click()
    assert sentence(shown).startswith("Noise: the network says")
    assert not np.allclose(outputs(shown), first)


# --- all of them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("step", OURS)
def test_words_numbers_and_formulas_say_the_same(opened: Open, step: int) -> None:
    shown = opened(f"#step={step}")

    def said(mode: str) -> list[list[str]]:
        choose(shown, mode)
        found: list[list[str]] = shown.locator("#body .statement").evaluate_all(
            "all => all.map((one) => [...one.querySelectorAll('data')].map((data) => data.value))"
        )
        return found

    words, numbers, formulas = said("Words"), said("Numbers"), said("Formulas")
    assert words
    assert numbers == formulas
    for sentence_values, formula_values in zip(words, formulas, strict=True):
        assert formula_values[-1] in sentence_values  # the result


@pytest.mark.parametrize("step", OURS)
def test_a_drawing_is_also_a_table_and_a_sentence(opened: Open, step: int) -> None:
    shown = opened(f"#step={step}")
    assert re.search(r"\d", sentence(shown))
    assert shown.locator("#body figure svg[role=img]").count() > 0
    shown.keyboard.press("t")
    assert shown.locator("#twin-table caption").count() > 0
    assert shown.locator("#twin-table td").count() > 4


@pytest.mark.parametrize("step", OURS)
def test_the_keyboard_reaches_every_control(opened: Open, step: int) -> None:
    shown = opened(f"#step={step}")
    wanted = number_the_stops(shown, CONTROLS)
    shown.locator("#panel").focus()
    reached = set()
    for _ in range(3 * wanted + 40):  # the drawing and the bars come between
        shown.keyboard.press("Tab")
        reached.add(shown.evaluate("document.activeElement.dataset.stop"))
    assert {str(i) for i in range(wanted)} <= reached


@pytest.mark.parametrize("step", OURS)
@pytest.mark.parametrize("width", [320, 360, 1366])
def test_nothing_runs_out_of_a_narrow_page(opened: Open, step: int, width: int) -> None:
    shown = opened(f"#step={step}", viewport={"width": width, "height": 768})
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    wide = shown.locator("#body figure svg").evaluate_all(
        "all => Math.max(...all.map((one) => one.getBoundingClientRect().right))"
    )
    assert wide <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("step", OURS)
def test_axe_finds_nothing(opened: Open, step: int, scheme: str) -> None:
    for more in ("", "&twin=on&mode=formulas"):
        shown = opened(f"#step={step}{more}", color_scheme=scheme, bypass_csp=True)
        assert violations(shown) == []


@pytest.mark.parametrize("step", OURS)
def test_forced_colours_leave_the_marks_apart(opened: Open, step: int) -> None:
    shown = opened(f"#step={step}", forced_colors="active")
    marks = shown.locator("#body figure svg :is(path, rect, circle, line)").evaluate_all(
        "all => all.filter((one) => one.getBoundingClientRect().width).length"
    )
    assert marks > 0
