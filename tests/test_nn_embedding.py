"""Tables of vectors: rows, bags of rows, padding, and rows that may not grow too long."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twins import assert_equal, assert_twins, load_from

from tinygrad_bp import Tensor, errors, nn
from tinygrad_bp import functional as F
from tinygrad_bp.gradcheck import check

TABLE = np.random.default_rng(5).normal(size=(6, 3))


@pytest.mark.parametrize("shape", [(), (4,), (2, 5), (2, 3, 4), (0,)])
@pytest.mark.parametrize("padding_idx", [None, 0, 4, -1])
def test_rows_are_pytorchs(shape: Any, padding_idx: Any, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    indices = rng.integers(0, 6, shape)
    theirs = torch.nn.Embedding(6, 3, padding_idx=padding_idx)
    ours = nn.Embedding(6, 3, padding_idx=padding_idx, dtype=float)
    assert ours.padding_idx == theirs.padding_idx
    assert_twins(ours, theirs, np.asarray(indices))


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding_idx", [None, 2])
@pytest.mark.parametrize("include_last_offset", [False, True])
@given(data=st.data())
def test_bags_are_pytorchs(
    mode: str, padding_idx: Any, include_last_offset: bool, data: Any
) -> None:
    torch = pytest.importorskip("torch")
    sizes = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=5), "sizes")
    n = sum(sizes)
    indices = np.array(data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n)), int)
    offsets = np.cumsum([0, *sizes])[: None if include_last_offset else -1]
    options = {"mode": mode, "include_last_offset": include_last_offset}
    options["padding_idx"] = padding_idx
    weighted = mode == "sum" and data.draw(st.booleans(), "weighted")
    scale = np.random.default_rng(n).normal(size=n) if weighted else None
    if mode == "max":  # which row of several equal ones gets the gradient does not matter
        options["_weight"] = torch.tensor(TABLE)
    theirs = torch.nn.EmbeddingBag(6, 3, **options).double()
    ours = nn.EmbeddingBag(6, 3, **{**options, "_weight": TABLE})
    load_from(theirs, ours)
    mine, its = (
        None if scale is None else make(scale, requires_grad=True)
        for make in (Tensor, torch.tensor)
    )
    y = ours(indices, offsets, mine)
    wanted = theirs(torch.tensor(indices), torch.tensor(offsets), its)
    assert_equal(y, wanted)
    seed = np.random.default_rng(1).normal(size=y.shape)
    y.backward(seed)
    wanted.backward(torch.tensor(seed))
    assert ours.weight.grad is not None
    assert_equal(ours.weight.grad, theirs.weight.grad)
    if weighted and padding_idx is None:  # of padding, PyTorch leaves out what it multiplies
        assert_equal(mine.grad, its.grad)


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
@pytest.mark.parametrize("padding_idx", [None, 1])
def test_bags_of_one_size_are_pytorchs(
    mode: str, padding_idx: Any, rng: np.random.Generator
) -> None:
    torch = pytest.importorskip("torch")
    indices = rng.integers(0, 6, (4, 5))
    theirs = torch.nn.EmbeddingBag(6, 3, mode=mode, padding_idx=padding_idx)
    ours = nn.EmbeddingBag(6, 3, mode=mode, padding_idx=padding_idx, dtype=float)
    assert_twins(ours, theirs, indices)


@pytest.mark.parametrize("norm_type", [1.0, 2.0, float("inf")])
def test_rows_are_shortened_as_in_pytorch(norm_type: float, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    indices = np.array([[0, 2], [2, 5]])
    theirs = torch.nn.Embedding(6, 3, max_norm=1.0, norm_type=norm_type)
    ours = nn.Embedding(6, 3, max_norm=1.0, norm_type=norm_type, dtype=float)
    assert_twins(ours, theirs, indices)
    bag = nn.EmbeddingBag(6, 3, max_norm=1.0, norm_type=norm_type, _weight=TABLE)
    bag(indices)
    lengths = np.linalg.norm(bag.weight.data, norm_type, axis=1)
    assert np.all(lengths[[0, 2, 5]] <= 1)
    np.testing.assert_array_equal(bag.weight.data[[1, 3, 4]], TABLE[[1, 3, 4]])


# --- by hand ----------------------------------------------------------------------------------


def test_gradients_of_repeated_rows_add_up() -> None:
    layer = nn.Embedding(6, 3, _weight=TABLE)
    layer([[1, 1], [4, 1]]).sum().backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.data[:, 0].tolist() == [0.0, 3.0, 0.0, 0.0, 1.0, 0.0]


def test_bags_by_hand() -> None:
    rows = TABLE[[3, 1, 1, 5]]
    for mode, of in (("sum", np.sum), ("mean", np.mean), ("max", np.max)):
        found = F.embedding_bag([3, 1, 1, 5, 0], TABLE, [0, 4, 4], mode=mode)
        np.testing.assert_allclose(found.data[0], of(rows, axis=0), rtol=1e-15)
        assert found.data[1].tolist() == [0.0, 0.0, 0.0]
        np.testing.assert_array_equal(found.data[2], TABLE[0])
    scaled = F.embedding_bag([[3, 1]], TABLE, mode="sum", per_sample_weights=[[2.0, -1.0]])
    np.testing.assert_allclose(scaled.data, [2 * TABLE[3] - TABLE[1]], rtol=1e-15)


def test_a_few_long_bags_take_no_more_memory_than_their_rows() -> None:
    table = np.ones((2, 4))
    indices = np.zeros(20_000, int)
    offsets = np.concatenate([[0], np.arange(10_001, 20_000)])
    for mode in ("sum", "mean", "max"):  # padded to one size they would take 3 GB
        assert F.embedding_bag(indices, table, offsets, mode=mode).shape == (10_000, 4)


def test_a_pass_after_rows_were_shortened_is_not_stale() -> None:
    layer = nn.Embedding(6, 3, max_norm=0.5, _weight=TABLE)
    first = layer([0, 1]).sum()
    (first + layer([2, 3]).sum()).backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.data[:, 0].tolist() == [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]


def test_the_start_is_reproducible_normal_and_zero_for_padding() -> None:
    first, second = (nn.Embedding(400, 50, 7, rng=np.random.default_rng(3)) for _ in range(2))
    assert first.weight.data.tobytes() == second.weight.data.tobytes()
    assert first.weight.dtype == np.float32
    assert abs(first.weight.data.std() - 1) < 0.02
    assert not np.any(first.weight.data[7])


def test_a_pretrained_table_is_copied_and_frozen() -> None:
    given_table = TABLE.copy()
    layer = nn.Embedding.from_pretrained(given_table, max_norm=0.5)
    layer([0, 1])
    assert given_table.tobytes() == TABLE.tobytes()
    assert not layer.weight.requires_grad
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    assert nn.Embedding.from_pretrained(TABLE, freeze=False).weight.requires_grad
    bag = nn.EmbeddingBag.from_pretrained(TABLE, mode="sum")
    np.testing.assert_allclose(bag([[0, 1]]).data, [TABLE[0] + TABLE[1]])


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_the_checker_confirms_bags(mode: str) -> None:
    def bags(table: Any) -> Any:
        return F.embedding_bag([3, 1, 1, 5, 0, 2], table, [0, 4, 4, 5], mode=mode, padding_idx=2)

    assert check(bags, TABLE).ok
    layer = nn.Embedding(6, 3, _weight=TABLE)
    assert check(layer, lambda y, _: np.sum(y * y), (np.array([[1, 1], [4, 0]]), None)).ok


# --- what is refused --------------------------------------------------------------------------


def test_numbers_that_are_no_rows_are_named() -> None:
    layer = nn.Embedding(6, 3)
    with pytest.raises(errors.LabelError, match=r"index 6 at position \(1, 0\) is not one"):
        layer([[0, 1], [6, 2]])
    with pytest.raises(errors.LabelError, match="index -1"):
        layer([-1])
    with pytest.raises(errors.LabelError, match="whole numbers, not float64"):
        layer([0.5])


@pytest.mark.parametrize(
    ("indices", "offsets", "options"),
    [
        ([0, 1], None, {}),
        ([[0, 1]], [0], {}),
        ([0, 1], [1], {}),
        ([0, 1], [0, 3], {}),
        ([0, 1, 2], [0, 2, 1], {}),
        ([0, 1, 2], [0, 2], {"include_last_offset": True}),
        ([0, 1], [], {"include_last_offset": True}),
        ([0, 1], [0.0], {}),
        ([[0, 1]], None, {"mode": "product"}),
        ([[0, 1]], None, {"per_sample_weights": [[1.0, 2.0]]}),
        ([[0, 1]], None, {"mode": "sum", "per_sample_weights": [1.0, 2.0]}),
        ([[0, 1]], None, {"padding_idx": 6}),
    ],
)
def test_bags_that_make_no_sense_are_refused(indices: Any, offsets: Any, options: Any) -> None:
    with pytest.raises(ValueError, match="embedding"):
        F.embedding_bag(indices, TABLE, offsets, **options)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Embedding(6, 3, sparse=True),
        lambda: nn.Embedding(6, 3, scale_grad_by_freq=True),
        lambda: nn.Embedding(0, 3),
        lambda: nn.Embedding(6, 3, padding_idx=6),
        lambda: nn.Embedding(6, 3, padding_idx=-7),
        lambda: nn.Embedding(6, 3, max_norm=0.0),
        lambda: nn.Embedding(6, 4, _weight=TABLE),
        lambda: nn.Embedding.from_pretrained(TABLE[0]),
        lambda: nn.EmbeddingBag(6, 3, mode="product"),
    ],
)
def test_bad_options_are_refused_when_the_layer_is_made(make: Any) -> None:
    with pytest.raises(errors.ModuleError):
        make()


def test_sizes_and_options_are_shown() -> None:
    assert repr(nn.Embedding(6, 3, padding_idx=-1)) == "Embedding(6, 3, padding_idx=5)"
    assert (
        repr(nn.EmbeddingBag(6, 3, max_norm=2.0)) == "EmbeddingBag(6, 3, max_norm=2.0, mode='mean')"
    )
