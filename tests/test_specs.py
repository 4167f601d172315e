"""The table of specs, run: values, both modes of differentiation, dtypes, purity, formulas.

Differences are extrapolated to step 0 (`specs.differences`), so derivatives are compared to
1e-10 of the largest entry. Nothing here knows a derivative: it is all said in the rules.
"""

from __future__ import annotations

import operator
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from quick import first_quick
from specs import CALLS, Array, Call, differences
from specs.elementwise import ELEMENTWISE
from specs.learning import LEARNING

import tinygrad_bp
from tinygrad_bp import Tensor, engine, gradients, steps
from tinygrad_bp import rules as own
from tinygrad_bp.engine import key_of
from tinygrad_bp.explain import Symbol
from tinygrad_bp.registry import rules
from tinygrad_bp.rules.special import special

WITH_RULE = [call for call in CALLS if call.has_rule]

every_call, every_rule = (
    pytest.mark.parametrize("call", first_quick(calls, lambda call: call.function), ids=str)
    for calls in (CALLS, WITH_RULE)
)

F64, F32 = np.float64, np.float32


# --- tools ----------------------------------------------------------------------------------


def tensors(call: Call, dtype: Any = F64) -> list[Tensor]:
    """The drawn arguments as tensors that track, in their layouts."""
    return call.views([Tensor(base, requires_grad=True) for base in call.bases(dtype)])


def rng_of(call: Call) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(str(call).encode()) + 1)


def directions(call: Call, like: Sequence[Array]) -> list[Array]:
    """One random direction for each array, with signs and no entry longer than 1."""
    rng = rng_of(call)
    return [_direction(rng, a) for a in like]


def _direction(rng: np.random.Generator, a: Array) -> Array:
    parts = (
        rng.uniform(-1, 1, (2, *a.shape)) if a.dtype.kind == "c" else rng.uniform(-1, 1, a.shape)
    )
    return np.asarray(parts[0] + 1j * parts[1] if a.dtype.kind == "c" else parts, a.dtype)


def weighed(outputs: Sequence[Any], weights: Sequence[Array]) -> Any:
    """A scalar that every output has a say in: complex numbers are pairs of real ones."""
    terms = [np.sum(y * np.conj(w)) for y, w in zip(outputs, weights, strict=True)]
    terms = [np.real(term) if term.dtype.kind == "c" else term for term in terms]
    return sum(terms[1:], start=terms[0])


def gradient_of(
    call: Call, args: list[Tensor], weights: Sequence[Array], *, create_graph: bool = False
) -> list[Tensor]:
    """The gradient of the weighed outputs; zero where nothing depends on an argument."""
    found = gradients(weighed(call(args), weights), args, create_graph=create_graph)
    return [
        Tensor(np.zeros_like(x.data)) if g is None else g for g, x in zip(found, args, strict=True)
    ]


def pushed(outputs: Sequence[Tensor], inputs: Sequence[Tensor], moves: Sequence[Array]) -> list:
    """How outputs move when inputs move, by forward mode."""
    tangents = {key_of(x): move for x, move in zip(inputs, moves, strict=True)}
    engine.push(reversed(engine.topological_order(*outputs)), tangents, engine.read_arrays)
    return [tangents.get(key_of(y), np.zeros_like(y.data)) for y in outputs]


def flat(arrays: Sequence[Any]) -> Array:
    """All numbers in a row, with the real and the imaginary parts of complex ones."""
    arrays = [np.asarray(a.data if isinstance(a, Tensor) else a) for a in arrays]
    parts = [(a.real, a.imag) if a.dtype.kind == "c" else (a,) for a in arrays]
    return np.concatenate([np.zeros(0), *(np.ravel(p) for row in parts for p in row)])


def assert_close(actual: Array, expected: Array, tolerance: float) -> None:
    assert actual.shape == expected.shape
    assert np.all(np.isfinite(actual))
    scale = np.max(np.abs(expected), initial=1.0)
    worst = np.max(np.abs(actual - expected), initial=0.0)
    assert worst <= tolerance * scale, f"\n{actual}\nshould be\n{expected}"


UNSTEADY = np.lib.NumpyVersion(np.__version__) < "2.4.0"
"""Whether the last bit of a complex product depends on where in memory its factors lie.

With NumPy 2.0 it does, once in ten thousand times; with 2.4 it did not in thirty thousand.
"""


def assert_computed_alike(actual: Array, expected: Array) -> None:
    """The same bits; of complex numbers, where NumPy's own bits vary, all but the last ones."""
    if actual.dtype.kind == "c" and UNSTEADY:
        slack = 4 * np.finfo(actual.dtype).eps
        np.testing.assert_allclose(actual, expected, slack, slack * np.abs(expected).max(initial=0))
    else:
        assert_same_bits(actual, expected)


def assert_same_bits(actual: Array, expected: Array) -> None:
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    assert actual.tobytes() == expected.tobytes(), f"\n{actual}\nshould be\n{expected}"


# --- values ---------------------------------------------------------------------------------


@every_call
def test_value_is_numpys(call: Call) -> None:
    """To the last bit where NumPy's own function runs; rewritten functions may round otherwise."""
    for dtype in (F64, F32):
        check_value(call, dtype)


def check_value(call: Call, dtype: Any) -> None:
    args = tensors(call, dtype)
    arrays = [t.data for t in args]
    actual, expected = call(args), call.expected(arrays)
    assert len(actual) == len(expected)
    numpys_own = call.has_rule and call.reference is call.function
    for y, wanted in zip(actual, map(np.asarray, expected), strict=True):
        assert isinstance(y, Tensor)
        assert y.requires_grad
        assert y.dtype == wanted.dtype
        if numpys_own:
            assert_computed_alike(y.data, wanted)
        else:
            assert_close(y.data, wanted, 8 * np.finfo(wanted.dtype).eps)


@every_call
def test_result_is_a_new_array_and_inputs_stay_as_they_are(call: Call) -> None:
    args = tensors(call)
    before = [t.data.copy() for t in args]
    outputs = call(args)
    weights = directions(call, [y.data for y in outputs])
    seeds = [w.copy() for w in weights]
    for y, seed in zip(outputs, seeds, strict=True):
        gradients(y, args, seed=Tensor(seed))
    for y in outputs:
        assert all(y is t or y.data is not t.data for t in args)
    for t, value in zip(args, before, strict=True):
        assert_same_bits(t.data, value)
    for seed, w in zip(seeds, weights, strict=True):
        assert_same_bits(seed, w)


# --- derivatives ----------------------------------------------------------------------------


@every_call
def test_reverse_mode(call: Call) -> None:
    """Every entry of the gradient of a random combination of all outputs."""
    args = tensors(call)
    point = [t.data for t in args]
    weights = directions(call, [y.data for y in call(args)])

    def value(arrays: list[Array]) -> Array:
        return weighed(call(arrays), weights)

    expected = [np.zeros(t.shape, t.dtype) for t in args]
    for i, gradient in enumerate(expected):
        for at in np.ndindex(gradient.shape):
            for unit in (1, 1j) if gradient.dtype.kind == "c" else (1,):
                direction = [np.zeros(t.shape, t.dtype) for t in args]
                direction[i][at] = unit
                gradient[at] += unit * differences(value, point, direction)
    actual = gradient_of(call, args, weights)
    for g, t in zip(actual, args, strict=True):
        assert g.shape == t.shape
        assert g.dtype == t.dtype
    assert_close(flat(actual), flat(expected), 1e-10)


@every_call
def test_forward_mode_and_its_pairing_with_reverse_mode(call: Call) -> None:
    """J t against differences, and <w, J t> = <Jᵀ w, t>."""
    args = tensors(call)
    outputs = call(args)
    moves = directions(call, [t.data for t in args])
    tangents = pushed(outputs, args, moves)
    for tangent, y in zip(tangents, outputs, strict=True):
        assert tangent.shape == y.shape
        assert tangent.dtype == y.dtype
    point = [t.data for t in args]
    expected = differences(lambda arrays: flat(call(arrays)), point, moves)
    assert_close(flat(tangents), expected, 1e-10)

    weights = directions(call, tangents)
    pulled = gradient_of(call, args, weights)
    left, right = flat(weights) @ flat(tangents), flat(pulled) @ flat(moves)
    size = np.linalg.norm(flat(weights)) * np.linalg.norm(flat(tangents))
    assert abs(left - right) <= 1e-13 * max(size, 1)


@every_call
def test_second_order(call: Call) -> None:
    """Reverse over reverse and forward over reverse, against differences of the gradient."""
    args = tensors(call)
    weights = directions(call, [y.data for y in call(args)])
    moves = directions(call, [t.data for t in args])

    def gradient_at(arrays: list[Array]) -> Array:
        moved = [Tensor(a, requires_grad=True) for a in arrays]
        return flat(gradient_of(call, moved, weights))

    expected = differences(gradient_at, [t.data for t in args], moves)
    first = gradient_of(call, args, weights, create_graph=True)
    curved = [g for g in first if g.requires_grad]

    assert_close(flat(pushed(first, args, moves)), expected, 1e-10)
    # The Hessian is symmetric, so H t is also the gradient of <gradient, t>.
    if curved:
        along = weighed(first, moves)
        second = gradients(along, args)
        pairs = zip(second, args, strict=True)
        actual = flat([np.zeros_like(t.data) if g is None else g for g, t in pairs])
    else:
        actual = np.zeros_like(expected)
    assert_close(actual, expected, 1e-10)


ELEMENT_BY_ELEMENT = [call for spec in (*ELEMENTWISE, *LEARNING) for call in spec.calls]


@pytest.mark.parametrize(
    "call", first_quick(ELEMENT_BY_ELEMENT, lambda call: call.function), ids=str
)
def test_third_order(call: Call) -> None:
    """Forward over reverse over reverse, against differences of the second order."""
    args = tensors(call)
    weights = directions(call, [y.data for y in call(args)])
    moves = directions(call, [t.data for t in args])

    def curvature(arrays: list[Tensor]) -> Any:
        first = gradient_of(call, arrays, weights, create_graph=True)
        along = weighed(first, moves)
        if not along.requires_grad:
            return along
        found = gradients(along, arrays, create_graph=True)
        pairs = zip(found, moves, strict=True)
        second = [np.sum(np.real(g * np.conj(m))) for g, m in pairs if g is not None]
        return sum(second[1:], start=second[0])

    def at(arrays: list[Array]) -> Array:
        return flat([curvature([Tensor(a, requires_grad=True) for a in arrays])])

    expected = differences(at, [t.data for t in args], moves)
    third = curvature(args)
    assert_close(
        flat(pushed([third], args, moves) if third.requires_grad else [0.0]), expected, 1e-9
    )


@every_call
def test_recorded_pass_gives_the_same_bits(call: Call) -> None:
    """Rules fed with arrays and rules fed with tensors are one computation."""
    for dtype in (F64, F32):
        args = tensors(call, dtype)
        weights = directions(call, [y.data for y in call(args)])
        plain = gradient_of(call, args, weights)
        recorded = gradient_of(call, args, weights, create_graph=True)
        for g, again in zip(plain, recorded, strict=True):
            assert_computed_alike(g.data, again.data)


# --- dtypes ---------------------------------------------------------------------------------


def widened(a: Array) -> Array:
    return a.astype(np.result_type(a, F64))


@every_call
def test_float32_is_kept_in_both_modes(call: Call) -> None:
    args = tensors(call, F32)
    outputs = call(args)
    wanted = [np.asarray(y).dtype for y in call.expected([t.data for t in args])]
    assert [y.dtype for y in outputs] == wanted
    weights = directions(call, [y.data for y in outputs])
    actual = gradient_of(call, args, weights)
    assert [g.dtype for g in actual] == [t.dtype for t in args]

    wide = call.views([Tensor(widened(b), requires_grad=True) for b in call.bases(F32)])
    expected = gradient_of(call, wide, list(map(widened, weights)))
    assert_close(flat(actual), flat(expected), 4e-6)

    moves = directions(call, [t.data for t in args])
    tangents = pushed(outputs, args, moves)
    assert [t.dtype for t in tangents] == wanted
    expected_tangents = pushed(call(wide), wide, list(map(widened, moves)))
    assert_close(flat(tangents), flat(expected_tangents), 4e-6)


@every_rule
def test_rules_themselves_keep_float32(call: Call) -> None:
    """The engine would cast a stray float64 back, but the work would be done at half the speed."""
    arrays, options, y, g = arguments_of_rule(call, F32)
    wanted = {np.dtype(F32), *(np.asarray(part).dtype for part in (*_parts(y), *arrays))}
    # What a real number is given along the imaginary axis, which the engine drops.
    if call.function in (np.imag, np.fft.irfft):
        wanted.add(np.dtype(np.complex64))
    rule = rules[call.function]
    slots = drawn_slots(call, arrays)
    for slot in slots:
        pulled = rule.partials[0 if rule.together else slot](g, y, *arrays, **options)
        assert (pulled[slot] if rule.together else pulled).dtype in wanted
        t = [np.zeros_like(a) for a in arrays] if rule.together else arrays[slot]
        moved = rule.pushes[0 if rule.together else slot](t, y, *arrays, **options)
        assert all(part.dtype in wanted for part in _parts(moved) if part is not None)


# --- formulas -------------------------------------------------------------------------------


def _parts(y: Any) -> tuple[Any, ...]:
    return y if isinstance(y, tuple) else (y,)


def drawn_slots(call: Call, arrays: Sequence[Any]) -> list[int]:
    """The positions at which a rule is given an argument that takes a gradient."""
    rule = rules[call.function]
    floats = [i for i, a in enumerate(arrays) if isinstance(a, np.ndarray) and a.dtype.kind in "fc"]
    return [i for i in floats if i not in rule.closed | rule.flat_in]


def arguments_of_rule(call: Call, dtype: Any) -> tuple[Any, dict[str, Any], Any, Any]:
    """What a rule is fed: a call in normal form, the output, a gradient that arrives."""
    args = call.filled(call.views(call.bases(dtype)))
    arrays, options = rules[call.function].form.bind(args, call.options)
    arrays = [np.asarray(a) if isinstance(a, list | tuple) else a for a in arrays]
    y = call.function(*args, **call.options)
    if isinstance(y, tuple):
        return arrays, options, y, tuple(directions(call, y))
    return arrays, options, np.asarray(y), directions(call, [np.asarray(y)])[0]


NAMESPACE = {
    **vars(np),
    **{name: getattr(own, name) for name in own.__all__},
    "special": special,
}


@every_rule
def test_printed_formula_is_the_code_that_ran(call: Call) -> None:
    """A rule fed with symbols writes Python that gives the bits that the sweep produced."""
    args = tensors(call)
    outputs = [y for y in call(args) if isinstance(y, Tensor) and y.requires_grad]
    for output in outputs:
        seed = directions(call, [output.data])[0]
        for op, slot, arriving, contribution, _ in steps(output, seed):
            if op.rule.function is call.function:
                assert_written(op, slot, arriving, contribution)


def assert_written(op: engine.Op, slot: int, arriving: Any, contribution: Array) -> None:
    """The text of the rule, evaluated, is the contribution once it has its input's shape."""
    symbols, names = [], {}
    for i, a in enumerate(op.arrays):
        is_array = isinstance(a, np.ndarray)
        symbols.append(Symbol(f"x{i}", a) if is_array else a)
        names |= {f"x{i}": a} if is_array else {}
    partial: Callable[..., Any] = op.rule.partials[0 if op.rule.together else slot]
    formula = partial(named("g", arriving), named("y", op.y), *symbols, **op.options)
    formula = formula[slot] if op.rule.together else formula
    value = eval(str(formula), NAMESPACE, {"g": arriving, "y": op.y, **names})  # noqa: S307  (ours)
    conformed = engine.conform(np.asarray(value), op.arrays[slot], op)
    assert_computed_alike(np.asarray(conformed), np.asarray(contribution))
    assert_computed_alike(formula.value, np.asarray(value))


def named(name: str, value: Any) -> Any:
    """A symbol, or one for each of several outputs."""
    if isinstance(value, tuple):
        return tuple(Symbol(f"{name}[{i}]", part) for i, part in enumerate(value))
    return Symbol(name, value)


# --- special values -------------------------------------------------------------------------


def slope(f: Callable[..., Any], *at: Any) -> list[Array]:
    """The gradient of the sum of f at a point, with respect to every argument."""
    args = [Tensor(np.asarray(a, dtype=F64), requires_grad=True) for a in at]
    return [g.data for g in gradients(np.sum(f(*args)), args)]


def derivative_of_order(n: int, f: Callable[..., Any], at: float) -> float:
    x = Tensor(at, requires_grad=True)
    y = f(x)
    for _ in range(n):
        [y] = gradients(y, [x], create_graph=True)
    return y.item()


@pytest.mark.parametrize("f", [np.maximum, np.minimum, np.fmax, np.fmin])
def test_ties_between_two_arrays_share_evenly(f: Any) -> None:
    a, b = slope(lambda a, b: f(a, b) * [1.0, 10.0], [2.0, 0.0], [2.0, 0.0])
    assert a.tolist() == b.tolist() == [0.5, 5.0]


@pytest.mark.parametrize(("f", "shares"), [(np.max, [0, 0.5, 0.5]), (np.min, [1, 0, 0])])
@pytest.mark.parametrize("keepdims", [True, False])
def test_ties_within_an_array_share_evenly(f: Any, shares: list[float], keepdims: bool) -> None:
    [g] = slope(lambda x: f(x, axis=1, keepdims=keepdims), [[1, 3, 3], [1, 3, 3], [2, 2, 2]])
    assert_close(g, np.array([shares, shares, [1 / 3] * 3]), 1e-15)


CLIPS: list[Any] = [
    np.clip,
    Tensor.clip,
    Tensor.clamp,
    lambda x, low, high: x.clamp_min(low).clamp_max(high),
]


@pytest.mark.parametrize("clip", CLIPS)
def test_at_a_bound_the_slope_is_that_of_what_is_clipped(clip: Any) -> None:
    x, low, high = slope(clip, [-1, 0, 0.5, 1, 2, np.nan], np.zeros(6), np.ones(6))
    assert x.tolist() == [0, 1, 1, 1, 0, 0]
    assert low.tolist() == [1, 0, 0, 0, 0, 0]
    assert high.tolist() == [0, 0, 0, 0, 1, 0]


@pytest.mark.parametrize("f", [own.relu, np.absolute, np.fabs, abs, Tensor.relu, Tensor.abs])
def test_slope_of_a_kink_at_zero_is_zero(f: Any) -> None:
    assert slope(f, [0.0, -0.0])[0].tolist() == [0, 0]


def test_infinite_slopes_come_with_numpys_warning() -> None:
    with np.errstate(divide="warn"), pytest.warns(RuntimeWarning, match="divide by zero"):
        assert slope(np.sqrt, [0.0, 4.0])[0].tolist() == [np.inf, 0.25]
    with np.errstate(divide="warn"), pytest.warns(RuntimeWarning, match="divide by zero"):
        assert slope(np.log, [0.0, 4.0])[0].tolist() == [np.inf, 0.25]


@pytest.mark.parametrize(
    "f", [np.linalg.norm, np.linalg.vector_norm, np.std, lambda x: np.hypot(x, 0 * x)]
)
def test_a_length_has_slope_zero_at_zero(f: Any) -> None:
    assert slope(f, [0.0, 0.0, 0.0])[0].tolist() == [0, 0, 0]


def test_one_row_without_length_leaves_the_others_alone() -> None:
    [g] = slope(lambda x: np.linalg.norm(x, axis=1), [[0, 0], [3, 4]])
    assert_close(g, np.array([[0, 0], [0.6, 0.8]]), 1e-15)


POLES = {
    "sqrt": (np.sqrt, [0, -1]),
    "x ** 0.5": (lambda x: x**0.5, [0, -1]),
    "x ** 1.5": (lambda x: x**1.5, [-1]),
    "x ** -0.5": (lambda x: x**-0.5, [0, -1]),
    "2 ** log(x)": (lambda x: 2 ** np.log(x), [-1]),
    "x ** x": (lambda x: x**x, [-0.5]),
    "cbrt": (np.cbrt, [0]),
    "log": (np.log, [0, -1]),
    "log2": (np.log2, [0, -1]),
    "log10": (np.log10, [0, -1]),
    "log1p": (np.log1p, [-1, -2]),
    "1 / x": (lambda x: 1 / x, [0]),
    "1 / x ** 2": (lambda x: 1 / x**2, [0]),
    "x / x": (lambda x: x / x, [0]),
    "x ** -1": (lambda x: x**-1, [0]),
    "x ** -2": (lambda x: x**-2, [0]),
    "reciprocal": (np.reciprocal, [0]),
    "arcsin": (np.arcsin, [1, -1, 2]),
    "arccos": (np.arccos, [1, -1, 2]),
    "arccosh": (np.arccosh, [1, 0, -2]),
    "arctanh": (np.arctanh, [1, -1, 2]),
    "arctan2": (lambda x: np.arctan2(x, x), [0]),
    "hypot": (lambda x: np.hypot(x, x), [0]),
}


@pytest.mark.parametrize(("f", "at"), POLES.values(), ids=POLES)
@pytest.mark.parametrize("order", [1, 2])
def test_zero_gradient_at_an_infinite_slope_is_zero(f: Any, at: list[float], order: int) -> None:
    """`where` takes the other branch there, so what this one would do must not matter."""
    x = Tensor(np.array([*at, *at], F64), requires_grad=True)
    with np.errstate(all="ignore"):
        y = np.sum(np.where(np.zeros(x.shape, bool), f(x), x * x))
        [g] = gradients(y, [x], create_graph=order == 2)
        if order == 2:
            [second] = gradients(np.sum(g), [x])
            assert second.tolist() == [2.0] * x.size
    assert g.tolist() == (2 * x.data).tolist()


@pytest.mark.parametrize("many", [1, 1_000])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8", "g", "c8", "c16"])
@pytest.mark.parametrize("condition", [[True, False] * 3, [[2], [0]], [[np.nan, 0.0, 1.0]], True])
def test_only_where_is_where(dtype: str, condition: Any, many: int) -> None:
    """Whatever the layout, and whatever is left out."""
    values = np.array([[1, np.nan, -3], [np.inf, 0.5, -0.0], [2, -np.inf, 7]], dtype)
    values = np.stack([values] * many, axis=-1)
    mask = np.array(condition).reshape(2, 3) if np.size(condition) == 6 else np.array(condition)
    mask = mask[..., None]
    for a in (values[:2], values[::2], values[::-2, ::-1], values[:2].T.copy().T, values[1]):
        chosen = own.only_where(a, mask)
        expected = np.where(mask, a, np.zeros((), dtype))
        assert chosen.dtype == np.dtype(dtype).newbyteorder("=")
        np.testing.assert_array_equal(chosen, expected)


AT = np.random.default_rng(0).integers(-5, 5, (40, 3))


@pytest.mark.parametrize(
    "index",
    [AT, AT[:, 0], (AT,), (slice(None), AT), (slice(None), AT, AT[0]), (AT, AT.astype("i1")),
     (AT[:, :1], AT, AT), (AT, slice(None), AT), (..., AT), (AT, None), (1, AT), (slice(1), AT),
     ((AT % 5).astype("u8"), AT[:1]), (AT, slice(2)), (slice(None), slice(None), AT), AT // 5,
     (slice(None), AT // 5), (slice(None), slice(None), np.arange(60) // 10)],
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["f4", "c16"])
def test_many_elements_are_added_where_an_index_points(index: Any, dtype: str) -> None:
    """As NumPy adds them, in the same order, and so to the last bit."""
    shape = (5, 6, 7)
    g = np.random.default_rng(1).standard_normal(np.zeros(shape)[index].shape).astype(dtype)
    expected = np.zeros(shape, dtype)
    np.add.at(expected, index, g)
    assert own.scatter_add(g, index, shape).tobytes() == expected.tobytes()


def test_masked_exponent_takes_no_gradient_from_undefined_powers() -> None:
    base = np.array([-2.0, 0.0, 2.0])
    with np.errstate(all="ignore"):
        [g] = slope(lambda b: np.where(base > 0, base**b, 0), 0.5)
    assert_close(g, np.sqrt(2) * np.log(2), 1e-15)


@pytest.mark.parametrize("power", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("kind", [int, float, np.array, lambda n: Tensor(float(n))])
def test_whole_powers_have_all_their_derivatives_at_zero(power: int, kind: Any) -> None:
    """No 0 ** -1 is computed on the way, so nothing warns."""
    for order in range(1, 5):
        expected = float(np.prod(np.arange(1, power + 1))) if order == power else 0.0
        try:
            actual = derivative_of_order(order, lambda x: np.power(x, kind(power)), 0.0)
        except tinygrad_bp.errors.GradientError:
            actual = 0.0  # a constant by now
        assert actual == expected


def test_moving_exponent_of_a_zero_base() -> None:
    base, exponent = slope(np.power, [0.0, 0.0, 0.0], [0.0, 1.0, 2.0])
    assert base.tolist() == [0, 1, 0]
    assert exponent.tolist() == [0, 0, 0]


def test_a_negative_power_of_zero_falls_without_bound() -> None:
    with np.errstate(divide="ignore"):
        base, exponent = slope(np.power, [0.0, 0.0], [-2.0, -0.5])
        [alone] = slope(lambda b: 0.0**b, [-2.0, -0.5, 0.0, 1.0])
    assert base.tolist() == exponent.tolist() == [-np.inf, -np.inf]
    assert alone.tolist() == [-np.inf, -np.inf, 0, 0]


@pytest.mark.parametrize(
    ("x", "expected"),
    [([2, 0, 5], [0, 10, 0]), ([0, 0, 5], [0, 0, 0]), ([2, 3, 5], [15, 10, 6]), ([0], [1])],
)
def test_product_with_zeros(x: list[float], expected: list[float]) -> None:
    assert slope(np.prod, x)[0].tolist() == expected


def test_second_derivatives_of_a_product_with_two_zeros() -> None:
    x = Tensor([0.0, 0.0, 5.0], requires_grad=True)
    [g] = gradients(np.prod(x), [x], create_graph=True)
    rows = [gradients(g[i], [x])[0].tolist() for i in range(3)]
    assert rows == [[0, 5, 0], [5, 0, 0], [0, 0, 0]]


def test_repeated_indices_add_up() -> None:
    for index in ([0, 0, 2], np.array([0, 0, 2]), (np.array([0, 0, 2]),), [[0, 0], [2, 0]]):
        [g] = slope(lambda x, at=index: x[at], [1.0, 2.0, 3.0])
        counts = np.bincount(np.ravel(index), minlength=3)
        assert g.tolist() == counts.tolist()
    [g] = slope(lambda x: np.take(x, [1, 1, 1]), [1.0, 2.0])
    assert g.tolist() == [0, 3]


def test_an_argument_used_twice_gets_both_shares() -> None:
    assert slope(lambda x: x * x, 3.0)[0] == 6
    assert slope(lambda x: np.maximum(x, x), 3.0)[0] == 1
    [g] = slope(lambda x: x @ x.T, [[1.0, 2.0]])
    assert g.tolist() == [[2, 4]]


def test_large_logits_neither_overflow_nor_lose_their_gradient() -> None:
    z = [[1000.0, 0.0, -1000.0], [-1e300, 0.0, 1e300]]
    assert slope(own.logsumexp, z)[0].tolist() == [[1, 0, 0], [0, 0, 1]]
    [g] = slope(lambda z: own.softmax_cross_entropy(z, np.array([0, 0])), z)
    assert g.tolist() == [[0, 0, 0], [-1, 0, 1]]
    [g] = slope(own.sigmoid, [-1000.0, 0.0, 1000.0])
    assert g.tolist() == [0, 0.25, 0]


def test_minus_infinity_masks_a_logit() -> None:
    [g] = slope(lambda z: own.softmax(z)[0], [0.0, -np.inf, 0.0])
    assert g.tolist() == [0.25, 0, -0.25]


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble])
@pytest.mark.parametrize("f", [np.exp, np.sum, np.prod, np.max, lambda x: x @ x, lambda x: x**3])
def test_other_float_widths_are_kept(f: Any, dtype: Any) -> None:
    x = Tensor(np.array([0.5, 1.5], dtype), requires_grad=True)
    y = f(x)
    [g] = gradients(np.sum(y), [x])
    assert y.dtype == g.dtype == dtype


LISTS = {
    "[1, 2] @ x": lambda x: [1.0, 2.0] @ x,
    "x @ [1, 2]": lambda x: x @ [1.0, 2.0],
    "dot": lambda x: np.dot([1.0, 2.0], x),
    "matmul": lambda x: np.matmul(((1.0, 2.0),), x),
    "einsum": lambda x: np.einsum("i,i", [1.0, 2.0], x),
    "x * [1, 2]": lambda x: x * [1.0, 2.0],
    "x ** [2, 3]": lambda x: x ** [2, 3],
    "[2, 3] ** x": lambda x: [2, 3] ** x,
    "x / (1, 2)": lambda x: x / (1, 2),
    "where": lambda x: np.where([True, False], x, [0.0, 1.0]),
    "maximum": lambda x: np.maximum(x, [0, 9]),
    "remainder": lambda x: x % [2, 3],
    "arctan2": lambda x: np.arctan2([1, 2], x),
    "kron": lambda x: np.kron([1.0, 2.0], x),
}


@pytest.mark.parametrize("f", LISTS.values(), ids=LISTS)
def test_lists_of_numbers_stand_for_arrays(f: Any) -> None:
    """NumPy takes a list wherever it takes an array, so every rule may meet one."""
    point = [np.array([1.25, 1.75])]
    [actual] = slope(f, *point)
    moves = [np.array([1.0, -0.5])]
    expected = differences(lambda arrays: np.sum(f(arrays[0])), point, moves)
    assert_close(np.dot(actual, moves[0]), expected, 1e-10)


def test_methods_and_operators_use_the_same_rules() -> None:
    x = np.array([[0.5, 1.5], [1.0, 2.0]])
    for ours, numpys in [
        (operator.matmul, np.matmul),
        (operator.mod, np.remainder),
        (operator.pow, np.power),
        (operator.truediv, np.divide),
        (operator.sub, np.subtract),
    ]:
        for left, right in [(x, x + 1), (x + 1, x)]:
            a, b = slope(ours, left, right)
            c, d = slope(numpys, left, right)
            assert_same_bits(a, c)
            assert_same_bits(b, d)
    for method, function in [
        (Tensor.sum, np.sum),
        (Tensor.mean, np.mean),
        (Tensor.max, np.max),
        (Tensor.min, np.min),
        (Tensor.prod, np.prod),
        (Tensor.var, np.var),
        (Tensor.std, np.std),
        (Tensor.cumsum, np.cumsum),
        (Tensor.exp, np.exp),
        (Tensor.log, np.log),
        (Tensor.sqrt, np.sqrt),
        (Tensor.tanh, np.tanh),
        (Tensor.ravel, np.ravel),
        (Tensor.squeeze, np.squeeze),
    ]:
        assert_same_bits(slope(method, x)[0], slope(function, x)[0])
