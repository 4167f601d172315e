"""Findings about the inputs: numbers, scale, dtype."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinygrad_bp.doctor.measurements import Measurements, rms
from tinygrad_bp.doctor.report import Finding, Severity, counted

__all__ = ["constant_features", "dtype", "input_not_finite", "input_offset", "input_scale",
           "same_inputs"]  # fmt: skip

# LeCun, Bottou, Orr and Mueller, Efficient BackProp (1998), section 4.3: inputs of mean 0 and
# variance 1, all of about the same size. Pixels from 0 to 1 (MNIST: 0.33) and standardised
# features (1) are far from both ends; pixels from 0 to 255 (100), years and prices are not. Pixels
# that were divided by 255 twice (0.001) are.
LARGE, SMALL = 10.0, 0.01
# A mean of so many spreads: the first layer sees nearly the same in every example.
OFFSET = 10.0


def input_not_finite(m: Measurements) -> Finding | None:
    """Nan or infinity in what the model or the loss is given.

    If the loss is finite, nan may stand for what is missing; and -inf, of a mask, is all right.
    """
    left_out = math.isfinite(m.start)
    bad = np.isnan if left_out else _not_finite
    arrays = [*m.subject.arrays(), ("y", m.target)]
    arrays = [(name, a) for name, a in arrays if a is not None and a.dtype.kind in "fc"]
    name, array = next(((name, a) for name, a in arrays if bad(a).any()), ("", None))
    if array is None:
        return None
    place = tuple(map(int, np.argwhere(bad(array))[0]))
    return Finding(
        "input-not-finite", Severity.NOTE if left_out else Severity.WRONG,
        f"{name} is not finite everywhere",
        f"Nan or infinite: {int(bad(array).sum()):,} of {array.size:,} numbers, the first at "
        f"{list(place)}.",
        "The loss is finite: the model or the loss leaves them out, which may be meant." if left_out
        else "One nan makes the loss and every gradient nan.",
        f"keep = np.isfinite({name}).reshape(len({name}), -1).all(axis=1)  # and drop the rest",
    )  # fmt: skip


def _not_finite(array: Any) -> Any:
    return ~np.isfinite(array)


def _numbers(m: Measurements) -> list[tuple[str, Any]]:
    """Inputs that are numbers to reckon with, as layers with weights are given them.

    Not indices, masks, what is normalised first, or what the model scales itself.
    """
    layers = {name for name, _, _ in m.weights}
    given = [a for c in m.forward.watch.calls if c.name in layers for a in c.inputs]
    return [
        (name, a)
        for name, a in m.subject.arrays()
        if a.size and a.dtype.kind in "fiu" and (_is_among(a, given) or _is_free(m, a))
    ]


def _is_free(m: Measurements, array: Any) -> bool:
    """Whether an input of a model without layers is no index."""
    if m.weights:
        return False
    tables = [a for c in m.forward.watch.calls for a in c.inputs]
    return array.dtype.kind == "f" or (not _is_among(array, tables) and _takes_fractions(m))


def _is_among(array: Any, others: list[Any]) -> bool:
    """Whether a layer was given an input as it is, or in another shape."""
    return any(array is a or (array.size == a.size and np.array_equal(array.ravel(), a.ravel()))
               for a in others)  # fmt: skip


def _takes_fractions(m: Measurements) -> bool:
    """Whether whole numbers are numbers to the model, rather than indices."""
    if len(m.subject.arrays()) != 1:
        return False
    try:
        return m.evaluated(m.subject.arrays()[0][1] + np.float32(0.5)) is not None
    except Exception:
        return False


def _features(array: Any) -> Any:
    """An array as examples by features; images and sequences have one feature for each channel."""
    return array.reshape(array.shape[0], -1) if array.ndim > 1 else array.reshape(-1, 1)


def input_scale(m: Measurements) -> Finding | None:
    """Numbers from 0 to 255, years, prices; or numbers that are all tiny."""
    for name, array in _numbers(m):
        size, sizes = rms(array), np.sqrt(np.mean(np.square(_features(array), dtype=float), axis=0))
        largest = float(sizes.max())
        # Zeros, as in sparse features, say nothing about the scale.
        if not (largest > LARGE or (size > 0 and rms(array[array != 0]) < SMALL)):
            continue
        low, high = float(array.min()), float(array.max())
        pixels = low >= 0 and 200 < high <= 255 and array.ndim > 1
        return Finding(
            "input-scale", Severity.DOUBTFUL,
            f"the numbers in {name} are {'large' if largest > LARGE else 'tiny'}",
            f"They go from {low:.4g} to {high:.4g}; a typical size is {size:.3g}.",
            "Layers are initialised for numbers of about 1: others saturate them, or drown in the "
            "biases, and no one learning rate suits all weights.",
            f"{name} = {name} / 255" if pixels
            else f"{name} = ({name} - {name}.mean(axis=0)) / ({name}.std(axis=0) + 1e-8)"
                 "  # with mean and std of the training set",
        )  # fmt: skip
    return None


def input_offset(m: Measurements) -> Finding | None:
    """A mean that is far from 0, measured by the spread."""
    for name, array in _numbers(m):
        features = _features(array)
        spread = rms(np.std(features, axis=0, dtype=float))
        mean = rms(np.mean(features, axis=0, dtype=float))
        if m.subject.size < 4 or not mean > OFFSET * spread > 0:
            continue
        return Finding(
            "input-offset", Severity.DOUBTFUL, f"{name} is far from 0, compared with its spread",
            f"Its features are about {mean:.3g} on average, and differ by {spread:.2g} between "
            "examples.",
            "The first layer sees nearly the same in every example, and learns the offset first.",
            f"{name} = ({name} - {name}.mean(axis=0)) / ({name}.std(axis=0) + 1e-8)",
        )  # fmt: skip
    return None


def same_inputs(m: Measurements) -> Finding | None:
    """All examples are the same."""
    arrays = [a for _, a in m.subject.arrays() if m.subject.axis_of(a) == 0]
    if m.subject.size < 2 or not arrays or any((a != a[:1]).any() for a in arrays):
        return None
    return Finding(
        "same-inputs", Severity.WRONG, "all examples of the batch are the same",
        f"The {m.subject.size} inputs are equal, number by number.",
        "There is nothing to tell them apart by.",
        "print(x[0], x[1])  # and look at how the batch is put together",
    )  # fmt: skip


def constant_features(m: Measurements) -> Finding | None:
    """Features that are the same in every example; the border of images is all right."""
    for name, array in _numbers(m):
        if m.subject.size < 8 or array.ndim != 2 or m.subject.axis_of(array) != 0:
            continue
        constant = np.flatnonzero((array == array[:1]).all(axis=0) & (array[0] != 0))
        if not len(constant):
            continue
        return Finding(
            "constant-features", Severity.NOTE,
            f"{counted(len(constant), 'feature')} of {name} without any change",
            f"Column {constant[0]} is {array[0, constant[0]]:.4g} in all {len(array)} examples.",
            "They act as a bias, and tell nothing.",
            f"{name} = {name}[:, {name}.std(axis=0) > 0]",
        )  # fmt: skip
    return None


def dtype(m: Measurements) -> Finding | None:
    """Half precision, or arithmetic in more precision than the parameters have."""
    half = tuple(name for name, p in m.parameters.items() if p.dtype == np.float16)
    half_inputs = [name for name, a in m.subject.arrays() if a.dtype == np.float16]
    if half or half_inputs:
        return Finding(
            "dtype", Severity.DOUBTFUL, "numbers are in half precision (float16)",
            f"{', '.join(half_inputs) or f'{len(half)} parameters'} of dtype float16.",
            "It has 3 digits: an update smaller than a two-thousandth of a weight is lost.",
            "model.float()" if half else "x = x.astype(np.float32)",
            half,
        )  # fmt: skip
    single = m.parameters and all(p.dtype == np.float32 for p in m.parameters.values())
    wider = [(n, a.dtype) for n, a in _numbers(m) if a.dtype in (np.float64, np.int64, np.int32)]
    if not (single and wider):
        return None
    name, found = wider[0]
    return Finding(
        "dtype", Severity.NOTE, f"{name} is {found}, and the parameters float32",
        f"An input of {found} makes NumPy compute in float64.",
        "That takes twice the time and memory, and changes nothing else.",
        f"{name} = {name}.astype(np.float32)",
    )  # fmt: skip
