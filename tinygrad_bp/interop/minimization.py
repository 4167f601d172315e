"""The solvers of scipy.optimize for a loss of a model's parameters."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.backward import gradients
from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.interop.extras import extra
from tinygrad_bp.modes import enable_grad, no_grad
from tinygrad_bp.nn.module import Module
from tinygrad_bp.state import replace_all
from tinygrad_bp.tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["minimize"]

WITHOUT_GRADIENT = {"nelder-mead", "powell", "cobyla", "cobyqa"}
WITH_CURVATURE = {"newton-cg", "trust-ncg", "trust-krylov", "trust-constr"}
"""Methods that are given the Hessian times a vector as well."""
WITH_HESSIAN = {"dogleg", "trust-exact"}
"""Methods that want all of it."""
READS_NAN = {"l-bfgs-b", "tnc"}
"""Methods that turn back from nan but fail at inf, or even claim success; the rest are as told."""


def minimize(
    loss: Callable[[], Tensor],
    parameters: Module | Iterable[Tensor] | Iterable[tuple[str, Tensor]],
    method: str = "L-BFGS-B",
    *,
    bounds: Any = None,
    constraints: Any = (),
    tol: float | None = None,
    callback: Callable[..., Any] | None = None,
    **options: Any,
) -> Any:
    """Minimise a loss by `scipy.optimize.minimize`; return its `OptimizeResult`.

    `loss()` computes a real scalar from the parameters, the same at every call: without dropout,
    and on all of the data. Parameters are tensors, with names or without, or a module; frozen ones
    stay where they are. The solver sees them one after the other as a vector of float64,
    `result.x`; for it are `bounds`, `constraints`, `tol` and `callback`, and `options` such as
    maxiter=200. Loss and gradient come from one backward pass. Methods that look at the curvature
    ("Newton-CG" and those that begin with "trust") are given exact products with the Hessian.
    Rounding to float32 is coarse for a solver: build the model in float64.

    At the end the parameters have the values of `result.x`, in their dtypes, if the solver
    succeeded, or stopped early with a lower loss than at the start and without constraints. In all
    other cases, an error in `loss` or an interrupt too, they have the values from before. Their
    `grad` is left alone.

    Raises `ImportError` if SciPy is missing; `OptimizerError` for parameters that cannot be fitted,
    come twice or are not reached by the loss, and for a loss that is not one real number or is not
    finite at the start.

    >>> w = Tensor([3.0, -1.0], requires_grad=True, dtype=np.float64)
    >>> result = minimize(lambda: ((w - [1, 2]) ** 2).sum(), [w])  # doctest: +SKIP
    >>> w.data.round(6), result.success  # doctest: +SKIP
    (array([1., 2.]), True)
    """
    optimize = extra("scipy.optimize")
    solver = method.lower()
    not_finite = math.nan if solver in READS_NAN else math.inf
    objective = _Objective(loss, _named(parameters), not_finite=not_finite)
    derivatives: dict[str, Any] = {} if solver in WITHOUT_GRADIENT else {"jac": True}
    if solver in WITH_CURVATURE:
        derivatives["hessp"] = objective.curvature
    elif solver in WITH_HESSIAN:
        derivatives["hess"] = objective.hessian
    with objective.on_trial() as start:
        before = objective.loss_at(start)
        if not math.isfinite(before):
            raise OptimizerError(
                f"the loss is {before} at the start: there is no way down from it."
            )
        result = optimize.minimize(
            objective.value_and_gradient if derivatives else objective.value,
            start,
            method=method,
            bounds=bounds,
            constraints=constraints,
            tol=tol,
            callback=callback,
            options=options,
            **derivatives,
        )
        finite = np.isfinite(result.x).all() and np.isfinite(result.fun)
        better = result.fun < before and not constraints
        if finite and (result.success or better):
            objective.keep(result.x)
    return result


class _Objective:
    """A loss as a function of one vector, which it writes into the parameters."""

    def __init__(
        self, loss: Callable[[], Tensor], named: dict[str, Tensor], *, not_finite: float
    ) -> None:
        self._loss = loss
        self._not_finite = not_finite
        self._names = list(named)
        self._parameters = list(named.values())
        self._places = [p.data for p in self._parameters]
        self._ends = np.cumsum([place.size for place in self._places])[:-1]
        self._final = [place.copy() for place in self._places]
        self._slopes: tuple[bytes, list[Tensor]] | None = None

    @contextlib.contextmanager
    def on_trial(self) -> Iterator[NDArray[np.float64]]:
        """Give the vector to start from; at the end the parameters are as before, or as kept."""
        try:
            yield _flat(self._places)
        finally:
            self._slopes = None
            replace_all(self._places, self._final)

    def keep(self, x: NDArray[np.float64]) -> None:
        """Let the parameters end with these values, unless their dtypes cannot hold them."""
        values = self._parts(x)
        if all(np.isfinite(value).all() for value in values):
            self._final = values

    def loss_at(self, x: NDArray[np.float64]) -> float:
        """Return the loss, whatever it is."""
        self._move(x)
        with no_grad():
            return _number(self._loss())

    def value(self, x: NDArray[np.float64]) -> float:
        """Return the loss, as the solver is told it."""
        return self._told(self.loss_at(x))

    def value_and_gradient(self, x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the loss, as the solver is told it, and its gradient."""
        self._move(x)
        loss, slopes = self._graph(create_graph=False)
        return self._told(_number(loss)), _flat([slope.data for slope in slopes])

    def _told(self, loss: float) -> float:
        return loss if math.isfinite(loss) else self._not_finite

    def curvature(self, x: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the Hessian times a vector; the gradient's graph is kept for the next one."""
        if self._slopes is None or self._slopes[0] != x.tobytes():
            self._move(x)
            self._slopes = x.tobytes(), self._graph(create_graph=True)[1]
        slopes = self._slopes[1]
        with enable_grad():
            along: Any = sum(
                (s * part).sum() for s, part in zip(slopes, self._parts(v), strict=True)
            )
        found = gradients(along, self._parameters)
        pairs = zip(found, self._places, strict=True)
        return _flat([np.zeros(place.shape) if g is None else g.data for g, place in pairs])

    def hessian(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the Hessian, a row at a time."""
        return np.array([self.curvature(x, row) for row in np.eye(x.size)])

    def _move(self, x: NDArray[np.float64]) -> None:
        self._slopes = None  # what was recorded is stale now
        replace_all(self._places, self._parts(x))

    def _parts(self, x: NDArray[np.float64]) -> list[NDArray[Any]]:
        """Return a vector cut into arrays with the parameters' shapes and dtypes."""
        pieces = np.split(np.asarray(x, np.float64), self._ends)
        with np.errstate(over="ignore", under="ignore"):
            return [
                piece.reshape(place.shape).astype(place.dtype)
                for piece, place in zip(pieces, self._places, strict=True)
            ]

    def _graph(self, *, create_graph: bool) -> tuple[Tensor, list[Tensor]]:
        with enable_grad():
            loss = self._loss()
            _number(loss)
            found = gradients(loss, self._parameters, create_graph=create_graph)
        slopes = [slope for slope in found if slope is not None]
        if len(slopes) < len(found):
            missed = [name for name, slope in zip(self._names, found, strict=True) if slope is None]
            raise OptimizerError(
                f"the loss does not depend on {', '.join(missed)}: leave out what is not to be "
                "fitted, or freeze it."
            )
        return loss, slopes


def _flat(arrays: Sequence[Any]) -> NDArray[np.float64]:
    return np.concatenate([np.asarray(a, np.float64).reshape(-1) for a in arrays])


def _number(loss: Any) -> float:
    """Return a loss as a number; raise unless it is a real one."""
    value = loss.data if isinstance(loss, Tensor) else np.asarray(loss)
    if value.size != 1 or value.dtype.kind not in "fiu":
        raise OptimizerError(
            f"the loss is to be one real number, not {value.dtype} of shape {value.shape}. Reduce "
            "it with .sum() or .mean()."
        )
    return float(value.item())


def _named(parameters: Any) -> dict[str, Tensor]:
    """Return the parameters that are to be fitted, by name or position."""
    given = parameters.named_parameters() if isinstance(parameters, Module) else parameters
    named: dict[str, Tensor] = {}
    for i, item in enumerate(given):
        name, p = item if isinstance(item, tuple) else (f"parameter {i}", item)
        if not (isinstance(p, Tensor) and p.is_leaf and p.trainable and p.dtype.kind == "f"):
            raise OptimizerError(f"'{name}' is no leaf of real numbers with requires_grad=True.")
        if any(p is other for other in named.values()):
            raise OptimizerError(f"'{name}' is given twice: one vector would move it two ways.")
        if p.requires_grad:  # frozen ones stay where they are
            named[name] = p
    if not any(p.size for p in named.values()):
        raise OptimizerError(
            "no parameters to fit; an iterator such as model.parameters() can be read once, and "
            "frozen ones stay where they are."
        )
    return named
