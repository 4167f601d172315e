"""Checks of gradients that cannot be fooled, and what is needed to study and to test them.

check(f, *inputs)         analytic against numerical, entry by entry
check_vjp, check_jvp      the same for derivatives that were written by hand
check_torch, check_jax    the same for other people's; check_autograd
step_sizes, taylor        studies of numerical differentiation
gradcheck.mutants         faults planted in the rules: the checker is checked
gradcheck.strategies      what to draw inputs and programs with; needs Hypothesis
"""

from tinygrad_bp.gradcheck.check import check
from tinygrad_bp.gradcheck.frameworks import (
    check_autograd,
    check_jax,
    check_jvp,
    check_torch,
    check_vjp,
)
from tinygrad_bp.gradcheck.report import Entry, Report, Verdict
from tinygrad_bp.gradcheck.studies import StepStudy, TaylorStudy, step_sizes, taylor

__all__ = [
    "Entry",
    "Report",
    "StepStudy",
    "TaylorStudy",
    "Verdict",
    "check",
    "check_autograd",
    "check_jax",
    "check_jvp",
    "check_torch",
    "check_vjp",
    "step_sizes",
    "taylor",
]
