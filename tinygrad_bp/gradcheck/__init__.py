"""Checks of gradients that cannot be fooled, and strategies to draw what to check them on.

`tinygrad_bp.gradcheck.strategies` needs Hypothesis and is imported by those who use it.
"""

from tinygrad_bp.gradcheck.check import check
from tinygrad_bp.gradcheck.report import Entry, Report, Verdict

__all__ = ["Entry", "Report", "Verdict", "check"]
