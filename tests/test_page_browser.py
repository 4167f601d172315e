"""The page of a backward pass in a real browser: what it shows, its keys, and who can read it.

Needs Playwright and a Chromium; the accessibility rules are those of axe-core, from the package
axe-playwright-python.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from outputs import polar

from tinygrad_bp import Tensor, functional
from tinygrad_bp.explain.page import frame, page
from tinygrad_bp.explain.trace import trace

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

Data = dict[str, Any]
Open = Callable[..., Any]

MINUS = "\N{MINUS SIGN}"
PATIENCE_MS = 120_000  # a deadline, not a wait: busy machines are slow
HOSTILE = "</script><img src=x onerror='window.__hacked = 1'><b class=planted>&\u2028"


@pytest.fixture
def opened(visit: Open, tmp_path: Path) -> Open:
    """Open the page of some data."""
    path = tmp_path / "backward.html"

    def open_page(data: Data, moment: str = "", **settings: Any) -> Any:
        path.write_text(page(data), encoding="utf-8")
        return visit(path.as_uri(), moment, **settings)

    return open_page


# --- graphs ---------------------------------------------------------------------------------


def neurons() -> tuple[Tensor, dict[str, Tensor]]:
    """The chain of three neurons of the lesson, with a second use of the first weight."""
    w1, w2, b = (Tensor(v, requires_grad=True) for v in (-0.9, 2.5, 0.22))
    hidden = functional.sigmoid(w1 * 0.5 + b)
    out = functional.sigmoid(w2 * hidden + w1)
    cost = (out - 1.0) ** 2
    return cost, {"w1": w1, "w2": w2, "b": b}


def layer() -> tuple[Tensor, dict[str, Tensor]]:
    rng = np.random.default_rng(0)
    W = Tensor(rng.normal(size=(3, 4)), requires_grad=True)
    b = Tensor(rng.normal(size=4), requires_grad=True)
    x = rng.normal(size=(5, 3))
    z = np.tanh(x @ W + b)
    loss = (z * z).sum()
    return loss, {"W": W, "b": b}


def chain(length: int) -> Data:
    w = Tensor(1.0, requires_grad=True)
    v = Tensor(2.0, requires_grad=True)
    for _ in range(length // 2):
        v = (v * w) * 0.999
    return trace(v, checks=False).to_dict()


def numbers(shown: Any, selector: str) -> list[float]:
    values = shown.eval_on_selector_all(f"{selector} data", "all => all.map((one) => one.value)")
    return [float(value) for value in values]


def position(shown: Any) -> int:
    return int(shown.input_value("#scrubber"))


def array(data: Data, index: int | None) -> Any:
    return None if index is None else data["arrays"][index]


def receivers(data: Data) -> list[str]:
    """The names of the nodes that the steps bring something, in the order of the steps."""
    edges = [data["edges"][step["edge"]] for step in data["steps"]]
    return [data["nodes"][edge["parent"]]["name"] for edge in edges]


# --- stepping -------------------------------------------------------------------------------


def test_each_step_shows_the_numbers_that_ran(opened: Open) -> None:
    loss, _ = neurons()
    data = trace(loss).to_dict()
    shown = opened(data)
    for number, step in enumerate(data["steps"], 1):
        shown.keyboard.press("ArrowRight")
        assert position(shown) == number
        child, parent = (
            data["nodes"][data["edges"][step["edge"]][end]] for end in ("child", "parent")
        )
        assert shown.inner_text("#card-title .node-name >> nth=0") == child["name"]
        assert shown.inner_text("#card-title .node-name >> nth=1") == parent["name"]
        results = numbers(shown, "#parts .parts .result")
        local = [array(data, step["local"]["value"])] if step["local"] else []
        assert results == [
            array(data, child["value"]),
            array(data, step["arriving"]),
            *local,
            array(data, step["contribution"]),
            array(data, step["after"]),
            step["check"]["difference"],
        ]


def test_the_leaves_end_with_their_grad(opened: Open) -> None:
    loss, leaves = neurons()
    shown = opened(trace(loss).to_dict())
    loss.backward()
    shown.keyboard.press("End")
    names = shown.locator(".leaves th").all_inner_texts()
    ended = dict(zip(names, numbers(shown, ".leaves"), strict=True))
    assert ended == {name: leaf.grad.data.item() for name, leaf in leaves.items() if leaf.grad}


def test_the_list_tells_how_far_each_node_is(opened: Open) -> None:
    loss, _ = neurons()
    data = trace(loss).to_dict()
    shown = opened(data)
    w1 = next(node["id"] for node in data["nodes"] if node["name"] == "w1")
    row = shown.locator(f"tr[data-node='{w1}']")
    into = [k for k, name in enumerate(receivers(data), 1) if name == "w1"]
    assert len(into) == 2
    for at in range(len(data["steps"]) + 1):
        reported = sum(k <= at for k in into)
        state = "done" if reported == 2 else "waiting"
        assert state in row.get_attribute("class").split()
        if state == "waiting":
            assert f"{reported} of 2" in row.inner_text()
        shown.keyboard.press("ArrowRight")


def test_an_element_is_written_out_as_a_sum(opened: Open) -> None:
    loss, _ = layer()
    data = trace(loss).to_dict()
    at = receivers(data).index("W") + 1
    step = data["steps"][at - 1]
    shown = opened(data, f"#step={at}&element=1,2")
    contribution = array(data, step["contribution"])["data"]
    assert numbers(shown, ".sum .total") == [contribution[1][2]]
    shown.focus("[role=gridcell][tabindex='0']")
    shown.keyboard.press("ArrowRight")
    shown.keyboard.press("ArrowUp")
    assert position(shown) == at  # the arrows were the array's
    assert shown.evaluate("document.activeElement.dataset.index") == "0,3"
    assert numbers(shown, ".sum .total") == [contribution[0][3]]
    rows = numbers(shown, ".sum tbody tr:not(.total)")
    assert sum(rows[2::3]) == pytest.approx(contribution[0][3], rel=1e-12)
    shown.keyboard.press("t")
    cells = shown.locator("#array[open] tbody td").all_inner_texts()
    whole = [float(cell.replace(MINUS, "-")) for cell in cells]
    np.testing.assert_array_equal(whole, np.ravel(contribution))


def test_what_arrives_at_several_outputs_is_shown(opened: Open) -> None:
    x, y = (Tensor(np.full(2, v), requires_grad=True) for v in (3.0, 4.0))
    r, phi = polar(x, y)
    whole, rest = np.divmod(r, 3.0)
    loss = (rest * phi * whole).sum()
    data = trace(loss).to_dict()
    shown = opened(data)
    at = next(k for k, step in enumerate(data["steps"], 1) if len(step["arrivals"]) == 2)
    shown.evaluate(f"location.hash = '#step={at}&element=1'")
    shown.wait_for_function(f"document.querySelector('#scrubber').value === '{at}'")
    arriving = shown.locator("#parts .parts .part:nth-child(2)")
    assert arriving.locator("code").all_inner_texts() == ["g[0] = dloss/dr", "g[1] = dloss/dphi"]
    expected = [array(data, a["array"])["data"][1] for a in data["steps"][at - 1]["arrivals"]]
    assert numbers(shown, "#parts .part:nth-child(2) .chosen") == expected
    given = [array(data, a["array"])["data"] for a in data["steps"][at - 1]["arrivals"]]
    assert numbers(shown, "#parts .part:nth-child(2)") == [x for pair in given for x in pair]
    ids = {node["name"]: node["id"] for node in data["nodes"]}
    states = [shown.inner_text(f"tr[data-node='{ids[name]}'] td:last-child") for name in
              ("r", "phi", "whole")]  # fmt: skip
    assert [state.splitlines()[0] for state in states] == ["sends", "ready", "no grad"]
    shown.keyboard.press("End")
    for name in ("r", "phi"):
        state = shown.inner_text(f"tr[data-node='{ids[name]}'] td:last-child")
        assert state.startswith(("done", "sends"))
    shown.keyboard.press("Home")
    for _ in range(2):
        shown.keyboard.press("l")
    assert position(shown) == len(data["steps"])  # outputs are no leaves to stop at


def test_the_chain_rule_is_in_sight_at_each_step(opened: Open) -> None:
    """What arrives, times the slope, is what is sent: of a number, and of each element."""
    for graph in (neurons, layer):
        data = trace(graph()[0]).to_dict()
        shown = opened(data)
        for _ in data["steps"]:
            shown.keyboard.press("ArrowRight")
            if shown.locator(".product").count():
                g, slope, sent = numbers(shown, ".product")
                assert sent == pytest.approx(g * slope, rel=1e-12, abs=1e-300)
            else:
                terms = numbers(shown, ".sum tbody tr:not(.total)")
                assert sum(terms[2::3]) == pytest.approx(numbers(shown, ".sum .total")[0])


def test_what_a_gradient_means_is_what_happens(opened: Open) -> None:
    """The sentence under the numbers, tried out: the leaf moved, and the cost computed anew."""
    loss, leaves = neurons()
    data = trace(loss).to_dict()
    at = receivers(data).index("w2") + 1
    shown = opened(data, f"#step={at}")
    said = re.fullmatch(
        r"If w2 were 0\.01 larger, cost would go (up|down) by about ([\d.]+)\.",
        shown.inner_text(".meaning"),
    )
    assert said

    def cost(w2: float) -> float:
        w1, b = leaves["w1"].item(), leaves["b"].item()
        hidden = functional.sigmoid(w1 * 0.5 + b)
        return float((functional.sigmoid(w2 * hidden + w1) - 1.0) ** 2)

    change = cost(leaves["w2"].item() + 0.01) - cost(leaves["w2"].item())
    assert (change > 0) == (said[1] == "up")
    assert abs(change) == pytest.approx(float(said[2]), rel=0.06)
    first = receivers(data).index("w1") + 1
    shown.evaluate(f"location.hash = '#step={first}'")
    expected = "w1 waits for 1 contribution more."
    playwright.expect(shown.locator(".meaning")).to_have_text(expected, timeout=PATIENCE_MS)


def test_a_gradient_from_an_earlier_pass_is_shown_before_this_ones(opened: Open) -> None:
    loss, leaves = neurons()
    loss.backward(retain_graph=True)
    held = leaves["w2"].grad
    assert held is not None
    data = trace(loss).to_dict()
    at = receivers(data).index("w2") + 1
    shown = opened(data, f"#step={at}")
    before, added, after = numbers(shown, "#parts .parts .part:nth-child(5)")
    assert (before, after) == (held.item(), held.item() + added)
    assert "already held" in shown.inner_text(".badges")
    assert shown.locator(".meaning").count() == 0  # the sum of two passes is no slope


def test_a_short_vector_is_shown_as_its_elements(opened: Open) -> None:
    """Nowhere a norm: not in the drawing, the list, the sentence nor the derivation."""
    w = Tensor([0.5, -0.25], requires_grad=True, name="w")
    loss = ((w * np.array([2.0, 4.0])) ** 2).sum()
    data = trace(loss).to_dict()
    shown = opened(data)
    shown.keyboard.press("End")
    for part in ("#card", "#drawing", "#list"):
        assert not re.search("‖|norm", shown.inner_text(part))
    grad = [4.0, -8.0]
    assert numbers(shown, "#parts .parts .part:nth-child(5) .result") == grad
    assert numbers(shown, ".leaves") == grad
    w_id = next(node["id"] for node in data["nodes"] if node["name"] == "w")
    assert numbers(shown, f"tr[data-node='{w_id}'] td:nth-child(4)") == grad
    drawn = [text.replace(MINUS, "-") for text in shown.locator("g.leaf tspan").all_text_contents()]
    assert [float(text) for text in drawn] == grad


def test_a_larger_array_is_a_tile_for_each_entry(opened: Open) -> None:
    loss, leaves = layer()
    shown = opened(trace(loss).to_dict())
    shown.keyboard.press("End")
    loss.backward()
    assert leaves["W"].grad is not None
    grad = leaves["W"].grad.data
    ways = shown.eval_on_selector_all(
        "g.leaf .tile", "all => all.map((one) => [one.classList[1], one.getAttribute('d')])"
    )
    tiles = dict.fromkeys(("plus", "minus"), 0)
    for look, way in ways:
        tiles[look.removeprefix("tone-")] += way.count("M")
    b = leaves["b"].grad
    assert b is not None
    both = np.concatenate([grad.ravel(), b.data])
    assert tiles == {"plus": int((both > 0).sum()), "minus": int((both < 0).sum())}


def test_the_pass_plays_to_its_end(opened: Open) -> None:
    loss, _ = neurons()
    data = trace(loss).to_dict()
    shown = opened(data, f"#step={len(data['steps']) - 1}")
    shown.keyboard.press("Space")
    assert shown.get_attribute("#play", "aria-label") == "Pause"
    last = str(len(data["steps"]))
    playwright.expect(shown.locator("#scrubber")).to_have_value(last, timeout=PATIENCE_MS)
    playwright.expect(shown.locator("#play")).to_have_attribute("aria-label", "Play")


def test_the_page_works_inside_a_notebook(visit: Open, tmp_path: Path) -> None:
    """In a frame without rights: no address, no storage, nothing outside."""
    loss, _ = neurons()
    data = trace(loss).to_dict()
    outer = tmp_path / "notebook.html"
    outer.write_text(f"<!DOCTYPE html><title>n</title><body>{frame(data)}", encoding="utf-8")
    shown = visit(outer.as_uri())
    held = shown.frame_locator("iframe")
    held.locator("#into").click()
    held.locator("#into").press("ArrowRight")
    assert held.locator("#scrubber").input_value() == "2"
    assert (
        held.locator("#sentence").inner_text().replace(MINUS, "-") == data["steps"][1]["sentence"]
    )


# --- keys -----------------------------------------------------------------------------------


def test_node_by_node_and_from_end_to_end(opened: Open) -> None:
    loss, _ = neurons()
    data = trace(loss).to_dict()
    children = [data["edges"][step["edge"]]["child"] for step in data["steps"]]
    firsts = [k for k, c in enumerate(children, 1) if k == 1 or children[k - 2] != c]
    shown = opened(data)
    for first in firsts:
        shown.keyboard.press("Shift+ArrowRight")
        assert position(shown) == first
    shown.keyboard.press("End")
    assert position(shown) == len(children)
    for first in reversed([0, *(first for first in firsts if first < len(children))]):
        shown.keyboard.press("Shift+ArrowLeft")
        assert position(shown) == first
    shown.keyboard.press("End")
    shown.keyboard.press("Home")
    assert position(shown) == 0


def test_run_to_leaf_stops_where_a_leaf_is_complete(opened: Open) -> None:
    loss, leaves = neurons()
    data = trace(loss).to_dict()
    last = {name: k for k, name in enumerate(receivers(data), 1)}  # where each was given its last
    complete = sorted(last[name] for name in leaves)
    shown = opened(data)
    for at in complete:
        shown.keyboard.press("l")
        assert position(shown) == at


def test_letters_open_what_they_say(opened: Open) -> None:
    loss, _ = neurons()
    shown = opened(trace(loss).to_dict(), "#step=2")
    shown.keyboard.press("?")
    assert shown.is_visible("#help")
    shown.keyboard.press("Escape")
    assert not shown.is_visible("#help")
    shown.keyboard.press("s")
    assert not shown.is_visible("#source-lines")
    shown.keyboard.press("s")
    assert shown.inner_text("#source-lines mark")
    shown.keyboard.press("t")
    assert shown.locator("#twin-table tr.now").count() == 1
    assert not shown.is_visible("#canvas")
    shown.keyboard.press("t")
    assert shown.is_visible("#canvas svg")
    shown.keyboard.press("g")
    shown.keyboard.type("w2")
    shown.keyboard.press("Enter")
    assert shown.inner_text("#card-title .node-name >> nth=1") == "w2"
    shown.keyboard.press("/")
    shown.keyboard.type("sigmoid")
    assert shown.locator(".nodes tbody tr").count() == 2
    assert position(shown) != 0


def test_all_digits_are_there_for_the_asking(opened: Open) -> None:
    loss, _ = neurons()
    data = trace(loss).to_dict()
    shown = opened(data, "#step=3")
    value = array(data, data["steps"][2]["contribution"])
    result = shown.locator("#parts .part:nth-child(4) .result data")
    assert float(result.inner_text().replace(MINUS, "-")) == pytest.approx(value, rel=1e-3)
    assert float(result.inner_text().replace(MINUS, "-")) != value
    shown.keyboard.press("d")
    assert float(result.inner_text().replace(MINUS, "-")) == value
    assert shown.get_attribute("#digits", "aria-pressed") == "true"


def test_single_letters_can_be_switched_off(opened: Open) -> None:
    loss, _ = neurons()
    shown = opened(trace(loss).to_dict())
    shown.keyboard.press("?")
    shown.uncheck("#letters")
    shown.click("#help .close")
    for key in "?stg/dl":
        shown.keyboard.press(key)
    assert shown.locator("dialog[open]").count() == 0
    assert shown.is_visible("#source-lines")
    assert position(shown) == 0
    shown.keyboard.press("ArrowRight")
    assert position(shown) == 1


def test_the_address_keeps_the_moment(opened: Open) -> None:
    loss, _ = layer()
    shown = opened(trace(loss).to_dict())
    shown.keyboard.press("End")
    shown.click("[role=gridcell][data-index='2,1']")
    last = position(shown)
    expect = playwright.expect
    expect(shown).to_have_url(re.compile(f"#step={last}&element=2,1$"), timeout=PATIENCE_MS)
    for moment, at in (("#step=1", 1), ("#step=99999&element=x", last), ("#step=none", 0)):
        shown.evaluate(f"location.hash = '{moment}'")
        expect(shown.locator("#scrubber")).to_have_value(str(at), timeout=PATIENCE_MS)


def test_a_constant_says_why_it_gets_no_gradient(opened: Open) -> None:
    loss, _ = layer()
    data = trace(loss).to_dict()
    shown = opened(data)
    x = next(node for node in data["nodes"] if node["name"] == "x")
    shown.click(f"tr[data-node='{x['id']}'] button")
    assert shown.inner_text("#card-title") == "x"
    assert [note["text"] in shown.inner_text("#parts .badges") for note in x["notes"]] == [True]


# --- who may do what ------------------------------------------------------------------------


def test_names_and_sources_stay_text(opened: Open) -> None:
    loss, _ = neurons()
    data = trace(loss).to_dict()
    data["title"] = HOSTILE
    for node in data["nodes"]:
        node["name"] = f"{HOSTILE}{node['id']}"
        node["notes"] = [{"kind": HOSTILE, "text": HOSTILE}]
        if node["source"]:
            node["source"] |= {"code": HOSTILE, "segment": HOSTILE}
    for step in data["steps"]:
        step["sentence"] = HOSTILE
    for file in data["sources"].values():
        file["lines"] = [HOSTILE for _ in file["lines"]]
    shown = opened(data)
    for key in ("ArrowRight", "t", "t", "End"):
        shown.keyboard.press(key)
    assert shown.locator("img, b, .planted, body script:not(#data) ~ script").count() == 0
    assert shown.evaluate("window.__hacked") is None
    assert shown.inner_text("h1").startswith("</script>")


# --- who can read it ------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280, 1920])
def test_axe_finds_nothing(opened: Open, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python")
    script = files(axe).joinpath("axe.min.js").read_text(encoding="utf-8")
    loss, _ = layer()
    data = trace(loss).to_dict()
    size = {"width": width, "height": 900}
    shown = opened(data, "#step=2", color_scheme=scheme, viewport=size)
    shown.evaluate(script)
    for key in ("", "End", "t", "t", "?"):
        if key:
            shown.keyboard.press(key)
        found = shown.evaluate("axe.run().then((results) => results.violations)")
        problems = [(rule["id"], node["html"]) for rule in found for node in rule["nodes"]]
        assert problems == [], f"after {key or 'the start'}"


@pytest.mark.parametrize("width", [320, 1280])
def test_no_sideways_scrolling_and_no_tiny_targets(opened: Open, width: int) -> None:
    loss, _ = layer()
    shown = opened(trace(loss).to_dict(), "#step=2", viewport={"width": width, "height": 700})
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    small = shown.eval_on_selector_all(
        "button, input, summary, [role=gridcell]",
        """all => all.filter((one) => one.checkVisibility())
            .map((one) => [one.id || one.textContent, one.getBoundingClientRect()])
            .filter(([, box]) => box.width < 24 || box.height < 24).map(([name]) => name)""",
    )
    assert small == []


def test_every_step_is_said_and_nothing_moves_where_motion_is_unwelcome(opened: Open) -> None:
    loss, _ = neurons()
    data = trace(loss).to_dict()
    shown = opened(data)
    live = shown.locator("[aria-live=polite]#sentence")
    for step in data["steps"]:
        shown.keyboard.press("ArrowRight")
        assert live.inner_text().replace(MINUS, "-") == step["sentence"]
    motion = "getComputedStyle(document.querySelector('.pulse')).animationName"
    assert shown.evaluate(motion) == "none"
    shown.emulate_media(reduced_motion="no-preference")
    assert shown.evaluate(motion) == "run"


# --- large graphs ---------------------------------------------------------------------------


@pytest.mark.parametrize("nodes", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_large_graph_keeps_the_document_small(opened: Open, nodes: int) -> None:
    data = chain(nodes)
    assert len(data["nodes"]) >= nodes
    shown = opened(data)
    for key in ("ArrowRight", "Shift+ArrowRight", "End", "ArrowLeft", "Home", "l"):
        shown.keyboard.press(key)
        assert shown.evaluate("document.querySelectorAll('*').length") < 1500
    assert shown.is_visible("#map")
    assert shown.get_attribute(".nodes", "aria-rowcount") == str(len(data["nodes"]) + 1)
    middle = data["nodes"][len(data["nodes"]) // 2]["name"]
    shown.keyboard.press("g")
    shown.keyboard.type(middle)
    shown.keyboard.press("Enter")
    assert middle in shown.inner_text("#card-title")
    assert shown.locator("tr.sends button, tr.receives button").first.is_visible()
