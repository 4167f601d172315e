"""Models as files of the ONNX format (https://onnx.ai), which many runtimes run.

The model is called once on example inputs, in evaluation mode, and what it does is written down:
so it may be anything whose `forward` is made of NumPy's functions and this library's. Whatever else
stands in it, such as numbers, plain arrays, and which way an `if` on a Python value goes, is as it
was in that call.

Operators are those of version 18, the first in which all reductions take their axes alike, and
which runtimes have had since 2023; nothing here needs a later one.
"""

from tinygrad_bp.interop.onnx.model import export, exported

__all__ = ["export", "exported"]
