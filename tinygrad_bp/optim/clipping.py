"""Clipping of gradients, by the norm of all of them or element by element.

Call it between `backward()` and `step()`. Clipped gradients are new arrays: one that the user or
another tensor holds stays as it is. All gradients are replaced in one stroke, or none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.duck import DuckArray
from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.operands import certainly, in_dtype, is_foreign, violated
from tinygrad_bp.optim.states import require_finite
from tinygrad_bp.state import replace_all
from tinygrad_bp.tensor import Tensor, array_of

__all__ = ["clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm"]

Array: TypeAlias = np.ndarray[Any, Any]
Parameters: TypeAlias = Tensor | Iterable[Tensor]


def clip_grad_norm_(
    parameters: Parameters,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Any:
    """Scale all gradients down so that their norm, as one vector, is at most `max_norm`.

    Returns the norm before, 0 if no parameter has a gradient. The factor is PyTorch's, max_norm /
    (norm + 1e-6), and at most 1. Raises `OptimizerError` for no parameters or a norm that makes no
    sense; with `error_if_nonfinite`, naming the parameter, for gradients that are not finite.

    Source: Pascanu, Mikolov, Bengio, On the difficulty of training Recurrent Neural Networks
    (2013), section 3.2.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> w.grad = np.array([3.0, 4.0])
    >>> clip_grad_norm_(w, max_norm=1.0).item()
    5.0
    >>> np.round(w.grad.data, 6)
    array([0.6, 0.8])
    """
    found = _with_gradients(parameters)
    if error_if_nonfinite:
        for i, p in found:
            require_finite(_gradient(p), f"the gradient of '{p.name or f'parameter {i}'}' is")
    total = get_total_norm([_gradient(p) for _, p in found], norm_type, error_if_nonfinite)
    _scale([p for _, p in found], max_norm, total)
    return total


def clip_grads_with_norm_(parameters: Parameters, max_norm: float, total_norm: Any) -> None:
    """Scale all gradients by max_norm / (total_norm + 1e-6), if that is below 1.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> w.grad = np.array([3.0, 4.0])
    >>> clip_grads_with_norm_([w], max_norm=1.0, total_norm=10.0)
    >>> np.round(w.grad.data, 6)
    array([0.3, 0.4])
    """
    _scale([p for _, p in _with_gradients(parameters)], max_norm, total_norm)


def clip_grad_value_(parameters: Parameters, clip_value: float) -> None:
    """Clip every element of every gradient to the range from -clip_value to clip_value.

    Raises `OptimizerError` for no parameters or a value below 0.

    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> w.grad = np.array([3.0, -0.5])
    >>> clip_grad_value_([w], 1.0)
    >>> w.grad
    Tensor([ 1. , -0.5])
    """
    bound = _bound("clip_value", clip_value)
    found = [p for _, p in _with_gradients(parameters)]
    _replace(found, [np.clip(_gradient(p), -bound, bound) for p in found])


def get_total_norm(tensors: Any, norm_type: float = 2.0, error_if_nonfinite: bool = False) -> Any:
    """Return the norm of tensors or arrays as one vector, 0 if there are none.

    `norm_type` is its order, a number above 0 or infinity for the largest element. Squares that
    would overflow do not.

    >>> get_total_norm([np.array([3.0]), np.array([4.0])]).item()
    5.0
    >>> get_total_norm([np.array([3.0, -4.0])], np.inf).item()
    4.0
    """
    order = _bound("norm_type", norm_type)
    if order == 0:
        raise OptimizerError(f"norm_type must be a number above 0, or inf, got {norm_type!r}")
    items = [tensors] if isinstance(tensors, DuckArray | np.ndarray) else list(tensors)
    if not items:
        return np.float64(0.0)
    total = _norm(np.stack([_norm(np.ravel(array_of(item)), order) for item in items]), order)
    if error_if_nonfinite and violated(np.logical_not(np.isfinite(total))):
        raise OptimizerError(
            f"the norm of the gradients is {total}; none was clipped. Find where it began with "
            "trace_nans()."
        )
    return total


def _norm(flat: Array, order: float) -> Any:
    """Return the norm of a vector; in units of its largest element, powers do not overflow."""
    sizes = np.abs(flat)
    largest = np.max(sizes) if sizes.size else 0.0
    if (
        math.isinf(order)
        or certainly(largest == 0)
        or certainly(np.logical_not(np.isfinite(largest)))
    ):
        return largest
    with np.errstate(under="ignore"):
        # A gradient of zeros that is elsewhere, where nobody has seen it, has the length 0.
        shares = sizes / (np.where(largest == 0, 1, largest) if is_foreign(largest) else largest)
        return largest * np.power(np.sum(shares**order), 1 / order)


def _with_gradients(parameters: Parameters) -> list[tuple[int, Tensor]]:
    """Return the parameters that have a gradient, with their positions."""
    found = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not found:
        raise OptimizerError(
            "no parameters; an iterator such as model.parameters() can be read once"
        )
    for i, p in enumerate(found):
        if not isinstance(p, Tensor):
            raise OptimizerError(f"parameter {i} is a {type(p).__name__}, not a Tensor")
    if len({id(p) for p in found}) < len(found):
        raise OptimizerError("a parameter is given twice: its gradient would be clipped twice")
    return [(i, p) for i, p in enumerate(found) if p.grad is not None]


def _gradient(p: Tensor) -> Array:
    gradient: Any = p.grad
    array: Array = gradient.data
    return array


def _bound(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not number >= 0:
        raise OptimizerError(f"{name} must be 0 or more, got {value!r}")
    return number


def _scale(parameters: list[Tensor], max_norm: float, total: Any) -> None:
    factor = _bound("max_norm", max_norm) / (total + 1e-6)
    if getattr(factor, "known", True) and not is_foreign(factor) and factor >= 1:
        return
    factor = np.minimum(factor, 1)
    gradients = [_gradient(p) for p in parameters]
    _replace(parameters, [g * in_dtype(factor, g.dtype) for g in gradients])


def _replace(parameters: list[Tensor], gradients: list[Array]) -> None:
    replace_all([], [], (parameters, ["_grad"] * len(parameters), gradients))
