"""Backpropagation made visible: the formulas, the steps, where things went wrong."""

from tinygrad_bp.explain.symbol import Symbol
from tinygrad_bp.explain.watch import debug, trace_nans

__all__ = ["Symbol", "debug", "trace_nans"]
