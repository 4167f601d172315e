"""The derivative of every NumPy function, one table a family; importing it registers them.

Functions that NumPy lacks stand with their family, and can be had from here.
"""

from tinygrad_bp.rules import constants, differences, refused, shaping  # noqa: F401  (tables alone)
from tinygrad_bp.rules.activations import (
    erf,
    log1pexp,
    log_softmax,
    logsumexp,
    relu,
    sigmoid,
    softmax,
)
from tinygrad_bp.rules.elementwise import (
    cast,
    direction,
    identity,
    only_where,
    product,
    quotient,
    share,
    step,
    unvarying,
)
from tinygrad_bp.rules.indexing import getitem, scatter_add
from tinygrad_bp.rules.integrals import bessel_i, sinc_slope
from tinygrad_bp.rules.linalg import affine
from tinygrad_bp.rules.losses import one_hot, softmax_cross_entropy, sum_squares
from tinygrad_bp.rules.nonlinear import (
    celu,
    elu,
    gelu,
    glu,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    logsigmoid,
    mish,
    quick_gelu,
    relu6,
    selu,
    silu,
    softplus,
    softshrink,
    softsign,
    tanhshrink,
    threshold,
)
from tinygrad_bp.rules.reductions import products_of_others

__all__ = [
    "affine",
    "bessel_i",
    "cast",
    "celu",
    "direction",
    "elu",
    "erf",
    "gelu",
    "getitem",
    "glu",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "identity",
    "leaky_relu",
    "log1pexp",
    "log_softmax",
    "logsigmoid",
    "logsumexp",
    "mish",
    "one_hot",
    "only_where",
    "product",
    "products_of_others",
    "quick_gelu",
    "quotient",
    "relu",
    "relu6",
    "scatter_add",
    "selu",
    "share",
    "sigmoid",
    "silu",
    "sinc_slope",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "softshrink",
    "softsign",
    "step",
    "sum_squares",
    "tanhshrink",
    "threshold",
    "unvarying",
]
