"""Losses as modules, for people who like to pass them around; the work is in `functional`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY
from typing import Any, ClassVar

from tinygrad_bp import functional as F
from tinygrad_bp.nn.formula import Formula

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CTCLoss",
    "CosineEmbeddingLoss",
    "CrossEntropyLoss",
    "GaussianNLLLoss",
    "HalfSumSquares",
    "HingeEmbeddingLoss",
    "HuberLoss",
    "KLDivLoss",
    "L1Loss",
    "MSELoss",
    "MarginRankingLoss",
    "MultiLabelMarginLoss",
    "MultiLabelSoftMarginLoss",
    "MultiMarginLoss",
    "NLLLoss",
    "PoissonNLLLoss",
    "SmoothL1Loss",
    "SoftMarginLoss",
    "SumSquares",
    "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]


class SumSquares(Formula, function=F.sum_squares, inputs=("output", "target")):
    """The lesson's cost, Σ (a - y)² averaged over examples: `functional.sum_squares`."""


class HalfSumSquares(Formula, function=F.half_sum_squares, inputs=("output", "target")):
    """Half of the lesson's cost: `functional.half_sum_squares`."""


class _Loss(Formula, inputs=("input", "target")):
    """What is reduced to a mean or a sum of losses, or not ("none")."""

    _buffers = ("weight", "pos_weight")
    _reductions: ClassVar[tuple[str, ...]] = ("mean", "sum", "none")

    _: KW_ONLY
    reduction: str = "mean"

    def _check(self) -> None:
        wanted = ", ".join(map(repr, self._reductions))
        self._need(
            self.reduction in self._reductions,
            f"reduction must be one of {wanted}, not {self.reduction!r}",
        )


# --- numbers --------------------------------------------------------------------------------


class MSELoss(_Loss, function=F.mse_loss):
    """The mean of (a - y)² over all elements: `functional.mse_loss`.

    >>> import numpy as np
    >>> MSELoss(reduction="sum")(np.array([0.5, 0.8]), np.array([1.0, 0.0]))
    Tensor(0.89)
    """


class L1Loss(_Loss, function=F.l1_loss):
    """The mean of |a - y|, with slope 0 where they are equal: `functional.l1_loss`."""


class SmoothL1Loss(_Loss, function=F.smooth_l1_loss):
    """The mean of d² / (2 beta) for distances below beta, d - beta / 2 above.

    `functional.smooth_l1_loss`.
    """

    _: KW_ONLY
    beta: float = 1.0

    def _check(self) -> None:
        super()._check()
        self._need(self.beta >= 0, f"beta must not be below 0, and is {self.beta}")


class HuberLoss(_Loss, function=F.huber_loss):
    """The mean of d² / 2 for distances up to delta, delta (d - delta / 2) above.

    `functional.huber_loss`.

    >>> HuberLoss(delta=2.0)([0.5, 3.0], [0.0, 0.0]).item()
    2.0625
    """

    reduction: str = "mean"
    delta: float = 1.0

    def _check(self) -> None:
        super()._check()
        self._need(self.delta > 0, f"delta must be above 0, and is {self.delta}")


class PoissonNLLLoss(
    _Loss,
    function=F.poisson_nll_loss,
    inputs=("log_input", "target"),
):
    """The mean of exp(x) - t x, minus the log-likelihood of counts t at a rate exp(x).

    With `log_input=False` the rate itself is given; `full` adds Stirling's approximation of log t!:
    `functional.poisson_nll_loss`.
    """

    log_input: bool = True
    full: bool = False
    _: KW_ONLY
    eps: float = 1e-8


class GaussianNLLLoss(
    _Loss,
    function=F.gaussian_nll_loss,
    inputs=("input", "target", "var"),
):
    """The mean of (log v + (x - t)² / v) / 2, for variances v: `functional.gaussian_nll_loss`.

    >>> GaussianNLLLoss()([1.0, 2.0], [0.0, 2.0], [1.0, 1.0]).item()
    0.25
    """

    _: KW_ONLY
    full: bool = False
    eps: float = 1e-6

    def _check(self) -> None:
        super()._check()
        self._need(self.eps > 0, f"eps must be above 0, and is {self.eps}")


# --- classes --------------------------------------------------------------------------------


class CrossEntropyLoss(_Loss, function=F.cross_entropy):
    """The mean of -log softmax(logits) at integer labels, or at probabilities of the classes.

    `weight` has a number for each class; labels equal to `ignore_index` do not count, and
    `label_smoothing` is the part of each that is spread over all classes. Logits have shape
    (examples, classes, ...): `functional.cross_entropy`.

    >>> import numpy as np
    >>> CrossEntropyLoss()(np.array([[0.0, 0.0]]), np.array([1]))
    Tensor(0.69314718)
    """

    weight: Any = None
    _: KW_ONLY
    ignore_index: int = -100
    label_smoothing: float = 0.0

    def _check(self) -> None:
        super()._check()
        self._need(
            0 <= self.label_smoothing <= 1,
            f"label_smoothing must be from 0 to 1, and is {self.label_smoothing}",
        )


class NLLLoss(_Loss, function=F.nll_loss):
    """The mean of minus the log-probability at integer labels: `functional.nll_loss`.

    Options as in `CrossEntropyLoss`, of which it is the second half, after `LogSoftmax`.
    """

    weight: Any = None
    _: KW_ONLY
    ignore_index: int = -100


class BCELoss(_Loss, function=F.binary_cross_entropy):
    """The mean of -t log p - (1 - t) log(1 - p): `functional.binary_cross_entropy`.

    `weight` multiplies the losses.
    """

    weight: Any = None


class BCEWithLogitsLoss(_Loss, function=F.binary_cross_entropy_with_logits):
    """The mean of -t log σ(z) - (1 - t) log σ(-z), exact however large the logits z are.

    `weight` multiplies the losses, `pos_weight` their first terms:
    `functional.binary_cross_entropy_with_logits`.

    >>> BCEWithLogitsLoss(pos_weight=[2.0])([0.0], [1.0])
    Tensor(1.38629436)
    """

    weight: Any = None
    _: KW_ONLY
    pos_weight: Any = None


class SoftMarginLoss(_Loss, function=F.soft_margin_loss):
    """The mean of log(1 + exp(-y x)), y being 1 or -1: `functional.soft_margin_loss`."""


class MultiLabelSoftMarginLoss(_Loss, function=F.multilabel_soft_margin_loss):
    """The binary cross-entropy of each label, averaged over the labels, then over examples.

    `weight` has a number for each label: `functional.multilabel_soft_margin_loss`.
    """

    weight: Any = None


class MultiLabelMarginLoss(_Loss, function=F.multilabel_margin_loss):
    """The mean of Σ max(0, 1 - x_j + x_i) / classes over right classes j and wrong ones i.

    `functional.multilabel_margin_loss`.
    """


class MultiMarginLoss(_Loss, function=F.multi_margin_loss):
    """The mean of Σ max(0, margin - x_label + x_i)^p / classes over the wrong classes i.

    `weight` has a number for each class: `functional.multi_margin_loss`.
    """

    p: int = 1
    margin: float = 1.0
    weight: Any = None


class CTCLoss(
    _Loss,
    function=F.ctc_loss,
    inputs=("log_probs", "targets", "input_lengths", "target_lengths"),
):
    """Minus the log-probability that outputs spell labels in any timing: `functional.ctc_loss`.

    Called with logarithms (steps, examples, classes), labels, and the lengths of both.

    >>> import numpy as np
    >>> CTCLoss()(np.log(np.full((1, 1, 2), 0.5)), [[1]], [1], [1])
    Tensor(0.69314718)
    """

    blank: int = 0
    reduction: str = "mean"
    zero_infinity: bool = False


class KLDivLoss(_Loss, function=F.kl_div):
    """The mean of t (log t - x) over elements, x being logarithms: `functional.kl_div`.

    "batchmean" divides the sum by the number of examples, which is the divergence proper.
    """

    _reductions = ("mean", "batchmean", "sum", "none")

    _: KW_ONLY
    log_target: bool = False


# --- pairs and triples ----------------------------------------------------------------------


class MarginRankingLoss(
    _Loss,
    function=F.margin_ranking_loss,
    inputs=("input1", "input2", "target"),
):
    """The mean of max(0, margin - y (x1 - x2)): `functional.margin_ranking_loss`."""

    margin: float = 0.0


class HingeEmbeddingLoss(_Loss, function=F.hinge_embedding_loss):
    """The mean of x where y is 1, and of max(0, margin - x) where it is -1.

    `functional.hinge_embedding_loss`.
    """

    margin: float = 1.0


class CosineEmbeddingLoss(
    _Loss,
    function=F.cosine_embedding_loss,
    inputs=("input1", "input2", "target"),
):
    """The mean of 1 - cos where y is 1, and of max(0, cos - margin) where it is -1.

    `functional.cosine_embedding_loss`.
    """

    margin: float = 0.0


class TripletMarginLoss(
    _Loss,
    function=F.triplet_margin_loss,
    inputs=("anchor", "positive", "negative"),
):
    """The mean of max(0, d(anchor, positive) - d(anchor, negative) + margin), d being a p-norm.

    `functional.triplet_margin_loss`.
    """

    margin: float = 1.0
    p: float = 2.0
    eps: float = 1e-6
    swap: bool = False


class TripletMarginWithDistanceLoss(
    _Loss,
    function=F.triplet_margin_with_distance_loss,
    inputs=("anchor", "positive", "negative"),
):
    """`TripletMarginLoss` with a distance of your own.

    `functional.triplet_margin_with_distance_loss`.
    """

    _: KW_ONLY
    distance_function: Callable[[Any, Any], Any] | None = None
    margin: float = 1.0
    swap: bool = False
