"""Tensors of CuPy arrays: every function, and training, on a GPU.

What CuPy does is decided there, so these tests run only where there is one.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from foreign_cases import Library, compare_calls, compare_training, held, is_beyond_cupy
from layer_cases import LAYERS, made
from specs import CALLS, Call
from test_foreign import unfit
from test_foreign_layers import MORE

import tinygrad_bp as bp
from tinygrad_bp import Tensor, nn, optim

cupy: Any = pytest.importorskip("cupy", exc_type=ImportError)
if not cupy.is_available():
    pytest.skip("CuPy finds no GPU", allow_module_level=True)

# CuPy says so where it searches for its own libraries, and where a faster way exists.
pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]

CUPY = Library(cupy.ndarray, cupy.asarray, cupy.asnumpy)


def params() -> list[Any]:
    absent = pytest.mark.xfail(raises=(TypeError, AttributeError), strict=False)
    return [pytest.param(c, id=str(c), marks=[absent] if lacking(c) else []) for c in CALLS]


def lacking(call: Call) -> bool:
    return unfit(str(call)) or is_beyond_cupy(call)


@pytest.mark.parametrize("call", params())
def test_functions_give_numpys_numbers_on_the_gpu(call: Call) -> None:
    compare_calls(call, CUPY, tolerance=1e-10)  # special functions are calculated in other ways


@pytest.mark.parametrize("name", LAYERS)
def test_layers_learn_there_what_they_learn_here(name: str) -> None:
    layer, shape = made(name, np.float64)
    compare_training(layer.train(), [np.random.default_rng(3).standard_normal(shape)], CUPY)


@pytest.mark.parametrize("name", MORE)
def test_and_so_do_models_and_losses(name: str) -> None:
    model, inputs = MORE[name]
    compare_training(model, inputs, CUPY)


# --- the lesson's network -------------------------------------------------------------------------


def network() -> nn.MLP:
    rng = np.random.default_rng(0)
    return nn.MLP(784, 16, 16, 10, output_activation=nn.Sigmoid(), rng=rng)


def batch() -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    return rng.random((100, 784), np.float32), np.eye(10, dtype=np.float32)[
        rng.integers(0, 10, 100)
    ]


def train(model: nn.MLP, x: Any, y: Any, steps: int = 20) -> Tensor:
    optimizer, loss, cost = optim.SGD(model.parameters(), lr=1.0), nn.SumSquares(), Tensor(0.0)
    for _ in range(steps):
        optimizer.zero_grad()
        cost = loss(model(x), y)
        cost.backward()
        optimizer.step()
    return cost


def test_the_lessons_network_learns_what_it_learns_on_numpy() -> None:
    here = network()
    there = copy.deepcopy(here).to(cupy.asarray)
    before = train(copy.deepcopy(here), *batch(), steps=1).item()
    cost = train(here, *batch())
    elsewhere = train(there, *map(cupy.asarray, batch()))
    assert cost.item() < 0.9 * before
    np.testing.assert_allclose(held(elsewhere, CUPY), cost.data, rtol=1e-4)
    for p, q in zip(here.parameters(), there.parameters(), strict=True):
        assert q.data.dtype == np.float32
        np.testing.assert_allclose(held(q, CUPY), p.data, rtol=1e-3, atol=1e-5)


@pytest.mark.filterwarnings("ignore:cupyx.allow_synchronize")
def test_a_step_does_not_wait_for_the_gpu() -> None:
    cupyx = pytest.importorskip("cupyx")
    if not hasattr(cupyx, "allow_synchronize"):
        pytest.skip("this CuPy does not tell who waits")
    model = network().to(cupy.asarray)
    x, y = map(cupy.asarray, batch())
    train(model, x, y, steps=2)  # CuPy compiles its kernels
    with cupyx.allow_synchronize(False):
        train(model, x, y, steps=2)


def test_a_compiled_step_takes_the_same_steps() -> None:
    x, y = map(cupy.asarray, batch())
    models = [network().to(cupy.asarray) for _ in range(2)]
    for model, prepared in zip(models, (lambda f: f, bp.compile), strict=True):
        step = prepared(lambda x, y, model=model: train(model, x, y, steps=1))
        for _ in range(5):
            step(x, y)
    for p, q in zip(*(model.parameters() for model in models), strict=True):
        np.testing.assert_allclose(held(q, CUPY), held(p, CUPY), rtol=1e-4, atol=1e-6)


def test_a_model_moves_there_and_back() -> None:
    model = network()
    parameters, before = [*model.parameters()], [p.data.copy() for p in model.parameters()]
    model.to(cupy.asarray)
    assert all(isinstance(p.data, cupy.ndarray) for p in model.parameters())
    model.to(cupy.asnumpy)
    assert all(p is q for p, q in zip(model.parameters(), parameters, strict=True))
    for p, values in zip(parameters, before, strict=True):
        assert isinstance(p.data, np.ndarray)
        np.testing.assert_array_equal(p.data, values)


# --- what is elsewhere stays there ----------------------------------------------------------------


def test_nothing_is_converted_unasked() -> None:
    t = Tensor(cupy.arange(3.0), requires_grad=True)
    with pytest.raises(TypeError, match="get"):  # CuPy says what to call instead
        np.asarray(t.data)
    for other in (np.ones(3), np.ones((2, 3))):
        with pytest.raises(TypeError):
            t * other
    with pytest.raises(TypeError):
        t * Tensor(np.ones(3))


def test_numbers_do_not_change_a_dtype() -> None:
    t = Tensor(cupy.ones(3, np.float32), requires_grad=True)
    for y in (2.0 * t, t / 3, t - np.float32(1), t**2, np.maximum(t, 0)):
        assert y.dtype == np.float32
        (g,) = bp.gradients(np.sum(y), t)
        assert g is not None
        assert g.dtype == np.float32


def test_a_tensor_shows_its_values() -> None:
    t = Tensor(cupy.asarray([1.0, 2.0]), requires_grad=True)
    assert repr(t) == "Tensor(array([1., 2.]), requires_grad=True)"
    assert np.sum(t).item() == 3.0
