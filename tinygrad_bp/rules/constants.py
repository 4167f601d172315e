"""Functions through which no gradient passes: flat almost everywhere, or not a float at all.

They see plain arrays and give plain arrays.
"""

from collections.abc import Mapping
from typing import Any

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
    np.floor, np.ceil, np.trunc, np.rint, np.round, np.floor_divide, np.spacing,
)  # fmt: skip
constant(  # positions and counts
    np.argmax, np.argmin, np.argsort, np.argpartition, np.argwhere, np.nanargmax, np.nanargmin,
    np.lexsort, np.searchsorted, np.digitize, np.nonzero, np.flatnonzero, np.count_nonzero,
)  # fmt: skip
constant(  # shapes, types and memory
    np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.common_type, np.min_scalar_type,
    np.shares_memory, np.may_share_memory, np.tril_indices_from, np.triu_indices_from,
    np.diag_indices_from, np.einsum_path, np.linalg.matrix_rank,
)  # fmt: skip
constant(  # arrays that take only shape and type from another
    np.zeros_like, np.ones_like, np.empty_like,
)  # fmt: skip
constant(np.array_repr, np.array_str, np.array2string)  # text


def _of_histogram(given: Mapping[str, Any]) -> list[Any]:
    """Weights add up, and edges come back; those that are not given move with the data."""
    data = [value for name, value in given.items() if name in ("a", "sample", "x", "y")]
    stated = given["bins"], given["range"], given.get("weights")
    fixed = given["range"] is not None or np.ndim(given["bins"]) > 0
    return [*stated, *(() if fixed else data)]


constant(np.histogram2d, np.histogramdd, np.histogram_bin_edges, smooth=_of_histogram)
if np.around is not np.round:
    constant(np.around)
if (fix := vars(np).get("fix")) is not None:  # deprecated since NumPy 2.5, in favour of trunc
    constant(fix)
