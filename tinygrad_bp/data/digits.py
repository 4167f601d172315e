"""Digits that look written by hand, drawn by the library itself: data without a download.

Each image is a pen's path (`strokes.py`), bent, slanted and scaled as hands differ, then inked.
A natural cubic spline is a fixed matrix times its control points, and the ink that a path leaves
at a pixel,

    sum over the path's segments s of length_s exp(-(row - y_s)^2 / 2 w_s^2)
                                             exp(-(column - x_s)^2 / 2 w_s^2) / (w_s sqrt(2 pi)),

is for all pixels the product of a (28, segments) and a (segments, 28) matrix, since the Gaussian
factorises. Along a straight stroke that sum is exp(-distance^2 / 2 w^2): where it passes LEVEL is
the stroke's edge. Shapes in comments: m images, k control points, s samples along the path.

The same generator gives the same bytes on every processor: all is made of the operations of
`arithmetic.py`, and the one matrix product is of whole numbers, small enough to be exact.
"""

from __future__ import annotations

import functools
import math
import operator
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tinygrad_bp.data.arithmetic import exp, log, sine, total
from tinygrad_bp.data.strokes import DRAWINGS
from tinygrad_bp.errors import LabelError, ShapeError

__all__ = ["drawn_digits"]

Floats: TypeAlias = NDArray[np.float32]
Doubles: TypeAlias = NDArray[np.float64]

SIDE = 28  # pixels
BOX = 20.0  # pixels that a digit with its ink spans on its longer side, as in MNIST
CENTRE = 14.0  # where its centre of mass lies, in pixels from the middle of the first pixel
SPACING = 3.0  # of the samples along the path, in hundredths of a digit's height
LEVEL = 0.4  # the ink at the edge of a stroke, as a share of that in its middle
REACH = math.sqrt(-2 * log(np.array([LEVEL]))[0])  # half a stroke's width, in units of w
EDGE = 1.2  # pixels over which a stroke fades to paper
WOBBLE = 2.3  # standard deviation of the control points, in hundredths of a digit's height
BEND = 4.8  # of the displacement by one wave, likewise
WAVES = 5  # that bend a digit as a whole
CHUNK = 256  # images drawn at once, so that their arrays stay in the processor's cache
INKED = 32  # of them inked at once, likewise
BITS = 22, 30  # of the columns' and rows' share in a sum, so that it stays below 2^53


class _Drawing(NamedTuple):
    """A way to write a digit, ready to be varied."""

    weight: float
    points: Doubles  # (k, 2), x and y
    spline: Doubles  # (k, s): the share of each point in the samples along the path
    inked: Doubles  # (s - 1, 1): 1 where the pen is down from one sample to the next, else 0


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
    path = _along(drawing.spline, np.moveaxis(shaken, 0, 2))
    path = _bend(path, rng, sloppiness)
    path = _write(path, rng, sloppiness)
    reach = _pen(path, drawing.inked, rng)
    path = _place(path, reach, drawing.inked)
    pressure = _pressure(m, len(drawing.inked), rng)
    images = np.empty((m, SIDE * SIDE), np.float32)
    for start in range(0, m, INKED):
        part = slice(start, start + INKED)
        images[part] = _ink(path[..., part], reach[part], drawing.inked, pressure[part])
    return images


def _normal(rng: np.random.Generator, *shape: int) -> Doubles:
    # Cut off at two standard deviations: people differ, but few write beyond recognition.
    return np.clip(rng.standard_normal(shape, dtype=np.float32), -2, 2).astype(np.float64)


def _uniform(rng: np.random.Generator, *shape: int) -> Doubles:
    return rng.random(shape, dtype=np.float32).astype(np.float64)


def _along(spline: Doubles, points: Doubles) -> Doubles:
    """Return the samples (s, 2, m) of the curves through points (k, 2, m)."""
    path: Doubles = spline[0, :, None, None] * points[0]
    for share, point in zip(spline[1:], points[1:], strict=True):
        path += share[:, None, None] * point
    return path


def _bend(path: Doubles, rng: np.random.Generator, sloppiness: float) -> Doubles:
    """Shift the samples of each path by slow waves, which bend it as a whole."""
    m = path.shape[2]
    for _ in range(WAVES):
        # In radians for each hundredth of the height, then in turns.
        along_x, along_y = (0.03 / (2 * math.pi)) * _normal(rng, m, 2).T
        phase = _uniform(rng, m)
        shift = BEND * sloppiness * _normal(rng, m, 2).T
        wave = sine(path[:, 0] * along_x + path[:, 1] * along_y + phase)
        path = path + shift * wave[:, None]
    return path


def _write(path: Doubles, rng: np.random.Generator, sloppiness: float) -> Doubles:
    """Return the paths as their hands write them: with a width, a slant and a turn of their own."""
    width, slant, turn = sloppiness * _normal(rng, 3, path.shape[2])
    width, slant, turn = 1.1 * exp(0.18 * width), 0.16 + 0.28 * slant, (0.06 / math.pi) * turn
    cos, sin = sine(turn + 0.25), sine(turn)
    x, y = path[:, 0], path[:, 1]
    # (x, y) @ [[width, 0], [-slant, 1]] @ [[cos, sin], [-sin, cos]]
    x = x * width - y * slant
    return np.stack([x * cos - y * sin, x * sin + y * cos], axis=1)


def _pen(path: Doubles, inked: Doubles, rng: np.random.Generator) -> Doubles:
    """Return half the width of each image's strokes (m,), in pixels."""
    width, height = path.max(axis=0) - path.min(axis=0)
    _, lengths = _segments(path, inked)
    # A pen too wide for the room between the strokes would make a blob of the digit. The room is
    # the area over the length that the path has beyond a single stroke from top to bottom.
    surplus = np.maximum(total(lengths) - height, 1)
    room = BOX / np.maximum(width, height) * width * height / surplus
    reach = 1.25 * exp(0.22 * _normal(rng, path.shape[2]))
    limited: Doubles = np.minimum(reach, np.maximum(0.3 * room, 0.7))
    return limited


def _place(path: Doubles, reach: Doubles, inked: Doubles) -> Doubles:
    """Scale the paths (s, 2, m) to the box, in pixels, and centre their mass in the image."""
    low, high = path.min(axis=0), path.max(axis=0)  # (2, m)
    scale = (BOX - 2 * reach) / (high - low).max(axis=0)
    middles, lengths = _segments(path, inked)
    mass_centre = total(middles * lengths[:, None]) / total(lengths)
    shift = CENTRE - scale * mass_centre
    # A lopsided digit stays off centre rather than lose ink at the border.
    shift = np.clip(shift, reach - scale * low, SIDE - 1 - reach - scale * high)
    placed: Doubles = scale * path + shift
    return placed


def _segments(path: Doubles, inked: Doubles) -> tuple[Doubles, Doubles]:
    """Return the middles (s - 1, 2, m) and inked lengths (s - 1, m) of a path's segments."""
    x, y = np.moveaxis(path[1:] - path[:-1], 1, 0)
    return (path[1:] + path[:-1]) * 0.5, np.sqrt(x * x + y * y) * inked


def _pressure(m: int, s: int, rng: np.random.Generator) -> Doubles:
    """Return factors (m, s) by which the pen's pressure widens a stroke along its way."""
    along = np.arange(s) / (s - 1)
    cycles, phase = 3 * _uniform(rng, 2, m, 1)
    return 1 + 0.12 * sine(cycles * along + phase)


def _ink(path: Doubles, reach: Doubles, inked: Doubles, pressure: Doubles) -> Floats:
    """Return the images (m, 784) of paths in pixels, with strokes 2 * reach wide."""
    middles, lengths = _segments(path, inked)
    x, y = np.ascontiguousarray(middles.transpose(1, 2, 0))  # (m, s - 1)
    reach = reach[:, None]
    widths = reach / REACH * pressure  # w in the formula above
    sharpness = 0.5 / (widths * widths)
    thickness = lengths.T / (math.sqrt(2 * math.pi) * widths)
    # Counted in units so small that nothing is lost, and so large that all sums are exact.
    _, largest = np.frexp(total(thickness.T))  # 2 to the power of it
    units = largest[:, None] - BITS[1]
    columns = _gaussians(x, sharpness, float(1 << BITS[0]))
    rows = _gaussians(y, sharpness, np.ldexp(thickness, -units))
    counted = rows.swapaxes(0, 1) @ np.moveaxis(columns, 0, 2)
    ink = np.ldexp(counted.reshape(len(x), SIDE * SIDE), units - BITS[0])
    # Back from the ink to the distance from the middle of a stroke; where strokes meet it is 0.
    distance = reach / REACH * np.sqrt(-2 * log(np.clip(ink, 1e-9, 1)))
    shade = 0.5 + (reach - distance) / EDGE
    levels = np.rint(255 * np.clip(shade, 0, 1)).astype(np.float32)
    image: Floats = levels / np.float32(255)
    return image


def _gaussians(centres: Doubles, sharpness: Doubles, height: Doubles | float) -> Doubles:
    """Return height * exp(-sharpness * (p - centre)^2) for all pixels p, in whole numbers.

    From the middle pixel on, each value is the one before it times a ratio, and each ratio is the
    one before it times exp(-2 * sharpness).
    """
    values = np.empty((SIDE, *centres.shape))
    off = SIDE // 2 - centres
    bend = exp(-2 * sharpness)
    rising = exp(-sharpness * (2 * off + 1))
    middle = height * exp(-sharpness * (off * off))
    np.rint(middle, out=values[SIDE // 2])
    with np.errstate(under="ignore"):  # what is so far away is 0 in whole numbers
        for pixels, ratio in (
            (range(SIDE // 2 + 1, SIDE), rising),
            (range(SIDE // 2 - 1, -1, -1), bend / rising),
        ):
            value = middle.copy()
            for p in pixels:
                value *= ratio
                ratio *= bend  # noqa: PLW2901
                np.rint(value, out=values[p])
    return values


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
    # In single precision, as they have been from the beginning.
    return _Drawing(
        weight,
        points.astype(np.float32).astype(np.float64),
        np.ascontiguousarray(np.concatenate(blocks, dtype=np.float32).T, np.float64),
        np.array(inked[:-1], np.float64)[:, None],
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
    x, y = (points[1:] - points[:-1]).T
    distances = np.sqrt(x * x + y * y)
    knots = np.append(0, np.cumsum(np.sqrt(distances)))
    steps, k = np.diff(knots), len(knots)
    second = _curvatures(steps)  # (k, k)
    way = np.append(0, np.cumsum(distances))
    n = math.ceil(way[-1] / SPACING)
    samples = np.arange(n + 1) * (way[-1] / n)
    i = np.clip(np.searchsorted(way, samples, side="right") - 1, 0, k - 2)
    b = (samples - way[i]) / distances[i]
    a = 1 - b
    straight = a[:, None] * np.eye(k)[i] + b[:, None] * np.eye(k)[i + 1]
    curved = (a * a * a - a)[:, None] * second[i] + (b * b * b - b)[:, None] * second[i + 1]
    spline: Doubles = straight + (steps[i] * steps[i] / 6)[:, None] * curved
    return spline


def _curvatures(steps: Doubles) -> Doubles:
    """Return the second derivatives at k knots, linear in the k points: a matrix (k, k).

    They solve a system in which each depends on its neighbours alone, by Gaussian elimination from
    the first to the last and back (Thomas's algorithm). At both ends they are zero.
    """
    k = len(steps) + 1
    second, diagonal = np.zeros((k, k)), np.ones(k)
    for i in range(1, k - 1):
        before, after = steps[i - 1], steps[i]
        second[i, i - 1 : i + 2] = 1 / before, -1 / before - 1 / after, 1 / after
        diagonal[i] = (before + after) / 3
        if i > 1:
            factor = before / 6 / diagonal[i - 1]
            diagonal[i] -= factor * before / 6
            second[i] -= factor * second[i - 1]
    for i in range(k - 2, 0, -1):
        second[i] = (second[i] - steps[i] / 6 * second[i + 1]) / diagonal[i]
    return second
