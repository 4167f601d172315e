"""Planted faults: the derivative rules are broken on purpose, to see whether the check notices.

A mutant is one rule with one fault in what one argument receives. While it is planted, calls of
the function are checked; the mutant is

    killed       something raised the alarm: a value, an identity, an error, a dtype
    survived     it changed a gradient and nobody noticed: a hole in the checker
    equivalent   it changed no bit of any gradient on the calls it was given, such as a swap of
                 the partials of `add`: there is nothing to notice, and `EXCUSES` say why

Values and identities are `check`'s. A float64 leak changes no value, because the engine casts it
back; what gives it away is the dtype of the rule's own result in single precision.

Source: DeMillo, Lipton, Sayward, Hints on Test Data Selection (1978), for mutants of programs.
"""

from tinygrad_bp.gradcheck.mutants.excuses import EXCUSES
from tinygrad_bp.gradcheck.mutants.faults import FAULTS, FaultyCall, breakable, plant
from tinygrad_bp.gradcheck.mutants.probes import CALLS, Probe
from tinygrad_bp.gradcheck.mutants.report import Mutant, MutationReport
from tinygrad_bp.gradcheck.mutants.trial import mutants

__all__ = [
    "CALLS",
    "EXCUSES",
    "FAULTS",
    "FaultyCall",
    "Mutant",
    "MutationReport",
    "Probe",
    "breakable",
    "mutants",
    "plant",
]
