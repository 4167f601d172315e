"""Functions through which a complex step does not pass: it underflows or is thrown away."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from suspects.case import Case

Array = Any


# --- products of many factors -------------------------------------------------------------------


def likelihood(x: Array) -> Array:
    return np.prod(np.exp(-0.5 * x**2))


def likelihood_vjp_doubled(g: Array, x: Array) -> Array:
    return -2 * g * likelihood(x) * x


def log_of_product(x: Array) -> Array:
    return np.log(np.prod(x))


def log_of_product_vjp(g: Array, x: Array) -> Array:
    return g / x


def geometric_mean(x: Array) -> Array:
    return np.prod(x) ** (1 / x.size)


def geometric_mean_vjp(g: Array, x: Array) -> Array:
    return g * geometric_mean(x) / (x.size * x)


def all_fail(p: Array) -> Array:
    """The chance that parts fail all at once, in units of 1e-270."""
    return np.prod(p) * 1e270


def all_fail_vjp_shifted(g: Array, p: Array) -> Array:
    before = np.cumprod(np.append(1e270, p[:-1]))
    after = np.cumprod(np.append(1.0, p[-2::-1]))[::-1]  # p[:0:-1] would be right
    return g * before * after


TRANSITION = np.array([[0.9, 0.1], [0.3, 0.7]])


def markov_log_likelihood(emission: Array) -> Array:
    state = np.array([0.5, 0.5])
    for row in emission:
        state = (state * row) @ TRANSITION
    return np.log(np.sum(state))


def markov_vjp(g: Array, emission: Array, *, back: Array) -> Array:
    before = [np.array([0.5, 0.5])]
    for row in emission:
        before.append((before[-1] * row) @ TRANSITION)
    gradient, ahead = np.empty_like(emission), np.ones(2)
    for t in reversed(range(len(emission))):
        through = back @ ahead
        gradient[t] = before[t] * through
        ahead = emission[t] * through
    return g * gradient / np.sum(before[-1])


def markov_vjp_transposed(g: Array, emission: Array) -> Array:
    return markov_vjp(g, emission, back=TRANSITION.T)


def markov_vjp_right(g: Array, emission: Array) -> Array:
    return markov_vjp(g, emission, back=TRANSITION)


# --- sums of exponentials and far tails ---------------------------------------------------------


def logsumexp(x: Array) -> Array:
    return np.log(np.sum(np.exp(x)))


def logsumexp_vjp(g: Array, x: Array) -> Array:
    e = np.exp(x - np.max(x))
    return g * e / np.sum(e)


def logsumexp_vjp_not_normalised(g: Array, x: Array) -> Array:
    return g * np.exp(x - np.max(x))


def logsumexp_vjp_without_small_terms(g: Array, x: Array) -> Array:
    e = np.exp(x)
    return g * np.where(e < 1e-200, 0.0, e / np.sum(e))


def normal_density(x: Array) -> Array:
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def normal_density_vjp_without_minus(g: Array, x: Array) -> Array:
    return g * x * normal_density(x)


def softplus(x: Array) -> Array:
    return np.log1p(np.exp(x))


def softplus_vjp(g: Array, x: Array) -> Array:
    return g / (1 + np.exp(-x))


def poisson(rate: Array) -> Array:
    """The chance of three events."""
    return rate**3 * np.exp(-rate) / 6


def poisson_vjp_of_nothing(g: Array, rate: Array) -> Array:
    return g * np.where(rate > 500, 0.0, poisson(rate) * (3 / rate - 1))


def planck(nu: Array, temperature: Array) -> Array:
    """Radiance in SI units, in which the constants are tiny and the factor is huge."""
    h, k, c = 6.62607015e-34, 1.380649e-23, 299792458.0
    return 2 * h**5 * nu**3 / c**2 / h**4 / np.expm1(h * nu / (k * temperature))


def planck_vjp(g: Array, nu: Array, temperature: Array) -> tuple[Array, Array]:
    h, k = 6.62607015e-34, 1.380649e-23
    u, y = h * nu / (k * temperature), planck(nu, temperature)
    steep = u / -np.expm1(-u)  # u e^u / (e^u - 1)
    return g * y * (3 - steep) / nu, np.sum(g * y * steep / temperature)


def square_of_tiny(x: Array) -> Array:
    return (x * 1e-155) ** 2 * 1e155 * 1e155


def square_of_tiny_vjp(g: Array, x: Array) -> Array:
    return 2 * g * x


# --- near 0 -------------------------------------------------------------------------------------


def compound(rate: Array) -> Array:
    return np.expm1(12 * np.log1p(rate / 12))


def compound_vjp(g: Array, rate: Array) -> Array:
    return g * (1 + rate / 12) ** 11


def compound_vjp_of_a_month_too_many(g: Array, rate: Array) -> Array:
    return g * (1 + rate / 12) ** 12


def root(x: Array) -> Array:
    return np.sqrt(x)


def root_vjp(g: Array, x: Array) -> Array:
    return 0.5 * g / np.sqrt(x)


def distance(p: Array, q: Array) -> Array:
    d = p - q
    largest = np.max(np.abs(d))
    return largest * np.sqrt(np.sum((d / largest) ** 2))


def distance_vjp_with_both_the_same_way(g: Array, p: Array, q: Array) -> tuple[Array, Array]:
    u = g * ((p - q) / distance(p, q))
    return u, u.copy()


# --- the imaginary part thrown away -------------------------------------------------------------


def smoothed(x: Array) -> Array:
    y = np.zeros(len(x))
    y[0] = x[0]
    for t in range(1, len(x)):
        y[t] = 0.8 * y[t - 1] + 0.2 * x[t]
    return y


def smoothed_vjp_with_first_value_weighted(g: Array, x: Array) -> Array:
    dx, carried = np.zeros(len(x)), 0.0
    for t in reversed(range(len(x))):
        carried = g[t] + 0.8 * carried
        dx[t] = 0.2 * carried
    return dx


BLUR = np.array([0.25, 0.5, 0.2])


def blurred(x: Array) -> Array:
    y = np.empty(len(x) - 2)
    for i in range(len(y)):
        y[i] = BLUR @ x[i : i + 3]
    return y


def blurred_vjp(g: Array, x: Array) -> Array:
    dx = np.zeros(len(x))
    for i in range(len(g)):
        dx[i : i + 3] += g[i] * BLUR
    return dx


def horner(x: Array) -> Array:
    x = np.asarray(x, dtype=float)
    return ((0.5 * x - 2) * x + 1) * x + 3


def horner_vjp(g: Array, x: Array) -> Array:
    return g * ((1.5 * x - 4) * x + 1)


def newton_root(a: Array) -> Array:
    def one(value: float) -> float:
        r = 1.0
        for _ in range(60):
            r = 0.5 * (r + value / r)
        return r

    return np.array([one(float(v)) for v in a])


def newton_root_vjp_without_half(g: Array, a: Array) -> Array:
    return g / np.sqrt(a)


def eccentric_anomaly(mean: Array, e: Array) -> Array:
    """Kepler's equation E - e sin E = M, by iteration."""
    mean, e = np.asarray(mean, dtype=float), float(e)
    E = mean.copy()
    for _ in range(100):
        E = mean + e * np.sin(E)
    return E


def eccentric_anomaly_vjp(g: Array, mean: Array, e: Array) -> tuple[Array, Array]:
    E = eccentric_anomaly(mean, e)
    dmean = g / (1 - e * np.cos(E))
    return dmean, np.sum(dmean * np.sin(E))


def cosine_fixed_point(a: Array) -> Array:
    """Solve y = cos(a y)."""
    y = np.full(a.shape, 0.5)
    for _ in range(300):
        y[...] = np.cos(np.array([float(v) for v in a]) * y)
    return y


def cosine_fixed_point_vjp_of_the_last_step(g: Array, a: Array) -> Array:
    y = cosine_fixed_point(a)
    return -g * y * np.sin(a * y)


def signed_root(x: Array) -> Array:
    """The root of what is positive, one at a time, and twice what is not."""
    return np.array([math.sqrt(1 + v) - 1 if v > 0 else 2 * v for v in x])


def signed_root_vjp_of_the_negative(g: Array, x: Array) -> Array:
    return g * np.where(x > 0, 0.0, 2.0)


def bisected(c: Array, *, low: float, high: float, f: Any) -> Array:
    lows, highs = np.full(c.shape, low), np.full(c.shape, high)
    for _ in range(80):
        middle = 0.5 * (lows + highs)
        below = f(middle) < c
        lows, highs = np.where(below, middle, lows), np.where(below, highs, middle)
    return 0.5 * (lows + highs)


def cubic_root(c: Array) -> Array:
    """Solve x^3 + x = c."""
    return bisected(c, low=-50.0, high=50.0, f=lambda x: x**3 + x)


def cubic_root_vjp_of_the_cube_alone(g: Array, c: Array) -> Array:
    return g / (3 * cubic_root(c) ** 2)


def cubic_root_vjp_of_nothing(g: Array, c: Array) -> Array:
    return np.zeros_like(c)


def diode_voltage(c: Array) -> Array:
    """Solve v + e^v = c: a diode behind a resistor."""
    return bisected(c, low=-50.0, high=5.0, f=lambda v: v + np.exp(v))


def diode_voltage_vjp(g: Array, c: Array) -> Array:
    return g / (1 + np.exp(diode_voltage(c)))


KNOTS = np.array([-2.0, -0.5, 0.0, 1.0, 2.5])
HEIGHTS = np.array([1.0, -1.0, 0.5, 2.0, 0.0])


def smooth_look_up(x: Array) -> Array:
    """A table with smoothstep between its entries."""

    def one(value: float) -> float:
        i = 0
        while i < len(KNOTS) - 2 and value > KNOTS[i + 1]:
            i += 1
        u = (value - KNOTS[i]) / (KNOTS[i + 1] - KNOTS[i])
        return float(HEIGHTS[i] + (HEIGHTS[i + 1] - HEIGHTS[i]) * (3 - 2 * u) * u * u)

    return np.array([one(float(v)) for v in x])


def smooth_look_up_vjp(g: Array, x: Array) -> Array:
    i = np.clip(np.searchsorted(KNOTS, x) - 1, 0, len(KNOTS) - 2)
    width = KNOTS[i + 1] - KNOTS[i]
    u = (x - KNOTS[i]) / width
    return g * (HEIGHTS[i + 1] - HEIGHTS[i]) * 6 * u * (1 - u) / width


# --- lost on one path of several, so that half the slope remains ----------------------------------


def standardised(x: Array) -> Array:
    return (x - np.mean(x)) / np.std(x, dtype=float)


def standardised_vjp_with_spread_held(g: Array, x: Array) -> Array:
    return (g - np.mean(g)) / np.std(x)


def standardised_vjp(g: Array, x: Array) -> Array:
    y = standardised(x)
    return (g - np.mean(g) - y * np.mean(g * y)) / np.std(x)


def direction(x: Array) -> Array:
    return x / np.linalg.norm(x)


def direction_vjp_with_length_held(g: Array, x: Array) -> Array:
    return g / np.linalg.norm(x)


def normal_probability(x: Array) -> Array:
    return np.array([0.5 * math.erfc(-float(v) / math.sqrt(2)) for v in x])


def exact_gelu(x: Array) -> Array:
    return x * normal_probability(x)


def exact_gelu_vjp(g: Array, x: Array) -> Array:
    return g * (normal_probability(x) + x * normal_density(x))


def exact_gelu_vjp_with_gate_held(g: Array, x: Array) -> Array:
    return g * normal_probability(x)


def attention(scores: Array, temperature: Array) -> Array:
    e = np.exp((scores - np.max(scores)) / float(temperature))
    return e / np.sum(e)


def attention_vjp_without_temperature(
    g: Array, scores: Array, temperature: Array
) -> tuple[Array, Array]:
    y = attention(scores, temperature)
    return y * (g - np.sum(g * y)) / temperature, np.zeros_like(temperature)


def attention_vjp(g: Array, scores: Array, temperature: Array) -> tuple[Array, Array]:
    y = attention(scores, temperature)
    dscores = y * (g - np.sum(g * y)) / temperature
    return dscores, -np.sum(dscores * scores) / temperature


GROUPS = np.array([0, 1, 0, 2, 1, 0])


def less_group_means(x: Array) -> Array:
    means = np.bincount(GROUPS, weights=x) / np.bincount(GROUPS)
    return x - means[GROUPS]


def less_group_means_vjp_with_means_held(g: Array, x: Array) -> Array:
    return g.copy()


def group_energies(x: Array) -> Array:
    return np.bincount(GROUPS, weights=x * x)


def group_energies_vjp(g: Array, x: Array) -> Array:
    return 2 * g[GROUPS] * x


# --- real parts, conjugates and LAPACK ----------------------------------------------------------


def power_spectrum(x: Array) -> Array:
    return np.abs(np.fft.rfft(x)) ** 2


def power_spectrum_vjp(g: Array, x: Array) -> Array:
    k, n = np.arange(len(x) // 2 + 1), np.arange(len(x))
    waves = np.exp(-2j * np.pi * np.outer(k, n) / len(x))
    return 2 * np.real((g * np.conj(waves @ x)) @ waves)


AMPLITUDES = np.array([1.0, 0.7, 0.4])


def intensity(phase: Array) -> Array:
    return np.abs(np.sum(AMPLITUDES * np.exp(1j * phase))) ** 2


def intensity_vjp_of_the_wrong_sign(g: Array, phase: Array) -> Array:
    waves = AMPLITUDES * np.exp(1j * phase)
    return 2 * g * np.imag(np.conj(np.sum(waves)) * waves)


def top_singular_value_squared(A: Array) -> Array:
    return np.linalg.eigvalsh(A.T @ A)[-1]


def top_singular_value_squared_vjp(g: Array, A: Array) -> Array:
    v = np.linalg.eigh(A.T @ A)[1][:, -1]
    return 2 * g * np.outer(A @ v, v)


def half_log_determinant(X: Array) -> Array:
    return np.sum(np.log(np.diag(np.linalg.cholesky(X @ X.T + np.eye(len(X))))))


def half_log_determinant_vjp_of_the_whole(g: Array, X: Array) -> Array:
    return 2 * g * np.linalg.solve(X @ X.T + np.eye(len(X)), X)


def pendulum_period(amplitude: Array) -> Array:
    """In units of the period of small swings, by the arithmetic-geometric mean."""
    a, b = np.ones(amplitude.shape), np.cos(amplitude / 2).astype(np.float64)
    for _ in range(8):
        a, b = 0.5 * (a + b), np.sqrt(a * b)
    return 1 / a


def pendulum_period_vjp_of_the_series(g: Array, amplitude: Array) -> Array:
    return g * (amplitude / 8 + 11 * amplitude**3 / 768)  # two terms of the series


RNG = np.random.default_rng(11)
FAR = RNG.uniform(6.2, 6.6, 30) * np.where(np.arange(30) % 2, 1.0, -1.0)
RARE = RNG.uniform(0.5e-10, 2e-10, 28)
EMISSIONS = RNG.uniform(1e-15, 9e-15, (18, 2))

CASES = [
    Case(
        "doubled gradient of a likelihood of 30 far observations",
        right=False,
        function=likelihood,
        vjp=likelihood_vjp_doubled,
        inputs=(FAR,),
    ),
    Case(
        "log of a product that all but underflows",
        right=True,
        function=log_of_product,
        vjp=log_of_product_vjp,
        inputs=(RARE,),
    ),
    Case(
        "geometric mean of 28 small probabilities",
        right=True,
        function=geometric_mean,
        vjp=geometric_mean_vjp,
        inputs=(RARE,),
    ),
    Case(
        "chance that all parts fail, with the parts after each one shifted",
        right=False,
        function=all_fail,
        vjp=all_fail_vjp_shifted,
        inputs=(RARE[:27],),
    ),
    Case(
        "hidden Markov model unscaled, with its transitions transposed on the way back",
        right=False,
        function=markov_log_likelihood,
        vjp=markov_vjp_transposed,
        inputs=(EMISSIONS,),
    ),
    Case(
        "hidden Markov model unscaled, at a likelihood of 1e-270",
        right=True,
        function=markov_log_likelihood,
        vjp=markov_vjp_right,
        inputs=(EMISSIONS,),
    ),
    Case(
        "unshifted logsumexp at -690 with weights that do not sum to 1",
        right=False,
        function=logsumexp,
        vjp=logsumexp_vjp_not_normalised,
        inputs=(np.array([-690.0, -691.0, -689.5]),),
    ),
    Case(
        "unshifted logsumexp at -690",
        right=True,
        function=logsumexp,
        vjp=logsumexp_vjp,
        inputs=(np.array([-690.0, -691.0, -689.5]),),
    ),
    Case(
        "far tail of the normal density that rises where it should fall",
        right=False,
        function=normal_density,
        vjp=normal_density_vjp_without_minus,
        inputs=(np.array([36.0, -36.5, 37.0]),),
    ),
    Case(
        "softplus at -690",
        right=True,
        function=softplus,
        vjp=softplus_vjp,
        inputs=(np.array([-690.0, -400.0, -2.0, 3.0]),),
    ),
    Case(
        "Poisson probability in its far tail with a gradient of nothing",
        right=False,
        function=poisson,
        vjp=poisson_vjp_of_nothing,
        inputs=(np.array([690.0, 660.0]),),
    ),
    Case(
        "Planck's law in SI units, with h to the fifth on the way",
        right=True,
        function=planck,
        vjp=planck_vjp,
        inputs=(np.array([3e14, 5e14, 8e14]), np.array(5800.0)),
    ),
    Case(
        "square of a number that is 1e-155 on the way",
        right=True,
        function=square_of_tiny,
        vjp=square_of_tiny_vjp,
        inputs=(np.array([1.5, -0.7, 20.0]),),
    ),
    Case(
        "compound interest with a month too many",
        right=False,
        function=compound,
        vjp=compound_vjp_of_a_month_too_many,
        inputs=(np.array([1e-9, 0.004, 0.05]),),
    ),
    Case(
        "compound interest at rates of almost nothing",
        right=True,
        function=compound,
        vjp=compound_vjp,
        inputs=(np.array([1e-13, 1e-9, -1e-6, 0.03]),),
    ),
    Case(
        "square root at 1e-200",
        right=True,
        function=root,
        vjp=root_vjp,
        inputs=(np.array([1e-200, 3e-180, 4.0]),),
    ),
    Case(
        "distance of 1e-160 between two points that move the same way",
        right=False,
        function=distance,
        vjp=distance_vjp_with_both_the_same_way,
        inputs=(np.array([3e-160, -1e-160, 2e-160]), np.array([1e-160, 2e-160, -1e-160])),
    ),
    Case(
        "moving average in a buffer of floats, whose first value is weighted like the rest",
        right=False,
        function=smoothed,
        vjp=smoothed_vjp_with_first_value_weighted,
        inputs=(np.array([1.0, 0.3, -0.5, 2.0, 0.1]),),
    ),
    Case(
        "blur written into an empty buffer of floats",
        right=True,
        function=blurred,
        vjp=blurred_vjp,
        inputs=(np.array([1.0, 0.3, -0.5, 2.0, 0.1, 0.9]),),
    ),
    Case(
        "polynomial by Horner's scheme on asarray(x, dtype=float)",
        right=True,
        function=horner,
        vjp=horner_vjp,
        inputs=(np.array([1.2, 0.7, -0.4]),),
    ),
    Case(
        "square root by Newton's iteration on floats, its gradient without the half",
        right=False,
        function=newton_root,
        vjp=newton_root_vjp_without_half,
        inputs=(np.array([2.0, 0.3, 7.0]),),
    ),
    Case(
        "Kepler's equation by iteration on floats",
        right=True,
        function=eccentric_anomaly,
        vjp=eccentric_anomaly_vjp,
        inputs=(np.array([0.4, 1.9, -1.1]), np.array(0.35)),
    ),
    Case(
        "fixed point of a cosine, with the gradient of its last step alone",
        right=False,
        function=cosine_fixed_point,
        vjp=cosine_fixed_point_vjp_of_the_last_step,
        inputs=(np.array([0.3, 0.8, 0.6]),),
    ),
    Case(
        "root of a cubic by bisection, with the gradient of the cube alone",
        right=False,
        function=cubic_root,
        vjp=cubic_root_vjp_of_the_cube_alone,
        inputs=(np.array([2.0, -3.0, 9.0]),),
    ),
    Case(
        "voltage of a diode by bisection",
        right=True,
        function=diode_voltage,
        vjp=diode_voltage_vjp,
        inputs=(np.array([2.0, -3.0, 0.4]),),
    ),
    Case(
        "smooth table whose segment is searched for in a loop",
        right=True,
        function=smooth_look_up,
        vjp=smooth_look_up_vjp,
        inputs=(np.array([-1.3, -0.2, 0.6, 1.9]),),
    ),
    Case(
        "unshifted logsumexp at -690 with its small terms dropped, which are all",
        right=False,
        function=logsumexp,
        vjp=logsumexp_vjp_without_small_terms,
        inputs=(np.array([-690.0, -691.0, -689.5]),),
    ),
    Case(
        "root of a cubic by bisection with a gradient of nothing",
        right=False,
        function=cubic_root,
        vjp=cubic_root_vjp_of_nothing,
        inputs=(np.array([2.0, -3.0, 9.0]),),
    ),
    Case(
        "roots taken one at a time, with a gradient for the others alone",
        right=False,
        function=signed_root,
        vjp=signed_root_vjp_of_the_negative,
        inputs=(np.array([2.0, -3.0, 0.6, -0.2]),),
    ),
    Case(
        "standardised by np.std(x, dtype=float), with the spread held still",
        right=False,
        function=standardised,
        vjp=standardised_vjp_with_spread_held,
        inputs=(np.array([1.0, 0.3, -0.5, 2.0]),),
    ),
    Case(
        "standardised by np.std(x, dtype=float)",
        right=True,
        function=standardised,
        vjp=standardised_vjp,
        inputs=(np.array([1.0, 0.3, -0.5, 2.0]),),
    ),
    Case(
        "unit vector by np.linalg.norm, with its length held still",
        right=False,
        function=direction,
        vjp=direction_vjp_with_length_held,
        inputs=(np.array([1.0, 0.3, -0.5]),),
    ),
    Case(
        "GELU with math.erfc as its gate, which is held still",
        right=False,
        function=exact_gelu,
        vjp=exact_gelu_vjp_with_gate_held,
        inputs=(np.array([1.0, 0.3, -0.5]),),
    ),
    Case(
        "GELU with math.erfc as its gate",
        right=True,
        function=exact_gelu,
        vjp=exact_gelu_vjp,
        inputs=(np.array([1.0, 0.3, -0.5]),),
    ),
    Case(
        "temperature of a softmax through float(), with a gradient of nothing",
        right=False,
        function=attention,
        vjp=attention_vjp_without_temperature,
        inputs=(np.array([1.0, 0.3, -0.5]), np.array(0.8)),
    ),
    Case(
        "temperature of a softmax through float()",
        right=True,
        function=attention,
        vjp=attention_vjp,
        inputs=(np.array([1.0, 0.3, -0.5]), np.array(0.8)),
    ),
    Case(
        "values less the means of their groups, with the means held still",
        right=False,
        function=less_group_means,
        vjp=less_group_means_vjp_with_means_held,
        inputs=(np.array([1.0, 0.3, -0.5, 2.0, 0.1, -0.8]),),
    ),
    Case(
        "energies of groups by np.bincount",
        right=True,
        function=group_energies,
        vjp=group_energies_vjp,
        inputs=(np.array([1.0, 0.3, -0.5, 2.0, 0.1, -0.8]),),
    ),
    Case(
        "power spectrum through rfft and abs",
        right=True,
        function=power_spectrum,
        vjp=power_spectrum_vjp,
        inputs=(np.array([1.0, 0.3, -0.5, 2.0, 0.1, -0.8]),),
    ),
    Case(
        "intensity of three waves, with its gradient's sign lost",
        right=False,
        function=intensity,
        vjp=intensity_vjp_of_the_wrong_sign,
        inputs=(np.array([0.2, 1.5, -0.9]),),
    ),
    Case(
        "largest singular value squared, through eigvalsh",
        right=True,
        function=top_singular_value_squared,
        vjp=top_singular_value_squared_vjp,
        inputs=(np.array([[2.0, 0.3], [-0.4, 1.1], [0.5, 0.6]]),),
    ),
    Case(
        "half a log-determinant by Cholesky, with the gradient of the whole",
        right=False,
        function=half_log_determinant,
        vjp=half_log_determinant_vjp_of_the_whole,
        inputs=(np.array([[0.9, 0.3, -0.2], [-0.4, 1.1, 0.6]]),),
    ),
    Case(
        "period of a pendulum, with the gradient of two terms of its series",
        right=False,
        function=pendulum_period,
        vjp=pendulum_period_vjp_of_the_series,
        inputs=(np.array([0.3, 0.7, 1.2]),),
    ),
]
