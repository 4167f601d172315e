"""What a state must be to go into a model, and that nothing is touched if it is not."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_bp import Tensor, nn
from tinygrad_bp.errors import CheckpointError, ModuleError
from tinygrad_bp.nn.fitting import holds

DTYPES = [np.dtype(code) for code in "?bhilqBHILQefdg"]
SINGLE, DOUBLE = np.dtype("f4"), np.dtype("f8")


def small(**options):
    return nn.MLP(4, 3, 2, rng=np.random.default_rng(0), **options)


class Values(nn.Module):
    """One tensor of a dtype."""

    def __init__(self, dtype, values=(0, 0, 0)):
        self.w = Tensor(np.array(values, dtype))


def refused(model, state, match):
    before = model.state_dict()
    with pytest.raises(CheckpointError, match=match) as caught:
        model.load_state_dict(state)
    for name, value in model.state_dict().items():
        assert value.tobytes() == before[name].tobytes()
    return str(caught.value)


def test_a_dtype_holds_another_if_its_extremes_come_back():
    for narrow in DTYPES:
        if narrow.kind == "f":
            info = np.finfo(narrow)
            extremes = np.array([info.max, info.tiny, 1 + info.eps], narrow)
        elif narrow.kind == "b":
            extremes = np.array([False, True])
        else:
            info = np.iinfo(narrow)
            extremes = np.array([info.min, info.max, info.max - 1], narrow)
        for wide in DTYPES:
            with np.errstate(all="ignore"):
                back = extremes.astype(wide).astype(narrow)
            same = np.array_equal(back, extremes) and (narrow.kind == "b" or wide.kind != "b")
            if narrow.kind == "f" or wide.kind not in "iub":  # integers wrap, and come back
                assert holds(wide, narrow) == (same and wide.kind >= "f"), (wide, narrow)
            else:
                assert holds(wide, narrow) == np.can_cast(narrow, wide, "safe"), (wide, narrow)


@pytest.mark.parametrize(
    ("model", "state"),
    [("f4", "f8"), ("f2", "f4"), ("f4", "i4"), ("f8", "i8"), ("i8", "f8"), ("i4", "i8"),
     ("u1", "i1"), ("?", "u1"), ("f8", "g"), ("f4", "c8"), ("f4", "O"), ("f4", "M8[s]")],
)  # fmt: skip
def test_narrowing_is_refused_with_both_dtypes_and_the_remedy(model, state):
    dtype = np.dtype(state)
    message = refused(Values(model), {"w": np.zeros(3, dtype)}, "the state does not fit")
    assert f"w is {dtype} and the model's {np.dtype(model)} cannot hold that" in message
    assert f"build the model in {dtype}, or convert" in message
    assert f".astype('{np.dtype(model)}')" in message


@pytest.mark.parametrize(
    ("model", "state"),
    [("f8", "f4"), ("f4", "f2"), ("f4", "i2"), ("f8", "i4"), ("i8", "i4"), ("i8", "u4"),
     ("g", "f8"), ("i1", "?"), ("f4", "?"), (">f8", "<f8"), ("<f4", ">f4"), ("c16", "f8")],
)  # fmt: skip
def test_what_is_wider_holds_it_exactly(model, state):
    into = Values(model)
    saved = np.array([1, 0, 1 / 3]).astype(state)
    into.load_state_dict({"w": saved})
    assert into.w.dtype == np.dtype(model)
    np.testing.assert_array_equal(into.w.data, saved)


@given(
    st.sampled_from(["?", "i1", "i8", "u8", "f2", "f4", "f8"]),
    st.lists(
        st.one_of(st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats()),
        min_size=3,
        max_size=3,
    ),
)
def test_numbers_come_through_unchanged_or_are_refused(dtype, numbers):
    into = Values(dtype)
    try:
        into.load_state_dict({"w": numbers})
    except CheckpointError:
        assert into.w.tolist() == [0, 0, 0]
        return
    found, given = into.w.tolist(), np.array(numbers).tolist()  # Python compares exactly
    assert all(a == b or np.isnan([a, b]).all() for a, b in zip(found, given, strict=True))


def test_numbers_that_would_be_rounded():
    refused(Values("f4"), {"w": [0.1, 0.2, 0.3]}, r"pass them as np.array\(..., 'float32'\)")
    refused(Values("f4"), {"w": [1e300, 0, 0]}, "cannot hold exactly")
    refused(Values("i8"), {"w": [1.5, 0, 0]}, "cannot hold exactly")
    refused(Values("i8"), {"w": [np.nan, 0, 0]}, "cannot hold exactly")
    refused(Values("f4"), {"w": [[1], [2, 3], 4]}, "w ")
    refused(Values("f4"), {"w": ["a", "b", "c"]}, "w ")
    refused(Values("f4"), {"w": [None, {}, 1]}, "w ")


def test_tensors_are_taken_for_their_values():
    into, other = small(), small(dtype="f4")
    into.load_state_dict(dict(other.named_parameters()))
    for a, b in zip(into.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(a.data, b.data)


@pytest.mark.parametrize("bad", list(small().state_dict()))
def test_one_bad_entry_leaves_all_as_they_were(bad):
    good = {name: value + 1 for name, value in small().state_dict().items()}
    for value, match in [
        (good[bad].astype("f8"), f"{bad} is float64"),
        (good[bad][..., :1], f"{bad} has shape"),
        (None, f"{bad} has shape"),
    ]:
        refused(small(), good | {bad: value}, match)
    del good[bad]
    refused(small(), good, f"missing: {bad}")
    refused(small(), good | {bad + "s": 0}, f"missing: {bad}; unexpected: {bad}s")


def test_a_tensor_that_is_a_result_is_neither_saved_nor_loaded_into():
    model = small()
    state = model.state_dict()
    model.last = model(np.ones((1, 4), np.float32))
    assert list(model.state_dict()) == list(state)
    refused(model, state | {"last": model.last.data}, "unexpected: last")
    model.load_state_dict(state)


def test_a_result_cannot_take_the_place_of_a_parameter():
    layer = small().output
    with pytest.raises(ModuleError, match=r"'bias' is a parameter, .* assign nn\.Parameter"):
        layer.bias = layer.bias * 2
    layer.bias = nn.Parameter(layer.bias.data * 2)
    assert "bias" in layer.state_dict()


def test_of_thousands_of_problems_the_first_are_told():
    state = {f"weight{i}": 0 for i in range(30_000)}
    message = refused(Values("f4"), state, "missing: w; unexpected: weight0; .*and 29,951 more")
    assert len(message) < 2000


def test_names_cannot_speak_to_the_terminal():
    assert refused(Values("f4"), {"\x1b[2J": 0}, "unexpected").isprintable()


def test_a_loaded_state_is_a_copy():
    into = Values("f4")
    saved = np.ones(3, np.float32)
    into.load_state_dict({"w": saved})
    saved[:] = 5
    assert into.w.tolist() == [1, 1, 1]
    assert copy.deepcopy(into).state_dict()["w"].tolist() == [1, 1, 1]
