"""Rewrites of programs: each pass alone, on steps, on infinities, and all of them on the specs.

A listing is run here by a loop of ten lines, so that nothing but the rewrites is tested.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from specs import CALLS, Call

from tinygrad_bp import Tensor, nn, optim, value_and_grad
from tinygrad_bp import functional as F
from tinygrad_bp.errors import TinygradError
from tinygrad_bp.gradcheck.strategies import Program, programs
from tinygrad_bp.program.arguments import Arguments
from tinygrad_bp.program.listing import Constant, Input, Listing, Statement, mapped
from tinygrad_bp.program.rewriting import rewritten
from tinygrad_bp.program.rewriting.common import without_repetition
from tinygrad_bp.program.rewriting.constants import with_one_factor, with_single_numbers
from tinygrad_bp.program.rewriting.dead import without_dead
from tinygrad_bp.program.rewriting.finite import with_short_checks
from tinygrad_bp.program.rewriting.identities import without_identities
from tinygrad_bp.program.rewriting.labels import with_labels_in_range
from tinygrad_bp.program.rewriting.masks import with_masks
from tinygrad_bp.program.rewriting.products import with_products
from tinygrad_bp.program.rewriting.quiet import with_less_quiet
from tinygrad_bp.program.rewriting.scalars import with_operators
from tinygrad_bp.program.rewriting.scale import with_common_scale
from tinygrad_bp.program.rewriting.softmax import with_one_maximum
from tinygrad_bp.program.rewriting.velocities import with_bounded_velocities
from tinygrad_bp.program.tracing import Refuted, tracing
from tinygrad_bp.rules.activations import relu, sigmoid, softmax
from tinygrad_bp.rules.losses import softmax_cross_entropy

Array = Any
Pass = Callable[[Listing], Listing]


# --- tools ----------------------------------------------------------------------------------


def trace(function: Callable[..., Any], *arrays: Any) -> Listing:
    """The listing of a function of arrays."""
    arguments = Arguments(arrays, {})
    with np.errstate(all="ignore"), tracing() as run:
        args, _ = arguments.stand_ins(run, function)
        run.finish(function(*args))
    run.listing.after = []
    return run.listing


def results(listing: Listing, *arrays: Any) -> Any:
    """What a listing returns; raises `Refuted` if a check does not hold."""
    return run(listing, *arrays)[0]


def run(listing: Listing, *arrays: Any) -> tuple[Any, list[Array]]:
    """What a listing returns, and what it writes."""
    values = {
        v: arrays[v.source.number] if isinstance(v.source, Input) else contents(v.source)
        for v in listing.sources
    }
    for statement in listing.statements:
        with np.errstate(**dict.fromkeys(statement.quiet, "ignore")):
            made = statement.function(
                *mapped(statement.args, values), **mapped(statement.kwargs, values)
            )
        parts = made if statement.several else [made]
        values |= dict(zip(statement.outputs, parts, strict=True))
    if any(bool(values[c.condition]) is not c.expected for c in listing.checks):
        raise Refuted
    writes = [values[w.value] for w in listing.writes]
    return mapped(listing.results, values), writes


def contents(source: Any) -> Any:
    if hasattr(source, "read"):
        return source.read()
    return source.value if isinstance(source, Constant) else source.array


def called(listing: Listing) -> list[str]:
    return [getattr(s.function, "__name__", str(s.function)) for s in listing.statements]


def assert_same_bits(actual: Any, expected: Any) -> None:
    if isinstance(expected, tuple | list):
        assert len(actual) == len(expected)
        for a, b in zip(actual, expected, strict=True):
            assert_same_bits(a, b)
        return
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    assert actual.tobytes() == expected.tobytes(), f"\n{actual}\nshould be\n{expected}"


def same_after(passes: Sequence[Pass] | Pass, function: Any, *arrays: Any) -> Listing:
    """The rewritten listing, which gives the same bits."""
    listing = trace(function, *arrays)
    before = called(listing)
    new = listing
    for rewrite in passes if isinstance(passes, tuple) else (passes,):
        new = rewrite(new)
    assert called(listing) == before, "a pass has changed its argument"
    assert_same_bits(results(new, *arrays), results(listing, *arrays))
    return new


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


# --- common subexpressions ------------------------------------------------------------------


def test_the_same_call_is_made_once() -> None:
    new = same_after(without_repetition, lambda x: np.exp(x) * np.exp(x), rng().random(3))
    assert called(new) == ["exp", "multiply"]


def test_arguments_that_differ_in_kind_are_not_the_same() -> None:
    x = np.array([1, 0, -1])
    new = same_after(without_repetition, lambda x: (x + 1, x + 1.0, x + True), x)
    assert called(new) == ["add"] * 3
    same_after(without_repetition, lambda x: (x * 0.0, x * -0.0), np.ones(2))


def test_what_is_returned_twice_is_two_arrays() -> None:
    new = same_after(without_repetition, lambda x: (np.exp(x), np.exp(x)), np.ones(2))
    one, other = results(new, np.ones(2))
    assert not np.shares_memory(one, other)


def test_views_of_what_was_merged_show_what_is_left() -> None:
    def function(x: Array) -> Array:
        a, b = np.exp(x), np.exp(x)
        return np.sum(np.transpose(a) @ np.transpose(np.transpose(b)))

    new = same_after(without_repetition, function, np.ones((2, 2)))
    made = {v for s in new.statements for v in s.outputs}
    assert all(v.base in made for s in new.statements for v in s.outputs if v.base)


def test_draws_are_not_shared() -> None:
    layer = nn.Dropout(0.5, rng=rng())
    listing = trace(lambda x: layer(x) + layer(x), np.ones(4))
    draws = [s.draws for s in without_dead(without_repetition(listing)).statements]
    assert sum(draws) == 2


# --- dead statements ------------------------------------------------------------------------


def test_what_nothing_needs_is_left_out() -> None:
    def function(x: Array) -> Array:
        np.exp(x)
        return x + np.ones(3)

    new = same_after(without_dead, function, np.ones(3))
    assert called(new) == ["add"]


def test_draws_stay() -> None:
    layer = nn.Dropout(0.5, rng=rng())

    def function(x: Array) -> Array:
        layer(x)
        return x + 1

    new = without_dead(trace(function, np.ones(3)))
    assert [s.draws for s in new.statements] == [True, False]


# --- identities -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "left"),
    [
        (lambda x: np.exp(x * 1), ["exp"]),
        (lambda x: np.exp(1.0 * x), ["exp"]),
        (lambda x: np.exp(x / 1), ["exp"]),
        (lambda x: np.exp(np.reshape(x, (2, 3))), ["exp"]),
        (lambda x: np.exp(np.reshape(np.reshape(x, (3, 2)), (2, 3))), ["exp"]),
        (lambda x: np.exp(np.reshape(np.reshape(x, (3, 2)), -1)), ["reshape", "exp"]),
        (lambda x: np.exp(np.transpose(np.transpose(x))), ["exp"]),
        (lambda x: np.exp(x[:]), ["exp"]),
        (lambda x: np.exp(x[:2, :]), ["exp"]),
        (lambda x: np.exp(x[::-1]), ["getitem", "exp"]),
        (lambda x: np.exp(x[:1]), ["getitem", "exp"]),
        (lambda x: x * 1, ["multiply"]),  # an array of its own, for the user
        (lambda x: x * np.float64(1), ["multiply"]),
        (lambda x: np.exp(x + 0), ["add", "exp"]),  # -0 + 0 is 0
    ],
)
def test_calls_that_change_nothing(function: Any, left: list[str]) -> None:
    new = same_after((without_identities, without_dead), function, -np.zeros((2, 3)))
    assert called(new) == left
    same_after((without_identities, without_dead), function, np.float32([[np.nan, np.inf, 1]] * 2))


def test_parts_of_what_was_joined() -> None:
    def function(x: Array, y: Array) -> Any:
        joined = np.concatenate([x, y])
        return np.exp(joined[:2]), np.exp(joined[2:5]), np.exp(joined[1:5])

    arrays = rng().random(2), rng().random(3)
    new = same_after((without_identities, without_dead), function, *arrays)
    assert called(new).count("getitem") == 1


def test_arrays_of_users_are_not_written_through_an_identity() -> None:
    """Two parameters that trade places: each is written with what the other one was."""
    one, other = Tensor([1.0, 2.0]), Tensor([3.0, 4.0])

    def step(x: Array) -> None:
        new, old = other.data * 1, one.data * 1
        with_writes(one, new)
        with_writes(other, old)

    def with_writes(tensor: Tensor, value: Any) -> None:
        from tinygrad_bp.state import tracers

        tracers[-1].adopt(tensor)
        tracers[-1].write(tensor, value)

    listing = rewritten(trace(step, np.ones(1)))
    assert all(w.value.source is None for w in listing.writes)


# --- products -------------------------------------------------------------------------------

SUMS = [
    lambda x: np.sum(x, axis=0),
    lambda x: np.sum(x, axis=-1),
    lambda x: np.sum(x, axis=1, keepdims=True),
    lambda x: np.sum(x, 0, keepdims=True),
    np.sum,
    np.mean,
    lambda x: np.mean(x, axis=0),
    lambda x: np.mean(x, axis=(0, 1), keepdims=True),
    lambda x: np.sum(x[None], axis=(0, 1)),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", SUMS)
@given(shape=st.tuples(st.integers(1, 40), st.integers(1, 40)), seed=st.integers(0, 99))
def test_sums_are_rounded_as_sums_are(
    function: Any, dtype: Any, shape: tuple[int, int], seed: int
) -> None:
    """(n - 1) u Σ |x| for a sum, and one u more for its weight and one for the product."""
    x = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    listing = trace(function, x)
    new = with_products(listing)
    assert "dot" in called(new)
    actual, expected = results(new, x), results(listing, x)
    assert (actual.shape, actual.dtype) == (expected.shape, expected.dtype)
    exact, size = function(x.astype(np.longdouble)), function(np.abs(x.astype(np.longdouble)))
    n = x.size // max(actual.size, 1)
    bound = (n + 1) * np.finfo(dtype).eps / 2 * size
    assert np.all(np.abs(actual - exact) <= bound)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.sum(x, where=x > 0),
        lambda x: np.sum(x, axis=1),
        lambda x: np.sum(np.astype(x, np.int64)),
        lambda x: np.sum(x > 0),
        lambda x: np.sum(x, axis=0, dtype=np.float64),
        lambda x: np.sum(np.transpose(x), axis=0),
        lambda x: np.mean(x[:, :, :0]),
    ],
)
def test_other_sums_stay(function: Any) -> None:
    x = rng().standard_normal((3, 4, 5)).astype(np.float32)
    try:
        with np.errstate(all="ignore"):
            new = with_products(trace(function, x))
    except (TinygradError, RuntimeWarning):
        return
    assert "dot" not in called(new)


def test_sums_of_squares_are_one_product() -> None:
    x = rng().standard_normal((30, 40))
    for function in (lambda x: np.sum(np.square(x)), lambda x: np.sum(x * x)):
        new = without_dead(with_products(trace(function, x)))
        assert called(new) == ["reshape", "dot"]
        u = np.finfo(float).eps / 2
        assert abs(results(new, x) - function(x)) <= 2 * x.size * u * function(x)


def test_products_of_matrices_keep_their_bits() -> None:
    a, b = rng().random((7, 5)), rng().random((5, 6))
    new = same_after(with_products, lambda a, b: a @ b, a, b)
    assert called(new) == ["dot"]
    new = same_after(with_products, lambda a, b: a @ b, a[0], b)
    assert called(new) == ["matmul"]


# --- constants ------------------------------------------------------------------------------


def test_arrays_full_of_one_number_are_that_number() -> None:
    x, full = rng().random((2, 3)).astype(np.float32), np.full((2, 3), 0.1, np.float32)
    for function in (
        lambda x: full * x, lambda x: x / full, lambda x: full - x, lambda x: x + full[:1],
    ):  # fmt: skip
        new = same_after(with_single_numbers, function, x)
        (statement,) = new.statements
        assert sorted(v.shape for v in statement.inputs()) == [(), (2, 3)]
    for other in (np.float32([[0.0, -0.0, 0.0]]), np.float64(0.1) * np.ones((2, 3))):
        same_after(with_single_numbers, lambda x, other=other: x + other, x)
    new = same_after(with_single_numbers, lambda x: full * x, x[0])  # which is made larger
    assert new.statements[0].output.shape == (2, 3)


@given(st.floats(width=32), st.floats(width=32))
def test_two_products_with_numbers_are_one(a: float, b: float) -> None:
    """At most a rounding of each: of a · x, of a · b, and of the product of all three."""
    x = np.float32([1.5, -3.1, 1e-3])
    with np.errstate(all="ignore"):
        listing = trace(lambda x: np.float32(a) * (x * np.float32(b)), x)
        new = without_dead(with_one_factor(listing))
        actual, wanted = results(new, x), results(listing, x)
    if len(new.statements) == 1 and np.all(np.isfinite(wanted)):
        tiny = np.finfo(np.float32).tiny * max(1, abs(a))
        bound = 2 * np.finfo(np.float32).eps * np.abs(np.float64(wanted)) + tiny
        assert np.all(np.abs(np.float64(actual) - wanted) <= bound)
    else:
        assert not np.isfinite(np.float32(a)) or len(new.statements) == 2 or len(x) == 3


# --- masks ----------------------------------------------------------------------------------


def slope_of_relu(x: Array, g: Array) -> Array:
    return value_and_grad(lambda x: np.sum(relu(x) * g))(x)[1]


@pytest.mark.parametrize("shape", [(40, 50), (3,)])
def test_masks_are_products(shape: tuple[int, ...]) -> None:
    x, g = rng().standard_normal((2, *shape))
    x.flat[:2] = 0, -0.0
    listing = trace(slope_of_relu, x, g)
    new = with_masks(without_repetition(listing))
    assert ("where" in called(new)) == (x.size < 1000)  # a check of its own would cost more
    np.testing.assert_array_equal(results(new, x, g), results(listing, x, g))  # but for -0


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_infinite_gradients_are_left_to_eager_mode(bad: float) -> None:
    x, g = rng().standard_normal((2, 40, 50))
    x[3, 3], g[3, 3] = -1, bad
    new = with_masks(without_repetition(trace(slope_of_relu, x, np.ones_like(g))))
    with pytest.raises(Refuted), np.errstate(invalid="ignore"):
        results(new, x, g)


def test_masks_do_not_need_what_came_before_the_activation() -> None:
    x, g = rng().standard_normal((2, 40, 50))

    def function(x: Array, g: Array) -> Any:
        return value_and_grad(lambda x: np.sum(relu(x + 1) * g))(x)

    new = with_masks(without_repetition(trace(function, x, g)))
    (z,) = [s.output for s in new.statements if s.function is np.add]
    readers = [s for s in new.statements if z in s.inputs()]
    assert [s.function for s in readers] == [np.maximum]


def test_a_maximum_that_is_no_number() -> None:
    z = np.array([[1.0, 2.0], [3.0, 4.0]])
    new = with_masks(trace(softmax, z))
    assert_same_bits(results(new, z), softmax(z))
    for row in ([-np.inf, -np.inf], [np.inf, 1], [np.nan, 1]):
        with pytest.raises(Refuted), np.errstate(invalid="ignore"):
            results(new, np.array([[1.0, 2.0], row]))
    masked = np.array([[1.0, -np.inf], [3.0, 4.0]])  # as attention has it: no reason to refuse
    assert_same_bits(results(new, masked), softmax(masked))


# --- labels ---------------------------------------------------------------------------------


def loss_of(z: Array, labels: Array) -> Any:
    return value_and_grad(lambda z: F.cross_entropy(z, labels))(z)


@pytest.mark.parametrize("kind", ["i1", "u1", "i4", "u4", "i8", "u8"])
def test_labels_are_tested_at_once(kind: str) -> None:
    z, labels = rng().standard_normal((6, 4)).astype(np.float32), np.arange(6).astype(kind) % 4
    passes = (without_repetition, with_labels_in_range, without_dead)
    new = same_after(passes, loss_of, z, labels)
    assert called(new).count("max") == 2  # of the labels, and of the logits
    assert "min" not in called(new)
    assert ("take_along_axis" in called(new)) == (kind == "u8")  # which adds to a float
    for wrong in (4, 100, -1, -100):
        if wrong >= 0 or kind[0] == "i":
            with pytest.raises((Refuted, IndexError)):
                results(new, z, np.where(labels == 2, labels.dtype.type(wrong), labels))


def test_labels_of_sequences() -> None:
    z, labels = rng().standard_normal((2, 3, 5)), rng().integers(0, 5, (2, 3))

    def function(z: Array, labels: Array) -> Any:
        if bool(labels.min() < 0) or bool(labels.max() >= 5):
            raise AssertionError
        return value_and_grad(lambda z: np.sum(softmax_cross_entropy(z, labels)))(z)

    def checked(z: Array, labels: Array) -> Any:
        from tinygrad_bp.state import tracers

        tracer = tracers[-1]
        assert not tracer.decide(np.min(labels) < 0)
        assert not tracer.decide(np.max(labels) >= 5)
        return value_and_grad(lambda z: np.sum(softmax_cross_entropy(z, labels)))(z)

    new = with_labels_in_range(without_repetition(trace(checked, z, labels)))
    assert called(new).count("take") == 2
    assert_same_bits(results(new, z, labels), function(z, labels))


def test_labels_without_a_check_stay() -> None:
    z, labels = rng().standard_normal((6, 4)), np.arange(6) % 4 - 4
    new = same_after(
        with_labels_in_range, lambda z, l: np.take_along_axis(z, l[:, None], -1), z, labels
    )
    assert "take_along_axis" in called(new)


# --- softmax --------------------------------------------------------------------------------


def rows(rng: np.random.Generator, spread: float, dtype: Any = np.float32) -> Array:
    """Logits whose rows have their largest ones that far apart."""
    z = rng.uniform(-3, 3, (9, 5))
    return (z + rng.uniform(-spread, 0, (9, 1))).astype(dtype)


def loss_and_slope(z: Array) -> Any:
    labels = np.arange(9) % 5
    return value_and_grad(lambda z: np.sum(softmax_cross_entropy(z, labels)))(z)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0.0, 1000.0, -1000.0])
@pytest.mark.parametrize("spread", [0.0, 10.0, 38.0])
def test_a_softmax_subtracts_one_maximum(dtype: Any, offset: float, spread: float) -> None:
    """Each probability is right to |z - M| u, and to some units more for its own operations."""
    z = rows(rng(), spread, dtype) + dtype(offset)
    new = without_dead(with_one_maximum(without_repetition(trace(loss_and_slope, z))))
    assert [s.kwargs for s in new.statements if s.function is np.max] == [{"axis": None}]
    assert "where" not in called(new)
    loss, slope = results(new, z)
    exact_loss, exact_slope = loss_and_slope(z.astype(np.longdouble))
    u = np.finfo(dtype).eps / 2
    rounding = np.max(z) - np.min(z, axis=-1, keepdims=True) + 5 + 8
    assert np.all(np.abs(slope - exact_slope) <= rounding * u)
    assert abs(loss - exact_loss) <= u * (
        np.sum(rounding) + 12 * np.sum(np.max(np.abs(z), axis=-1))
    )


@pytest.mark.parametrize("row", [-100.0, -np.inf, np.inf, np.nan])
def test_rows_that_are_too_far_apart_are_left_to_eager_mode(row: float) -> None:
    z = rows(rng(), 1.0)
    new = with_one_maximum(without_repetition(trace(loss_and_slope, z)))
    z[3] = row
    with pytest.raises(Refuted), np.errstate(all="ignore"):
        results(new, z)


def test_infinities_among_logits_are_probabilities_of_zero() -> None:
    z = rows(rng(), 1.0)
    new = with_one_maximum(without_repetition(trace(softmax, z)))
    z[2, 1:3] = -np.inf
    np.testing.assert_allclose(results(new, z), softmax(z), rtol=16 * np.finfo(np.float32).eps)


@pytest.mark.parametrize(
    "function",
    [
        lambda z: softmax(z, axis=0),
        lambda z: softmax(z[None])[0],
        lambda z: np.where(np.isfinite(np.max(z, axis=-1, keepdims=True)),
                           np.max(z, axis=-1, keepdims=True), 0) * z,
    ],
)  # fmt: skip
def test_other_maxima_stay(function: Any) -> None:
    z = rows(rng(), 1.0)
    same_after((without_repetition, with_one_maximum), function, z)


def parts_of_softmax(z: Array) -> tuple[Array, ...]:
    top = np.max(z, axis=-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    e = np.exp(z - top)
    s = np.sum(e, axis=-1, keepdims=True)
    return top, e, s, e / s, top + np.log(s), np.log(s), e * 2, s * 2, top * 2, z - top


@pytest.mark.parametrize("part", [0, 1, 2, 5, 6, 7, 8, 9])
def test_what_depends_on_the_maxima_of_rows_keeps_them(part: int) -> None:
    def function(z: Array) -> Any:
        parts = parts_of_softmax(z)
        return parts[3], parts[4], parts[part]

    same_after((without_repetition, without_dead, with_one_maximum), function, rows(rng(), 5.0))


@pytest.mark.parametrize("part", [3, 4])
def test_what_does_not_depend_on_the_maxima_of_rows(part: int) -> None:
    z = rows(rng(), 5.0)
    listing = without_dead(without_repetition(trace(lambda z: parts_of_softmax(z)[part], z)))
    new = with_one_maximum(listing)
    assert ("where" in called(listing), "where" in called(new)) == (True, False)
    u = np.finfo(np.float32).eps / 2
    rounding = np.max(z) - np.min(z) + 13 + 3 * np.max(np.abs(z))
    assert np.max(np.abs(results(new, z) - results(listing, z))) <= 2 * rounding * u


# --- quiet calls ----------------------------------------------------------------------------


@given(st.lists(st.floats(width=32), min_size=1, max_size=8))
def test_calls_that_are_no_longer_quiet_have_nothing_to_say(values: list[float]) -> None:
    """A sigmoid of any numbers, where NumPy raises whatever it meets."""
    x = np.array(values, np.float32)
    with np.errstate(over="raise", under="ignore", divide="raise", invalid="ignore"):
        arguments = Arguments((x,), {})
        with tracing() as found:
            args, _ = arguments.stand_ins(found, sigmoid)
            found.finish(sigmoid(*args))
        new = with_less_quiet(found.listing)
        assert_same_bits(results(new, x), sigmoid(x))
    assert [bool(s.quiet) for s in new.statements] == [False, True, False, False]


def test_calls_that_can_overflow_stay_quiet() -> None:
    def function(x: Array) -> Any:
        with np.errstate(over="ignore"):
            return 2 + x, 1 / x, 1 + np.exp(x) * x

    with np.errstate(over="warn", under="ignore"):
        arguments = Arguments((np.ones(2),), {})
        with tracing() as found:
            args, _ = arguments.stand_ins(found, function)
            found.finish(function(*args))
    new = with_less_quiet(found.listing)
    assert [bool(s.quiet) for s in new.statements] == [True, True, True, True, False]


# --- steps ----------------------------------------------------------------------------------


def make_step(kind: str = "sum_squares", optimizer: Any = optim.SGD, **options: Any) -> Any:
    """A step of a small net, its optimiser, and arguments."""
    activation = nn.ReLU() if kind == "cross_entropy" else nn.Sigmoid()
    model = nn.MLP(8, 6, 5, 4, activation=activation, rng=rng())
    opt = optimizer(model.named_parameters(), **{"lr": 0.25, **options})

    def step(x: Array, y: Array) -> Any:
        opt.zero_grad()
        loss = getattr(F, kind)(model(x), y)
        loss.backward()
        opt.step()
        return loss

    x, labels = rng().random((7, 8), dtype=np.float32), np.arange(7) % 4
    y = labels if kind == "cross_entropy" else np.eye(4, dtype=np.float32)[labels]
    step(x, y)  # the first step has no moments
    return step, opt, (x, y)


STEPS = [
    make_step(),
    make_step("cross_entropy"),
    make_step(momentum=0.9),
    make_step("cross_entropy", momentum=0.9, nesterov=True),
    make_step("cross_entropy", weight_decay=0.1),
    make_step(optimizer=optim.Adam),
    make_step(optimizer=optim.AdamW),
]


@pytest.mark.parametrize(("step", "opt", "arguments"), STEPS)
def test_steps(step: Any, opt: Any, arguments: Any) -> None:
    """Exact passes keep every bit; all of them keep some 2⁴ roundings of values of size 1."""
    listing = trace(step, *arguments)
    expected = run(listing, *arguments)
    assert_same_bits(run(rewritten(listing, exact=True), *arguments), expected)
    new = rewritten(listing)
    assert len(new.statements) < len(listing.statements)
    loss, written = run(new, *arguments)
    scale = opt.defaults["lr"] if not isinstance(opt, optim.SGD) else 1
    for actual, wanted in zip([loss, *written], [expected[0], *expected[1]], strict=True):
        size = max(1, np.max(np.abs(wanted)))
        assert np.max(np.abs(actual - wanted)) <= 16 * scale * size * np.finfo(np.float32).eps


def squares_in_checks(listing: Listing) -> int:
    return sum(s.function is np.dot and not s.output.shape for s in listing.statements)


@pytest.mark.parametrize(
    ("place", "before", "after"), [(0, 1, 1), (2, 2, 1), (3, 2, 1), (5, 3, 2), (6, 3, 2)]
)
def test_checks_sum_as_little_as_they_can(place: int, before: int, after: int) -> None:
    step, _, arguments = STEPS[place]
    listing = without_repetition(trace(step, *arguments))
    new = without_dead(with_short_checks(listing))
    assert (squares_in_checks(listing), squares_in_checks(new)) == (before, after)
    assert all(isinstance(v.source.array, np.ndarray) for v in new.limits)
    assert len(new.limits) == (0 if place == 6 else 6)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("value", [1e-3, 1e18, 3e19, 3e38, np.inf, np.nan])
def test_nothing_that_is_not_finite_is_written(momentum: float, value: float) -> None:
    """Parameters and gradients of all sizes: what the short check lets pass is finite."""
    for size in (1e-3, 1e19, 3.4028235e38):
        p = Tensor(np.float32([1, -1, 1]), requires_grad=True)
        opt = optim.SGD([p], lr=0.5, momentum=momentum)

        def step(g: Array, p: Tensor = p, opt: Any = opt) -> None:
            opt.zero_grad()
            np.sum(p * g).backward()
            opt.step()

        tame = np.float32([1e-9, 0, 0])
        step(tame)
        new = rewritten(trace(step, tame))
        p.data[:] = np.float32([size, -size, 1])
        with np.errstate(all="ignore"):
            try:
                _, written = run(new, np.float32([-value, value, 0]))
            except Refuted:
                assert not value <= 1e18
                continue
        assert value < 1e20
        assert all(np.all(np.isfinite(w)) for w in written)


@pytest.mark.parametrize(
    ("options", "bounded"),
    [
        ({}, 0),
        ({"momentum": 0.9}, 6),
        ({"momentum": 0.9999, "dampening": 0.5, "weight_decay": 0.1}, 6),
        ({"momentum": 0.99991}, 0),  # too much would be left of it
        ({"momentum": 0.9, "lr": 2.0**21}, 0),  # and a parameter would move too far
        ({"momentum": 0.9, "nesterov": True}, 0),  # a velocity is not all that it moves by
    ],
)
def test_velocities_are_not_looked_at_if_what_they_take_up_tells(
    options: dict[str, float], bounded: int
) -> None:
    step, opt, arguments = make_step(**{**options, "lr": 0.25})
    for _ in range(2):
        step(*arguments)
    opt.lr = options.get("lr", 0.25)
    short = with_short_checks(without_repetition(trace(step, *arguments)))
    new = without_dead(with_bounded_velocities(short))
    sums = [s for s in new.statements if s.function is np.dot and not s.output.shape]
    assert len(sums) == 1
    assert len(set(new.limits).difference(short.limits)) == bounded
    assert_same_bits(run(new, *arguments), run(short, *arguments))


def test_velocities_on_the_way_are_looked_at() -> None:
    w = Tensor(rng().random(5), requires_grad=True)
    opt = optim.SGD([w], lr=0.5, momentum=0.5)

    def step(x: Array) -> None:
        for _ in range(2):  # the first velocity is not what is kept
            opt.zero_grad()
            np.sum(w * x).backward()
            opt.step()

    step(np.ones(5))
    short = with_short_checks(trace(step, np.ones(5)))
    assert with_bounded_velocities(short).limits == short.limits


def factors(listing: Listing) -> list[Statement]:
    """Products of a vector of all gradients."""
    most = max(v.size for s in listing.statements for v in s.outputs)
    return [s for s in listing.statements if s.function is np.multiply and s.output.size == most]


@pytest.mark.parametrize(("place", "left"), [(0, 0), (1, 0), (2, 2), (4, 2)])
def test_the_learning_rate_stands_where_gradients_begin(place: int, left: int) -> None:
    step, opt, arguments = STEPS[place]
    listing = without_identities(without_repetition(trace(step, *arguments)))
    new = with_common_scale(with_products(listing))
    assert len(factors(new)) == left
    before = opt.lr
    try:
        for lr in (0.5, 1e-3):  # which every run reads
            opt.lr = lr
            for actual, wanted in zip(
                run(new, *arguments)[1], run(listing, *arguments)[1], strict=True
            ):
                assert np.max(np.abs(actual - wanted)) <= 16 * np.finfo(np.float32).eps
    finally:
        opt.lr = before


def test_gradients_that_are_returned_have_no_learning_rate_in_them() -> None:
    p, q = (Tensor(rng().random(50), requires_grad=True) for _ in "pq")
    opt = optim.SGD([p, q], lr=0.5)

    def step(x: Array) -> Any:
        opt.zero_grad()
        loss = F.sum_squares(p.reshape((1, 50)) * x + q, np.zeros((2, 50)))
        loss.backward()
        opt.step()
        return p.grad

    x = rng().random((2, 50))
    listing = trace(step, x)
    new = rewritten(listing)
    np.testing.assert_allclose(results(new, x), results(listing, x), rtol=1e-14)


@pytest.mark.parametrize(
    "loss",
    [
        lambda a, y: np.mean((a - y) ** 2),
        lambda a, y: 0.5 * np.sum((a - y) ** 2),
        lambda a, y: np.sum((a - y) ** 2) / len(a),
        lambda a, y: F.mse_loss(a, y, reduction="sum"),
        F.binary_cross_entropy_with_logits,
        F.l1_loss,
        lambda a, y: F.cross_entropy(a, np.arange(7) % 4, reduction="sum"),
    ],
)
def test_losses_of_all_kinds_take_the_learning_rate(loss: Any) -> None:
    model = nn.MLP(8, 6, 5, 4, activation=nn.Sigmoid(), rng=rng())
    opt = optim.SGD(model.named_parameters(), lr=0.25)

    def step(x: Array, y: Array) -> Any:
        opt.zero_grad()
        cost = loss(model(x), y)
        cost.backward()
        opt.step()
        return cost

    arguments = rng().random((7, 8), dtype=np.float32), np.eye(7, 4, dtype=np.float32)
    listing = trace(step, *arguments)
    new = rewritten(listing)
    assert not factors(new)
    for actual, wanted in zip(run(new, *arguments)[1], run(listing, *arguments)[1], strict=True):
        assert np.max(np.abs(actual - wanted)) <= 16 * np.finfo(np.float32).eps


def test_groups_with_learning_rates_of_their_own() -> None:
    model = nn.MLP(8, 6, 4, rng=rng())
    first, *rest = model.parameters()
    opt = optim.SGD([{"params": [first], "lr": 0.1}, {"params": rest}], lr=0.5)

    def step(x: Array, y: Array) -> Any:
        opt.zero_grad()
        F.sum_squares(model(x), y).backward()
        opt.step()

    x, y = rng().random((7, 8), dtype=np.float32), np.zeros((7, 4), np.float32)
    listing = trace(step, x, y)
    for actual, wanted in zip(run(rewritten(listing), x, y)[1], run(listing, x, y)[1], strict=True):
        assert np.max(np.abs(actual - wanted)) <= 16 * np.finfo(np.float32).eps


@pytest.mark.parametrize("depth", [16, 64])
def test_time_is_linear_in_the_number_of_statements(depth: int) -> None:
    """Counted, not timed: every pass asks for the inputs of a statement a few times at most."""
    model = nn.MLP(*[4] * (depth + 1), rng=rng())
    opt = optim.SGD(model.parameters(), lr=0.1)

    def step(x: Array, y: Array) -> None:
        opt.zero_grad()
        F.sum_squares(model(x), y).backward()
        opt.step()

    x = np.ones((2, 4), np.float32)
    listing = trace(step, x, x)
    counts = [0]
    original = Statement.inputs

    def counted(self: Statement) -> Any:
        counts[0] += 1
        return original(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Statement, "inputs", counted)
        rewritten(listing)
    assert counts[0] <= 40 * len(listing.statements)


# --- numbers --------------------------------------------------------------------------------


def test_numbers_meet_in_operators() -> None:
    x = rng().random(5)
    new = same_after(with_operators, lambda x: np.dot(x, x) / 5 + np.vdot(x, x), x)
    assert called(new)[1::2] == ["truediv", "add"]
    assert "divide" in called(same_after(with_operators, lambda x: x / 5, np.array(3.0)))


@given(st.floats(0.0625, 2, width=32), st.sampled_from([np.float32, np.float64]))
def test_numbers_keep_their_bits(value: float, dtype: Any) -> None:
    def function(x: Array) -> Any:
        a, b = np.dot(x, x), np.sum(x)
        return a + b, a - b, a * b, a / b, -a, a**0.5, a**b, a % b, a // b, a < b, 2 / a, 1 - a

    same_after(with_operators, function, np.full(3, value, dtype))


# --- all passes -----------------------------------------------------------------------------


@given(programs())
def test_random_programs(program: Program) -> None:
    """Exact passes keep the bits, all of them 1e-12."""
    arrays = [np.array(a, order="C") for a in program.leaves.values()]
    listing = trace(value_and_grad(program, tuple(range(len(arrays)))), *arrays)
    expected = results(listing, *arrays)
    assert_same_bits(results(rewritten(listing, exact=True), *arrays), expected)
    check_close(results(rewritten(listing), *arrays), expected)


def check_close(actual: Any, expected: Any) -> None:
    for a, b in zip(flat(actual), flat(expected), strict=True):
        assert (np.shape(a), np.asarray(a).dtype) == (np.shape(b), np.asarray(b).dtype)
        size = np.max(np.abs(b), initial=1.0)
        assert np.max(np.abs(a - b), initial=0.0) <= 1e-12 * size


def flat(item: Any) -> list[Any]:
    return [p for part in item for p in flat(part)] if isinstance(item, list | tuple) else [item]


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_specs(call: Call) -> None:
    """Every function and its gradient: exact passes keep the bits, all of them 1e-12."""
    bases = call.bases()
    wanted = [np.asarray(y) for y in call(call.views(bases))]
    generator = np.random.default_rng(zlib.crc32(str(call).encode()))
    weights = [generator.uniform(-1, 1, y.shape) for y in wanted]

    def function(*bases: Array) -> Any:
        def weighed(*bases: Any) -> Any:
            outputs = call(call.views(list(bases)))
            terms = [np.sum(y * w) for y, w in zip(outputs, weights, strict=True)]
            terms = [np.real(t) if t.dtype.kind == "c" else t for t in terms]
            return sum(terms[1:], start=terms[0])

        return value_and_grad(weighed, tuple(range(len(bases))))(*bases)

    try:
        listing = trace(function, *bases)
    except (TinygradError, ValueError):  # NumPy makes the latter of the former where it converts
        pytest.skip("is not traced")
    expected = results(listing, *bases)
    assert_same_bits(results(rewritten(listing, exact=True), *bases), expected)
    try:
        check_close(results(rewritten(listing), *bases), expected)
    except Refuted:
        pytest.fail("a check of the rewrites does not hold on ordinary numbers")
