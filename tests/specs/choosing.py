"""The table of specs: functions that sort, choose, repeat and leave out."""

from __future__ import annotations

import numpy as np

from specs.calls import Apart, Array, Spec, call, mask, strided, transposed, x, z

TRIMMED = np.lib.NumpyVersion(np.__version__) >= "2.2.0"  # trims several axes since then


def _double(part: Array, more: float = 1.0) -> Array:
    return 2 * part + more


# fmt: off

CHOOSING = [
    Spec(
        np.sort,
        *(call(x(2, 3, values=Apart()), axis=axis) for axis in (-1, 0, None)),
        call(transposed(3, 2, values=Apart()), 1, "stable"),
        call(x(0, 2, values=Apart()), axis=0, stable=True),
        call(x(4, values=z)),
    ),
    Spec(
        np.partition,
        *(call(x(2, 5, values=Apart()), 2, axis=axis) for axis in (-1, None)),
        call(x(4, 2, values=Apart()), [0, -1], 0), call(strided(40, values=Apart()), kth=9),
    ),
    Spec(
        np.choose,
        call([0, 1, 2], [x(3), x(2, 1), 1.0]), call([[5], [-1]], [x(3), x()], mode="clip"),
        call([-1, 5, 0], (x(3), x()), mode="wrap"), call([1, 0], x(2, 2)), call(0, [x(2)]),
        call([1, 0], [x(2, values=z), x(1)]),
    ),
    Spec(
        np.select,
        call([mask, ~mask[0]], [x(2, 3), x()]), call([mask], [x(2, 1)], 2.0),
        call([mask, mask[1]], [1.0, x(3)], x(2, 1)), call([np.bool_(True)], [x()], default=0),
        call([mask], [x(2, 3, values=z)], x()),
    ),
    Spec(
        np.piecewise,
        call(x(3), [mask[0], mask[1]], [np.sin, _double]), call(x(3), mask[0], [np.sin, x()]),
        call(x(3), [mask[0]], [_double, x(1)], x()), call(x(), True, [_double], more=2.0),
        call(x(2, 3), [mask, mask[:, ::-1]], [x(3), np.cumsum]),
        call(x(3, values=z), [mask[0]], [np.exp, x(values=z)]),
    ),
    Spec(
        np.nan_to_num,
        call(x(2, 3)), call(x(3), nan=1.0), call(x(), posinf=2.0, neginf=-2.0), call(x(0)),
        call(x(3, values=z), nan=1.0),
    ),
    Spec(
        np.compress,
        call([True, False, True], x(2, 3), 1), call([0, 1], x(2, 3), axis=-2),
        call([0, 1, 0, 1], x(2, 3)), call([False], x(2)), call([1, 0, 0], strided(2)),
    ),
    Spec(
        np.extract,
        call(mask, x(2, 3)), call([0, 1, 0, 2], x(2, 3)), call(True, x()), call([], x(2)),
    ),
    Spec(
        np.delete,
        call(x(2, 3), 1), call(x(2, 3), [0, -1, 0], 1), call(x(4), slice(None, None, 2)),
        call(x(3), mask[0]), call(x(3, 2), [], axis=0),
    ),
    Spec(
        np.trim_zeros,
        call(x(3)), call(x(2), "f"), call(x(2), trim="b"),
        *([call(x(2, 3), axis=0)] if TRIMMED else []),
        call(x(3, values=z)),
    ),
    Spec(
        np.repeat,
        *(call(x(2, 3), 2, axis=axis) for axis in (None, 0, -1)), call(x(3), [2, 0, 1]),
        call(x(2, 3), [1, 3], axis=0), call(x(), 3), call(x(2), 0),
        call(x(2, values=z), [3, 1]),
    ),
    Spec(
        np.resize,
        call(x(2, 3), 4), call(x(2), (2, 3)), call(x(), 2), call(strided(3), [2, 2]),
    ),
    Spec(
        np.insert,
        call(x(2, 3), 1, x()), call(x(2, 3), [0, 2], x(2), 1), call(x(2, 3), 1, x(2), axis=1),
        call(x(3), slice(0, 2), x(1)), call(x(2, 3), [1], x(2, 3), axis=0),
        call([1.0, 2.0], -1, x()), call(x(2), [], 0.0),
        call(x(3, values=z), [0, 2], x()),
    ),
    Spec(
        np.append,
        call(x(2), x()), call(x(2, 3), x(1, 3), 0), call(x(2, 3), x(2, 1), axis=-1),
        call([1.0, 2.0], x(2, 1)),
    ),
]
