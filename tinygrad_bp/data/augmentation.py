"""Images distorted a little, anew at every sight: more to learn from than there is.

    Affine      turned, stretched, slanted and moved
    Elastic     every part moved another way, smoothly
    Compose     several of them, one after the other

After Simard, Steinkraus and Platt, "Best Practices for Convolutional Neural Networks Applied to
Visual Document Analysis" (2003). A distortion says for each pixel of the new image where in the old
one it comes from; there the four pixels around are interpolated. Beyond its edges an image is 0.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from tinygrad_bp.errors import DataError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

__all__ = ["Affine", "Compose", "Distortion", "Elastic"]

Floats: TypeAlias = "NDArray[np.floating[Any]]"
Shape: TypeAlias = tuple[int, int]
Points: TypeAlias = tuple[Floats, Floats]
"""Where pixels come from: rows and columns, which broadcast to (n, height, width)."""

BLOCK = 1 << 16
"""Pixels that are distorted at a time; what is made of them on the way fits into a cache."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Distortion:
    """The base of distortions: a subclass writes `origins`, where every pixel comes from.

    Calling it with images gives new ones of the same shape and dtype, whose values lie between
    the smallest and the largest of each image and 0. The images are floats: (n, height, width),
    (n, channels, height, width), or (n, height * width) if `shape` says what (height, width) is.
    Every image is distorted differently, its channels alike. Random numbers are drawn from the
    generator in the call, or else from `rng`, or from a new one.

    `origins(points, n, shape, rng)` is given the rows and columns of the pixels and returns, for n
    images, the rows and the columns that their values come from, each (n, height, width) or what
    broadcasts to it. Between pixels, values are interpolated.

    Raises `ShapeError` for images of another shape, `DataError` if they are no floats.

    >>> class Mirror(Distortion):
    ...     def origins(self, points, n, shape, rng):
    ...         rows, columns = points
    ...         return rows, shape[1] - 1 - columns
    >>> Mirror()(np.array([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])).tolist()
    [[[3.0, 2.0, 1.0], [6.0, 5.0, 4.0]]]
    """

    shape: Shape | None = None
    """(height, width), for images that are given as rows of pixels."""
    rng: np.random.Generator | None = dataclasses.field(default=None, repr=False, compare=False)

    def __call__(self, images: Any, rng: np.random.Generator | None = None) -> Any:
        """Return the images distorted; those that were given are left as they are."""
        return _distorted([self], images, self.shape, rng)

    def origins(self, points: Points, n: int, shape: Shape, rng: np.random.Generator) -> Points:
        """Return where n images of a shape have at these points what came from elsewhere."""
        raise NotImplementedError(f"{type(self).__name__} has no origins()")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Affine(Distortion):
    """Images turned, stretched, slanted and moved about their centre, each by other amounts.

    All are drawn uniformly: an angle from -rotation to rotation, in degrees; one factor for the
    height and one for the width, from 1 - scaling to 1 + scaling; a slant of up to `shear` columns
    a row; a way of up to `translation` pixels along each axis.

    Raises `DataError` for options below 0 or above a million, and for a scaling above 0.99.

    >>> bar = np.zeros((1, 5, 5), np.float32)
    >>> bar[0, :, 2] = 1
    >>> moved = Affine(translation=2)(bar, np.random.default_rng(0))
    >>> moved[0, 2].round(2)
    array([0.  , 0.  , 0.  , 0.35, 0.65], dtype=float32)
    """

    rotation: float = 0.0
    """The largest angle, in degrees."""
    scaling: float = 0.0
    """By how much height and width are stretched or shrunk at most: 0.1 for a tenth."""
    shear: float = 0.0
    """The largest slant, in columns a row."""
    translation: float = 0.0
    """The longest way along each axis, in pixels."""

    def __post_init__(self) -> None:
        for name in ("rotation", "shear", "translation"):
            _check_option(name, getattr(self, name), 0, 1e6)
        _check_option("scaling", self.scaling, 0, 0.99)  # of an image times 0 nothing is left

    def origins(self, points: Points, n: int, shape: Shape, rng: np.random.Generator) -> Points:
        """Return M⁻¹ (p - centre - translation) + centre for all points p."""
        draws = rng.uniform(-1, 1, (6, n, 1, 1))
        inverse = self._inverse(draws[:4])
        middle = [(length - 1) / 2 for length in shape]
        offsets = [at + self.translation * way for at, way in zip(middle, draws[4:], strict=True)]
        dtype = points[0].dtype
        y, x = (p - offset.astype(dtype) for p, offset in zip(points, offsets, strict=True))
        rows, columns = (
            a.astype(dtype) * y + b.astype(dtype) * x + dtype.type(at)
            for (a, b), at in zip(inverse, middle, strict=True)
        )
        return rows, columns

    def _inverse(self, draws: Floats) -> Any:
        """Return the inverse of M = rotation · shear · scaling, a matrix for (row, column)."""
        angle, slant = np.radians(self.rotation) * draws[0], self.shear * draws[1]
        height, width = 1 + self.scaling * draws[2:]
        cos, sin = np.cos(angle), np.sin(angle)
        return (
            (cos / height, -sin / height),
            ((sin - slant * cos) / width, (cos + slant * sin) / width),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Elastic(Distortion):
    """Images of which each part moves another way, as a hand does that is not quite steady.

    There is a field of displacements along each axis: a number for every pixel, drawn uniformly
    from -1 to 1, smoothed by a Gaussian with a standard deviation of `sigma` pixels, and multiplied
    by `alpha`. Beyond the edges the numbers are 0, so pixels near an edge move less. The defaults
    are those of Simard, Steinkraus and Platt for MNIST: they move a pixel by 1.4 along each axis
    (root mean square, alpha / (2 sqrt(3 π) sigma)).

    Raises `DataError` unless alpha is from 0 to a million and sigma from 0.1 to 1000.

    >>> bar = np.zeros((1, 28, 28), np.float32)
    >>> bar[0, 4:24, 13:15] = 1
    >>> bent = Elastic()(bar, np.random.default_rng(0))
    >>> bent[0, 6:24:4].argmax(axis=1).tolist()
    [13, 15, 14, 13, 13]
    """

    alpha: float = 34.0
    """How far pixels move."""
    sigma: float = 4.0
    """How smoothly: the standard deviation of the Gaussian, in pixels."""

    def __post_init__(self) -> None:
        _check_option("alpha", self.alpha, 0, 1e6)
        _check_option("sigma", self.sigma, 0.1, 1000)

    def origins(self, points: Points, n: int, shape: Shape, rng: np.random.Generator) -> Points:
        """Return each point with its displacement added."""
        y, x = points
        fields = self._fields(n, shape, rng)
        if y.ndim == 3:  # if not the pixels themselves, where the fields are known
            fields = _interpolated(fields, points)
        return y + fields[:, 0], x + fields[:, 1]

    def _fields(self, n: int, shape: Shape, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return displacements of rows and of columns, (n, 2, height, width)."""
        rows, columns = (_smoothing(length, self.sigma) for length in shape)
        draws = rng.random((n, 2, *shape), np.float32)
        draws -= 0.5
        smooth: NDArray[np.float32] = np.matmul(2 * self.alpha * rows, draws @ columns)
        return smooth


@dataclasses.dataclass(frozen=True)
class Compose:
    """Transforms one after the other, each a function of images and of a generator or None.

    Distortions that follow one another are made in one go: the images are interpolated once, and
    stay sharper. `shape` is that of images given as rows of pixels: every transform then gets
    them as (n, height, width), and needs no shape of its own.

    Raises `DataError` if something given cannot be called.

    >>> images = np.random.default_rng(0).random((3, 784), np.float32)
    >>> distort = Compose([Affine(rotation=15), Elastic()], shape=(28, 28))
    >>> distort(images, np.random.default_rng(1)).shape
    (3, 784)
    """

    transforms: Sequence[Callable[..., Any]]
    shape: Shape | None = dataclasses.field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "transforms", tuple(self.transforms))
        for transform in self.transforms:
            if not callable(transform):
                raise DataError(
                    f"{transform!r} is no transform: give functions of images and a generator."
                )

    def __call__(self, images: Any, rng: np.random.Generator | None = None) -> Any:
        """Return what the last of the transforms gives."""
        if self.shape is not None:
            images = _pictures(np.asarray(images), self.shape)[:, 0]
        for run in _runs(self.transforms):
            first = run[0]
            if isinstance(first, Distortion):
                images = _distorted(run, images, first.shape, rng)
            else:
                images = first(images, rng)
        return images if self.shape is None else images.reshape(len(images), -1)


def _runs(transforms: Iterable[Any]) -> Iterator[list[Any]]:
    """Yield distortions of the same shape that follow one another together, all else alone."""
    run: list[Any] = []
    for transform in transforms:
        if run and not _joinable(run[-1], transform):
            yield run
            run = []
        run.append(transform)
    if run:
        yield run


def _joinable(first: Any, second: Any) -> bool:
    both = isinstance(first, Distortion) and isinstance(second, Distortion)
    return both and first.shape == second.shape


# --- what is done to pixels -----------------------------------------------------------------------


@np.errstate(under="ignore")  # what is too small for a dtype is 0
def _distorted(
    distortions: Sequence[Distortion],
    images: Any,
    shape: Shape | None,
    rng: np.random.Generator | None,
) -> NDArray[Any]:
    """Return images after distortions in this order, interpolated once."""
    images = np.asarray(images)
    pictures = _pictures(images, shape)
    number = np.result_type(images.dtype, np.float32)
    # The last comes first: it says where a pixel was before, and the others where that was.
    steps = [(d, rng or d.rng or np.random.default_rng()) for d in reversed(distortions)]
    size = pictures.shape[2:]
    rows, columns = np.ogrid[: size[0], : size[1]]
    distorted = np.empty(pictures.shape, images.dtype)
    several = max(1, BLOCK // max(1, math.prod(pictures.shape[1:])))
    for start in range(0, len(pictures), several):
        block = pictures[start : start + several].astype(number, copy=False)
        points: Points = rows.astype(number), columns.astype(number)
        for distortion, generator in steps:
            points = distortion.origins(points, len(block), size, generator)
        points = _whole(points[0], len(block), size), _whole(points[1], len(block), size)
        distorted[start : start + several] = _within(_interpolated(block, points), block)
    return distorted.reshape(images.shape)


def _whole(points: Floats, n: int, size: Shape) -> Floats:
    """Return a coordinate of every pixel of n images, where it may be the same along some axes."""
    return np.broadcast_to(points, (n, *size))


def _pictures(images: NDArray[Any], shape: Shape | None) -> NDArray[Any]:
    """Return a view of images as (n, channels, height, width); raise if they cannot be that."""
    if images.dtype.kind != "f":
        raise DataError(
            f"images of {images.dtype} cannot be interpolated: give floats, such as "
            "images.astype(np.float32)."
        )
    found = images.shape
    if shape is None and len(found) in (3, 4):
        return images.reshape(found[0], math.prod(found[1:-2]), *found[-2:])
    if shape is not None and len(found) == 2 and found[1] == math.prod(shape):
        return images.reshape(len(images), 1, *shape)
    if shape is not None and len(found) in (3, 4) and found[-2:] == tuple(shape):
        return _pictures(images, None)
    raise ShapeError(
        f"images of shape {found} are not (n, height, width) or (n, channels, height, width)"
        + _what_of(shape)
    )


def _what_of(shape: Shape | None) -> str:
    if shape is None:
        return "; for rows of pixels, say their shape=(height, width)."
    return f" of (height, width) = {tuple(shape)}, and no rows of {math.prod(shape)} pixels either."


def _smoothing(length: int, sigma: float) -> NDArray[np.float32]:
    """Return the matrix that smoothes a row of numbers by a Gaussian; beyond its ends they are 0.

    The Gaussian ends at 6 sigma, where float32 no longer sees it.
    """
    distances = np.arange(math.ceil(6 * sigma)) / sigma
    gaussian = np.zeros(max(length, len(distances)))
    gaussian[: len(distances)] = np.exp(-0.5 * distances * distances)
    gaussian /= gaussian[0] + 2 * gaussian[1:].sum()
    places = np.arange(length)
    matrix: NDArray[np.float32] = gaussian[np.abs(places[:, None] - places)].astype(np.float32)
    return matrix


def _interpolated(images: Floats, points: Points) -> Floats:
    """Return images (n, channels, height, width) at points between pixels, bilinearly."""
    n, channels, height, width = images.shape
    framed = np.zeros((n, channels, height + 2, width + 2), images.dtype)
    framed[:, :, 1:-1, 1:-1] = images
    top, down = _split(points[0], height)
    left, right = _split(points[1], width)
    first = np.arange(n * channels).reshape(n, channels, 1, 1) * framed[0, 0].size
    corner = first + (top * (width + 2) + left)[:, None]
    pixels = framed.reshape(-1)
    upper, lower = (_between(pixels, corner + row, right) for row in (0, width + 2))
    lower -= upper
    lower *= down[:, None]
    upper += lower
    return upper


def _split(points: Floats, length: int) -> tuple[NDArray[np.intp], Floats]:
    """Return the pixels before points, counted from the frame around an image, and how far after.

    Points beyond the frame are moved to it, where all is 0.
    """
    framed = np.clip(points + 1, 0, length + 1)
    before = np.minimum(framed.astype(np.intp), length)
    return before, framed - before.astype(points.dtype)


def _between(pixels: Floats, at: NDArray[np.intp], right: Floats) -> Floats:
    here, there = (np.take(pixels, at + step, mode="clip") for step in (0, 1))
    there -= here
    there *= right[:, None]
    here += there
    return here


def _within(images: Floats, originals: Floats) -> Floats:
    """Return images without what rounding has put beyond 0 and the originals' own values."""
    axes = (1, 2, 3)
    low = originals.min(axis=axes, keepdims=True, initial=0)
    high = originals.max(axis=axes, keepdims=True, initial=0)
    return np.clip(images, low, high, out=images)


def _check_option(name: str, value: float, low: float, high: float) -> None:
    if not (isinstance(value, int | float | np.number) and low <= value <= high):
        raise DataError(f"{name} must be a number from {low:,} to {high:,}, got {value!r}")
