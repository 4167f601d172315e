"""Functions of scipy.special: loaded late, exact, right at the edges; those that convert raise."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinygrad_bp as bp
from tinygrad_bp import Tensor, gradients
from tinygrad_bp.errors import ConversionError, NotDifferentiableError, RuleError
from tinygrad_bp.registry import elementwise, name_of, registered

special = pytest.importorskip("scipy.special")

Function = Callable[..., Any]
INF = np.inf


def slope(f: Function, at: Any, *, order: int = 1) -> Any:
    """The derivative of f, of some order, at a point or an array of points."""
    x = Tensor(np.asarray(at, float), requires_grad=True)
    y = f(x)
    for left in reversed(range(order)):
        [y] = gradients(np.sum(y), [x], create_graph=left > 0)
    return y.data


# --- loaded when it is needed ---------------------------------------------------------------


def run(program: str) -> list[str]:
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(bp.__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.split()


BEFORE = """
import sys
import numpy as np, tinygrad_bp as bp
t = bp.Tensor([0.0], requires_grad=True)
np.exp(t).sum().backward()
try:
    np.frompyfunc(float, 1, 1)(t)
except bp.errors.NotDifferentiableError:
    pass
print("scipy" in sys.modules, "tinygrad_bp.rules.special" in sys.modules)
"""
ERF = "special.erf(t).sum().backward(); print(t.grad.item())"


@pytest.mark.parametrize(
    ("program", "printed"),
    [
        (BEFORE, ["False", "False"]),
        (
            f"{BEFORE}\nt = bp.Tensor([0.0], requires_grad=True)\nfrom scipy import special; {ERF}",
            ["False", "False", "1.1283791670955126"],
        ),
        (
            "from scipy import special; import tinygrad_bp as bp; "
            f"t = bp.Tensor([0.0], requires_grad=True); {ERF}",
            ["1.1283791670955126"],
        ),
        (
            "from scipy import special; import tinygrad_bp as bp; import sys; "
            "print('tinygrad_bp.rules.special' in sys.modules); "
            "t = bp.Tensor([0.0]); print(special.erf(t).item()); "
            "print(bp.registry.registered(special.erf))",
            ["False", "0.0", "elementwise"],
        ),
    ],
    ids=["not at all", "SciPy last", "SciPy first", "where nothing tracks"],
)
def test_the_rules_are_loaded_when_a_function_is_met(program: str, printed: list[str]) -> None:
    assert run(program) == printed


def test_a_function_has_one_rule_whoever_comes_first() -> None:
    program = (
        "from scipy import special; from tinygrad_bp.registry import elementwise\n"
        "try: elementwise(special.erf, lambda g, y, x: g)\n"
        "except Exception as error: print(type(error).__name__)"
    )
    assert run(program) == ["RuleError"]
    with pytest.raises(RuleError, match=r"special\.erf is registered already"):
        elementwise(special.erf, lambda g, y, x: g)


def test_names_are_those_of_scipy() -> None:
    assert name_of(special.erf) == "special.erf"
    assert name_of(special.exp2) == "special.exp2"
    assert name_of(np.exp2) == "exp2"
    t = Tensor(3.0, requires_grad=True)
    assert special.zeta(2, t).op.rule.name == "special.zeta"
    assert special.jn(1, t).op.rule.name == "special.jv"


# --- slopes ---------------------------------------------------------------------------------

OUT = [-10.0, -1.0, -0.3, 1e-8, 0.5, 1.0, 2.0, 9.9, 10.1, 30.0]
UP = [1e-8, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0]
WITHIN = [-0.99, -0.5, 1e-9, 0.5, 0.99]
SHARE = [1e-4, 0.1, 0.5, 0.9, 0.9999]

# Each function as mpmath has it, given the module, and where it is looked at.
OF_ONE: dict[str, tuple[Function, list[float]]] = {
    "erf": (lambda m: m.erf, [*OUT[1:7], 5.0]),
    "erfc": (lambda m: m.erfc, OUT[:9]),
    "erfcx": (lambda m: lambda x: m.exp(x * x) * m.erfc(x), [-5.0, *OUT[1:], 8.0, 100.0]),
    "erfi": (lambda m: m.erfi, [*OUT[1:7], 5.0]),
    "dawsn": (lambda m: lambda x: m.sqrt(m.pi) / 2 * m.exp(-x * x) * m.erfi(x), OUT),
    "erfinv": (lambda m: m.erfinv, WITHIN),
    "erfcinv": (lambda m: lambda x: m.erfinv(1 - x), SHARE),
    "ndtr": (lambda m: m.ncdf, OUT[1:7]),
    "log_ndtr": (lambda m: lambda x: m.log(m.erfc(-x / m.sqrt(2)) / 2), [-30.0, *OUT[:7]]),
    "ndtri": (lambda m: lambda p: m.sqrt(2) * m.erfinv(2 * p - 1), SHARE),
    "ndtri_exp": (lambda m: lambda y: m.sqrt(2) * m.erfinv(2 * m.exp(y) - 1), [-9.0, -1.0, -0.1]),
    "gamma": (lambda m: m.gamma, [-3.5, -0.5, 0.1, 1.0, 2.0, 5.0, 100.0]),
    "gammaln": (lambda m: lambda x: m.log(abs(m.gamma(x))), [-3.5, -0.5, *UP, 1e5]),
    "loggamma": (lambda m: m.loggamma, UP),
    "rgamma": (lambda m: m.rgamma, [-5.0, -3.5, -1.0, 0.0, 1e-9, 0.2, 0.5, 1.0, 20.0]),
    "digamma": (lambda m: m.digamma, [-3.5, -1.1, 0.1, 1.0, 1e5]),
    "expit": (lambda m: lambda x: 1 / (1 + m.exp(-x)), [-50.0, 0.0, 1.0, 60.0]),
    "log_expit": (lambda m: lambda x: -m.log(1 + m.exp(-x)), [-50.0, 0.0, 1.0, 60.0]),
    "logit": (lambda m: lambda x: m.log(x / (1 - x)), SHARE),
    "exp2": (lambda m: lambda x: m.mpf(2) ** x, [-5.0, 0.0, 30.0]),
    "exp10": (lambda m: lambda x: m.mpf(10) ** x, [-5.0, 0.0, 30.0]),
    "expm1": (lambda m: m.expm1, [-50.0, 0.0, 3.0]),
    "log1p": (lambda m: lambda x: m.log(1 + x), [-0.99, 0.0, 5.0]),
    "exprel": (lambda m: lambda x: m.expm1(x) / x, [-100.0, -1e-9, 1e-3, 1.0, 100.0]),
    "cbrt": (lambda m: m.cbrt, [0.5, 8.0]),
    "wrightomega": (lambda m: lambda x: m.lambertw(m.exp(x)).real, [-30.0, 0.0, 100.0]),
    "entr": (lambda m: lambda x: -x * m.log(x), [1e-4, 0.3678, 5.0]),
    "sindg": (lambda m: lambda x: m.sin(m.radians(x)), [0.0, 30.0, 179.0]),
    "cosdg": (lambda m: lambda x: m.cos(m.radians(x)), [1.0, 90.0, 179.0]),
    "tandg": (lambda m: lambda x: m.tan(m.radians(x)), [0.0, 30.0, 179.0]),
    "cotdg": (lambda m: lambda x: m.cot(m.radians(x)), [1.0, 30.0, 179.0]),
    "cosm1": (lambda m: lambda x: m.cos(x) - 1, [1e-9, 1.0, 5.0]),
    "expi": (lambda m: m.ei, [-30.0, -1.0, 1e-4, 1.0, 30.0]),
    "exp1": (lambda m: m.e1, [1e-4, 1.0, 30.0]),
    "spence": (lambda m: lambda x: m.polylog(2, 1 - x), [1e-4, 0.499, 0.501, 1.0, 1.499, 1e5]),
    "ellipk": (lambda m: m.ellipk, [-100.0, -1.0, 0.0, 1e-9, 0.9, 0.9999]),
    "ellipkm1": (lambda m: lambda p: m.ellipk(1 - p), [1e-4, 0.1, 1.0, 100.0]),
    "ellipe": (lambda m: m.ellipe, [-100.0, -1.0, 0.0, 1e-9, 0.9, 0.9999]),
    "j0": (lambda m: lambda x: m.besselj(0, x), OUT),
    "j1": (lambda m: lambda x: m.besselj(1, x), OUT),
    "y0": (lambda m: lambda x: m.bessely(0, x), UP[1:]),
    "y1": (lambda m: lambda x: m.bessely(1, x), UP[1:]),
    "i0": (lambda m: lambda x: m.besseli(0, x), OUT),
    "i1": (lambda m: lambda x: m.besseli(1, x), OUT),
    "k0": (lambda m: lambda x: m.besselk(0, x), UP[1:]),
    "k1": (lambda m: lambda x: m.besselk(1, x), UP[1:]),
    "i0e": (lambda m: lambda x: m.exp(-abs(x)) * m.besseli(0, x), [-5.0, 0.1, 1.0, 1000.0]),
    "i1e": (lambda m: lambda x: m.exp(-abs(x)) * m.besseli(1, x), [-5.0, 0.1, 1.0, 1000.0]),
    "k0e": (lambda m: lambda x: m.exp(x) * m.besselk(0, x), [*UP[1:], 1000.0]),
    "k1e": (lambda m: lambda x: m.exp(x) * m.besselk(1, x), [*UP[1:], 1000.0]),
}


def betainc(m: Any) -> Function:
    return lambda x: m.betainc(1.5, 2.5, 0, x, regularized=True)


def gammainc(m: Any) -> Function:
    return lambda x: m.gammainc(2.5, 0, x, regularized=True)


def student(m: Any) -> Function:
    return lambda t: 1 - m.betainc(1.5, 0.5, 0, 3 / (3 + t * t), regularized=True) / 2


def inverse(make: Function, first: float, *, tail: bool = False) -> Function:
    return lambda m: lambda p: m.findroot(lambda x: make(m)(x) - (1 - p if tail else p), first)


# The same after orders, which take no gradient.
ORDERED: list[tuple[str, tuple[float, ...], Function, list[float]]] = [
    ("zeta", (3,), lambda m: lambda x: m.zeta(3, x), [-2.5, 0.1, 1.0, 1e3]),
    ("stdtr", (3,), student, [0.5, 3.0, 50.0]),
    ("stdtrit", (3,), inverse(student, 1.6), [0.9, 0.95]),
    ("chdtr", (5,), lambda m: lambda x: gammainc(m)(x / 2), [0.1, 3.0, 30.0]),
    ("chdtrc", (5,), lambda m: lambda x: 1 - gammainc(m)(x / 2), [0.1, 3.0, 30.0]),
    ("chdtri", (5,), lambda m: lambda p: 2 * inverse(gammainc, 2.0, tail=True)(m)(p), [0.1, 0.9]),
    ("betainc", (1.5, 2.5), betainc, SHARE),
    ("betaincc", (1.5, 2.5), lambda m: lambda x: 1 - betainc(m)(x), SHARE),
    ("betaincinv", (1.5, 2.5), inverse(betainc, 0.4), [0.1, 0.5, 0.9]),
    ("betainccinv", (1.5, 2.5), inverse(betainc, 0.4, tail=True), [0.1, 0.5, 0.9]),
    ("gammainc", (2.5,), gammainc, UP[1:]),
    ("gammaincc", (2.5,), lambda m: lambda x: 1 - gammainc(m)(x), UP[1:]),
    ("gammaincinv", (2.5,), inverse(gammainc, 2.0), [0.1, 0.5, 0.9]),
    ("gammainccinv", (2.5,), inverse(gammainc, 2.0, tail=True), [0.1, 0.5, 0.9]),
    *(
        ("expn", (n,), lambda m, n=n: lambda x: m.expint(n, x), [1e-3, 0.5, 3.0, 30.0])
        for n in (0, 1, 3)
    ),
    *(
        (name, (v,), lambda m, v=v, of=of: lambda x: getattr(m, of)(v, x), UP[1:])
        for v in (0, 0.5, 2.3, 5)
        for name, of in (
            ("jv", "besselj"), ("yv", "bessely"), ("iv", "besseli"), ("kv", "besselk"),
            ("struve", "struveh"), ("modstruve", "struvel"),
        )
    ),
    *(
        (name, (n,), lambda m, n=n, of=of: lambda x: getattr(m, of)(n, x), UP[1:])
        for n in (0, 1, 5)
        for name, of in (("yn", "bessely"), ("kn", "besselk"))
    ),
    ("ive", (0.5,), lambda m: lambda x: m.exp(-x) * m.besseli(0.5, x), UP),
    ("kve", (0.5,), lambda m: lambda x: m.exp(x) * m.besselk(0.5, x), UP),
    ("hyp0f1", (1.5,), lambda m: lambda x: m.hyp0f1(1.5, x), [-50.0, -1.0, 0.0, 50.0]),
    ("hyp1f1", (1.5, 2.5), lambda m: lambda x: m.hyp1f1(1.5, 2.5, x), [-50.0, -1.0, 0.0, 50.0]),
    ("hyp2f1", (1.5, 0.5, 2.5), lambda m: lambda x: m.hyp2f1(1.5, 0.5, 2.5, x),
     [-50.0, -1.0, 0.0, 0.9]),
    ("hyperu", (1.5, 0.5), lambda m: lambda x: m.hyperu(1.5, 0.5, x), [0.1, 1.0, 50.0]),
]  # fmt: skip

# Functions of two arguments, each of which takes a gradient unless only some are named.
PAIRS: dict[str, tuple[Function, list[tuple[float, float]]]] = {
    "owens_t": (
        lambda m: lambda h, a: m.quad(
            lambda x: m.exp(-h * h * (1 + x * x) / 2) / (1 + x * x) / m.pi / 2, [0, a]
        ),
        [(0.5, 0.3), (2.0, 1.5), (0.0, 0.5), (-1.0, 0.5)],
    ),
    "poch": (lambda m: m.rf, [(1.5, 2.5), (10.0, 0.1), (1e3, 2.0), (0.0, 2.0), (-2.0, 5.5)]),
    "beta": (lambda m: m.beta, [(1.5, 2.5), (0.1, 10.0), (100.0, 2.0)]),
    "betaln": (lambda m: lambda a, b: m.log(m.beta(a, b)), [(1.5, 2.5), (0.1, 10.0), (100.0, 2.0)]),
    "xlogy": (lambda m: lambda a, b: a * m.log(b), [(1.0, 2.0), (0.0, 3.0), (-1.0, 0.5)]),
    "xlog1py": (lambda m: lambda a, b: a * m.log(1 + b), [(1.0, 2.0), (0.0, 3.0), (-1.0, 1e-9)]),
    "powm1": (lambda m: lambda a, b: a**b - 1, [(2.0, 0.5), (1.0001, 1e-3), (3.0, 0.0)]),
    "boxcox": (
        lambda m: lambda x, p: m.quad(lambda u: u ** (p - 1), [1, x]),
        [(2.0, 0.5), (2.0, 0.0), (2.0, 1e-9), (1.0, 3.0)],
    ),
    "boxcox1p": (
        lambda m: lambda x, p: m.quad(lambda u: u ** (p - 1), [1, 1 + x]),
        [(1.0, 0.5), (1.0, 0.0), (1.0, 1e-9), (-0.5, 3.0)],
    ),
    "inv_boxcox": (lambda m: lambda y, p: (p * y + 1) ** (1 / p),
                   [(2.0, 0.5), (2.0, 1e-9), (1e-10, 0.1), (0.3, -2.0)]),
    "inv_boxcox1p": (lambda m: lambda y, p: (p * y + 1) ** (1 / p) - 1,
                     [(2.0, 0.5), (2.0, 1e-9), (1e-10, 0.1), (0.3, -2.0)]),
    "rel_entr": (lambda m: lambda a, b: a * m.log(a / b),
                 [(1.0, 2.0), (1.0, 1.0000001), (1e-4, 5.0)]),
    "kl_div": (lambda m: lambda a, b: a * m.log(a / b) - a + b,
               [(1.0, 2.0), (1.0, 1.0000001), (1e-4, 5.0)]),
    "huber": (lambda m: lambda d, r: r * r / 2 if abs(r) <= d else d * (abs(r) - d / 2),
              [(1.0, 0.5), (1.0, 3.0), (1.0, -3.0)]),
    "pseudo_huber": (lambda m: lambda d, r: d * d * (m.sqrt(1 + (r / d) ** 2) - 1),
                     [(1.0, 0.5), (1.0, 3.0), (1e-5, -3.0), (100.0, 1e-4)]),
}  # fmt: skip

# Of functions of several outputs, each.
SEVERAL: dict[str, list[tuple[Function, list[float]]]] = {
    "fresnel": [(lambda m: m.fresnels, [-3.3, 0.0, 1.7]), (lambda m: m.fresnelc, [-3.3, 0.0, 1.7])],
    "sici": [(lambda m: m.si, [-3.3, 0.0, 1e-9, 0.999, 1.001, 50.0]),
             (lambda m: m.ci, [1e-4, 0.999, 1.001, 50.0])],
    "shichi": [(lambda m: m.shi, [-3.3, 0.0, 1e-9, 0.999, 1.001, 50.0]),
               (lambda m: m.chi, [1e-4, 0.999, 1.001, 50.0])],
    "airy": [(lambda m, f=f, d=d: lambda x: getattr(m, f)(x, derivative=d), [-3.3, 0.3, 5.0])
             for f in ("airyai", "airybi") for d in (0, 1)],
}  # fmt: skip


@pytest.fixture
def mp() -> Any:
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(60):
        yield mpmath


def assert_slope(mp: Any, ours: Function, theirs: Function, at: list[float]) -> None:
    with np.errstate(all="ignore"):
        found = slope(ours, at)
    for value, x in zip(found, at, strict=True):
        expected = float(mp.diff(theirs, mp.mpf(x), h=mp.mpf(10) ** -20, direction=0))
        assert value == pytest.approx(expected, rel=1e-10, abs=1e-15), f"at {x}"


def test_every_function_is_compared() -> None:
    listed = {*OF_ONE, *PAIRS, *SEVERAL, *(row[0] for row in ORDERED)}
    by_hand = {"radian", "ellipkinc", "ellipeinc"}
    differentiable = {"elementwise", "rule"}
    ufuncs = [f for name in dir(special) if isinstance(f := getattr(special, name), np.ufunc)]
    ours = {name_of(f) for f in ufuncs if registered(f) in differentiable}
    names = {f"special.{name}" for name in listed | by_hand} - {"special.digamma"}
    assert ours == names - {"special.zeta"} | {"special.psi"}


@pytest.mark.parametrize("name", OF_ONE)
def test_slope_is_that_of_mpmath(mp: Any, name: str) -> None:
    make, at = OF_ONE[name]
    assert_slope(mp, getattr(special, name), make(mp), at)


@pytest.mark.parametrize("row", ORDERED, ids=lambda row: f"{row[0]}{row[1]}")
def test_slope_at_an_order_is_that_of_mpmath(mp: Any, row: Any) -> None:
    name, orders, make, at = row
    assert_slope(mp, lambda x: getattr(special, name)(*orders, x), make(mp), at)


@pytest.mark.parametrize("name", PAIRS)
def test_slopes_of_two_arguments_are_those_of_mpmath(mp: Any, name: str) -> None:
    make, points = PAIRS[name]
    f, theirs = getattr(special, name), make(mp)
    for a, b in points:
        assert_slope(mp, lambda x, b=b: f(x, b), lambda x, b=b: theirs(x, mp.mpf(b)), [a])
        assert_slope(mp, lambda x, a=a: f(a, x), lambda x, a=a: theirs(mp.mpf(a), x), [b])


@pytest.mark.parametrize("name", SEVERAL)
def test_slope_of_each_output_is_that_of_mpmath(mp: Any, name: str) -> None:
    for i, (make, at) in enumerate(SEVERAL[name]):
        assert_slope(mp, lambda x, i=i: getattr(special, name)(x)[i], make(mp), at)


def test_slopes_in_closed_form() -> None:
    assert slope(special.erf, 0.0) == pytest.approx(2 / np.sqrt(np.pi))
    assert slope(special.digamma, 1.0) == pytest.approx(np.pi**2 / 6)
    assert slope(special.expit, 0.0) == 0.25
    assert slope(special.ellipk, 0.0) == pytest.approx(np.pi / 8)
    angle, m = 0.7, 0.3
    root = np.sqrt(1 - m * np.sin(angle) ** 2)
    assert slope(lambda x: special.ellipkinc(x, m), angle) == pytest.approx(1 / root)
    assert slope(lambda x: special.ellipeinc(x, m), angle) == pytest.approx(root)
    for i, part in enumerate([1, 60, 3600]):
        args = [1.0, 2.0, 3.0]
        f = lambda x, i=i, a=args: special.radian(*a[:i], x, *a[i + 1 :])  # noqa: E731
        assert slope(f, 1.0) == pytest.approx(np.pi / 180 / part)


# --- edges ----------------------------------------------------------------------------------

# A function, a point at the edge of its domain or in a formula's blind spot, and the slope there.
EDGES: dict[str, tuple[Function, float, float]] = {
    "xlogy, x": (lambda x: special.xlogy(x, 0.0), 0.0, -INF),
    "xlogy, y": (lambda y: special.xlogy(0.0, y), 0.0, 0.0),
    "xlog1py": (lambda y: special.xlog1py(0.0, y), -1.0, 0.0),
    "entr": (special.entr, 0.0, INF),
    "rel_entr, x": (lambda x: special.rel_entr(x, 1.0), 0.0, -INF),
    "rel_entr, y": (lambda y: special.rel_entr(0.0, y), 2.0, 0.0),
    "kl_div, equal": (lambda x: special.kl_div(x, 3.0), 3.0, 0.0),
    "kl_div, y": (lambda y: special.kl_div(0.0, y), 2.0, 1.0),
    "j1": (special.j1, 0.0, 0.5),
    "y1": (special.y1, 0.0, INF),
    "yn": (lambda x: special.yn(3, x), 0.0, INF),
    "k1": (special.k1, 0.0, -INF),
    "i1": (special.i1, 0.0, 0.5),
    "jv, 0": (lambda x: special.jv(0, x), 0.0, 0.0),
    "jv, 1": (lambda x: special.jv(1, x), 0.0, 0.5),
    "jv, 1/2": (lambda x: special.jv(0.5, x), 0.0, INF),
    "i0e": (special.i0e, 0.0, 0.0),
    "i1e": (special.i1e, 0.0, 0.5),
    "struve, 0": (lambda x: special.struve(0, x), 0.0, 2 / np.pi),
    "modstruve, 0": (lambda x: special.modstruve(0, x), 0.0, 2 / np.pi),
    "Si": (lambda x: special.sici(x)[0], 0.0, 1.0),
    "Ci": (lambda x: special.sici(x)[1], 0.0, INF),
    "Shi": (lambda x: special.shichi(x)[0], 0.0, 1.0),
    "Ai, where Bi is infinite": (lambda x: special.airy(x)[0], 200.0, 0.0),
    "exprel": (special.exprel, 0.0, 0.5),
    "exprel, large": (special.exprel, 1e20, INF),
    "exprel, small": (special.exprel, -1e20, 1e-40),
    "spence": (special.spence, 1.0, -1.0),
    "spence at 0": (special.spence, 0.0, -INF),
    "ellipk": (special.ellipk, 1.0, INF),
    "logit": (special.logit, 1.0, INF),
    "ndtri": (special.ndtri, 0.0, INF),
    "erfinv": (special.erfinv, -1.0, INF),
    "log_ndtr": (special.log_ndtr, 40.0, 0.0),
    "expit": (special.expit, 1000.0, 0.0),
    "log_expit": (special.log_expit, -1000.0, 1.0),
    "cbrt": (special.cbrt, 0.0, INF),
    "rgamma": (special.rgamma, -2.0, 2.0),
    "poch": (lambda z: special.poch(z, 2.0), 0.0, 1.0),
    "gammaln": (special.gammaln, 1.0, -np.euler_gamma),
    "betainc": (lambda x: special.betainc(1.0, 2.0, x), 0.0, 2.0),
    "betainc, steep": (lambda x: special.betainc(0.5, 2.0, x), 0.0, INF),
    "gammainc": (lambda x: special.gammainc(1.0, x), 0.0, 1.0),
    "chdtr": (lambda x: special.chdtr(2.0, x), 0.0, 0.5),
    "boxcox, power": (lambda p: special.boxcox(0.0, p), 0.5, 4.0),
    "boxcox, x": (lambda x: special.boxcox(x, 1.0), 0.0, 1.0),
    "boxcox, log": (lambda p: special.boxcox(np.e, p), 0.0, 0.5),
    "huber": (lambda r: special.huber(1.0, r), 1.0, 1.0),
    "pseudo_huber, width": (lambda d: special.pseudo_huber(d, -3.0), 0.0, 3.0),
    "pseudo_huber, origin": (lambda r: special.pseudo_huber(0.0, r), 0.0, 0.0),
    "hyp1f1": (lambda x: special.hyp1f1(2.0, 3.0, x), 0.0, 2 / 3),
    "expn": (lambda x: special.expn(3, x), 0.0, -1.0),
}


@pytest.mark.parametrize(("f", "at", "expected"), EDGES.values(), ids=EDGES)
def test_slope_at_the_edge(f: Function, at: float, expected: float) -> None:
    with np.errstate(all="ignore"):
        assert slope(f, at) == pytest.approx(expected, rel=1e-12)


INFINITE = ["entr", "xlogy, x", "rel_entr, x", "jv, 1/2", "Ci", "spence at 0", "ellipk", "logit",
            "ndtri", "erfinv", "cbrt", "betainc, steep"]  # fmt: skip


@pytest.mark.parametrize("name", INFINITE)
def test_zero_gradient_at_an_infinite_slope_is_zero(name: str) -> None:
    f, at, _ = EDGES[name]
    with np.errstate(all="ignore"):
        assert slope(lambda x: np.where(False, f(x), 2 * x), at) == 2


@pytest.mark.parametrize("f", [special.gamma, special.gammaln, special.digamma, special.y0,
                               special.k1, special.expi, special.exp1], ids=name_of)  # fmt: skip
def test_poles_that_are_left_out_stay_out(f: Function) -> None:
    with np.errstate(all="ignore"):
        for order in (1, 2):
            expected = [2, 0][order - 1]
            assert slope(lambda x: np.where(False, f(x), 2 * x), 0.0, order=order) == expected


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (special.j1, [0.5, 0, -3 / 8, 0]),
        (special.exprel, [1 / 2, 1 / 3, 1 / 4, 1 / 5]),
        (lambda x: special.sici(x)[0], [1, 0, -1 / 3]),
        (lambda x: special.shichi(x)[0], [1, 0, 1 / 3]),
        (lambda x: special.spence(1 - x), [1, 1 / 2, 2 / 3, 3 / 2]),
        (special.erf, [2 / np.sqrt(np.pi), 0, -4 / np.sqrt(np.pi), 0]),
        (lambda x: special.struve(0, x), [2 / np.pi, 0]),
        (lambda x: special.boxcox(np.e, x), [1 / 2, 1 / 3, 1 / 4]),
    ],
    ids=["j1", "exprel", "Si", "Shi", "Li2", "erf", "struve", "boxcox"],
)
def test_derivatives_of_all_orders_at_zero(f: Function, expected: list[float]) -> None:
    for order, value in enumerate(expected, start=1):
        with np.errstate(all="ignore"):  # of the other output, the integral of cos(x)/x
            assert slope(f, 0.0, order=order) == pytest.approx(value, rel=1e-12, abs=1e-14)


# --- orders ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint32, np.int64, np.float32, float])
@pytest.mark.parametrize("n", [0, 2, 100])
def test_orders_of_every_width_give_the_same_slope(dtype: Any, n: int) -> None:
    """Neighbours of an unsigned 0, or products of small whole numbers, would wrap around."""
    x = np.array([2.5, 3.5])
    for f in (special.jv, special.iv, special.zeta, special.struve, special.hyp0f1):
        order = n + 2 if f in (special.zeta, special.hyp0f1) else n
        given = Tensor(np.array([order], dtype))
        expected = slope(lambda x, f=f, v=order: f(float(v), x), x)
        assert slope(lambda x, f=f, v=given: f(v, x), x).tolist() == expected.tolist()
    a = np.array([n + 1], dtype)
    expected = slope(lambda x: special.hyp2f1(n + 1.0, n + 1.0, n + 1.0, x), x / 100)
    found = slope(lambda x: special.hyp2f1(a, a, a, x), x / 100)
    assert found.tolist() == pytest.approx(expected.tolist(), rel=1e-6)


def test_orders_that_track_raise() -> None:
    t = Tensor([1.5], requires_grad=True)
    calls = [
        lambda: special.jv(t, 1.0), lambda: special.kv(t, 1.0), lambda: special.zeta(t, 2.0),
        lambda: special.betainc(t, 1.0, 0.5), lambda: special.betainc(1.0, t, 0.5),
        lambda: special.gammainc(t, 0.5), lambda: special.hyp2f1(1.0, 1.0, t, 0.5),
        lambda: special.stdtr(t, 1.0), lambda: special.ellipkinc(0.5, t),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(NotDifferentiableError, match="takes no gradient"):
            call()
    assert special.jv(t.detach(), 1.0).item() == special.jv(1.5, 1.0)


# --- functions that convert, and that have no rule ------------------------------------------


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "logsumexp"])
def test_what_converts_says_what_to_call_instead(name: str) -> None:
    t = Tensor([0.5, 1.5], requires_grad=True)
    with pytest.raises(ConversionError, match=rf" {name}\b.* of tinygrad_bp\.functional"):
        getattr(special, name)(t)
    ours = getattr(bp.functional, name)(t)
    np.testing.assert_allclose(ours.data, getattr(special, name)(t.data), rtol=1e-14)


CONVERT: dict[str, Function] = {
    "polygamma": lambda t: special.polygamma(1, t),
    "multigammaln": lambda t: special.multigammaln(t, 2),
    "factorial": special.factorial,
    "comb": lambda t: special.comb(t, 2),
    "perm": lambda t: special.perm(t, 2),
    "spherical_jn": lambda t: special.spherical_jn(1, t),
}
NO_RULE: dict[str, Function] = {
    "binom": lambda t: special.binom(t, 2.0),
    "zeta of one argument": special.zeta,
    "eval_legendre": lambda t: special.eval_legendre(2, t),
    "kelvin": special.kelvin,
    "ellipj": lambda t: special.ellipj(t, 0.5),
    "jv by its method": lambda t: special.jv.outer(1.0, t),
}


@pytest.mark.parametrize("call", [*CONVERT.values(), *NO_RULE.values()], ids=[*CONVERT, *NO_RULE])
def test_what_cannot_be_followed_raises(call: Function) -> None:
    with pytest.raises((ConversionError, NotDifferentiableError), match=r"detach\(\)|has no deriv"):
        call(Tensor([2.5, 3.5], requires_grad=True))
    call(Tensor([2.5, 3.5])) if call is not NO_RULE["jv by its method"] else None


def test_polygamma_is_a_zeta_function() -> None:
    """What one writes instead; and SciPy's functions in Python that only compute are followed."""
    x = np.array([0.5, 2.5])
    np.testing.assert_allclose(slope(special.digamma, x), special.polygamma(1, x))
    np.testing.assert_allclose(slope(special.digamma, x, order=3), special.polygamma(3, x))
    np.testing.assert_allclose(slope(lambda x: special.jvp(1, x), x), special.jvp(1, x, 2))


def test_signs_and_whole_numbers_are_flat() -> None:
    t = Tensor([-0.5, 1.7], requires_grad=True)
    assert special.gammasgn(t).tolist() == [-1, 1]
    assert special.round(t).tolist() == [-0.0, 2]
    assert not isinstance(special.round(t), Tensor)


def test_float32_is_kept() -> None:
    t = Tensor(np.array([0.25, 0.75], np.float32), requires_grad=True)
    for f in (special.erf, special.gammaln, special.ellipk, special.spence, special.exprel,
              lambda t: special.sici(t)[0], lambda t: special.betainc(1.5, 2.5, t)):  # fmt: skip
        y = f(t)
        [g] = gradients(np.sum(y), [t])
        assert y.dtype == g.dtype == np.float32


# --- JAX ------------------------------------------------------------------------------------

OF_JAX = ["erf", "erfc", "erfinv", "gammaln", "digamma", "expit", "logit", "entr", "ndtr",
          "log_ndtr", "ndtri", "i0", "i0e", "i1", "i1e", "expi", "exp1", "spence"]  # fmt: skip


@pytest.mark.parametrize("name", OF_JAX)
def test_slope_is_that_of_jax(name: str) -> None:
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    theirs = getattr(pytest.importorskip("jax.scipy.special"), name)
    x = np.array([0.15, 0.5, 0.85])
    expected = jax.grad(lambda x: theirs(x).sum())(x)
    np.testing.assert_allclose(slope(getattr(special, name), x), expected, rtol=1e-8)


@pytest.mark.filterwarnings("ignore:floating point number truncated:RuntimeWarning")
@pytest.mark.parametrize("f", [special.yn, special.kn])
def test_the_fraction_that_is_cut_off_an_order_is_cut_off_in_the_slope(f: Any) -> None:
    x = Tensor([0.5, 2.0], requires_grad=True)
    cut = gradients(np.sum(f(2.7, x)), [x])[0]
    whole = gradients(np.sum(f(2, x)), [x])[0]
    assert cut.tolist() == whole.tolist()


def test_trigamma_of_complex_numbers_is_named_as_missing() -> None:
    z = Tensor(np.array([1.0 + 2.0j]), requires_grad=True)
    with pytest.raises(NotDifferentiableError, match="SciPy lacks for complex numbers"):
        np.real(special.digamma(z)).backward()
