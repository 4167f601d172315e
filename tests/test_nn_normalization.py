"""Normalisation layers against PyTorch's, by hand, and under the checker."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from twins import assert_twins

from tinygrad_bp import Tensor, errors, nn
from tinygrad_bp.gradcheck import check

BATCH_SHAPES = {1: [(5, 3), (4, 3, 6)], 2: [(4, 3, 2, 5)], 3: [(2, 3, 2, 1, 2)]}
INSTANCE_SHAPES = {1: [(4, 3, 6), (3, 6)], 2: [(4, 3, 2, 5), (3, 2, 5)], 3: [(2, 3, 2, 1, 2)]}
RUNNING = [
    (f"{kind}Norm{axes}d", shape)
    for kind, shapes in (("Batch", BATCH_SHAPES), ("Instance", INSTANCE_SHAPES))
    for axes, several in shapes.items()
    for shape in several
]
OPTIONS: list[dict[str, Any]] = [
    {"affine": affine, "track_running_stats": track, "momentum": momentum, "eps": eps}
    for (affine, track), (momentum, eps) in itertools.product(
        itertools.product([True, False], repeat=2), [(0.1, 1e-5), (None, 0.01), (1.0, 1e-3)]
    )
]


def pair(name: str, *args: Any, **options: Any) -> tuple[nn.Module, Any]:
    """The layer of ours and PyTorch's, which has weights that are not all ones."""
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, name)(*args, **options).double()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for p in theirs.parameters():
            p.uniform_(-1, 1, generator=generator)
    return getattr(nn, name)(*args, **options, dtype=float), theirs


@pytest.mark.parametrize(("name", "shape"), RUNNING)
@pytest.mark.parametrize("options", OPTIONS)
def test_running_norms_are_pytorchs(
    name: str, shape: tuple[int, ...], options: Any, rng: np.random.Generator
) -> None:
    ours, theirs = pair(name, 3, **options)
    for _ in range(3):
        assert_twins(ours, theirs, rng.normal(1, 2, shape))
    theirs.eval()
    assert_twins(ours, theirs, rng.normal(1, 2, shape))
    theirs.train()
    assert_twins(ours, theirs, rng.normal(-1, 2, shape))


@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("LayerNorm", {"normalized_shape": 6}, (4, 6)),
        ("LayerNorm", {"normalized_shape": (3, 4), "eps": 0.1}, (2, 5, 3, 4)),
        ("LayerNorm", {"normalized_shape": [4], "bias": False}, (2, 3, 4)),
        ("LayerNorm", {"normalized_shape": 4, "elementwise_affine": False}, (4,)),
        ("RMSNorm", {"normalized_shape": 6}, (4, 6)),
        ("RMSNorm", {"normalized_shape": (3, 4), "eps": 0.1}, (5, 3, 4)),
        ("RMSNorm", {"normalized_shape": 4, "elementwise_affine": False}, (2, 4)),
        ("GroupNorm", {"num_groups": 2, "num_channels": 6}, (3, 6)),
        ("GroupNorm", {"num_groups": 3, "num_channels": 6, "eps": 0.1}, (3, 6, 2, 5)),
        ("GroupNorm", {"num_groups": 1, "num_channels": 4, "affine": False}, (3, 4, 5)),
    ],
)
def test_norms_of_examples_are_pytorchs(
    name: str, arguments: Any, shape: Any, rng: np.random.Generator
) -> None:
    ours, theirs = pair(name, **arguments)
    assert_twins(ours, theirs, rng.normal(1, 2, shape))


@pytest.mark.parametrize("shape", [(3, 7, 4), (2, 5, 3, 3)])
@pytest.mark.parametrize("options", [{}, {"alpha": 0.5, "beta": 0.3, "k": 2.0}])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_local_response_norm_is_pytorchs(
    size: int, options: Any, shape: Any, rng: np.random.Generator
) -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.nn.LocalResponseNorm(size, **options)
    assert_twins(nn.LocalResponseNorm(size, **options), theirs, rng.normal(size=shape))


# --- by hand ----------------------------------------------------------------------------------


def test_batch_norm_by_hand(rng: np.random.Generator) -> None:
    x = rng.normal(3, 2, (10, 2))
    layer = nn.BatchNorm1d(2, dtype=float)
    y = layer(x)
    mean, variance = x.mean(0), x.var(0)
    np.testing.assert_allclose(y.data, (x - mean) / np.sqrt(variance + 1e-5), rtol=1e-12)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    np.testing.assert_allclose(layer.running_mean.data, 0.1 * mean, rtol=1e-14)
    np.testing.assert_allclose(layer.running_var.data, 0.9 + 0.1 * variance * 10 / 9, rtol=1e-14)
    assert layer.state_dict()["num_batches_tracked"] == 1
    assert layer.state_dict()["num_batches_tracked"].dtype == np.int64


def test_without_a_momentum_the_running_mean_is_that_of_all(rng: np.random.Generator) -> None:
    layer = nn.BatchNorm1d(2, momentum=None, dtype=float)
    batches = rng.normal(size=(7, 5, 2))
    for batch in batches:
        layer(batch)
    assert layer.running_mean is not None
    np.testing.assert_allclose(layer.running_mean.data, batches.mean((0, 1)), rtol=1e-12)
    layer.reset_running_stats()
    assert layer.state_dict()["num_batches_tracked"] == 0
    assert layer.running_mean.tolist() == [0.0, 0.0]


def test_evaluation_moves_nothing_and_is_of_what_was_seen(rng: np.random.Generator) -> None:
    layer = nn.BatchNorm2d(3)
    layer(rng.normal(size=(4, 3, 2, 2)).astype(np.float32))
    before = layer.state_dict()
    alone = layer.eval()(np.ones((1, 3, 1, 1), np.float32))
    assert alone.shape == (1, 3, 1, 1)
    assert alone.dtype == np.float32
    assert all(before[name].tobytes() == v.tobytes() for name, v in layer.state_dict().items())


def test_a_pass_after_more_batches_is_not_stale(rng: np.random.Generator) -> None:
    layer = nn.BatchNorm1d(2, dtype=float)
    x = Tensor(rng.normal(size=(5, 2)), requires_grad=True)
    first = layer(x).sum() + layer.eval()(x).sum()
    layer.train()(rng.normal(size=(5, 2)))
    second = layer.eval()(x).sum()
    layer.train()(x)
    first.backward()
    slope = x.grad.data.copy() if x.grad is not None else None
    assert slope is not None
    second.backward()


# --- what holds them --------------------------------------------------------------------------


@pytest.mark.slow
def test_a_model_in_training_passes_the_checker_and_is_left_alone(
    rng: np.random.Generator,
) -> None:
    net = nn.Sequential(
        nn.Linear(3, 4, rng=rng), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(0.25), nn.Linear(4, 2)
    )
    x, labels = rng.normal(size=(6, 3)), rng.integers(0, 2, 6)
    net(x)
    before = net.state_dict()
    report = check(net, nn.CrossEntropyLoss(), (x, labels))
    assert report.ok, str(report)
    assert check(lambda x: nn.CrossEntropyLoss()(net(x), labels), x).ok
    assert check(lambda net, x: nn.CrossEntropyLoss()(net(x), labels), net, x).ok
    assert all(before[name].tobytes() == v.tobytes() for name, v in net.state_dict().items())


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.BatchNorm2d(2, dtype=float), (2, 2, 2, 1)),
        (nn.InstanceNorm1d(2, affine=True, track_running_stats=True), (2, 2, 3)),
        (nn.LayerNorm(3), (2, 3)),
        (nn.RMSNorm(3), (2, 3)),
        (nn.GroupNorm(2, 4), (2, 4, 2)),
        (nn.LocalResponseNorm(3, alpha=0.5), (2, 4, 2)),
    ],
)
def test_the_checker_confirms_each(layer: Any, shape: Any, rng: np.random.Generator) -> None:
    assert check(layer, rng.normal(size=shape)).ok


@pytest.mark.parametrize(
    ("layer", "shape", "wanted"),
    [
        (nn.BatchNorm1d(3), (5, 4), "(N, 3) or (N, 3, L), got (5, 4)"),
        (nn.BatchNorm1d(3), (5, 3, 2, 2), "(N, 3) or (N, 3, L), got (5, 3, 2, 2)"),
        (nn.BatchNorm2d(3), (5, 3), "(N, 3, H, W), got (5, 3)"),
        (nn.BatchNorm3d(3), (5, 4, 2, 2, 2), "(N, 3, D, H, W), got (5, 4, 2, 2, 2)"),
        (nn.InstanceNorm2d(3), (2, 2), "(N, 3, H, W) or (3, H, W), got (2, 2)"),
        (nn.LayerNorm((3, 4)), (4, 3), "(..., 3, 4), got (4, 3)"),
        (nn.RMSNorm(4), (), "(..., 4), got ()"),
        (nn.GroupNorm(2, 4), (2, 3), "(N, 4, ...), got (2, 3)"),
    ],
)
def test_wrong_shapes_are_named(layer: nn.Module, shape: Any, wanted: str) -> None:
    with pytest.raises(errors.ShapeError) as raised:
        nn.Sequential(layer)(np.ones(shape))
    assert str(raised.value).startswith(f"0 = {type(layer).__name__}(")
    assert str(raised.value).endswith(f"expects {wanted}")


def test_one_value_a_channel_has_no_variance() -> None:
    for layer, shape in ((nn.BatchNorm1d(3), (1, 3)), (nn.InstanceNorm1d(3), (4, 3, 1))):
        with pytest.raises(errors.ShapeError, match="one value a channel"):
            layer(np.ones(shape))
    seen = nn.BatchNorm1d(3)
    with pytest.raises(errors.ShapeError):
        seen(np.ones((1, 3)))
    assert seen.state_dict()["num_batches_tracked"] == 0


def test_bad_options_are_refused_when_the_layer_is_made() -> None:
    for make in (
        lambda: nn.GroupNorm(2, 5),
        lambda: nn.GroupNorm(0, 4),
        lambda: nn.BatchNorm1d(0),
        lambda: nn.LocalResponseNorm(0),
    ):
        with pytest.raises(errors.ModuleError):
            make()


def test_what_is_not_the_default_is_shown() -> None:
    assert repr(nn.BatchNorm2d(3)) == "BatchNorm2d(3)"
    assert repr(nn.BatchNorm2d(3, momentum=None)) == "BatchNorm2d(3, momentum=None)"
    assert repr(nn.InstanceNorm1d(3, affine=True)) == "InstanceNorm1d(3, affine=True)"
    assert repr(nn.LocalResponseNorm(2)) == "LocalResponseNorm(size=2)"


def test_a_bias_may_be_left_out() -> None:
    assert "bias" not in nn.BatchNorm1d(2, bias=False).state_dict()
    assert list(nn.GroupNorm(1, 2, bias=False).state_dict()) == ["weight"]


@pytest.mark.parametrize("training", [True, False])
def test_an_empty_batch_moves_nothing_but_the_count(training):
    layer = nn.BatchNorm2d(3).double()
    layer(np.random.default_rng(0).standard_normal((4, 3, 2, 2)))
    before = layer.state_dict()
    x = Tensor(np.zeros((0, 3, 2, 2)), requires_grad=True)
    y = layer.train(training)(x)
    y.sum().backward()
    assert y.shape == x.grad.shape == (0, 3, 2, 2)
    assert layer.weight.grad.tolist() == [0, 0, 0]
    after = layer.state_dict()
    assert after.pop("num_batches_tracked") == before.pop("num_batches_tracked") + training
    for name, value in after.items():
        np.testing.assert_array_equal(value, before[name])
