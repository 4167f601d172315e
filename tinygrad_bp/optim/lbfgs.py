"""L-BFGS: steps of Newton's method, whose curvature is read off the gradients of earlier steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Never

import numpy as np

from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.modes import enable_grad
from tinygrad_bp.operands import is_foreign
from tinygrad_bp.optim import states
from tinygrad_bp.optim.groups import Params, Slot, as_real
from tinygrad_bp.optim.line_search import Point, strong_wolfe
from tinygrad_bp.optim.optimizer import Optimizer, takes_part
from tinygrad_bp.optim.options import Option, at_least_zero, finite, one_of, whole
from tinygrad_bp.registry import Array
from tinygrad_bp.state import replace_all
from tinygrad_bp.tensor import Tensor

__all__ = ["LBFGS"]

LEAST_CURVATURE = 1e-10
"""Steps along which the gradient grew by less tell nothing of the curvature."""


class _Memory(NamedTuple):
    """What is kept from one step to the next; PyTorch's names."""

    func_evals: int = 0
    n_iter: int = 0
    d: Array | None = None
    """The direction of the last step."""
    t: float = 0.0
    """How long it was, in directions."""
    old_dirs: tuple[Array, ...] = ()
    """How the gradient changed along earlier steps, the oldest first."""
    old_stps: tuple[Array, ...] = ()
    """Those steps."""
    ro: tuple[float, ...] = ()
    """One over the product of each two."""
    H_diag: float = 1.0
    """The scale of the inverse curvature that the earlier steps refine."""
    prev_flat_grad: Array | None = None
    prev_loss: float = 0.0

    def at(self, loss: float, gradient: Array, history_size: int) -> _Memory:
        """Return the memory with a new direction, at a point with this loss and gradient."""
        memory = self if self.d is None else self._learned(gradient, history_size)
        return memory._replace(
            n_iter=self.n_iter + 1,
            d=memory._direction(gradient),
            prev_flat_grad=gradient,
            prev_loss=loss,
        )

    def _learned(self, gradient: Array, history_size: int) -> _Memory:
        direction: Any = self.d
        change, step = gradient - self.prev_flat_grad, self.t * direction
        product = float(change.dot(step))
        if product <= LEAST_CURVATURE:
            return self
        kept = slice(max(0, len(self.ro) + 1 - history_size), None)
        return self._replace(
            old_dirs=(*self.old_dirs, change)[kept],
            old_stps=(*self.old_stps, step)[kept],
            ro=(*self.ro, 1 / product)[kept],
            H_diag=product / float(change.dot(change)),
        )

    def _direction(self, gradient: Array) -> Array:
        """Return minus the gradient times the inverse curvature: the two-loop recursion.

        Source: Nocedal, Wright, Numerical Optimization (2006), algorithm 7.4.
        """
        direction, steps = -gradient, list(zip(self.old_dirs, self.old_stps, self.ro, strict=True))
        shares = []
        for change, step, ro in reversed(steps):
            shares.append(float(step.dot(direction)) * ro)
            direction = direction - shares[-1] * change
        direction = self.H_diag * direction
        for change, step, ro in steps:
            direction = direction + (shares.pop() - float(change.dot(direction)) * ro) * step
        return direction


class LBFGS(Optimizer):
    """L-BFGS: few, long steps for a smooth loss of all examples at once; PyTorch's trajectories.

    `step(closure)` takes up to `max_iter` of them. The closure clears the gradients, computes the
    loss, calls `backward()` and returns the loss; it is called up to `max_eval` times, by default
    five quarters of `max_iter`, a few more with line_search_fn="strong_wolfe", which makes sure
    that every step goes down. There is one group of parameters.

    Source: Liu, Nocedal, On the limited memory BFGS method for large scale optimization (1989).

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor([3.0, -2.0], requires_grad=True)
    >>> optimizer = LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((w - [1.0, 0.5]) ** 2 * [1.0, 10.0]).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item()
    66.5
    >>> np.round(w.data, 6)
    array([1. , 0.5])
    """

    max_iter = Option(whole(1))
    max_eval = Option(whole(1))
    tolerance_grad = Option(at_least_zero)
    tolerance_change = Option(at_least_zero)
    history_size = Option(whole(1))
    line_search_fn = Option(one_of(None, "strong_wolfe"))

    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if max_eval is None:
            max_eval = max(1, whole(1)("max_iter", max_iter) * 5 // 4)
        self._memory = _Memory()
        super().__init__(
            params,
            lr,
            max_iter=max_iter,
            max_eval=max_eval,
            tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change,
            history_size=history_size,
            line_search_fn=line_search_fn,
        )

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Take the one group of parameters; raises `OptimizerError` for another."""
        if self.param_groups:
            raise OptimizerError("LBFGS moves all parameters as one: it takes one group of them")
        super().add_param_group(param_group)

    # --- a step ---------------------------------------------------------------------------------

    def step(
        self,
        closure: Callable[[], Any] | None = None,
        *,
        accumulated: bool = False,
        missing_ok: bool = False,
    ) -> Any:
        """Take up to `max_iter` steps and return the loss before them: all of it, or nothing.

        Raises `OptimizerError` if the loss or a gradient is not finite, and for gradients as the
        other optimisers do. Then, and if the closure raises, weights, gradients and state are what
        they were before.
        """
        if closure is None:
            raise OptimizerError(
                "LBFGS evaluates the loss several times: step(closure), where closure() calls "
                "zero_grad(), computes the loss, calls backward() and returns the loss"
            )
        slots, memory = self._slots(), self._memory
        if any(is_foreign(slot.parameter) for slot in slots):
            raise OptimizerError(
                "LBFGS goes by the values of losses and slopes, and parameters that are elsewhere "
                "are not looked at. Move the model back, or take an optimiser such as Adam."
            )
        objective = _Objective(slots, closure, accumulated=accumulated, missing_ok=missing_ok)
        undo = _undo(slots)
        try:
            loss, self._memory = self._minimized(objective, memory)
        except BaseException:
            places, values, (objects, names, attributes) = undo
            also = [*objects, self], [*names, "_memory"], [*attributes, memory]
            replace_all(places, values, also)
            raise
        return loss

    def _minimized(self, objective: _Objective, memory: _Memory) -> tuple[Any, _Memory]:
        options = self.param_groups[0].options.values
        now = first = objective.evaluated()
        memory = memory._replace(func_evals=memory.func_evals + 1)
        most, evaluations = options["max_eval"], 1
        for iteration in range(1, options["max_iter"] + 1):
            if now.is_flat(options["tolerance_grad"]):
                break
            memory = memory.at(now.loss, now.gradient, options["history_size"])
            direction: Any = memory.d
            t = options["lr"] * (now.first_length() if memory.n_iter == 1 else 1.0)
            memory = memory._replace(t=t)
            slope = float(now.gradient.dot(direction))
            if slope > -options["tolerance_change"]:
                break
            last = iteration == options["max_iter"]
            if options["line_search_fn"]:
                now, t, used = _searched(objective, now, slope, memory, options, most - evaluations)
            else:
                objective.move_to(objective.values() + t * direction)
                used = 0 if last else 1
                now = now if last else objective.evaluated()
            evaluations += used
            memory = memory._replace(t=t, func_evals=memory.func_evals + used)
            moved = np.abs(direction * t).max(initial=0)
            if (
                evaluations >= most
                or moved <= options["tolerance_change"]
                or abs(now.loss - memory.prev_loss) < options["tolerance_change"]
            ):
                break
        return first.returned, memory

    # --- its state ------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return options and memory; "state" has it under 0, as in PyTorch."""
        kept = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self._memory._asdict().items()
        }
        return {
            "state": {0: kept} if self._memory.func_evals else {},
            "param_groups": states.of_groups(self.param_groups),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a `state_dict` of an LBFGS of the same parameters.

        Raises `OptimizerError`, with nothing changed, saying what does not fit.
        """
        saved, groups = states.parts(state_dict)
        (options,) = states.fitting_options(type(self), groups, self.param_groups)
        if saved.keys() - {0}:
            raise OptimizerError(f"the memory of an LBFGS is under 0, not {list(saved)!r:.100}")
        memory = _fitting_memory(saved[0], self._slots()) if saved else _Memory()
        group = self.param_groups[0]
        replace_all([], [], ([group, self], ["options", "_memory"], [options, memory]))


# --- the loss as a function of one vector -------------------------------------------------------


class _Evaluation(NamedTuple):
    """What a closure gave."""

    returned: Any
    loss: float
    gradient: Array

    def is_flat(self, tolerance: float) -> bool:
        return bool(np.abs(self.gradient).max(initial=0) <= tolerance)

    def first_length(self) -> float:
        """Return the length of the very first step, in gradients."""
        return min(1.0, 1.0 / float(np.abs(self.gradient).sum()))


class _Objective:
    """The loss of the parameters laid out as one vector; complex ones as pairs of numbers."""

    def __init__(
        self,
        slots: list[Slot],
        closure: Callable[[], Any],
        *,
        accumulated: bool,
        missing_ok: bool,
    ) -> None:
        self.slots = slots
        self.closure = closure
        self.accumulated = accumulated
        self.missing_ok = missing_ok
        self.places = [slot.parameter._value for slot in slots]

    def values(self) -> Array:
        """Return the parameters as one vector."""
        return np.concatenate([as_real(value).reshape(-1) for value in self.places])

    def move_to(self, vector: Array) -> None:
        """Set the parameters; frozen ones stay."""
        moved, begin = [], 0
        for slot, place in zip(self.slots, self.places, strict=True):
            end = begin + as_real(place).size
            part = vector[begin:end].astype(place.real.dtype)
            part = part.view(place.dtype).reshape(place.shape)
            moved.append(part if slot.parameter._requires_grad else place)
            begin = end
        replace_all(self.places, moved)

    def evaluated(self) -> _Evaluation:
        """Call the closure, and return its loss and the gradient, both finite."""
        with enable_grad():
            returned = self.closure()
        if returned is None:
            raise OptimizerError("the closure returned None; it must return the loss")
        loss = float(returned.item() if isinstance(returned, Tensor) else returned)
        gradient = np.concatenate([self._gradient(slot) for slot in self.slots])
        if not math.isfinite(loss):
            self._refuse_loss(loss)
        return _Evaluation(returned, loss, gradient)

    def _gradient(self, slot: Slot) -> Array:
        p = slot.parameter
        is_new = p._passes == 1 and not p._used
        if not p._requires_grad or not (
            is_new or takes_part(slot, self.accumulated, self.missing_ok)
        ):
            return np.zeros_like(as_real(p._value).reshape(-1))
        gradient: Any = p.grad
        states.require_finite(gradient.data, f"step(): the gradient of '{slot.name}' is")
        p._used = True
        return as_real(gradient.data.astype(p._value.dtype)).reshape(-1)

    def _refuse_loss(self, loss: float) -> Never:
        raise OptimizerError(
            f"step(): the closure's loss is {loss}; all weights are what they were before. Find "
            "where it began with trace_nans(), lower lr, or set line_search_fn='strong_wolfe'."
        )


def _searched(
    objective: _Objective,
    now: _Evaluation,
    slope: float,
    memory: _Memory,
    options: Mapping[str, Any],
    most: int,
) -> tuple[_Evaluation, float, int]:
    """Move along the direction to where the strong Wolfe conditions hold."""
    origin, direction = objective.values(), memory.d
    assert direction is not None  # noqa: S101  (memory.at has set it)

    def evaluate(t: float) -> Point:
        objective.move_to(origin + t * direction)
        found = objective.evaluated()
        return Point(t, found.loss, found.gradient, float(found.gradient.dot(direction)))

    point, used = strong_wolfe(
        evaluate,
        Point(0.0, now.loss, now.gradient, slope),
        memory.t,
        length=float(np.abs(direction).max()),
        tolerance=options["tolerance_change"],
        most=most,
    )
    objective.move_to(origin + point.t * direction)
    return now._replace(loss=point.loss, gradient=point.gradient), point.t, used


def _undo(slots: list[Slot]) -> tuple[list[Any], list[Any], tuple[list[Any], list[str], list[Any]]]:
    """Return what puts parameters and their gradients back to what they are now."""
    parameters = [slot.parameter for slot in slots]
    objects = [p for p in parameters for _ in range(3)]
    names = ["_grad", "_passes", "_used"] * len(parameters)
    values = [v for p in parameters for v in (p._grad, p._passes, p._used)]
    places = [p._value for p in parameters]
    return places, [place.copy() for place in places], (objects, names, values)


# --- a memory that was saved ----------------------------------------------------------------------


def _fitting_memory(saved: Any, slots: list[Slot]) -> _Memory:
    """Return a memory that was saved, if it is one of these parameters."""
    if not isinstance(saved, Mapping) or not saved.keys() <= set(_Memory._fields):
        raise OptimizerError(
            f"the memory of an LBFGS is a dict of {', '.join(_Memory._fields)}, not {saved!r:.100}"
        )
    like = np.concatenate([as_real(slot.parameter._value).reshape(-1) for slot in slots])
    fields = {name: _fitting_field(name, value, like) for name, value in saved.items()}
    memory = _Memory(**fields)
    if not len(memory.old_dirs) == len(memory.old_stps) == len(memory.ro):
        raise OptimizerError("old_dirs, old_stps and ro must be of the same length")
    if (memory.d is None) != (memory.prev_flat_grad is None):
        raise OptimizerError("d and prev_flat_grad belong together, and one of them is missing")
    return memory


def _fitting_field(name: str, value: Any, like: Array) -> Any:
    if name in ("func_evals", "n_iter"):
        return whole(0)(name, value)
    if name in ("t", "H_diag", "prev_loss"):
        return finite(name, value)
    if name in ("d", "prev_flat_grad"):
        return None if value is None else _fitting_vector(name, value, like)
    if not isinstance(value, list | tuple):
        raise OptimizerError(f"{name} must be a list, got {value!r:.100}")
    check = (
        (lambda v: finite(name, v)) if name == "ro" else (lambda v: _fitting_vector(name, v, like))
    )
    return tuple(map(check, value))


def _fitting_vector(name: str, value: Any, like: Array) -> Array:
    array = np.array(value)
    if array.shape != like.shape or array.dtype != like.dtype:
        raise OptimizerError(
            f"{name} is {array.dtype} of shape {array.shape}, the parameters are {like.dtype} of "
            f"{like.size} numbers"
        )
    states.require_finite(array, f"{name} is")
    return array
