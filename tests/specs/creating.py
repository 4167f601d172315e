"""The table of specs: functions that make arrays of values that are given, and cross products."""

from __future__ import annotations

import numpy as np

from specs.calls import Spec, call, positive, real, x, z

negative = real(-2.0, -0.5)

# fmt: off

CREATING = [
    Spec(
        np.linspace,
        call(x(), x(), 4), call(x(2, 1), x(3), 3, axis=-1), call(0.0, x(), 3, endpoint=False),
        call(x(), 1, 2, retstep=True), call(x(2), [1, 2], 1), call(x(), x(2), 0, axis=1),
        call(x(values=z), x(), 3), call(x(2, values=z), 1, 3),
    ),
    Spec(
        np.logspace,
        call(x(), x(), 3), call(x(2), 1.0, 2, False, base=2.0), call(0, x(), num=3, axis=-1),
        call(x(2), 0, 3, True, x(2, values=positive)), call(0, 1, 3, True, x(values=positive)),
        call(x(values=z), x(), 3),
    ),
    Spec(
        np.geomspace,
        call(x(values=positive), x(values=positive), 3), call(x(2, values=negative), -1.0, 4),
        call(2.0, x(2, values=positive), num=2, endpoint=False, axis=1),
        call(x(values=z), x(values=positive), 3), call(x(values=z), 2j, 3),
    ),
    Spec(
        np.diag,
        *(call(x(3), k) for k in (0, 1, -2)), *(call(x(2, 3), k=k) for k in (0, 1, -1)), call(x(0)),
        call(x(2, values=z), 1),
    ),
    Spec(np.diagflat, call(x(2, 2)), call(x(), -1), call(x(2), k=1)),
    Spec(
        np.vander,
        call(x(3)), call(x(2), 4), call(x(3), N=2, increasing=True), call(x(2), 1), call(x(2), 0),
        call(x(3, values=z)),
    ),
    Spec(
        np.meshgrid,
        call(x(2), x(3)), call(x(2), x(3), x(1), indexing="ij"), call(x(2), x(), sparse=True),
        call(x(2), copy=False), call(x(2, 1), x(2)),
        call(x(2, values=z), x(2)),
    ),
    Spec(
        np.cross,
        call(x(2, 3), x(3)), call(x(3, 2), x(3, 1), axis=0), call(x(1, 3), [1.0, 2.0, 3.0], -1),
        call(x(3, 2), x(2, 3), axisa=0, axisc=0), call(x(3, 2), x(3, 2), 0, 0, 0),
        call(x(3, values=z), x(2, 3)),
    ),
    Spec(np.linalg.cross, call(x(2, 3), x(3)), call(x(3, 2), x(3, 2), axis=0)),
]
