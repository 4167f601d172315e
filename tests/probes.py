"""The calls of the table of specs, of functions with a rule of their own, to plant faults in."""

from __future__ import annotations

from specs import CALLS

from tinygrad_bp.gradcheck.mutants import Probe
from tinygrad_bp.registry import rules

PROBES = [
    Probe(call.function, call.filled(call.views(call.bases())), call.options)
    for call in CALLS
    if call.function in rules
]
