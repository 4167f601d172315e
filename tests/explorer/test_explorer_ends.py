"""Steps 15 to 17 of the lesson's page: walks, labels, and where the network ends.

Needs Playwright and a Chromium; the numbers are compared with Python's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explorer.reading import PERCENT, choose, sentence, slide, twin, values
from numpy.typing import NDArray

from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.lesson.blobs import unblob
from tinygrad_bp.lesson.deltas import activations
from tinygrad_bp.lesson.network import unflatten

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

Data = dict[str, Any]
Floats = NDArray[np.float64]
Open = Callable[..., Any]

TRAINED = 3
MINUS = "\N{MINUS SIGN}"
EXAMPLES = Path(__file__).parents[2] / "examples"


def parameters_of(data: Data, network: int) -> Floats:
    return unblob(data["networks"][network]["parameters"]).astype(np.float64)


def cells(shown: Any, caption: str) -> list[list[str]]:
    """The rows of a table in the panel, as they are written."""
    table = shown.locator("#body table").filter(has=shown.locator("caption", has_text=caption))
    found: list[list[str]] = table.locator("tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return found


def share(x: float) -> str:
    return f"{100 * x:.1f}{PERCENT}"


# --- step 15 --------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", range(1, 7))
def test_each_walk_is_told_as_it_was(opened: Open, data: Data, preset: int) -> None:
    shown = opened(f"#step=15&preset={preset}")
    walk = data["walks"]["presets"][preset - 1]
    rows = {name: stumbling for name, stumbling, _ in twin(shown, "Both walks")}
    assert rows["examples for each step"] == f"{walk['batch']:,}"
    assert float(rows["learning rate η"]) == walk["lr"]
    assert rows["steps"] == "600"
    assert rows["examples looked at"] == f"{600 * walk['batch']:,}"
    assert rows["steps that went uphill"] == share(walk["uphill"])
    assert rows["length of the way"] == f"{walk['length']:.2f}"
    assert rows["farthest from the map's plane"] == f"{walk['out_of_plane']:.2f}"
    assert rows["cost at the end"] == f"{walk['cost'][-1]:.3f}"


def test_a_batch_or_a_rate_is_chosen_one_at_a_time(opened: Open, data: Data) -> None:
    shown = opened("#step=15")
    batches = shown.get_by_role("group", name="Mini-batches of")
    rates = shown.get_by_role("group", name="Learning rate")

    def chosen() -> tuple[str, str]:
        return tuple(
            group.locator("label:has(:checked)").inner_text() for group in (batches, rates)
        )

    assert chosen() == ("100", "1.5")
    batches.get_by_role("radio", name="10", exact=True).check()
    assert chosen() == ("10", "1.5")
    assert "Stumbling man: 600 steps, cost 0." in sentence(shown)
    assert "6,000 and 6,000,000" in sentence(shown)
    rates.get_by_role("radio", name="15", exact=True).check()
    assert chosen() == ("100", "15")
    place = [(one["batch"], one["lr"]) for one in data["walks"]["presets"]].index((100, 15)) + 1
    shown.wait_for_url(re.compile(f"preset={place}$"))


def test_a_preset_that_is_not_there_is_the_last(opened: Open, data: Data) -> None:
    shown = opened("#step=15&preset=99")
    last = data["walks"]["presets"][-1]
    assert f"cost {last['cost'][-1]:.3f}. Careful" in sentence(shown)


def test_walks_with_fewer_points_are_moved_by_steps_and_by_work(opened: Open, data: Data) -> None:
    shown = opened("#step=15&preset=1&against=steps&walked=0.5")
    walk = data["walks"]["presets"][0]
    at = walk["steps"].index(300)
    said = sentence(shown)
    assert f"Stumbling man: 300 steps, cost {walk['cost'][at]:.3f}." in said
    assert "Careful man: 300 steps" in said
    choose(shown, "work done")
    slide(shown, "How far", 0)
    assert "Stumbling man: 0 steps" in sentence(shown)


@pytest.mark.parametrize("preset", range(7))
def test_no_walk_leaves_the_map(opened: Open, preset: int) -> None:
    shown = opened(f"#step=15&preset={preset}")
    outside = shown.locator("#body svg:has(.landscape)").evaluate(
        """(svg) => {
          const { x, y, width, height } = svg.getBBox();
          const paper = svg.viewBox.baseVal;
          return [x, y, x + width - paper.width, y + height - paper.height];
        }"""
    )
    assert outside[0] >= -1
    assert outside[1] >= -1
    assert max(outside[2:]) <= 1


def test_all_walks_side_by_side(opened: Open, data: Data) -> None:
    shown = opened("#step=15&aside=rates&preset=2")
    walks = data["walks"]
    every = [walks["stumbling"] | {"batch": walks["batch"], "lr": walks["lr"]}, *walks["presets"]]
    rows = cells(shown, "Every walk")
    assert len(rows) == len(every) + 1
    for batch, rate, work, uphill, length, *_, cost in rows[:-1]:
        (walk,) = [w for w in every if (f"{w['batch']:,}", w["lr"]) == (batch, float(rate))]
        assert work == f"{walk['work'][-1]:,}"
        assert uphill == share(walk["uphill"])
        assert float(length) == pytest.approx(walk["length"], abs=0.051)
        assert float(cost) == pytest.approx(walk["cost"][-1], abs=6e-4)
    marked = shown.locator("#body .aside tr.first th")
    assert marked.inner_text() == "10"


def test_gradients_get_shorter_and_ends_differ(opened: Open, data: Data) -> None:
    shown = opened("#step=15&aside=minimum")
    norms, ends = data["walks"]["norms"], data["amount"]["ends"]
    intro = shown.locator("#aside-minimum p")
    assert values(intro.first) == [
        norms["careful"][0], norms["careful"][-1], norms["stumbling"][-1]
    ]  # fmt: skip
    assert values(intro.last) == ends["cosine"]
    for (_, _, length), curve in zip(
        cells(shown, "networks of this page"), data["cosine"]["networks"], strict=True
    ):
        assert float(length) == pytest.approx(curve["norm"], abs=6e-4)
    rows = [[float(cell) for cell in row[1:]] for row in cells(shown, "Cosines between")]
    between = np.array(rows)[:, :3]
    assert (between == between.T).all()
    assert between[np.triu_indices(3, 1)] == pytest.approx(ends["cosine"], abs=6e-4)
    assert (np.diag(between) == 1).all()
    chart = shown.locator("#aside-minimum figure svg")
    powers = chart.locator("path").first.get_attribute("d")
    choose(shown, "Even axis")
    assert chart.locator("path").first.get_attribute("d") != powers


def test_without_gradients_accuracy_stays(opened: Open, data: Data) -> None:
    shown = opened("#step=15&aside=without")
    first = data["networks"][0]["test_accuracy"]
    rows = cells(shown, "read correctly")
    assert [row[2] for row in rows] == [share(n["test_accuracy"]) for n in data["networks"]]
    assert {row[-1] for row in rows} == {share(first)}


def test_the_loop_that_is_shown_learns(opened: Open) -> None:
    code = opened("#step=15&aside=without").locator("#aside-without pre").inner_text()
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    learnt: dict[str, Any] = {}
    exec(code, learnt)  # noqa: S102 - it is our own
    read = learnt["net"](learnt["images"]).data.argmax(axis=1)
    assert np.mean(read == learnt["labels"]) > 0.9
    with pytest.raises(OptimizerError, match="no gradient"):
        exec(code.replace(".backward()", ""), {})  # noqa: S102


# --- step 16 --------------------------------------------------------------------------------------


def test_it_says_that_test_digits_are_others(opened: Open, data: Data) -> None:
    text = opened("#step=16").inner_text("#body")
    split = data["split"]
    assert f"{split['train']:,} to learn from" in text
    assert f"{split['test']:,} to be examined on" in text
    assert split["common"] == 0
    assert "None of the test digits are among the training digits" in text


@pytest.mark.parametrize("wrong", range(4))
def test_wrong_labels_cost_what_was_measured(opened: Open, data: Data, wrong: int) -> None:
    shown = opened(f"#step=16&aside=labels&wrong={wrong}")
    labels = data["limits"]["labels"]
    told = shown.locator("#aside-labels p").first
    assert values(told) == [labels["cost"][wrong]]
    assert share(labels["accuracy"][wrong]) in told.inner_text()
    rows = cells(shown, "After 10 epochs")
    assert [row[2] for row in rows] == [share(right) for right in labels["accuracy"]]
    assert shown.locator("#aside-labels .said").count() == 2


def test_labels_are_scrambled_by_a_switch(opened: Open) -> None:
    shown = opened("#step=16&aside=labels")
    choose(shown, f"30{PERCENT}")
    assert "30" in shown.locator("#aside-labels p").first.inner_text()
    shown.wait_for_url(re.compile("wrong=2"))
    assert values(shown.locator("#aside-labels p").last) == pytest.approx([0.1, 0.9])


def test_the_digits_of_the_page_are_counted(
    opened: Open, images: Floats, labels: NDArray[np.int64]
) -> None:
    shown = opened("#step=16&aside=source")
    rows = cells(shown, "by label")
    assert [int(row[2]) for row in rows] == np.bincount(labels, minlength=10).tolist()
    assert values(shown.locator("#aside-source p").last) == [(images == 0).all(axis=0).sum()]


# --- step 17 --------------------------------------------------------------------------------------


def test_recipes_are_compared_as_they_were_measured(opened: Open, data: Data) -> None:
    shown = opened("#step=17&aside=better")
    rows = cells(shown, "Test digits read correctly")
    last, recipes = data["networks"][-1], data["recipes"]
    assert [row[3] for row in rows] == [share(one["test_accuracy"]) for one in (last, *recipes)]
    assert [row[2] for row in rows] == ["13,002", *(f"{one['parameters']:,}" for one in recipes)]
    assert [row[4] for row in cells(shown, "How they were trained")] == [
        str(one["epochs"]) for one in (last, *recipes)
    ]
    text = shown.locator("#aside-better").inner_text()
    assert f"{100 * (1 - recipes[-1]['test_accuracy']):.2f}{PERCENT}" in text
    assert f"99.7 to 99.8{PERCENT}" in text


def test_a_3_becomes_an_8_and_the_hidden_neurons_tell(
    opened: Open, data: Data, images: Floats, labels: NDArray[np.int64]
) -> None:
    shown = opened(f"#step=17&net={TRAINED}&aside=changes")
    assert "nothing changes" in shown.locator("#aside-changes").inner_text()
    shown.get_by_role("button", name="Take a 3").click()
    three = int(np.argmax(labels == 3))
    shown.wait_for_url(re.compile(f"ex={three}&"))
    board = shown.get_by_role("application")
    board.focus()
    for key in (*["ArrowLeft"] * 5, *["Shift+ArrowDown"] * 4):
        board.press(key)
    before, now = (
        activations(unflatten(parameters_of(data, TRAINED)), picture[None])
        for picture in (images[three], drawn(images[three]))
    )
    for layer in (1, 2):
        change = now[layer][0] - before[layer][0]
        largest = np.argsort(-np.abs(change), kind="stable")[:4]
        rows = changes(shown, layer)
        assert [int(row[0]) for row in rows] == largest.tolist()
        assert [row[3] for row in rows] == pytest.approx(change[largest], abs=1e-9)
    said = values(shown.locator("#aside-changes p").last)
    outputs = [float(a[-1][0][digit]) for digit in (3, 8) for a in (before, now)]
    assert said == pytest.approx(outputs, abs=1e-9)
    shown.get_by_role("button", name="Compare with this").click()
    assert "nothing changes" in shown.locator("#aside-changes").inner_text()
    shown.get_by_role("button", name="Compare with the example").click()
    assert changes(shown, 1)[0][3] == pytest.approx(
        float((now[1][0] - before[1][0])[int(changes(shown, 1)[0][0])]), abs=1e-9
    )


def drawn(picture: Floats) -> Floats:
    """What the pen does on its way down: full where it is, fading over a pixel and a half."""
    inked = picture.reshape(28, 28).copy()
    rows, columns = np.indices(inked.shape)
    for y in range(15, 19):
        distance = np.hypot(columns - 9, rows - y)
        near = (abs(columns - 9) <= 2) & (abs(rows - y) <= 2)
        inked = np.where(near, np.maximum(inked, np.clip(1.7 - distance, 0, 1)), inked)
    return np.asarray(inked.reshape(784))


def changes(shown: Any, layer: int) -> list[list[float]]:
    table = shown.locator("#aside-changes table").filter(has_text=f"hidden layer {layer}")
    found: list[list[float]] = table.locator("tbody tr").evaluate_all(
        "rows => rows.map((row) => [Number(row.cells[0].textContent), "
        "...[...row.querySelectorAll('data')].map((data) => Number(data.value))])"
    )
    return found


def test_the_drawing_of_the_network_is_of_what_was_drawn(opened: Open, data: Data) -> None:
    shown = opened(f"#step=17&net={TRAINED}")
    shown.get_by_role("button", name="Empty page").click()
    lit = shown.locator("svg.network .pixels rect[fill-opacity]").evaluate_all(
        "all => all.filter((one) => Number(one.getAttribute('fill-opacity')) > 0).length"
    )
    assert lit == 0
    shown.keyboard.press("p")  # and another step shows the example again
    shown.keyboard.press("Home")
    assert shown.locator("#step-place").inner_text().startswith("Step 1 ")
    assert "The network says" in sentence(shown)
    lit = shown.locator("svg.network .pixels rect[fill-opacity]").evaluate_all(
        "all => all.filter((one) => Number(one.getAttribute('fill-opacity')) > 0).length"
    )
    assert lit > 0


def test_weight_pictures_are_as_noisy_as_python_finds(opened: Open, data: Data) -> None:
    shown = opened(f"#step=17&net={TRAINED}&aside=looks")
    assert shown.locator("#aside-looks canvas").count() == 32
    rows = np.array(
        [[float(cell.replace(MINUS, "-")) for cell in row] for row in cells(shown, "in numbers")]
    )
    for column, network in ((1, 0), (2, TRAINED)):
        pictures = parameters_of(data, network)[: 16 * 784].reshape(16, 28, 28)
        alike = [np.mean([cosine(p[:, :-1], p[:, 1:]), cosine(p[:-1], p[1:])]) for p in pictures]
        assert rows[:, column] == pytest.approx(alike, abs=6e-3)
        lengths = np.linalg.norm(pictures.reshape(16, -1), axis=1)
        assert rows[:, column + 2] == pytest.approx(lengths, abs=0.051)


def cosine(u: Floats, v: Floats) -> float:
    return float((u * v).sum() / (np.linalg.norm(u) * np.linalg.norm(v)))


def test_every_line_of_code_is_in_the_example_and_leads_to_its_step(opened: Open) -> None:
    shown = opened("#step=17&aside=code")
    program = (EXAMPLES / "backprop_by_hand.py").read_text(encoding="utf-8")
    lines = shown.locator("#aside-code code").all_text_contents()[1:]
    assert len(lines) >= 10
    for line in lines:
        assert re.search(rf"^ {{8,12}}{re.escape(line)}( +#.*)?$", program, re.MULTILINE), line
    buttons = shown.locator("#aside-code li button")
    steps = [int(text.removeprefix("Step ")) for text in buttons.all_text_contents()]
    assert set(steps) == {*range(1, 10), 12, 13, 14, 15}
    buttons.nth(steps.index(13)).click()
    assert shown.inner_text("#stops [aria-current=step]") == "13"
    assert shown.locator("details[open]").count() == 0
