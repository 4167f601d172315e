"""Ops with several outputs, functions of many arrays, and values that several tensors show."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from outputs import polar
from quick import some_quick
from specs import CALLS, Call
from test_trace import assert_formulas_hold
from test_wengert import run

import tinygrad_bp as bp
from tinygrad_bp import Tensor, errors
from tinygrad_bp.explain.layout import place
from tinygrad_bp.explain.page import page
from tinygrad_bp.explain.text import narrate
from tinygrad_bp.explain.trace import Trace, trace
from tinygrad_bp.registry import custom_rule, name_of, rules


def by_divmod() -> tuple[Tensor, dict[str, Tensor]]:
    """Both outputs are read; only the remainder takes a gradient."""
    x = Tensor([7.5, 3.25, -4.5], requires_grad=True)
    d = Tensor(2.0, requires_grad=True)
    whole, rest = np.divmod(x, d)
    loss = np.sum(rest * whole)
    return loss, {"x": x, "d": d, "whole": whole, "rest": rest}


def by_modf() -> tuple[Tensor, dict[str, Tensor]]:
    x = Tensor([0.25, -1.5], requires_grad=True)
    part, whole = np.modf(x * 3.0)
    loss = np.sum(part * part)
    return loss, {"x": x, "part": part, "whole": whole}


def by_frexp() -> tuple[Tensor, dict[str, Tensor]]:
    x = Tensor(5.0, requires_grad=True)
    mantissa, exponent = np.frexp(x)
    loss = np.sin(mantissa)
    return loss, {"x": x, "mantissa": mantissa, "exponent": exponent}


def nodes_of(traced: Trace) -> dict[str, Any]:
    return {node.name: node for node in traced.nodes}


# --- nodes and edges ------------------------------------------------------------------------


@pytest.mark.parametrize("build", [by_divmod, by_modf, by_frexp])
def test_every_output_is_a_node_under_the_users_name(build: Any) -> None:
    loss, values = build()
    traced = trace(loss)
    named = nodes_of(traced)
    assert values.keys() <= named.keys()
    for name, value in values.items():
        assert traced.node(value) is named[name]
        assert np.array_equal(named[name].value, value.data)
    several = [node for node in traced.nodes if node.output is not None]
    assert sorted(node.output for node in several) == [0, 1]
    (flat,) = [node for node in several if not node.requires_grad]
    assert (flat.kind, flat.grad, flat.consumers) == ("result", None, 0)


@pytest.mark.parametrize("build", [by_divmod, by_modf, by_frexp])
def test_the_gradient_is_that_of_backward_and_every_step_is_confirmed(build: Any) -> None:
    loss, values = build()
    traced = trace(loss, checks=True)
    loss.backward()
    for name, value in values.items():
        if value.is_leaf and value.requires_grad:
            assert np.array_equal(nodes_of(traced)[name].grad, value.grad.data)
    assert all(step.check.relative < 1e-6 for step in traced.steps)
    assert_formulas_hold(traced)


def test_formulas_are_written_with_the_names_of_the_outputs() -> None:
    loss, _ = by_divmod()
    formulas = {step.parent.name: step.formula for step in trace(loss).steps}
    assert (formulas["x"].text, formulas["d"].text) == ("g[1]", "-g[1] * whole")
    assert formulas["d"].shapes == "g[1] (3,), whole (3,) -> (3,)"
    loss, _ = by_frexp()
    (step, _) = reversed(trace(loss).steps)
    assert step.formula.text == "ldexp(g[0], -exponent)"
    assert step.formula.numbers == "ldexp(0.8110, -3)".replace("0.8110", f"{np.cos(0.625):.4g}")


def test_no_gradient_goes_along_the_edges_of_a_flat_output() -> None:
    loss, _ = by_divmod()
    traced = trace(loss)
    edges = {(e.parent.name, e.child.name): e.step for e in traced.edges}
    assert edges["x", "whole"] is edges["d", "whole"] is None
    assert traced.steps[edges["d", "rest"]].parent.name == "d"
    assert edges["whole", traced.steps[1].child.name] is None  # into the product


def test_a_flat_output_says_why_it_has_no_gradient() -> None:
    loss, values = by_divmod()
    data = trace(loss).to_dict()
    (node,) = [node for node in data["nodes"] if node["name"] == "whole"]
    assert [note["kind"] for note in node["notes"]] == ["flat"]
    assert "output 0 of divmod is flat" in node["notes"][0]["text"]
    assert "divmod" in bp.explain.why(values["whole"], loss)


def test_a_jump_is_a_kink() -> None:
    loss = np.sum(np.divmod(Tensor([4.0, 4.5], requires_grad=True), 2.0)[1])
    data = trace(loss).to_dict()
    notes = [note["text"] for node in data["nodes"] for note in node["notes"]]
    assert sum("not differentiable here: a jump" in note for note in notes) == 1


# --- two outputs that both take a gradient --------------------------------------------------


def both(shape: Any = ()) -> tuple[Tensor, Tensor, Tensor]:
    x, y = Tensor(np.full(shape, 3.0), requires_grad=True), Tensor(4.0, requires_grad=True)
    r, phi = polar(x, y)
    loss = np.sum(r * r * phi)
    return loss, x, y


@pytest.mark.parametrize("shape", [(), (2, 3)])
def test_one_step_goes_back_from_both_outputs(shape: Any) -> None:
    loss, x, y = both(shape)
    traced = trace(loss, checks=True)
    into = [step for step in traced.steps if step.op.rule.name == "polar"]
    assert [step.parent.name for step in into] == ["x", "y"]
    for step in into:
        assert [arrival.symbol for arrival in step.arrivals] == ["g[0]", "g[1]"]
        assert [arrival.node.name for arrival in step.arrivals] == ["r", "phi"]
        assert step.child.name == "r"
        assert step.check is not None
        assert step.check.relative < 1e-6
    at = {e.child.name for e in traced.edges if e.step == into[0].index}
    assert at == {"r", "phi"}
    assert_formulas_hold(traced)
    loss.backward()
    for leaf in (x, y):
        assert np.array_equal(traced.node(leaf).grad, leaf.grad.data)


def test_elements_are_sums_over_both_outputs() -> None:
    loss, _, _ = both((2,))
    data = trace(loss).to_dict()
    step = next(s for s in data["steps"] if len(s["arrivals"]) == 2)
    contribution = data["arrays"][step["contribution"]]["data"]
    for element in step["elements"]:
        (i,) = element["index"]
        assert sorted(at for at, _, _ in element["terms"]) == [[0, i], [1, i]]
        total = sum(g * slope for _, g, slope in element["terms"])
        assert total == pytest.approx(contribution[i], rel=1e-12)


def test_paths_lead_through_either_output() -> None:
    loss, x, _ = both()
    found = bp.paths(loss, x)
    assert len(found) == 3
    (gradient,) = bp.gradients(loss, [x])
    assert found.total == pytest.approx(gradient.item(), rel=1e-14)
    lines = str(found).splitlines()
    assert sum("dr/dx" in line for line in lines) == 2
    assert sum("dphi/dx" in line for line in lines) == 1


def test_an_output_that_nothing_depends_on_sends_zeros() -> None:
    x = Tensor(3.0, requires_grad=True)
    r, phi = polar(x, 4.0)
    loss = r * 2.0
    traced = trace(loss, checks=True)
    assert traced.node(phi).grad == 0.0
    assert traced.steps[-1].check.relative < 1e-6  # type: ignore[union-attr]
    table = bp.explain.wengert(traced)
    names = [row.name for row in table.rows if row.direction == "reverse"]
    assert names == ["loss_bar", "r_bar", "phi_bar", "x_bar"]
    assert "phi_bar = 0" in str(table)
    assert len(bp.paths(loss, x)) == 1


# --- the views ------------------------------------------------------------------------------


def test_the_text_shows_both_outputs_and_what_arrives() -> None:
    loss, _ = by_divmod()
    text = narrate(trace(loss, checks=False).to_dict(), width=200)
    (block,) = [b for b in text.split("\n\n") if b.startswith("whole = ")]
    lines = block.splitlines()
    assert lines[0].startswith("whole = divmod(x, d)[0] = [")
    assert lines[1].startswith("rest = divmod(x, d)[1] = [")
    assert [line for line in lines if "arrives" in line] == [
        next(line for line in lines if line.startswith("  arrives: g[1] = dloss/drest = ["))
    ]
    assert "    contribution: -g[1] * whole = " in block
    assert re.search(r"^  whole: no gradient: output 0 of divmod", text, re.M)


@pytest.mark.parametrize("build", [by_divmod, by_modf, by_frexp])
def test_the_table_is_a_program_that_computes_the_gradient(build: Any) -> None:
    traced = trace(build()[0], checks=False)
    names = run(bp.explain.wengert(traced).rows)
    np.testing.assert_allclose(names["x_bar"], traced.node("x").grad, rtol=1e-14)


def test_adjoints_of_two_outputs_stand_in_the_formulas() -> None:
    rows = bp.explain.wengert(both()[0]).rows
    formulas = {row.name: row.formula for row in rows}
    assert formulas["x_bar"] == "r_bar * x / r - phi_bar * y / square(r)"


def test_answers_for_outputs_are_graded() -> None:
    loss, values = by_divmod()
    gradient = trace(loss).node(values["rest"]).grad
    found = bp.explain.grade({values["rest"]: gradient, "x": -gradient, "whole": 0}, loss)
    assert [g.right for g in found] == [True, False, False]
    assert found[1].hint.startswith("wrong sign")
    (right,) = bp.explain.grade({"whole": np.zeros(3)}, loss)
    assert right.right


@pytest.mark.parametrize("draw", [bp.to_svg, bp.to_dot, bp.to_mermaid])
def test_drawings_have_every_output_and_dash_what_carries_nothing(draw: Any) -> None:
    picture = draw(by_divmod()[0])
    assert "whole" in picture
    assert "rest" in picture
    dashed = {bp.to_svg: "edge still", bp.to_dot: "-> .*style=dashed", bp.to_mermaid: "-.->"}[draw]
    assert len(re.findall(dashed, picture)) == 3
    if draw is bp.to_svg:
        ET.fromstring(picture)  # noqa: S314  (our own)


def test_an_output_that_nobody_reads_stands_beside_its_twin() -> None:
    loss, _ = by_modf()
    data = trace(loss, checks=False).to_dict()
    column = {node["name"]: node["layer"] for node in data["nodes"]}
    assert column["whole"] == column["part"] < column["loss"]


def test_a_layout_without_outputs_is_as_it_was() -> None:
    nodes: list[dict[str, Any]] = [{"id": 0}, {"id": 1, "outputs": [1, 2]}, {"id": 2}, {"id": 3}]
    edges = [{"parent": 0, "child": 1}, {"parent": 0, "child": 2}, {"parent": 2, "child": 3}]
    place(nodes, edges)
    assert [node["layer"] for node in nodes] == [0, 1, 1, 2]
    assert [edge["bends"] for edge in edges] == [[], [], []]


def test_the_page_takes_them() -> None:
    for loss in (by_divmod()[0], by_frexp()[0], both((2, 2))[0]):
        assert page(trace(loss).to_dict()).startswith("<!DOCTYPE html>")


# --- functions of many arrays ---------------------------------------------------------------


def test_joined_arrays_are_explained_one_by_one() -> None:
    a, b = (Tensor(np.arange(n) + 1.0, requires_grad=True) for n in (2, 3))
    joined = np.concatenate([a, np.zeros(1), b])
    loss = np.sum(joined * joined)
    traced = trace(loss, checks=True)
    into = {s.parent.name: s for s in traced.steps if s.child.name == "joined"}
    assert into["a"].formula.text == "g[0:2]"
    assert into["b"].formula.text == "g[3:6]"
    assert all(step.check.relative < 1e-6 for step in traced.steps)  # type: ignore[union-attr]
    assert_formulas_hold(traced)
    data = traced.to_dict()
    step = data["steps"][into["b"].index]
    assert [e["terms"][0][:2] for e in step["elements"]] == [[[3], 2.0], [[4], 4.0], [[5], 6.0]]
    assert np.array_equal(bp.paths(loss, b).total, 2 * b.data)
    assert bp.explain.grade({a: 2 * a.data, "b": 2 * b.data}, loss).ok
    assert "joined = concatenate([a, v1, b])" in narrate(data)


def test_many_joined_arrays_take_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in pieces of the gradient that the rule of `concatenate` cuts."""
    cut = 0
    (partial,) = rules[np.concatenate].partials

    def counting(*args: Any, **options: Any) -> Any:
        nonlocal cut
        pieces = partial(*args, **options)
        cut += len(pieces)
        return pieces

    monkeypatch.setattr(rules[np.concatenate], "partials", (counting,))
    count = 2_000
    parts = [Tensor([float(i)], requires_grad=True) for i in range(count)]
    loss = np.sum(np.concatenate(parts))
    traced = trace(loss)
    assert len(traced.to_dict()["steps"]) == count + 1
    assert cut <= 3 * count  # in the pass, in names, and in numbers if they were scalars


# --- one value, many tensors ----------------------------------------------------------------


def test_tensors_that_show_one_value_are_one_node() -> None:
    x = Tensor([7.5, 3.0], requires_grad=True)
    rest = np.divmod(x, 2.0)[1]
    again = bp.steps(np.sum(rest * 1.0))
    shown = next(step.input for step in again if step.op.rule.name == "multiply")
    assert shown.op is rest.op
    other = bp.backward.tensor_of(rest.op, rest.output)
    loss = np.sum(rest * other)
    traced = trace(loss)
    assert traced.node(rest) is traced.node(other) is traced.node(shown)
    assert traced.node(other).consumers == 2
    assert len(bp.paths(loss, other)) == 2
    assert "comes from" in bp.explain.why(other, loss)


def test_the_name_of_any_of_them_is_the_name_of_the_node() -> None:
    y = np.exp(Tensor(1.0, requires_grad=True))
    named = bp.backward.tensor_of(y.op)
    named.name = "height"
    assert "height" in nodes_of(trace(y * named))


# --- every function, in every way to call it ------------------------------------------------


def test_complex_numbers_are_not_explained() -> None:
    t = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(errors.GradientError, match="'absolute' .*complex"):
        bp.explain(np.sum(np.abs(t * 1j)))


def is_real(call: Call) -> bool:
    """Whether it works with real numbers alone, which explanations show."""
    transform = name_of(call.function).startswith("fft.") and "shift" not in str(call)
    values = (a for part in (call.bases(), call(call.views(call.bases()))) for a in part)
    return not transform and not any(map(np.iscomplexobj, values))


@pytest.mark.parametrize("call", some_quick(filter(is_real, CALLS), 12), ids=str)
def test_every_call_is_explained_by_formulas_that_hold(call: Call) -> None:
    leaves = [Tensor(base, requires_grad=True) for base in call.bases()]
    outputs = [y for y in call(call.views(leaves)) if isinstance(y, Tensor) and y.requires_grad]
    if not outputs:
        return
    loss = sum((np.sum(y * y) for y in outputs), start=Tensor(0.0))
    traced = trace(loss, checks=True)
    assert_formulas_hold(traced)
    for step in traced.steps:
        assert "vjp of" not in step.formula.text  # what stands for code that is no formula
        if step.check is not None:
            gap = abs(step.check.analytic - step.check.difference)
            assert gap < 1e-5 * max(1.0, abs(step.check.analytic))
    data = traced.to_dict()
    assert narrate(data)
    assert str(bp.explain.wengert(data))


# --- a user's rule that is no formula -------------------------------------------------------


@custom_rule(lambda g, y, x: np.array([a * 2 * float(b) for a, b in zip(g, x, strict=True)]))
def _squares(x: Any) -> Any:
    return x * x


@custom_rule(lambda g, y, x: g if x.sum() > 0 else 0 * g)
def _branching(x: Any) -> Any:
    return np.copy(x) if x.sum() > 0 else 0 * x


@pytest.mark.parametrize("function", [_squares, _branching])
def test_code_that_is_no_formula_is_called_by_its_name(function: Any) -> None:
    x = Tensor([-1.0, 3.0], requires_grad=True)
    loss = np.sum(function(x))
    traced = trace(loss, checks=True)
    step = traced.steps[-1]
    assert step.formula.text == f"vjp of {function.__name__} for argument 0"
    assert step.check.relative < 1e-6  # type: ignore[union-attr]
    loss.backward()
    assert np.array_equal(step.contribution, x.grad.data)
    assert narrate(traced.to_dict())


def test_a_leaf_by_itself_is_a_pass_without_steps() -> None:
    w = Tensor(2.0, requires_grad=True)
    traced = trace(w)
    assert (traced.loss.name, len(traced.nodes), traced.steps) == ("w", 1, [])
    assert narrate(traced.to_dict()).startswith("Backward pass from w = 2")
    assert bp.to_svg(traced)
    assert bp.paths(w, w).total == 1.0
