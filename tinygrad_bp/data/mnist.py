"""MNIST: 70,000 handwritten digits (LeCun, Cortes and Burges, 1998)."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinygrad_bp.data.download import fetch
from tinygrad_bp.data.files import cache_folder
from tinygrad_bp.data.idx import load
from tinygrad_bp.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tinygrad_bp.data.download import Progress
    from tinygrad_bp.data.idx import IdxContent
    from tinygrad_bp.files import PathLike

__all__ = ["MIRRORS", "Mnist", "mnist"]

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
"""Where the four .gz files can be had; each address ends in a slash."""


class Mnist(NamedTuple):
    """The four arrays of MNIST, or of digits in its form.

    Images are float32 (n, 784), from 0 for paper to 1 for ink; labels are int64 (n,), 0 to 9.

    >>> from tinygrad_bp.data import drawn_digits
    >>> rng = np.random.default_rng(0)
    >>> digits = Mnist(*drawn_digits(20, rng), *drawn_digits(10, rng))
    >>> digits.train_images.shape, digits.test_labels[:5]
    ((20, 784), array([2, 3, 7, 2, 1]))
    """

    train_images: NDArray[np.float32]
    """To learn from: (60000, 784) in MNIST."""
    train_labels: NDArray[np.int64]
    """The digits on them, (60000,)."""
    test_images: NDArray[np.float32]
    """To be tested on: (10000, 784) in MNIST."""
    test_labels: NDArray[np.int64]
    """The digits on them, (10000,)."""


class _File(NamedTuple):
    """One of the four files: what it holds, and the SHA-256 of MNIST's own decompressed content."""

    name: str
    holds: str
    sha256: str

    def spellings(self) -> list[str]:
        """Return the names it goes by; some unpackers take ".idx3-ubyte" for a suffix."""
        dotted = self.name.replace("-idx", ".idx")
        return [self.name, f"{self.name}.gz", dotted, f"{dotted}.gz"]


FILES = (
    _File(
        "train-images-idx3-ubyte",
        "images",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    _File(
        "train-labels-idx1-ubyte",
        "labels",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    _File(
        "t10k-images-idx3-ubyte",
        "images",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    _File(
        "t10k-labels-idx1-ubyte",
        "labels",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)

MAGIC = {"images": 2051, "labels": 2049}  # uint8 in three dimensions, and in one
LARGEST_FILE = 16 + 60_000 * 28 * 28  # bytes of the training images; their .gz is smaller


def mnist(
    folder: PathLike | None = None,
    *,
    verify: bool = True,
    download: bool = False,
    mirrors: Sequence[str] = MIRRORS,
    timeout: float = 30.0,
    progress: Progress | None = None,
) -> Mnist:
    """Load MNIST from its four IDX files, plain or gzip-compressed.

    Without a `folder` the user's cache folder is read. The result unpacks into train_images
    (60000, 784) and test_images (10000, 784), float32 from 0 to 1 (the pixels / 255), and
    train_labels and test_labels, int64 from 0 to 9, in that order: images, labels, images,
    labels. For pictures, images.reshape(-1, 28, 28); for the bytes themselves, `read_idx`.

    The content of each file must have the SHA-256 of MNIST, every time. `verify=False` leaves out
    that one check, for another set in the same format (Fashion-MNIST, digits of your own).

    `download=True` first fetches the files that are missing, from the first of `mirrors` that
    has the right content, and never touches a file that is there. `timeout` is in seconds;
    `progress(name, done_bytes, total_bytes)` is called as the bytes arrive.

    Raises `DataError` if the folder or a file is missing, damaged, swapped with another or not
    MNIST, or cannot be downloaded; the message names the file and what to do.

    >>> import tempfile
    >>> from tinygrad_bp.data import drawn_digits, write_idx
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for part in "train", "t10k":
    ...         images, labels = drawn_digits(20, np.random.default_rng(0))
    ...         pixels = np.uint8(images * 255).reshape(-1, 28, 28)
    ...         write_idx(f"{folder}/{part}-images-idx3-ubyte.gz", pixels)
    ...         write_idx(f"{folder}/{part}-labels-idx1-ubyte.gz", np.uint8(labels))
    ...     train_images, train_labels, test_images, test_labels = mnist(folder, verify=False)
    >>> train_images.shape, train_images.dtype, train_labels.shape
    ((20, 784), dtype('float32'), (20,))
    """
    place = cache_folder() / "mnist" if folder is None else Path(folder)
    if download:
        if not verify:
            raise DataError(
                "download=True fetches MNIST itself, verify=False reads another set: "
                "together they would mix the two. Leave out one of them."
            )
        _fetch_missing(place, mirrors, timeout, progress)
    train = _read_pair(place, *FILES[:2], verify=verify)
    test = _read_pair(place, *FILES[2:], verify=verify)
    return Mnist(*train, *test)


def _fetch_missing(
    place: Path, mirrors: Sequence[str], timeout: float, progress: Progress | None
) -> None:
    for file in FILES:
        if _find(place, file) is not None:
            continue
        fetch(
            place / f"{file.name}.gz",
            [f"{mirror.rstrip('/')}/{file.name}.gz" for mirror in mirrors],
            functools.partial(_check_download, file),
            max_bytes=LARGEST_FILE,
            timeout=timeout,
            progress=progress,
        )


def _check_download(file: _File, path: Path) -> None:
    _check_digest(load(path, max_bytes=LARGEST_FILE), file, path)


def _find(place: Path, file: _File) -> Path | None:
    # Some unpackers make a folder of the same name around the file: that is not the file.
    return next((place / name for name in file.spellings() if (place / name).is_file()), None)


def _read_pair(
    place: Path, images_file: _File, labels_file: _File, *, verify: bool
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    images_path, images = _read(place, images_file, verify=verify)
    labels_path, labels = _read(place, labels_file, verify=verify)
    if images.shape[1:] != (28, 28) or len(images) == 0:
        raise DataError(
            f"{images_path} holds images of the shape {images.shape}, not (n, 28, 28). "
            "Use read_idx for images of another size."
        )
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} holds {len(images)} images but {labels_path} {len(labels)} labels. "
            "Put two files that belong together into the folder."
        )
    if labels.max() > 9:
        raise DataError(
            f"{labels_path} holds the label {labels.max()}, but the classes are 0 to 9. "
            "Use read_idx for a set with other classes."
        )
    scaled: NDArray[np.float32] = np.divide(images.reshape(-1, 784), 255, dtype=np.float32)
    return scaled, labels.astype(np.int64)


def _read(place: Path, file: _File, *, verify: bool) -> tuple[Path, NDArray[Any]]:
    path = _find(place, file)
    if path is None:
        raise _missing(place, file)
    content = load(path)
    if content.magic != MAGIC[file.holds]:
        kinds = {magic: holds for holds, magic in MAGIC.items()}
        found = kinds.get(content.magic, f"{content.shape} of {content.dtype.name}")
        raise DataError(
            f"{path} holds {found} (magic number {content.magic}) where {file.holds} "
            f"({MAGIC[file.holds]}) belong. Were two files swapped? Give each its own name again."
        )
    if verify:
        _check_digest(content, file, path)
    return path, content.array()


def _missing(place: Path, file: _File) -> DataError:
    if not place.exists():
        problem = f"The folder {place} does not exist"
    elif not place.is_dir():
        problem = f"{place} is not a folder"
    else:
        problem = f"{file.name} (or {file.name}.gz) is missing from {place}"
    return DataError(
        f"{problem}. Fetch MNIST with mnist(download=True), or put its four files into a folder "
        "and give that: mnist(folder). Without either, drawn_digits draws digits to learn from."
    )


def _check_digest(content: IdxContent, file: _File, path: Path) -> None:
    found = content.sha256()
    if found == file.sha256:
        return
    for other in FILES:
        if found == other.sha256:
            raise DataError(
                f"{path} holds the content of {other.name}. Were two files swapped? "
                "Give each its own name again."
            )
    raise DataError(
        f"{path} is a sound IDX file but not MNIST's {file.name}: the SHA-256 of its content is "
        f"{found}, not {file.sha256}. If it is another set on purpose, pass verify=False; if not, "
        "delete the file and call mnist(download=True)."
    )
