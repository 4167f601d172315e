"""The table of specs: functions that combine elements along axes."""

from __future__ import annotations

import numpy as np

from specs.calls import (
    F64,
    Apart,
    Holed,
    Newer,
    Spec,
    call,
    mask,
    nonzero,
    positive,
    real,
    reduction,
    strided,
    transposed,
    x,
    z,
)

column = np.array([[True], [False]])
holed = Holed()
apart_holed = Holed(Apart())
positive_holed = Holed(positive)

Q = real(0.1, 0.4)
METHODS = [
    "interpolated_inverted_cdf", "hazen", "weibull", "linear", "median_unbiased",
    "normal_unbiased", "inverted_cdf", "averaged_inverted_cdf", "closest_observation", "lower",
    "higher", "midpoint", "nearest",
]  # fmt: skip

# fmt: off

REDUCTIONS = [
    reduction(
        np.sum,
        real(),
        call(x(2, 3), where=mask),
        call(x(2, 3), 1, F64, None, True, x()),
        call(x(2, 3), axis=0, where=column, initial=2.0),
        empty=True,
    ),
    reduction(
        np.mean,
        real(),
        call(x(2, 3), where=mask),
        call(x(2, 3), -1, keepdims=True, where=mask),
        call(x(3, 2), dtype=F64),
        call(x(2, 3), axis=0, where=[True, True, True], dtype=F64),
    ),
    *(
        reduction(
            f,
            Apart(),
            call(x(2, 3, values=Apart()), 1, None, True, x(values=Apart(1))),
            call(x(2, 3, values=Apart()), axis=0, where=column, initial=0.25),
            call(x(0, 2), 0, None, False, x()),
        )
        for f in (np.max, np.min)
    ),
    *(
        Spec(
            f,
            call(x(2, 1, 3, values=Apart()), axis=(0, -1)),
            call(x(3, values=Apart())),
            call(x(2, 3, values=Apart()), axis=1, keepdims=True, where=mask, initial=0.25),
        )
        for f in (np.amax, np.amin)
    ),
    reduction(np.ptp, Apart()),
    reduction(
        np.prod,
        nonzero,
        call(x(5, values=nonzero)),
        call(x(3, 7)),
        call(x(2, 3), where=mask),
        call(x(2, 3), -1, F64, None, True, x()),
        empty=True,
    ),
    reduction(
        np.var,
        real(),
        call(x(2, 3), axis=1, ddof=1),
        call(x(2, 3), ddof=2, keepdims=True),
        call(x(2, 3), where=mask, correction=1),
        call(x(2, 3), axis=1, dtype=F64),
    ),
    reduction(
        np.std,
        Apart(),
        call(x(2, 3), axis=1, ddof=1),
        call(x(2, 3), ddof=2, keepdims=True),
        call(x(2, 3, values=Apart()), where=mask, ddof=1, dtype=F64),
        call(x(2, 3, values=z)),
        axes=(None, -1, (0, 2), (-1, 1, 0)),
        single=False,
    ),
    # Running totals.
    Spec(
        np.cumsum,
        *(call(x(2, 3), axis=axis) for axis in (None, 0, 1, -1)),
        call(x(2, 3), 1, dtype=F64),
        call(x()),
        call(x(1)),
        call(x(0)),
        call(x(0, 2), axis=1),
        call(transposed(2, 3)),
    ),
    Spec(
        np.cumprod,
        *(call(x(2, 3), axis=axis) for axis in (None, 0, -1)),
        call(x(2, 3), 1, dtype=F64),
        call(x()),
        call(x(1)),
        call(x(0)),
        call(x(0, 2), axis=1),
        call(transposed(2, 3)),
        call(strided(9)),
        call(x(4, values=z)),
    ),
    Newer(
        "cumulative_sum",
        call(x(4)),
        call(x(2, 3), axis=0),
        call(x(2, 3), axis=-1),
        call(x(2, 3), axis=-1, include_initial=True),
        call(x(0), include_initial=True),
    ),
    Newer(
        "cumulative_prod",
        call(x(4)),
        call(x(2, 3), axis=0, dtype=F64),
        call(x(2, 3), axis=-2, include_initial=True),
        call(x(0), include_initial=True),
    ),
    # Without nan.
    *(
        Spec(
            f,
            call(x(7, values=values)),
            call(x(3, 4, values=values), axis=0),
            call(transposed(4, 3, values=values), axis=(1, -2), keepdims=True),
            call(x(2, 3, values=values), where=mask, **start),
            call(x(2, 3)),
        )
        for f, values, start in (
            (np.nansum, holed, {}),
            (np.nanprod, holed, {}),
            (np.nanmean, holed, {}),
            (np.nanvar, holed, {}),
            (np.nanstd, apart_holed, {}),
            (np.nanmax, apart_holed, {"initial": 0.25}),
            (np.nanmin, apart_holed, {"initial": 0.25}),
        )
    ),
    *(
        Spec(
            f,
            call(x(7, values=holed)),
            call(x(3, 4, values=holed)),
            call(x(3, 4, values=holed), axis=-2, dtype=F64),
        )
        for f in (np.nancumsum, np.nancumprod)
    ),
    # With weights.
    Spec(
        np.average,
        call(x(2, 3)),
        call(x(2, 3), axis=(0, 1), keepdims=True),
        call(x(2, 3), None, x(2, 3, values=positive)),
        call(x(2, 3), -1, x(3, values=positive), True, keepdims=True),
        call(x(2, 3, 2), (2, 0), x(2, 2, values=positive)),
        call(x(3), 0, [1, 2, 3]),
        call(np.array([1, 2, 3]), 0, x(3, values=positive), True),
    ),
    Spec(
        np.cov,
        call(x(2, 4)),
        call(x(5)),
        call(x(3, 2), rowvar=False),
        call(x(1, 4), x(4)),
        call(x(2, 4), x(4), True, True),
        call(x(4, 2), x(4, 1), False, False, 0),
        call(x(2, 4), None, True, False, None, [1, 2, 1, 3], x(4, values=positive)),
        call(x(2, 4), None, True, False, None, [1, 2, 1, 3]),
        call(x(2, 4), None, True, False, None, None, x(4, values=positive)),
        call(x(2, 3, values=z), x(3)),
    ),
    Spec(np.corrcoef, call(x(3, 4)), call(x(4), x(4)), call(x(4, 2), rowvar=False)),
    Spec(
        np.histogram,
        call(np.array([0.5, 1.0, 2.5, 4.0, 9.0]), 4, (0, 4), None, x(5)),
        call(np.array([[0.5, 1.5], [4.0, 0.0]]), [0, 1, 4], None, None, x(2, 2)),
        call(np.array([0.5, 1.5, 4.0]), [0, 1, 4], None, True, x(3, values=positive)),
        flat=(1,),
    ),
    # Ranks.
    Spec(
        np.median,
        call(x(5, values=Apart())),
        call(x(2, 3, values=Apart()), axis=-1),
        call(transposed(2, 4, values=Apart()), axis=1, keepdims=True),
        call(x(2, 3, 2, values=Apart()), axis=(2, 0)),
        call(x(1)),
    ),
    Spec(
        np.nanmedian,
        call(x(7, values=apart_holed)),
        call(x(3, 4, values=apart_holed), axis=0),
        call(x(2, 3, 2, values=apart_holed), axis=(2, 0), keepdims=True),
    ),
    Spec(
        np.quantile,
        call(x(5, values=Apart()), 0.3),
        call(x(2, 4, values=Apart()), [0.0, 0.4], 1),
        *(
            call(x(2, 5, values=Apart()), x(2, values=real(low, low + 0.06)), -1, None, False, name)
            for name, low in zip(METHODS[:6], (0.27, 0.35, 0.22, 0.35, 0.36, 0.36), strict=True)
        ),
        *(call(x(2, 4, values=Apart()), 0.3, axis=0, method=method) for method in METHODS[6:]),
        call(x(2, 3, 2, values=Apart()), np.array([[0.2, 0.9]]), (2, 0), keepdims=True),
        call(x(2, 4, values=Apart()), 0.6, 1, weights=[1, 0, 2, 1], method="inverted_cdf"),
    ),
    Spec(
        np.nanquantile,
        call(x(7, values=apart_holed), 1),
        call([1.0, 2.0, 4.0], x(values=Q)),
        *(call(x(3, 4, values=apart_holed), [0.3, 0.7], 0, method=method) for method in METHODS),
        call(x(2, 3, values=apart_holed), 0.6, 1, weights=mask + 0.5, method="inverted_cdf"),
    ),
    Spec(
        np.percentile,
        call(x(5, values=Apart()), x(values=real(26.0, 49.0))),
        call(x(2, 4, values=Apart()), [10, 60.0], axis=0),
    ),
    Spec(np.nanpercentile, call(x(3, 4, values=apart_holed), [10, 60.0], axis=0)),
]
