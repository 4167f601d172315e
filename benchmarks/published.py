"""The gradients that PyTorch, JAX and SciPy publish, put to the checker.

`python benchmarks/published.py` checks the libraries that are installed: each function at ordinary
points together, and by themselves at hard ones that it is finite at: near edges, kinks and zeros,
very small, very large. It prints a table of counts, then what is not ok.
"""

from __future__ import annotations

import importlib.util
import warnings
from ast import literal_eval
from collections import ChainMap, Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.gradcheck import Verdict, check_jax, check_torch, check_vjp

Function: TypeAlias = Callable[..., Any]
Case: TypeAlias = tuple[str, str, Function]  # a domain, the name, what checks it at inputs
WORST = ("ok", "kinks named", "not confirmed", "wrong")
R = np.random.default_rng(0)
X, M = np.array([-1.75, 0.4, 2.2, 0.9, -0.6]), R.normal(size=(3, 3)) + 2 * np.eye(3)
TALL, SIGNAL = R.normal(size=(4, 2)), R.normal(size=(1, 2, 6))
VECTORS = [0 * X, X / X, np.array([2.0, 0, 3, 0, 1]), 1e-170 * X, 1e170 * X, 1e9 + X, 99 * X]
MATRICES = [np.array([[1.0, 2], [2, 4]]), np.eye(2), np.zeros((2, 2)), 1e-100 * M, 1e100 * M]
MATRICES += [1 + 1e-9 * np.eye(2), np.diag([2.0, 3, 3]), np.outer([1.0, 2, 3], [1.0, -1, 2])]
POINTS: dict[str, tuple[Sequence[Any], Sequence[Any]]] = {  # ordinary ones together, and hard ones
    "any": ([X], [0, 1e-8, 1, -3, 6, -40, 700, -1e8, 1e160]),
    "positive": ([[0.2, 0.9, 3.1, 7.5]], [0, 1e-300, 1e-8, 1, 1 + 1e-8, 8, 50, 1e10, 1e150]),
    "within 1": ([[-0.8, 0.1, 0.5]], [0, 1e-8, -1e-160, 1 - 1e-8, 1e-12 - 1, 1 - 2**-53, 1, -1]),
    "unit": ([[0.3, 0.8]], [1e-300, 1e-10, 0.5, 0.5 + 1e-9, 1 - 1e-10, 0, 1]),
    "above 1": ([[1.2, 3, 10]], [1, 1 + 1e-10, 1e10, 1e160]),
    "two": ([X[:3], X[2:]], [(0, 0), (1, 1), (-1e-8, 1), (1e160, 1e160), (-2, 2), (0, 3), (3, 0)]),
    "two positive": ([[0.2, 0.9, 3.1], [3.17, 0.97, 0.27]], [(1e-8, 1), (1, 1), (0, 2), (2, 0)]),
    "vector": ([X], VECTORS), "two vectors": ([X, X[::-1] ** 2], [(v, v) for v in VECTORS]),
    "square": ([M], MATRICES), "two squares": ([M, M.T @ M], [(m, m) for m in MATRICES]),
    "tall": ([TALL], [np.ones((3, 2)), np.zeros((3, 2)), 1e-100 * TALL, TALL + 1e6]),
    "signal": ([SIGNAL], [0 * SIGNAL, 1 + 0 * SIGNAL, 1e9 + SIGNAL, 1e-100 * SIGNAL]),
}  # fmt: skip
# Of PyTorch and JAX: each is asked for those that it has. What follows a colon is an argument.
WORDS = {
    "any": """exp exp2 expm1 sin cos tan tanh sinh cosh atan asinh erf erfc sigmoid abs square sinc
        negative deg2rad rad2deg frac i0 i0e i1 i1e ndtr log_ndtr erfcx relu elu selu
        celu gelu silu mish softplus softsign soft_sign hardtanh hard_tanh hardsigmoid relu6
        hard_sigmoid hardswish hard_silu leaky_relu logsigmoid log_sigmoid tanhshrink softshrink
        hardshrink squareplus sparse_plus sparse_sigmoid cbrt fabs trunc sign airy_ai
        bessel_j0 bessel_j1 modified_bessel_i0 modified_bessel_i1 spherical_bessel_j0 pow:2 pow:0
        clip:-1:3 threshold:0.5:2 float_power:3 integer_pow:-3""",
    "positive": """log log2 log10 log1p sqrt rsqrt reciprocal digamma entr gammaln gamma expi exp1
        spence bessel_y0 bessel_y1 modified_bessel_k0 modified_bessel_k1 factorial multigammaln:1
        scaled_modified_bessel_k0 scaled_modified_bessel_k1 pow:-0.5 pow:1.5""",
    "within 1": "asin acos atanh erfinv", "unit": "logit ndtri", "above 1": "acosh",
    "two": """atan2 hypot logaddexp logaddexp2 maximum minimum fmax fmin copysign multiply divide
        add subtract dist mse_loss l1_loss smooth_l1_loss huber_loss
        poisson_nll_loss fmod remainder""",
    "two positive": "pow float_power xlogy xlog1py rel_entr kl_div gammainc gammaincc betaln zeta",
    "vector": """sum mean prod var std max min amax amin median msort diff trapezoid nansum nanmean
        nanmax nanstd nanvar nanprod nanmedian ptp norm vector_norm vector_norm:ord=3
        vector_norm:ord=0.5 vector_norm:ord=1e999 vander sort standardize cumulative_sum
        cumulative_prod ediff1d unwrap average cumsum:0 cumprod:0 logsumexp:0 softmax:0
        log_softmax:0 cummax:0 cummin:0 roll:1 logcumsumexp:0 cumlogsumexp kthvalue:2 topk:2 top_k:2
        quantile:0.3 nanquantile:0.5 clip:0:2 rms_norm:[5] layer_norm:[5] normalize:2:0 softmin:0
        logmeanexp fft.fft fft.ifft fft.rfft fft.hfft fft.irfft fft.ihfft""",
    "two vectors": """dot inner outer vdot kron convolve correlate vecdot polyval polymul polyadd
        linalg.vecdot pairwise_distance binary_cross_entropy_with_logits cosine_similarity:0
        lerp:0.3 cross_entropy""",
    "square": """inv det pinv matrix_exp expm svdvals cond matrix_norm matrix_norm:ord="nuc" trace
        tril cov corrcoef logdet slogdet matrix_power:3 matrix_power:-2 eigvals""",
    "two squares": "solve matmul cdist mm", "tall": "pinv svdvals cov matrix_norm pdist linalg.qr",
    "signal": """instance_norm glu group_norm:2 max_pool1d:2 avg_pool1d:2 lp_pool1d:3:2
        adaptive_max_pool1d:4 local_response_norm:2 pad:[2,1]:"reflect" layer_norm:[2,6]""",
}  # fmt: skip
OURS: list[tuple[str, str, Function]] = [
    ("vector", "abs(rfft)", lambda m, x: abs(m.fft.rfft(x))),
    ("square", "linalg.cholesky", lambda m, a: m.linalg.cholesky(a @ a.mT)),
    ("square", "linalg.eigvalsh", lambda m, a: m.linalg.eigvalsh(a + a.mT)),
    ("tall", "linalg.lstsq", lambda m, a: m.linalg.lstsq(a, a[:, :1] ** 2)[0]),
]
# Of SciPy, with arguments first: a function and its derivative, or one that gives both.
PAIRS = {
    "vector": "rosen=rosen_der logsumexp=softmax",
    "any": "j0=-j1 i0=i1 airy mathieu_cem:2:1.5 mathieu_sem:2:1.5 pbwa:0.5",
    "positive": """y0=-y1 k0=-k1 gammaln=psi loggamma=psi ber=berp bei=beip ker=kerp kei=keip
        airy@2=airy@3 itairy@0=airy@0 itj0y0@0=j0 iti0k0@0=i0 pbdv:1.5 pbvv:1.5 obl_rad1:1:2:0.5
        mathieu_modcem1:2:1.5 mathieu_modsem2:2:1.5 obl_rad2:1:2:0.5""",
    "within 1": "pro_ang1:1:2:0.5 obl_ang1:1:2:0.5", "above 1": "pro_rad1:1:2:0.5 pro_rad2:1:2:0.5",
}  # fmt: skip
for n in (0, 1, 4, 2.5, -0.5):
    for w in ["jv", "yv", "kv", "iv", "hankel1", "hankel2"]:
        PAIRS["positive"] += f" {w}:{n}={w.removesuffix('v').replace('ankel', '')}vp:{n}"
for n in (0, 1, 4):
    PAIRS["positive"] += f" polygamma:{n}=polygamma:{n + 1} expn:{n + 1}=-expn:{n}"
    for w in [f"spherical_{letter}n:{n}" for letter in "jyik"]:
        PAIRS["positive"] += f" {w}={w}:derivative=True"
    PAIRS["within 1"] += f" legendre_p:{n}:diff_n=1 assoc_legendre_p:{n}:1:diff_n=1"
    PAIRS["any"] += f" sph_legendre_p:{n}:1:diff_n=1"
LAWS = {  # the density is the derivative of the distribution function
    "any": """norm cauchy logistic laplace gumbel_r gumbel_l hypsecant moyal t:4.5 genlogistic:0.5
        johnsonsu:1:2 exponnorm:1.5 skewnorm:3 crystalball:2:3 nct:5:0.5""",
    "positive": """gamma:2.5 chi2:3 f:5:7 expon lognorm:0.9 weibull_min:1.5 invgamma:3 rayleigh levy
        maxwell halfnorm nakagami:2 gompertz:0.9 burr:2:3 fisk:3 lomax:2 invgauss:0.5 rice:1
        ncx2:3:1 kstwobign""", "unit": "beta:2:3 arcsine triang:0.4 powerlaw:1.6 ksone:10 kstwo:10",
}  # fmt: skip


def called(m: Any, word: str, *, last: bool = False) -> Function:
    """Return what a word stands for: a function of its inputs, which come first or last."""
    text, _, index = word.removeprefix("-").partition("@")
    name, *words = text.split(":")
    function, given = attrgetter(name)(m), [literal_eval(w) for w in words if "=" not in w]
    named = {k: literal_eval(v) for k, _, v in (w.partition("=") for w in words if "=" in w)}

    def call(*xs: Any) -> Any:
        y = function(*given, *xs, **named) if last else function(*xs, *given, **named)
        y = y[int(index)] if index else y
        y = y.real if "complex" in str(getattr(y, "dtype", "")) else y
        return -y if word.startswith("-") else y

    return call


def of_framework(check: Function, m: Any) -> Iterator[Case]:
    """Yield what PyTorch or JAX have of the tables."""
    for domain, words in WORDS.items():
        for word in words.split():
            with suppress(AttributeError):
                yield domain, word, partial(check, called(m, word))
    yield from ((domain, name, partial(check, partial(f, m))) for domain, name, f in OURS)


def of_scipy(check: Function, s: Any) -> Iterator[Case]:
    """Yield functions with what SciPy has for their derivatives."""

    def case(domain: str, name: str, f: Function, slope: Function) -> Case:
        return domain, name, partial(check, f, lambda g, x: g * slope(x))

    yield "vector", "rosen_der", partial(check, s.rosen_der, lambda g, x: s.rosen_hess(x) @ g)
    yield case("any", "log_expit", s.log_expit, lambda x: s.expit(-x))
    for domain, word in ((d, w) for d, words in PAIRS.items() for w in words.split()):
        one = "diff" in word or "=" not in word
        both = [f"{word}@0", f"{word}@1"] if one else word.split("=", 1)
        yield case(domain, word, *(called(s, w, last=True) for w in both))
    for domain, word in ((d, w) for d, words in LAWS.items() for w in words.split()):
        law = called(importlib.import_module("scipy.stats"), word)()
        yield case(domain, f"{word}, cdf", law.cdf, law.pdf)


LIBRARIES: list[tuple[Function, Function, str]] = [
    (of_framework, check_torch, "torch.nn.functional torch.linalg torch torch.special"),
    (of_framework, check_jax, "jax.numpy jax.nn jax.scipy.special jax.numpy.linalg jax.lax"),
    (of_scipy, check_vjp, "scipy.special scipy.optimize"),
]


def asked(domain: str, check: Function) -> Iterator[tuple[int, str]]:
    """Yield what the checker says of a function, as a place in WORST, and where and why."""
    together, hard = POINTS[domain]
    for inputs in [together, *(p if isinstance(p, tuple) else (p,) for p in hard)]:
        arrays = [np.array(a, float, ndmin=1) for a in inputs]
        place = ", ".join(repr(a.tolist()) if a.size < 10 else f"{a.shape}" for a in arrays)
        try:
            report = check(*arrays)
        except (AttributeError, NotImplementedError):  # the library has no such thing
            return
        except Exception as error:  # as the libraries raise
            if "not finite here" not in str(error):
                yield 2, f"{place}\n    {type(error).__name__}: {str(error)[:200]}"
            continue
        sure = int(report.counts[Verdict.KINK] > 0) if report.ok else 2
        yield 3 if report.wrong else sure, f"{place}\n    {str(report).splitlines()[0]}"


def main() -> None:
    """Check everything and print the tables."""
    warnings.simplefilter("ignore")
    print(f"| library | functions | {' | '.join(WORST)} |\n| --- | ---: |{' ---: |' * len(WORST)}")
    complaints = []
    for cases, check, names in LIBRARIES:
        title, found = names.split(".")[0], dict[str, int]()
        if importlib.util.find_spec(title) is None:
            continue
        m = SimpleNamespace(**ChainMap(*(vars(importlib.import_module(n)) for n in names.split())))
        for domain, name, checked in cases(check, m):
            for word, said in asked(domain, checked):
                found[name] = max(found.get(name, 0), word)
                complaints += [f"{title}: {name} at {said}"] if word > 1 else []
        counts = Counter(found.values())
        print(f"| {title} | {len(found)} | {' | '.join(str(counts[i]) for i in range(4))} |")
    print("", *complaints, sep="\n")


if __name__ == "__main__":
    main()
