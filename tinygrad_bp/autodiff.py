"""Derivatives of functions: grad, value_and_grad, vjp, jvp, hvp, jacobian, hessian and kin.

They take functions and give functions, and give back what they are given: arrays for arrays,
tensors for tensors. They nest, whatever they close over: if the result depends on a tensor that
tracks from outside (an argument, or a variable of the function's surroundings), then it is a tensor
that tracks, too, unless recording is off. Their own variables stop tracking when they return.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_bp import engine
from tinygrad_bp.backward import gradients, read_tensors
from tinygrad_bp.containers import fill, leaves
from tinygrad_bp.engine import Key, key_of
from tinygrad_bp.errors import GradientError, RuleError, ShapeError
from tinygrad_bp.modes import enable_grad, mode
from tinygrad_bp.parts import InARow
from tinygrad_bp.registry import Array
from tinygrad_bp.rules.elementwise import identity, unvarying
from tinygrad_bp.tensor import Tensor, array_of

__all__ = [
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "linearize",
    "per_example_grads",
    "value_and_grad",
    "vjp",
]

Function = Callable[..., Any]


# --- arguments ------------------------------------------------------------------------------


def _is_module(tree: Any) -> bool:
    return not isinstance(tree, Tensor) and hasattr(tree, "named_parameters")


def _leaves(tree: Any) -> list[Any]:
    """What is differentiated in an argument: its leaves, or a module's parameters."""
    return [p for _, p in tree.named_parameters()] if _is_module(tree) else leaves(tree)


def _filled(tree: Any, contents: Iterable[Any]) -> Any:
    """The same argument with other leaves; a module gives a dict by its parameters' names."""
    if _is_module(tree):
        return dict(zip([name for name, _ in tree.named_parameters()], contents, strict=True))
    return fill(tree, iter(contents))


class _Evaluation:
    """A function's value at some arguments, with variables of its own in their places.

    `trees` are the arguments that are differentiated: arrays, tensors, containers of them, or
    modules, which stand for their parameters. `outside` are the tensors that the value depends on
    beside the variables; if there are any, what is derived from it is a tensor that tracks.
    """

    def __init__(
        self, function: Function, trees: Sequence[Any], call: Callable[[Sequence[Any]], Any]
    ) -> None:
        self.function = function
        self.trees = trees
        self.fresh: set[Tensor] = set()
        recording = mode.get().recording
        self.variables = [[self._variable(leaf, tree, recording=recording)
                           for leaf in _leaves(tree)] for tree in trees]  # fmt: skip
        self.flat = [x for variables in self.variables for x in variables]
        with enable_grad():
            given = zip(trees, self.variables, strict=True)
            output = call([tree if _is_module(tree) else _filled(tree, v) for tree, v in given])
            if isinstance(output, Tensor) and output in self.fresh:
                output = identity(output)  # a node, which goes on tracking
        self.output = output if isinstance(output, Tensor) else Tensor(output)
        self.outside = self._find_outside() if recording else []
        for x in self.fresh:
            x._requires_grad = False

    def _variable(self, leaf: Any, tree: Any, *, recording: bool) -> Tensor:
        """A variable with the leaf's value, connected to the leaf if that tracks."""
        if _is_module(tree):
            parameter: Tensor = leaf
            return parameter
        if recording and isinstance(leaf, Tensor) and leaf.requires_grad:
            node: Tensor = identity(leaf)
            return node
        variable = Tensor(array_of(leaf), requires_grad=True)
        self.fresh.add(variable)
        return variable

    def _find_outside(self) -> list[Tensor]:
        found: dict[Tensor, None] = {}
        ops = engine.topological_order(self.output)
        for x in (self.output, *(source for op in ops for source in op.sources())):
            if x.op is None and x._requires_grad and x not in self.fresh:
                found[x] = None
        return list(found)

    def is_nested(self, *trees: Any) -> bool:
        """Whether results must track: there is something outside, or something given tracks."""
        given = [leaf for tree in trees for leaf in leaves(tree)]
        tracking = any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in given)
        return mode.get().recording and (tracking or bool(self.outside))

    def require_path(self, found: Sequence[Any]) -> None:
        """Refuse a value that nothing was recorded for: its derivative would be 0 by accident."""
        if all(g is None for g in found) and not self.output.requires_grad:
            raise GradientError(
                f"the value of {self._name()} does not depend on what it is differentiated by (the "
                "output does not track any tensor). Was it detached, rounded, or computed from "
                "other variables?"
            )

    def require_scalar(self) -> None:
        """Refuse a value that has no gradient, but a Jacobian."""
        if self.output.size != 1:
            raise GradientError(
                f"a gradient needs a scalar, and the value of {self._name()} has shape "
                f"{self.output.shape}. Reduce it with .sum() or .mean(), or take jacobian, which "
                "gives all derivatives, or vjp, which is given what arrives."
            )

    def _name(self) -> str:
        return getattr(self.function, "__name__", repr(self.function))

    def tied(self, found: Tensor | None, like: Tensor, *, nested: bool) -> Tensor:
        """A derivative that was found, or zeros; if nested, always a function of those outside."""
        result = Tensor(np.zeros_like(like.data)) if found is None else found
        if nested and not result.requires_grad:
            with enable_grad():
                for x in self.outside:
                    result = unvarying(result, x)
        return result

    def pull(self, g: Any, *, nested: bool) -> list[Tensor]:
        """Return the gradient by every variable of what arrives at the value."""
        with enable_grad():
            found = gradients(self.output, self.flat, g, create_graph=nested)
        self.require_path(found)
        return [self.tied(new, x, nested=nested) for new, x in zip(found, self.flat, strict=True)]

    def push(self, tangents: Sequence[Any], *, nested: bool) -> Tensor:
        """Return how the value moves when every variable moves by its tangent."""
        read = read_tensors if nested else engine.read_arrays
        moving: dict[Key, Array] = {}
        with enable_grad():
            for x, t in zip(self.flat, tangents, strict=True):
                tangent = _tangent(t, x)
                moving[key_of(x)] = tangent if nested else tangent._value
            engine.push(reversed(engine.path_between(self.flat, self.output)), moving, read)
        moved = moving.get(key_of(self.output))
        self.require_path([moved])
        result = moved if moved is None or isinstance(moved, Tensor) else Tensor(moved)
        return self.tied(result, self.output, nested=nested)

    def given_back(self, results: Sequence[Tensor], *, nested: bool) -> list[Any]:
        """Put results for the variables into the structure of the arguments."""
        contents = iter(results)
        return [
            _filled(tree, [_as_given(next(contents), leaf, nested=nested) for leaf in _likes(tree)])
            for tree in self.trees
        ]

    def value(self, *, nested: bool) -> Any:
        """Return the function's value, as the kind of thing that the arguments are."""
        first = next((like for tree in self.trees for like in _likes(tree)), None)
        return _as_given(self.output, first, nested=nested)


def _likes(tree: Any) -> list[Any]:
    """What results are to be like: the leaves of an argument; a module gives arrays."""
    return [None for _ in tree.parameters()] if _is_module(tree) else leaves(tree)


def _as_given(result: Tensor, like: Any, *, nested: bool) -> Any:
    """A tensor where something outside depends on it or a tensor was given, else an array."""
    if nested:
        return result
    return result.detach() if isinstance(like, Tensor) else result.detach().data


def _tangent(tangent: Any, x: Tensor) -> Tensor:
    given = tangent if isinstance(tangent, Tensor) else Tensor(tangent)
    if given.shape != x.shape:
        raise ShapeError(f"a tangent of shape {given.shape} for a primal of shape {x.shape}")
    if given.dtype == x.dtype:
        return given
    converted: Tensor = given.astype(x.dtype)
    return converted


# --- reverse mode ---------------------------------------------------------------------------


def value_and_grad(function: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """Return a function that gives a scalar function's value and its gradient.

    The gradient is taken with respect to the argument numbered `argnums`, the first by default:
    an array, a tensor, or lists, tuples and dicts of them. It has their structure, shapes and
    dtypes. A module gives a dict, by the names of its parameters. A tuple of numbers gives a tuple
    of gradients. All other arguments, by position or by name, are passed on as they are.

    Value and gradient are arrays where arrays or numbers were given, and tensors for tensors. If an
    argument tracks, or the function closes over something that does (a model's weights, the
    variable of an outer `grad`), they are tensors that track, through which derivatives go on;
    under `no_grad()` they never are, which is cheaper. No `.grad` of any tensor is touched.

    Raises `GradientError` if the value is not a scalar, or depends on nothing that it is
    differentiated by.

    >>> value_and_grad(lambda x: x**2)(3.0)
    (array(9.), array(6.))
    >>> from tinygrad_bp import nn, no_grad
    >>> loss = lambda model, x, y: np.sum((model(x) - y) ** 2)
    >>> model = nn.Linear(2, 1, bias=False, dtype=np.float64)
    >>> model.weight.data = [[1.0, 2.0]]
    >>> with no_grad():  # the weights track: without this, two tensors come back
    ...     value_and_grad(loss)(model, np.array([[1.0, 0.0], [0.0, 1.0]]), 3.0)
    (array(5.), {'weight': array([[-4., -2.]])})
    """
    positions = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        def call(given: Sequence[Any]) -> Any:
            filled = list(args)
            for i, tree in zip(positions, given, strict=True):
                filled[i] = tree
            return function(*filled, **kwargs)

        at = _Evaluation(function, [args[i] for i in positions], call)
        at.require_scalar()
        nested = at.is_nested()
        answer = at.given_back(at.pull(None, nested=nested), nested=nested)
        return at.value(nested=nested), answer[0] if isinstance(argnums, int) else tuple(answer)

    return differentiated


def grad(function: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """Return a function that gives the gradient of a scalar function.

    The gradient has the structure, shapes and dtypes of the argument numbered `argnums`, the first
    by default; a tuple of numbers gives a tuple of gradients. Arrays come back for numbers and
    arrays, tensors for tensors, a dict by names for a module's parameters. Arguments, nesting and
    errors are those of `value_and_grad`, which costs the same.

    >>> cube = lambda x: x**3
    >>> grad(cube)(2.0), grad(grad(cube))(2.0)
    (array(12.), array(12.))
    >>> grad(lambda x, y: x * y**2, argnums=(0, 1))(3.0, 2.0)
    (array(4.), array(12.))
    >>> grad(lambda p: np.sum(p["w"] * p["x"]))({"w": np.ones(2), "x": np.array([3.0, 4.0])})
    {'w': array([3., 4.]), 'x': array([1., 1.])}

    Derivatives nest, also where the inner function uses a variable of the outer one. Here the inner
    gradient is x, and the whole x²:

    >>> grad(lambda x: x * grad(lambda y: x * y)(1.0))(3.0)
    array(6.)
    """
    both = value_and_grad(function, argnums)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[1]

    return gradient


def vjp(function: Function, *primals: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """Return a function's value and the pull-back of gradients through it (reverse mode).

    `pull(g)`, with g in the value's shape, gives the vector-Jacobian product gᵀJ for every primal,
    always as a tuple, each in its primal's structure, shape and dtype. The function is evaluated
    once, however often `pull` is called, and need not give a scalar. Its value may also be lists,
    tuples and dicts of arrays; then g has its structure.

    Value and gradients are arrays for arrays and tensors for tensors; both are tensors that track
    if a primal, g, or a variable that the function closes over does, unless under `no_grad()`.
    `pull` raises `GradientError` if the value depends on no primal, `ShapeError` if g does not fit.

    >>> value, pull = vjp(lambda x: x**2, np.array([1.0, 2.0]))
    >>> value
    array([1., 4.])
    >>> pull(np.array([1.0, 0.0])), pull(np.array([1.0, 10.0]))
    ((array([2., 0.]),), (array([ 2., 40.]),))
    >>> value, pull = vjp(lambda a, b: {"sum": a + b, "product": a * b}, 3.0, 4.0)
    >>> pull({"sum": 1.0, "product": 10.0})
    (array(41.), array(31.))
    """
    value, pull, _ = _both_ways(function, primals)
    return value, pull


def _both_ways(
    function: Function, primals: Sequence[Any]
) -> tuple[Any, Callable[[Any], tuple[Any, ...]], Callable[..., Any]]:
    """A function's value, evaluated once, and its derivative there in reverse and forward mode."""
    row = InARow(function)
    at = _Evaluation(row, primals, lambda given: row(*given))

    def pull(g: Any) -> tuple[Any, ...]:
        nested = at.is_nested(g)
        return tuple(at.given_back(at.pull(row.joined(g), nested=nested), nested=nested))

    def push(*tangents: Any) -> Any:
        nested = at.is_nested(*tangents)
        pairs = zip(primals, tangents, strict=True)
        flat = [t for primal, tree in pairs for t in _alike(primal, tree)]
        first = leaves(primals)[0]
        return row.cut(_as_given(at.push(flat, nested=nested), first, nested=nested))

    return row.cut(at.value(nested=at.is_nested())), pull, push


def per_example_grads(function: Function, argnums: int = 0) -> Function:
    """Return a function that gives the gradient for each example of a batch, stacked.

    `function` is of one example, and gives its loss, a scalar; the argument numbered `argnums` is
    shared by all, of the others (arrays and containers of them) each example takes its row. The
    result has the shared argument's structure, each array with a first axis for the examples.
    There is a backward pass for each: it takes as long as all of them.

    Raises `ShapeError` if the others are not of one length, or have no rows, and `GradientError` as
    `grad` does.

    >>> loss = lambda w, x, y: (np.sum(w * x) - y) ** 2
    >>> x, y = np.array([[1.0, 0.0], [0.0, 2.0]]), np.zeros(2)
    >>> per_example_grads(loss)(np.array([1.0, 1.0]), x, y)
    array([[2., 0.],
           [0., 8.]])
    """
    of_one = grad(function, argnums)

    def gradients_of(*args: Any) -> Any:
        batch = [leaf for i, tree in enumerate(args) if i != argnums for leaf in leaves(tree)]
        lengths = {len(rows) for rows in batch}
        if len(lengths) != 1 or 0 in lengths:
            raise ShapeError(f"a batch needs arrays of one length, 1 or more, got {lengths}")

        def example(tree: Any, i: int) -> Any:
            return fill(tree, iter([rows[i] for rows in leaves(tree)]))

        found = [
            of_one(*[tree if j == argnums else example(tree, i) for j, tree in enumerate(args)])
            for i in range(*lengths)
        ]
        columns = zip(*map(leaves, found), strict=True)
        return fill(found[0], iter([np.stack(rows) for rows in columns]))

    return gradients_of


# --- forward mode ---------------------------------------------------------------------------


def linearize(function: Function, *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """Return a function's value and its linearisation, the map from tangents t to J t.

    `push(*tangents)`, one for each primal in its structure and shape, gives how the value moves, in
    the value's shape. The function is evaluated once, however often the map is used. Its value may
    have parts, and the kind of thing that comes back is decided, as in `vjp`. `push` raises
    `ShapeError` if a tangent does not have the structure and shapes of its primal, and
    `GradientError` if the value depends on no primal.

    >>> value, push = linearize(lambda x, y: x * y, 3.0, 4.0)
    >>> value, push(1.0, 0.0), push(0.0, 1.0), push(1.0, 1.0)
    (array(12.), array(4.), array(3.), array(7.))
    """
    value, _, push = _both_ways(function, primals)
    return value, push


def _alike(primal: Any, tangent: Any) -> list[Any]:
    found = leaves(tangent)
    if len(found) != len(leaves(primal)):
        raise ShapeError("a tangent must have the structure of its primal")
    return found


def jvp(function: Function, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Return a function's value and how it moves, J t, when its arguments move by `tangents`.

    This is forward mode: one pass gives the derivative along one direction, of any number of
    outputs, where a pass of reverse mode gives that of one output by any number of inputs.
    `primals` and `tangents` are tuples or lists with one for each argument, alike in structure and
    shapes. The pair has the value's structure and shapes; it is arrays for arrays and tensors for
    tensors, and tensors that track if something given or closed over does, so derivatives nest.

    Raises as `linearize` does, `RuleError` for a custom rule without a `jvp`, and `GradientError`
    for arrays in the place of lists of them.

    >>> jvp(lambda x, y: x * y, (3.0, 4.0), (1.0, 0.0))
    (array(12.), array(4.))
    >>> jvp(np.sin, (np.array([0.0, np.pi]),), (np.array([1.0, 1.0]),))[1]
    array([ 1., -1.])
    >>> slope = lambda x: jvp(lambda x: x**3, (x,), (1.0,))[1]
    >>> slope(2.0), jvp(slope, (2.0,), (1.0,))
    (array(12.), (array(12.), array(12.)))
    """
    if not isinstance(primals, list | tuple) or not isinstance(tangents, list | tuple):
        raise GradientError(
            "jvp takes a list of arguments and a list of their tangents: jvp(f, (x,), (t,))"
        )
    value, push = linearize(function, *primals)
    return value, push(*tangents)


def hvp(function: Function, x: Any, v: Any) -> Any:
    """Return the Hessian of a scalar function at x, times v, without forming the Hessian.

    `v` has the structure and shapes of `x`, and so has the product. It costs a few times what the
    gradient costs, however many numbers x has. Raises as `grad` and `linearize` do.

    Forward mode over reverse mode: the derivative of the gradient along v. Source: Pearlmutter,
    Fast Exact Multiplication by the Hessian (1994).

    >>> rosenbrock = lambda p: (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2
    >>> x, v = np.array([1.0, 1.0]), np.array([1.0, 2.0])
    >>> hvp(rosenbrock, x, v)
    array([2., 0.])
    >>> hessian(rosenbrock)(x) @ v
    array([2., 0.])
    """
    return jvp(grad(function), (x,), (v,))[1]


# --- whole matrices -------------------------------------------------------------------------


def jacobian(function: Function, argnum: int = 0, *, mode: str = "auto") -> Function:
    """Return a function that gives all derivatives of an array with respect to an array.

    The result's shape is the value's, then that of the argument numbered `argnum`. Reverse mode
    takes one pass per element of the value, forward mode one per element of the argument; `mode`
    asks for one of them, by "reverse" or "forward", and "auto" takes the one with fewer passes.
    Either gives the argument's dtype.
    (Forward mode needs a `jvp` of every `custom_rule`: reverse mode is taken without.) What comes
    back is as in `vjp`: arrays for arrays.

    Raises `ValueError` for another mode, and `GradientError` for complex numbers, a value that is a
    list or dict, or one that does not depend on the argument.

    >>> x = np.array([1.0, 2.0, 3.0])
    >>> jacobian(lambda x: x[1:] * x[:-1])(x)
    array([[2., 1., 0.],
           [0., 3., 2.]])
    >>> jacobian(lambda x: np.outer(x, x))(x).shape
    (3, 3, 3)
    """
    if mode not in ("auto", "reverse", "forward"):
        raise ValueError(f"mode must be 'auto', 'reverse' or 'forward', got {mode!r}")

    def matrix(*args: Any) -> Any:
        x = args[argnum]
        _require_real(x)

        @functools.wraps(function, assigned=("__name__",), updated=())  # messages have its name
        def of_one(x: Any) -> Any:
            return function(*args[:argnum], x, *args[argnum + 1 :])

        value, pull, push = _both_ways(of_one, (x,))
        _require_array(value)
        _require_real(value)
        if mode == "forward":
            return _by_columns(value, push, x)
        if mode == "auto" and np.size(value) > np.size(x):
            with contextlib.suppress(RuleError):  # of a rule without forward mode
                return _by_columns(value, push, x)
        return _by_rows(value, pull, x)

    return matrix


def _require_real(x: Any) -> None:
    if np.iscomplexobj(x):
        raise GradientError(
            "jacobian and hessian list derivatives by real numbers; make it a function of the real "
            "and imaginary parts, or use vjp, jvp or hvp, which take complex numbers as they are"
        )


def _require_array(value: Any) -> None:
    if isinstance(value, dict | list | tuple):
        raise GradientError(
            f"jacobian and hessian are of functions to one array, not to a {type(value).__name__}; "
            "join its parts with np.stack or np.concatenate, or use vjp or jvp"
        )


def _basis(shape: tuple[int, ...], dtype: Any) -> list[np.ndarray[Any, Any]]:
    size = int(np.prod(shape))
    return list(np.eye(size, dtype=dtype).reshape(size, *shape))


def _by_rows(value: Any, pull: Callable[[Any], tuple[Any, ...]], x: Any) -> Any:
    shape = (*np.shape(value), *np.shape(x))
    found = [pull(g)[0] for g in _basis(np.shape(value), value.dtype)]
    return np.stack(found).reshape(shape) if found else np.zeros(shape)


def _by_columns(value: Any, push: Callable[..., Any], x: Any) -> Any:
    shape = (*np.shape(value), *np.shape(x))
    dtype = array_of(x).dtype
    found = [push(t) for t in _basis(np.shape(x), dtype)]
    return np.stack(found, axis=-1).reshape(shape).astype(dtype) if found else np.zeros(shape)


def hessian(function: Function, argnum: int = 0) -> Function:
    """Return a function that gives all second derivatives of a scalar function.

    The result's shape is that of the argument numbered `argnum`, twice; the matrix is symmetric.
    Forward mode over reverse mode: one pass per element of the argument. For a product with one
    vector, `hvp` is much cheaper. Raises as `jacobian` and `grad` do.

    >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 3.0]))
    array([[6., 2.],
           [2., 0.]])
    """
    return jacobian(grad(function, argnum), argnum, mode="forward")
