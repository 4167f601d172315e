"""Backpropagation made visible: the formulas, the steps, where things went wrong.

The package can be called: `explain(loss)` explains the backward pass of a graph in words, and
`explain(loss, "backward.html")` writes a page that steps through it.

Its files stand in layers and import downward only. `record` runs the pass and keeps it, with names
(`names`, `source`) and formulas (`formulas`, `symbol`); `data` builds plain data from a record; the
views show either: `text`, `page`, `svg`, `diagrams`, `wengert`, `grade`, `paths`.
"""

import sys

from tinygrad_bp.explain.diagrams import to_dot, to_mermaid
from tinygrad_bp.explain.face import Explain, explain
from tinygrad_bp.explain.grade import grade
from tinygrad_bp.explain.paths import paths
from tinygrad_bp.explain.svg import to_svg
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
