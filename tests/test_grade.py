"""Gradients worked out by hand: right ones are recognised, and so are the usual mistakes."""

from __future__ import annotations

import sys
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from tinygrad_bp import Tensor
from tinygrad_bp.errors import GradientError
from tinygrad_bp.explain.grade import grade
from tinygrad_bp.explain.signature import signature
from tinygrad_bp.explain.trace import trace
from tinygrad_bp.gradcheck.strategies import Program, programs
from tinygrad_bp.rules import sigmoid


def chain() -> Tensor:
    """One neuron in each of three layers, as in the lesson."""
    r = np.random.RandomState(6)
    b1, b2, b3 = (Tensor(r.randn(), requires_grad=True) for _ in range(3))
    w1, w2, w3 = (Tensor(r.randn(), requires_grad=True) for _ in range(3))
    a0, y = Tensor(0.5), Tensor(1.0)
    a1 = sigmoid(w1 * a0 + b1)
    z2 = w2 * a1 + b2
    a2 = sigmoid(z2)
    z3 = w3 * a2 + b3
    a3 = sigmoid(z3)
    cost = (a3 - y) ** 2
    assert y.is_leaf
    return cost


def hint_for(answer: Any, name: str, loss: Tensor) -> str:
    (graded,) = grade({name: answer}, loss)
    assert not graded.right
    return str(graded.hint)


# --- right answers --------------------------------------------------------------------------


def test_the_lessons_numbers_are_right() -> None:
    """As they are printed there, to as many digits."""
    answers = {
        "w1": 0.00942011, "b1": 0.0188402, "w2": -0.0111146, "b2": -0.0349121,
        "w3": -0.0741341, "b3": -0.1530639, "a2": -0.1397858, "a3": -0.681416,
    }  # fmt: skip
    found = grade(answers, chain())
    assert found.ok
    assert all(g.digits >= 5 for g in found)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [(-0.0741, "right to 3 digits"), (-0.07413, "right to 4 digits"), (-0.074, "right to 2 digits"),
     (-0.07, "wrong"), (-0.074134143, "right to 8 digits")],
)  # fmt: skip
def test_digits_that_agree(answer: float, verdict: str) -> None:
    (graded,) = grade({"w3": answer}, chain())
    assert graded.verdict == verdict


@given(programs())
def test_the_gradient_is_graded_right_and_its_negative_wrong(program: Program) -> None:
    leaves = [Tensor(value, requires_grad=True) for value in program.leaves.values()]
    traced = trace(program(*leaves), checks=False)
    answers = {node.name: node.grad for node in traced.nodes if node.grad is not None}
    found = grade(answers, traced)
    assert found.ok
    assert found.not_answered == ()
    assert all(g.verdict == "right" for g in found)
    turned = grade({name: -g for name, g in answers.items()}, traced)
    assert [g.right for g in turned] == [not g.any() for g in answers.values()]


def test_answers_by_tensor_and_as_anything_like_an_array() -> None:
    W = Tensor([[1.0, 2.0]], requires_grad=True)
    loss = np.sum(W * W)
    for answer in ([[2, 4]], np.array([[2.0, 4.0]]), Tensor([[2.0, 4.0]]), ((2.0, 4.0),)):
        assert grade({W: answer}, loss).ok


def test_nothing_arrives_at_a_constant() -> None:
    assert grade({"y": 0.0}, chain()).ok
    assert "no gradient arrives at y" in hint_for(1.0, "y", chain())


def test_what_was_not_answered_is_listed() -> None:
    found = grade({"w3": -0.0741}, chain())
    assert found.ok
    assert {"w1", "b1", "a2", "z3"} <= set(found.not_answered)
    assert not {"w3", "y", "a0", "cost"} & set(found.not_answered)
    assert "not answered: " in str(found)


def test_no_answers_are_not_ok() -> None:
    found = grade({}, chain())
    assert not found.ok
    assert str(found).startswith("0 of 0 answers are right")


def test_an_answer_for_something_else_is_an_error() -> None:
    with pytest.raises(GradientError, match="w9"):
        grade({"w9": 1.0}, chain())


def test_a_trace_may_be_given() -> None:
    traced = trace(chain(), checks=False)
    assert grade({"w3": -0.0741341}, traced).ok


# --- hints ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "answer", "hint"),
    [
        ("w3", 0.0741, "wrong sign: this is the nudge"),
        ("b2", -0.0698, "twice the gradient"),
        ("b2", -0.01746, "half the gradient"),
        ("b2", 0.0698, "wrong sign, and twice the gradient"),
        ("a2", 0.9133, "this is dv12/da2 alone; multiply it by what arrives, dcost/dv12"),
        ("z3", 0.224626, "this is da3/dz3 alone"),
        ("w3", -0.1530639, "this is what arrives at v12, dcost/dv12; multiply it by dv12/dw3"),
        ("b3", -0.681416, "this is dcost/da3; from there the chain goes on to b3"),
        ("w2", 0, "0 would say that w2 does not matter to cost"),
        ("w2", [1.0, 2.0], "its shape is (2,); a gradient has the shape of its value, ()"),
    ],
)
def test_hints_on_the_lessons_chain(name: str, answer: Any, hint: str) -> None:
    assert hint_for(answer, name, chain()).startswith(hint)


def test_a_number_out_of_the_blue_gets_no_hint() -> None:
    assert hint_for(0.3217, "w3", chain()) == ""


def fan_out(uses: int) -> Tensor:
    x = Tensor(0.7, requires_grad=True)
    parts = [np.sin(x), np.exp(x), x * 10.0][:uses]
    named = dict(zip(("u", "v", "w"), parts, strict=False))
    for name, part in named.items():
        part.name = name
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def test_one_path_of_several() -> None:
    hint = hint_for(np.cos(0.7), "x", fan_out(2))
    assert hint == "you counted only the path through u; 2 paths reach x, also through v"
    hint = hint_for(np.exp(0.7), "x", fan_out(3))
    assert hint == "you counted only the path through v; 3 paths reach x, also through u, w"


def test_one_path_forgotten() -> None:
    hint = hint_for(np.cos(0.7) + 10.0, "x", fan_out(3))
    assert hint == "the contribution through v is missing"


def test_a_square_written_as_a_product() -> None:
    x = Tensor(3.0, requires_grad=True, name="x")
    assert hint_for(3.0, "x", x * x) == "only one of 2 contributions: loss uses x twice"


def test_what_was_held_before_is_not_part_of_this_pass() -> None:
    x = Tensor(3.0, requires_grad=True, name="x")
    x.grad = 7.0
    assert "what it held before" in hint_for(13.0, "x", x**2)


RNG = np.random.default_rng(3)
WEIGHTS, BIAS, INPUTS = (RNG.standard_normal(shape) for shape in ((4, 3), 4, (7, 3)))


def layer() -> tuple[Tensor, dict[str, Any]]:
    W, b = Tensor(WEIGHTS, requires_grad=True), Tensor(BIAS, requires_grad=True)
    z = INPUTS @ W.T + b
    loss = np.mean(np.tanh(z) ** 2)
    traced = trace(loss, checks=False)
    return loss, {node.name: node.grad for node in traced.nodes}


@pytest.mark.parametrize(
    ("name", "mistake", "hint"),
    [
        ("W", lambda g: g["W"].T, "its shape is (3, 4); a gradient has the shape of its value, "
         "(4, 3): equals the transpose"),
        ("b", lambda g: g["z"], "its shape is (7, 4); a gradient has the shape of its value, "
         "(4,): not summed over axis 0"),
        ("b", lambda g: g["b"].sum(), "its shape is (); a gradient has the shape of its value, "
         "(4,): summed over axis 0, which is to be kept"),
        ("W", lambda g: g["W"] * 7, "7 times the gradient: summed over 7 instead of averaged?"),
        ("W", lambda g: g["W"] / 4, "1/4 of the gradient: averaged over 4 instead of summed?"),
        ("W", lambda g: g["W"] * 1.7, "1.7 times the gradient, in every entry"),
        ("W", lambda g: -g["W"], "wrong sign"),
        ("W", lambda g: np.where(np.arange(3) == 1, g["W"] + 1, g["W"]),
         "4 of 12 entries are wrong, the first at [0, 1]"),
    ],
)  # fmt: skip
def test_hints_on_a_layer(name: str, mistake: Any, hint: str) -> None:
    loss, gradients = layer()
    assert hint_for(mistake(gradients), name, loss).startswith(hint)


def test_a_slope_forgotten_on_the_way() -> None:
    """As in most first attempts at two layers."""
    rng = np.random.default_rng(1)
    W1 = Tensor(rng.normal(size=(4, 3)), requires_grad=True, name="W1")
    W2 = Tensor(rng.normal(size=(2, 4)), requires_grad=True, name="W2")
    z1 = INPUTS @ W1.T
    a1 = sigmoid(z1)
    a2 = sigmoid(a1 @ W2.T)
    cost = np.mean((a2 - 0.5) ** 2)
    hidden, outputs = a1.data, a2.data
    to_outputs = 2 * (outputs - 0.5) / outputs.size
    delta = to_outputs * outputs * (1 - outputs)
    first = (delta @ W2.data).T @ INPUTS
    assert hint_for(first, "W1", cost) == "the slope of sigmoid is missing on the way: da1/dz1"
    second = (to_outputs @ W2.data * hidden * (1 - hidden)).T @ INPUTS
    assert hint_for(second, "W1", cost).startswith(
        "the slope of sigmoid is missing on the way: da2"
    )
    assert "entries are wrong" in hint_for((to_outputs @ W2.data).T @ INPUTS, "W1", cost)  # both


def test_a_long_pass_is_not_gone_through_again(monkeypatch: pytest.MonkeyPatch) -> None:
    x = Tensor([0.5, -1.0], requires_grad=True, name="x")
    loss = np.sum(np.tanh(x) * np.exp(x))
    without_tanh = np.exp(x.data) + np.tanh(x.data) * np.exp(x.data)
    assert hint_for(without_tanh, "x", loss).startswith("the slope of tanh is missing")
    monkeypatch.setattr(sys.modules[grade.__module__], "MOST_STEPS", 2)
    assert "entries are wrong" in hint_for(without_tanh, "x", loss)


def test_a_sign_is_no_slope() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True, name="x")
    assert hint_for([-2.0, -4.0], "x", np.sum(np.negative(np.negative(x**2)))).startswith(
        "wrong sign"
    )


def test_the_transpose_of_a_square_matrix() -> None:
    W = Tensor(np.arange(9.0).reshape(3, 3), requires_grad=True, name="W")
    assert hint_for(2 * W.data.T, "W", np.sum(W**2)) == "equals the transpose"


def test_answers_that_are_not_finite_are_wrong() -> None:
    found = grade({"w3": np.nan, "w2": np.inf}, chain())
    assert [g.right for g in found] == [False, False]


def test_the_table_gives_hints_and_no_solutions() -> None:
    text = str(grade({"w3": 0.0741, "a2": -0.1397858, "b3": 1.25}, chain()))
    lines = text.splitlines()
    assert lines[0] == "1 of 3 answers are right"
    assert lines[1].split() == ["w3", "0.0741", "wrong"]
    assert lines[2].strip().startswith("wrong sign")
    assert lines[3].split(maxsplit=2) == ["a2", "-0.1398", "right to 6 digits"]
    assert "-0.0741" not in text
    assert "-0.153" not in text


# --- signatures, also without a graph -------------------------------------------------------

RIGHT = np.array([[1.0, -2.0, 4.0], [0.5, 3.0, -1.5]])
SQUARE = np.array([[1.0, -2.0], [0.5, 3.0]])


@pytest.mark.parametrize(
    ("wrong", "right", "expected"),
    [
        (-RIGHT, RIGHT, "wrong sign"),
        (RIGHT * 0, RIGHT, "it is 0 everywhere"),
        (RIGHT * 6, RIGHT, "constant ratio 6.000: a missing 1/6, or a sum instead of a mean?"),
        (RIGHT / 3, RIGHT, "constant ratio 0.333333: 1/3 too much"),
        (RIGHT * 1.7, RIGHT, "constant ratio 1.700"),
        (RIGHT * 1.00001, RIGHT, "constant ratio 1.0000100"),
        (SQUARE.T, SQUARE, "equals the transpose"),
        (RIGHT.T, RIGHT, "equals the transpose"),
        (RIGHT, RIGHT.sum(0), "not summed over axis 0"),
        (RIGHT, RIGHT.sum(1, keepdims=True), "not summed over axis 1"),
        (RIGHT.sum(0), RIGHT, "summed over axis 0, which is to be kept"),
        (RIGHT.sum(), RIGHT, "summed over everything"),
        (RIGHT.ravel(), RIGHT, "the right entries in another shape"),
        (np.ones((5, 5)), RIGHT, ""),
        (RIGHT + np.array([0, 1, 0]), RIGHT, "2 of 6 compared entries are wrong"),
        (RIGHT * np.array([1, 0, 1]), RIGHT, "2 of 6 compared entries are wrong, 2 of them 0"),
    ],
)
def test_signatures(wrong: Any, right: Any, expected: str) -> None:
    assert signature(np.asarray(wrong), right) == expected


def test_signatures_compare_only_what_is_known() -> None:
    known = np.array([[True, True, False], [True, True, True]])
    wrong = np.where(known, -RIGHT, 100.0)
    assert signature(wrong, RIGHT, known) == "wrong sign"
    wrong = RIGHT + np.array([[0, 1, 100], [0, 0, 0]])
    assert signature(wrong, RIGHT, known) == "1 of 5 compared entries are wrong"


@given(st.floats(1.5, 1e6), st.integers(2, 5))
def test_any_factor_shows_as_a_constant_ratio(factor: float, size: int) -> None:
    right = np.arange(1.0, size + 1)
    assert signature(factor * right, right).startswith(f"constant ratio {factor:.3f}")
