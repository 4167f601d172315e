"""The table of specs: functions that combine elements along axes."""

from __future__ import annotations

import numpy as np

from specs.calls import Apart, Newer, Spec, call, nonzero, real, reduction, transposed, x

# fmt: off

REDUCTIONS = [
    reduction(np.sum, empty=True),
    reduction(np.mean),
    reduction(np.max, Apart()),
    reduction(np.min, Apart()),
    reduction(np.amax, Apart()),
    reduction(np.amin, Apart()),
    reduction(np.ptp, Apart()),
    reduction(np.prod, nonzero, call(x(5, values=nonzero)), call(x(3, 7)), empty=True),
    reduction(np.var, real(), call(x(2, 3), axis=1, ddof=1), call(x(2, 3), ddof=2, keepdims=True)),
    reduction(
        np.std, Apart(), call(x(2, 3), axis=1, ddof=1), call(x(2, 3), ddof=2, keepdims=True),
        axes=(None, -1, (0, 2), (-1, 1, 0)), single=False,
    ),
    Spec(
        np.cumsum,
        *(call(x(2, 3), axis=axis) for axis in (None, 0, 1, -1)),
        call(x()), call(x(1)), call(x(0)), call(x(0, 2), axis=1), call(transposed(2, 3)),
    ),
    Newer("cumulative_sum", call(x(4)), call(x(2, 3), axis=0), call(x(2, 3), axis=-1)),
]
