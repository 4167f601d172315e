"""Steps 12 to 14 of the lesson's page and what is folded below them: their numbers are Python's."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from explorer.reading import PERCENT, choose, sentence, slide, values
from numpy.typing import NDArray

from tinygrad_bp import Tensor, optim
from tinygrad_bp.lesson.blobs import unblob
from tinygrad_bp.lesson.deltas import Deltas, deltas_of
from tinygrad_bp.lesson.example import OneExample
from tinygrad_bp.lesson.knobs import best_knobs
from tinygrad_bp.lesson.many import class_effects
from tinygrad_bp.lesson.network import index_of, network_of

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

Data = dict[str, Any]
Floats = NDArray[np.float64]
Open = Callable[..., Any]

ASIDES = {
    "exactly": 12,
    "valley": 13,
    "steepest": 13,
    "budget": 13,
    "single": 13,
    "proportions": 13,
    "deal": 14,
}
PARAMETERS = 13_002
SIZES = (784, 16, 16, 10)
TRAINED = 3  # a network that has learnt, where examples disagree
LENGTH = 0.01  # of the game


def moment(aside: str, more: str = "") -> str:
    return f"#step={ASIDES[aside]}&aside={aside}{more}"


def rows(shown: Any, aside: str, caption: str) -> dict[str, list[str]]:
    """A table of an aside: the cells of each row, exact where the page keeps the exact number."""
    table = shown.locator(f"#aside-{aside} table").filter(has_text=re.compile(caption))
    found: list[list[str]] = table.locator("tbody tr").evaluate_all(
        "rows => rows.map((row) => [...row.cells].map("
        "(cell) => cell.querySelector('data')?.value ?? cell.textContent))"
    )
    return {first: rest for first, *rest in found}


def numbers(cells: list[str]) -> list[float]:
    return [float(cell.replace(",", "").replace("\N{MINUS SIGN}", "-")) for cell in cells]


def stated(shown: Any, aside: str) -> list[float]:
    return values(shown.locator(f"#aside-{aside} .statement").first)


class Engine:
    """Python's own numbers of all digits of the page."""

    def __init__(self, data: Data, images: Floats, labels: NDArray[np.int64]) -> None:
        self.data, self.images, self.labels = data, images, labels
        self._kept: dict[int, Deltas] = {}

    def parameters(self, network: int) -> Floats:
        return unblob(self.data["networks"][network]["parameters"]).astype(np.float64)

    def at(self, parameters: Floats, chosen: Any = slice(None)) -> Deltas:
        return deltas_of(parameters, self.images[chosen], self.labels[chosen])

    def network(self, network: int) -> Deltas:
        """The deltas of all digits through a network, made once each."""
        if network not in self._kept:
            self._kept[network] = self.at(self.parameters(network))
        return self._kept[network]

    def cost(self, parameters: Floats) -> float:
        return float(self.at(parameters).costs.mean())

    def one(self, network: int) -> OneExample:
        return OneExample(network_of(self.parameters(network)), self.images[5], self.labels[5])


@pytest.fixture(scope="module")
def engine(data: Data, images: Floats, labels: NDArray[np.int64]) -> Engine:
    return Engine(data, images, labels)


# --- why one example --------------------------------------------------------------------------


def test_one_example_is_a_way_to_look_and_not_what_is_fast(opened: Open) -> None:
    said = opened("#step=12").inner_text("#body")
    assert "a way to look closely" in said
    assert not re.search(r"fast|quick|efficien|cheap", said)
    assert "not to listen to a single example" in opened("#step=14").inner_text("#body")


# --- the average is the slope -----------------------------------------------------------------


@pytest.mark.parametrize("network", [0, TRAINED])
def test_the_average_of_all_nudges_is_minus_the_slope_of_the_mean_cost(
    opened: Open, engine: Engine, network: int
) -> None:
    shown = opened(moment("exactly", f"&net={network}&pins=12345"))
    found = rows(shown, "exactly", "against wiggles")
    gradient = engine.network(network).gradient()

    def mean_cost(index: int, by: float) -> float:
        moved = engine.parameters(network)
        moved[index] += by
        return engine.cost(moved)

    assert len(found) >= 7
    for name, cells in found.items():
        index = index_of(name, SIZES)
        slope = (mean_cost(index, 1e-3) - mean_cost(index, -1e-3)) / 2e-3
        average, wiggled = numbers(cells[:2])
        assert average == pytest.approx(-gradient[index], rel=1e-9, abs=1e-16)
        assert wiggled == pytest.approx(-slope, rel=1e-6, abs=1e-11)
        assert average == pytest.approx(wiggled, rel=1e-4, abs=1e-9)
    average, wiggled, apart = stated(shown, "exactly")
    assert apart == average - wiggled


# --- downhill with one input ------------------------------------------------------------------


def valley(x: Tensor) -> Tensor:
    return (x**4 / 4 - x**3 / 3 - x**2 + 3).sum()


def valley_walk(start: float, lr: float, steps: int) -> Iterator[tuple[float, float]]:
    """Places and slopes, by the engine and its optimiser."""
    x = Tensor([start], requires_grad=True)
    optimizer = optim.SGD([x], lr=lr)
    for _ in range(steps + 1):
        optimizer.zero_grad()
        valley(x).backward()
        assert x.grad is not None
        yield x.item(), x.grad.item()
        optimizer.step()


@pytest.mark.parametrize(
    ("start", "bottom", "name"),
    [(-1.8, -1, "left"), (-0.3, -1, "left"), (0.3, 2, "right"), (2.9, 2, "right")],
)
def test_different_starts_end_in_different_valleys(
    opened: Open, start: float, bottom: float, name: str
) -> None:
    shown = opened(moment("valley", "&rate=0.15"))
    slide(shown, "Start at x", start)
    walked = list(valley_walk(start, 0.15, 20))
    for step, cells in rows(shown, "valley", "Where it is").items():
        x, slope = walked[int(step)]
        assert numbers(cells) == pytest.approx([x, slope, -0.15 * slope], rel=1e-9, abs=1e-12)
    assert walked[-1][0] == pytest.approx(bottom, abs=0.01)
    text = shown.inner_text("#aside-valley")
    assert f"the bottom of the {name} valley" in text
    slope = walked[0][1]
    assert f"the step goes to the {'left' if slope > 0 else 'right'}" in text
    assert stated(shown, "valley") == pytest.approx([slope, 0.15, -0.15 * slope])


@pytest.mark.parametrize(("bottom", "name"), [(-1.0, "left"), (2.0, "right")])
@pytest.mark.parametrize(("above", "verdict"), [(-0.02, "settles"), (0.02, "overshoots")])
def test_a_rate_above_two_over_the_curvature_overshoots(
    opened: Open, bottom: float, name: str, above: float, verdict: str
) -> None:
    h = 1e-5
    up, down = (next(valley_walk(bottom + by, 0.1, 0))[1] for by in (h, -h))
    curvature = (up - down) / (2 * h)
    rate = round(2 / curvature + above, 2)
    shown = opened(moment("valley", f"&rate={rate}"))
    (found,) = (
        cells
        for first, cells in rows(shown, "valley", "its own limit").items()
        if first.startswith(name)
    )
    assert numbers(found[:2]) == pytest.approx([curvature, 2 / curvature], abs=1e-3)
    assert found[2] == verdict
    near = [abs(x - bottom) for x, _ in valley_walk(bottom + 0.02, rate, 200)]
    assert (near[-1] > near[0]) == (verdict == "overshoots")


def test_a_step_too_long_leaves_the_picture_and_level_ground_holds(opened: Open) -> None:
    shown = opened(moment("valley", "&begin=2.9&rate=0.9"))
    walked = [x for x, _ in valley_walk(2.9, 0.9, 1)]
    assert walked[1] < -2
    assert "step 1 is so long that it leaves the picture" in shown.inner_text("#aside-valley")
    slide(shown, "Start at x", 0)
    assert "nothing moves" in shown.inner_text("#aside-valley")
    assert "on top of the hill" in shown.inner_text("#aside-valley")


# --- downhill with two inputs -----------------------------------------------------------------


def bowl_gradient(x: float, y: float) -> list[float]:
    point = Tensor([float(x), float(y)], requires_grad=True)
    (point**2 * np.array([3.0, 1.0]) / 2).sum().backward()
    assert point.grad is not None
    return [float(slope) for slope in point.grad.data]


def test_at_one_one_the_gradient_is_three_and_one(opened: Open) -> None:
    shown = opened(moment("steepest"))
    assert bowl_gradient(1, 1) == [3, 1]
    assert stated(shown, "steepest") == [3, 1, math.hypot(3, 1)]
    assert "x matters 3.0 times as much as y" in shown.inner_text("#aside-steepest")


def test_lines_of_equal_cost_are_as_wide_as_the_cost_is_steep(opened: Open) -> None:
    """C = ½ is reached at x = 1/√3 and at y = 1, on a map with equal scales."""
    shown = opened(moment("steepest"))
    width, height, unit = shown.locator("#aside-steepest svg").first.evaluate(
        """(map) => {
          const line = map.querySelector(".isoline").getBBox();
          const grid = [...map.querySelectorAll(".grid")];
          const [low, ...more] = grid.map((one) => one.y1.baseVal.value);
          return [line.width, line.height, (low - more.at(-1)) / more.length];
        }"""
    )
    assert height == pytest.approx(2 * unit, rel=0.02)
    assert width == pytest.approx(2 * unit / math.sqrt(3), rel=0.02)


@pytest.mark.parametrize(("x", "y", "heading"), [(1, 1, 90), (-1.5, 0.7, 200), (0, -2, 45)])
def test_no_direction_is_steeper_than_the_gradients_own(
    opened: Open, x: float, y: float, heading: int
) -> None:
    shown = opened(moment("steepest", f"&eastward={x}&northward={y}&heading={heading}"))
    gradient = np.array(bowl_gradient(x, y))
    steepness = float(np.linalg.norm(gradient))
    found = rows(shown, "steepest", "How fast the cost rises")
    slopes = {name: float(cells[1]) for name, cells in found.items()}
    angle = math.radians(heading)
    mine = float(gradient @ [math.cos(angle), math.sin(angle)])
    assert slopes["your direction"] == pytest.approx(mine)
    assert slopes["the gradient's"] == pytest.approx(steepness)
    assert slopes["minus the gradient's"] == pytest.approx(-steepness)
    assert slopes["along the line of equal cost"] == 0
    assert max(map(abs, slopes.values())) == pytest.approx(steepness)


# --- the game ---------------------------------------------------------------------------------


def spend(engine: Engine, way: Floats) -> float:
    """What a change of the game's length does to the mean cost."""
    parameters = engine.parameters(0)
    change = LENGTH * way / np.linalg.norm(way)
    return engine.cost(parameters + change) - engine.cost(parameters)


def test_nobody_spends_a_small_change_better_than_the_gradient(
    opened: Open, engine: Engine
) -> None:
    shown = opened(moment("budget"))
    gradient = engine.network(0).gradient()
    order = np.argsort(-np.abs(gradient), kind="stable")
    assert rows(shown, "budget", "does to the mean cost")["your knobs"][0] == "0"
    turns = {0: -9, 1: -4, 2: 2, 3: -1, 4: 5}
    way = np.zeros(PARAMETERS)
    for knob, turn in turns.items():
        slider = shown.locator("#aside-budget input[type=range]").nth(knob)
        slider.evaluate(
            "(one, value) => { one.value = value; one.dispatchEvent(new Event('input')); }", turn
        )
        way[order[[1, 3, 10, 100, 1000][knob] - 1]] = turn
    found = rows(shown, "budget", "does to the mean cost")
    changes = {name: float(cells[0]) for name, cells in found.items()}
    foretold = {name: float(cells[2]) for name, cells in found.items()}
    assert changes["your knobs"] == pytest.approx(spend(engine, way), rel=1e-6)
    assert foretold["your knobs"] == pytest.approx(LENGTH * gradient @ way / np.linalg.norm(way))
    ten = np.where(np.isin(np.arange(PARAMETERS), order[:10]), -gradient, 0)
    assert changes["the 10 best knobs"] == pytest.approx(spend(engine, ten), rel=1e-6)
    best = changes[f"all {PARAMETERS:,}"]
    assert best == pytest.approx(spend(engine, -gradient), rel=1e-6)
    assert best == min(changes.values()) < 0
    assert foretold[f"all {PARAMETERS:,}"] == pytest.approx(-LENGTH * np.linalg.norm(gradient))
    share = 100 * changes["the 10 best knobs"] / best
    assert found["the 10 best knobs"][1] == f"{share:.1f}{PERCENT}"


def test_an_address_with_other_turns_is_read_or_left_alone(opened: Open) -> None:
    shown = opened(moment("budget", "&turns=1,-2,3,-4,5"))
    assert "+1" in shown.inner_text("#aside-budget output >> nth=0")
    shown = opened(moment("budget", "&turns=1,2"))
    assert shown.inner_text("#aside-budget output >> nth=0") == "0"


# --- a single example's step ------------------------------------------------------------------


@pytest.mark.parametrize(("network", "lr"), [(0, 0.5), (TRAINED, 1.5)])
def test_a_single_examples_step_helps_itself_and_not_always_the_others(
    opened: Open, engine: Engine, network: int, lr: float
) -> None:
    shown = opened(moment("single", f"&net={network}&lr={lr}"))
    one, labels = engine.one(network), engine.labels
    after = engine.at(one.parameters + one.step(lr)).costs
    before = engine.network(network).costs
    there, own, fall = stated_in_formulas(shown, "single")
    assert (own, there) == pytest.approx((one.cost, one.cost_after(one.step(lr))), rel=1e-9)
    assert fall == pytest.approx(there - own)
    assert fall < 0
    effects = class_effects(before, after, labels)
    found = rows(shown, "single", "mean cost of each digit")
    assert list(found) == [str(digit) for digit in range(10)]
    for digit, cells in found.items():
        of = labels == int(digit)
        wanted = [of.sum(), before[of].mean(), after[of].mean(), effects[int(digit)]]
        assert numbers(cells) == pytest.approx(wanted, rel=1e-8, abs=1e-12)
    others = labels != labels[5]
    helped = (after < before)[others].mean()
    assert f"lowers the cost of {100 * helped:.1f}{PERCENT}" in shown.inner_text("#aside-single")


def stated_in_formulas(shown: Any, aside: str) -> list[float]:
    choose(shown, "Numbers")
    return stated(shown, aside)


# --- proportions ------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [0.5, 8])
def test_a_factor_of_the_cost_changes_no_proportion(
    opened: Open, engine: Engine, factor: float
) -> None:
    shown = opened(moment("proportions", f"&factor={factor}&lr=0.7"))
    nudges = -engine.network(0).gradient()
    largest = np.abs(nudges).max()
    found = rows(shown, "proportions", "largest nudges")
    assert len(found) >= 5
    for name, cells in found.items():
        nudge = nudges[index_of(name, SIZES)]
        share, step = nudge / largest, 0.7 * nudge
        wanted = [nudge, share, factor * nudge, share, step, step]
        assert numbers(cells) == pytest.approx(wanted, rel=1e-9)
    assert stated(shown, "proportions")[-1] == pytest.approx(1, abs=1e-12)


def test_the_best_knobs_are_named_with_the_share_that_they_carry(
    opened: Open, engine: Engine
) -> None:
    gradient = engine.network(0).gradient()
    ten = np.sort(gradient**2)[::-1][:10].sum() / (gradient @ gradient)
    zeros = np.count_nonzero(gradient == 0)
    said = opened("#step=13").inner_text("#body")
    assert f"squared length: together {100 * ten:.1f}{PERCENT}" in said
    assert f"{zeros:,} are exactly 0" in said


def test_the_first_knob_of_the_game_is_the_best_of_all_digits(opened: Open, engine: Engine) -> None:
    """One example has a best knob of its own."""
    shown = opened(moment("budget"))
    first = index_of(shown.inner_text("#aside-budget .slider span >> nth=0"), SIZES)
    one = engine.one(0)
    assert first == np.abs(engine.network(0).gradient()).argmax()
    assert abs(best_knobs(one)[0].gradient) >= abs(one.gradient[first])


# --- an epoch ---------------------------------------------------------------------------------


def mulberry(seed: int) -> Iterator[float]:
    """The page's generator of random numbers."""
    state, mask = seed, 2**32 - 1
    while True:
        state = (state + 0x6D2B79F5) & mask
        mixed = (state ^ state >> 15) * (state | 1) & mask
        mixed ^= (mixed + ((mixed ^ mixed >> 7) * (mixed | 61) & mask)) & mask
        yield (mixed ^ mixed >> 14) / 2**32


def shuffled(n: int, seed: int) -> list[int]:
    order, random = list(range(n)), mulberry(seed)
    for i in range(n):
        j = i + int(next(random) * (n - i))
        order[i], order[j] = order[j], order[i]
    return order


@pytest.mark.parametrize(("batch", "deal"), [(100, 1), (120, 7)])
def test_an_epoch_uses_every_digit_once_and_steps_as_python_does(
    opened: Open, engine: Engine, batch: int, deal: int
) -> None:
    shown = opened(moment("deal", f"&batch={batch}&deal={deal}&lr=0.8"))
    labels = engine.labels
    order = shuffled(len(labels), deal)
    batches = [order[at : at + batch] for at in range(0, len(order), batch)]
    cut = rows(shown, "deal", "How they are cut")
    expected = [500, batch, len(batches), len(batches[-1]), 500, 0]
    assert [numbers(cells)[0] for cells in cut.values()] == expected
    begins = rows(shown, "deal", "first rows")
    assert begins["1"] == [str(batch), " ".join(str(labels[i]) for i in batches[0][:10])]
    parameters, start = engine.parameters(0), engine.network(0)
    full = engine.cost(parameters - 0.8 * start.gradient())
    work = 0
    for used, chosen in enumerate(batches, start=1):
        shown.get_by_role("button", name="Step with the next row").click()
        parameters = parameters - 0.8 * engine.at(parameters, chosen).gradient()
        work += len(chosen)
        cost = engine.cost(parameters)
        found = rows(shown, "deal", "two ways to spend")
        assert numbers(found["rows used so far"]) == pytest.approx([used, work, cost], rel=1e-9)
        assert numbers(found["one step with all 500"]) == pytest.approx([1, 500, full], rel=1e-9)
        assert numbers(found["no step yet"]) == pytest.approx([0, 0, start.costs.mean()], rel=1e-9)
        assert f"computed: {work}." in shown.inner_text("#aside-deal")
    assert "The epoch is over." in shown.inner_text("#aside-deal")
    assert shown.get_by_role("button", name="Use the rest").get_attribute("aria-disabled") == "true"


def test_a_row_of_all_digits_is_a_step_downhill(opened: Open) -> None:
    shown = opened(moment("deal"))
    choose(shown, "all 500")
    shown.get_by_role("button", name="Use the rest").click()
    found = rows(shown, "deal", "two ways to spend")
    one, all_of_them = (
        numbers(found[name]) for name in ("rows used so far", "one step with all 500")
    )
    assert one == pytest.approx(all_of_them, rel=1e-9)
    assert one[2] < numbers(found["no step yet"])[2]


def test_shuffling_again_deals_others_and_begins_anew(opened: Open) -> None:
    shown = opened(moment("deal", "&used=3"))
    before = rows(shown, "deal", "first rows")
    shown.get_by_role("button", name="Shuffle again").click()
    after = rows(shown, "deal", "first rows")
    assert [cells[0] for cells in before.values()] == [cells[0] for cells in after.values()]
    assert before != after
    assert "Steps taken: 0" in shown.inner_text("#aside-deal")


def test_the_wall_shows_the_digits_in_their_new_order(opened: Open, engine: Engine) -> None:
    """Each tile of the first row is as bright as its digit."""
    shown = opened(moment("deal", "&batch=10&used=2"), device_scale_factor=1)
    wall = shown.get_by_role("img", name="500 digits in a new order, in 50 rows of 10; used: 2")
    tiles = wall.evaluate(
        """(canvas) => {
          const row = canvas.getContext("2d").getImageData(2, 2, 210, 20).data;
          const tiles = Array(10).fill(0);
          for (let k = 0; k < row.length; k += 4) {
            const [x, shade] = [(k / 4) % 210, row[k]];
            if (x % 21 < 20) tiles[Math.floor(x / 21)] += shade / 400;
          }
          return tiles;
        }"""
    )
    wanted = 255 * engine.images[shuffled(500, 1)[:10]].mean(axis=1)
    assert tiles == pytest.approx(wanted, rel=0.05)


def test_shares_of_the_work_are_named(opened: Open, data: Data) -> None:
    said = opened("#step=14&batch=50").inner_text("#body")
    assert f"with all 500\t10.0{PERCENT}" in said
    n = data["cosine"]["n"]
    assert f"with all {n:,}\t{100 * 50 / n:.2f}{PERCENT}" in said


def test_what_is_computed_later_arrives(opened: Open) -> None:
    """The dots of the curve follow when the step is on the screen, without a press."""
    shown = opened("#step=14")
    shown.locator("#body .series.first circle").nth(5).wait_for()
    assert re.search(r"cosine of \d", sentence(shown))
