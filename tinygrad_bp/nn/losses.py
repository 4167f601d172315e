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
    """The lesson's cost, Σ (a - y)² averaged over examples: `functional.sum_squares`.

    Outputs and targets are arrays (examples, outputs), or (outputs,) for one example.

    >>> import numpy as np
    >>> SumSquares()(np.array([[1.0, 2.0], [0.0, 0.0]]), np.zeros((2, 2)))  # (1 + 4 + 0 + 0) / 2
    Tensor(2.5)
    """


class HalfSumSquares(Formula, function=F.half_sum_squares, inputs=("output", "target")):
    """Half of the lesson's cost, so that its slope is a - y: `functional.half_sum_squares`.

    >>> import numpy as np
    >>> HalfSumSquares()(np.array([[1.0, 2.0], [0.0, 0.0]]), np.zeros((2, 2)))
    Tensor(1.25)
    """


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
    """The mean of |a - y|, with slope 0 where they are equal: `functional.l1_loss`.

    >>> L1Loss()([1.0, 5.0], [0.0, 2.0]), L1Loss(reduction="none")([1.0, 5.0], [0.0, 2.0])
    (Tensor(2.), Tensor([1., 3.]))
    """


class SmoothL1Loss(_Loss, function=F.smooth_l1_loss):
    """The mean of d² / (2 beta) for distances below beta, d - beta / 2 above.

    A parabola where it is close and a line far away, of slope 1 whatever beta is; for beta 0 it is
    `L1Loss`. `functional.smooth_l1_loss`.

    >>> SmoothL1Loss(reduction="none")([0.5, 3.0], [0.0, 0.0])
    Tensor([0.125, 2.5  ])
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

    >>> PoissonNLLLoss(log_input=False)([3.0], [2.0]).item()  # 3 - 2 log 3
    0.8027754...
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

    >>> import numpy as np
    >>> probabilities = np.array([[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]])
    >>> NLLLoss(reduction="none")(np.log(probabilities), [0, 1])
    Tensor([0.69314718, 0.22314355])
    """

    weight: Any = None
    _: KW_ONLY
    ignore_index: int = -100


class BCELoss(_Loss, function=F.binary_cross_entropy):
    """The mean of -t log p - (1 - t) log(1 - p): `functional.binary_cross_entropy`.

    p are probabilities, t from 0 to 1 and in their shape; `weight` multiplies the losses.
    Logarithms are cut off at -100, so a certain error costs 100 rather than infinity. For logits,
    `BCEWithLogitsLoss` is exact.

    >>> BCELoss(reduction="none")([0.5, 0.9, 0.0], [1.0, 1.0, 1.0])
    Tensor([  0.69314718,   0.10536052, 100.        ])
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
    """The mean of log(1 + exp(-y x)), y being 1 or -1: `functional.soft_margin_loss`.

    >>> SoftMarginLoss(reduction="none")([0.0, 3.0, 3.0], [1.0, 1.0, -1.0]).data.round(4)
    array([0.6931, 0.0486, 3.0486])
    """


class MultiLabelSoftMarginLoss(_Loss, function=F.multilabel_soft_margin_loss):
    """The binary cross-entropy of each label, averaged over the labels, then over examples.

    Inputs are logits (examples, labels), targets 0 or 1 in their shape; `weight` has a number for
    each label: `functional.multilabel_soft_margin_loss`.

    >>> MultiLabelSoftMarginLoss(reduction="none")([[0.0, 0.0], [9.0, -9.0]], [[1, 0], [1, 0]])
    Tensor([6.93147181e-01, 1.23402190e-04])
    """

    weight: Any = None


class MultiLabelMarginLoss(_Loss, function=F.multilabel_margin_loss):
    """The mean of Σ max(0, 1 - x_j + x_i) / classes over right classes j and wrong ones i.

    Targets are the numbers of the right classes, in the shape of the inputs, filled up with -1:
    `functional.multilabel_margin_loss`.

    >>> MultiLabelMarginLoss()([[0.1, 0.2, 0.4, 0.8]], [[3, 0, -1, -1]]).item()
    0.85...
    """


class MultiMarginLoss(_Loss, function=F.multi_margin_loss):
    """The mean of Σ max(0, margin - x_label + x_i)^p / classes over the wrong classes i.

    `weight` has a number for each class: `functional.multi_margin_loss`.

    >>> MultiMarginLoss()([[0.5, 2.0, 1.5]], [1]).item()  # (0 + 0.5) / 3
    0.1666...
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

    The reduction "batchmean" divides the sum by the number of examples, which is the divergence
    proper. With `log_target`, t is given as logarithms, too.

    >>> import numpy as np
    >>> p, q = np.array([[0.5, 0.5]]), np.array([[0.25, 0.75]])
    >>> KLDivLoss(reduction="batchmean")(np.log(q), p).item()  # of p from q
    0.14384...
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
    """The mean of max(0, margin - y (x1 - x2)): `functional.margin_ranking_loss`.

    y is 1 where x1 should be the larger, -1 where x2 should.

    >>> MarginRankingLoss(margin=1.0, reduction="none")([3.0, 3.0], [1.0, 2.5], [1, -1])
    Tensor([0. , 1.5])
    """

    margin: float = 0.0


class HingeEmbeddingLoss(_Loss, function=F.hinge_embedding_loss):
    """The mean of x where y is 1, and of max(0, margin - x) where it is -1.

    x are distances, of pairs that belong together (y = 1) or do not (-1):
    `functional.hinge_embedding_loss`.

    >>> HingeEmbeddingLoss(reduction="none")([0.25, 0.25, 3.0], [1, -1, -1])
    Tensor([0.25, 0.75, 0.  ])
    """

    margin: float = 1.0


class CosineEmbeddingLoss(
    _Loss,
    function=F.cosine_embedding_loss,
    inputs=("input1", "input2", "target"),
):
    """The mean of 1 - cos where y is 1, and of max(0, cos - margin) where it is -1.

    Inputs are (examples, features) or (features,): `functional.cosine_embedding_loss`.

    >>> a, b = [[1.0, 0.0], [1.0, 0.0]], [[0.0, 2.0], [3.0, 3.0]]  # at 90° and at 45°
    >>> CosineEmbeddingLoss(reduction="none")(a, b, [1, -1])
    Tensor([1.        , 0.70710678])
    """

    margin: float = 0.0


class TripletMarginLoss(
    _Loss,
    function=F.triplet_margin_loss,
    inputs=("anchor", "positive", "negative"),
):
    """The mean of max(0, d(anchor, positive) - d(anchor, negative) + margin), d being a p-norm.

    All three are (examples, features) or (features,). With `swap`, the nearer of anchor and
    positive is what the negative is measured from: `functional.triplet_margin_loss`.

    >>> anchor, positive, negative = [0.0, 0.0], [3.0, 4.0], [0.0, 5.5]
    >>> round(TripletMarginLoss()(anchor, positive, negative).item(), 3)  # 5 - 5.5 + 1
    0.5
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
    """`TripletMarginLoss` with a distance of your own, from two tensors to one for each example.

    By default it is the Euclidean distance: `functional.triplet_margin_with_distance_loss`.

    >>> import numpy as np
    >>> city_blocks = lambda a, b: np.sum(np.abs(a - b), axis=-1)
    >>> loss = TripletMarginWithDistanceLoss(distance_function=city_blocks)
    >>> loss([[0.0, 0.0]], [[3.0, 4.0]], [[0.0, 5.5]])  # 7 - 5.5 + 1
    Tensor(2.5)
    """

    _: KW_ONLY
    distance_function: Callable[[Any, Any], Any] | None = None
    margin: float = 1.0
    swap: bool = False
