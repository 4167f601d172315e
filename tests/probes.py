"""The calls of the table of specs, of functions with a rule of their own, to plant faults in."""

from __future__ import annotations

from typing import Any

import numpy as np
from specs import CALLS

from tinygrad_bp.gradcheck.mutants import Probe


def arrays_for_lists(argument: Any) -> Any:
    """A list of numbers is one array, so that it is differentiated whole."""
    if not isinstance(argument, list):
        return argument
    numbers = argument and all(isinstance(part, float) for part in argument)
    return np.array(argument) if numbers else list(map(arrays_for_lists, argument))


PROBES = [
    Probe(
        call.function,
        tuple(map(arrays_for_lists, call.filled(call.views(call.bases())))),
        call.options,
    )
    for call in CALLS
    if call.has_rule and not call.is_complex
]
