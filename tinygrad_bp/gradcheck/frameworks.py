"""Gradients of other frameworks, checked as strictly as our own.

    check_vjp(function, vjp, *inputs)     any function with a hand-written gradient
    check_jvp(function, jvp, *inputs)     the same in forward mode
    check_torch(function, *inputs)        PyTorch
    check_jax(function, *inputs)          JAX
    check_autograd(function, *inputs)     HIPS autograd

The foreign function gets a rule of this library while it is checked: its value, its reverse mode
and, where there is one, its forward mode. So every check of `check` applies to it: each output by
each input, and the identities. Frameworks are imported when they are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from tinygrad_bp.gradcheck.check import check
from tinygrad_bp.gradcheck.foreign import Foreign
from tinygrad_bp.gradcheck.holders import fill, leaves
from tinygrad_bp.gradcheck.libraries import hips_autograd, jax, plain, torch
from tinygrad_bp.gradcheck.report import Report
from tinygrad_bp.gradcheck.tangents import Transposed

__all__ = ["check_autograd", "check_jax", "check_jvp", "check_torch", "check_vjp"]

Function: TypeAlias = Callable[..., Any]


def check_vjp(
    function: Function, vjp: Function, *inputs: Any, method: str = "auto", seed: int = 0
) -> Report:
    """Check a vector-Jacobian product that was written by hand.

    `function(*inputs)` gives one array of any shape, or several; `vjp(g, *inputs)`, with `g` in
    that form, gives one gradient for each floating-point array in the inputs, in their order and
    shapes (one alone need not be in a list; None is 0). By complex numbers, gradients are
    directions of steepest ascent, as in `bp.vjp` and PyTorch, and so is `g`: that of z * z is
    g * conj(2 * z). Both functions get plain arrays, and the first is called at the same inputs
    before the second is. Raises `GradcheckError` as `check` does.

    >>> def softmax(x):
    ...     e = np.exp(x - np.max(x))
    ...     return e / np.sum(e)
    >>> def softmax_vjp(g, x):
    ...     y = softmax(x)
    ...     return y * (g - np.sum(g * y))
    >>> check_vjp(softmax, softmax_vjp, np.array([1.0, 2.0, 4.0])).ok
    True
    """
    return _check(Foreign(plain(vjp), function), inputs, method=method, seed=seed)


def check_jvp(
    function: Function, jvp: Function, *inputs: Any, method: str = "auto", seed: int = 0
) -> Report:
    """Check a Jacobian-vector product that was written by hand.

    `jvp(t, *inputs)` gives how the output moves when the inputs do: `t` is one array, or a tuple
    of them if there are several floating-point inputs, in their order and shapes. It is called
    once for every entry of the inputs. All else is as in `check_vjp`.

    >>> def tangent(t, x):
    ...     return t * np.cos(x)
    >>> check_jvp(np.sin, tangent, np.array([1.0, 2.0])).ok
    True
    """
    turned = Transposed(jvp)
    report = check_vjp(function, turned, *inputs, method=method, seed=seed)
    report.identities["linear in the tangent"] = turned.linear(inputs, np.random.default_rng(seed))
    if turned.arrivals.overwritten:
        report.identities["what arrives is left alone"] = "the tangent was written to"
    if turned.kept.spoilt:
        report.identities["results are left alone"] = "a later call wrote to an earlier result"
    return report


def check_torch(function: Function, *inputs: Any, forward: bool = False, seed: int = 0) -> Report:
    """Check PyTorch's gradient of a function of PyTorch tensors.

    The function gets double-precision tensors for the floating-point arrays in the inputs, other
    tensors for other arrays, and gives one tensor. Parameters are checked as inputs, through
    `torch.func.functional_call`. PyTorch's random numbers are the same at every evaluation. With
    `forward`, its forward mode is compared as well.

    Raises `ModuleNotFoundError` without PyTorch, and `GradcheckError` as `check` does.

    >>> def hypotenuse(x, y):  # of torch tensors
    ...     return (x * x + y * y).sqrt()
    >>> check_torch(hypotenuse, np.array([3.0, 1.0]), np.array(2.0)).ok  # doctest: +SKIP
    True
    """
    return _check_framework(Foreign(torch(seed), function), inputs, forward=forward, seed=seed)


def check_jax(function: Function, *inputs: Any, forward: bool = False, seed: int = 0) -> Report:
    """Check JAX's gradient of a function of JAX arrays, in double precision.

    Inputs, options and errors as for `check_torch`.

    >>> check_jax(lambda x: x**3, np.array([3.0, 1.0])).ok  # doctest: +SKIP
    True
    """
    return _check_framework(Foreign(jax(), function), inputs, forward=forward, seed=seed)


def check_autograd(function: Function, *inputs: Any, seed: int = 0) -> Report:
    """Check HIPS autograd's gradient of a function written in `autograd.numpy`.

    Inputs and errors as for `check_torch`.

    >>> check_autograd(lambda x: x**3, np.array([3.0, 1.0])).ok  # doctest: +SKIP
    True
    """
    return _check_framework(Foreign(hips_autograd(), function), inputs, seed=seed)


def _check_framework(
    foreign: Foreign, inputs: tuple[Any, ...], *, seed: int, forward: bool = False
) -> Report:
    # No complex step goes through the arrays of others.
    return _check(foreign, inputs, method="differences", forward=forward, seed=seed)


def _check(foreign: Foreign, inputs: tuple[Any, ...], **options: Any) -> Report:
    received = fill(inputs, map(foreign.framework.received, leaves(inputs)))
    with foreign.framework.session(), foreign.registered():
        report = check(foreign, *received, **options)
    # The one op was recorded by the checker, which is no news.
    report.blame = [line for line in report.blame if "recorded at" not in line]
    return report
