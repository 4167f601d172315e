"""Training on arrays of another library: every layer, every loss, every optimiser."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from foreign_cases import STRICT, compare_training, held
from layer_cases import LAYERS, made
from quick import some_quick
from strict import Strict

from tinygrad_bp import Tensor, nn, optim
from tinygrad_bp.errors import ModuleError, OptimizerError


def floats(*shape: int) -> Any:
    return np.random.default_rng(len(shape)).uniform(0.1, 0.9, shape)


def whole(*shape: int, below: int = 3) -> Any:
    return np.random.default_rng(1).integers(0, below, shape)


SIGNS = 2.0 * whole(4, below=2) - 1
SEQUENCE, MEMORY = floats(3, 4, 8), floats(5, 4, 8)
X, Y = floats(4, 6), floats(6, 4).T
VOLUME, IMAGE, SERIES = floats(4, 2, 5, 6, 4), floats(4, 4, 8, 7), floats(4, 4, 9)
BLOCK = (8, 2, 12, 0.0)

MORE: dict[str, tuple[nn.Module, tuple[Any, ...]]] = {
    "MLP": (nn.MLP(6, 5, 3), (X,)),
    "Sequential": (nn.Sequential(nn.Linear(6, 3), nn.ReLU()), (X,)),
    "Bilinear": (nn.Bilinear(6, 6, 2), (X, Y)),
    "Embedding": (nn.Embedding(3, 2), (whole(4, 5),)),
    "EmbeddingBag": (nn.EmbeddingBag(3, 2), (whole(4, 5),)),
    "MultiheadAttention": (nn.MultiheadAttention(8, 2), (SEQUENCE, MEMORY, MEMORY)),
    "TransformerEncoder": (
        nn.TransformerEncoder(nn.TransformerEncoderLayer(*BLOCK), 2), (SEQUENCE,)),
    "TransformerDecoderLayer": (nn.TransformerDecoderLayer(*BLOCK), (SEQUENCE, MEMORY)),
    "TransformerDecoder": (
        nn.TransformerDecoder(nn.TransformerDecoderLayer(*BLOCK), 2), (SEQUENCE, MEMORY)),
    "Transformer": (nn.Transformer(8, 2, 1, 1, 12, 0.0), (MEMORY, SEQUENCE)),
    "CosineSimilarity": (nn.CosineSimilarity(), (X, Y)),
    "PairwiseDistance": (nn.PairwiseDistance(), (X, Y)),
    "Fold": (nn.Fold((4, 5), 2), (floats(4, 8, 12),)),
    "FractionalMaxPool2d": (nn.FractionalMaxPool2d(2, 3), (IMAGE,)),
    "FractionalMaxPool3d": (nn.FractionalMaxPool3d(2, 2), (VOLUME,)),
    "LPPool1d": (nn.LPPool1d(2, 2), (SERIES,)),
    "LPPool3d": (nn.LPPool3d(2, 2), (VOLUME,)),
    "InstanceNorm3d": (nn.InstanceNorm3d(2, affine=True), (VOLUME,)),
    "UpsamplingNearest2d": (nn.UpsamplingNearest2d(scale_factor=2), (IMAGE,)),
    "UpsamplingBilinear2d": (nn.UpsamplingBilinear2d(scale_factor=2), (IMAGE,)),
    **{f"{kind}Pad{axes}d": (getattr(nn, f"{kind}Pad{axes}d")(1, *more), (inputs,))
       for kind, more in (("Circular", ()), ("Constant", (2.0,)), ("Reflection", ()),
                          ("Replication", ()), ("Zero", ()))
       for axes, inputs in ((1, SERIES), (2, IMAGE), (3, VOLUME))},
    "Dropout1d": (nn.Dropout1d(), (SERIES,)),
    "Dropout3d": (nn.Dropout3d(), (VOLUME,)),
    "FeatureAlphaDropout": (nn.FeatureAlphaDropout(), (IMAGE,)),
    "BCELoss": (nn.BCELoss(), (X, Y)),
    "BCEWithLogitsLoss": (nn.BCEWithLogitsLoss(), (X, Y)),
    "CosineEmbeddingLoss": (nn.CosineEmbeddingLoss(), (X, Y, SIGNS)),
    "CrossEntropyLoss": (nn.CrossEntropyLoss(), (X, whole(4))),
    "CrossEntropyLoss of shares": (nn.CrossEntropyLoss(), (X, Y / Y.sum(axis=1, keepdims=True))),
    "CrossEntropyLoss smoothed": (
        nn.CrossEntropyLoss(label_smoothing=0.1, ignore_index=1), (X, whole(4))),
    "GaussianNLLLoss": (nn.GaussianNLLLoss(), (X, Y, Y)),
    "HalfSumSquares": (nn.HalfSumSquares(), (X, Y)),
    "HingeEmbeddingLoss": (nn.HingeEmbeddingLoss(), (X[:, 0], SIGNS)),
    "HuberLoss": (nn.HuberLoss(), (X, Y)),
    "KLDivLoss": (nn.KLDivLoss(), (X, Y)),
    "L1Loss": (nn.L1Loss(), (X, Y)),
    "MSELoss": (nn.MSELoss(), (X, Y)),
    "MarginRankingLoss": (nn.MarginRankingLoss(), (X[:, 0], Y[:, 0], SIGNS)),
    "MultiLabelMarginLoss": (nn.MultiLabelMarginLoss(), (X, whole(4, 6) - 1)),
    "MultiLabelSoftMarginLoss": (nn.MultiLabelSoftMarginLoss(), (X, 1.0 * (Y > 0.5))),
    "MultiMarginLoss": (nn.MultiMarginLoss(), (X, whole(4))),
    "NLLLoss": (nn.NLLLoss(), (X, whole(4))),
    "PoissonNLLLoss": (nn.PoissonNLLLoss(), (X, Y)),
    "SmoothL1Loss": (nn.SmoothL1Loss(), (X, Y)),
    "SoftMarginLoss": (nn.SoftMarginLoss(), (X[:, 0], SIGNS)),
    "SumSquares": (nn.SumSquares(), (X, Y)),
    "TripletMarginLoss": (nn.TripletMarginLoss(), (X, Y, X[::-1])),
    "TripletMarginWithDistanceLoss": (nn.TripletMarginWithDistanceLoss(), (X, Y, X[::-1])),
}  # fmt: skip
ALONE = {"Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList"}
"""These are not called."""
BY_VALUES = {"CTCLoss", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d"}
"""What these calculate depends on values that an array elsewhere cannot tell: lengths, places."""


@pytest.mark.parametrize("name", some_quick(LAYERS, 4))
def test_layers_learn_elsewhere_what_they_learn_here(name: str) -> None:
    layer, shape = made(name, np.float64)
    inputs = np.random.default_rng(3).standard_normal(shape)
    compare_training(layer.train(), [inputs], STRICT)


@pytest.mark.parametrize("name", MORE)
def test_and_so_do_models_and_losses(name: str) -> None:
    model, inputs = MORE[name]
    compare_training(model, inputs, STRICT)


def test_no_layer_is_forgotten() -> None:
    kinds = {name for name in nn.__all__ if hasattr(getattr(nn, name), "forward")}
    seen = {kind.__name__ for kind, *_ in LAYERS.values()}
    seen |= {type(model).__name__ for model, _ in MORE.values()}
    assert kinds == seen | ALONE | BY_VALUES


@pytest.mark.parametrize(
    "kind", ["Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop"]
)
def test_optimisers_take_the_same_steps(kind: str) -> None:
    start = np.array([1.0, -2.0, 3.0])
    found = []
    for p in (Tensor(start, requires_grad=True), Tensor(Strict(start), requires_grad=True)):
        optimizer = getattr(optim, kind)([p], lr=0.1)
        for _ in range(7):  # Adam's relative with a rectified start changes its formula at 6
            optimizer.zero_grad()
            np.sum(p**4).backward()
            optimizer.step()
        found.append(p)
    np.testing.assert_allclose(held(found[1], STRICT), found[0].data, rtol=1e-12)


def test_padding_gets_no_gradient_where_nobody_sees_it() -> None:
    table = nn.Embedding(3, 2, padding_idx=1).to(Strict)
    np.sum(table(Strict(np.array([0, 1, 1])))).backward()
    assert table.weight.grad is not None
    assert held(table.weight.grad, STRICT).tolist() == [[1, 1], [0, 0], [0, 0]]


def test_a_gradient_of_zeros_is_clipped_to_zeros() -> None:
    dead, alive = (Tensor(Strict([1.0, 2.0]), requires_grad=True) for _ in range(2))
    (np.sum(dead * 0.0) + np.sum(alive**2)).backward()
    optim.clip_grad_norm_([dead, alive], 1.0)
    assert dead.grad is not None
    assert alive.grad is not None
    assert held(dead.grad, STRICT).tolist() == [0.0, 0.0]
    np.testing.assert_allclose(held(alive.grad, STRICT), np.array([2, 4]) / 20**0.5, rtol=1e-6)


def test_complex_parameters_stay_here() -> None:
    p = Tensor(Strict([1.0 + 1.0j]), requires_grad=True)
    np.real(np.sum(p)).backward()
    with pytest.raises(OptimizerError, match="parameter 0' is complex"):
        optim.SGD([p], lr=0.1).step()


def test_a_model_may_be_here_in_part() -> None:
    here, there = Tensor(2.0, requires_grad=True), Tensor(Strict([2.0]), requires_grad=True)
    (here**2).backward()
    np.sum(there**2).backward()
    optim.SGD([here, there], lr=0.25).step()
    assert here.tolist() == held(there, STRICT).item() == 1.0
    assert type(here.data) is np.ndarray


def test_a_line_search_would_look_at_values() -> None:
    p = Tensor(Strict([1.0, 2.0]), requires_grad=True)
    with pytest.raises(OptimizerError, match="LBFGS goes by the values"):
        optim.LBFGS([p]).step(lambda: np.sum(p**2))


def test_gradients_are_clipped() -> None:
    found = []
    for p in (Tensor(SIGNS, requires_grad=True), Tensor(Strict(SIGNS), requires_grad=True)):
        np.sum(p**4).backward()
        optim.clip_grad_norm_([p], 0.5)
        optim.clip_grad_value_([p], 0.2)
        assert p.grad is not None
        found.append(p.grad)
    np.testing.assert_allclose(held(found[1], STRICT), found[0].data, rtol=1e-12)


def test_a_model_comes_back_and_is_copied_where_it_is() -> None:
    model = nn.Linear(3, 2)
    weight = model.weight.data.copy()
    model.to(Strict)
    assert isinstance(copy.deepcopy(model).weight.data, Strict)
    with pytest.raises(ModuleError, match="'weight' is a Strict .* Move the model back first"):
        model.state_dict()
    model.to(lambda array: array.held)
    np.testing.assert_array_equal(model.state_dict()["weight"], weight)
    with pytest.raises(ModuleError, match=r"of float32 \(2, 3\), it made float64 \(2, 3\)"):
        model.to(lambda array: array.astype(float))


def test_a_gradient_that_is_elsewhere_moves_no_weight() -> None:
    w = Tensor([1.0, 2.0], requires_grad=True, name="w")
    w.grad = Tensor(Strict([1.0, 1.0]))
    with pytest.raises(OptimizerError, match="gradient of 'w' is a strict Strict.* numpy ndarray"):
        optim.SGD([w], lr=0.1).step()
    assert w.tolist() == [1.0, 2.0]
