"""Optimisers and learning-rate schedules."""

from tinygrad_bp.optim.schedules import CosineAnnealingLR, Schedule, StepLR
from tinygrad_bp.optim.sgd import SGD

__all__ = ["SGD", "CosineAnnealingLR", "Schedule", "StepLR"]
