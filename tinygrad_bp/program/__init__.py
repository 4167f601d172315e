"""Programs: a training step as straight-line NumPy, traced once and replayed."""

from tinygrad_bp.program.compiled import Compiled, compile

__all__ = ["Compiled", "compile"]
