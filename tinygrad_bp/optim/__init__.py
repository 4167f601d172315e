"""Optimisers, learning-rate schedules (`lr_scheduler`) and the clipping of gradients."""

from tinygrad_bp.optim import lr_scheduler
from tinygrad_bp.optim.adam import Adam, Adamax, AdamW, NAdam, RAdam
from tinygrad_bp.optim.clipping import (
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)
from tinygrad_bp.optim.lbfgs import LBFGS
from tinygrad_bp.optim.optimizer import Optimizer
from tinygrad_bp.optim.scaled import Adadelta, Adagrad, RMSprop, Rprop
from tinygrad_bp.optim.sgd import SGD

__all__ = [
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "lr_scheduler",
]
