"""Dropout: what stays, what is drawn, and who replays it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_bp import Tensor, errors, nn
from tinygrad_bp import functional as F
from tinygrad_bp.gradcheck import check

PLAIN = [nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d]
ALPHA = [nn.AlphaDropout, nn.FeatureAlphaDropout]
SHAPES: dict[Any, tuple[int, ...]] = {
    nn.Dropout: (50, 40),
    nn.Dropout1d: (50, 40, 2),
    nn.Dropout2d: (50, 40, 2, 3),
    nn.Dropout3d: (50, 40, 2, 1, 2),
    nn.AlphaDropout: (50, 40),
    nn.FeatureAlphaDropout: (50, 40, 2, 3),
}
every = pytest.mark.parametrize("layer", PLAIN + ALPHA)


def drawn(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("layer", PLAIN)
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_mean_of_each_element_stays(layer: Any, p: float, rng: np.random.Generator) -> None:
    x = rng.normal(size=SHAPES[layer])
    masks = layer(p, rng=drawn())
    z = (np.mean([masks(x).data for _ in range(100)], axis=0) - x) / np.sqrt(p / (1 - p) / 100)
    assert abs(np.mean(z)) < 0.1
    assert abs(np.std(z) - 1) < 0.1


@pytest.mark.parametrize("p", [0.2, 0.7])
def test_alpha_dropout_keeps_mean_and_variance(p: float, rng: np.random.Generator) -> None:
    y = nn.AlphaDropout(p, rng=drawn())(rng.normal(size=200_000)).data
    assert abs(y.mean()) < 0.01
    assert abs(y.var() - 1) < 0.02


@pytest.mark.parametrize("layer", PLAIN)
def test_what_stays_is_scaled_and_the_rest_is_zero(layer: Any, rng: np.random.Generator) -> None:
    x = rng.uniform(1, 2, SHAPES[layer])
    y = layer(0.25, rng=drawn())(x).data
    kept = y != 0
    np.testing.assert_allclose(y[kept], x[kept] / 0.75, rtol=1e-15)
    assert 0.65 < kept.mean() < 0.85


@pytest.mark.parametrize("layer", [nn.Dropout1d, nn.Dropout2d, nn.Dropout3d])
def test_channels_go_as_a_whole(layer: Any) -> None:
    shape = SHAPES[layer]
    y = layer(0.5, rng=drawn())(np.ones(shape)).data.reshape(*shape[:2], -1)
    assert np.all(y == y[..., :1])
    alone = layer(0.5, rng=drawn())(np.ones((40, *shape[2:]))).data
    if layer is not nn.Dropout2d:  # which takes three axes for (N, C, L), as PyTorch
        assert np.all(alone.reshape(40, -1) == alone.reshape(40, -1)[:, :1])
    assert set(np.unique(alone)) == {0.0, 2.0}


def test_three_axes_of_dropout2d_are_examples_and_channels() -> None:
    y = nn.Dropout2d(rng=drawn())(np.ones((6, 5, 4))).data
    assert np.all(y == y[..., :1])
    assert not np.all(y == y[:, :1])


@every
def test_evaluation_passes_on(layer: Any, rng: np.random.Generator) -> None:
    x = Tensor(rng.normal(size=SHAPES[layer]))
    made = layer(0.5, rng=drawn()).eval()
    before = made.rng.bit_generator.state
    assert made(x) is x
    assert made.rng.bit_generator.state == before


@every
def test_the_same_state_gives_the_same_mask_in_every_dtype(layer: Any) -> None:
    made = layer(0.5, rng=drawn(7))
    x = np.linspace(-1, 1, int(np.prod(SHAPES[layer]))).reshape(SHAPES[layer])
    state = made.rng.bit_generator.state
    first, second = made(x), made(x)
    assert not np.array_equal(first.data, second.data)
    made.rng.bit_generator.state = state
    assert made(x).data.tobytes() == first.data.tobytes()
    made.rng.bit_generator.state = state
    single = made(x.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single.data, first.data, atol=1e-6)


@every
@pytest.mark.parametrize("p", [-0.1, 1.5, float("nan")])
def test_p_is_a_probability(layer: Any, p: float) -> None:
    with pytest.raises(errors.ModuleError, match="from 0 to 1"):
        layer(p)
    with pytest.raises(ValueError, match="from 0 to 1"):
        F.dropout(np.ones(2), p)


@every
def test_all_or_nothing(layer: Any, rng: np.random.Generator) -> None:
    x = rng.normal(size=SHAPES[layer])
    assert layer(0.0)(x).data.tobytes() == x.tobytes()
    assert not np.any(layer(1.0)(x).data)


@every
def test_gradients_go_where_the_output_went(layer: Any, rng: np.random.Generator) -> None:
    shape = (2, 3, *SHAPES[layer][2:])
    made = layer(0.4, rng=drawn())
    before = made.rng.bit_generator.state
    assert check(made, rng.normal(size=shape)).ok
    assert made.rng.bit_generator.state == before


def test_a_model_in_training_passes_the_checker(rng: np.random.Generator) -> None:
    net = nn.Sequential(nn.Linear(3, 8, rng=rng), nn.Tanh(), nn.Dropout(), nn.Linear(8, 2, rng=rng))
    state = dict(net.named_streams())["2.rng"].bit_generator.state
    assert check(net, nn.MSELoss(), (rng.normal(size=(4, 3)), rng.normal(size=(4, 2)))).ok
    assert dict(net.named_streams())["2.rng"].bit_generator.state == state


def test_wrong_numbers_of_axes_are_named() -> None:
    for layer, shape in ((nn.Dropout1d, (3,)), (nn.Dropout2d, (3, 4)), (nn.Dropout3d, (2, 3, 4))):
        with pytest.raises(errors.ShapeError, match=rf"{layer.__name__}\(p=0.5\).* axes"):
            layer()(np.ones(shape))


def test_options_are_shown_and_refused() -> None:
    assert repr(nn.Dropout(0.3, inplace=True)) == "Dropout(p=0.3)"
    with pytest.raises(TypeError, match="Dropout: got an unexpected keyword argument 'q'"):
        nn.Dropout(q=1)  # type: ignore[call-arg]


def test_a_subclass_may_have_an_init_of_its_own() -> None:
    class Half(nn.Dropout):
        temperature: float

        def __init__(self, temperature: float) -> None:
            super().__init__(0.25)
            self.temperature = temperature

    assert repr(Half(2.0)) == "Half(p=0.25)"
    assert Half(2.0).temperature == 2.0
