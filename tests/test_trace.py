"""The trace that every view is made from: its numbers are those that ran, its names the user's."""

from __future__ import annotations

import _thread
import inspect
import itertools
import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from tinygrad_bp import Tensor, functional, nn
from tinygrad_bp import rules as own
from tinygrad_bp.errors import FreedGraphError, GradientError
from tinygrad_bp.explain.grade import grade
from tinygrad_bp.explain.record import RecordedStep
from tinygrad_bp.explain.source import locate
from tinygrad_bp.explain.trace import Trace, trace
from tinygrad_bp.gradcheck.strategies import Program, programs
from tinygrad_bp.rules.special import special


def graph_of(program: Program) -> tuple[Tensor, list[Tensor]]:
    leaves = [Tensor(value, requires_grad=True) for value in program.leaves.values()]
    return program(*leaves), leaves


def network() -> tuple[nn.MLP, Tensor]:
    rng = np.random.default_rng(0)
    model = nn.MLP(6, 4, 3, rng=rng, dtype=np.float64)
    x, y = rng.random((5, 6)), np.array([0, 1, 2, 0, 1])
    return model, nn.CrossEntropyLoss()(model(x), y)


# --- the numbers ----------------------------------------------------------------------------


@given(programs())
def test_contributions_add_up_to_the_gradient_bit_for_bit(program: Program) -> None:
    loss, leaves = graph_of(program)
    if not loss.requires_grad:
        return
    traced = trace(loss)
    assert all(leaf.grad is None for leaf in leaves)
    loss.backward()
    for leaf in leaves:
        if leaf.grad is None:
            continue
        total: Any = None
        for step in traced.steps_into(traced.node(leaf)):
            total = step.contribution if total is None else total + step.contribution
        np.testing.assert_array_equal(total, leaf.grad.data, strict=True)


@given(programs())
def test_consumers_come_before_what_they_consume(program: Program) -> None:
    loss, _ = graph_of(program)
    if not loss.requires_grad:
        return
    traced = trace(loss)
    passed_on = {arrival.node.id for step in traced.steps for arrival in step.arrivals}
    last_arrival = {step.parent.id: step.index for step in traced.steps}
    for step in traced.steps:
        if step.child is not traced.loss:
            assert last_arrival[step.child.id] < step.index
    assert passed_on == {n.id for n in traced.nodes if n.op is not None and n.requires_grad}
    carrying = {
        (e.child.op, e.slot) for e in traced.edges
        if e.parent.requires_grad and e.child.requires_grad
    }  # fmt: skip
    assert len(traced.steps) == len(carrying)


@given(programs())
def test_explaining_changes_no_bit(program: Program) -> None:
    loss, leaves = graph_of(program)
    again, twins = graph_of(program)
    if not loss.requires_grad:
        return
    trace(loss).to_dict()
    loss.backward()
    again.backward()
    for leaf, twin in zip(leaves, twins, strict=True):
        assert (leaf.grad is None) == (twin.grad is None)
        if leaf.grad is not None and twin.grad is not None:
            np.testing.assert_array_equal(leaf.grad.data, twin.grad.data, strict=True)


def namespace_of(step: RecordedStep, traced: Trace) -> dict[str, Any]:
    """What the names in a formula stand for: NumPy's functions, ours, and the values shown."""
    names: dict[str, Any] = {**vars(np), **{n: getattr(own, n) for n in own.__all__}}
    names["special"] = special
    for node in traced.nodes:
        owner: Any = names
        *folders, last = node.name.split(".")
        for folder in folders:
            if isinstance(owner, dict):
                owner = owner.setdefault(folder, SimpleNamespace())
            else:
                owner = vars(owner).setdefault(folder, SimpleNamespace())
        (owner if isinstance(owner, dict) else vars(owner))[last] = node.value
    several = step.arrivals[0].node.output is not None
    names["g"] = {a.node.output: a.gradient for a in step.arrivals} if several else step.arriving
    return names


def assert_formulas_hold(traced: Trace) -> None:
    for step in traced.steps:
        with np.errstate(all="ignore"):
            result = np.asarray(eval(step.formula.text, namespace_of(step, traced)))  # noqa: S307
        np.testing.assert_array_equal(result, step.formula.value)
        shaped = result
        if result.shape != step.contribution.shape:
            shaped = np.broadcast_to(np.asarray(result), np.broadcast_shapes(result.shape))
            extra = tuple(range(shaped.ndim - step.contribution.ndim))
            shaped = shaped.sum(axis=extra)
            axes = [i for i, n in enumerate(step.contribution.shape) if n != shaped.shape[i]]
            shaped = shaped.sum(axis=tuple(axes), keepdims=True) if axes else shaped
        np.testing.assert_allclose(shaped, step.contribution, rtol=1e-12)


@given(programs())
def test_the_formula_shown_gives_the_contribution(program: Program) -> None:
    loss, _ = graph_of(program)
    if loss.requires_grad:
        assert_formulas_hold(trace(loss))


def test_formulas_of_a_network_hold() -> None:
    _, loss = network()
    assert_formulas_hold(trace(loss))


def test_local_derivative_times_what_arrives_is_the_contribution() -> None:
    w, x, b = (Tensor(v, requires_grad=True) for v in (0.7, -1.3, 0.2))
    loss = np.tanh(w * x + b) ** 2 / np.exp(x)
    traced = trace(loss)
    for step in traced.steps:
        assert step.local is not None
        assert float(step.local.value * step.arriving) == pytest.approx(
            float(step.contribution), rel=1e-14
        )
    (product,) = [
        s for s in traced.steps if s.child.op.rule.name == "multiply" and s.parent.name == "w"
    ]
    assert (product.local.text, product.local.symbol) == ("x", f"d{product.child.name}/dw")


def test_a_second_pass_shows_what_was_held() -> None:
    w = Tensor(3.0, requires_grad=True)
    loss = w * 2.0
    loss.backward(retain_graph=True)
    (step,) = trace(loss).steps
    assert (float(step.before), float(step.contribution), float(step.after)) == (2.0, 2.0, 4.0)
    loss.backward()
    assert w.grad.item() == step.after


def test_a_trace_stays_what_it_was() -> None:
    """A later pass frees the graph, and a step changes the parameters; what was traced is kept."""
    x = np.array([[0.5, -1.0], [2.0, 0.25], [1.0, 1.0]])
    W = Tensor([[0.3, -0.7], [1.1, 0.2]], requires_grad=True)
    h = np.concatenate([np.tanh(x @ W), np.maximum(x @ W, 0.5)])
    loss = np.mean(h * h)
    loss.backward(retain_graph=True)
    traced = trace(loss)
    data, drawing = traced.to_dict(), traced._repr_html_()
    loss.backward()
    assert W.grad is not None
    W.data -= 0.5 * W.grad.data
    assert traced.to_dict() == data
    assert traced._repr_html_() == drawing
    assert grade({"W": traced.node(W).grad}, traced).ok
    with pytest.raises(FreedGraphError):
        trace(loss)


def test_a_gradient_may_be_given_and_must_fit() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 3.0
    (step,) = trace(y, [10.0, 100.0]).steps
    assert step.contribution.tolist() == [30.0, 300.0]
    with pytest.raises(GradientError, match="scalar"):
        trace(y)


def test_a_freed_graph_says_so() -> None:
    w = Tensor(3.0, requires_grad=True)
    loss = w * 2.0
    loss.backward()
    with pytest.raises(FreedGraphError, match="retain_graph"):
        trace(loss)


def test_every_step_is_confirmed_by_a_difference() -> None:
    _, loss = network()
    traced = trace(loss)
    assert all(step.check.relative < 1e-6 for step in traced.steps)
    assert len(traced.steps) == 7


def test_a_wrong_rule_is_not_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    from tinygrad_bp.registry import rules

    monkeypatch.setattr(rules[np.tanh], "partials", (lambda g, y, x: g * (1 - y),))
    x = Tensor(0.4, requires_grad=True)
    traced = trace(np.tanh(x * 2.0) * 3.0)
    wrong = [step for step in traced.steps if step.check.relative > 1e-6]
    assert wrong[0].child.op.rule.name == "tanh"
    assert traced.steps[0].check.relative < 1e-6  # before the fault


def test_elements_are_written_out_as_sums() -> None:
    _, loss = network()
    data = trace(loss).to_dict()
    for step in data["steps"]:
        contribution = data["arrays"][step["contribution"]]
        for element in step["elements"]:
            total = math.fsum(g * slope for _, g, slope in element["terms"]) + element["rest"]
            value: Any = contribution["data"]
            for i in element["index"]:
                value = value[i]
            assert total == pytest.approx(value, rel=1e-12, abs=1e-15)


# --- the names and lines ----------------------------------------------------------------------


def test_names_are_the_users() -> None:
    w, b = Tensor(0.5, requires_grad=True), Tensor(0.1, requires_grad=True)
    x = np.array(2.0)
    z = w * x + b
    a = functional.sigmoid(z)
    cost = (a - 1.0) ** 2
    traced = trace(cost)
    assert [n.name for n in traced.nodes] == ["w", "x", "v2", "b", "z", "a", "v6", "cost"]
    assert traced.node("a").variable is a
    assert traced.node(b).name == "b"
    with pytest.raises(GradientError, match="not computed from 'q'"):
        traced.node("q")


def test_a_loop_numbers_its_names_and_parameters_keep_theirs() -> None:
    w = Tensor(0.5, requires_grad=True)
    h = Tensor(1.0, requires_grad=True)
    for _ in range(3):
        h = np.tanh(w * h)
    names = [n.name for n in trace(h).nodes]
    assert [n for n in names if n.startswith("h")] == ["h", "h_2", "h_3", "h_4"]
    model, loss = network()
    named = {n.name for n in trace(loss).nodes}
    assert {name for name, _ in model.named_parameters()} <= named
    assert "loss" in named


def test_a_name_that_formulas_need_is_not_given_away() -> None:
    g = Tensor(2.0, requires_grad=True, name="g")
    odd = Tensor(3.0, requires_grad=True, name="<b>5 lambda</b>")
    keyword = Tensor(4.0, requires_grad=True, name="lambda")
    traced = trace(g * odd * keyword)
    assert [n.name for n in traced.leaves()] == ["g_2", "_b_5_lambda_b_", "_lambda"]
    assert_formulas_hold(traced)


def test_source_lines_are_those_of_inspect() -> None:
    here = inspect.currentframe()
    assert here is not None
    seen: list[tuple[int, Tensor]] = []

    def note(y: Any) -> Any:
        frame = inspect.currentframe()
        assert frame is not None
        assert frame.f_back is not None
        seen.append((frame.f_back.f_lineno, y))
        return y

    x = Tensor([1.0, 2.0], requires_grad=True)
    for _ in range(3):
        note(x * 2)
    [note(x + i) for i in range(3)]
    minus = lambda t: note(t - 1)  # noqa: E731
    minus(x)
    note(np.exp(x))
    note(x[0])
    note(-x)
    note(x.sum())
    note(x.T)
    note(abs(x))
    y = x + 1
    note(y - 1)
    assert note(z := x * 3) is z

    def inner(t: Tensor) -> Tensor:
        return note(t / 3)

    note(inner(x).mean())
    note(np.where(x.data > 1, x, 0))
    note(x @ x)
    note(2 - x)
    note(x**3)
    for line, result in seen:
        assert result.op is not None
        assert result.op.site is not None
        assert result.op.site.line == line
        source = locate(result.op.site)
        assert source is not None
        assert source.line == line
        assert (
            source.code
            == inspect.getsourcelines(here.f_code)[0][line - here.f_code.co_firstlineno].strip()
        )
    assert len(seen) >= 20


class OfTheUsers(nn.Module):
    """As deep in the stack as the library's own module beside it."""

    def forward(self, x: Any) -> Tensor:
        return functional.sigmoid(x)


def test_a_line_within_a_users_module_is_not_that_of_the_call() -> None:
    net = nn.Sequential(nn.Sigmoid(), OfTheUsers(), nn.Sigmoid())
    here = inspect.currentframe()
    assert here is not None
    within = inspect.getsourcelines(OfTheUsers.forward)[1] + 1
    for _ in range(2):  # what is remembered of the first time must not mislead the second
        called = here.f_lineno + 1
        result = net(Tensor([0.0], requires_grad=True))
        lines = []
        while result.op is not None:
            assert result.op.site is not None
            lines.append(result.op.site.line)
            (result,) = result.op.sources()
        assert lines == [called, within, called]


def test_an_op_without_a_users_frame_has_no_line() -> None:
    """A thread may run C functions alone, and call the package from there."""
    x, results, done = Tensor([0.0], requires_grad=True), [], _thread.allocate_lock()
    done.acquire()
    then_release = iter(done.release, None)  # calls it, and ends
    work = itertools.chain(map(functional.sigmoid, [x]), then_release)
    _thread.start_new_thread(results.extend, (work,))
    assert done.acquire(timeout=60)
    (result,) = results
    assert result.op.site is None
    assert functional.sigmoid(x).op.site is not None
    result.backward()
    assert x.grad.tolist() == [0.25]


def test_an_expression_over_several_lines() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    # fmt: off
    total = (
        x
        * 2.0
    ).sum()
    # fmt: on
    source = locate(total.op.site)
    product = trace(total).nodes[1].source
    assert (product.end_line - product.line, product.segment) == (1, "x * 2.0")
    assert source.target == "total"


def test_a_page_does_not_tell_its_authors_folders(tmp_path: Path) -> None:
    x = Tensor(2.0, requires_grad=True)
    loss = x
    for folder in ("one", "two"):
        script = tmp_path / folder / "same.py"
        script.parent.mkdir()
        script.write_text("y = x * 3\n")
        scope: dict[str, Any] = {"x": loss}
        exec(compile(script.read_text(), str(script), "exec"), scope)  # noqa: S102
        loss = scope["y"]
    data = trace(loss).to_dict()
    assert list(data["sources"]) == ["same.py", "two/same.py"]
    assert data["nodes"][-1]["source"]["file"] == "two/same.py"
    assert str(tmp_path) not in json.dumps(data)


def test_no_source_is_no_trouble() -> None:
    x = Tensor(2.0, requires_grad=True)
    scope: dict[str, Any] = {"x": x}
    exec(compile("y = x * 3", "<nowhere>", "exec"), scope)  # noqa: S102
    data = trace(scope["y"]).to_dict()
    assert data["nodes"][-1]["source"] is None
    assert data["sources"] == {}


# --- what is particular -----------------------------------------------------------------------


def notes(traced: Trace, name: str) -> list[str]:
    (node,) = [n for n in traced.to_dict()["nodes"] if n["name"] == name]
    return [note["kind"] for note in node["notes"]]


def test_why_a_node_has_no_gradient() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    k = np.array([3.0, 4.0])
    frozen = Tensor([5.0, 6.0])
    copy = x.detach()
    counts = np.array([1, 2])
    y = x * k * frozen * copy * counts
    traced = trace(y.sum())
    assert notes(traced, "k") == ["constant"]
    assert notes(traced, "frozen") == ["constant"]
    assert notes(traced, "copy") == ["detached"]
    assert notes(traced, "counts") == ["integer"]
    assert notes(traced, "x") == []


def test_kinks_and_what_is_held_and_what_is_not_finite() -> None:
    x = Tensor([0.0, 1.0], requires_grad=True)
    x.grad = [1.0, 1.0]
    r = functional.relu(x)
    m = np.max(np.array([2.0, 2.0]) * x)
    with np.errstate(divide="ignore"):
        bad = np.log(x)
        loss = r.sum() + m + bad.sum()
        traced = trace(loss)
    assert notes(traced, "x") == ["held"]
    assert notes(traced, "r") == ["kink"]
    assert notes(traced, "bad") == ["not finite"]
    (node,) = [n for n in traced.to_dict()["nodes"] if n["name"] == "bad"]
    assert "began here" in node["notes"][0]["text"]
    (node,) = [n for n in traced.to_dict()["nodes"] if n["name"] == "loss"]
    assert "came in with an operand" in node["notes"][0]["text"]


def test_the_dictionary_is_json() -> None:
    _, loss = network()
    with np.errstate(all="ignore"):
        data = trace((loss * np.array([np.inf, 0.0])).sum()).to_dict()
    text = json.dumps(data, allow_nan=False)
    assert json.loads(text) == json.loads(json.dumps(data))


def test_unbroadcasting_is_told() -> None:
    b = Tensor(np.ones((1, 3)), requires_grad=True)
    loss = (np.ones((4, 2, 3)) * b).sum()
    data = trace(loss).to_dict()
    assert "summed over axes 0, 1: (4, 2, 3) -> (1, 3)" in [s["unbroadcast"] for s in data["steps"]]


@pytest.mark.slow
def test_ten_thousand_nodes() -> None:
    x = Tensor(0.5, requires_grad=True)
    y = x
    for _ in range(5_000):
        y = np.tanh(y) * 1.001
    data = trace(y).to_dict()
    assert len(data["nodes"]) == 10_001
    assert data["nodes"][-1]["name"] == "y_5001"  # the leaf is the first `y`
