"""Model files: what comes back, what is refused, and what a crash leaves behind."""

from __future__ import annotations

import copy
import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_bp import files, nn
from tinygrad_bp.errors import CheckpointError
from tinygrad_bp.nn import architecture, checkpoint


def small(seed=0, **options):
    return nn.MLP(4, 3, 2, rng=np.random.default_rng(seed), **options)


def assert_equal(left, right):
    assert list(left) == list(right)
    for name in left:
        assert left[name].dtype == right[name].dtype
        np.testing.assert_array_equal(left[name], right[name])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


# --- what comes back ------------------------------------------------------------------------------


@pytest.mark.parametrize("output", [None, nn.Sigmoid, nn.ReLU])
@pytest.mark.parametrize("hidden", [nn.Sigmoid, nn.ReLU, nn.Tanh])
@pytest.mark.parametrize("sizes", [(4, 2), (4, 3, 2), (4, 5, 3, 2)])
def test_a_perceptron_comes_back_as_it_was(path, rng, sizes, hidden, output):
    model = nn.MLP(
        *sizes, activation=hidden(), output_activation=output and output(), rng=rng, dtype="f8"
    )
    nn.save(path, model)
    loaded = nn.load(path)
    assert repr(loaded) == repr(model)
    assert [n for n, _ in loaded.named_children()] == [n for n, _ in model.named_children()]
    assert_equal(loaded.state_dict(), model.state_dict())
    x = rng.standard_normal((7, 4))
    np.testing.assert_array_equal(loaded(x).data, model(x).data)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_dtype_is_kept(path, dtype):
    nn.save(path, small(dtype=dtype))
    assert {p.dtype for p in nn.load(path).parameters()} == {np.dtype(dtype)}


def test_extras_come_back(path, rng):
    extra = {"epoch": 3, "rng": rng.bit_generator.state, "lr": 0.1 + 0.2, "none": None, "π": "λ"}
    nn.save(path, small(), extra=extra, extra_arrays={"velocity": np.arange(6.0)})
    saved = nn.read_checkpoint(path)
    assert saved.extra == extra
    assert_equal(saved.extra_arrays, {"velocity": np.arange(6.0)})
    assert_equal(saved.arrays, small().state_dict())


@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(12.0).reshape(3, 4).T,
        np.arange(24.0)[::-2],
        np.broadcast_to(np.float32(3), (2, 3)),
        np.arange(6, dtype=">f4"),
        np.array(5),
        np.array([True, False]),
        np.zeros((0, 3), np.int8),
        np.array([np.nan, -0.0, np.inf]),
    ],
    ids=[
        "fortran",
        "transposed",
        "strided",
        "broadcast",
        "big-endian",
        "0-d",
        "bool",
        "empty",
        "nan",
    ],
)
def test_any_memory_layout_comes_back(path, array):
    nn.save(path, small(), extra_arrays={"a": array})
    back = nn.read_checkpoint(path).extra_arrays["a"]
    assert back.dtype == array.dtype.newbyteorder("=")
    assert back.flags.writeable
    np.testing.assert_array_equal(back, array)


def test_numpy_reads_the_arrays(path):
    nn.save(path, small())
    with np.load(path) as arrays:
        np.testing.assert_array_equal(
            arrays["hidden1.weight"], small().state_dict()["hidden1.weight"]
        )
        assert json.loads(arrays["header.json"])["version"] == 1


def test_equal_content_gives_equal_bytes(tmp_path):
    for name in "ab":
        nn.save(tmp_path / name, small(), extra={"k": 1}, extra_arrays={"v": np.ones(3)})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# --- models that are not perceptrons --------------------------------------------------------------


def chain():
    rng = np.random.default_rng(0)
    return nn.Sequential(nn.Linear(4, 3, rng=rng), nn.Tanh(), nn.Linear(3, 2, rng=rng))


class Square(nn.Module):
    def forward(self, x):
        return x * x


@pytest.mark.parametrize("model", [chain(), small(activation=Square())])
def test_other_models_are_filled_in_place(path, model):
    nn.save(path, model)
    with pytest.raises(CheckpointError, match=r"model.npz: .*nn.load\(path, into=model\)"):
        nn.load(path)
    into = copy.deepcopy(model)
    for parameter in into.parameters():
        parameter.data = np.zeros(parameter.shape)
    assert nn.load(path, into=into) is into
    assert_equal(into.state_dict(), model.state_dict())


def test_every_misfit_is_reported_and_nothing_changed(path, rng):
    nn.save(path, nn.MLP(4, 3, 2, rng=rng))
    other = nn.MLP(5, 3, 3, 2, rng=rng)
    before = other.state_dict()
    with pytest.raises(CheckpointError) as caught:
        nn.load(path, into=other)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "missing: hidden2.weight" in message
    assert "missing: hidden2.bias" in message
    assert "hidden1.weight has shape (3, 4), the model (3, 5)" in message
    assert_equal(other.state_dict(), before)
    nn.save(path, other)
    with pytest.raises(CheckpointError, match="unexpected: hidden2.weight"):
        nn.load(path, into=nn.MLP(5, 3, 2, rng=rng))


# --- what is refused ------------------------------------------------------------------------------


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(path, compression=zipfile.ZIP_STORED, **changes):
    """Write the archive again with some members changed, or left out if None."""
    content = members(path) | {name.replace("__", "."): data for name, data in changes.items()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            if data is not None:
                archive.writestr(name, data)


def edit_header(path, *, sealed=True, **changes):
    header = json.loads(members(path)["header.json"]) | changes
    text = json.dumps(header).encode()
    if sealed:  # with the digest that an author of such a file would give it
        del header["sha256"]
        with np.load(path) as arrays:
            text = checkpoint._sealed(header, {n: arrays[n] for n in arrays.files[1:]})
    rewrite(path, header__json=text)


def npy(array, **options):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, **options)
    return stream.getvalue()


def truncate(path):
    path.write_bytes(path.read_bytes()[:-100])


def flip_a_weight(path):
    content = bytearray(path.read_bytes())
    content[content.index(small().state_dict()["hidden1.weight"].tobytes())] ^= 1
    path.write_bytes(content)


def add_twice(path):
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("output.bias.npy", npy(np.zeros(2, np.float32)))


WEIGHT = "hidden1.weight.npy"

REFUSED = {
    "no file": (Path.unlink, "does not exist"),
    "a folder": (lambda p: (p.unlink(), p.mkdir()), "cannot be read"),
    "empty": (lambda p: p.write_bytes(b""), "not a model file"),
    "text": (lambda p: p.write_text("hello"), "not a model file"),
    "a bare array": (lambda p: p.write_bytes(npy(np.ones(3))), "not a model file"),
    "truncated": (truncate, "truncated or damaged"),
    "a flipped bit": (flip_a_weight, "truncated or damaged"),
    "no header": (lambda p: rewrite(p, header__json=None), "not one that nn.save wrote"),
    "plain npz": (lambda p: np.savez(p, a=np.ones(3)), "not one that nn.save wrote"),
    "pickled objects": (
        lambda p: np.savez(p, a=np.array([{}], object)),
        "not one that nn.save wrote",
    ),
    "header of text": (lambda p: rewrite(p, header__json=b"{"), "damaged"),
    "header of bytes": (lambda p: rewrite(p, header__json=b"\xff\xfe"), "damaged"),
    "a list for a header": (lambda p: rewrite(p, header__json=b"[]"), "not that of a model file"),
    "another format": (lambda p: edit_header(p, format="x"), "not that of a model file"),
    "newer": (lambda p: edit_header(p, version=2), "version 2.*Upgrade tinygrad_bp"),
    "no digest": (lambda p: rewrite(p, header__json=header_without(p, "sha256")), "damaged"),
    "no extra": (lambda p: rewrite(p, header__json=header_without(p, "extra")), "damaged"),
    "header changed": (lambda p: edit_header(p, sealed=False, extra={"a": 1}), "SHA-256"),
    "array exchanged": (
        lambda p: rewrite(p, **{WEIGHT: npy(np.zeros((3, 4), np.float32))}),
        "SHA-256",
    ),
    "array missing": (lambda p: rewrite(p, **{WEIGHT: None}), f"missing: {WEIGHT}"),
    "array too many": (lambda p: rewrite(p, more__npy=npy(np.ones(3))), "unexpected: more.npy"),
    "array twice": (add_twice, "twice: output.bias.npy"),
    "another shape": (
        lambda p: rewrite(p, **{WEIGHT: npy(np.zeros((4, 3), np.float32))}),
        r"of shape \(4, 3\), not float32 of shape \(3, 4\)",
    ),
    "another dtype": (lambda p: rewrite(p, **{WEIGHT: npy(np.zeros((3, 4)))}), "is float64"),
    "columns first": (
        lambda p: rewrite(p, **{WEIGHT: npy(np.zeros((3, 4), np.float32, order="F"))}),
        "damaged",
    ),
    "an object array": (
        lambda p: rewrite(p, **{WEIGHT: npy(np.array([{}], object))}),
        "objects, which might run code",
    ),
    "no array": (lambda p: rewrite(p, **{WEIGHT: b"nothing"}), "damaged"),
    "short array": (
        lambda p: rewrite(p, **{WEIGHT: npy(np.zeros((3, 4), np.float32))[:-1]}),
        "47 bytes",
    ),
    "a newer .npy": (
        lambda p: rewrite(p, **{WEIGHT: npy(np.zeros((3, 4), np.float32), version=(2, 0))}),
        "another version of the .npy format",
    ),
    "compressed": (lambda p: rewrite(p, zipfile.ZIP_DEFLATED), "is compressed"),
    "a bomb": (
        lambda p: rewrite(p, zipfile.ZIP_DEFLATED, bomb__npy=bytes(1 << 24)),
        "is compressed",
    ),
    "architecture of nonsense": (lambda p: edit_header(p, architecture=5), "makes no sense"),
    "unknown activation": (
        lambda p: edit_header(p, architecture=describing(activation="Evil")),
        "makes no sense",
    ),
    "a giant": (
        lambda p: edit_header(p, architecture=describing(sizes=[10**9, 10**9])),
        "makes no sense",
    ),
    "sizes of other layers": (
        lambda p: edit_header(p, architecture=describing(sizes=[22, 1])),
        "unexpected: hidden1.weight",
    ),
}


def header_without(path, key):
    header = json.loads(members(path)["header.json"])
    del header[key]
    return json.dumps(header).encode()


def describing(**changes):
    return architecture.describe(small()) | changes


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(("damage", "message"), REFUSED.values(), ids=REFUSED)
def test_bad_files_are_refused(path, damage, message):
    nn.save(path, small())
    damage(path)
    with pytest.raises(CheckpointError, match=message) as caught:
        nn.load(path)
    assert str(path) in str(caught.value)


def test_too_large_a_file_is_refused(path):
    nn.save(path, small())
    size = sum(map(len, members(path).values()))
    assert nn.load(path, max_bytes=size)
    with pytest.raises(CheckpointError, match=f"{size} bytes, more than the {size - 1} allowed"):
        nn.load(path, max_bytes=size - 1)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    path = tmp_path_factory.mktemp("sound") / "model.npz"
    nn.save(path, small(), extra={"k": [1, 2]}, extra_arrays={"v": np.arange(3)})
    return path.read_bytes()


@given(data=st.data())
def test_damage_is_never_read_as_something_else(sound, tmp_path_factory, data):
    content = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    path = tmp_path_factory.mktemp("damaged") / "model.npz"
    path.write_bytes(content[: data.draw(st.sampled_from([cut, len(content)]))])
    try:
        read = nn.read_checkpoint(path)
    except CheckpointError:
        return
    assert_equal(read.arrays, small().state_dict())
    assert read.extra == {"k": [1, 2]}


# --- what cannot be written -----------------------------------------------------------------------


@pytest.mark.parametrize("array", [np.ones(2, complex), np.array(["a"]), np.array([None])])
def test_arrays_that_could_not_be_given_back_are_refused(path, array):
    with pytest.raises(CheckpointError, match="'extra/a' is an array of"):
        nn.save(path, small(), extra_arrays={"a": array})
    assert not path.exists()


@pytest.mark.parametrize("value", [np.ones(2), float("nan"), {1, 2}, object()])
def test_extras_that_json_cannot_say_are_refused(path, value):
    with pytest.raises(CheckpointError, match="`extra` cannot be written as JSON"):
        nn.save(path, small(), extra={"k": value})
    assert not path.exists()


def test_a_folder_that_is_missing(tmp_path):
    with pytest.raises(CheckpointError, match="could not be written"):
        nn.save(tmp_path / "no" / "model.npz", small())


# --- crashes --------------------------------------------------------------------------------------


class Crash(BaseException):
    """Not an Exception, as KeyboardInterrupt is not."""


def crash(*args, **options):
    raise Crash


@pytest.fixture
def previous(path):
    nn.save(path, small(seed=1))
    return path.read_bytes()


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_crash_at_the_end_leaves_the_previous_file(path, previous, monkeypatch, call):
    monkeypatch.setattr(os, call, crash)
    with pytest.raises(Crash):
        nn.save(path, small())
    assert path.read_bytes() == previous
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_is_an_error_that_says_so(path, previous, monkeypatch, call):
    def refuse(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, refuse)
    with pytest.raises(CheckpointError, match="No space left on device"):
        nn.save(path, small())
    assert path.read_bytes() == previous
    assert list(path.parent.iterdir()) == [path]


def test_a_crash_in_any_write_leaves_the_previous_file(path, previous, monkeypatch):
    """Crash in the first write, then in the second, and so on until the file is whole."""
    crashes = 0

    class Failing(io.FileIO):
        writes_left = 0

        def write(self, data):
            Failing.writes_left -= 1
            if Failing.writes_left < 0:
                raise Crash
            return super().write(data)

    def failing_open(path, mode, **options):
        return Failing(path, "x") if mode == "xb" else open(path, mode, **options)

    monkeypatch.setattr(files, "open", failing_open, raising=False)
    while True:
        Failing.writes_left = crashes
        try:
            nn.save(path, small())
        except Crash:
            crashes += 1
            assert path.read_bytes() == previous
            assert list(path.parent.iterdir()) == [path]
        else:
            break
    assert crashes > 10
    assert_equal(nn.load(path).state_dict(), small().state_dict())
