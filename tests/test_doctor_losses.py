"""The doctor asks a loss what it wants: its kind, and what a guess costs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tinygrad_bp import Tensor, nn, no_grad
from tinygrad_bp import functional as F
from tinygrad_bp.doctor.losses import Kind, baseline_of, kind_of, least_of
from tinygrad_bp.errors import TinygradError

RNG = np.random.default_rng(0)
N, C = 12, 4
SHAPE = (N, C)
LABELS = RNG.integers(0, C, N)
NUMBERS = RNG.normal(size=SHAPE)
YES = (RNG.random(SHAPE) < 0.4).astype(float)
SHARES = RNG.dirichlet(np.ones(C), N)
IMAGES = RNG.integers(0, C, (N, 5))
WEIGHT = np.arange(1.0, C + 1)
LN = math.log(C)
MEAN = F.mse_loss(np.broadcast_to(NUMBERS.mean(axis=0), SHAPE), NUMBERS).item()

LOSSES = [
    (nn.CrossEntropyLoss(), SHAPE, LABELS, Kind.LOGITS, LN),
    (nn.CrossEntropyLoss(reduction="sum"), SHAPE, LABELS, Kind.LOGITS, N * LN),
    (nn.CrossEntropyLoss(weight=WEIGHT, label_smoothing=0.2), SHAPE, LABELS, Kind.LOGITS, None),
    (nn.CrossEntropyLoss(), SHAPE, SHARES, Kind.LOGITS, LN),
    (nn.CrossEntropyLoss(), (N, C, 5), IMAGES, Kind.LOGITS, LN),
    (lambda z, y: 3 * F.cross_entropy(z, y) + 0.1, SHAPE, LABELS, Kind.LOGITS, 3 * LN + 0.1),
    (lambda z, y: -np.log(F.softmax(z, axis=-1)[np.arange(N), y]).mean(), SHAPE, LABELS,
     Kind.LOGITS, LN),
    (nn.NLLLoss(), SHAPE, LABELS, Kind.LOG_PROBABILITIES, LN),
    (nn.NLLLoss(weight=WEIGHT), SHAPE, LABELS, Kind.LOG_PROBABILITIES, LN),
    (nn.BCELoss(), SHAPE, YES, Kind.YES_OR_NO, math.log(2)),
    (nn.BCELoss(), SHAPE, SHARES, Kind.YES_OR_NO, math.log(2)),
    (nn.BCEWithLogitsLoss(), SHAPE, YES, Kind.YES_OR_NO_LOGITS, math.log(2)),
    (nn.BCEWithLogitsLoss(), SHAPE, SHARES, Kind.YES_OR_NO_LOGITS, math.log(2)),
    (nn.BCEWithLogitsLoss(pos_weight=[3.0]), SHAPE, YES, Kind.YES_OR_NO_LOGITS, None),
    (nn.MultiLabelSoftMarginLoss(), SHAPE, YES, Kind.YES_OR_NO_LOGITS, math.log(2)),
    (nn.MSELoss(), SHAPE, NUMBERS, Kind.DISTANCE, MEAN),
    (nn.MSELoss(reduction="sum"), SHAPE, NUMBERS, Kind.DISTANCE, N * C * MEAN),
    (nn.SumSquares(), SHAPE, NUMBERS, Kind.DISTANCE, C * MEAN),
    (nn.HalfSumSquares(), SHAPE, NUMBERS, Kind.DISTANCE, C * MEAN / 2),
    *((loss, SHAPE, y, Kind.DISTANCE, None)
      for loss in (nn.MSELoss(), nn.L1Loss(), nn.HuberLoss(), nn.SmoothL1Loss())
      for y in (NUMBERS, YES, SHARES)),
    *((loss, SHAPE, y, Kind.OTHER, None)
      for loss, y in (
          (nn.PoissonNLLLoss(), np.round(3 * np.abs(NUMBERS))),
          (nn.KLDivLoss(), SHARES),
          (nn.SoftMarginLoss(), 2 * YES - 1),
          (nn.HingeEmbeddingLoss(), 2 * YES - 1),
          (nn.MultiMarginLoss(), LABELS),
          (nn.MultiMarginLoss(p=2), LABELS),
          (nn.MultiLabelMarginLoss(), np.tile([0, 2, -1, -1], (N, 1))),
          (lambda z, y: -F.cross_entropy(z, y), LABELS),
      )),
]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("loss", "shape", "y", "kind", "guess"), LOSSES)
def test_its_kind_and_what_a_guess_costs(
    loss: Any, *, shape: Any, y: Any, kind: Kind, guess: float | None, dtype: Any
) -> None:
    def value(z: Any) -> float:
        try:
            with no_grad(), np.errstate(all="ignore"):
                return float(loss(Tensor(np.asarray(z, dtype)), y).item())
        except TinygradError:
            return math.nan

    assert kind_of(value, shape, y) == kind
    if guess is not None:
        assert baseline_of(kind, value, shape, y) == pytest.approx(guess, rel=1e-5)


def _entropy(shares: Any) -> float:
    return float(-(shares * np.log(shares)).sum())


SMOOTHED = np.array([1 - 0.4 + 0.4 / C, *[0.4 / C] * (C - 1)])
LOWEST = [
    (nn.CrossEntropyLoss(), LABELS, 0.0),
    (nn.CrossEntropyLoss(label_smoothing=0.4), LABELS, _entropy(SMOOTHED)),
    (nn.CrossEntropyLoss(), SHARES, _entropy(SHARES) / N),
    (nn.BCELoss(), SHARES, (_entropy(SHARES) + _entropy(1 - SHARES)) / (N * C)),
    (nn.BCEWithLogitsLoss(), SHARES, (_entropy(SHARES) + _entropy(1 - SHARES)) / (N * C)),
    (nn.BCEWithLogitsLoss(), YES, 0.0),
    (nn.MSELoss(), NUMBERS, 0.0),
]


@pytest.mark.parametrize(("loss", "y", "least"), LOWEST)
def test_the_lowest_loss_is_the_entropy_of_the_labels(loss: Any, y: Any, least: float) -> None:
    def value(z: Any) -> float:
        try:
            return float(loss(Tensor(z), y).item())
        except TinygradError:
            return math.nan

    found = least_of(kind_of(value, SHAPE, y), value, SHAPE, y)
    assert math.isclose(found, least, rel_tol=0.02, abs_tol=1e-5)
