"""Layers that reshape, enlarge and compare: PyTorch's shapes, values and gradients."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from twins import assert_twins

from tinygrad_bp import errors, nn

CASES: list[tuple[str, tuple[Any, ...], dict[str, Any], list[tuple[int, ...]]]] = [
    ("Flatten", (), {}, [(2, 3, 4), (2, 3), (0, 3, 2), (2, 0, 3), (2, 3, 4, 5)]),
    ("Flatten", (0,), {}, [(2, 3, 4), (3,)]),
    ("Flatten", (0, 1), {}, [(2, 3, 4, 5), (2, 3)]),
    ("Flatten", (-3, -2), {}, [(2, 3, 4, 5)]),
    ("Unflatten", (1, (2, 3)), {}, [(4, 6), (4, 6, 2)]),
    ("Unflatten", (-1, [3, -1]), {}, [(4, 6), (0, 6), (6,)]),
    ("Upsample", (), {"scale_factor": 2}, [(2, 3, 4), (2, 3, 4, 2)]),
    ("Upsample", (5,), {}, [(2, 3, 4), (2, 3, 4, 2), (1, 2, 2, 3, 2)]),
    ("Upsample", ((5, 3), None, "bilinear", True), {}, [(2, 3, 4, 2)]),
    ("Upsample", (), {"scale_factor": 1.7, "mode": "linear"}, [(2, 3, 4)]),
    ("Upsample", (), {"scale_factor": (1.5, 2.0), "mode": "bicubic"}, [(2, 3, 4, 5)]),
    ("UpsamplingNearest2d", (), {"scale_factor": 2}, [(2, 3, 4, 2)]),
    ("UpsamplingBilinear2d", ((3, 5),), {}, [(2, 3, 4, 2)]),
    ("PixelShuffle", (2,), {}, [(2, 8, 3, 2), (4, 3, 2), (2, 1, 4, 1, 1)]),
    ("PixelUnshuffle", (3,), {}, [(2, 2, 3, 6), (2, 6, 3)]),
    ("ChannelShuffle", (3,), {}, [(2, 6, 2, 2), (2, 3, 1, 2)]),
]
PAIRS: list[tuple[str, tuple[Any, ...], dict[str, Any], list[tuple[int, ...]]]] = [
    ("CosineSimilarity", (), {}, [(4, 3), (2, 3, 4)]),
    ("CosineSimilarity", (-1, 0.5), {}, [(4, 3), (3,)]),
    ("PairwiseDistance", (), {}, [(4, 3), (3,)]),
    ("PairwiseDistance", (1.0,), {"keepdim": True, "eps": 0.01}, [(4, 3), (2, 4, 3)]),
]


@pytest.mark.parametrize(("name", "args", "options", "shapes"), CASES)
def test_layers_are_pytorchs(
    name: str, args: Any, options: Any, shapes: Any, rng: np.random.Generator
) -> None:
    torch = pytest.importorskip("torch")
    for shape in shapes:
        theirs = getattr(torch.nn, name)(*args, **options)
        assert_twins(getattr(nn, name)(*args, **options), theirs, rng.normal(size=shape))


@pytest.mark.parametrize(("name", "args", "options", "shapes"), PAIRS)
def test_comparisons_are_pytorchs(
    name: str, args: Any, options: Any, shapes: Any, rng: np.random.Generator
) -> None:
    torch = pytest.importorskip("torch")
    for shape in shapes:
        theirs = getattr(torch.nn, name)(*args, **options)
        inputs = rng.normal(size=(2, *shape))
        assert_twins(getattr(nn, name)(*args, **options), theirs, *inputs)


def test_signatures_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    for name in {name for name, *_ in [*CASES, *PAIRS]}:
        own, its = (inspect.signature(getattr(m, name)).parameters for m in (nn, torch.nn))
        assert {n: p.default for n, p in own.items()} == {n: p.default for n, p in its.items()}


def test_rows_are_kept_in_order() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    y = nn.Flatten()(x)
    assert y.tolist() == x.reshape(2, 12).tolist()
    assert nn.Unflatten(1, (3, -1))(y).tolist() == x.tolist()
    image = np.arange(16.0).reshape(1, 4, 2, 2)
    assert nn.PixelUnshuffle(2)(nn.PixelShuffle(2)(image)).tolist() == image.tolist()


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Flatten(), (3,)),
        (nn.Flatten(2, 1), (2, 3, 4)),
        (nn.Unflatten(2, (2, 2)), (3, 4)),
        (nn.Unflatten(1, (2, 3)), (3, 4)),
        (nn.Unflatten(1, (3, -1)), (3, 4)),
        (nn.UpsamplingNearest2d(2), (2, 3, 4)),
        (nn.Upsample(2, mode="bilinear"), (2, 3, 4)),
        (nn.PixelShuffle(2), (1, 3, 2, 2)),
        (nn.PixelUnshuffle(2), (1, 1, 3, 2)),
        (nn.ChannelShuffle(2), (1, 3, 2)),
        (nn.PixelShuffle(2), (4, 2)),
        (nn.ChannelShuffle(2), (4,)),
    ],
)
def test_shapes_that_do_not_fit_name_the_layer(layer: nn.Module, shape: Any) -> None:
    with pytest.raises(errors.ShapeError, match=rf"^0 = {type(layer).__name__}\("):
        nn.Sequential(layer)(np.ones(shape))


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Unflatten(1, ()),
        lambda: nn.Unflatten(1, (-1, -1)),
        nn.Upsample,
        lambda: nn.Upsample(2, 2),
        lambda: nn.Upsample(2, mode="cubic"),
        lambda: nn.PixelShuffle(0),
        lambda: nn.PixelUnshuffle(0),
        lambda: nn.ChannelShuffle(0),
    ],
)
def test_bad_options_are_refused_when_the_layer_is_made(make: Any) -> None:
    with pytest.raises(errors.ModuleError):
        make()
