"""Images for a network to read, from IDX files, .npy arrays and .pgm or .png pictures.

The content decides what a file is, not its name.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.data import read_idx
from tinygrad_bp.errors import DataError, LabelError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["read_images", "read_labels"]

MAGIC = {b"\x93N": "npy", b"\x89P": "png", b"P2": "pgm", b"P5": "pgm"}
MAX_PICTURE = 1 << 20  # bytes of a .pgm, far more than an image that a network reads needs

# The kind, then width, height and the value of white, separated by blanks or comments.
PGM = re.compile(rb"(P[25])" + 3 * rb"(?:\s|#[^\n]*\n)+(\d{1,9})" + rb"\s")


def read_images(path: Path, pixels: int, *, invert: bool | None = None) -> NDArray[np.float32]:
    """Return the images in a file, float32 (n, pixels), from 0 for paper to 1 for ink.

    Whole numbers run from 0 to 255. `invert` swaps ink and paper; by default that is done for
    pictures (.pgm, .png) with a light border, which are dark ink on light paper. Raises
    `DataError` if the file cannot be read or its images do not have that many pixels.
    """
    kind = MAGIC.get(_beginning(path), "idx")
    images = _scaled(_READERS[kind](path), path)
    rows = _rows(images, pixels, path)
    if invert is None:
        invert = kind in ("pgm", "png") and _has_light_border(images)
    return 1 - rows if invert else rows


def read_labels(path: Path, n: int, classes: int) -> NDArray[np.int64]:
    """Return the labels (n,) in an IDX file or .npy array.

    Raises `DataError` if there are not `n` of them, `LabelError` if one is not below `classes`.
    """
    labels = _npy(path) if MAGIC.get(_beginning(path)) == "npy" else read_idx(path)
    if labels.shape != (n,):
        raise DataError(
            f"{path} holds labels of the shape {labels.shape} for {n} images. Give each image one."
        )
    if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= classes:
        raise LabelError(f"{path}: labels must be whole numbers from 0 to {classes - 1}.")
    return labels.astype(np.int64)


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(2)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}. Check the name.") from error


# --- formats --------------------------------------------------------------------------------------


def _npy(path: Path) -> NDArray[Any]:
    try:
        # Mapped, so that a header that lies about the size costs no memory.
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path} is not a valid .npy array of numbers: {error}") from error
    return np.array(mapped)


def _png(path: Path) -> NDArray[Any]:
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError(
            f"{path} is a PNG picture, which needs pillow: pip install pillow. Or convert it to "
            ".pgm, which does not."
        ) from error
    try:
        with Image.open(path) as picture:
            if math.prod(picture.size) > MAX_PICTURE:
                raise DataError(f"{path} is {picture.width}x{picture.height} pixels, too large.")
            # Paper shows through where the picture is transparent.
            paper = Image.new("RGBA", picture.size, "white")
            return np.asarray(Image.alpha_composite(paper, picture.convert("RGBA")).convert("L"))
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"{path} is not a valid PNG picture: {error}") from error


def _pgm(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        content = file.read(MAX_PICTURE)
    if not (found := PGM.match(content)):
        raise DataError(f"{path} is not a valid .pgm picture: its header makes no sense.")
    kind, body = found[1], content[found.end() :]
    width, height, white = (int(number) for number in found.groups()[1:])
    if kind == b"P5":
        wide = white > 255
        levels = np.frombuffer(body[: len(body) // (1 + wide) * (1 + wide)], (">u1", ">u2")[wide])
    else:
        words = re.sub(rb"#[^\n]*", b"", body).split()
        if not all(word.isdigit() and len(word) < 6 for word in words):
            raise DataError(
                f"{path} is not a valid .pgm picture: it holds something other than numbers."
            )
        levels = np.array(words, dtype=np.int64)
    levels = levels[: width * height]
    if len(levels) < width * height or not 0 < white < 65536 or levels.max(initial=0) > white:
        raise DataError(
            f"{path} is not a valid .pgm picture: {len(levels)} pixels for {width}x{height}, "
            f"up to {levels.max(initial=0)} where white is {white}."
        )
    return levels.reshape(height, width) / white


_READERS = {"idx": read_idx, "npy": _npy, "png": _png, "pgm": _pgm}


# --- what they hold -------------------------------------------------------------------------------


def _scaled(images: NDArray[Any], path: Path) -> NDArray[np.float32]:
    """Return pixels from 0 to 1, given bytes, or floats that are in that range already."""
    if images.dtype.kind not in "biuf":
        raise DataError(f"{path} holds {images.dtype}, not numbers for pixels.")
    white = 255 if images.dtype.kind in "iu" else 1
    # Put this way round, the comparison refuses NaN.
    if images.size and not (images.min() >= 0 and images.max() <= white):
        raise DataError(
            f"{path} holds {images.dtype} from {images.min()} to {images.max()}; pixels are whole "
            "numbers from 0 to 255 or floats from 0 to 1."
        )
    scaled: NDArray[np.float32] = np.divide(images, white, dtype=np.float32)
    return scaled


def _rows(images: NDArray[np.float32], pixels: int, path: Path) -> NDArray[np.float32]:
    """Return images (n, pixels) from an array of many, as rows or squares, or of one."""
    shape = images.shape
    if not images.size:
        raise DataError(f"{path} holds no images.")
    if shape[-1:] == (pixels,) and len(shape) <= 2:
        return images.reshape(-1, pixels)
    if len(shape) in (2, 3) and shape[-2] * shape[-1] == pixels:
        return images.reshape(-1, pixels)
    side = math.isqrt(pixels)
    square = f" ({side}x{side})" if side**2 == pixels else ""
    raise DataError(
        f"{path} has the shape {'x'.join(map(str, shape))}, but the model reads images of "
        f"{pixels} pixels{square}. Scale them to that size first."
    )


def _has_light_border(image: NDArray[np.float32]) -> bool:
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return bool(border.mean() > 0.5)
