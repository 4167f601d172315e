"""The table of specs: functions that join arrays and cut them."""

from __future__ import annotations

import numpy as np

from specs.calls import F64, Newer, Spec, call, x

# fmt: off

JOINING = [
    Spec(
        np.concatenate,
        call([x(2), x(3)]), call((x(2, 3), x(2, 1)), axis=1), call([x(2, 3), x(0, 3)], -2),
        call([x(2, 3), x(2)], axis=None), call([[1.0], x(2), np.ones(1)]),
        call([x(2), [1, 2]], dtype=F64, casting="safe"),
    ),
    Spec(
        np.stack,
        call([x(2), x(2)]), call((x(2, 3), x(2, 3)), axis=-1), call([x(), x(), 1.0]),
        call([x(0, 2), x(0, 2)], 1), call([x(2), [1, 2]], dtype=F64),
    ),
    Spec(
        np.vstack,
        call([x(2), x(2)]), call((x(2, 3), x(1, 3))), call([x(), x()]), call([[1.0, 2.0], x(2)]),
        call([x(2), [1, 2]], dtype=F64, casting="safe"),
    ),
    Spec(
        np.hstack,
        call([x(2), x(3)]), call((x(2, 3), x(2, 1))), call([x(), x(2)]), call([[1.0], x(2)]),
        call([x(2), [1, 2]], dtype=F64),
    ),
    Spec(
        np.dstack,
        call([x(2), x(2)]), call((x(2, 3), x(2, 3))), call([x(2, 1, 2), x(2, 1)]),
        call([x(0), x(0)]), call([[1.0, 2.0], x(2)]),
    ),
    Spec(
        np.column_stack,
        call([x(2), x(2)]), call((x(2, 3), x(2))), call([[1.0, 2.0], x(2)]),
    ),
    Spec(
        np.block,
        call([[x(2, 2), x(2, 1)], [x(1, 2), x()]]), call([x(2), x()]), call(x(2)),
        call([[[x(1, 2)]], [[x(2)]]]), call([[x(2)], [x(2)]]),
    ),
    Spec(
        np.array_split,
        call(x(5), 3), call(x(2, 5), [1, 3], 1), call(x(5), [3, 9]), call(x(2, 3), 2, axis=-1),
        call(x(5), np.array([2])), call(x(5), np.int64(2)),
    ),
    Spec(np.split, call(x(4), 2), call(x(2, 4), [1], axis=1), call(x(4, 2), 4)),
    Spec(np.hsplit, call(x(4), 2), call(x(2, 4), [1, 2])),
    Spec(np.vsplit, call(x(4, 2), 2), call(x(4, 2), [1, 2])),
    Spec(np.dsplit, call(x(1, 2, 4), 2), call(x(2, 1, 3), [1])),
    Newer("unstack", call(x(3)), call(x(2, 3)), call(x(2, 3), axis=-1)),
]
