"""The derivative of every NumPy function, one table a family; importing it registers them.

Functions that NumPy lacks stand with their family, and can be had from here. The table of
scipy.special is read when one of its functions is first met.
"""

from tinygrad_bp.registry import tables
from tinygrad_bp.rules import constants, differences, refused, shaping  # noqa: F401  (tables alone)
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
from tinygrad_bp.rules.reductions import products_of_others

tables["scipy.special"] = "tinygrad_bp.rules.special"

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
