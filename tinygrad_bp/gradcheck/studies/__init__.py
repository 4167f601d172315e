"""How well numerical derivatives do, and whether a gradient is one: errors as a function of h.

    step_sizes   the V of every difference formula: truncation falls with h, rounding grows
    taylor       what is left of f(x + hv) after its value, and after its slope, is taken away

Both measure slopes in doubly logarithmic scale, where an error of order h^p is a line of slope p.
"""

from tinygrad_bp.gradcheck.studies.curve import StepCurve
from tinygrad_bp.gradcheck.studies.methods import METHODS, squire_trapp
from tinygrad_bp.gradcheck.studies.step_study import StepStudy, step_sizes
from tinygrad_bp.gradcheck.studies.taylor_study import TaylorStudy, taylor

__all__ = [
    "METHODS",
    "StepCurve",
    "StepStudy",
    "TaylorStudy",
    "squire_trapp",
    "step_sizes",
    "taylor",
]
