"""The derivative of every NumPy function, one table a family; importing it registers them.

Functions that NumPy lacks stand with their family, and can be had from here.
"""

from tinygrad_bp.rules import (  # noqa: F401  (tables alone)
    constants,
    differences,
    fourier,
    norms,
    refused,
    shaping,
)
from tinygrad_bp.rules.activations import log_softmax, logsumexp, relu, sigmoid, softmax
from tinygrad_bp.rules.decompositions import singular_system, singular_vectors
from tinygrad_bp.rules.eigen import (
    eigensystem,
    eigenvectors,
    general_eigensystem,
    general_eigenvectors,
)
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
from tinygrad_bp.rules.least_squares import least_squares
from tinygrad_bp.rules.linalg import affine
from tinygrad_bp.rules.losses import one_hot, softmax_cross_entropy, sum_squares
from tinygrad_bp.rules.reductions import products_of_others
from tinygrad_bp.rules.solving import cofactors

__all__ = [
    "affine",
    "cast",
    "cofactors",
    "direction",
    "eigensystem",
    "eigenvectors",
    "general_eigensystem",
    "general_eigenvectors",
    "getitem",
    "identity",
    "least_squares",
    "log_softmax",
    "logsumexp",
    "one_hot",
    "product",
    "products_of_others",
    "quotient",
    "relu",
    "scatter_add",
    "sigmoid",
    "singular_system",
    "singular_vectors",
    "softmax",
    "softmax_cross_entropy",
    "step",
    "sum_squares",
    "unvarying",
]
