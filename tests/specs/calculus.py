"""The table of specs: differences, slopes, areas, convolution, interpolation."""

from __future__ import annotations

import numpy as np

from specs.calls import Apart, Spec, call, real, strided, transposed, x, z

uneven = np.array([0.0, 0.5, 2.0, 2.5])
points = np.array([0.0, 1.0, 2.5, 4.0])
within = real(1.25, 2.25)  # away from every point, in a step of differences

# fmt: off

CALCULUS = [
    Spec(
        np.diff,
        call(x(4)), call(x(2, 3), axis=0), call(x(2, 4), 2), call(x(4), n=4),
        call(x(1, 3), n=1, axis=-2), call(x(2, 3), 1, -1, x(), x(2, 2)),
        call(x(3), 2, 0, np._NoValue, x(2)), call([1.0, 2.0], 1, -1, x()),
    ),
    Spec(
        np.gradient,
        call(x(4)), call(x(3), x()), call(x(4), uneven), call(x(4), x(4, values=Apart())),
        call(x(2, 3)), call(x(3, 3), x(), x(3, values=Apart()), edge_order=2),
        call(x(3, 4), uneven, axis=-1, edge_order=2), call(x(4, 1), 0.5, axis=(0,), edge_order=2),
        call(x(2, 3, 2), 2.0, x(), axis=(2, 0)), call(transposed(2, 2)),
    ),
    Spec(
        np.trapezoid,
        call(x(4)), call(x(2, 4), uneven), call(x(3, 2), x(3), axis=0), call(x(2, 3), x(2, 3)),
        call(x(2, 3), None, x(), -1), call(transposed(2, 3), None, 0.5, -2), call(x(1)),
    ),
    Spec(
        np.convolve,
        call(x(4), x(3)), call(x(2), x(4), "same"), call(x(5), x(2), mode="same"),
        call(x(5), x(3), mode="valid"), call(x(2), x(5), "valid"), call(strided(3), strided(3)),
        call(x(4), x(4), "same"), call(x(), x(2)), call([1.0, 2.0, 3.0], x(2)), call(x(1), x(1)),
        call(x(3, values=z), x(2, values=z)),
    ),
    Spec(
        np.correlate,
        call(x(4), x(3)), call(x(2), x(4), "same"), call(x(5), x(2), mode="same"),
        call(x(3), x(4), "same"), call(x(5), x(3), mode="full"), call(x(2), x(5), "full"),
        call(strided(3), strided(3), "full"), call([1.0, 2.0, 3.0], x(2)),
        call(x(3, values=z), x(4, values=z), "same"),
    ),
    Spec(
        np.interp,
        call(x(2, 3, values=within), points, x(4)), call(x(values=within), points, x(4)),
        call([-1.0, 0.5, 3.0, 5.0], points, x(4), x(), x()),
        call([-1.0, 5.0], points, x(4)), call(x(2, values=within), points, [1.0, 2, 4, 8]),
        call(np.array([0.3, 2.2, 5.5]), points, x(4), None, None, 4.5),
        call(x(3, values=within), [4.0, 1.0, 2.5, 0.0], x(4), None, None, x(values=real(4.5, 5))),
        call(x(2, values=within), points, x(4, values=z)), call(0.7, points, x(4)),
        call([1.0, 3.0], [2.0], x(1), x()),
    ),
    Spec(
        np.unwrap,
        call(x(4)), call(x(2, 4, values=Apart(1)), 0.2, period=1.3),
        call(x(4, 2, values=Apart(1)), axis=0, period=1.7), call(transposed(2, 3), 4.0), call(x(1)),
    ),
]
