"""The table of specs: functions of scipy.special, where SciPy is installed."""

from __future__ import annotations

from typing import Any

import numpy as np

from specs.calls import Complex, Real, Spec, Values, call, nonzero, positive, real, transposed, x
from tinygrad_bp.rules.special import named

anywhere = Real()
inside = Real(0.35, 0.65)
steep = Real(1.1, 2.6)
signed = Real(-0.7, 0.7)


class Right(Complex):
    """Complex values right of the imaginary axis, where no branch cut is."""

    def draw(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
        values = super().draw(rng, shape)
        return 0.3 + np.abs(values.real) + 1j * values.imag


z = Right()

# SciPy has these for complex numbers as well. (Of digamma, it lacks the derivative, and 1F1 and 2F1
# are wrong in SciPy 1.13.)
COMPLEX = {
    "erf", "erfc", "erfcx", "erfi", "dawsn", "fresnel", "ndtr", "log_ndtr",
    "expm1", "log1p", "wrightomega", "expi", "exp1", "sici", "shichi", "hyp0f1",
    "jv", "yv", "iv", "kv", "ive", "kve", "airy", "spence",
}  # fmt: skip


def one(name: str, values: Values = anywhere, *orders: Any) -> Spec:
    """A function of one array that takes a gradient, after orders that take none."""
    calls = [call(*orders, x(2, 3, values=values))]
    if orders:
        whole = [np.array([[int(o + 0.5)], [int(o + 1.5)]], np.int8) for o in orders]
        calls.append(call(*whole, transposed(2, 3, values=values)))
    else:
        calls.append(call(x(values=values)))
    if name in COMPLEX:
        calls.append(call(*orders, x(2, values=z)))
    return some(name, *calls)


def two(name: str, left: Values = anywhere, right: Values = anywhere, *both: Values) -> Spec:
    """A function of two arrays that broadcast."""
    return some(
        name,
        call(x(2, 1, values=left), x(3, values=right)),
        call(x(values=left), 2),
        call(2, transposed(2, 3, values=right)),
        *(call(x(2, values=v), x(2, values=v)) for v in both),
    )


def some(name: str, *calls: Any) -> Spec:
    """Any function, if SciPy has it."""
    function = named(name)
    return Spec(np.positive) if function is None else Spec(function, *calls)


# fmt: off

SPECIAL = [
    *map(one, ("erf", "erfc", "erfcx", "erfi", "dawsn", "fresnel", "ndtr", "log_ndtr", "expit",
               "log_expit", "exp2", "exp10", "expm1", "exprel", "wrightomega", "sindg", "cosdg",
               "tandg", "cosm1", "j0", "j1", "i0", "i1", "airy")),
    *(one(name, signed) for name in ("erfinv", "ellipk", "ellipe")),
    *(one(name, inside) for name in ("erfcinv", "ndtri", "logit", "ellipkm1")),
    *(one(name, positive) for name in ("gammaln", "loggamma", "digamma", "entr", "expi", "exp1",
                                       "spence", "y0", "y1", "k0", "k1", "k0e", "k1e")),
    *(one(name, nonzero) for name in ("cbrt", "i0e", "i1e")),
    one("ndtri_exp", real(-3.0, -0.3)),
    one("log1p", real(-0.5, 2)),
    one("gamma", steep),
    one("rgamma", real(-2.5, 2.5)),
    one("cotdg", real(40.0, 50.0)),
    one("sici", positive),
    one("shichi", positive),
    one("zeta", steep, 2.5),
    one("stdtr", real(), 3.0), one("stdtrit", inside, 3.0),
    one("chdtr", steep, 3.0), one("chdtrc", steep, 3.0), one("chdtri", inside, 3.0),
    one("betainc", inside, 1.5, 2.5), one("betaincc", inside, 1.5, 2.5),
    one("betaincinv", inside, 1.5, 2.5), one("betainccinv", inside, 1.5, 2.5),
    one("gammainc", positive, 2.5), one("gammaincc", positive, 2.5),
    one("gammaincinv", inside, 2.5), one("gammainccinv", inside, 2.5),
    one("expn", positive, 1), one("jv", positive, 0.5), one("yv", positive, 0.5),
    one("yn", positive, 1), one("iv", positive, 0.5), one("ive", positive, 0.5),
    one("kv", positive, 0.5), one("kve", positive, 0.5), one("kn", positive, 1),
    one("struve", positive, 0.5), one("modstruve", positive, 0.5),
    one("hyp0f1", real(), 1.5), one("hyp1f1", real(), 1.5, 2.5),
    one("hyp2f1", signed, 1.5, 0.5, 2.5),
    some("hyperu", *(call(*ab, x(2, 3, values=steep)) for ab in ((1.5, 0.5), (1, 2)))),
    some("ellipkinc", call(x(2, 3), 0.5), call(transposed(2, 3), -1)),
    some("ellipeinc", call(x(2, 3), 0.5), call(transposed(2, 3), -1)),
    some("lambertw", call(x(2, 3, values=positive), 0, 1e-8), call(x(2, 3, values=z), -1, 1e-8)),
    some("radian", call(x(2, 1), x(3), 0.5), call(30, 5.0, x(2, 3))),
    two("owens_t"),
    two("poch", steep, positive),
    two("beta", positive, positive),
    two("betaln", positive, positive),
    two("xlogy", real(), positive, z),
    two("xlog1py", real(), positive, z),
    two("powm1", positive, real()),
    two("boxcox", positive, real()),
    two("boxcox1p", positive, real()),
    two("inv_boxcox", inside, inside),
    two("inv_boxcox1p", inside, inside),
    two("rel_entr", positive, positive),
    two("kl_div", positive, positive),
    some("huber", call(x(2, 1, values=inside), x(3, values=steep)), call(3.0, x(2, 3)),
         call(0.5, transposed(2, 3, values=real(-2.0, -1.0)))),
    two("pseudo_huber", positive),
]
