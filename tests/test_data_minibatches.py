"""Mini-batches: every example once an epoch, pairs kept together, a new order each time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_bp import nn, optim
from tinygrad_bp.data import Pixels, minibatches
from tinygrad_bp.data.minibatches import BLOCK
from tinygrad_bp.errors import DataError, ShapeError
from tinygrad_bp.train import Trainer
from tinygrad_bp.train.feed import digest

SIZES = st.integers(1, 40)


def epoch(batches):
    return [targets.tolist() for _, targets in batches]


@given(SIZES, st.integers(1, 50), st.integers(0, 2**32))
def test_an_epoch_holds_every_example_once_with_its_target(n, batch_size, seed):
    x = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    batches = minibatches(x, np.arange(n), batch_size, np.random.default_rng(seed))
    seen = []
    for count, (xs, ys) in enumerate(batches, start=1):
        assert xs.dtype == np.float32
        assert xs.flags.c_contiguous
        np.testing.assert_array_equal(xs, x[ys])
        assert len(ys) == batch_size or count == len(batches)
        seen += ys.tolist()
    assert count == len(batches) == -(-n // batch_size)
    assert sorted(seen) == list(range(n))


@given(SIZES, st.integers(1, 50), st.integers(0, 2**32))
def test_drop_last_leaves_out_the_short_batch_only(n, batch_size, seed):
    every = minibatches(np.arange(n), np.arange(n), batch_size, np.random.default_rng(seed))
    whole = minibatches(
        np.arange(n), np.arange(n), batch_size, np.random.default_rng(seed), drop_last=True
    )
    assert epoch(whole) == [batch for batch in epoch(every) if len(batch) == batch_size]
    assert len(whole) == n // batch_size


def test_each_epoch_has_a_new_order_and_the_seed_decides():
    y = np.arange(50)
    batches = minibatches(y, y, 7, np.random.default_rng(3))
    first, second = epoch(batches), epoch(batches)
    assert first != second
    again = minibatches(y, y, 7, np.random.default_rng(3))
    assert [epoch(again), epoch(again)] == [first, second]


def test_a_call_per_epoch_equals_a_loop_per_epoch():
    y = np.arange(50)
    kept = minibatches(y, y, 7, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    for _ in range(3):
        assert epoch(minibatches(y, y, 7, rng)) == epoch(kept)


def test_the_order_is_drawn_when_the_loop_begins():
    rng = np.random.default_rng(0)
    iter(minibatches(np.arange(9), np.arange(9), 2, rng))
    other = np.random.default_rng(0)
    other.permutation(9)
    assert rng.random() == other.random()


def test_two_loops_at_a_time_do_not_disturb_each_other():
    y = np.arange(20)
    batches = minibatches(y, y, 3, np.random.default_rng(0))
    pairs = list(zip(batches, batches, strict=True))
    for side in range(2):
        assert sorted(np.concatenate([pair[side][1] for pair in pairs])) == y.tolist()


def test_without_a_generator_the_order_is_kept():
    assert epoch(minibatches(np.arange(5), np.arange(5), 2, None)) == [[0, 1], [2, 3], [4]]


def test_batches_are_copies():
    x = np.zeros((4, 2))
    for xs, _ in minibatches(x, np.arange(4), 2, None):
        xs[:] = 1
    assert not x.any()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_any_number_of_arrays_is_split_alike(count):
    columns = [np.arange(7) + 10 * i for i in range(count)]
    by_position = minibatches(*columns, 3, np.random.default_rng(0))
    by_name = minibatches(*columns, batch_size=3, rng=np.random.default_rng(0))
    for parts, again in zip(by_position, by_name, strict=True):
        assert len(parts) == count
        for i, (part, other) in enumerate(zip(parts, again, strict=True)):
            np.testing.assert_array_equal(part, parts[0] + 10 * i)
            np.testing.assert_array_equal(part, other)


def test_without_an_array_there_is_nothing_to_split():
    for make in (minibatches, lambda: minibatches(2, None), lambda: minibatches(rng=None)):
        with pytest.raises((ShapeError, ValueError)):
            make()
    with pytest.raises(ShapeError, match="no array"):
        minibatches(batch_size=2, rng=None)


def test_lists_become_arrays():
    assert epoch(minibatches([[1.0], [2.0]], [3, 4], 2, None)) == [[3, 4]]


def test_anything_with_a_shape_that_rows_can_index_will_do():
    class Rows:
        def __init__(self, array):
            self.array = array
            self.shape = array.shape

        def __getitem__(self, rows):
            return Rows(self.array[rows])

    [(xs, ys)] = minibatches(Rows(np.arange(3)), np.arange(3), 3, None)
    assert isinstance(xs, Rows)
    assert ys.tolist() == [0, 1, 2]


@pytest.mark.parametrize("batch_size", [2.0, "2", None, True, np.float64(2), np.array([1, 2])])
def test_a_batch_size_that_is_no_whole_number(batch_size):
    with pytest.raises(TypeError, match="batch_size"):
        minibatches(np.arange(3), np.arange(3), batch_size, None)


@pytest.mark.parametrize("batch_size", [0, -1, np.int64(0)])
def test_a_batch_size_below_one(batch_size):
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        minibatches(np.arange(3), np.arange(3), batch_size, None)


@pytest.mark.parametrize(
    ("x_shape", "y_shape", "problem"),
    [
        ((3, 2), (4,), r"\(3, 2\) and \(4,\) hold 3, 4 examples"),
        ((0, 2), (0,), "hold no examples"),
        ((), (3,), "need a first axis"),
        ((3,), (), "need a first axis"),
    ],
)
def test_data_that_make_no_batches(x_shape, y_shape, problem):
    with pytest.raises(ShapeError, match=problem):
        minibatches(np.zeros(x_shape), np.zeros(y_shape), 2, None)


def test_without_a_generator_examples_come_in_their_own_order() -> None:
    x, y = np.arange(5.0), np.arange(5)
    for batches in (minibatches(x, y, 2), minibatches(x, y, batch_size=2)):
        assert [[a.tolist() for a in batch] for batch in batches][1] == [[2.0, 3.0], [2, 3]]
        assert batches.rng is None


# --- what is gathered many rows at once is what indexing gives --------------------------------

N = 1_003  # with 784 float32 a row, some blocks and a rest
DTYPES = ["?", "u1", "i8", ">i4", "f2", "f4", ">f8", "c16", "O", "U3", "S5", "M8[s]", "i4,f8"]


def filled(dtype, shape):
    """An array of the dtype with bytes drawn by chance, or with numbers where bytes mean little."""
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 200, shape)
    if np.dtype(dtype).names:
        return np.stack([numbers, numbers + 1], -1).astype("i8").view("i8,f8")[..., 0].astype(dtype)
    return (numbers > 100 if dtype == "?" else numbers).astype(dtype)


def indexed(a, batch_size, seed):
    """The batches of an epoch as indexing gives them, one at a time."""
    order = np.random.default_rng(seed).permutation(len(a))
    return [a[order[i : i + batch_size]] for i in range(0, len(a), batch_size)]


def assert_like_indexing(a, batch_size, start=0):
    batches = minibatches(a, np.arange(len(a)), batch_size, np.random.default_rng(5))
    wanted = indexed(a, batch_size, 5)[start:]
    for (rows, _), expected in zip(batches.starting_at(start), wanted, strict=True):
        assert type(rows) is type(expected)
        assert rows.dtype == expected.dtype
        assert rows.dtype.isnative == expected.dtype.isnative
        assert rows.shape == expected.shape
        assert rows.strides == expected.strides or not rows.size
        assert rows.flags.writeable
        assert rows.flags.aligned
        assert rows.tolist() == expected.tolist()
        assert not np.shares_memory(rows, a)


@pytest.mark.parametrize("batch_size", [1, 7, 100, 999, N, 2 * N])
@pytest.mark.parametrize("dtype", DTYPES)
def test_batches_of_any_dtype_are_what_indexing_gives(dtype, batch_size):
    for shape in (N,), (N, 3), (N, 2, 2):
        assert_like_indexing(filled(dtype, shape), batch_size)


@pytest.mark.parametrize("start", [0, 1, 8, 9, 100])
def test_an_epoch_begins_in_the_middle_of_a_block(start):
    assert_like_indexing(filled("f4", (N, 784)), 10, start)


LAYOUTS = {
    "Fortran's order": np.asfortranarray,
    "every other row": lambda a: np.repeat(a, 2, axis=0)[::2],
    "backwards": lambda a: a[::-1],
    "some columns": lambda a: a[:, 1:-1],
    "a transposed copy": lambda a: a.T.copy().T,
    "broadcast": lambda a: np.broadcast_to(a[:1], a.shape),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype).reshape(a.shape),
    "not aligned": lambda a: np.frombuffer(b"_" + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
    "no columns": lambda a: a[:, :0].copy(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("batch_size", [1, 10, 400, N])
def test_batches_of_any_layout_are_what_indexing_gives(layout, batch_size):
    assert_like_indexing(LAYOUTS[layout](filled("f4", (N, 9))), batch_size)


@pytest.mark.parametrize("order", ["C", "F"])
def test_a_memory_map_gives_arrays(tmp_path, order):
    a = np.memmap(tmp_path / "rows", np.float32, "w+", shape=(N, 5), order=order)
    a[:] = filled("f4", (N, 5))
    assert_like_indexing(a, 10)
    read = np.memmap(tmp_path / "rows", np.float32, "r", shape=(N, 5), order=order)
    assert_like_indexing(read, 10)


def test_a_subclass_is_indexed_by_its_own_rules():
    masked = np.ma.masked_greater(np.arange(12.0).reshape(6, 2), 7)
    [rows, rest] = [rows for (rows,) in minibatches(masked, batch_size=4)]
    assert isinstance(rows, np.ma.MaskedArray)
    assert [rows.mask.sum(), rest.mask.sum()] == [0, 4]


def test_arrays_of_many_kinds_are_gathered_side_by_side():
    class Rows:
        shape = (N,)

        def __getitem__(self, rows):
            return [f"row {i}" for i in rows]

    small, strided, own = np.arange(N), filled("f8", (N, 6))[:, ::2], Rows()
    for i, named, columns in minibatches(small, own, strided, 9, np.random.default_rng(0)):
        assert named == [f"row {j}" for j in i]
        np.testing.assert_array_equal(columns, strided[i])


@given(st.integers(1, 300), st.integers(1, 40), st.integers(0, 2_000), st.booleans())
def test_what_is_kept_is_never_overwritten(n, batch_size, columns, drop_last):
    x = np.arange(n * columns, dtype=np.float32).reshape(n, columns)
    batches = minibatches(
        x, np.arange(n), batch_size, np.random.default_rng(n), drop_last=drop_last
    )
    kept = [*batches, *batches]
    for xs, rows in kept:
        np.testing.assert_array_equal(xs, x[rows])
    for i, (xs, _) in enumerate(kept):
        xs[:] = i
    assert all((xs == i).all() for i, (xs, _) in enumerate(kept))
    np.testing.assert_array_equal(x.ravel(), np.arange(n * columns, dtype=np.float32))


def test_a_kept_batch_keeps_little_else_in_memory():
    x = np.zeros((10_000, 784), np.float32)
    for xs, _ in minibatches(x, np.arange(10_000), 10):
        assert xs.base is None or xs.base.nbytes <= BLOCK
    for xs, _ in minibatches(x, np.arange(10_000), 100):
        assert xs.base is None  # it is larger than a block, and alone


def test_transforms_see_one_batch_at_a_time():
    seen = []

    def spoil(rows, rng):
        seen.append(rows.copy())
        rows[:] = rng.random()
        return rows

    x = filled("f4", (N, 784))
    order = np.random.default_rng(3).permutation(N)
    batches = minibatches(x, np.arange(N), 10, np.random.default_rng(3), transform=spoil)
    spoiled = list(batches)
    np.testing.assert_array_equal(np.concatenate(seen), x[order])
    assert len({xs[0, 0] for xs, _ in spoiled}) == len(spoiled)
    later = list(
        minibatches(x, np.arange(N), 10, np.random.default_rng(3), transform=spoil).starting_at(64)
    )
    for (xs, rows), (again, same) in zip(spoiled[64:], later, strict=True):
        np.testing.assert_array_equal(xs, again)
        np.testing.assert_array_equal(rows, same)


def test_an_array_that_has_become_shorter_is_noticed():
    x = np.arange(40.0)
    batches = minibatches(x, 4)
    x.resize(20, refcheck=False)
    with pytest.raises(IndexError):
        list(batches)


# --- bytes that become numbers ----------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 10, 64, 100, 1_000, N])
def test_pixels_are_the_divided_bytes_bit_by_bit(batch_size):
    values = np.random.default_rng(0).integers(0, 256, (N, 28, 28), dtype=np.uint8)
    divided = np.divide(values, 255, dtype=np.float32)
    images = Pixels(values)
    pairs = zip(
        minibatches(images, np.arange(N), batch_size, np.random.default_rng(5)),
        minibatches(divided, np.arange(N), batch_size, np.random.default_rng(5)),
        strict=True,
    )
    for (xs, rows), (wanted, same) in pairs:
        assert xs.dtype == np.float32
        assert xs.flags.c_contiguous
        assert xs.tobytes() == wanted.tobytes()
        np.testing.assert_array_equal(rows, same)
    for index in (3, slice(2, 9), [4, 4, 1], (slice(None), 0), np.arange(N) % 2 == 0):
        np.testing.assert_array_equal(images[index], divided[index])
    np.testing.assert_array_equal(np.asarray(images), divided)
    np.testing.assert_array_equal(np.asarray(images, np.float64), divided.astype(np.float64))


@pytest.mark.parametrize("layout", ["Fortran's order", "every other row", "backwards", "read-only"])
def test_pixels_of_any_layout(layout):
    values = LAYOUTS[layout](filled("u1", (N, 9)))
    order = np.random.default_rng(1).permutation(N)
    batches = [xs for (xs,) in minibatches(Pixels(values), 10, np.random.default_rng(1))]
    np.testing.assert_array_equal(
        np.concatenate(batches), np.float32(values[order]) / np.float32(255)
    )


def test_pixels_tell_what_they_are():
    images = Pixels(np.zeros((3, 28, 28), np.uint8))
    told = (len(images), images.shape, images.ndim, images.dtype, images.nbytes, repr(images))
    assert told == (3, (3, 28, 28), 3, np.float32, 3 * 784 * 4, "Pixels(3, 28, 28)")
    with pytest.raises(ValueError, match="copy=False"):
        np.array(images, copy=False)


@pytest.mark.parametrize("values", [np.zeros((2, 2)), np.uint8(3), np.zeros(3, np.int8), [1, 2]])
def test_only_bytes_in_rows_are_pixels(values):
    with pytest.raises(DataError, match="uint8"):
        Pixels(values)


def test_a_run_on_pixels_is_a_run_on_their_numbers():
    rng = np.random.default_rng(0)
    values, labels = rng.integers(0, 256, (60, 9), dtype=np.uint8), rng.integers(0, 3, 60)
    ends = []
    for images in (Pixels(values), np.divide(values, 255, dtype=np.float32)):
        model = nn.MLP(9, 4, 3, rng=np.random.default_rng(1))
        trainer = Trainer(model, nn.CrossEntropyLoss(), optim.SGD(model.named_parameters(), lr=0.1))
        trainer.fit(
            (images, labels),
            epochs=2,
            batch_size=8,
            rng=np.random.default_rng(2),
            validation=(images, labels),
        )
        ends.append((digest(images, labels), trainer.history, model[0].weight.data.tobytes()))
    assert ends[0] == ends[1]
