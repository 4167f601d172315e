"""The table of specs: padding, and windows that slide."""

from __future__ import annotations

from typing import Any

import numpy as np

from specs.calls import Apart, Array, Shape, Spec, call, strided, transposed, x, z
from tinygrad_bp import rules as own

windows = np.lib.stride_tricks.sliding_window_view


def _added(g: Array, shape: Shape, window_shape: Any, axis: Any) -> Array:
    out = np.zeros(shape, g.dtype)
    places = windows(np.arange(out.size).reshape(shape), window_shape, axis)
    np.add.at(out.ravel(), places, g)
    return out


# fmt: off

PADDING = [
    Spec(
        np.pad,
        call(x(2, 3), 1), call(x(0, 2), ((1, 0), (0, 2)), mode="constant"), call(x(2), (1, 0)),
        call(transposed(2, 3), (1, 2), "edge"), call(x(2, 3), ((0, 1), (9, 8)), "wrap"),
        call(x(2, 3), ((7, 5), (0, 1)), "reflect"), call(strided(3), (4, 8), mode="symmetric"),
        call(x(2, 3), ((7, 5), (0, 1)), "reflect", reflect_type="odd"),
        call(x(3), (4, 8), "symmetric", reflect_type="odd"), call(x(1, 2), 2, "reflect"),
        call(x(2, 3), ((2, 1),), "linear_ramp", end_values=((1.0, 2.0), (3.0, 4.0))),
        call(x(2, 3), 1, constant_values=2.0), call(x(2, 3), (1, 2), "mean", stat_length=2),
        call(x(2, 3, values=Apart()), ((0, 0), (2, 1)), "maximum"),
        call(x(5, values=Apart()), 1, "minimum", stat_length=(2, 9)),
        call(x(3, values=z), 1), call(x(3, values=z), 5, "symmetric", reflect_type="odd"),
    ),
    Spec(
        windows,
        call(x(4), 2), call(x(3, 4), (2, 3)), call(x(2, 4), 3, -1), call(x(5), (2, 3), (0, 0)),
        call(strided(3), window_shape=3, axis=0),
        call(x(4, values=z), 2),
    ),
    Spec(
        own.overlap_add,
        call(x(3, 2), (4,), 2, None), call(x(2, 2, 2, 3), (3, 4), (2, 3), None),
        call(x(2, 2, 3), (2, 4), 3, -1), call(x(2, 2, 3), (5,), (2, 3), (0, 0)),
        call(x(3, 2, values=z), (4,), 2, None),
        reference=_added,
    ),
]
