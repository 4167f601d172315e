"""What every optimiser does around its update: options, checks, and a step that is all or nothing.

An optimiser is a pure update of one parameter (`updates`) and the options it takes. A step computes
all new values beside the old ones, checks them, and then replaces everything in one stroke.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Never, TypeAlias

import numpy as np

from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.modes import enable_grad
from tinygrad_bp.operands import is_foreign
from tinygrad_bp.optim import elsewhere, states, traced
from tinygrad_bp.optim.groups import (
    Moments,
    Options,
    ParamGroup,
    Params,
    Slot,
    checked_options,
    named,
)
from tinygrad_bp.optim.options import Checks, Option, at_least_zero, positive
from tinygrad_bp.state import changes as state_changes
from tinygrad_bp.state import replace_all, tracer, tracers
from tinygrad_bp.tensor import Tensor

__all__ = ["Optimizer", "takes_part"]

# Options by the names that other libraries have for them.
ELSEWHERE = {"learning_rate": "lr", "beta_1": "betas", "beta_2": "betas", "epsilon": "eps"}

Array: TypeAlias = np.ndarray[Any, Any]
_plain = np.ndarray
Changes: TypeAlias = tuple[list[Any], list[str], list[Any]]


class Optimizer:
    """The base of optimisers: a subclass names its update, its moments and its options.

    `params` are tensors, (name, tensor) pairs from `named_parameters()`, or groups: dicts with
    "params" and the options that differ from `defaults`.

    The `update` is a pure function of one parameter, `(p, g, *moments, lr, ...)` to the tuple of
    its new value and new moments, written in NumPy. `moments` names what is kept from step to
    step, in the update's order, with the value that it has before the first one (None if it has
    none). All else, such as checks, groups, states in files and steps that are all or nothing,
    is inherited.

    Raises `OptimizerError` for no parameters, the same one twice, or options out of range.

    >>> class Averaged(Optimizer):
    ...     moments = {"average": 0.0}
    ...
    ...     @staticmethod
    ...     def update(p, g, average, *, lr):
    ...         average = (average + g) / 2
    ...         return p - lr * average, average
    >>> w = Tensor([3.0], requires_grad=True)
    >>> optimizer = Averaged([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w, optimizer.state_dict()["state"]
    (Tensor([1.5], requires_grad=True), {0: {'average': array([3.])}})
    """

    update: ClassVar[Callable[..., Any]]
    moments: ClassVar[Moments] = {}
    takes_arrays: ClassVar[bool] = False
    """Whether the update takes numbers as arrays without axes: it does not reckon with them."""

    checks: ClassVar[Checks] = {}
    """The check of each option; filled by the `Option`s of a class."""
    lr = Option(at_least_zero)

    param_groups: list[ParamGroup]
    """The groups of parameters, with their options."""

    def __init__(self, params: Params, lr: float, **options: Any) -> None:
        self._defaults = checked_options(type(self), {"lr": positive("lr", lr), **options}).values
        self.param_groups = []
        for group in _groups(params):
            self.add_param_group(group)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; raises `OptimizerError` for an option that is misspelt."""
        if name not in self.__dict__ and not hasattr(type(self), name):
            _check_spelling(name, type(self))
        super().__setattr__(name, value)

    @property
    def defaults(self) -> dict[str, Any]:
        """The options that groups have unless they say otherwise."""
        return dict(self._defaults)

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Add a dict of "params" and options; those that it leaves out are the `defaults`.

        Raises `OptimizerError`, with nothing changed, as the class does.

        >>> from tinygrad_bp import optim
        >>> body, head = (Tensor([1.0], requires_grad=True) for _ in range(2))
        >>> optimizer = optim.SGD([("body", body)], lr=0.1)
        >>> optimizer.add_param_group({"params": [("head", head)], "lr": 1.0})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 1.0]
        """
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            raise OptimizerError(f'a group is a dict with "params", got {param_group!r:.100}')
        given = {name: value for name, value in param_group.items() if name != "params"}
        positive("lr", given.get("lr", self._defaults["lr"]))
        options = checked_options(type(self), {**self._defaults, **given})
        pairs = named(param_group["params"], self._slots())
        slots = [Slot(name, p, self.moments) for name, p in pairs]
        self.param_groups.append(ParamGroup(type(self), slots, options))

    # --- options --------------------------------------------------------------------------------

    @classmethod
    def checked(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return options, each of them checked; a subclass adds what must hold between them."""
        unknown = next((name for name in values if name not in cls.checks), None)
        if unknown is not None:
            raise OptimizerError(
                f"{cls.__name__} has no option {unknown!r}; it takes {', '.join(cls.checks)}"
            )
        return {name: cls.checks[name](name, value) for name, value in values.items()}

    def common_option(self, name: str) -> Any:
        """Return the value of an option that all groups share.

        Raises `OptimizerError` naming the groups if they do not.
        """
        found = [group[name] for group in self.param_groups]
        if any(value != found[0] for value in found):
            told = ", ".join(
                f"{value} in {group.get('name', f'group {i}')}"
                for i, (group, value) in enumerate(zip(self.param_groups, found, strict=True))
            )
            raise OptimizerError(
                f"{name} is not the same in all groups: {told}. Read param_groups[i]['{name}']."
            )
        return found[0]

    def set_options(
        self,
        changes: Sequence[Mapping[str, Any]],
        assignments: tuple[Sequence[object], Sequence[str], Sequence[Any]] = ((), (), ()),
    ) -> None:
        """Change options of all groups, and attributes of other objects with them: all or none.

        `changes` has a mapping for each group. Raises `OptimizerError` as setting one does.
        """
        groups = self.param_groups
        new = [group.with_options(change) for group, change in zip(groups, changes, strict=True)]
        objects, names, values = assignments
        names = [*["options"] * len(groups), *names]
        replace_all([], [], ([*groups, *objects], names, [*new, *values]))

    # --- a step ---------------------------------------------------------------------------------

    def zero_grad(self, *, set_to_none: bool = True) -> None:
        """Forget the gradient of every parameter; call it before each `backward()`.

        Raises `OptimizerError` for `set_to_none=False`: a gradient of zeros could not be told from
        one that a loss gave.
        """
        if not set_to_none:
            raise OptimizerError(
                "zero_grad() forgets gradients and sets none to zeros: leave set_to_none out. "
                "step(missing_ok=True) lets parameters without a gradient stay where they are."
            )
        for group in self.param_groups:
            for p in group.parameters:
                if tracers and (run := tracer()):
                    run.forget_gradient(p)
                p._grad, p._passes, p._used = None, 0, False
        state_changes.note()

    def step(
        self,
        closure: Callable[[], Any] | None = None,
        *,
        accumulated: bool = False,
        missing_ok: bool = False,
    ) -> Any:
        """Move every parameter against its gradient: all of them, or none.

        A `closure` is called first, with gradients on, to clear the gradients, compute the loss
        and call `backward()`; what it returns is returned.

        Raises `OptimizerError`, with all weights untouched, if a gradient is missing, not finite,
        already used by an earlier step, or the sum of several backward passes, and if a new value
        or moment would not be finite. To sum gradients on purpose, call `step(accumulated=True)`.
        With `missing_ok=True`, parameters without a gradient stay where they are, and their moments
        with them; frozen parameters always do.
        """
        loss = None if closure is None else _evaluated(closure)
        if tracers and (run := tracer()):
            traced.step(run, self, list(self._taking_part(accumulated, missing_ok)))
            return loss
        update, arrays = self.update, self.takes_arrays
        slots, new, places = [], [], []
        for group in self.param_groups:
            options, dtype, given = group.options, None, {}
            for slot in group.slots:
                p = slot.parameter
                if not p._requires_grad:
                    continue
                if (p._used or p._passes != 1) and not takes_part(slot, accumulated, missing_ok):
                    continue
                g: Any = p._grad
                g = g._value if isinstance(g, Tensor) else g
                value = p._value
                if type(value) is not _plain or (type(g) is not _plain and is_foreign(g)):
                    elsewhere.step(self, self._taking_part(accumulated, missing_ok))
                    return loss
                if value.dtype is not dtype:
                    dtype = value.dtype
                    given = options.as_arrays(dtype) if arrays else options.values
                if g.dtype is not dtype:
                    g = g.astype(dtype)
                if slot.at_once:
                    new.append(update(value, g, *slot.moments, **given))
                else:
                    new.append(slot.updated(update, g, given))
                slots.append(slot)
                places.append(value)
        _replace(slots, new, places)
        return loss

    def _taking_part(self, accumulated: bool, missing_ok: bool) -> Iterator[tuple[Any, Slot]]:
        """Yield what a step moves; raises as a step does."""
        for group in self.param_groups:
            for slot in group.slots:
                p = slot.parameter
                if p._requires_grad and (
                    (not p._used and p._passes == 1) or takes_part(slot, accumulated, missing_ok)
                ):
                    yield group, slot

    # --- its state ------------------------------------------------------------------------------

    def _slots(self) -> list[Slot]:
        return [slot for group in self.param_groups for slot in group.slots]

    def state_dict(self) -> dict[str, Any]:
        """Return options and moments, all that is needed to go on where this left off.

        As in PyTorch: "state" has the moments by a parameter's number, "param_groups" the options
        of each group, and the numbers and names of its parameters.

        >>> from tinygrad_bp import optim
        >>> optimizer = optim.SGD([("w", Tensor([1.0], requires_grad=True))], lr=0.5)
        >>> optimizer.state_dict()["param_groups"][0]["param_names"]
        ['w']
        """
        return {
            "state": {
                i: moments
                for i, slot in enumerate(self._slots())
                if (moments := states.of_slot(slot, self.moments))
            },
            "param_groups": states.of_groups(self.param_groups),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on from a `state_dict` of an optimiser of the same parameters.

        Raises `OptimizerError`, with nothing changed, saying what does not fit.
        """
        options, moments = self._fitting(state_dict)
        slots = self._slots()
        names = ["options"] * len(options) + ["moments"] * len(moments)
        replace_all([], [], ([*self.param_groups, *slots], names, [*options, *moments]))

    def _fitting(self, state: Any) -> tuple[list[Options], list[tuple[Any, ...]]]:
        saved, groups = states.parts(state)
        options = states.fitting_options(type(self), groups, self.param_groups)
        slots = self._slots()
        strangers = [key for key in saved if key not in range(len(slots))]
        if strangers:
            raise OptimizerError(
                f"the state has moments of parameter {strangers[0]!r}; there are {len(slots)}"
            )
        fresh = tuple(self.moments.values())
        return options, [
            states.fitting_moments(saved[i], slot, self.moments) if i in saved else fresh
            for i, slot in enumerate(slots)
        ]


def _check_spelling(name: str, kind: type[Optimizer]) -> None:
    """Refuse an attribute that would be set without any effect on a step."""
    import difflib

    meant = difflib.get_close_matches(ELSEWHERE.get(name, name), kind.checks, n=1, cutoff=0.8)
    if meant or name in ELSEWHERE:
        hint = f". Did you mean {meant[0]!r}?" if meant else ""
        raise OptimizerError(
            f"{kind.__name__} has no option {name!r}; it takes {', '.join(kind.checks)}{hint}"
        )


def _groups(params: Any) -> list[Mapping[str, Any]]:
    """Return what an optimiser is given as groups: what is no group yet is one of its own."""
    lone = (Mapping, Tensor, str, set, frozenset)
    if isinstance(params, lone) or not isinstance(params, Iterable):
        return [{"params": params}]
    items = list(params)
    are_groups = [isinstance(item, Mapping) for item in items]
    if not any(are_groups):
        return [{"params": items}]
    if not all(are_groups):
        raise OptimizerError(
            f"item {are_groups.index(False)} of the parameters is no group, and others are. Give "
            'dicts with "params" only, or parameters only.'
        )
    return items


def _evaluated(closure: Callable[[], Any]) -> Any:
    with enable_grad():
        return closure()


def takes_part(slot: Slot, accumulated: bool, missing_ok: bool) -> bool:
    """Return whether a parameter moves whose gradient is not that of one new backward pass.

    Raises `OptimizerError` if that is not what was meant.
    """
    p = slot.parameter
    if missing_ok and not p._passes:
        return False
    if not accumulated or p._used or not p._passes:
        _refuse(slot)
    return True


def _refuse(slot: Slot) -> Never:
    name, p = slot.name, slot.parameter
    if p.backward_passes == 0:
        raise OptimizerError(
            f"step(): '{name}' has no gradient. Call backward() on a loss that depends on it, or "
            "leave it out of the optimiser; step(missing_ok=True) lets it stay where it is."
        )
    if p.gradient_used:
        raise OptimizerError(
            f"step(): no backward() since the last step, the gradient of '{name}' was used "
            "already. Call zero_grad() and backward() before each step()."
        )
    raise OptimizerError(
        f"step(): the gradient of '{name}' is the sum of {p.backward_passes} backward passes, "
        "with no zero_grad() in between. Call zero_grad() before each backward(), or "
        "step(accumulated=True) if the sum is meant."
    )


def _replace(slots: Sequence[Slot], new: Sequence[Any], places: Sequence[Array]) -> None:
    """Put new values and moments in the places of the old, in one stroke, if all are finite."""
    values, *moments = zip(*new, strict=True) if new else [()]
    if not _surely_finite(values, moments):
        _check_finite(slots, new)
    replace_all(places, values, _changes(slots, new))


def _changes(slots: Sequence[Slot], new: Sequence[Any]) -> Changes:
    """What a step sets beside the values: gradients are used up, and moments take turns with room.

    The moments that were are the room of the next step, where they are arrays.
    """
    objects: list[Any] = [slot.parameter for slot in slots]
    names, values = ["_used"] * len(slots), list[Any]([True] * len(slots))
    for slot, found in zip(slots, new, strict=True):
        if len(found) > 1 and found[-1] is not None:  # there are moments
            objects.append(slot)
            names.append("moments")
            values.append(tuple(found[1:]))
        if not slot.at_once:
            objects.append(slot)
            names.append("room")
            values.append(slot.room_after(found))
    return objects, names, values


# --- numbers that must be finite --------------------------------------------------------------


def _check_finite(slots: Sequence[Slot], new: Sequence[Any]) -> None:
    for slot, found in zip(slots, new, strict=True):
        gradient: Any = slot.parameter.grad
        states.require_finite(gradient.data, f"step(): the gradient of '{slot.name}' is")
        for array in found:
            if array is not None:
                states.require_finite(array, f"step(): '{slot.name}' would become")


def _surely_finite(values: Iterable[Any], moments: Iterable[Iterable[Any]]) -> bool:
    """Whether all is finite, at a fraction of what looking at each element costs.

    False may be wrong: squares overflow where the numbers themselves do not, and where the user
    has asked for it (`np.errstate`), squares of tiny numbers raise.
    """
    try:
        flat = [value.ravel() for value in values]
        for kept in moments:
            flat += [a.ravel() for a in kept if a is not None and isinstance(a, _ARRAYS)]
        return math.isfinite(abs(sum([a.dot(a) for a in flat])))
    except FloatingPointError:
        return False


_ARRAYS = (np.ndarray, np.generic)  # numbers beside them, such as counts, are finite
