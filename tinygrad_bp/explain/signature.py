"""What kind of mistake turns one gradient into another: a wrong sign, a factor, a transpose."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["signature"]

Array = np.ndarray[Any, Any]


def signature(wrong: Array, right: Array, known: Array | None = None, *, rtol: float = 1e-6) -> str:
    """Say which common mistake turns the right gradient into the wrong one, if any does.

    `known` marks the entries of `right` that may be compared; `rtol` is how exact they are. The
    shapes may differ. Gives "" if nothing fits.

    >>> signature(np.array([3.0, 6.0]), np.array([1.0, 2.0]))
    'constant ratio 3.000'
    >>> signature(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([4.0, 6.0]))
    'not summed over axis 0'
    """
    if wrong.shape != right.shape:
        return _of_shapes(wrong, right, rtol) if known is None or known.all() else ""
    compared = np.ones(right.shape, bool) if known is None else known
    both = (wrong != 0) & (right != 0) & compared
    if not wrong.any():
        return "it is 0 everywhere"
    if not both.any():
        return ""
    ratios = wrong[both] / right[both]
    alike = np.array_equal((wrong != 0)[compared], (right != 0)[compared])
    if alike and np.ptp(ratios) <= rtol * np.abs(ratios).max():
        return _ratio(float(ratios.mean()), wrong.shape, rtol)
    if compared.all() and (found := _rearranged(wrong, right, rtol)):
        return found
    return _share(wrong, right, compared, rtol)


def _close(a: Array, b: Array, rtol: float) -> bool:
    return bool(np.allclose(a, b, rtol=rtol, atol=rtol * 1e-3 * np.max(np.abs(b), initial=0.0)))


def _rearranged(wrong: Array, right: Array, rtol: float) -> str:
    """The same entries in other places."""
    if wrong.ndim > 1 and wrong.shape == right.T.shape and _close(wrong, right.T, rtol):
        return "equals the transpose"
    return ""


def _of_shapes(wrong: Array, right: Array, rtol: float) -> str:
    """What was done too much or too little to come to another shape."""
    if found := _rearranged(wrong, right, rtol):
        return found
    if wrong.size == right.size and _close(wrong.ravel(), right.ravel(), rtol):
        return "the right entries in another shape"
    for axis in range(wrong.ndim):
        for keepdims in (False, True):
            summed = wrong.sum(axis=axis, keepdims=keepdims)
            if summed.shape == right.shape and _close(summed, right, rtol):
                return f"not summed over axis {axis}"
    for axis in range(right.ndim):
        for keepdims in (False, True):
            summed = right.sum(axis=axis, keepdims=keepdims)
            if summed.shape == wrong.shape and _close(wrong, summed, rtol):
                return f"summed over axis {axis}, which is to be kept"
    if wrong.ndim == 0 and _close(wrong, right.sum(), rtol):
        return "summed over everything"
    return ""


def _ratio(ratio: float, shape: tuple[int, ...], rtol: float) -> str:
    if np.isclose(ratio, -1.0, rtol=rtol):
        return "wrong sign"
    digits = 3 if abs(ratio - 1) > 1e-3 else 7
    if shape == () or max(shape) == np.prod(shape) == 1:  # of one entry, nothing is constant
        return f"ratio {ratio:.{digits}f}"
    for n in sorted({*shape, int(np.prod(shape))}):
        if n > 1 and np.isclose(ratio, n, rtol=rtol):
            return f"constant ratio {ratio:.3f}: a missing 1/{n}, or a sum instead of a mean?"
        if n > 1 and np.isclose(ratio, 1 / n, rtol=rtol):
            return f"constant ratio {ratio:.6f}: 1/{n} too much"
    return f"constant ratio {ratio:.{digits}f}"


def _share(wrong: Array, right: Array, compared: Array, rtol: float) -> str:
    """How many entries are wrong."""
    bad = compared & ~np.isclose(wrong, right, rtol=rtol, atol=0)
    zeroed = np.count_nonzero(wrong[bad] == 0)
    note = f", {zeroed} of them 0" if zeroed else ""
    return (
        f"{np.count_nonzero(bad)} of {np.count_nonzero(compared)} compared entries are wrong{note}"
    )
