"""Digits that look written by hand, drawn by the library itself: data without a download.

Each image is a pen's path (`strokes.py`), bent, slanted and scaled as hands differ, then inked.
Whatever can be is linear, so that thousands of images cost a few matrix products: a natural cubic
spline is a fixed matrix times its control points, and the ink that a path leaves at a pixel,

    sum over the path's segments s of length_s exp(-(row - y_s)^2 / 2 w_s^2)
                                             exp(-(column - x_s)^2 / 2 w_s^2) / (w_s sqrt(2 pi)),

is for all pixels the product of a (28, segments) and a (segments, 28) matrix, since the Gaussian
factorises. Along a straight stroke that sum is exp(-distance^2 / 2 w^2): where it passes LEVEL is
the stroke's edge. Shapes in comments: m images, k control points, s samples along the path.
"""

from __future__ import annotations

import functools
import math
import operator
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_bp.data.strokes import DRAWINGS
from tinygrad_bp.errors import LabelError, ShapeError

__all__ = ["drawn_digits"]

Floats: TypeAlias = NDArray[np.float32]

SIDE = 28  # pixels
BOX = 20.0  # pixels that a digit with its ink spans on its longer side, as in MNIST
CENTRE = 14.0  # where its centre of mass lies, in pixels from the middle of the first pixel
SPACING = 3.0  # of the samples along the path, in hundredths of a digit's height
LEVEL = 0.4  # the ink at the edge of a stroke, as a share of that in its middle
REACH = math.sqrt(-2 * math.log(LEVEL))  # half a stroke's width, in units of the Gaussian's w
EDGE = 1.2  # pixels over which a stroke fades to paper
WOBBLE = 2.3  # standard deviation of the control points, in hundredths of a digit's height
BEND = 4.8  # of the displacement by one wave, likewise
WAVES = 5  # that bend a digit as a whole
CHUNK = 256  # images drawn at once, so that their arrays stay in the processor's cache


class _Drawing(NamedTuple):
    """A way to write a digit, ready to be varied."""

    weight: float
    points: Floats  # (k, 2), x and y
    spline: Floats  # (s, k): spline @ points are samples along the path
    inked: Floats  # (s - 1,): 1 where the pen is down from one sample to the next, else 0


def drawn_digits(
    n: int,
    rng: np.random.Generator,
    *,
    labels: ArrayLike | None = None,
    sloppiness: float = 1.0,
) -> tuple[Floats, NDArray[np.int64]]:
    """Draw `n` digits that look written by hand.

    Returns images, float32 (n, 784) from 0 for paper to 1 for ink in steps of 1/255, and their
    labels, int64 (n,): drawn at random from 0 to 9, or the `labels` given. As in MNIST, a digit
    spans 20 of the 28 pixels and has its centre of mass in the middle. The same state of `rng`
    gives the same digits. `sloppiness` scales all that varies in the shapes but not the choice
    among several ways to write a digit: 0 is print, 1 is usual, 2 is hard to read, 5 is the most.

    Raises `ShapeError` if `labels` has another shape than (n,), `LabelError` if a label is not a
    whole number from 0 to 9, and `ValueError` if `n` is negative or `sloppiness` not from 0 to 5.

    >>> images, labels = drawn_digits(100, np.random.default_rng(0))
    >>> images.shape, images.dtype, labels.shape, labels.dtype
    ((100, 784), dtype('float32'), (100,), dtype('int64'))
    >>> fives, _ = drawn_digits(3, np.random.default_rng(0), labels=[5, 5, 5])
    """
    n = operator.index(n)
    if n < 0:
        raise ValueError(f"n must be at least 0, not {n}.")
    if not 0 <= sloppiness <= 5:
        raise ValueError(f"sloppiness must be from 0 to 5, not {sloppiness}.")
    digits = rng.integers(0, 10, n) if labels is None else _checked_labels(labels, n)
    images = np.empty((n, SIDE * SIDE), np.float32)
    for digit, drawings in enumerate(_drawings()):
        rows = np.flatnonzero(digits == digit)
        weights = np.array([drawing.weight for drawing in drawings])
        ways = rng.choice(len(drawings), len(rows), p=weights / weights.sum())
        for way, drawing in enumerate(drawings):
            chosen = rows[ways == way]
            for start in range(0, len(chosen), CHUNK):
                part = chosen[start : start + CHUNK]
                images[part] = _draw(drawing, len(part), rng, sloppiness)
    return images, digits


def _checked_labels(labels: ArrayLike, n: int) -> NDArray[np.int64]:
    given = np.asarray(labels)
    if given.shape != (n,):
        raise ShapeError(f"labels has the shape {given.shape}; for {n} digits give ({n},).")
    if n and (given.dtype.kind not in "iu" or given.min() < 0 or given.max() > 9):
        raise LabelError("labels must be whole numbers from 0 to 9.")
    return given.astype(np.int64)


def _draw(drawing: _Drawing, m: int, rng: np.random.Generator, sloppiness: float) -> Floats:
    """Return `m` images (m, 784) of one drawing, each with variations of its own."""
    shaken = drawing.points + WOBBLE * sloppiness * _normal(rng, m, *drawing.points.shape)
    path = _bend(drawing.spline @ shaken, rng, sloppiness)  # (m, s, 2)
    path = path @ _hands(m, rng, sloppiness)
    reach = _pen(path, drawing.inked, rng)
    return _ink(_place(path, reach, drawing.inked), reach, drawing.inked, rng)


def _normal(rng: np.random.Generator, *shape: int) -> Floats:
    # Cut off at two standard deviations: people differ, but few write beyond recognition.
    return np.clip(rng.standard_normal(shape, dtype=np.float32), -2, 2)


def _bend(path: Floats, rng: np.random.Generator, sloppiness: float) -> Floats:
    """Shift the samples of each path by slow waves, which bend it as a whole."""
    m = len(path)
    for _ in range(WAVES):
        wave_vector = 0.03 * _normal(rng, m, 2, 1)  # radians for each hundredth of the height
        phase = 2 * math.pi * rng.random((m, 1, 1), dtype=np.float32)
        shift = BEND * sloppiness * _normal(rng, m, 1, 2)
        path = path + shift * np.sin(path @ wave_vector + phase)
    return path


def _hands(m: int, rng: np.random.Generator, sloppiness: float) -> Floats:
    """Return a matrix (m, 2, 2) for each image: its hand's width, slant and turn."""
    width, slant, turn = sloppiness * _normal(rng, 3, m)
    width, slant, turn = 1.1 * np.exp(0.18 * width), 0.16 + 0.28 * slant, 0.12 * turn
    cos, sin = np.cos(turn), np.sin(turn)
    # The product [[width, 0], [-slant, 1]] @ [[cos, sin], [-sin, cos]], for rows (x, y) from left.
    rows = [[width * cos, width * sin], [-slant * cos - sin, cos - slant * sin]]
    return np.ascontiguousarray(np.moveaxis(np.array(rows), 2, 0))


def _pen(path: Floats, inked: Floats, rng: np.random.Generator) -> Floats:
    """Return half the width of each image's strokes (m, 1), in pixels."""
    width, height = np.ptp(path, axis=1).T
    _, lengths = _segments(path, inked)
    # A pen too wide for the room between the strokes would make a blob of the digit. The room is
    # the area over the length that the path has beyond a single stroke from top to bottom.
    surplus = np.maximum(lengths.sum(axis=1) - height, 1)
    room = BOX / np.maximum(width, height) * width * height / surplus
    reach = 1.25 * np.exp(0.22 * _normal(rng, len(path)))
    limited: Floats = np.minimum(reach, np.maximum(0.3 * room, 0.7))
    return limited[:, None]


def _place(path: Floats, reach: Floats, inked: Floats) -> Floats:
    """Scale the paths (m, s, 2) to the box, in pixels, and centre their mass in the image."""
    low, high = path.min(axis=1), path.max(axis=1)  # (m, 2)
    scale = (BOX - 2 * reach) / (high - low).max(axis=1, keepdims=True)
    middles, lengths = _segments(path, inked)
    mass_centre = (lengths[:, None] @ middles)[:, 0] / lengths.sum(axis=1, keepdims=True)
    shift = CENTRE - scale * mass_centre
    # A lopsided digit stays off centre rather than lose ink at the border.
    shift = np.clip(shift, reach - scale * low, SIDE - 1 - reach - scale * high)
    placed: Floats = scale[:, None] * path + shift[:, None]
    return placed


def _segments(path: Floats, inked: Floats) -> tuple[Floats, Floats]:
    """Return the middles (m, s - 1, 2) and inked lengths (m, s - 1) of a path's segments."""
    steps: Floats = np.diff(path, axis=1)
    middles: Floats = (path[:, 1:] + path[:, :-1]) * np.float32(0.5)
    return middles, np.hypot(steps[..., 0], steps[..., 1]) * inked


def _ink(path: Floats, reach: Floats, inked: Floats, rng: np.random.Generator) -> Floats:
    """Return the images (m, 784) of paths in pixels, with strokes 2 * reach wide."""
    middles, lengths = _segments(path, inked)
    widths = reach / REACH * _pressure(len(path), len(inked), rng)  # w in the formula above
    pixels = np.arange(SIDE, dtype=np.float32)[:, None]
    x, y = middles[:, None, :, 0], middles[:, None, :, 1]
    sharpness = -0.5 / widths[:, None] ** 2
    # Beyond exp(-30) there is nothing to see, and the product of two of them stays clear of the
    # subnormal numbers, with which processors are several times slower.
    rows = np.exp(np.maximum(sharpness * (pixels - y) ** 2, -30))  # (m, 28, s - 1)
    columns = np.exp(np.maximum(sharpness * (pixels - x) ** 2, -30))
    rows *= (lengths / (math.sqrt(2 * math.pi) * widths))[:, None]
    ink = (rows @ columns.swapaxes(1, 2)).reshape(len(path), SIDE * SIDE)
    # Back from the ink to the distance from the middle of a stroke; where strokes meet it is 0.
    distance = reach / REACH * np.sqrt(-2 * np.log(np.clip(ink, 1e-9, 1)))
    shade = 0.5 + (reach - distance) / EDGE
    image: Floats = np.rint(255 * np.clip(shade, 0, 1)) / 255
    return image


def _pressure(m: int, s: int, rng: np.random.Generator) -> Floats:
    """Return factors (m, s) by which the pen's pressure widens a stroke along its way."""
    along = np.linspace(0, 1, s, dtype=np.float32)
    cycles, phase = 3 * rng.random((2, m, 1), dtype=np.float32)
    factors: Floats = 1 + 0.12 * np.sin(2 * math.pi * (cycles * along + phase))
    return factors


@functools.cache
def _drawings() -> tuple[tuple[_Drawing, ...], ...]:
    return tuple(tuple(_prepared(*way) for way in ways) for ways in DRAWINGS)


def _prepared(weight: float, path: str) -> _Drawing:
    points, runs = _parsed(path)
    points -= (points.min(axis=0) + points.max(axis=0)) / 2
    blocks, inked = [], []
    for run, lifts in runs:
        samples = _natural_spline(points[run])
        block = np.zeros((len(samples), len(points)))
        block[:, run] = samples
        blocks.append(block)
        inked += [1] * (len(block) - 1) + [0 if lifts else 1]
    return _Drawing(
        weight,
        points.astype(np.float32),
        np.concatenate(blocks, dtype=np.float32),
        np.array(inked[:-1], np.float32),
    )


def _parsed(path: str) -> tuple[NDArray[np.float64], list[tuple[list[int], bool]]]:
    """Read a path in the notation of `strokes.py`.

    Returns its points (k, 2), and for each smooth run of the pen the indices of its points and
    whether the pen is lifted after it. Two runs that meet in a corner share that point.
    """
    points: list[list[float]] = []
    runs: list[tuple[list[int], bool]] = []
    for stroke in path.split("/"):
        corner: list[int] = []
        pieces = stroke.split("|")
        for number, piece in enumerate(pieces, start=1):
            new = [
                [float(coordinate) for coordinate in point.split(",")] for point in piece.split()
            ]
            run = corner + list(range(len(points), len(points) + len(new)))
            points += new
            runs.append((run, number == len(pieces)))
            corner = run[-1:]
    return np.array(points), runs


def _natural_spline(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix (s, k) that takes k points to samples of the curve through them.

    The curve is the cubic spline with no curvature at its ends, over the square roots of the
    points' distances (the centripetal parametrisation, which keeps it from looping between close
    points). The samples are about SPACING apart.
    """
    distances = np.hypot(*np.diff(points, axis=0).T)
    knots = np.append(0, np.cumsum(np.sqrt(distances)))
    steps, k = np.diff(knots), len(knots)
    # Second derivatives at the knots, linear in the points: system @ second = right @ points.
    system, right = np.eye(k), np.zeros((k, k))
    for i in range(1, k - 1):
        before, after = steps[i - 1], steps[i]
        system[i, i - 1 : i + 2] = before / 6, (before + after) / 3, after / 6
        right[i, i - 1 : i + 2] = 1 / before, -1 / before - 1 / after, 1 / after
    second = np.linalg.solve(system, right)  # (k, k)
    way = np.append(0, np.cumsum(distances))
    at = np.interp(np.linspace(0, way[-1], math.ceil(way[-1] / SPACING) + 1), way, knots)
    i = np.clip(np.searchsorted(knots, at, side="right") - 1, 0, k - 2)
    b = (at - knots[i]) / steps[i]
    a = 1 - b
    straight = a[:, None] * np.eye(k)[i] + b[:, None] * np.eye(k)[i + 1]
    curved = (a**3 - a)[:, None] * second[i] + (b**3 - b)[:, None] * second[i + 1]
    samples: NDArray[np.float64] = straight + (steps[i] ** 2 / 6)[:, None] * curved
    return samples
