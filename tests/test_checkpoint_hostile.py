"""Files that are damaged, or made to harm: a `CheckpointError`, soon and with little memory."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import random
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from quick import some_quick

from tinygrad_bp import nn, optim
from tinygrad_bp.errors import CheckpointError, OptimizerError

SLACK = 1 << 19  # bytes that reading takes whatever the file: buffers, imports, messages


def small(seed=0):
    return nn.MLP(4, 3, 2, rng=np.random.default_rng(seed))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.npz"


class Moments:
    """As an optimiser: something with a state."""

    def __init__(self, seed=0):
        self.state = {"lr": 0.1, "moments": [np.random.default_rng(seed).random(3), None]}

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        if state["moments"][0].shape != (3,):
            raise ValueError("another shape")
        self.state = state


def save(path, model=None, **options):
    nn.save(path, model or small(), optimizer=Moments(), extra={"k": [1, {"π": None}]}, **options)


def tried(read, path, **options):
    """Return what is read, or None if it is refused as it should be, naming the file."""
    try:
        return read(path, **options)
    except CheckpointError as error:
        told = str(error)
    assert told.startswith(f"{path}")
    assert told.isprintable()
    return None


# --- members by hand, as a program that wants to harm writes them --------------------------------


def written(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sealed(header, arrays):
    """The header as JSON, with the digest that an author of such a file would give it."""
    text = json.dumps({key: value for key, value in header.items() if key != "sha256"}).encode()
    digest = hashlib.sha256(text + b"".join(arrays)).hexdigest()
    return text[:-1] + f', "sha256": "{digest}"}}'.encode()


def bytes_of(path):
    with np.load(path) as arrays:
        return [arrays[name].tobytes() for name in arrays.files[1:]]


def begun(rest):
    return b'{"format": "tinygrad_bp model", "version": 1, "architecture": null, ' + rest


# --- time and memory -----------------------------------------------------------------------------


def headers():
    million = 1_000_000
    yield "lists", b'"extra": {"a": [' + b"[], " * million + b"0]}}"
    yield "numbers", b'"extra": {"a": [' + b"0.5, " * million + b"0]}}"
    yield "dicts", b'"extra": {"a": [' + b'{"a": 0}, ' * million + b"0]}}"
    yield "texts", b'"extra": {"a": [' + b'"abc", ' * million + b"0]}}"
    yield "keys", b", ".join(b'"%d": 0' % i for i in range(million)) + b"}"
    yield "one text", b'"extra": {"a": "' + b"x" * 50 * million + b'"}}'
    yield "one wide text", b'"extra": {"a": "' + b"x" * 50 * million + b'\\ud83d\\ude00"}}'
    yield "brackets", b'"extra": ' + b"[" * 10 * million
    yield "braces", b'"extra": ' + b'{"a": ' * million
    yield "digits", b'"extra": ' + b"9" * 10 * million
    yield "spaces", b" " * 10 * million
    yield "arrays", b'"arrays": {' + b", ".join(b'"%d": []' % i for i in range(million)) + b"}}"


@pytest.mark.parametrize("rest", [pytest.param(rest, id=name) for name, rest in headers()])
def test_a_huge_header_takes_little_memory(path, rest):
    written(path, {"header.json": begun(rest)})
    del rest
    assert refused_within(path) < 3


def refused_within(path):
    """Return the memory that refusing a file takes, in sizes of that file."""
    tracemalloc.start()
    try:
        assert tried(nn.read_checkpoint, path) is None
        return (tracemalloc.get_traced_memory()[1] - SLACK) / path.stat().st_size
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("unit", [b"[],", b"0.5,", b'"abc",', b'{"a":0},', b"[[0]],"])
def test_a_small_header_is_read_whatever_it_holds(path, unit):
    text = begun(b'"extra": {"a": [' + unit * 10_000 + b'0]}, "arrays": {}}')
    written(path, {"header.json": sealed(json.loads(text), [])})
    assert len(nn.read_checkpoint(path).extra["a"]) == 10_001


@pytest.mark.slow
def test_thirty_thousand_arrays_take_less_than_three_times_their_file(path):
    many = {f"a{i}": np.full(1, i, np.float32) for i in range(30_000)}
    nn.save(path, small(), extra_arrays=many)
    tracemalloc.start()
    try:
        read = nn.read_checkpoint(path)
        assert tracemalloc.get_traced_memory()[1] < 3 * path.stat().st_size
    finally:
        tracemalloc.stop()
    assert list(read.extra_arrays) == list(many)
    assert read.extra_arrays["a29999"] == 29_999


@pytest.mark.slow
def test_thirty_thousand_wrong_names_are_told_in_a_line_or_two(path):
    nn.save(path, small(), extra_arrays={f"a{i}": np.zeros(1) for i in range(30_000)})
    header, *content = members(path).items()
    written(path, dict([header]) | {f"{name}\x1b": npy for name, npy in content})
    with pytest.raises(CheckpointError, match=r"missing: hidden1.weight.npy; .*59,958 more") as e:
        nn.load(path)
    assert len(str(e.value)) < 3000
    assert str(e.value).isprintable()


def test_an_array_takes_its_own_size(path):
    nn.save(path, small(), extra_arrays={"a": np.ones((1000, 1000))})
    tracemalloc.start()
    try:
        nn.read_checkpoint(path)
        assert tracemalloc.get_traced_memory()[1] < 1.05 * path.stat().st_size + SLACK
    finally:
        tracemalloc.stop()


LOCAL = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 0, 0, 0, 0, 1, 0) + b"a"


def directory(*entries, local=LOCAL, count=None, comment=b""):
    """An archive whose directory has these entries: name, place, size and extra field."""
    packed = b"".join(
        struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, size, size, len(name), len(extra),
            0, 0, 0, 0, place,
        ) + name + extra
        for name, place, size, extra in entries
    )  # fmt: skip
    n = len(entries) if count is None else count
    end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, n, n, len(packed), len(local))
    end += struct.pack("<4sLQL", b"PK\6\7", 0, len(local) + len(packed), 1)
    full = 2**16 - 1, 2**16 - 1, 2**32 - 1, 2**32 - 1, len(comment)
    end += struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, *full) + comment
    return local + packed + end


@pytest.mark.slow
def test_a_directory_of_nothing_takes_its_own_size(path):
    path.write_bytes(directory(*[(b"a", 0, 0, b"")] * 30_000))
    assert refused_within(path) < 1.1


WIDE = 2**32 - 1  # the number is in the extra field
DIRECTORIES = {
    "overlapping members": directory(*[(b"header.json", 0, 2, b"")] * 20, local=LOCAL + b"{}"),
    "a member beyond the end": directory((b"header.json", 0, 500, b"")),
    "a member far beyond the end": directory(
        (b"header.json", WIDE, 0, struct.pack("<2HQ", 1, 8, 2**64 - 1))
    ),
    "a member of all there is": directory(
        (b"header.json", 0, WIDE, struct.pack("<2H2Q", 1, 16, 2**63, 2**63))
    ),
    "a wide number that is not there": directory((b"header.json", 0, WIDE, b"")),
    "an extra field that is cut": directory((b"header.json", 0, WIDE, b"\1\0\x10\0abc")),
    "a place that is no member": directory((b"header.json", 1, 0, b"")),
    "more members than there are": directory((b"header.json", 0, 0, b""), count=2**63),
    "fewer members than there are": directory((b"header.json", 0, 0, b""), count=0),
    "a comment": directory((b"header.json", 0, 0, b""), comment=b"PK\5\6"),
    "nothing": b"PK",
    "no directory": b"PK\5\6" + bytes(18),
    "an end alone": struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 46, 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("content", DIRECTORIES.values(), ids=DIRECTORIES)
def test_directories_that_lie(path, content):
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="truncated or damaged|no header.json"):
        nn.load(path, max_bytes=1 << 70)


def test_numbers_of_64_bits_are_read(path):
    """As in files beyond 4 GiB, which are too large for a test."""
    header = sealed(
        {"format": "tinygrad_bp model", "version": 1, "architecture": None, "arrays": {},
         "extra": {"k": 1}},
        [],
    )  # fmt: skip
    local = LOCAL[:26] + struct.pack("<2H", 11, 0) + b"header.json" + header
    extra = struct.pack("<2H2Q", 1, 16, len(header), len(header)) + b"more"
    path.write_bytes(directory((b"header.json", 0, WIDE, b"\x55\x54\1\0a" + extra), local=local))
    assert nn.read_checkpoint(path).extra == {"k": 1}


# --- what is no file ------------------------------------------------------------------------------


def test_what_is_no_file_is_not_read(path):
    os.mkfifo(path)
    for endless in path, "/dev/zero", "/dev/random":
        with pytest.raises(CheckpointError, match="it is not a regular file"):
            nn.load(endless)


def test_a_file_that_shrinks_while_it_is_read(path, monkeypatch):
    save(path, extra_arrays={"a": np.ones(100_000)})
    plain = np.empty

    def shrink(*args):
        os.truncate(path, 500)
        return plain(*args)

    monkeypatch.setattr(np, "empty", shrink)
    with pytest.raises(CheckpointError, match="it ends too early"):
        nn.load(path)


def test_a_sparse_file_of_a_terabyte(path):
    save(path)
    os.truncate(path, 1 << 40)
    with pytest.raises(CheckpointError, match="truncated or damaged"):
        nn.load(path)


# --- headers of arrays ----------------------------------------------------------------------------

GOOD = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }"
MANGLED = {
    "empty": b"",
    "spaces": b" " * 60_000,
    "not closed": GOOD[:-1],
    "a call": b"{'descr': __import__('os').abort(), 'fortran_order': False, 'shape': (3, 4), }",
    "brackets": b"(" * 60_000,
    "minuses": b"-" * 60_000 + b"1",
    "a dict of dicts": b"{1:" * 20_000,
    "no shape": b"{'descr': '<f4', 'fortran_order': False, }",
    "a shape of text": GOOD.replace(b"(3, 4)", b"('3', 4)"),
    "a negative shape": GOOD.replace(b"(3, 4)", b"(-3, -4)"),
    "a long number": GOOD.replace(b"(3, 4)", b"(" + b"9" * 60_000 + b",)"),
    "many dimensions": GOOD.replace(b"(3, 4)", b"(" + b"1, " * 20_000 + b")"),
    "a number of Python 2": GOOD.replace(b"(3, 4)", b"(3L, 4L)"),
    "an unknown dtype": GOOD.replace(b"<f4", b"<f5"),
    "a dtype of fields": GOOD.replace(b"'<f4'", b"[('a', '<f4')]"),
    "a dtype of a subarray": GOOD.replace(b"<f4", b"(2,2)f4"),
    "objects": GOOD.replace(b"<f4", b"|O"),
    "texts": GOOD.replace(b"<f4", b"<U4"),
    "dates": GOOD.replace(b"<f4", b"<M8[s]"),
    "an escape sequence": GOOD.replace(b"<f4", b"\x1b[2J"),
    "another byte order": GOOD.replace(b"<f4", b">f4"),
    "not ASCII": GOOD.replace(b"<f4", b"\xff\xfe"),
    "null characters": bytes(60),
    "two headers": GOOD + GOOD,
}


@pytest.mark.parametrize("text", MANGLED.values(), ids=MANGLED)
def test_mangled_headers_of_arrays(path, text):
    save(path)
    content = members(path)
    body = small().state_dict()["hidden1.weight"].tobytes()
    npy = b"\x93NUMPY\1\0" + struct.pack("<H", len(text) + 1) + text + b"\n" + body
    written(path, content | {"hidden1.weight.npy": npy})
    with pytest.raises(CheckpointError, match="is truncated or damaged"):
        nn.load(path)


DECLARED = [
    None, 5, "x", [], ["<f4"], ["<f4", 3], ["<f4", [3, 4], 0], ["<f4", ["3", 4]], ["<f4", [-3, -4]],
    ["<f4", [3.0, 4]], ["<f4", [True, 12]], ["<f4", [1] * 65], ["<f4", [2**70, 0]], ["O", [3, 4]],
    ["|O", [3, 4]], ["<f5", [3, 4]], ["<f4,<f4", [3, 4]], ["f4", [3, 4]], [["<f4"], [3, 4]],
    ["<f4", [2**31, 2**31, 2**31]], ["<f4", [0, 2**62, 2**62]], {"0": "<f4", "1": [3, 4]},
]  # fmt: skip


@pytest.mark.parametrize("declared", DECLARED, ids=str)
def test_declarations_of_arrays_that_make_no_sense(path, declared):
    save(path)
    header = json.loads(members(path)["header.json"])
    header["arrays"]["hidden1.weight"] = declared
    written(path, members(path) | {"header.json": sealed(header, bytes_of(path))})
    with pytest.raises(CheckpointError, match="is truncated or damaged"):
        nn.load(path)


@pytest.mark.parametrize("shape", [(2**70, 0), (0, 2**62, 2**62), (2**31, 2**31, 2**31, 0)])
def test_arrays_of_nothing_that_are_too_large_for_numpy(path, shape):
    save(path)
    header = json.loads(members(path)["header.json"])
    header["arrays"]["hidden1.weight"] = ["<f4", list(shape)]
    text = GOOD.replace(b"(3, 4)", str(shape).encode()) + b"\n"
    npy = b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text
    changed = {"hidden1.weight.npy": npy, "header.json": sealed(header, bytes_of(path))}
    written(path, members(path) | changed)
    with pytest.raises(CheckpointError, match="is truncated or damaged"):
        nn.load(path)


# --- damage at random -----------------------------------------------------------------------------


CHANGES = [
    lambda piece, rng: bytes(byte ^ 1 << rng.randrange(8) for byte in piece[:1]) + piece[1:],
    lambda piece, rng: rng.randbytes(len(piece)),
    lambda piece, rng: rng.randbytes(rng.randrange(9)) + piece,
    lambda piece, rng: b"",
    lambda piece, rng: piece + piece,
    lambda piece, rng: piece[::-1],
    lambda piece, rng: bytes(len(piece)),
    lambda piece, rng: b"\xff" * len(piece),
]


def mutated(content, rng):
    """Change bytes of a file as accidents do, or as one does who looks for a way in."""
    content = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        at = rng.randrange(len(content))
        to = at + rng.choice([1, 2, 4, 8, 100, 10_000])
        content[at:to] = rng.choice(CHANGES)(content[at:to], rng)
    return content[: rng.randrange(len(content))] if rng.random() < 0.1 else content


def assert_same(found, wanted):
    """Compare what two files hold, exactly."""
    assert found.architecture == wanted.architecture
    assert found.extra == wanted.extra
    pairs = [(found.arrays, wanted.arrays), (found.extra_arrays, wanted.extra_arrays)]
    if wanted.optimizer is not None:
        assert found.optimizer["lr"] == wanted.optimizer["lr"]
        pairs.append(tuple({"0": c.optimizer["moments"][0]} for c in (found, wanted)))
    for left, right in pairs:
        assert list(left) == list(right)
        for name, array in left.items():
            assert array.dtype == right[name].dtype
            assert array.shape == right[name].shape
            assert array.tobytes() == right[name].tobytes()


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 50))]
)
def test_damage_gives_an_error_or_the_exact_content(path, seed):
    save(path, extra_arrays={"v": np.arange(3), "empty": np.zeros((0, 2)), "flag": np.array(True)})
    content, wanted = path.read_bytes(), nn.read_checkpoint(path)
    rng = random.Random(seed)  # noqa: S311
    survived = 0
    for _ in range(1000):
        path.write_bytes(mutated(content, rng))
        if (found := tried(nn.read_checkpoint, path)) is not None:
            assert_same(found, wanted)
            survived += 1
    assert 0 < survived < 700  # changed dates and the like


def test_every_byte_matters_or_changes_nothing(path):
    save(path)
    content, wanted = path.read_bytes(), nn.read_checkpoint(path)
    for i in range(len(content)):
        path.write_bytes(content[:i] + bytes([content[i] ^ 0x41]) + content[i + 1 :])
        if (found := tried(nn.read_checkpoint, path)) is not None:
            assert_same(found, wanted)


def test_every_beginning_is_refused(path):
    save(path)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        assert tried(nn.read_checkpoint, path) is None


JUNK = [
    None, True, -1, 0, 10**30, 1.5, "", "x", "|O", "<f4", "\x1b[2J", [], {}, [[]], [1, 2], {"a": 1},
    {"$array": 0}, {"$array": 99}, {"$array": -1}, {"$scalar": 0}, {"$dict": [[[], 1]]},
    {"$dict": [1]}, {"$tuple": 5}, {"$float": "x"}, {"$none": 0}, {"$array": 0, "b": 1}, [0] * 100,
]  # fmt: skip


def scrambled(header, rng):
    """Put junk in the place of something in a header, or leave it out."""
    at = header
    while True:
        key = rng.choice(list(at) if isinstance(at, dict) else range(len(at)))
        inner = at[key]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.8:
            at = inner
        elif rng.random() < 0.2:
            del at[key]
            return header
        else:
            at[key] = rng.choice(JUNK)
            return header


@pytest.mark.slow
def test_headers_that_make_no_sense_but_are_sealed(path):
    save(path)
    content, arrays = members(path), bytes_of(path)
    rng = random.Random(0)  # noqa: S311
    outcomes = set()
    for _ in range(1000):
        header = scrambled(json.loads(content["header.json"]), rng)
        written(path, content | {"header.json": sealed(header, arrays)})
        found = tried(nn.read_checkpoint, path)
        outcomes.add(found is None)
        if found is None:
            continue
        with contextlib.suppress(CheckpointError):
            found.model()
        into, optimizer = small(seed=1), Moments(seed=1)
        before = into.state_dict(), str(optimizer.state_dict())
        if tried(nn.load, path, into=into, optimizer=optimizer) is None:
            assert str(optimizer.state_dict()) == before[1]
            assert all((into.state_dict()[name] == v).all() for name, v in before[0].items())
    assert outcomes == {True, False}


class Everything(nn.Module):
    """A layer of each kind that has a state of its own: buffers, a stream, many names."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.norm = nn.BatchNorm1d(3)
        self.recurrent = nn.LSTM(3, 2, rng=rng)
        self.dropout = nn.Dropout(0.5, rng=rng)
        self.last = nn.Linear(2, 2, rng=rng)

    def forward(self, x):
        hidden, _ = self.recurrent(self.norm(x)[:, None])
        return self.last(self.dropout(hidden[:, 0]))


def a_run(seed):
    """Return a model with its optimiser and schedule, a few steps into training."""
    model = Everything(seed)
    groups = [{"params": model.recurrent.parameters()}, {"params": model.last.parameters()}]
    optimizer = optim.Adam([*groups, {"params": model.norm.parameters()}], lr=0.1 + seed)
    schedule = optim.lr_scheduler.SequentialLR(
        optimizer,
        [optim.lr_scheduler.LinearLR(optimizer), optim.lr_scheduler.StepLR(optimizer, 3)],
        milestones=[2],
    )
    x = np.random.default_rng(seed).random((5, 3), np.float32)
    for _ in range(4):
        go_on(model, optimizer, schedule, x)
    return model, optimizer, schedule


def go_on(model, optimizer, schedule, x):
    optimizer.zero_grad()
    with np.errstate(all="ignore"):
        model(x).sum().backward()
        optimizer.step()
    schedule.step()


def state_of(model, optimizer, schedule):
    """Everything that a file could have changed, in one text."""
    arrays = [(name, a.dtype.str, a.tobytes()) for name, a in model.state_dict().items()]
    streams = [g.bit_generator.state for g in dict(model.named_streams()).values()]
    return repr((arrays, streams, optimizer.state_dict(), schedule.state_dict()))


@pytest.mark.parametrize("seed", some_quick(range(50), 50))
def test_a_training_run_takes_all_of_a_file_or_nothing(path, seed):
    model, optimizer, schedule = a_run(0)
    nn.save(path, model, optimizer=optimizer, schedule=schedule)
    whole, content, arrays = path.read_bytes(), members(path), bytes_of(path)
    rng = random.Random(seed)  # noqa: S311
    run = a_run(1)
    taken = 0
    for _ in range(100):
        if rng.random() < 0.5:
            path.write_bytes(mutated(whole, rng))
        else:
            header = scrambled(json.loads(content["header.json"]), rng)
            written(path, content | {"header.json": sealed(header, arrays)})
        before = state_of(*run)
        if tried(nn.load, path, into=run[0], optimizer=run[1], schedule=run[2]) is None:
            assert state_of(*run) == before
            continue
        taken += 1
        with contextlib.suppress(OptimizerError):  # a rate of 10**30 is one, and goes too far
            go_on(*run, np.ones((2, 3), np.float32))
        run = a_run(1)
    assert 0 < taken < 400


def test_text_from_a_file_cannot_speak_to_the_terminal(path):
    save(path)
    escape = "\x1b]0;owned\x07"
    header = json.loads(members(path)["header.json"])
    weight = header["arrays"].pop("hidden1.weight")
    for changed in (
        header | {"version": escape},
        header | {"architecture": {"type": escape, "sizes": [], "activation": None}},
        header | {"arrays": {escape: weight, **header["arrays"]}},
        header | {"arrays": {"hidden1.weight": [escape, []], **header["arrays"]}},
        header | {"optimizer": {"$" + escape: 0}},
    ):
        written(path, members(path) | {"header.json": sealed(changed, bytes_of(path))})
        with pytest.raises(CheckpointError) as caught:
            nn.load(path)
        assert str(caught.value).isprintable()


def test_npz_files_of_others_are_told_from_damaged_ones(path):
    for compress in np.savez, np.savez_compressed:
        compress(path, a=np.ones(3))
        with pytest.raises(CheckpointError, match="not one that nn.save wrote|is compressed"):
            nn.load(path)
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.array([{}], object), allow_pickle=True)
    written(path, {"header.json": b"{}", "a.npy": stream.getvalue()})
    with pytest.raises(CheckpointError, match="not that of a model file"):
        nn.load(path)
