"""What is wrong with a model that does not learn: measured on a batch, with what to write instead.

    examine(model, loss, optimizer, x, y)     a `Report`: findings, layers, facts

Each finding is a small function in `findings`; what they look at is measured once.
"""

from tinygrad_bp.doctor.examination import examine
from tinygrad_bp.doctor.report import Finding, Layer, Report, Severity

__all__ = ["Finding", "Layer", "Report", "Severity", "examine"]
