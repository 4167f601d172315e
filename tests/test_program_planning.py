"""Planned programs against the same programs with every array made anew: the same bits."""

from __future__ import annotations

import contextlib
import copy
import gc
import itertools
import signal
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import tinygrad_bp as bp
from tinygrad_bp import Tensor, nn, optim
from tinygrad_bp import functional as F
from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.program import planning
from tinygrad_bp.program.listing import Constant, Home, Input, Listing, Room, Value, Write
from tinygrad_bp.program.planning.casts import without_casts
from tinygrad_bp.program.planning.hoisting import options_apart
from tinygrad_bp.program.planning.in_place import in_place
from tinygrad_bp.program.planning.numbers import as_arrays
from tinygrad_bp.program.planning.out import with_rooms
from tinygrad_bp.program.planning.sharing import Heap, shared
from tinygrad_bp.program.planning.unread import without_unread
from tinygrad_bp.program.strides import is_dense
from tinygrad_bp.program.tracing import tracing
from tinygrad_bp.program.writing import written
from tinygrad_bp.registry import primitive

Array = Any


def listing_of(function: Callable[..., Any], *arrays: Array) -> Listing:
    """What a trace of a function of arrays leaves."""
    with tracing() as trace:
        trace.finish(function(*[trace.argument(a, i, f"x{i}") for i, a in enumerate(arrays)]))
    return trace.listing


def runner(listing: Listing) -> Callable[..., Any]:
    """A listing as a function of the arrays that it was traced with."""
    made = written(listing)

    def run(*arrays: Array) -> Any:
        numbers = [v.source.number for v in made.parameters if isinstance(v.source, Input)]
        found = made.function(*[arrays[number] for number in numbers])
        several = found if len(made.returned) > 1 else (found,)
        return [several[made.returned.index(value)] for value in made.results]

    return run


def both(function: Callable[..., Any], *arrays: Array) -> tuple[Any, Any]:
    """A function as a plain program, and as a planned one."""
    listing = listing_of(function, *arrays)
    return runner(listing), runner(planning.planned(listing))


def same(one: Any, other: Any) -> bool:
    one, other = np.asarray(one), np.asarray(other)
    return bool(
        one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()
    )


def check(function: Callable[..., Any], *arrays: Array, runs: int = 3) -> Listing:
    """Run both programs on several inputs: same bits, results of their own, inputs untouched."""
    plain, planned = both(function, *arrays)
    kept: list[Any] = []
    for i in range(runs):
        given = [(a * (1 + i / 4)).astype(a.dtype) for a in arrays]
        before = [a.copy() for a in given]
        expected, found = plain(*given), planned(*given)
        assert all(map(same, found, expected))
        assert all(map(same, given, before))
        kept += zip(found, [np.copy(each) for each in found], strict=True)
    assert all(same(result, then) for result, then in kept), "a later run wrote into a result"
    return planning.planned(listing_of(function, *arrays))


def rooms(listing: Listing) -> list[Room]:
    found = {s.out.source for s in listing.statements if s.out is not None}
    return [source for source in found if isinstance(source, Room)]


def floats(*shape: int, seed: int = 0, dtype: Any = np.float32) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@primitive
def same_array(x: Array) -> Array:
    """Return what it is given, in a way that no trace looks into."""
    room = np.zeros(1)
    room[0] = x[0, 0]
    return x


# --- each pass ------------------------------------------------------------------------------


def test_a_chain_of_elementwise_calls_needs_one_room() -> None:
    found = check(lambda x: np.sum(np.exp(-np.abs(x + 1)) * 2), floats(3, 4))
    assert len(rooms(found)) == 1


def test_a_value_that_is_read_later_keeps_its_room() -> None:
    def f(x: Array) -> Array:
        a = x + 1
        b = np.exp(a)
        return np.sum(a * b)

    assert len(rooms(check(f, floats(3, 4)))) == 2


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + 1,
        lambda x: (x + 1).T,
        lambda x: [(x + 1)[1:], (x + 1)[:1]],
        lambda x: [np.exp(x), np.exp(x) + 1],
        lambda x: np.reshape(np.transpose(x + 1), -1),
        lambda x: np.broadcast_to(np.sum(x + 1, axis=0), (3, 4)),
        lambda x: x,
        lambda x: x.T,
        lambda x: np.ones((2, 2)) * x[0, 0],
    ],
)
def test_what_is_returned_is_new_in_every_run(function: Callable[[Array], Any]) -> None:
    check(function, floats(3, 4))


@pytest.mark.parametrize(
    "function",
    [
        lambda a: a.T + np.exp(a.T),  # a view that is read on
        lambda a: np.exp(a) * a.T.reshape(3, 4),  # and copied
        lambda a: a[::-1] - np.exp(a),
        lambda a: np.exp(a) + a[1],  # a row that all elements read
        lambda a: a[:, :1] + np.exp(a),
        lambda a: a[:, :3] - a[:, :3].T,
        lambda a: np.subtract(a, a),
        lambda a: np.dot(a, a.T) + np.sum(a),
        lambda a: np.concatenate([a[0], a[1]]) * np.concatenate([np.exp(a[0]), a[1]]),
        lambda a: np.concatenate([a[0], a[0] + 1]) + np.concatenate([np.exp(a[0]), a[0] + 1]),
        lambda a: np.maximum(a, 0) * a,
        lambda a: (a > 0) * a + np.astype(a > 1, np.float32),
        lambda a: np.astype(a > 0, np.float64) * np.sum(np.astype(a > 0, np.float64)),
        lambda a: np.where(a > 0, a + 1, a - 1) * np.clip(a, 0, 1),
        lambda a: np.stack([a, a + 2]) * np.broadcast_to(a, (2, 3, 4)),
        lambda a: np.cumsum(a, axis=1) + np.mean(a, axis=0),
        lambda a: np.ravel(a.T).reshape(-1) * np.exp(np.ravel(a)),
        lambda a: np.square(np.square(a[0])[None] + a),
        lambda a: np.exp(a)[:, ::2] + np.real(a)[:, 1::2],
        lambda a: np.split(a, 2, axis=1)[0] + np.exp(np.split(a, 2, axis=1)[1]),
        lambda a: np.exp(np.astype(a, np.float32, copy=False)) + a,
        lambda a: np.astype(2 * np.astype(a, np.float64), np.float32) * a + 0.1,
        lambda a: np.zeros((3, 4)) + a * 1e300 * 1e-300 + 3,
        lambda a: a[:, [0, 2, 1, 0]] * np.take(a, [0, 1, 2, 2], axis=1),
        lambda a: a[np.argsort(a[:, 0])] + a,
        lambda a: np.einsum("ij,kj->ik", a, np.exp(a)) + np.einsum("ij->i", a),
        lambda a: same_array(a) + np.exp(a) * same_array(a),
        lambda a: same_array(np.exp(a)),
        lambda a: a + np.take(a[0], np.argmax(a, axis=1))[:, None],
    ],
)
def test_traps(function: Callable[[Array], Any]) -> None:
    """Of an argument, and of a value that could be written over; summed, and returned."""
    with np.errstate(all="ignore"):
        check(lambda x: [np.sum(function(x + 1))], floats(3, 4))
        check(lambda x: [function(x + 1)], floats(3, 4))
        check(lambda x: [function(x), np.sum(function(2 * x))], floats(3, 4))


def test_an_input_is_never_a_room() -> None:
    listing = check(lambda x, y: np.sum(x * y + x), floats(2, 2), floats(2, 2, seed=1))
    inputs = {v for v in listing.sources if isinstance(v.source, Input)}
    assert not any(s.out in inputs for s in listing.statements)


def test_numbers_become_arrays_of_the_dtype_that_they_meet() -> None:
    listing = as_arrays(listing_of(lambda x: 1 / (1 + x) + 0.1, floats(3)))
    constants = {v.source.value.item() for v in listing.sources if isinstance(v.source, Constant)}
    assert constants == {1.0, float(np.float32(0.1))}
    check(lambda x: [2 * x, x**2, x > 0, x + 1e-300, np.power(x, 3), x % 1], floats(4))
    check(lambda x: [2 * x, x + 1, x > 0, x * 0.5, x // 2], np.arange(4))


def test_numbers_that_do_not_fit_stay_numbers() -> None:
    with np.errstate(all="ignore"):
        listing = listing_of(lambda x: [x < 1e300, x * np.inf], floats(3))
    arrays = [v for v in as_arrays(listing).sources if isinstance(v.source, Constant)]
    assert [v.source.value.item() for v in arrays] == [np.inf]  # type: ignore[union-attr]


def test_masks_are_compared_into_floats() -> None:
    listing = without_casts(
        listing_of(lambda x: np.sum(np.astype(x > 0, x.dtype) * x), floats(3, 4))
    )
    assert [s.function for s in listing.statements] == [np.greater, np.multiply, np.sum]


def test_rooms_are_laid_out_as_the_results_were() -> None:
    def f(x: Array) -> Array:
        return np.sum(np.exp(x.T).T.reshape(-1) * np.arange(12))

    listing = check(f, floats(3, 4))
    assert [s for s in listing.statements if s.when == "once"], "the reshape is a view"


def test_memory_is_shared_by_rooms_that_are_not_needed_together() -> None:
    def f(x: Array) -> Array:
        for _ in range(20):
            x = np.tanh(x @ x)
        return np.sum(x)

    listing = shared(without_unread(in_place(with_rooms(listing_of(f, floats(64, 64))))))
    (memory,) = {id(r.memory): r.memory for r in rooms(listing)}.values()
    assert memory is not None
    assert memory.nbytes <= 2 * 64 * 64 * 4
    check(f, floats(64, 64))


def test_rooms_of_all_sizes_do_not_overlap_while_they_live() -> None:
    def f(x: Array) -> Array:
        parts = [np.exp(x[:n]) for n in (1, 7, 3, 64, 16, 5, 40)]
        sums = [np.outer(a, b) for a, b in itertools.pairwise(parts)]
        return sum(np.sum(s) for s in sums) + sum(np.sum(p) for p in reversed(parts))

    check(f, floats(64))


@pytest.mark.parametrize("function", [np.dot, np.matmul])
@pytest.mark.parametrize("shape", [(7, 16, 3), (1, 5, 2), (33, 1, 16), (64, 130, 10)])
def test_products_do_not_look_at_what_is_in_their_room(function: Any, shape: Any) -> None:
    """BLAS is told to multiply it by 0, and is not to make nan of inf; nor need it be aligned."""
    m, n, k = shape
    a, b = floats(m, n), floats(n, k)
    for left, right in [(a, b), (a, a.T), (a.T, a), (a[0], b), (a, b[:, 0]), (b.T, a.T)]:
        expected = function(left, right)
        for where in (0, 1, 5):
            room = np.full(expected.size + where, np.nan, np.float32)[where:]
            function(left, right, out=room.reshape(expected.shape))
            assert room.tobytes() == expected.tobytes()


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9)), max_size=60))
def test_places_in_a_heap_do_not_overlap(steps: list[tuple[bool, int]]) -> None:
    heap = Heap()
    taken: list[tuple[int, int]] = []
    for frees, size in steps:
        if frees and taken:
            heap.free(*taken.pop(size % len(taken)))
        else:
            taken.append((heap.allocate(size), size))
        ends = sorted((start, start + size) for start, size in taken)
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(ends))
        assert not ends or ends[-1][1] <= heap.size
    for place in taken:
        heap.free(*place)
    assert heap.allocate(heap.size or 1) == 0


@pytest.mark.parametrize(
    ("array", "dense"),
    [
        (np.zeros((2, 3)), True),
        (np.zeros((2, 3)).T, True),
        (np.zeros((2, 3, 4)).transpose(1, 2, 0), True),
        (np.zeros((2, 3))[:, :2], False),
        (np.zeros((2, 3))[::-1], False),
        (np.broadcast_to(np.zeros(3), (2, 3)), False),
        (np.zeros((1, 3)), True),
        (np.zeros(()), True),
    ],
)
def test_dense(array: Array, *, dense: bool) -> None:
    assert is_dense(Value(array.shape, array.dtype, array.strides)) is dense


def test_random_numbers_are_drawn_into_a_room() -> None:
    """Of the same stream, and as many."""

    def step(rng: np.random.Generator) -> Any:
        layer = nn.Dropout(0.5, rng=rng)
        return bp.compile(lambda x: np.sum(layer(Tensor(x)) * np.arange(4.0)))

    with passes(options_apart):
        plain = step(np.random.default_rng(0))
        expected = [plain(floats(3, 4)).item() for _ in range(4)]
    planned = step(np.random.default_rng(0))
    assert [planned(floats(3, 4)).item() for _ in range(4)] == expected
    (draw,) = [s for s in planned.listing.statements if s.draws]
    assert draw.out is not None


# --- random programs ------------------------------------------------------------------------

OF_ONE: list[Callable[..., Array]] = [
    np.negative, np.exp, np.tanh, np.square, np.transpose, np.abs, np.sign,
    lambda a: a + 1, lambda a: 2 * a, lambda a: 1 - a, lambda a: a[::-1], lambda a: a[:, ::-1],
    lambda a: np.reshape(np.reshape(a, -1), a.shape), lambda a: np.reshape(a.T, a.shape),
    lambda a: np.maximum(a, 0), lambda a: np.sum(a, axis=0, keepdims=True) + a,
    lambda a: np.astype(a > 0, a.dtype), lambda a: np.broadcast_to(a[:1], a.shape),
    lambda a: np.roll(a, 1), lambda a: np.concatenate([a[1:], a[:1]]),
    lambda a: np.reshape(np.concatenate([np.reshape(a[1:] + 1, -1), np.reshape(a[0], -1)]), (3, 3)),
    lambda a: np.clip(a, -1, 1), lambda a: np.mean(a, axis=1, keepdims=True) * a,
]  # fmt: skip
OF_TWO: list[Callable[..., Array]] = [
    np.add, np.subtract, np.multiply, np.dot, np.matmul, np.maximum, np.minimum,
    lambda a, b: a + b[0], lambda a, b: a - b[:, :1], lambda a, b: np.where(a > b, a, b),
    lambda a, b: np.dot(a, b.T), lambda a, b: np.dot(a.T, b), lambda a, b: np.add(a, b.T),
]  # fmt: skip


@st.composite
def straight_lines(draw: st.DrawFn) -> Callable[..., Any]:
    """A function of two arrays (3, 3) that calls up to 12 others, and returns some results."""
    lines: list[tuple[Callable[..., Array], list[int]]] = []
    for i in range(draw(st.integers(1, 12))):
        of_two = draw(st.booleans())
        function: Callable[..., Array] = draw(st.sampled_from(OF_TWO if of_two else OF_ONE))
        near = st.integers(max(0, i - 3), i + 1) | st.integers(0, i + 1)
        lines.append((function, [draw(near) for _ in range(1 + of_two)]))
    returned = draw(st.lists(st.integers(0, len(lines) + 1), min_size=1, max_size=3))
    quiet = draw(st.booleans())

    def program(*arrays: Array) -> Any:
        values = list(arrays)
        context = np.errstate(under="ignore") if quiet else contextlib.nullcontext()
        with context:
            for function, places in lines:
                values.append(function(*[values[place] for place in places]))
        return [values[place] for place in returned] + [np.sum(values[-1])]

    return program


@given(straight_lines(), st.sampled_from([np.float32, np.float64]))
def test_random_programs(program: Callable[..., Any], dtype: Any) -> None:
    with np.errstate(all="ignore"):
        check(program, floats(3, 3, dtype=dtype), floats(3, 3, seed=1, dtype=dtype).T)


# --- steps of training ----------------------------------------------------------------------

OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9),
    "Nesterov": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": lambda p: optim.Adam(p, lr=0.01),
    "AMSGrad": lambda p: optim.Adam(p, lr=0.01, amsgrad=True),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01),
    "Adamax": lambda p: optim.Adamax(p, lr=0.01),
    "NAdam": lambda p: optim.NAdam(p, lr=0.01),
    "RAdam": lambda p: optim.RAdam(p, lr=0.01),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "Adagrad": lambda p: optim.Adagrad(p, lr=0.01),
    "Adadelta": lambda p: optim.Adadelta(p, lr=0.01),
    "Rprop": lambda p: optim.Rprop(p, lr=0.01),
}


class Training:
    """A model, its optimiser and a step, with numbers that depend on nothing else."""

    def __init__(self, optimizer: str = "SGD", *sizes: int, dtype: Any = np.float32) -> None:
        rng = np.random.default_rng(0)
        sizes = sizes or (6, 5, 4, 3)
        self.model: Any = nn.MLP(*sizes, activation=nn.Tanh(), rng=rng, dtype=dtype)
        self.optimizer = OPTIMIZERS[optimizer](self.model.named_parameters())

    def step(self, x: Array, y: Array) -> Any:
        self.optimizer.zero_grad()
        loss = F.sum_squares(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def state(self) -> list[Array]:
        moments = [m for s in self.optimizer.param_groups for p in s.slots for m in p.moments]
        found = [*(p.data for p in self.model.parameters()), *moments]
        return [np.copy(a) for a in found if a is not None]


def batch(i: int, n: int = 7, sizes: tuple[int, int] = (6, 3)) -> tuple[Array, Array]:
    return floats(n, sizes[0], seed=2 * i), floats(n, sizes[1], seed=2 * i + 1)


@contextlib.contextmanager
def passes(*chosen: Any) -> Iterator[None]:
    before, planning.PASSES = planning.PASSES, chosen
    try:
        yield
    finally:
        planning.PASSES = before


def quick(names: Iterable[str], *chosen: str) -> list[Any]:
    """Names, of which all but some are for slow tests."""
    return [n if n in chosen else pytest.param(n, marks=pytest.mark.slow) for n in names]


@pytest.mark.parametrize("name", quick(OPTIMIZERS, "SGD", "Nesterov", "AMSGrad", "RAdam"))
def test_a_planned_step_has_the_bits_of_a_plain_one(name: str) -> None:
    with np.errstate(under="ignore"):
        plain, planned = Training(name), Training(name)
        with passes(options_apart):  # without which nothing would say where a learning rate is
            one = bp.compile(plain.step)
            for i in range(8):
                plain.optimizer.lr = 0.1 / (1 + i // 3)
                one(*batch(i))
        other = bp.compile(planned.step)
        for i in range(8):
            planned.optimizer.lr = 0.1 / (1 + i // 3)
            other(*batch(i))
        assert all(map(same, plain.state(), planned.state()))
        assert len(one._programs) == len(other._programs) > 0


def test_all_parameters_are_moved_in_one_call() -> None:
    training = Training()
    step = bp.compile(training.step)
    for i in range(3):
        step(*batch(i))
    (update,) = step.listing.updates
    assert update.function is np.subtract
    assert not step.listing.writes
    assert not any(s.function is np.concatenate for s in step.listing.statements)
    owners = {id(p.data.base) for p in training.model.parameters()}
    assert len(owners) == 1


def test_velocities_are_made_where_they_stay() -> None:
    training = Training("momentum")
    step = bp.compile(training.step)
    for i in range(4):
        step(*batch(i))
    updates = step.listing.updates
    assert [each.function for each in updates] == [np.multiply, np.add, np.multiply, np.subtract]
    last, velocity, move, parameters = [each.out.source for each in updates]
    assert isinstance(last, Home)
    assert last is velocity
    assert isinstance(move, Room)
    assert isinstance(parameters, Home)
    assert not step.listing.writes


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lr", [0.1, 1e5, 2.0**21])
@pytest.mark.parametrize(
    "options",
    [
        {"momentum": 0.9},
        {"momentum": 0.9999, "weight_decay": 0.1},
        {"momentum": 1.0, "dampening": 0.3},
        {"momentum": 0.9, "nesterov": True},
    ],
)
def test_gradients_of_all_sizes_move_as_in_eager_mode(dtype: Any, lr: float, options: Any) -> None:
    """And where a value that is not finite is refused, everything is as it was."""
    run = np.random.default_rng(7)
    pair = []
    for _ in range(2):
        w = Tensor(floats(5, dtype=dtype), requires_grad=True)
        pair.append((w, optim.SGD([w], lr=lr, **options)))

    def step(w: Tensor, opt: Any, g: Array) -> None:
        opt.zero_grad()
        np.sum(w * g).backward()
        opt.step()

    compiled, eager = [bp.compile(lambda g, p=p: step(*p, g), exact=True) for p in pair]
    eager = eager.__wrapped__
    refused = 0
    for i in range(60):
        size = 10.0 ** run.choice([-300, -40, -3, 0, 0, 5, 15, 18, 19, 20, 37, 150, 160])
        if i == 40:
            for _, opt in pair:
                opt.lr, opt.momentum = lr / 4, 0.5
        errors = []
        with np.errstate(all="ignore"):
            g = (run.normal(size=5) * size).astype(dtype)
            for call in (compiled, eager):
                try:
                    call(g)
                except OptimizerError as error:
                    errors.append(str(error))
        refused += bool(errors)
        assert len(errors) in (0, 2)
        assert same(*[w.data for w, _ in pair])
        assert all(map(same, *[[m for slot in opt._slots() for m in slot.moments]
                               for _, opt in pair]))  # fmt: skip
    assert refused or dtype is np.float64


def test_an_array_that_somebody_holds_stays_where_it_is() -> None:
    training, eager = Training(), Training()
    held = training.model[0].weight.data
    step = bp.compile(training.step)
    for i in range(3):
        step(*batch(i))
        eager.step(*batch(i))
    assert training.model[0].weight.data is held
    np.testing.assert_allclose(held, eager.model[0].weight.data, rtol=1e-5)


def test_a_tensor_that_shares_an_array_goes_on_sharing_it() -> None:
    training = Training()
    weight = training.model[0].weight
    view = weight.detach()
    step = bp.compile(training.step)
    for i in range(3):
        step(*batch(i))
    assert np.shares_memory(view.data, weight.data)


def arrays_of_all_kinds() -> dict[str, Any]:
    """Parameters that are awkward to lay out, each with what else shows its memory."""
    whole = floats(20)
    return {
        "vectors": (floats(3), floats(4)),
        "no axes": (floats(), floats(2)),
        "no elements": (floats(0, 2), floats(3)),
        "parts": (whole[:8], whole[8:]),
        "parts in disorder": (whole[8:], whole[:8]),
        "part": (whole[2:8], floats(3)),
        "columns first": (floats(3, 4).T, floats(2)),
        "steps": (floats(12)[::2], floats(2)),
        "backwards": (floats(6)[::-1], floats(2)),
        "two dtypes": (floats(6), floats(5, dtype=np.float64)),
        "one": (floats(6),),
    }


@pytest.mark.parametrize("name", arrays_of_all_kinds())
@pytest.mark.parametrize("optimizer", quick(["SGD", "momentum", "Adam"], "momentum"))
def test_parameters_of_all_kinds(name: str, optimizer: str) -> None:
    """Trained by two programs and eagerly in turns; memory that others show stays shared."""

    def training(compiles: Callable[[Any], Any]) -> Any:
        arrays = [*arrays_of_all_kinds()[name]]
        owners = [a.base for a in arrays if a.base is not None]
        tensors = [Tensor(a, requires_grad=True) for a in arrays]
        while arrays:  # which a tensor that tracks would copy, each a part of what others hold
            tensors[len(arrays) - 1]._value = arrays.pop()
        optimizers = [OPTIMIZERS[optimizer](tensors), optim.SGD(tensors[::-1], lr=0.1)]

        def step_of(optimizer: Any) -> Callable[[Any], Any]:
            def step(x: Any) -> Any:
                optimizer.zero_grad()
                loss = sum(((p * x) ** 2).sum() for p in tensors)
                loss.backward()
                optimizer.step()
                return loss

            return step

        steps = [step_of(each) for each in optimizers]
        return tensors, owners, [*map(compiles, steps), steps[0]]

    one, _, eager = training(lambda f: f)
    two, owners, compiled = training(lambda f: bp.compile(f, exact=True))
    for i in range(12):
        x = floats(seed=i)
        assert same(eager[i % 3](x).data, compiled[i % 3](x).data)
    assert all(same(a.data, b.data) for a, b in zip(one, two, strict=True))
    held = [p.data for p in two if p.size]
    assert all(any(np.shares_memory(owner, a) for a in held) for owner in owners)


def test_gradients_that_are_kept_are_new_in_every_run() -> None:
    training, eager = Training(), Training()
    step = bp.compile(training.step, exact=True, grads=True)
    kept: list[tuple[Array, Array]] = []
    for i in range(4):
        step(*batch(i))
        eager.step(*batch(i))
        for p, q in zip(training.model.parameters(), eager.model.parameters(), strict=True):
            assert same(p.grad.data, q.grad.data)
            kept.append((p.grad.data, p.grad.data.copy()))
    assert all(same(gradient, then) for gradient, then in kept)
    (join,) = [s for s in step.listing.statements if s.function is np.concatenate]
    assert join.out is not None


def test_what_cannot_be_written_into_a_vector_is_copied_there() -> None:
    def f(x: Array) -> Array:
        parts = [x + 1, np.argsort(x).astype(x.dtype), np.exp(x), x]
        return np.sum(np.concatenate(parts) * np.arange(24))

    listing = check(f, floats(6))
    functions = [s.function for s in listing.statements]
    assert np.concatenate not in functions
    assert functions.count(np.copyto) == 2


def test_copies_and_loaded_states_go_on_by_themselves() -> None:
    first, eager = Training("momentum"), Training("momentum")
    step, again = bp.compile(first.step, exact=True), bp.compile(first.step, exact=True)
    with np.errstate(under="ignore"):
        for i in range(3):
            step(*batch(i))
            eager.step(*batch(i))
        copied = copy.deepcopy(first.model)
        before = [p.data.copy() for p in copied.parameters()]
        state, moments = first.model.state_dict(), first.optimizer.state_dict()
        state = {name: np.copy(value) for name, value in state.items()}
        moments = copy.deepcopy(moments)
        for i in range(3):
            again(*batch(i + 3))
        assert all(map(same, [p.data for p in copied.parameters()], before))
        first.model.load_state_dict(state)
        first.optimizer.load_state_dict(moments)
        for i in range(3):
            step(*batch(i + 6))
            eager.step(*batch(i + 6))
    assert all(map(same, first.state(), eager.state()))


@pytest.mark.parametrize("order", ["abab", "aabb", "aeab", "bebaea", "ababccaebc"])
def test_programs_share_parameters_in_any_order(order: str) -> None:
    """Steps of all parameters (a), of the last layer (b), of two of three (c), and eager (e)."""

    def steps(compiles: Callable[[Any], Any]) -> tuple[Training, dict[str, Any]]:
        training = Training("momentum")
        model = training.model
        head = optim.SGD(model[-1].named_parameters(), lr=0.05, momentum=0.5)
        ends = optim.Adam([model[0].weight, model[-1].bias], lr=0.01)

        def of(optimizer: Any) -> Callable[..., Any]:
            def step(x: Array, y: Array) -> Any:
                for p in model.parameters():
                    p.zero_grad()
                loss = F.sum_squares(model(x), y)
                loss.backward()
                optimizer.step()
                return loss

            return step

        return training, {
            "a": compiles(training.step),
            "b": compiles(of(head)),
            "c": compiles(of(ends)),
            "e": training.step,
        }

    with np.errstate(under="ignore"):
        one, eager = steps(lambda f: f)
        other, compiled = steps(lambda f: bp.compile(f, exact=True))
        for i, kind in enumerate(order * 3):
            a, b = eager[kind](*batch(i)), compiled[kind](*batch(i))
            assert a.item() == b.item(), (i, kind)
        assert all(map(same, one.state(), other.state()))


def test_values_that_are_exchanged_are_read_before_they_are_written() -> None:
    arrays = [np.array([1.0, 2.0]), np.array([3.0, 4.0])]
    a, b = (Value(x.shape, x.dtype, x.strides, Home(x, "")) for x in arrays)
    listing = Listing(writes=[Write(a, b), Write(b, a)], sources=[a, b], results=())
    written(planning.planned(listing)).function()
    assert [x.tolist() for x in arrays] == [[3.0, 4.0], [1.0, 2.0]]


def test_options_are_read_when_they_change() -> None:
    training = Training()
    step = bp.compile(training.step)
    step(*batch(0))
    step(*batch(1))
    before = training.state()
    training.optimizer.lr = 1e-30
    step(*batch(2))
    assert all(map(same, training.state(), before))
    training.optimizer.lr = 0.1
    step(*batch(2))
    assert not all(map(same, training.state(), before))


def test_nothing_is_written_where_a_check_fails() -> None:
    training = Training("momentum")
    step = bp.compile(training.step)
    for i in range(3):
        step(*batch(i))
    before = training.state()
    x, y = batch(3)
    x[0, 0] = np.nan
    with np.errstate(all="ignore"), pytest.raises(OptimizerError, match="not finite|nan"):
        step(x, y)
    assert all(map(same, training.state(), before))


def test_a_run_allocates_nothing_but_its_results() -> None:
    training = Training("SGD", 64, 128, 32)
    step = bp.compile(training.step)
    x, y = batch(0, 1024, (64, 32))
    for _ in range(4):
        step(x, y)
    tracemalloc.start()
    try:
        step(x, y)
        start = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(3):
            step(x, y)
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert now - start < 1_000
    assert peak - start < 50_000  # arrays have 131,072 bytes and more, and NumPy's iterator 32,768


def test_rooms_of_a_net_share_memory() -> None:
    """At most what a step by hand needs: here three of the four arrays that are made a layer."""
    training = Training("SGD", 64, 64, 64, 64)
    step = bp.compile(training.step)
    x, y = batch(0, 512, (64, 64))
    for _ in range(2):
        step(x, y)
    (memory,) = {id(r.memory): r.memory for r in rooms(step.listing)}.values()
    one = 512 * 64 * 4
    assert memory is not None
    assert memory.nbytes < 5.5 * one


# --- interrupts -----------------------------------------------------------------------------


class _Interrupt(BaseException):
    """No `Exception`, as `KeyboardInterrupt` is none."""


class _Alarm(Exception):  # noqa: N818
    """What a handler may raise that is one."""


def is_interrupted(call: Callable[[], object], seconds: float) -> bool:
    """Call three times, or as far as an interrupt lets it come."""
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            for _ in range(3):
                call()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except (_Interrupt, _Alarm):
        return True
    return False


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs setitimer")
@pytest.mark.parametrize("name", ["SGD", "momentum", "Adam"])
@pytest.mark.parametrize("error", [_Interrupt, _Alarm])
def test_an_interrupt_leaves_all_parameters_of_one_step(
    name: str, error: type[BaseException]
) -> None:
    """However often a step is interrupted, weights and moments are those of a number of steps.

    An alarm while a program calculates may be lost: the step is taken eagerly, and once.
    """

    def handle(*_: object) -> None:
        raise error

    whole, torn = Training(name), Training(name)
    x, y = batch(0)
    one, other = (bp.compile(t.step, exact=True) for t in (whole, torn))
    for _ in range(4):
        one(x, y)
        other(x, y)
    before = signal.signal(signal.SIGALRM, handle)
    gc.disable()  # it tells others when it starts, which is no place for an interrupt
    interrupted = 0
    try:
        for i in range(2000):
            stopped = is_interrupted(lambda: other(x, y), 1e-6 * (1 + i % 150))
            interrupted += stopped
            steps = 0
            while not all(map(same, whole.state(), torn.state())):
                assert steps < 3, f"half updated, round {i}"
                one(x, y)
                steps += 1
            assert stopped or steps == 3, "an update was lost, or done twice"
    finally:
        gc.enable()
        signal.signal(signal.SIGALRM, before)
    assert interrupted > 50


# --- calls that are one -----------------------------------------------------------------------


def calls_of(listing: Listing, function: Any) -> int:
    return sum(s.function is function for s in listing.statements)


def test_the_same_arithmetic_on_several_arrays_is_one_call() -> None:
    def slopes(x: Array, y: Array) -> Array:
        a, b = np.tanh(x), np.tanh(y)
        return np.sum(a * (1 - a)) + np.sum(b * (1 - b))

    arrays = floats(3, 4, seed=1), floats(5, 2, seed=2)
    plain, planned = both(slopes, *arrays)
    assert same(plain(*arrays), planned(*arrays))
    found = planning.planned(listing_of(slopes, *arrays))
    assert calls_of(found, np.subtract) == calls_of(found, np.multiply) == 1


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (np.exp(x) - 1, np.exp(2 * x) - 1),  # results are arrays of their own
        lambda x: np.sum(np.exp(x) - 1) * np.sum(np.exp(np.sin(np.sum(np.exp(x) - 1)) * x) - 1),
        lambda x: (x - 1) * (2 * x - 1),  # an argument cannot be written elsewhere
        lambda x: np.sum(np.concatenate([np.exp(x), np.tanh(x)])) + (np.exp(x) - 1).sum(),
        lambda x: sum(((np.sin(k * x) * np.cos(k * x)).sum() for k in range(1, 6)), start=0.0),
        lambda x: (np.exp(x).T - 1).sum() + (np.tanh(x) - 1).sum(),  # other strides
        lambda x: np.sum((a := np.exp(x)) * a) + np.sum((b := np.tanh(x)) * b),  # twice the same
    ],
)
def test_calls_that_are_one_give_the_same(function: Callable[[Array], Any]) -> None:
    plain, planned = both(function, floats(4, 3))
    for seed in range(4):
        x = floats(4, 3, seed=seed)
        assert same(plain(x), planned(x))


def test_calls_on_large_arrays_stay_apart() -> None:
    def slopes(x: Array) -> Array:
        a, b = np.tanh(x), np.sin(x)
        return np.sum(a * (1 - a)) + np.sum(b * (1 - b))

    assert calls_of(planning.planned(listing_of(slopes, floats(64, 64))), np.subtract) == 2


@pytest.mark.parametrize("axis", [0, 1])
def test_matrices_that_are_joined_elsewhere_are_no_vector(axis: int) -> None:
    def step(x: Any) -> Any:
        a, b = np.exp(x), np.sin(x)
        joined = np.concatenate([a, b], axis=axis)
        return np.sum(joined), np.sum(a * a, axis=0), np.sum(b * b, axis=1)

    check(step, floats(2, 3))
