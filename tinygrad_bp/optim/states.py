"""What an optimiser saves, and whether what it is given to go on from fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinygrad_bp.errors import OptimizerError
from tinygrad_bp.operands import violated
from tinygrad_bp.optim.groups import Moments, Options, ParamGroup, Slot, checked_options
from tinygrad_bp.optim.options import at_least_zero

if TYPE_CHECKING:
    from tinygrad_bp.optim.optimizer import Optimizer

__all__ = [
    "fitting_moments",
    "fitting_options",
    "of_groups",
    "of_slot",
    "parts",
    "require_finite",
]

NUMBERS = ("step", "mu_product")
"""Moments that are one number for a whole parameter."""


# --- saved ------------------------------------------------------------------------------------


def of_slot(slot: Slot, initial: Moments) -> dict[str, Any]:
    """Return the moments of a parameter by name, without those that are as at the start."""
    return {
        name: np.array(moment) if isinstance(moment, np.ndarray | np.generic) else moment
        for (name, start), moment in zip(initial.items(), slot.moments, strict=True)
        if moment is not start
    }


def of_groups(groups: Sequence[ParamGroup]) -> list[dict[str, Any]]:
    """Return the options of groups, with the numbers and names of their parameters."""
    found, before = [], 0
    for group in groups:
        numbers = list(range(before, before + len(group.slots)))
        options = {key: value for key, value in group.items() if key != "params"}
        found.append({**options, "params": numbers})
        before += len(group.slots)
    return found


# --- loaded -----------------------------------------------------------------------------------


def parts(state: Any) -> tuple[Mapping[Any, Any], list[Mapping[str, Any]]]:
    """Return the two parts of a state, or raise `OptimizerError` for what is none."""
    if isinstance(state, Mapping) and state.keys() == {"state", "param_groups"}:
        saved, groups = state["state"], state["param_groups"]
        if (
            isinstance(saved, Mapping)
            and isinstance(groups, list | tuple)
            and all(isinstance(group, Mapping) for group in groups)
        ):
            return saved, list(groups)
    raise OptimizerError(
        "this is no state of an optimiser: it is a dict of 'state' and 'param_groups', as "
        "state_dict() returns it"
    )


def fitting_options(
    kind: type[Optimizer], saved: Sequence[Mapping[str, Any]], groups: Sequence[ParamGroup]
) -> list[Options]:
    """Return the saved options of all groups, if the groups are of the same parameters."""
    if len(saved) != len(groups):
        raise OptimizerError(
            f"the state is that of another optimiser: it has {len(saved)} groups of parameters, "
            f"not {len(groups)}"
        )
    found, before = [], 0
    for i, (state, group) in enumerate(zip(saved, groups, strict=True)):
        _check_parameters(state, group, before, f"group {i}")
        before += len(group.slots)
        values = {key: v for key, v in state.items() if key not in ("params", "param_names")}
        missing = group.options.values.keys() - values.keys()
        if missing:
            raise OptimizerError(
                f"the state of group {i} has no {min(missing)}: it is not that of a {kind.__name__}"
            )
        found.append(checked_options(kind, values))
    return found


def _check_parameters(state: Mapping[str, Any], group: ParamGroup, before: int, where: str) -> None:
    own, numbers = [slot.name for slot in group.slots], state.get("params")
    if not isinstance(numbers, list | tuple) or (
        list(numbers) != list(range(before, before + len(own)))
    ):
        raise OptimizerError(
            f"the state is that of another optimiser: {where} has the parameters {numbers!r:.100}, "
            f"not {before} to {before + len(own) - 1}"
        )
    names = state.get("param_names", own)
    if not isinstance(names, list | tuple) or len(names) != len(own):
        raise OptimizerError(f"{where} has {len(own)} parameters and the names {names!r:.100}")
    for number, (name, mine) in enumerate(zip(names, own, strict=True), start=before):
        default = f"parameter {number}"
        if name != mine and default not in (name, mine):
            raise OptimizerError(
                f"the state is that of another optimiser: parameter {number} is '{name}' there, "
                f"'{mine}' here"
            )


def fitting_moments(saved: Any, slot: Slot, initial: Moments) -> tuple[Any, ...]:
    """Return copies of saved moments, if they are those of the parameter."""
    if not isinstance(saved, Mapping):
        raise OptimizerError(f"the moments of '{slot.name}' are a dict, not {saved!r:.100}")
    strangers = [name for name in saved if name not in initial]
    if strangers:
        raise OptimizerError(
            f"the state of '{slot.name}' has {strangers[0]!r}, which this optimiser does not keep"
        )
    return tuple(
        _fitting_moment(name, saved[name], slot) if saved.get(name) is not None else start
        for name, start in initial.items()
    )


def _fitting_moment(name: str, moment: Any, slot: Slot) -> Any:
    what = f"the {name} of '{slot.name}'"
    if name in NUMBERS:
        return _number(what, moment, whole=name == "step")
    what = f"{what} is"
    array, parameter = np.array(moment, order="C"), slot.parameter
    if array.shape != parameter.shape or array.dtype != parameter.dtype:
        raise OptimizerError(
            f"{what} {array.dtype} of shape {array.shape}, the parameter {parameter.dtype} of "
            f"shape {parameter.shape}"
        )
    require_finite(array, what)
    return array


def _number(what: str, value: Any, *, whole: bool) -> float:
    number: float = at_least_zero(what, value)
    if not whole:
        return number
    if number != int(number):
        raise OptimizerError(f"{what} must be a whole number, got {value!r}")
    return int(number)


def require_finite(array: Any, what: str) -> None:
    """Raise `OptimizerError` if not all elements are finite, saying which is not."""
    if violated(np.logical_not(np.isfinite(array).all())):
        at = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise OptimizerError(
            f"{what} {np.asarray(array)[at]} at {at}; no weight was changed. Find where it began "
            "with trace_nans(), or lower the learning rate."
        )
