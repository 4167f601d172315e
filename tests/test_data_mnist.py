"""MNIST: what is loaded, what is refused, and how it is fetched, from servers of all manners.

All but the last test use small files in MNIST's format; `folder` holds four of them, and the
fixture puts their digests in the place of MNIST's own.
"""

from __future__ import annotations

import contextlib
import gzip
import http.server
import importlib
import shutil
import sys
import threading

import numpy as np
import pytest

from tinygrad_bp.data import Mnist, drawn_digits, mnist, write_idx
from tinygrad_bp.data.files import cache_folder
from tinygrad_bp.data.idx import load
from tinygrad_bp.errors import DataError

# By its name, because `tinygrad_bp.data.mnist` is the function.
MODULE = importlib.import_module("tinygrad_bp.data.mnist")
NAMES = [file.name for file in MODULE.FILES]
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES


def write_set(folder, *, train=30, test=20, seed=0, suffix=".gz"):
    rng = np.random.default_rng(seed)
    for n, images_name, labels_name in [(train, *NAMES[:2]), (test, *NAMES[2:])]:
        images, labels = drawn_digits(n, rng)
        pixels = np.rint(images * 255).astype(np.uint8).reshape(-1, 28, 28)
        write_idx(folder / (images_name + suffix), pixels)
        write_idx(folder / (labels_name + suffix), labels.astype(np.uint8))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "mnist"
    folder.mkdir()
    write_set(folder)
    digests = [load(folder / f"{name}.gz").sha256() for name in NAMES]
    files = [
        file._replace(sha256=digest) for file, digest in zip(MODULE.FILES, digests, strict=True)
    ]
    monkeypatch.setattr(MODULE, "FILES", tuple(files))
    return folder


# What is loaded


def test_shapes_dtypes_and_values(folder):
    data = mnist(folder)
    assert isinstance(data, Mnist)
    assert data.train_images.shape == (30, 784)
    assert data.test_images.shape == (20, 784)
    assert data.train_images.dtype == data.test_images.dtype == np.float32
    assert data.train_labels.dtype == data.test_labels.dtype == np.int64
    images, labels = drawn_digits(30, np.random.default_rng(0))
    np.testing.assert_array_equal(data.train_images, images)
    np.testing.assert_array_equal(data.train_labels, labels)


def test_pixels_are_divided_by_255_in_single_precision(tmp_path):
    write_set(tmp_path)
    every_level = np.resize(np.arange(256, dtype=np.uint8), (30, 28, 28))
    write_idx(tmp_path / f"{TRAIN_IMAGES}.gz", every_level)
    images = mnist(tmp_path, verify=False).train_images
    expected = every_level.reshape(30, 784).astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(images, expected)


@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("plain", [False, True])
def test_four_spellings(folder, dotted, plain):
    expected = mnist(folder)
    for name in NAMES:
        path = folder / f"{name}.gz"
        content = path.read_bytes()
        path.unlink()
        new = name.replace("-idx", ".idx") if dotted else name
        if plain:
            (folder / new).write_bytes(gzip.decompress(content))
        else:
            (folder / f"{new}.gz").write_bytes(content)
    for found, given in zip(mnist(str(folder)), expected, strict=True):
        np.testing.assert_array_equal(found, given)


def test_a_recompressed_copy_is_the_same_content(folder):
    path = folder / f"{TRAIN_IMAGES}.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=1))
    assert len(mnist(folder).train_images) == 30


def test_a_folder_named_like_a_file_is_passed_over(folder):
    (folder / TRAIN_IMAGES).mkdir()
    assert len(mnist(folder).train_images) == 30


def test_another_set_on_purpose(tmp_path):
    write_set(tmp_path, train=7, test=5, seed=1)
    data = mnist(tmp_path, verify=False)
    assert [len(part) for part in data] == [7, 7, 5, 5]


# What is refused


def refused(place, match, **options):
    with pytest.raises(DataError, match=match) as caught:
        mnist(place, **options)
    return str(caught.value)


def test_another_set_by_mistake(folder):
    write_set(folder, seed=1)
    message = refused(folder, "not MNIST's train-images-idx3-ubyte")
    assert str(folder / f"{TRAIN_IMAGES}.gz") in message
    assert "verify=False" in message
    assert "mnist(download=True)" in message


@pytest.mark.parametrize("name", NAMES)
def test_each_file_is_verified_each_time(folder, name):
    mnist(folder)
    path = folder / f"{name}.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[-1] ^= 1
    path.write_bytes(gzip.compress(content))
    assert str(path) in refused(folder, "SHA-256")


def test_train_and_test_swapped(folder):
    (folder / f"{TRAIN_LABELS}.gz").rename(folder / "aside")
    (folder / f"{TEST_LABELS}.gz").rename(folder / f"{TRAIN_LABELS}.gz")
    (folder / "aside").rename(folder / f"{TEST_LABELS}.gz")
    assert "swapped" in refused(folder, f"holds the content of {TEST_LABELS}")
    refused(folder, "30 images but .* 20 labels", verify=False)


@pytest.mark.parametrize("verify", [True, False])
def test_images_and_labels_swapped(folder, verify):
    shutil.copy(folder / f"{TRAIN_LABELS}.gz", folder / f"{TRAIN_IMAGES}.gz")
    message = refused(folder, r"holds labels \(magic number 2049\)", verify=verify)
    assert "swapped" in message


@pytest.mark.parametrize(
    ("name", "array", "problem"),
    [
        (TRAIN_IMAGES, np.zeros((30, 28, 28), np.int16), r"\(30, 28, 28\) of int16"),
        (TRAIN_IMAGES, np.zeros((30, 28, 27), np.uint8), r"not \(n, 28, 28\)"),
        (TRAIN_IMAGES, np.zeros((0, 28, 28), np.uint8), r"not \(n, 28, 28\)"),
        (TRAIN_LABELS, np.zeros(29, np.uint8), "30 images but .* 29 labels"),
        (TEST_LABELS, np.full(20, 10, np.uint8), "the label 10"),
    ],
)
def test_structure_is_checked_without_digests_too(folder, name, array, problem):
    write_idx(folder / f"{name}.gz", array)
    assert str(folder / f"{name}.gz") in refused(folder, problem, verify=False)


def test_a_missing_folder(tmp_path):
    message = refused(tmp_path / "none", "does not exist")
    assert "mnist(download=True)" in message
    assert "drawn_digits" in message


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    refused(tmp_path / "file", "is not a folder")


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file(folder, name):
    (folder / f"{name}.gz").unlink()
    assert str(folder) in refused(folder, f"{name} .* is missing")


def test_a_damaged_file(folder):
    path = folder / f"{TEST_IMAGES}.gz"
    path.write_bytes(path.read_bytes()[:-20])
    assert str(path) in refused(folder, "truncated or damaged gzip")


# Where it is kept


@pytest.mark.parametrize(
    ("platform", "variable", "default"),
    [
        ("linux", "XDG_CACHE_HOME", ".cache"),
        ("freebsd14", "XDG_CACHE_HOME", ".cache"),
        ("win32", "LOCALAPPDATA", "AppData/Local"),
        ("darwin", None, "Library/Caches"),
    ],
)
def test_the_cache_is_where_the_platform_keeps_caches(
    tmp_path, monkeypatch, platform, variable, default
):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr("pathlib.Path.home", lambda: tmp_path)
    for name in "XDG_CACHE_HOME", "LOCALAPPDATA":
        monkeypatch.delenv(name, raising=False)
    assert cache_folder() == tmp_path / default / "tinygrad_bp"
    if variable is not None:
        monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
        assert cache_folder() == tmp_path / "elsewhere" / "tinygrad_bp"
        monkeypatch.setenv(variable, "relative")
        assert cache_folder() == tmp_path / default / "tinygrad_bp"


def test_without_a_folder_the_cache_is_read(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(MODULE, "cache_folder", lambda: tmp_path)
    assert len(mnist().train_images) == 30


# How it is fetched


class Server(http.server.ThreadingHTTPServer):
    """A mirror that answers with the files of a folder, or with whatever `answer` makes of them."""

    daemon_threads = True

    def __init__(self, folder, answer):
        self.folder = folder
        self.answer = answer
        self.asked = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.strip("/")
        self.server.asked.append(name)
        self.server.answer(self, (self.server.folder / name).read_bytes())

    def log_message(self, *_):
        pass

    def send(self, body, *, status=200, length=None):
        self.send_response(status)
        if length != "none":
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)


def good(handler, body):
    handler.send(body)


def without_length(handler, body):
    handler.send(body, length="none")


def not_found(handler, _):
    handler.send(b"<html>Not Found</html>", status=404)


def page(handler, _):
    handler.send(b"<html>Please log in</html>")


def breaks_off(handler, body):
    handler.send(body[: len(body) // 2], length=len(body))


def truncated(handler, body):
    handler.send(body[: len(body) // 2])


def another_set(handler, body):
    content = bytearray(gzip.decompress(body))
    content[-1] ^= 1
    handler.send(gzip.compress(content))


def endless(handler, _):
    with contextlib.suppress(OSError):
        handler.send(bytes(60_000_000))


def nothing(handler, _):
    handler.close_connection = True


BAD = {
    not_found: "404",
    page: "is a web page",
    breaks_off: "broke off after",
    truncated: "truncated or damaged gzip",
    another_set: "SHA-256",
    endless: "sends more than the 47040016 bytes",
    nothing: "(?i)remote end closed|reset",
}


@pytest.fixture
def serve(folder):
    """A function that starts mirrors of `folder` and stops them after the test."""
    with contextlib.ExitStack() as stack:

        def start(answer):
            server = stack.enter_context(Server(folder, answer))
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return server

        yield start


@pytest.mark.parametrize("answer", [good, without_length])
def test_download(folder, serve, tmp_path, answer):
    place = tmp_path / "new" / "cache"
    server = serve(answer)
    calls = []
    data = mnist(
        place, download=True, mirrors=[server.url], progress=lambda *call: calls.append(call)
    )
    np.testing.assert_array_equal(data.train_images, mnist(folder).train_images)
    assert sorted(path.name for path in place.iterdir()) == sorted(f"{name}.gz" for name in NAMES)
    for name in NAMES:
        size = (folder / f"{name}.gz").stat().st_size
        mine = [call for call in calls if call[0] == f"{name}.gz"]
        assert mine[-1] == (f"{name}.gz", size, size if answer is good else None)
        done = [call[1] for call in mine]
        assert done == sorted(set(done))
    mnist(place)


def test_only_missing_files_are_fetched(folder, serve, tmp_path):
    place = tmp_path / "cache"
    shutil.copytree(folder, place)
    (place / f"{TEST_LABELS}.gz").unlink()
    server = serve(good)
    mnist(place, download=True, mirrors=[server.url])
    mnist(place, download=True, mirrors=[server.url])
    assert server.asked == [f"{TEST_LABELS}.gz"]


def test_a_file_that_is_there_is_never_overwritten(folder, serve):
    path = folder / f"{TRAIN_LABELS}.gz"
    path.write_bytes(b"mine")
    refused(folder, "begins with the bytes", download=True, mirrors=[serve(good).url])
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize("answer", BAD, ids=lambda answer: answer.__name__)
def test_a_bad_mirror(serve, tmp_path, answer):
    place = tmp_path / "cache"
    bad, better = serve(answer), serve(good)
    message = refused(place, BAD[answer], download=True, mirrors=[bad.url, bad.url])
    assert message.count(f"{bad.url}{TRAIN_IMAGES}.gz: ") == 2
    assert f"put it into {place}" in message
    assert list(place.iterdir()) == []

    data = mnist(place, download=True, mirrors=[bad.url, better.url.rstrip("/")])
    assert len(data.train_images) == 30
    assert len(list(place.iterdir())) == 4


def test_a_mirror_that_cannot_be_reached(serve, tmp_path):
    with Server(tmp_path, good) as closed:
        pass
    mirrors = [closed.url, "no address", (tmp_path / "none").as_uri()]
    message = refused(tmp_path / "a", "refused", download=True, mirrors=mirrors)
    assert "unknown url type" in message
    mnist(tmp_path / "a", download=True, mirrors=[*mirrors, serve(good).url])


def test_a_mirror_that_is_silent(serve, tmp_path):
    patience = threading.Event()
    silent = serve(lambda *_: patience.wait(10))
    refused(tmp_path / "a", "timed out", download=True, mirrors=[silent.url], timeout=0.05)
    patience.set()


def test_no_mirrors(tmp_path):
    refused(tmp_path, "no mirror was given", download=True, mirrors=[])


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_a_crash_in_the_middle_leaves_nothing(serve, tmp_path, error):
    def crash(*_):
        raise error

    server = serve(good)
    with pytest.raises(error):
        mnist(tmp_path / "cache", download=True, mirrors=[server.url] * 2, progress=crash)
    assert list((tmp_path / "cache").iterdir()) == []
    assert len(server.asked) == 1


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    refused(tmp_path / "file" / "cache", "cannot be made", download=True, mirrors=["a"])


def test_download_and_another_set_do_not_mix(folder):
    refused(folder, "Leave out one", download=True, verify=False)


# The real one


@pytest.mark.mnist
def test_the_real_files(mnist_folder):
    data = mnist(mnist_folder)
    assert [part.shape for part in data] == [(60000, 784), (60000,), (10000, 784), (10000,)]
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(data.train_labels).tolist() == counts
    assert np.bincount(data.test_labels).sum() == 10000
    assert data.train_images.mean(dtype=np.float64) == pytest.approx(0.1307, abs=1e-4)
    assert data.train_images.std(dtype=np.float64) == pytest.approx(0.3081, abs=1e-4)
    assert data.train_labels[5] == 2
