"""Users' own rules: `custom_rule`, rules for functions that were refused, and what is checked."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import tinygrad_bp as bp
from tinygrad_bp import Tensor, errors, optim, registry


@pytest.fixture(autouse=True)
def _rules_as_before() -> Iterator[None]:
    before = dict(registry.rules)
    yield
    registry.rules.clear()
    registry.rules.update(before)


def test_three_lines_make_an_op_with_its_derivative() -> None:
    @bp.custom_rule(lambda g, y, x: g * 3 * x**2)
    def cube(x: Any) -> Any:
        return x**3

    x = Tensor([1.0, 2.0], requires_grad=True)
    y = cube(x)
    assert y.op is not None
    assert y.op.rule.name == "cube"
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3.0, 12.0]
    assert bp.grad(bp.grad(cube))(2.0) == 12.0  # the rule is NumPy: it differentiates again
    assert cube(np.array([2.0])).tolist() == [8.0]
    assert "g * 3 * square(x)" in str(bp.trace(cube(x)[0]).steps[-1].formula.text)


def test_one_buffer_for_every_gradient() -> None:
    buffer = np.empty(2)

    def through_buffer(g: Any, y: Any, x: Any) -> Any:
        return np.multiply(g, 2 * x, out=buffer)

    square = bp.custom_rule(through_buffer, jvp=through_buffer)(lambda x: x * x)
    a, b = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0], requires_grad=True)
    (square(a) + square(b)).sum().backward()
    assert a.grad is not None
    assert b.grad is not None
    assert (a.grad.tolist(), b.grad.tolist()) == ([2.0, 4.0], [6.0, 8.0])
    buffer[:] = 0  # by the user, for the next call
    assert a.grad.tolist() == [2.0, 4.0]
    parts = (np.array([1.0, 2.0]), np.array([3.0, 4.0]))
    moved = bp.jvp(lambda a, b: square(a) + 2 * square(b), parts, (np.ones(2), np.ones(2)))[1]
    assert moved.tolist() == [2 + 12, 4 + 16]


def in_place(g: Any, y: Any, x: Any) -> Any:
    g *= 3.0
    return g


def test_a_rule_may_write_into_the_gradient_that_arrives() -> None:
    """Others are given the same array: here the second term, and whoever passed it in."""
    triple = bp.custom_rule(in_place, jvp=in_place)(lambda x: 3.0 * x)
    a, b = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 4.0], requires_grad=True)
    given = np.array([1.0, -1.0])
    (triple(a) + b).backward(given)
    assert a.grad is not None
    assert b.grad is not None
    assert (a.grad.tolist(), b.grad.tolist()) == ([3.0, -3.0], [1.0, -1.0])
    assert given.tolist() == [1.0, -1.0]
    point, moved = (np.ones(2), np.ones(2)), (given, given)
    assert bp.jvp(lambda a, b: triple(a) + b, point, moved)[1].tolist() == [4.0, -4.0]
    assert given.tolist() == [1.0, -1.0]


def test_options_and_several_arrays() -> None:
    @bp.custom_rule(
        lambda g, y, a, b, *, scale: g * scale * b,
        lambda g, y, a, b, *, scale: g * scale * a,
        jvp=(
            lambda t, y, a, b, *, scale: t * scale * b,
            lambda t, y, a, b, *, scale: t * scale * a,
        ),
    )
    def scaled_product(a: Any, b: Any, scale: float = 2.0) -> Any:
        return scale * a * b

    for call in (
        lambda a, b: scaled_product(a, b, 5.0),
        lambda a, b: scaled_product(b=b, scale=5.0, a=a),
        functools.partial(scaled_product, scale=5.0),
    ):
        assert bp.grad(call, argnums=(0, 1))(2.0, 3.0) == (15.0, 10.0)
        assert bp.jvp(call, (2.0, 3.0), (1.0, 1.0))[1] == 25.0
    assert bp.grad(scaled_product)(2.0, 3.0) == 6.0


def test_partials_and_methods_may_be_rules() -> None:
    class Slope:
        def times(self, g: Any, y: Any, x: Any) -> Any:  # noqa: ARG002  (as a rule is called)
            return 2 * g

    def slope(factor: float, g: Any, y: Any, x: Any) -> Any:
        return factor * g

    for vjp in (Slope().times, functools.partial(slope, 2)):
        twice = bp.custom_rule(vjp)(lambda x: 2 * x)
        assert bp.grad(twice)(3.0) == 2.0


def test_a_function_that_gives_back_what_it_was_given() -> None:
    """Gradient reversal: the parameter stays what it was, and can be trained."""
    reverse = bp.custom_rule(lambda g, y, x: -g)(lambda x: x)
    w = Tensor([1.0, 2.0], requires_grad=True)
    optimizer = optim.SGD([w], lr=1.0)
    (reverse(w) * np.array([1.0, 2.0])).sum().backward()
    assert w.grad is not None
    assert w.grad.tolist() == [-1.0, -2.0]
    optimizer.step()
    assert w.tolist() == [2.0, 4.0]


def test_forward_mode_asks_for_what_is_missing() -> None:
    cube = bp.custom_rule(lambda g, y, x: g * 3 * x**2)(lambda x: x**3)
    with pytest.raises(errors.RuleError, match="jvp="):
        bp.jvp(cube, (2.0,), (1.0,))


@pytest.mark.parametrize(
    ("vjp", "message"),
    [
        (lambda g, y, x: np.sum(g), r"shape \(\) for an input of shape \(2,\)"),
        (lambda g, y, x: 1.0, r"shape None for an input of shape \(2,\)"),
        (lambda g, y, x: [1.0, 2.0], "shape None"),
        (lambda g, y, x: None, "shape None"),
        (lambda g, y, x: np.array([1, 2]), "a gradient of int64 for an input of float64"),
    ],
    ids=["shape", "number", "list", "nothing", "integers"],
)
def test_what_a_rule_gives_is_checked(vjp: Any, message: str) -> None:
    wrong = bp.custom_rule(vjp)(lambda x: x * 2)
    w = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(errors.RuleError, match=message):
        wrong(w).sum().backward()
    assert w.grad is None


def test_a_users_rule_takes_the_place_of_a_refusal() -> None:
    """The error asks for a rule, and the rule is taken."""

    @registry.primitive
    def chord(x: Any) -> Any:
        return 2 * np.sin(x / 2)

    registry.refused("Give it a rule with tinygrad_bp.registry.", chord)
    t = Tensor([0.5], requires_grad=True)
    with pytest.raises(errors.NotDifferentiableError, match=r"tinygrad_bp\.registry"):
        chord(t)

    def slope(g: Any, y: Any, x: Any) -> Any:
        return g * np.cos(x / 2)

    registry.elementwise(chord, slope)
    chord(t).sum().backward()
    assert t.grad is not None
    assert t.grad.item() == pytest.approx(np.cos(0.25), rel=1e-12)
    with pytest.raises(errors.RuleError, match="chord is registered already, as elementwise"):
        registry.elementwise(chord, slope)


def test_a_rule_for_arrays_that_are_not_the_first_parameters() -> None:
    """As in np.average(a, axis, weights): the arrays are named."""
    average = registry.primitive(
        lambda a, axis=None, weights=None: np.average(a, axis, weights=weights)
    )

    def by_a(g: Any, y: Any, a: Any, w: Any) -> Any:
        return g * w / np.sum(w)

    def by_w(g: Any, y: Any, a: Any, w: Any) -> Any:
        return g * (a - y) / np.sum(w)

    registry.rule(average, vjp=(by_a, by_w), jvp=(by_a, by_w), arrays=("a", "weights"))
    a, w = np.array([1.0, 2.0, 4.0]), np.array([1.0, 1.0, 2.0])
    by_both = bp.grad(lambda a, w: average(a, weights=w), argnums=(0, 1))(a, w)
    np.testing.assert_allclose(by_both[0], w / 4, rtol=1e-15)
    np.testing.assert_allclose(by_both[1], (a - 2.75) / 4, rtol=1e-15)
    with pytest.raises(errors.NotDifferentiableError, match="'axis'"):
        average(Tensor(np.ones((2, 2)), requires_grad=True), 0, np.ones(2))
