"""Steps 1 to 5 of the lesson's page and what is folded below them: their numbers are Python's.

Needs Playwright and a Chromium.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from explorer.reading import PERCENT, choose, row, slide, values
from numpy.typing import NDArray

from tinygrad_bp.lesson import OneExample, network_of
from tinygrad_bp.lesson.blobs import unblob
from tinygrad_bp.lesson.deltas import costs_of, deltas_of
from tinygrad_bp.rules import sigmoid

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

Data = dict[str, Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Open = Callable[..., Any]
Squeeze = tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]

MINUS, TIMES = "\N{MINUS SIGN}", "\N{MULTIPLICATION SIGN}"
TRAINED = 3
LETTERS = "ABCD"


@pytest.fixture
def example(data: Data, images: Floats, labels: Ints) -> Callable[..., OneExample]:
    def one(network: int = 0, index: int = 5) -> OneExample:
        net = network_of(unblob(data["networks"][network]["parameters"]), data["sizes"])
        return OneExample(net, images[index], int(labels[index]))

    return one


def rows(shown: Any, caption: str) -> dict[str, list[float]]:
    """The numbers of a table in the open aside, by the names of its rows."""
    table = shown.locator("#body details[open] table").filter(has_text=re.compile(caption))
    found = table.locator("tbody tr").all()
    return {one.locator("th").inner_text(): values(one) for one in found}


def parameters_of(data: Data, network: int) -> Floats:
    return unblob(data["networks"][network]["parameters"]).astype(np.float64)


@pytest.fixture
def lit(data: Data, images: Floats, labels: Ints) -> Callable[[int], tuple[Floats, ...]]:
    """The activations of every layer for all digits through a network."""
    return lambda network: tuple(
        deltas_of(parameters_of(data, network), images, labels).activations
    )


# --- step 1 ---------------------------------------------------------------------------------------


def test_the_page_says_what_it_is_and_how_it_can_be_read(opened: Open) -> None:
    text = opened().inner_text("#body")
    assert "step by step" in text
    assert all(mode in text for mode in ("Words", "Numbers", "Formulas"))
    assert "13,002 weights and biases" in text


@pytest.mark.parametrize(("mode", "said"), [("words", 0), ("numbers", 1), ("formulas", 1)])
def test_a_raised_number_is_explained_where_there_is_one(
    opened: Open, mode: str, said: int
) -> None:
    shown = opened(f"#step=1&mode={mode}")
    assert shown.get_by_text("is the layer, not a power").count() == said
    raised = re.search("a[⁰¹²³]", shown.inner_text("#body .statement"))
    assert (raised is not None) == bool(said)


@pytest.mark.parametrize("network", [0, TRAINED])
def test_the_digit_that_is_hardest_to_tell_is_shown(
    opened: Open, lit: Callable[[int], tuple[Floats, ...]], network: int
) -> None:
    shown = opened(f"#step=1&net={network}")
    shown.get_by_role("button", name="least sure").click()
    outputs = np.sort(lit(network)[-1], axis=1)
    index = int(np.argmin(outputs[:, -1] - outputs[:, -2]))
    assert shown.inner_text("#example-name").startswith(f"Example {index}:")


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_a_layer_is_a_matrix_times_a_column(
    opened: Open, example: Callable[..., OneExample], layer: int
) -> None:
    shown = opened("#step=1&aside=layers")
    choose(shown, "outputs" if layer == 3 else f"layer {layer}")
    two = example()
    linear = two.layers[layer - 1]
    n, m = linear.weight.shape
    shapes = shown.locator("#aside-layers .shaped span").all_inner_texts()
    assert shapes == [f"{n}", f"{n} {TIMES} {m}", f"{m}", f"{n}"]
    product = linear.weight @ two.activations[layer - 1]
    columns = (product, linear.bias, product + linear.bias, two.activations[layer])
    found = np.array(list(rows(shown, "at once").values()))
    np.testing.assert_allclose(found, np.column_stack(columns), rtol=1e-9, atol=1e-14)
    lines = shown.locator("#pane .strong path").count()
    assert lines == (16 if layer == 1 else linear.weight.size)
    assert shown.locator("#pane .neuron.pale").count() == {1: 26, 2: 10, 3: 16}[layer]


def test_all_parameters_are_counted(opened: Open, data: Data) -> None:
    shown = opened("#step=1&aside=layers")
    cells = shown.locator("#aside-layers table").last.locator("tr").last.inner_text().split("\t")
    sizes = data["sizes"]
    weights = sum(n * m for n, m in itertools.pairwise(sizes))
    assert cells == ["all", f"{weights:,}", f"{sum(sizes[1:])}", f"{weights + sum(sizes[1:]):,}"]


def test_a_pattern_answers_most_to_what_is_like_it(opened: Open) -> None:
    """As four pixels do in Python: the bar, half of it, nothing, what is around it."""
    shown = opened("#step=1&aside=pattern&likeness=ABC")
    assert shown.locator("#aside-pattern table").count() == 0
    shown.get_by_role("button", name="D", exact=True).click()
    sums = rows(shown, "added up")
    assert sums["B"][0] > sums["D"][0] > sums["A"][0] == 0 > sums["C"][0]
    assert sums["B"][0] == 2 * sums["D"][0] == -sums["C"][0]
    verdict = shown.inner_text("#aside-pattern [role=status]")
    assert verdict == "You said A > B > C > D; it is B > D > A > C."


@pytest.mark.parametrize(("network", "neuron"), [(0, 0), (TRAINED, 11)])
def test_a_neuron_has_its_favourite_digit(
    opened: Open,
    lit: Callable[[int], tuple[Floats, ...]],
    labels: Ints,
    network: int,
    neuron: int,
) -> None:
    shown = opened(f"#step=1&aside=pattern&net={network}")
    shown.locator("#aside-pattern select").select_option(str(neuron))
    first = lit(network)[1][:, neuron]
    captions = shown.locator("#aside-pattern figcaption")
    for place, index in ((-2, first.argmax()), (-1, first.argmin())):
        caption = captions.nth(captions.count() + place)
        assert f"example {index}, a {labels[index]}" in caption.inner_text()
        assert values(caption) == pytest.approx([first[index]], rel=1e-9, abs=1e-300)


def mulberry32(seed: int, n: int) -> Floats:
    """The page's generator: the same numbers, by Python's integers."""
    mask, state, found = 0xFFFFFFFF, seed, []
    for _ in range(n):
        state = (state + 0x6D2B79F5) & mask
        mixed = (state ^ (state >> 15)) * (state | 1) & mask
        mixed ^= (mixed + ((mixed ^ (mixed >> 7)) * (mixed | 61) & mask)) & mask
        found.append((mixed ^ (mixed >> 14)) / 2**32)
    return np.array(found)


def box_muller(uniform: Floats) -> Floats:
    radius, angle = np.sqrt(-2 * np.log(1 - uniform[::2])), 2 * np.pi * uniform[1::2]
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]).ravel()


@pytest.mark.parametrize("start", [1, 7, 50])
def test_a_random_start_reads_at_random(
    opened: Open, images: Floats, labels: Ints, start: int
) -> None:
    shown = opened("#step=1&aside=starts")
    slide(shown, "Start", start)
    parameters = box_muller(mulberry32(start, 13_002))
    assert parameters.mean() == pytest.approx(0, abs=4 / np.sqrt(13_002))
    assert parameters.std() == pytest.approx(1, abs=0.03)
    outputs = deltas_of(parameters, images, labels).activations[-1]
    answers = outputs.argmax(axis=1)
    found = np.array(list(rows(shown, "how often").values()))
    np.testing.assert_allclose(found[:, 0], outputs[5], rtol=1e-9)
    assert found[:, 1].tolist() == np.bincount(answers, minlength=10).tolist()
    right = int((answers == labels).sum())
    assert right < 0.3 * len(labels)
    assert f"reads {right} correctly, {100 * right / len(labels):.1f}{PERCENT}" in shown.inner_text(
        "#aside-starts"
    )


# --- step 2 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 37, 500])
def test_the_average_runs_as_digits_are_added(
    opened: Open, data: Data, images: Floats, labels: Ints, n: int
) -> None:
    shown = opened("#step=2")
    slide(shown, "Digits averaged", n)
    costs = deltas_of(parameters_of(data, 0), images, labels).costs
    average = shown.locator("#body .statement").nth(1)
    assert values(average) == pytest.approx([costs[:n].mean()], rel=1e-12)
    assert values(shown.locator("#body .newest")) == pytest.approx([costs[n - 1]], rel=1e-12)
    assert f"Example {n - 1}, a {labels[n - 1]}" in shown.inner_text("#body .newest")


def test_examples_go_by_and_can_be_stopped(opened: Open) -> None:
    shown = opened("#step=2", reduced_motion="no-preference")
    shown.keyboard.press(" ")
    shown.get_by_role("button", name="Pause").wait_for()
    shown.locator("#body .newest").filter(has_not_text="Example 499,").wait_for()
    shown.locator("#body").focus()
    shown.keyboard.press(" ")
    shown.get_by_role("button", name="Play").wait_for()
    reached = int(re.findall(r"Example (\d+)", shown.inner_text("#body .newest"))[0])
    assert reached < 499
    costs = shown.inner_text("#body .statement >> nth=1")
    assert f"the first {reached + 1} digits" in costs


def test_without_motion_digits_are_added_by_the_slider(opened: Open) -> None:
    shown = opened("#step=2", reduced_motion="reduce")
    shown.keyboard.press(" ")
    assert not shown.get_by_role("button", name="Play").is_visible()
    assert not shown.get_by_role("button", name="Pause").is_visible()


def test_learning_brings_the_cost_down(opened: Open, data: Data) -> None:
    shown = opened(f"#step=2&net={TRAINED}")
    label = shown.get_attribute("#body figure:has-text('learns') svg", "aria-label")
    wanted = [f"{one['name']} {one['cost']:.3f}" for one in data["networks"]]
    assert label.endswith(", ".join(wanted))
    assert shown.locator("#body g.row:has(.boxed)").text_content().startswith("10 epochs")


def test_percentages_are_not_torn_apart(opened: Open, data: Data) -> None:
    shown = opened("#step=2")
    said = shown.get_by_text("on this page the network reads").inner_text()
    assert re.search(rf"\d{PERCENT} correctly", said)


def test_costs_rank_four_answers_as_a_reader_would(opened: Open) -> None:
    """The answers that Python ranks: right, half sure, dark, sure of something else."""
    shown = opened("#step=2&aside=ranking")
    assert shown.locator("#aside-ranking table").count() == 1
    cells = shown.locator("#aside-ranking tbody td").all_inner_texts()
    answers = np.array([float(cell) for cell in cells]).reshape(10, 5)
    target = np.eye(10)[2]
    unsure, right, dark, wrong = 0.6 * target, target, np.zeros(10), np.eye(10)[6]
    np.testing.assert_array_equal(answers.T, [target, unsure, right, dark, wrong])
    for letter in "DCAB":
        shown.get_by_role("button", name=letter, exact=True).click()
    costs = costs_of(answers[:, 1:].T, np.tile(target, (4, 1)))
    found = rows(shown, "What they cost")
    assert [found[letter][0] for letter in LETTERS] == pytest.approx(costs.tolist(), abs=1e-15)
    assert "".join(LETTERS[i] for i in np.argsort(-costs)) == "DCAB"
    assert shown.inner_text("#aside-ranking [role=status]") == "Right: D > C > A > B."


def test_an_order_can_be_changed_and_begun_again(opened: Open) -> None:
    shown = opened("#step=2&aside=ranking&costliest=DA")
    verdict = shown.locator("#aside-ranking [role=status]")
    shown.get_by_role("button", name="D", exact=True).click()
    assert verdict.inner_text() == "Your order so far: A."
    shown.get_by_role("button", name="Again").click()
    assert verdict.inner_text() == ""
    assert shown.locator("#aside-ranking [aria-pressed=true]").count() == 0


@pytest.mark.parametrize("order", ["DD", "ABCE", "ABCDA", "1"])
def test_an_order_that_means_nothing_is_none(opened: Open, order: str) -> None:
    shown = opened(f"#step=2&aside=ranking&costliest={order}")
    assert shown.inner_text("#aside-ranking [role=status]") == ""


def test_two_boxes_and_what_changes_them(
    opened: Open, data: Data, images: Floats, labels: Ints
) -> None:
    shown = opened("#step=2&aside=boxes")
    network, cost = shown.locator("#aside-boxes .machine").all()
    for text in ("784 pixels", "13,002 weights and biases: untrained", "10 numbers"):
        assert text in network.inner_text()
    assert "500 digits" in cost.locator(".held").inner_text()
    assert "13,002 weights" in cost.locator(".in").inner_text()
    before = (network.locator(".out").inner_text(), values(cost))
    mean = deltas_of(parameters_of(data, 0), images, labels).costs.mean()
    assert before[1] == pytest.approx([mean], rel=1e-12)
    shown.get_by_role("button", name="Another picture").click()
    assert network.locator(".out").inner_text() != before[0]
    assert values(cost) == before[1]
    assert shown.inner_text("#aside-boxes [role=status]") == (
        "Another picture: 10 of the 10 outputs change; the cost of the network is the same."
    )
    shown.get_by_role("button", name="Another network").click()
    told = values(shown.locator("#aside-boxes [role=status]"))
    assert told == [*before[1], *values(cost)]
    assert values(cost)[0] < before[1][0]


# --- steps 3 to 5 ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("step", "layer"), [(3, 3), (4, 2)])
def test_what_can_only_be_wished_for_is_locked(opened: Open, step: int, layer: int) -> None:
    shown = opened(f"#step={step}")
    assert shown.locator("#pane .padlock title").count() == 1
    locked = shown.locator("#pane .neuron[aria-label*='may only be wished for']")
    assert {at[0] for at in locked.evaluate_all("all => all.map((one) => one.dataset.at)")} == {
        str(layer)
    }


def test_three_effects_and_their_sum_are_drawn(opened: Open) -> None:
    shown = opened("#step=4&db=0.3&dw=-0.2&da=0.1")
    label = shown.get_attribute("#body figure svg", "aria-label")
    told = [float(x.replace(MINUS, "-")) for x in re.findall(rf"[+{MINUS}][\d.]+", label)]
    bias, weight, activation, total, anew = told
    assert bias + weight + activation == pytest.approx(total, abs=2e-4)
    first, truth, _ = row(shown, "these changes")
    assert (total, anew) == pytest.approx((first, truth), abs=1e-4)


@pytest.mark.parametrize("voter", range(10))
def test_all_three_knobs_can_be_turned_to_the_eye(opened: Open, voter: int) -> None:
    """The neuron that is taken at first has room for its activation to change."""
    shown = opened(f"#step=4&voter={voter}")
    changes = shown.locator("#body .slider output").all_inner_texts()
    assert abs(float(changes[2].split()[1].replace(MINUS, "-"))) > 0.05
    wide = "all => all.every((one) => one.scrollWidth <= one.clientWidth + 1)"
    assert shown.locator("#body .slider output").evaluate_all(wide)


def test_a_weight_has_an_activation_in_the_place_of_the_one(
    opened: Open, example: Callable[..., OneExample]
) -> None:
    shown = opened("#step=5&voter=7")
    two = example()
    brightest = int(two.activations[2].argmax())
    index = 16 * 784 + 16 + 16 * 16 + 16 + 7 * 16 + brightest
    note = shown.get_by_text("in the place of the 1")
    assert values(note) == pytest.approx(
        [two.activations[2][brightest], -two.gradient[index]], rel=1e-9
    )


# --- what squeezes the sum ------------------------------------------------------------------------

SQUEEZES: dict[str, Squeeze] = {
    "σ": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
    "ReLU": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "a step": (lambda z: np.heaviside(z, 1.0), np.zeros_like),
    "nothing": (lambda z: z, np.ones_like),
}


def nudges(two: OneExample, squeeze: Squeeze) -> tuple[list[Floats], list[Floats]]:
    """The slopes at every neuron and the nudges on all weights and biases, layer by layer."""
    function, slope = squeeze
    a, slopes = [two.image], []
    for layer in two.layers:
        z = layer.weight @ a[-1] + layer.bias
        a.append(function(z))
        slopes.append(slope(z))
    wish, found = 2 * (two.target - a[-1]), []
    for layer, before, steepness in zip(
        reversed(two.layers), reversed(a[:-1]), reversed(slopes), strict=True
    ):
        nudge = wish * steepness
        found += [np.outer(nudge, before).ravel(), nudge]
        wish = layer.weight.T @ nudge
    return slopes, found


@pytest.mark.parametrize("network", [0, TRAINED])
def test_a_step_leaves_nothing_of_the_nudges(
    opened: Open, example: Callable[..., OneExample], network: int
) -> None:
    shown = opened(f"#step=5&aside=squeeze&net={network}&arrives=8.5&offset=-6")
    two, z = example(network), np.array([2.5])
    table = rows(shown, "at every neuron")
    assert list(table) == list(SQUEEZES)
    for name, squeeze in SQUEEZES.items():
        slopes, found = nudges(two, squeeze)
        flat = np.count_nonzero(np.concatenate(slopes) == 0)
        many = np.count_nonzero(np.concatenate(found))
        here = [float(function(z)[0]) for function in squeeze]
        assert table[name] == pytest.approx([*here, flat, many], rel=1e-12)
    assert table["σ"][3] == np.count_nonzero(two.gradient) > table["a step"][3] == 0


def test_a_bias_of_minus_10_is_a_threshold_at_10(opened: Open) -> None:
    shown = opened("#step=5&aside=squeeze&offset=-10")
    seen = {}
    for arrives in (9, 10, 11):
        slide(shown, "What arrives", arrives)
        seen[arrives] = rows(shown, "at every neuron")["σ"][:2]
    assert seen[9][0] < seen[10][0] == 0.5 < seen[11][0]
    assert seen[10][1] == 0.25 > max(seen[9][1], seen[11][1])
    assert "where what arrives is 10.0" in shown.inner_text("#aside-squeeze")


@pytest.mark.parametrize("offset", [-10, -5, 3])
def test_the_curve_is_halfway_up_at_the_threshold(opened: Open, offset: int) -> None:
    shown = opened(f"#step=5&aside=squeeze&offset={offset}")
    chart = shown.locator("#aside-squeeze figure svg[role=img]")
    at = float(chart.locator(".rule line").get_attribute("x1"))
    way, slope = (
        np.array(re.findall(r"([\d.]+) ([\d.]+)", one.get_attribute("d")), float)
        for one in chart.locator(".series path").all()
    )
    nearest = np.abs(way[:, 0] - at).argmin()
    low, high = way[:, 1].max(), way[:, 1].min()
    assert way[nearest, 1] == pytest.approx((low + high) / 2, abs=0.2)
    assert slope[:, 1].argmin() == nearest
    assert low - slope[nearest, 1] == pytest.approx((low - high) / 4, abs=0.2)


@pytest.mark.parametrize(
    ("squeezer", "arrives", "wanted"),
    [("ReLU", 14, [4, 1]), ("ReLU", 2, [-8, 0]), ("a step", 14, [4, 1]), ("nothing", 2, [-8, -8])],
)
def test_what_is_chosen_is_drawn_and_told(
    opened: Open, squeezer: str, arrives: float, wanted: list[float]
) -> None:
    shown = opened(f"#step=5&aside=squeeze&offset=-10&arrives={arrives}")
    choose(shown, squeezer)
    z, activation, slope = values(shown.locator("#aside-squeeze p:has(data)").first)
    function, steepness = SQUEEZES[squeezer]
    assert z == wanted[0]
    assert activation == function(np.array([z]))[0]
    assert slope == steepness(np.array([z]))[0]
    label = shown.get_attribute("#aside-squeeze figure svg", "aria-label")
    assert label.startswith(f"Squeezed by {squeezer}")


def test_far_out_sigma_is_exactly_its_limit(opened: Open) -> None:
    shown = opened("#step=5&aside=squeeze")
    table = rows(shown, "slope is at most 0.25")
    assert table[f"{MINUS}1000"] == [0, 0]
    assert table["1000"] == [1, 0]
    assert table["0"] == [0.5, 0.25]
    assert table["20"] == pytest.approx([sigmoid(np.float64(20)), 2.06e-9], rel=1e-3)


def test_without_squeezing_all_layers_are_one_matrix(
    opened: Open, example: Callable[..., OneExample]
) -> None:
    shown = opened("#step=5&aside=squeeze")
    a = example().image
    for layer in example().layers:
        a = layer.weight @ a + layer.bias
    found = np.array(list(rows(shown, "3 layers").values()))
    np.testing.assert_allclose(found[:, 0], a, rtol=1e-12)
    np.testing.assert_allclose(found[:, 1], a, rtol=1e-12)
    assert found[:, 2] == pytest.approx(np.abs(found[:, 0] - found[:, 1]), abs=0)
    assert found[:, 2].max() < 1e-11
