"""Layers, losses and initialisers, spelled as PyTorch spells them."""

from tinygrad_bp.nn import init
from tinygrad_bp.nn.activations import ReLU, Sigmoid, Tanh
from tinygrad_bp.nn.attention import MultiheadAttention
from tinygrad_bp.nn.calling import functional_call
from tinygrad_bp.nn.checkpoint import Checkpoint, load, read_checkpoint, save
from tinygrad_bp.nn.containers import (
    ModuleDict,
    ModuleList,
    ParameterDict,
    ParameterList,
    Sequential,
)
from tinygrad_bp.nn.dropout import Dropout
from tinygrad_bp.nn.linear import Bilinear, Identity, Linear
from tinygrad_bp.nn.losses import CrossEntropyLoss, HalfSumSquares, MSELoss, SumSquares
from tinygrad_bp.nn.mlp import MLP
from tinygrad_bp.nn.module import Module, Parameter
from tinygrad_bp.nn.normalization import LayerNorm
from tinygrad_bp.nn.recurrent import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNCell
from tinygrad_bp.nn.transformer import (
    Transformer,
    TransformerDecoder,
    TransformerDecoderLayer,
    TransformerEncoder,
    TransformerEncoderLayer,
)

__all__ = [
    "GRU",
    "LSTM",
    "MLP",
    "RNN",
    "Bilinear",
    "Checkpoint",
    "CrossEntropyLoss",
    "Dropout",
    "GRUCell",
    "HalfSumSquares",
    "Identity",
    "LSTMCell",
    "LayerNorm",
    "Linear",
    "MSELoss",
    "Module",
    "ModuleDict",
    "ModuleList",
    "MultiheadAttention",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "RNNCell",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "SumSquares",
    "Tanh",
    "Transformer",
    "TransformerDecoder",
    "TransformerDecoderLayer",
    "TransformerEncoder",
    "TransformerEncoderLayer",
    "functional_call",
    "init",
    "load",
    "read_checkpoint",
    "save",
]
