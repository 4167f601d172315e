"""The derivative of every NumPy function, one table a family; importing it registers them.

Functions that NumPy lacks stand with their family, and can be had from here.
"""

from tinygrad_bp.rules import (  # noqa: F401  (tables alone)
    constants,
    differences,
    nans,
    quantiles,
    refused,
    shaping,
    signals,
    statistics,
)
from tinygrad_bp.rules.activations import log_softmax, logsumexp, relu, sigmoid, softmax
from tinygrad_bp.rules.elementwise import (
    cast,
    direction,
    identity,
    product,
    quotient,
    step,
    unvarying,
)
from tinygrad_bp.rules.indexing import getitem, scatter_add
from tinygrad_bp.rules.integrals import bessel_i, sinc_slope
from tinygrad_bp.rules.linalg import affine
from tinygrad_bp.rules.losses import one_hot, softmax_cross_entropy, sum_squares
from tinygrad_bp.rules.products import products_of_others
from tinygrad_bp.rules.running import recurrence

__all__ = [
    "affine",
    "bessel_i",
    "cast",
    "direction",
    "getitem",
    "identity",
    "log_softmax",
    "logsumexp",
    "one_hot",
    "product",
    "products_of_others",
    "quotient",
    "recurrence",
    "relu",
    "scatter_add",
    "sigmoid",
    "sinc_slope",
    "softmax",
    "softmax_cross_entropy",
    "step",
    "sum_squares",
    "unvarying",
]
