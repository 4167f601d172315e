"""Functions through which no gradient passes: flat almost everywhere, or not a float at all.

They see plain arrays and give plain arrays.
"""

import numpy as np

from tinygrad_bp.registry import constant

constant(  # comparisons and logic
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal,
    np.logical_and, np.logical_or, np.logical_xor, np.logical_not,
    np.isfinite, np.isinf, np.isnan, np.isposinf, np.isneginf, np.isclose, np.isin,
    np.isreal, np.iscomplex, np.isrealobj, np.iscomplexobj, np.signbit,
    np.all, np.any, np.allclose, np.array_equal, np.array_equiv,
)  # fmt: skip
constant(  # steps
    np.sign, np.floor, np.ceil, np.trunc, np.rint, np.round, np.around, np.fix,
    np.floor_divide, np.spacing, np.heaviside,
)  # fmt: skip
constant(  # positions and counts
    np.argmax, np.argmin, np.argsort, np.argpartition, np.argwhere, np.nanargmax, np.nanargmin,
    np.lexsort, np.searchsorted, np.digitize, np.nonzero, np.flatnonzero, np.count_nonzero,
    np.histogram, np.histogram2d, np.histogramdd, np.histogram_bin_edges,
)  # fmt: skip
constant(  # shapes, types and memory
    np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.common_type, np.min_scalar_type,
    np.shares_memory, np.may_share_memory, np.tril_indices_from, np.triu_indices_from,
    np.diag_indices_from, np.einsum_path,
)  # fmt: skip
constant(  # arrays that take only shape and type from another
    np.zeros_like, np.ones_like, np.empty_like, np.full_like,
)  # fmt: skip
constant(np.array_repr, np.array_str, np.array2string)  # text
