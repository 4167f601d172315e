"""Models as files of the ONNX format (https://onnx.ai), which many runtimes run.

The model is called once on example inputs, in evaluation mode, and what it does is written down:
so it may be anything whose `forward` is made of NumPy's functions and this library's. Whatever else
stands in it, such as numbers, plain arrays, and which way an `if` on a Python value goes, is as it
was in that call.

What has no form is refused with its name and line: branches on values, sizes that depend on values
(x[x > 0]), loops over a dynamic axis, random numbers, gradients within a model, linear algebra. Of
inverse trigonometric functions in float64, onnxruntime has none, though the format does.

Operators are those of version 18, the first in which all reductions take their axes alike, and
which runtimes have had since 2023; nothing here needs a later one.
"""

from tinygrad_bp.interop.onnx.model import export, exported

__all__ = ["export", "exported"]
