"""The table of specs: functions that choose elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from specs.calls import F64, Array, Shape, Spec, call, mask, transposed, twice, x
from tinygrad_bp import rules as own


def _scattered(g: Array, index: Any, shape: Shape) -> Array:
    out = np.zeros(shape, g.dtype)
    np.add.at(out, index, g)
    return out


# fmt: off

INDEXING = [
    Spec(
        own.getitem,
        *(call(x(3), index) for index in (0, -1, slice(1, None), slice(None, None, -2), None)),
        *(call(x(3), index) for index in (..., twice, [True, False, True], [], np.int64(1))),
        *(call(x(2, 3), index) for index in (1, np.array(1), (0, 2), (slice(None), 1), mask)),
        *(call(x(2, 3), index) for index in ((..., 0), (None, 1), slice(0, 0), (1, twice))),
        *(call(x(2, 3), index) for index in ((slice(None), twice), ([0, 1, 1], mask[1] | True))),
        call(x(2, 3), (np.array([[0], [1]]), np.array([[0, 2]]))),
        call(x(2, 2, 3), ([0, 0], slice(None), [1, 1])),
        call(x(), ()), call(x(), ...), call(transposed(3, 2), twice), call(x(0, 3), slice(None)),
        reference=lambda a, index: a[index],
    ),
    Spec(
        own.scatter_add,
        call(x(3), twice, (4,)), call(x(2), slice(1, 3), (4,)), call(x(), 1, (3,)),
        call(x(3), mask, (2, 3)), call(x(2, 3), (slice(None), twice), (2, 4)),
        call(x(0), [], (3,)), call(x(2), (twice[1:], 0), (3, 2)),
        reference=_scattered,
    ),
    Spec(
        np.take,
        call(x(2, 3), [0, 5, 0]), call(x(2, 3), twice, axis=1), call(x(2, 3), 1, axis=0),
        call(x(2, 3), -1), call(x(2, 3), [[0, 1], [1, 1]], -2), call(x(3), indices=[2]),
    ),
    Spec(
        np.take_along_axis,
        call(x(2, 3), np.array([[0, 2], [1, 1]]), 1), call(x(2, 3), np.array([[0, 1, 1]]), axis=0),
        call(x(2, 3), np.array([[0, 2]]), axis=-1), call(x(6), np.array([0, 5, 0]), axis=None),
        call(x(1, 3), np.array([[0, 2], [1, 1]]), axis=1),
    ),
    Spec(
        np.diagonal,
        *(call(x(2, 3), offset) for offset in (0, 1, 2, 5, -1, -3)),
        call(x(2, 1, 3), offset=0, axis1=2, axis2=0),
    ),
    Spec(np.linalg.diagonal, call(x(2, 3)), call(x(2, 3, 3), offset=1)),
    Spec(
        np.trace,
        call(x(3, 3)), call(x(2, 3), 1), call(x(2, 1, 3), axis1=0, axis2=-1),
        call(x(2, 2), dtype=F64),
    ),
    Spec(np.linalg.trace, call(x(3, 3)), call(x(2, 3, 3), offset=-1, dtype=F64)),
    Spec(
        np.ediff1d,
        call(x(2, 3)), call(x(3), x(), [1.0, 2.0]), call(x(2), to_begin=0.0), call(x(0)),
        call([1.0, 2.0], None, x(2)),
    ),
]
