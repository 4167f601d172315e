"""The complex step: derivatives without a step size to choose, to machine precision.

For an analytic f, Im f(x + ih) / h = f'(x) + O(h²), and nothing is subtracted, so h may be so
small that h² vanishes altogether. `Perturbed` is an array x + ih·d that NumPy's functions accept:
what is analytic runs on complex numbers; `abs`, `max`, `where`, comparisons and sorting decide
by the real part, as the function itself would.

Where two real parts tie, the imaginary parts decide, as if h were a small real step to one side.
So at a kink there are two answers, one for each `side`, and they are the exact one-sided
derivatives; `Run.ties` says that there was such a place.

Source: Squire, Trapp, Using Complex Variables to Estimate Derivatives of Real Functions (1998).
"""

from tinygrad_bp.gradcheck.complex_step.perturbed import Perturbed, unmoved
from tinygrad_bp.gradcheck.complex_step.run import RELATIVE_STEP, STEP, Run, rounded

__all__ = ["RELATIVE_STEP", "STEP", "Perturbed", "Run", "rounded", "unmoved"]
