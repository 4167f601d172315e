"""Steps 6 to 11 of the lesson's page: what is folded below them, and what can be dragged.

Needs Playwright and a Chromium.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from explorer.reading import PERCENT, choose, values
from numpy.typing import NDArray

import tinygrad_bp as bp
from tinygrad_bp.lesson import OneExample, chain, equations, name_of, network_of
from tinygrad_bp.lesson.blobs import unblob
from tinygrad_bp.lesson.deltas import deltas_of
from tinygrad_bp.lesson.knobs import best_knobs, rank_of
from tinygrad_bp.lesson.network import index_of
from tinygrad_bp.lesson.voters import paths_of

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

Data = dict[str, Any]
Floats = NDArray[np.float64]
Open = Callable[..., Any]

VARIABLES = ["w1", "b1", "w2", "b2", "w3", "b3"]
TIMES = "\N{MULTIPLICATION SIGN}"
TOP = 10  # knobs that are listed


@pytest.fixture
def two(data: Data, images: Floats) -> OneExample:
    net = network_of(unblob(data["networks"][0]["parameters"]), data["sizes"])
    return OneExample(net, images[5], data["digits"]["labels"][5])


def aside(shown: Any, name: str) -> Any:
    return shown.locator(f"#aside-{name}")


def row(place: Any, name: str) -> list[float]:
    """The numbers of the row of a table that begins with `name`."""
    found = place.locator("tr").filter(has=place.page.locator("th", has_text=re.compile(name)))
    return values(found.first)


def slider(place: Any, name: str) -> Any:
    return place.get_by_role("slider", name=re.compile(name))


def said_by(line: Any) -> float:
    """What the picture of a number line says, to the four decimals that it shows."""
    text = line.get_attribute("aria-label").split(": ")[1].split(" ")[0]
    return float(text.replace("\N{MINUS SIGN}", "-"))


def on_line(place: Any, name: str) -> float:
    return said_by(place.locator(f'svg[role=img][aria-label^="{name}"]').first)


# --- one neuron in each layer ---------------------------------------------------------------------


def product_of(shown: Any) -> tuple[list[float], float]:
    """The factors in their boxes, and their product."""
    place = aside(shown, "chain")
    return values(place.locator(".factors")), values(place.locator(".statement"))[-1]


def test_three_factors_are_those_of_the_lesson(opened: Open) -> None:
    factors, product = product_of(opened("#step=9&aside=chain"))
    assert factors == pytest.approx(chain().factors, rel=1e-12)
    assert product == pytest.approx(np.prod(chain().factors), rel=1e-12)
    assert product == pytest.approx(-0.0741341, abs=1e-7)


@pytest.mark.parametrize("variable", [*VARIABLES, "a2"])
def test_each_slope_of_the_chain_is_a_product_along_its_way(opened: Open, variable: str) -> None:
    factors, product = product_of(opened(f"#step=9&aside=chain&chainTo={variable}"))
    slopes = dict(zip(VARIABLES, chain().gradient, strict=True)) | {"a2": chain().by_activation[1]}
    layer = int(variable[1])
    assert len(factors) == (3 + 2 * (3 - layer) if variable != "a2" else 3)
    assert product == pytest.approx(np.prod(factors), rel=1e-12)
    assert product == pytest.approx(slopes[variable], rel=1e-12)


def test_all_slopes_of_the_chain_are_listed(opened: Open) -> None:
    place = aside(opened("#step=9&aside=chain"), "chain")
    gradient = chain().gradient.reshape(3, 2)
    for l in range(3):
        sent, by_w, by_b, by_a = row(place.locator("table").last, f"^{l + 1}$")
        assert sent == pytest.approx(chain().a[l], rel=1e-12)
        assert [by_w, by_b] == pytest.approx(gradient[l], rel=1e-12)
        assert by_a == pytest.approx(chain().by_activation[l], rel=1e-12)
        assert by_w == pytest.approx(sent * by_b, rel=1e-12)


def test_the_tree_shows_what_flows_through(opened: Open) -> None:
    place = aside(opened("#step=9&aside=chain"), "chain")
    label = place.locator("svg:has(.tree)").get_attribute("aria-label")
    numbers = [float(x.replace("\N{MINUS SIGN}", "-")) for x in re.findall(r" (\S?\d\.\d+)", label)]
    lesson = chain()
    expected = [lesson.a[0], *np.column_stack([lesson.z, lesson.a[1:]]).ravel(), lesson.cost]
    sides = [*np.column_stack([lesson.w, lesson.b]).ravel(), lesson.target]
    assert numbers == pytest.approx([*expected, *sides], abs=5e-4)
    assert place.locator(".tree .box").count() == len(numbers)
    assert place.locator(".tree .box.on").count() == 4  # w, z, a, C


# From which box to which each arrow leads, by where its ends are.
ARROWS = """tree => {
  const boxes = [...tree.querySelectorAll(".box")].map((box) => {
    const { x, y, width, height } = box.querySelector("rect").getBBox();
    return { name: box.querySelector(".symbol").textContent, x, y, width, height };
  });
  const at = (px, py) => boxes.find(({ x, y, width, height }) =>
    px > x - 2 && px < x + width + 2 && py > y - 2 && py < y + height + 2).name;
  const start = (path) => path.getAttribute("d").match(/[-.\\d]+/g).slice(0, 2).map(Number);
  return [...tree.querySelectorAll(".pointer")].map((arrow) => {
    const [shaft, head] = arrow.querySelectorAll("path");
    return `${at(...start(shaft))} ${at(...start(head))}`;
  });
}"""
FED = {1: "w¹ b¹ a⁰", 2: "w² b² a¹", 3: "w³ b³ a²"}


@pytest.mark.parametrize("width", [360, 1280, 1920])
@pytest.mark.parametrize("held", [False, True])
def test_arrows_lead_to_what_depends(opened: Open, width: int, held: bool) -> None:
    shown = opened(
        "#step=9&aside=chain" + ("&sent=0.5" if held else ""),
        viewport={"width": width, "height": 900},
    )
    tree = aside(shown, "chain").locator(".tree")
    expected = {"a³ C", "y C"}
    for l, layer in enumerate("¹²³", start=1):
        expected |= {f"{one} z{layer}" for one in FED[l].split()} | {f"z{layer} a{layer}"}
    assert set(tree.evaluate(ARROWS)) == expected - ({"z² a²"} if held else set())


@pytest.mark.parametrize(("moved", "sent", "aim"), [(1.5, 0.3, 0.2), (-7, 1, 0.75), (0, 0.5, 1)])
def test_a_chain_that_is_moved_by_hand_is_computed_anew(
    opened: Open, moved: float, sent: float, aim: float
) -> None:
    shown = opened(f"#step=9&aside=chain&chainBy={moved}&sent={sent}&aim={aim}")
    lesson = chain()
    last = chain([lesson.w[-1] + moved, lesson.b[-1]], start=sent, target=aim)
    factors, product = product_of(shown)
    assert factors == pytest.approx(last.factors, rel=1e-12)
    assert product == pytest.approx(last.gradient[0], rel=1e-12)
    place = aside(shown, "chain")
    dots = [on_line(place, name) for name in ("w³", "a²", "z³", "a³", "y", "C")]
    expected = [last.w[0], sent, last.z[0], last.a[1], aim, last.cost]
    assert dots == pytest.approx(expected, abs=5.1e-5)
    assert row(place, "^1$")[1:] == [0, 0, 0]  # what is held depends on nothing


def test_a_dark_sender_or_a_perfect_output_makes_the_slope_exactly_zero(opened: Open) -> None:
    shown = opened("#step=9&aside=chain&chainBy=2")
    place = aside(shown, "chain")
    shown.get_by_role("button", name="Dark sender").click()
    factors, product = product_of(shown)
    assert (factors[0], product) == (0, 0)
    assert 0 not in factors[1:]
    assert "sender is dark" in place.inner_text()
    shown.get_by_role("button", name="The lesson's numbers").click()
    shown.get_by_role("button", name="Perfect output").click()
    factors, product = product_of(shown)
    assert (factors[2], product) == (0, 0)
    assert 0 not in factors[:2]
    shown.get_by_role("button", name="The lesson's numbers").click()
    assert product_of(shown)[1] == pytest.approx(chain().gradient[4], rel=1e-12)
    shown.get_by_role("button", name="σ far out").click()
    factors, _ = product_of(shown)
    assert 0 < factors[1] < 0.02
    assert "nearly flat" in place.inner_text()


@pytest.mark.parametrize("nudge", ["1", "0.1", "0.01", "0.001"])
def test_ratios_of_a_nudge_are_those_of_python(opened: Open, nudge: str) -> None:
    shown = opened("#step=9&aside=chain")
    choose(shown, nudge)
    place = aside(shown, "chain")
    expected = chain().ripple(float(nudge))
    rows = [row(place, f"^Δ{name}") for name in ("w³", "z³", "a³", "C")]
    assert [moved for moved, *_ in rows] == pytest.approx(expected[:4], rel=1e-9)
    assert [ratio for _, ratio, _ in rows[1:]] == pytest.approx(expected.ratios, rel=1e-9)
    whole, slope = row(place, "^product")
    assert whole == pytest.approx(np.prod([ratio for _, ratio, _ in rows[1:]]), rel=1e-12)
    assert slope == pytest.approx(chain().gradient[4], rel=1e-12)
    off = 100 * abs(whole / slope - 1)
    assert f"off by {off:.3f}{PERCENT}" in place.inner_text()


def test_dots_are_dragged_with_the_mouse_and_moved_with_keys(opened: Open) -> None:
    shown = opened("#step=9&aside=chain", viewport={"width": 1280, "height": 2400})
    place = aside(shown, "chain")
    weight = slider(place, "^w³")
    box = weight.bounding_box()
    line = place.locator("svg:has(.number-line)").first
    dot = line.locator("circle")

    def middle() -> float:
        found = dot.bounding_box()
        return float(found["x"] + found["width"] / 2)

    y = box["y"] + box["height"] / 2
    shown.mouse.move(middle(), y)
    shown.mouse.down()
    shown.mouse.move(middle() + 100, y, steps=5)
    there = middle()
    shown.mouse.up()
    moved = on_line(place, "w³") - chain().w[-1]
    assert moved == pytest.approx(20 * 100 / (box["width"] - 24), abs=0.06)
    assert there == pytest.approx(middle(), abs=1)
    z = (chain().w[-1] + moved) * chain().a[2] + chain().b[-1]
    assert on_line(place, "z³") == pytest.approx(z, abs=1e-4)
    weight.focus()
    for _ in range(4):
        weight.press("ArrowLeft")
    assert on_line(place, "w³") == pytest.approx(chain().w[-1] + moved - 4 * 0.05, abs=1e-4)
    assert weight.evaluate("one => one === document.activeElement")


# --- four equations -------------------------------------------------------------------------------


@pytest.mark.parametrize("layer", [3, 2, 1])
def test_four_equations_hold_for_the_neuron_that_is_shown(
    opened: Open, two: OneExample, layer: int
) -> None:
    shown = opened(f"#step=9&aside=equations&equationsOf={layer}")
    delta = two.deltas[layer - 1]
    j = int(np.abs(delta).argmax())
    sent = two.activations[layer - 1]
    found = [values(one) for one in aside(shown, "equations").locator("ol > li").all()]
    first, second, bias, weight = found
    assert (first if layer < 3 else second) == []
    ahead, slope, result = first or second
    engine = {one.formula[:2]: one.left for one in equations(two) if one.layer == layer}
    assert engine["δᴸ" if layer == 3 else "δˡ"][j] == pytest.approx(result, rel=1e-12)
    assert ahead == pytest.approx(two.by_activation[layer - 1][j], rel=1e-12)
    assert slope == pytest.approx(two.slopes[layer - 1][j], rel=1e-12)
    gradient = two.gradient
    assert bias == pytest.approx([gradient[index_of(f"b{layer}[{j}]", two.sizes)]], rel=1e-12)
    name = f"W{layer}[{j},{sent.argmax()}]"
    assert weight == pytest.approx([sent.max(), gradient[index_of(name, two.sizes)]], rel=1e-12)


@pytest.mark.parametrize("which", range(4))
def test_each_equation_leads_to_where_it_was_met(opened: Open, which: int) -> None:
    shown = opened("#step=9&aside=equations&net=2")
    button = aside(shown, "equations").locator("ol > li > button").nth(which)
    step = re.findall(r"\d+", button.inner_text())[-1]
    button.press("Enter")
    assert shown.inner_text("#stops [aria-current=step]") == step == "3856"[which]
    assert shown.is_checked("#networks input[value='2']")


# --- a dial, and the best knobs -------------------------------------------------------------------


def turned(two: OneExample, index: int, by: float) -> tuple[Floats, float]:
    """The outputs and the cost with one parameter changed."""
    parameters = two.parameters.copy()
    parameters[index] += by
    found = deltas_of(parameters, two.image[None], [two.label])
    return found.activations[-1][0], float(found.costs[0])


@pytest.mark.parametrize(("index", "by"), [(12_860, 2.5), (12_993, -7.35), (7_000, 10)])
def test_a_dial_is_turned_as_in_python(
    opened: Open, two: OneExample, index: int, by: float
) -> None:
    shown = opened(f"#step=10&aside=dial&parameter={index}&turned={by}")
    place = aside(shown, "dial")
    outputs, cost = turned(two, index, by)
    for j, a in enumerate(outputs):
        before, then, change = row(place, f"^{j}")
        assert [before, then] == pytest.approx([two.output[j], a], rel=1e-9)
        assert change == pytest.approx(a - two.output[j], abs=1e-12)
    at, after, before, change = values(place.locator(".statement"))
    assert at == pytest.approx(two.parameters[index] + by, rel=1e-12)
    assert [after, before] == pytest.approx([cost, two.cost], rel=1e-9)
    assert change == pytest.approx(cost - two.cost, abs=1e-12)
    length = np.linalg.norm(two.gradient)
    together = two.parameters - abs(by) / length * two.gradient
    best = deltas_of(together, two.image[None], [two.label]).costs[0]
    assert f"take the cost to {best:.4f}" in place.inner_text()
    shown.get_by_role("button", name="Set it back").click()
    assert row(place, "^2")[2] == 0


def test_the_dial_of_a_black_pixel_changes_nothing(opened: Open, two: OneExample) -> None:
    pixel = int(np.flatnonzero(two.image == 0)[0])
    shown = opened(
        f"#step=10&aside=dial&parameter={index_of(f'W1[0,{pixel}]', two.sizes)}&turned=9"
    )
    place = aside(shown, "dial")
    assert {row(place, f"^{j}")[2] for j in range(10)} == {0}
    assert "Nothing changes" in place.inner_text()
    place.locator("select").select_option("b3")
    assert on_line(place, "b3") == pytest.approx(two.layers[-1].bias[0], abs=5.1e-5)
    assert "Nothing changes" not in place.inner_text()


def test_the_best_knobs_are_those_of_python(opened: Open, two: OneExample) -> None:
    shown = opened("#step=6&aside=knobs")
    place = aside(shown, "knobs")
    so_far = 0.0
    for rank, knob in enumerate(best_knobs(two, TOP), start=1):
        gradient, share, total = row(place, f"^{rank}$")
        so_far += knob.share
        assert gradient == pytest.approx(knob.gradient, rel=1e-9)
        assert [share, total] == pytest.approx([100 * knob.share, 100 * so_far], rel=1e-9)
    name = best_knobs(two, 3)[-1].name
    place.get_by_role("button", name=name, exact=True).click()
    assert shown.inner_text("#sentence").startswith(f"{name}: ")


@pytest.mark.parametrize(("some", "many"), [("1", 1), ("100", 100), ("all", 13_002)])
def test_the_best_knobs_alone_do_what_their_shares_foretell(
    opened: Open, two: OneExample, some: str, many: int
) -> None:
    place = aside(opened(f"#step=6&aside=knobs&knobs={some}&mode=numbers"), "knobs")
    best = best_knobs(two, many)
    rate, squares, fall = values(place.locator(".statement"))
    assert squares == pytest.approx(sum(knob.gradient**2 for knob in best), rel=1e-9)
    change = np.zeros(len(two.parameters))
    for knob in best:
        change[index_of(knob.name, two.sizes)] = -rate * knob.gradient
    truly = two.cost_after(change) - two.cost
    assert f"changes by \N{MINUS SIGN}{-truly:.5f}" in place.inner_text()
    assert -truly == pytest.approx(fall, rel=0.02)


# --- two inputs -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("x", "y"), [(1, 1), (-1.5, 0.5), (0.25, -2)])
def test_the_gradient_of_two_inputs_is_pythons(opened: Open, x: float, y: float) -> None:
    shown = opened(f"#step=11&aside=bowl&bowlX={x}&bowlY={y}")
    place = aside(shown, "bowl")
    at = bp.Tensor([float(x), float(y)], requires_grad=True)
    cost = (at * at * bp.Tensor([1.5, 0.5])).sum()
    cost.backward()
    assert at.grad is not None
    by_x, by_y = at.grad.data
    assert values(place.locator(".statement")) == pytest.approx([by_x, by_y, abs(by_x / by_y)])
    assert on_line(place, "C") == pytest.approx(cost.item(), abs=5.1e-5)
    assert row(place, "^x$")[:2] == pytest.approx([x, by_x])
    assert row(place, "^y$")[2] == pytest.approx(0.01 * by_y + 0.5 * 0.01**2, rel=1e-9)


def test_at_the_bottom_nothing_matters(opened: Open) -> None:
    shown = opened("#step=11&aside=bowl&bowlX=0&bowlY=0.05")
    place = aside(shown, "bowl")
    slider(place, "^y").press("ArrowLeft")
    assert "exactly 0" in place.inner_text()
    assert place.locator("svg .pointer").count() == 0


# --- the steps themselves -------------------------------------------------------------------------


def test_the_paths_from_a_first_weight_are_counted(opened: Open, two: OneExample) -> None:
    paths = paths_of(two, index_of("W1[0,0]", two.sizes))
    shown = opened("#step=9&stage=0")
    assert f"16 {TIMES} 10 = {len(paths)} paths" in shown.inner_text("#body")


def test_the_dimmest_senders_are_dotted(opened: Open, two: OneExample) -> None:
    shown = opened("#step=6")
    kinds = shown.eval_on_selector_all(
        "#pane .strong path", "all => all.map((one) => one.classList[0])"
    )
    dotted = {k for k, kind in enumerate(kinds) if kind == "none"}
    order = np.argsort(two.activations[2])
    assert dotted == set(order[:5].tolist())
    share = two.activations[2][order[-4:]].sum() / two.activations[2].sum()
    assert f"get {100 * share:.0f}{PERCENT} of all" in shown.inner_text("#body")


def test_a_weights_nudge_is_a_product_of_three(opened: Open, two: OneExample) -> None:
    shown = opened("#step=6&mode=numbers")
    gap, slope, sent, nudge = values(shown.locator("#body .statement"))
    assert gap == pytest.approx(two.wishes[2], rel=1e-9)
    assert slope == pytest.approx(two.slopes[-1][2], rel=1e-9)
    assert sent == pytest.approx(two.activations[2].max(), rel=1e-9)
    assert nudge == pytest.approx(gap * slope * sent, rel=1e-12)


def test_those_who_have_voted_are_counted(opened: Open) -> None:
    shown = opened("#step=8&voters=1110001110")
    assert "6 of 10 have voted" in shown.inner_text("#body")
    shown.get_by_role("button", name="voter 4, off").click()
    assert "7 of 10 have voted" in shown.inner_text("#body")


@pytest.mark.parametrize("index", [12_860, 12_555, 12_993])
def test_a_parameter_has_its_place_among_all(opened: Open, two: OneExample, index: int) -> None:
    shown = opened(f"#step=10&parameter={index}")
    place = rank_of(two, name_of(index, two.sizes))
    assert f"number {place:,} of 13,002" in shown.inner_text("#body")


def test_equal_zeros_have_no_place(opened: Open, two: OneExample) -> None:
    shown = opened("#step=10")
    shown.get_by_role("button", name="A slope of exactly 0").click()
    zeros = int((two.gradient == 0).sum())
    assert f"one of {zeros:,} of 13,002" in shown.inner_text("#body")


def test_the_dot_of_a_weight_is_dragged(opened: Open) -> None:
    shown = opened("#step=11&moved1=0&moved2=0")
    dot = shown.locator("#body .number-line-row input").nth(1)
    box = dot.bounding_box()
    y = box["y"] + box["height"] / 2
    shown.mouse.move(box["x"] + box["width"] / 2, y)
    shown.mouse.down()
    shown.mouse.move(box["x"] + 0.8 * box["width"], y, steps=4)
    shown.mouse.up()
    first, second = row(shown.locator("#body"), "moved by")
    assert first == 0
    assert second == pytest.approx(0.6 * box["width"] / (box["width"] - 24), abs=0.02)
