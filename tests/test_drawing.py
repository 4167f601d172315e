"""The layout of graphs, and their drawings as SVG, for Graphviz and for Mermaid."""

from __future__ import annotations

import copy
import re
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tinygrad_bp import Tensor
from tinygrad_bp.errors import TinygradError
from tinygrad_bp.explain.diagrams import to_dot, to_mermaid
from tinygrad_bp.explain.formatting import columns
from tinygrad_bp.explain.layout import place
from tinygrad_bp.explain.svg import CHARACTER, to_svg
from tinygrad_bp.explain.trace import trace
from tinygrad_bp.rules import sigmoid

Graph = tuple[list[dict[str, Any]], list[dict[str, Any]]]

# --- the layout -----------------------------------------------------------------------------


def graph(count: int, pairs: list[tuple[int, int]]) -> Graph:
    """Nodes, and edges from (parent, child) pairs."""
    nodes = [{"id": i} for i in range(count)]
    return nodes, [{"id": n, "parent": p, "child": c} for n, (p, c) in enumerate(pairs)]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    count = draw(st.integers(1, 14))
    pairs = [
        (draw(st.integers(0, child - 1)), child)
        for child in range(1, count)
        for _ in range(draw(st.integers(0, 3)))
    ]
    return graph(count, pairs)


def points_of(
    nodes: list[dict[str, Any]], edges: list[dict[str, Any]]
) -> list[tuple[float, float]]:
    """Every node and every bend, each once."""
    bends = {(x, y) for edge in edges for x, y in edge["bends"]}
    return [(node["x"], node["y"]) for node in nodes] + sorted(bends)


@given(graphs())
def test_nothing_overlaps(drawn: Graph) -> None:
    nodes, edges = drawn
    place(nodes, edges, column=100, row=50)
    apart = [abs(a["y"] - b["y"]) for a, b in combinations(nodes, 2) if a["x"] == b["x"]]
    assert all(gap > 49.8 for gap in apart)
    for (x, y), (other_x, other_y) in combinations(points_of(nodes, edges), 2):
        assert x != other_x or abs(y - other_y) > 0.39 * 50


@given(graphs())
def test_parents_stand_left_of_children_and_long_edges_bend_once_in_each_column(
    drawn: Graph,
) -> None:
    nodes, edges = drawn
    place(nodes, edges, column=100, row=50)
    for edge in edges:
        start, end = nodes[edge["parent"]]["x"], nodes[edge["child"]]["x"]
        assert start < end
        assert [x for x, _ in edge["bends"]] == list(np.arange(start + 100, end, 100))


@given(graphs())
def test_columns_are_by_the_longest_path_to_an_end(drawn: Graph) -> None:
    nodes, edges = drawn
    place(nodes, edges)
    deepest = max(node["layer"] for node in nodes)
    for node in nodes:
        children = [nodes[e["child"]]["layer"] for e in edges if e["parent"] == node["id"]]
        assert node["layer"] == min(children, default=deepest + 1) - 1
        assert node["x"] == 190 * (node["layer"] + 0.5)
        assert node["y"] >= 42


@given(graphs())
def test_the_same_graph_is_placed_in_the_same_way(drawn: Graph) -> None:
    again = copy.deepcopy(drawn)
    place(*drawn)
    place(*again)
    assert drawn == again


def crossings(nodes: list[dict[str, Any]], edges: list[dict[str, Any]]) -> int:
    """How many pairs of edge pieces between the same two columns cross, counted one by one."""
    pieces = set()
    for edge in edges:
        ends = [(nodes[edge[end]]["x"], nodes[edge[end]]["y"]) for end in ("parent", "child")]
        way = [ends[0], *map(tuple, edge["bends"]), ends[1]]
        pieces |= set(pairwise(way))
    return sum(
        a[0][0] == b[0][0] and (a[0][1] - b[0][1]) * (a[1][1] - b[1][1]) < 0
        for a, b in combinations(pieces, 2)
    )


@given(st.lists(st.integers(0, 100), max_size=13))
def test_a_tree_has_no_crossings(choices: list[int]) -> None:
    """Each value is read once; the last one is the loss."""
    count = len(choices) + 1
    pairs = [(i, i + 1 + choice % (count - i - 1)) for i, choice in enumerate(choices)]
    nodes, edges = graph(count, pairs)
    place(nodes, edges)
    assert crossings(nodes, edges) == 0


def test_sweeps_undo_crossings() -> None:
    """In the order of recording all four would cross each other."""
    pairs = [(i, 7 - i) for i in range(4)] + [(i, 8) for i in range(4, 8)]
    pairs += [(0, 6), (3, 5)]
    nodes, edges = graph(9, pairs)
    place(nodes, edges)
    assert crossings(nodes, edges) == 0


def chain() -> Tensor:
    """One neuron in each of three layers, as in the lesson."""
    r = np.random.RandomState(6)
    b1, b2, b3 = (Tensor(r.randn(), requires_grad=True) for _ in range(3))
    w1, w2, w3 = (Tensor(r.randn(), requires_grad=True) for _ in range(3))
    y = Tensor(1.0)
    a1 = sigmoid(w1 * Tensor(0.5) + b1)
    a2 = sigmoid(w2 * a1 + b2)
    a3 = sigmoid(w3 * a2 + b3)
    cost = (a3 - y) ** 2
    assert cost.is_leaf is False
    return cost


def unrolled(steps: int) -> Tensor:
    """A recurrent net: every step reads the same weights."""
    rng = np.random.default_rng(0)
    W, U = (Tensor(rng.standard_normal((3, n)), requires_grad=True) for n in (3, 2))
    h = Tensor(np.zeros(3))
    for _ in range(steps):
        h = np.tanh(W @ h + U @ rng.standard_normal(2))
    return np.sum(h * h)


def test_the_main_line_of_a_chain_is_straight() -> None:
    data = trace(chain(), checks=False).to_dict()
    heights = [node["y"] for node in data["nodes"] if node["kind"] == "result"]
    assert np.ptp(heights) < 2


def test_shared_weights_run_beside_the_chain_not_through_it() -> None:
    data = trace(unrolled(6), checks=False).to_dict()
    names = {node["name"]: node for node in data["nodes"]}
    of_w = [edge for edge in data["edges"] if edge["parent"] == names["W"]["id"]]
    bends = {tuple(bend) for edge in of_w for bend in edge["bends"]}
    longest = max(len(edge["bends"]) for edge in of_w)
    assert len(bends) == longest == 15  # one line for all that read it
    assert np.ptp([y for _, y in bends]) < 2


def test_deep_and_wide_graphs_are_placed_without_recursion() -> None:
    count = 10_000
    nodes, edges = graph(count, [(i - 1, i) for i in range(1, count)])
    place(nodes, edges)
    assert {node["y"] for node in nodes} == {42.0}
    wide = [(i - 100 + (i * 7) % 11 % 5 - i % 100 % 5, i) for i in range(100, count)]
    nodes, edges = graph(count, wide)
    place(nodes, edges)
    assert all(not edge["bends"] for edge in edges)  # too large for that


def test_nothing_to_place() -> None:
    place([], [])


# --- SVG ------------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


def parsed(picture: str) -> ET.Element:
    return ET.fromstring(picture)  # noqa: S314  (our own)


def hostile(name: str) -> dict[str, Any]:
    """The data of a pass in which every name and source line is hostile."""
    w = Tensor(3.0, requires_grad=True)
    data = trace(w * 2.0, checks=False).to_dict()
    for node in data["nodes"]:
        node["name"] = name
        if node["source"]:
            node["source"] = {**node["source"], "code": name, "file": name}
    data["title"] = name
    for step in data["steps"]:
        step["sentence"] = name
    return data


HOSTILE = [
    "</title></svg><script>alert(1)</script>",
    '"]; evil [label="x',
    "a\\",
    '\\N \\" &amp; &#35; #quot; %% `x`',
    "x\x00\x1b[31m\n\u202e\ud800y",
    "w\u2028z",
    "重み",
]


def test_svg_shows_every_value_with_its_gradient() -> None:
    picture = to_svg(chain())
    texts = {"".join(g.itertext()) for g in parsed(picture).iter(f"{SVG}text")}
    assert any(text.startswith("w3leafvalue 0.9133grad -0.07413") for text in texts)
    assert any(text.startswith("costsquarevalue 0.1161grad 1") for text in texts)
    assert any(text.startswith("yconstantvalue 1grad none") for text in texts)


def test_svg_shows_shapes_and_norms_of_arrays() -> None:
    W = Tensor([[3.0, 4.0]], requires_grad=True)
    cost = np.sum(W * W) / 2
    assert "shape (1, 2)" in to_svg(cost)
    assert "grad norm 5" in to_svg(cost)


@pytest.mark.parametrize("loss", [chain, lambda: unrolled(4)], ids=["chain", "recurrent"])
def test_svg_text_fits_and_everything_is_inside(loss: Any) -> None:
    root = parsed(to_svg(loss()))
    _, _, wide, high = map(float, root.attrib["viewBox"].split())
    group = root.find(f"{SVG}g")
    assert group is not None
    shift = [float(n) for n in re.findall(r"[\d.-]+", group.attrib["transform"])]
    for node in group.findall(f"{SVG}g"):
        box = node.find(f"{SVG}rect")
        if box is None:
            (line, head) = node.findall(f"{SVG}path")
            heights = [float(y) for _, y in re.findall(r"([\d.-]+) ([\d.-]+)", line.attrib["d"])]
            assert all(0 < y + shift[1] < high for y in heights)
            assert head.attrib["d"].endswith("z")
            continue
        x, y, w, h = (float(box.attrib[key]) for key in ("x", "y", "width", "height"))
        assert x + shift[0] >= 0
        assert y + shift[1] >= 0
        assert x + w + shift[0] <= wide
        assert y + h + shift[1] <= high
        for span in node.iter(f"{SVG}tspan"):
            end = float(span.attrib["x"]) + columns(span.text or "") * CHARACTER
            assert end <= x + w
            assert y < float(span.attrib["y"]) < y + h


def test_svg_needs_nothing_else_and_says_what_it_is() -> None:
    picture = to_svg(chain())
    root = parsed(picture)
    assert root.attrib["role"] == "img"
    assert root[0].tag == f"{SVG}title"
    assert root[0].text == "The graph of cost = 0.1161"
    assert "w3, leaf, value 0.9133, grad -0.07413" in str(root[1].text)
    assert "prefers-color-scheme: dark" in picture
    outside = picture.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"http|href|url\(|@import|<script|font-face", outside)


def test_svg_has_an_arrow_for_each_argument() -> None:
    x = Tensor(2.0, requires_grad=True)
    picture = to_svg(x * x + Tensor(1.0))
    arrows = [g.attrib["class"] for g in parsed(picture).iter(f"{SVG}g") if "class" in g.attrib]
    assert arrows.count("edge flow") == 3
    assert arrows.count("edge still") == 1
    lines = re.findall(r'class="line" d="([^"]+)"', picture)
    assert len(set(lines)) == 4  # also the two from x to its square


@pytest.mark.parametrize("name", HOSTILE)
def test_svg_of_hostile_names_is_inert(name: str) -> None:
    root = parsed(to_svg(hostile(name)))
    assert {element.tag.removeprefix(SVG) for element in root.iter()} == {
        "svg", "title", "desc", "style", "rect", "text", "g", "tspan", "path",
    }  # fmt: skip


def test_long_names_are_cut_and_told_in_full_on_pointing() -> None:
    name = "a_very_long_name_of_a_parameter"
    picture = to_svg(Tensor(1.0, requires_grad=True, name=name) * 2)
    assert "<tspan" in picture
    assert f">{name}<" not in picture
    assert f"<title>{name}" in picture


# --- Graphviz and Mermaid -------------------------------------------------------------------

QUOTED = r'"(?:[^"\\\n]|\\.)*"'


@pytest.mark.parametrize("name", HOSTILE)
def test_dot_of_hostile_names_keeps_its_form(name: str) -> None:
    lines = to_dot(hostile(name)).splitlines()
    assert lines[:2] == ["digraph {", "  rankdir=LR"]
    for line in lines[3:-1]:
        assert re.fullmatch(rf"  n\d+ (\[label={QUOTED}, style=\"\w+\"\]|-> n\d+.*)", line)


@pytest.mark.parametrize("name", HOSTILE)
def test_mermaid_of_hostile_names_keeps_its_form(name: str) -> None:
    first, *lines = to_mermaid(hostile(name)).splitlines()
    assert first == "flowchart LR"
    for line in lines:
        assert re.fullmatch(
            r'  n\d+(\W{1,2}"(\w|[ .,()+#;-]|<br/>)*"\W{1,2}| -?-\.?-?> n\d+)', line
        )


def test_constants_and_edges_without_gradient_are_dashed() -> None:
    loss = Tensor(2.0, requires_grad=True) * Tensor(3.0, name="c")
    assert re.search(r'label="c\\nconstant.*style="dashed"', to_dot(loss))
    assert to_dot(loss).count("[style=dashed]") == 1
    assert to_mermaid(loss).count("-.->") == 1


@pytest.mark.parametrize("draw", [to_svg, to_dot, to_mermaid])
def test_a_large_graph_is_refused_with_the_option_that_allows_it(draw: Any) -> None:
    x = top = Tensor(1.0, requires_grad=True)
    for _ in range(40):
        top = top + x
    with pytest.raises(TinygradError, match=r"41 nodes.*limit=40"):
        draw(top, limit=40)
    assert draw(top, limit=41)


@pytest.mark.parametrize("draw", [to_svg, to_dot, to_mermaid])
def test_a_tensor_its_trace_and_its_data_give_the_same_drawing(draw: Any) -> None:
    loss = chain()
    traced = trace(loss, checks=False)
    data = traced.to_dict()
    before = copy.deepcopy(data)
    assert draw(traced) == draw(data) == draw(loss)
    assert data == before
