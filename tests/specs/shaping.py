"""The table of specs: functions that move elements about."""

from __future__ import annotations

import numpy as np

from specs.calls import F64, NEW, Newer, Real, Spec, call, strided, transposed, unary, x
from tinygrad_bp import rules as own

# fmt: off

SHAPING = [
    Spec(
        np.reshape,
        call(x(2, 3), (3, 2)), call(x(2, 3), -1), call(x(2, 3), (1, -1, 2)), call(x(), (1, 1)),
        call(x(1), ()), call(x(0, 3), (3, 0)), call(transposed(2, 3), (3, 2)),
        call(strided(4), (2, 2)), *(call(x(2, 3), shape=shape) for shape in [(3, 2)] if NEW),
        call(x(2, 3), (3, -1), order="F"), call(transposed(2, 3), 6, "F"),
    ),
    unary(np.ravel, Real(), {}, {"order": "F"}),
    Spec(
        np.expand_dims,
        *(call(x(2, 3), axis) for axis in (0, -1, 1, (0, 2))),
        call(x(), 0), call(x(0), axis=0),
    ),
    Spec(
        np.squeeze,
        call(x(1, 3, 1)), call(x(1, 3, 1), 0), call(x(1, 3, 1), axis=(0, -1)),
        call(x()), call(x(1)), call(x(1, 0)), call(x(2, 3)),
    ),
    Spec(
        np.transpose,
        call(x(2, 3)), call(x(2, 3, 4), (1, 2, 0)), call(x(2, 1, 3), axes=(-1, 0, 1)),
        call(x()), call(x(0, 2)),
    ),
    Spec(
        np.swapaxes,
        call(x(2, 3), 0, 1), call(x(2, 1, 3), 0, -1), call(x(0, 2), -1, -2),
        call(x(2, 3), axis1=0, axis2=1),
    ),
    Spec(
        np.moveaxis,
        call(x(2, 1, 3), 0, -1), call(x(2, 1, 3), (0, 1), (-1, 0)), call(x(2, 3), 1, 1),
        call(x(2, 1, 3), source=0, destination=2),
    ),
    Spec(
        np.rollaxis,
        *(call(x(2, 1, 3), axis, start) for axis in range(-1, 3) for start in range(-3, 4)),
        call(x(2, 3), 1),
    ),
    Spec(
        np.flip,
        call(x(2, 3)), call(x(2, 3), 0), call(x(2, 3), axis=-1), call(x(2, 3, 2), (0, 2)),
        call(x()), call(x(0)),
    ),
    Spec(np.fliplr, call(x(2, 3))),
    Spec(np.flipud, call(x(2, 3)), call(x(3))),
    Spec(
        np.roll,
        call(x(4), 1), call(x(2, 3), -2), call(x(2, 3), 2, 1), call(x(2, 3), 1, axis=0),
        call(x(2, 3), (1, 2), (0, 1)), call(x(2, 3), (1, 1), axis=1), call(x(0), 1),
        call(x(), 1), call(x(4), shift=-1), call(x(4), np.array([1, 2]), axis=0),
    ),
    Spec(
        np.rot90,
        *(call(x(2, 3), k) for k in range(-1, 5)),
        call(x(2, 1, 3), 1, (1, 2)), call(x(2, 1, 3), k=3, axes=(2, 0)),
    ),
    *(
        Spec(
            f,
            call(x(3, 3)), call(x(2, 3), 1), call(x(2, 3), k=-1), call(x(2, 2, 3)), call(x(0, 3)),
            call(x(3), -1),
        )
        for f in (np.tril, np.triu)
    ),
    Spec(
        np.tile,
        call(x(2), 3), call(x(2, 3), (2, 1)), call(x(3), (2, 2)), call(x(2, 1, 2), 2),
        call(x(), 3), call(x(2), 0), call(x(2), [2, 1]), call(x(2), np.int64(2)),
    ),
    Spec(np.matrix_transpose, call(x(2, 3)), call(x(2, 1, 3))),
    Spec(np.linalg.matrix_transpose, call(x(2, 3)), call(x(2, 1, 3))),
    Spec(np.broadcast_arrays, call(x(3), x(2, 1)), call(x(), x(2), subok=True)),
    Spec(np.atleast_1d, call(x()), call(x(2)), call(x(), x(2, 3))),
    Spec(np.atleast_2d, call(x()), call(x(2)), call(x(2, 3), x(0))),
    Spec(np.atleast_3d, call(x()), call(x(2)), call(x(2, 3)), call(x(2, 1, 2), x(0))),
    unary(own.identity, reference=np.positive),
    Spec(
        own.unvarying,
        call(x(2, 3), x(2, 3)), call(x(), x(2)), call(x(0), x()),
        reference=lambda value, x: np.positive(value),
    ),
    Spec(
        own.cast, call(x(2, 3), F64), *([call(x(), F64)] if NEW else []),
        reference=lambda a, dtype: a.astype(dtype),
    ),
    Newer("astype", call(x(2, 3), F64), *([call(x(), F64)] if NEW else [])),  # of scalars since 2.1
]
