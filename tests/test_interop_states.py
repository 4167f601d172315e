"""Values to and from safetensors files and PyTorch: exact, whole or not at all, with every name."""

from __future__ import annotations

import json
import os
import random
import struct
import sys
import tracemalloc

import numpy as np
import pytest

from tinygrad_bp import Tensor, interop, nn
from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.interop.states import other_names


def net(seed=0, dtype=np.float32):
    return nn.MLP(4, 3, 2, rng=np.random.default_rng(seed), dtype=dtype)


class Tied(nn.Module):
    """A layer in two places, and one of its parameters in a third."""

    def __init__(self, seed=0):
        self.first = nn.Linear(3, 3, rng=np.random.default_rng(seed))
        self.again = self.first
        self.bias = self.first.bias
        self.scale = nn.Parameter([1.0 + seed])

    def forward(self, x):
        return self.again(self.first(x)) * self.scale + self.bias


def assert_equal(found, wanted):
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        assert found[name].dtype == value.dtype
        assert found[name].shape == value.shape
        assert found[name].tobytes() == value.tobytes()


# --- what needs no other package ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "call", "advice"),
    [
        ("safetensors", lambda: interop.save_safetensors("x", {}), "tinygrad_bp[safetensors]"),
        ("safetensors", lambda: interop.load_safetensors("x"), "tinygrad_bp[safetensors]"),
        ("sklearn", interop.Classifier, "tinygrad_bp[sklearn]"),
        ("sklearn", lambda: interop.Regressor(hidden=3), "tinygrad_bp[sklearn]"),
        ("scipy", lambda: interop.minimize(None, []), "tinygrad_bp[scipy]"),
        ("torch", lambda: interop.from_torch({}), "pip install torch"),
        ("torch", lambda: interop.to_torch({}), "pip install torch"),
    ],
)
def test_a_package_that_is_missing_is_named_with_how_to_install_it(monkeypatch, name, call, advice):
    for module in list(sys.modules):
        if module.partition(".")[0] == name:
            monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError) as caught:
        call()
    assert f"needs the package {name}: " in str(caught.value)
    assert advice in str(caught.value)


def test_every_further_name_of_a_shared_tensor_is_known():
    assert other_names(net()) == {}
    assert other_names(Tied()) == {
        "first.bias": "bias",
        "again.weight": "first.weight",
        "again.bias": "bias",
    }


# --- safetensors ----------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path):
    pytest.importorskip("safetensors")
    return tmp_path / "model.safetensors"


MANY = {
    **{code: np.arange(6).reshape(2, 3).astype(code) for code in "?bBhHiIlLqQefdF"},
    "none": np.zeros((2, 0, 3), np.float32),
    "number": np.array(3.5),
    "big endian": np.arange(3, dtype=">f4"),
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "turned": np.arange(24, dtype=np.int16).reshape(2, 3, 4).transpose(2, 0, 1),
    "every other": np.arange(10.0)[::2],
    "backwards": np.arange(10.0)[::-1],
    "nan": np.array([np.nan, np.inf, -0.0]),
    "ünïcode \n name": np.ones(1),
}


def test_what_is_saved_comes_back(path):
    interop.save_safetensors(path, MANY, metadata={"made": "today"})
    found = interop.load_safetensors(path)
    native = {n: np.array(a, a.dtype.newbyteorder("="), order="C") for n, a in MANY.items()}
    assert_equal(dict(sorted(found.items())), dict(sorted(native.items())))
    assert all(array.flags.writeable for array in found.values())


def test_the_package_itself_reads_the_same_and_is_read(path):
    package = pytest.importorskip("safetensors.numpy")
    interop.save_safetensors(path, net())
    assert_equal(
        dict(sorted(package.load_file(path).items())), dict(sorted(net().state_dict().items()))
    )
    package.save_file({"a": np.arange(3)}, path)
    assert_equal(interop.load_safetensors(path), {"a": np.arange(3)})


def test_a_model_goes_there_and_back(path):
    interop.save_safetensors(path, net())
    other = net(seed=1)
    assert interop.load_safetensors(path, into=other) is other
    assert_equal(other.state_dict(), net().state_dict())
    interop.save_safetensors(path, {"a": Tensor([1.0, 2.0])})
    assert interop.load_safetensors(path)["a"].tolist() == [1, 2]


def test_shared_tensors_are_saved_once_and_stay_shared(path):
    interop.save_safetensors(path, Tied(seed=3))
    assert len(interop.load_safetensors(path)) == 3
    other = interop.load_safetensors(path, into=Tied())
    assert other.again.weight is other.first.weight
    assert_equal(other.state_dict(), Tied(seed=3).state_dict())


def test_a_model_that_does_not_fit_is_left_as_it_was(path):
    interop.save_safetensors(path, net(dtype=np.float64))
    model = net(seed=1)
    before = model.state_dict()
    with pytest.raises(CheckpointError, match=r"model.safetensors: .*hidden1.weight is float64"):
        interop.load_safetensors(path, into=model)
    interop.save_safetensors(path, {**net().state_dict(), "more": np.ones(1)})
    with pytest.raises(CheckpointError, match="unexpected: more"):
        interop.load_safetensors(path, into=model)
    assert_equal(model.state_dict(), before)
    interop.load_safetensors(path, into=model, strict=False)
    assert_equal(model.state_dict(), net().state_dict())


def test_bfloat16_becomes_float32(path):
    safetensors = pytest.importorskip("safetensors")
    numbers = np.array([1.0, -2.5, 0.0, np.inf], np.float32)
    halves = (numbers.view(np.uint32) >> 16).astype("<u2")
    text = json.dumps({"a": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + halves.tobytes())
    assert safetensors.deserialize(path.read_bytes())
    assert_equal(interop.load_safetensors(path), {"a": numbers.reshape(2, 2)})


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        ({"a": np.ones(2, complex)}, "'a' is an array of complex128"),
        ({"a": np.array(["text"])}, "'a' is an array of <U4"),
        ({"a": np.array([{}])}, "'a' is an array of object"),
        ({"a": np.ma.array([1.0], mask=[True])}, "masked"),
        ({"__metadata__": np.ones(2)}, "cannot be the name"),
        ({3: np.ones(2)}, "cannot be the name"),
    ],
)
def test_what_the_format_has_no_place_for(path, state, problem):
    path.write_bytes(b"before")
    with pytest.raises(CheckpointError, match=problem):
        interop.save_safetensors(path, state)
    assert path.read_bytes() == b"before"


def test_metadata_are_texts(path):
    with pytest.raises(CheckpointError, match="metadata are texts"):
        interop.save_safetensors(path, net(), metadata={"epoch": 3})


def test_files_that_cannot_be_written_or_read(path, tmp_path):
    with pytest.raises(CheckpointError, match="could not be written"):
        interop.save_safetensors(tmp_path / "no" / "x", net())
    with pytest.raises(CheckpointError, match="does not exist"):
        interop.load_safetensors(path)
    with pytest.raises(CheckpointError, match="not a regular file"):
        interop.load_safetensors("/dev/zero")
    interop.save_safetensors(path, net())
    with pytest.raises(CheckpointError, match="more than max_bytes=10"):
        interop.load_safetensors(path, max_bytes=10)


def with_header(header, content=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
HOSTILE = {
    "empty": b"",
    "a beginning": b"\0\0\0",
    "a web page": b"<!DOCTYPE html><html></html>",
    "an npz": b"PK\3\4" + bytes(100),
    "a header beyond the end": struct.pack("<Q", 1 << 20) + b"{}",
    "a header of all there is": struct.pack("<Q", 2**64 - 1) + b"{}",
    "no JSON": with_header(b"{'a': 1}"),
    "brackets": with_header(b"[" * 100_000),
    "a list": with_header([]),
    "another dtype": with_header({"a": {**ONE, "dtype": "F33"}}, bytes(8)),
    "a dtype that NumPy lacks": with_header(
        {"a": {**ONE, "dtype": "F8_E5M2", "shape": [8]}}, bytes(8)
    ),
    "beyond the end": with_header({"a": ONE}, bytes(4)),
    "bytes to spare": with_header({"a": ONE}, bytes(12)),
    "overlapping": with_header({"a": ONE, "b": ONE}, bytes(8)),
    "a shape that is too large": with_header({"a": {**ONE, "shape": [2**62, 2**62]}}, bytes(8)),
    "a negative shape": with_header({"a": {**ONE, "shape": [-2]}}, bytes(8)),
    "offsets in the wrong order": with_header({"a": {**ONE, "data_offsets": [8, 0]}}, bytes(8)),
    "nothing, too large": with_header(
        {"a": {"dtype": "F32", "shape": [0, 2**40, 2**23], "data_offsets": [0, 0]}}
    ),
    "seventy axes": with_header({"a": {**ONE, "shape": [1] * 70 + [2]}}, bytes(8)),
    "text that speaks to the terminal": with_header(
        {"\x1b[2J": {**ONE, "dtype": "\x1b[2J"}}, bytes(8)
    ),
}  # fmt: skip


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_refused_and_the_model_untouched(path, content):
    path.write_bytes(content)
    model = net()
    with pytest.raises(CheckpointError) as caught:
        interop.load_safetensors(path, into=model)
    assert "\x1b" not in str(caught.value)
    assert_equal(model.state_dict(), net().state_dict())


def test_a_million_arrays_of_nothing_are_refused_before_memory_is_taken(path):
    entry = b'"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}'
    path.write_bytes(with_header(b"{" + b",".join(entry % i for i in range(200_000)) + b"}"))
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match="far more memory"):
            interop.load_safetensors(path)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 20))]
)
def test_damage_gives_an_error_or_a_model_with_every_array(path, seed):
    interop.save_safetensors(path, net())
    content = path.read_bytes()
    rng = random.Random(seed)  # noqa: S311
    outcomes = set()
    for _ in range(1000):
        damaged = bytearray(content)
        for _ in range(rng.choice([1, 1, 3])):
            at = rng.randrange(len(damaged))
            to = at + rng.choice([1, 2, 8, 50])
            damaged[at:to] = rng.randbytes(rng.choice([to - at, to - at, 0, 3]))
        path.write_bytes(damaged)
        model = net(seed=1)
        try:
            interop.load_safetensors(path, into=model)
        except CheckpointError:
            outcomes.add("refused")
            assert_equal(model.state_dict(), net(seed=1).state_dict())
        else:
            outcomes.add("loaded")
    assert outcomes == {"refused", "loaded"}  # the format has no digest


def test_a_file_that_is_a_pipe(path):
    os.mkfifo(path)
    with pytest.raises(CheckpointError, match="not a regular file"):
        interop.load_safetensors(path)


# --- PyTorch --------------------------------------------------------------------------------------


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def theirs(torch, seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Sigmoid(), torch.nn.Linear(3, 2))


def ours(dtype=np.float32):
    return nn.Sequential(nn.Linear(4, 3, dtype=dtype), nn.Sigmoid(), nn.Linear(3, 2, dtype=dtype))


def test_a_pytorch_module_and_ours_compute_the_same(torch):
    module, model = theirs(torch), ours()
    assert interop.load_torch(model, module) == ([], [])
    x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_allclose(
        model(x).data, module(torch.from_numpy(x)).detach().numpy(), rtol=1e-6, atol=1e-6
    )
    back = theirs(torch, seed=1)
    back.load_state_dict(interop.to_torch(model))
    for (name, a), (_, b) in zip(
        module.state_dict().items(), back.state_dict().items(), strict=True
    ):
        assert a.dtype == b.dtype, name
        assert torch.equal(a, b)


def test_arrays_are_copies_with_their_shapes_and_dtypes(torch):
    state = {
        str(dtype): torch.arange(6).reshape(2, 3).to(dtype)
        for dtype in (
            torch.float64,
            torch.float32,
            torch.float16,
            torch.int64,
            torch.int32,
            torch.int16,
            torch.int8,
            torch.uint8,
            torch.bool,
            torch.complex64,
            torch.complex128,
        )
    } | {
        "scalar": torch.tensor(3),
        "none": torch.zeros(0, 2),
        "turned": torch.ones(2, 3).T,
        "conjugate": torch.tensor([1 + 2j]).conj(),
        "negative": torch.tensor([1 + 2j]).conj().imag,
    }
    arrays = interop.from_torch(state)
    for name, tensor in state.items():
        assert arrays[name].shape == tuple(tensor.shape)
        assert str(tensor.dtype) == f"torch.{arrays[name].dtype}"
        assert arrays[name].tolist() == tensor.tolist()
        assert arrays[name].flags.writeable
        assert arrays[name].base is None
    back = interop.to_torch(arrays)
    for name, tensor in state.items():
        assert back[name].dtype == tensor.dtype
        assert torch.equal(back[name], tensor)
    arrays["torch.float32"][:] = 7
    assert (
        state["torch.float32"].tolist() == back["torch.float32"].tolist() == [[0, 1, 2], [3, 4, 5]]
    )


def test_bfloat16_of_pytorch_becomes_float32(torch):
    found = interop.from_torch({"a": torch.tensor([1.5, -3.0], dtype=torch.bfloat16)})["a"]
    assert found.dtype == np.float32
    assert found.tolist() == [1.5, -3.0]


def test_big_endian_and_strided_arrays_become_tensors(torch):
    state = {"a": np.arange(3, dtype=">f4"), "b": np.arange(6.0)[::-2], "c": Tensor([1.0])}
    found = interop.to_torch(state)
    assert [found[name].tolist() for name in "abc"] == [[0, 1, 2], [5, 3, 1], [1]]


def tied(torch, seed=0):
    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first = torch.nn.Linear(3, 3)
            self.again = self.first
            self.bias = self.first.bias
            self.scale = torch.nn.Parameter(torch.tensor([1.0]))

    torch.manual_seed(seed)
    return Module()


def test_tied_weights_go_both_ways(torch):
    module = tied(torch)
    assert len(module.state_dict()) == 6
    for source in module, module.state_dict():
        arrays = interop.from_torch(source)
        assert arrays["again.weight"] is arrays["first.weight"]
        assert arrays["bias"] is arrays["first.bias"]
        model = Tied()
        assert interop.load_torch(model, source) == ([], [])
        assert model.again.weight is model.first.weight
        assert np.array_equal(model.bias.data, module.bias.detach().numpy())
    state = interop.to_torch(model)
    assert state["again.weight"] is state["first.weight"]
    other = tied(torch, seed=1)
    assert str(other.load_state_dict(state)) == "<All keys matched successfully>"
    assert torch.equal(other.again.weight, module.first.weight)


def test_one_of_the_names_of_a_tied_tensor_is_enough(torch):
    state = {n: t for n, t in tied(torch).state_dict().items() if n.startswith(("again", "scale"))}
    model = Tied()
    assert interop.load_torch(model, state) == ([], [])
    assert np.array_equal(model.first.weight.data, state["again.weight"].numpy())


def test_names_of_one_tensor_must_agree(torch):
    state = tied(torch).state_dict()
    state["again.weight"] = state["again.weight"] + 1
    model = Tied()
    with pytest.raises(CheckpointError, match="again.weight .*are one tensor in the model"):
        interop.load_torch(model, state)
    assert_equal(model.state_dict(), Tied().state_dict())


def test_what_a_load_that_is_not_strict_leaves_out_is_named(torch):
    state = dict(theirs(torch).state_dict())
    del state["2.bias"]
    state["head.weight"] = torch.ones(1)
    model = ours()
    before = model.state_dict()
    with pytest.raises(CheckpointError, match="missing: 2.bias; unexpected: head.weight"):
        interop.load_torch(model, state)
    assert_equal(model.state_dict(), before)
    found = interop.load_torch(model, state, strict=False)
    assert found.missing_keys == ["2.bias"]
    assert found.unexpected_keys == ["head.weight"]
    assert np.array_equal(model.state_dict()["2.bias"], before["2.bias"])
    assert np.array_equal(model.state_dict()["0.bias"], state["0.bias"].numpy())


def test_float64_is_not_narrowed(torch):
    with pytest.raises(CheckpointError, match="float64"):
        interop.load_torch(ours(), theirs(torch).double())
    assert interop.load_torch(ours(np.float64), theirs(torch)) == ([], [])


@pytest.mark.filterwarnings("ignore")
def test_what_no_array_can_stand_for_is_named(torch):
    for tensor in (
        torch.ones(2, device="meta"),
        torch.ones(2, 2).to_sparse(),
        torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8),
        torch.ones(2, dtype=torch.float8_e5m2),
        {"step": 3},
    ):
        with pytest.raises(CheckpointError, match="'odd'"):
            interop.from_torch({"fine": torch.ones(1), "odd": tensor})
    with pytest.raises(CheckpointError, match="'odd'"):
        interop.to_torch({"odd": np.array(["text"])})
    with pytest.raises(CheckpointError, match="give a torch.nn.Module or its"):
        interop.from_torch(torch.ones(2))
