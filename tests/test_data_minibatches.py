"""Mini-batches: every example once an epoch, pairs kept together, a new order each time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_bp.data import minibatches
from tinygrad_bp.errors import ShapeError

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
