"""Everything the README promises, each in a few lines; its code itself is run in test_readme."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import tinygrad_bp as bp
from tinygrad_bp import Tensor, errors, gradcheck, nn, optim
from tinygrad_bp import functional as F


def tracked(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


# --- a tensor is a NumPy array that remembers -------------------------------------------------


def test_numpys_functions_and_operators_record_and_differentiate() -> None:
    w, x = tracked(0.5, -1.0, 0.25), np.array([1.0, 2.0, 4.0])
    np.sum((np.tanh(w * x) - 1) ** 2).backward()
    y = np.tanh(w.data * x)
    assert isinstance(w.grad, Tensor)
    np.testing.assert_allclose(w.grad.data, 2 * (y - 1) * (1 - y * y) * x, rtol=1e-14)


def test_an_array_on_the_left_and_broadcasting() -> None:
    b = tracked(1.0, 2.0)
    (np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]) * b).sum().backward()
    assert b.grad.tolist() == [9.0, 12.0]


def test_a_diamond_counts_every_path_and_costs_each_op_once() -> None:
    x = y = tracked(1.0)
    for _ in range(1000):
        y = y + y
    y.sum().backward()
    assert x.grad.item() == 2.0**1000


def test_torchs_words() -> None:
    x = tracked(3.0)
    with bp.no_grad():
        assert not (x * x).requires_grad
    assert not x.detach().requires_grad
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12.0]
    x.zero_grad()
    assert x.grad is None


def test_float32_stays_float32() -> None:
    x = Tensor(np.ones(3, np.float32), requires_grad=True)
    y = np.mean(np.exp(2.0 * x) + np.pi)
    y.backward()
    assert y.dtype == x.grad.dtype == np.float32


@pytest.mark.parametrize(
    ("slope", "function"),
    [
        ([0.5, 0.5], np.max),
        ([0.5, 0.5], np.min),
        ([0.0, 0.0], lambda x: np.sum(np.abs(x))),
        ([0.0, 0.0], lambda x: F.relu(x).sum()),
    ],
)
def test_kinks(slope: list[float], function: object) -> None:
    x = tracked(0.0, 0.0)
    function(x).backward()
    assert x.grad.tolist() == slope


# --- one table, read in three ways ------------------------------------------------------------


def test_a_rule_gives_numbers_a_graph_or_text() -> None:
    rule = bp.registry.rules[np.exp].partials[0]
    x = tracked(0.0, 1.0)
    y = np.exp(x)
    assert rule(2.0, y.data, x.data).tolist() == (2.0 * y.data).tolist()
    assert rule(2.0, y, x).requires_grad
    symbol = bp.explain.Symbol
    assert str(rule(symbol("g", 1.0), symbol("y", 1.0), symbol("x", 0.0))) == "g * y"


def test_gradients_of_gradients_in_both_modes() -> None:
    def cubes(x: Tensor) -> Tensor:
        return np.sum(x**3)

    x, v = np.array([1.0, 2.0]), np.array([1.0, 10.0])
    assert bp.grad(cubes)(x).tolist() == [3.0, 12.0]
    assert bp.hvp(cubes, x, v).tolist() == [6.0, 120.0]
    assert bp.hessian(cubes)(x).tolist() == [[6.0, 0.0], [0.0, 12.0]]
    assert bp.jvp(cubes, (x,), (v,))[1] == bp.vjp(cubes, x)[1](np.array(1.0))[0] @ v
    assert bp.jacobian(np.cumsum)(x).tolist() == [[1.0, 0.0], [1.0, 1.0]]
    value, slope = bp.value_and_grad(lambda p: p["a"] * p["b"][0])({"a": 2.0, "b": [3.0]})
    assert (value, slope["a"], slope["b"][0]) == (6.0, 3.0, 2.0)


def test_create_graph_records_the_backward_pass() -> None:
    x = tracked(2.0)
    (x**3).sum().backward(create_graph=True)
    slope, x.grad = x.grad, None
    slope.sum().backward()
    assert x.grad.tolist() == [12.0]


def test_the_checker_tells_right_from_wrong() -> None:
    x = np.array([0.5, -1.0])
    assert gradcheck.check(lambda x: np.sum(x**3), x).ok
    assert not gradcheck.check(lambda x: np.sum(x**3), x, gradient=lambda x: [2 * x**2]).ok


# --- learning -----------------------------------------------------------------------------------


def test_a_network_learns_exclusive_or(rng: np.random.Generator) -> None:
    x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    y = np.array([[0.0], [1.0], [1.0], [0.0]])
    model = nn.MLP(2, 8, 1, activation=nn.Tanh(), rng=rng, dtype=float)
    loss, optimizer = nn.SumSquares(), optim.SGD(model.parameters(), lr=0.1)
    for _ in range(400):
        optimizer.zero_grad()
        loss(model(x), y).backward()
        optimizer.step()
    assert np.abs(model(x).data - y).max() < 0.1


def test_weights_are_out_in_and_a_layer_computes_x_wt_plus_b() -> None:
    layer = nn.Linear(3, 2)
    x = np.ones((5, 3), np.float32)
    assert layer.weight.shape == (2, 3)
    np.testing.assert_allclose(layer(x).data, x @ layer.weight.data.T + layer.bias.data, rtol=1e-6)


def test_the_cost_has_no_half_and_the_other_one_has() -> None:
    y = np.array([1.0, 0.0])
    whole, half = tracked(0.5, 0.8), tracked(0.5, 0.8)
    F.sum_squares(whole, y).backward()
    F.half_sum_squares(half, y).backward()
    assert whole.grad.tolist() == [2 * (0.5 - 1), 2 * 0.8]
    assert (2 * half.grad.data).tolist() == whole.grad.tolist()


def test_several_backward_passes_are_refused_unless_they_are_meant() -> None:
    w = tracked(1.0)
    optimizer = optim.SGD([w], lr=0.1)
    for _ in range(2):
        (3 * w).sum().backward()
    with pytest.raises(errors.OptimizerError, match="accumulated=True"):
        optimizer.step()
    optimizer.step(accumulated=True)
    np.testing.assert_allclose(w.data, 1 - 0.1 * 6)


# --- loud by default ------------------------------------------------------------------------------


def test_a_stale_graph_is_refused() -> None:
    w = tracked(1.0, 2.0)
    y = (w * w).sum()
    w.data -= 0.1
    with pytest.raises(errors.StaleGraphError, match=r"multiply[\s\S]*test_tiny"):
        y.backward()


def test_a_write_behind_its_back_is_noticed_under_debug() -> None:
    w = tracked(1.0, 2.0)
    with bp.debug():
        y = (w * w).sum()
        w.data[0] = 10.0
        with pytest.raises(errors.StaleGraphError, match="behind the tensor's back"):
            y.backward()


def test_what_has_no_rule_raises_and_says_what_to_do() -> None:
    x = tracked(1.0, 2.0)
    for call in (np.unique, np.asarray, np.add.reduce):
        with pytest.raises(errors.NotDifferentiableError, match=r"detach|use "):
            call(x)
    with pytest.raises(errors.InPlaceError):
        x[0] = 1.0


def test_copies_keep_the_value_and_drop_the_graph() -> None:
    x = tracked(2.0)
    for y in (copy.deepcopy(x * x), pickle.loads(pickle.dumps(x * x))):
        assert y.tolist() == [4.0]
        assert y.requires_grad
        assert y.is_leaf


# --- small and lean -------------------------------------------------------------------------------


def test_a_deep_graph_needs_no_recursion_and_leaves_no_garbage(no_garbage) -> None:
    with no_garbage():
        x = y = tracked(0.0)
        for _ in range(20_000):
            y = y + 1.0
        y.sum().backward()
        assert x.grad.tolist() == [1.0]
        del x, y


def test_the_import_needs_numpy_alone() -> None:
    code = (
        "import numpy, sys; before = set(sys.modules); import tinygrad_bp; "
        "print({name.partition('.')[0] for name in set(sys.modules) - before} "
        "- {'numpy'} - set(sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'tinygrad_bp'}"
