"""Derivatives of functions: grad, value_and_grad, vjp, jvp, hvp, jacobian, hessian.

They take functions and give functions, and speak what they are spoken to: arrays in, arrays
out; tensors in, tensors out. They nest, because a pass that is fed tensors records itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.containers import fill, leaves
from tinygrad_bp.engine import Step, Variable
from tinygrad_bp.errors import GradientError, ShapeError
from tinygrad_bp.primitives import constant_in, identity
from tinygrad_bp.registry import Array
from tinygrad_bp.tensor import (
    Tensor,
    array_of,
    arriving_at,
    enable_grad,
    gradients,
    path_between,
)

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "steps", "value_and_grad", "vjp"]

Function = Callable[..., Any]


# --- between what is given and what is differentiated ---------------------------------------


def _track(leaf: Any) -> Tensor:
    """A fresh variable with the leaf's value, still connected to an outer graph if there is one."""
    if isinstance(leaf, Tensor) and leaf.requires_grad:
        node: Tensor = identity(leaf)
        return node
    return Tensor(array_of(leaf), requires_grad=True)


def _untrack(result: Tensor, like: Any) -> Any:
    """Give back what was given: a tensor for a tensor, an array for anything else."""
    return result if isinstance(like, Tensor) else result.detach().data


def _nested(*trees: Any) -> bool:
    """Whether somebody outside is differentiating through this call."""
    return any(
        isinstance(leaf, Tensor) and leaf.requires_grad for tree in trees for leaf in leaves(tree)
    )


def _evaluate(function: Function, args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor:
    output = function(*args, **kwargs)
    if not isinstance(output, Tensor):
        output = Tensor(output)
    return output


def _require_path(function: Function, output: Tensor, found: Sequence[Tensor | None]) -> None:
    if all(g is None for g in found):
        name = getattr(function, "__name__", repr(function))
        why = "" if output.requires_grad else " (the output does not track any tensor)"
        raise GradientError(
            f"the value of {name} does not depend on what it is differentiated by{why}. Was it "
            "detached, rounded, or computed from other variables?"
        )


def _gradient(g: Tensor | None, x: Tensor, *, nested: bool) -> Tensor:
    """A gradient that was found, or zeros; seen from outside, a function of x in any case."""
    found = Tensor(np.zeros_like(x.data)) if g is None else g
    if nested and not found.requires_grad:
        with enable_grad():
            found = constant_in(found, x)
    return found


# --- reverse mode ---------------------------------------------------------------------------


def value_and_grad(function: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """Return a function that gives a scalar function's value and its gradient.

    The gradient is taken with respect to the arguments numbered `argnums`, each an array, a
    tensor, or lists, tuples and dicts of them, and has their structure, shapes and dtypes. Raises
    `GradientError` if the value is not a scalar or depends on none of them.

    >>> value_and_grad(lambda x: x**2)(3.0)
    (array(9.), array(6.))
    """
    positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        given = [args[i] for i in positions]
        with enable_grad():
            tracked = [[_track(leaf) for leaf in leaves(tree)] for tree in given]
            filled = list(args)
            for i, tree, variables in zip(positions, given, tracked, strict=True):
                filled[i] = fill(tree, iter(variables))
            output = _evaluate(function, filled, kwargs)
            flat = [x for variables in tracked for x in variables]
            nested = _nested(given)
            found = gradients(output, flat, create_graph=nested)
        _require_path(function, output, found)
        results = iter([_gradient(g, x, nested=nested) for g, x in zip(found, flat, strict=True)])
        answer = [
            fill(tree, iter([_untrack(next(results), leaf) for leaf in leaves(tree)]))
            for tree in given
        ]
        value = _untrack(output, leaves(given)[0])
        return value, answer[0] if isinstance(argnums, int) else tuple(answer)

    return differentiated


def grad(function: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """Return a function that gives the gradient of a scalar function; see `value_and_grad`.

    >>> cube = lambda x: x**3
    >>> grad(cube)(2.0), grad(grad(cube))(2.0)
    (array(12.), array(12.))
    >>> grad(lambda p: np.sum(p["w"] * p["x"]))({"w": np.ones(2), "x": np.array([3.0, 4.0])})
    {'w': array([3., 4.]), 'x': array([1., 1.])}
    """
    both = value_and_grad(function, argnums)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def vjp(function: Function, *primals: Any) -> tuple[Any, Function]:
    """Return a function's value and the pull-back of gradients through it.

    `pull(g)`, with g in the value's shape, gives gᵀJ for every primal, as a tuple.

    >>> value, pull = vjp(lambda x: x**2, np.array([1.0, 2.0]))
    >>> pull(np.array([1.0, 10.0]))
    (array([ 2., 40.]),)
    """
    nested = _nested(primals)
    with enable_grad():
        variables = [_track(x) for x in primals]
        output = _evaluate(function, variables, {})

    def pull(g: Any) -> tuple[Any, ...]:
        outside = nested or _nested(g)
        with enable_grad():
            found = gradients(output, variables, g, create_graph=outside)
        _require_path(function, output, found)
        return tuple(
            _untrack(_gradient(new, x, nested=outside), like)
            for new, x, like in zip(found, variables, primals, strict=True)
        )

    return _untrack(output, primals[0]), pull


# --- forward mode ---------------------------------------------------------------------------


def jvp(function: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return a function's value and how it moves, J t, when its arguments move by `tangents`.

    >>> jvp(lambda x, y: x * y, (3.0, 4.0), (1.0, 0.0))
    (array(12.), array(4.))
    """
    nested = _nested(primals, tangents)
    read = engine.read_variable if nested else engine.read_array
    with enable_grad():
        variables = [_track(x) for x in primals]
        output = _evaluate(function, variables, {})
        moving: dict[Variable, Array] = {
            x: read(_tangent(t, x)) for x, t in zip(variables, tangents, strict=True)
        }
        engine.push(reversed(path_between(variables, output)), moving, read)
    moved = moving.get(output)
    if moved is None:
        _require_path(function, output, [None])
    tangent = moved if isinstance(moved, Tensor) else Tensor(moved)
    return _untrack(output, primals[0]), _untrack(tangent, primals[0])


def _tangent(tangent: Any, x: Tensor) -> Tensor:
    given = tangent if isinstance(tangent, Tensor) else Tensor(tangent)
    if given.shape != x.shape:
        raise ShapeError(f"a tangent of shape {given.shape} for a primal of shape {x.shape}")
    return given if given.dtype == x.dtype else given.astype(x.dtype)


def hvp(function: Function, x: Any, v: Any) -> Any:
    """Return the Hessian of a scalar function at x, times v, without forming the Hessian.

    Forward mode over reverse mode. Source: Pearlmutter, Fast Exact Multiplication by the Hessian
    (1994).

    >>> hvp(lambda x: np.sum(x**3), np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    array([ 6., 12.])
    """
    return jvp(grad(function), (x,), (v,))[1]


# --- whole matrices -------------------------------------------------------------------------


def jacobian(function: Function, argnum: int = 0, *, mode: str = "reverse") -> Function:
    """Return a function that gives all derivatives of an array with respect to an array.

    Shape: the value's, then the argument's. Reverse mode takes one pass per element of the value,
    forward mode (`mode="forward"`) one per element of the argument.

    >>> jacobian(lambda x: x**2)(np.array([1.0, 2.0]))
    array([[2., 0.],
           [0., 4.]])
    """
    if mode not in ("reverse", "forward"):
        raise ValueError(f"mode must be 'reverse' or 'forward', got {mode!r}")
    rows = _by_rows if mode == "reverse" else _by_columns

    def matrix(*args: Any) -> Any:
        def of_one(x: Any) -> Any:
            return function(*args[:argnum], x, *args[argnum + 1 :])

        return rows(of_one, args[argnum])

    return matrix


def _basis(shape: tuple[int, ...], dtype: Any) -> list[np.ndarray[Any, Any]]:
    size = int(np.prod(shape))
    return list(np.eye(size, dtype=dtype).reshape(size, *shape))


def _by_rows(function: Function, x: Any) -> Any:
    value, pull = vjp(function, x)
    shape = (*np.shape(value), *np.shape(x))
    found = [pull(g)[0] for g in _basis(np.shape(value), value.dtype)]
    return np.stack(found).reshape(shape) if found else np.zeros(shape)


def _by_columns(function: Function, x: Any) -> Any:
    found = [jvp(function, (x,), (t,)) for t in _basis(np.shape(x), array_of(x).dtype)]
    if not found:
        return np.zeros((*np.shape(array_of(function(x))), *np.shape(x)))
    columns = np.stack([tangent for _, tangent in found], axis=-1)
    return columns.reshape((*np.shape(found[0][0]), *np.shape(x)))


def hessian(function: Function, argnum: int = 0) -> Function:
    """Return a function that gives all second derivatives of a scalar function.

    Shape: the argument's, twice. Forward mode over reverse mode.

    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    return jacobian(grad(function, argnum), argnum, mode="forward")


# --- the pass itself ------------------------------------------------------------------------


def steps(output: Tensor, gradient: Any = None) -> Iterator[Step]:
    """Go backward one edge at a time, for a view of your own; every `grad` is left alone.

    Yields each `engine.Step` as it is taken: the `output` whose gradient has `arriving` in full,
    the `input` it passes a `contribution` on to, and the `total` that input has by then. The graph
    is kept. Raises as `backward()` does.

    >>> w = Tensor(2.0, requires_grad=True)
    >>> for step in steps(w * w + w):
    ...     print(step.output.op.rule.name, step.contribution, step.total)
    add 1.0 1.0
    add 1.0 1.0
    multiply 2.0 3.0
    multiply 2.0 5.0
    """
    arriving = engine.read_array(arriving_at(output, gradient))
    order = engine.topological_order(output)
    for fields in engine.sweep(order, {output: arriving}, engine.read_array):
        yield Step(*fields)
