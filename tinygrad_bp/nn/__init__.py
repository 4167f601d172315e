"""Layers, losses and initialisers, spelled as PyTorch spells them."""

from tinygrad_bp.nn import init
from tinygrad_bp.nn.activations import ReLU, Sigmoid, Tanh
from tinygrad_bp.nn.calling import functional_call
from tinygrad_bp.nn.checkpoint import Checkpoint, load, read_checkpoint, save
from tinygrad_bp.nn.containers import (
    ModuleDict,
    ModuleList,
    ParameterDict,
    ParameterList,
    Sequential,
)
from tinygrad_bp.nn.dropout import (
    AlphaDropout,
    Dropout,
    Dropout1d,
    Dropout2d,
    Dropout3d,
    FeatureAlphaDropout,
)
from tinygrad_bp.nn.embedding import Embedding, EmbeddingBag
from tinygrad_bp.nn.linear import Bilinear, Identity, Linear
from tinygrad_bp.nn.losses import CrossEntropyLoss, HalfSumSquares, MSELoss, SumSquares
from tinygrad_bp.nn.mlp import MLP
from tinygrad_bp.nn.module import Module, Parameter
from tinygrad_bp.nn.normalization import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    GroupNorm,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
    LayerNorm,
    LocalResponseNorm,
    RMSNorm,
)

__all__ = [
    "MLP",
    "AlphaDropout",
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "Bilinear",
    "Checkpoint",
    "CrossEntropyLoss",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "Embedding",
    "EmbeddingBag",
    "FeatureAlphaDropout",
    "GroupNorm",
    "HalfSumSquares",
    "Identity",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LayerNorm",
    "Linear",
    "LocalResponseNorm",
    "MSELoss",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "RMSNorm",
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
