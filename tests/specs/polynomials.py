"""The table of specs: polynomials, and functions that apply others to parts of an array."""

from __future__ import annotations

import numpy as np

from specs.calls import Apart, Array, Spec, call, transposed, x, z


def _scaled(line: Array, by: Array, more: float = 0.0) -> Array:
    return np.outer(line * by, line + more)


exact = Apart(6)  # 1/2 and 1: division leaves out what is 0, and is exact in single precision, too

# fmt: off

POLYNOMIALS = [
    Spec(
        np.polyval,
        call(x(3), x(2, 2)), call(x(1), 2.0), call([1.0, 2.0, 3.0], x()), call(x(2, 3), x(3)),
        call(x(3, values=z), x(2)), call(x(3), x(2, values=z)),
    ),
    *(
        Spec(f, call(x(3), x(2)), call(x(1), x(3)), call(x(), [1.0]), call(x(2, values=z), x(2)))
        for f in (np.polyadd, np.polysub)
    ),
    Spec(
        np.polymul,
        call(x(3), x(2)), call(x(), x(2)), call([0.0, 1.0], x(3)), call(x(4), [0.0]),
        call(x(2, values=z), x(3)),
    ),
    Spec(np.polyder, call(x(4)), call(x(4), 2), call(x(2), m=3), call(x(3), 0)),
    Spec(
        np.polyint,
        call(x(3)), call(x(2), 2, x()), call(x(2), m=2, k=[1.0, 2.0]), call(x(1), 2, x(3)),
        call(x(2), 2, [x(), 1.0]),
    ),
    Spec(
        np.polydiv,
        call(x(4, values=Apart()), x(2, values=exact)), call(x(2), x(2, values=exact)),
        call(x(1), x(3, values=exact)), call(x(3, values=Apart()), x(1, values=exact)),
        call([1.0, -3.0, 2.5], x(2, values=exact)), call(x(3, values=Apart()), [2.0, 1.0]),
    ),
    Spec(
        np.polyfit,
        call(x(5, values=Apart()), x(5), 2), call(np.arange(4.0), x(4, 2), deg=1),
        call(x(4, values=Apart()), x(4), 1, w=np.array([1.0, 2.0, 0.5, 1.0])),
    ),
    Spec(
        np.apply_along_axis,
        call(np.sum, 0, x(2, 3)), call(np.cumsum, -1, transposed(2, 3)), call(np.prod, 0, x(3)),
        call(_scaled, 1, x(2, 3, 1), x(), more=1.0),
        call(np.cumsum, 0, x(2, 2, values=z)),
    ),
    Spec(
        np.apply_over_axes,
        call(np.sum, x(2, 3), [0, 1]), call(np.cumsum, x(2, 3), -1), call(np.mean, x(2, 1, 3), 2),
    ),
]
