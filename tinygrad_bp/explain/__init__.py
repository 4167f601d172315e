"""Backpropagation made visible: the formulas, the steps, where things went wrong.

The package can be called: `explain(loss)` narrates the backward pass of a graph, and
`explain(loss, "backward.html")` writes a page that steps through it.
"""

import sys

from tinygrad_bp.explain.drawing import to_dot, to_mermaid, to_svg
from tinygrad_bp.explain.face import Explain, explain
from tinygrad_bp.explain.grade import grade
from tinygrad_bp.explain.paths import paths
from tinygrad_bp.explain.symbol import Symbol
from tinygrad_bp.explain.trace import Trace, trace
from tinygrad_bp.explain.watch import debug, trace_nans
from tinygrad_bp.explain.wengert import wengert
from tinygrad_bp.explain.why import why

__all__ = [
    "Explain",
    "Symbol",
    "Trace",
    "debug",
    "explain",
    "grade",
    "paths",
    "to_dot",
    "to_mermaid",
    "to_svg",
    "trace",
    "trace_nans",
    "wengert",
    "why",
]

sys.modules[__name__].__class__ = Explain
