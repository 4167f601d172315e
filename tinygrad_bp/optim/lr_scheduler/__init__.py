"""Learning-rate schedules: call `step()` after each epoch, or each mini-batch.

Names, arguments and rates are those of `torch.optim.lr_scheduler`, one rate for each group of
parameters. Most are a formula, `rate(step)`; those of one's own derive from `FormulaLR`.
"""

from tinygrad_bp.optim.lr_scheduler.base import FormulaLR, LRScheduler
from tinygrad_bp.optim.lr_scheduler.cycles import (
    CosineAnnealingWarmRestarts,
    CyclicLR,
    OneCycleLR,
)
from tinygrad_bp.optim.lr_scheduler.decays import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from tinygrad_bp.optim.lr_scheduler.plateau import ReduceLROnPlateau
from tinygrad_bp.optim.lr_scheduler.stacked import ChainedScheduler, SequentialLR

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "FormulaLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]
