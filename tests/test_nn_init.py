"""Initial values in place: PyTorch's distributions, and nothing but the values changes."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest

from tinygrad_bp import Tensor, errors, nn
from tinygrad_bp.nn import init

RANDOM = {
    "uniform_": {},
    "normal_": {},
    "trunc_normal_": {},
    "xavier_uniform_": {},
    "xavier_normal_": {},
    "kaiming_uniform_": {},
    "kaiming_normal_": {},
    "orthogonal_": {},
    "sparse_": {"sparsity": 0.3},
}
FIXED = ["constant_", "ones_", "zeros_", "eye_", "dirac_"]


def drawn(name: str, shape: tuple[int, ...], *args: Any, **options: Any) -> Any:
    rng = np.random.default_rng(3)
    return getattr(init, name)(Tensor(np.full(shape, 7.0)), *args, **options, rng=rng).data


def torch_drawn(name: str, shape: tuple[int, ...], *args: Any, **options: Any) -> Any:
    torch = pytest.importorskip("torch")
    generator = torch.Generator().manual_seed(3)
    empty = torch.full(shape, 7.0, dtype=torch.float64)
    return getattr(torch.nn.init, name)(empty, *args, **options, generator=generator).numpy()


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_generator_gives_the_same_values(name: str, dtype: Any) -> None:
    first, second = (
        getattr(init, name)(w, **RANDOM[name], rng=np.random.default_rng(5))
        for w in (Tensor(np.zeros((6, 4), dtype), requires_grad=True) for _ in range(2))
    )
    assert first.data.tobytes() == second.data.tobytes()
    assert first.dtype == dtype
    assert np.any(first.data)
    assert not np.array_equal(first.data, getattr(init, name)(second, **RANDOM[name]).data)


@pytest.mark.parametrize("name", [*RANDOM, *FIXED])
def test_the_tensor_stays_itself(name: str) -> None:
    w = nn.Parameter(np.full((4, 4, 3) if name == "dirac_" else (4, 4), 7.0))
    memory = w.data
    options = RANDOM.get(name, {"val": 2.0} if name == "constant_" else {})
    assert getattr(init, name)(w, **options) is w
    assert w.data is memory
    assert w.requires_grad
    assert w.grad is None
    assert not np.any(w.data == 7.0)


# --- distributions ----------------------------------------------------------------------------

# With what, of which shape, and the deviation that is wanted.
SPREADS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...], float]] = [
    ("uniform_", (-1.0, 2.0), {}, (300, 200), 3 / math.sqrt(12)),
    ("normal_", (3.0, 0.5), {}, (300, 200), 0.5),
    ("xavier_uniform_", (), {}, (300, 200), math.sqrt(2 / 500)),
    ("xavier_uniform_", (2.0,), {}, (30, 20, 5, 5), 2 * math.sqrt(2 / (50 * 25))),
    ("xavier_normal_", (0.5,), {}, (300, 200), 0.5 * math.sqrt(2 / 500)),
    ("kaiming_uniform_", (), {}, (300, 200), math.sqrt(2 / 200)),
    ("kaiming_uniform_", (), {"mode": "fan_out"}, (300, 200), math.sqrt(2 / 300)),
    ("kaiming_uniform_", (math.sqrt(5),), {}, (30, 20, 3, 3), math.sqrt(2 / 6 / 180)),
    ("kaiming_normal_", (), {"nonlinearity": "tanh"}, (300, 200), 5 / 3 / math.sqrt(200)),
    ("kaiming_normal_", (), {"nonlinearity": "relu"}, (60, 50, 7), math.sqrt(2 / 350)),
]


@pytest.mark.parametrize(("name", "args", "options", "shape", "deviation"), SPREADS)
def test_spreads_are_pytorchs(
    name: str, args: Any, options: Any, shape: Any, deviation: float
) -> None:
    values = drawn(name, shape, *args, **options)
    error = 5 / math.sqrt(2 * values.size)  # five standard errors
    assert abs(values.std() / deviation - 1) < error
    its = torch_drawn(name, shape, *args, **options)
    assert abs(its.std() / deviation - 1) < error
    if "uniform" in name:
        assert np.abs(values).max() == pytest.approx(np.abs(its).max(), rel=0.01)


def below(x: float) -> float:
    """The normal distribution function, with all digits in its lower tail."""
    return math.erfc(-x / math.sqrt(2)) / 2


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [(0, 1, -2, 2), (1, 2, -1, 0), (0, 1, 3, 4), (0, 0.02, -2, 2), (0, 1, -0.1, 0.2), (5, 1, 0, 2),
     (0, 1, 8, 9), (0, 1, 0, 50)],
)  # fmt: skip
def test_truncated_draws_have_the_bell_curves_shape(
    mean: float, std: float, a: float, b: float
) -> None:
    values = np.sort(drawn("trunc_normal_", (20_000,), mean, std, a, b))
    assert a <= values[0]
    assert values[-1] <= b
    side = -1 if a > mean else 1  # the tail in which a distribution function has digits
    low, high = sorted(side * (np.array([a, b]) - mean) / std)
    start, width = below(low), below(high) - below(low)
    places = np.sort(side * (values - mean) / std)[::20]
    wanted = [(below(x) - start) / width for x in places]
    # Kolmogorov and Smirnov: more than this in 1 of a million.
    assert np.max(np.abs(wanted - np.linspace(0, 1, len(places)))) < 2.7 / math.sqrt(20_000)


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (4, 2, 3), (2, 3, 2, 2), (9, 2, 2)])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...]) -> None:
    flat = drawn("orthogonal_", shape, gain=2.0).reshape(shape[0], -1)
    small = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-12)


def test_every_orthogonal_matrix_is_as_likely() -> None:
    rng = np.random.default_rng(0)
    turned = [init.orthogonal_(Tensor(np.eye(2)), rng=rng).data for _ in range(4000)]
    assert np.max(np.abs(np.mean(turned, axis=0))) < 5 * math.sqrt(0.5 / 4000)


@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 1.0])
def test_sparse_columns(sparsity: float) -> None:
    values = drawn("sparse_", (7, 400), sparsity, std=0.5)
    zeros = torch_drawn("sparse_", (7, 400), sparsity) == 0
    assert set(np.sum(values == 0, axis=0)) == set(np.sum(zeros, axis=0))
    if 0 < sparsity < 1:
        assert np.std(np.sum(values == 0, axis=1)) < 40  # no row is preferred
        assert abs(values[values != 0].std() - 0.5) < 0.05


# --- what is exact ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shape", "args"),
    [("eye_", (3, 5), ()), ("eye_", (5, 3), ()), ("constant_", (2, 3), (0.3,)), ("ones_", (4,), ()),
     ("zeros_", (), ()), ("dirac_", (3, 2, 3), ()), ("dirac_", (2, 4, 3, 2), ()),
     ("dirac_", (6, 2, 2, 3, 1), ()), ("dirac_", (6, 2, 3), (3,)), ("dirac_", (4, 3, 4), (2,))],
)  # fmt: skip
def test_fixed_values_are_pytorchs(name: str, shape: Any, args: Any) -> None:
    torch = pytest.importorskip("torch")
    mine = getattr(init, name)(Tensor(np.full(shape, 7.0)), *args)
    its = getattr(torch.nn.init, name)(torch.full(shape, 7.0, dtype=torch.float64), *args)
    np.testing.assert_array_equal(mine.data, its.numpy())


def test_gains_and_signatures_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    for name in [*init._GAINS, "leaky_relu"]:
        assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    for slope in (0.0, 0.2, 3.0):
        own, its = (m.calculate_gain("leaky_relu", slope) for m in (init, torch.nn.init))
        assert own == pytest.approx(its, rel=1e-15)
    for name in [*RANDOM, *FIXED]:
        own = inspect.signature(getattr(init, name)).parameters
        its = inspect.signature(getattr(torch.nn.init, name)).parameters
        assert [(n, p.default) for n, p in own.items() if n != "rng"] == [
            (n, p.default) for n, p in its.items() if n != "generator"
        ]


def test_gains_by_hand() -> None:
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("tanh") == 5 / 3
    assert init.calculate_gain("leaky_relu", 1) == 1.0


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shape", "options", "error"),
    [
        ("xavier_uniform_", (3,), {}, errors.ShapeError),
        ("kaiming_normal_", (), {}, errors.ShapeError),
        ("orthogonal_", (3,), {}, errors.ShapeError),
        ("eye_", (3,), {}, errors.ShapeError),
        ("dirac_", (3, 3), {}, errors.ShapeError),
        ("dirac_", (3, 3, 3), {"groups": 2}, ValueError),
        ("sparse_", (3, 3, 3), {"sparsity": 0.1}, errors.ShapeError),
        ("sparse_", (3, 3), {"sparsity": 1.1}, ValueError),
        ("kaiming_uniform_", (3, 3), {"mode": "fan"}, ValueError),
        ("kaiming_uniform_", (3, 3), {"nonlinearity": "swish"}, ValueError),
        ("trunc_normal_", (3,), {"a": 2.0, "b": 1.0}, ValueError),
        ("trunc_normal_", (3,), {"std": 0.0}, ValueError),
    ],
)
def test_what_makes_no_sense_changes_nothing(
    name: str, shape: Any, options: Any, error: type[Exception]
) -> None:
    w = Tensor(np.full(shape, 7.0))
    with pytest.raises(error):
        getattr(init, name)(w, **options)
    assert np.all(w.data == 7.0)


def test_values_go_into_leaves_that_can_hold_them() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(errors.InPlaceError):
        init.zeros_(w * 2)
    with pytest.raises(errors.ModuleError, match="layer.weight"):
        init.zeros_(np.zeros(2))  # type: ignore[arg-type]
    with pytest.raises(errors.ModuleError, match="int64"):
        init.constant_(Tensor(np.array([1, 2])), 0.5)
    assert init.ones_(Tensor(np.array([0, 2]))).tolist() == [1, 1]
    assert init.normal_(Tensor(np.zeros((0, 3)))).shape == (0, 3)


def test_a_graph_that_read_the_old_values_is_stale() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True)
    y = (w * w).sum()
    init.zeros_(w)
    with pytest.raises(errors.StaleGraphError):
        y.backward()


def test_a_model_is_initialised_as_in_pytorch() -> None:
    def start(module: nn.Module) -> None:
        if isinstance(module, nn.Linear) and module.bias is not None:
            init.xavier_uniform_(module.weight, nn.init.calculate_gain("tanh"))
            init.zeros_(module.bias)

    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).apply(start)
    assert not np.any(net.state_dict()["0.bias"])
    assert np.abs(net.state_dict()["0.weight"]).max() <= 5 / 3 * math.sqrt(6 / 7)
