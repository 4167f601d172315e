"""Functions of scipy.special, where SciPy is installed; those that it lacks are left out.

They are ufuncs, and act on each element. The formulas are those of the Digital Library of
Mathematical Functions (https://dlmf.nist.gov, whose sections the comments name), in a form that
keeps its digits: no difference of large terms, no 0 / 0. Orders and parameters take no gradient
where None stands.
"""

import contextlib
import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_bp import registry
from tinygrad_bp.errors import NotDifferentiableError
from tinygrad_bp.registry import Array
from tinygrad_bp.rules.elementwise import product, quotient

__all__ = ["named", "special"]

try:
    from scipy import special
except ImportError:
    special = None


class _Asked:
    """What a function of SciPy that is Python around a ufunc gives that ufunc away to."""

    def __array_ufunc__(self, ufunc: np.ufunc, *_: Any, **__: Any) -> np.ufunc:
        return ufunc


def named(name: str) -> np.ufunc | None:
    """Return the ufunc behind a name of scipy.special, None if there is none.

    (With SCIPY_ARRAY_API set there are hardly any, and tensors do not get through.)
    """
    found = getattr(special, name, None)
    if found is not None and (args := _IN_PYTHON.get(name)) is not None:
        with contextlib.suppress(TypeError):
            found = found(*args)
    return found if isinstance(found, np.ufunc) else None


_IN_PYTHON = {"zeta": (1, _Asked()), "lambertw": (_Asked(),)}  # and what they are asked with


def _register(verb: Any, name: str, *partials: Any, **given: Any) -> None:
    """Register a function by one of the registry's verbs, if SciPy has it."""
    if (function := named(name)) is not None:
        verb(function, *partials, **given)


elementwise = functools.partial(_register, registry.elementwise)
rule = functools.partial(_register, registry.rule, broadcasts=True)


def _why(sentence: str, *names: str) -> None:
    registry.why(sentence, *_those(names))


def _kink(text: str, at: Any, *names: str) -> None:
    registry.kink(text, at, *_those(names))


def _remedy(sentence: str, *names: str) -> None:
    registry.remedy(sentence, *_those(names))


def _those(names: Sequence[str]) -> list[Any]:
    """The functions of these names that SciPy has."""
    return [function for name in names if (function := named(name)) is not None]


# --- slopes that need more than a line --------------------------------------------------------


def _like(y: Array, value: Array) -> Array:
    """A parameter as a float: whole numbers may overflow, and float32 become float64 beside it."""
    return np.zeros_like(np.real(y)) + value


def _sinc(x: Array) -> Array:
    """sin(x) / x: near 0 as the hypergeometric function 0F1(; 3/2; -x²/4), DLMF 10.16.9."""
    near = np.absolute(x) < 1
    far = np.where(near, 1, x)
    series = special.hyp0f1(1.5, -0.25 * np.square(np.where(near, x, 0)))
    return np.where(near, series, np.sin(far) / far)


def _sinhc(x: Array) -> Array:
    """sinh(x) / x, as `_sinc`."""
    near = np.absolute(x) < 1
    far = np.where(near, 1, x)
    series = special.hyp0f1(1.5, 0.25 * np.square(np.where(near, x, 0)))
    return np.where(near, series, np.sinh(far) / far)


def _slope_of_erfcx(y: Array, x: Array) -> Array:
    """2 x y - 2/√π, two terms that all but cancel where x is large: -U(1, 1/2, x²)/√π there.

    DLMF 7.18.10 for n = 1.
    """
    plain = 2 * x * y - _SLOPE
    if x.dtype.kind == "c":
        return plain
    far = x > 10
    tail = special.hyperu(1, 0.5, np.square(np.where(far, x, 10)))
    return np.where(far, -0.5 * _SLOPE * tail, plain)


def _slope_of_dawsn(y: Array, x: Array) -> Array:
    """1 - 2 x y, as 1F1(1; 1/2; -x²), which has its digits where x is large; DLMF 7.11.4.

    For complex numbers that function is wrong in SciPy 1.13.
    """
    return 1 - 2 * x * y if x.dtype.kind == "c" else special.hyp1f1(1, 0.5, -x * x)


def _trigamma(x: Array) -> Array:
    """The slope of ψ as Hurwitz's ζ(2, x), DLMF 25.11.12, which SciPy has for real numbers only."""
    if x.dtype.kind == "c":
        raise NotDifferentiableError(
            "the slope of scipy.special.digamma is trigamma, which SciPy lacks for complex "
            "numbers: gamma and loggamma of them have a first derivative here and no second one"
        )
    return special.zeta(2, x)


def _slope_of_rgamma(y: Array, x: Array) -> Array:
    """-y ψ(x), and left of 1/2, where ψ has poles and y zeros, by reflection (DLMF 5.5.3).

    1/Γ(x) = Γ(1 - x) sin(πx)/π.
    """
    right = np.real(x) >= 0.5
    left = np.where(right, 0, x)
    turned, angle = 1 - left, math.pi * left
    reflected = np.cos(angle) - np.sin(angle) / math.pi * special.digamma(turned)
    return np.where(right, -y * special.digamma(np.where(right, x, 1)),
                    special.gamma(turned) * reflected)  # fmt: skip


def _slope_of_poch(y: Array, z: Array, m: Array) -> Array:
    """Of Γ(z + m)/Γ(z): y (ψ(z + m) - ψ(z)), and as a product where z may be a pole of Γ."""
    right = z > 0
    left = np.where(right, 0, z)
    other = special.gamma(left + m) * _slope_of_rgamma(special.rgamma(left), left)
    below = np.where(right, special.digamma(np.where(right, z, 1)), 0)
    return np.where(right, 0, other) + y * (special.digamma(z + m) - below)


def _neighbours(bessel: Any, sign: int, v: Array, x: Array) -> Array:
    """Half the sum, or difference, of the functions of the orders v - 1 and v + 1."""
    order = _like(x, v)
    return 0.5 * (bessel(order - 1, x) + sign * bessel(order + 1, x))


def _slope_of_yv(y: Array, v: Array, x: Array) -> Array:
    """Where y is -inf, at 0, both neighbours are -inf as well."""
    return np.where(y == -math.inf, -y, _neighbours(special.yv, -1, v, x))


def _raised(function: Any, x: Array, *parameters: Array) -> Array:
    """A function with every parameter raised by 1."""
    return function(*[_like(x, p) + 1 for p in parameters], x)


def _hyp2f1(a: float, b: float, c: float, x: Array) -> Array:
    return special.hyp2f1(_like(x, a), _like(x, b), _like(x, c), x)


def _log_over(x: Array, less: Array) -> Array:
    """log(x) / (x - 1), given x and x - 1: near 1 as 2F1(1, 1; 2; 1 - x), DLMF 15.4.1."""
    near = np.absolute(less) < 0.5
    series = _hyp2f1(1, 1, 2, np.where(near, -less, 0))
    return np.where(near, series, np.log(np.where(near, 1, x)) / np.where(near, 1, less))


def _log_ratio(y: Array, a: Array, b: Array) -> Array:
    """log(a / b), exact where a and b are close."""
    near, one = np.absolute(a - b) < 0.5 * b, np.ones_like(y)
    close = np.log1p(np.where(near, a - b, 0) / np.where(near, b, one))
    return np.where(near, close, np.log(np.where(near, one, a)) - np.log(np.where(near, one, b)))


def _slope_of_exprel(u: Array) -> Array:
    """The slope of (e^u - 1)/u = 1F1(1; 2; u): near 0 as 1F1(2; 3; u)/2, DLMF 13.3.15."""
    near = np.absolute(u) < 1
    far = np.where(near, 1, u)
    series = 0.5 * special.hyp1f1(2, 3, np.where(near, u, 0))
    size = np.absolute(far)
    mean = special.exprel(-size)
    rising = np.exp(far) * (1 - mean) / size
    return np.where(near, series, np.where(far > 0, rising, (mean - np.exp(-size)) / size))


def _by_exponent(log: Array, power: Array) -> Array:
    """How (x^p - 1)/p moves with p, given log(x); at x = 0 it is 1/p²."""
    at_zero = np.isneginf(log)
    inside = np.where(at_zero, 0, log)
    slope = inside * inside * _slope_of_exprel(power * inside)
    return np.where(at_zero, 1 / np.square(np.where(at_zero, power, 1)), slope)


def _log_root(y: Array, x: Array, p: Array) -> Array:
    """log((1 + p x)^(1/p)), which keeps its digits where p x is small."""
    u = _like(y, p * x)
    return x * _log_over(1 + u, u)


def _beta_density(a: Array, b: Array, x: Array) -> Array:
    """x^(a-1) (1-x)^(b-1) / B(a, b), DLMF 8.17.1."""
    a, b = _like(x, a), _like(x, b)
    exponent = special.xlogy(a - 1, x) + special.xlog1py(b - 1, -x)
    return np.exp(exponent - special.betaln(a, b))


def _gamma_density(a: Array, x: Array) -> Array:
    """x^(a-1) e^(-x) / Γ(a), DLMF 8.2.4."""
    a = _like(x, a)
    return np.exp(special.xlogy(a - 1, x) - x - special.gammaln(a))


def _student_density(df: Array, t: Array) -> Array:
    """The density of Student's t with `df` degrees of freedom."""
    df, half = _like(t, df), _like(t, 0.5)
    exponent = special.xlog1py(-0.5 * (df + 1), t * t / df) - special.betaln(half * df, half)
    return np.exp(exponent) / np.sqrt(df)


def _normal_density(x: Array) -> Array:
    return _DENSITY * np.exp(-0.5 * x * x)


def _density_of_owen(h: Array, a: Array) -> Array:
    """exp(-h² (1 + a²)/2) / (2π (1 + a²)), what Owen's function is the integral of."""
    return np.exp(-0.5 * h * h * (1 + a * a)) / (2 * math.pi * (1 + a * a))


def _hazard(x: Array) -> Array:
    """The slope of log Φ(x), which is φ(x)/Φ(x), in both tails: √(2/π) / erfcx(-x/√2)."""
    return 2 * _DENSITY / special.erfcx(-math.sqrt(0.5) * x)


def _less_order(n: Array, y: Array, x: Array) -> Array:
    """E_{n-1}(x), which is (e^-x - (n-1) y)/x for n = 0, where SciPy has none; DLMF 8.19.12."""
    zero = n < 1
    return np.where(zero, (np.exp(-x) + y) / x, special.expn(np.where(zero, 1, n) - 1, x))


def _slope_of_struve(struve: Any, sign: int, v: Array, x: Array) -> Array:
    """Twice the slope: neighbours in order and (x/2)^v / (√π Γ(v + 3/2)), DLMF 11.4.24, 11.4.26.

    The neighbour of order -1 is 2/π and one of order 1, which is exact near 0.
    """
    power = 0.5 * _SLOPE * np.power(0.5 * x, v) * special.rgamma(v + 1.5)
    below = struve(np.where(v == 0, 1, v) - 1, x)
    below = np.where(v == 0, 2 / math.pi + sign * struve(1, x), below)
    return below + sign * struve(v + 1, x) + power


_SLOPE = 2 / math.sqrt(math.pi)  # of the error function at 0
_DENSITY = 1 / math.sqrt(2 * math.pi)  # of the normal distribution at 0
_DEGREE = math.pi / 180

# fmt: off

# Error functions, DLMF 7.
elementwise("erf",          lambda g, y, x: g * (_SLOPE * np.exp(-x * x)))
elementwise("erfc",         lambda g, y, x: g * (-_SLOPE * np.exp(-x * x)))
elementwise("erfcx",        lambda g, y, x: g * _slope_of_erfcx(y, x))
elementwise("erfi",         lambda g, y, x: g * (_SLOPE * np.exp(x * x)))
elementwise("dawsn",        lambda g, y, x: g * _slope_of_dawsn(y, x))
elementwise("erfinv",       lambda g, y, x: product(g, 1 / _SLOPE * np.exp(y * y)))
elementwise("erfcinv",      lambda g, y, x: product(g, -1 / _SLOPE * np.exp(y * y)))
rule("fresnel",
     vjp=lambda g, y, x: (g[0] * np.sin(0.5 * math.pi * x * x)
                          + g[1] * np.cos(0.5 * math.pi * x * x)),
     jvp=lambda t, y, x: (t * np.sin(0.5 * math.pi * x * x), t * np.cos(0.5 * math.pi * x * x)))

# The normal distribution, and others of one shape.
elementwise("ndtr",         lambda g, y, x: g * _normal_density(x))
elementwise("log_ndtr",     lambda g, y, x: g * _hazard(x))
elementwise("ndtri",        lambda g, y, x: product(g, np.exp(0.5 * y * y) / _DENSITY))
elementwise("ndtri_exp",    lambda g, y, x: product(g, 1 / _hazard(y)))
elementwise("stdtr",        None, lambda g, y, df, t: g * _student_density(df, t))
elementwise("stdtrit",      None, lambda g, y, df, p: quotient(g, _student_density(df, y)))
elementwise("chdtr",        None, lambda g, y, v, x: product(
                                g, 0.5 * _gamma_density(0.5 * _like(y, v), 0.5 * x)))
elementwise("chdtrc",       None, lambda g, y, v, x: product(
                                g, -0.5 * _gamma_density(0.5 * _like(y, v), 0.5 * x)))
elementwise("chdtri",       None, lambda g, y, v, p: -quotient(
                                g, 0.5 * _gamma_density(0.5 * _like(y, v), 0.5 * y)))
elementwise("owens_t",      lambda g, y, h, a: g * (-0.5 * _normal_density(_like(y, h))
                                * special.erf(math.sqrt(0.5) * a * h)),
                            lambda g, y, h, a: g * (
                                _density_of_owen(_like(y, h), _like(y, a))))

# Gamma functions, DLMF 5, 8 and 25.11.17.
elementwise("gamma",        lambda g, y, x: product(product(g, y), special.digamma(x)))
elementwise("gammaln",      lambda g, y, x: product(g, special.digamma(x)))
elementwise("loggamma",     lambda g, y, x: product(g, special.digamma(x)))
elementwise("rgamma",       lambda g, y, x: g * _slope_of_rgamma(y, x))
elementwise("digamma",      lambda g, y, x: product(g, _trigamma(x)))
elementwise("zeta",         None, lambda g, y, s, x: product(
                                g, -_like(x, s) * _raised(special.zeta, x, s)))
elementwise("poch",         lambda g, y, z, m: product(g, _slope_of_poch(y, z, m)),
                            lambda g, y, z, m: product(product(g, y), special.digamma(z + m)))
elementwise("beta",         lambda g, y, a, b: product(
                                product(g, y), special.digamma(a) - special.digamma(a + b)),
                            lambda g, y, a, b: product(
                                product(g, y), special.digamma(b) - special.digamma(a + b)))
elementwise("betaln",       lambda g, y, a, b: product(
                                g, special.digamma(a) - special.digamma(a + b)),
                            lambda g, y, a, b: product(
                                g, special.digamma(b) - special.digamma(a + b)))
elementwise("betainc",      None, None, lambda g, y, a, b, x: product(g, _beta_density(a, b, x)))
elementwise("betaincc",     None, None, lambda g, y, a, b, x: product(g, -_beta_density(a, b, x)))
elementwise("betaincinv",   None, None, lambda g, y, a, b, p: quotient(g, _beta_density(a, b, y)))
elementwise("betainccinv",  None, None, lambda g, y, a, b, p: -quotient(g, _beta_density(a, b, y)))
elementwise("gammainc",     None, lambda g, y, a, x: product(g, _gamma_density(a, x)))
elementwise("gammaincc",    None, lambda g, y, a, x: product(g, -_gamma_density(a, x)))
elementwise("gammaincinv",  None, lambda g, y, a, p: quotient(g, _gamma_density(a, y)))
elementwise("gammainccinv", None, lambda g, y, a, p: -quotient(g, _gamma_density(a, y)))

# Exponentials, logarithms and powers.
elementwise("expit",        lambda g, y, x: g * (y * special.expit(-x)))
elementwise("log_expit",    lambda g, y, x: g * special.expit(-x))
elementwise("logit",        lambda g, y, x: quotient(g, x * (1 - x)))
elementwise("exp2",         lambda g, y, x: g * (y * math.log(2)))
elementwise("exp10",        lambda g, y, x: g * (y * math.log(10)))
elementwise("expm1",        lambda g, y, x: g * np.exp(x))
elementwise("log1p",        lambda g, y, x: quotient(g, 1 + x))
elementwise("exprel",       lambda g, y, x: g * _slope_of_exprel(x))
elementwise("cbrt",         lambda g, y, x: quotient(g, 3 * y * y))
elementwise("xlogy",        lambda g, y, a, b: product(g, np.log(_like(y, b))),
                            lambda g, y, a, b: product(g, quotient(a, b)))
elementwise("xlog1py",      lambda g, y, a, b: product(g, special.log1p(_like(y, b))),
                            lambda g, y, a, b: product(g, quotient(a, 1 + b)))
elementwise("powm1",        lambda g, y, a, b: b * product(g, np.power(
                                np.where(np.logical_and(a == 0, b == 0), 1, a), b - 1)),
                            lambda g, y, a, b: product(product(g, 1 + y), np.log(
                                np.where(np.logical_and(a == 0, b >= 0), np.ones_like(y), a))))
elementwise("boxcox",       lambda g, y, x, p: product(g, np.power(x, _like(y, p) - 1)),
                            lambda g, y, x, p: product(g, _by_exponent(np.log(_like(y, x)), p)))
elementwise("boxcox1p",     lambda g, y, x, p: product(g, np.power(1.0 + x, _like(y, p) - 1)),
                            lambda g, y, x, p: product(
                                g, _by_exponent(special.log1p(_like(y, x)), p)))
elementwise("inv_boxcox",   lambda g, y, x, p: product(g, np.power(y, 1 - _like(y, p))),
                            lambda g, y, x, p: product(
                                g, -_by_exponent(_log_root(y, x, p), p) * np.power(y, 1 - p)))
elementwise("inv_boxcox1p", lambda g, y, x, p: product(g, np.power(1 + y, 1 - _like(y, p))),
                            lambda g, y, x, p: product(
                                g, -_by_exponent(_log_root(y, x, p), p) * np.power(1 + y, 1 - p)))
elementwise("lambertw",     lambda g, y, z, k, tol: quotient(g, np.exp(y) * (1 + y)), None, None)
elementwise("wrightomega",  lambda g, y, x: g * (y / (1 + y)))

# Entropies and losses.
elementwise("entr",         lambda g, y, x: product(g, -1 - np.log(x)))
elementwise("rel_entr",     lambda g, y, a, b: product(g, 1 + _log_ratio(y, a, b)),
                            lambda g, y, a, b: product(g, -quotient(a, b)))
elementwise("kl_div",       lambda g, y, a, b: product(g, _log_ratio(y, a, b)),
                            lambda g, y, a, b: product(g, quotient(b - a, b)))
elementwise("huber",        lambda g, y, d, r: g * np.maximum(np.absolute(r) - d, 0),
                            lambda g, y, d, r: g * np.maximum(np.minimum(r, d), -_like(y, d)))
elementwise("pseudo_huber", lambda g, y, d, r: g * quotient(np.square(
                                quotient(r * _like(y, r), d + np.hypot(d, r))), np.hypot(d, r)),
                            lambda g, y, d, r: g * quotient(d * r, np.hypot(d, r)))

# Trigonometric functions.
elementwise("sindg",        lambda g, y, x: g * (_DEGREE * special.cosdg(x)))
elementwise("cosdg",        lambda g, y, x: g * (-_DEGREE * special.sindg(x)))
elementwise("tandg",        lambda g, y, x: product(g, _DEGREE * (1 + y * y)))
elementwise("cotdg",        lambda g, y, x: product(g, -_DEGREE * (1 + y * y)))
elementwise("cosm1",        lambda g, y, x: g * -np.sin(x))
elementwise("radian",       lambda g, y, d, m, s: g * _DEGREE,
                            lambda g, y, d, m, s: g * (_DEGREE / 60),
                            lambda g, y, d, m, s: g * (_DEGREE / 3600))

# Exponential and trigonometric integrals, DLMF 6 and 8.19; SciPy's spence(x) is Li2(1 - x).
elementwise("expi",         lambda g, y, x: quotient(g, x * np.exp(-x)))
elementwise("exp1",         lambda g, y, x: -quotient(g, x * np.exp(x)))
elementwise("expn",         None, lambda g, y, n, x: product(g, -_less_order(n, y, x)))
elementwise("spence",       lambda g, y, x: product(g, -_log_over(x, x - 1)))
rule("sici",
     vjp=lambda g, y, x: g[0] * _sinc(x) + quotient(g[1], x / np.cos(x)),
     jvp=lambda t, y, x: (t * _sinc(x), quotient(t, x / np.cos(x))))
rule("shichi",
     vjp=lambda g, y, x: product(g[0], _sinhc(x)) + quotient(g[1], x / np.cosh(x)),
     jvp=lambda t, y, x: (t * _sinhc(x), quotient(t, x / np.cosh(x))))

# Elliptic integrals of the parameter m, DLMF 19.5 and 15.8.1.
elementwise("ellipk",       lambda g, y, m: quotient(
                                g, (1 - m) / (math.pi / 8 * _hyp2f1(0.5, 0.5, 2, m))))
elementwise("ellipkm1",     lambda g, y, p: -quotient(
                                g, p / (math.pi / 8 * _hyp2f1(0.5, 0.5, 2, 1 - p))))
elementwise("ellipe",       lambda g, y, m: product(g, -math.pi / 8 * _hyp2f1(0.5, 1.5, 2, m)))
elementwise("ellipkinc",    lambda g, y, a, m: quotient(
                                g, np.sqrt(1 - m * np.square(np.sin(a)))), None)
elementwise("ellipeinc",    lambda g, y, a, m: g * np.sqrt(1 - m * np.square(np.sin(a))), None)

# Hypergeometric functions, DLMF 13.3.15, 13.3.22, 15.5.1 and 16.3.1.
elementwise("hyp0f1",       None, lambda g, y, v, x: g * (_raised(special.hyp0f1, x, v) / v))
elementwise("hyp1f1",       None, None, lambda g, y, a, b, x: g * (
                                _like(x, a) / b * _raised(special.hyp1f1, x, a, b)))
elementwise("hyp2f1",       None, None, None, lambda g, y, a, b, c, x: product(
                                g, _like(x, a) * b / c * _raised(special.hyp2f1, x, a, b, c)))
elementwise("hyperu",       None, None, lambda g, y, a, b, x: product(
                                g, -_like(x, a) * _raised(special.hyperu, x, a, b)))

# Bessel functions, DLMF 10.6 and 10.29: neighbours in order, so that nothing is divided by x.
elementwise("j0",           lambda g, y, x: g * -special.j1(x))
elementwise("j1",           lambda g, y, x: g * (0.5 * (special.j0(x) - special.jv(2, x))))
elementwise("y0",           lambda g, y, x: product(g, -special.y1(x)))
elementwise("y1",           lambda g, y, x: product(g, _slope_of_yv(y, 1, x)))
elementwise("jv",           None, lambda g, y, v, x: product(g, _neighbours(special.jv, -1, v, x)))
elementwise("yv",           None, lambda g, y, v, x: product(g, _slope_of_yv(y, v, x)))
elementwise("yn",           None, lambda g, y, n, x: product(g, _slope_of_yv(y, np.trunc(n), x)))
elementwise("i0",           lambda g, y, x: g * special.i1(x))
elementwise("i1",           lambda g, y, x: g * (0.5 * (special.i0(x) + special.iv(2, x))))
elementwise("iv",           None, lambda g, y, v, x: product(g, _neighbours(special.iv, 1, v, x)))
elementwise("k0",           lambda g, y, x: product(g, -special.k1(x)))
elementwise("k1",           lambda g, y, x: product(g, -0.5 * (special.k0(x) + special.kv(2, x))))
elementwise("kv",           None, lambda g, y, v, x: product(g, -_neighbours(special.kv, 1, v, x)))
elementwise("kn",           None, lambda g, y, n, x: product(
                                g, -_neighbours(special.kv, 1, np.trunc(n), x)))

# The same times exp(-|x|), whose slope at 0 counts as 0, or times exp(x).
elementwise("i0e",          lambda g, y, x: g * (special.i1e(x) - np.sign(x) * y))
elementwise("i1e",          lambda g, y, x: g * (
                                0.5 * (special.i0e(x) + special.ive(2, x)) - np.sign(x) * y))
rule("ive",
     vjp=(None, lambda g, y, v, x: product(g, _neighbours(special.ive, 1, v, x))
                                   - np.sign(np.real(x)) * np.real(g * y)),
     jvp=(None, lambda t, y, v, x: product(t, _neighbours(special.ive, 1, v, x))
                                   - np.sign(np.real(x)) * np.real(t) * y))
elementwise("k0e",          lambda g, y, x: product(g, y - special.k1e(x)))
elementwise("k1e",          lambda g, y, x: product(
                                g, y - 0.5 * (special.k0e(x) + special.kve(2, x))))
elementwise("kve",          None, lambda g, y, v, x: product(
                                g, y - _neighbours(special.kve, 1, v, x)))

# Airy functions and their slopes, Ai, Ai', Bi, Bi' (DLMF 9.2.1), and Struve functions (11.4.24).
rule("airy",
     vjp=lambda g, y, x: (product(g[0], y[1]) + product(g[1], x * y[0])
                          + product(g[2], y[3]) + product(g[3], x * y[2])),
     jvp=lambda t, y, x: (t * y[1], t * (x * y[0]), t * y[3], t * (x * y[2])))
elementwise("struve",       None, lambda g, y, v, x: product(g, 0.5 * _slope_of_struve(
                                special.struve, -1, _like(x, v), x)))
elementwise("modstruve",    None, lambda g, y, v, x: product(g, 0.5 * _slope_of_struve(
                                special.modstruve, 1, _like(x, v), x)))

registry.constant(*_those(("gammasgn", "round")))

# --- why, kinks, remedies -------------------------------------------------------------------

_why("The slope of an error function is a bell curve.", "erf", "erfc", "erfi", "ndtr")
_why("The slope follows from a differential equation of the first order that the function solves.",
     "erfcx", "dawsn", "exprel", "wrightomega", "lambertw")
_why("The slope of an inverse is 1 over the slope of the function, at the result.",
     "erfinv", "erfcinv", "ndtri", "ndtri_exp", "stdtrit", "chdtri", "betaincinv", "betainccinv",
     "gammaincinv", "gammainccinv", "inv_boxcox", "inv_boxcox1p")
_why("The slope of log Φ is the density over Φ: about -x far on the left.", "log_ndtr")
_why("The slope of a distribution function is its density.",
     "stdtr", "chdtr", "betainc", "gammainc")
_why("The slope of the other tail is minus the density.", "chdtrc", "betaincc", "gammaincc")
_why("The slope of an integral in its end is the integrand there.",
     "fresnel", "owens_t", "expi", "exp1", "spence", "sici", "shichi", "ellipkinc", "ellipeinc")
_why("The slope of the logarithm of the gamma function is ψ, the digamma function.",
     "gammaln", "loggamma", "betaln")
_why("The slope of a product of gamma functions is itself times a sum of digamma functions.",
     "gamma", "rgamma", "poch", "beta")
_why("The slope of ψ is the sum of 1/(x + k) squared over all k.", "digamma")
_why("The slope is that of every term of the series.", "zeta")
_why("The slope of the sigmoid is y (1 - y): at most 1/4, and flat where it saturates.", "expit")
_why("The slope of log(sigmoid) is what the sigmoid lacks to 1.", "log_expit")
_why("The slope of the log odds is 1/(x (1 - x)).", "logit")
_why("The slope of a power in its exponent is itself times the logarithm of the base.",
     "exp2", "exp10")
_why("The slope of exp(x) - 1 is exp(x).", "expm1")
_why("The slope of log(1 + x) is 1/(1 + x).", "log1p")
_why("The slope of a cube root is 1 over three times its square.", "cbrt")
_why("The slope of x log(y) is log(y) in x, and x/y in y.", "xlogy", "xlog1py")
_why("The slope of x to the n is n times x to the n - 1.", "powm1", "boxcox", "boxcox1p")
_why("The slope of x log(x) is log(x) + 1.", "entr", "rel_entr")
_why("The slope is the logarithm of the ratio, which is 0 where both are equal.", "kl_div")
_why("The slope is the residual where it is small, and its sign times the width where it is large.",
     "huber", "pseudo_huber")
_why("The slope of a sine is the cosine, and a degree is π/180.",
     "sindg", "cosdg", "tandg", "cotdg", "radian")
_why("The slope of the cosine is minus the sine.", "cosm1")
_why("The slope is the neighbour in order.", "expn", "j0", "y0", "i0", "k0")
_why("The slope is half the sum, or difference, of both neighbours in order.",
     "j1", "y1", "i1", "k1", "jv", "yv", "yn", "iv", "kv", "kn", "struve", "modstruve")
_why("The slope is that of the Bessel function, scaled, and of its scale.",
     "i0e", "i1e", "ive", "k0e", "k1e", "kve")
_why("The slope is a hypergeometric function with every parameter raised by 1.",
     "hyp0f1", "hyp1f1", "hyp2f1", "hyperu", "ellipk", "ellipkm1", "ellipe")
_why("The slopes of the Airy functions come with them; those of the slopes are x times these.",
     "airy")

_kink("exp(-|x|) at 0, whose slope 0 is chosen", lambda x: x == 0, "i0e")
_kink("exp(-|x|) at 0, whose slope 0 is chosen",
      lambda v, x: np.logical_and(v == 0, x == 0), "ive")
_kink("a root at 0, where the slope is infinite", lambda x: x == 0, "cbrt")

_remedy("use gammaln, the logarithm", "gamma")
_remedy("keep the argument inside (0, 1)", "logit", "ndtri")
_remedy("keep the argument inside (-1, 1)", "erfinv")
_remedy("keep the argument above 0", "gammaln", "entr", "xlogy", "k0", "k1", "y0", "y1", "expi")
