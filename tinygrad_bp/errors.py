"""Every exception and warning of the library, in one tree.

    TinygradError                  everything below; catch this to catch us
    ├── GradientError              a gradient was asked for where there is none
    │   ├── NonFiniteError         the first nan or inf, under `trace_nans()`
    │   ├── StaleGraphError        data changed between forward and backward
    │   └── FreedGraphError        backward through a graph that was already used up
    ├── NotDifferentiableError     a NumPy function, argument or idiom we refuse to guess about
    │   ├── InPlaceError           `out=`, `t[i] = v`, `w -= step` on a parameter
    │   └── ConversionError        `np.asarray(t)` and friends would drop the graph
    ├── GradcheckError             a gradient check failed, or could not be made
    ├── RuleError                  a derivative rule is missing a piece or gave a wrong shape
    ├── ModuleError                a model that is put together wrongly
    ├── ShapeError                 shapes that do not fit a layer or a loss
    ├── LabelError                 class labels that are not 0 .. classes-1
    ├── OptimizerError             a step that must not be taken
    ├── DataError                  a data file that is not what it should be
    ├── CheckpointError            a model file that cannot be read, or does not fit
    ├── ExportError                a model that has no form in another format
    ├── ProgramError               a step that cannot be compiled
    └── ClusterError               workers that cannot be reached, or cannot do what is asked

Each message says what happened, where it was recorded when that is known, and what to do.
Each class also derives from the builtin that NumPy or PyTorch would raise, so that
`except ValueError` keeps working.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CheckpointError",
    "ClusterError",
    "ConversionError",
    "DataError",
    "ExportError",
    "FreedGraphError",
    "GradcheckError",
    "GradientError",
    "InPlaceError",
    "LabelError",
    "ModuleError",
    "NonFiniteError",
    "NotDifferentiableError",
    "OptimizerError",
    "ProgramError",
    "RuleError",
    "ShapeError",
    "StaleGraphError",
    "TinygradError",
    "no_such_name",
    "printable",
]


def printable(text: object) -> str:
    r"""Return the text with everything escaped that a terminal would obey rather than show.

    Escaped is what `repr` escapes, such as control characters and marks that reverse the direction
    of writing; newlines stay.

    >>> print(printable("weight\x1b[2J"))
    weight\x1b[2J
    """
    text = str(text)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def no_such_name(module: str, name: str, called_here: Mapping[str, str]) -> AttributeError:
    """Return the error for a name that a module does not have, with what to write instead.

    >>> no_such_name("tinygrad_bp", "cat", {"cat": "np.concatenate"})
    AttributeError("module 'tinygrad_bp' has no attribute 'cat'. Write np.concatenate.")
    """
    import numpy as np

    instead = called_here.get(name) or (f"np.{name}" if callable(getattr(np, name, None)) else None)
    hint = f". Write {instead}." if instead else ""
    # With its name, or Python would add a guess of its own.
    return AttributeError(f"module {module!r} has no attribute {name!r}{hint}", name=name)


class TinygradError(Exception):
    """The root of the library's exceptions: whoever catches it catches all of them, and no others.

    The text of each says what happened, where that was recorded if it is known, and what to do. It
    is `printable`, whatever names of layers or files are in it.

    >>> from tinygrad_bp import Tensor
    >>> try:
    ...     Tensor(2.0).backward()
    ... except TinygradError as error:
    ...     print(type(error).__name__)
    GradientError
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class GradientError(TinygradError, RuntimeError):
    """A gradient was asked for where there is none.

    Nothing tracks, or the value does not depend on what it is to be differentiated by: it was
    detached, rounded, computed under `no_grad()`, or is an integer. PyTorch raises `RuntimeError`.

    >>> from tinygrad_bp import Tensor
    >>> Tensor(2.0).backward()
    Traceback (most recent call last):
    tinygrad_bp.errors.GradientError: this value does not depend on any tensor with ...
    """


class NonFiniteError(GradientError, FloatingPointError):
    """The first nan or inf of a computation, with its cause; raised under `trace_nans()` alone.

    >>> import numpy as np
    >>> from tinygrad_bp import Tensor, trace_nans
    >>> x = Tensor(0.0, requires_grad=True)
    >>> with trace_nans(), np.errstate(divide="ignore"):
    ...     np.log(x)
    Traceback (most recent call last):
    tinygrad_bp.errors.NonFiniteError: forward, 'log' gave -inf at () of shape () (argument 0 ...
    """


class StaleGraphError(GradientError):
    """An array that the backward pass needs was changed after the forward pass.

    The gradient would belong to values that are gone. No `grad` is touched. Call `backward()`
    before an optimiser's step, or run the forward pass again.

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor(3.0, requires_grad=True)
    >>> cost = w * w
    >>> w.data = 4.0
    >>> cost.backward()
    Traceback (most recent call last):
    tinygrad_bp.errors.StaleGraphError: an input of 'multiply' changed between forward and ...
    """


class FreedGraphError(GradientError):
    """The graph was used up by an earlier backward pass, which frees memory as it goes.

    `backward(retain_graph=True)` keeps it.

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor(3.0, requires_grad=True)
    >>> cost = w * w
    >>> cost.backward()
    >>> cost.backward()
    Traceback (most recent call last):
    tinygrad_bp.errors.FreedGraphError: the graph of 'multiply' was used up by an earlier ...
    """


class NotDifferentiableError(TinygradError, TypeError):
    """A function, argument or idiom through which no gradient can be followed.

    The message says what to write instead, or how to say that no gradient is wanted. Arrays and
    tensors that do not track pass.

    >>> import numpy as np
    >>> from tinygrad_bp import Tensor
    >>> np.roots(Tensor([1.0, -3.0, 2.0], requires_grad=True))
    Traceback (most recent call last):
    tinygrad_bp.errors.NotDifferentiableError: roots has no derivative rule. Roots are the ...
    """


class InPlaceError(NotDifferentiableError):
    """An attempt to overwrite values that the graph may still need.

    A parameter is updated through its array, `w.data -= step`; a new value is `w = w - step`.

    >>> from tinygrad_bp import Tensor
    >>> w = Tensor([1.0, 2.0], requires_grad=True)
    >>> w -= 0.1
    Traceback (most recent call last):
    tinygrad_bp.errors.InPlaceError: an in-place operator on a tensor with requires_grad=True ...
    """


class ConversionError(NotDifferentiableError):
    """A conversion to a plain array or number that would silently drop the graph.

    `t.item()` and `t.detach()` are how to ask for values alone.

    >>> import math
    >>> from tinygrad_bp import Tensor
    >>> math.exp(Tensor(1.0, requires_grad=True))
    Traceback (most recent call last):
    tinygrad_bp.errors.ConversionError: float(t), and functions of `math` that use it, would ...
    """


class GradcheckError(TinygradError, AssertionError):
    """A gradient check found a wrong gradient, or could not be made at all.

    As an `AssertionError` it fails a test of pytest's; its text is then the whole report.

    >>> import numpy as np
    >>> from tinygrad_bp.gradcheck import check
    >>> check(np.square, np.array([1, 2]))
    Traceback (most recent call last):
    tinygrad_bp.errors.GradcheckError: there is no floating-point input, so there is no ...
    """


class RuleError(TinygradError, ValueError):
    """A derivative rule is incomplete, registered twice, or returned a wrong shape.

    >>> import numpy as np
    >>> from tinygrad_bp import custom_rule, grad
    >>> @custom_rule(lambda g, y, x: g)  # forgets to spread g over the elements of x
    ... def total(x):
    ...     return np.sum(x)
    >>> grad(total)(np.ones(3))
    Traceback (most recent call last):
    tinygrad_bp.errors.RuleError: the rule of 'total' gave a gradient of shape () for an ...
    """


class ModuleError(TinygradError, TypeError):
    """A model is put together of something that is no module, or of names it does not have.

    >>> import numpy as np
    >>> from tinygrad_bp import nn
    >>> nn.Sequential(nn.Linear(2, 2), np.tanh)
    Traceback (most recent call last):
    tinygrad_bp.errors.ModuleError: a Sequential is made of modules, not of <ufunc 'tanh'>
    """


class ShapeError(TinygradError, ValueError):
    """Array shapes that do not fit a layer, a loss or a seed gradient.

    Where layers are nested, the message has the name of the one that complains.

    >>> import numpy as np
    >>> from tinygrad_bp import nn
    >>> model = nn.Sequential(nn.Linear(4, 3), nn.Linear(2, 1))
    >>> model(np.ones((5, 4)))
    Traceback (most recent call last):
    tinygrad_bp.errors.ShapeError: 1 = Linear(2, 1): expects (..., 2), got (5, 3)
    """

    place: tuple[object, str] | None = None
    """The outermost module that it has passed, and the way from there to the layer."""


class LabelError(TinygradError, ValueError):
    """Class labels that are not whole numbers from 0 to the number of classes - 1.

    >>> import numpy as np
    >>> from tinygrad_bp.functional import cross_entropy
    >>> cross_entropy(np.zeros((1, 3)), [3])
    Traceback (most recent call last):
    tinygrad_bp.errors.LabelError: label 3 at position 0 is not one of the 3 classes 0 to 2
    """


class OptimizerError(TinygradError, ValueError):
    """An optimiser was set up wrongly or asked to take a step that must not be taken.

    All weights, moments and options are as before.

    >>> from tinygrad_bp import Tensor, optim
    >>> w = Tensor([1.0], requires_grad=True, name="w")
    >>> optim.SGD([w], lr=0.1).step()
    Traceback (most recent call last):
    tinygrad_bp.errors.OptimizerError: step(): 'w' has no gradient. Call backward() on a loss ...
    """


class DataError(TinygradError, ValueError):
    """A data file is missing, damaged or not what its name says.

    >>> from tinygrad_bp import data
    >>> data.read_idx("no-such-file.gz")
    Traceback (most recent call last):
    tinygrad_bp.errors.DataError: no-such-file.gz does not exist. Check the folder and the name.
    """


class CheckpointError(TinygradError, ValueError):
    """A saved model cannot be read or does not fit the model it is loaded into.

    >>> from tinygrad_bp import nn
    >>> nn.load("no-such-file.npz")
    Traceback (most recent call last):
    tinygrad_bp.errors.CheckpointError: no-such-file.npz does not exist. Check the folder and ...
    """


class ExportError(TinygradError, TypeError):
    """A model does what the format that it is written in has no form for.

    >>> import numpy as np
    >>> from tinygrad_bp.interop import onnx
    >>> onnx.exported(np.linalg.det, np.eye(2))  # doctest: +SKIP
    Traceback (most recent call last):
    tinygrad_bp.errors.ExportError: linalg.det has no form in ONNX here ...
    """


class ProgramError(TinygradError, TypeError):
    """A step does what a program, which repeats the same calls in every run, cannot do.

    >>> import numpy as np
    >>> from tinygrad_bp import compile
    >>> step = compile(lambda x: x if x > 0 else -x)
    >>> step(np.array(1.0))
    Traceback (most recent call last):
    tinygrad_bp.errors.ProgramError: a branch (if, and, or, while, bool()) depends on values, ...
    """


class ClusterError(TinygradError, RuntimeError):
    """Workers cannot be reached, lack what they need, or do not fit together.

    So do models whose batches cannot be divided among workers.

    >>> from tinygrad_bp import nn, optim
    >>> from tinygrad_bp.cluster import ParallelStep
    >>> model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    >>> optimizer = optim.SGD(model.named_parameters(), lr=0.1)
    >>> ParallelStep(None, model, nn.MSELoss(), optimizer)  # doctest: +SKIP
    Traceback (most recent call last):
    tinygrad_bp.errors.ClusterError: '1' is a BatchNorm1d: it takes means over a batch, and a ...
    """
