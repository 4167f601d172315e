"""Layers, losses and initialisers, spelled as PyTorch spells them."""

from tinygrad_bp.nn import init
from tinygrad_bp.nn.checkpoint import Checkpoint, load, read_checkpoint, save
from tinygrad_bp.nn.layers import MLP, Linear, ReLU, Sequential, Sigmoid, Tanh
from tinygrad_bp.nn.losses import CrossEntropyLoss, HalfSumSquares, MSELoss, SumSquares
from tinygrad_bp.nn.module import Module, functional_call

__all__ = [
    "MLP",
    "Checkpoint",
    "CrossEntropyLoss",
    "HalfSumSquares",
    "Linear",
    "MSELoss",
    "Module",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "SumSquares",
    "Tanh",
    "functional_call",
    "init",
    "load",
    "read_checkpoint",
    "save",
]
