"""The derivative of every NumPy function, one table a family; importing it registers them.

Functions that NumPy lacks stand with their family, and can be had from here. The table of
scipy.special is read when one of its functions is first met.
"""

from tinygrad_bp.registry import tables
from tinygrad_bp.rules import (  # noqa: F401  (tables alone)
    applying,
    choosing,
    constants,
    creating,
    differences,
    fourier,
    joining,
    nans,
    norms,
    polynomials,
    quantiles,
    refused,
    shaping,
    signals,
    sorting,
    statistics,
    vectors,
)
from tinygrad_bp.rules.activations import (
    erf,
    log1pexp,
    log_softmax,
    logsumexp,
    relu,
    sigmoid,
    softmax,
)
from tinygrad_bp.rules.decompositions import lower_factor, singular_system, singular_vectors
from tinygrad_bp.rules.eigen import (
    eigensystem,
    eigenvectors,
    general_eigensystem,
    general_eigenvectors,
)
from tinygrad_bp.rules.elementwise import (
    cast,
    clamp_max,
    clamp_min,
    direction,
    identity,
    only_where,
    product,
    quotient,
    share,
    step,
    unvarying,
)
from tinygrad_bp.rules.heap import keep_freed_memory
from tinygrad_bp.rules.indexing import getitem, scatter_add
from tinygrad_bp.rules.integrals import bessel_i, sinc_slope
from tinygrad_bp.rules.least_squares import least_squares, truncated_pinv
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
from tinygrad_bp.rules.padding import overlap_add
from tinygrad_bp.rules.products import products_of_others
from tinygrad_bp.rules.recurrences import (
    gru,
    gru_backward,
    lstm,
    lstm_backward,
    rnn,
    rnn_backward,
)
from tinygrad_bp.rules.running import recurrence
from tinygrad_bp.rules.solving import cofactors, cofactors_along
from tinygrad_bp.rules.standardizing import standardize
from tinygrad_bp.rules.windows import (
    convolve_transposed,
    convolve_windows,
    correlate_windows,
    first_of_largest,
    max_of_windows,
    put_into_windows,
    take_from_windows,
)

tables["scipy.special"] = "tinygrad_bp.rules.special"

__all__ = [
    "affine",
    "bessel_i",
    "cast",
    "celu",
    "clamp_max",
    "clamp_min",
    "cofactors",
    "cofactors_along",
    "convolve_transposed",
    "convolve_windows",
    "correlate_windows",
    "direction",
    "eigensystem",
    "eigenvectors",
    "elu",
    "erf",
    "first_of_largest",
    "gelu",
    "general_eigensystem",
    "general_eigenvectors",
    "getitem",
    "glu",
    "gru",
    "gru_backward",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "identity",
    "leaky_relu",
    "least_squares",
    "log1pexp",
    "log_softmax",
    "logsigmoid",
    "logsumexp",
    "lower_factor",
    "lstm",
    "lstm_backward",
    "max_of_windows",
    "mish",
    "one_hot",
    "only_where",
    "overlap_add",
    "product",
    "products_of_others",
    "put_into_windows",
    "quick_gelu",
    "quotient",
    "recurrence",
    "relu",
    "relu6",
    "rnn",
    "rnn_backward",
    "scatter_add",
    "selu",
    "share",
    "sigmoid",
    "silu",
    "sinc_slope",
    "singular_system",
    "singular_vectors",
    "softmax",
    "softmax_cross_entropy",
    "softplus",
    "softshrink",
    "softsign",
    "standardize",
    "step",
    "sum_squares",
    "take_from_windows",
    "tanhshrink",
    "threshold",
    "truncated_pinv",
    "unvarying",
]

keep_freed_memory()
