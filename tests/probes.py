"""The calls of the table of specs, of functions with a rule of their own, to plant faults in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from specs import CALLS, Call
from specs.special import SPECIAL

from tinygrad_bp import rules as own
from tinygrad_bp.gradcheck.mutants import Probe
from tinygrad_bp.registry import rules

UNPROBED = {own.general_eigensystem}  # real numbers become complex ones under the checker's steps


def arrays_for_lists(argument: Any) -> Any:
    """A list of numbers is one array, so that it is differentiated whole."""
    if not isinstance(argument, list):
        return argument
    numbers = argument and all(isinstance(part, float) for part in argument)
    return np.array(argument) if numbers else list(map(arrays_for_lists, argument))


def has_fixed_numbers(call: Call) -> bool:
    """Whether a number with a fraction stands where no gradient is taken: a probe would ask."""
    arrays, _ = rules[call.function].form.bind(call.args, call.options)
    return any(isinstance(arrays[i], float) for i in rules[call.function].closed)


def probes_of(calls: Iterable[Call]) -> list[Probe]:
    return [
        Probe(
            call.function,
            tuple(map(arrays_for_lists, call.filled(call.views(call.bases())))),
            call.options,
        )
        for call in calls
        if call.has_rule
        and call.completed is None
        and call.function not in UNPROBED
        and not call.is_complex
        and not has_fixed_numbers(call)
    ]


OF_SCIPY = {spec.function for spec in SPECIAL if spec.calls}
PROBES = probes_of(call for call in CALLS if call.function not in OF_SCIPY)
PROBES_OF_SCIPY = probes_of(call for call in CALLS if call.function in OF_SCIPY)
