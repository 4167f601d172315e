"""Hooks, kept gradients of results, and the steps of a pass for people with a view of their own."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import tinygrad_bp as bp
from tinygrad_bp import Tensor
from tinygrad_bp.errors import GradientError, ShapeError, StaleGraphError


def graph() -> tuple[Tensor, Tensor, Tensor]:
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 3.0
    return x, y, (y * y + y).sum()  # y is used twice


def test_a_hook_sees_the_finished_gradient_once() -> None:
    x, y, loss = graph()
    seen: list[Tensor] = []
    y.register_hook(seen.append)
    x.register_hook(seen.append)
    loss.backward()
    assert [g.tolist() for g in seen] == [[7.0, 13.0], [21.0, 39.0]]
    assert all(type(g) is Tensor for g in seen)
    assert x.grad.tolist() == [21.0, 39.0]


def test_a_hook_may_replace_the_gradient() -> None:
    x, y, loss = graph()
    y.register_hook(lambda g: g * 10.0)
    x.register_hook(lambda g: np.clip(g.data, 0, 250.0))
    loss.backward()
    assert x.grad.tolist() == [210.0, 250.0]


def test_hooks_run_in_order_and_on_the_loss_too() -> None:
    x, _, loss = graph()
    x.register_hook(lambda g: g + 1.0)
    x.register_hook(lambda g: g * 2.0)
    loss.register_hook(lambda g: g * 0.0)
    loss.backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_a_hook_can_be_removed() -> None:
    x, y, loss = graph()
    handle = y.register_hook(lambda g: g * 0.0)
    with y.register_hook(lambda g: g * 0.0):
        pass
    handle.remove()
    handle.remove()
    loss.backward()
    assert x.grad.tolist() == [21.0, 39.0]


def test_what_a_hook_returns_must_fit() -> None:
    _, y, loss = graph()
    y.register_hook(lambda _: np.ones(3))
    with pytest.raises(ShapeError, match=r"hook .* shape \(3,\) .* \(2,\)"):
        loss.backward()


def test_hooks_need_something_that_tracks() -> None:
    with pytest.raises(GradientError, match="does not track"):
        Tensor(1.0).register_hook(print)
    with pytest.raises(GradientError, match="does not track"):
        Tensor(1.0).retain_grad()


def test_dtype_is_kept() -> None:
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    x.register_hook(lambda g: g.data.astype(np.float64) * 2)
    (x * x).sum().backward()
    assert x.grad.dtype == np.float32
    assert x.grad.tolist() == [4.0, 4.0]


def test_gradients_of_gradients_go_through_hooks() -> None:
    x = Tensor(2.0, requires_grad=True)
    y = x * x
    with y.register_hook(lambda g: g * y):
        (y * 1.0).backward(create_graph=True)
    (first,) = [x.grad]
    assert first.item() == 16.0  # y * 2 x
    x.zero_grad()
    first.backward()
    assert x.grad.item() == pytest.approx(24.0)  # 6 x^2


def test_functional_gradients_see_hooks() -> None:
    x, y, loss = graph()
    y.register_hook(lambda g: g * 2.0)
    of_y, of_x = bp.gradients(loss, [y, x])
    assert (of_y.tolist(), of_x.tolist()) == ([14.0, 26.0], [42.0, 78.0])


def test_results_keep_their_gradient_on_request() -> None:
    x, y, loss = graph()
    y.retain_grad()
    x.retain_grad()  # a leaf keeps its gradient anyway
    loss.backward(retain_graph=True)
    assert y.grad.tolist() == [7.0, 13.0]
    loss.backward()
    assert y.grad.tolist() == [14.0, 26.0]
    assert x.grad.tolist() == [42.0, 78.0]
    y.zero_grad()
    assert y.grad is None


def test_what_is_kept_is_what_hooks_made_of_it() -> None:
    _, y, loss = graph()
    y.retain_grad()
    y.register_hook(lambda g: g * 2.0)
    loss.backward()
    assert y.grad.tolist() == [14.0, 26.0]


def test_nothing_is_kept_of_a_pass_that_fails() -> None:
    w, x = Tensor(1.0, requires_grad=True), Tensor(2.0, requires_grad=True)
    y = w * x
    z = y * 2.0
    z.retain_grad()
    loss = z * z
    w.data = 5.0
    with pytest.raises(StaleGraphError):
        loss.backward()
    assert z.grad is None
    assert x.grad is None


def test_hooks_leave_nothing_behind(no_garbage: Any) -> None:
    x, y, loss = graph()
    y.register_hook(lambda g: g * 2.0)
    y.retain_grad()
    gone = weakref.ref(y)
    loss.backward()
    del y, loss
    assert gone() is None
    assert not gc.garbage
    assert x.grad is not None


def test_steps_can_be_watched() -> None:
    x, y, loss = graph()
    steps = list(bp.steps(loss))
    assert [step.output.op.rule.name for step in steps] == [
        "sum",
        "add",
        "add",
        "multiply",
        "multiply",
        "multiply",
    ]
    into_y = [step for step in steps if step.input is y]
    assert [step.contribution.tolist() for step in into_y] == [[1.0, 1.0], [3.0, 6.0], [3.0, 6.0]]
    assert into_y[-1].total.tolist() == [7.0, 13.0]
    assert x.grad is None
    loss.backward()
    assert x.grad.tolist() == steps[-1].total.tolist()


def test_steps_may_be_left_half_way() -> None:
    x, _, loss = graph()
    next(bp.steps(loss))
    loss.backward()
    assert x.grad.tolist() == [21.0, 39.0]


def test_steps_need_a_graph() -> None:
    with pytest.raises(GradientError, match="nowhere to go"):
        next(bp.steps(Tensor(1.0)))
