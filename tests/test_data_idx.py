"""The IDX reader and writer: round trips, and every way in which a file can be wrong."""

from __future__ import annotations

import contextlib
import gzip
import os
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygrad_bp.data import read_idx, write_idx
from tinygrad_bp.errors import DataError

DTYPES = ["u1", "i1", "i2", "i4", "f4", "f8"]
LABELS = bytes([0, 0, 8, 1]) + struct.pack(">I", 3) + bytes([5, 0, 4])


def arrays(dtype):
    return hnp.arrays(dtype, hnp.array_shapes(max_dims=4, min_side=0, max_side=5))


@given(
    st.sampled_from(DTYPES).flatmap(arrays),
    st.sampled_from(["a.idx", "a.gz"]),
    st.sampled_from("<>"),
    st.booleans(),
)
def test_round_trip(tmp_path_factory, array, name, byte_order, transposed):
    path = tmp_path_factory.getbasetemp() / name
    given = array.astype(array.dtype.newbyteorder(byte_order))
    given = given.T if transposed else given
    write_idx(path, given)
    found = read_idx(path)
    assert found.dtype == array.dtype
    assert found.dtype.isnative
    assert found.flags.writeable
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, given)


def test_the_bytes_are_those_of_the_format(tmp_path):
    write_idx(tmp_path / "labels", np.array([5, 0, 4], np.uint8))
    assert (tmp_path / "labels").read_bytes() == LABELS
    write_idx(tmp_path / "wide", np.array([[1, -2]], np.int32))
    expected = bytes([0, 0, 0x0C, 2]) + struct.pack(">IIii", 1, 2, 1, -2)
    assert (tmp_path / "wide").read_bytes() == expected


def test_compressed_files_are_reproducible(tmp_path):
    array = np.arange(100, dtype=np.uint8)
    write_idx(tmp_path / "a.gz", array)
    write_idx(tmp_path / "b.gz", array)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


@pytest.mark.parametrize("name", ["plain.gz", "compressed"])
def test_the_content_decides_about_compression_not_the_name(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(LABELS if name == "plain.gz" else gzip.compress(LABELS))
    assert read_idx(str(path)).tolist() == [5, 0, 4]


def test_a_gzip_file_of_several_members_is_one_content(tmp_path):
    path = tmp_path / "members.gz"
    path.write_bytes(gzip.compress(LABELS[:5]) + gzip.compress(LABELS[5:]))
    assert read_idx(path).tolist() == [5, 0, 4]


COMPRESSED = gzip.compress(LABELS)
DAMAGED = bytearray(COMPRESSED)
DAMAGED[-8] ^= 1  # the checksum

WRONG_CONTENT = {
    "empty": (b"", "is empty"),
    "three bytes": (LABELS[:3], "begins with the bytes 00 00 08"),
    "text": (b"label\n5\n", "begins with"),
    "unknown element type": (b"\0\0\x07\1" + LABELS[4:], "begins with the bytes 00 00 07 01"),
    "no dimensions": (b"\0\0\x08\0\0", "claims 0 dimensions"),
    "too many dimensions": (b"\0\0\x08\xff" + bytes(4 * 255), "claims 255 dimensions"),
    "header cut": (LABELS[:6], "ends within its header"),
    "too short": (LABELS[:-1], "only 2 bytes of elements where its header says 3"),
    "too long": (LABELS + b"\0", "more bytes of elements where its header says 3"),
    "web page": (b"<!DOCTYPE html><title>404</title>", "is a web page"),
    "web page, indented": (b"\n <html></html>", "is a web page"),
    "compressed web page": (gzip.compress(b"<html></html>"), "is a web page"),
    "gzip header only": (COMPRESSED[:2], "truncated or damaged gzip"),
    "gzip cut in the middle": (COMPRESSED[:-10], "truncated or damaged gzip"),
    "gzip checksum": (bytes(DAMAGED), "truncated or damaged gzip"),
    "gzip with nonsense inside": (COMPRESSED[:10] + b"\xff" * 20, "truncated or damaged gzip"),
    "gzip with a tail": (COMPRESSED + b"tail", "truncated or damaged gzip"),
    "compressed and too short": (gzip.compress(LABELS[:-1]), "only 2 bytes"),
    "compressed and too long": (gzip.compress(LABELS + b"\0"), "more bytes"),
}


@pytest.mark.parametrize("case", WRONG_CONTENT)
def test_wrong_content_is_named_with_the_remedy(tmp_path, case):
    content, problem = WRONG_CONTENT[case]
    path = tmp_path / "labels-file"
    path.write_bytes(content)
    with pytest.raises(DataError, match=problem) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)
    assert "fetch it again" in str(caught.value)


@given(st.binary(max_size=40), st.booleans())
def test_arbitrary_bytes_are_an_array_or_a_data_error(tmp_path_factory, content, compressed):
    path = tmp_path_factory.getbasetemp() / "arbitrary"
    path.write_bytes(gzip.compress(content) if compressed else content)
    with contextlib.suppress(DataError):
        read_idx(path, max_bytes=1000)


@pytest.mark.parametrize(
    "shape", [(1 << 20, 1 << 20), (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0), (1 << 30, 2)]
)
def test_a_claimed_size_is_refused_before_memory_is_taken(tmp_path, shape):
    path = tmp_path / "claims"
    path.write_bytes(bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape))
    with pytest.raises(DataError, match="more than the 1073741824 bytes allowed"):
        read_idx(path)


def test_a_gzip_bomb_is_not_decompressed(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(LABELS + bytes(50_000_000), compresslevel=1))
    with pytest.raises(DataError, match="more bytes of elements"):
        read_idx(path, max_bytes=3)


def test_max_bytes_is_the_size_of_the_elements(tmp_path):
    path = tmp_path / "labels"
    path.write_bytes(LABELS)
    assert read_idx(path, max_bytes=3).shape == (3,)
    with pytest.raises(DataError, match="max_bytes"):
        read_idx(path, max_bytes=2)


def test_a_missing_file_and_a_folder_are_data_errors(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_idx(tmp_path / "none")
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path)


def test_what_is_no_file_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in tmp_path / "pipe", "/dev/zero":
        with pytest.raises(DataError, match="it is not a regular file"):
            read_idx(path)


def test_names_do_not_reach_the_terminal_as_commands(tmp_path):
    with pytest.raises(DataError) as caught:
        read_idx(tmp_path / "\x1b[2J")
    assert r"/\x1b[2J does not exist" in str(caught.value)


@pytest.mark.parametrize(
    "array", [np.array([1]), np.array([True]), np.array([1j]), np.array(["5"]), np.array([None])]
)
def test_other_element_types_are_refused(tmp_path, array):
    with pytest.raises(DataError, match=f"cannot hold {array.dtype.name}"):
        write_idx(tmp_path / "file", array)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(), (1 << 32,)])
def test_other_shapes_are_refused(tmp_path, shape):
    array = np.broadcast_to(np.uint8(0), shape)
    with pytest.raises(DataError, match="cannot hold the shape"):
        write_idx(tmp_path / "file", array)


def test_writing_into_a_missing_folder_is_a_data_error(tmp_path):
    path = tmp_path / "none" / "file"
    with pytest.raises(DataError, match="could not be written") as caught:
        write_idx(path, np.zeros(1, np.uint8))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_crash_while_writing_keeps_the_previous_file(tmp_path, monkeypatch, error):
    path = tmp_path / "labels"
    write_idx(path, np.array([5, 0, 4], np.uint8))

    def crash(*_):
        raise error

    for owner, name in [("os", "fsync"), ("pathlib.Path", "replace")]:
        with monkeypatch.context() as patch:
            patch.setattr(f"{owner}.{name}", crash)
            with pytest.raises((DataError, KeyboardInterrupt)):
                write_idx(path, np.zeros(1000, np.uint8))
        assert [file.name for file in tmp_path.iterdir()] == ["labels"]
        assert path.read_bytes() == LABELS


def test_a_written_file_obeys_the_umask(tmp_path):
    write_idx(tmp_path / "ours", np.zeros(1, np.uint8))
    (tmp_path / "plain").write_bytes(b"")
    modes = {(tmp_path / name).stat().st_mode for name in ("ours", "plain")}
    assert len(modes) == 1
