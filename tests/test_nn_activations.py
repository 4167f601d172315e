"""Activations as layers: PyTorch's values and slopes, at kinks too, and PyTorch's signatures."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from twins import assert_equal, assert_twins

from tinygrad_bp import Tensor, errors, nn
from tinygrad_bp import functional as F
from tinygrad_bp.gradcheck import check

CASES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("CELU", (), {}),
    ("CELU", (0.5,), {}),
    ("CELU", (), {"alpha": -1.5, "inplace": False}),
    ("ELU", (), {}),
    ("ELU", (0.5, False), {}),
    ("GELU", (), {}),
    ("GELU", ("tanh",), {}),
    ("GLU", (), {}),
    ("GLU", (0,), {}),
    ("Hardshrink", (), {}),
    ("Hardshrink", (2.0,), {}),
    ("Hardswish", (), {}),
    ("Hardtanh", (), {}),
    ("Hardtanh", (-2.0, 0.5), {}),
    ("LeakyReLU", (), {}),
    ("LeakyReLU", (-0.5,), {}),
    ("LogSigmoid", (), {}),
    ("LogSoftmax", (), {"dim": 0}),
    ("LogSoftmax", (-1,), {}),
    ("Mish", (), {}),
    ("PReLU", (), {}),
    ("PReLU", (6, 0.1), {}),
    ("ReLU", (), {}),
    ("ReLU6", (), {}),
    ("SELU", (), {}),
    ("SiLU", (), {}),
    ("Sigmoid", (), {}),
    ("Softmax", (1,), {}),
    ("Softmin", (), {"dim": 0}),
    ("Softplus", (), {}),
    ("Softplus", (2.0, 1.0), {}),
    ("Softshrink", (), {}),
    ("Softshrink", (2.0,), {}),
    ("Softsign", (), {}),
    ("Tanh", (), {}),
    ("Tanhshrink", (), {}),
    ("Threshold", (1.0, -3.0), {}),
]
INPLACE = ["CELU", "ELU", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU", "Mish", "RReLU",
           "ReLU", "ReLU6", "SELU", "SiLU", "Threshold"]  # fmt: skip
EDGES = np.array([-6.0, -3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0, 6.0, 20.0])


@pytest.mark.parametrize(("name", "args", "options"), CASES)
def test_activations_are_pytorchs(
    name: str, args: Any, options: Any, rng: np.random.Generator
) -> None:
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, name)(*args, **options)
    ours = getattr(nn, name)(*args, **options, **({"dtype": float} if name == "PReLU" else {}))
    assert_twins(ours, theirs, rng.normal(0, 3, (4, 6)))
    assert_twins(ours, theirs, EDGES.reshape(2, 6))


def test_hardsigmoid_has_pytorchs_values_and_the_right_slope() -> None:
    torch = pytest.importorskip("torch")
    its = torch.tensor(EDGES, requires_grad=True)
    mine = Tensor(EDGES, requires_grad=True)
    y, wanted = nn.Hardsigmoid()(mine), torch.nn.Hardsigmoid()(its)
    assert_equal(y, wanted)
    y.sum().backward()
    wanted.sum().backward()
    assert mine.grad is not None
    assert set(mine.grad.tolist()) == {0.0, 1 / 6}
    # PyTorch's slope of doubles is 1/6 in single precision.
    assert set(its.grad.tolist()) == {0.0, float(np.float32(1 / 6))}
    np.testing.assert_array_equal(mine.grad.data != 0, its.grad.numpy() != 0)


@pytest.mark.parametrize("shape", [(2, 3, 4, 2), (3, 4, 2)])
def test_softmax2d_is_pytorchs(shape: Any, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    assert_twins(nn.Softmax2d(), torch.nn.Softmax2d(), rng.normal(size=shape))


@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4), (2, 3, 2, 2)])
def test_slopes_of_channels_are_pytorchs(shape: Any, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    assert_twins(nn.PReLU(3, dtype=float), torch.nn.PReLU(3), rng.normal(size=shape))


def test_signatures_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    for name in {name for name, *_ in CASES} | {"Hardsigmoid", "RReLU"}:
        own = inspect.signature(getattr(nn, name)).parameters
        its = inspect.signature(getattr(torch.nn, name)).parameters
        positional = {n: p.default for n, p in own.items() if p.kind is not p.KEYWORD_ONLY}
        left_out = ("device", "dtype", "args", "kwargs", "min_value", "max_value")
        assert positional == {n: p.default for n, p in its.items() if n not in left_out}, name


# --- without PyTorch ----------------------------------------------------------------------------

# From PyTorch 2.13, at -2, -0.5 and 1.5.
PINNED = {
    "CELU": [-0.8646647167633873, -0.3934693402873666, 1.5],
    "ELU": [-0.8646647167633873, -0.3934693402873666, 1.5],
    "GELU": [-0.04550026389635842, -0.15426876936299344, 1.399789198096713],
    "Hardshrink": [-2.0, 0.0, 1.5],
    "Hardsigmoid": [0.16666666666666666, 0.4166666666666667, 0.75],
    "Hardswish": [-0.3333333333333333, -0.20833333333333334, 1.125],
    "Hardtanh": [-1.0, -0.5, 1.0],
    "LeakyReLU": [-0.02, -0.005, 1.5],
    "LogSigmoid": [-2.1269280110429727, -0.9740769841801067, -0.2014132779827524],
    "Mish": [-0.2525014826957089, -0.22074377465173, 1.4033782663958028],
    "ReLU": [0.0, 0.0, 1.5],
    "ReLU6": [0.0, 0.0, 1.5],
    "SELU": [-1.5201664685956948, -0.6917581878028713, 1.5760514810332207],
    "SiLU": [-0.2384058440442351, -0.1887703343990727, 1.2263617142904655],
    "Sigmoid": [0.11920292202211755, 0.3775406687981454, 0.8175744761936437],
    "Softplus": [0.1269280110429725, 0.4740769841801067, 1.7014132779827524],
    "Softshrink": [-1.5, -0.0, 1.0],
    "Softsign": [-0.6666666666666666, -0.3333333333333333, 0.6],
    "Tanh": [-0.9640275800758169, -0.46211715726000974, 0.9051482536448664],
    "Tanhshrink": [-1.035972419924183, -0.03788284273999026, 0.5948517463551336],
}


@pytest.mark.parametrize("name", PINNED)
def test_pinned_values(name: str) -> None:
    x = np.array([-2.0, -0.5, 1.5])
    np.testing.assert_allclose(getattr(nn, name)()(x).data, PINNED[name], rtol=1e-14, atol=1e-300)
    assert check(getattr(nn, name)(), x).ok


@pytest.mark.parametrize("name", INPLACE)
def test_in_place_is_taken_and_nothing_is_written(name: str) -> None:
    args = (1.0, 2.0) if name == "Threshold" else ()
    x = np.array([-2.0, -0.5, 1.5])
    made = getattr(nn, name)(*args, inplace=True).eval()
    assert made.inplace
    assert "inplace" not in repr(made)
    assert made(x).tolist() == getattr(nn, name)(*args).eval()(x).tolist()
    assert x.tolist() == [-2.0, -0.5, 1.5]
    function = {"LeakyReLU": "leaky_relu", "RReLU": "rrelu"}.get(name, name.lower())
    assert getattr(F, function)(x, *args, inplace=True).tolist() == made(x).tolist()


def test_every_activation_says_what_it_computes() -> None:
    for name in {name for name, *_ in CASES} | {"RReLU", "Softmax2d"}:
        assert "__doc__" in vars(getattr(nn, name))


def test_rrelu_draws_slopes_in_training(rng: np.random.Generator) -> None:
    x = rng.normal(size=10_000)
    layer = nn.RReLU(0.2, 0.4, rng=np.random.default_rng(1))
    y = layer(x).data
    below = x < 0
    slopes = y[below] / x[below]
    np.testing.assert_array_equal(y[~below], x[~below])
    assert 0.2 <= slopes.min() < 0.21
    assert 0.39 < slopes.max() <= 0.4
    np.testing.assert_allclose(layer.eval()(x).data[below], 0.3 * x[below], rtol=1e-14)
    assert check(layer.train(), x[:8]).ok


def test_an_axis_is_needed_where_it_is_not_clear(rng: np.random.Generator) -> None:
    x = rng.normal(size=(2, 3, 4))
    for layer in (nn.Softmax, nn.Softmin, nn.LogSoftmax):
        with pytest.raises(errors.ShapeError, match=f"{layer.__name__}.*needs dim"):
            layer()(x)
        assert layer()(x[0]).tolist() == layer(dim=1)(x[0]).tolist()


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.GELU("erf"),
        lambda: nn.Hardtanh(1.0, -1.0),
        lambda: nn.Softshrink(-1.0),
        lambda: nn.RReLU(0.5, 0.25),
        lambda: nn.CELU(0.0),
        lambda: nn.Softplus(0.0),
    ],
)
def test_bad_options_are_refused_when_the_layer_is_made(make: Any) -> None:
    with pytest.raises(errors.ModuleError):
        make()


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(errors.ShapeError, match=r"expects \(N, 3, ...\), got \(2, 4\)"):
        nn.PReLU(3)(np.ones((2, 4)))
    with pytest.raises(errors.ShapeError, match="expects"):
        nn.Softmax2d()(np.ones((2, 4)))


def test_options_that_are_not_the_default_are_shown() -> None:
    assert repr(nn.ELU()) == "ELU()"
    assert repr(nn.ELU(0.5)) == "ELU(alpha=0.5)"
    assert repr(nn.Threshold(1.0, 2.0)) == "Threshold(threshold=1.0, value=2.0)"
