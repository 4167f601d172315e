"""L-BFGS: its numbers, and that a step is taken as a whole or not at all."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinygrad_bp import Tensor, nn, optim
from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.optim.line_search import Point, strong_wolfe

WOLFE = {"line_search_fn": "strong_wolfe"}
SLOPES = np.array([1.0, -2.0, 0.1])


def leaf(values: Any, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


def cost(w: Any) -> Any:
    return (w**4 / 4 + w * SLOPES).sum() + (w[0] * w[1]) ** 2


def closure_of(optimizer: Any, loss_of: Callable[[], Any]) -> Callable[[], Any]:
    def closure() -> Any:
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        return loss

    return closure


def run(steps: int = 0, **options: Any) -> tuple[Any, Tensor, Callable[[], Any]]:
    w = leaf([-1.0, 1.5, 0.5])
    optimizer = optim.LBFGS([("w", w)], **{"max_iter": 7, **options})
    closure = closure_of(optimizer, lambda: cost(w))
    for _ in range(steps):
        optimizer.step(closure)
    return optimizer, w, closure


# --- numbers ----------------------------------------------------------------------------------


# Losses before 2 steps, weights after them, and evaluations: PyTorch 2.13's.
PINNED: list[Any] = [
    (WOLFE, [-0.16875000000000018, -2.07215936955257],
     [-0.33374189560338613, 1.2010291580466852, -0.46415930280715495], 16),
    ({"lr": 0.1, "history_size": 3}, [-0.16875000000000018, -1.4576478507731212],
     [-0.5727487168795417, 1.276781014405386, 0.3675774035561097], 14),
]  # fmt: skip


@pytest.mark.parametrize(("options", "losses", "weights", "evaluations"), PINNED)
def test_numbers_are_those_of_pytorch(
    options: Any, losses: Any, weights: Any, evaluations: int
) -> None:
    optimizer, w, closure = run(**options)
    assert [optimizer.step(closure).item() for _ in range(2)] == pytest.approx(losses, abs=1e-12)
    np.testing.assert_allclose(w.data, weights, rtol=0, atol=1e-12)
    assert optimizer.state_dict()["state"][0]["func_evals"] == evaluations


def test_a_quadratic_of_five_variables_is_solved() -> None:
    rng = np.random.default_rng(0)
    A = rng.normal(size=(5, 5))
    A, b = A @ A.T + np.eye(5), rng.normal(size=5)
    parts = [leaf(np.zeros((2, 2))), leaf(0.0)]
    optimizer = optim.LBFGS(parts, max_iter=50, tolerance_change=1e-15, **WOLFE)

    def loss() -> Any:
        x = np.concatenate([p.reshape(-1) for p in parts])
        return x @ A @ x / 2 - b @ x

    optimizer.step(closure_of(optimizer, loss))
    found = np.concatenate([p.data.reshape(-1) for p in parts])
    np.testing.assert_allclose(found, np.linalg.solve(A, b), atol=1e-6)


def test_a_complex_parameter_is_a_pair() -> None:
    z = leaf([[1 + 1j], [2 - 3j]], complex)
    optimizer = optim.LBFGS([z], **WOLFE)
    optimizer.step(closure_of(optimizer, lambda: np.sum(np.abs(z - (3 - 1j)) ** 2)))
    np.testing.assert_allclose(z.data, 3 - 1j, atol=1e-6)


def test_parameters_of_two_dtypes_keep_them() -> None:
    a, b = leaf([5.0], np.float32), leaf([-3.0])
    optimizer = optim.LBFGS([a, b], **WOLFE)
    optimizer.step(closure_of(optimizer, lambda: (a * a).sum() + (b * b).sum() * 9))
    assert (a.dtype, b.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose([a.item(), b.item()], 0, atol=1e-5)


def test_frozen_parameters_stay_even_where_there_is_a_memory_of_their_moves() -> None:
    a, b = leaf([5.0]), leaf([-3.0])
    optimizer = optim.LBFGS([a, b], max_iter=2, **WOLFE)
    closure = closure_of(optimizer, lambda: (a**4).sum() + ((a + b) ** 2).sum())
    optimizer.step(closure)
    b.requires_grad_(False)
    stays, moves = b.item(), a.item()
    optimizer.step(closure)
    assert b.item() == stays
    assert a.item() != moves


def test_the_line_search_takes_no_more_evaluations_than_it_may() -> None:
    def uphill(t: float) -> Point:
        return Point(t, t * t, np.zeros(1), 2 * t + 1)

    calls: list[float] = []

    def counted(t: float) -> Point:
        calls.append(t)
        return uphill(t)

    start = Point(0.0, 0.0, np.zeros(1), -1.0)
    for most in range(6):
        calls.clear()
        found, used = strong_wolfe(counted, start, 1.0, length=1.0, tolerance=1e-9, most=most)
        assert used == len(calls) <= most + 1
        assert found.loss == min([0.0, *(uphill(t).loss for t in calls)])


# --- all of it, or nothing --------------------------------------------------------------------


def state_of(optimizer: Any, w: Tensor) -> Any:
    gradient: Any = w.grad
    held = None if gradient is None else gradient.data.copy()
    return copy.deepcopy((w.data, held, w.backward_passes, w.gradient_used)), copy.deepcopy(
        optimizer.state_dict()
    )


def spoiled(closure: Callable[[], Any], at: int, spoil: Callable[[Any], Any]) -> Callable[[], Any]:
    calls = iter(range(at))

    def call() -> Any:
        loss = closure()
        return loss if next(calls, None) is not None else spoil(loss)

    return call


def fails(loss: Any) -> Any:
    raise KeyError("no more data")


@pytest.mark.parametrize("options", [WOLFE, {"lr": 0.1}], ids=["line search", "fixed"])
@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("at", [0, 1, 3, 5])
@pytest.mark.parametrize(
    ("spoil", "raised", "match"),
    [
        (fails, KeyError, "no more data"),
        (lambda loss: loss * math.nan, OptimizerError, "the closure's loss is nan"),
        (lambda loss: math.inf, OptimizerError, "the closure's loss is inf"),
    ],
    ids=["exception", "nan", "inf"],
)
def test_what_fails_on_the_way_leaves_everything_as_it_was(
    *, options: Any, before: int, at: int, spoil: Any, raised: Any, match: str
) -> None:
    optimizer, w, closure = run(before, tolerance_change=0.0, **options)
    held = state_of(optimizer, w)
    with pytest.raises(raised, match=match):
        optimizer.step(spoiled(closure, at, spoil))
    np.testing.assert_equal(state_of(optimizer, w), held)
    optimizer.step(closure)
    again, v, its = run(before, tolerance_change=0.0, **options)
    again.step(its)
    np.testing.assert_array_equal(w.data, v.data)
    np.testing.assert_equal(optimizer.state_dict(), again.state_dict())


def test_gradients_that_are_none_to_step_along() -> None:
    optimizer, w, closure = run(1)
    held = state_of(optimizer, w)

    def with_nan() -> Any:
        loss = closure()
        w.grad = np.array([1.0, np.nan, 1.0])
        return loss

    def never_cleared() -> Any:
        loss = cost(w)
        loss.backward()
        return loss

    for bad, match in [
        (None, "LBFGS evaluates the loss several times"),
        (with_nan, r"the gradient of 'w' is nan at \(1,\)"),
        (never_cleared, "'w' is the sum of [23] backward passes"),
        (lambda: None, "must return the loss"),
        (lambda: cost(w), "gradient of 'w' was used already"),
        (lambda: (optimizer.zero_grad(), cost(w))[1], "'w' has no gradient"),
    ]:
        with pytest.raises(OptimizerError, match=match):
            optimizer.step(bad)
        np.testing.assert_equal(state_of(optimizer, w), held)


def test_parameters_without_a_gradient_stay_when_that_is_meant() -> None:
    a, b = leaf([5.0]), leaf([-3.0])
    optimizer = optim.LBFGS([a, b], **WOLFE)
    closure = closure_of(optimizer, lambda: np.sum(a * a))
    with pytest.raises(OptimizerError, match="missing_ok"):
        optimizer.step(closure)
    optimizer.step(closure, missing_ok=True)
    np.testing.assert_allclose([a.item(), b.item()], [0, -3], atol=1e-6)


def test_there_is_one_group() -> None:
    optimizer, w, _ = run()
    with pytest.raises(OptimizerError, match="takes one group"):
        optimizer.add_param_group({"params": [leaf([1.0])]})
    with pytest.raises(OptimizerError, match="takes one group"):
        optim.LBFGS([{"params": [w]}, {"params": [leaf([1.0])]}])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"max_iter": 0}, "max_iter must be a whole number, 1 or more"),
        ({"max_eval": 1.5}, "max_eval must be a whole number"),
        ({"history_size": 0}, "history_size must be a whole number, 1 or more"),
        ({"tolerance_grad": -1}, "tolerance_grad must be 0 or more"),
        ({"line_search_fn": "armijo"}, "line_search_fn must be None or 'strong_wolfe'"),
        ({"lr": 0.0}, "lr must be a positive number"),
    ],
)
def test_options_out_of_range(options: Any, match: str) -> None:
    with pytest.raises(OptimizerError, match=match):
        run(**options)


# --- states -----------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_run_goes_on_to_the_same_bits(steps: int, tmp_path: Any) -> None:
    first, w, closure = run(steps, max_iter=2, **WOLFE)
    second, v, its = run(2)
    nn.save(tmp_path / "m.npz", nn.MLP(1, 1), optimizer=first)
    nn.load(tmp_path / "m.npz", into=nn.MLP(1, 1), optimizer=second)
    v.data = w.data
    np.testing.assert_equal(second.state_dict(), first.state_dict())
    for _ in range(3):
        first.step(closure)
        second.step(its)
    np.testing.assert_array_equal(v.data, w.data)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"d": np.zeros(4)}, r"d is float64 of shape \(4,\), the parameters are float64 of 3"),
        ({"d": None}, "d and prev_flat_grad belong together"),
        ({"prev_flat_grad": np.array([1.0, np.nan, 0.0])}, r"prev_flat_grad is nan at \(1,\)"),
        ({"old_dirs": []}, "must be of the same length"),
        ({"old_stps": 3}, "old_stps must be a list"),
        ({"ro": ["x"]}, "ro must be a finite number"),
        ({"t": math.inf}, "t must be a finite number"),
        ({"func_evals": -1}, "func_evals must be a whole number"),
        ({"velocity": 1}, "the memory of an LBFGS is a dict of func_evals"),
    ],
)
def test_a_bad_state_is_refused_and_nothing_is_touched(change: Any, match: str) -> None:
    optimizer, w, _ = run(1, **WOLFE)
    held = state_of(optimizer, w)
    state = copy.deepcopy(optimizer.state_dict())
    state["state"][0].update(change)
    with pytest.raises(OptimizerError, match=match):
        optimizer.load_state_dict(state)
    state["state"] = {1: {}}
    with pytest.raises(OptimizerError, match="is under 0"):
        optimizer.load_state_dict(state)
    np.testing.assert_equal(state_of(optimizer, w), held)
