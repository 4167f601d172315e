"""Fractional max-pooling: PyTorch's windows for the same numbers, and a stream of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_bp import Tensor, nn
from tinygrad_bp import functional as F
from tinygrad_bp.errors import ModuleError, ShapeError
from tinygrad_bp.gradcheck import check


def values(*shape: int, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).standard_normal(shape)


@given(st.data())
def test_windows_and_places_are_pytorchs(data):
    torch = pytest.importorskip("torch")

    def number(low: int, high: int) -> int:
        return data.draw(st.integers(low, high))

    axes = number(2, 3)
    lengths = [number(3, 8) for _ in range(axes)]
    kernel = [number(1, n - 2) for n in lengths]
    sizes = [number(1, n - k) for n, k in zip(lengths, kernel, strict=True)]
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    seed = number(0, 1000)
    x = values(2, 3, *lengths, seed=seed).astype(dtype)
    samples = np.random.default_rng(seed).random((2, 3, axes)).astype(dtype)
    theirs, ours = torch.tensor(x, requires_grad=True), Tensor(x, requires_grad=True)
    wanted, at = getattr(torch.nn.functional, f"fractional_max_pool{axes}d")(
        theirs, kernel, sizes, return_indices=True, _random_samples=torch.tensor(samples)
    )
    found, places = getattr(F, f"fractional_max_pool{axes}d")(
        ours, kernel, sizes, None, True, samples
    )
    np.testing.assert_array_equal(found.data, wanted.detach().numpy())
    np.testing.assert_array_equal(places, at.numpy())
    wanted.sum().backward()
    found.sum().backward()
    np.testing.assert_array_equal(ours.grad.data, theirs.grad.numpy())


def test_the_last_window_is_at_the_end_and_all_have_their_size():
    x = np.arange(36.0).reshape(1, 1, 6, 6)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        y = F.fractional_max_pool2d(x, 2, 3, rng=rng).data[0, 0]
        assert y[-1, -1] == 35
        assert (np.diff(y, axis=0) > 0).all()
        assert (np.diff(y, axis=1) > 0).all()


def test_draws_come_from_a_named_stream():
    layer = nn.FractionalMaxPool2d(2, output_ratio=0.5, rng=np.random.default_rng(3))
    assert [name for name, _ in layer.named_streams()] == ["rng"]
    x = values(2, 3, 9, 9)
    again = nn.FractionalMaxPool2d(2, output_ratio=0.5, rng=np.random.default_rng(3))
    first = layer(x)
    np.testing.assert_array_equal(first.data, again(x).data)
    assert (first.data != layer(x).data).any()
    assert first.shape == (2, 3, 4, 4)


def test_gradients_are_those_of_differences():
    layer = nn.FractionalMaxPool2d((2, 3), (3, 2), rng=np.random.default_rng(0))
    assert check(layer, values(2, 2, 6, 7)).ok


def test_samples_may_be_given_and_are_a_buffer():
    samples = np.random.default_rng(0).random((2, 3, 2))
    layer = nn.FractionalMaxPool2d(2, 3, _random_samples=samples)
    assert [*layer.state_dict()] == ["_random_samples"]
    x = values(2, 3, 6, 6)
    np.testing.assert_array_equal(layer(x).data, layer(x).data)
    np.testing.assert_array_equal(layer(x[0]).data, layer(x).data[0])


def test_wrong_options_are_refused():
    with pytest.raises(ModuleError, match="either an output_size or an output_ratio"):
        nn.FractionalMaxPool2d(2)
    with pytest.raises(ModuleError, match="between 0 and 1"):
        nn.FractionalMaxPool3d(2, output_ratio=1.5)
    with pytest.raises(ShapeError, match="do not fit"):
        nn.FractionalMaxPool2d(3, 5)(values(1, 1, 6, 6))
    with pytest.raises(ShapeError, match="random samples"):
        F.fractional_max_pool2d(values(2, 1, 6, 6), 2, 3, _random_samples=np.zeros((1, 1, 2)))
